"""What holds of every card whatever the facts, and the never-list over all of them."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.exposure import PossiblyLongTerm
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import GapKind
from cds_service.clinical.rules import RULES
from cds_service.hooks.card_checks import forbidden
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.protocol import User
from tests.assessments import ALL_LISTS, assessment, dose, evidence, gap, opioid_draft
from tests.hooks.builders import Card, card, hook_request, leaves, never_said

STRING = {"type": "string", "minLength": 1}
URL = {"type": "string", "pattern": "^https://"}
CODING = {
    "type": "object",
    "required": ["code", "system", "display"],
    "additionalProperties": False,
    "properties": {"code": STRING, "system": STRING, "display": STRING},
}
CARD_SCHEMA = {
    "type": "object",
    "required": [
        "uuid",
        "summary",
        "detail",
        "indicator",
        "source",
        "overrideReasons",
        "links",
    ],
    "additionalProperties": False,
    "dependentRequired": {
        "suggestions": ["selectionBehavior"],
        "selectionBehavior": ["suggestions"],
    },
    "properties": {
        "uuid": STRING,
        "summary": STRING | {"maxLength": 139},
        "detail": STRING,
        "indicator": {"enum": ["info", "warning"]},
        "source": {
            "type": "object",
            "required": ["label", "url", "topic"],
            "additionalProperties": False,
            "properties": {"label": STRING, "url": URL, "topic": CODING},
        },
        "selectionBehavior": {"const": "any"},
        "suggestions": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["label", "uuid", "actions"],
                "additionalProperties": False,
                "properties": {
                    "label": STRING,
                    "uuid": STRING,
                    "actions": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["type", "description", "resource"],
                            "additionalProperties": False,
                            "properties": {
                                "type": {"const": "create"},
                                "description": STRING,
                                "resource": {"type": "object"},
                            },
                        },
                    },
                },
            },
        },
        "overrideReasons": {"type": "array", "minItems": 1, "items": CODING},
        "links": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["label", "url", "type"],
                "additionalProperties": False,
                "properties": {"label": STRING, "url": URL, "type": {"const": "absolute"}},
            },
        },
    },
}
MODELS = {"MedicationRequest": MedicationRequest, "ServiceRequest": ServiceRequest}
ACTIVE_MARKUP = re.compile(r"<[a-z/!]|javascript:|data:|!\[|\]\(", re.IGNORECASE)

NAMEABLE = (
    "social_isolation_loneliness",
    "rejection_exclusion_discrimination",
    "interpersonal_loss_broken_bonds",
    "psychological_trauma_ptsd_ace",
    "depression_marker",
)
PAIN = (
    "back_neck_pain",
    "generalised_chronic_pain",
    "headache",
    "musculoskeletal_pain",
    "neuropathic_pain",
    "orofacial_pain",
    "pain_disorder_psychological_label",
    "pain_unspecified",
    "visceral_pelvic_pain",
)
POSSIBLY: tuple[PossiblyLongTerm, ...] = (
    "renewal-chain",
    "continuous-therapy",
    "z79-891",
    "refill-without-history",
)
DOSES = (
    dose("60"),
    dose("20.25"),
    dose("60", unconverted=2),
    dose("20", is_form_assumed=True),
    dose(None, unconverted=1),
    dose(None),
)
INGREDIENTS = ("oxycodone", "fentanyl", "meperidine", "buprenorphine", "heroin", "tramadol")

YEARS = st.none() | st.integers(1950, 2026)
EVIDENCE = st.one_of(
    st.builds(
        evidence,
        st.sampled_from(NAMEABLE),
        year=YEARS,
        strength=st.sampled_from(["core", "supporting"]),
        sensitivity=st.sampled_from(["none", "MH", "SDV", "VIO", "LIVARG"]),
        counts=st.booleans(),
    ),
    st.builds(
        evidence,
        st.just("abuse_victimisation"),
        year=YEARS,
        sensitivity=st.sampled_from(["SDV", "VIO"]),
    ),
    st.builds(evidence, st.just("psychosocial_stress_context"), strength=st.just("context")),
)


@st.composite
def facts(draw: st.DrawFn) -> dict[str, Any]:
    """Any combination of facts, likely or not."""
    drafts = tuple(
        opioid_draft(name, days=draw(st.none() | st.integers(1, 400)))
        for name in draw(st.lists(st.sampled_from(INGREDIENTS), max_size=3, unique=True))
    )
    return {
        "run_days": draw(st.none() | st.integers(1, 20_000)),
        "possibly_long_term": tuple(draw(st.lists(st.sampled_from(POSSIBLY), unique=True))),
        "estimated_orders": draw(st.integers(0, 200)),
        "imprecise_starts": draw(st.integers(0, 200)),
        "drafts": drafts,
        "crossing_drafts": drafts if draw(st.booleans()) else (),
        "recorded": draw(st.lists(EVIDENCE, max_size=5)),
        "pain": tuple(draw(st.lists(st.sampled_from(PAIN), max_size=3, unique=True))),
        "has_opioid_use_disorder": draw(st.booleans()),
        "has_moud": draw(st.booleans()),
        "has_safety_concern": draw(st.booleans()),
        "daily_dose": draw(st.sampled_from(DOSES)),
        "has_benzodiazepine": draw(st.booleans()),
        "needs_naloxone_offer": draw(st.booleans()),
        "lists_read": frozenset(draw(st.sets(st.sampled_from(sorted(ALL_LISTS))))),
        "gaps": tuple(gap(kind) for kind in draw(st.lists(st.sampled_from(GapKind), max_size=4))),
    }


def assert_holds(shown: Card) -> None:
    """Everything that holds of any card."""
    Draft202012Validator(CARD_SCHEMA).validate(shown)
    assert all(leaf not in (None, "", [], {}) for leaf in leaves(shown))
    assert "\n\n\n" not in shown["detail"]
    assert not ACTIVE_MARKUP.search(shown["detail"])
    assert "{{" not in json.dumps(shown)
    assert "None" not in json.dumps(shown)
    for uuid in (shown["uuid"], *(one["uuid"] for one in shown.get("suggestions", []))):
        assert str(UUID(uuid)) == uuid
    for suggestion in shown.get("suggestions", []):
        resource = suggestion["actions"][0]["resource"]
        MODELS[resource["resourceType"]].model_validate(resource)
        assert resource["subject"] == {"reference": "Patient/p"}
    whole = json.dumps(shown, ensure_ascii=False)
    assert list(forbidden(whole, never_said())) == []


def assert_humane(shown: Card, found: Assessment) -> None:
    detail = shown["detail"]
    assert "Do not stop or rapidly reduce the opioid because of this card" in detail
    assert "The person is not to blame." in detail
    if found.exclusions.has_safety_concern:
        assert "taper" not in detail
        assert detail.lower().count("reduc") == 1
        assert "A safety concern is on file" in detail


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=facts(),
    rule=st.sampled_from([rule.id for rule in RULES]),
    user=st.sampled_from([None, User("Practitioner", "u"), User("PractitionerRole", "r")]),
    encounter_id=st.sampled_from([None, "e"]),
)
def test_every_card_of_any_facts_is_valid_whole_and_says_nothing_it_must_not(
    deck: CardDeck,
    knowledge: Knowledge,
    changes: dict[str, Any],
    rule: str,
    user: User | None,
    encounter_id: str | None,
) -> None:
    found = assessment(knowledge, **changes)
    shown = card(deck, found, rule=rule, request=hook_request(user=user, encounter_id=encounter_id))
    assert_holds(shown)
    assert_humane(shown, found)


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_the_never_list_holds_for_every_domain_sensitivity_and_flag(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    flags = list(product([False, True], repeat=4))
    recorded = [
        *([evidence(domain, sensitivity="MH")] for domain in NAMEABLE),
        *([evidence(domain, sensitivity="SDV")] for domain in (*NAMEABLE, "abuse_victimisation")),
        [evidence(domain) for domain in NAMEABLE],
    ]
    said: set[str] = set()
    for found, (disorder, concern, benzodiazepine, naloxone) in product(recorded, flags):
        shown = card(
            deck,
            assessment(
                knowledge,
                recorded=found,
                pain=PAIN,
                has_opioid_use_disorder=disorder,
                has_safety_concern=concern,
                has_benzodiazepine=benzodiazepine,
                needs_naloxone_offer=naloxone,
            ),
            rule=rule,
        )
        said |= {leaf for leaf in leaves(shown) if isinstance(leaf, str)}
    assert len(said) > len(recorded)
    assert [(text, *found) for text in said for found in forbidden(text, never_said())] == []


@pytest.mark.parametrize(
    "text",
    [
        "abuse",
        "Abused",
        "assault",
        "violence",
        "ex-partner",
        "sexual",
        "victim",
        "addict",
        "addiction",
        "drug-seeking",
        "has failed",
        "non-compliant",
        "it is psychological",
        "emotional pain",
        "not real",
        "is lonely",
        "is depressed",
        "a risk of 84 %",
        "you must stop",
        "stop the opioid",
        "taper to 50",
        "do not renew",
        "the guideline requires",
    ],
)
def test_the_never_list_finds_what_it_is_for(text: str) -> None:
    assert list(forbidden(f"This says {text} here.", never_said()))


@pytest.mark.parametrize(
    "text",
    [
        "therapeutic",
        "Discontinuation has been associated with suicide",
        "Do not stop or rapidly reduce the opioid",
        "Expert essay, not a guideline",
        "isolation or loneliness",
        "trauma- or stress-related condition",
    ],
)
def test_the_never_list_leaves_ordinary_words_alone(text: str) -> None:
    assert list(forbidden(text, never_said())) == []
