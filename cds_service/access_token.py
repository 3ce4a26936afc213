"""The FHIR access token of one hook call: held in one object that never shows it.

It lies below `hooks` (which reads it from the request) and `fhir` (which sends it), because these
two never import each other. Nobody stores, logs or caches it; it goes with the call.

Source: security-reliability.md T36.
"""

from __future__ import annotations

import re
from typing import NoReturn

# RFC 6750 b64token, loosely: what can stand in a header without changing it.
_SENDABLE = re.compile(r"[\x21-\x7e]{1,16384}")


class AccessToken:
    """A Bearer token with a blank `repr`.

    >>> AccessToken("secret")
    AccessToken()
    >>> AccessToken("secret").authorization
    'Bearer secret'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def is_sendable(self) -> bool:
        """Whether the token can stand in a header: visible ASCII, no blank, no line end."""
        return _SENDABLE.fullmatch(self._value) is not None

    @property
    def authorization(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._value}"

    def __repr__(self) -> str:
        return "AccessToken()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An access token is not written anywhere.")
