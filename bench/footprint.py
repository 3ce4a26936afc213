"""How soon the service answers after its start, and what memory it holds after many calls."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.goals import Goal
from bench.load import load
from bench.processes import DEPLOYED, ORDER_SIGN, SERVER_CORE, Running

MOST_START_SECONDS = 1.0
MOST_RESIDENT_MB = 120.0
MOST_GROWTH_MB = 1.0
"""What is still called no growth: the allocator gives memory back in pieces, not at once."""
_MB = 1_000_000
_CONNECTIONS = 8


def start(body: bytes, folder: Path, *, times: int) -> Goal:
    """Measure from starting the command to the answer to the first call.

    The very first start, which makes the database, does not count.
    """
    taken = [_start_seconds(body, folder) for _ in range(times + 1)][1:]
    return Goal(
        name="start to first answer, median",
        measured=median(taken),
        limit=MOST_START_SECONDS,
        sense="at most",
        unit="s",
    )


def _start_seconds(body: bytes, folder: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **DEPLOYED,
        "PATH": os.environ["PATH"],
        "CDS_SERVICE_PORT": str(port),
        "CDS_SERVICE_DATABASE_URL": f"sqlite:///{folder / 'store.sqlite3'}",
    }
    command = ["taskset", "-c", SERVER_CORE, str(Path(sys.executable).with_name("cds-service"))]
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - a command of ours
        [*command, "serve"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
    )
    try:
        while not _is_answered(port, body):
            if time.perf_counter() - started > 30 or process.poll() is not None:
                raise RuntimeError("the service did not start")
            time.sleep(0.005)
        return time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def _is_answered(port: int, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", ORDER_SIGN, body, {"Content-Type": "application/json"})
        return connection.getresponse().status == http.client.OK
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()


def memory(service: Running, bodies: list[tuple[int, Path]], *, calls: int) -> list[Goal]:
    """Measure the resident memory after so many mixed calls, and after as many again."""
    held = []
    for _ in range(2):
        load(service, bodies, connections=_CONNECTIONS, calls=calls)
        held.append(service.resident_bytes / _MB)
    return [
        Goal(
            name=f"resident memory after {calls} mixed calls",
            measured=held[0],
            limit=MOST_RESIDENT_MB,
            sense="at most",
            unit="MB",
        ),
        Goal(
            name=f"growth over the next {calls} calls",
            measured=held[1] - held[0],
            limit=MOST_GROWTH_MB,
            sense="at most",
            unit="MB",
        ),
    ]
