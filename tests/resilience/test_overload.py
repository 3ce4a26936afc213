"""More calls than can be served: an open loop, which goes on calling however slow the answers are.

A closed loop would wait for answers, and so hide the queue. Source: security-reliability.md F9.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fhir.asking import bundle
from tests.fhir.stub_server import gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED

pytestmark = pytest.mark.server

FHIR_SECONDS = 0.2
IN_FLIGHT = 8
RATED = 30  # calls a second; 8 at once of 0.2 s make 40, of which our own work takes some
SECONDS = 4


class Answer(NamedTuple):
    status: int
    seconds: float
    retry_after: str | None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Process, bytes]]:
    """Start a service with few places, and make a call that waits for a FHIR server."""
    environment = {"CDS_SERVICE_IN_FLIGHT_LIMIT": str(IN_FLIGHT), "CDS_SERVICE_THREADS": "16"}
    with stub_server() as fhir, serving(tmp_path, environment) as started:
        fhir.behaviours["Condition"] = gives(bundle(total=0), after_seconds=FHIR_SECONDS)
        body = request_of_today(WARNED)
        del body["prefetch"]["conditions"]
        yield started, json.dumps({**body, "fhirServer": fhir.base}).encode()


def call(port: int, body: bytes) -> Answer:
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", ORDER_SIGN, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        seconds = time.monotonic() - started
        return Answer(response.status, seconds, response.headers["Retry-After"])
    finally:
        connection.close()


def open_loop(port: int, body: bytes, *, per_second: int, seconds: int) -> list[Answer]:
    """Begin calls at a steady rate, each at its own time, and return their answers."""
    begun = time.monotonic()
    with ThreadPoolExecutor(per_second) as threads:

        def call_in_time(number: int) -> Answer:
            time.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            return call(port, body)

        return list(threads.map(call_in_time, range(per_second * seconds)))


def test_at_three_times_the_rated_load_what_is_rated_is_served_and_the_rest_told_at_once(
    service: tuple[Process, bytes],
) -> None:
    process, body = service
    answers = open_loop(process.port, body, per_second=3 * RATED, seconds=SECONDS)
    served = sorted(answer.seconds for answer in answers if answer.status == 200)
    shed = sorted(answer.seconds for answer in answers if answer.status == 503)
    assert len(served) + len(shed) == len(answers)
    assert len(served) >= 0.9 * RATED * SECONDS
    assert served[int(0.99 * len(served))] <= 1
    assert statistics.median(shed) <= 0.05
    assert shed[-1] < 1
    assert {answer.retry_after for answer in answers if answer.status == 503} == {"1"}

    calm = open_loop(process.port, body, per_second=RATED // 2, seconds=2)
    assert {answer.status for answer in calm} == {200}
    assert process.stop() == 0
