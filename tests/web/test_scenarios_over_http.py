"""Every scenario over HTTP: guard, schema, notes and store change nothing of the answer."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service.bootstrap import compose
from cds_service.settings import Settings
from cds_service.web.app import create_app
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.trust import OpenDoor
from tests.scenarios import Scenario, scenarios

REQUEST_NUMBER = re.compile(r"Request number [0-9a-f]{12}")


@dataclass
class Clock:
    """A clock that stands at noon of the day it is set to."""

    day: date = date(2026, 11, 22)

    def __call__(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[FlaskClient]:
    database: Path = tmp_path_factory.mktemp("store") / "cards.sqlite3"
    settings = Settings(public_url="https://cds.example.org", database_url=f"sqlite:///{database}")
    metrics = Metrics()
    parts = replace(compose(settings, on_loss=metrics.record_loss), now=clock)
    app = create_app(
        parts, door=OpenDoor(parts.issuers[0]), metrics=metrics, log=Log(io.StringIO())
    )
    with app.test_client() as client:
        yield client
    parts.close()


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda each: each.name)
def test_the_answer_over_http_is_the_recorded_one(
    scenario: Scenario, client: FlaskClient, clock: Clock
) -> None:
    clock.day = scenario.as_of
    answer = client.post(
        f"/cds-services/opioid-social-pain-{scenario.hook}",
        data=(scenario.folder / "request.json").read_bytes(),
        content_type="application/json",
    )
    shown = REQUEST_NUMBER.sub("Request number 000000000000", answer.text)
    assert answer.status_code == scenario.expect.status
    assert json.loads(shown) == scenario.recorded
