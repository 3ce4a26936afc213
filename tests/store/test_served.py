"""The started service keeps its word on feedback, and its hooks do not feel the database."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from cds_service.store.database import connect, reading
from cds_service.store.schema import CARD, FEEDBACK
from cds_service.store.upgrade import upgrade

pytestmark = pytest.mark.server

SCENARIO = (
    Path(__file__).parents[2]
    / "fhir_fixtures/scenarios/medication-refill/refill-of-long-term-oxycodone"
)
SERVICE = "/cds-services/opioid-social-pain-medication-refill"


@dataclass
class Served:
    """A service of our own, in a process that can be killed."""

    process: subprocess.Popen[bytes]
    port: int

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Return status, body and headers; any failure of the connection is an OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            text = json.dumps(body)
            connection.request("POST", path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), dict(answer.headers)
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError from error
        finally:
            connection.close()

    def seconds_of_hooks(self, request: dict[str, Any], *, first: int) -> float:
        """Return how long fifty hook calls take, one after the other, each with its card."""
        started = time.monotonic()
        for number in range(first, first + 50):
            instance = {"hookInstance": f"00000000-0000-4000-8000-{number:012}"}
            status, answer, _ = self.post(SERVICE, request | instance)
            assert (status, len(answer["cards"])) == (200, 1)
        return time.monotonic() - started

    def feedback(self, *cards: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Say of each card that it was dismissed."""
        time_sent = "2026-03-02T12:00:00.000Z"
        items = [
            {"card": card, "outcome": "overridden", "outcomeTimestamp": time_sent} for card in cards
        ]
        return self.post(f"{SERVICE}/feedback", {"feedback": items})


@contextmanager
def served(url: str, folder: Path) -> Iterator[Served]:
    log = folder / f"log-{time.monotonic_ns()}"
    environment = {
        "PATH": os.environ["PATH"],
        "CDS_SERVICE_PORT": "0",
        "CDS_SERVICE_DATABASE_URL": url,
        "CDS_SERVICE_FEEDBACK_IN_FLIGHT_LIMIT": "20",
        "CDS_SERVICE_THREADS": "60",
    }
    program = "from cds_service.cli import main; main()"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "serve"],
            stdout=output,
            stderr=output,
            env=environment,
            cwd=folder,
        )
    try:
        yield Served(process, _port(process, log))
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(600):
        announced = re.search(r"http://127\.0\.0\.1:(\d+)/cds-services", log.read_text())
        if announced:
            return int(announced[1])
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture
def refill() -> dict[str, Any]:
    """The request of a scenario that ends in a card, moved from its day to today."""
    scenario = (SCENARIO / "scenario.toml").read_text()
    as_of = re.search(r"^as_of = (\S+)$", scenario, re.MULTILINE)
    assert as_of is not None
    moved = date.today() - date.fromisoformat(as_of[1])

    def move(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + moved).isoformat()

    text = (SCENARIO / "request.json").read_text()
    return json.loads(re.sub(r"\b\d{4}-\d\d-\d\d\b", move, text))


def rows(engine: Engine, column: Any) -> list[str]:
    with reading(engine).connect() as connection:
        return list(connection.scalars(select(column)))


