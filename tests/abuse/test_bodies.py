"""Bodies that are no request: refused by kind, soon, and without a trace (T13 to T17, T26)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

from tests.abuse.conftest import CANARY, MOST_GROWTH_KIB, Abused
from tests.process import request_of_today
from tests.web.service import ORDER_SIGN, WARNED

pytestmark = pytest.mark.server

CALL = json.dumps(request_of_today(WARNED)).encode()

BODIES = {
    "100,000 nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "100,000 open arrays": b"[" * 100_000,
    "20,000 nested objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "1 kilobyte of depth in the context": CALL.replace(
        b'"context": {', b'"context": {"x": ' + b"[" * 500 + b"]" * 500 + b", "
    ),
    "depth of 65": b'{"a":' * 65 + b"1" + b"}" * 65,
    "nothing": b"",
    "blanks": b" " * 1000,
    "null": b"null",
    "a list": b"[" + CALL + b"]",
    "a text": b'"hook"',
    "a number": b"7",
    "cut off": CALL[:-1],
    "two bodies": CALL + CALL,
    "NaN": b'{"hook": NaN}',
    "Infinity": b'{"hook": -Infinity}',
    "1e400": b'{"hook": 1e400}',
    "an integer of 5,000 digits": b'{"hook": ' + b"9" * 5000 + b"}",
    "an integer of a million digits": b'{"hook": ' + b"9" * 1_000_000 + b"}",
    "a byte-order mark": b"\xef\xbb\xbf" + CALL,
    "UTF-16": CALL.decode().encode("utf-16"),
    "UTF-32": CALL.decode().encode("utf-32"),
    "invalid UTF-8": CALL.replace(b"order-sign", b"order\xff\xfesign", 1),
    "overlong UTF-8": CALL.replace(b"patient-1", b"patient\xc0\xaf", 1),
    "a lone surrogate": CALL.replace(b"patient-1", b"patient\\ud800", 1),
    "an escaped NUL": CALL.replace(b"patient-1", b"patient\\u0000", 1),
    "a raw NUL": CALL.replace(b"patient-1", b"patient\x00", 1),
    "two patients under one name": CALL.replace(
        b'"patientId"', b'"patientId": "someone-else", "patientId"', 1
    ),
    "two contexts": CALL.replace(b'"context"', b'"context": {}, "context"', 1),
    "a name twice, once escaped": CALL.replace(
        b'"patientId"', b'"p\\u0061tientId": "someone-else", "patientId"', 1
    ),
    "comments": CALL + b"// evil",
    "single quotes": CALL.replace(b'"', b"'"),
    "HTML": b"<html><body>evil</body></html>",
    "XML": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_request_is_malformed(service: Abused, body: bytes) -> None:
    assert service.send(data=body).status_code == 400
    assert service.seconds[0] < 2


FULL = 4_000_000

BOMBS = {
    "numbers in 250 lists": b'{"a":' + b"[" * 250 + b"1," * (FULL // 2) + b"1" + b"]" * 250 + b"}",
    "numbers in 60 lists": b'{"a":' + b"[" * 60 + b"1," * (FULL // 2) + b"1" + b"]" * 60 + b"}",
    "empty objects": b'{"a":[' + b"{}," * (FULL // 3) + b"1]}",
    "empty lists": b'{"a":[' + b"[]," * (FULL // 3) + b"1]}",
    "small objects": b'{"a":[' + b'{"b":1},' * (FULL // 8) + b"1]}",
    "short texts": b'{"a":[' + b'"bcd",' * (FULL // 6) + b"1]}",
    "large floats": b'{"a":[' + b"1e15," * (FULL // 5) + b"1]}",
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
def test_four_megabytes_made_to_grow_are_refused_and_given_back(
    service: Abused, body: bytes
) -> None:
    before = service.process.resident_kib
    for _ in range(3):
        assert service.send(data=body).status_code == 400
    assert max(service.seconds) < 3
    assert service.process.resident_kib - before < MOST_GROWTH_KIB


def test_a_body_of_the_right_form_and_a_great_length_is_too_long(service: Abused) -> None:
    assert service.send(data=CALL + b" " * (5 << 20)).status_code == 413


def test_a_long_body_in_pieces_is_never_cut_and_answered(service: Abused) -> None:
    def pieces() -> Iterator[bytes]:
        yield CALL
        for _ in range(12):
            yield b" " * (1 << 20)

    assert service.send(data=pieces()).status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x-evil", "gzip, gzip"])
def test_an_encoded_body_is_not_unpacked(service: Abused, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    assert service.send(data=gzip.compress(CALL), headers=headers).status_code == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/json, text/html",
        "json",
    ],
)
def test_a_body_of_another_kind_is_not_read(service: Abused, content_type: str) -> None:
    assert service.send(data=CALL, headers={"Content-Type": content_type}).status_code == 415


def test_a_hundred_thousand_members_are_no_trouble(service: Abused) -> None:
    body = request_of_today(WARNED) | {f"member-{n}": n for n in range(100_000)}
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 5


def test_a_name_of_a_megabyte_is_no_trouble(service: Abused) -> None:
    assert service.send(request_of_today(WARNED) | {"x" * 1_000_000: 1}).status_code == 200


def test_what_a_body_holds_is_not_answered_back(service: Abused) -> None:
    for body in (f'{{"{CANARY}": ', f'{{"hook": "{CANARY}"}}', f'["{CANARY}"]'):
        assert service.send(data=body.encode()).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"{ORDER_SIGN}?{CANARY}=1",
        f"/cds-services/{CANARY}",
        f"/cds-services/%2e%2e/{CANARY}",
        f"/cds-services/{CANARY}%00/feedback",
        "/cds-services/" + "a" * 20_000,
        f"/{CANARY}/../../etc/passwd",
        "/metrics",
        "/console",
    ],
)
def test_no_path_leads_astray(service: Abused, path: str) -> None:
    expected = 200 if path.startswith(ORDER_SIGN) else 404
    assert service.send(request_of_today(WARNED), path).status_code == expected
