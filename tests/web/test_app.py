"""The service over HTTP, in development mode: addresses, answers, errors, headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.fhir.client import Refusal
from cds_service.hooks.cards import CardDeck
from cds_service.issuers import Issuer
from cds_service.web.app import create_app
from cds_service.web.metrics import Metrics
from cds_service.web.trust import OpenDoor
from tests.scenarios import scenario_site
from tests.web.service import (
    ORDER_SIGN,
    PATIENT_VIEW,
    RULE_WARNED,
    SUPPRESSED,
    WARNED,
    KeptLog,
    Made,
    Running,
    running,
    scenario_request,
)

LOOPBACK = "http://localhost:8080"
ADDRESSES = ("/cds-services", ORDER_SIGN, f"{ORDER_SIGN}/feedback", "/livez", "/readyz")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


def issue(response: Any) -> dict[str, Any]:
    """Return the one issue of an OperationOutcome, after looking at its form."""
    assert response.content_type == "application/fhir+json; charset=utf-8"
    assert response.json["resourceType"] == "OperationOutcome"
    [only] = response.json["issue"]
    assert only["severity"] == "error"
    assert only["diagnostics"].startswith("Request number ")
    return dict(only)


def test_discovery_lists_one_service_per_hook(service: Running) -> None:
    response = service.client.get("/cds-services")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    hooks = [each["hook"] for each in response.json["services"]]
    assert sorted(hooks) == ["medication-refill", "order-select", "order-sign", "patient-view"]


def test_discovery_answers_the_same_with_a_slash_at_the_end_and_with_a_token(
    service: Running,
) -> None:
    bare = service.client.get("/cds-services").data
    token = {"Authorization": "Bearer eyJhbGciOiJFUzM4NCJ9.e30.c2ln"}
    assert service.client.get("/cds-services/").data == bare
    assert service.client.get("/cds-services", headers=token).data == bare


def test_the_warning_card_comes_back(service: Running) -> None:
    response = service.call(scenario_request(WARNED))
    assert response.status_code == 200
    assert response.content_type == "application/json"
    [card] = response.json["cards"]
    assert card["source"]["topic"]["code"] == RULE_WARNED


def test_two_slashes_after_the_discovery_address_lead_to_the_service(service: Running) -> None:
    path = ORDER_SIGN.replace("/cds-services/", "/cds-services//")
    assert len(service.call(scenario_request(WARNED), path).json["cards"]) == 1


def test_an_unexpected_authorization_header_does_no_harm(service: Running) -> None:
    for value in ("Bearer x", "Basic Og==", "\x00", "Bearer " + "a" * 20_000):
        headers = {"Authorization": value}
        assert service.call(scenario_request(WARNED), headers=headers).status_code == 200


def test_a_patient_looking_gets_what_a_practitioner_without_findings_gets(
    service: Running,
) -> None:
    empty = service.call(scenario_request(SUPPRESSED))
    assert empty.data == b'{"cards":[]}'
    for user in ("Patient/patient-1", "RelatedPerson/1", "Device/1"):
        body = scenario_request(WARNED)
        body["context"]["userId"] = user
        gated = service.call(body)
        assert (gated.status_code, gated.data) == (200, empty.data)
        assert gated.headers == empty.headers


def test_the_same_call_gets_the_same_answer_and_another_leaves_no_trace_in_it(
    service: Running,
) -> None:
    first = service.call(scenario_request(WARNED)).data
    service.call(scenario_request(SUPPRESSED))
    assert service.call(scenario_request(WARNED)).data == first


def test_an_unknown_service_is_404(service: Running) -> None:
    for path in ("/cds-services/none", "/cds-services/none/feedback", "/", "/cds-services/a/b"):
        response = service.call({}, path)
        assert response.status_code == 404
        assert issue(response)["code"] == "not-found"


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_a_wrong_method_is_405_and_says_which_are_right(
    service: Running, path: str, method: str
) -> None:
    right = "GET" if path in {"/cds-services", "/livez", "/readyz"} else "POST"
    response = service.client.open(path, method=method, json={})
    if method == right:
        assert response.status_code in {200, 400}
        return
    assert response.status_code == 405
    assert right in response.headers["Allow"].split(", ")
    assert issue(response)["code"] == "not-supported"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, 415, "not-supported"),
        ({"Content-Type": ""}, 415, "not-supported"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415, "not-supported"),
        ({"Content-Type": "application/json"}, 400, "invalid"),
    ],
)
def test_a_body_that_is_no_json_is_refused_by_kind(
    service: Running, headers: dict[str, str], status: int, code: str
) -> None:
    response = service.client.post(ORDER_SIGN, data=b"{'hook'}", headers=headers)
    assert response.status_code == status
    assert issue(response)["code"] == code


def test_a_body_beyond_the_limit_is_413(tmp_path: Path) -> None:
    with running(tmp_path, Made(settings={"body_limit_bytes": 1024})) as service:
        body = b'{"a":"' + b" " * 1017 + b'"}'  # 6 + 1,017 + 2 = 1,025 bytes
        response = service.client.post(ORDER_SIGN, data=body, content_type="application/json")
        assert response.status_code == 413
        assert issue(response)["code"] == "too-long"
        shorter = body.replace(b'" ', b'"')  # 1,024 bytes: read, and found to be no request
        response = service.client.post(ORDER_SIGN, data=shorter, content_type="application/json")
        assert response.status_code == 400


def test_a_malformed_request_is_400_and_says_where_without_quoting(service: Running) -> None:
    body = scenario_request(WARNED)
    body["hookInstance"] = "Jane-Roe"
    response = service.call(body)
    assert response.status_code == 400
    assert "/hookInstance" in issue(response)["details"]["text"]
    assert b"Jane" not in response.data


def test_the_hook_of_another_service_is_400(service: Running) -> None:
    assert service.call(scenario_request(WARNED), PATIENT_VIEW).status_code == 400


def test_needed_data_that_is_nowhere_is_412_naming_the_key(service: Running) -> None:
    body = scenario_request(WARNED)
    del body["prefetch"]["conditions"]
    response = service.call(body)
    assert response.status_code == 412
    assert issue(response)["code"] == "incomplete"
    assert "conditions" in issue(response)["details"]["text"]


def test_data_of_another_patient_is_412_conflict(service: Running) -> None:
    body = scenario_request(WARNED)
    body["context"]["patientId"] = "patient-2"
    response = service.call(body)
    assert response.status_code == 412
    assert issue(response)["code"] == "conflict"
    assert b"patient-" not in response.data


def test_every_answer_is_neither_kept_nor_guessed_at_nor_signed(service: Running) -> None:
    responses = [
        service.client.get("/cds-services"),
        service.call(scenario_request(WARNED)),
        service.call({}),
        service.call({}, "/nowhere"),
        service.client.get(ORDER_SIGN),
        service.client.options(ORDER_SIGN),
    ]
    for response in responses:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in response.headers
        assert "Set-Cookie" not in response.headers


def test_liveness_and_readiness_answer(service: Running) -> None:
    assert service.client.get("/livez").json == {"status": "alive"}
    version = service.parts.site.knowledge.version
    assert service.client.get("/readyz").json == {"status": "ready", "knowledge": version}


def test_a_process_about_to_end_is_alive_and_not_ready(service: Running) -> None:
    app = create_app(
        service.parts,
        door=OpenDoor(service.parts.issuers[0]),
        metrics=Metrics(),
        log=KeptLog(),
        is_draining=lambda: True,
    )
    assert app.test_client().get("/livez").status_code == 200
    assert app.test_client().get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ADDRESSES[:3])
def test_a_preflight_allows_what_browser_clients_send_by_name(service: Running, path: str) -> None:
    response = service.client.options(
        path,
        headers={
            "Origin": LOOPBACK,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert response.status_code == 200
    assert response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == LOOPBACK
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(", "))
    assert response.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_a_preflight_of_nothing_is_404(service: Running) -> None:
    assert service.client.options("/nowhere").status_code == 404


def test_cors_headers_are_on_errors_too(service: Running) -> None:
    headers = {"Origin": LOOPBACK}
    incomplete = {**scenario_request(WARNED), "prefetch": {}}
    statuses = {
        service.call({}, "/cds-services/none", headers=headers): 404,
        service.call({}, headers=headers): 400,
        service.client.get(ORDER_SIGN, headers=headers): 405,
        service.call(incomplete, headers=headers): 412,
        service.client.post(ORDER_SIGN, data=b"", headers=headers): 415,
    }
    for response, status in statuses.items():
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == LOOPBACK


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost.evil.example", "null", "http://127.0.0.1.evil:80"],
)
def test_an_origin_that_is_not_listed_gets_no_permission(service: Running, origin: str) -> None:
    for response in (
        service.client.options(ORDER_SIGN, headers={"Origin": origin}),
        service.client.get("/cds-services", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Vary"] == "Origin"


def test_outside_development_only_listed_origins_may_call(tmp_path: Path) -> None:
    listed = "https://ehr.example.org"
    made = Made(issuer=Issuer(name="north", issuer="north"), settings={"cors_origins": (listed,)})
    with running(tmp_path, made) as service:
        for origin, allowed in ((listed, listed), (LOOPBACK, None)):
            response = service.client.get("/cds-services", headers={"Origin": origin})
            assert response.headers.get("Access-Control-Allow-Origin") == allowed


def test_development_answers_only_to_names_of_this_machine(service: Running) -> None:
    # Else a web page could point a name of its own here and read what is answered.
    for host, status in (("localhost:8000", 200), ("127.0.0.1", 200), ("evil.example", 400)):
        response = service.client.get("/cds-services", headers={"Host": host})
        assert response.status_code == status


class BlockedFhir:
    """Stands for the FHIR client: a call waits in it until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()

    def access(self, *_: object, **__: object) -> Refusal:
        self.entered.set()
        assert self.let_go.wait(10)
        return Refusal.NOT_SENT

    def close(self) -> None:
        """Let nothing wait for ever."""
        self.let_go.set()


