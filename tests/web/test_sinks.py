"""What is written down of a request, in the log, the metrics and the traces."""

from __future__ import annotations

import errno
import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import ConfigurationError
from cds_service.web.app import create_app
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.notes import CallNote, failure_position
from cds_service.web.tracing import tracing_to
from cds_service.web.trust import OpenDoor
from tests.web.service import (
    ORDER_SIGN,
    RULE_WARNED,
    SUPPRESSED,
    WARNED,
    KeptLog,
    Made,
    Running,
    running,
    scenario_request,
)
from tests.web.test_app import broken

ALLOWED = {
    "time", "level", "event", "request", "route", "hook", "service", "issuer", "tenant",
    "trigger", "hook_instance", "status", "outcome", "refusal", "card_count", "rules", "ms",
    "step_ms", "fhir_calls", "bytes_in", "bytes_out", "failed_at", "failed_rule", "knowledge",
}  # fmt: skip


@pytest.fixture
def service(tmp_path: Path, log: KeptLog) -> Iterator[Running]:
    with running(tmp_path, Made(log=log)) as started:
        yield started


def test_a_call_leaves_one_line_made_of_what_is_allowed(service: Running, log: KeptLog) -> None:
    body = scenario_request(WARNED)
    response = service.call(body)
    [line] = log.lines
    assert line.keys() <= ALLOWED
    assert line["event"] == "request"
    assert line["route"] == "/cds-services/<service_id>"
    assert (line["hook"], line["issuer"], line["status"]) == ("order-sign", "development", 200)
    assert (line["outcome"], line["card_count"], line["rules"]) == ("cards", 1, [RULE_WARNED])
    assert line["step_ms"].keys() == {"authenticate", "read", "fetch", "evaluate"}
    assert line["bytes_out"] == len(response.data)
    assert len(line["hook_instance"]) == 16
    assert body["hookInstance"] not in log.stream.getvalue()


def test_an_error_and_its_line_have_the_same_number(service: Running, log: KeptLog) -> None:
    response = service.call({})
    [line] = log.lines
    assert response.json["issue"][0]["diagnostics"] == f"Request number {line['request']}"
    assert (line["status"], line["outcome"]) == (400, "invalid")


def test_an_address_that_is_asked_for_is_not_written_down(service: Running, log: KeptLog) -> None:
    service.client.get("/Patient/jane-roe?name=Jane")
    service.client.post("/cds-services/jane-roe?name=Jane", json={})
    assert "jane" not in log.stream.getvalue().lower()
    assert [line["route"] for line in log.lines] == ["other", "/cds-services/<service_id>"]


def test_a_bug_is_written_down_by_class_and_place_and_never_by_its_message(
    tmp_path: Path, log: KeptLog
) -> None:
    made = replace(broken(answers_failure_empty=False), log=log)
    with running(tmp_path, made) as service:
        service.call(scenario_request(WARNED))
    [line] = log.lines
    assert line["level"] == "error"
    assert line["failed_at"].startswith("RuntimeError at test_app.py:")
    assert "decision_support.py:" in line["failed_at"]
    assert "Jane" not in log.stream.getvalue()
    assert "MRN" not in log.stream.getvalue()


def test_the_messages_of_libraries_are_not_written_down(log: KeptLog) -> None:
    library = logging.getLogger("urllib3.connectionpool")
    library.setLevel(logging.DEBUG)
    library.debug("GET /Patient/jane-roe")
    library.warning("Retrying https://ehr.example.org/Patient/jane-roe")
    try:
        raise ValueError("jane-roe")
    except ValueError:
        logging.getLogger("waitress").exception("Exception while serving /Patient/jane-roe")
    assert "jane-roe" not in log.stream.getvalue()
    assert [line["event"] for line in log.lines] == ["library"] * len(log.lines)
    assert log.lines[-1]["logger"] == "waitress"
    assert log.lines[-1]["failed_at"].startswith("ValueError at test_sinks.py:")


@pytest.mark.parametrize("failure", [BrokenPipeError, OSError(errno.ENOSPC, "No space left")])
def test_a_line_that_nobody_takes_is_counted_and_no_answer_waits_for_it(
    tmp_path: Path, failure: Any
) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise failure

    log = Log(Full())
    with running(tmp_path, Made(log=log)) as service:
        assert len(service.call(scenario_request(WARNED)).json["cards"]) == 1
    assert log.lost_lines == 1


def test_a_position_names_the_innermost_six_frames() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise KeyError("jane-roe")
        dig(depth - 1)

    with pytest.raises(KeyError) as caught:
        dig(20)
    position = failure_position(caught.value)
    assert position.startswith("KeyError at test_sinks.py:")
    assert position.count(" < ") == 5
    assert "jane" not in position


def test_the_metrics_have_the_published_names_and_labels(service: Running) -> None:
    service.call(scenario_request(WARNED))
    service.call(scenario_request(SUPPRESSED))
    service.call({})
    labels = {"hook": "order-sign", "issuer": "development"}
    assert service.count("cds_requests_total", **labels, outcome="cards") == 1
    assert service.count("cds_requests_total", **labels, outcome="empty") == 1
    assert service.count("cds_requests_total", **labels, outcome="invalid") == 1
    assert service.count("cds_request_seconds_count", hook="order-sign", outcome="cards") == 1
    assert service.count("cds_rule_fired_total", rule=RULE_WARNED) == 1
    assert service.count("cds_inflight", kind="hook") == 0


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    metrics, ages = Metrics(), {"north": 1.0}
    metrics.watch("cds_jwks_age_seconds", "Age.", lambda: ages, label="issuer")
    read = metrics.registry.get_sample_value
    assert read("cds_jwks_age_seconds", {"issuer": "north"}) == 1
    ages["south"] = 2.0
    assert read("cds_jwks_age_seconds", {"issuer": "south"}) == 2


def test_rows_given_up_by_the_store_are_counted() -> None:
    metrics = Metrics()
    metrics.record_loss("card", 3)
    assert metrics.registry.get_sample_value("cds_store_lost_rows_total", {"table": "card"}) == 3


def test_a_request_is_traced_by_four_spans_with_names_of_ours(tmp_path: Path) -> None:
    opened: list[str] = []

    @contextmanager
    def span(name: str) -> Iterator[None]:
        opened.append(name)
        yield

    with running(tmp_path) as service:
        app = create_app(
            service.parts,
            door=OpenDoor(service.parts.issuers[0]),
            metrics=Metrics(),
            log=KeptLog(),
            span=span,
        )
        app.test_client().post(ORDER_SIGN, json=scenario_request(WARNED))
    assert opened == ["authenticate", "read", "fetch", "evaluate"]


def test_spans_are_sent_by_name_and_with_nothing_of_the_failure(tmp_path: Path) -> None:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever).start()
        tracing = tracing_to(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ValueError, match="Roe"), tracing.span("fetch"):
            raise ValueError("Jane Roe")
        tracing.close()
        server.shutdown()
    [sent] = received
    assert b"fetch" in sent
    assert b"Roe" not in sent


def test_a_step_that_fails_is_measured_all_the_same() -> None:
    note = CallNote()
    with pytest.raises(ConfigurationError), note.step("read"):
        raise ConfigurationError
    assert note.step_ms.keys() == {"read"}
