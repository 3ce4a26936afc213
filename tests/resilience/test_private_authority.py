"""A hospital whose own authority vouches for its servers: named in a setting, never the default."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fhir.asking import bundle, resource
from tests.fhir.certificates import self_signed, tls
from tests.fhir.stub_server import StubServer, gives, stub_server
from tests.process import Process, request_of_today, serving
from tests.web.service import ORDER_SIGN, WARNED
from tests.web.tokens import NORTH, PUBLIC_URL, bearer, claims, key, public, signed

pytestmark = pytest.mark.server

LISTS = ("Condition", "Observation", "Procedure", "ServiceRequest", "Encounter")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def ehr(certificate: Path) -> Iterator[StubServer]:
    """An EHR that shows the certificate; it publishes its keys, too."""
    with stub_server(tls=tls(certificate)) as server:
        orders = request_of_today(WARNED)["prefetch"]["medication-requests"]
        server.behaviours = {
            "jwks": gives(public(key("P-384"))),
            "Patient/patient-1": gives(resource("Patient", "patient-1")),
            "MedicationRequest": gives(orders),
            **{name: gives(bundle(total=0)) for name in LISTS},
        }
        yield server


def environment(folder: Path, ehr: StubServer, **more: str) -> dict[str, str]:
    (folder / "issuers.toml").write_text(
        f'[[issuer]]\nname = "north"\nissuer = "{NORTH}"\n'
        f'key_set_url = "{ehr.base}/jwks"\nfhir_bases = ["{ehr.base}"]\n'
    )
    file = str(folder / "issuers.toml")
    return {"CDS_SERVICE_ISSUERS_FILE": file, "CDS_SERVICE_PUBLIC_URL": PUBLIC_URL, **more}


def status(service: Process, ehr: StubServer) -> int:
    """Call without prefetch, so that both key set and record have to be fetched."""
    now = int(time.time())
    body = {**request_of_today(WARNED), "fhirServer": ehr.base}
    del body["prefetch"]
    headers = {"Authorization": bearer(signed(claims(iat=now, exp=now + 300)))}
    return service.post(ORDER_SIGN, body, headers=headers).status_code


def test_key_sets_and_records_are_fetched_where_the_sites_own_authority_vouches(
    tmp_path: Path, ehr: StubServer, certificate: Path
) -> None:
    named = environment(tmp_path, ehr, CDS_SERVICE_CA_FILE=str(certificate))
    with serving(tmp_path, named) as service:
        assert status(service, ehr) == 200
    assert ehr.hits("jwks") == 1
    assert ehr.hits("MedicationRequest") == 1


def test_nothing_is_fetched_where_nobody_vouches(tmp_path: Path, ehr: StubServer) -> None:
    with serving(tmp_path, environment(tmp_path, ehr)) as service:
        assert status(service, ehr) == 401
    assert ehr.targets == []
