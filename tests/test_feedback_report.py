"""What the report looks like, and that nothing a client sent can act in it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cds_service.feedback_report import as_csv, as_json, as_table, formula_safe
from cds_service.store.report import FeedbackGiven, WeekOfRule

WEEK = WeekOfRule(
    week="2026-W10",
    rule_id="renewal",
    shown=12,
    silent=1,
    accepted=3,
    accepted_suggestions=(("referral", 2), ("naloxone", 1)),
    overridden=4,
    override_reasons=(("patient-declines", 4),),
    unanswered=5,
)
UNKNOWN = WeekOfRule(
    week="2026-W11",
    rule_id=None,
    shown=0,
    silent=0,
    accepted=0,
    accepted_suggestions=(),
    overridden=1,
    override_reasons=(("=HYPERLINK(1)", 1),),
    unanswered=0,
)
GIVEN = FeedbackGiven(
    issuer="north",
    service_id="s",
    hook="order-sign",
    rule_id="renewal",
    knowledge_version="2026.1",
    outcome="overridden",
    outcome_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
    accepted_suggestions=(),
    reason="patient-declines",
    comment=None,
    user_reference="Practitioner/7",
    tenant="clinic-1",
)


def test_the_table_has_a_line_per_rule_and_week_and_its_details_below() -> None:
    assert [line.split() for line in as_table([WEEK, UNKNOWN]).splitlines()] == [
        ["week", "rule", "shown", "silent", "accepted", "overridden", "unanswered"],
        ["2026-W10", "renewal", "12", "1", "3", "4", "5"],
        ["2", "suggestion:", "referral"],
        ["1", "suggestion:", "naloxone"],
        ["4", "reason:", "patient-declines"],
        ["2026-W11", "(card", "unknown)", "0", "0", "0", "1", "0"],
        ["1", "reason:", "=HYPERLINK(1)"],
    ]


def test_no_form_of_the_report_can_steer_a_terminal() -> None:
    hostile = replace(WEEK, override_reasons=(("\x1b[2Jgone\u202e\x9b\nnew line", 1),))
    assert as_table([hostile]).splitlines()[-1].endswith("reason: ?[2Jgone???new line")
    assert as_csv([hostile]).splitlines()[-1].endswith(",reason,?[2Jgone???new line,1")
    assert as_json([hostile], []).replace("\n", "").isprintable()


def test_the_csv_has_one_number_a_line() -> None:
    rows = list(csv.reader(io.StringIO(as_csv([WEEK]))))
    assert rows == [
        ["week", "rule", "count", "name", "cards"],
        ["2026-W10", "renewal", "shown", "", "12"],
        ["2026-W10", "renewal", "silent", "", "1"],
        ["2026-W10", "renewal", "accepted", "", "3"],
        ["2026-W10", "renewal", "overridden", "", "4"],
        ["2026-W10", "renewal", "unanswered", "", "5"],
        ["2026-W10", "renewal", "suggestion", "referral", "2"],
        ["2026-W10", "renewal", "suggestion", "naloxone", "1"],
        ["2026-W10", "renewal", "reason", "patient-declines", "4"],
    ]


def test_a_formula_in_the_csv_is_only_text() -> None:
    rows = list(csv.reader(io.StringIO(as_csv([UNKNOWN]))))
    assert rows[-1] == ["2026-W11", "(card unknown)", "reason", "'=HYPERLINK(1)", "1"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_every_beginning_of_a_formula_gets_an_apostrophe(start: str) -> None:
    assert formula_safe(f"{start}1") == f"'{start}1"


def test_a_plain_text_stays_as_it_is() -> None:
    assert formula_safe("a=b") == "a=b"


def test_the_json_has_the_weeks_and_the_export_with_its_six_names() -> None:
    assert json.loads(as_json([WEEK], [GIVEN])) == {
        "weeks": [
            {
                "week": "2026-W10",
                "rule": "renewal",
                "shown": 12,
                "silent": 1,
                "accepted": 3,
                "accepted_suggestions": {"referral": 2, "naloxone": 1},
                "overridden": 4,
                "override_reasons": {"patient-declines": 4},
                "unanswered": 5,
            }
        ],
        "feedback": [
            {
                "intervention": {
                    "service": "s",
                    "hook": "order-sign",
                    "rule": "renewal",
                    "knowledge_version": "2026.1",
                },
                "action": "overridden",
                "feedback": {
                    "accepted_suggestions": [],
                    "override_reason": "patient-declines",
                    "comment": None,
                },
                "user": "Practitioner/7",
                "date": "2026-03-02T12:00:00+00:00",
                "location": {"issuer": "north", "tenant": "clinic-1"},
            }
        ],
    }
