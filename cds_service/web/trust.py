"""Who is calling: the Bearer JWT of a request, verified against the records of the issuers.

Every refusal is the same 401; its code goes to log and metrics only. Nothing of the token is
believed before its signature, except to look up with whose key it must be verified.

Source: security-reliability.md T1 to T12; CDS Hooks 3.0.0, "Trusting CDS Clients".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import jwt

from cds_service.errors import Forbidden, MalformedRequest, Unauthenticated
from cds_service.issuers import Issuer
from cds_service.web.body import read_object
from cds_service.web.key_sets import KeySet

LEEWAY_SECONDS = 60
LONGEST_LIFE_SECONDS = 3600

_BEARER = re.compile(
    r"Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)", re.ASCII | re.IGNORECASE
)
_LONGEST_TOKEN = 8192
_LONGEST_NAME = 255
_REFUSED_HEADERS = frozenset({"crit", "jwk", "x5u", "x5c", "b64", "zip", "enc"})

_ALGORITHMS = {
    name: algorithm
    for name, algorithm in jwt.algorithms.get_default_algorithms().items()
    if name in {"ES256", "ES384", "RS256", "RS384"}
}
Claims = Mapping[str, object]


class SeenTokens(Protocol):
    """What remembers tokens: says True for the first of any number of calls with one token."""

    def __call__(self, token_hash: str, *, expires_at: float) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The issuer a request comes from, and its tenant (None: not stated or not looked at).

    `token_age_seconds` tells how far the clocks are apart; None without a token.
    """

    issuer: Issuer
    tenant: str | None = None
    token_age_seconds: float | None = None


class OpenDoor:
    """Lets everybody in as one issuer: development, on loopback. Tokens are not looked at."""

    def __init__(self, issuer: Issuer) -> None:
        self._caller = Caller(issuer=issuer)

    def caller(self, authorization: str | None, *, path: str) -> Caller:  # noqa: ARG002
        """Return the one caller there is."""
        return self._caller


class Trust:
    """Verifies tokens. `now` returns seconds since 1970; `public_url` has no slash at its end."""

    def __init__(
        self,
        find: Callable[[str], tuple[Issuer, KeySet] | None],
        *,
        public_url: str,
        is_first: SeenTokens,
        now: Callable[[], float],
    ) -> None:
        """Take what finds an issuer and its keys by the `iss` of its tokens."""
        self._find = find
        self._public_url = public_url
        self._is_first = is_first
        self._now = now

    def caller(self, authorization: str | None, *, path: str) -> Caller:
        """Return who calls `path` (as it was called), or raise Unauthenticated or Forbidden.

        The token is used up by this, whatever becomes of the request.
        """
        token = _token(authorization)
        header, claims = [_json_part(part) for part in token.split(".")[:2]]
        issuer, key_set = self._issuer(claims.get("iss"))
        _verify(token, header, issuer, key_set)
        self._check_claims(claims, issuer, path)
        self._use_up(claims, issuer)
        return Caller(
            issuer=issuer,
            tenant=_tenant(claims, issuer),
            token_age_seconds=self._now() - _instant(claims.get("iat")),
        )

    def _issuer(self, name: object) -> tuple[Issuer, KeySet]:
        found = self._find(name) if isinstance(name, str) else None
        if found is None:
            raise Unauthenticated("issuer")
        return found

    def _check_claims(self, claims: Claims, issuer: Issuer, path: str) -> None:
        if claims.get("iss") != issuer.issuer:
            raise Unauthenticated("issuer")
        if issuer.subject is not None and claims.get("sub") != issuer.subject:
            raise Unauthenticated("subject")
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if not {f"{self._public_url}{path}", *issuer.audiences} & _texts(named):
            raise Unauthenticated("audience")
        self._check_times(claims)

    def _check_times(self, claims: Claims) -> None:
        expires, issued = _instant(claims.get("exp")), _instant(claims.get("iat"))
        starts = _instant(claims["nbf"]) if "nbf" in claims else issued
        now = self._now()
        if now >= expires + LEEWAY_SECONDS:
            raise Unauthenticated("expired")
        if max(issued, starts) > now + LEEWAY_SECONDS:
            raise Unauthenticated("not-yet-valid")
        if not 0 < expires - issued <= LONGEST_LIFE_SECONDS:
            raise Unauthenticated("lifetime")

    def _use_up(self, claims: Claims, issuer: Issuer) -> None:
        token_id = claims.get("jti")
        if not isinstance(token_id, str) or not 0 < len(token_id) <= _LONGEST_NAME:
            raise Unauthenticated("token-id")
        token_hash = hashlib.sha256(f"{issuer.issuer}\n{token_id}".encode()).hexdigest()
        expires_at = _instant(claims.get("exp")) + LEEWAY_SECONDS
        if not self._is_first(token_hash, expires_at=expires_at):
            raise Unauthenticated("replay")


def _token(authorization: str | None) -> str:
    if authorization is None:
        raise Unauthenticated("no-token")
    match = _BEARER.fullmatch(authorization) if len(authorization) <= _LONGEST_TOKEN else None
    if match is None:
        raise Unauthenticated("no-bearer-token")
    return match[1]


def _json_part(part: str) -> Mapping[str, object]:
    try:
        return read_object(_decoded(part))
    except MalformedRequest:
        raise Unauthenticated("malformed") from None


def _decoded(part: str) -> bytes:
    """Decode base64url as it is written in one way only, without bits that stand for nothing."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise Unauthenticated("malformed") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise Unauthenticated("malformed")
    return decoded


def _verify(token: str, header: Claims, issuer: Issuer, key_set: KeySet) -> None:
    """Refuse the token unless its header is acceptable and a key of the issuer signed it."""
    algorithm, kid = header.get("alg"), header.get("kid")
    kind = header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise Unauthenticated("algorithm")
    if header.keys() & _REFUSED_HEADERS or not isinstance(kind, str) or kind.upper() != "JWT":
        raise Unauthenticated("header")
    if "jku" in header and (issuer.key_set_url is None or header["jku"] != issuer.key_set_url):
        raise Unauthenticated("key-set-address")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_NAME:
        raise Unauthenticated("key")
    key = key_set.key(kid)
    if key is None:
        raise Unauthenticated("key")
    if algorithm not in key.algorithms:
        raise Unauthenticated("algorithm")
    signed, _, signature = token.rpartition(".")
    if not _ALGORITHMS[algorithm].verify(signed.encode(), key.key, _decoded(signature)):
        raise Unauthenticated("signature")


def _tenant(claims: Claims, issuer: Issuer) -> str | None:
    tenant = claims.get("tenant")
    if not issuer.tenants:
        return None
    if not isinstance(tenant, str) or tenant not in issuer.tenants:
        raise Forbidden("This service does not serve the tenant.")
    return tenant


def _texts(values: list[object]) -> set[str]:
    return {value for value in values if isinstance(value, str)}


def _instant(value: object) -> float:
    """Return a NumericDate in seconds since 1970; anything else is a malformed token."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated("malformed")
    return float(value)
