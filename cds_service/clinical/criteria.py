"""Social pain, and the physical pain that coexists with it, from coded evidence only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from cds_service.clinical.evidence import (
    ANSWERED,
    Standing,
    is_unfavourable,
    latest_day,
    observation_age,
    standing,
)
from cds_service.clinical.knowledge import (
    Knowledge,
    Sensitivity,
    SocialPainConcept,
    Strength,
    ValueRule,
)
from cds_service.clinical.record import Answer, Condition, Observation, PatientRecord
from cds_service.clinical.terminology import Coding

SocialPainStatus = Literal["documented", "possible", "not documented"]

_LOWER: dict[Strength, Strength] = {
    "core": "supporting",
    "supporting": "context",
    "context": "context",
}
_RANK: dict[Strength, int] = {"core": 2, "supporting": 1, "context": 0}
_SECRECY: dict[Sensitivity, int] = {
    "SDV": 5,
    "VIO": 4,
    "LEGAL": 3,
    "MH": 2,
    "LIVARG": 1,
    "none": 0,
}

_LABELLED: Sensitivity = "SDV"
"""What a security label makes of any evidence: it is counted and never named."""

LONG_TERM_OPIOID_DOMAIN = "long_term_opioid_use_marker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One Condition or answer that meets a row of the social-pain table.

    `strength` is the effective one: an uncertain record counts one level lower. `sensitivity` is
    the highest among the record's codings. `year` is when it was recorded or began. `counts`
    False: `why_not` (a fixed phrase) says why.
    """

    reference: str
    domain: str
    subdomain: str
    strength: Strength
    sensitivity: Sensitivity
    year: int | None
    status: str | None
    counts: bool
    why_not: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SocialPain:
    """The outcome, its evidence, and whether any screening answer of the last 12 months exists."""

    status: SocialPainStatus
    evidence: tuple[Evidence, ...]
    was_screened: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PhysicalPain:
    """The pain domains named by a standing Condition, each once, alphabetically.

    `has_long_term_opioid_code`: a standing and certain Z79.891. What a security label keeps
    unnamed is left out.
    """

    domains: tuple[str, ...]
    has_long_term_opioid_code: bool


def social_pain(record: PatientRecord, knowledge: Knowledge, *, as_of: date) -> SocialPain:
    """Return what the record documents of social pain on the day `as_of`.

    Source: clinical.md section 4.
    """
    evidence = (
        *_condition_evidence(record.conditions, knowledge, as_of),
        *_answer_evidence(record.observations, knowledge, as_of),
    )
    return SocialPain(
        status=_status(evidence, knowledge.thresholds.supporting_domains_at_least),
        evidence=evidence,
        was_screened=any(
            _is_readable_screen(observation, knowledge, as_of)
            for observation in record.observations
        ),
    )


def physical_pain(record: PatientRecord, knowledge: Knowledge, *, as_of: date) -> PhysicalPain:
    """Return the pain domains of the standing Conditions."""
    months = knowledge.thresholds.state_evidence_at_most_months
    domains = {
        row.domain
        for condition in record.conditions
        if not condition.is_labelled
        for row in map(knowledge.physical_pain.row_for, condition.codings)
        if row is not None
        for stands in (
            standing(condition, as_of=as_of, is_state=True, state_at_most_months=months),
        )
        if stands.counts and not (stands.is_uncertain and row.domain == LONG_TERM_OPIOID_DOMAIN)
    }
    return PhysicalPain(
        domains=tuple(sorted(domains - {LONG_TERM_OPIOID_DOMAIN})),
        has_long_term_opioid_code=LONG_TERM_OPIOID_DOMAIN in domains,
    )


def _status(evidence: Iterable[Evidence], supporting_domains_at_least: int) -> SocialPainStatus:
    domains: set[str] = set()
    for item in evidence:
        if item.counts and item.strength == "core":
            return "documented"
        if item.counts and item.strength == "supporting":
            domains.add(item.domain)
    if len(domains) >= supporting_domains_at_least:
        return "documented"
    return "possible" if domains else "not documented"


