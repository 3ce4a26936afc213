"""Short ways to ask for a card in a test, and to take it apart."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.rules import Indicator, Recommendation
from cds_service.hooks.card_files import packaged_cards
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.protocol import HookRequest, JsonObject, User

Card = dict[str, Any]

INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
PRESCRIBER = User("Practitioner", "u")
STANDARD = "long-term-renewal-social-pain"


def hook_request(
    *,
    hook_instance: str = INSTANCE,
    service_id: str = "opioid-social-pain-order-sign",
    user: User | None = PRESCRIBER,
    encounter_id: str | None = "e",
    orders: tuple[JsonObject, ...] = (),
    other_draft_entries: tuple[JsonObject, ...] = (),
) -> HookRequest:
    return HookRequest(
        service_id=service_id,
        hook="order-sign",
        hook_instance=hook_instance,
        patient_id="p",
        user=user,
        encounter_id=encounter_id,
        orders=orders,
        other_draft_entries=other_draft_entries,
    )


def card(
    deck: CardDeck,
    assessment: Assessment,
    *,
    rule: str = STANDARD,
    indicator: Indicator = "warning",
    request: HookRequest | None = None,
) -> Card:
    recommendation = Recommendation(rule_id=rule, indicator=indicator)
    return deck.render(recommendation, assessment, request or hook_request())


def labels(shown: Card) -> list[str]:
    return [suggestion["label"] for suggestion in shown.get("suggestions", [])]


def resources(shown: Card) -> list[dict[str, Any]]:
    return [
        action["resource"]
        for suggestion in shown.get("suggestions", [])
        for action in suggestion["actions"]
    ]


def paragraph(shown: Card, heading: str) -> str:
    """The paragraph under the heading, without it; empty when it is not said."""
    start = f"**{heading}:** "
    found = [part for part in shown["detail"].split("\n\n") if part.startswith(start)]
    return found[0].removeprefix(start) if found else ""


def leaves(value: object) -> Iterator[object]:
    """Everything at the ends of JSON-like data; an empty list or object is an end as well."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not inner:
        yield value
    for one in inner:
        yield from leaves(one)


@cache
def never_said() -> dict[str, str]:
    """The forbidden texts, read here from the file itself."""
    sheet = tomllib.loads((packaged_cards() / "never.toml").read_text())
    return {text: group["why"] for group in sheet["never"] for text in group["texts"]}
