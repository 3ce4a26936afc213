"""FHIR search over resources in memory: the parameters of the demo endpoint, and what matches them.

Only what the service and the public CDS Hooks Sandbox ask for; paging and HTTP lie in
`fhir_endpoint`.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds_service.web.demo.fixture_records import Resource

Kind = Literal["token", "reference", "date"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchParameter:
    """One search parameter of a resource type and the elements it looks at, any of which may match.

    A patient parameter takes a bare id as well as `Patient/<id>`.
    """

    kind: Kind
    elements: tuple[str, ...]


class InvalidSearch(Exception):
    """A search parameter has a value or modifier that this endpoint cannot follow."""


def _token(*elements: str) -> SearchParameter:
    return SearchParameter(kind="token", elements=elements)


def _date(*elements: str) -> SearchParameter:
    return SearchParameter(kind="date", elements=elements)


_ID = {"_id": _token("id")}
_SUBJECT = {
    **_ID,
    "patient": SearchParameter(kind="reference", elements=("subject",)),
    "subject": SearchParameter(kind="reference", elements=("subject",)),
}
_PATIENT = {**_ID, "patient": SearchParameter(kind="reference", elements=("patient",))}

PARAMETERS: Mapping[str, Mapping[str, SearchParameter]] = {
    "CarePlan": {
        **_SUBJECT,
        "status": _token("status"),
        "category": _token("category"),
        "date": _date("period"),
    },
    "Condition": {
        **_SUBJECT,
        "code": _token("code"),
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
        "verification-status": _token("verificationStatus"),
        "onset-date": _date("onsetDateTime", "onsetPeriod"),
        "recorded-date": _date("recordedDate"),
    },
    "Encounter": {
        **_SUBJECT,
        "status": _token("status"),
        "class": _token("class"),
        "type": _token("type"),
        "date": _date("period"),
    },
    "FamilyMemberHistory": {**_PATIENT, "status": _token("status"), "date": _date("date")},
    "Medication": {**_ID, "code": _token("code"), "status": _token("status")},
    "MedicationRequest": {
        **_SUBJECT,
        "code": _token("medicationCodeableConcept"),
        "status": _token("status"),
        "intent": _token("intent"),
        "category": _token("category"),
        "authoredon": _date("authoredOn"),
        "date": _date("authoredOn"),
    },
    "Observation": {
        **_SUBJECT,
        "code": _token("code"),
        "category": _token("category"),
        "status": _token("status"),
        "date": _date("effectiveDateTime", "effectivePeriod"),
    },
    "Patient": {**_ID, "birthdate": _date("birthDate"), "gender": _token("gender")},
    "Procedure": {
        **_SUBJECT,
        "code": _token("code"),
        "category": _token("category"),
        "status": _token("status"),
        "date": _date("performedDateTime", "performedPeriod"),
    },
    "ServiceRequest": {
        **_SUBJECT,
        "code": _token("code"),
        "category": _token("category"),
        "status": _token("status"),
        "authored": _date("authoredOn"),
    },
}

INCLUDES: Mapping[str, Mapping[str, str]] = {
    "MedicationRequest": {"MedicationRequest:medication": "medicationReference"}
}
"""Per resource type: the `_include` values and the element whose reference each follows."""


def search(
    resources: Iterable[Resource], resource_type: str, criteria: Iterable[tuple[str, str]]
) -> tuple[Resource, ...]:
    """Return the resources of the type that meet every criterion.

    Criteria are parameter names of the type with values; commas in a value mean "or", repeated
    names mean "and". Raises InvalidSearch for a modifier or a value that cannot be read.
    """
    known = PARAMETERS[resource_type]
    tests = [(known[name], value.split(",")) for name, value in criteria]
    return tuple(
        resource
        for resource in resources
        if resource["resourceType"] == resource_type
        and all(any(_matches(resource, test, value) for value in values) for test, values in tests)
    )


def included(
    found: Iterable[Resource], element: str, by_reference: Mapping[str, Resource]
) -> tuple[Resource, ...]:
    """Return the resources that the element of the found ones refers to, each once."""
    targets = {
        reference: by_reference[reference]
        for resource in found
        for reference in _references(resource.get(element))
        if reference in by_reference
    }
    return tuple(targets.values())


def _matches(resource: Resource, parameter: SearchParameter, value: str) -> bool:
    elements = (resource[name] for name in parameter.elements if name in resource)
    if parameter.kind == "token":
        return any(_token_matches(element, value) for element in elements)
    if parameter.kind == "reference":
        wanted = value if "/" in value else f"Patient/{value}"
        return any(_relative(wanted) in _references(element) for element in elements)
    return any(_date_matches(element, value) for element in elements)


def _token_matches(element: object, value: str) -> bool:
    system, bar, code = value.rpartition("|")
    return any(
        (not code or code == has_code) and (not bar or system == (has_system or ""))
        for has_system, has_code in _codes(element)
    )


def _codes(element: object) -> Iterator[tuple[str | None, str | None]]:
    """Yield (system, code) of a code, Coding, CodeableConcept, or list of them."""
    if isinstance(element, str):
        yield None, element
    elif isinstance(element, list):
        for item in element:
            yield from _codes(item)
    elif isinstance(element, dict):
        if "coding" in element:
            yield from _codes(element["coding"])
        elif "code" in element:
            yield element.get("system"), element["code"]


def _references(element: object) -> tuple[str, ...]:
    reference = element.get("reference") if isinstance(element, dict) else None
    return (_relative(reference),) if isinstance(reference, str) else ()


def _relative(reference: str) -> str:
    return "/".join(reference.split("/")[-2:])


_DATE_VALUE = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}(?:-\d{2}(?:-\d{2}(?:T.*)?)?)?)")


def _date_matches(element: object, value: str) -> bool:
    parts = _DATE_VALUE.fullmatch(value)
    wanted = _days(parts[2]) if parts is not None else None
    if parts is None or wanted is None:
        raise InvalidSearch("A date needs the form ge2026-01-31; prefixes are eq, ge, gt, le, lt.")
    period = _period(element)
    if period is None:
        return False
    (first, last), (begins, ends) = wanted, period
    match parts[1]:
        case "ge":
            return ends >= first
        case "gt":
            return ends > last
        case "le":
            return begins <= last
        case "lt":
            return begins < first
        case _:
            return first <= begins and ends <= last


def _period(element: object) -> tuple[date, date] | None:
    """Return first and last day of a dateTime or Period; an open end is the end of time."""
    if not isinstance(element, dict):
        return _days(str(element))
    start, end = _days(element.get("start", "0001")), _days(element.get("end", "9999"))
    return (start[0], end[1]) if start is not None and end is not None else None


def _days(text: str) -> tuple[date, date] | None:
    """Return first and last calendar day of a date of any precision, or None when there is none.

    The time of day and its zone are not looked at.
    """
    try:
        year, month, day = (*(int(part) for part in text[:10].split("-")), 0, 0)[:3]
        if day:
            return (date(year, month, day),) * 2
        last_month = month or 12
        last = date(year, last_month, calendar.monthrange(year, last_month)[1])
        return date(year, month or 1, 1), last
    except (ValueError, TypeError):
        return None
