"""Who is called, with what, and what is made of the answer."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
import requests
import responses

from cds_service.access_token import AccessToken
from cds_service.fhir.base_url import BaseUrl
from cds_service.fhir.client import Answer, FhirAccess, FhirClient, FhirLimits, Question, Refusal
from cds_service.fhir.exchange import Failure
from tests.fhir.asking import access, bundle, client, resource

BASE = "https://ehr.example.org/R4"
CONDITIONS = Question(resource_type="Condition", link="Condition?patient=1")


@pytest.fixture
def fhir_client() -> Iterator[FhirClient]:
    with client() as made:
        yield made


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def asked(to: FhirClient, question: Question = CONDITIONS, token: str | None = "t") -> Answer:
    (answer,) = access(to, BASE, token=token).ask([question])
    return answer


def gives(server: responses.RequestsMock, status: int = 200, **more: object) -> None:
    server.get(f"{BASE}/Condition", status=status, **({"json": bundle()} | more))


def is_listed(base: BaseUrl) -> bool:
    return base == BaseUrl.parse(BASE)


def test_a_base_that_is_not_listed_is_not_called(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    for other in ("https://evil.example/R4", "http://ehr.example.org/R4", BASE + "/x"):
        refusal = fhir_client.access(other, AccessToken("t"), may_call=is_listed)
        assert refusal is Refusal.NOT_ALLOWED
    assert not server.calls


@pytest.mark.parametrize("odd", ["", 7, {}, "file:///etc/passwd", "http://169.254.169.254@x/"])
def test_what_is_no_base_is_not_called_even_where_everything_is_allowed(
    fhir_client: FhirClient, odd: object
) -> None:
    refusal = fhir_client.access(odd, AccessToken("t"), may_call=lambda _: True)
    assert refusal is Refusal.NOT_ALLOWED


def test_no_base_is_another_refusal_than_one_that_is_not_allowed(fhir_client: FhirClient) -> None:
    refusal = fhir_client.access(None, AccessToken("t"), may_call=lambda _: True)
    assert refusal is Refusal.NOT_SENT


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Evil: 1", "é", "x" * 16385])
def test_a_token_that_would_change_the_header_is_not_sent(
    fhir_client: FhirClient, token: str
) -> None:
    refusal = fhir_client.access(BASE, AccessToken(token), may_call=is_listed)
    assert refusal is Refusal.TOKEN_UNUSABLE


def test_a_listed_base_written_otherwise_is_called_as_configured(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server)
    made = fhir_client.access("HTTPS://EHR.example.org:443/R4/", None, may_call=is_listed)
    assert isinstance(made, FhirAccess)
    made.ask([CONDITIONS])
    assert [call.request.url for call in server.calls] == [f"{BASE}/Condition?patient=1"]


def test_the_token_goes_with_the_request_as_bearer(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server)
    asked(fhir_client, token="abc.def")
    assert server.calls[0].request.headers["Authorization"] == "Bearer abc.def"


def test_without_a_token_no_authorization_is_sent(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server)
    asked(fhir_client, token=None)
    assert "Authorization" not in server.calls[0].request.headers


def test_only_unencoded_fhir_json_is_asked_for_and_only_by_get(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server)
    asked(fhir_client)
    request = server.calls[0].request
    assert request.method == "GET"
    assert request.headers["Accept"] == "application/fhir+json"
    assert request.headers["Accept-Encoding"] == "identity"


def test_the_environment_decides_nothing(
    fhir_client: FhirClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    settings = fhir_client.session.merge_environment_settings(BASE, {}, True, None, None)
    assert not settings["proxies"]
    assert settings["verify"] is True


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (201, Failure.UNREADABLE),
        (204, Failure.UNREADABLE),
        (301, Failure.REDIRECTED),
        (302, Failure.REDIRECTED),
        (307, Failure.REDIRECTED),
        (400, Failure.REJECTED),
        (401, Failure.ACCESS_REFUSED),
        (403, Failure.ACCESS_REFUSED),
        (404, Failure.NOT_FOUND),
        (406, Failure.REJECTED),
        (410, Failure.NOT_FOUND),
        (429, Failure.THROTTLED),
        (500, Failure.SERVER_ERROR),
        (502, Failure.SERVER_ERROR),
        (503, Failure.SERVER_ERROR),
        (504, Failure.SERVER_ERROR),
    ],
)
def test_each_status_has_its_failure_and_is_asked_once(
    fhir_client: FhirClient, server: responses.RequestsMock, status: int, failure: Failure
) -> None:
    gives(server, status, headers={"Location": "https://evil.example/"})
    assert asked(fhir_client) == Answer(failure=failure)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"Bundle"',
        b"<html>sign in</html>",
        b'{"resourceType": "Bundle"',
        b'{"resourceType": "Bundle", "total": NaN}',
        b'{"resourceType": "Bundle", "x": "\\ud800"}',
        b'{"resourceType": "Bundle", "x": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_no_json_object_is_unreadable(
    fhir_client: FhirClient, server: responses.RequestsMock, body: bytes
) -> None:
    gives(server, body=body, json=None)
    assert asked(fhir_client) == Answer(failure=Failure.UNREADABLE)


@pytest.mark.parametrize(("levels", "is_read"), [(64, True), (65, False)])
def test_sixty_four_levels_are_read_and_not_one_more(
    fhir_client: FhirClient, server: responses.RequestsMock, levels: int, is_read: bool
) -> None:
    for inner in ("1", '"x"', ""):
        nested = "[" * (levels - 1) + inner + "]" * (levels - 1)
        server.reset()
        gives(server, body=f'{{"resourceType": "Bundle", "x": {nested}}}', json=None)
        assert (asked(fhir_client).failure is None) is is_read


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-odd", "gzip, identity"])
def test_an_encoded_answer_is_refused(
    fhir_client: FhirClient, server: responses.RequestsMock, encoding: str
) -> None:
    gives(server, headers={"Content-Encoding": encoding})
    assert asked(fhir_client) == Answer(failure=Failure.UNREADABLE)


def test_identity_is_no_encoding(fhir_client: FhirClient, server: responses.RequestsMock) -> None:
    gives(server, headers={"Content-Encoding": "Identity"})
    assert asked(fhir_client).failure is None


def test_pages_are_read_in_their_order(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    first = bundle(resource("Condition", "1"), next_url=f"{BASE}/Condition?page=2")
    second = bundle(resource("Condition", "2"), next_url="Condition?page=3")
    third = bundle(resource("Condition", "3"))
    for body in (first, second, third):
        gives(server, json=body)
    assert asked(fhir_client) == Answer(pages=(first, second, third))
    assert [call.request.url for call in server.calls] == [
        f"{BASE}/Condition?patient=1",
        f"{BASE}/Condition?page=2",
        f"{BASE}/Condition?page=3",
    ]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/R4/Condition",
        "https://ehr.example.org.evil.example/R4/Condition",
        "http://ehr.example.org/R4/Condition",
        "https://ehr.example.org/admin",
        "//evil.example/",
        "file:///etc/passwd",
        "",
        "::junk::",
        f"{BASE}/DocumentReference?patient=1",
        f"{BASE}/Patient/1/$everything",
    ],
)
def test_a_next_link_to_elsewhere_ends_the_answer_and_gets_no_token(
    fhir_client: FhirClient, server: responses.RequestsMock, link: str
) -> None:
    first = bundle(resource("Condition", "1"), next_url=link)
    gives(server, json=first)
    assert asked(fhir_client) == Answer(pages=(first,), failure=Failure.FOREIGN_LINK)
    assert len(server.calls) == 1


def test_a_page_that_leads_to_itself_ends_the_answer(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    first = bundle(resource("Condition", "1"), next_url=f"{BASE}/Condition?patient=1")
    gives(server, json=first)
    assert asked(fhir_client) == Answer(pages=(first,), failure=Failure.TOO_MANY_PAGES)
    assert len(server.calls) == 1


@pytest.mark.parametrize(("pages_before", "read"), [(0, 10), (1, 9)])
def test_ten_pages_are_read_at_most_those_sent_included(
    fhir_client: FhirClient, server: responses.RequestsMock, pages_before: int, read: int
) -> None:
    for number in range(12):
        gives(server, json=bundle(next_url=f"{BASE}/Condition?page={number}"))
    question = Question(
        resource_type="Condition", link="Condition?patient=1", pages_before=pages_before
    )
    answer = asked(fhir_client, question)
    assert (len(answer.pages), answer.failure) == (read, Failure.TOO_MANY_PAGES)
    assert len(server.calls) == read


def test_a_search_the_server_rejects_is_asked_again_in_its_plain_form(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 400)
    gives(server)
    question = Question(
        resource_type="Condition",
        link="Condition?patient=1&_include=x",
        plain_link="Condition?patient=1",
    )
    assert asked(fhir_client, question).failure is None
    assert [call.request.url for call in server.calls] == [
        f"{BASE}/Condition?patient=1&_include=x",
        f"{BASE}/Condition?patient=1",
    ]


def test_a_search_rejected_in_its_plain_form_too_is_not_asked_a_third_time(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 400)
    question = Question(
        resource_type="Condition",
        link="Condition?patient=1&_include=x",
        plain_link="Condition?patient=1",
    )
    assert asked(fhir_client, question).failure is Failure.REJECTED
    assert len(server.calls) == 2


def test_a_retry_follows_a_delay_that_fits(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 429, headers={"Retry-After": "0"})
    gives(server)
    assert asked(fhir_client).failure is None
    assert len(server.calls) == 2


def test_there_is_one_retry_at_most(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 503, headers={"Retry-After": "0"})
    assert asked(fhir_client).failure is Failure.SERVER_ERROR
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    "delay", ["2", "120", "-1", "soon", "0.5", "Sun, 22 Nov 2026 13:00:00 GMT", "99999999999"]
)
def test_there_is_no_retry_after_a_delay_beyond_the_deadline_or_unreadable(
    fhir_client: FhirClient, server: responses.RequestsMock, delay: str
) -> None:
    gives(server, 429, headers={"Retry-After": delay})
    assert asked(fhir_client).failure is Failure.THROTTLED
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [500, 401, 404])
def test_retry_after_means_nothing_with_other_statuses(
    fhir_client: FhirClient, server: responses.RequestsMock, status: int
) -> None:
    gives(server, status, headers={"Retry-After": "0"})
    asked(fhir_client)
    assert len(server.calls) == 1


def test_answers_come_in_the_order_of_the_questions(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    kinds = [f"Kind{number}" for number in range(20)]
    for kind in kinds:
        server.get(f"{BASE}/{kind}", json=resource(kind, "1"))
    answers = access(fhir_client, BASE).ask(
        [Question(resource_type=kind, link=kind) for kind in kinds]
    )
    assert [answer.pages[0]["resourceType"] for answer in answers] == kinds


def test_every_exchange_is_observed_by_type_and_outcome(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    seen: list[tuple[str, str]] = []
    gives(server, 429, headers={"Retry-After": "0"})
    gives(server, 403)
    made = access(fhir_client, BASE, observe=lambda kind, result, _: seen.append((kind, result)))
    made.ask([CONDITIONS])
    assert seen == [("Condition", "throttled"), ("Condition", "access-refused")]


def test_the_circuit_opens_after_three_server_errors_and_then_nothing_is_asked(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 500)
    for _ in range(3):
        assert asked(fhir_client).failure is Failure.SERVER_ERROR
    assert asked(fhir_client) == Answer(failure=Failure.CIRCUIT_OPEN)
    assert len(server.calls) == 3
    assert [str(base) for base in fhir_client.open_circuits()] == [BASE]


def test_refused_connections_open_the_circuit(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, body=requests.ConnectionError("refused"), json=None)
    for _ in range(3):
        assert asked(fhir_client).failure is Failure.UNREACHABLE
    assert asked(fhir_client).failure is Failure.CIRCUIT_OPEN


@pytest.mark.parametrize("status", [401, 403, 404, 400, 429, 302])
def test_an_answer_that_is_not_the_servers_fault_never_opens_the_circuit(
    fhir_client: FhirClient, server: responses.RequestsMock, status: int
) -> None:
    gives(server, status)
    for _ in range(4):
        asked(fhir_client)
    assert len(server.calls) == 4
    assert fhir_client.open_circuits() == ()


def test_any_sign_of_life_starts_the_count_again(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    for status in (500, 500, 403, 500, 500):
        gives(server, status)
        asked(fhir_client)
    assert fhir_client.open_circuits() == ()


def test_the_circuit_of_one_base_is_not_that_of_another(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, 500)
    server.get("https://other.example.org/R4/Condition", json=bundle())
    for _ in range(4):
        asked(fhir_client)
    (answer,) = access(fhir_client, "https://other.example.org/R4").ask([CONDITIONS])
    assert answer.failure is None


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


def test_the_first_question_probes_an_open_circuit_for_all_of_its_call(
    server: responses.RequestsMock,
) -> None:
    clock = Clock()
    with client(monotonic=clock) as made:
        for _ in range(3):
            server.get(f"{BASE}/Condition", status=500)
            access(made, BASE).ask([CONDITIONS])
            server.reset()
        clock.seconds += 10
        gives(server)
        server.get(f"{BASE}/Procedure", json=bundle())
        procedures = Question(resource_type="Procedure", link="Procedure?patient=1")
        answers = access(made, BASE).ask([CONDITIONS, procedures, procedures])
    assert [answer.failure for answer in answers] == [None, None, None]


def test_a_probe_is_not_spent_on_no_question(server: responses.RequestsMock) -> None:
    clock = Clock()
    with client(monotonic=clock) as made:
        gives(server, 500)
        for _ in range(3):
            access(made, BASE).ask([CONDITIONS])
        clock.seconds += 10
        assert access(made, BASE).ask([]) == ()
        (answer,) = access(made, BASE).ask([CONDITIONS])
    assert answer.failure is Failure.SERVER_ERROR


def test_a_probe_that_fails_is_the_only_request(server: responses.RequestsMock) -> None:
    clock = Clock()
    with client(monotonic=clock) as made:
        gives(server, 500)
        for _ in range(3):
            access(made, BASE).ask([CONDITIONS])
        clock.seconds += 10
        server.calls.reset()
        answers = access(made, BASE).ask([CONDITIONS, CONDITIONS])
    assert [answer.failure for answer in answers] == [Failure.SERVER_ERROR, Failure.CIRCUIT_OPEN]
    assert len(server.calls) == 1


def test_neither_token_nor_base_nor_patient_shows_in_any_repr(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gives(server, json=bundle(resource("Condition", "secret-condition")))
    made = access(fhir_client, BASE, token="s3cret-token")
    question = Question(resource_type="Condition", link="Condition?patient=secret-patient")
    shown = repr([made, question, made.ask([question]), AccessToken("s3cret-token")])
    assert not [word for word in ("s3cret", "ehr.example.org", "secret-") if word in shown]


def test_a_token_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(AccessToken("s3cret-token"))


def test_limits_are_those_of_the_specification() -> None:
    limits = FhirLimits()
    assert limits.deadline_seconds == 1.5
    assert (limits.calls_at_once, limits.pages) == (8, 10)
    assert limits.answer_bytes == 8 * 1024 * 1024
    assert (limits.failures_to_open, limits.probe_seconds) == (3, 10.0)
