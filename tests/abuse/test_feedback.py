"""Feedback made to harm: floods, hostile words, wrong forms (T43, T44)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.abuse.conftest import CANARY, Abused
from tests.web.service import ORDER_SIGN

pytestmark = pytest.mark.server

PATH = f"{ORDER_SIGN}/feedback"


def entry(**more: Any) -> dict[str, Any]:
    return {
        "card": "no-such-card",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T12:00:00Z",
        **more,
    }


@pytest.mark.parametrize(("count", "status"), [(1_000, 200), (1_001, 413), (20_000, 413)])
def test_a_batch_has_a_thousand_items_at_most(service: Abused, count: int, status: int) -> None:
    body = {"feedback": [{**entry(), "card": str(number)} for number in range(count)]}
    assert service.send(body, PATH).status_code == status


def test_a_batch_has_a_megabyte_at_most(service: Abused) -> None:
    body = {"feedback": [entry(overrideReason={"userComment": "x" * (1 << 20)})]}
    assert service.send(body, PATH).status_code == 413


def test_a_flood_of_feedback_is_shed_and_no_hook_call_feels_it(service: Abused) -> None:
    batch = [{**entry(), "card": str(number)} for number in range(1_000)]

    def post(number: int) -> requests.Response:
        items = [{**each, "card": f"{number}-{each['card']}"} for each in batch]
        return service.process.post(PATH, {"feedback": items})

    with ThreadPoolExecutor(16) as threads:
        flood = [threads.submit(post, number) for number in range(48)]
        while not all(answer.done() for answer in flood):
            assert service.is_well()
    answers = [answer.result() for answer in flood]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 4  # as many as have a place
    assert all(a.headers["Retry-After"] for a in answers if a.status_code == 503)
    assert max(service.seconds) < 3


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE feedback; --",
        "=cmd|' /C calc'!A0",
        "<script>alert(1)</script>",
        "\u202eevil",
        "a\nb\r\nc",
        f"{CANARY} " * 1000,
    ],
)
def test_hostile_words_are_taken_as_words(service: Abused, text: str) -> None:
    body = {"feedback": [entry(card=text[:200], overrideReason={"userComment": text})]}
    assert service.send(body, PATH).status_code == 200


@pytest.mark.parametrize("member", ["card", "outcome", "outcomeTimestamp", "overrideReason"])
def test_a_wrong_value_is_never_a_failure(service: Abused, member: str) -> None:
    for value in (None, 7, True, "", [], {}, [None], {"reason": []}, "x" * 10_000, -1e308):
        body = {"feedback": [entry(**{member: value})]}
        assert service.send(body, PATH).status_code in {200, 400}


@pytest.mark.parametrize("body", [[], 7, "x", {}, {"feedback": None}, {"feedback": [None]}])
def test_what_is_no_feedback_is_malformed(service: Abused, body: object) -> None:
    assert service.send(body, PATH).status_code == 400


@pytest.mark.parametrize("identifier", ["\u0000", "\ud800"])
def test_what_one_database_takes_and_the_other_refuses_is_refused(
    service: Abused, identifier: str
) -> None:
    assert service.send({"feedback": [entry(card=identifier)]}, PATH).status_code == 400


def test_feedback_for_no_service_is_404(service: Abused) -> None:
    assert service.send({"feedback": [entry()]}, "/cds-services/none/feedback").status_code == 404
