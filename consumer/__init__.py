"""What we know about the hospital's wires: HL7 v2, Kafka, HTTP and the command line."""
