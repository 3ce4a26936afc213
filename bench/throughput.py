"""The service beside the bare Flask: answers a second and times of answer, in interleaved rounds.

The machine's speed drifts, so each round measures both servers one right after the other, and the
ratio is that of the round; of the rounds the median counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.goals import Goal
from bench.load import Load, load
from bench.payloads import Payload
from bench.processes import Running

THROUGHPUT_CONNECTIONS = 8
CONNECTIONS = (1, 8, 32)
LEAST_RATIOS = {
    ("5 KB", "few"): 0.40,
    ("60 KB", "few"): 0.50,
    ("1 MB", "few"): 0.50,
    ("5 KB", "all"): 0.25,
    ("60 KB", "all"): 0.25,
    ("1 MB", "all"): 0.25,
}
MOST_P99_TO_MEDIAN = 5.0
_P99_PAYLOAD = ("60 KB", "few")


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Both servers under one payload and number of connections, one right after the other."""

    connections: int
    service: Load
    bare: Load


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All rounds of one payload."""

    payload: str
    opioids: str
    body_bytes: int
    rounds: tuple[Round, ...]

    def at(self, connections: int) -> tuple[Round, ...]:
        """Return the rounds with so many connections."""
        return tuple(each for each in self.rounds if each.connections == connections)

    def ratio_at(self, connections: int) -> float:
        """Return the service's answers a second to those of the bare Flask."""
        return median(
            each.service.per_second / each.bare.per_second for each in self.at(connections)
        )

    def goals(self) -> list[Goal]:
        """Return the goals that this payload is held against."""
        goals = [
            Goal(
                name=f"{self.payload}, {self.opioids} opioids: throughput to bare Flask",
                measured=self.ratio_at(THROUGHPUT_CONNECTIONS),
                limit=LEAST_RATIOS[self.payload, self.opioids],
                sense="at least",
            )
        ]
        if (self.payload, self.opioids) == _P99_PAYLOAD:
            rounds = self.at(THROUGHPUT_CONNECTIONS)
            goals.append(
                Goal(
                    name=f"{self.payload}: p99 to median at {THROUGHPUT_CONNECTIONS} connections",
                    measured=median(r.service.p99_ms / r.service.median_ms for r in rounds),
                    limit=MOST_P99_TO_MEDIAN,
                    sense="at most",
                )
            )
        return goals

    def record(self) -> dict[str, object]:
        """Return everything measured, for JSON."""
        ratios = {str(connections): self.ratio_at(connections) for connections in CONNECTIONS}
        return {**asdict(self), "ratios": ratios}


def compared(
    payload: Payload, file: Path, *, service: Running, bare: Running, rounds: int, seconds: int
) -> Comparison:
    """Measure both servers with the body in `file`, after a second of warm-up each."""
    for server in (bare, service):
        load(server, [(1, file)], connections=THROUGHPUT_CONNECTIONS, seconds=1)
    found = []
    for number in range(rounds):
        for connections in CONNECTIONS:
            order = (service, bare) if number % 2 else (bare, service)
            loads = {
                server.name: load(server, [(1, file)], connections=connections, seconds=seconds)
                for server in order
            }
            found.append(
                Round(connections=connections, service=loads[service.name], bare=loads[bare.name])
            )
    return Comparison(
        payload=payload.name,
        opioids=payload.opioids,
        body_bytes=len(payload.body),
        rounds=tuple(found),
    )


HEAD = (
    f"{'body, opioids':<15}{'at once':>8}{'bare/s':>9}{'ours/s':>9}{'ratio':>7}"
    f"{'bare median':>13}{'p99':>9}{'ours median':>13}{'p99':>9}"
)


def table(comparisons: Sequence[Comparison]) -> str:
    """Return the figures as a table, a line for each body and number of connections."""
    return "\n".join(
        (HEAD, *(_line(each, connections) for each in comparisons for connections in CONNECTIONS))
    )


def _line(comparison: Comparison, connections: int) -> str:
    rounds = comparison.at(connections)
    bare, ours = [each.bare for each in rounds], [each.service for each in rounds]
    return (
        f"{comparison.payload + ', ' + comparison.opioids:<15}{connections:>8}"
        f"{_median(bare, 'per_second'):>9.0f}{_median(ours, 'per_second'):>9.0f}"
        f"{comparison.ratio_at(connections):>7.2f}"
        f"{_median(bare, 'median_ms'):>13.2f}{_median(bare, 'p99_ms'):>9.2f}"
        f"{_median(ours, 'median_ms'):>13.2f}{_median(ours, 'p99_ms'):>9.2f}"
    )


def _median(loads: Sequence[Load], name: str) -> float:
    figures: list[float] = [getattr(load, name) for load in loads]
    return median(figures)
