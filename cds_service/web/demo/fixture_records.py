"""The fixture patients of the demo, moved in time so that their stories are always of today.

The files tell their stories as seen on one reference day. A demo on another day would find every
therapy long ended, so all dates move by the same number of days: ages, gaps and durations stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import cast

from cds_service.errors import ConfigurationError

Resource = Mapping[str, object]

REFERENCE_DAY = date(2026, 11, 22)
"""The day on which every story of `fhir_fixtures/patients/` is told."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(T.*)?)?)?")
_DATE_ELEMENTS = frozenset({"authoredOn", "start", "end", "issued", "date"})


def fixture_resources(patients_dir: Path, *, today: date) -> tuple[Resource, ...]:
    """Return the resources of every Bundle in the directory, moved from the reference day to today.

    Raises ConfigurationError, with the file, when one is not a Bundle of resources with ids.
    """
    files = sorted(patients_dir.glob("*.json"))
    return tuple(
        cast(Resource, moved(resource, by=today - REFERENCE_DAY))
        for file in files
        for resource in _resources_in(file)
    )


def moved(value: object, *, by: timedelta) -> object:
    """Return the JSON value with every FHIR date in it moved, precision and time of day kept.

    >>> moved({"onsetDateTime": "2026-11-20", "code": "2026"}, by=timedelta(days=10))
    {'onsetDateTime': '2026-11-30', 'code': '2026'}
    """
    if isinstance(value, list):
        return [moved(item, by=by) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _moved_date(item, by)
        if isinstance(item, str) and _names_a_date(key)
        else moved(item, by=by)
        for key, item in value.items()
    }


def _names_a_date(key: str) -> bool:
    return key in _DATE_ELEMENTS or key.endswith(("Date", "DateTime"))


def _moved_date(value: str, by: timedelta) -> str:
    """Return the date moved; what is no date, or would leave the calendar, as it is."""
    parts = _DATE.fullmatch(value)
    if parts is None:
        return value
    year, month, day, time = parts.groups()
    try:
        whole = (date(int(year), int(month or 1), int(day or 1)) + by).isoformat()
    except (ValueError, OverflowError):
        return value
    if day is not None:
        return whole + (time or "")
    return whole[:7] if month is not None else whole[:4]


def _resources_in(file: Path) -> list[Resource]:
    try:
        bundle = json.loads(file.read_bytes())
        resources = [entry["resource"] for entry in bundle["entry"]]
        complete = all(resource["resourceType"] and resource["id"] for resource in resources)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{file.name} is not a Bundle of resources with ids.") from error
    if not complete:
        raise ConfigurationError(f"{file.name} holds a resource with an empty type or id.")
    return resources
