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


class Memory:
    """Reads a piece of JSON once and gives every equal piece the same answer."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, bytes], Any] = {}

    def recall(self, name: str, value: Any, read: Callable[[], Read]) -> Read:
        """Return what `value` was read as under `name`, reading it the first time.

        >>> memory = Memory()
        >>> memory.recall("dose", {"value": 1}, lambda: "one")
        'one'
        >>> memory.recall("dose", {"value": 1}, lambda: "another"), memory.recall("x", 1, str)
        ('one', '')
        """
        key = (name, marshal.dumps(value, _PLAIN_FORMAT))
        if key in self._read:
            known: Read = self._read[key]
            return known
        known = self._read[key] = read()
        return known