def until(condition: Callable[[], bool], *, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def acknowledged_until_killed(service: Served, name: str, *, at_least: int) -> list[str]:
    """Let eight writers send feedback, kill the service under them, return what got a 200."""
    acknowledged: list[str] = []

    def write(writer: int) -> None:
        for number in itertools.count():
            card = f"{name}-{writer}-{number}"
            try:
                status, _, _ = service.feedback(card)
            except OSError:
                return
            if status == 200:
                acknowledged.append(card)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    assert until(lambda: len(acknowledged) >= at_least, seconds=120)
    service.process.send_signal(signal.SIGKILL)
    for writer in writers:
        writer.join()
    return acknowledged


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_no_feedback_answered_200_is_lost_when_the_service_is_killed(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    for kill in range(5):
        with served(url, tmp_path) as service:
            acknowledged += acknowledged_until_killed(service, f"k{kill}", at_least=1_000)
        assert set(acknowledged) - set(rows(engine, FEEDBACK.c.card_uuid)) == set()
    assert len(acknowledged) >= 5_000


def test_the_same_feedback_twenty_times_at_once_is_answered_200_and_kept_once(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    with served(url, tmp_path) as service, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: service.feedback("c1")[0], range(20)))
    assert answers == [200] * 20
    assert rows(engine, FEEDBACK.c.card_uuid) == ["c1"]


def test_a_batch_with_a_bad_item_is_refused_by_its_index_and_leaves_nothing(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    with served(url, tmp_path) as service:
        status, outcome, _ = service.feedback("c1", "", "c3")
        assert (status, outcome["resourceType"]) == (400, "OperationOutcome")
        assert "/feedback/1/card" in json.dumps(outcome)
        assert rows(engine, FEEDBACK.c.card_uuid) == []
        assert service.feedback("c1", "c2", "c3")[0] == 200
        assert sorted(rows(engine, FEEDBACK.c.card_uuid)) == ["c1", "c2", "c3"]


def test_a_comment_is_not_in_the_store_unless_switched_on(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    item = {
        "card": "c1",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-02T12:00:00Z",
        "overrideReason": {"userComment": "Jane Roe"},
    }
    with served(url, tmp_path) as service:
        assert service.post(f"{SERVICE}/feedback", {"feedback": [item]})[0] == 200
    assert rows(engine, FEEDBACK.c.comment) == [None]
    assert all(b"Jane Roe" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_card_is_in_the_ledger_with_its_rule_and_user_and_without_its_patient(
    url: str, engine: Engine, tmp_path: Path, refill: dict[str, Any]
) -> None:
    with served(url, tmp_path) as service:
        status, answer, _ = service.post(SERVICE, refill)
        assert (status, len(answer["cards"])) == (200, 1)
        assert until(lambda: rows(engine, CARD.c.card_uuid) == [answer["cards"][0]["uuid"]])
    with engine.connect() as connection:
        row = dict(connection.execute(select(CARD)).mappings().one())
    assert row["rule_id"] == answer["cards"][0]["source"]["topic"]["code"]
    assert row["user_reference"] == refill["context"]["userId"]
    assert set(row["suggestions"]) == {each["uuid"] for each in answer["cards"][0]["suggestions"]}
    assert refill["context"]["patientId"] not in json.dumps(row, default=str)


def test_a_start_that_finds_no_database_makes_one_and_says_so(tmp_path: Path) -> None:
    # The first start, or one whose volume is not there: only the operator knows which.
    file = tmp_path / "var" / "store.sqlite3"
    for _ in range(2):
        with served(f"sqlite:///{file}", tmp_path) as service:
            assert service.feedback("c1")[0] == 200
    first, second = (log.read_text() for log in sorted(tmp_path.glob("log-*")))
    [line] = [json.loads(line) for line in first.splitlines() if '"database-made"' in line]
    assert (line["level"], line["database"]) == ("warning", f"sqlite:///{file}")
    assert "database-made" not in second


@pytest.mark.postgresql
def test_with_postgresql_stopped_every_hook_is_answered_and_feedback_gets_503(
    cluster: Any, tmp_path: Path, refill: dict[str, Any]
) -> None:
    url = cluster.new_database()
    upgrade(url)
    engine = connect(url)
    with served(url, tmp_path) as service:
        usual = service.seconds_of_hooks(refill, first=0)
        cluster.stop("immediate")
        assert service.seconds_of_hooks(refill, first=50) < 3 * usual + 1
        status, outcome, headers = service.feedback("c1")
        assert (status, outcome["resourceType"]) == (503, "OperationOutcome")
        assert int(headers["Retry-After"]) >= 1
        cluster.start()
        assert service.feedback("c1")[0] == 200
        assert until(lambda: _number_of_cards(engine) == 100)
    engine.dispose()


@pytest.mark.postgresql
def test_with_postgresql_frozen_every_hook_is_answered_in_time(
    cluster: Any, tmp_path: Path, refill: dict[str, Any]
) -> None:
    url = cluster.new_database()
    upgrade(url)
    with served(url, tmp_path) as service, ThreadPoolExecutor(8) as pool:
        assert service.feedback("c0")[0] == 200
        usual = service.seconds_of_hooks(refill, first=0)
        with cluster.frozen():
            hanging = [pool.submit(service.feedback, f"c{number}") for number in range(8)]
            time.sleep(3)
            assert service.seconds_of_hooks(refill, first=50) < 3 * usual + 1
        assert {call.result()[0] for call in hanging} <= {200, 503}
        assert service.feedback("c9")[0] == 200


@pytest.mark.postgresql
def test_a_service_that_starts_without_its_postgresql_answers_hooks(
    cluster: Any, tmp_path: Path, refill: dict[str, Any]
) -> None:
    url = cluster.new_database()
    upgrade(url)
    cluster.stop("immediate")
    with served(url, tmp_path) as service:
        assert service.post(SERVICE, refill)[0] == 200
        assert service.feedback("c1")[0] == 503
        cluster.start()
        assert service.feedback("c1")[0] == 200


def _number_of_cards(engine: Engine) -> int:
    with reading(engine).connect() as connection:
        return connection.scalar(select(func.count()).select_from(CARD)) or 0
