"""What reading one resource gives: a part of the record, gaps, or neither (it concerns no rule)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, Never, TypeVar
from zoneinfo import ZoneInfo

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import DataGap, GapKind
from cds_service.fhir.reading.concepts import Concepts
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.medication import Medications
from cds_service.fhir.reading.memory import Memory
from cds_service.fhir.reading.values import JsonObject

Part = TypeVar("Part", covariant=True)

UNREADABLE = "an element that decides what the resource means cannot be read"
LEFT_OUT = "an element cannot be read and was left out"


class Reading(NamedTuple, Generic[Part]):
    """A part of the record, if the resource is one, and what could not be read of it."""

    part: Part | None
    gaps: tuple[DataGap, ...] = ()


class Source(NamedTuple):
    """One resource to read: its JSON, its type, and the reference by which the record names it.

    `has_unknown_subject`: it cannot be told whom it is about.
    """

    resource: JsonObject
    resource_type: str
    reference: str
    is_draft: bool = False
    has_unknown_subject: bool = False

    def opened(self) -> Element:
        """Return the resource as an element, with what makes it unreadable as a whole noted."""
        element = Element(self.resource)
        if self.has_unknown_subject:
            element.note("subject")
        element.refuse_modifier_extension()
        return element

    def gap(self, kind: GapKind, reason: str, *, element: str | None = None) -> DataGap:
        """Return a gap of this resource; `reason` is a phrase of ours."""
        return DataGap(
            kind=kind,
            where=self.reference,
            reason=reason,
            element=element,
            is_draft=self.is_draft,
        )

    def unreadable(self, kind: GapKind, element: Element) -> Reading[Never]:
        """Return the resource itself as the gap, for the first of its elements that was lost."""
        return Reading(None, (self.gap(kind, UNREADABLE, element=element.lost[0]),))

    def left_out(self, element: Element) -> tuple[DataGap, ...]:
        """Return a gap for each element path that was lost while the rest was used."""
        if not element.lost:
            return ()
        return tuple(
            self.gap(GapKind.ELEMENT_UNREADABLE, LEFT_OUT, element=path)
            for path in dict.fromkeys(element.lost)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What reading a resource needs besides the resource."""

    knowledge: Knowledge
    time_zone: ZoneInfo
    memory: Memory
    concepts: Concepts
    medications: Medications


NOTHING: Reading[Never] = Reading(None)
