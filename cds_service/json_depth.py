"""How deep a JSON value goes, shown by the limit of the writer.

A form that shows the depth itself, an indented one, can be made hundreds of times larger than the
value. Inside lists that use up part of the writer's limit, the value has the rest of it.
"""

from __future__ import annotations

import threading

import orjson

_WRITTEN_LEVELS = 254
"""How deep a value orjson writes."""


class Nest(threading.local):
    """`lists` inside one another round a place for a value, made once for each thread."""

    def __init__(self, *, most_levels: int) -> None:
        """Leave the value `most_levels`, from 1 to 253; the value itself is the first of them."""
        self.lists = _WRITTEN_LEVELS - most_levels
        self._innermost: list[object] = [None]
        self._outermost = self._innermost
        for _ in range(self.lists - 1):
            self._outermost = [self._outermost]

    def written(self, value: object) -> bytes:
        """Write the value compactly, `lists` brackets before and after it.

        Raises orjson.JSONEncodeError when it is deeper than `most_levels`.

        >>> Nest(most_levels=252).written({"a": [1]})
        b'[[{"a":[1]}]]'
        """
        self._innermost[0] = value
        try:
            return orjson.dumps(self._outermost)
        finally:
            self._innermost[0] = None
