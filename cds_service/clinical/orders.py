"""Which orders are evidence: of past exposure (the record), of a renewal (the hook's drafts)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cds_service.clinical.drugs import DrugKinds, RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Order
from cds_service.clinical.span import start_of
from cds_service.clinical.supply import Supply, supply_from

HISTORY_STATUSES = frozenset({"active", "completed", "stopped", "on-hold"})
HISTORY_INTENTS = frozenset(
    {None, "order", "original-order", "reflex-order", "filler-order", "instance-order"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Calendar days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """The number of days, at least one."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderReading:
    """How one order of the record, or one draft, was understood.

    `counts` says whether the order is evidence of exposure (a draft: whether it is an opioid
    analgesic being ordered); if not, `why_not` says why. `covered` is clipped to the day of the
    call and None for drafts. `has_successor`: a later opioid order exists.
    """

    order: Order
    drug: RecognisedOpioid | None
    start: date | None
    supply: Supply
    counts: bool
    why_not: str | None = None
    covered: Period | None = None
    has_successor: bool = False


def is_given(order: Order) -> bool:
    """Say whether an order of the record was meant to be carried out at home.

    Source: clinical.md section 2, "Orders that count as history".
    """
    return (
        order.status in HISTORY_STATUSES
        and order.intent in HISTORY_INTENTS
        and not order.is_do_not_perform
        and not order.is_inpatient
    )


def is_being_ordered(draft: Order) -> bool:
    """Say whether a draft, whatever its status, asks for a drug to be taken at home.

    Source: clinical.md section 2, "Drafts".
    """
    return (
        draft.status not in ("cancelled", "entered-in-error")
        and not draft.is_do_not_perform
        and not draft.is_inpatient
    )


def why_no_history(
    order: Order, drug: RecognisedOpioid | None, *, as_of: date, has_opioid_use_disorder: bool
) -> str | None:
    """Say why an order of the record is no evidence of past exposure; None: it is, and has a start.

    Source: clinical.md section 2, "Orders that count as history".
    """
    return _not_analgesic(
        order, drug, has_opioid_use_disorder=has_opioid_use_disorder
    ) or _not_history(order, as_of)


def draft_reading(
    order: Order,
    knowledge: Knowledge,
    *,
    as_of: date,
    has_opioid_use_disorder: bool,
    drugs: DrugKinds | None = None,
) -> OrderReading:
    """Say whether an order of the hook's context is an opioid analgesic being ordered.

    Its status does not matter except cancelled and entered-in-error; it starts on the day of the
    call at the earliest. `drugs`: recognised already, the order's among them.

    Source: clinical.md section 2, "Drafts".
    """
    drug = (drugs or DrugKinds((order,), knowledge)).opioid(order)
    start = max(start_of(order) or as_of, as_of)
    why_not = _not_analgesic(order, drug, has_opioid_use_disorder=has_opioid_use_disorder)
    if why_not is None and order.status in ("cancelled", "entered-in-error"):
        why_not = f"status is {order.status}"
    return OrderReading(
        order=order,
        drug=drug,
        start=start,
        supply=supply_from(start, order, drug),
        counts=why_not is None,
        why_not=why_not,
    )


def _not_analgesic(
    order: Order, drug: RecognisedOpioid | None, *, has_opioid_use_disorder: bool
) -> str | None:
    if order.drug is None:
        return "drug could not be resolved"
    if drug is None:
        return "not an opioid"
    if drug.is_moud(has_opioid_use_disorder=has_opioid_use_disorder):
        return "treatment of opioid use disorder"
    if not drug.is_analgesic(has_opioid_use_disorder=has_opioid_use_disorder):
        return f"not a home analgesic: {drug.not_counted_reason}"
    if order.is_do_not_perform:
        return "marked do-not-perform"
    if order.is_inpatient:
        return "inpatient order"
    return None


def _not_history(order: Order, as_of: date) -> str | None:
    start = start_of(order)
    if order.status not in HISTORY_STATUSES:
        return f"status is {order.status}"
    if order.intent not in HISTORY_INTENTS:
        return f"intent is {order.intent}"
    if start is None:
        return "no start date"
    if start > as_of:
        return "starts after the day of the call"
    return None
