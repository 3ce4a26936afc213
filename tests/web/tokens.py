"""Keys and tokens for the tests: right ones, and ones that are wrong in exactly one way."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.web.service import NOON, ORDER_SIGN

PUBLIC_URL = "https://cds.example.org"
NORTH = "https://ehr.north.example"
KEY_SET_URL = f"{NORTH}/jwks.json"
NOW = NOON.timestamp()

Key = ECKey | RSAKey


@cache
def key(kind: str, name: str = "ours") -> Key:
    """Return a key pair: "P-256", "P-384", "P-521", or the bits of an RSA key."""
    if kind.startswith("P-"):
        return ECKey.generate_key(kind, {"kid": f"{kind}-{name}"})
    pair = rsa.generate_private_key(public_exponent=65537, key_size=int(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of short keys, which are meant here
        return RSAKey.import_key(pair, {"kid": f"{kind}-{name}"})


def public(*keys: Key, **more: Any) -> dict[str, Any]:
    """Return the JWK Set of the public halves."""
    return {"keys": [{**each.as_dict(private=False), **more} for each in keys]}


def claims(**changed: Any) -> dict[str, Any]:
    """Return right claims for the order-sign service, with changes; None leaves a claim out."""
    right = {
        "iss": NORTH,
        "aud": f"{PUBLIC_URL}{ORDER_SIGN}",
        "iat": NOW,
        "exp": NOW + 300,
        "jti": str(uuid4()),
    }
    return {name: value for name, value in {**right, **changed}.items() if value is not None}


def signed(
    payload: Mapping[str, Any] | bytes | None = None,
    *,
    by: Key | None = None,
    alg: str = "ES384",
    header: Mapping[str, Any] | None = None,
) -> str:
    """Return a token in compact form; `header` None in a value leaves that member out."""
    by = by or key("P-384")
    members = {"alg": alg, "typ": "JWT", "kid": by.kid, **(header or {})}
    protected = {name: value for name, value in members.items() if value is not None}
    body = payload if isinstance(payload, bytes) else json.dumps(payload or claims()).encode()
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(protected, body, by, registry=registry)


def part(content: Mapping[str, Any] | bytes) -> str:
    """Return one part of a token as it is written."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bearer(token: str) -> str:
    """Return the value of the Authorization header."""
    return f"Bearer {token}"
