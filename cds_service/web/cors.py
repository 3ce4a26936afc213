"""Which browser clients may call: CORS for listed origins, by name, without credentials.

Source: conformance.md X-01 to X-05; security-reliability.md T41; clients.md section 4.
"""

from __future__ import annotations

import re

_LOOPBACK = re.compile(r"https?://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.ASCII)
_VARY = (("Vary", "Origin"),)
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "600"),
)

Headers = tuple[tuple[str, str], ...]


class Cors:
    """The origins that may call; `opens_loopback` adds every origin on this machine."""

    def __init__(self, origins: tuple[str, ...], *, opens_loopback: bool) -> None:
        self._origins = frozenset(origins)
        self._opens_loopback = opens_loopback

    def headers(self, origin: str | None, *, is_preflight: bool) -> Headers:
        """Return the headers of an answer, errors included, to a request from the origin."""
        if origin is None or not self._is_allowed(origin):
            return _VARY
        allowed = (*_VARY, ("Access-Control-Allow-Origin", origin))
        return (*allowed, *_PREFLIGHT) if is_preflight else allowed

    def _is_allowed(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        return self._opens_loopback and _LOOPBACK.fullmatch(origin) is not None
