"""An issuer changes its keys while it calls (T4): the new one counts in 30 s, the old one always.

Takes half a minute, for that is how seldom a key set is asked for.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fhir.stub_server import gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED
from tests.web.tokens import NORTH, PUBLIC_URL, Key, bearer, claims, key, public, signed

pytestmark = pytest.mark.server

OLD, NEW = key("P-384", "old"), key("P-384", "new")


def status_with(service: Process, by: Key) -> int:
    now = time.time()
    token = signed(claims(iat=now, exp=now + 300), by=by)
    headers = {"Authorization": bearer(token)}
    return service.post(ORDER_SIGN, request_of_today(WARNED), headers=headers).status_code


def test_a_new_key_is_accepted_within_thirty_seconds_and_the_old_one_at_once(
    tmp_path: Path,
) -> None:
    with stub_server() as keys:
        keys.behaviours["jwks"] = gives(public(OLD))
        (tmp_path / "issuers.toml").write_text(
            f'[[issuer]]\nname = "north"\nissuer = "{NORTH}"\nkey_set_url = "{keys.base}/jwks"\n'
        )
        environment = {
            "CDS_SERVICE_ISSUERS_FILE": str(tmp_path / "issuers.toml"),
            "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL,
        }
        with serving(tmp_path, environment) as service:
            assert (status_with(service, OLD), status_with(service, NEW)) == (200, 401)
            keys.behaviours["jwks"] = gives(public(OLD, NEW), after_seconds=1.5)
            rotated = time.monotonic()
            slowest = 0.0
            while status_with(service, NEW) == 401:
                began = time.monotonic()
                assert status_with(service, OLD) == 200
                slowest = max(slowest, time.monotonic() - began)
                assert time.monotonic() - rotated < 32  # 30 s, and the 1.5 s of the answer
                time.sleep(0.5)
            assert slowest < 1.5  # nobody waited for the set
            assert keys.hits("jwks") == 2
