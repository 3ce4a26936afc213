"""The service as a process of its own, started by its command and talked to over sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import requests

from cds_service.web.demo.fixture_records import moved
from tests.scenarios import FOLDER, read_scenario

COMMAND = (str(Path(sys.executable).with_name("cds-service")), "serve")


def request_of_today(name: str) -> dict[str, Any]:
    """Return the request of a scenario, moved in time so that its story is of today.

    A process reads its own clock.
    """
    told = read_scenario(FOLDER / name)
    return cast("dict[str, Any]", moved(told.request, by=date.today() - told.as_of))


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running service: where it listens, and what it logs."""

    popen: subprocess.Popen[bytes]
    port: int
    log_file: Path

    @property
    def base(self) -> str:
        """The address of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines logged so far."""
        lines = self.log_file.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def post(self, path: str, body: object, **more: Any) -> requests.Response:
        """POST a body as JSON."""
        return requests.post(f"{self.base}{path}", json=body, timeout=30, **more)

    @property
    def resident_kib(self) -> int:
        """How much memory the process holds, in KiB."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1])

    def raw(self, sent: bytes, *, seconds: float = 10) -> bytes:
        """Send bytes and return all that comes until the service closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def stop(self) -> int:
        """Ask the service to end, and return its exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(15)


@contextmanager
def serving(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    command: tuple[str, ...] = COMMAND,
    meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
) -> Iterator[Process]:
    """Start the service on a free port of loopback, in development mode unless told otherwise.

    `meanwhile` is called with the process before it is known to listen.
    """
    log_file = folder / "service.log"
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "CDS_SERVICE_PORT": "0",
        "CDS_SERVICE_DATABASE_URL": f"sqlite:///{folder / 'store.sqlite3'}",
        **(environment or {}),
    }
    with log_file.open("wb") as log:
        popen = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=settings)
    try:
        meanwhile(popen)
        yield Process(popen=popen, port=_port(popen, log_file), log_file=log_file)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


def _port(popen: subprocess.Popen[bytes], log_file: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and popen.poll() is None:
        for line in log_file.read_text().splitlines():
            if line.startswith("{") and (started := json.loads(line))["event"] == "started":
                return int(started["port"])
        time.sleep(0.05)
    raise AssertionError(f"the service did not start:\n{log_file.read_text()}")
