"""One JSON object of a resource, read element by element; what is present but unreadable is noted.

An element that is absent is None, an element that is there and cannot be read is None *and* lost:
the difference between "not recorded" and a data gap.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

from cds_service.clinical.record import Quantity
from cds_service.fhir.reading import values
from cds_service.fhir.reading.dates import Days, days
from cds_service.fhir.reading.values import JsonObject

Found = TypeVar("Found")

UCUM = "http://unitsofmeasure.org"
_CODED_UNITS = frozenset({None, UCUM, "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"})


class Element:
    """An object, its FHIR path inside the resource, and the resource's list of what was lost.

    The list is shared by all elements of one resource and holds paths, never values.
    """

    __slots__ = ("lost", "path", "value")

    def __init__(self, value: JsonObject, path: str = "", lost: list[str] | None = None) -> None:
        self.value = value
        self.path = path
        self.lost: list[str] = [] if lost is None else lost

    def note(self, name: str) -> None:
        """Note that the member `name` could not be read."""
        self.lost.append(self._path_of(name))

    def has(self, name: str) -> bool:
        """Say whether the member `name` is present, readable or not."""
        value = self.value.get(name)
        return value is not None and not values.is_absent(value)

    def child(self, name: str) -> Element:
        """Return the object under `name`, also from an array of one; an empty one when absent."""
        value = self.value.get(name)
        if value is None:
            return _ABSENT
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            return Element(value, self._path_of(name), self.lost)
        self._found(name, value, None)
        return _ABSENT

    def children(self, name: str) -> list[Element]:
        """Return the objects of the array under `name`, also from a bare object."""
        value = self.value.get(name)
        if value is None:
            return []
        path = self._path_of(name)
        found = [Element(member, path, self.lost) for member in values.objects(value)]
        members = value if isinstance(value, list) else [value]
        if len(found) < len(members) and not all(
            member is None or isinstance(member, dict) for member in members
        ):
            self._found(name, value, None)
        return found

    def code(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a code of a closed list; any other is unreadable, never guessed."""
        value = self.value.get(name)
        if value is None:
            return None
        found = values.text(value)
        return found if found in allowed else self._found(name, value, None)

    def boolean(self, name: str) -> bool | None:
        """Return a boolean."""
        value = self.value.get(name)
        if value is None or isinstance(value, bool):
            return value
        return self._found(name, value, None)

    def integer(
        self, name: str, *, least: int = 0, most: int = values.LARGEST_NUMBER
    ) -> int | None:
        """Return a whole number from `least` to `most`, both included."""
        value = self.value.get(name)
        if value is None:
            return None
        found = values.integer(value)
        if found is not None and least <= found <= most:
            return found
        return self._found(name, value, None)

    def positive_number(self, name: str, *, most: int = values.LARGEST_NUMBER) -> Decimal | None:
        """Return a number above 0 and at most `most`."""
        value = self.value.get(name)
        if value is None:
            return None
        found = values.number(value)
        return found if found and found <= most else self._found(name, value, None)

    def days(self, name: str, time_zone: ZoneInfo) -> Days | None:
        """Return the days a date may mean."""
        value = self.value.get(name)
        if value is None:
            return None
        return days(value, time_zone) or self._found(name, value, None)

    def quantity(self, name: str, *, is_positive: bool = False) -> Quantity | None:
        """Return an amount with its unit: the code where it is a known unit code, else the word.

        An amount with a comparator ("less than 10") is not that amount and so is unreadable.
        """
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not value:
            return self._found(name, value, None)
        found = values.number(value.get("value"))
        if found is None or (is_positive and not found) or "comparator" in value:
            return self._found(name, value, None)
        return Quantity(value=found, unit=_unit(value))

    def refuse_modifier_extension(self) -> bool:
        """Note a modifier extension (it may turn the meaning round); say whether there is one."""
        if "modifierExtension" not in self.value or not self.has("modifierExtension"):
            return False
        self.note("modifierExtension")
        return True

    def _found(self, name: str, value: object, found: Found | None) -> Found | None:
        """Return what was found, and note a value that is there and gave nothing."""
        if found is None and value is not None and not values.is_absent(value):
            self.note(name)
        return found

    def _path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


_ABSENT = Element({})
"""Stands for every object that is not there: nothing in it is present, so nothing is ever lost."""


def _unit(quantity: JsonObject) -> str | None:
    code, system = values.code(quantity.get("code")), quantity.get("system")
    if code is not None and (system is None or values.text(system) in _CODED_UNITS):
        return code
    return values.text(quantity.get("unit")) or code
