"""What the tests of the HTTP shell may ask for."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cds_service.web.logs import set_up_logs


@dataclass(frozen=True)
class Log:
    """What the process logs while a test runs."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines so far; each must be a JSON object."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """Send the log of the process to memory, and put everything back afterwards."""
    kept = Log()
    loggers = [logging.getLogger(name) for name in (None, "cds_service", "waitress.queue")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    set_up_logs(kept.stream)
    yield kept
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
