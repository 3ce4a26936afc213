"""Load from wrk, on the core that the server does not have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import LOAD_CORE, Running

_SCRIPT = Path(__file__).with_name("call.lua")
_LONGEST_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one run of wrk saw. `p99_ms` makes up for calls that wrk could not begin in time."""

    answers: int
    seconds: float
    median_ms: float
    p99_ms: float
    failures: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def load(
    server: Running,
    bodies: Sequence[tuple[int, Path]],
    *,
    connections: int,
    seconds: int = _LONGEST_SECONDS,
    calls: int | None = None,
    tokens: Path | None = None,
) -> Load:
    """Call the server in a closed loop, for a time or a number of answers.

    `bodies` are sent in turn, each so many times. Of `tokens` each is sent once. Raises
    RuntimeError when a call fails or is answered with an error.
    """
    arguments = [f"body={count}:{file}" for count, file in bodies]
    arguments += [] if calls is None else [f"calls={calls}"]
    arguments += [] if tokens is None else [f"tokens={tokens}"]
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}"]
    command += [f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), server.url]
    done = subprocess.run(  # noqa: S603 - commands of ours
        [*command, "--", *arguments], capture_output=True, text=True, check=True
    )
    result = Load(**json.loads(done.stdout.splitlines()[-1]))
    if result.failures or not result.answers:
        raise RuntimeError(f"{server.name}: {result.failures} of {result.answers} calls failed")
    return result
