"""When a record counts as evidence: status, certainty, age of a Condition or an Observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds_service.clinical.calendar import months_before
from cds_service.clinical.knowledge import ValueRule
from cds_service.clinical.record import Answer, Condition, Observation

ANSWERED = frozenset({"final", "amended", "corrected"})
_OVER = frozenset({"inactive", "remission", "resolved"})
_DENIED = frozenset({"refuted", "entered-in-error", "differential"})
_UNCERTAIN = frozenset({"unconfirmed", "provisional"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Whether a Condition stands on the day of the call; if not, `why_not` says why.

    `is_uncertain`: unconfirmed or provisional, so it counts one level lower.
    """

    counts: bool
    why_not: str | None = None
    is_uncertain: bool = False


_STANDS = Standing(counts=True)
_STANDS_UNCERTAIN = Standing(counts=True, is_uncertain=True)


def standing(
    condition: Condition, *, as_of: date, is_state: bool, state_at_most_months: int
) -> Standing:
    """Say whether a Condition stands on the day `as_of`.

    `is_state`: the concept names a state that passes, so without a clinical status an encounter
    diagnosis counts for `state_at_most_months` (inclusive) only.

    Source: clinical.md section 4, "clinicalStatus" and "verificationStatus".
    """
    denied = _denied(condition)
    if denied is not None:
        return Standing(counts=False, why_not=denied)
    stands = _STANDS_UNCERTAIN if condition.verification_status in _UNCERTAIN else _STANDS
    if condition.clinical_status in _OVER:
        return Standing(counts=False, why_not=f"clinical status is {condition.clinical_status}")
    if condition.clinical_status in ("recurrence", "relapse"):
        return stands
    if condition.has_abatement and (condition.abatement is None or condition.abatement <= as_of):
        return Standing(counts=False, why_not="abated")
    if condition.clinical_status != "active" and is_state and is_encounter_diagnosis(condition):
        noted = condition.recorded or condition.onset
        if noted is None or noted < months_before(as_of, state_at_most_months):
            return Standing(
                counts=False, why_not="encounter diagnosis without status, old or undated"
            )
    return stands


def is_encounter_diagnosis(condition: Condition) -> bool:
    """Say whether the Condition was coded at an encounter and is on no problem list."""
    return (
        "encounter-diagnosis" in condition.categories
        and "problem-list-item" not in condition.categories
    )


def is_unfavourable(answer: Answer, rule: ValueRule) -> bool | None:
    """Say whether an answer meets the rule of its item; None when it cannot be told.

    A number outside the instrument's range is no answer, and neither is a code of another system
    than the item's: it is not read as "no". All bounds are inclusive.

    Source: clinical.md section 4, "Screening Observations".
    """
    listed = rule.answers or rule.except_answers
    systems = {code.system for code in listed}
    if any(code.system in systems for code in answer.answers):
        return listed.isdisjoint(answer.answers) is bool(rule.except_answers)
    number = answer.number
    if number is None or (rule.at_least is None and rule.at_most is None):
        return None
    if (rule.lowest is not None and number < rule.lowest) or (
        rule.highest is not None and number > rule.highest
    ):
        return None
    if rule.at_least is not None:
        return number >= rule.at_least
    return rule.at_most is not None and number <= rule.at_most


def observation_age(
    observation: Observation, *, as_of: date, at_most_months: int
) -> Literal["recent", "old", "future", "undated"]:
    """Place an Observation in time; `recent` is within `at_most_months`, both ends included."""
    if observation.effective is None:
        return "undated"
    if not has_come(observation.effective, observation.effective_from, as_of=as_of):
        return "future"
    if observation.effective < months_before(as_of, at_most_months):
        return "old"
    return "recent"


def latest_day(observation: Observation, *, is_unfavourable: bool) -> date:
    """Return the day by which an answer is newer than another; undated is the oldest of all.

    An unfavourable answer known to the month or year only is placed at its end, a favourable one
    at its beginning: it must not hide what may have come after it.

    Source: clinical.md section 4, "newest answer within 12 months".
    """
    latest = observation.effective or date.min
    return latest if is_unfavourable else observation.effective_from or latest


def has_come(latest: date, earliest: date | None, *, as_of: date) -> bool:
    """Say whether a day has come; one known to the month or year only, once it may have."""
    return (latest if earliest is None else earliest) <= as_of


def _denied(condition: Condition) -> str | None:
    if condition.verification_status in _DENIED:
        return f"verification status is {condition.verification_status}"
    if "protective-factor" in condition.categories:
        return "recorded as a protective factor"
    return None