def _condition_evidence(
    conditions: Iterable[Condition], knowledge: Knowledge, as_of: date
) -> Iterable[Evidence]:
    """Yield one piece of evidence per Condition, by the strongest of its codings that stands."""
    for condition in conditions:
        rows = _rows(condition.codings, knowledge)
        if not rows:
            continue
        judged = [(row, _standing(condition, row, knowledge, as_of)) for row in rows]
        strongest, stands = judged[0] if len(judged) == 1 else min(judged, key=_strongest_first)
        noted = condition.onset or condition.recorded
        yield Evidence(
            reference=condition.reference,
            domain=strongest.domain,
            subdomain=strongest.subdomain,
            strength=_LOWER[strongest.strength] if stands.is_uncertain else strongest.strength,
            sensitivity=_LABELLED
            if condition.is_labelled
            else max([row.sensitivity for row in rows], key=_SECRECY.__getitem__),
            year=None if noted is None or noted > as_of else noted.year,
            status=condition.clinical_status,
            counts=stands.counts,
            why_not=stands.why_not,
        )


def _standing(
    condition: Condition, row: SocialPainConcept, knowledge: Knowledge, as_of: date
) -> Standing:
    return standing(
        condition,
        as_of=as_of,
        is_state=row.persistence == "state",
        state_at_most_months=knowledge.thresholds.state_evidence_at_most_months,
    )


def _strongest_first(judged: tuple[SocialPainConcept, Standing]) -> tuple[object, ...]:
    """Sort what stands before what does not, then by strength; the sequence of codes is nothing."""
    row, stands = judged
    return (not stands.counts, -_RANK[row.strength], row.domain, row.subdomain)


def _rows(codings: Iterable[Coding], knowledge: Knowledge) -> list[SocialPainConcept]:
    return [row for row in map(knowledge.social_pain.row_for, codings) if row is not None]


def _answer_evidence(
    observations: Iterable[Observation], knowledge: Knowledge, as_of: date
) -> Iterable[Evidence]:
    """Yield every answer to a rated item; only the newest readable one of an item can count.

    Of two answers on one day the unfavourable one is taken, and so it is where a favourable one,
    known to the month or year only, may be older.
    """
    items = [
        (row.coding, latest_day(observation, is_unfavourable=item.counts), item)
        for observation in observations
        for answer in observation.answers
        for row in _rows(answer.codings, knowledge)
        if row.value_rule is not None
        for item in (_evidence_of(observation, answer, row, row.value_rule, knowledge, as_of),)
    ]
    newest: dict[Coding, tuple[date, bool]] = {}
    for code, day, item in items:
        if item.counts or item.why_not == "favourable":
            newest[code] = max(newest.get(code, (day, item.counts)), (day, item.counts))
    for code, day, item in items:
        if item.counts and newest[code] != (day, True):
            yield replace(item, counts=False, why_not="a newer answer exists")
        else:
            yield item


def _evidence_of(
    observation: Observation,
    answer: Answer,
    row: SocialPainConcept,
    rule: ValueRule,
    knowledge: Knowledge,
    as_of: date,
) -> Evidence:
    age = observation_age(
        observation, as_of=as_of, at_most_months=knowledge.thresholds.screening_at_most_months
    )
    unfavourable = is_unfavourable(answer, rule)
    why_not: str | None = None
    if observation.status not in ANSWERED:
        why_not = "not a finished observation"
    elif age != "recent" and not (age == "old" and row.persistence == "lifetime"):
        why_not = {"undated": "undated", "future": "in the future", "old": "too old"}[age]
    elif unfavourable is None:
        why_not = "unreadable"
    elif not unfavourable:
        why_not = "favourable"
    return Evidence(
        reference=observation.reference,
        domain=row.domain,
        subdomain=row.subdomain,
        strength=row.strength,
        sensitivity=_LABELLED if observation.is_labelled else row.sensitivity,
        year=None if observation.effective is None else observation.effective.year,
        status=observation.status,
        counts=why_not is None,
        why_not=why_not,
    )


def _is_readable_screen(observation: Observation, knowledge: Knowledge, as_of: date) -> bool:
    months = knowledge.thresholds.screening_at_most_months
    return (
        observation.status in ANSWERED
        and observation_age(observation, as_of=as_of, at_most_months=months) == "recent"
        and any(_is_screen(answer, knowledge) for answer in observation.answers)
    )


def _is_screen(answer: Answer, knowledge: Knowledge) -> bool:
    """Say whether an answer that can be read is one of a screen, rated or a whole panel."""
    return any(
        row.coding in knowledge.screens
        and row.value_rule is not None
        and not answer.is_unreadable
        and (row.value_rule.is_panel or is_unfavourable(answer, row.value_rule) is not None)
        for row in _rows(answer.codings, knowledge)
    )
