"""Feedback that was acknowledged is there after `kill -9` and after a crash of PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cds_service.store.database import connect
from cds_service.store.schema import FEEDBACK
from cds_service.store.upgrade import upgrade

KILLS = 5
ACKNOWLEDGED_EACH = 1_000  # 5 kills make at least 5,000
WRITERS = Path(__file__).with_name("feedback_writers.py")


def acknowledged_until_killed(
    url: str, name: str, at_the_end: Callable[[subprocess.Popen[str]], None]
) -> list[str]:
    """Let eight writers work, strike while they do, and return every card they acknowledged."""
    writers = subprocess.Popen(
        [sys.executable, str(WRITERS), url, name], stdout=subprocess.PIPE, text=True
    )
    assert writers.stdout is not None
    cards = [writers.stdout.readline() for _ in range(ACKNOWLEDGED_EACH)]
    at_the_end(writers)
    cards += writers.stdout.readlines()
    writers.wait()
    writers.stdout.close()
    return [card.rstrip("\n") for card in cards if card.endswith("\n")]


def kept(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(select(FEEDBACK.c.card_uuid)))


@pytest.mark.server
def test_no_acknowledged_feedback_is_lost_when_its_writer_is_killed(
    url: str, engine: Engine
) -> None:
    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += acknowledged_until_killed(url, f"k{kill}", subprocess.Popen.kill)
        assert set(acknowledged) - kept(engine) == set()
    assert len(acknowledged) >= 5_000


@pytest.mark.server
@pytest.mark.postgresql
def test_no_acknowledged_feedback_is_lost_when_postgresql_crashes(cluster: Any) -> None:
    url = cluster.new_database()
    upgrade(url)
    engine = connect(url)

    def crash(writers: subprocess.Popen[str]) -> None:
        cluster.stop("immediate")
        writers.kill()

    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += acknowledged_until_killed(url, f"k{kill}", crash)
        cluster.start()
        assert set(acknowledged) - kept(engine) == set()
    assert len(acknowledged) >= 5_000
    engine.dispose()
