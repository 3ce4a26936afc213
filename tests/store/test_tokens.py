"""A token is accepted once, also by many at once and across a restart."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from cds_service.errors import StoreUnavailable
from cds_service.store.database import connect
from cds_service.store.tokens import SeenTokens
from cds_service.store.write_behind import WriteBehind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
Losses = Callable[[str, int], object]


@pytest.fixture
def tokens(writer: WriteBehind, losses: Losses) -> SeenTokens:
    return SeenTokens(writer=writer, on_loss=losses)


def test_a_token_is_new_once(tokens: SeenTokens) -> None:
    answers = [tokens.first_seen("a", expires_at=LATER, now=NOON) for _ in range(3)]
    assert answers == [True, False, False]


def test_of_fifty_at_once_exactly_one_is_new(tokens: SeenTokens) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda _: tokens.first_seen("a", expires_at=LATER, now=NOON), range(50))
        )
    assert answers.count(True) == 1


def test_another_token_is_new(tokens: SeenTokens) -> None:
    assert tokens.first_seen("a", expires_at=LATER, now=NOON)
    assert tokens.first_seen("b", expires_at=LATER, now=NOON)


@pytest.mark.parametrize(("second", "is_new"), [(-1, False), (0, True), (1, True)])
def test_a_token_is_forgotten_when_it_expires(
    tokens: SeenTokens, second: int, is_new: bool
) -> None:
    tokens.first_seen("a", expires_at=LATER, now=NOON)
    now = LATER + timedelta(seconds=second)
    assert tokens.first_seen("a", expires_at=LATER, now=now) is is_new


def test_a_token_is_remembered_across_a_restart(
    engine: Engine, writer: WriteBehind, losses: Losses, tokens: SeenTokens
) -> None:
    tokens.first_seen("a", expires_at=LATER, now=NOON)
    writer.close(timeout_seconds=10)
    restarted = SeenTokens(writer=writer, on_loss=losses)
    restarted.load(engine, now=NOON)
    assert not restarted.first_seen("a", expires_at=LATER, now=NOON)
    assert restarted.first_seen("b", expires_at=LATER, now=NOON)


def test_a_token_that_expired_meanwhile_is_not_loaded(
    engine: Engine, writer: WriteBehind, losses: Losses, tokens: SeenTokens
) -> None:
    tokens.first_seen("a", expires_at=LATER, now=NOON)
    writer.close(timeout_seconds=10)
    restarted = SeenTokens(writer=writer, on_loss=losses)
    restarted.load(engine, now=LATER)
    assert restarted.first_seen("a", expires_at=LATER, now=NOON)


def test_a_full_memory_forgets_the_token_that_expires_first_and_says_so(
    writer: WriteBehind,
) -> None:
    forgotten: list[tuple[str, int]] = []
    tokens = SeenTokens(
        writer=writer, on_loss=lambda table, number: forgotten.append((table, number)), capacity=2
    )
    for name, minutes in (("first", 1), ("second", 2), ("third", 3)):
        tokens.first_seen(name, expires_at=NOON + timedelta(minutes=minutes), now=NOON)
    assert forgotten == [("seen_token", 1)]
    assert not tokens.first_seen("second", expires_at=LATER, now=NOON)
    assert not tokens.first_seen("third", expires_at=LATER, now=NOON)


def test_without_a_database_memory_still_refuses_the_second_use(losses: Losses) -> None:
    away = connect("postgresql://nobody@/nowhere?host=/nonexistent")
    writer = WriteBehind(away, on_loss=losses)
    tokens = SeenTokens(writer=writer, on_loss=losses)
    with pytest.raises(StoreUnavailable):
        tokens.load(away, now=NOON)
    answers = [tokens.first_seen("a", expires_at=LATER, now=NOON) for _ in range(2)]
    assert answers == [True, False]
    writer.close(timeout_seconds=10)
