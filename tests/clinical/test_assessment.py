"""What an assessment brings together, and that nothing of it is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from cds_service.clinical.assessment import Assessment, Hook, assess
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import (
    Condition,
    DataGap,
    Dosage,
    DoseAmount,
    GapKind,
    Order,
    Quantity,
    Timing,
)
from cds_service.clinical.rules import recommend
from tests.clinical.builders import (
    BUPRENORPHINE_NALOXONE,
    METHADONE_10,
    OXYCODONE_5,
    TODAY,
    days_ago,
    fills,
    icd,
    named,
    order,
    record,
    rxnorm,
)


def taken(tablets: str, times: int = 1) -> tuple[Dosage, ...]:
    return (
        Dosage(
            timing=Timing(frequency=times, period=Decimal(1), period_unit="d"),
            amounts=(DoseAmount(amount=Quantity(value=Decimal(tablets), unit="{tbl}")),),
        ),
    )


def look(
    knowledge: Knowledge,
    *orders: Order,
    drafts: tuple[Order, ...] = (),
    conditions: tuple[Condition, ...] = (),
    hook: Hook = "order-sign",
    gaps: tuple[DataGap, ...] = (),
) -> Assessment:
    seen = record(orders=orders, drafts=drafts, conditions=conditions, gaps=gaps)
    return assess(seen, knowledge, as_of=TODAY, hook=hook)


# oxycodone 5 mg x 1.5 = 7.5 MME a tablet
@pytest.mark.parametrize(
    ("tablets", "mme", "is_offered"),
    [("6.6", "49.5", False), ("6.6666", "49.9995", False), ("8", "60", True)],
)
def test_naloxone_is_offered_from_fifty_mme_a_day(
    knowledge: Knowledge, tablets: str, mme: str, is_offered: bool
) -> None:
    seen = look(knowledge, drafts=(order(status="draft", dosages=taken(tablets)),))
    assert seen.dose.mme_per_day == Decimal(mme)
    assert seen.needs_naloxone_offer is is_offered


def test_exactly_fifty_mme_a_day_is_high(knowledge: Knowledge) -> None:
    # tramadol 50 mg x 0.2 = 10 MME a tablet, five tablets a day
    tramadol = order(status="draft", drug=rxnorm("835603"), dosages=taken("1", 5))
    seen = look(knowledge, drafts=(tramadol,))
    assert seen.dose.mme_per_day == Decimal(50)
    assert seen.needs_naloxone_offer


def test_the_dose_of_the_day_counts_orders_that_cover_the_day_only(knowledge: Knowledge) -> None:
    over = order("MedicationRequest/over", start=days_ago(30), days=30, dosages=taken("1"))
    now = order("MedicationRequest/now", start=days_ago(29), days=30, dosages=taken("1"))
    assert [line.reference for line in look(knowledge, over, now).dose.lines] == [now.reference]
    assert look(knowledge, over).opioid_ingredients == ("oxycodone",)  # current, though not today


def test_the_dose_is_that_of_the_day_of_the_call(knowledge: Knowledge) -> None:
    assert look(knowledge).dose.as_of == TODAY
    assert look(knowledge).dose.edition == knowledge.mme_edition


def test_the_pain_of_the_record_is_in_the_assessment(knowledge: Knowledge) -> None:
    assert look(knowledge, conditions=(icd("M54.50"),)).physical_pain.domains == ("back_neck_pain",)


@pytest.mark.parametrize(
    ("recorded", "domains"),
    [
        (date(2025, 11, 22), ("back_neck_pain",)),
        (date(2025, 11, 21), ()),
    ],
)
def test_pain_coded_at_an_encounter_without_status_is_named_for_twelve_months(
    knowledge: Knowledge, recorded: date, domains: tuple[str, ...]
) -> None:
    once = icd(
        "M54.50",
        clinical_status=None,
        categories=frozenset({"encounter-diagnosis"}),
        recorded=recorded,
    )
    assert look(knowledge, conditions=(once,)).physical_pain.domains == domains


def test_a_draft_marked_continuous_makes_the_therapy_possibly_long_term(
    knowledge: Knowledge,
) -> None:
    draft = order(status="draft", is_continuous_therapy=True)
    assert look(knowledge, drafts=(draft,)).exposure.possibly_long_term == ("continuous-therapy",)


def test_every_draft_is_listed_and_only_opioids_for_pain_are_opioid_drafts(
    knowledge: Knowledge,
) -> None:
    drafts = (
        order("a", status="draft"),
        order("b", status="draft", drug=named("ibuprofen")),
        order("c", status="draft", drug=rxnorm(BUPRENORPHINE_NALOXONE)),
    )
    seen = look(knowledge, drafts=drafts)
    assert [(d.order.reference, d.why_not) for d in seen.drafts] == [
        ("a", None),
        ("b", "not an opioid"),
        ("c", "treatment of opioid use disorder"),
    ]
    assert [d.order.reference for d in seen.opioid_drafts] == ["a"]


def test_only_drafts_that_cross_are_crossing(knowledge: Knowledge) -> None:
    drafts = (order("a", status="draft", days=90), order("b", status="draft", days=91))
    assert [d.order.reference for d in look(knowledge, drafts=drafts).crossing_drafts] == ["b"]


def test_the_supply_of_a_draft_may_come_from_its_tablets(knowledge: Knowledge) -> None:
    # 182 tablets of oxycodone 5 mg, 10 mg a day: two tablets a day, 91 days
    milligrams = (
        Dosage(
            timing=Timing(frequency=1, period=Decimal(1), period_unit="d"),
            amounts=(DoseAmount(amount=Quantity(value=Decimal(10), unit="mg")),),
        ),
    )
    draft = order(
        status="draft", dosages=milligrams, quantity=Quantity(value=Decimal(182), unit="{tbl}")
    )
    assert look(knowledge, drafts=(draft,)).drafts[0].supply.days == 91


@pytest.mark.parametrize(
    ("start", "has_moud"),
    [(date(2025, 11, 22), True), (date(2025, 11, 21), False), (None, False)],
)
def test_an_active_order_of_treatment_counts_for_twelve_months(
    knowledge: Knowledge, start: date | None, has_moud: bool
) -> None:
    moud = order(start=start, drug=rxnorm(BUPRENORPHINE_NALOXONE))
    assert look(knowledge, moud).has_moud is has_moud


@pytest.mark.parametrize(("conditions", "has_moud"), [((icd("F11.20"),), True), ((), False)])
def test_methadone_tablets_are_treatment_where_the_disorder_is_recorded(
    knowledge: Knowledge, conditions: tuple[Condition, ...], has_moud: bool
) -> None:
    methadone = order(start=days_ago(5), days=30, drug=rxnorm(METHADONE_10))
    assert look(knowledge, methadone, conditions=conditions).has_moud is has_moud
    drafted = look(knowledge, drafts=(replace(methadone, status="draft"),), conditions=conditions)
    assert drafted.has_moud is has_moud


def test_methadone_taken_for_the_disorder_is_no_exposure(knowledge: Knowledge) -> None:
    methadone = order(start=days_ago(119), days=120, drug=rxnorm(METHADONE_10))
    assert look(knowledge, methadone).exposure.is_long_term
    seen = look(knowledge, methadone, conditions=(icd("F11.20"),))
    assert seen.exposure.current_run is None


def test_another_drug_ordered_with_the_opioid_is_no_naloxone(knowledge: Knowledge) -> None:
    drafts = (
        order("a", status="draft", dosages=taken("8")),
        order("b", status="draft", drug=named("ibuprofen")),
        replace(order("c", status="draft"), drug=None),
    )
    assert look(knowledge, drafts=drafts).needs_naloxone_offer


def test_an_order_of_the_past_beside_the_draft_of_today_is_kept(knowledge: Knowledge) -> None:
    past = fills(count=4, days=30)
    starts_today = order("MedicationRequest/new", start=TODAY, days=30)
    drafts = (replace(starts_today, status="draft"),)
    seen = look(knowledge, *past, starts_today, drafts=drafts)
    assert len(seen.exposure.readings) == 4
    other_of_today = order("MedicationRequest/other", start=TODAY, days=30)
    assert len(look(knowledge, *past, other_of_today, drafts=drafts).exposure.readings) == 5


def test_a_gap_of_another_kind_in_a_draft_is_no_unread_order(knowledge: Knowledge) -> None:
    gap = DataGap(kind=GapKind.ELEMENT_UNREADABLE, where="draft", reason="left out", is_draft=True)
    unknown = replace(order("MedicationRequest/d", status="draft"), drug=None)
    seen = look(
        knowledge,
        *fills(count=4, days=30),
        drafts=(unknown,),
        conditions=(icd("Z63.4"),),
        gaps=(gap,),
    )
    assert recommend(seen) == ()


NOT_GIVEN: list[dict[str, object]] = [
    {"is_do_not_perform": True},
    {"intent": "proposal"},
    {"intent": "plan"},
    {"is_inpatient": True},
    {"status": "cancelled"},
    {"status": "draft"},
]
NOT_ORDERED: list[dict[str, object]] = [
    {"is_do_not_perform": True},
    {"is_inpatient": True},
    {"status": "cancelled"},
    {"status": "entered-in-error"},
]


@pytest.mark.parametrize("changes", NOT_GIVEN)
def test_what_was_never_given_is_no_treatment_no_naloxone_and_no_benzodiazepine(
    knowledge: Knowledge, changes: dict[str, object]
) -> None:
    def once(reference: str, drug: str) -> Order:
        given = order(reference, start=days_ago(5), days=30, drug=rxnorm(drug))
        return replace(given, **changes)  # type: ignore[arg-type]

    moud, naloxone, lorazepam = (
        once("m", BUPRENORPHINE_NALOXONE),
        once("n", "1725059"),
        once("b", "197901"),
    )
    high = (order("d", status="draft", dosages=taken("8")),)
    seen = look(knowledge, moud, naloxone, lorazepam, drafts=high)
    assert (seen.has_moud, seen.has_benzodiazepine, seen.needs_naloxone_offer) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize("changes", NOT_ORDERED)
def test_what_is_not_being_ordered_is_no_treatment_no_naloxone_and_no_benzodiazepine(
    knowledge: Knowledge, changes: dict[str, object]
) -> None:
    drafts = tuple(
        replace(order(code, drug=rxnorm(code), status="draft"), **changes)  # type: ignore[arg-type]
        for code in (BUPRENORPHINE_NALOXONE, "1725059", "197901")
    )
    high = order("d", status="draft", dosages=taken("8"))
    seen = look(knowledge, drafts=(*drafts, high))
    assert (seen.has_moud, seen.has_benzodiazepine, seen.needs_naloxone_offer) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize(("ended", "has_moud"), [(30, True), (31, False)])
def test_treatment_with_a_known_supply_goes_on_for_the_gap_of_a_run(
    knowledge: Knowledge, ended: int, has_moud: bool
) -> None:
    # 7 days that ended so many days ago: they began ended + 6 days ago
    moud = order(start=days_ago(ended + 6), days=7, drug=rxnorm(BUPRENORPHINE_NALOXONE))
    assert look(knowledge, moud).has_moud is has_moud


def test_naloxone_that_stands_beside_what_is_chosen_is_on_its_way(knowledge: Knowledge) -> None:
    high = (order("d", status="draft", dosages=taken("8")),)
    naloxone = order("n", status="draft", drug=rxnorm("1725059"))
    for beside, is_offered in (
        ((naloxone,), False),
        ((replace(naloxone, status="cancelled"),), True),
    ):
        seen = assess(
            record(drafts=high, drafts_beside=beside), knowledge, as_of=TODAY, hook="order-select"
        )
        assert seen.needs_naloxone_offer is is_offered


def test_what_stands_beside_a_draft_is_neither_opioid_nor_benzodiazepine_being_ordered(
    knowledge: Knowledge,
) -> None:
    beside = (order("o", status="draft"), order("b", status="draft", drug=rxnorm("197901")))
    seen = assess(record(drafts_beside=beside), knowledge, as_of=TODAY, hook="order-select")
    assert (seen.opioid_drafts, seen.has_benzodiazepine, seen.dose.lines) == ((), False, ())


def test_a_supply_of_thousands_of_years_is_assessed_like_any_other(knowledge: Knowledge) -> None:
    years = Quantity(value=Decimal(90), unit="a")
    orders = tuple(
        order(name, start=days_ago(10), refills=99, drug=drug, expected_supply=years)
        for name, drug in (
            ("a", rxnorm(BUPRENORPHINE_NALOXONE)),
            ("b", rxnorm(METHADONE_10)),
            ("c", rxnorm(OXYCODONE_5)),
            ("d", named("lorazepam")),
            ("e", named("naloxone")),
        )
    )
    seen = look(knowledge, *orders)
    assert (seen.has_moud, seen.has_benzodiazepine) == (True, True)
    assert seen.exposure.current_run is not None
    assert seen.exposure.current_run.span_days == 11


@pytest.mark.parametrize(("conditions", "gaps"), [((icd("F11.20"),), 1), ((), 2)])
@pytest.mark.parametrize("kind", [GapKind.START_UNKNOWN, GapKind.ORDER_UNREADABLE])
def test_what_is_missing_from_methadone_is_no_gap_where_it_treats_the_disorder(
    knowledge: Knowledge, kind: GapKind, conditions: tuple[Condition, ...], gaps: int
) -> None:
    other = DataGap(kind=kind, where="x", reason="not said")
    methadone = replace(other, where="m", may_be_treatment=True)
    seen = look(knowledge, conditions=conditions, gaps=(methadone, other))
    assert len(seen.record.gaps) == gaps


ORDER_GAP = DataGap(kind=GapKind.DRUG_UNRESOLVED, where="o", reason="unresolved")


def test_a_dose_beside_an_order_that_could_not_be_read_is_a_lower_bound(
    knowledge: Knowledge,
) -> None:
    drafts = (order("d", status="draft", dosages=taken("1")),)
    assert look(knowledge, drafts=drafts).dose.is_complete
    seen = look(knowledge, drafts=drafts, gaps=(ORDER_GAP,))
    assert (seen.dose.mme_per_day, seen.dose.is_complete) == (Decimal("7.5"), False)


def test_what_a_label_hides_counts_and_is_not_named(knowledge: Knowledge) -> None:
    hidden = replace(
        order("m", start=days_ago(5), days=30, drug=rxnorm("892582")), is_labelled=True
    )
    lorazepam = replace(
        order("b", start=days_ago(5), days=30, drug=rxnorm("197901")), is_labelled=True
    )
    pain = icd("M54.50", is_labelled=True)
    seen = look(knowledge, *fills(count=1, days=30), hidden, lorazepam, conditions=(pain,))
    assert seen.opioid_ingredients == ("oxycodone",)
    assert len(seen.opioid_orders) == 2
    assert not seen.has_benzodiazepine
    assert seen.physical_pain.domains == ()


def test_a_labelled_safety_concern_counts_and_is_not_named(knowledge: Knowledge) -> None:
    excluded = look(knowledge, conditions=(icd("R45.851", is_labelled=True),)).exclusions
    assert (excluded.has_safety_concern, excluded.may_name_safety_concern) == (True, False)
    excluded = look(knowledge, conditions=(icd("R45.851"),)).exclusions
    assert (excluded.has_safety_concern, excluded.may_name_safety_concern) == (True, True)


def test_an_uncertain_code_for_long_term_use_is_no_sign(knowledge: Knowledge) -> None:
    unsure = icd("Z79.891", verification_status="unconfirmed")
    assert look(knowledge, conditions=(unsure,)).exposure.possibly_long_term == ()


def test_the_opioids_of_today_know_their_product(knowledge: Knowledge) -> None:
    seen = look(knowledge, drafts=(order(status="draft"),))
    (draft,) = seen.opioid_orders
    assert draft.drug is not None
    assert draft.drug.product == knowledge.products[OXYCODONE_5]
