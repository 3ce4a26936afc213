"""How much of a drug an order means per day, in units, and how long a span of time is in days."""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.knowledge import OpioidProduct
from cds_service.clinical.record import Order, Quantity


def days(span: Quantity) -> Decimal | None:
    """Return a span of time in days, or None for a unit that is no unit of time."""
    raise NotImplementedError


def units_per_day(order: Order, product: OpioidProduct | None) -> Decimal | None:
    """Return the largest number of dispensed units (tablets, mL, patches) taken per day."""
    raise NotImplementedError
