"""Write off the request path what may be lost: nobody who puts a row here ever waits.

Rows stand in a bounded queue; one thread commits them in batches. While the database is away the
batch is tried again and the queue fills; then rows are lost, and counted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Engine, Table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cds_service.store.database import insert_rows

CAPACITY: Final = 10_000
BATCH_ROWS: Final = 500
GATHER_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0

Row = Mapping[str, object]
OnLoss = Callable[[str, int], object]


class WriteBehind:
    """A queue and the thread that empties it.

    `on_loss` is called with the table's name and a number of rows, from any thread.
    `is_degraded` says whether the last attempt to write failed.
    """

    def __init__(self, engine: Engine, *, on_loss: OnLoss, capacity: int = CAPACITY) -> None:
        self.is_degraded = False
        self._engine = engine
        self._on_loss = on_loss
        self._queue: queue.Queue[tuple[Table, Row]] = queue.Queue(capacity)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, target: Table, rows: Iterable[Row]) -> None:
        """Take rows for later; what finds no place is counted as lost."""
        for row in rows:
            try:
                self._queue.put_nowait((target, row))
            except queue.Full:
                self._on_loss(target.name, 1)

    def close(self, *, timeout_seconds: float) -> None:
        """Write what is waiting, at most for the time given; an outage now means loss."""
        self._closing.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while batch := self._next_batch():
            for target in dict.fromkeys(table for table, _ in batch):
                self._write_or_lose(target, [row for table, row in batch if table is target])

    def _next_batch(self) -> list[tuple[Table, Row]]:
        """Wait for rows, then a little longer for their company; empty only when closing."""
        batch: list[tuple[Table, Row]] = []
        while not batch and not (self._closing.is_set() and self._queue.empty()):
            try:
                batch.append(self._queue.get(timeout=GATHER_SECONDS))
            except queue.Empty:
                continue
            self._closing.wait(GATHER_SECONDS)
        while batch and len(batch) < BATCH_ROWS and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    def _write_or_lose(self, target: Table, rows: Sequence[Row]) -> None:
        """Try until it is written; give up on rows no database would take, and when closing."""
        while True:
            try:
                insert_rows(self._engine, target, rows)
            except Exception as error:  # noqa: BLE001 - the thread has to outlive any failure
                self.is_degraded = True
                if not _is_outage(error):
                    self._write_singly(target, rows)
                    return
                if self._closing.is_set():
                    self._on_loss(target.name, len(rows))
                    return
                self._closing.wait(RETRY_SECONDS)
            else:
                self.is_degraded = False
                return

    def _write_singly(self, target: Table, rows: Sequence[Row]) -> None:
        """Save the good rows of a batch with a bad one."""
        if len(rows) == 1:
            self._on_loss(target.name, 1)
            return
        for row in rows:
            self._write_or_lose(target, [row])


def _is_outage(error: Exception) -> bool:
    """Say whether the same rows may succeed later."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DBAPIError | PoolTimeout)
