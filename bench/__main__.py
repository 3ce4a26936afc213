"""Measure all goals, print one table, write JSON, and end with 1 when a goal is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import requests

from bench.authentication import cost
from bench.call_back import overhead
from bench.footprint import memory, start
from bench.goals import Goal
from bench.growth import growth
from bench.payloads import Opioids, Payload, payload
from bench.processes import Running, reference, service
from bench.throughput import Comparison, compared, table

SIZES = (("5 KB", 5, False), ("60 KB", 90, False), ("1 MB", 900, True))
OPIOIDS: tuple[Opioids, ...] = ("few", "all")
QUICK_SLACK = 4.0
"""A quick run shows that measuring works, also on busy machines: it fails only far from a goal."""
_LONG_BODY_BYTES = 500_000
_MIX = {"5 KB": 90, "60 KB": 9, "1 MB": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How often and how long things are measured."""

    rounds: dict[Opioids, int]
    call_backs: int
    authentication_rounds: int
    starts: int
    memory_calls: int
    growth_rounds: int


THOROUGH = Effort(
    rounds={"few": 5, "all": 5},
    call_backs=25,
    authentication_rounds=5,
    starts=5,
    memory_calls=10_000,
    growth_rounds=7,
)
QUICK = Effort(
    rounds={"few": 1, "all": 1},
    call_backs=5,
    authentication_rounds=1,
    starts=1,
    memory_calls=2_000,
    growth_rounds=3,
)


def main() -> int:
    """Run everything; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of four; see docs")
    parser.add_argument("--json", type=Path, default=Path("artifacts/bench.json"))
    given = parser.parse_args()
    missing = [name for name in ("wrk", "taskset") if shutil.which(name) is None]
    if missing or (os.cpu_count() or 1) < 2:
        print(f"Needs two cores, and on Debian: apt install wrk util-linux ({missing})")  # noqa: T201
        return 2
    started = time.monotonic()
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        comparisons, goals = _measured(folder, QUICK if given.quick else THOROUGH, ending)
    slack = QUICK_SLACK if given.quick else 1.0
    _report(comparisons, goals, given.json, seconds=time.monotonic() - started, slack=slack)
    return 0 if all(goal.is_met(slack=slack) for goal in goals) else 1


def _measured(
    folder: Path, effort: Effort, ending: ExitStack
) -> tuple[list[Comparison], list[Goal]]:
    today = date.today()  # noqa: DTZ011 - the service's own default, UTC, differs by hours at most
    payloads = [
        payload(name, resources=resources, opioids=opioids, today=today, rich=rich)
        for opioids in OPIOIDS
        for name, resources, rich in SIZES
    ]
    files = {(each.name, each.opioids): _written(each, folder) for each in payloads}
    small = payloads[0]
    start_goal = start(small.body, _made(folder / "start"), times=effort.starts)
    ours = ending.enter_context(service(_made(folder / "service")))
    bare = ending.enter_context(reference(_made(folder / "bare"), _answer(ours, small)))
    comparisons = [
        compared(
            each,
            files[each.name, each.opioids],
            service=ours,
            bare=bare,
            rounds=effort.rounds[each.opioids],
            seconds=2 if len(each.body) > _LONG_BODY_BYTES else 1,
        )
        for each in payloads
    ]
    goals = [goal for comparison in comparisons for goal in comparison.goals()]
    goals += growth(today, rounds=effort.growth_rounds)
    goals += overhead(ours, payloads[1].body, calls=effort.call_backs)
    goals.append(
        cost(
            ours,
            files["5 KB", "few"],
            _made(folder / "guarded"),
            rounds=effort.authentication_rounds,
            calls=400,
        )
    )
    goals.append(start_goal)
    fresh = ending.enter_context(service(_made(folder / "fresh")))
    mixed = [(count, files[name, "few"]) for name, count in _MIX.items()]
    goals += memory(fresh, mixed, calls=effort.memory_calls)
    return comparisons, goals


def _written(call: Payload, folder: Path) -> Path:
    file = folder / f"{call.name} {call.opioids}.json".replace(" ", "-")
    file.write_bytes(call.body)
    return file


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _answer(server: Running, call: Payload) -> bytes:
    """Return what the service answers, which the bare Flask is to answer every time."""
    response = requests.post(
        server.url, data=call.body, headers={"Content-Type": "application/json"}, timeout=30
    )
    response.raise_for_status()
    return response.content


def _report(
    comparisons: list[Comparison], goals: list[Goal], file: Path, *, seconds: float, slack: float
) -> None:
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"{machine}; load {os.getloadavg()[0]:.1f}; {seconds:.0f} s",
        "Answers a second, their ratio, and times in ms; the bare Flask is the yardstick.",
        "",
        table(comparisons),
        "",
        *(goal.line for goal in goals),
    ]
    if slack > 1:
        lines.append(f"A quick run: fails only where a goal is missed by a factor of {slack:g}.")
    print("\n".join(lines))  # noqa: T201
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": machine,
        "load": os.getloadavg(),
        "comparisons": [each.record() for each in comparisons],
        "goals": [{**asdict(goal), "is_met": goal.is_met()} for goal in goals],
    }
    file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
