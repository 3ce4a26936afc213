"""Bring a database to the newest migration; kept apart because Alembic is slow to import."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from cds_service.store.database import connect, create_sqlite_file, needs_upgrade, outage_answered


def migrations() -> Config:
    """Return Alembic's configuration; the scripts travel inside the package."""
    config = Config()
    config.set_main_option("script_location", "cds_service:migrations")
    return config


def upgrade(url: str) -> None:
    """Apply every missing migration in one transaction; a database that is ahead is left alone.

    A SQLite file is made when missing. Raises `StoreUnavailable` when the database cannot be
    reached, `ConfigurationError` for a URL that is neither SQLite nor PostgreSQL.
    """
    create_sqlite_file(url)
    engine = connect(url, for_maintenance=True)
    if needs_upgrade(engine):
        config = migrations()
        with outage_answered(), engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    engine.dispose()
