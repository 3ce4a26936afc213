"""On valid resources our reader says what `fhir.resources` says.

Valid MedicationRequests and Conditions are drawn, put through the pydantic models, and the record
is built a second time from the models' typed values. The two builders share no code but the types
of the record.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fhir.resources.R4B.codeableconcept import CodeableConcept
from fhir.resources.R4B.condition import Condition as ConditionModel
from fhir.resources.R4B.dosage import Dosage as DosageModel
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.period import Period
from fhir.resources.R4B.quantity import Quantity as QuantityModel
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import (
    Condition,
    Dosage,
    DoseAmount,
    Drug,
    Order,
    Quantity,
    Timing,
)
from cds_service.clinical.terminology import ICD_10_CM, RXNORM, Coding
from tests.fhir.charts import NEW_YORK, SUBJECT, Json, only_condition, only_order, read

HL7 = "http://terminology.hl7.org/CodeSystem/"

# ---- what is drawn -------------------------------------------------------------------------


def _optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Draw an object that has each member or not."""
    return st.fixed_dictionaries({}, optional=strategies)


_days = st.dates(date(2015, 1, 1), date(2026, 11, 22)).map(date.isoformat)
_times = st.datetimes(datetime(2015, 1, 1), datetime(2026, 11, 22)).map(
    lambda moment: moment.replace(microsecond=0).isoformat()
)
_zones = st.sampled_from(["Z", "-05:00", "+02:00", "+05:30"])
_full_dates = _days | st.tuples(_times, _zones).map("".join)
_dates = _full_dates | _days.map(lambda day: day[:7]) | _days.map(lambda day: day[:4])
_words = st.text("abcdefghij XYZ", min_size=1, max_size=12).map(lambda word: f"a{word.strip()}z")
_numbers = st.decimals("0.001", "500", places=3).map(float)
_quantities = st.builds(
    lambda value, unit: {"value": value, **unit},
    _numbers,
    st.sampled_from(
        [
            {"unit": "tablet"},
            {"unit": "days", "system": "http://unitsofmeasure.org", "code": "d"},
            {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
            {"unit": "tablet", "system": "urn:oid:1.2.3", "code": "5002"},
        ]
    ),
)
_counts = st.integers(1, 12)
_ratios = st.fixed_dictionaries({"numerator": _quantities, "denominator": _quantities})


def _concepts(system: str, codes: list[str]) -> st.SearchStrategy[Json]:
    return st.sampled_from(codes).map(lambda c: {"coding": [{"system": system, "code": c}]})


_periods = st.tuples(_full_dates, st.booleans()).map(
    lambda drawn: {"start": drawn[0]} if drawn[1] else {"start": drawn[0], "end": "2026-12-31"}
)
_bounds = st.sampled_from(["boundsPeriod", "boundsDuration", "boundsRange", None])
_repeats = st.builds(
    lambda repeat, name, period, quantity: {
        **repeat,
        **{
            key: value
            for key, value in {
                "boundsPeriod": period,
                "boundsDuration": quantity,
                "boundsRange": {"low": {"value": 0.5}, "high": quantity},
            }.items()
            if key == name
        },
    },
    _optional(
        frequency=_counts,
        frequencyMax=_counts,
        period=_counts,
        periodMax=_counts,
        periodUnit=st.sampled_from(["h", "d", "wk"]),
        timeOfDay=st.lists(st.sampled_from(["08:00:00", "20:00:00"]), min_size=1, unique=True),
        dayOfWeek=st.lists(st.sampled_from(["mon", "thu"]), min_size=1, unique=True),
    ),
    _bounds,
    _periods,
    _quantities,
)
_rates = st.sampled_from(["rateRatio", "rateRange", "rateQuantity", None])
_doses_and_rates = st.builds(
    lambda kind, dose, rate, quantity, ratio: {
        **kind,
        **({dose: quantity if dose == "doseQuantity" else {"high": quantity}} if dose else {}),
        **(
            {
                rate: {
                    "rateRatio": ratio,
                    "rateRange": {"high": quantity},
                    "rateQuantity": quantity,
                }[rate]
            }
            if rate
            else {}
        ),
    },
    _optional(type=_concepts(f"{HL7}dose-rate-type", ["ordered", "calculated"])),
    st.sampled_from(["doseQuantity", "doseRange", None]),
    _rates,
    _quantities,
    _ratios,
)
_dosages = _optional(
    sequence=_counts,
    text=_words,
    timing=_optional(
        repeat=_repeats,
        code=_concepts(f"{HL7}v3-GTSAbbreviation", ["BID", "QD"])
        | _words.map(lambda w: {"text": w}),
    ),
    doseAndRate=st.lists(_doses_and_rates, min_size=1, max_size=2),
    maxDosePerPeriod=_ratios,
)
_drugs = st.builds(
    lambda code, display, text: {
        "coding": [{"system": RXNORM, "code": code, "display": display}],
        **text,
    },
    st.sampled_from(["1049621", "835603", "197901"]),
    _words,
    _optional(text=_words),
)
valid_orders = st.builds(
    lambda required, more: {
        **required,
        **more,
        "resourceType": "MedicationRequest",
        "id": "o1",
        "subject": SUBJECT,
    },
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["active", "completed", "stopped", "on-hold"]),
            "intent": st.sampled_from(["order", "plan", "filler-order"]),
            "medicationCodeableConcept": _drugs,
            "authoredOn": _dates,
        }
    ),
    _optional(
        doNotPerform=st.booleans(),
        category=st.lists(
            _concepts(f"{HL7}medicationrequest-category", ["inpatient", "community"]), min_size=1
        ),
        courseOfTherapyType=_concepts(
            f"{HL7}medicationrequest-course-of-therapy", ["continuous", "acute"]
        ),
        dosageInstruction=st.lists(_dosages, min_size=1, max_size=1),
        dispenseRequest=_optional(
            validityPeriod=_periods,
            numberOfRepeatsAllowed=st.integers(0, 11),
            quantity=_quantities,
            expectedSupplyDuration=_quantities,
        ),
    ),
)
_abatements = (
    st.fixed_dictionaries({"abatementDateTime": _dates})
    | st.fixed_dictionaries({"abatementPeriod": _periods})
    | st.fixed_dictionaries({"abatementString": _words})
    | st.just({"abatementAge": {"value": 40, "system": "http://unitsofmeasure.org", "code": "a"}})
    | st.just({})
)
_onsets = (
    st.fixed_dictionaries({"onsetDateTime": _dates})
    | st.fixed_dictionaries({"onsetPeriod": _periods})
    | st.fixed_dictionaries({"onsetString": _words})
    | st.just({})
)
valid_conditions = st.builds(
    lambda onset, abatement, more: {
        **onset,
        **abatement,
        **more,
        "resourceType": "Condition",
        "id": "c1",
        "subject": SUBJECT,
    },
    _onsets,
    _abatements,
    st.builds(
        lambda required, more: {**required, **more},
        st.fixed_dictionaries({"code": _concepts(ICD_10_CM, ["F33.1", "Z79.891", "C50.911"])}),
        _optional(
            clinicalStatus=_concepts(f"{HL7}condition-clinical", ["active", "resolved", "relapse"]),
            verificationStatus=_concepts(f"{HL7}condition-ver-status", ["confirmed", "refuted"]),
            category=st.lists(
                _concepts(f"{HL7}condition-category", ["problem-list-item", "encounter-diagnosis"]),
                min_size=1,
            ),
            recordedDate=_dates,
            encounter=st.just({"reference": "Encounter/e1"}),
        ),
    ),
)

