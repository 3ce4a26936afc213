"""What an order says of dispensing: how much, for how long, how often again."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

from cds_service.clinical.record import Quantity
from cds_service.fhir.reading.dates import Days
from cds_service.fhir.reading.element import Element

_MOST_REPEATS = 99


class Dispensing(NamedTuple):
    """The parts of a dispenseRequest as written, and the paths of what could not be read."""

    validity_start: Days | None = None
    expected_supply: Quantity | None = None
    quantity: Quantity | None = None
    repeats_allowed: int | None = None
    lost: tuple[str, ...] = ()


def read_dispensing(sent: object, time_zone: ZoneInfo) -> Dispensing:
    """Return what `dispenseRequest` says; one with a modifier extension is not used."""
    element = Element({"dispenseRequest": sent})
    request = element.child("dispenseRequest")
    if request.refuse_modifier_extension():
        return Dispensing(lost=tuple(element.lost))
    return Dispensing(
        validity_start=request.child("validityPeriod").days("start", time_zone),
        expected_supply=request.quantity("expectedSupplyDuration"),
        quantity=request.quantity("quantity"),
        repeats_allowed=request.integer("numberOfRepeatsAllowed", most=_MOST_REPEATS),
        lost=tuple(element.lost),
    )
