"""Every scenario with its data on a real FHIR server: the cards are those given by prefetch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.clinical.knowledge import Knowledge
from tests.integration.checking_proxy import Bearer, CheckingProxy, Grant
from tests.integration.hapi import store
from tests.integration.transposed import Transposed, transposed
from tests.scenarios import Answered, Scenario, scenarios, unexpected
from tests.web.service import Made, running

pytestmark = pytest.mark.integration

OF_ANOTHER = "a search by patient never returns what is another patient's"
NOT_FHIR = "elements of the wrong JSON type are left out by the server when they are stored"
IN_PART = "the list leads to a page that is nowhere; a server has all its pages"
NOT_ON_A_SERVER = {
    "order-sign/another-patient-resource": OF_ANOTHER,
    "order-sign/condition-of-another-patient": OF_ANOTHER,
    "order-sign/order-of-another-patient": OF_ANOTHER,
    "order-sign/condition-unreadable": NOT_FHIR,
    "patient-view/condition-unreadable": NOT_FHIR,
    "order-sign/orders-only-in-part": IN_PART,
}
"""The scenarios that a server cannot hold, and why."""
MOST_ON_A_PAGE = 1
ALL = scenarios()


def test_scenarios_that_no_server_can_hold_are_few_and_exist() -> None:
    assert NOT_ON_A_SERVER.keys() <= {each.name for each in ALL}
    assert len(NOT_ON_A_SERVER) * 20 <= len(ALL)


def test_many_scenarios_cannot_be_read_without_following_next_links(knowledge: Knowledge) -> None:
    paged = [each for each in ALL if transposed(each, knowledge).next_links(MOST_ON_A_PAGE)]
    assert len(paged) * 5 >= len(ALL)


class Noon:
    """A clock that stands at noon of the day it is set to."""

    def __init__(self) -> None:
        self.day = ALL[0].as_of

    def __call__(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)


@pytest.fixture(scope="module")
def clock() -> Noon:
    return Noon()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, clock: Noon) -> Iterator[FlaskClient]:
    made = Made(settings={"fhir_deadline_seconds": Decimal(10)}, parts={"now": clock})
    with running(tmp_path_factory.mktemp("service"), made) as service:
        yield service.client


def call(client: FlaskClient, moved: Transposed, bearer: Bearer, fhir_base: str) -> Answered:
    """Call the hook as an EHR without prefetch does."""
    request: dict[str, Any] = {
        **moved.request,
        "fhirServer": fhir_base,
        "fhirAuthorization": {
            "access_token": bearer.token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": " ".join(f"patient/{kind}.read" for kind in sorted(moved.types)),
            "subject": "cds-service",
        },
    }
    answer = client.post(f"/cds-services/opioid-social-pain-{moved.request['hook']}", json=request)
    return Answered(answer.status_code, json.loads(moved.as_in_scenario(answer.text)))


def as_parameter(scenario: Scenario) -> Any:
    reason = NOT_ON_A_SERVER.get(scenario.name)
    marks = [pytest.mark.xfail(raises=AssertionError, reason=reason)] if reason else []
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [as_parameter(each) for each in ALL])
def test_a_scenario_read_from_a_real_server_gets_the_cards_given_by_prefetch(
    scenario: Scenario,
    hapi_base: str,
    fhir_base: str,
    proxy: CheckingProxy,
    client: FlaskClient,
    clock: Noon,
    knowledge: Knowledge,
) -> None:
    moved = transposed(scenario, knowledge)
    store(hapi_base, moved.resources)
    grant = Grant(patient_id=moved.patient_id, types=moved.types, most_on_a_page=MOST_ON_A_PAGE)
    bearer = proxy.bearer(grant)
    strangers = len(proxy.strangers)
    clock.day = scenario.as_of
    answer = call(client, moved, bearer, fhir_base)

    if scenario.expect.status == 200:
        assert answer.body == scenario.recorded
    else:
        # An error says why nothing could be read, and that is another reason here.
        assert unexpected(replace(scenario.expect, contains=()), answer) == []
    assert {reason for _, reason in bearer.refusals} <= {"the type is not granted"}
    assert len(proxy.strangers) == strangers
    if answer.status == 200 and bearer.asked:
        assert sum(each.is_next for each in bearer.asked) == moved.next_links(MOST_ON_A_PAGE)
