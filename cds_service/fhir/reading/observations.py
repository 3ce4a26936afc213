"""Observations: those whose question or coded answer meets a table, with every answer in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Answer, GapKind, Observation
from cds_service.clinical.terminology import LOINC, SNOMED_CT, Coding
from cds_service.fhir.reading import values
from cds_service.fhir.reading.concepts import Concepts
from cds_service.fhir.reading.dates import Days
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.labels import is_labelled
from cds_service.fhir.reading.parts import NOTHING, Reading, Source, Surroundings
from cds_service.fhir.reading.values import JsonObject

STATUSES = frozenset(
    {
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
        "unknown",
    }
)
_V2_YES_OR_NO = "http://terminology.hl7.org/CodeSystem/v2-0136"
_YES = frozenset(
    {
        Coding(SNOMED_CT, "373066001"),
        Coding(SNOMED_CT, "52101004"),  # present
        Coding(LOINC, "LA33-6"),
        Coding(LOINC, "LA9633-4"),  # present
        Coding(_V2_YES_OR_NO, "Y"),
    }
)
_NO = frozenset(
    {
        Coding(SNOMED_CT, "373067005"),
        Coding(SNOMED_CT, "2667000"),  # absent
        Coding(LOINC, "LA32-8"),
        Coding(LOINC, "LA9634-2"),  # absent
        Coding(_V2_YES_OR_NO, "N"),
    }
)
_YES_OR_NO = _YES | _NO


def read_observation(source: Source, surroundings: Surroundings) -> Reading[Observation]:
    """Return the Observation, when a code or a coded answer in it meets a table.

    One without a readable status, or with a modifierExtension, is a gap.

    Source: clinical.md section 4, "Screening Observations".
    """
    if not _is_in_tables(source.resource, surroundings.concepts):
        return NOTHING
    element = source.opened()
    status = element.code("status", STATUSES)
    if status is None and not element.lost:
        element.note("status")
    if element.lost:
        return source.unreadable(GapKind.OPTIONAL_UNREADABLE, element)
    effective = _effective(element, surroundings)
    observation = Observation(
        reference=source.reference,
        status=status,
        effective=None if effective is None else effective.latest,
        effective_from=None if effective is None else effective.earliest,
        answers=tuple(_answers(element, surroundings)),
        is_labelled=is_labelled(source.resource),
    )
    return Reading(observation, source.left_out(element))


def _is_in_tables(observation: JsonObject, concepts: Concepts) -> bool:
    """Say whether a code or a coded answer of the Observation or of a component meets a table."""
    for part in (observation, *values.objects(observation.get("component"))):
        if concepts.coded(part.get("code")).is_in_tables:
            return True
        if concepts.coded(part.get("valueCodeableConcept")).is_in_tables:
            return True
    return False


def _effective(element: Element, surroundings: Surroundings) -> Days | None:
    """Return the days the answers may be of; failing that, those they were issued on."""
    time_zone = surroundings.time_zone
    period = element.child("effectivePeriod")
    return (
        element.days("effectiveDateTime", time_zone)
        or element.days("effectiveInstant", time_zone)
        or period.days("end", time_zone)
        or period.days("start", time_zone)
        or element.days("issued", time_zone)
    )


def _answers(element: Element, surroundings: Surroundings) -> Iterator[Answer]:
    """Yield an answer for the Observation and for each component that holds a value.

    A finding ("suicidal thoughts") as the code itself needs none: it was observed, unless the value
    says that it was not.
    """
    concepts = surroundings.concepts
    for part in (element, *element.children("component")):
        codings, is_in_tables = concepts.coded(part.value.get("code"))
        findings = _findings(codings, surroundings.knowledge) if is_in_tables else ()
        said, is_told = concepts.coded(part.value.get("valueCodeableConcept"))
        if findings and ("valueBoolean" in part.value or not _YES_OR_NO.isdisjoint(said)):
            yield _finding(part, findings, frozenset(said))
        elif any(name.startswith("value") and part.has(name) for name in part.value):
            answer = _answer(part, surroundings)
            if findings and findings == codings and not (is_told or answer.is_unreadable):
                part.note("value[x]")  # neither a finding nor the answer to a question
            yield answer
        elif findings and not part.has("dataAbsentReason"):
            yield Answer(codings=findings, answers=findings)


def _findings(codings: Iterable[Coding], knowledge: Knowledge) -> tuple[Coding, ...]:
    """Return the codings that are findings by themselves, not questions."""
    found = ((coding, knowledge.exclusions.row_for(coding)) for coding in codings)
    return tuple(
        coding
        for coding, row in found
        if row is not None and row.value_rule is None and "Observation" in row.resources
    )


def _finding(part: Element, findings: tuple[Coding, ...], said: frozenset[Coding]) -> Answer:
    """Return whether the findings were observed; what is no yes, no no, or both, is lost."""
    sent = part.value.get("valueBoolean")
    is_yes, is_no = sent is True or bool(said & _YES), sent is False or bool(said & _NO)
    if part.has("modifierExtension") or is_yes is is_no:
        part.note("value[x]")
        return Answer(codings=findings, is_unreadable=True)
    return Answer(codings=findings, answers=findings if is_yes else ())


def _answer(part: Element, surroundings: Surroundings) -> Answer:
    """Return the answer as a number or as codes; one that is neither is unreadable."""
    concepts = surroundings.concepts
    codings, is_in_tables = concepts.coded(part.value.get("code"))
    answers = concepts.coded(part.value.get("valueCodeableConcept")).codings
    number = _number(part.value)
    is_unreadable = part.has("modifierExtension") or (number is None and not answers)
    if is_unreadable and is_in_tables:
        part.note("value[x]")
    return Answer(
        codings=codings,
        number=None if is_unreadable else number,
        answers=() if is_unreadable else answers,
        is_unreadable=is_unreadable,
    )


def _number(part: JsonObject) -> Decimal | None:
    """Return a score sent as Quantity, integer, string or text; "less than 10" is no number."""
    quantity = part.get("valueQuantity")
    if isinstance(quantity, dict) and "comparator" not in quantity:
        return values.number(quantity.get("value"))
    for value in (part.get("valueInteger"), part.get("valueString")):
        if value is not None:
            return values.number(value)
    for concept in values.objects(part.get("valueCodeableConcept")):
        return values.number(concept.get("text"))
    return None
