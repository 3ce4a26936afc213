"""Key sets: what is a usable key, and that nobody ever waits for a set (T4)."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from cds_service.web.key_sets import KeySet, fetch_all, read_key_set
from tests.web.tokens import key, public


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Address:
    """Stands for the issuer's key set address: counts visits, answers what it is told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.visits = 0

    def __call__(self) -> Any:
        self.visits += 1
        return self.answer


def settled(keys: KeySet) -> KeySet:
    """Wait until a fetch that runs has ended: a second one is refused, or ends after it."""
    for thread in threading.enumerate():
        if thread.name == "key-set":
            thread.join(5)
    return keys


def test_usable_keys_are_found_by_their_kid() -> None:
    keys = read_key_set(public(key("P-384"), key("P-256"), key("2048")))
    algorithms = {kid: sorted(found.algorithms) for kid, found in keys.items()}
    assert algorithms == {
        "P-384-ours": ["ES384"],
        "P-256-ours": ["ES256"],
        "2048-ours": ["RS256", "RS384"],
    }


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"keys": None},
        {"keys": {"a": 1}},
        {"keys": [None, 7, "x", []]},
        {"keys": [{"kid": "a"}]},
        {"keys": [{"kid": "a", "kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [{"kid": "a", "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}]},
        {"keys": [{"kid": "a", "kty": "EC", "crv": "P-9", "x": 1, "y": None}]},
        {"keys": [{"kid": "a", "kty": "RSA", "n": "AA"}]},
        {"keys": [{"kid": "a", "kty": "RSA", "n": 1, "e": 2}]},
        {"keys": [{"kid": ["a"], **key("P-384").as_dict(private=False), "kty": "EC", "crv": None}]},
    ],
)
def test_what_is_no_usable_key_is_passed_over(document: Any) -> None:
    assert read_key_set(document) == {}


def test_keys_for_another_use_or_of_another_algorithm_are_passed_over() -> None:
    assert read_key_set(public(key("P-384"), use="enc")) == {}
    assert read_key_set(public(key("P-384"), alg="ES256")) == {}
    assert read_key_set(public(key("P-384"), alg=["ES384"])) == {}
    assert read_key_set(public(key("P-384"), use="sig", alg="ES384"))
    assert read_key_set(public(key("P-521"))) == {}
    assert read_key_set(public(key("1024"))) == {}


def test_a_private_key_published_by_mistake_is_passed_over() -> None:
    assert read_key_set({"keys": [key("P-384").as_dict(private=True)]}) == {}


def test_the_first_of_two_keys_with_one_kid_counts_and_only_fifty_are_read() -> None:
    twice = public(key("P-384"), key("P-384", "theirs"), kid="a")
    assert read_key_set(twice)["a"].key == key("P-384").public_key
    pad = [{"kid": str(number)} for number in range(49)]
    last = public(key("P-384"))["keys"]
    assert read_key_set({"keys": pad + last})
    assert read_key_set({"keys": [{"kid": "x"}, *pad, *last]}) == {}


def test_thirty_unknown_kids_cost_one_fetch_in_thirty_seconds() -> None:
    clock, address = Clock(), Address(public(key("P-384")))
    keys = KeySet(address, monotonic=clock)
    for number in range(30):
        assert settled(keys).key(f"unknown-{number}") is None
    assert address.visits == 1
    clock.seconds += 29.9
    keys.key("unknown")
    assert settled(keys).key("P-384-ours") is not None
    assert address.visits == 1
    clock.seconds += 0.1
    keys.key("unknown")
    settled(keys)
    assert address.visits == 2


def test_a_new_key_is_known_after_its_first_use_was_refused() -> None:
    clock, address = Clock(), Address(public(key("P-384")))
    keys = KeySet(address, monotonic=clock)
    keys.refresh().result()
    address.answer = public(key("P-384"), key("P-256"))
    clock.seconds += 30
    assert keys.key("P-256-ours") is None
    assert settled(keys).key("P-256-ours") is not None


def test_a_key_taken_out_of_the_set_is_unknown_after_ten_minutes() -> None:
    clock, address = Clock(), Address(public(key("P-384"), key("P-256")))
    keys = KeySet(address, monotonic=clock)
    keys.refresh().result()
    address.answer = public(key("P-384"))
    clock.seconds += 599
    assert keys.key("P-256-ours") is not None
    assert address.visits == 1
    clock.seconds += 1
    keys.key("P-256-ours")  # starts the fetch
    assert settled(keys).key("P-256-ours") is None


def test_a_known_key_is_served_at_once_while_the_set_hangs() -> None:
    clock, let_go = Clock(), threading.Event()
    answers = [public(key("P-384"))]

    def fetch() -> Any:
        if not answers:
            let_go.wait(10)
            return None
        return answers.pop()

    keys = KeySet(fetch, monotonic=clock)
    keys.refresh().result()
    clock.seconds += 601
    started = time.perf_counter()
    for _ in range(100):
        assert keys.key("P-384-ours") is not None
        assert keys.key("unknown") is None
    assert time.perf_counter() - started < 1
    let_go.set()
    settled(keys)


@pytest.mark.parametrize("answer", [None, {}, {"keys": []}, {"keys": [{"kid": "a"}]}])
def test_a_set_that_cannot_be_had_leaves_the_last_good_one_for_a_day(answer: Any) -> None:
    clock, address = Clock(), Address(public(key("P-384")))
    keys = KeySet(address, monotonic=clock)
    keys.refresh().result()
    address.answer = answer
    clock.seconds += 24 * 3600 - 1
    assert keys.key("P-384-ours") is not None
    settled(keys)
    assert keys.age_seconds == 24 * 3600 - 1
    clock.seconds += 1
    assert settled(keys).key("P-384-ours") is None


def test_at_start_all_sets_are_fetched_and_none_is_waited_for_too_long() -> None:
    let_go = threading.Event()
    quick = KeySet(Address(public(key("P-384"))), monotonic=Clock())
    slow = KeySet(lambda: let_go.wait(10) and None, monotonic=Clock())
    started = time.perf_counter()
    fetch_all([slow, quick], at_most_seconds=0.3)
    assert time.perf_counter() - started < 2
    assert quick.key("P-384-ours") is not None
    let_go.set()
    settled(slow)
