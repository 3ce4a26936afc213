"""What may be in a body, and what is refused before anything reads it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import BodyTooLarge, MalformedRequest, UnsupportedMediaType
from cds_service.web.body import read_bytes, read_object, require_json


def nested(levels: int) -> bytes:
    """An object whose innermost value lies `levels` levels deep."""
    return b'{"a":' * levels + b"1" + b"}" * levels


class Dribble:
    """A body that arrives in small pieces, whatever size is asked for."""

    def __init__(self, body: bytes, piece: int) -> None:
        self.left = io.BytesIO(body)
        self.piece = piece

    def read(self, size: int, /) -> bytes:
        return self.left.read(min(size, self.piece))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/fhir+json",
    ],
)
def test_json_by_any_of_its_names_is_read(content_type: str) -> None:
    require_json(content_type=content_type, content_encoding=None)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=application/json",
    ],
)
def test_anything_else_is_an_unsupported_media_type(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_json(content_type=content_type, content_encoding=None)


@pytest.mark.parametrize("encoding", ["gzip", "identity", "", "br"])
def test_any_content_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        require_json(content_type="application/json", content_encoding=encoding)


@pytest.mark.parametrize(("size", "is_read"), [(99, True), (100, True), (101, False)])
def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(size: int, is_read: bool) -> None:
    for declared in (None, size, 3):  # 3: a length that lies is not believed
        stream = Dribble(b" " * size, piece=7)
        if is_read:
            body = read_bytes(stream, declared_length=declared, limit_bytes=100)
            assert len(body) == size
        else:
            with pytest.raises(BodyTooLarge):
                read_bytes(stream, declared_length=declared, limit_bytes=100)


def test_a_declared_length_beyond_the_limit_is_refused_without_reading() -> None:
    stream = io.BytesIO(b"{}")
    with pytest.raises(BodyTooLarge):
        read_bytes(stream, declared_length=101, limit_bytes=100)
    assert stream.tell() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e400}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"a\\u0000": 1}',
        b'{"a": "\\\\\\u0000"}',
        b'{"a": "\x00"}',
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
    ],
)
def test_what_is_not_a_json_object_of_the_specification_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_object(body)


def test_an_escaped_backslash_before_u0000_is_text_not_nul() -> None:
    assert read_object(rb'{"a": "\\u0000"}') == {"a": r"\u0000"}


@pytest.mark.parametrize(("levels", "is_read"), [(63, True), (64, True), (65, False)])
def test_sixty_four_levels_are_read_and_sixty_five_are_not(levels: int, is_read: bool) -> None:
    if is_read:
        assert read_object(nested(levels))
    else:
        with pytest.raises(MalformedRequest, match="deeper than 64"):
            read_object(nested(levels))


def test_an_empty_object_or_list_is_a_level_of_its_own() -> None:
    for innermost in (b"{}", b"[]"):
        assert read_object(nested(63).replace(b"1", innermost))
        with pytest.raises(MalformedRequest, match="deeper than 64"):
            read_object(nested(64).replace(b"1", innermost))


_READ_A_BOMB = """
import resource, sys
from cds_service.web.body import read_object
from cds_service.errors import MalformedRequest

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

levels = int(sys.argv[1])
body = b'{"a":' + b"[" * levels + b"1," * 2_000_000 + b"1" + b"]" * levels + b"}"
before = most()
try:
    read_object(body)
except MalformedRequest:
    pass
print(most() - before)
"""


@pytest.mark.parametrize("levels", [62, 250])
def test_four_megabytes_of_numbers_in_the_depth_stay_below_a_hundred(levels: int) -> None:
    command = (sys.executable, "-c", _READ_A_BOMB, str(levels))
    grown = subprocess.run(command, capture_output=True, check=True, timeout=60)  # in MiB
    assert int(grown.stdout) < 100


@pytest.mark.parametrize("levels", [254, 255, 256, 1000, 1025, 100_000])
def test_any_depth_beyond_is_a_refusal_and_never_a_recursion_error(levels: int) -> None:
    for body in (nested(levels), b'{"a":' + b"[" * levels + b"]" * levels + b"}"):
        with pytest.raises(MalformedRequest):
            read_object(body)


def test_deep_looking_text_in_a_string_is_no_depth() -> None:
    text = "\n" + "  " * 80 + "[[[["
    assert read_object(json.dumps({"a": text}).encode()) == {"a": text}


@pytest.mark.parametrize(
    "body",
    [
        b'{"patientId": "1", "patientId": "2"}',
        b'{"a": [{"b": {"c": 1, "c": 1}}]}',
        b'{"a": "::", "a": "::"}',
        rb'{"patientId": "1", "p\u0061tientId": "2"}',
        rb'{"a": "\u003a", "b": 1, "b": 2}',
        rb'{"a\u003A": 1, "a:": 2}',
    ],
)
def test_one_name_twice_in_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest, match="same name twice"):
        read_object(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": {"id": "1"}, "b": {"id": "1"}}',
        b'{"time": "10:00:00", "url": "http://x:1/"}',
        rb'{"a": "\u003a", "b": "1:2"}',
        rb'{"a": "\\u003a", "b": "1:2"}',
    ],
)
def test_the_same_name_in_two_objects_and_colons_in_text_are_fine(body: bytes) -> None:
    assert read_object(body) == json.loads(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(':\\"\n{}[]a:', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(":\\a", max_size=3), inner),
    max_leaves=20,
)


@given(value=st.dictionaries(st.text(":\\a", max_size=3), _JSON))
def test_every_object_that_json_can_write_is_read_as_it_is(value: dict[str, object]) -> None:
    assert read_object(json.dumps(value).encode()) == value


@given(pairs=st.lists(st.tuples(st.text(":\\au003", max_size=4), _JSON), min_size=1, max_size=6))
def test_members_are_refused_exactly_when_two_have_one_name(
    pairs: list[tuple[str, object]],
) -> None:
    body = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
    if len({name for name, _ in pairs}) == len(pairs):
        assert read_object(body.encode()) == dict(pairs)
    else:
        with pytest.raises(MalformedRequest):
            read_object(body.encode())


def test_a_message_never_quotes_the_body() -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_object(b'{"name": "Garcia", NaN}')
    assert "Garcia" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_hostile_megabyte_is_refused_in_a_second() -> None:
    bodies = (
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'"' + b"\\" * 1_000_001,
        b"{" + b'"a":1,' * 160_000,
    )
    for body in bodies:
        started = time.perf_counter()
        with pytest.raises(MalformedRequest):
            read_object(body)
        assert time.perf_counter() - started < 1
