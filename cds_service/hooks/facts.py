"""What a card may ask of an assessment: conditions by name (`when`) and values by name (`{{ }}`).

Nothing is decided here that `clinical` has not decided; a value that is not known is None, and the
sentence that needs it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.criteria import Evidence
from cds_service.clinical.record import GapKind
from cds_service.clinical.rules import is_long_term, is_possibly_long_term
from cds_service.hooks.catalogue import stamp_of
from cds_service.hooks.phrases import UNNAMED_SENSITIVITIES, Phrases
from cds_service.hooks.wording import Value

Condition = Callable[[Assessment], bool]

_GAP_OF_LIST: Mapping[str, GapKind] = {
    "MedicationRequest": GapKind.ORDERS_INCOMPLETE,
    "Condition": GapKind.CONDITIONS_INCOMPLETE,
    "Patient": GapKind.PATIENT_UNREADABLE,
}
"""The gap that says the same as the missing list, so that the card says it once."""


def _has_high_dose(assessment: Assessment) -> bool:
    dose = assessment.dose.mme_per_day
    return (
        dose is not None and dose >= assessment.knowledge.thresholds.high_dose_at_least_mme_per_day
    )


def _may_speak_of_taper(assessment: Assessment) -> bool:
    """Where safety is in doubt, or another treatment comes first, no card speaks of tapering.

    Source: clinical.md section 5, "Redirect" and "Safety".
    """
    excluded = assessment.exclusions
    is_redirect = excluded.may_name_opioid_use_disorder and not assessment.has_moud
    return not excluded.has_safety_concern and not is_redirect


CONDITIONS: Mapping[str, Condition] = {
    "is_long_term": is_long_term,
    "is_only_possibly_long_term": lambda a: is_possibly_long_term(a) and not is_long_term(a),
    "may_speak_of_taper": _may_speak_of_taper,
    "has_safety_concern": lambda a: a.exclusions.may_name_safety_concern,
    "has_benzodiazepine": lambda a: a.has_benzodiazepine,
    "has_high_dose": _has_high_dose,
    "needs_naloxone_offer": lambda a: a.needs_naloxone_offer,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A value that texts may use; `of` gives None when it is not known.

    `widest` is a value of the greatest length, for values short enough to stand in a summary.
    """

    of: Callable[[Assessment, Phrases], Value | None]
    widest: Value | None = None
    is_always_known: bool = False


def _run_days(assessment: Assessment, _: Phrases) -> Value | None:
    run = assessment.exposure.current_run
    return None if run is None else run.span_days


def _run_since(assessment: Assessment, _: Phrases) -> Value | None:
    run = assessment.exposure.current_run
    return None if run is None else run.first.isoformat()


def _projected_days(assessment: Assessment, _: Phrases) -> Value | None:
    """Return the days from the first of the run to the end of the longest crossing draft."""
    run = assessment.exposure.current_run
    days = [
        draft.supply.days + ((draft.start - run.first).days if run is not None else 0)
        for draft in assessment.crossing_drafts
        if draft.supply.days is not None and draft.start is not None
    ]
    return max(days, default=None)


def _possibly_long_term(assessment: Assessment, phrases: Phrases) -> Value | None:
    reasons = assessment.exposure.possibly_long_term
    return "; ".join(phrases.possibly_long_term[reason] for reason in reasons) or None


def _ingredients(assessment: Assessment, _: Phrases) -> Value | None:
    known = assessment.knowledge.ingredients
    return ", ".join(known[name].phrase for name in assessment.opioid_ingredients) or None


def _dose(assessment: Assessment, phrases: Phrases) -> Value | None:
    """Return the daily dose in words: complete, at least, or not computable; None without opioid.

    Rounded down to a tenth, so that "at least" stays true. Never zero.
    """
    dose = assessment.dose
    if not dose.lines:
        return None
    if not dose.mme_per_day:
        return phrases.dose_not_computable.filled({})
    values: dict[str, Value] = {"mme": _tenths(dose.mme_per_day), "edition": dose.edition}
    text = phrases.dose_complete if dose.is_complete else phrases.dose_lower_bound
    return text.filled(values)


