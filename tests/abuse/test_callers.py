"""Callers who are not who they say, against the service as a site runs it (T1 to T12)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.fhir.stub_server import StubServer, gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED
from tests.web.tokens import bearer, key, public, signed

pytestmark = pytest.mark.server

PUBLIC_URL = "https://cds.example.org"
NORTH = "https://ehr.north.example"


@pytest.fixture(scope="module")
def keys() -> Iterator[StubServer]:
    """The issuer's own key set address."""
    with stub_server() as started:
        started.behaviours["jwks"] = gives(public(key("P-384"), key("2048")))
        yield started


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, keys: StubServer) -> Iterator[Process]:
    folder: Path = tmp_path_factory.mktemp("callers")
    (folder / "issuers.toml").write_text(
        f'[[issuer]]\nname = "north"\nissuer = "{NORTH}"\nkey_set_url = "{keys.base}/jwks"\n'
        f'fhir_bases = ["https://fhir.north.example/r4"]\n'
    )
    environment = {
        "CDS_SERVICE_ISSUERS_FILE": str(folder / "issuers.toml"),
        "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL,
        "CDS_SERVICE_RATE_BURST": "100000",
    }
    with serving(folder, environment) as started:
        yield started
        assert [line for line in started.log if "failed_at" in line] == []
        assert "evil" not in started.log_file.read_text()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    right = {
        "iss": NORTH,
        "aud": f"{PUBLIC_URL}{ORDER_SIGN}",
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid4()),
    }
    return {**right, **changed}


def ask(service: Process, token: str | None, path: str = ORDER_SIGN) -> int:
    headers = {} if token is None else {"Authorization": token}
    return service.post(path, request_of_today(WARNED), headers=headers).status_code


def is_well(service: Process) -> bool:
    return ask(service, bearer(signed(claims()))) == 200


FORGED = {
    "no token": lambda _: None,
    "another scheme": lambda _: "Basic bm9ydGg6ZXZpbA==",
    "garbage": lambda _: "Bearer evil",
    "another's key under our kid": lambda _: bearer(
        signed(claims(), by=key("P-384", "evil"), header={"kid": key("P-384").kid})
    ),
    "a key of the attacker's address": lambda evil: bearer(
        signed(claims(), by=key("P-384", "evil"), header={"jku": f"{evil}/jwks"})
    ),
    "our kid at the attacker's address": lambda evil: bearer(
        signed(
            claims(),
            by=key("P-384", "evil"),
            header={"jku": f"{evil}/jwks", "kid": key("P-384").kid},
        )
    ),
    "an RSA token for an EC key": lambda _: bearer(
        signed(claims(), by=key("2048"), alg="RS256", header={"kid": key("P-384").kid})
    ),
    "expired": lambda _: bearer(signed(claims(iat=1, exp=301))),
    "valid for ten years": lambda _: bearer(signed(claims(exp=int(time.time()) + 315_360_000))),
    "for another service": lambda _: bearer(signed(claims(aud=f"{PUBLIC_URL}/cds-services"))),
    "for another address": lambda _: bearer(
        signed(claims(aud=f"https://evil.example{ORDER_SIGN}"))
    ),
    "of an unknown issuer": lambda _: bearer(signed(claims(iss="https://evil.example"))),
    "of the sandbox": lambda _: bearer(signed(claims(iss="https://sandbox.cds-hooks.org"))),
    "without id": lambda _: bearer(signed(claims(jti=""))),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_401_and_nobody_else_is_asked(service: Process, forge: Any) -> None:
    with stub_server() as evil:
        evil.behaviours["jwks"] = gives(public(key("P-384", "evil")))
        assert ask(service, forge(evil.base)) == 401
        assert evil.targets == []


def test_a_right_token_is_let_in_once_however_many_send_it_together(service: Process) -> None:
    token = bearer(signed(claims()))
    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(lambda _: ask(service, token), range(12)))
    assert sorted(statuses) == [200] + [401] * 11


def test_a_token_used_before_a_restart_stays_used(
    tmp_path: Path, keys: StubServer, service: Process
) -> None:
    (tmp_path / "issuers.toml").write_text((service.log_file.parent / "issuers.toml").read_text())
    environment = {
        "CDS_SERVICE_ISSUERS_FILE": str(tmp_path / "issuers.toml"),
        "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL,
    }
    token = bearer(signed(claims()))
    for expected in (200, 401):
        with serving(tmp_path, environment) as started:
            assert ask(started, token) == expected
            assert started.stop() == 0


def test_thirty_unknown_keys_cost_the_issuer_one_visit(service: Process, keys: StubServer) -> None:
    before = keys.hits("jwks")
    for number in range(30):
        assert ask(service, bearer(signed(claims(), header={"kid": f"evil-{number}"}))) == 401
    assert keys.hits("jwks") - before <= 1
    assert is_well(service)


def test_a_flood_of_bad_tokens_is_slowed_and_the_good_ones_are_not(service: Process) -> None:
    statuses = [ask(service, "Bearer evil") for _ in range(100)]
    assert set(statuses) <= {401, 429}
    assert 429 in statuses
    assert is_well(service)


def test_feedback_needs_a_token_of_its_own(service: Process) -> None:
    path = f"{ORDER_SIGN}/feedback"
    body = {"feedback": []}
    for audience, expected in ((ORDER_SIGN, 401), (path, 200)):
        token = bearer(signed(claims(aud=f"{PUBLIC_URL}{audience}")))
        response = requests.post(
            f"{service.base}{path}",
            data=json.dumps(body),
            headers={"Authorization": token, "Content-Type": "application/json"},
            timeout=10,
        )
        assert response.status_code in {expected, 429 if expected == 401 else expected}
