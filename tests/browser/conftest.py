"""A real Chromium and a real service: `make browser` prepares both. Without Playwright, no test."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artifacts" / "screens"
DESKTOP, PHONE = (1440, 900), (320, 640)

ARGUMENTS = [
    "--no-sandbox",  # for root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the service with the demo's patients; return its address."""
    folder = tmp_path_factory.mktemp("service")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "CDS_SERVICE_PORT": str(port),
        "CDS_SERVICE_DATABASE_URL": f"sqlite:///{folder / 'store.sqlite3'}",
        "CDS_SERVICE_DEMO_PATIENTS": str(ROOT / "fhir_fixtures" / "patients"),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / ".venv" / "bin" / "cds-service", "serve"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(f"http://localhost:{port}/readyz", process, folder / "log")
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            urlopen(address, timeout=5).close()
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the Chromium that the variable CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Collect what the browser complains about; a test takes out what it expects."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def page(browser: Browser, service: str, complaints: list[str]) -> Iterator[Page]:
    """Open the page on a desktop."""
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.set_default_timeout(10_000)
    opened.goto(service)
    opened.wait_for_selector("#timeline svg")
    yield opened
    context.close()
