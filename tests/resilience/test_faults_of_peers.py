"""Faults measured in other services of this kind, tried on ours where no other test shows them.

Source: measurements.md section 3.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fhir.asking import bundle, resource
from tests.fhir.stub_server import gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED, running, scenario_request


class Opened:
    """Keeps the names of the files this process opens, while `names` is a list."""

    names: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.names is not None:
            self.names.append(str(arguments[0]))


OPENED = Opened()
sys.addaudithook(OPENED)  # for good: Python has no way to take one away


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    with serving(tmp_path) as started:
        yield started


def test_nothing_is_read_from_disk_to_answer_a_call(tmp_path: Path) -> None:
    body = scenario_request(WARNED)
    with running(tmp_path) as service:
        service.call(body)
        OPENED.names = []
        assert len(service.call(body).json["cards"]) == 1
        opened, OPENED.names = OPENED.names, None
    assert [name for name in opened if "store.sqlite3" not in name] == []


@pytest.mark.server
def test_calls_over_one_connection_wait_for_no_delayed_acknowledgement(service: Process) -> None:
    # Two writes to a socket with Nagle's algorithm cost 40 ms each time.
    body = json.dumps(request_of_today(WARNED)).encode()
    headers = {"Content-Type": "application/json"}
    seconds = []
    with requests.Session() as session:
        for _ in range(20):
            started = time.perf_counter()
            session.post(f"{service.base}{ORDER_SIGN}", data=body, headers=headers, timeout=5)
            seconds.append(time.perf_counter() - started)
    assert sorted(seconds)[5] < 0.035


@pytest.mark.server
def test_all_that_is_missing_is_asked_for_at_once(service: Process) -> None:
    body = request_of_today(WARNED)
    prefetch = body.pop("prefetch")
    with stub_server() as fhir:
        pause = 0.15
        for search in ("Observation", "Procedure", "ServiceRequest", "Encounter"):
            fhir.behaviours[search] = gives(bundle(total=0), after_seconds=pause)
        fhir.behaviours |= {
            "Patient/patient-1": gives(resource("Patient", "patient-1"), after_seconds=pause),
            "Condition": gives(prefetch["conditions"], after_seconds=pause),
            "MedicationRequest": gives(prefetch["medication-requests"], after_seconds=pause),
        }
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            answer = service.post(ORDER_SIGN, {**body, "fhirServer": fhir.base})
            seconds.append(time.perf_counter() - started)
            assert len(answer.json()["cards"]) == 1
    assert min(seconds) < 3 * pause  # seven, one after the other, would take 7


def test_a_contained_resource_of_a_type_nobody_knows_costs_nothing(tmp_path: Path) -> None:
    body = scenario_request(WARNED)
    with running(tmp_path) as service:
        plain = service.call(body).json
        for entry in body["prefetch"]["medication-requests"]["entry"]:
            entry["resource"]["contained"] = [{"resourceType": "FooBarType", "id": "x"}]
        assert service.call(body).json == plain
