"""Evidence in the record: social pain, what excludes or changes the advice, the pain named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_service.clinical.knowledge import ExclusionAction, Sensitivity, Strength

SocialPainStatus = Literal["documented", "possible", "not documented"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One Condition or Observation that meets a row of the social-pain table.

    `strength` is the effective one (after an unconfirmed record counted one level lower).
    `counts` False: `why_not` (a fixed phrase) says why. `year` is when it was recorded.
    """

    reference: str
    domain: str
    subdomain: str
    strength: Strength
    sensitivity: Sensitivity
    year: int | None
    status: str | None
    counts: bool
    why_not: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SocialPain:
    """The outcome, its evidence, and whether any screening answer within 12 months exists."""

    status: SocialPainStatus
    evidence: tuple[Evidence, ...]
    was_screened: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ExclusionFinding:
    """One record that meets a row of the exclusion table, and whether it has its effect."""

    reference: str
    category: str
    action: ExclusionAction
    counts: bool
    why_not: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusions:
    """What changes the advice. `suppressed_by` is a category, "age" or "deceased", or None."""

    findings: tuple[ExclusionFinding, ...]
    suppressed_by: str | None
    has_opioid_use_disorder: bool
    has_moud: bool
    has_safety_concern: bool
    is_softened: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PhysicalPain:
    """The pain domains named by an active Condition, in the order of the table."""

    domains: tuple[str, ...]
    has_long_term_opioid_code: bool
