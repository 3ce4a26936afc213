"""The spine of the service: gather, read, assess, recommend, render.

Everything around it (web, command line, replay) is a thin shell round `advise`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.rules import Recommendation, recommend
from cds_service.errors import RuleFailed
from cds_service.fhir.client import FhirAccess, Refusal
from cds_service.fhir.gather import gather
from cds_service.fhir.reader import read_record
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.catalogue import Service
from cds_service.hooks.protocol import HookRequest

Step = Callable[[str], AbstractContextManager[None]]
"""Called with "fetch" and "evaluate"; whoever watches gets a context around that work."""


def _unwatched(_name: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What one installation knows and says, the same for every call."""

    knowledge: Knowledge
    deck: CardDeck
    time_zone: ZoneInfo
    rules_off: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """The answer to one call.

    `cards` and `recommendations` belong together, one by one. `assessment` is None when the user is
    nobody to whom advice may be shown: then nothing was looked at. `resources_read` counts by type.
    """

    cards: tuple[Mapping[str, object], ...] = field(default=(), repr=False)
    recommendations: tuple[Recommendation, ...] = ()
    assessment: Assessment | None = field(default=None, repr=False)
    resources_read: Mapping[str, int] = field(default_factory=dict)


def advise(
    request: HookRequest,
    service: Service,
    *,
    site: Site,
    fhir: FhirAccess | Refusal,
    as_of: date,
    use_labelled: bool = False,
    key_map: Mapping[str, str] | None = None,
    step: Step = _unwatched,
) -> Advice:
    """Answer one hook call on the day `as_of`.

    `use_labelled` allows data labelled as sensitive, `key_map` leads from the client's prefetch
    keys to ours. Raises the 412 errors of the tree, and RuleFailed for a bug; what merely could not
    be read is said on the card. Source: clinical.md section 5 for the user gate.
    """
    if not request.may_see_cards:
        return Advice()
    with step("fetch"):
        resources = gather(
            service.prefetch,
            prefetch=request.prefetch,
            patient_id=request.patient_id,
            fhir=fhir,
            context=(*request.orders, *request.other_draft_entries),
            key_map=key_map,
        )
    with step("evaluate"):
        record = read_record(
            resources,
            patient_id=request.patient_id,
            drafts=request.orders,
            knowledge=site.knowledge,
            time_zone=site.time_zone,
            use_labelled=use_labelled,
            bystanders=request.other_draft_entries,
        )
        assessment = assess(record, site.knowledge, as_of=as_of, hook=service.hook)
        recommendations = recommend(assessment, switched_off=site.rules_off)
        cards = tuple(_card(each, assessment, request, site.deck) for each in recommendations)
    return Advice(
        cards=cards,
        recommendations=recommendations,
        assessment=assessment,
        resources_read={kind: len(found) for kind, found in resources.by_type.items()},
    )


def _card(
    rule: Recommendation, assessment: Assessment, request: HookRequest, deck: CardDeck
) -> Mapping[str, object]:
    try:
        return deck.render(rule, assessment, request)
    except Exception as bug:
        raise RuleFailed(rule.rule_id) from bug
