"""The Patient: age and vital status. No other element of it is ever read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cds_service.clinical.record import DataGap, GapKind
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.parts import Source

NO_PATIENT = "age and vital status are not known"


class Vitality(NamedTuple):
    """Birth date as its latest day (the youngest age), and whether the patient has died."""

    birth_date: date | None = None
    is_deceased: bool = False
    gaps: tuple[DataGap, ...] = ()


def read_patient(sources: Sequence[Source], time_zone: ZoneInfo) -> Vitality:
    """Return age and vital status from the Patient resources, normally one.

    Of several the youngest age counts, and any death. Without one, the gap is the same whether
    none was sent or it may not be used.
    """
    read = [_vitality(source, time_zone) for source in sources]
    if not read:
        gap = DataGap(kind=GapKind.PATIENT_UNREADABLE, where="Patient", reason=NO_PATIENT)
        return Vitality(gaps=(gap,))
    if len(read) == 1:
        return read[0]
    births = [one.birth_date for one in read if one.birth_date is not None]
    return Vitality(
        birth_date=max(births, default=None),
        is_deceased=any(one.is_deceased for one in read),
        gaps=tuple(gap for one in read for gap in one.gaps),
    )


def _vitality(source: Source, time_zone: ZoneInfo) -> Vitality:
    element = Element(source.resource)
    if element.refuse_modifier_extension():
        return Vitality(gaps=source.unreadable(GapKind.PATIENT_UNREADABLE, element).gaps)
    birth = element.days("birthDate", time_zone)
    is_deceased = element.boolean("deceasedBoolean") or element.has("deceasedDateTime")
    if not element.has("birthDate"):
        element.note("birthDate")
    gaps = [
        source.gap(GapKind.PATIENT_UNREADABLE, NO_PATIENT, element=path) for path in element.lost
    ]
    birth_date = None if birth is None else birth.latest
    return Vitality(birth_date=birth_date, is_deceased=is_deceased, gaps=tuple(gaps))
