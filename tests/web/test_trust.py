"""Who is let in, and that a refusal is a refusal whatever its reason (T1 to T12)."""

from __future__ import annotations

import hashlib
import hmac
import string
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from cds_service.errors import Forbidden, Unauthenticated
from cds_service.fhir.base_url import BaseUrl
from cds_service.issuers import Issuer
from cds_service.web.key_sets import KeySet
from cds_service.web.trust import Caller, OpenDoor, Trust
from tests.web.service import ORDER_SIGN
from tests.web.tokens import (
    KEY_SET_URL,
    NORTH,
    NOW,
    PUBLIC_URL,
    Key,
    bearer,
    claims,
    key,
    part,
    public,
    signed,
)

ALPHABET = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}-_"


class Seen:
    """Remembers tokens as the store does."""

    def __init__(self) -> None:
        self.until: dict[str, float] = {}
        self.lock = threading.Lock()

    def __call__(self, token_hash: str, *, expires_at: float) -> bool:
        with self.lock:
            return self.until.setdefault(token_hash, expires_at) is expires_at


def keys_of(document: Mapping[str, Any]) -> KeySet:
    keys = KeySet(lambda: document, monotonic=lambda: 0.0)
    keys.refresh().result()
    return keys


def trust(
    *keys: Key, issuer: Issuer | None = None, seen: Seen | None = None, now: float = NOW
) -> Trust:
    record = issuer or Issuer(name="north", issuer=NORTH, key_set_url=KEY_SET_URL)
    return Trust(
        {NORTH: (record, keys_of(public(*(keys or (key("P-384"),)))))}.get,
        public_url=PUBLIC_URL,
        is_first=seen or Seen(),
        now=lambda: now,
    )


def refusal(authorization: str | None, door: Trust | None = None, path: str = ORDER_SIGN) -> str:
    with pytest.raises(Unauthenticated) as caught:
        (door or trust()).caller(authorization, path=path)
    assert str(caught.value) == "Authentication is required: send a valid Bearer token."
    return caught.value.refusal


def let_in(token: str, door: Trust | None = None, path: str = ORDER_SIGN) -> Caller:
    return (door or trust()).caller(bearer(token), path=path)


@pytest.mark.parametrize(
    ("alg", "kind"), [("ES384", "P-384"), ("ES256", "P-256"), ("RS256", "2048"), ("RS384", "2048")]
)
def test_a_right_token_of_each_algorithm_is_let_in(alg: str, kind: str) -> None:
    caller = let_in(signed(by=key(kind), alg=alg), trust(key(kind)))
    assert caller.issuer.name == "north"
    assert caller.tenant is None


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "no-token"),
        ("", "no-bearer-token"),
        ("Basic Og==", "no-bearer-token"),
        ("Bearer", "no-bearer-token"),
        ("Bearer x", "no-bearer-token"),
        ("Bearer a.b", "no-bearer-token"),
        ("Bearer a.b.", "no-bearer-token"),
        ("Bearer a.b.c.d", "no-bearer-token"),
        ("Bearer ä.b.c", "no-bearer-token"),
        *((f"Bearer a{letter}.b.c", "no-bearer-token") for letter in "\u0130\u0131\u017f\u212a"),
        ("Bearer " + "a" * 9000 + ".b.c", "no-bearer-token"),
        ("Bearer a.b.c", "malformed"),
        (f"Bearer {part(b'[1]')}.{part(claims())}.c2ln", "malformed"),
        (f"Bearer {part(b'[' * 5000)}.{part(claims())}.c2ln", "malformed"),
    ],
)
def test_what_is_no_token_is_refused(authorization: str | None, code: str) -> None:
    assert refusal(authorization) == code


def test_the_word_bearer_may_be_written_in_any_case() -> None:
    assert trust().caller(f"bearer {signed()}", path=ORDER_SIGN).issuer.name == "north"


def test_a_token_without_signature_is_refused() -> None:
    for alg in ("none", "None", "NONE"):
        unsigned = f"{part({'alg': alg, 'kid': key('P-384').kid})}.{part(claims())}"
        assert refusal(bearer(f"{unsigned}.c2ln")) == "algorithm"


