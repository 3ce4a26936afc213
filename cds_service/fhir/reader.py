"""Resources into one PatientRecord: what concerns a rule is modelled, all else is accounted for.

Reading never raises on data, with one exception: data of another patient. The kinds of resource
are read in `cds_service.fhir.reading`; what they mean is decided in `cds_service.clinical`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import (
    CareEvent,
    Condition,
    DataGap,
    GapKind,
    Observation,
    Order,
    PatientRecord,
)
from cds_service.fhir.gather import Resources
from cds_service.fhir.reading.care_events import SHAPES, read_care_event
from cds_service.fhir.reading.concepts import Concepts
from cds_service.fhir.reading.conditions import read_condition
from cds_service.fhir.reading.labels import is_withheld
from cds_service.fhir.reading.medication import Medications, key_of, keys_named_by
from cds_service.fhir.reading.memory import Memory
from cds_service.fhir.reading.observations import read_observation
from cds_service.fhir.reading.orders import ORDERS_OF_OTHER_VERSIONS, read_order
from cds_service.fhir.reading.parts import NOTHING, Reading, Source, Surroundings
from cds_service.fhir.reading.patient import read_patient
from cds_service.fhir.reading.references import PatientOfCall, reference_to
from cds_service.fhir.reading.values import JsonObject

NO_TYPE = "an order of the context does not say what it is"

_Part: TypeAlias = Order | Condition | Observation | CareEvent


class _Sorted(NamedTuple):
    """Sources that may be used, by type, and those that may not: labelled, or of no patient.

    `has_equal_names`: two of them go by one reference, and may be copies of one resource.
    """

    usable: Mapping[str, Sequence[Source]]
    set_aside: Sequence[Source]
    has_equal_names: bool


class _Collected(NamedTuple):
    """Parts of the record with their sources, references that concern no rule, and gaps."""

    parts: Sequence[tuple[Source, _Part]]
    unrelated: Sequence[str]
    gaps: Sequence[DataGap]


def read_record(
    resources: Resources,
    *,
    patient_id: str,
    drafts: Sequence[JsonObject],
    knowledge: Knowledge,
    time_zone: ZoneInfo,
    use_labelled: bool = False,
    bystanders: Sequence[JsonObject] = (),
) -> PatientRecord:
    """Return the record of the patient of the call.

    `drafts` are the orders of the hook's context. `time_zone` is the site's: it turns times into
    calendar days. `use_labelled` is the site's policy on sensitivity labels. `bystanders` are the
    other entries of the context: of them only what is ordered is read, and nothing is missed. Every
    other resource is in the record, in its `unrelated` or in a gap. Raises PatientMismatch when a
    resource, used or not, names another patient.
    """
    patient_of_call = PatientOfCall(patient_id)
    beside = [
        Source(bystander, "MedicationRequest", "another draft", is_draft=True)
        for bystander in bystanders
        if patient_of_call.is_subject_of(bystander)
        and bystander.get("resourceType") == "MedicationRequest"
        and not is_withheld(bystander, use_labelled=use_labelled)
    ]
    usable, set_aside, has_equal_names = _sorted_out(
        _sources(resources, drafts), patient_of_call, use_labelled=use_labelled
    )
    if has_equal_names:
        once = _once(_sources(resources, drafts))
        usable, set_aside, _ = _sorted_out(once, patient_of_call, use_labelled=use_labelled)
    patient = read_patient(usable.get("Patient", ()), time_zone)
    surroundings = _surroundings(usable, set_aside, knowledge, time_zone)
    parts, unrelated, gaps = _collected(usable, surroundings)
    drafts_beside = [read_order(source, surroundings).part for source in beside]
    orders = [(source, part) for source, part in parts if isinstance(part, Order)]
    others = [part for _, part in parts if not isinstance(part, Order)]
    unused = _unused(usable.get("Medication", ()), [source for source, _ in orders])
    return PatientRecord(
        patient_id=patient_id,
        birth_date=patient.birth_date,
        is_deceased=patient.is_deceased,
        orders=tuple([order for source, order in orders if not source.is_draft]),
        drafts=tuple([order for source, order in orders if source.is_draft]),
        drafts_beside=tuple([order for order in drafts_beside if order is not None]),
        conditions=tuple([part for part in others if isinstance(part, Condition)]),
        observations=tuple([part for part in others if isinstance(part, Observation)]),
        care_events=tuple([part for part in others if isinstance(part, CareEvent)]),
        lists_read=resources.lists_read,
        unrelated=(*[source.reference for source in set_aside], *unused, *unrelated),
        gaps=(*resources.gaps, *patient.gaps, *gaps),
    )


def _sources(resources: Resources, drafts: Iterable[JsonObject]) -> Iterator[Source]:
    for kind, of_kind in resources.by_type.items():
        for place, resource in enumerate(of_kind, start=1):
            reference = reference_to(kind, resource.get("id")) or f"entry {place} of {kind}"
            yield Source(resource, kind, reference)
    for place, draft in enumerate(drafts, start=1):
        sent = draft.get("resourceType")
        kind = sent if isinstance(sent, str) else ""
        name = reference_to(kind, draft.get("id")) if kind else None
        yield Source(draft, kind, name or f"draft order {place}", is_draft=True)


def _sorted_out(
    sources: Iterable[Source], patient: PatientOfCall, *, use_labelled: bool
) -> _Sorted:
    usable: defaultdict[str, list[Source]] = defaultdict(list)
    set_aside = []
    names = []
    for source in sources:
        resource, kind, name, _, _ = source
        names.append(name)
        is_of_patient = patient.is_subject_of(resource)
        if is_of_patient is None:
            source = source._replace(has_unknown_subject=True)
        # Labels are in `meta`, which the resources of many clients do not have.
        is_withheld_ = "meta" in resource and is_withheld(resource, use_labelled=use_labelled)
        if is_of_patient is not False and not is_withheld_:
            usable[kind].append(source)
        else:
            set_aside.append(source)
    return _Sorted(usable, set_aside, len(set(names)) < len(names))


def _once(sources: Iterable[Source]) -> Sequence[Source]:
    """Return each resource once. Resources that share an id and differ are all kept.

    Which of them is current cannot be told, and one may be the opioid: exposure counts a day once.
    """
    by_name: defaultdict[tuple[str, bool], dict[str, Source]] = defaultdict(dict)
    for source in sources:
        by_name[source.reference, source.is_draft].setdefault(_content(source), source)
    return [source for same in by_name.values() for source in same.values()]


def _content(source: Source) -> str:
    return json.dumps(source.resource, sort_keys=True)


def _surroundings(
    usable: Mapping[str, Sequence[Source]],
    set_aside: Iterable[Source],
    knowledge: Knowledge,
    time_zone: ZoneInfo,
) -> Surroundings:
    memory = Memory()
    concepts = Concepts(knowledge, memory)
    medications = Medications(
        (source.resource for source in usable.get("Medication", ())),
        withheld=(s.resource for s in set_aside if s.resource_type == "Medication"),
        concepts=concepts,
        memory=memory,
        knowledge=knowledge,
    )
    return Surroundings(
        knowledge=knowledge,
        time_zone=time_zone,
        memory=memory,
        concepts=concepts,
        medications=medications,
    )


def _read_typeless(source: Source, _: Surroundings) -> Reading[_Part]:
    return Reading(None, (source.gap(GapKind.ORDER_UNREADABLE, NO_TYPE),))


def _read_stranger(_source: Source, _: Surroundings) -> Reading[_Part]:
    """Pass over a type that no rule looks at, FamilyMemberHistory among them."""
    return NOTHING


_READERS: Mapping[str, Callable[[Source, Surroundings], Reading[_Part]]] = {
    "MedicationRequest": read_order,
    **dict.fromkeys(ORDERS_OF_OTHER_VERSIONS, read_order),
    "Condition": read_condition,
    "Observation": read_observation,
    **dict.fromkeys(SHAPES, read_care_event),
    "": _read_typeless,
}
_READ_ELSEWHERE = frozenset({"Patient", "Medication"})


def _collected(usable: Mapping[str, Sequence[Source]], surroundings: Surroundings) -> _Collected:
    parts: list[tuple[Source, _Part]] = []
    unrelated: list[str] = []
    gaps: list[DataGap] = []
    for kind, sources in usable.items():
        if kind in _READ_ELSEWHERE:
            continue
        read = _READERS.get(kind, _read_stranger)
        for source in sources:
            part, its_gaps = read(source, surroundings)
            if part is not None:
                parts.append((source, part))
            elif not its_gaps:
                unrelated.append(source.reference)
                continue
            gaps += its_gaps
    return _Collected(parts, unrelated, gaps)


def _unused(medications: Sequence[Source], orders: Iterable[Source]) -> Iterable[str]:
    """Return the Medications that no order of the record points at."""
    if not medications:
        return ()
    named = {key for order in orders for key in keys_named_by(order.resource)}
    return [m.reference for m in medications if key_of(m.resource) not in named]
