"""How much is let in: calls at once per kind, and calls a second per issuer.

Both refuse at once instead of queueing: the EHR goes on without us, and late advice is none.

Source: security-reliability.md 2.1, F9 and the row on flooding.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

from cds_service.errors import Overloaded, TooManyRequests


class Places:
    """A number of places for calls worked on at once; `taken` is a gauge, good to the moment.

    `with places:` holds one of them; raises Overloaded when there is none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.taken = 0

    def __enter__(self) -> None:
        with self._lock:
            if self.taken >= self._limit:
                raise Overloaded("The service is busy; try again shortly.", retry_after_seconds=1)
            self.taken += 1

    def __exit__(self, *_failure: object) -> None:
        with self._lock:
            self.taken -= 1


class Shares:
    """Of the places for calls worked on at once, those that one caller may hold.

    With a single caller that is all of them, otherwise three quarters: the FHIR server of one EHR,
    however slow, keeps no other EHR out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: dict[tuple[str, int], Places] = {}

    def of(self, caller: str, *, among: int) -> Places:
        """Return the places of the caller, one of so many, to be held beside one of all."""
        most = self._limit if among == 1 else max(1, self._limit * 3 // 4)
        return self._places.setdefault((caller, most), Places(most))


class Rates:
    """A token bucket per key; keys not heard of for longest are forgotten beyond `keys_at_most`."""

    def __init__(self, *, monotonic: Callable[[], float], keys_at_most: int = 10_000) -> None:
        self._monotonic = monotonic
        self._keys_at_most = keys_at_most
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, *, per_second: float, burst: int) -> None:
        """Take one from the bucket of the key; raises TooManyRequests when it is empty."""
        now = self._monotonic()
        with self._lock:
            left, since = self._left.pop(key, (float(burst), now))
            left = min(float(burst), left + (now - since) * per_second)
            is_empty = left < 1
            self._left[key] = (left if is_empty else left - 1, now)
            if len(self._left) > self._keys_at_most:
                self._left.popitem(last=False)
        if is_empty:
            wait_seconds = math.ceil((1 - left) / per_second)
            raise TooManyRequests("Too many requests.", retry_after_seconds=max(1, wait_seconds))