# ---- the record from the models ------------------------------------------------------------


def earliest(value: Any) -> date | None:
    """Return the first day a model's date may mean: str for a partial one, datetime, or date."""
    if isinstance(value, str):
        year, _, month = value.partition("-")
        return date(int(year), int(month or 1), 1)
    return _at_site(value)


def latest(value: Any) -> date | None:
    if isinstance(value, str):
        year, _, month = value.partition("-")
        last = int(month or 12)
        return date(int(year), last, calendar.monthrange(int(year), last)[1])
    return _at_site(value)


def _at_site(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.astimezone(NEW_YORK).date()
    return value if isinstance(value, date) else None


def quantity(model: QuantityModel | None) -> Quantity | None:
    if model is None:
        return None
    is_coded = model.system == "http://unitsofmeasure.org"
    return Quantity(value=Decimal(model.value), unit=model.code if is_coded else model.unit)


def start_of(period: Period | None) -> date | None:
    return None if period is None else earliest(period.start)


def codes_of(concepts: list[CodeableConcept] | None) -> list[str]:
    return [coding.code for concept in concepts or () for coding in concept.coding or ()]


def code_of(concept: CodeableConcept | None) -> str | None:
    return None if concept is None else codes_of([concept])[0]


def codings_of(concept: CodeableConcept) -> tuple[Coding, ...]:
    return tuple(Coding(coding.system, coding.code) for coding in concept.coding)


def dosage_of(model: DosageModel) -> Dosage:
    limit = model.maxDosePerPeriod
    return Dosage(
        sequence=model.sequence,
        timing=None if model.timing is None else timing_of(model.timing),
        amounts=tuple(
            DoseAmount(
                amount=quantity(dose.doseQuantity or (dose.doseRange and dose.doseRange.high)),
                kind=code_of(dose.type),
                rate=quantity(
                    dose.rateQuantity
                    or (dose.rateRange and dose.rateRange.high)
                    or (dose.rateRatio and dose.rateRatio.numerator)
                ),
                rate_per=quantity(dose.rateRatio and dose.rateRatio.denominator),
            )
            for dose in model.doseAndRate or ()
            if dose.model_fields_set - {"type"}
        ),
        maximum=quantity(limit and limit.numerator),
        maximum_per=quantity(limit and limit.denominator),
    )


def timing_of(model: Any) -> Timing | None:
    repeat, code = model.repeat, model.code
    if repeat is None and code is None:
        return None
    word = None if code is None else (code.text or code_of(code))
    if repeat is None:
        return Timing(code=word and word.upper())
    return Timing(
        frequency=repeat.frequency,
        frequency_max=repeat.frequencyMax,
        period=repeat.period,
        period_max=repeat.periodMax,
        period_unit=repeat.periodUnit,
        code=word and word.upper(),
        times_of_day=len(repeat.timeOfDay or ()),
        days_of_week=len(repeat.dayOfWeek or ()),
    )


def order_of(model: MedicationRequest) -> Order:
    """Build the order of at most one dosage instruction from a model's values."""
    drug = model.medicationCodeableConcept
    words = [*(coding.display for coding in drug.coding), drug.text]
    (dosage, *_) = [*(model.dosageInstruction or ()), None]
    repeat = dosage and dosage.timing and dosage.timing.repeat
    period = repeat and repeat.boundsPeriod
    dispense = model.dispenseRequest
    validity = dispense and dispense.validityPeriod
    start = (period and period.start) or model.authoredOn
    return Order(
        reference=f"MedicationRequest/{model.id}",
        drug=Drug(
            codings=codings_of(drug),
            words=tuple(dict.fromkeys(word for word in words if word is not None)),
        ),
        status=model.status,
        intent=model.intent,
        is_inpatient={"inpatient"} == set(codes_of(model.category)),
        is_do_not_perform=model.doNotPerform or False,
        authored_on=earliest(model.authoredOn),
        bounds_start=start_of(period),
        bounds_end=latest(period.end) if period else None,
        bounds_duration=quantity(
            repeat and (repeat.boundsDuration or (repeat.boundsRange and repeat.boundsRange.high))
        ),
        validity_start=start_of(validity),
        start_is_imprecise=isinstance(start, str),
        expected_supply=quantity(dispense and dispense.expectedSupplyDuration),
        quantity=quantity(dispense and dispense.quantity),
        repeats_allowed=dispense.numberOfRepeatsAllowed if dispense else None,
        dosages=tuple(dosage_of(one) for one in model.dosageInstruction or ()),
        is_continuous_therapy=code_of(model.courseOfTherapyType) == "continuous",
    )


def condition_of(model: ConditionModel) -> Condition:
    """Build the Condition from a model's values."""
    return Condition(
        reference=f"Condition/{model.id}",
        codings=codings_of(model.code),
        clinical_status=code_of(model.clinicalStatus),
        verification_status=code_of(model.verificationStatus),
        categories=frozenset(codes_of(model.category)),
        onset=earliest(model.onsetDateTime) or start_of(model.onsetPeriod),
        recorded=latest(model.recordedDate),
        recorded_from=earliest(model.recordedDate),
        has_abatement=any(name.startswith("abatement") for name in model.model_fields_set),
        abatement=earliest(model.abatementDateTime) or start_of(model.abatementPeriod),
        encounter=model.encounter and model.encounter.reference,
    )


# ---- equal ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(sent=valid_orders)
def test_a_valid_medication_request_gives_the_record_its_model_gives(
    knowledge: Knowledge, sent: Json
) -> None:
    record = read(knowledge, sent)
    assert record.gaps == ()
    assert only_order(record) == order_of(MedicationRequest.model_validate(sent))


@settings(max_examples=200, deadline=None)
@given(sent=valid_conditions)
def test_a_valid_condition_gives_the_record_its_model_gives(
    knowledge: Knowledge, sent: Json
) -> None:
    record = read(knowledge, sent)
    assert record.gaps == ()
    assert only_condition(record) == condition_of(ConditionModel.model_validate(sent))
