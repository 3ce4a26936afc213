"""Read a CDS Hooks feedback body into entries; what keeps them is `store`.

Versions 2.0 and 3.0 of the specification have the same shape. Known deviations of clients are read
as well: `overrideReasons` (plural) holding an object, a reason under that object's `extension`,
a reason without display, card ids that are no UUID. Members not known here are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from cds_service.errors import BodyTooLarge, MalformedRequest

Outcome = Literal["accepted", "overridden"]

MAXIMUM_ITEMS: Final = 1_000
MAXIMUM_ID_CHARACTERS: Final = 200
MAXIMUM_EXTENSION_CHARACTERS: Final = 2_000

EPIC_REASONS: Final = "com.epic.cdshooks.feedback.overrideReason"
"""Stands in for `reason.system` where a reason was sent under Epic's extension."""

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideReason:
    """The reason a user chose; `system` and `display` are None when the client left them out."""

    code: str
    system: str | None = None
    display: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackEntry:
    """What one user did with one card.

    `outcome_at` is UTC; `accepted_suggestions` are sorted and without repetition, empty unless
    accepted; `comment` and `extension` (JSON text) may hold free text of a user: they have no repr.
    """

    card: str
    outcome: Outcome
    outcome_at: datetime
    accepted_suggestions: tuple[str, ...] = ()
    reason: OverrideReason | None = None
    comment: str | None = field(default=None, repr=False)
    extension: str | None = field(default=None, repr=False)


def read_feedback(body: object) -> tuple[FeedbackEntry, ...]:
    """Return the entries of a parsed feedback body, in its order; all of them or none.

    Raises `MalformedRequest` whose `where` points at the first bad item, `BodyTooLarge` for more
    than `MAXIMUM_ITEMS`. Source: CDS Hooks 3.0.0, "Feedback"; invariants cds-fb-1 to cds-fb-3.

    >>> read_feedback({"feedback": [{"card": "a", "outcome": "overridden",
    ...     "outcomeTimestamp": "2026-03-01T10:00:00.000Z"}]})[0].outcome_at.isoformat()
    '2026-03-01T10:00:00+00:00'
    """
    items = body.get("feedback") if isinstance(body, Mapping) else None
    if not isinstance(items, list):
        raise MalformedRequest(
            "Feedback is an object with an array named feedback.", where="/feedback"
        )
    if len(items) > MAXIMUM_ITEMS:
        raise BodyTooLarge(f"Send at most {MAXIMUM_ITEMS} items at once.", where="/feedback")
    return tuple(_entry(item, f"/feedback/{index}") for index, item in enumerate(items))


def _entry(item: object, where: str) -> FeedbackEntry:
    fields = _object(item, where)
    card = _text(fields.get("card"), f"{where}/card", limit=MAXIMUM_ID_CHARACTERS)
    outcome_at = _instant(fields.get("outcomeTimestamp"), f"{where}/outcomeTimestamp")
    match fields.get("outcome"):
        case "accepted":
            suggestions = _suggestions(
                fields.get("acceptedSuggestions"), f"{where}/acceptedSuggestions"
            )
            return FeedbackEntry(
                card=card,
                outcome="accepted",
                outcome_at=outcome_at,
                accepted_suggestions=suggestions,
                extension=_extension_text(fields.get("extension")),
            )
        case "overridden":
            return _overridden(fields, where, card=card, outcome_at=outcome_at)
    raise MalformedRequest("outcome is accepted or overridden.", where=f"{where}/outcome")


def _overridden(
    fields: Mapping[str, object], where: str, *, card: str, outcome_at: datetime
) -> FeedbackEntry:
    name = "overrideReason" if fields.get("overrideReason") is not None else "overrideReasons"
    where = f"{where}/{name}"
    given = {} if fields.get(name) is None else _object(fields[name], where)
    comment = _optional_text(given.get("userComment"), f"{where}/userComment", limit=None)
    if given.get("reason") is None:
        reason = _reason_in_extension(given.get("extension"), f"{where}/extension")
    else:
        reason = _reason(given["reason"], f"{where}/reason")
    extension = _extension_text(fields.get("extension"), given.get("extension"))
    if fields.get(name) is not None and not (reason or comment or given.get("extension")):
        raise MalformedRequest("An override reason has a reason or a userComment.", where=where)
    return FeedbackEntry(
        card=card,
        outcome="overridden",
        outcome_at=outcome_at,
        reason=reason,
        comment=comment,
        extension=extension,
    )


def _suggestions(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise MalformedRequest("accepted names at least one accepted suggestion.", where=where)
    ids = {
        _text(
            _object(item, f"{where}/{index}").get("id"),
            f"{where}/{index}/id",
            limit=MAXIMUM_ID_CHARACTERS,
        )
        for index, item in enumerate(value)
    }
    return tuple(sorted(ids))


def _reason(value: object, where: str) -> OverrideReason:
    coding = _object(value, where)
    limit = MAXIMUM_ID_CHARACTERS
    return OverrideReason(
        code=_text(coding.get("code"), f"{where}/code", limit=limit),
        system=_optional_text(coding.get("system"), f"{where}/system", limit=limit),
        display=_optional_text(coding.get("display"), f"{where}/display", limit=limit),
    )


def _reason_in_extension(value: object, where: str) -> OverrideReason | None:
    if not isinstance(value, Mapping):
        return None
    category, title, display = (
        _optional_text(value.get(key), f"{where}/{key}", limit=MAXIMUM_ID_CHARACTERS)
        for key in (f"{EPIC_REASONS}.{name}" for name in _EPIC_MEMBERS)
    )
    words = title or display
    if category is not None:
        return OverrideReason(code=category, system=EPIC_REASONS, display=words)
    return None if words is None else OverrideReason(code=words, system=EPIC_REASONS)


_EPIC_MEMBERS: Final = ("reasonCategory", "reasonTitle", "reasonDisplay")


def _extension_text(*extensions: object) -> str | None:
    """Return what clients sent under `extension` as JSON; None when nothing, or too long."""
    sent = [extension for extension in extensions if isinstance(extension, Mapping) and extension]
    text = json.dumps(sent)
    return text if sent and len(text) <= MAXIMUM_EXTENSION_CHARACTERS else None


def _object(value: object, where: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    raise MalformedRequest("An object belongs here.", where=where)


def _optional_text(value: object, where: str, *, limit: int | None) -> str | None:
    return None if value is None or value == "" else _text(value, where, limit=limit)


def _text(value: object, where: str, *, limit: int | None) -> str:
    """Return a text that both databases can keep: PostgreSQL takes no NUL, neither a surrogate."""
    if not isinstance(value, str) or not value:
        raise MalformedRequest("A text that is not empty belongs here.", where=where)
    if limit is not None and len(value) > limit:
        raise MalformedRequest(f"At most {limit} characters belong here.", where=where)
    if _UNSTORABLE.search(value):
        raise MalformedRequest("NUL and lone surrogates cannot be kept.", where=where)
    return value


def _instant(value: object, where: str) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise MalformedRequest("A time with zone belongs here: 2026-03-01T10:00:00Z.", where=where)
