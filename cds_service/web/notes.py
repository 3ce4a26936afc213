"""What may be written down of one request; logs, metrics and traces are given nothing else.

No field takes a value out of FHIR data, a token, a URL or an exception's message.

Source: security-reliability.md 2.3.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cds_service.web.outcomes import new_request_number

Span = Callable[[str], AbstractContextManager[object]]

_INNERMOST_FRAMES = 6


@dataclass(kw_only=True, slots=True)
class CallNote:
    """The note of one request, filled in while it is answered.

    `route` is the template of the route, `issuer` a name of ours, `trigger` digits, `hook_instance`
    a hash. `outcome` is "cards", "silent", "empty", "feedback", "ok", the issue code of an error or
    "exception-answered-empty" for one that its issuer wants answered with an empty list.
    `span` opens a span of a trace; None: there are none.
    """

    number: str = field(default_factory=new_request_number)
    span: Span | None = None
    started: float = field(default_factory=time.perf_counter)
    route: str = "other"
    hook: str = "none"
    service: str | None = None
    issuer: str = "other"
    tenant: str | None = None
    trigger: str | None = None
    hook_instance: str | None = None
    status: int = 0
    outcome: str = "ok"
    refusal: str | None = None
    card_count: int = 0
    rules: tuple[str, ...] = ()
    step_ms: dict[str, float] = field(default_factory=dict)
    fhir_calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    failed_at: str | None = None
    failed_rule: str | None = None

    @property
    def seconds(self) -> float:
        """How long the request has taken so far."""
        return time.perf_counter() - self.started

    def step(self, name: str) -> AbstractContextManager[None]:
        """Measure a step ("authenticate", "read", "fetch", "evaluate")."""
        return _Step(self.step_ms, name, None if self.span is None else self.span(name))

    def count_fhir(self, resource_type: str, outcome: str) -> None:
        """Count one FHIR exchange; called from the threads that fetch."""
        self.fhir_calls[resource_type, outcome] += 1

    def log_fields(self) -> dict[str, object]:
        """Return the fields of the log line, without those that say nothing."""
        fields: dict[str, object] = {
            "request": self.number,
            "route": self.route,
            "hook": self.hook,
            "service": self.service,
            "issuer": self.issuer,
            "tenant": self.tenant,
            "trigger": self.trigger,
            "hook_instance": self.hook_instance,
            "status": self.status,
            "outcome": self.outcome,
            "refusal": self.refusal,
            "card_count": self.card_count,
            "rules": self.rules,
            "ms": round(self.seconds * 1000, 3),
            "step_ms": self.step_ms,
            "fhir_calls": {f"{kind} {end}": n for (kind, end), n in self.fhir_calls.items()},
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "failed_at": self.failed_at,
            "failed_rule": self.failed_rule,
        }
        return {name: value for name, value in fields.items() if value or value in (0, "")}


class _Step:
    """A step being measured; its time is written into `step_ms`, however it ends."""

    __slots__ = ("_name", "_span", "_started", "_step_ms")

    def __init__(
        self, step_ms: dict[str, float], name: str, span: AbstractContextManager[object] | None
    ) -> None:
        self._step_ms, self._name, self._span = step_ms, name, span
        self._started = time.perf_counter()

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._span is not None:
                self._span.__exit__(kind, failure, trace)
        finally:
            self._step_ms[self._name] = round((time.perf_counter() - self._started) * 1000, 3)


def hashed(text: str) -> str:
    """Return a short hash that stands for an identifier in a log.

    >>> hashed("9b2b0e5c-2a2c-4f6c-8f39-8b2f2f6ce3b9")
    'b81d8e3a2a8f1aa6'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def failure_position(error: BaseException) -> str:
    """Name the class of an exception and where it came from; its message may hold patient data."""
    frames = traceback.extract_tb(error.__traceback__)[-_INNERMOST_FRAMES:]
    places = (f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {' < '.join(places)}"
