"""When an order starts, and how long its own bounds say it lasts."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.record import Order
from cds_service.clinical.ucum import Exact, length_days


def start_of(order: Order) -> date | None:
    """Return the first day of an order, or None when no date places it.

    Source: clinical.md section 3, "Start".
    """
    return order.bounds_start or order.authored_on or order.validity_start


def bounds_days(order: Order) -> Exact | None:
    """Return the days from the start to the end of the bounds, both included, or their length.

    None without either, and for an end before the start.

    Source: clinical.md section 3, "Supply", second.
    """
    start = start_of(order)
    if order.bounds_end is not None and start is not None:
        length = (order.bounds_end - start).days + 1
        return length if length > 0 else None
    return None if order.bounds_duration is None else length_days(order.bounds_duration)
