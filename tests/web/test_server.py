"""The server as clients see it, hostile ones included: the service runs as its own process."""

from __future__ import annotations

import gc
import json
import socket
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests
from waitress.channel import HTTPChannel

from cds_service.web.memory import collect_seldom
from cds_service.web.server import Server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED

pytestmark = pytest.mark.server

Found = TypeVar("Found")

CALL = json.dumps(request_of_today(WARNED)).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serving(tmp_path_factory.mktemp("server")) as started:
        yield started


def head(*lines: str, path: str = ORDER_SIGN) -> bytes:
    start = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    return ("\r\n".join([*start, *lines]) + "\r\n\r\n").encode()


def chunked(body: bytes, *, size: int = 1 << 16) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def is_well(service: Process) -> bool:
    response = service.post(ORDER_SIGN, request_of_today(WARNED))
    assert response.status_code in {200, 503}
    return response.status_code == 200 and len(response.json()["cards"]) == 1


def test_a_chunked_body_is_read_whole(service: Process) -> None:
    sent = head("Transfer-Encoding: chunked", "Connection: close") + chunked(CALL, size=1000)
    answer = service.raw(sent)
    assert status_of(answer) == 200
    assert b'"indicator":"warning"' in answer


def test_a_chunked_body_beyond_the_limit_is_never_cut_and_answered(service: Process) -> None:
    padded = CALL + b" " * (5 << 20)
    answer = service.raw(head("Transfer-Encoding: chunked", "Connection: close") + chunked(padded))
    assert status_of(answer) == 413
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["issue"][0]["code"] == "too-long"


def test_a_huge_body_is_refused_and_the_service_survives(service: Process) -> None:
    for size in (16 << 20, 40 << 20):
        try:
            response = requests.post(
                f"{service.base}{ORDER_SIGN}",
                data=b" " * size,
                headers={"Content-Type": "application/json"},
                timeout=30,
            )
            assert response.status_code == 413
        except requests.ConnectionError:
            assert size > 17 << 20  # refused by its length, and closed while we still send
    assert is_well(service)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 2"),
        ("Content-Length: 2", "Content-Length: 40"),
        ("Content-Length: 2", "Content-Length: 2"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length: -1",),
        ("Content-Length: +2",),
        ("Content-Length: 2x",),
        ("Content-Length : 2",),
        ("Transfer-Encoding:\x0bchunked",),
    ],
)
def test_a_request_of_doubtful_length_gets_one_refusal_and_no_second_answer(
    service: Process, lines: tuple[str, ...]
) -> None:
    second = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = service.raw(head(*lines) + b"0\r\n\r\n" + second)
    assert answer.count(b"HTTP/1.") == 1
    assert status_of(answer) in {400, 501}
    assert b'"OperationOutcome"' in answer
    assert b"connection: close" in answer.lower()


def test_headers_of_32_kilobytes_are_refused(service: Process) -> None:
    start = head("X-More: ").removesuffix(b"\r\n\r\n")
    answer = service.raw(start + b"a" * (32 * 1024 - len(start)))
    assert status_of(answer) == 431
    assert b'"OperationOutcome"' in answer


@pytest.mark.parametrize(
    "start",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\nConnection: close\r\n\r\n",
    ],
)
def test_garbage_is_refused_without_a_word_about_us(service: Process, start: bytes) -> None:
    answer = service.raw(start)
    assert status_of(answer) in {400, 404, 405}
    lowered = answer.lower()
    assert b"server:" not in lowered
    for word in (b"waitress", b"werkzeug", b"flask", b"python", b"traceback", b"passwd"):
        assert word not in lowered


def test_forty_slow_clients_hold_nobody_up(service: Process) -> None:
    address = ("127.0.0.1", service.port)
    slow = [socket.create_connection(address) for _ in range(40)]
    try:
        for number, connection in enumerate(slow):
            half = head("Content-Length: 100000") + CALL[:100] if number % 2 else b"POST /cds-ser"
            connection.sendall(half)
        started = time.monotonic()
        assert is_well(service)
        assert time.monotonic() - started < 3
    finally:
        for connection in slow:
            connection.close()


def test_a_connection_serves_several_calls_preflights_included(service: Process) -> None:
    with requests.Session() as session:
        for _ in range(3):
            assert session.options(f"{service.base}{ORDER_SIGN}", timeout=5).status_code == 200
            response = session.post(f"{service.base}{ORDER_SIGN}", data=CALL, timeout=5)
            assert response.status_code == 415
            assert "close" not in response.headers.get("Connection", "")


def test_twenty_calls_at_once_are_all_answered(service: Process) -> None:
    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(lambda _: is_well(service), range(40)))


class SlowFhir(BaseHTTPRequestHandler):
    """A FHIR server that takes its time over everything."""

    seconds = 2.0

    def do_GET(self) -> None:
        time.sleep(self.seconds)
        body = b'{"resourceType":"Bundle","type":"searchset","total":0}'
        if "/Patient/" in self.path:
            body = b'{"resourceType":"Patient","id":"patient-1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def slow_fhir() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowFhir)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/fhir"
    server.shutdown()
    server.server_close()


