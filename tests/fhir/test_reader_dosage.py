"""Dosage instructions in every shape, and which of them can still be believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Dosage, DoseAmount, Quantity, Timing
from tests.fhir.charts import Json, lost_elements, only_order, order, read

TABLETS = {"value": 2, "unit": "tablet"}
TWO_TABLETS = Quantity(value=Decimal(2), unit="tablet")
MILLIGRAMS = {"value": 10, "unit": "mg", "code": "mg", "system": "http://unitsofmeasure.org"}
TEN_MILLIGRAMS = Quantity(value=Decimal(10), unit="mg")
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"


def dosage(knowledge: Knowledge, **members: Any) -> Dosage:
    (found,) = only_order(read(knowledge, order(dosageInstruction=[members]))).dosages
    return found


def timing(knowledge: Knowledge, **repeat: Any) -> Timing:
    found = dosage(knowledge, timing={"repeat": repeat}).timing
    assert found is not None
    return found


class TestTiming:
    def test_every_part_of_a_repeat_is_read(self, knowledge: Knowledge) -> None:
        found = timing(
            knowledge,
            frequency=1,
            frequencyMax=2,
            period=4,
            periodMax=6.5,
            periodUnit="h",
            timeOfDay=["08:00:00", "20:00:00", "08:00:00"],
            dayOfWeek=["mon", "thu"],
        )
        assert found == Timing(
            frequency=1,
            frequency_max=2,
            period=Decimal(4),
            period_max=Decimal("6.5"),
            period_unit="h",
            times_of_day=2,
            days_of_week=2,
        )

    @pytest.mark.parametrize("value", [2, "2", 2.0])
    def test_a_frequency_may_come_as_text_or_with_a_point(
        self, knowledge: Knowledge, value: Any
    ) -> None:
        assert timing(knowledge, frequency=value).frequency == 2

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("frequency", 0),
            ("frequency", 1001),
            ("frequency", 1.5),
            ("frequencyMax", "often"),
            ("period", 0),
            ("period", 1001),
            ("period", -1),
            ("periodMax", 1e308),
            ("periodUnit", "day"),
            ("periodUnit", "D"),
            ("timeOfDay", ["08:00:00", 9]),
            ("timeOfDay", {"at": "08:00:00"}),
            ("timeOfDay", [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(5)]),
            ("dayOfWeek", [str(day) for day in range(8)]),
        ],
    )
    def test_a_part_that_cannot_be_read_makes_the_dosage_unreadable(
        self, knowledge: Knowledge, name: str, value: Any
    ) -> None:
        record = read(knowledge, order(dosageInstruction=[{"timing": {"repeat": {name: value}}}]))
        (found,) = only_order(record).dosages
        assert found == Dosage(timing=Timing(), is_readable=False)
        assert lost_elements(record) == [f"dosageInstruction.timing.repeat.{name}"]

    @pytest.mark.parametrize(
        ("name", "value"), [("frequency", 1000), ("frequency", 1), ("period", 1000)]
    )
    def test_the_largest_and_the_smallest_are_read(
        self, knowledge: Knowledge, name: str, value: int
    ) -> None:
        assert dosage(knowledge, timing={"repeat": {name: value}}).is_readable

    def test_a_single_time_of_day_may_come_without_its_array(self, knowledge: Knowledge) -> None:
        assert timing(knowledge, timeOfDay="08:00:00").times_of_day == 1

    @pytest.mark.parametrize(
        ("code", "read_as"),
        [
            ({"coding": [{"system": GTS, "code": "bid"}], "text": "twice a day"}, "BID"),
            (
                {
                    "coding": [
                        {"system": "urn:oid:1.2.3", "code": "200"},
                        {"system": GTS, "code": "QD"},
                    ]
                },
                "QD",
            ),
            ({"coding": [{"system": "urn:oid:1.2.3", "code": "200"}], "text": "Q6H"}, "Q6H"),
            ({"coding": [{"code": "tid"}]}, "TID"),
            ({"text": " q4h "}, "Q4H"),
            ({"coding": []}, None),
            ("BID", None),
        ],
    )
    def test_a_timing_code_is_the_abbreviation_else_the_words_else_any_code(
        self, knowledge: Knowledge, code: Any, read_as: str | None
    ) -> None:
        found = dosage(knowledge, timing={"code": code}).timing
        assert found == Timing(code=read_as)

    def test_no_timing_is_unknown_and_an_empty_one_too(self, knowledge: Knowledge) -> None:
        assert dosage(knowledge, text="as told").timing is None
        assert dosage(knowledge, timing={}).timing is None

    def test_events_at_set_dates_are_a_timing_without_a_frequency(
        self, knowledge: Knowledge
    ) -> None:
        assert dosage(knowledge, timing={"event": ["2026-03-01"]}).timing == Timing()


class TestAmounts:
    def test_ordered_and_calculated_doses_are_both_kept(self, knowledge: Knowledge) -> None:
        found = dosage(
            knowledge,
            doseAndRate=[
                {"type": {"coding": [{"code": "calculated"}]}, "doseQuantity": MILLIGRAMS},
                {"type": {"coding": [{"code": "ordered"}]}, "doseQuantity": TABLETS},
                {"type": {"text": "guessed"}, "doseQuantity": TABLETS},
            ],
        )
        assert found.amounts == (
            DoseAmount(amount=TEN_MILLIGRAMS, kind="calculated"),
            DoseAmount(amount=TWO_TABLETS, kind="ordered"),
            DoseAmount(amount=TWO_TABLETS),
        )

    def test_the_upper_end_of_a_dose_range_counts(self, knowledge: Knowledge) -> None:
        found = dosage(
            knowledge, doseAndRate=[{"doseRange": {"low": {"value": 1}, "high": TABLETS}}]
        )
        assert found.amounts == (DoseAmount(amount=TWO_TABLETS),)

    def test_a_dose_range_open_above_is_unreadable(self, knowledge: Knowledge) -> None:
        record = read(
            knowledge,
            order(dosageInstruction=[{"doseAndRate": [{"doseRange": {"low": TABLETS}}]}]),
        )
        (found,) = only_order(record).dosages
        assert found == Dosage(amounts=(DoseAmount(amount=None),), is_readable=False)
        assert lost_elements(record) == ["dosageInstruction.doseAndRate.doseRange.high"]

    @pytest.mark.parametrize(
        ("rate", "amount", "per"),
        [
            (
                {"rateRatio": {"numerator": MILLIGRAMS, "denominator": {"value": 1, "unit": "h"}}},
                TEN_MILLIGRAMS,
                Quantity(value=Decimal(1), unit="h"),
            ),
            (
                {"rateQuantity": {"value": 25, "unit": "ug/h"}},
                Quantity(value=Decimal(25), unit="ug/h"),
                None,
            ),
            (
                {"rateRange": {"high": {"value": 50, "unit": "ug/h"}}},
                Quantity(value=Decimal(50), unit="ug/h"),
                None,
            ),
        ],
    )
    def test_rates_are_read_as_their_upper_amount(
        self, knowledge: Knowledge, rate: Json, amount: Quantity, per: Quantity | None
    ) -> None:
        found = dosage(knowledge, doseAndRate=[rate])
        assert found.amounts == (DoseAmount(amount=None, rate=amount, rate_per=per),)

    def test_a_rate_per_no_time_at_all_is_unreadable(self, knowledge: Knowledge) -> None:
        sent = {"rateRatio": {"numerator": MILLIGRAMS, "denominator": {"value": 0, "unit": "h"}}}
        assert not dosage(knowledge, doseAndRate=[sent]).is_readable

    def test_the_dose_of_stu3_is_read_where_it_stands(self, knowledge: Knowledge) -> None:
        assert dosage(knowledge, doseQuantity=TABLETS).amounts == (DoseAmount(amount=TWO_TABLETS),)

    def test_an_entry_without_a_dose_says_nothing(self, knowledge: Knowledge) -> None:
        found = dosage(knowledge, doseAndRate=[{"type": {"coding": [{"code": "ordered"}]}}])
        assert found == Dosage()

    def test_a_dose_and_rate_sent_as_an_object_is_read(self, knowledge: Knowledge) -> None:
        found = dosage(knowledge, doseAndRate={"doseQuantity": TABLETS})
        assert found.amounts == (DoseAmount(amount=TWO_TABLETS),)

    @pytest.mark.parametrize(
        "broken",
        [
            {"doseAndRate": "2 tablets"},
            {"doseAndRate": [{"doseQuantity": TABLETS}, "and more"]},
            {"doseAndRate": [{"doseQuantity": "2 tablets"}]},
            {"doseAndRate": [{"doseQuantity": {"unit": "tablet"}}]},
            {"doseAndRate": [{"doseQuantity": {"value": 1e308}}]},
            {"maxDosePerPeriod": {"numerator": {"value": -1}}},
            {"maxDosePerPeriod": "8 tablets"},
            {"sequence": "first"},
            {"modifierExtension": [{"url": "x"}]},
            {"timing": "BID"},
            {"timing": {"repeat": "twice"}},
            {"timing": {"modifierExtension": [{"url": "x"}]}},
        ],
    )
    def test_a_lost_part_makes_the_dosage_unreadable(
        self, knowledge: Knowledge, broken: Json
    ) -> None:
        record = read(knowledge, order(dosageInstruction=[broken]))
        assert [found.is_readable for found in only_order(record).dosages] == [False]
        assert len(lost_elements(record)) == 1


class TestInstructions:
    def test_maximum_and_sequence_are_read(self, knowledge: Knowledge) -> None:
        found = dosage(
            knowledge,
            sequence=2,
            maxDosePerPeriod={"numerator": TABLETS, "denominator": {"value": 1, "code": "d"}},
        )
        assert found == Dosage(
            sequence=2,
            maximum=TWO_TABLETS,
            maximum_per=Quantity(value=Decimal(1), unit="d"),
        )

    def test_a_lost_part_of_one_instruction_leaves_the_others_readable(
        self, knowledge: Knowledge
    ) -> None:
        found = only_order(
            read(knowledge, order(dosageInstruction=[{"sequence": "x"}, {"sequence": 2}]))
        )
        assert [one.is_readable for one in found.dosages] == [False, True]

    @pytest.mark.parametrize("lost", ["take two", 2, ["x"]])
    def test_an_instruction_that_is_no_object_is_an_unreadable_dosage(
        self, knowledge: Knowledge, lost: Any
    ) -> None:
        record = read(knowledge, order(dosageInstruction=[lost, {"sequence": 1}]))
        assert only_order(record).dosages == (Dosage(sequence=1), Dosage(is_readable=False))
        assert lost_elements(record) == ["dosageInstruction"]

    def test_a_loss_that_repeats_is_said_once(self, knowledge: Knowledge) -> None:
        record = read(knowledge, order(dosageInstruction=[{"sequence": "x"}] * 40))
        assert lost_elements(record) == ["dosageInstruction.sequence"]
