"""A small process of the real store: eight writers that name a card once its feedback is kept.

Started by `test_kill`, with the database's URL and a word that makes this round's cards unique.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from datetime import UTC, datetime

from sqlalchemy import Engine

from cds_service.errors import StoreUnavailable
from cds_service.feedback import read_feedback
from cds_service.store.database import connect
from cds_service.store.feedback import record_feedback

WRITERS = 8
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def write(engine: Engine, name: str) -> None:
    """Record feedback on one new card after another; one line goes out for each commit."""
    for number in itertools.count():
        card = f"{name}-{number}"
        item = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-02T12:00:00Z"}
        try:
            record_feedback(
                engine,
                read_feedback({"feedback": [item]}),
                issuer="north",
                service_id="s",
                received_at=NOON,
            )
        except StoreUnavailable:
            time.sleep(0.05)
        else:
            os.write(sys.stdout.fileno(), f"{card}\n".encode())


if __name__ == "__main__":
    shared = connect(sys.argv[1])
    for writer in range(WRITERS):
        threading.Thread(target=write, args=(shared, f"{sys.argv[2]}-{writer}")).start()