def _tenths(number: Decimal) -> str:
    """Return a positive number rounded down to one decimal place, without idle zeros.

    >>> _tenths(Decimal("94.00")), _tenths(Decimal("40.59"))
    ('94', '40.5')
    """
    text = f"{(number * 10).to_integral_value(ROUND_FLOOR) / 10:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _recorded(assessment: Assessment, phrases: Phrases) -> Value | None:
    """Return the recorded categories, latest year first; sensitive ones in one fixed phrase."""
    counted = [
        item
        for item in assessment.social_pain.evidence
        if item.counts and item.strength != "context"
    ]
    named = list(_named(counted, phrases))
    if any(item.sensitivity in UNNAMED_SENSITIVITIES for item in counted):
        named.append(phrases.sensitive)
    return "; ".join(named) or None


def _named(evidence: Iterable[Evidence], phrases: Phrases) -> Iterator[str]:
    latest: dict[str, int] = {}
    for item in evidence:
        if item.sensitivity not in UNNAMED_SENSITIVITIES:
            latest[item.domain] = max(latest.get(item.domain, 0), item.year or 0)
    for domain, year in sorted(latest.items(), key=lambda entry: (-entry[1], entry[0])):
        yield f"{phrases.domains[domain]} ({year})" if year else phrases.domains[domain]


def _pain_named(assessment: Assessment, phrases: Phrases) -> Value | None:
    domains = assessment.physical_pain.domains
    return ", ".join(phrases.pain[domain] for domain in domains if domain in phrases.pain) or None


def _unknown(assessment: Assessment, phrases: Phrases) -> Value:
    """Return what was estimated, could not be read or was not to be had; always something."""
    unknown: list[str] = []
    if assessment.exposure.estimated_orders:
        unknown.append(phrases.estimated.of(assessment.exposure.estimated_orders))
    if assessment.exposure.imprecise_starts:
        unknown.append(phrases.imprecise_start.of(assessment.exposure.imprecise_starts))
    if assessment.dose.uncounted:
        unknown.append(phrases.unconverted.of(len(assessment.dose.uncounted)))
    if any(renewed.is_form_assumed for renewed in assessment.dose.renewed):
        unknown.append(phrases.renewal_assumed)
    gaps = assessment.record.gaps
    kinds = Counter(gap.kind for gap in gaps) if gaps else {}
    for kind in GapKind if kinds else ():
        if kind in kinds:
            unknown.append(phrases.gaps[kind].of(kinds[kind]))
    read = assessment.record.lists_read
    unread = [
        name
        for list_of, name in phrases.lists.items()
        if list_of not in read and _GAP_OF_LIST.get(list_of) not in kinds
    ]
    if unread:
        unknown.append(phrases.lists_unknown.filled({"names": ", ".join(unread)}))
    return "; ".join(unknown) or phrases.nothing_unknown


FACTS: Mapping[str, Fact] = {
    "run_days": Fact(of=_run_days, widest=99_999),
    "run_since": Fact(of=_run_since),
    "projected_days": Fact(of=_projected_days, widest=99_999),
    "possibly_long_term": Fact(of=_possibly_long_term),
    "ingredients": Fact(of=_ingredients),
    "dose": Fact(of=_dose),
    "recorded": Fact(of=_recorded),
    "pain_named": Fact(of=_pain_named),
    "unknown": Fact(of=_unknown, is_always_known=True),
    "knowledge_version": Fact(of=lambda a, _: stamp_of(a.knowledge), is_always_known=True),
    "long_term_days": Fact(
        of=lambda a, _: a.knowledge.thresholds.long_term_more_than_days,
        widest=999,
        is_always_known=True,
    ),
    "high_dose": Fact(
        of=lambda a, _: _tenths(a.knowledge.thresholds.high_dose_at_least_mme_per_day),
        is_always_known=True,
    ),
    "naloxone_months": Fact(
        of=lambda a, _: a.knowledge.thresholds.naloxone_within_months, is_always_known=True
    ),
    "screening_months": Fact(
        of=lambda a, _: a.knowledge.thresholds.screening_at_most_months,
        widest=999,
        is_always_known=True,
    ),
}
