"""One engine for both databases, set up so that a commit lasts and a wait ends."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, select, table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql import column

from cds_service.errors import ConfigurationError, StoreUnavailable
from cds_service.store.schema import REVISIONS
from cds_service.writable import try_to_write

POOL_SIZE: Final = 5
WAIT_SECONDS: Final = 2
LOCK_MILLISECONDS: Final = 500
MAINTENANCE_SECONDS: Final = 600
RETRY_AFTER_SECONDS: Final = 5

Insert = postgresql.Insert | sqlite.Insert


def connect(url: str, *, for_maintenance: bool = False) -> Engine:
    """Return an engine; no connection is opened yet, so a database that is down does no harm here.

    `sqlite:///file` and `postgresql://...` are taken. A statement may take `WAIT_SECONDS`; for
    migrations, reports and purges `MAINTENANCE_SECONDS`. Raises `ConfigurationError` for another
    URL. A SQLite file that is missing is an outage, not a new database: the volume may be away.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgresql_engine(parsed, for_maintenance=for_maintenance)


@contextmanager
def outage_answered() -> Iterator[None]:
    """Turn any failure of the database into `StoreUnavailable`; its own message stays inside."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreUnavailable(
            "The store cannot be reached just now; send it again later.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        ) from error


def reading(engine: Engine) -> Engine:
    """Return the engine for transactions that only read: on SQLite they keep no writer waiting."""
    return engine.execution_options(reads_only=True)


def insert_unless_present(connection: Connection, target: Table) -> Insert:
    """Return an INSERT that leaves a row alone whose key is already there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(target).on_conflict_do_nothing()
    return postgresql.insert(target).on_conflict_do_nothing()


def insert_rows(engine: Engine, target: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Commit the rows that are not there yet, all in one transaction."""
    with engine.begin() as connection:
        connection.execute(insert_unless_present(connection, target), list(rows))


def needs_upgrade(engine: Engine) -> bool:
    """Say whether migrations are missing; a database ahead of this version needs none.

    Migrations only ever add, so old and new service run together. Raises `StoreUnavailable`.
    """
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        return True
    version = table("alembic_version", column("version_num"))
    with outage_answered(), reading(engine).connect() as connection:
        if not engine.dialect.has_table(connection, version.name):
            return True
        return connection.scalar(select(version.c.version_num)) in (None, *REVISIONS[:-1])


def database_name(url: str) -> str:
    """Return the address to tell an operator: a file by its whole path, no password, no options.

    Raises `ConfigurationError` for a URL that is neither SQLite nor PostgreSQL.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return f"sqlite:///{Path(parsed.database or '').absolute()}"
    host = {key: value for key, value in parsed.query.items() if key == "host"}
    return parsed.set(drivername="postgresql", query=host).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise ConfigurationError(_WANTED) from None
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigurationError(_WANTED)


_WANTED: Final = (
    "CDS_SERVICE_DATABASE_URL: must be sqlite:///path/to/file or postgresql://user@host/database"
)


def _json(value: object) -> str:
    """Write a JSON column, at a seventh of the time of the standard library."""
    return orjson.dumps(value).decode()


def _sqlite_engine(url: URL) -> Engine:
    file = Path(url.database or "").absolute().as_uri()

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(
            f"{file}?mode=rw", uri=True, timeout=WAIT_SECONDS, check_same_thread=False
        )

    engine = create_engine(
        url,
        creator=open_file,
        hide_parameters=True,
        json_serializer=_json,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # `begin` below opens transactions, not the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail at once beside another writer.
        reads_only = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def create_sqlite_file(url: str) -> bool:
    """Make an empty database file that only its owner can read, with its folder.

    A file that is there is left alone. Returns whether one was made; raises `ConfigurationError`
    where none can be.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return False
    path = Path(parsed.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return True
    except OSError as error:
        raise _unusable_file(path, error) from None
    return False


def check_database(url: str) -> None:
    """Raise what `connect` and `create_sqlite_file` would, and connect to nothing.

    A SQLite file must be one that can be written to, or made; it is not made here.
    """
    connect(url).dispose()
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return
    path = Path(parsed.database or "")
    try:
        try_to_write(path)
    except OSError as error:
        raise _unusable_file(path, error) from None


def _unusable_file(path: Path, error: OSError) -> ConfigurationError:
    wanted = "written" if os.path.exists(path) else "made"
    return ConfigurationError(
        f"CDS_SERVICE_DATABASE_URL: the file {path} cannot be {wanted}: {error.strerror}; "
        "name one in a folder that the service may write to"
    )


def _postgresql_engine(url: URL, *, for_maintenance: bool) -> Engine:
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            json_serializer=_json,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": WAIT_SECONDS,
                "tcp_user_timeout": WAIT_SECONDS * 1_000,
                "keepalives_idle": WAIT_SECONDS,
                "keepalives_interval": 1,
                "prepare_threshold": None,
                "application_name": "cds-service",
            },
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "CDS_SERVICE_DATABASE_URL: PostgreSQL needs its driver: "
            "pip install 'cds-service[postgresql]'"
        ) from None
    statement_seconds = MAINTENANCE_SECONDS if for_maintenance else WAIT_SECONDS
    lock_milliseconds = MAINTENANCE_SECONDS * 1_000 if for_maintenance else LOCK_MILLISECONDS
    limits = text(
        "SELECT set_config('statement_timeout', :statement, true),"
        " set_config('lock_timeout', :lock, true),"
        " set_config('synchronous_commit', 'on', true),"
        " set_config('timezone', 'UTC', true)"
    ).bindparams(statement=str(statement_seconds * 1_000), lock=str(lock_milliseconds))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Per transaction, not per connection: a pooler in between hands connections round.
        connection.execute(limits)

    return engine