def calling_back(base: str) -> dict[str, Any]:
    body = request_of_today(WARNED)
    del body["prefetch"]
    return {**body, "fhirServer": base}


def test_on_sigterm_what_was_asked_is_answered_and_new_connections_are_refused(
    tmp_path: Path, slow_fhir: str
) -> None:
    environment = {"CDS_SERVICE_FHIR_DEADLINE_SECONDS": "8"}
    with serving(tmp_path, environment) as service, ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(service.post, ORDER_SIGN, calling_back(slow_fhir)) for _ in range(4)
        ]
        time.sleep(0.5)
        service.popen.terminate()
        time.sleep(0.3)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service.base}/livez", timeout=5)
        for answer in asked:
            assert answer.result().status_code == 200
            assert answer.result().headers["Connection"] == "close"
        assert service.popen.wait(10) == 0
        events = [line["event"] for line in service.log]
        assert events == [
            "database-made",
            "started",
            "draining",
            "request",
            "request",
            "request",
            "request",
            "stopped",
        ]


def test_without_anything_to_finish_sigterm_ends_the_service_within_two_seconds(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as service, requests.Session() as session:
        session.get(f"{service.base}/livez", timeout=5)  # leaves a connection open
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 2


def test_overload_is_shed_at_once_without_errors_and_is_over_when_it_is_over(
    tmp_path: Path, slow_fhir: str
) -> None:
    environment = {
        "CDS_SERVICE_IN_FLIGHT_LIMIT": "4",
        "CDS_SERVICE_THREADS": "12",
        "CDS_SERVICE_FHIR_DEADLINE_SECONDS": "8",
    }
    with serving(tmp_path, environment) as service, ThreadPoolExecutor(24) as threads:
        begun = time.monotonic()

        def ask(_: int) -> tuple[int, float]:
            response = service.post(ORDER_SIGN, calling_back(slow_fhir))
            return response.status_code, time.monotonic() - begun

        answers = list(threads.map(ask, range(24)))
        statuses = [status for status, _ in answers]
        assert statuses.count(200) == 4
        assert statuses.count(503) == 20
        assert max(s for status, s in answers if status == 503) < SlowFhir.seconds
        assert is_well(service)


def test_clients_that_give_up_leave_no_work_behind(tmp_path: Path, slow_fhir: str) -> None:
    body = json.dumps(calling_back(slow_fhir)).encode()
    sent = head(f"Content-Length: {len(body)}") + body
    port = free_port()
    environment = {"CDS_SERVICE_METRICS_PORT": str(port)}
    with serving(tmp_path, environment) as service:
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", service.port)) as connection:
                connection.sendall(sent)
        deadline = time.monotonic() + 10
        while not (is_well(service) and 'cds_inflight{kind="hook"} 0.0' in metrics_of(port)):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def metrics_of(port: int) -> str:
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text


def test_metrics_have_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, {"CDS_SERVICE_METRICS_PORT": str(port)}) as service:
        assert is_well(service)
        assert requests.get(f"{service.base}/metrics", timeout=5).status_code == 404
        text = metrics_of(port)
        for name in (
            "cds_requests_total",
            "cds_inflight",
            "cds_store_degraded",
            "cds_circuit_open",
        ):
            assert name in text


def test_feedback_kept_before_the_end_is_there_after_a_new_start(tmp_path: Path) -> None:
    entry = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T12:00:00Z"}
    for expected in (1, 1):
        with serving(tmp_path) as service:
            path = f"{ORDER_SIGN}/feedback"
            assert service.post(path, {"feedback": [entry]}).status_code == 200
            assert service.stop() == 0
        assert _count_of_feedback(tmp_path) == expected


def _count_of_feedback(folder: Path) -> int:
    connection = sqlite3.connect(folder / "store.sqlite3")
    try:
        [(count,)] = connection.execute("SELECT count(*) FROM feedback").fetchall()
        return int(count)
    finally:
        connection.close()


