"""Reading raw FHIR R4 JSON, one resource at a time; `cds_service.fhir.reader` puts it together.

From the ground up: `values`, `dates`, `element` (one JSON object), `references`, `labels`,
`memory`, `concepts` (CodeableConcepts, and which concern a rule), `medication`, `dosage`,
`instructions`, `dispensing`, `parts` (what reading gives), then one module per kind of resource.
"""
