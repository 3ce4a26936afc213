"""Write the report on feedback as a table for people, CSV for spreadsheets or JSON for machines.

Names of suggestions and reasons come from clients: whatever is written cannot run in a spreadsheet
and cannot steer a terminal.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Final

from cds_service.store.report import FeedbackGiven, WeekOfRule

UNKNOWN_CARD: Final = "(card unknown)"
CSV_COLUMNS: Final = ("week", "rule", "count", "name", "cards")

_MEASURES: Final = ("shown", "silent", "accepted", "overridden", "unanswered")
_TABLE_ROW: Final = "{:<9} {:<40} {:>7} {:>7} {:>9} {:>11} {:>11}"
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_table(weeks: Iterable[WeekOfRule]) -> str:
    """Return one line per rule and week, below it what was accepted and why it was overridden."""
    lines = [_TABLE_ROW.format("week", "rule", *_MEASURES)]
    for week in weeks:
        counts = (getattr(week, measure) for measure in _MEASURES)
        lines.append(
            _TABLE_ROW.format(week.week, _printable(week.rule_id or UNKNOWN_CARD), *counts)
        )
        for count, name, cards in _details(week):
            lines.append(f"{'':9} {cards:>5}  {count}: {_printable(name)}")
    return "\n".join(lines)


def as_csv(weeks: Iterable[WeekOfRule]) -> str:
    """Return one line per number, so that no cell holds two facts; no cell is a formula.

    `count` is a measure of the table, or suggestion or reason with its `name`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for week in weeks:
        totals = ((measure, "", getattr(week, measure)) for measure in _MEASURES)
        for count, name, cards in (*totals, *_details(week)):
            cells = (week.week, week.rule_id or UNKNOWN_CARD, count, name)
            writer.writerow((*(formula_safe(_printable(cell)) for cell in cells), cards))
    return text.getvalue()


def as_json(weeks: Iterable[WeekOfRule], given: Iterable[FeedbackGiven]) -> str:
    """Return the weeks, and every single feedback for export.

    The export names intervention, action, feedback, user, date and location.
    Source: 45 CFR 170.315(b)(11)(ii)(C).
    """
    return json.dumps(
        {
            "weeks": [_week(week) for week in weeks],
            "feedback": [_exported(feedback) for feedback in given],
        },
        indent=2,
    )


def formula_safe(cell: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula.

    >>> formula_safe("=1+1"), formula_safe("patient-declines")
    ("'=1+1", 'patient-declines')
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _details(week: WeekOfRule) -> Iterator[tuple[str, str, int]]:
    for name, cards in week.accepted_suggestions:
        yield "suggestion", name, cards
    for name, cards in week.override_reasons:
        yield "reason", name, cards


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)


def _week(week: WeekOfRule) -> dict[str, object]:
    return {
        "week": week.week,
        "rule": week.rule_id,
        "shown": week.shown,
        "silent": week.silent,
        "accepted": week.accepted,
        "accepted_suggestions": dict(week.accepted_suggestions),
        "overridden": week.overridden,
        "override_reasons": dict(week.override_reasons),
        "unanswered": week.unanswered,
    }


def _exported(given: FeedbackGiven) -> dict[str, object]:
    return {
        "intervention": {
            "service": given.service_id,
            "hook": given.hook,
            "rule": given.rule_id,
            "knowledge_version": given.knowledge_version,
        },
        "action": given.outcome,
        "feedback": {
            "accepted_suggestions": list(given.accepted_suggestions),
            "override_reason": given.reason,
            "comment": given.comment,
        },
        "user": given.user_reference,
        "date": given.outcome_at.isoformat(),
        "location": {"issuer": given.issuer, "tenant": given.tenant},
    }
