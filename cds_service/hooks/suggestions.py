"""What a card offers to add to the orders: one draft resource each, never a change of an order.

The offers are data (`cards/suggestions.toml`); here it is decided which of them a patient still
lacks and what the resource looks like. `fhir.resources` judges it when cards are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.evidence import ANSWERED, observation_age
from cds_service.clinical.terminology import Coding, coding
from cds_service.hooks.facts import Condition
from cds_service.hooks.protocol import HookRequest, JsonObject

ResourceType = Literal["MedicationRequest", "ServiceRequest"]

_STILL_OPEN = frozenset(
    {"draft", "active", "on-hold", "planned", "preparation", "arrived", "triaged", "in-progress"}
)
_TAKEN_BACK = frozenset({"cancelled", "revoked", "entered-in-error"})
_NAMEABLE = frozenset({"none", "LIVARG"})


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One thing that can be offered.

    `coding` None: the resource says what it is in words only. `met_by` are all codings that make
    the offer needless, its own included. A stand-in takes the place of the offer when all that is
    recorded lies in its `domains` and may be named in an order.
    """

    id: str
    label: str
    resource_type: ResourceType
    coding: Coding | None = None
    display: str | None = None
    met_by: frozenset[Coding] = frozenset()
    when: Condition | None = None
    is_screen: bool = False
    due_in_weeks: int | None = None
    domains: frozenset[str] = frozenset()
    stand_ins: tuple[Offer, ...] = ()

    @cached_property
    def draft(self) -> JsonObject:
        """What its draft FHIR R4 resource says of every patient; made once for all calls.

        The intent is "order" because it becomes one of the user's draft orders, which mean nothing
        until they are signed. A MedicationRequest names its drug by code and display only: the CDS
        Hooks Sandbox would put a drug that has `text` as well in place of the one being ordered.
        """
        is_drug = self.resource_type == "MedicationRequest"
        concept: dict[str, object] = {} if is_drug else {"text": self.label}
        if self.coding is not None:
            code = {"system": self.coding.system, "code": self.coding.code}
            concept["coding"] = [code | ({"display": self.display} if self.display else {})]
        return {
            "resourceType": self.resource_type,
            "status": "draft",
            "intent": "order",
            "medicationCodeableConcept" if is_drug else "code": concept,
        }


def offers_for(
    wanted: Iterable[Offer], *, assessment: Assessment, request: HookRequest
) -> tuple[Offer, ...]:
    """Return those of the `wanted` offers that this patient lacks, stand-ins put in place."""
    at_hand = _ordered(assessment, request) | _answered(assessment)
    screens_are_known = "Observation" in assessment.record.lists_read
    nameable = _nameable_domains(assessment)
    lacking: list[Offer] = []
    for each in wanted:
        offer = _matched(each, nameable) if each.stand_ins else each
        if (
            (offer.when is None or offer.when(assessment))
            and offer.met_by.isdisjoint(at_hand)
            and (screens_are_known or not offer.is_screen)
        ):
            lacking.append(offer)
    return tuple(lacking)


def visit_parts(
    *, patient_id: str, encounter_id: str | None, requester: str | None
) -> dict[str, object]:
    """Return what every draft of one call says of patient, visit and user, as members of it."""
    parts: dict[str, object] = {"subject": {"reference": f"Patient/{patient_id}"}}
    if encounter_id is not None:
        parts["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    if requester is not None:
        parts["requester"] = {"reference": requester}
    return parts


def draft_resource(offer: Offer, visit: JsonObject, *, day: date) -> dict[str, object]:
    """Return the draft FHIR R4 resource of an offer made on `day`; `visit` as `visit_parts`."""
    draft = {**offer.draft, **visit}
    if offer.due_in_weeks is not None:
        draft["occurrenceDateTime"] = (day + timedelta(weeks=offer.due_in_weeks)).isoformat()
    return draft


def _nameable_domains(assessment: Assessment) -> frozenset[str]:
    """Return the domains of all evidence; none when one piece of it may not be named in an order.

    Then only the general offers stay: it must not be told by their wording what is on file.
    """
    domains: set[str] = set()
    for item in assessment.social_pain.evidence:
        if item.counts and item.strength != "context":
            if item.sensitivity not in _NAMEABLE:
                return frozenset()
            domains.add(item.domain)
    return frozenset(domains)


def _matched(offer: Offer, domains: frozenset[str]) -> Offer:
    """Return the stand-in whose domains hold all of these, if any; or the offer itself."""
    if not domains:
        return offer
    return next((one for one in offer.stand_ins if domains <= one.domains), offer)


def _ordered(assessment: Assessment, request: HookRequest) -> set[Coding]:
    """Return the codings of all drafts and of all that is still open on the record."""
    codings = {
        code
        for event in assessment.record.care_events
        if event.status in _STILL_OPEN
        for code in event.codings
    }
    for draft in (*request.orders, *request.other_draft_entries):
        if not _is_taken_back(draft):
            codings.update(_codings(draft))
    return codings


def _is_taken_back(draft: JsonObject) -> bool:
    """Say whether a draft orders nothing any more, whatever else is wrong with it."""
    status = draft.get("status")
    is_over = isinstance(status, str) and status in _TAKEN_BACK
    return is_over or draft.get("doNotPerform") is True


def _codings(draft: JsonObject) -> Iterator[Coding]:
    """Yield the codings of what a draft orders, whatever else is wrong with it."""
    for name in ("code", "medicationCodeableConcept"):
        concept = draft.get(name)
        listed = concept.get("coding") if isinstance(concept, dict) else None
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict):
                system, code = item.get("system"), item.get("code")
                if isinstance(system, str) and isinstance(code, str):
                    yield coding(system, code)


def _answered(assessment: Assessment) -> set[Coding]:
    """Return the codings of screens answered within the time a screen is good for."""
    months = assessment.knowledge.thresholds.screening_at_most_months
    return {
        code
        for observation in assessment.record.observations
        if observation.status in ANSWERED
        and observation_age(observation, as_of=assessment.as_of, at_most_months=months) == "recent"
        for answer in observation.answers
        for code in answer.codings
    }
