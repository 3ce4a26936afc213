"""What equal pieces of JSON were read as, remembered for the length of one call.

A record repeats itself: a renewal carries the instructions of the order it renews, conditions share
a handful of statuses, encounters a handful of types. Nothing outlives the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

Read = TypeVar("Read")

_LARGE_BYTES = 4096
_UNREAD = object()


class Memory:
    """Reads a piece of JSON once and gives every equal piece the same answer.

    A large piece is written once only: thousands of orders may name one Medication. A piece that
    cannot be written (no JSON parser makes one) is read each time.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, bytes], Any] = {}
        self._large: dict[int, tuple[object, bytes]] = {}

    def recall(self, name: str, value: Any, read: Callable[..., Read], *more: object) -> Read:
        """Return what `read(value, *more)` made of `value`, or of an equal one, under `name`.

        >>> memory = Memory()
        >>> memory.recall("dose", {"value": 1}, lambda value: "one")
        'one'
        >>> memory.recall("dose", {"value": 1}, lambda value: "another"), memory.recall("x", 1, str)
        ('one', '1')
        """
        if self._large and id(value) in self._large:
            written = self._large[id(value)][1]
        else:
            try:
                written = orjson.dumps(value)
            except orjson.JSONEncodeError:
                return read(value, *more)
            if len(written) > _LARGE_BYTES:
                self._large[id(value)] = (value, written)  # kept, so that no other gets its id
        key = (name, written)
        known: Any = self._read.get(key, _UNREAD)
        if known is _UNREAD:
            known = self._read[key] = read(value, *more)
        answer: Read = known
        return answer
