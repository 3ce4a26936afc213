"""A captured hook call made into a case that anybody may read: `fhir_fixtures/` without Python.

Nothing of the call survives but what `allow_list` names. Resources that no rule looks at are left
out altogether (`pruning`), because a whole problem list tells who somebody is even without a name.
What remains are the codes, doses and intervals the case is about; a person reads them before they
are shared. This is no legal de-identification: dates keep their distances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cds_service.clinical.knowledge import Knowledge
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.catalogue import Service
from cds_service.hooks.protocol import read_request
from cds_service.scenario_capture.allow_list import cleaned, cleaned_orders
from cds_service.scenario_capture.disguise import Disguise
from cds_service.scenario_capture.pruning import JsonObject, pruned

__all__ = ["Disguise", "captured_case"]


def captured_case(
    body: Mapping[str, Any],
    service: Service,
    *,
    name: str,
    disguise: Disguise,
    knowledge: Knowledge,
    deck: CardDeck,
    keep: Sequence[str] = (),
) -> JsonObject:
    """Return the request of a case made from the JSON of a captured call.

    `name` makes the hookInstance, `keep` are references of the capture to resources that stay
    although no rule looks at them. Raises MalformedRequest where the call itself is malformed, and
    PatientMismatch where it speaks of several patients: such cases are written by hand.
    """
    read_request(body, service)
    request = _without_identity(body, service, name=name, disguise=disguise)
    return pruned(
        request,
        read_request(request, service),
        knowledge=knowledge,
        deck=deck,
        keep=frozenset(disguise.reference(reference) for reference in keep),
    )


def _without_identity(
    body: Mapping[str, Any], service: Service, *, name: str, disguise: Disguise
) -> JsonObject:
    request: JsonObject = {
        "hook": service.hook,
        "hookInstance": str(uuid5(NAMESPACE_URL, f"{service.hook}/{name}")),
        "context": _context(body["context"], disguise),
    }
    if isinstance(body.get("prefetch"), dict):
        own = {query.key for query in service.prefetch}
        request["prefetch"] = {
            key if key in own else f"client-key-{place}": cleaned(value, disguise)
            for place, (key, value) in enumerate(body["prefetch"].items(), start=1)
        }
    return request


def _context(context: Mapping[str, Any], disguise: Disguise) -> JsonObject:
    """Clean the context, whose form `read_request` has checked. The patient becomes patient-1."""
    prefix, _, id_ = str(context["patientId"]).rpartition("/")
    patient_id = disguise.id("Patient", id_)
    kept: JsonObject = {}
    if context.get("userId") is not None:
        kept["userId"] = disguise.reference(context["userId"])
    kept["patientId"] = f"{prefix}/{patient_id}" if prefix else patient_id
    if isinstance(context.get("encounterId"), str):
        id_ = context["encounterId"].removeprefix("Encounter/")
        kept["encounterId"] = disguise.id("Encounter", id_)
    if isinstance(context.get("selections"), list):
        kept["selections"] = [disguise.reference(one) for one in context["selections"]]
    for name in ("draftOrders", "medications"):
        if name in context:
            kept[name] = cleaned_orders(context[name], disguise)
    return kept
