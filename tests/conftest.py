"""What every test may ask for."""

from __future__ import annotations

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.loading import load_knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The packaged knowledge, loaded once: it is immutable."""
    return load_knowledge()
