"""The public keys of an issuer: fetched in the background, never waited for, the last good kept.

A caller with an unknown key is refused at once while the set is refreshed; a set that hangs, is
huge or is no key set costs nobody anything. What a key is used for is decided in `trust`.

Source: security-reliability.md T2, T4 and 4.1 "key sets".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

JsonObject = Mapping[str, object]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

MOST_KEYS = 50
_CURVES: Mapping[str, str] = {"secp256r1": "ES256", "secp384r1": "ES384"}
_RSA_ALGORITHMS = frozenset({"RS256", "RS384"})
_SHORTEST_RSA_BITS = 2048
_LONGEST_RSA_BITS = 8192
_SECONDS_BETWEEN_FETCHES = 30.0
_SECONDS_UNTIL_STALE = 600.0
_SECONDS_KEPT = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyingKey:
    """A public key and the algorithms it may verify, which the header of a token cannot change."""

    key: PublicKey = field(repr=False)
    algorithms: frozenset[str]


def read_key_set(document: JsonObject | None) -> Mapping[str, VerifyingKey]:
    """Return the usable keys of a JWK Set by their kid; anything else in it is passed over.

    Of two keys with one kid the first counts; only the first MOST_KEYS are looked at.
    """
    keys = (document or {}).get("keys")
    found: dict[str, VerifyingKey] = {}
    for jwk in keys[:MOST_KEYS] if isinstance(keys, list) else ():
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if isinstance(kid, str) and kid not in found and (key := _verifying_key(jwk)):
            found[kid] = key
    return found


def _verifying_key(jwk: dict[str, Any]) -> VerifyingKey | None:
    if jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    try:
        match jwk.get("kty"):
            case "EC":
                key: Any = ECAlgorithm.from_jwk(jwk)
            case "RSA":
                key = RSAAlgorithm.from_jwk(jwk)
            case _:
                return None
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    algorithms = _algorithms(key)
    if "alg" in jwk:
        algorithms &= frozenset({jwk["alg"]}) if isinstance(jwk["alg"], str) else frozenset()
    return VerifyingKey(key=key, algorithms=algorithms) if algorithms else None


def _algorithms(key: Any) -> frozenset[str]:
    if isinstance(key, rsa.RSAPublicKey):
        is_sound = _SHORTEST_RSA_BITS <= key.key_size <= _LONGEST_RSA_BITS
        return _RSA_ALGORITHMS if is_sound else frozenset()
    return frozenset({_CURVES[key.curve.name]} if key.curve.name in _CURVES else ())


class KeySet:
    """The keys of one issuer.

    `fetch` returns the document, or None when it cannot be had; it is called off the request path,
    at most every 30 seconds. `monotonic` returns seconds.
    """

    def __init__(
        self, fetch: Callable[[], JsonObject | None], *, monotonic: Callable[[], float]
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: Mapping[str, VerifyingKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def key(self, kid: str) -> VerifyingKey | None:
        """Return the key, or None when it is not known now; never waits for a fetch."""
        age = self.age_seconds
        key = self._keys.get(kid) if age is not None and age < _SECONDS_KEPT else None
        if key is None or (age is not None and age >= _SECONDS_UNTIL_STALE):
            self.refresh()
        return key

    @property
    def age_seconds(self) -> float | None:
        """How long ago the keys were fetched; None when they never were."""
        fetched_at = self._fetched_at
        return None if fetched_at is None else self._monotonic() - fetched_at

    def refresh(self) -> Future[None]:
        """Fetch in a thread of its own, unless that was tried in the last 30 seconds."""
        done: Future[None] = Future()
        now = self._monotonic()
        with self._lock:
            if self._tried_at is not None and now - self._tried_at < _SECONDS_BETWEEN_FETCHES:
                done.set_result(None)
                return done
            self._tried_at = now
        threading.Thread(target=self._refresh, args=(done,), name="key-set", daemon=True).start()
        return done

    def _refresh(self, done: Future[None]) -> None:
        keys = read_key_set(self._fetch())
        if keys:
            self._keys, self._fetched_at = keys, self._monotonic()
        done.set_result(None)


def fetch_all(key_sets: Iterable[KeySet], *, at_most_seconds: float) -> None:
    """Fetch every set before the first call comes; go on without what does not arrive in time."""
    wait([key_set.refresh() for key_set in key_sets], timeout=at_most_seconds)
