"""Databases for the tests: a SQLite file always, a PostgreSQL cluster of our own when installed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from cds_service.store.database import connect
from cds_service.store.upgrade import upgrade
from cds_service.store.write_behind import WriteBehind

_NUMBERS = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A throwaway PostgreSQL server that listens on a socket in its own folder only."""

    folder: Path
    programs: Path
    account: str | None

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, as another user where we are root."""
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            user=self.account,
            group=None if self.account is None else pwd.getpwnam(self.account).pw_gid,
            extra_groups=None if self.account is None else [],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    @property
    def data(self) -> str:
        """The cluster's data folder."""
        return str(self.folder / "data")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-w", "-D", self.data, "-l", log, "-o", options)

    def is_running(self) -> bool:
        """Say whether the server is there."""
        try:
            self.run("pg_ctl", "status", "-D", self.data)
        except subprocess.CalledProcessError:
            return False
        return True

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is its crash: it recovers at the next start."""
        self.run("pg_ctl", "stop", "-w", "-D", self.data, "-m", mode)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the processes of the server without ending them, as a hanging disk would."""
        (postmaster, *_) = (self.folder / "data" / "postmaster.pid").read_text().split()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        processes = [int(postmaster), *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def url(self, database: str) -> str:
        """The URL as an operator would write it."""
        return f"postgresql://owner@/{database}?host={self.folder}"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"test_{next(_NUMBERS)}"
        self._administer(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_databases(self) -> None:
        """Drop what tests have made: a server with few files recovers fast."""
        names = "SELECT datname FROM pg_database WHERE datname ~ '^test'"
        for name in self._administer(names):
            self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def _administer(self, statement: str) -> list[str]:
        url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return list(result.scalars()) if result.returns_rows else []


def _programs() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    pytest.skip("PostgreSQL is not installed: apt-get install postgresql")


def _account() -> str | None:
    """PostgreSQL refuses to run as root: its own user or nobody runs it then."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    programs = _programs()
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="cds-pg-"))
    if account is not None:
        shutil.chown(folder, account)
    server = Cluster(folder=folder, programs=programs, account=account)
    server.run("initdb", "-D", server.data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-sync")
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def cluster(server: Cluster) -> Iterator[Cluster]:
    """The server, running again afterwards whatever a test did to it."""
    yield server
    if not server.is_running():
        server.start()
    server.drop_databases()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.new_database()


@pytest.fixture
def url(empty_url: str) -> str:
    upgrade(empty_url)
    return empty_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


class Losses:
    """Counts what is reported as lost."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}

    def __call__(self, table: str, number: int) -> None:
        self.rows[table] = self.rows.get(table, 0) + number


@pytest.fixture
def losses() -> Losses:
    return Losses()


@pytest.fixture
def writer(engine: Engine, losses: Losses) -> Iterator[WriteBehind]:
    writer = WriteBehind(engine, on_loss=losses)
    yield writer
    writer.close(timeout_seconds=10)
