"""The tokens already used: memory decides, the table remembers across a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

from sqlalchemy import Engine, select

from cds_service.store.database import outage_answered, reading
from cds_service.store.schema import SEEN_TOKEN
from cds_service.store.write_behind import WriteBehind

CAPACITY: Final = 250_000


class SeenTokens:
    """A set of token hashes, each until its token has expired.

    At `capacity` the token that expires first is forgotten and `on_loss` told.
    """

    def __init__(
        self,
        *,
        writer: WriteBehind,
        on_loss: Callable[[str, int], object],
        capacity: int = CAPACITY,
    ) -> None:
        self._writer = writer
        self._on_loss = on_loss
        self._capacity = capacity
        self._lock = threading.Lock()
        self._hashes: set[str] = set()
        self._by_expiry: list[tuple[datetime, str]] = []

    def first_seen(self, token_hash: str, *, expires_at: datetime, now: datetime) -> bool:
        """Remember a token and say whether it is new: of any number at once exactly one is.

        `expires_at` is when the token stops being accepted, leeway included. The database is not
        asked: it may be away.
        """
        with self._lock:
            self._forget_expired(now)
            if token_hash in self._hashes:
                return False
            self._remember(token_hash, expires_at)
        self._writer.put(SEEN_TOKEN, [{"token_hash": token_hash, "expires_at": expires_at}])
        return True

    def load(self, engine: Engine, *, now: datetime) -> None:
        """Take over what an earlier process saw. Raises `StoreUnavailable`."""
        unexpired = select(SEEN_TOKEN).where(SEEN_TOKEN.c.expires_at > now)
        with outage_answered(), reading(engine).begin() as connection:
            rows = connection.execute(unexpired).all()
        with self._lock:
            for row in rows:
                if row.token_hash not in self._hashes:
                    self._remember(row.token_hash, row.expires_at)

    def _remember(self, token_hash: str, expires_at: datetime) -> None:
        if len(self._hashes) >= self._capacity:
            self._hashes.discard(heappop(self._by_expiry)[1])
            self._on_loss(SEEN_TOKEN.name, 1)
        self._hashes.add(token_hash)
        heappush(self._by_expiry, (expires_at, token_hash))

    def _forget_expired(self, now: datetime) -> None:
        while self._by_expiry and self._by_expiry[0][0] <= now:
            self._hashes.discard(heappop(self._by_expiry)[1])
