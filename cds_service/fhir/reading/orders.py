"""MedicationRequests: which concern a rule, and what they say of drug, dates and supply."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from cds_service.clinical.drugs import recognised_opioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.orders import HISTORY_INTENTS, HISTORY_STATUSES
from cds_service.clinical.record import DataGap, Drug, GapKind, Order
from cds_service.clinical.terminology import Coding
from cds_service.fhir.reading.concepts import Concepts
from cds_service.fhir.reading.dispensing import Dispensing, read_dispensing
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.instructions import Instructions, read_instructions
from cds_service.fhir.reading.labels import is_labelled
from cds_service.fhir.reading.parts import NOTHING, UNREADABLE, Reading, Source, Surroundings

STATUSES = frozenset(
    {
        "active",
        "on-hold",
        "cancelled",
        "completed",
        "entered-in-error",
        "stopped",
        "draft",
        "unknown",
    }
)
INTENTS = frozenset(
    {
        "proposal",
        "plan",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    }
)
ORDERS_OF_OTHER_VERSIONS = frozenset({"MedicationOrder", "MedicationPrescription"})
"""What a MedicationRequest is called in DSTU2 and DSTU1, where it has other elements."""
_CANCELLED = frozenset({"cancelled", "entered-in-error"})
_MEDICATION = ("medicationCodeableConcept", "medicationReference", "medication")
_OUTSIDE_HOSPITAL = frozenset({"community", "outpatient", "discharge"})
_CONTINUOUS = Coding(
    "http://terminology.hl7.org/CodeSystem/medicationrequest-course-of-therapy", "continuous"
)

NO_DRUG = "the drug is named nowhere in what was sent"
NO_START = "no date says when the order starts"


class _Modifiers(NamedTuple):
    """The elements that decide what an order means."""

    status: str | None
    intent: str | None
    is_do_not_perform: bool


def read_order(source: Source, surroundings: Surroundings) -> Reading[Order]:
    """Return the order, when its drug concerns a rule or cannot be told.

    An order whose status, intent, doNotPerform or modifierExtension cannot be read is a gap, and
    so is one of another FHIR version, or one of the record without a status, unless what can be
    read says that it never counts.
    An order without an intent counts.

    Source: clinical.md section 2.
    """
    medications = surroundings.medications
    if medications.withholds(source.resource):
        return NOTHING
    drug, is_of_concern = medications.named_by(source.resource)
    if not is_of_concern:
        return NOTHING
    element = source.opened()
    modifiers = _modifiers(element, is_draft=source.is_draft)
    if source.resource_type in ORDERS_OF_OTHER_VERSIONS:
        element.note("resourceType")
    may_count = _may_count(source, modifiers, element, surroundings.concepts)
    if not may_count and (element.lost or drug is None):
        return NOTHING
    if element.lost:
        unreadable = source.gap(GapKind.ORDER_UNREADABLE, UNREADABLE, element=element.lost[0])
        return Reading(None, _gap_for(drug, unreadable, surroundings.knowledge))
    order = _order(source.reference, element, modifiers, drug, surroundings)
    missing = _missing(order, source, surroundings) if may_count else ()
    return Reading(order, (*missing, *source.left_out(element)))


def _modifiers(element: Element, *, is_draft: bool) -> _Modifiers:
    status = element.code("status", STATUSES)
    if status in (None, "unknown") and not is_draft and "status" not in element.lost:
        element.note("status")
    return _Modifiers(
        status=status,
        intent=element.code("intent", INTENTS),
        is_do_not_perform=element.boolean("doNotPerform") or False,
    )


def _may_count(source: Source, modifiers: _Modifiers, element: Element, concepts: Concepts) -> bool:
    """Say whether the order would count if its drug were an opioid, so that a gap matters.

    What could not be read might be anything. A draft that names no medication at all is a form
    still to be filled in.
    """
    if modifiers.is_do_not_perform or _is_inpatient(element, concepts):
        return False
    if source.is_draft:
        is_filled_in = any(name in source.resource for name in _MEDICATION)
        return is_filled_in and modifiers.status not in _CANCELLED
    may_have_status = "status" in element.lost or modifiers.status in HISTORY_STATUSES
    return may_have_status and ("intent" in element.lost or modifiers.intent in HISTORY_INTENTS)


def _gap_for(drug: Drug | None, gap: DataGap, knowledge: Knowledge) -> tuple[DataGap, ...]:
    """Return what something missing from an order for the drug is, if anything.

    The gap of an opioid order where it may be exposure, whatever else the record says; a detail
    where the drug is looked at for something else; nothing for an opioid that is known and not
    counted.
    """
    opioid = None if drug is None else recognised_opioid(drug, knowledge)
    if drug is None or (opioid and opioid.is_analgesic(has_opioid_use_disorder=False)):
        may_be_treatment = opioid is not None and opioid.use == "analgesic-or-oud"
        return (replace(gap, may_be_treatment=may_be_treatment),)
    if opioid is not None and opioid.use == "not-counted":
        return ()
    element = gap.element or "authoredOn"
    return (replace(gap, kind=GapKind.ELEMENT_UNREADABLE, element=element),)


def _order(
    reference: str,
    element: Element,
    modifiers: _Modifiers,
    drug: Drug | None,
    surroundings: Surroundings,
) -> Order:
    """Return the order. Dates of start are read as the first day they may mean."""
    authored = element.days("authoredOn", surroundings.time_zone)
    instructions = _instructions(element, surroundings)
    dispensing = _dispensing(element, surroundings)
    element.lost += (*instructions.lost, *dispensing.lost)
    bounds, validity = instructions.bounds, dispensing.validity_start
    start = bounds.start or authored or validity
    return Order(
        reference=reference,
        drug=drug,
        status=modifiers.status,
        intent=modifiers.intent,
        is_inpatient=_is_inpatient(element, surroundings.concepts),
        is_do_not_perform=modifiers.is_do_not_perform,
        authored_on=None if authored is None else authored.earliest,
        bounds_start=None if bounds.start is None else bounds.start.earliest,
        bounds_end=bounds.end,
        bounds_duration=bounds.duration,
        validity_start=None if validity is None else validity.earliest,
        start_is_imprecise=start is not None and not start.is_exact,
        expected_supply=dispensing.expected_supply,
        quantity=dispensing.quantity,
        repeats_allowed=dispensing.repeats_allowed,
        dosages=instructions.dosages,
        is_continuous_therapy=_is_continuous(element, surroundings.concepts),
        is_labelled=is_labelled(element.value),
    )


def _instructions(order: Element, surroundings: Surroundings) -> Instructions:
    sent = order.value.get("dosageInstruction")
    return surroundings.memory.recall(
        "dosageInstruction", sent, read_instructions, surroundings.time_zone
    )


def _dispensing(order: Element, surroundings: Surroundings) -> Dispensing:
    sent = order.value.get("dispenseRequest")
    return surroundings.memory.recall(
        "dispenseRequest", sent, read_dispensing, surroundings.time_zone
    )


def _is_inpatient(element: Element, concepts: Concepts) -> bool:
    """Say whether the order is for use in hospital only.

    Source: clinical.md section 2: community, outpatient, discharge and absent all count.
    """
    found = concepts.codes(element.value.get("category"))
    if not found:
        return False
    categories = {category.lower() for category in found}
    return "inpatient" in categories and categories.isdisjoint(_OUTSIDE_HOSPITAL)


def _is_continuous(element: Element, concepts: Concepts) -> bool:
    return _CONTINUOUS in concepts.codings(element.value.get("courseOfTherapyType"))


def _missing(order: Order, source: Source, surroundings: Surroundings) -> tuple[DataGap, ...]:
    """Return the gap of an order without a known drug, or without a start where that matters."""
    if order.drug is None:
        return (source.gap(GapKind.DRUG_UNRESOLVED, NO_DRUG),)
    is_dated = source.is_draft or order.bounds_start or order.authored_on or order.validity_start
    if is_dated:
        return ()
    return _gap_for(order.drug, source.gap(GapKind.START_UNKNOWN, NO_START), surroundings.knowledge)
