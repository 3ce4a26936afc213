"""The HTTP shell around the service."""
