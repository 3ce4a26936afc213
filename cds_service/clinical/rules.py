"""The rules: one table, one predicate each, first that applies wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_service.clinical.assessment import Assessment

Indicator = Literal["info", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """The one card to show: its rule and how urgent it looks."""

    rule_id: str
    indicator: Indicator


def recommend(assessment: Assessment) -> tuple[Recommendation, ...]:
    """Return the first rule that applies, or nothing; never more than one."""
    raise NotImplementedError
