"""FHIR servers that are slow, huge, hostile or down: a real server on loopback plays them."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.fhir.client import Answer, FhirClient, FhirLimits, Question
from cds_service.fhir.exchange import Failure
from tests.fhir.asking import access, bundle, client, resource
from tests.fhir.certificates import self_signed, tls
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
    in_turn,
    stalls_in_body,
    stalls_in_header,
    status,
    stub_server,
)

QUICK = FhirLimits(deadline_seconds=0.3, threads=4)
ONE_THREAD = FhirLimits(deadline_seconds=0.5, threads=1)
NEVER_DONE = [hangs, drips_header, drips_body, stalls_in_header, stalls_in_body]
TYPES = ("MedicationRequest", "Condition", "Observation", "Procedure")


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with stub_server() as made:
        yield made


@pytest.fixture
def quick() -> Iterator[FhirClient]:
    """A client that gives up after 300 ms and has four threads."""
    with client(limits=QUICK) as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def question(kind: str = "Condition") -> Question:
    return Question(resource_type=kind, link=f"{kind}?patient=1")


def asked(to: FhirClient, stub: StubServer, *kinds: str) -> tuple[tuple[Answer, ...], float]:
    """The answers, and the seconds they took."""
    started = time.monotonic()
    answers = access(to, stub.base).ask([question(kind) for kind in kinds or ("Condition",)])
    return answers, time.monotonic() - started


def is_given_up_on_and_gives_its_thread_back(to: FhirClient, stub: StubServer) -> bool:
    """Ask a server that never finishes the first time, by the only thread there is."""
    (answer,), seconds = asked(to, stub)
    (after,), seconds_after = asked(to, stub)
    assert (answer.failure, after.failure) == (Failure.TIMED_OUT, None)
    assert 0.45 < seconds < 0.75
    # Had the timeout begun anew with the byte that came at 400 ms, the thread would be back
    # 350 ms after the first answer was given up on.
    return seconds_after < 0.25


@pytest.mark.parametrize("behaviour", NEVER_DONE)
def test_a_server_that_never_finishes_is_given_up_on_and_its_thread_comes_back(
    stub: StubServer, behaviour: Behaviour
) -> None:
    stub.behaviours["Condition"] = in_turn(behaviour, gives(bundle()))
    with client(limits=ONE_THREAD) as made:
        assert is_given_up_on_and_gives_its_thread_back(made, stub)


@pytest.mark.parametrize("behaviour", NEVER_DONE)
def test_deadline_and_return_of_threads_hold_under_tls(
    certificate: Path, behaviour: Behaviour
) -> None:
    with stub_server(tls=tls(certificate)) as secure:
        secure.behaviours["Condition"] = in_turn(behaviour, gives(bundle()))
        with client(limits=ONE_THREAD, verify=str(certificate)) as made:
            assert is_given_up_on_and_gives_its_thread_back(made, secure)


def test_what_other_searches_brought_is_kept(quick: FhirClient, stub: StubServer) -> None:
    stub.behaviours = {
        "MedicationRequest": hangs,
        "Condition": drips_header,
        "Observation": drips_body,
        "Procedure": gives(bundle()),
    }
    answers, _ = asked(quick, stub, *TYPES)
    assert [answer.failure for answer in answers] == [Failure.TIMED_OUT] * 3 + [None]


def test_pages_read_before_the_deadline_are_handed_back(
    quick: FhirClient, stub: StubServer
) -> None:
    first = bundle(resource("Condition", "1"), next_url="Condition?page=2")
    stub.behaviours["Condition"] = in_turn(gives(first), hangs)
    (answer,), _ = asked(quick, stub)
    assert answer == Answer(pages=(first,), failure=Failure.TIMED_OUT)


def test_searches_that_find_no_free_thread_are_given_up_on_in_time(stub: StubServer) -> None:
    stub.behaviours["Condition"] = hangs
    with client(limits=FhirLimits(deadline_seconds=0.3, threads=1)) as narrow:
        answers, seconds = asked(narrow, stub, *["Condition"] * 5)
    assert answers == (Answer(failure=Failure.TIMED_OUT),) * 5
    assert seconds < 0.6


def test_four_searches_of_50_ms_take_as_long_as_one(stub: StubServer) -> None:
    stub.behaviours = {
        kind: gives(bundle(*(resource(kind, str(n)) for n in range(40))), after_seconds=0.05)
        for kind in TYPES
    }
    with client() as made:
        seconds = min(asked(made, stub, *TYPES)[1] for _ in range(7))
    # One after the other would be 200 ms.
    assert seconds < 0.085


def test_a_server_that_writes_header_and_body_apart_is_not_kept_waiting(stub: StubServer) -> None:
    stub.behaviours["Condition"] = gives(bundle())
    with client() as made:
        asked(made, stub)  # a fresh connection acknowledges at once anyway
        seconds = min(asked(made, stub)[1] for _ in range(7))
    # A delayed ACK of ours would make it 40 ms.
    assert seconds < 0.03


def test_at_most_eight_requests_of_a_call_are_under_way(stub: StubServer) -> None:
    lock = threading.Lock()
    under_way: list[int] = [0]

    def counts(call: Call) -> None:
        with lock:
            under_way.append(under_way[-1] + 1)
            is_first = len(under_way) == 2
        time.sleep(0 if is_first else 0.1)
        with lock:
            under_way.append(under_way[-1] - 1)
        call.answer(b'{"resourceType": "Bundle"}')

    stub.behaviours["Condition"] = counts
    with client() as made:
        asked(made, stub, *["Condition"] * 24)
    assert max(under_way) == 8


def test_connections_are_kept_and_used_again(quick: FhirClient, stub: StubServer) -> None:
    stub.behaviours["Condition"] = gives(bundle())
    for _ in range(5):
        asked(quick, stub)
    assert (stub.hits("Condition"), stub.sockets) == (5, 1)


def test_a_connection_that_ran_out_of_time_is_not_used_again(
    quick: FhirClient, stub: StubServer
) -> None:
    stub.behaviours["Condition"] = in_turn(drips_body, gives(bundle()))
    asked(quick, stub)
    (answer,), _ = asked(quick, stub)
    assert answer == Answer(pages=(bundle(),))
    assert stub.sockets == 2


def test_an_answer_without_end_is_cut_off_at_the_limit(stub: StubServer) -> None:
    stub.behaviours["Condition"] = floods
    with client() as made:
        (answer,), seconds = asked(made, stub)
    assert answer == Answer(failure=Failure.TOO_LARGE)
    assert seconds < 1.5


@pytest.mark.parametrize(("extra", "failure"), [(0, None), (1, Failure.TOO_LARGE)])
def test_an_answer_may_have_the_limit_in_bytes_and_not_one_more(
    stub: StubServer, extra: int, failure: Failure | None
) -> None:
    body = b'{"resourceType": "Bundle"}'
    padded = body + b" " * (200_000 - len(body) + extra)
    stub.behaviours["Condition"] = gives_bytes(padded)
    with client(limits=FhirLimits(answer_bytes=200_000)) as made:
        (answer,), _ = asked(made, stub)
    assert answer.failure is failure


def test_a_cut_off_answer_is_not_taken_for_a_whole_one(quick: FhirClient, stub: StubServer) -> None:
    def stops_early(call: Call) -> None:
        call.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"x": 1}')
        call.close_connection = True

    stub.behaviours["Condition"] = stops_early
    (answer,), _ = asked(quick, stub)
    assert answer == Answer(failure=Failure.UNREACHABLE)


def test_a_gzip_bomb_stays_packed(quick: FhirClient, stub: StubServer) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    stub.behaviours["Condition"] = gives_bytes(bomb, Content_Encoding="gzip")
    (answer,), _ = asked(quick, stub)
    assert answer == Answer(failure=Failure.UNREADABLE)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_not_even_on_the_same_server(
    quick: FhirClient, stub: StubServer, code: int
) -> None:
    stub.behaviours["Condition"] = status(code, Location=f"{stub.base}/Procedure")
    stub.behaviours["Procedure"] = gives(bundle())
    (answer,), _ = asked(quick, stub)
    assert answer == Answer(failure=Failure.REDIRECTED)
    assert stub.hits("Procedure") == 0


def test_the_body_of_a_redirect_is_not_read(stub: StubServer) -> None:
    """`requests` with allow_redirects=False reads it to its end, and unpacks it."""

    def redirects_without_end(call: Call) -> None:
        call.wfile.write(
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        while not call.stub.has_ended.is_set():
            call.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    stub.behaviours["Condition"] = redirects_without_end
    with client() as made:
        (answer,), seconds = asked(made, stub)
    assert answer == Answer(failure=Failure.REDIRECTED)
    assert seconds < 0.5


def test_the_token_is_sent_to_no_other_server(quick: FhirClient, stub: StubServer) -> None:
    with stub_server() as other:
        other.behaviours["Condition"] = gives(bundle())
        stub.behaviours["Condition"] = gives(bundle(next_url=f"{other.base}/Condition"))
        stub.behaviours["Procedure"] = status(307, Location=f"{other.base}/Condition")
        asked(quick, stub, "Condition", "Procedure")
        assert other.targets == []
        assert [headers["Authorization"] for headers in stub.headers] == ["Bearer s3cret-token"] * 2


def test_no_cookie_goes_from_one_call_to_the_next(quick: FhirClient, stub: StubServer) -> None:
    stub.behaviours["Condition"] = gives_bytes(
        b'{"resourceType": "Bundle"}', Set_Cookie="session=of-another-patient; Path=/"
    )
    asked(quick, stub)
    asked(quick, stub)
    assert [headers.get("Cookie") for headers in stub.headers] == [None, None]


def test_a_server_that_hangs_opens_its_circuit_and_is_then_left_alone(
    quick: FhirClient, stub: StubServer
) -> None:
    stub.behaviours["Condition"] = hangs
    for _ in range(3):
        asked(quick, stub)
    (answer,), seconds = asked(quick, stub)
    assert answer == Answer(failure=Failure.CIRCUIT_OPEN)
    assert seconds < 0.05
    assert stub.hits("Condition") == 3


def test_searches_that_fail_together_are_one_failure(quick: FhirClient, stub: StubServer) -> None:
    stub.behaviours = dict.fromkeys(TYPES, status(500))
    for calls in (1, 2):
        asked(quick, stub, *TYPES)
        assert (calls, quick.open_circuits()) == (calls, ())
    asked(quick, stub, *TYPES)
    assert [str(base) for base in quick.open_circuits()] == [stub.base]


def test_a_port_where_nobody_listens_opens_the_circuit(quick: FhirClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}/fhir"
        failures = [access(quick, base).ask([question()])[0].failure for _ in range(4)]
    assert failures == [Failure.UNREACHABLE] * 3 + [Failure.CIRCUIT_OPEN]


def test_the_circuit_closes_once_the_server_is_back(stub: StubServer) -> None:
    limits = FhirLimits(deadline_seconds=0.3, probe_seconds=0.1)
    stub.behaviours["Condition"] = in_turn(*[status(500)] * 3, gives(bundle()))
    with client(limits=limits) as made:
        for _ in range(3):
            asked(made, stub)
        time.sleep(0.11)
        answers, _ = asked(made, stub, *["Condition"] * 4)
        assert made.open_circuits() == ()
    assert [answer.failure for answer in answers] == [None] * 4


def test_slow_pages_of_a_server_in_order_never_open_its_circuit(
    quick: FhirClient, stub: StubServer
) -> None:
    """A page that is asked for late in a call may run out of time through no fault of its own."""
    for kind in TYPES:
        first = gives(bundle(next_url=f"{kind}?page=2"), after_seconds=0.2)
        stub.behaviours[kind] = in_turn(first, hangs)
    answers, _ = asked(quick, stub, *TYPES)
    assert [(len(answer.pages), answer.failure) for answer in answers] == [
        (1, Failure.TIMED_OUT)
    ] * 4
    assert quick.open_circuits() == ()


def test_running_out_of_time_says_nothing_about_the_server_when_little_was_left(
    quick: FhirClient, stub: StubServer
) -> None:
    stub.behaviours["Medication"] = hangs
    for _ in range(3):
        made = access(quick, stub.base)
        time.sleep(0.2)
        (answer,) = made.ask([question("Medication")])
        assert answer.failure is Failure.TIMED_OUT
    assert quick.open_circuits() == ()


def test_a_retry_waits_no_longer_than_the_server_asks(stub: StubServer) -> None:
    stub.behaviours["Condition"] = in_turn(status(503, Retry_After="1"), gives(bundle()))
    with client(limits=FhirLimits(deadline_seconds=1.5)) as made:
        (answer,), seconds = asked(made, stub)
    assert answer.failure is None
    assert 1.0 <= seconds < 1.3
    assert stub.hits("Condition") == 2


def test_a_server_that_does_not_speak_tls_is_unreachable_by_https(quick: FhirClient) -> None:
    with stub_server() as plain:
        base = plain.base.replace("http://", "https://")
        (answer,) = access(quick, base).ask([question()])
    assert answer.failure in {Failure.UNREACHABLE, Failure.TIMED_OUT}


def test_a_certificate_of_the_configured_bundle_is_accepted(certificate: Path) -> None:
    with stub_server(tls=tls(certificate)) as secure:
        secure.behaviours["Condition"] = gives(bundle())
        with client(limits=QUICK, verify=str(certificate)) as made:
            (answer,), _ = asked(made, secure)
    assert answer == Answer(pages=(bundle(),))


def test_a_certificate_nobody_vouches_for_is_not_accepted(
    quick: FhirClient, certificate: Path
) -> None:
    with stub_server(tls=tls(certificate)) as secure:
        secure.behaviours["Condition"] = gives(bundle())
        (answer,), _ = asked(quick, secure)
        assert answer == Answer(failure=Failure.UNREACHABLE)
        assert secure.targets == []


def test_nothing_about_the_request_is_logged(
    quick: FhirClient, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    def writes_bad_header(call: Call) -> None:
        call.wfile.write(b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}")
        call.close_connection = True

    stub.behaviours["Condition"] = writes_bad_header
    caplog.set_level(logging.INFO)
    asked(quick, stub)
    assert stub.hits("Condition") == 1
    assert caplog.text == ""


def test_an_unreachable_server_leaves_no_trace_of_the_url(
    quick: FhirClient, caplog: pytest.LogCaptureFixture
) -> None:
    (answer,) = access(quick, "https://nobody.invalid/fhir").ask([question()])
    assert answer.failure in {Failure.UNREACHABLE, Failure.TIMED_OUT}
    assert caplog.text == ""