def answer_ok(_environ: object, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def run_while(server: Server, client: Callable[[], Found]) -> Found:
    """Run a server in this thread until `client` is done in another; leave the collector alone."""

    def then_drain() -> Found:
        try:
            return client()
        finally:
            server.drain()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as other_thread:
        patch.setattr("cds_service.web.server.collect_seldom", lambda: None)
        found = other_thread.submit(then_drain)
        server.run()
        return found.result()


def test_what_calls_leave_in_cycles_is_collected_within_seconds() -> None:
    """Werkzeug leaves some objects a call; waiting for their number kept ten megabytes of them."""

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    left: list[weakref.ref[Cycle]] = []

    def answer(environ: object, start_response: Any) -> list[bytes]:
        left.append(weakref.ref(Cycle()))
        return answer_ok(environ, start_response)

    server = Server(answer, host="127.0.0.1", port=0, threads=1, connection_limit=10)

    def is_collected() -> bool:
        requests.get(f"http://127.0.0.1:{server.port}/", timeout=10)
        end = time.monotonic() + 10
        while left[0]() is not None and time.monotonic() < end:
            time.sleep(0.05)
        return left[0]() is None

    gc.disable()
    gc.freeze()  # what thousands of tests left takes the collector half a second, and it rests long
    try:
        assert run_while(server, is_collected)
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.mark.parametrize(("takes", "apart"), [(0.0, 1.0), (0.1, 2.0)])
def test_the_collector_rests_a_second_and_twenty_times_as_long_as_it_took(
    monkeypatch: pytest.MonkeyPatch, takes: float, apart: float
) -> None:
    began: list[float] = []

    def collect() -> None:
        began.append(time.monotonic())
        time.sleep(takes)

    monkeypatch.setattr("gc.collect", collect)
    server = Server(answer_ok, host="127.0.0.1", port=0, threads=1, connection_limit=10)

    def ask_on() -> None:
        end = time.monotonic() + 10
        with requests.Session() as client:
            while len(began) < 3 and time.monotonic() < end:
                client.get(f"http://127.0.0.1:{server.port}/", timeout=10)

    run_while(server, ask_on)
    assert len(began) >= 3
    assert all(later - earlier >= apart for earlier, later in pairwise(began))


def test_what_was_loaded_is_not_looked_at_again_and_bodies_only_in_need() -> None:
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    collect_seldom()
    try:
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] == 500_000
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def test_the_thread_that_reads_all_connections_rests_while_a_worker_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each vain turn of it takes the interpreter from the workers, who then send the later."""
    seconds = 0.3
    turns: list[float] = []
    sends: list[int] = []
    turn, send = Server._turn, HTTPChannel.send

    def counted(server: Server) -> None:
        turns.append(time.monotonic())
        turn(server)

    def slowly(channel: Any, data: bytes, **how: bool) -> int:
        time.sleep(seconds)
        sends.append(int(send(channel, data, **how)))
        return sends[-1]

    monkeypatch.setattr(Server, "_turn", counted)
    monkeypatch.setattr(HTTPChannel, "send", slowly)
    server = Server(answer_ok, host="127.0.0.1", port=0, threads=2, connection_limit=10)

    def ask(_: int) -> str:
        return requests.get(f"http://127.0.0.1:{server.port}/", timeout=10).text

    def ask_both() -> list[str]:
        with ThreadPoolExecutor(2) as clients:
            return list(clients.map(ask, range(2)))

    assert run_while(server, ask_both) == ["ok", "ok"]
    assert len(sends) >= 4  # a head and a body for each
    assert len(turns) < 50


def local_server(application: Any = answer_ok, **more: Any) -> Server:
    return Server(application, host="127.0.0.1", port=0, threads=2, connection_limit=50, **more)


def read_and_answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    said = b"%d %s" % (
        len(environ["wsgi.input"].read()),
        environ.get("HTTP_X_FORWARDED_FOR", "-").encode(),
    )
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]


def test_no_body_is_ever_written_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the chart of a patient and an access token, of whoever sends it."""
    made: list[object] = []
    monkeypatch.setattr("waitress.buffers.TempfileBasedBuffer", made.append)
    server = local_server(read_and_answer)
    large = b" " * (16 << 20)
    response = run_while(
        server,
        lambda: requests.post(f"http://127.0.0.1:{server.port}/", data=large, timeout=30),
    )
    assert (response.content, made) == (b"%d -" % len(large), [])


def test_who_sends_most_of_bodies_that_never_end_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cds_service.web.server._MOST_ARRIVING_BYTES", 1_000_000)
    server = local_server(read_and_answer)

    def some_of_a_body(size: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(head("Content-Length: 700000") + b" " * size)
        return connection

    def client() -> tuple[bytes, bytes]:
        with some_of_a_body(690_000) as most, some_of_a_body(0) as other:
            time.sleep(0.3)
            other.sendall(b" " * 600_000)
            try:
                refused = most.recv(100)
            except ConnectionError:
                refused = b""
            other.sendall(b" " * 100_000)
            return refused, other.recv(1000)

    refused, answered = run_while(server, client)
    assert refused == b""
    assert status_of(answered) == 200


@pytest.mark.parametrize(("has_proxies", "seen"), [(True, b"0 192.0.2.7"), (False, b"0 -")])
def test_the_address_that_a_proxy_states_reaches_the_application_only_behind_one(
    *, has_proxies: bool, seen: bytes
) -> None:
    server = local_server(read_and_answer, has_proxies=has_proxies)
    response = run_while(
        server,
        lambda: requests.get(
            f"http://127.0.0.1:{server.port}/",
            headers={"X-Forwarded-For": "192.0.2.7"},
            timeout=10,
        ),
    )
    assert response.content == seen
