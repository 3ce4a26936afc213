"""Bytes that are no proper HTTP (T38 to T40): one refusal in form and an end, or what was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.abuse.conftest import CANARY, Abused
from tests.process import request_of_today
from tests.web.service import ORDER_SIGN, WARNED

pytestmark = pytest.mark.server

CALL = json.dumps(request_of_today(WARNED)).encode()
LIVE = "GET /livez HTTP/1.1"
POST = f"POST {ORDER_SIGN} HTTP/1.1"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
LINE = b"\r\n"


def sent(start: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [start, "Host: localhost", *headers, "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def chunks(*pieces: bytes) -> bytes:
    return sent(POST, JSON, CHUNKED, body=b"".join(pieces))


ONE_CHUNK = b"%x" % len(CALL)

REFUSED = {
    "HTTP/0.9": b"GET /\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a handshake of TLS": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 190 + LINE * 2,
    "another protocol": sent("GET / HTP/1.1"),
    "a version of three parts": sent("GET / HTTP/1.1.1"),
    "tabs in the first line": sent("GET\t/livez\tHTTP/1.1"),
    "two blanks in the first line": sent("GET  /livez  HTTP/1.1"),
    "a method in small letters": sent("get /livez HTTP/1.1"),
    "a method nobody knows": sent(f"{CANARY.upper()} / HTTP/1.1"),
    "a method of 30,000 letters": sent("A" * 30_000 + " /livez HTTP/1.1"),
    "TRACE": sent("TRACE / HTTP/1.1", f"X-Secret: {CANARY}"),
    "CONNECT": sent("CONNECT evil.example:80 HTTP/1.1"),
    "OPTIONS of everything": sent("OPTIONS * HTTP/1.1"),
    "an address of 30,000 letters": sent(f"GET /{CANARY}{'a' * 30_000} HTTP/1.1"),
    "NUL in the address": sent("GET /\0 HTTP/1.1"),
    "NUL in a header": sent(LIVE, "X: a\0b"),
    "a header without a name": sent(LIVE, ": evil"),
    "a carriage return in a header": sent(LIVE, "X: a\rY: b"),
    "no host": b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": sent(LIVE, "Host: evil.example"),
    "another host": sent(LIVE).replace(b"localhost", b"evil.example"),
    "a length in hexadecimal": sent(POST, JSON, "Content-Length: 0x2", body=b"{}"),
    "a length in Arabic digits": sent(POST, JSON, "Content-Length: ٢", body=b"{}"),
    "a length as a list": sent(POST, JSON, "Content-Length: 2, 2", body=b"{}"),
    "a length of twenty digits": sent(POST, JSON, "Content-Length: 99999999999999999999"),
    "a length with an underscore": sent(POST, JSON, "Content_Length: 2", body=b"{}"),
    "a coding of HTTP/1.1 in HTTP/1.0": sent(
        POST.replace("1.1", "1.0"), JSON, CHUNKED, body=b"0\r\n\r\n"
    ),
    "a chunk of no size": chunks(b"zz\r\nevil\r\n0\r\n\r\n"),
    "a chunk of negative size": chunks(b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk of signed size": chunks(b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size of Python's": chunks(b"1_0\r\n" + b"h" * 16 + b"\r\n0\r\n\r\n"),
    "a chunk size with 0x": chunks(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": chunks(b"3\r\nhello\r\n0\r\n\r\n"),
    "a chunk's line without end": chunks(b"5;" + b"a" * 6_000),
    "a chunk's size without end": chunks(b"0" * 6_000),
    "a trailer without end": chunks(b"0\r\n" + b"X-Evil: 1\r\n" * 600),
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_proper_request_gets_one_refusal_in_form(
    service: Abused, request_: bytes
) -> None:
    answer = service.process.raw(request_, seconds=3)
    start, _, rest = answer.partition(LINE)
    assert int(start.split()[1]) in {400, 404, 405, 413}
    assert answer.count(b"HTTP/1.") == 1
    head, body = rest.split(LINE * 2, 1)
    assert b"connection: close" in head.lower()
    assert b"server:" not in head.lower()
    assert json.loads(body)["resourceType"] == "OperationOutcome"
    assert CANARY.lower().encode() not in answer.lower()


ANSWERED = {
    "2,000 headers": sent(LIVE, *(f"X-{number}: y" for number in range(2_000))),
    "a folded header": sent(LIVE, "X: a\r\n b"),
    "another host to forward for": sent(
        LIVE, "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example;proto=http"
    ),
    "another address to rewrite to": sent(LIVE, "X-Original-URL: /evil", "X-Rewrite-URL: /evil"),
    "another method to use instead": sent(LIVE, "X-HTTP-Method-Override: DELETE"),
    "a thousand ranges": sent(LIVE, "Range: bytes=0-" + ",0-" * 1_000),
    "a thousand kinds accepted": sent("GET /about HTTP/1.1", "Accept: " + "a/b;q=0.1," * 1_000),
    "a thousand cookies": sent(LIVE, "Cookie: " + "a=b;" * 1_000),
    "a thousand parameters": sent(f"GET /livez?{'a&' * 1_000} HTTP/1.1"),
    "a chunk with an extension": chunks(ONE_CHUNK, b";evil=1\r\n", CALL, b"\r\n0\r\n\r\n"),
    "a trailer": chunks(ONE_CHUNK, LINE, CALL, b"\r\n0\r\nX-Evil: 1\r\n\r\n"),
}


@pytest.mark.parametrize("request_", ANSWERED.values(), ids=ANSWERED.keys())
def test_what_is_odd_and_allowed_is_answered_and_nothing_of_it_believed(
    service: Abused, request_: bytes
) -> None:
    started = time.monotonic()
    answer = service.process.raw(request_)
    assert time.monotonic() - started < 3
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.") == 1
    assert b"evil" not in answer
    assert b"set-cookie" not in answer.lower()


def test_a_million_empty_lines_before_a_request_cost_nothing(service: Abused) -> None:
    started = time.monotonic()
    answer = service.process.raw(LINE * 1_000_000 + sent(LIVE))
    assert time.monotonic() - started < 0.5
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_two_hundred_requests_in_one_breath_get_two_hundred_answers(service: Abused) -> None:
    one = sent(LIVE).replace(b"Connection: close\r\n", b"")
    assert service.process.raw(one * 199 + sent(LIVE)).count(b"HTTP/1.1 200 OK") == 200


def drips() -> Iterator[bytes]:
    yield sent(POST, JSON, "Content-Length: 1000").removesuffix(LINE) + b"X: "
    yield sent(POST, JSON, "Content-Length: 1000") + b"{"
    yield chunks(b"ff\r\n")
    yield chunks(b"5;")


def test_clients_that_drip_for_ever_hold_nobody_up(service: Abused) -> None:
    # 25 of each kind: more than twice the worker threads. Idle ones are tried in test_server.
    has_ended = threading.Event()
    with ExitStack() as ending:
        slow = [
            ending.enter_context(socket.create_connection(("127.0.0.1", service.process.port)))
            for _ in range(100)
        ]
        for connection, start in zip(slow, [*drips()] * 25, strict=True):
            connection.sendall(start)

        def drip() -> None:
            while not has_ended.wait(0.1):
                for connection in slow:
                    connection.sendall(b"a")

        dripping = threading.Thread(target=drip)
        dripping.start()
        for _ in range(10):
            assert service.is_well()
            time.sleep(0.1)
        has_ended.set()
        dripping.join()
    assert max(service.seconds) < 3


def test_connections_that_are_opened_and_left_hold_nobody_up(service: Abused) -> None:
    with ExitStack() as ending:
        for _ in range(300):
            address = ("127.0.0.1", service.process.port)
            ending.enter_context(socket.create_connection(address))
        assert service.is_well()
    assert service.seconds[0] < 3
