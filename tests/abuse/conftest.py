"""The service under abuse: one process for the whole suite, looked at after each case."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.fhir.stub_server import StubServer, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED

CANARY = "Zebrafinch"
"""A name that patients of this suite have; it must turn up nowhere but in their data."""

MOST_GROWTH_KIB = 150 * 1024


@dataclass(frozen=True, kw_only=True)
class Abused:
    """The service, and what must hold of every answer it gives, whatever it was sent."""

    process: Process
    seconds: list[float] = field(default_factory=list)

    def send(self, body: object = None, path: str = ORDER_SIGN, **more: Any) -> requests.Response:
        """POST, as JSON unless `data` is given, and look at the answer."""
        sent = more if "data" in more else {"json": body, **more}
        if "data" in more:
            sent = {"headers": {"Content-Type": "application/json"}, **more}
        started = time.monotonic()
        response = requests.post(f"{self.process.base}{path}", timeout=30, **sent)
        self.seconds.append(time.monotonic() - started)
        return self.looked_at(response)

    def looked_at(self, response: requests.Response) -> requests.Response:
        """Fail if an answer is a failure of ours, says too much, or is not in form."""
        assert response.status_code < 500, response.text
        assert CANARY not in response.text
        assert response.headers["Cache-Control"] == "no-store"
        assert "Server" not in response.headers
        for word in ("Traceback", "site-packages", "werkzeug", ".py", "sqlite"):
            assert word not in response.text
        if response.status_code >= 400:
            outcome = response.json()
            assert outcome["resourceType"] == "OperationOutcome"
            assert outcome["issue"][0]["severity"] == "error"
            assert outcome["issue"][0]["code"]
        return response

    def is_well(self) -> bool:
        """Say whether an ordinary call still gets its card."""
        return len(self.send(request_of_today(WARNED)).json()["cards"]) == 1


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Start the service once; at the end it must be well, no larger, and have kept its silence."""
    folder = tmp_path_factory.mktemp("abused")
    audit = folder / "audit.ndjson"
    environment = {"CDS_SERVICE_AUDIT_FILE": str(audit), "CDS_SERVICE_AUDIT_KEY": "k" * 16}
    with serving(folder, environment) as started:
        abused = Abused(process=started)
        assert all(abused.is_well() for _ in range(50))
        before = started.resident_kib
        yield started
        assert abused.is_well()
        assert started.resident_kib - before < MOST_GROWTH_KIB
        assert [line for line in started.log if "failed_at" in line] == []
        for written in (started.log_file.read_text(), audit.read_text()):
            assert written
            assert CANARY not in written
            assert "evil" not in written
        assert started.stop() == 0


@pytest.fixture
def service(process: Process) -> Iterator[Abused]:
    """Hand out the service for one case, and see that it is well after it."""
    abused = Abused(process=process)
    yield abused
    assert abused.is_well()


@pytest.fixture
def fhir() -> Iterator[StubServer]:
    """A FHIR server on this machine, which development mode may call."""
    with stub_server() as started:
        yield started


@pytest.fixture
def stranger() -> Iterator[StubServer]:
    """A server nobody asked for anything; whoever comes is a leak."""
    with stub_server() as started:
        yield started
        assert started.targets == []
