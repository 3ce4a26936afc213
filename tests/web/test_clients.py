"""Issuers over HTTP: constant refusals, two tenants kept apart, rates, silent rules, the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from sqlalchemy import select

from cds_service.bootstrap import compose
from cds_service.fhir.base_url import BaseUrl
from cds_service.issuers import Issuer
from cds_service.settings import Settings
from cds_service.store.schema import CARD, FEEDBACK
from cds_service.web.app import create_app
from cds_service.web.key_sets import KeySet
from cds_service.web.metrics import Metrics
from cds_service.web.trust import Trust
from tests.web.service import (
    NOON,
    ORDER_SIGN,
    RULE_WARNED,
    WARNED,
    KeptLog,
    Made,
    Running,
    running,
    scenario_request,
)
from tests.web.tokens import NORTH, NOW, PUBLIC_URL, bearer, claims, key, public, signed

SOUTH = "https://ehr.south.example"
FEEDBACK_PATH = f"{ORDER_SIGN}/feedback"
BASES = {name: BaseUrl.parse(f"https://fhir.{name}.example/r4") for name in ("north", "south")}


def record(name: str, **more: Any) -> Issuer:
    base = BASES[name]
    assert base is not None
    return Issuer(
        name=name,
        issuer=f"https://ehr.{name}.example",
        fhir_bases=frozenset({base}),
        **more,
    )


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Running]:
    """A service that two issuers may call, each with a key and a FHIR base of its own."""
    with two_issuers(tmp_path) as started:
        yield started


def two_issuers(tmp_path: Path, settings: dict[str, Any] | None = None, **north: Any) -> Any:
    issuers = (record("north", **north), record("south"))
    documents = {"north": public(key("P-384")), "south": public(key("P-384", "south"))}
    sets = {}
    for issuer in issuers:
        document = documents[issuer.name]
        keys = KeySet(lambda document=document: document, monotonic=lambda: 0.0)  # type: ignore[misc]
        keys.refresh().result()
        sets[issuer.issuer] = (issuer, keys)
    seen: set[str] = set()

    def is_first(token_hash: str, *, expires_at: float) -> bool:
        is_new = token_hash not in seen
        seen.add(token_hash)
        return is_new

    door = Trust(sets.get, public_url=PUBLIC_URL, is_first=is_first, now=lambda: NOW)
    made = Made(issuer=issuers[0], door=door, settings=settings or {})
    return running(tmp_path, made)


def token_of(name: str, path: str = ORDER_SIGN, **changed: Any) -> dict[str, str]:
    by = key("P-384") if name == "north" else key("P-384", "south")
    payload = claims(iss=f"https://ehr.{name}.example", aud=f"{PUBLIC_URL}{path}", **changed)
    return {"Authorization": bearer(signed(payload, by=by))}


def feedback_on(card: str, **more: Any) -> dict[str, Any]:
    entry = {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T12:00:00Z",
        **more,
    }
    return {"feedback": [entry]}


def test_a_right_token_gets_its_card(two: Running) -> None:
    response = two.call(scenario_request(WARNED), headers=token_of("north"))
    assert response.status_code == 200
    assert len(response.json["cards"]) == 1


def test_how_far_the_clocks_are_apart_is_published(two: Running) -> None:
    for iat in (NOW - 50, NOW + 50):
        two.call(scenario_request(WARNED), headers=token_of("north", iat=iat))
        assert two.count("cds_token_age_seconds", issuer="north") == NOW - iat


def test_every_refusal_is_the_same_answer(two: Running) -> None:
    used = token_of("north")
    two.call(scenario_request(WARNED), headers=used)
    bodies = set()
    for headers in (
        {},
        {"Authorization": "Basic Og=="},
        {"Authorization": "Bearer x"},
        token_of("north", path="/cds-services"),
        token_of("north", exp=NOW - 3600, iat=NOW - 3700),
        used,
    ):
        response = two.call(scenario_request(WARNED), headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        [issue] = response.json["issue"]
        del issue["diagnostics"]  # the request number
        bodies.add(json.dumps(issue))
    assert bodies == {
        '{"severity": "error", "code": "login", "details": {"text": '
        '"Authentication is required: send a valid Bearer token."}}'
    }


def test_a_token_in_the_address_is_no_token(two: Running) -> None:
    token = token_of("north")["Authorization"].removeprefix("Bearer ")
    response = two.call(scenario_request(WARNED), f"{ORDER_SIGN}?access_token={token}")
    assert response.status_code == 401


def test_the_reason_of_a_refusal_is_counted_under_a_name_of_ours(two: Running) -> None:
    two.call(scenario_request(WARNED), headers={"Authorization": "Bearer x"})
    labels = {"issuer": "other", "code": "no-bearer-token"}
    assert two.count("cds_auth_refused_total", **labels) == 1


def test_nothing_of_a_body_is_read_before_the_caller_is_known(two: Running) -> None:
    assert two.client.post(ORDER_SIGN, data=b"{", content_type="text/plain").status_code == 401
    assert two.call({}, FEEDBACK_PATH).status_code == 401


def test_discovery_is_open_unless_the_site_closes_it(two: Running, tmp_path: Path) -> None:
    assert two.client.get("/cds-services").status_code == 200
    (tmp_path / "closed").mkdir()
    with two_issuers(tmp_path / "closed", {"authenticate_discovery": True}) as closed:
        assert closed.client.get("/cds-services").status_code == 401
        headers = token_of("north", path="/cds-services")
        assert closed.client.get("/cds-services", headers=headers).status_code == 200


def test_a_preflight_carries_no_token_and_needs_none(two: Running) -> None:
    assert two.client.options(ORDER_SIGN).status_code == 200


@responses.activate
def test_one_issuer_cannot_have_the_base_of_another_called(two: Running) -> None:
    body = scenario_request(WARNED)
    del body["prefetch"]
    for server in ("https://fhir.south.example/r4", "https://fhir.other.example/r4"):
        body["fhirServer"] = server
        response = two.call(body, headers=token_of("north"))
        assert response.status_code == 412
    assert len(responses.calls) == 0


@responses.activate
def test_an_issuer_has_its_own_base_called_with_the_token_it_sent(two: Running) -> None:
    body = scenario_request(WARNED)
    conditions = body["prefetch"].pop("conditions")
    responses.get(
        "https://fhir.north.example/r4/Condition",
        json=conditions,
        match=[responses.matchers.header_matcher({"Authorization": "Bearer a-token"})],
    )
    body["fhirServer"] = "https://fhir.north.example/r4"
    body["fhirAuthorization"] = {"access_token": "a-token", "token_type": "Bearer"}
    response = two.call(body, headers=token_of("north"))
    assert len(response.json["cards"]) == 1
    assert b"a-token" not in response.data
    labels = {"issuer": "north", "type": "Condition", "outcome": "ok"}
    assert two.count("cds_fhir_requests_total", **labels) == 1


def test_feedback_belongs_to_the_issuer_that_got_the_card(two: Running) -> None:
    [card] = two.call(scenario_request(WARNED), headers=token_of("north")).json["cards"]
    two.parts.store.writer.close(timeout_seconds=5)
    mine = two.call(
        feedback_on(card["uuid"]), FEEDBACK_PATH, headers=token_of("north", FEEDBACK_PATH)
    )
    theirs = two.call(
        feedback_on(card["uuid"]), FEEDBACK_PATH, headers=token_of("south", FEEDBACK_PATH)
    )
    unknown = two.call(
        feedback_on("no-such-card"), FEEDBACK_PATH, headers=token_of("south", FEEDBACK_PATH)
    )
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert (theirs.data, theirs.headers) == (unknown.data, unknown.headers)
    assert two.count("cds_feedback_total", rule=RULE_WARNED, outcome="overridden") == 1
    assert two.count("cds_feedback_total", rule="unknown", outcome="overridden") == 2


def test_a_card_goes_to_the_ledger_without_patient_or_content(two: Running) -> None:
    [card] = two.call(scenario_request(WARNED), headers=token_of("north")).json["cards"]
    two.parts.store.writer.close(timeout_seconds=5)
    with two.parts.store.engine.connect() as connection:
        [row] = connection.execute(select(CARD)).all()
    assert row.card_uuid == card["uuid"]
    assert (row.issuer, row.rule_id, row.hook) == ("north", RULE_WARNED, "order-sign")
    assert row.user_reference == "Practitioner/pr-17"
    assert row.shown_at == NOON
    assert not row.is_silent
    assert row.suggestions == {each["uuid"]: each["label"] for each in card["suggestions"]}
    assert "patient-1" not in str(row)


def test_a_bad_item_refuses_the_whole_batch_and_is_named(two: Running) -> None:
    good, bad = feedback_on("a")["feedback"][0], feedback_on("b", outcome="ignored")["feedback"][0]
    response = two.call(
        {"feedback": [good, bad]}, FEEDBACK_PATH, headers=token_of("north", FEEDBACK_PATH)
    )
    assert response.status_code == 400
    assert "/feedback/1/outcome" in response.json["issue"][0]["details"]["text"]
    with two.parts.store.engine.connect() as connection:
        assert connection.execute(select(FEEDBACK)).all() == []


@pytest.mark.parametrize(("keeps", "kept"), [(False, None), (True, "Jane Roe asked for it")])
def test_the_words_of_a_user_are_kept_only_if_the_site_wants_that(
    tmp_path: Path, keeps: bool, kept: str | None
) -> None:
    with two_issuers(tmp_path, {"keep_comments": keeps}) as service:
        body = feedback_on("a", overrideReason={"userComment": "Jane Roe asked for it"})
        headers = token_of("north", FEEDBACK_PATH)
        assert service.call(body, FEEDBACK_PATH, headers=headers).status_code == 200
        with service.parts.store.engine.connect() as connection:
            assert connection.execute(select(FEEDBACK.c.comment)).scalar() == kept


def test_without_its_database_the_service_answers_calls_and_asks_for_feedback_again(
    two: Running, tmp_path: Path
) -> None:
    two.parts.store.engine.dispose()
    for file in tmp_path.glob("store.sqlite3*"):
        file.unlink()
    response = two.call(scenario_request(WARNED), headers=token_of("north"))
    assert len(response.json["cards"]) == 1
    response = two.call(feedback_on("a"), FEEDBACK_PATH, headers=token_of("north", FEEDBACK_PATH))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json["issue"][0]["code"] == "transient"
    assert two.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("silent", [RULE_WARNED, "*"])
def test_a_silent_rule_is_computed_counted_and_journaled_but_not_shown(
    tmp_path: Path, silent: str
) -> None:
    with two_issuers(tmp_path, silent_rules=frozenset({silent})) as service:
        response = service.call(scenario_request(WARNED), headers=token_of("north"))
        assert response.data == b'{"cards":[]}'
        assert service.count("cds_rule_fired_total", rule=RULE_WARNED) == 1
        labels = {"hook": "order-sign", "issuer": "north", "outcome": "silent"}
        assert service.count("cds_requests_total", **labels) == 1
        shown = service.call(scenario_request(WARNED), headers=token_of("south"))
        assert len(shown.json["cards"]) == 1
        service.parts.store.writer.close(timeout_seconds=5)
        with service.parts.store.engine.connect() as connection:
            rows = connection.execute(select(CARD.c.issuer, CARD.c.is_silent)).all()
        assert sorted(tuple(row) for row in rows) == [("north", True), ("south", False)]


def test_an_issuer_beyond_its_rate_gets_429_and_the_other_notices_nothing(tmp_path: Path) -> None:
    with two_issuers(tmp_path, rate_per_second=1, rate_burst=2) as service:
        statuses = [
            service.call(scenario_request(WARNED), headers=token_of("north")).status_code
            for _ in range(2)
        ]
        assert statuses == [200, 200]
        refused = service.call(scenario_request(WARNED), headers=token_of("north"))
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        feedback = service.call(
            feedback_on("a"), FEEDBACK_PATH, headers=token_of("north", FEEDBACK_PATH)
        )
        assert feedback.status_code == 200
        other = service.call(scenario_request(WARNED), headers=token_of("south"))
        assert other.status_code == 200


def test_an_address_that_keeps_being_refused_is_told_to_wait(two: Running) -> None:
    statuses = [two.call({}).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    assert two.call(scenario_request(WARNED), headers=token_of("north")).status_code == 200


def test_the_keys_of_a_client_lead_to_ours(tmp_path: Path) -> None:
    body = scenario_request(WARNED)
    body["prefetch"]["-problems"] = body["prefetch"].pop("conditions")
    body["prefetch"]["-problems"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    with two_issuers(tmp_path, prefetch_keys={"-problems": "conditions"}) as service:
        response = service.call(body, headers=token_of("north"))
        assert (response.status_code, response.data) == (200, b'{"cards":[]}')
        assert service.call(body, headers=token_of("south")).status_code == 412


def test_the_parts_of_production_know_no_development(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    file.write_text(
        f'[[issuer]]\nname = "north"\nissuer = "{NORTH}"\nkey_set_url = "{NORTH}/jwks.json"\n'
    )
    settings = Settings(
        production=True,
        host="0.0.0.0",
        public_url=PUBLIC_URL,
        issuers_file=file,
        database_url=f"sqlite:///{tmp_path / 'store.sqlite3'}",
    )
    metrics = Metrics()
    parts = compose(settings, on_loss=metrics.record_loss)
    assert not parts.is_development
    assert not any(issuer.calls_any_loopback for issuer in parts.issuers)
    door = Trust({}.get, public_url=PUBLIC_URL, is_first=lambda *_, **__: True, now=lambda: NOW)
    client = create_app(parts, door=door, metrics=metrics, log=KeptLog()).test_client()
    assert client.get("/cds-services", headers={"Host": "cds.example.org"}).status_code == 200
    assert client.post(ORDER_SIGN, json={}).status_code == 401
    parts.close()
