"""The door before the FHIR server keeps out what a token does not allow; no FHIR server needed."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import REFERENCE_DAY
from tests.integration.checking_proxy import Bearer, CheckingProxy, Grant, listening
from tests.integration.hapi import PATIENTS

PATIENT = "drug-as-separate-medication"
SEARCH = f"MedicationRequest?patient={PATIENT}&_count=200"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    app = Flask(__name__)
    app.register_blueprint(fhir_blueprint(PATIENTS, REFERENCE_DAY))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/fhir"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def proxy(upstream: str) -> CheckingProxy:
    return CheckingProxy(upstream)


@pytest.fixture(scope="module")
def base(proxy: CheckingProxy) -> Iterator[str]:
    with listening(proxy) as base:
        yield base


@pytest.fixture
def bearer(proxy: CheckingProxy) -> Bearer:
    return proxy.bearer(
        Grant(patient_id=PATIENT, types=frozenset({"Patient", "MedicationRequest"}))
    )


def ask(base: str, link: str, bearer: Bearer | None, method: str = "GET") -> requests.Response:
    url = link if link.startswith("http") else f"{base}/{link}"
    headers = {"Authorization": f"Bearer {bearer.token}"} if bearer else {}
    return requests.request(method, url, headers=headers, timeout=10)


def next_link(page: requests.Response) -> str:
    (link,) = [each["url"] for each in page.json()["link"] if each["relation"] == "next"]
    return str(link)


def test_the_patient_of_the_token_is_read(base: str, bearer: Bearer) -> None:
    assert ask(base, f"Patient/{PATIENT}", bearer).json()["id"] == PATIENT


def test_pages_are_small_and_their_links_lead_through_the_door(base: str, bearer: Bearer) -> None:
    first = ask(base, SEARCH, bearer)
    assert len(first.json()["entry"]) == 2
    assert next_link(first).startswith(base)
    assert len(ask(base, next_link(first), bearer).json()["entry"]) == 2


def test_who_has_no_token_of_ours_is_a_stranger(base: str, proxy: CheckingProxy) -> None:
    assert ask(base, SEARCH, None).status_code == 401
    unknown = Bearer(token="guessed", grant=Grant(patient_id=PATIENT, types=frozenset()))
    assert ask(base, SEARCH, unknown).status_code == 401
    assert proxy.strangers == ["GET MedicationRequest", "GET MedicationRequest"]


@pytest.mark.parametrize(
    ("link", "method", "status"),
    [
        (SEARCH, "POST", 405),
        (f"Patient/{PATIENT}", "DELETE", 405),
        (f"Condition?patient={PATIENT}", "GET", 403),
        ("metadata", "GET", 403),
        ("MedicationRequest?patient=short-course", "GET", 403),
        (f"MedicationRequest?patient={PATIENT}&patient=short-course", "GET", 403),
        ("MedicationRequest", "GET", 403),
        ("Patient/short-course", "GET", 403),
        (f"{SEARCH}&_revinclude=Provenance:target", "GET", 403),
        ("?_getpages=another-search&_getpagesoffset=2", "GET", 403),
    ],
)
def test_whatever_else_is_asked_for_is_refused_and_remembered(
    base: str, bearer: Bearer, link: str, method: str, status: int
) -> None:
    assert ask(base, link, bearer, method).status_code == status
    assert [(each.method, each.status) for each in bearer.asked] == [(method, status)]
    assert bearer.refusals


def test_a_server_that_takes_no_include_says_so(base: str, proxy: CheckingProxy) -> None:
    grant = Grant(patient_id=PATIENT, types=frozenset({"MedicationRequest"}), takes_no_include=True)
    bearer = proxy.bearer(grant)
    include = "&_include=MedicationRequest:medication"
    assert ask(base, SEARCH + include, bearer).status_code == 400
    assert ask(base, SEARCH, bearer).status_code == 200
