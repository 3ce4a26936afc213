"""What an EHR's people are given to type in: addresses, keys and templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli import main
from cds_service.hooks.catalogue import services
from cds_service.queries import Query
from tests.scenarios import scenario_site

PUBLIC_URL = "https://cds.hospital.example"
RECORD = """
[[issuer]]
name = "north"
issuer = "https://ehr.north.example"
key_set_url = "https://ehr.north.example/jwks"
[issuer.prefetch_keys]
"-meds" = "medication-requests"
"-problems" = "conditions"
"-dx" = "conditions"
"""


@pytest.fixture
def issuers(tmp_path: Path) -> Path:
    file = tmp_path / "issuers.toml"
    file.write_text(RECORD)
    return file


def run(*words: str, issuers: Path | None = None) -> Result:
    environment = {"CDS_SERVICE_PUBLIC_URL": PUBLIC_URL}
    if issuers is not None:
        environment["CDS_SERVICE_ISSUERS_FILE"] = str(issuers)
    return CliRunner().invoke(main, ["prefetch", *words], env=environment)


def tables(result: Result) -> dict[str, tuple[str, list[list[str]]]]:
    """Hook, and the rows of its table split at tabs, by address."""
    assert result.exit_code == 0, result.output
    found = {}
    for block in result.output.strip().split("\n\n"):
        head, *rows = (line.split("\t") for line in block.splitlines())
        found[head[1]] = (head[0], rows)
    return found


def row_of(query: Query) -> list[str]:
    return [query.key, "required" if query.is_required else "optional", query.template]


def test_every_service_is_listed_under_its_public_address_with_its_queries() -> None:
    assert tables(run()) == {
        f"{PUBLIC_URL}/cds-services/{service.id}": (
            service.hook,
            [row_of(query) for query in service.prefetch],
        )
        for service in services(scenario_site().knowledge)
    }


def test_a_client_with_keys_of_its_own_is_given_those(issuers: Path) -> None:
    found = tables(run("--issuer", "north", issuers=issuers))
    _, rows = found[f"{PUBLIC_URL}/cds-services/opioid-social-pain-order-sign"]
    conditions = "Condition?patient={{context.patientId}}&_count=200"
    assert rows[:4] == [
        ["patient", "optional", "Patient/{{context.patientId}}"],
        ["-meds", "required", "MedicationRequest?patient={{context.patientId}}&_count=200"],
        ["-problems", "required", conditions],
        ["-dx", "required", conditions],
    ]


def test_past_orders_are_optional_on_a_refill() -> None:
    _, rows = tables(run())[f"{PUBLIC_URL}/cds-services/opioid-social-pain-medication-refill"]
    assert [key for key, need, _ in rows if need == "required"] == ["conditions"]


def test_as_json_the_templates_stand_by_address_and_key(issuers: Path) -> None:
    result = run("--json", "--issuer", "north", issuers=issuers)
    listed = json.loads(result.output)
    one = listed[f"{PUBLIC_URL}/cds-services/opioid-social-pain-patient-view"]
    assert one["hook"] == "patient-view"
    assert one["prefetch"]["-meds"] == (
        "MedicationRequest?patient={{context.patientId}}&_count=200"
    )
    assert "medication-requests" not in one["prefetch"]


def test_an_issuer_that_is_not_there_is_answered_with_those_that_are(issuers: Path) -> None:
    result = run("--issuer", "south", issuers=issuers)
    assert result.exit_code == 2
    assert result.output == "issuer south: there is no such record; there are: north\n"


def test_a_key_that_leads_nowhere_is_named(issuers: Path) -> None:
    issuers.write_text(RECORD.replace('"medication-requests"', '"medications"'))
    result = run("--issuer", "north", issuers=issuers)
    assert result.exit_code == 2
    assert "prefetch_keys: this service has no key medications" in result.output
