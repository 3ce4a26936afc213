"""What the tests of the HTTP shell may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.service import KeptLog


@pytest.fixture
def log() -> Iterator[KeptLog]:
    """Keep the log in memory, libraries included, and put everything back afterwards."""
    with KeptLog.of_process() as kept:
        yield kept
