"""The pure clinical core: standard library only, no clock, no log, no I/O, no FHIR class."""
