"""HL7 v2 as it really arrives: bytes of an inbound record to the events of `rules.events`. Pure; no Kafka, no clock."""
