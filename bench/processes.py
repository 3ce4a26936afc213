"""The servers that are measured, each a process of its own on one core.

The load comes from the other core; see `load`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, LOAD_CORE = "0", "1"
ORDER_SIGN = "/cds-services/opioid-social-pain-order-sign"
DEPLOYED = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""What the image and the unit set for every site: no thread keeps freed memory to itself."""
_ROOT = Path(__file__).parents[1]
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_LONGEST_START_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A server that listens on a port of loopback."""

    name: str
    pid: int
    port: int

    @property
    def url(self) -> str:
        """The address of the order-sign service."""
        return f"http://127.0.0.1:{self.port}{ORDER_SIGN}"

    @property
    def resident_bytes(self) -> int:
        """The memory the process holds now."""
        statm = Path(f"/proc/{self.pid}/statm").read_text("ascii")
        return int(statm.split()[1]) * _PAGE_BYTES


@contextmanager
def service(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run the service with its log and its database in `folder`.

    Without an issuer nobody is authenticated, which needs loopback; all else is as it is in
    production: log, metrics, card ledger and limits.
    """
    log = folder / "service.log"
    settings = {
        **DEPLOYED,
        "PATH": os.environ["PATH"],
        "CDS_SERVICE_PORT": "0",
        "CDS_SERVICE_DATABASE_URL": f"sqlite:///{folder / 'store.sqlite3'}",
        **(environment or {}),
    }
    command = str(Path(sys.executable).with_name("cds-service"))
    with _pinned([command, "serve"], log=log, cwd=folder, environment=settings) as process:
        yield Running(name="service", pid=process.pid, port=_port_in(log, process))


@contextmanager
def reference(folder: Path, card: bytes) -> Iterator[Running]:
    """Run the bare Flask, which answers every call with `card`."""
    log, answer = folder / "reference.log", folder / "card.json"
    answer.write_bytes(card)
    command = [sys.executable, "-m", "bench.reference", str(answer)]
    with _pinned(command, log=log, cwd=_ROOT, environment=dict(os.environ)) as process:
        yield Running(name="bare Flask", pid=process.pid, port=_port_in(log, process))


@contextmanager
def _pinned(
    command: list[str], *, log: Path, cwd: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of ours
            ["taskset", "-c", SERVER_CORE, *command],  # noqa: S607
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=environment,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _port_in(log: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _LONGEST_START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text("utf-8").splitlines():
            if line.startswith('{"'):
                event = json.loads(line)
                if event.get("event") == "started":
                    return int(event["port"])
        time.sleep(0.002)
    raise RuntimeError(f"the server did not start:\n{log.read_text('utf-8')}")
