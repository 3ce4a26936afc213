"""Section 6 of the clinical specification: the daily dose in MME, with the packaged knowledge."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.mme import DailyDose, DoseLine, OpioidOrder, RenewedOrder, daily_dose
from cds_service.clinical.record import Dosage, DoseAmount, Quantity
from cds_service.loading import load_knowledge
from tests.clinical.builders import TODAY
from tests.clinical.dosages import (
    any_dosages,
    coded,
    dosage,
    every,
    ordered,
    prescription,
    quantity,
)

OXYCODONE_5 = "1049621"
OXYCODONE_10 = "1049683"
OXYCODONE_EXTENDED_10 = "1049502"
OXYCODONE_SOLUTION_1 = "1049604"
OXYCODONE_ACETAMINOPHEN_5 = "1049221"
HYDROCODONE_ACETAMINOPHEN_10 = "856999"
HYDROMORPHONE_2 = "897696"
HYDROMORPHONE_SUPPOSITORY_3 = "897749"
MORPHINE_15 = "892582"
METHADONE_10 = "864706"
METHADONE_5 = "864718"
TRAMADOL_50 = "835603"
TAPENTADOL_50 = "825411"
FENTANYL_PATCH_25 = "245134"
FENTANYL_PATCH_50 = "245135"
FENTANYL_BUCCAL = "668363"
FENTANYL_SPRAY = "1237050"
FENTANYL_IONTOPHORETIC = "1666831"
BUPRENORPHINE_PATCH_10 = "904870"
BUTORPHANOL_SPRAY = "886634"

Q6H = every(6, "h")


def opioid(
    knowledge: Knowledge,
    code: str,
    *dosages: Dosage,
    reference: str = "MedicationRequest/1",
    amount: Quantity | None = None,
    lasting: Quantity | None = None,
) -> OpioidOrder:
    product = knowledge.products[code]
    return OpioidOrder(
        order=prescription(*dosages, reference=reference, amount=amount, lasting=lasting),
        drug=RecognisedOpioid(
            by="product", ingredient=product.ingredient, use="analgesic", product=product
        ),
    )


def named_only(
    ingredient: str, *dosages: Dosage, reference: str = "MedicationRequest/named"
) -> OpioidOrder:
    return OpioidOrder(
        order=prescription(*dosages, reference=reference),
        drug=RecognisedOpioid(by="name", ingredient=ingredient, use="analgesic"),
    )


def dose(knowledge: Knowledge, **orders: tuple[OpioidOrder, ...]) -> DailyDose:
    return daily_dose(
        drafts=orders.get("drafts", ()),
        current=orders.get("current", ()),
        knowledge=knowledge,
        as_of=TODAY,
    )


def line(knowledge: Knowledge, code: str, *dosages: Dosage) -> DoseLine:
    (only,) = dose(knowledge, drafts=(opioid(knowledge, code, *dosages),)).lines
    return only


# Check values of clinical.md section 6, and their arithmetic


@pytest.mark.parametrize(
    ("code", "taken", "mme", "formula"),
    [
        pytest.param(
            OXYCODONE_10,
            dosage(10, "mg", Q6H),
            60,  # 10 mg x 4 x 1.5
            "10 mg x 4/day x 1.5 = 60",
            id="oxycodone 10 mg every 6 h",
        ),
        pytest.param(
            HYDROMORPHONE_2,
            dosage(2, "{tbl}", every(1, "d", times=3)),
            60,  # 2 x 2 mg x 3 = 12 mg, x 5
            "2 tablet x 2 mg x 3/day x 5 = 60",
            id="hydromorphone 12 mg a day",
        ),
        pytest.param(
            METHADONE_10,
            dosage(1, "{tbl}", coded("BID")),
            94,  # 10 mg x 2 x 4.7
            "1 tablet x 10 mg x 2/day x 4.7 = 94",
            id="methadone 20 mg a day",
        ),
        pytest.param(
            FENTANYL_PATCH_25,
            dosage(1, "{patch}", every(72, "h")),
            60,  # 25 mcg/h x 2.4
            "1 patch x 25 mcg/h x 2.4 = 60",
            id="fentanyl 25 mcg/h",
        ),
        pytest.param(
            TRAMADOL_50,
            dosage(1, "{tbl}", coded("QID")),
            40,  # 50 mg x 4 x 0.2
            "1 tablet x 50 mg x 4/day x 0.2 = 40",
            id="tramadol 200 mg a day",
        ),
        pytest.param(
            TAPENTADOL_50,
            dosage(1, "{tbl}", coded("Q6H")),
            80,  # 50 mg x 4 x 0.4
            "1 tablet x 50 mg x 4/day x 0.4 = 80",
            id="tapentadol 200 mg a day",
        ),
        pytest.param(
            OXYCODONE_ACETAMINOPHEN_5,
            dosage(2, "{tbl}", Q6H),
            60,  # 2 x 5 mg x 4 x 1.5
            "2 tablet x 5 mg x 4/day x 1.5 = 60",
            id="acetaminophen/oxycodone 325/5 two tablets every 6 h",
        ),
        pytest.param(
            OXYCODONE_SOLUTION_1,
            dosage(5, "mL", Q6H),
            30,  # 5 mL x 1 mg/mL x 4 x 1.5
            "5 mL x 1 mg/mL x 4/day x 1.5 = 30",
            id="oxycodone solution 1 mg/mL 5 mL every 6 h",
        ),
        pytest.param(
            OXYCODONE_5,
            dosage(2, "{tbl}", every(4, "h", period_max=6)),  # the upper end of 1 to 2 tablets
            90,  # 2 x 5 mg x 24/4 x 1.5
            "2 tablet x 5 mg x 6/day x 1.5 = 90",
            id="oxycodone 1 to 2 tablets of 5 mg every 4 to 6 h as needed",
        ),
    ],
)
def test_check_values_of_the_specification(
    knowledge: Knowledge, code: str, taken: Dosage, mme: int, formula: str
) -> None:
    converted = line(knowledge, code, taken)
    assert converted.mme_per_day == mme
    assert converted.formula == formula
    assert converted.reason is None


# Where the published logic goes wrong


def test_a_dose_range_counts_at_its_upper_end_and_not_as_nothing(knowledge: Knowledge) -> None:
    upper = dosage(2, "{tbl}", Q6H)  # the reader hands over the upper end of 1 to 2
    assert line(knowledge, OXYCODONE_5, upper).mme_per_day == 60  # 2 x 5 x 4 x 1.5


def test_absent_timing_is_not_computable_and_not_zero(knowledge: Knowledge) -> None:
    total = dose(knowledge, drafts=(opioid(knowledge, OXYCODONE_5, dosage(2, "{tbl}")),))
    assert total.mme_per_day is None
    assert not total.is_complete
    assert [each.reason for each in total.uncounted] == ["how often it is taken is not stated"]


@pytest.mark.parametrize("unit", ["ug/h", "mcg/h", "mcg/hr", "mcg per hour"])
@pytest.mark.parametrize("timing", [None, every(72, "h"), every(1, "d")])
def test_a_fentanyl_patch_coded_in_mcg_per_hour_is_60_and_not_1500(
    knowledge: Knowledge, unit: str, timing: object
) -> None:
    converted = line(knowledge, FENTANYL_PATCH_25, dosage(25, unit, timing))  # type: ignore[arg-type]
    assert converted.mme_per_day == 60  # 25 x 2.4
    assert converted.formula == "25 mcg/h x 2.4 = 60"


def test_a_combination_product_dosed_in_mg_is_not_computable(knowledge: Knowledge) -> None:
    total = dose(
        knowledge,
        drafts=(opioid(knowledge, HYDROCODONE_ACETAMINOPHEN_10, dosage(335, "mg", Q6H)),),
    )
    assert total.mme_per_day is None
    assert [each.reason for each in total.uncounted] == [
        "the mass of a combination product does not say how much of it is opioid"
    ]


def test_tramadol_and_tapentadol_count(knowledge: Knowledge) -> None:
    both = (
        opioid(knowledge, TRAMADOL_50, dosage(1, "{tbl}", coded("BID"))),  # 50 x 2 x 0.2 = 20
        opioid(knowledge, TAPENTADOL_50, dosage(1, "{tbl}", coded("BID"))),  # 50 x 2 x 0.4 = 40
    )
    assert dose(knowledge, current=both).mme_per_day == 60


def test_a_renewal_and_the_order_it_renews_count_once(knowledge: Knowledge) -> None:
    draft = opioid(knowledge, OXYCODONE_5, dosage(2, "{tbl}", Q6H), reference="draft")
    past = opioid(knowledge, OXYCODONE_10, dosage(1, "{tbl}", Q6H), reference="past")
    total = dose(knowledge, drafts=(draft,), current=(past,))
    assert total.mme_per_day == 60  # 2 x 5 x 4 x 1.5, not 120
    assert total.is_complete
    assert [each.reference for each in total.lines] == ["draft"]
    assert total.renewed == (
        RenewedOrder(reference="past", ingredient="oxycodone", is_form_assumed=False),
    )


def test_methadone_has_one_factor_at_any_dose(knowledge: Knowledge) -> None:
    for tablets, mme in ((1, "23.5"), (8, "188"), (13, "305.5")):  # 5 mg x n x 4.7
        taken = dosage(tablets, "{tbl}", coded("QD"))
        assert line(knowledge, METHADONE_5, taken).mme_per_day == Decimal(mme)


# Patches


@pytest.mark.parametrize("interval", [None, every(72, "h"), every(48, "h"), coded("Q3D")])
def test_a_patch_counts_whatever_the_interval(knowledge: Knowledge, interval: object) -> None:
    taken = dosage(1, "{patch}", interval)  # type: ignore[arg-type]
    assert line(knowledge, FENTANYL_PATCH_50, taken).mme_per_day == 120  # 50 x 2.4


def test_two_patches_worn_count_twice(knowledge: Knowledge) -> None:
    taken = dosage(2, "{patch}", every(72, "h"))
    assert line(knowledge, FENTANYL_PATCH_25, taken).mme_per_day == 120  # 2 x 25 x 2.4


def test_a_patch_may_be_called_a_piece(knowledge: Knowledge) -> None:
    assert line(knowledge, FENTANYL_PATCH_25, dosage(1, "{pill}")).mme_per_day == 60


def test_a_patch_with_a_rate_counts_by_its_rate(knowledge: Knowledge) -> None:
    by_rate = DoseAmount(amount=None, rate=quantity(25, "ug"), rate_per=quantity(1, "h"))
    assert line(knowledge, FENTANYL_PATCH_25, dosage(amounts=(by_rate,))).mme_per_day == 60


def test_a_patch_without_a_dose_is_not_computable(knowledge: Knowledge) -> None:
    nothing = dosage(None, timing=every(72, "h"), at_most=quantity(1, "{patch}"))
    assert line(knowledge, FENTANYL_PATCH_25, nothing).reason == "the dose is not stated"


def test_the_supply_does_not_say_how_many_patches_are_worn(knowledge: Knowledge) -> None:
    ten = opioid(
        knowledge,
        FENTANYL_PATCH_25,
        amount=quantity(10, "{patch}"),
        lasting=quantity(30, "d"),
    )
    assert dose(knowledge, drafts=(ten,)).mme_per_day is None


def test_a_patch_dosed_by_mass_is_not_computable(knowledge: Knowledge) -> None:
    taken = dosage(25, "ug", every(72, "h"))
    assert line(knowledge, FENTANYL_PATCH_25, taken).reason == (
        "the unit of the dose does not fit the product"
    )


# Not convertible


@pytest.mark.parametrize(
    ("code", "taken"),
    [
        (BUPRENORPHINE_PATCH_10, dosage(1, "{patch}", every(7, "d"))),
        (FENTANYL_BUCCAL, dosage(1, "{tbl}", Q6H)),
        (FENTANYL_SPRAY, dosage(1, "{spray}", Q6H)),
        (FENTANYL_IONTOPHORETIC, dosage(1, "{spray}", Q6H)),
        (BUTORPHANOL_SPRAY, dosage(1, "{spray}", Q6H)),
        (HYDROMORPHONE_SUPPOSITORY_3, dosage(1, "{suppository}", Q6H)),
    ],
)
def test_what_has_no_factor_is_not_convertible_and_never_zero(
    knowledge: Knowledge, code: str, taken: Dosage
) -> None:
    total = dose(knowledge, drafts=(opioid(knowledge, code, taken),))
    assert total.mme_per_day is None
    assert not total.is_complete
    assert [(each.mme_per_day, each.formula, each.reason) for each in total.uncounted] == [
        (None, "", "there is no conversion factor")
    ]


def test_a_factor_for_another_unit_of_strength_is_no_factor(knowledge: Knowledge) -> None:
    tablet = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H))
    product = replace(knowledge.products[OXYCODONE_5], strength_unit="mg/actuation")
    sprayed = OpioidOrder(order=tablet.order, drug=replace(tablet.drug, product=product))
    assert dose(knowledge, drafts=(sprayed,)).lines[0].reason == "there is no conversion factor"


def test_without_a_product_the_dose_is_not_computable(knowledge: Knowledge) -> None:
    (only,) = dose(knowledge, drafts=(named_only("oxycodone", dosage(5, "mg", Q6H)),)).lines
    assert (only.mme_per_day, only.reason) == (None, "the product is not known")


@pytest.mark.parametrize("ingredient", ["buprenorphine", "meperidine", "unheard-of"])
def test_without_product_and_factor_the_factor_is_what_is_missing(
    knowledge: Knowledge, ingredient: str
) -> None:
    (only,) = dose(knowledge, drafts=(named_only(ingredient, dosage(5, "mg", Q6H)),)).lines
    assert only.reason == "there is no conversion factor"


# Bounds


@pytest.mark.parametrize(
    ("milligrams", "mme"),
    [
        ("0.099", None),  # x 1 a day x factor 1
        ("0.1", "0.1"),
        ("0.101", "0.101"),
        ("9999", "9999"),
        ("10000", "10000"),
        ("10001", None),
    ],
)
def test_a_dose_from_a_tenth_to_ten_thousand_is_believed(
    knowledge: Knowledge, milligrams: str, mme: str | None
) -> None:
    converted = line(knowledge, MORPHINE_15, dosage(milligrams, "mg", coded("QD")))
    assert converted.mme_per_day == (None if mme is None else Decimal(mme))
    assert converted.reason == ("a number of the dosage is out of bounds" if mme is None else None)


@pytest.mark.parametrize(
    "taken",
    [
        dosage("1E+308", "mg", Q6H),
        dosage(0, "mg", Q6H),
        dosage("-5", "mg", Q6H),
        dosage(5, "mg", every(1, "d", times=0)),
        dosage(5, "mg", every(0, "h")),
    ],
)
def test_an_absurd_number_is_not_computable(knowledge: Knowledge, taken: Dosage) -> None:
    assert line(knowledge, MORPHINE_15, taken).reason == "a number of the dosage is out of bounds"


# The total


def test_drafts_and_current_orders_add_up(knowledge: Knowledge) -> None:
    total = dose(
        knowledge,
        drafts=(opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H)),),  # 5 x 4 x 1.5 = 30
        current=(opioid(knowledge, MORPHINE_15, dosage(1, "{tbl}", coded("BID"))),),  # 15 x 2 = 30
    )
    assert (total.mme_per_day, total.is_complete, total.renewed) == (Decimal(60), True, ())
    assert [each.is_draft for each in total.lines] == [True, False]


def test_the_edition_of_the_factors_and_the_day_are_named(knowledge: Knowledge) -> None:
    total = dose(knowledge)
    assert (total.edition, total.as_of) == (knowledge.mme_edition, TODAY)
    assert total.edition == "CDC 2022"


def test_without_orders_there_is_nothing_to_convert_and_nothing_missing(
    knowledge: Knowledge,
) -> None:
    total = dose(knowledge)
    assert (total.mme_per_day, total.is_complete, total.lines) == (None, True, ())


def test_an_order_that_cannot_be_converted_makes_the_total_a_lower_bound(
    knowledge: Knowledge,
) -> None:
    total = dose(
        knowledge,
        drafts=(opioid(knowledge, OXYCODONE_5, dosage(2, "{tbl}", Q6H), reference="a"),),
        current=(opioid(knowledge, BUPRENORPHINE_PATCH_10, dosage(1, "{patch}"), reference="b"),),
    )
    assert (total.mme_per_day, total.is_complete) == (Decimal(60), False)
    assert [each.reference for each in total.uncounted] == ["b"]


def test_thirds_add_up_exactly(knowledge: Knowledge) -> None:
    thirds = tuple(
        opioid(knowledge, MORPHINE_15, dosage(n, "mg", every(3, "d")), reference=str(n))
        for n in (100, 25, 25)
    )
    # 100/3 + 25/3 + 25/3 = 50; rounded one by one they make 49.99...
    assert dose(knowledge, current=thirds).mme_per_day == 50


def test_quantity_over_supply_stands_in_for_the_dosage(knowledge: Knowledge) -> None:
    filled = opioid(
        knowledge, OXYCODONE_5, amount=quantity(120, "{tbl}"), lasting=quantity(30, "d")
    )
    (only,) = dose(knowledge, drafts=(filled,)).lines
    assert only.mme_per_day == 30  # 120 / 30 = 4 tablets x 5 mg x 1.5
    assert only.formula == "120 tablet x 5 mg / 30 days x 1.5 = 30"


def test_the_ordered_dose_beats_the_calculated_one(knowledge: Knowledge) -> None:
    amounts = (ordered(20, "mg", "calculated"), ordered(1, "{tbl}", "ordered"))
    assert line(knowledge, OXYCODONE_5, dosage(timing=Q6H, amounts=amounts)).mme_per_day == 30


def test_a_tapering_order_counts_at_its_largest_step(knowledge: Knowledge) -> None:
    converted = line(
        knowledge,
        OXYCODONE_5,
        dosage(2, "{tbl}", Q6H, sequence=1),
        dosage(1, "{tbl}", Q6H, sequence=2),
    )
    assert converted.formula == "2 tablet x 5 mg x 4/day [largest of 2 steps] x 1.5 = 60"


def test_a_formula_is_rounded_and_the_number_is_not(knowledge: Knowledge) -> None:
    converted = line(knowledge, OXYCODONE_5, dosage(1, "{tbl}", every(7, "h")))
    assert converted.formula == "1 tablet x 5 mg x 3.4286/day x 1.5 = 25.71"
    assert converted.mme_per_day == Decimal("25.71428571428571428571428571")  # 180 / 7


# Renewal


def test_another_release_form_is_not_renewed(knowledge: Knowledge) -> None:
    draft = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H))  # 30
    beside = opioid(knowledge, OXYCODONE_EXTENDED_10, dosage(1, "{tbl}", coded("BID")))  # 30
    total = dose(knowledge, drafts=(draft,), current=(beside,))
    assert (total.mme_per_day, total.is_complete, total.renewed) == (Decimal(60), True, ())


def test_another_ingredient_is_not_renewed(knowledge: Knowledge) -> None:
    draft = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H))  # 30
    beside = opioid(knowledge, MORPHINE_15, dosage(1, "{tbl}", coded("BID")))  # 30
    assert dose(knowledge, drafts=(draft,), current=(beside,)).mme_per_day == 60


def test_a_solution_renews_the_tablets_of_the_same_opioid(knowledge: Knowledge) -> None:
    draft = opioid(knowledge, OXYCODONE_SOLUTION_1, dosage(5, "mL", Q6H))  # 30
    past = opioid(knowledge, OXYCODONE_ACETAMINOPHEN_5, dosage(1, "{tbl}", Q6H))
    assert dose(knowledge, drafts=(draft,), current=(past,)).mme_per_day == 30


def test_of_unknown_form_the_same_opioid_is_taken_as_renewed_and_that_is_marked(
    knowledge: Knowledge,
) -> None:
    draft = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H))
    past = named_only("oxycodone", dosage(1, "{tbl}", Q6H))
    total = dose(knowledge, drafts=(draft,), current=(past,))
    assert [each.is_form_assumed for each in total.renewed] == [True]
    assert (total.mme_per_day, total.is_complete, len(total.lines)) == (30, False, 1)


def test_a_draft_in_words_leaves_the_known_dose_of_the_same_opioid_standing(
    knowledge: Knowledge,
) -> None:
    draft = named_only("oxycodone", dosage(1, "{tbl}", Q6H), reference="draft")
    tablets = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H), reference="a")
    slow = opioid(knowledge, OXYCODONE_EXTENDED_10, dosage(1, "{tbl}", coded("BID")), reference="b")
    total = dose(knowledge, drafts=(draft,), current=(tablets, slow))
    assert (total.mme_per_day, total.is_complete, total.renewed) == (60, False, ())
    assert [line.reference for line in total.uncounted] == ["draft"]


def test_a_draft_of_the_same_form_renews_even_without_a_dose_of_its_own(
    knowledge: Knowledge,
) -> None:
    past = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H))
    total = dose(knowledge, drafts=(opioid(knowledge, OXYCODONE_5),), current=(past,))
    assert (total.mme_per_day, [each.is_form_assumed for each in total.renewed]) == (None, [False])


def test_a_known_form_settles_what_another_draft_leaves_open(knowledge: Knowledge) -> None:
    past = opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H), reference="past")
    drafts = (
        named_only("oxycodone", dosage(1, "{tbl}", Q6H)),
        opioid(knowledge, OXYCODONE_10, dosage(1, "{tbl}", Q6H), reference="draft"),
    )
    total = dose(knowledge, drafts=drafts, current=(past,))
    assert [each.is_form_assumed for each in total.renewed] == [False]


def test_two_current_orders_of_unknown_form_are_both_counted(knowledge: Knowledge) -> None:
    current = (
        named_only("oxycodone", reference="a"),
        opioid(knowledge, OXYCODONE_5, dosage(1, "{tbl}", Q6H), reference="b"),
    )
    total = dose(knowledge, current=current)
    assert [each.reference for each in total.lines] == ["a", "b"]
    assert total.renewed == ()


# What holds for any orders

KNOWLEDGE = load_knowledge()
some_codes = st.sampled_from(
    [
        OXYCODONE_5,
        OXYCODONE_EXTENDED_10,
        OXYCODONE_ACETAMINOPHEN_5,
        OXYCODONE_SOLUTION_1,
        MORPHINE_15,
        METHADONE_10,
        FENTANYL_PATCH_25,
        FENTANYL_SPRAY,
        BUPRENORPHINE_PATCH_10,
    ]
)
plain_dosages = st.builds(
    dosage,
    value=st.integers(1, 40),
    unit=st.sampled_from(["{tbl}", "mg", "mL", "{patch}", "ug/h", None]),
    timing=st.sampled_from([None, Q6H, coded("BID"), every(7, "h"), every(3, "d")]),
    sequence=st.none() | st.integers(1, 2),
)
references = st.sampled_from(["MedicationRequest/1", "MedicationRequest/2"])


@st.composite
def any_opioids(draw: st.DrawFn) -> OpioidOrder:
    taken = draw(st.lists(plain_dosages | any_dosages, max_size=2))
    reference = draw(references)
    if draw(st.integers(0, 5)) == 0:
        return named_only("oxycodone", *taken, reference=reference)
    return opioid(KNOWLEDGE, draw(some_codes), *taken, reference=reference)


several = st.lists(any_opioids(), max_size=3).map(tuple)


@given(drafts=several, current=several)
def test_a_dose_is_unknown_or_a_positive_finite_number(
    drafts: tuple[OpioidOrder, ...], current: tuple[OpioidOrder, ...]
) -> None:
    total = dose(KNOWLEDGE, drafts=drafts, current=current)
    for number in (total.mme_per_day, *(each.mme_per_day for each in total.lines)):
        assert number is None or (number.is_finite() and number > 0)


@given(drafts=several, current=several)
def test_every_order_is_a_line_or_renewed_and_every_line_has_a_formula_or_a_reason(
    drafts: tuple[OpioidOrder, ...], current: tuple[OpioidOrder, ...]
) -> None:
    total = dose(KNOWLEDGE, drafts=drafts, current=current)
    assert len(total.lines) + len(total.renewed) == len(drafts) + len(current)
    assert all((each.mme_per_day is None) == (each.reason is not None) for each in total.lines)
    assert all((each.formula == "") == (each.reason is not None) for each in total.lines)
    assert not total.is_complete or not total.uncounted


@given(current=several, added=any_opioids())
def test_one_more_current_order_never_lowers_the_total(
    current: tuple[OpioidOrder, ...], added: OpioidOrder
) -> None:
    before, after = dose(KNOWLEDGE, current=current), dose(KNOWLEDGE, current=(*current, added))
    assert (after.mme_per_day or 0) >= (before.mme_per_day or 0)


@given(drafts=several, added=any_opioids())
def test_one_more_draft_never_lowers_the_total_unless_it_renews(
    drafts: tuple[OpioidOrder, ...], added: OpioidOrder
) -> None:
    before, after = dose(KNOWLEDGE, drafts=drafts), dose(KNOWLEDGE, drafts=(*drafts, added))
    assert (after.mme_per_day or 0) >= (before.mme_per_day or 0)


@given(drafts=several, current=several)
def test_the_order_of_the_orders_does_not_matter(
    drafts: tuple[OpioidOrder, ...], current: tuple[OpioidOrder, ...]
) -> None:
    totals = [
        dose(KNOWLEDGE, drafts=some, current=others)
        for some in permutations(drafts)
        for others in permutations(current)
    ]
    assert all(total == totals[0] for total in totals)
