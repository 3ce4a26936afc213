"""How the text of a setting becomes its value; which setting is of which kind stands in `settings`.

Each reader raises ValueError with what is wanted, and never quotes the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

_ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_SHORTEST_KEY_BYTES = 16


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers, both ends included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return read


def seconds(lowest: str, highest: str) -> Callable[[str], Decimal]:
    """Return a reader of seconds, both ends included."""

    def read(text: str) -> Decimal:
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_nan() or not Decimal(lowest) <= number <= Decimal(highest):
            raise ValueError(f"must be a number of seconds from {lowest} to {highest}")
        return number

    return read


def switch(text: str) -> bool:
    """Read true or false."""
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def zone(text: str) -> str:
    """Read the name of a time zone."""
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone name such as America/New_York") from None


def base_url(text: str) -> str:
    """Read an http(s) address; a slash at its end is dropped."""
    try:
        parts = urlsplit(text)
        is_plain = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://cds.example.org")
    return text.rstrip("/")


def origins(text: str) -> tuple[str, ...]:
    """Read origins of browsers, separated by blanks."""
    origins = tuple(text.split())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("must be origins such as https://ehr.example.org, separated by blanks")
    return origins


def names(text: str) -> tuple[str, ...]:
    """Read names, separated by blanks."""
    return tuple(text.split())


def key(text: str) -> str:
    """Read the secret of a hash: one that cannot be found by trying."""
    if len(text.encode()) < _SHORTEST_KEY_BYTES:
        raise ValueError(
            f"must be {_SHORTEST_KEY_BYTES} bytes or more; `openssl rand -hex 32` makes one"
        )
    return text
