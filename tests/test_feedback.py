"""What is read from a feedback body, what is refused, and where the refusal points."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.errors import BodyTooLarge, MalformedRequest
from cds_service.feedback import FeedbackEntry, OverrideReason, read_feedback

TEN = "2026-03-01T10:00:00Z"
ACCEPTED = {
    "card": "9368d37b-283f-44a0-93ea-547cebab93ed",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],
    "outcomeTimestamp": TEN,
}
OVERRIDDEN = {"card": "c1", "outcome": "overridden", "outcomeTimestamp": TEN}


def read_one(item: dict[str, Any]) -> FeedbackEntry:
    (entry,) = read_feedback({"feedback": [item]})
    return entry


def refusal(item: object) -> MalformedRequest:
    with pytest.raises(MalformedRequest) as caught:
        read_feedback({"feedback": [ACCEPTED, item]})
    return caught.value


def test_an_accepted_suggestion_is_read() -> None:
    assert read_one(ACCEPTED) == FeedbackEntry(
        card="9368d37b-283f-44a0-93ea-547cebab93ed",
        outcome="accepted",
        outcome_at=datetime(2026, 3, 1, 10, 0, tzinfo=UTC),
        accepted_suggestions=("e56e1945-20b3-4393-8503-a1a20fd73152",),
    )


def test_several_suggestions_are_sorted_and_named_once() -> None:
    item = ACCEPTED | {"acceptedSuggestions": [{"id": "b"}, {"id": "a"}, {"id": "b"}]}
    assert read_one(item).accepted_suggestions == ("a", "b")


def test_a_dismissal_needs_no_reason() -> None:
    assert read_one(OVERRIDDEN).reason is None


def test_a_reason_needs_no_display_and_no_system() -> None:
    item = OVERRIDDEN | {"overrideReason": {"reason": {"code": "patient-declines"}}}
    assert read_one(item).reason == OverrideReason(code="patient-declines")


def test_a_comment_alone_is_a_reason() -> None:
    entry = read_one(OVERRIDDEN | {"overrideReason": {"userComment": "line one\nline two"}})
    assert (entry.reason, entry.comment) == (None, "line one\nline two")


def test_the_plural_override_reasons_holding_an_object_is_read() -> None:
    coding = {"code": "contraindicated", "display": "bad", "system": "https://example.org/reasons"}
    item = OVERRIDDEN | {"overrideReasons": {"reason": coding, "userComment": "free text"}}
    assert read_one(item).reason == OverrideReason(
        code="contraindicated", display="bad", system="https://example.org/reasons"
    )


def test_a_reason_under_the_extension_of_override_reasons_is_read() -> None:
    extension = {
        "com.epic.cdshooks.feedback.overrideReason.reasonCategory": "45",
        "com.epic.cdshooks.feedback.overrideReason.reasonDisplay": "Does not meet",
        "com.epic.cdshooks.feedback.overrideReason.reasonTitle": "Does not meet criteria",
    }
    assert read_one(OVERRIDDEN | {"overrideReasons": {"extension": extension}}).reason == (
        OverrideReason(
            code="45",
            display="Does not meet criteria",
            system="com.epic.cdshooks.feedback.overrideReason",
        )
    )


def test_a_title_without_a_category_is_the_reason() -> None:
    extension = {"com.epic.cdshooks.feedback.overrideReason.reasonTitle": "Does not meet criteria"}
    assert read_one(OVERRIDDEN | {"overrideReasons": {"extension": extension}}).reason == (
        OverrideReason(
            code="Does not meet criteria", system="com.epic.cdshooks.feedback.overrideReason"
        )
    )


def test_unknown_extensions_are_kept_as_text_beside_the_reason() -> None:
    item = OVERRIDDEN | {
        "extension": {"org.example.shift": "night"},
        "overrideReason": {"extension": {"org.example.why": 7}},
    }
    entry = read_one(item)
    assert entry.reason is None
    assert json.loads(entry.extension or "") == [
        {"org.example.shift": "night"},
        {"org.example.why": 7},
    ]


def test_an_extension_longer_than_two_thousand_characters_is_left_out() -> None:
    assert read_one(OVERRIDDEN | {"extension": {"a": "x" * 2000}}).extension is None


def test_free_text_is_not_in_the_repr() -> None:
    item = OVERRIDDEN | {
        "overrideReason": {"userComment": "Jane Roe", "extension": {"note": "Jane Roe"}}
    }
    assert "Jane" not in repr(read_one(item))


@pytest.mark.parametrize("card", ["123456", "x" * 200, "Müller", "a b"])
def test_any_text_up_to_two_hundred_characters_is_a_card(card: str) -> None:
    assert read_one(OVERRIDDEN | {"card": card}).card == card


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("1985-04-12T23:20:50.52Z", datetime(1985, 4, 12, 23, 20, 50, 520_000, UTC)),
        ("2026-03-01T10:00:00.123Z", datetime(2026, 3, 1, 10, 0, 0, 123_000, UTC)),
        # 10:00 at five hours behind UTC is 15:00
        ("2026-03-01T10:00:00-05:00", datetime(2026, 3, 1, 15, 0, tzinfo=UTC)),
        ("2026-03-01t10:00:00z", datetime(2026, 3, 1, 10, 0, tzinfo=UTC)),
        ("2026-03-01T10:00:00.123456789Z", datetime(2026, 3, 1, 10, 0, 0, 123_456, UTC)),
    ],
)
def test_a_time_is_read_with_fractions_and_zone(sent: str, meant: datetime) -> None:
    assert read_one(OVERRIDDEN | {"outcomeTimestamp": sent}).outcome_at == meant


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "yesterday", "2026-03-01", "2026-03-01T10:00:00", "2026-13-01T10:00:00Z",
        "2026-03-01T25:00:00Z", "20260301T100000Z", 1772359200000, ["2026-03-01T10:00:00Z"],
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-01T10:00:00Z\n",
        "２０２６-03-01T10:00:00Z",
    ],
)  # fmt: skip
def test_any_other_time_is_refused(sent: object) -> None:
    assert refusal(OVERRIDDEN | {"outcomeTimestamp": sent}).where == "/feedback/1/outcomeTimestamp"


@pytest.mark.parametrize(
    "body", [None, [], "feedback", 7, {}, {"feedback": None}, {"feedback": {}}, {"feedback": "x"}]
)
def test_a_body_without_a_feedback_array_is_refused(body: object) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_feedback(body)
    assert caught.value.where == "/feedback"


def test_an_empty_array_is_no_feedback() -> None:
    assert read_feedback({"feedback": []}) == ()


def test_unknown_members_are_left_alone() -> None:
    item = OVERRIDDEN | {"vendorField": {"deep": [1]}, "acceptedSuggestions": "not looked at"}
    assert read_feedback({"feedback": [item], "extension": {"a": 1}}) == (read_one(OVERRIDDEN),)


def test_a_thousand_items_are_read_and_one_more_is_too_large() -> None:
    assert len(read_feedback({"feedback": [OVERRIDDEN] * 1000})) == 1000
    with pytest.raises(BodyTooLarge):
        read_feedback({"feedback": [OVERRIDDEN] * 1001})


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"card": None}, "card"),
        ({"card": ""}, "card"),
        ({"card": 7}, "card"),
        ({"card": {"id": "x"}}, "card"),
        ({"card": "x" * 201}, "card"),
        ({"card": "a\x00b"}, "card"),
        ({"card": "a\ud800"}, "card"),
        ({"outcome": None}, "outcome"),
        ({"outcome": "ignored"}, "outcome"),
        ({"outcome": ["overridden"]}, "outcome"),
        ({"outcome": {}}, "outcome"),
        ({"outcome": "accepted"}, "acceptedSuggestions"),
        ({"outcome": "accepted", "acceptedSuggestions": []}, "acceptedSuggestions"),
        ({"outcome": "accepted", "acceptedSuggestions": {"id": "x"}}, "acceptedSuggestions"),
        ({"outcome": "accepted", "acceptedSuggestions": ["x"]}, "acceptedSuggestions/0"),
        ({"outcome": "accepted", "acceptedSuggestions": [{}]}, "acceptedSuggestions/0/id"),
        ({"overrideReason": {}}, "overrideReason"),
        ({"overrideReason": {"reason": None, "userComment": ""}}, "overrideReason"),
        ({"overrideReason": "no"}, "overrideReason"),
        ({"overrideReason": {"reason": "no"}}, "overrideReason/reason"),
        ({"overrideReason": {"reason": {}}}, "overrideReason/reason/code"),
        ({"overrideReason": {"reason": {"code": 1}}}, "overrideReason/reason/code"),
        ({"overrideReason": {"reason": {"code": "a", "display": 1}}},
         "overrideReason/reason/display"),
        ({"overrideReason": {"userComment": 7}}, "overrideReason/userComment"),
        ({"overrideReason": {"userComment": "a\x00"}}, "overrideReason/userComment"),
        ({"overrideReason": {"userComment": "\udfff"}}, "overrideReason/userComment"),
        ({"overrideReasons": {}}, "overrideReasons"),
        ({"overrideReasons": [{"reason": {"code": "a"}}]}, "overrideReasons"),
    ],
)  # fmt: skip
def test_a_bad_item_is_refused_by_its_index_and_member(changed: dict[str, Any], where: str) -> None:
    assert refusal(OVERRIDDEN | changed).where == f"/feedback/1/{where}"


@pytest.mark.parametrize("member", ["card", "outcome", "outcomeTimestamp"])
def test_each_required_member_is_asked_for(member: str) -> None:
    item = {key: value for key, value in OVERRIDDEN.items() if key != member}
    assert refusal(item).where == f"/feedback/1/{member}"


@pytest.mark.parametrize("item", [None, "x", 7, [], True])
def test_an_item_that_is_no_object_is_refused(item: object) -> None:
    assert refusal(item).where == "/feedback/1"


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    error = refusal(OVERRIDDEN | {"outcomeTimestamp": "Jane Roe"})
    assert "Jane" not in str(error)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_MEMBERS = st.sampled_from(
    ["card", "outcome", "outcomeTimestamp", "acceptedSuggestions", "overrideReason",
     "overrideReasons", "extension"]
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_MEMBERS, _JSON), st.sampled_from([ACCEPTED, OVERRIDDEN]))
def test_whatever_is_sent_is_either_read_or_refused(
    changes: dict[str, object], item: dict[str, object]
) -> None:
    body = {"feedback": [item | changes]}
    try:
        count, where = len(read_feedback(body)), "/feedback/0"
    except MalformedRequest as error:
        count, where = 1, error.where or ""
    assert count == 1
    assert where.startswith("/feedback/0")
