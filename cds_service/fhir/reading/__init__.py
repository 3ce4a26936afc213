"""Reading raw FHIR R4 JSON, one resource at a time; `cds_service.fhir.reader` puts it together.

From the ground up: `values`, `dates`, `element` (one JSON object), `references`, `labels`,
`concepts` (CodeableConcepts, and which concern a rule), `medication`, `dosage`, `bounds`, `parts`
(what reading gives), then one module per kind of resource.
"""
