"""Conditions: those with a code that meets a table, and how they stand."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from cds_service.clinical.record import Condition, DataGap, GapKind
from cds_service.fhir.reading import references, values
from cds_service.fhir.reading.dates import Days, days
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.labels import is_labelled
from cds_service.fhir.reading.parts import NOTHING, Reading, Source, Surroundings
from cds_service.resource_names import target

CLINICAL_STATUSES = frozenset(
    {"active", "recurrence", "relapse", "inactive", "remission", "resolved"}
)
VERIFICATION_STATUSES = frozenset(
    {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"}
)
_STATUS_SYSTEMS = frozenset(
    {
        None,
        "http://terminology.hl7.org/CodeSystem/condition-clinical",
        "http://terminology.hl7.org/CodeSystem/condition-ver-status",
        "http://hl7.org/fhir/condition-clinical",
        "http://hl7.org/fhir/condition-ver-status",
    }
)
_UNKNOWN = "unknown"
_ASSERTED_DATE = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
_ABATEMENTS = frozenset(
    {
        "abatementDateTime",
        "abatementPeriod",
        "abatementAge",
        "abatementRange",
        "abatementString",
        "abatementBoolean",
    }
)

NO_CODE = "it carries no code"
LOST_CODE = "its code cannot be read"


def read_condition(source: Source, surroundings: Surroundings) -> Reading[Condition]:
    """Return the Condition, when one of its codes meets a table.

    One without a usable code, or whose clinicalStatus, verificationStatus or modifierExtension
    cannot be read, is a gap.

    Source: clinical.md section 4.
    """
    concepts = surroundings.concepts
    codings, is_in_tables = concepts.coded(source.resource.get("code"))
    if codings and not is_in_tables:
        return NOTHING
    element = source.opened()
    clinical_status = _status(element, "clinicalStatus", CLINICAL_STATUSES, surroundings)
    verification_status = _status(
        element, "verificationStatus", VERIFICATION_STATUSES, surroundings
    )
    if element.lost:
        return source.unreadable(GapKind.CONDITION_UNREADABLE, element)
    if not codings:
        if verification_status == "entered-in-error":
            return NOTHING
        return Reading(None, (_uncoded(source),))
    onset = _onset(element, surroundings)
    recorded = _recorded(element, surroundings)
    is_said_to_abate = not _ABATEMENTS.isdisjoint(source.resource)
    condition = Condition(
        reference=source.reference,
        codings=codings,
        clinical_status=clinical_status,
        verification_status=verification_status,
        categories=concepts.codes(element.value.get("category")),
        onset=onset,
        recorded=None if recorded is None else recorded.latest,
        recorded_from=None if recorded is None else recorded.earliest,
        has_abatement=is_said_to_abate and _has_abatement(element),
        abatement=_abatement(element, surroundings) if is_said_to_abate else None,
        encounter=_encounter(element),
        is_labelled=is_labelled(source.resource),
    )
    return Reading(condition, source.left_out(element))


def _uncoded(source: Source) -> DataGap:
    """Return the gap of a Condition in words only, or of one whose code is lost."""
    code = source.resource.get("code")
    is_wordy = values.is_absent(code) or (
        isinstance(code, dict)
        and not any("code" in coding for coding in values.objects(code.get("coding")))
    )
    if is_wordy:
        return source.gap(GapKind.CONDITION_UNCODED, NO_CODE, element="code")
    return source.gap(GapKind.CONDITION_UNREADABLE, LOST_CODE, element="code")


class _Status(NamedTuple):
    """A status, None when it is unknown or `is_lost`: present and unreadable."""

    code: str | None
    is_lost: bool = False


def _status(
    element: Element, name: str, allowed: frozenset[str], surroundings: Surroundings
) -> str | None:
    sent = element.value.get(name)
    if sent is None:
        return None
    status = surroundings.memory.recall(name, sent, _status_in, allowed)
    if status.is_lost:
        element.note(name)
    return status.code


def _status_in(sent: object, allowed: frozenset[str]) -> _Status:
    """Return a status from its concept, or from bare text as STU3 sends it.

    "unknown" is None. A status in local codes or in words only is lost, never guessed.
    """
    if isinstance(sent, str):
        found = {values.text(sent)}
    else:
        found = {
            values.text(coding.get("code"))
            for concept in values.objects(sent)
            for coding in values.objects(concept.get("coding"))
            if values.text(coding.get("system")) in _STATUS_SYSTEMS
        }
    status = found.pop() if len(found) == 1 else None
    if status in allowed:
        return _Status(status)
    return _Status(None, is_lost=status != _UNKNOWN and _says_something(sent))


def _says_something(concept: object) -> bool:
    """Say whether there is more than the statement that the data is absent."""
    if isinstance(concept, dict):
        return not (
            values.is_absent(concept.get("coding")) and values.is_absent(concept.get("text"))
        )
    return not values.is_absent(concept)


def _onset(element: Element, surroundings: Surroundings) -> date | None:
    """Return the earliest day of the onset; an age, a range or words give no day."""
    onset = element.days("onsetDateTime", surroundings.time_zone) or element.child(
        "onsetPeriod"
    ).days("start", surroundings.time_zone)
    return None if onset is None else onset.earliest


def _recorded(element: Element, surroundings: Surroundings) -> Days | None:
    """Return the days the Condition may have been recorded or, failing that, asserted on."""
    return (
        element.days("recordedDate", surroundings.time_zone)
        or element.days("assertedDate", surroundings.time_zone)
        or _asserted(element, surroundings)
    )


def _asserted(element: Element, surroundings: Surroundings) -> Days | None:
    for extension in values.objects(element.value.get("extension")):
        if extension.get("url") == _ASSERTED_DATE:
            return days(extension.get("valueDateTime"), surroundings.time_zone)
    return None


def _has_abatement(element: Element) -> bool:
    """Say whether the Condition is said to have abated, in whatever form, readable or not."""
    if element.boolean("abatementBoolean") is False:
        return any(map(element.has, _ABATEMENTS - {"abatementBoolean"}))
    return any(map(element.has, _ABATEMENTS))


def _abatement(element: Element, surroundings: Surroundings) -> date | None:
    abatement = element.days("abatementDateTime", surroundings.time_zone) or element.child(
        "abatementPeriod"
    ).days("start", surroundings.time_zone)
    return None if abatement is None else abatement.earliest


def _encounter(element: Element) -> str | None:
    """Return the encounter in one spelling, however the reference is written (STU3: context)."""
    for name in ("encounter", "context"):
        for reference in references.written(element.value.get(name)):
            resource_type, id_ = target(reference)
            return f"{resource_type or 'Encounter'}/{id_}"
    return None
