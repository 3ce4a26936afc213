"""What the measurements are held against: issue and figure of each goal, and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """One figure and its limit, which is inclusive."""

    name: str
    measured: float
    limit: float
    sense: Literal["at least", "at most"]
    unit: str = ""

    def is_met(self, *, slack: float = 1.0) -> bool:
        """Say whether the figure keeps its limit, or a limit easier by the factor `slack`.

        >>> goal = Goal(name="ratio", measured=0.39, limit=0.40, sense="at least")
        >>> goal.is_met(), goal.is_met(slack=2)
        (False, True)
        """
        if self.sense == "at least":
            return self.measured >= self.limit / slack
        return self.measured <= self.limit * slack

    @property
    def line(self) -> str:
        """The goal for people."""
        met = "met" if self.is_met() else "MISSED"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name:<58} {self.measured:>8.2f}{unit:<4} {self.sense} {self.limit:g}  {met}"
