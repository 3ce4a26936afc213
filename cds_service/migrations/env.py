"""Run migrations on the connection `store.upgrade` hands over, one process at a time."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from cds_service.store.schema import METADATA

ONE_AT_A_TIME = 5_271_009  # any number, the same in every process


def run(connection: Connection) -> None:
    """Apply the missing migrations inside the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)").bindparams(n=ONE_AT_A_TIME))
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    context.run_migrations()


run(context.config.attributes["connection"])
