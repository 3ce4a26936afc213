"""What suppresses, softens, redirects or adds safety to the advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from cds_service.clinical.calendar import age_years, months_before
from cds_service.clinical.evidence import (
    ANSWERED,
    Standing,
    has_come,
    is_encounter_diagnosis,
    is_unfavourable,
    latest_day,
    observation_age,
    standing,
)
from cds_service.clinical.knowledge import (
    ExclusionAction,
    ExclusionConcept,
    Knowledge,
    Thresholds,
)
from cds_service.clinical.record import (
    CareEvent,
    Condition,
    Observation,
    PatientRecord,
)
from cds_service.clinical.terminology import Coding, icd_10_cm_ancestors

_NEVER_HAPPENED = frozenset({"not-done", "entered-in-error", "cancelled", "revoked", "draft"})
_GOES_ON = frozenset({"active", "in-progress", "on-hold", "arrived", "onleave"})
_LOWER: dict[ExclusionAction, ExclusionAction] = {
    "suppress": "soften",
    "soften": "do_not_exclude",
    "redirect": "do_not_exclude",
    "safety": "safety",
    "do_not_exclude": "do_not_exclude",
}
_CAUTION: dict[ExclusionAction, int] = {
    "suppress": 0,
    "redirect": 1,
    "safety": 2,
    "soften": 3,
    "do_not_exclude": 4,
}
"""Of several rows for one record the one with the lowest number decides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExclusionFinding:
    """One record that meets a row of the exclusion table, and whether it has its effect.

    `action` is the effective one: an uncertain record acts one level lower (suppress becomes
    soften), except safety.
    """

    reference: str
    category: str
    action: ExclusionAction
    counts: bool
    why_not: str | None = None
    is_labelled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusions:
    """What changes the advice.

    `suppressed_by` is a category of the table, "age" or "deceased"; None: nothing suppresses.
    `may_name_...`: it stands on a record that no security label keeps unnamed.
    """

    findings: tuple[ExclusionFinding, ...]
    suppressed_by: str | None
    has_opioid_use_disorder: bool
    may_name_opioid_use_disorder: bool
    has_safety_concern: bool
    may_name_safety_concern: bool
    is_softened: bool


def exclusions(record: PatientRecord, knowledge: Knowledge, *, as_of: date) -> Exclusions:
    """Return what the record says against, or about the manner of, the advice.

    Source: clinical.md section 5.
    """
    findings = (
        *_condition_findings(record.conditions, knowledge, as_of),
        *_observation_findings(record.observations, knowledge, as_of),
        *_event_findings(record.care_events, knowledge, as_of),
    )
    counted = [finding for finding in findings if finding.counts]
    actions = {finding.action for finding in counted}
    may_name = {finding.action for finding in counted if not finding.is_labelled}
    suppressing = [f.category for f in counted if f.action == "suppress"]
    return Exclusions(
        findings=findings,
        suppressed_by=_suppressed_by(record, suppressing, knowledge.thresholds, as_of),
        has_opioid_use_disorder="redirect" in actions,
        may_name_opioid_use_disorder="redirect" in may_name,
        has_safety_concern="safety" in actions,
        may_name_safety_concern="safety" in may_name,
        is_softened="soften" in actions,
    )


def _suppressed_by(
    record: PatientRecord, suppressing: Sequence[str], thresholds: Thresholds, as_of: date
) -> str | None:
    if record.is_deceased:
        return "deceased"
    if (
        record.birth_date is not None
        and age_years(record.birth_date, as_of) < thresholds.adult_age_years
    ):
        return "age"
    return suppressing[0] if suppressing else None


def _condition_findings(
    conditions: Iterable[Condition], knowledge: Knowledge, as_of: date
) -> Iterable[ExclusionFinding]:
    matched = [
        (condition, row)
        for condition in conditions
        if (row := _row(condition.codings, "Condition", knowledge)) is not None
    ]
    often_coded = _categories_of_enough_encounters(matched, knowledge.thresholds, as_of)
    for condition, row in matched:
        stands = standing(
            condition,
            as_of=as_of,
            is_state=row.persistence == "state",
            state_at_most_months=knowledge.thresholds.state_evidence_at_most_months,
        )
        if (
            stands.counts
            and row.needs_problem_list_or_two_encounters
            and is_encounter_diagnosis(condition)
            and row.category not in often_coded
        ):
            stands = Standing(counts=False, why_not="one encounter only, not on the problem list")
        action = _LOWER[row.action] if stands.is_uncertain else row.action
        yield ExclusionFinding(
            reference=condition.reference,
            category=row.category,
            action=action,
            counts=stands.counts and action != "do_not_exclude",
            why_not=stands.why_not or ("does not exclude" if action == "do_not_exclude" else None),
            is_labelled=condition.is_labelled,
        )


