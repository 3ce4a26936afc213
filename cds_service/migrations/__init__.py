"""Alembic's scripts. They only ever add, so that old and new service can share a database."""
