"""What ES384 authentication costs, replay store included: one connection, with and without."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench.goals import Goal
from bench.load import load
from bench.processes import ORDER_SIGN, Running, service

MOST_MS = 1.0
_ISSUER = "https://ehr.bench.example"
_PUBLIC_URL = "https://cds.bench.example"
_KID = "bench"


def cost(open_service: Running, body: Path, folder: Path, *, rounds: int, calls: int) -> Goal:
    """Compare the service with one that asks for tokens, in interleaved rounds."""
    key = ec.generate_private_key(ec.SECP384R1())
    jwk = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": _KID, "alg": "ES384"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}), "utf-8")
    (folder / "issuers.toml").write_text(
        f'[[issuer]]\nname = "bench"\nissuer = "{_ISSUER}"\nkey_set_file = "jwks.json"\n'
        "rate_per_second = 100000\nrate_burst = 100000\n",
        "utf-8",
    )
    environment = {
        "CDS_SERVICE_ISSUERS_FILE": str(folder / "issuers.toml"),
        "CDS_SERVICE_PUBLIC_URL": _PUBLIC_URL,
    }
    added = []
    with service(folder, environment) as guarded:
        for number in range(rounds + 1):
            tokens = folder / f"tokens-{number}.txt"
            tokens.write_text("\n".join(_token(key) for _ in range(calls + 10)), "ascii")
            with_token = load(guarded, [(1, body)], connections=1, calls=calls, tokens=tokens)
            without = load(open_service, [(1, body)], connections=1, calls=calls)
            added.append(with_token.median_ms - without.median_ms)
    return Goal(
        name="ES384 authentication: median on top",
        measured=median(added[1:]),
        limit=MOST_MS,
        sense="at most",
        unit="ms",
    )


def _token(key: ec.EllipticCurvePrivateKey) -> str:
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": f"{_PUBLIC_URL}{ORDER_SIGN}",
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, key, algorithm="ES384", headers={"kid": _KID})
