"""Two issuers on one service: neither reaches what is the other's, nor crowds it out (T2, T12)."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from tests.fhir.asking import bundle, resource
from tests.fhir.stub_server import StubServer, gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED
from tests.web.tokens import PUBLIC_URL, Key, bearer, claims, key, part, public, signed

pytestmark = pytest.mark.server

FEEDBACK = f"{ORDER_SIGN}/feedback"
LISTS = ("Condition", "Observation", "Procedure", "ServiceRequest", "Encounter")


class Ehr(NamedTuple):
    """An issuer: its server, which publishes its keys, too, and its key."""

    name: str
    server: StubServer
    key: Key

    @property
    def issuer(self) -> str:
        return f"https://ehr.{self.name}.example"

    def claims(self, path: str = ORDER_SIGN, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        right = {"iss": self.issuer, "aud": f"{PUBLIC_URL}{path}", "iat": now, "exp": now + 300}
        return claims(**{**right, **changed})

    def headers(self, path: str = ORDER_SIGN, **changed: Any) -> dict[str, str]:
        return {"Authorization": bearer(signed(self.claims(path, **changed), by=self.key))}

    def record(self) -> str:
        return (
            f'[[issuer]]\nname = "{self.name}"\nissuer = "{self.issuer}"\n'
            f'key_set_url = "{self.server.base}/jwks"\nfhir_bases = ["{self.server.base}"]\n'
            f"rate_per_second = 10\nrate_burst = 60\n"
        )


class Both(NamedTuple):
    """The service and those who may call it."""

    service: Process
    north: Ehr
    south: Ehr

    def call(self, ehr: Ehr, body: object = None, path: str = ORDER_SIGN) -> requests.Response:
        sent = request_of_today(WARNED) if body is None else body
        return self.service.post(path, sent, headers=ehr.headers(path))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with ExitStack() as ending:
        north, south = (
            Ehr(name, ending.enter_context(stub_server()), key("P-384", name))
            for name in ("north", "south")
        )
        for ehr in (north, south):
            ehr.server.behaviours = {
                "jwks": gives(public(ehr.key)),
                "Patient/patient-1": gives(resource("Patient", "patient-1")),
                "MedicationRequest": gives(
                    request_of_today(WARNED)["prefetch"]["medication-requests"]
                ),
                **{name: gives(bundle(total=0)) for name in LISTS},
            }
        folder: Path = tmp_path_factory.mktemp("two")
        (folder / "issuers.toml").write_text(north.record() + south.record())
        environment = {
            "CDS_SERVICE_ISSUERS_FILE": str(folder / "issuers.toml"),
            "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL,
        }
        service = ending.enter_context(serving(folder, environment))
        yield Both(service, north, south)
        assert [line for line in service.log if "failed_at" in line] == []
        assert "evil" not in service.log_file.read_text()


def test_each_issuer_has_its_own_base_called_and_never_the_others(both: Both) -> None:
    body = request_of_today(WARNED)
    del body["prefetch"]
    for ehr, other in ((both.north, both.south), (both.south, both.north)):
        before = len(ehr.server.targets)
        assert both.call(other, {**body, "fhirServer": ehr.server.base}).status_code == 412
        assert len(ehr.server.targets) == before
        assert both.call(ehr, {**body, "fhirServer": ehr.server.base}).status_code == 200
        assert ehr.server.hits("Condition") == 1


def test_feedback_on_the_card_of_another_is_answered_like_that_on_no_card(both: Both) -> None:
    [card] = both.call(both.north).json()["cards"]

    def answer(ehr: Ehr, card_uuid: str) -> tuple[int, bytes]:
        entry = {
            "card": card_uuid,
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-22T12:00:00Z",
        }
        response = both.call(ehr, {"feedback": [entry]}, FEEDBACK)
        return response.status_code, response.content

    assert answer(both.north, card["uuid"]) == (200, b"{}")
    assert answer(both.south, card["uuid"]) == answer(both.south, "no-such-card") == (200, b"{}")


def unsigned(**header: Any) -> Callable[[Ehr], str]:
    return lambda ehr: f"{part({'kid': ehr.key.kid, **header})}.{part(ehr.claims())}.c2ln"


def signed_with_the_public_key(ehr: Ehr) -> str:
    pem = ehr.key.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    content = f"{part({'alg': 'HS256', 'kid': ehr.key.kid})}.{part(ehr.claims())}"
    return f"{content}.{part(hmac.new(pem, content.encode(), hashlib.sha256).digest())}"


def by_a_key_of_theirs(**header: Any) -> Callable[[Ehr], str]:
    evil = key("P-384", "evil")
    brought = {"kid": "evil", **header}
    return lambda ehr: signed(ehr.claims(), by=evil, header=brought)


def with_header(**header: Any) -> Callable[[Ehr], str]:
    return lambda ehr: signed(ehr.claims(), by=ehr.key, header=header)


def with_claims(**changed: Any) -> Callable[[Ehr], str]:
    return lambda ehr: signed(ehr.claims(**changed), by=ehr.key)


FORGED: dict[str, Callable[[Ehr], str]] = {
    "an unsigned token": unsigned(alg="none"),
    "an unsigned token in capitals": unsigned(alg="NONE"),
    "a token signed with the public key as a password": signed_with_the_public_key,
    "a token that brings its key": by_a_key_of_theirs(
        jwk=key("P-384", "evil").as_dict(private=False)
    ),
    "a token that names a certificate": by_a_key_of_theirs(x5u="https://evil.example/cert.pem"),
    "a token that brings a certificate": by_a_key_of_theirs(x5c=["MIIB"]),
    "a key id that is a path": by_a_key_of_theirs(kid="../../../dev/null"),
    "a key id that is a statement": by_a_key_of_theirs(kid="x' UNION SELECT 'evil"),
    "a token without a key id": with_header(kid=None),
    "a token with rules of its own": with_header(crit=["kid"]),
    "a token that is not encoded": unsigned(alg="ES384", b64=False),
    "a token of another type": with_header(typ="secevent+jwt"),
    "the other issuer's name": with_claims(iss="https://ehr.south.example"),
    "two issuers": with_claims(iss=["https://ehr.north.example"]),
    "an address that begins with ours": with_claims(aud=f"{PUBLIC_URL}{ORDER_SIGN}/evil"),
    "an address that ends with ours": with_claims(aud=f"https://evil.example{ORDER_SIGN}"),
    "the address this process listens on": with_claims(aud=f"http://127.0.0.1{ORDER_SIGN}"),
    "a token for later": with_claims(nbf=time.time() + 3600),
    "an end that is text": with_claims(exp="tomorrow"),
    "an end that is no number": with_claims(exp=float("inf")),
    "no end": with_claims(exp=None),
    "no beginning": with_claims(iat=None),
    "an id that is a list": with_claims(jti=["evil"]),
    "claims that are a list": lambda ehr: signed(b"[]", by=ehr.key),
    "claims given twice": lambda ehr: signed(
        json.dumps(ehr.claims()).replace("{", '{"iss": "https://evil.example", ', 1).encode(),
        by=ehr.key,
    ),
    "claims a thousand levels deep": lambda ehr: signed(b"[" * 1000 + b"]" * 1000, by=ehr.key),
    "a token of 20 kilobytes": with_claims(more="evil" * 5000),
    "a token in five parts": lambda ehr: signed(ehr.claims(), by=ehr.key) + ".evil.evil",
    "two tokens": lambda ehr: ", ".join(signed(ehr.claims(), by=ehr.key) for _ in range(2)),
}


def test_every_forged_token_gets_the_same_401(both: Both) -> None:
    before = len(both.north.server.targets)
    bodies = set()
    for says, forge in FORGED.items():
        headers = {"Authorization": bearer(forge(both.north))}
        answer = both.service.post(ORDER_SIGN, request_of_today(WARNED), headers=headers)
        assert answer.status_code == 401, says
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        [issue] = answer.json()["issue"]
        del issue["diagnostics"]  # the request number
        bodies.add(json.dumps(issue))
    assert len(bodies) == 1
    assert len(both.north.server.targets) - before <= 1  # one look for keys nobody has
    assert both.call(both.north).status_code == 200


def test_a_flood_from_one_issuer_costs_the_other_nothing(both: Both) -> None:
    body = request_of_today(WARNED)
    tokens = [both.north.headers() for _ in range(300)]
    has_ended = threading.Event()
    others: list[int] = []

    def call_now_and_then() -> None:
        while not has_ended.wait(0.2):
            others.append(both.call(both.south).status_code)

    calling = threading.Thread(target=call_now_and_then)
    calling.start()
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda each: both.service.post(ORDER_SIGN, body, headers=each), tokens)
        )
    has_ended.set()
    calling.join()
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 429, 503}
    assert statuses.count(200) >= 50  # of its burst of 60, as calls before have left it
    assert statuses.count(429) > 0
    assert all(a.headers["Retry-After"] == "1" for a in answers if a.status_code != 200)
    assert set(others) == {200}