def test_the_public_key_used_as_a_password_is_refused() -> None:
    pair = key("P-384")
    pem = pair.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing_input = f"{part({'alg': 'HS256', 'kid': pair.kid})}.{part(claims())}"
    signature = hmac.new(pem, signing_input.encode(), hashlib.sha256).digest()
    assert refusal(bearer(f"{signing_input}.{part(signature)}")) == "algorithm"


@pytest.mark.parametrize(
    ("alg", "kind"), [("PS384", "2048"), ("RS512", "2048"), ("ES512", "P-521")]
)
def test_an_algorithm_that_is_not_on_the_list_is_refused(alg: str, kind: str) -> None:
    assert refusal(bearer(signed(by=key(kind), alg=alg)), trust(key(kind))) == "algorithm"


def test_the_key_says_which_algorithm_not_the_header() -> None:
    marked = public(key("2048"), alg="RS256")
    record = Issuer(name="north", issuer=NORTH)
    door = Trust(
        {NORTH: (record, keys_of(marked))}.get,
        public_url=PUBLIC_URL,
        is_first=Seen(),
        now=lambda: NOW,
    )
    assert refusal(bearer(signed(by=key("2048"), alg="RS384")), door) == "algorithm"
    assert let_in(signed(by=key("2048"), alg="RS256"), door)


def test_a_key_of_another_kind_under_the_same_kid_is_refused() -> None:
    header = {"kid": key("P-384").kid}
    assert refusal(bearer(signed(by=key("2048"), alg="RS256", header=header))) == "algorithm"
    assert refusal(bearer(signed(by=key("P-384", "theirs"), header=header))) == "signature"


def test_an_rsa_key_of_1024_bits_verifies_nothing() -> None:
    assert refusal(bearer(signed(by=key("1024"), alg="RS256")), trust(key("1024"))) == "key"


@pytest.mark.parametrize(
    "jku",
    [
        "https://evil.example/jwks.json",
        f"{KEY_SET_URL}/",
        f"{KEY_SET_URL}?x",
        KEY_SET_URL.upper(),
        "file:///etc/passwd",
        "",
        None,
        7,
    ],
)
def test_a_key_set_address_that_is_not_the_configured_one_is_refused(jku: object) -> None:
    header = {"alg": "ES384", "kid": key("P-384").kid, "jku": jku}
    assert refusal(bearer(f"{part(header)}.{part(claims())}.c2ln")) == "key-set-address"


def test_the_configured_key_set_address_may_be_named() -> None:
    assert let_in(signed(header={"jku": KEY_SET_URL}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crit", ["exp"]),
        ("x5u", "https://evil.example"),
        ("x5c", ["MIIB"]),
        ("jwk", {"kty": "EC"}),
        ("zip", "DEF"),
        ("typ", "secevent+jwt"),
        ("typ", 7),
    ],
)
def test_a_header_that_brings_keys_or_rules_of_its_own_is_refused(name: str, value: object) -> None:
    header = {"alg": "ES384", "kid": key("P-384").kid, name: value}
    token = f"{part(header)}.{part(claims())}.c2ln"
    assert refusal(bearer(token)) == "header"


@pytest.mark.parametrize("kid", [None, "", "unknown", 7, ["a"], "k" * 256])
def test_a_key_that_is_not_known_is_refused(kid: object) -> None:
    header = {"alg": "ES384", **({} if kid is None else {"kid": kid})}
    assert refusal(bearer(f"{part(header)}.{part(claims())}.c2ln")) == "key"


def test_one_bit_of_the_signature_or_of_the_claims_decides() -> None:
    header, payload, signature = signed().split(".")
    assert refusal(bearer(f"{header}.{part(claims())}.{signature}")) == "signature"
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert refusal(bearer(f"{header}.{payload}.{flipped}")) == "signature"


