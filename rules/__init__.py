"""What we know about medicine: events in, findings and transitions out. Standard library only; no clock, no I/O."""
