"""A real HTTP server on loopback that misbehaves on request, and counts who came."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Behaviour = Callable[["Call"], None]


@dataclass(kw_only=True)
class StubServer:
    """`behaviours` by path below `/fhir`; every hit is kept with its target and headers."""

    base: str
    origin: str
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sockets: int = 0
    has_ended: threading.Event = field(default_factory=threading.Event)

    def hits(self, path: str) -> int:
        return sum(urlsplit(target).path.removeprefix("/fhir/") == path for target in self.targets)


class Call(BaseHTTPRequestHandler):
    """One request; a behaviour writes its answer."""

    protocol_version = "HTTP/1.1"
    stub: StubServer

    def setup(self) -> None:
        self.stub.sockets += 1
        super().setup()

    def do_GET(self) -> None:
        self.stub.targets.append(self.path)
        self.stub.headers.append(dict(self.headers))
        path = urlsplit(self.path).path.removeprefix("/fhir/")
        behaviour = self.stub.behaviours.get(path, status(404))
        try:
            behaviour(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def gives(value: object, *, after_seconds: float = 0.0) -> Behaviour:
    """Answer with JSON after a pause."""

    def behave(call: Call) -> None:
        time.sleep(after_seconds)
        call.answer(json.dumps(value).encode())

    return behave


def gives_bytes(body: bytes, *, status: int = 200, **headers: str) -> Behaviour:
    return lambda call: call.answer(body, status=status, **headers)


def status(code: int, **headers: str) -> Behaviour:
    return lambda call: call.answer(b"{}", status=code, **headers)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave differently each time; the last behaviour stays."""
    left = list(behaviours)

    def behave(call: Call) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(call)

    return behave


def hangs(call: Call) -> None:
    """Say nothing until the test is over."""
    call.stub.has_ended.wait(20)
    call.close_connection = True


def drips_header(call: Call) -> None:
    """Send header lines for ever, a few bytes at a time."""
    call.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not call.stub.has_ended.wait(0.02):
        call.wfile.write(b"X: y\r\n"[:3])
        call.wfile.flush()
    call.close_connection = True


def drips_body(call: Call) -> None:
    """Send a body that grows by a byte every 20 ms."""
    call.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not call.stub.has_ended.wait(0.02):
        call.wfile.write(b" ")
    call.close_connection = True


def stalls_in_header(call: Call) -> None:
    """Send the status line after 400 ms, and nothing more."""
    time.sleep(0.4)
    call.wfile.write(b"HTTP/1.1 200 OK\r\n")
    hangs(call)


def stalls_in_body(call: Call) -> None:
    """Send a first byte of the body after 400 ms, and nothing more."""
    call.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    time.sleep(0.4)
    call.wfile.write(b" ")
    hangs(call)


def floods(call: Call) -> None:
    """Send chunks without end."""
    call.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    while not call.stub.has_ended.is_set():
        call.wfile.write(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what many of these tests are about."""


@contextmanager
def stub_server(*, tls: ssl.SSLContext | None = None) -> Iterator[StubServer]:
    handler = type("BoundCall", (Call,), {})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    origin = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    stub = StubServer(base=f"{origin}/fhir", origin=origin)
    handler.stub = stub
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        stub.has_ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
