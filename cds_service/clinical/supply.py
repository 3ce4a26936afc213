"""How many days the supply of an order lasts, and how that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds_service.clinical.dosing import units_per_day
from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.record import Order
from cds_service.clinical.span import bounds_days
from cds_service.clinical.ucum import length_days

SupplySource = Literal["expected-supply", "bounds", "quantity", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """How long the order lasts and how that is known.

    `days` is at least 1, refills included unless the order was stopped; None when unknown.
    """

    days: int | None
    source: SupplySource


_UNKNOWN = Supply(days=None, source="unknown")


def supply_of(order: Order, drug: RecognisedOpioid | None) -> Supply:
    """Return the supply of an order from the first source that is known.

    `validityPeriod` is no supply. A part of a day is a day. A stopped order counts without its
    refills.

    Source: clinical.md section 3, "Supply".
    """
    refills = 0 if order.status == "stopped" else (order.repeats_allowed or 0)
    expected = None if order.expected_supply is None else length_days(order.expected_supply)
    if expected is not None:
        return Supply(days=math.ceil(expected * (1 + refills)), source="expected-supply")
    bounds = bounds_days(order)
    if bounds:
        return Supply(days=math.ceil(bounds), source="bounds")
    per_day = units_per_day(order, None if drug is None else drug.product)
    if per_day and order.quantity is not None and order.quantity.value:
        length = order.quantity.value / per_day * (1 + refills)
        return Supply(days=math.ceil(length), source="quantity")
    return _UNKNOWN


def supply_from(start: date, order: Order, drug: RecognisedOpioid | None) -> Supply:
    """Return the supply of an order that goes on from `start`, later than its own start or not.

    Bounds with an end do not move with the start; what is left of them is the supply.
    """
    supply = supply_of(order, drug)
    if supply.source != "bounds" or order.bounds_end is None:
        return supply
    left = (order.bounds_end - start).days + 1
    return Supply(days=left, source="bounds") if left > 0 else _UNKNOWN
