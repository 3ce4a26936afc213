"""How fast the service is, measured beside a bare Flask in the same run: `make bench`."""
