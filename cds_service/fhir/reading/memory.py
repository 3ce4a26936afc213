"""What equal pieces of JSON were read as, remembered for the length of one call.

A record repeats itself: a renewal carries the instructions of the order it renews, conditions share
a handful of statuses, encounters a handful of types. Nothing outlives the call.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any, TypeVar

Read = TypeVar("Read")

_PLAIN_FORMAT = 2
"""The last format of `marshal` in which equal values are always equal bytes."""
_LARGE_BYTES = 4096
_UNREAD = object()


class Memory:
    """Reads a piece of JSON once and gives every equal piece the same answer.

    A large piece is written once only: thousands of orders may name one Medication.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, bytes], Any] = {}
        self._large: dict[int, tuple[object, bytes]] = {}

    def recall(self, name: str, value: Any, read: Callable[[], Read]) -> Read:
        """Return what `value` was read as under `name`, reading it the first time.

        >>> memory = Memory()
        >>> memory.recall("dose", {"value": 1}, lambda: "one")
        'one'
        >>> memory.recall("dose", {"value": 1}, lambda: "another"), memory.recall("x", 1, str)
        ('one', '')
        """
        key = (name, self._written(value))
        known: Any = self._read.get(key, _UNREAD)
        if known is _UNREAD:
            known = self._read[key] = read()
        answer: Read = known
        return answer

    def _written(self, value: Any) -> bytes:
        if id(value) in self._large:
            return self._large[id(value)][1]
        written = marshal.dumps(value, _PLAIN_FORMAT)
        if len(written) > _LARGE_BYTES:
            self._large[id(value)] = (value, written)  # kept, so that no other gets its id
        return written