@pytest.mark.parametrize(("alg", "kind"), [("ES256", "P-256"), ("RS256", "2048")])
def test_a_signature_written_with_bits_that_stand_for_nothing_is_refused(
    alg: str, kind: str
) -> None:
    token = signed(by=key(kind), alg=alg)
    last = ALPHABET.index(token[-1])
    assert last % 4 == 0  # the bits no byte is made of
    other = f"{token[:-1]}{ALPHABET[last + 1]}"
    assert refusal(bearer(other), trust(key(kind))) == "malformed"


@pytest.mark.parametrize("signature", [b"\0", b"\0" * 96, b"\xff" * 96, b"\1" * 97, b"\0" * 4000])
@pytest.mark.parametrize(("alg", "kind"), [("ES384", "P-384"), ("RS256", "2048")])
def test_a_signature_that_no_key_makes_is_refused(signature: bytes, alg: str, kind: str) -> None:
    header, payload, _ = signed(by=key(kind), alg=alg).split(".")
    forged = f"{header}.{payload}.{part(signature)}"
    assert refusal(bearer(forged), trust(key(kind))) == "signature"


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        NORTH.upper(),
        f"{NORTH}/",
        NORTH[:-1],
        f"{NORTH}.evil.example",
        [NORTH],
        {"a": 1},
        7,
        "",
    ],
)
def test_an_issuer_that_is_not_exactly_a_configured_one_is_refused(issuer: object) -> None:
    assert refusal(bearer(signed(claims(iss=issuer)))) == "issuer"


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        PUBLIC_URL,
        f"{PUBLIC_URL}{ORDER_SIGN}/",
        f"{PUBLIC_URL}{ORDER_SIGN}/feedback",
        f"{PUBLIC_URL}/cds-services",
        f"https://evil.example{ORDER_SIGN}",
        f"{PUBLIC_URL}{ORDER_SIGN}".upper(),
        [],
        [PUBLIC_URL, 7],
        {"aud": f"{PUBLIC_URL}{ORDER_SIGN}"},
    ],
)
def test_an_audience_that_is_not_the_address_called_is_refused(audience: object) -> None:
    assert refusal(bearer(signed(claims(aud=audience)))) == "audience"


def test_an_audience_may_be_a_list_with_the_address_called() -> None:
    assert let_in(signed(claims(aud=["https://other.example", f"{PUBLIC_URL}{ORDER_SIGN}"])))


def test_feedback_and_discovery_have_audiences_of_their_own() -> None:
    for path in (f"{ORDER_SIGN}/feedback", "/cds-services"):
        assert let_in(signed(claims(aud=f"{PUBLIC_URL}{path}")), path=path)


def test_an_audience_typed_by_hand_counts_when_it_is_in_the_record() -> None:
    typed = "https://cds.example.org/opioids"
    record = Issuer(name="north", issuer=NORTH, audiences=(typed,))
    assert let_in(signed(claims(aud=typed)), trust(issuer=record))


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"exp": NOW - 59}, None),  # a clock that is 59 s behind ours is let in
        ({"exp": NOW - 60}, "expired"),
        ({"exp": NOW - 61}, "expired"),
        ({"iat": NOW + 60, "exp": NOW + 300}, None),
        ({"iat": NOW + 61, "exp": NOW + 300}, "not-yet-valid"),
        ({"nbf": NOW + 60}, None),
        ({"nbf": NOW + 61}, "not-yet-valid"),
        ({"nbf": NOW - 300}, None),  # as Epic sends it
        ({"iat": NOW - 3300, "exp": NOW + 299}, None),  # 3,599 s
        ({"iat": NOW - 3300, "exp": NOW + 300}, None),  # 3,600 s
        ({"iat": NOW - 3300, "exp": NOW + 301}, "lifetime"),
        ({"iat": NOW, "exp": NOW}, "lifetime"),
        ({"iat": NOW + 10, "exp": NOW + 5}, "lifetime"),
        ({"exp": NOW + 10 * 365 * 86400}, "lifetime"),
        ({"exp": None}, "malformed"),
        ({"iat": None}, "malformed"),
        ({"exp": str(NOW + 300)}, "malformed"),
        ({"iat": True}, "malformed"),
        ({"nbf": "now"}, "malformed"),
        ({"exp": [NOW]}, "malformed"),
    ],
)
def test_the_times_of_a_token_hold_to_a_minute_and_an_hour(
    times: dict[str, Any], code: str | None
) -> None:
    token = signed(claims(**{"iat": NOW - 300, **times}))
    if code is None:
        assert let_in(token)
    else:
        assert refusal(bearer(token)) == code


