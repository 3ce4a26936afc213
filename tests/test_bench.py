"""The bodies that `make bench` sends: what they are, and that each goes all the way to a card."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from bench.__main__ import SIZES
from bench.goals import Goal
from bench.payloads import HOOK_INSTANCE_END, Opioids, payload
from bench.processes import DEPLOYED
from cds_service.bootstrap import load_site
from cds_service.decision_support import Site, advise
from cds_service.fhir.client import Refusal
from cds_service.hooks.catalogue import services
from cds_service.hooks.protocol import read_request
from cds_service.settings import Settings
from cds_service.web.body import read_object

ROOT = Path(__file__).parents[1]
TODAY = date(2026, 11, 22)
BYTES = {"5 KB": 5_000, "60 KB": 60_000, "1 MB": 1_000_000}

each_body = pytest.mark.parametrize(
    ("name", "resources", "rich", "opioids"),
    [(*size[:2], size[2], opioids) for size in SIZES for opioids in ("few", "all")],
)


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(Settings())


def body(name: str, resources: int, *, rich: bool, opioids: Opioids) -> bytes:
    return payload(name, resources=resources, opioids=opioids, today=TODAY, rich=rich).body


def resources_of(sent: bytes) -> list[dict[str, Any]]:
    prefetch = json.loads(sent)["prefetch"]
    lists = [value.get("entry") for value in prefetch.values()]
    return [entry["resource"] for entries in lists if entries for entry in entries]


@pytest.mark.parametrize("file", ["Dockerfile", "docs/operations.md"])
def test_the_service_is_measured_as_the_image_and_the_unit_start_it(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert all(f"{name}={value}" in text for name, value in DEPLOYED.items())


@each_body
def test_a_body_is_as_long_as_its_name_says_and_holds_as_many_resources(
    name: str, resources: int, rich: bool, opioids: Opioids
) -> None:
    sent = body(name, resources, rich=rich, opioids=opioids)
    assert 0.9 * BYTES[name] <= len(sent) <= 1.15 * BYTES[name]
    assert len(resources_of(sent)) == resources


@each_body
def test_a_body_is_the_same_every_time_but_for_the_place_of_a_number(
    name: str, resources: int, rich: bool, opioids: Opioids
) -> None:
    sent = body(name, resources, rich=rich, opioids=opioids)
    assert sent == body(name, resources, rich=rich, opioids=opioids)
    assert sent.count(HOOK_INSTANCE_END.encode()) == 1


@pytest.mark.parametrize("rich", [False, True])
def test_every_resource_of_a_body_is_valid_fhir(rich: bool) -> None:
    for resource in resources_of(body("90", 90, rich=rich, opioids="few")):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@each_body
def test_every_body_ends_in_the_warning(
    name: str, resources: int, rich: bool, opioids: Opioids, site: Site
) -> None:
    service = next(each for each in services(site.knowledge) if each.hook == "order-sign")
    request = read_request(read_object(body(name, resources, rich=rich, opioids=opioids)), service)
    advice = advise(request, service, site=site, fhir=Refusal.NOT_SENT, as_of=TODAY)
    assert [rule.rule_id for rule in advice.recommendations] == ["long-term-renewal-social-pain"]
    assert len(advice.cards) == 1


def test_most_orders_are_no_opioids_unless_all_are() -> None:
    few, every = (
        sum(
            order["medicationCodeableConcept"]["coding"][0]["code"][:2] != "99"
            for order in resources_of(body("900", 900, rich=False, opioids=opioids))
            if order["resourceType"] == "MedicationRequest"
        )
        for opioids in ("few", "all")
    )
    assert (few, every) == (30, 300)  # of 900 resources 300 are orders; one in ten is an opioid


@pytest.mark.parametrize(
    ("measured", "sense", "slack", "is_met"),
    [
        (0.50, "at least", 1.0, True),
        (0.49, "at least", 1.0, False),
        (0.25, "at least", 2.0, True),
        (0.24, "at least", 2.0, False),
        (0.50, "at most", 1.0, True),
        (0.51, "at most", 1.0, False),
        (1.00, "at most", 2.0, True),
        (1.01, "at most", 2.0, False),
    ],
)
def test_a_goal_holds_up_to_its_limit(
    measured: float, sense: Any, slack: float, is_met: bool
) -> None:
    goal = Goal(name="x", measured=measured, limit=0.50, sense=sense)
    assert goal.is_met(slack=slack) is is_met
