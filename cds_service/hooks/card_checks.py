"""What must hold of a deck of cards as a whole; each check returns its faults in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import chain
from typing import NamedTuple

from cds_service.clinical.knowledge import Knowledge
from cds_service.hooks.cards import CardDeck, CardTemplate
from cds_service.hooks.facts import CONDITIONS, FACTS, Condition
from cds_service.hooks.suggestions import Offer, draft_resource, visit_parts

SUMMARY_SHORTER_THAN = 140
"""Source: CDS Hooks 3.0.0, card attribute `summary`."""

DO_NOT_STOP = "Do not stop or rapidly reduce"
MANDATORY = (
    DO_NOT_STOP,
    "has been associated with suicide and all-cause mortality",
    "not to blame",
    "Expert essay (Sullivan & Ballantyne 2021), not a guideline",
    "reports what is recorded",
    "{{ unknown }}",
    "{{ knowledge_version }}",
)
"""Texts that every card says whatever the record holds. Source: clinical.md section 8."""

_TAPERING = re.compile(r"taper|reduc|lower|decreas", re.IGNORECASE)
_OVERRIDE_REASONS = "override-reasons.toml"


def card_faults(deck: CardDeck) -> Iterator[str]:
    """Yield what is missing from, or too long in, a card."""
    for card in deck.cards.values():
        yield from _summary_faults(card)
        said = "\n".join(_always_said(card))
        for text in MANDATORY:
            if text not in said:
                yield f"{card.rule_id}.toml: detail: must always say {text!r}"


class Printed(NamedTuple):
    """A text that can appear on a card, its place, and the conditions it is said under."""

    where: str
    text: str
    conditions: tuple[Condition | None, ...] = ()


def taper_faults(deck: CardDeck, knowledge: Knowledge) -> Iterator[str]:
    """Yield the texts about tapering that a patient with a safety concern would be shown.

    The reasons to override may name a taper: they are the user's own words, the same on all cards.
    """
    for where, text, conditions in chain(texts(deck), _ingredients(knowledge)):
        is_guarded = CONDITIONS["may_speak_of_taper"] in conditions
        is_reason = where == _OVERRIDE_REASONS
        if _TAPERING.search(text.replace(DO_NOT_STOP, "")) and not (is_guarded or is_reason):
            yield (
                f"{where}: {text!r}: a sentence about tapering is said only "
                'when = "may_speak_of_taper"; put it there, or use other words'
            )


def number_faults(deck: CardDeck, citations: Iterable[str]) -> Iterator[str]:
    """Yield the texts that hold a number of their own: numbers come from record and data."""
    longest_first = sorted(citations, key=len, reverse=True)
    for where, text, _ in texts(deck):
        bare = re.sub(r"{{.*?}}", "", text)
        for citation in longest_first:
            bare = bare.replace(citation, "")
        if re.search(r"\d", bare) and not where.startswith("suggestions.toml"):
            yield f"{where}: {text!r} holds a number; use a value, or list it under citations"


def word_faults(deck: CardDeck, knowledge: Knowledge, never: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts that say what no card says, ingredients' names among them."""
    for where, text, _ in chain(texts(deck), _ingredients(knowledge)):
        for word, why in forbidden(text, never):
            yield f"{where}: {text!r} says {word!r}: {why}"


def forbidden(text: str, never: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the forbidden beginnings of words found in the text, with the reason for each."""
    for word, why in never.items():
        start = r"\b" if word[0].isalnum() else ""
        if re.search(start + re.escape(word), text, re.IGNORECASE):
            yield word, why


def resource_faults(offers: Iterable[Offer]) -> Iterator[str]:
    """Yield the offers whose resource is not valid FHIR R4."""
    # Takes 0.15 s and 25 MB, so only when it is asked for.
    from fhir.resources.R4B.medicationrequest import MedicationRequest
    from fhir.resources.R4B.servicerequest import ServiceRequest
    from pydantic import ValidationError

    models: dict[str, type[MedicationRequest | ServiceRequest]] = {
        "MedicationRequest": MedicationRequest,
        "ServiceRequest": ServiceRequest,
    }
    visit = visit_parts(patient_id="p", encounter_id="e", requester="Practitioner/u")
    for offer in offers:
        model = models.get(offer.resource_type)
        if model is None:  # told where the file is read
            continue
        try:
            model.model_validate(draft_resource(offer, visit, day=date(2026, 1, 1)))
        except ValidationError as error:
            places = {".".join(map(str, one["loc"])) for one in error.errors()}
            yield (
                f"suggestions.toml: {offer.id}: is no valid R4 resource: FHIR does not allow the "
                f"value of {', '.join(sorted(places))}"
            )


def texts(deck: CardDeck) -> Iterator[Printed]:
    """Yield every text that can appear on a card."""
    for card in deck.cards.values():
        yield from _texts_of_card(card)
    for phrase in deck.phrases.every_text():
        yield Printed("phrases.toml", phrase)
    for reason in deck.override_reasons:
        yield Printed(_OVERRIDE_REASONS, reason.display)
    for link in deck.links:
        yield Printed("shared.toml", link.label)
    yield Printed("shared.toml", deck.source_label)
    yield Printed("shared.toml", deck.explanation_label)
    for offer in deck.offers:
        where = f"suggestions.toml: {offer.id}"
        yield Printed(where, offer.label, (offer.when,))
        yield Printed(where, offer.display or "", (offer.when,))


def _texts_of_card(card: CardTemplate) -> Iterator[Printed]:
    where = f"{card.rule_id}.toml"
    yield Printed(where, card.topic)
    for sentence in card.summaries:
        yield Printed(where, sentence.text.source, (sentence.when,))
    for paragraph in card.detail:
        yield Printed(where, paragraph.heading or "", (paragraph.when,))
        for sentence in paragraph.sentences:
            yield Printed(where, sentence.text.source, (paragraph.when, sentence.when))


def _ingredients(knowledge: Knowledge) -> Iterator[Printed]:
    for row in knowledge.ingredients.values():
        yield Printed(f"opioid-ingredients.csv: {row.name}", row.phrase)


def _summary_faults(card: CardTemplate) -> Iterator[str]:
    where = f"{card.rule_id}.toml: summary"
    for sentence in card.summaries:
        widest = {name: FACTS[name].widest for name in sentence.text.names}
        wide = {name: value for name, value in widest.items() if value is not None}
        for name in sorted(widest.keys() - wide.keys()):
            yield f"{where}: the value {name!r} is too long for a summary"
        if wide.keys() == widest.keys():
            length = len(sentence.text.filled(wide))
            if length >= SUMMARY_SHORTER_THAN:
                yield f"{where}: may reach {length} characters, {SUMMARY_SHORTER_THAN - 1} fit"
    for last in card.summaries[-1:]:
        if last.when is None and all(FACTS[name].is_always_known for name in last.text.names):
            continue
        yield f"{where}: the last one must hold always, whatever is known"


def _always_said(card: CardTemplate) -> Iterator[str]:
    for paragraph in card.detail:
        if paragraph.when is None:
            yield paragraph.heading or ""
            yield from (one.text.source for one in paragraph.sentences if one.when is None)