@pytest.mark.parametrize("token_id", [None, "", 7, "j" * 256])
def test_a_token_without_a_usable_id_is_refused(token_id: object) -> None:
    assert refusal(bearer(signed(claims(jti=token_id)))) == "token-id"


def test_a_token_counts_once() -> None:
    door, token = trust(), signed()
    assert let_in(token, door)
    assert refusal(bearer(token), door) == "replay"
    assert refusal(bearer(signed(claims(jti="a"))), trust(seen=_full("a"))) == "replay"


def _full(token_id: str) -> Seen:
    seen = Seen()
    trust(seen=seen).caller(bearer(signed(claims(jti=token_id))), path=ORDER_SIGN)
    return seen


def test_of_twelve_at_once_with_one_token_exactly_one_is_let_in() -> None:
    door, token = trust(), signed()
    outcomes: list[str] = []
    start = threading.Barrier(12)

    def call() -> None:
        start.wait()
        try:
            outcomes.append(let_in(token, door).issuer.name)
        except Unauthenticated as error:
            outcomes.append(error.refusal)

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["north"] + ["replay"] * 11


def test_a_token_is_remembered_until_nobody_would_accept_it() -> None:
    seen = Seen()
    let_in(signed(claims(exp=NOW + 300)), trust(seen=seen))
    assert list(seen.until.values()) == [NOW + 300 + 60]


def test_a_token_that_was_refused_does_not_use_up_the_id_of_another() -> None:
    seen = Seen()
    header = {"kid": key("P-384").kid}
    forged = signed(claims(jti="a"), by=key("P-384", "theirs"), header=header)
    assert refusal(bearer(forged), trust(seen=seen)) == "signature"
    assert let_in(signed(claims(jti="a")), trust(seen=seen))


def test_a_claim_given_twice_is_refused() -> None:
    payload = b'{"iss": "evil", "iss": "https://ehr.north.example"}'
    assert refusal(bearer(signed(payload))) == "malformed"


def test_the_subject_counts_when_the_record_names_it() -> None:
    record = Issuer(name="north", issuer=NORTH, subject="client-17")
    assert let_in(signed(claims(sub="client-17")), trust(issuer=record))
    assert refusal(bearer(signed(claims(sub="client-18"))), trust(issuer=record)) == "subject"
    assert refusal(bearer(signed()), trust(issuer=record)) == "subject"


def test_a_tenant_counts_when_the_record_lists_tenants() -> None:
    record = Issuer(name="north", issuer=NORTH, tenants={"a": frozenset[BaseUrl]()})
    assert let_in(signed(claims(tenant="a")), trust(issuer=record)).tenant == "a"
    for tenant in ("b", None, 7, ["a"]):
        with pytest.raises(Forbidden):
            let_in(signed(claims(tenant=tenant)), trust(issuer=record))


def test_the_keys_of_one_issuer_do_not_verify_for_another() -> None:
    south = "https://ehr.south.example"
    door = Trust(
        {
            NORTH: (Issuer(name="north", issuer=NORTH), keys_of(public(key("P-384")))),
            south: (Issuer(name="south", issuer=south), keys_of(public(key("P-384", "south")))),
        }.get,
        public_url=PUBLIC_URL,
        is_first=Seen(),
        now=lambda: NOW,
    )
    assert refusal(bearer(signed(claims(iss=south))), door) == "key"
    assert let_in(signed(claims(iss=south), by=key("P-384", "south")), door).issuer.name == "south"


def test_in_development_nobody_is_asked() -> None:
    issuer = Issuer(name="development", issuer="")
    assert OpenDoor(issuer).caller(None, path=ORDER_SIGN) == Caller(issuer=issuer)
    assert OpenDoor(issuer).caller("Bearer x", path=ORDER_SIGN) == Caller(issuer=issuer)
