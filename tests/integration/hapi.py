"""The FHIR server of `integration/` as a process: started, loaded with made-up patients, stopped.

python -m tests.integration.hapi --port 8090     what `make hapi` runs
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import requests

from cds_service.web.demo.fixture_records import REFERENCE_DAY, moved

ROOT = Path(__file__).parents[2]
PATIENTS = ROOT / "fhir_fixtures" / "patients"
BUILT = ROOT / "build" / "hapi"
KEPT = ROOT / "var" / "hapi"
"""The database and the server's log."""
START_SECONDS = 300
STOP_SECONDS = 30

Resource = Mapping[str, Any]


class NotStored(Exception):
    """The server refused resources; the text is its own."""


def base_at(port: int) -> str:
    """Return the FHIR base of the server at a port of loopback."""
    return f"http://127.0.0.1:{port}/fhir"


def is_up(base: str) -> bool:
    """Say whether a FHIR server answers at the base."""
    try:
        answer = requests.get(f"{base}/metadata?_summary=true", timeout=20)
        return answer.ok and answer.json().get("resourceType") == "CapabilityStatement"
    except requests.RequestException:
        return False


@contextmanager
def hapi(port: int, *, tell: Callable[[str], None] = print) -> Iterator[str]:
    """Start the server, or use the one that is up at the port already; yields its base."""
    base = base_at(port)
    if is_up(base):
        yield base
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    tell("Starting the FHIR server; with an empty database it takes about a minute ...")
    with (KEPT / "server.log").open("wb") as log:
        process = subprocess.Popen(_command(port), stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        _wait_for(base, process)
        yield base
    finally:
        _stop(process)


def transaction(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return the Bundle that stores the resources under their own ids."""
    entries = [
        {
            "resource": resource,
            "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
        }
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def store(base: str, resources: Iterable[Resource]) -> None:
    """Store all of the resources or none. Raises NotStored with what the server says."""
    answer = requests.post(
        base,
        json=transaction(resources),
        headers={"Content-Type": "application/fhir+json"},
        timeout=60,
    )
    if not answer.ok:
        raise NotStored(answer.json()["issue"][0]["diagnostics"])


def store_patients(base: str, *, today: date) -> dict[str, str]:
    """Store the made-up patients as of today; returns why, for each file that is refused."""
    refused = {}
    for file in sorted(PATIENTS.glob("*.json")):
        bundle: Any = moved(json.loads(file.read_bytes()), by=today - REFERENCE_DAY)
        try:
            store(base, [entry["resource"] for entry in bundle["entry"]])
        except NotStored as reason:
            refused[file.stem] = str(reason)
    return refused


def _command(port: int) -> list[str]:
    classpath = (BUILT / "classpath").read_text()
    return [
        "java",
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{BUILT / 'classes'}:{classpath}",
        "fhirserver.FhirServer",
        str(port),
        str(KEPT / "database"),
    ]


def _wait_for(base: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_up(base):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (KEPT / "server.log").read_text(errors="replace")[-4000:]
            raise SystemExit(f"{said}\nThe FHIR server did not start: see above.")
        time.sleep(0.5)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    port = arguments.parse_args().port
    if is_up(base_at(port)):
        raise SystemExit(f"A FHIR server is up already: {base_at(port)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with hapi(port) as base:
            refused = store_patients(base, today=datetime.now(UTC).date())
            for name, reason in refused.items():
                print(f"Not stored: {name}: {reason}")
            print(f"FHIR server         {base}\nCtrl-C ends it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")


if __name__ == "__main__":
    main()
