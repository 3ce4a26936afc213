"""The HTTP server: waitress, hardened against smuggling, draining on SIGTERM.

Requests are buffered outside the worker threads, so that slow clients hold no thread. What the
application answers is decided elsewhere.

Source: security-reliability.md 4.2, T38 to T40 and the SIGTERM row of 2.1.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest

from cds_service.web.listening import listening_socket
from cds_service.web.memory import collect_seldom, give_memory_back
from cds_service.web.outcomes import (
    FHIR_JSON,
    issue_code,
    new_request_number,
    outcome_body,
    plain_text,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_MEBIBYTE = 1024 * 1024
# Larger bodies are cut off here; the application refuses much earlier, and in JSON.
_LARGEST_BODY_BYTES = 17 * _MEBIBYTE
_MOST_ARRIVING_BYTES = 64 * _MEBIBYTE
"""Of all bodies that are not yet complete: they are kept in memory, and nobody is known so far."""
_LARGEST_HEADERS_BYTES = 32 * 1024
_LONGEST_BETWEEN_CHUNKS = 4 * 1024
DRAIN_AT_MOST_SECONDS = 10.0
_DRAIN_AT_LEAST_SECONDS = 0.5
_COLLECT_EVERY_SECONDS = 1.0
_COLLECTING_AT_MOST = 0.05
"""The share of the time: looking through many long bodies at once takes tenths of a second."""


class _BoundedChunks(ChunkedReceiver):  # type: ignore[misc]
    """Refuses a line between chunks, or a trailer, that goes on and on.

    Waitress looks through all of it again with each piece that comes: 16 MB of it, from anybody,
    kept the one thread that reads all connections busy for a minute.
    """

    def received(self, s: bytes) -> int:
        consumed = int(super().received(s))
        waiting = 0 if self.completed else len(self.control_line) + len(self.trailer)
        if waiting > _LONGEST_BETWEEN_CHUNKS:
            self.error = BadRequest("The request says too much between its chunks")
        return consumed


class _OneLengthParser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a request with two statements of its length.

    Waitress believes the transfer coding, which lets a second request pass a proxy that believes
    the other. Source: RFC 9112 section 6.1.
    """

    body_rcv: Any

    def parse_header(self, header_plus: bytes) -> None:
        names = [line.split(b":", 1)[0].strip().lower() for line in header_plus.split(b"\r\n")[1:]]
        lengths = names.count(b"content-length") + names.count(b"transfer-encoding")
        if lengths > 1:
            raise ParsingError("The request states its length twice")
        super().parse_header(header_plus)
        if isinstance(self.body_rcv, ChunkedReceiver):
            self.body_rcv = _BoundedChunks(self.body_rcv.buf)


