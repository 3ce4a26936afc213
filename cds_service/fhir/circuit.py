"""A circuit per FHIR base: stop calling a server that is down, and notice when it is back.

State is per process by design. What counts as a failure is decided by the caller.

Source: security-reliability.md F4 to F6.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from threading import Lock


class Admission(Enum):
    """How much may be asked of a server just now."""

    ALL = auto()
    ONE_PROBE = auto()
    NOTHING = auto()


class Circuit:
    """Opens after `failures_to_open` failures in a row; one success closes it.

    While open, one caller each `probe_seconds` is admitted with a single request. `monotonic`
    returns seconds.
    """

    def __init__(
        self, *, failures_to_open: int, probe_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._failures_to_open = failures_to_open
        self._probe_seconds = probe_seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._failures_to_open

    def admission(self) -> Admission:
        """Say what may be asked now; a probe that is handed out counts as taken."""
        with self._lock:
            if not self.is_open:
                return Admission.ALL
            now = self._monotonic()
            if now < self._next_probe:
                return Admission.NOTHING
            self._next_probe = now + self._probe_seconds
            return Admission.ONE_PROBE

    def succeeded(self) -> None:
        """Note that the server answered as a server in order does."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Note that the server was out of reach, too slow or in error (5xx)."""
        with self._lock:
            self._failures += 1
            if self._failures == self._failures_to_open:
                self._next_probe = self._monotonic() + self._probe_seconds
