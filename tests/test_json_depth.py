"""Lists round a value that show how deep it goes, shared by all calls of a thread."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from cds_service.json_depth import Nest


class Kept(dict[str, object]):
    """A value of which one can tell whether anybody still has it."""


def deep(levels: int) -> object:
    value: object = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("most", [1, 64, 253])
def test_a_value_as_deep_as_allowed_is_written_and_one_level_more_is_not(most: int) -> None:
    nest = Nest(most_levels=most)
    assert nest.written(deep(most)) == b"[" * 254 + b"]" * 254
    with pytest.raises(orjson.JSONEncodeError):
        nest.written(deep(most + 1))


@pytest.mark.parametrize("levels", [1, 70])
def test_nothing_of_a_value_stays_behind_written_or_refused(levels: int) -> None:
    nest = Nest(most_levels=64)
    value = Kept(a=deep(levels))
    there = weakref.ref(value)
    try:
        nest.written(value)
    except orjson.JSONEncodeError:
        assert levels == 70
    del value
    assert there() is None


def test_threads_that_write_at_once_each_write_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    both_are_writing = threading.Barrier(2, timeout=10)
    dumps = orjson.dumps

    def together(value: object) -> bytes:
        both_are_writing.wait()
        return dumps(value)

    monkeypatch.setattr("cds_service.json_depth.orjson.dumps", together)
    nest = Nest(most_levels=253)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(nest.written, ["mine", "yours"])) == [b'["mine"]', b'["yours"]']
