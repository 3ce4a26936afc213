"""FHIR servers that lie, stall, flood and lure (T30 to T37): an answer in time, and no leak."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from tests.abuse.conftest import CANARY, Abused
from tests.fhir.asking import bundle, outcome, resource
from tests.fhir.stub_server import (
    Behaviour,
    Call,
    StubServer,
    drips_body,
    drips_header,
    floods,
    gives,
    gives_bytes,
    hangs,
    stalls_in_header,
    status,
)
from tests.process import request_of_today
from tests.web.service import WARNED

pytestmark = pytest.mark.server

TOKEN = "a-token-that-must-not-leak"
SEARCHES = (
    "MedicationRequest", "Condition", "Observation", "Procedure", "ServiceRequest", "Encounter",
)  # fmt: skip


def calling(base: object) -> dict[str, Any]:
    body = request_of_today(WARNED)
    del body["prefetch"]
    body["fhirServer"] = base
    body["fhirAuthorization"] = {"access_token": TOKEN, "token_type": "Bearer"}
    return body


def serve_empty(fhir: StubServer) -> None:
    fhir.behaviours["Patient/patient-1"] = gives(resource("Patient", "patient-1"))
    for search in SEARCHES:
        fhir.behaviours[search] = gives(bundle(total=0))


def ask(service: Abused, fhir: StubServer) -> int:
    response = service.send(calling(fhir.base))
    assert TOKEN not in response.text
    assert service.seconds[0] < 3
    return response.status_code


def test_a_server_that_behaves_is_asked_for_what_is_listed_and_nothing_else(
    service: Abused, fhir: StubServer
) -> None:
    serve_empty(fhir)
    assert ask(service, fhir) == 200
    paths = {target.split("?")[0].removeprefix("/fhir/") for target in fhir.targets}
    assert paths == {"Patient/patient-1", *SEARCHES}
    assert {headers["Authorization"] for headers in fhir.headers} == {f"Bearer {TOKEN}"}
    assert {headers["Accept-Encoding"] for headers in fhir.headers} == {"identity"}


@pytest.mark.parametrize(
    "disguise",
    [
        "http://127.0.0.1@{host}/fhir",
        "http://localhost:80@{host}/fhir",
        "http://127.0.0.1\\@{host}/fhir",
        "http://127.0.0.1#@{host}/fhir",
        "http://127.0.0.1?@{host}/fhir",
        "http://127.0.0.1%2f@{host}/fhir",
        "http://[::ffff:{host}/fhir",
        "//{host}/fhir",
        "{host}/fhir",
        "ftp://{host}/fhir",
        "file:///etc/passwd",
        "gopher://{host}/_GET",
        "http://{host}/fhir/../fhir",
        "http://{host}/fhir?x=1",
        "http://{host}/fhir#x",
        "http://{host}/%66hir",
        "http://2130706433:{port}/fhir",
        "http://0x7f000001:{port}/fhir",
        "http://127.1:{port}/fhir",
        "http://0.0.0.0:{port}/fhir",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/fhir",
        "http://127.0.0.1.evil.example:{port}/fhir",
        "http://{host}\n/fhir",
        "javascript:alert(1)",
    ],
)
def test_no_disguise_of_an_address_is_called(
    service: Abused, stranger: StubServer, disguise: str
) -> None:
    host = stranger.origin.removeprefix("http://")
    body = calling(disguise.format(host=host, port=host.split(":")[1]))
    assert service.send(body).status_code in {400, 412}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    service: Abused, fhir: StubServer, stranger: StubServer, code: int
) -> None:
    serve_empty(fhir)
    fhir.behaviours["Condition"] = status(code, Location=f"{stranger.base}/Condition")
    assert ask(service, fhir) == 412


@pytest.mark.parametrize(
    "link",
    [
        "{stranger}/fhir/Condition?page=2",
        "//{host}/fhir/Condition?page=2",
        "http://127.0.0.1@{host}/fhir/Condition",
        "https://evil.example/fhir/Condition",
        "file:///etc/passwd",
        "../../../admin",
        "/admin",
        "javascript:1",
        7,
        None,
        {"a": 1},
        "\u0000",
        "x" * 10_000,
    ],
)
def test_a_next_page_elsewhere_is_not_fetched(
    service: Abused, fhir: StubServer, stranger: StubServer, link: object
) -> None:
    serve_empty(fhir)
    if isinstance(link, str):
        host = stranger.origin.removeprefix("http://")
        link = link.format(stranger=stranger.origin, host=host)
    page = bundle(resource("Condition", "1"))
    page["link"] = [{"relation": "next", "url": link}]
    fhir.behaviours["Condition"] = gives(page)
    assert ask(service, fhir) in {200, 412}
    assert all(target.startswith("/fhir/") for target in fhir.targets)


def test_a_page_that_leads_to_itself_ends(service: Abused, fhir: StubServer) -> None:
    serve_empty(fhir)
    fhir.behaviours["Condition"] = gives(bundle(next_url=f"{fhir.base}/Condition?page=1"))
    assert ask(service, fhir) in {200, 412}
    assert fhir.hits("Condition") <= 3


def test_pages_without_end_end(service: Abused, fhir: StubServer) -> None:
    serve_empty(fhir)

    def endless(call: Any) -> None:
        page = bundle(next_url=f"{fhir.base}/Condition?page={time.monotonic_ns()}")
        call.answer(json.dumps(page).encode())

    fhir.behaviours["Condition"] = endless
    assert ask(service, fhir) in {200, 412}
    assert fhir.hits("Condition") <= 10


def sends(*pieces: bytes, for_ever: bytes = b"") -> Behaviour:
    """Write bytes as they are, and close; or go on with `for_ever` until the test is over."""

    def behave(call: Call) -> None:
        for piece in pieces:
            call.wfile.write(piece)
        while for_ever and not call.stub.has_ended.is_set():
            call.wfile.write(for_ever)
        call.close_connection = True

    return behave


OK = b"HTTP/1.1 200 OK\r\n"

BAD: dict[str, Behaviour] = {
    "speaks another protocol": sends(b"220 evil ESMTP\r\n"),
    "says nothing and closes": sends(),
    "says no version": sends(b"HTTP/9.9 200 OK\r\n\r\n{}"),
    "continues for ever": sends(for_ever=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "sends headers without end": sends(OK, for_ever=b"X-Evil: 1\r\n"),
    "sends a header without end": sends(OK, b"X-Evil: ", for_ever=b"a" * 8192),
    "promises more than it sends": sends(OK, b"Content-Length: 1000\r\n\r\n{}"),
    "sends less than nothing": sends(OK, b"Content-Length: -1\r\n\r\n{}"),
    "sends chunks of no size": sends(OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "sends a chunk's line without end": sends(
        OK, b"Transfer-Encoding: chunked\r\n\r\n2;", for_ever=b"a" * 8192
    ),
    "sends packed data and does not say so": gives_bytes(gzip.compress(b"{}")),
    "sends UTF-16": gives_bytes(json.dumps(bundle(total=0)).encode("utf-16")),
    "hangs": hangs,
    "drips its header": drips_header,
    "drips its body": drips_body,
    "stalls in its header": stalls_in_header,
    "floods": floods,
    "sends 9 megabytes": gives_bytes(b'{"a":"' + b" " * (9 << 20) + b'"}'),
    "sends a bomb": gives_bytes(gzip.compress(b" " * (10 << 20)), Content_Encoding="gzip"),
    "sends depth": gives_bytes(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "sends HTML": gives_bytes(f"<html>{CANARY}</html>".encode(), Content_Type="text/html"),
    "sends half": gives_bytes(b'{"resourceType": "Bundle", "entry": ['),
    "sends nothing": gives_bytes(b""),
    "sends null": gives_bytes(b"null"),
    "sends another type": gives(resource("Practitioner", "1")),
    "sends an outcome with 200": gives(outcome("error")),
    "refuses with 401": status(401),
    "refuses with 403": status(403),
    "knows nothing": status(404),
    "is busy": status(429, Retry_After="3600"),
    "is broken": status(500),
    "is away": status(503, Retry_After="0"),
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD.keys())
def test_a_server_that_misbehaves_gives_412_in_time(
    service: Abused, fhir: StubServer, behaviour: Behaviour
) -> None:
    serve_empty(fhir)
    fhir.behaviours["Condition"] = behaviour
    assert ask(service, fhir) == 412


def test_a_server_that_is_not_there_gives_412_at_once(service: Abused) -> None:
    assert service.send(calling("http://127.0.0.1:9/fhir")).status_code == 412


def test_another_patient_from_the_server_gives_412(service: Abused, fhir: StubServer) -> None:
    serve_empty(fhir)
    fhir.behaviours["Patient/patient-1"] = gives(
        resource("Patient", "someone-else", name=[{"family": CANARY}])
    )
    assert ask(service, fhir) == 412


def test_a_cookie_is_not_kept_and_a_second_call_gets_nothing_of_the_first(
    service: Abused, fhir: StubServer
) -> None:
    serve_empty(fhir)
    empty = json.dumps(bundle(total=0)).encode()
    fhir.behaviours["Condition"] = gives_bytes(empty, Set_Cookie="evil=1; Path=/")
    assert [ask(service, fhir), ask(service, fhir)] == [200, 200]
    assert fhir.hits("Condition") == 2
    assert not any("Cookie" in headers for headers in fhir.headers)


def test_absolute_references_in_data_lead_nowhere_else(
    service: Abused, fhir: StubServer, stranger: StubServer
) -> None:
    serve_empty(fhir)
    order = resource(
        "MedicationRequest",
        "1",
        status="active",
        intent="order",
        subject={"reference": "Patient/patient-1"},
        medicationReference={"reference": f"{stranger.base}/Medication/1"},
    )
    fhir.behaviours["MedicationRequest"] = gives(bundle(order))
    assert ask(service, fhir) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        {"access_token": "a\r\nX-Evil: 1", "token_type": "Bearer"},
        {"access_token": "ä", "token_type": "Bearer"},
        {"access_token": "a" * 100_000, "token_type": "Bearer"},
        {"access_token": {"a": 1}},
        {"access_token": "a", "token_type": "mac"},
        [],
        "evil",
    ],
)
def test_a_token_that_cannot_stand_in_a_header_is_not_sent(
    service: Abused, fhir: StubServer, authorization: object
) -> None:
    serve_empty(fhir)
    body = calling(fhir.base)
    body["fhirAuthorization"] = authorization
    assert service.send(body).status_code in {200, 400, 412}
    assert not any("X-Evil" in headers for headers in fhir.headers)