class _OutcomeErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what the server itself refuses with an OperationOutcome, then closes."""

    def execute(self) -> None:
        status = self.request.error.code
        body = outcome_body(
            code=issue_code(status),
            text=plain_text(status),
            request_number=new_request_number(),
        )
        self.status = f"{status} {self.request.error.reason}"
        self.response_headers += [
            ("Content-Type", FHIR_JSON),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _DrainingTask(WSGITask):  # type: ignore[misc]
    """Closes the connection behind the answer once the server drains."""

    def build_response_header(self) -> bytes:
        if self.channel.server.is_draining:
            self.set_close_on_finish()
        return cast(bytes, super().build_response_header())


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _OneLengthParser
    task_class = _DrainingTask
    error_task_class = _OutcomeErrorTask
    arriving_bytes = 0

    def writable(self) -> bool:
        """Say whether there is anything to send, and nobody just now sending it.

        While a worker sends, its socket has room: polled for that, it is reported at once, turn
        after turn, for as long as the worker waits for the interpreter, and each turn makes it
        wait longer.
        """
        if not super().writable():
            return False
        if self.will_close or self.total_outbufs_len > self.adj.outbuf_high_watermark:
            return True  # the worker waits for us
        if not self.outbuf_lock.acquire(blocking=False):
            return False
        self.outbuf_lock.release()
        return True

    def write_soon(self, data: bytes) -> int:
        """Send what the socket takes, and wake the reading thread for the rest.

        Waitress wakes it while the lock is still held, which `writable` takes for sending.
        """
        written = int(super().write_soon(data))
        if self.total_outbufs_len:
            self.server.pull_trigger()
        return written

    def received(self, data: bytes) -> bool:
        """Drop empty lines before a request: waitress makes a parser for each of them.

        When all that is arriving takes too much memory, closes who has most of it.
        """
        is_received = bool(super().received(data if self.request else data.lstrip(b"\r\n")))
        self._note_arriving(self.request.body_bytes_received if self.request else 0)
        if self.arriving_bytes and self.server.arriving_bytes > _MOST_ARRIVING_BYTES:
            max(self.server.active_channels.values(), key=_arriving_bytes).handle_close()
        return is_received

    def handle_close(self) -> None:
        """Close, and forget what was arriving."""
        self._note_arriving(0)
        super().handle_close()

    def _note_arriving(self, count: int) -> None:
        self.server.arriving_bytes += count - self.arriving_bytes
        self.arriving_bytes = count


class Server:
    """One listening socket and its worker threads; `port` is the one it listens on.

    `has_proxies`: X-Forwarded-For reaches the application, which knows how much of it to believe.
    A body is kept in memory, never on disk: it holds the chart of a patient, and an access token.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        host: str,
        port: int,
        threads: int,
        connection_limit: int,
        has_proxies: bool = False,
    ) -> None:
        give_memory_back()
        self._collect_at = 0.0
        self._server: TcpWSGIServer = create_server(
            application,
            sockets=[listening_socket(host, port)],
            threads=threads,
            connection_limit=connection_limit,
            channel_timeout=20,
            cleanup_interval=5,
            max_request_header_size=_LARGEST_HEADERS_BYTES,
            max_request_body_size=_LARGEST_BODY_BYTES,
            inbuf_overflow=_LARGEST_BODY_BYTES,
            clear_untrusted_proxy_headers=not has_proxies,
            asyncore_use_poll=True,
            ident=None,
        )
        self._server.channel_class = _Channel
        self._server.is_draining = False
        self._server.arriving_bytes = 0
        self.port = int(self._server.effective_port)

    def run(
        self,
        *,
        on_start: Callable[[], None] = lambda: None,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve until SIGTERM or SIGINT.

        `on_start` is called once these signals are heeded, `on_drain` when draining begins.

        Draining finishes what has been asked, for at most DRAIN_AT_MOST_SECONDS, each answer
        closing its connection; new connections are refused.
        """
        collect_seldom()
        with _signals(self.drain):
            on_start()
            while not self._server.is_draining:
                self._turn()
            on_drain()
            self._finish()

    def drain(self) -> None:
        """Ask `run` to finish; safe in a signal handler and from any thread."""
        if self._server.is_draining:
            raise SystemExit(1)  # asked twice: do not wait for anybody
        self._server.is_draining = True
        self._server.pull_trigger()

    def _turn(self) -> None:
        wasyncore.loop(timeout=1, use_poll=True, map=self._server._map, count=1)
        started = time.monotonic()
        if started >= self._collect_at:
            gc.collect()
            ended = time.monotonic()
            rest = (ended - started) / _COLLECTING_AT_MOST
            self._collect_at = ended + max(_COLLECT_EVERY_SECONDS, rest)

    def _finish(self) -> None:
        server = self._server
        while (accepted := server.accept()) is not None:  # what the kernel has already let in
            server.channel_class(server, *accepted, server.adj, map=server._map)
        wasyncore.dispatcher.close(server)
        started = time.monotonic()
        while (waited := time.monotonic() - started) < DRAIN_AT_MOST_SECONDS:
            is_idle = not any(_is_busy(channel) for channel in server.active_channels.values())
            if is_idle and waited >= _DRAIN_AT_LEAST_SECONDS:
                break
            wasyncore.loop(timeout=0.05, use_poll=True, map=server._map, count=1)
        server.task_dispatcher.shutdown(timeout=0.5)
        wasyncore.close_all(server._map)


def _arriving_bytes(channel: Any) -> int:
    return int(channel.arriving_bytes)


def _is_busy(channel: Any) -> bool:
    return bool(channel.requests or channel.request or channel.total_outbufs_len)


@contextmanager
def _signals(drain: Callable[[], None]) -> Iterator[None]:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        drain()

    kept = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
