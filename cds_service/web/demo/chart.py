"""The chart of a fixture patient as a screen of an EHR shows it, in words.

What the code tables call abuse or violence, and whatever a security label protects, is named
nowhere: the chart says at most that such a history is on file, and which references to leave out
wherever raw data is shown. Fixtures may be unreadable on purpose; nothing here raises on data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TypedDict

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import coding
from cds_service.explanation import SENSITIVE
from cds_service.fhir.reading.labels import is_labelled, is_withheld
from cds_service.web.demo.fixture_records import Resource

Line = Mapping[str, str]

_CARE = frozenset({"CarePlan", "Procedure", "ServiceRequest"})
_VALUES = ("valueQuantity", "valueCodeableConcept", "valueInteger", "valueString", "valueBoolean")


class Chart(TypedDict):
    """What one screen shows of one patient; texts are plain, dates ISO, absent texts empty.

    `medications` carry a reference to their order. `withheld` are the references of resources that
    no screen may name. `long_term_more_than_days` is the threshold that the timeline marks.
    """

    patient: Mapping[str, object]
    problems: Sequence[Line]
    medications: Sequence[Line]
    screens: Sequence[Line]
    care: Sequence[Line]
    has_sensitive_history: bool
    withheld: Sequence[str]
    long_term_more_than_days: int


def chart(
    patient_id: str, resources: Iterable[Resource], knowledge: Knowledge, *, today: date
) -> Chart | None:
    """Return the chart of the patient, or None when nobody has this id."""
    of_patient = [each for each in resources if _is_about(each, patient_id)]
    patient = next((each for each in of_patient if each["resourceType"] == "Patient"), None)
    if patient is None:
        return None
    withheld = [each for each in of_patient if is_sensitive(each, knowledge)]
    shown = [each for each in of_patient if each not in withheld]
    drugs = {_reference(each): _words(each.get("code")) for each in shown}
    return {
        "patient": _banner(patient, today),
        "problems": [_problem(each) for each in _newest_first(shown, "Condition")],
        "medications": [_medication(each, drugs) for each in _newest_first(shown, *_ORDERS)],
        "screens": [_screen(each) for each in _newest_first(shown, "Observation")],
        "care": [_care(each) for each in _newest_first(shown, *_CARE)],
        "has_sensitive_history": bool(withheld),
        "withheld": [_reference(each) for each in withheld],
        "long_term_more_than_days": knowledge.thresholds.long_term_more_than_days,
    }


def is_sensitive(resource: Resource, knowledge: Knowledge) -> bool:
    """Say whether a code anywhere in the resource, or a label on it, keeps it off every screen."""
    if is_labelled(resource) or is_withheld(resource, use_labelled=True):
        return True
    rows = (knowledge.social_pain.row_for(coding(*each)) for each in _codings(resource))
    return any(row is not None and row.sensitivity in SENSITIVE for row in rows)


_ORDERS = ("MedicationRequest",)


def _is_about(resource: Resource, patient_id: str) -> bool:
    if resource["resourceType"] == "Patient":
        return resource["id"] == patient_id
    if resource["resourceType"] == "Medication":
        return str(resource["id"]).startswith(patient_id)
    subject = _member(resource, "subject", "reference")
    return subject == f"Patient/{patient_id}"


def _codings(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _codings(item)
    elif isinstance(value, dict):
        system, code = value.get("system"), value.get("code")
        if isinstance(system, str) and isinstance(code, str):
            yield system, code
        for item in value.values():
            yield from _codings(item)


def _banner(patient: Resource, today: date) -> Mapping[str, object]:
    birth_date = _text(patient.get("birthDate"))
    return {
        "id": str(patient["id"]),
        "name": " ".join(filter(None, (_first(patient, "given"), _first(patient, "family")))),
        "gender": _text(patient.get("gender")),
        "birth_date": birth_date,
        "age": _age(birth_date, today),
        "is_deceased": bool(patient.get("deceasedBoolean") or patient.get("deceasedDateTime")),
    }


def _age(birth_date: str, today: date) -> int | None:
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return None
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _first(patient: Resource, part: str) -> str:
    """Return a part of the first name, the first one where there are several."""
    value = _member(patient, "name", part)
    return _text(value[0] if isinstance(value, list) and value else value)


def _problem(condition: Resource) -> Line:
    return {
        "label": _words(condition.get("code")) or "a problem that cannot be read",
        "since": _day(condition),
        "status": _text(_member(condition, "clinicalStatus", "coding", "code")),
    }


def _medication(order: Resource, drugs: Mapping[str, str]) -> Line:
    drug = _words(order.get("medicationCodeableConcept"))
    pointed_at = _text(_member(order, "medicationReference", "reference"))
    return {
        "reference": _reference(order),
        "label": drug or drugs.get(pointed_at, "") or "a drug that cannot be read",
        "dosage": _dosage(order),
        "since": _day(order),
        "status": _text(order.get("status")),
    }


def _dosage(order: Resource) -> str:
    """Put the first dosage into words, as far as it is of the plain kind the fixtures have."""
    text = _text(_member(order, "dosageInstruction", "text"))
    repeat = _member(order, "dosageInstruction", "timing", "repeat")
    dose = _member(order, "dosageInstruction", "doseAndRate", "doseQuantity")
    if text or not isinstance(repeat, dict) or not isinstance(dose, dict):
        return text
    amount = f"{dose.get('value', '')} {dose.get('unit', '')}".strip()
    every = f"{repeat.get('period', 1)} {repeat.get('periodUnit', '')}".strip()
    often = repeat.get("frequency", 1)
    times = {1: "once", 2: "twice"}.get(often, f"{often} times")
    return f"{amount}, {times} {'a day' if every == '1 d' else f'every {every}'}"


def _screen(observation: Resource) -> Line:
    parts = observation.get("component")
    components = parts if isinstance(parts, list) else []
    values = [_value(each) for each in (observation, *components) if isinstance(each, Mapping)]
    return {
        "label": _words(observation.get("code")) or "a result that cannot be read",
        "value": " / ".join(filter(None, values)),
        "since": _day(observation),
    }


def _value(source: Mapping[str, object]) -> str:
    for name in _VALUES:
        value = source.get(name)
        if isinstance(value, dict) and "value" in value:
            unit = _text(value.get("unit"))
            return f"{value['value']} {'' if unit.startswith('{') else unit}".strip()
        if words := _words(value) or (str(value) if isinstance(value, int | str) else ""):
            return words
    return ""


def _care(event: Resource) -> Line:
    return {
        "label": _words(event.get("code")) or "an entry that cannot be read",
        "since": _day(event),
        "status": _text(event.get("status")),
    }


_DAYS = (
    ("onsetDateTime",),
    ("authoredOn",),
    ("effectiveDateTime",),
    ("performedDateTime",),
    ("onsetPeriod", "start"),
    ("performedPeriod", "start"),
    ("recordedDate",),
)


def _day(resource: Resource) -> str:
    """Return the day a list shows for the resource, as precisely as it is known."""
    return next(filter(None, (_text(_member(resource, *path))[:10] for path in _DAYS)), "")


def _newest_first(resources: Iterable[Resource], *types: str) -> list[Resource]:
    found = [each for each in resources if each["resourceType"] in types]
    return sorted(found, key=_day, reverse=True)


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _words(concept: object) -> str:
    """Return the words of a CodeableConcept: its text, else the display of its first coding."""
    return _text(_member(concept, "text")) or _text(_member(concept, "coding", "display"))


def _member(value: object, *path: str) -> object:
    """Follow the path through objects and the first item of lists; None where it ends early."""
    for name in path:
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
