"""The try-it page and the fixture FHIR endpoint, for development only."""
