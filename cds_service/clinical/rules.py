"""The rules: one table, one predicate each; the first that applies speaks, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from cds_service.clinical.assessment import Assessment, Hook
from cds_service.clinical.record import CONDITION_GAPS, ORDER_GAPS, DataGap

Indicator = Literal["info", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The one card to show: its rule and how urgent it looks."""

    rule_id: str
    indicator: Indicator


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule: when it applies, on which hooks, and how urgent its card looks there."""

    id: str
    applies: Callable[[Assessment], bool]
    indicators: Mapping[Hook, Indicator]
    source: str


def is_renewal(assessment: Assessment) -> bool:
    """An opioid analgesic is ordered while there is a current run; a refill always renews."""
    return bool(assessment.opioid_drafts) and (
        assessment.hook == "medication-refill" or assessment.exposure.current_run is not None
    )


def has_social_pain(assessment: Assessment) -> bool:
    """Social pain is documented or possible."""
    return assessment.social_pain.status != "not documented"


def is_long_term(assessment: Assessment) -> bool:
    """The current run is long-term by count."""
    return assessment.exposure.is_long_term


def is_possibly_long_term(assessment: Assessment) -> bool:
    """The therapy is long-term by other signs than the count."""
    return bool(assessment.exposure.possibly_long_term)


def renews_long_term_with_social_pain(assessment: Assessment) -> bool:
    """Long-term therapy is renewed and social pain is documented."""
    return (
        is_renewal(assessment)
        and is_long_term(assessment)
        and assessment.social_pain.status == "documented"
    )


def renews_possibly(assessment: Assessment) -> bool:
    """Therapy is renewed, and either its length or the social pain is not certain."""
    return (
        is_renewal(assessment)
        and (is_long_term(assessment) or is_possibly_long_term(assessment))
        and has_social_pain(assessment)
    )


def crosses_ninety_days(assessment: Assessment) -> bool:
    """This order takes the therapy beyond the long-term limit."""
    return bool(assessment.crossing_drafts) and has_social_pain(assessment)


def is_in_long_term_therapy(assessment: Assessment) -> bool:
    """Long-term therapy, certain or possible, is under way and social pain is on record.

    A code for long-term use alone, without an order of today, is no therapy under way.
    """
    is_under_way = bool(assessment.opioid_orders) or (
        "renewal-chain" in assessment.exposure.possibly_long_term
    )
    return (
        is_long_term(assessment) or (is_possibly_long_term(assessment) and is_under_way)
    ) and has_social_pain(assessment)


def was_never_screened(assessment: Assessment) -> bool:
    """Long-term therapy; nothing documented; screening could be read and there is none."""
    return (
        is_long_term(assessment)
        and not has_social_pain(assessment)
        and "Observation" in assessment.record.lists_read
        and not assessment.social_pain.was_screened
    )


def is_redirected(assessment: Assessment) -> bool:
    """Opioid use disorder without its treatment, a full agonist renewed, and a card would show.

    A disorder that a security label keeps unnamed redirects nothing: the card would name it.
    """
    ingredients = assessment.knowledge.ingredients
    if assessment.hook == "patient-view":
        orders = assessment.opioid_orders
    else:
        orders = assessment.opioid_drafts if is_renewal(assessment) else ()
    return (
        assessment.exclusions.may_name_opioid_use_disorder
        and not assessment.has_moud
        and any(
            order.drug is not None and ingredients[order.drug.ingredient].is_full_agonist
            for order in orders
        )
        and any(
            assessment.hook in rule.indicators and rule.applies(assessment)
            for rule in STANDARD_RULES
        )
    )


def might_change_if_complete(assessment: Assessment) -> bool:
    """Something unread stands between the record and a card.

    Either the length of therapy is clear and unread Conditions might hold social pain, or social
    pain is on record and an unread order might be the opioid, or the part of its history, that
    is missing - or both, where no drug could be resolved at all.
    """
    gaps = assessment.record.gaps
    is_treated = (
        assessment.exposure.current_run is not None
        if assessment.hook == "patient-view"
        else bool(assessment.opioid_drafts)
    )
    is_long = is_long_term(assessment) or is_possibly_long_term(assessment)
    hides_history, hides_draft = any(map(_hides_history, gaps)), any(map(_hides_draft, gaps))
    if not has_social_pain(assessment):
        would_matter = (is_treated and is_long) or bool(assessment.crossing_drafts)
        return would_matter and any(gap.kind in CONDITION_GAPS for gap in gaps)
    return (is_treated and not is_long and hides_history) or (
        hides_draft and (is_long or hides_history)
    )


def _hides_history(gap: DataGap) -> bool:
    return gap.kind in ORDER_GAPS and not gap.is_draft


def _hides_draft(gap: DataGap) -> bool:
    return gap.kind in ORDER_GAPS and gap.is_draft


_ORDERING: Mapping[Hook, Indicator] = {
    "order-sign": "info",
    "medication-refill": "info",
    "order-select": "info",
}

STANDARD_RULES: tuple[Rule, ...] = (
    Rule(
        id="long-term-renewal-social-pain",
        applies=renews_long_term_with_social_pain,
        indicators={
            "order-sign": "warning",
            "medication-refill": "warning",
            "order-select": "info",
        },
        source="Sullivan & Ballantyne 2021; clinical.md section 7",
    ),
    Rule(
        id="long-term-renewal-possible",
        applies=renews_possibly,
        indicators=_ORDERING,
        source="Sullivan & Ballantyne 2021; clinical.md section 7",
    ),
    Rule(
        id="crossing-ninety-days",
        applies=crosses_ninety_days,
        indicators={"order-sign": "info", "medication-refill": "info"},
        source="Sullivan & Ballantyne 2021; clinical.md section 7",
    ),
    Rule(
        id="long-term-therapy-review",
        applies=is_in_long_term_therapy,
        indicators={"patient-view": "info"},
        source="Sullivan & Ballantyne 2021; clinical.md section 7",
    ),
)

_REDIRECT = Rule(
    id="opioid-use-disorder-review",
    applies=is_redirected,
    indicators={
        "order-sign": "warning",
        "medication-refill": "warning",
        "order-select": "info",
        "patient-view": "info",
    },
    source="CDC 2022, recommendation 12; clinical.md section 5",
)

_REMINDER = Rule(
    id="social-history-not-recorded",
    applies=was_never_screened,
    indicators={"patient-view": "info"},
    source="Sullivan & Ballantyne 2021; clinical.md section 7",
)

RULES: tuple[Rule, ...] = (
    _REDIRECT,
    *STANDARD_RULES,
    _REMINDER,
    Rule(
        id="record-incomplete",
        applies=might_change_if_complete,
        indicators={**_ORDERING, "patient-view": "info"},
        source="clinical.md section 7",
    ),
)


def recommend(
    assessment: Assessment, *, switched_off: frozenset[str] = frozenset()
) -> tuple[Recommendation, ...]:
    """Return the first rule that applies, or nothing; never more than one.

    A suppressed patient gets nothing. Softening turns a warning into info. `switched_off` are
    the rule ids that a site does not want: where one of them would speak, nothing does; only the
    reminder to screen makes way for what could not be read.

    Source: clinical.md sections 5 and 7.
    """
    if assessment.exclusions.suppressed_by is not None:
        return ()
    applying = (
        rule
        for rule in RULES
        if assessment.hook in rule.indicators
        and not (rule is _REMINDER and rule.id in switched_off)
        and rule.applies(assessment)
    )
    rule = next(applying, None)
    if rule is None or rule.id in switched_off:
        return ()
    if rule is _REDIRECT and next(applying, rule).id in switched_off:
        return ()  # there is no card that it would stand in for
    indicator = rule.indicators[assessment.hook]
    softened = "info" if assessment.exclusions.is_softened else indicator
    return (Recommendation(rule_id=rule.id, indicator=softened),)
