"""A `requests` session whose every read from a socket ends by an absolute deadline.

The timeouts of `requests` and `urllib3` bound the gap between two bytes, so that a server which
drips its header lines or its body holds a thread for ever. Here each `recv` gets only the time
that is left. Further: no redirect is looked at (with `allow_redirects=False` the library still
reads and unpacks the whole body of one), no cookie outlives its answer, and neither proxies nor
`.netrc` nor certificate bundles are taken from the environment.

Source: security-reliability.md T32, T35; measurements.md section 6.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# Linux only. Without it a server that writes header and body apart waits 40 ms for our delayed ACK.
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_seconds_left: ContextVar[Callable[[], float]] = ContextVar("seconds_left")


@contextmanager
def reads_end_by(seconds_left: Callable[[], float]) -> Iterator[None]:
    """Within, reads of a deadline session raise TimeoutError once `seconds_left()` is not > 0."""
    mark = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(mark)


def deadline_session(*, verify: bool | str, connections: int) -> requests.Session:
    """Build the session; use it only within `reads_end_by`.

    `verify` is True (the usual certificate bundle) or the path of a bundle; `connections` bounds
    those kept open per server.
    """
    # Its warnings carry the URL, and with it the patient's id.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    session = _Session()
    session.trust_env = False
    session.verify = verify
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers = {
        "Accept": "application/fhir+json",
        "Accept-Encoding": "identity",
        "User-Agent": "cds-service",
    }
    adapter = _Adapter(pool_connections=16, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


class _SocketReader(io.RawIOBase):
    """The reading side of a socket; each read may take what is left until the deadline."""

    def __init__(self, sock: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._socket = sock
        self._stream = sock.makefile("rb", buffering=0)
        self._seconds_left = seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._seconds_left()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        if _QUICK_ACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An HTTP response that reads its status line, header and body by the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp.close()
        self.fp = io.BufferedReader(_SocketReader(sock, _seconds_left.get()))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