def test_beyond_the_calls_at_once_the_answer_is_503_at_once_but_feedback_has_its_own_share(
    tmp_path: Path,
) -> None:
    fhir = BlockedFhir()
    made = Made(settings={"in_flight_limit": 1}, parts={"fhir": fhir})
    with running(tmp_path, made) as service:
        answers: list[Any] = []
        first = threading.Thread(
            target=lambda: answers.append(service.call(scenario_request(WARNED)))
        )
        first.start()
        assert fhir.entered.wait(10)
        shed = service.call(scenario_request(WARNED))
        assert shed.status_code == 503
        assert shed.headers["Retry-After"] == "1"
        assert issue(shed)["code"] == "throttled"
        assert service.call({"feedback": []}, f"{ORDER_SIGN}/feedback").status_code == 200
        assert service.client.get("/readyz").status_code == 200
        assert service.count("cds_inflight", kind="hook") == 1
        fhir.let_go.set()
        first.join()
        assert answers[0].status_code == 200
        assert service.count("cds_inflight", kind="hook") == 0
        assert service.count("cds_shed_total", why="throttled") == 1


class BrokenDeck(CardDeck):
    """A deck with a bug, whose message holds what no log may hold."""

    def render(self, *_: object) -> dict[str, object]:
        raise RuntimeError("Jane Roe, MRN 12345")


def broken(answers_failure_empty: bool) -> Made:
    site = scenario_site()
    parts = {each.name: getattr(site.deck, each.name) for each in fields(site.deck)}
    broken_site = replace(site, deck=BrokenDeck(**parts))
    issuer = Issuer(name="north", issuer="", answers_failure_empty=answers_failure_empty)
    return Made(issuer=issuer, parts={"site": broken_site})


def test_a_bug_is_500_and_never_looks_like_an_all_clear(tmp_path: Path) -> None:
    with running(tmp_path, broken(answers_failure_empty=False)) as service:
        response = service.call(scenario_request(WARNED))
        assert response.status_code == 500
        assert issue(response)["code"] == "exception"
        assert b"Jane" not in response.data


def test_a_client_that_asks_for_it_gets_an_empty_answer_for_a_bug_and_it_is_counted(
    tmp_path: Path,
) -> None:
    with running(tmp_path, broken(answers_failure_empty=True)) as service:
        response = service.call(scenario_request(WARNED))
        assert (response.status_code, response.data) == (200, b'{"cards":[]}')
        labels = {"hook": "order-sign", "issuer": "north", "outcome": "exception-answered-empty"}
        assert service.count("cds_requests_total", **labels) == 1
