"""Short ways to say a dosage in a test, and strategies for any dosage at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from hypothesis import strategies as st

from cds_service.clinical.knowledge import OpioidProduct, ReleaseForm
from cds_service.clinical.record import Dosage, DoseAmount, Order, Quantity, Timing


def quantity(value: str | int, unit: str | None) -> Quantity:
    return Quantity(value=Decimal(value), unit=unit)


def ordered(value: str | int, unit: str | None, kind: str | None = "ordered") -> DoseAmount:
    return DoseAmount(amount=quantity(value, unit), kind=kind)


def every(
    period: str | int,
    unit: str | None,
    *,
    times: int | None = 1,
    times_max: int | None = None,
    period_max: str | int | None = None,
    days_of_week: int = 0,
    times_of_day: int = 0,
) -> Timing:
    """Timing.repeat: `times` (to `times_max`) in each `period` (to `period_max`)."""
    return Timing(
        frequency=times,
        frequency_max=times_max,
        period=Decimal(period),
        period_max=None if period_max is None else Decimal(period_max),
        period_unit=unit,
        days_of_week=days_of_week,
        times_of_day=times_of_day,
    )


def coded(code: str) -> Timing:
    return Timing(code=code)


def dosage(
    value: str | int | None = 1,
    unit: str | None = "{tbl}",
    timing: Timing | None = None,
    *,
    sequence: int | None = None,
    at_most: Quantity | None = None,
    per: Quantity | None = None,
    amounts: tuple[DoseAmount, ...] | None = None,
    is_readable: bool = True,
) -> Dosage:
    if amounts is None:
        amounts = () if value is None else (ordered(value, unit),)
    return Dosage(
        sequence=sequence,
        timing=timing,
        amounts=amounts,
        maximum=at_most,
        maximum_per=per,
        is_readable=is_readable,
    )


def prescription(
    *dosages: Dosage,
    reference: str = "MedicationRequest/1",
    amount: Quantity | None = None,
    lasting: Quantity | None = None,
    repeats: int | None = None,
) -> Order:
    return Order(
        reference=reference,
        drug=None,
        status="active",
        dosages=dosages,
        quantity=amount,
        expected_supply=lasting,
        repeats_allowed=repeats,
    )


def product(
    strength: str,
    unit: Literal["mg", "mg/mL", "mg/h", "mg/actuation"] = "mg",
    *,
    ingredient: str = "oxycodone",
    release_form: ReleaseForm = "oral",
    is_combination: bool = False,
) -> OpioidProduct:
    return OpioidProduct(
        code="0",
        display="a product of the tests",
        ingredient=ingredient,
        use="analgesic",
        not_counted_reason=None,
        strength=Decimal(strength),
        strength_unit=unit,
        dose_form="form",
        release_form=release_form,
        is_combination=is_combination,
    )


TABLET_5 = product("5")
COMBINATION_5 = product("5", is_combination=True)
SOLUTION_1 = product("1", "mg/mL")
PATCH_25 = product("0.025", "mg/h", ingredient="fentanyl", release_form="transdermal")
SPRAY = product("0.1", "mg/actuation", ingredient="fentanyl", release_form="nasal")

numbers = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [Decimal(n) for n in ("0", "1", "0.5", "30", "72", "1E+308", "1E-308", "-1")]
)
units = st.sampled_from(
    [None, "", "mg", "ug", "g", "mL", "{tbl}", "{patch}", "1", "ug/h", "h", "d", "wk", "box"]
)
quantities = st.builds(Quantity, value=numbers, unit=units)
timings = st.builds(
    Timing,
    frequency=st.none() | st.integers(-2, 60),
    frequency_max=st.none() | st.integers(-2, 10**30),
    period=st.none() | numbers,
    period_max=st.none() | numbers,
    period_unit=units,
    code=st.none() | st.sampled_from(["BID", "Q6H", "Q0H", "??"]),
    times_of_day=st.integers(0, 60),
    days_of_week=st.integers(0, 9),
)
amounts = st.builds(
    DoseAmount,
    amount=st.none() | quantities,
    kind=st.sampled_from(["ordered", "calculated", None]),
    rate=st.none() | quantities,
    rate_per=st.none() | quantities,
)
any_dosages = st.builds(
    Dosage,
    sequence=st.none() | st.integers(-1, 3),
    timing=st.none() | timings,
    amounts=st.lists(amounts, max_size=3).map(tuple),
    maximum=st.none() | quantities,
    maximum_per=st.none() | quantities,
    is_readable=st.booleans(),
)
