"""The real FHIR server and the door before it, for the tests that `make integration` runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from tests.integration.checking_proxy import CheckingProxy, listening
from tests.integration.hapi import BUILT, hapi


@pytest.fixture(scope="session")
def hapi_base() -> Iterator[str]:
    """Return the base of a FHIR server, which ends with the session unless it was up before."""
    if not (BUILT / "classpath").exists():
        pytest.skip("the FHIR server is not built: make integration")
    with hapi(int(os.environ.get("HAPI_PORT", "8090"))) as base:
        yield base


@pytest.fixture(scope="session")
def proxy(hapi_base: str) -> CheckingProxy:
    """Return the door before the FHIR server."""
    return CheckingProxy(hapi_base)


@pytest.fixture(scope="session")
def fhir_base(proxy: CheckingProxy) -> Iterator[str]:
    """Return the base that clients are given: that of the door."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with listening(proxy) as base:
        yield base
