"""The application over an installation of one test: fixed clock, SQLite file, fakes where said.

Nothing is patched: what differs from production is handed in.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from cds_service.bootstrap import Installation, compose
from cds_service.issuers import Issuer
from cds_service.settings import Settings
from cds_service.web.app import create_app
from cds_service.web.audit import AuditFile
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.trust import OpenDoor
from cds_service.web.views import Door
from tests.scenarios import FOLDER

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORDER_SIGN = "/cds-services/opioid-social-pain-order-sign"
PATIENT_VIEW = "/cds-services/opioid-social-pain-patient-view"
WARNED = "order-sign/renewal-after-300-days-bereaved"
RULE_WARNED = "long-term-renewal-social-pain"
SUPPRESSED = "order-sign/active-cancer"
_LOGGERS = (None, "waitress.queue", "urllib3.connectionpool")


def scenario_request(name: str) -> dict[str, Any]:
    """Return the request of a scenario, by hook and slug."""
    body: dict[str, Any] = json.loads((FOLDER / name / "request.json").read_bytes())
    return body


class KeptLog(Log):
    """A log in memory."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        super().__init__(self.stream)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines so far; each must be a JSON object."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @classmethod
    @contextmanager
    def of_process(cls) -> Iterator[KeptLog]:
        """Take the records of libraries, too, and give them back at the end."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
        kept = cls()
        kept.take_libraries()
        try:
            yield kept
        finally:
            for logger, handlers, level in before:
                logger.handlers[:] = handlers
                logger.setLevel(level)


@dataclass(kw_only=True)
class Running:
    """An application, its parts and its counters."""

    parts: Installation
    metrics: Metrics
    client: FlaskClient

    def call(self, body: Mapping[str, Any], path: str = ORDER_SIGN, **more: Any) -> Any:
        """POST a body as JSON."""
        return self.client.post(path, json=body, **more)

    def count(self, name: str, **labels: str) -> float:
        """Return the value of a counter or gauge; 0 when it was never touched."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a test wants its installation: what is None is as in development mode."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    issuer: Issuer | None = None
    door: Door | None = None
    audit: AuditFile | None = None
    log: Log = field(default_factory=lambda: KeptLog())
    parts: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def running(folder: Path, made: Made | None = None) -> Iterator[Running]:
    """Compose an installation in a folder and open its application to a test client."""
    made = made or Made()
    settings = Settings(
        database_url=f"sqlite:///{folder / 'store.sqlite3'}",
        public_url="https://cds.example.org",
        **made.settings,
    )
    metrics = Metrics()
    parts = replace(compose(settings, on_loss=metrics.record_loss), now=lambda: NOON)
    if made.issuer is not None:
        parts = replace(parts, issuers=(made.issuer,), is_development=False)
    parts = replace(parts, **made.parts)
    app = create_app(
        parts,
        door=made.door or OpenDoor(parts.issuers[0]),
        metrics=metrics,
        log=made.log,
        audit=made.audit,
    )
    try:
        yield Running(parts=parts, metrics=metrics, client=app.test_client())
    finally:
        parts.close()
        if made.audit is not None:
            made.audit.close()
