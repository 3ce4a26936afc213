"""Reading FHIR R4: over the wire (client, gather) and into the record (reader)."""
