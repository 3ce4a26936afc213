"""What is let in at once, and how often."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from cds_service.errors import Overloaded, TooManyRequests
from cds_service.web.limits import Places, Rates, Shares


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_one_more_than_the_places_is_refused_at_once_and_told_when_to_return() -> None:
    places = Places(2)
    with places, places:
        assert places.taken == 2
        with pytest.raises(Overloaded) as caught, places:
            pass
        assert caught.value.retry_after_seconds == 1
    assert places.taken == 0
    with places:
        assert places.taken == 1


def test_a_place_is_free_again_after_a_failure() -> None:
    places = Places(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places:
            raise ZeroDivisionError
    assert places.taken == 0


@pytest.mark.parametrize(
    ("callers", "limit", "most"), [(1, 4, 4), (2, 4, 3), (2, 1, 1), (2, 32, 24)]
)
def test_one_caller_of_several_never_holds_all_places(callers: int, limit: int, most: int) -> None:
    shares = Shares(limit)
    with ExitStack() as held:
        for _ in range(most):
            held.enter_context(shares.of("north", among=callers))
        with pytest.raises(Overloaded), shares.of("north", among=callers):
            pass
        with shares.of("south", among=callers):
            pass
    with shares.of("north", among=callers):
        pass


def test_a_burst_is_let_in_and_the_next_waits_for_the_rate() -> None:
    clock = Clock()
    rates = Rates(monotonic=clock)

    def take() -> None:
        rates.take("north", per_second=2, burst=3)

    for _ in range(3):
        take()
    with pytest.raises(TooManyRequests) as caught:
        take()
    assert caught.value.retry_after_seconds == 1
    clock.seconds = 0.49  # 0.98 of a call has come back
    with pytest.raises(TooManyRequests):
        take()
    clock.seconds = 0.5
    take()
    with pytest.raises(TooManyRequests):
        take()


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    rates = Rates(monotonic=clock)
    rates.take("north", per_second=100, burst=2)
    clock.seconds = 3600
    for _ in range(2):
        rates.take("north", per_second=100, burst=2)
    with pytest.raises(TooManyRequests):
        rates.take("north", per_second=100, burst=2)


def test_one_issuer_flooding_costs_another_nothing() -> None:
    rates = Rates(monotonic=Clock())
    rates.take("north", per_second=1, burst=1)
    with pytest.raises(TooManyRequests):
        rates.take("north", per_second=1, burst=1)
    rates.take("south", per_second=1, burst=1)


def test_a_slow_rate_says_how_long_to_wait() -> None:
    rates = Rates(monotonic=Clock())
    rates.take("address", per_second=0.1, burst=1)
    with pytest.raises(TooManyRequests) as caught:
        rates.take("address", per_second=0.1, burst=1)
    assert caught.value.retry_after_seconds == 10  # 1 call / 0.1 a second


def test_memory_is_bounded_however_many_keys_come() -> None:
    rates = Rates(monotonic=Clock(), keys_at_most=2)
    for key in ("a", "b", "c", "a"):  # a was forgotten when c came
        rates.take(key, per_second=1, burst=1)


def test_exactly_the_burst_gets_in_when_all_come_together() -> None:
    rates = Rates(monotonic=Clock())
    let_in: list[int] = []

    def call(number: int) -> None:
        try:
            rates.take("north", per_second=1, burst=10)
        except TooManyRequests:
            return
        let_in.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 10
