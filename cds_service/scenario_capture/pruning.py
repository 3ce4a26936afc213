"""Which resources of a cleaned call a case keeps: those that the reader makes something of.

An order of the context that nothing looks at becomes a stand-in under its id. Of a list that would
be left empty one stand-in remains, because an empty list says that there is nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import PatientRecord
from cds_service.clinical.terminology import Coding
from cds_service.fhir.gather import Resources
from cds_service.fhir.reader import read_record
from cds_service.fhir.reading.concepts import Concepts
from cds_service.fhir.reading.labels import is_withheld
from cds_service.fhir.reading.medication import key_of, keys_named_by
from cds_service.fhir.reading.memory import Memory
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.protocol import HookRequest
from cds_service.scenario_capture.allow_list import LOCAL_SYSTEM
from cds_service.scenario_capture.disguise import ANOTHER_DRUG, OTHER_TYPE

JsonObject = dict[str, Any]
Stays = Callable[[object], bool]

_ALWAYS_KEPT = frozenset({"Patient", "OperationOutcome"})
_DEEPEST_MEDICATION = 3
_BODIES: Mapping[str, JsonObject] = {
    "MedicationRequest": {"medicationCodeableConcept": {"text": ANOTHER_DRUG}},
    "Medication": {"code": {"text": ANOTHER_DRUG}},
    OTHER_TYPE: {},
}
_OTHER_BODY: JsonObject = {"code": {"coding": [{"system": LOCAL_SYSTEM, "code": "other"}]}}


def pruned(
    request: JsonObject,
    read: HookRequest,
    *,
    knowledge: Knowledge,
    deck: CardDeck,
    keep: frozenset[str],
) -> JsonObject:
    """Return the request without what no rule and no offer looks at; `read` is the same request.

    Raises PatientMismatch when it speaks of several patients.
    """
    sent = tuple(_resources(request.get("prefetch", {}).values()))
    record = read_record(
        _as_gathered(sent),
        patient_id=read.patient_id,
        drafts=read.orders,
        knowledge=knowledge,
        time_zone=ZoneInfo("UTC"),
        use_labelled=True,
        bystanders=read.other_draft_entries,
    )
    named = keep | _named_in(record, Concepts(knowledge, Memory()), deck)
    drafts = (*read.orders, *read.other_draft_entries)
    medications = _medications_of(named, (*sent, *drafts))

    def stays(resource: object) -> bool:
        if not isinstance(resource, dict) or "resourceType" not in resource:
            return True
        kind = resource["resourceType"]
        return (
            kind in _ALWAYS_KEPT
            or is_withheld(resource, use_labelled=True)
            or _reference(resource) in named
            or (kind == "Medication" and key_of(resource) in medications)
        )

    return _without_the_rest(request, stays)


def _as_gathered(sent: Iterable[JsonObject]) -> Resources:
    by_type: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for resource in sent:
        by_type[resource["resourceType"]].append(resource)
    return Resources(
        by_type={kind: tuple(resources) for kind, resources in by_type.items()},
        lists_read=frozenset(),
        gaps=(),
    )


def _resources(values: Iterable[object]) -> Iterator[JsonObject]:
    """Yield the resources in prefetch values, of Bundles and wrappers those inside."""
    for value in values:
        if not isinstance(value, dict):
            continue
        if "resourceType" not in value:
            yield from _resources([value.get("resource")])
        elif value["resourceType"] == "Bundle":
            yield from _resources(
                entry["resource"]
                for entry in _entries(value)
                if isinstance(entry, dict) and "resourceType" in (entry.get("resource") or ())
            )
        else:
            yield value


def _named_in(record: PatientRecord, concepts: Concepts, deck: CardDeck) -> frozenset[str]:
    """Return the references of what the record and its gaps consist of.

    Of ServiceRequests, all of which are in the record, those that a table or an offer knows.
    """
    offered: frozenset[Coding] = frozenset().union(*(offer.met_by for offer in deck.offers))
    events = (
        event.reference
        for event in record.care_events
        if concepts.are_in_tables(event.codings) or offered & set(event.codings)
    )
    orders = (order.reference for order in (*record.orders, *record.drafts))
    findings = (part.reference for part in record.conditions)
    answers = (part.reference for part in record.observations)
    gaps = (gap.where for gap in record.gaps)
    return frozenset((*orders, *findings, *answers, *events, *gaps))


def _medications_of(
    named: frozenset[str], resources: Sequence[Mapping[str, object]]
) -> frozenset[str]:
    """Return the keys of the Medications that the orders named point at, however far."""
    orders = (resource for resource in resources if _reference(resource) in named)
    wanted = {key for order in orders for key in keys_named_by(order)}
    medications = [one for one in resources if one.get("resourceType") == "Medication"]
    for _ in range(_DEEPEST_MEDICATION):
        found = (one for one in medications if key_of(one) in wanted)
        wanted |= {key for one in tuple(found) for key in keys_named_by(one)}
    return frozenset(wanted)


def _without_the_rest(request: JsonObject, stays: Stays) -> JsonObject:
    context = {
        name: _with_stand_ins(value, stays) if isinstance(value, dict) else value
        for name, value in request["context"].items()
    }
    if "prefetch" not in request:
        return {**request, "context": context}
    prefetch = {key: _shortened(value, stays) for key, value in request["prefetch"].items()}
    return {**request, "context": context, "prefetch": prefetch}


def _with_stand_ins(orders: JsonObject, stays: Stays) -> JsonObject:
    """Put a stand-in in the place of each order of the context that does not stay."""
    if orders.get("resourceType", "Bundle") != "Bundle":
        return orders if stays(orders) else _stand_in(orders)
    if "entry" not in orders:
        return orders
    return {**orders, "entry": [_stood_in_for(entry, stays) for entry in _entries(orders)]}


def _shortened(value: object, stays: Stays) -> object:
    """Leave out of one prefetch value what does not stay."""
    if not isinstance(value, dict):
        return value
    if "resourceType" not in value:
        return {name: _shortened(part, stays) for name, part in value.items()}
    if value["resourceType"] != "Bundle":
        return value if stays(value) else _stand_in(value)
    if "entry" not in value:
        return value
    entries = _entries(value)
    kept = [entry for entry in entries if _entry_stays(entry, stays)]
    if entries and not kept:
        first = min(entries, key=lambda entry: entry["resource"]["resourceType"] == OTHER_TYPE)
        kept = [_stood_in_for(first, stays)]
    shortened = {**value, "entry": kept}
    if isinstance(value.get("total"), int):
        shortened["total"] = max(0, value["total"] - _matches(entries) + _matches(kept))
    return shortened


def _entries(bundle: JsonObject) -> list[Any]:
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else [entries]


def _entry_stays(entry: object, stays: Stays) -> bool:
    return not isinstance(entry, dict) or stays(entry.get("resource"))


def _stood_in_for(entry: Any, stays: Stays) -> Any:
    if _entry_stays(entry, stays):
        return entry
    return {**entry, "resource": _stand_in(entry["resource"])}


def _stand_in(resource: JsonObject) -> JsonObject:
    """Return a resource of the same type, id and subject that nothing looks at either."""
    names = ("resourceType", "id", "status", "intent", "subject", "patient")
    kept = {name: resource[name] for name in names if name in resource}
    return {**kept, **_BODIES.get(resource["resourceType"], _OTHER_BODY)}


def _matches(entries: Iterable[object]) -> int:
    """Count the entries that a search found, as `total` does: not what came along with them."""
    return sum(
        not (isinstance(entry, dict) and (entry.get("search") or {}).get("mode") == "include")
        for entry in entries
    )


def _reference(resource: Mapping[str, object]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"
