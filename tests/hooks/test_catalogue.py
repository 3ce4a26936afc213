"""What discovery says: conformance.md rows D-01 to D-22."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from cds_service.clinical.knowledge import Knowledge
from cds_service.hooks.catalogue import (
    KNOWLEDGE_EXTENSION,
    Service,
    discovery,
    services,
)
from tests.hooks.builders import leaves

DISCOVERY_SCHEMA = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "properties": {
        "services": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["hook", "description", "id"],
                "additionalProperties": False,
                "properties": {
                    "hook": {"type": "string", "minLength": 1},
                    "title": {"type": "string", "minLength": 1},
                    "description": {"type": "string", "minLength": 1},
                    "id": {"type": "string", "pattern": "^[A-Za-z0-9._~-]+$"},
                    "usageRequirements": {"type": "string", "minLength": 1},
                    "version": {"const": "3.0.0"},
                    "prefetch": {
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": {"type": "string", "minLength": 1},
                    },
                    "extension": {"type": "object", "minProperties": 1},
                },
            },
        }
    },
}

READ = re.compile(r"[A-Z][A-Za-z]+/\{\{context\.patientId\}\}")
SEARCH = re.compile(
    r"[A-Z][A-Za-z]+\?patient=\{\{context\.patientId\}\}(&code=[0-9,-]+)?&_count=[0-9]+"
)


@pytest.fixture(scope="module")
def catalogue(knowledge: Knowledge) -> tuple[Service, ...]:
    return services(knowledge)


def test_discovery_fits_the_tables_of_the_specification(catalogue: tuple[Service, ...]) -> None:
    body = json.loads(json.dumps(discovery(catalogue)))
    Draft202012Validator(DISCOVERY_SCHEMA).validate(body)
    assert all(leaf not in (None, "", [], {}) for leaf in leaves(body))


def test_discovery_names_the_knowledge_down_to_its_content(
    catalogue: tuple[Service, ...], knowledge: Knowledge
) -> None:
    entries = json.loads(json.dumps(discovery(catalogue)))["services"]
    assert [entry["extension"] for entry in entries] == [
        {KNOWLEDGE_EXTENSION: f"{knowledge.version} ({knowledge.digest})"}
    ] * len(entries)


def test_each_hook_has_one_service_with_an_id_of_its_own(catalogue: tuple[Service, ...]) -> None:
    assert [service.hook for service in catalogue] == [
        "patient-view",
        "order-select",
        "order-sign",
        "medication-refill",
    ]
    assert [service.id for service in catalogue] == [
        f"opioid-social-pain-{service.hook}" for service in catalogue
    ]


def test_prefetch_uses_one_token_and_no_date_modifier_chain_or_include(
    catalogue: tuple[Service, ...],
) -> None:
    for service in catalogue:
        for query in service.prefetch:
            assert READ.fullmatch(query.template) or SEARCH.fullmatch(query.template)
            assert query.template.startswith(query.resource_type)


def test_orders_and_conditions_are_required_and_nothing_else(
    catalogue: tuple[Service, ...],
) -> None:
    for service in catalogue:
        required = {query.resource_type for query in service.prefetch if query.is_required}
        is_refill = service.hook == "medication-refill"
        assert required == ({"Condition"} if is_refill else {"Condition", "MedicationRequest"})


def test_prefetch_asks_for_all_a_rule_can_look_at(catalogue: tuple[Service, ...]) -> None:
    for service in catalogue:
        assert [query.resource_type for query in service.prefetch] == [
            "Patient",
            "MedicationRequest",
            "Condition",
            "Observation",
            "Procedure",
            "ServiceRequest",
            "Encounter",
        ]


def observation_codes(catalogue: tuple[Service, ...]) -> set[str]:
    template = dict(catalogue[0].discovery_entry()["prefetch"])["observations"]  # type: ignore[call-overload]
    return set(re.findall(r"[0-9]+-[0-9]", template))


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("44261-6", "PHQ-9 score"),
        ("44249-1", "PHQ-9 panel, whose items come as components"),
        ("44260-8", "PHQ-9 item 9, for safety"),
        ("93159-2", "loneliness item of the AHC screen"),
        ("93025-5", "PRAPARE panel, whose items come as components"),
        ("55758-7", "PHQ-2, which shows that somebody was screened"),
    ],
)
def test_observations_are_limited_to_screens_that_a_rule_reads(
    catalogue: tuple[Service, ...], code: str, what: str
) -> None:
    assert code in observation_codes(catalogue), what


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("93027-1", "refugee status"),
        ("93028-9", "incarceration"),
        ("71802-3", "housing"),
        ("67875-5", "employment"),
    ],
)
def test_what_no_rule_reads_is_not_asked_for(
    catalogue: tuple[Service, ...], code: str, what: str
) -> None:
    assert code not in observation_codes(catalogue), what


def test_the_description_says_for_whom_and_for_what_it_is_not(
    catalogue: tuple[Service, ...],
) -> None:
    for service in catalogue:
        assert "prescribing clinicians" in service.description
        assert "Not for emergencies" in service.description
        assert "not on a guideline" in service.description
        assert "412" in service.usage_requirements