def _row(
    codings: Iterable[Coding], resource_type: str, knowledge: Knowledge
) -> ExclusionConcept | None:
    """Return the row that decides for one record.

    Of several codes the more cautious action decides, in the order suppress, redirect, safety,
    soften: codes of two systems cannot be ranked, and a general look-alike ("drug misuse") must
    not undo the disease ("opioid dependence") it stands beside. Within ICD-10-CM a code gives way
    to one that goes on from it: D57.3, the trait, decides beside D57.

    Source: clinical.md section 5, "the last beats a less specific suppress".
    """
    found = [(code, knowledge.exclusions.row_for(code)) for code in codings]
    rows = [
        (code, row) for code, row in found if row is not None and resource_type in row.resources
    ]
    if len(rows) > 1:
        ancestors = frozenset().union(*(icd_10_cm_ancestors(code) for code, _ in rows))
        rows = [(code, row) for code, row in rows if code.code not in ancestors]
    return min([row for _, row in rows], key=lambda row: _CAUTION[row.action], default=None)


def _categories_of_enough_encounters(
    matched: Iterable[tuple[Condition, ExclusionConcept]], thresholds: Thresholds, as_of: date
) -> frozenset[str]:
    """Return the categories that were coded, for certain, at enough different encounters of late.

    A Condition that names no encounter is told apart by its day.
    """
    asking = [
        (condition, row)
        for condition, row in matched
        if row.needs_problem_list_or_two_encounters and is_encounter_diagnosis(condition)
    ]
    oldest = months_before(as_of, thresholds.cancer_encounters_within_months) if asking else as_of
    encounters: dict[str, set[str]] = {}
    for condition, row in asking:
        noted = condition.recorded or condition.onset
        stands = standing(condition, as_of=as_of, is_state=False, state_at_most_months=0)
        if (
            noted is not None
            and oldest <= noted
            and has_come(noted, condition.recorded_from or condition.onset, as_of=as_of)
            and stands.counts
            and not stands.is_uncertain
        ):
            encounter = condition.encounter or noted.isoformat()
            encounters.setdefault(row.category, set()).add(encounter)
    enough = thresholds.cancer_encounters_at_least
    return frozenset(category for category, found in encounters.items() if len(found) >= enough)


def _observation_findings(
    observations: Iterable[Observation], knowledge: Knowledge, as_of: date
) -> Iterable[ExclusionFinding]:
    """Yield findings recorded as Observations: rated items, and findings given as a coded value."""
    newest: dict[Coding, date] = {}
    rated: list[tuple[Observation, ExclusionConcept, bool]] = []
    for observation in observations:
        why_not = _not_usable(observation, knowledge.thresholds, as_of)
        for answer in observation.answers:
            row = _row(answer.answers, "Observation", knowledge)
            if row is not None:
                yield _observed(observation, row, why_not)
            for code in answer.codings:
                item = knowledge.exclusions.row_for(code)
                if item is None or item.value_rule is None or observation.effective is None:
                    continue
                unfavourable = is_unfavourable(answer, item.value_rule)
                if why_not is None and unfavourable is not None:
                    rated.append((observation, item, unfavourable))
                    day = latest_day(observation, is_unfavourable=unfavourable)
                    newest[code] = max(newest.get(code, date.min), day)
    for observation, item, unfavourable in rated:
        if not unfavourable:
            yield _observed(observation, item, "favourable")
        elif observation.effective != newest[item.coding]:
            yield _observed(observation, item, "a newer answer exists")
        else:
            yield _observed(observation, item, None)


def _not_usable(observation: Observation, thresholds: Thresholds, as_of: date) -> str | None:
    if observation.status not in ANSWERED:
        return "not a finished observation"
    age = observation_age(
        observation, as_of=as_of, at_most_months=thresholds.screening_at_most_months
    )
    return None if age == "recent" else f"observation is {age}"


def _event_findings(
    events: Iterable[CareEvent], knowledge: Knowledge, as_of: date
) -> Iterable[ExclusionFinding]:
    """Yield findings from procedures, requests, plans and encounters of the last months.

    An undated event counts, and one that goes on, however long ago it began; one that never took
    place does not.
    """
    for event in events:
        row = _row(event.codings, event.resource_type, knowledge)
        if row is None:
            continue
        oldest = months_before(as_of, knowledge.thresholds.care_event_within_months)
        why_not = None
        if event.status in _NEVER_HAPPENED:
            why_not = f"status is {event.status}"
        elif event.status not in _GOES_ON and event.day is not None and event.day < oldest:
            why_not = "too old"
        yield _finding(event.reference, row, why_not)


def _observed(
    observation: Observation, row: ExclusionConcept, why_not: str | None
) -> ExclusionFinding:
    finding = _finding(observation.reference, row, why_not)
    return replace(finding, is_labelled=observation.is_labelled)


def _finding(reference: str, row: ExclusionConcept, why_not: str | None) -> ExclusionFinding:
    if why_not is None and row.action == "do_not_exclude":
        why_not = "does not exclude"
    return ExclusionFinding(
        reference=reference,
        category=row.category,
        action=row.action,
        counts=why_not is None,
        why_not=why_not,
    )
