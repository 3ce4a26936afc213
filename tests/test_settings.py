"""Settings come from variables, once, with every fault named and no value quoted."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.errors import ConfigurationError
from cds_service.issuers import KEYS, read_issuers
from cds_service.settings import Settings, read_settings, settings_table

PRODUCTION = {
    "CDS_SERVICE_PRODUCTION": "true",
    "CDS_SERVICE_ISSUERS_FILE": "issuers.toml",
    "CDS_SERVICE_PUBLIC_URL": "https://cds.example.org",
}


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environment)
    return str(caught.value).splitlines()


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()
    assert read_settings({"CDS_SERVICE_PORT": " ", "HOME": "/root"}) == Settings()


def test_each_kind_of_value_is_read() -> None:
    settings = read_settings(
        {
            "CDS_SERVICE_PORT": "8080",
            "CDS_SERVICE_PUBLIC_URL": "https://cds.example.org/opioids/",
            "CDS_SERVICE_CORS_ORIGINS": "https://ehr.example.org http://localhost:8080",
            "CDS_SERVICE_FHIR_DEADLINE_SECONDS": "0.8",
            "CDS_SERVICE_TIME_ZONE": "America/New_York",
            "CDS_SERVICE_KEEP_COMMENTS": "true",
            "CDS_SERVICE_DATA_DIRECTORY": "own/data",
        }
    )
    assert settings.port == 8080
    assert settings.public_url == "https://cds.example.org/opioids"
    assert settings.cors_origins == ("https://ehr.example.org", "http://localhost:8080")
    assert settings.fhir_deadline_seconds == Decimal("0.8")
    assert settings.time_zone == "America/New_York"
    assert settings.keep_comments
    assert settings.data_directory == Path("own/data")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "eighty"),
        ("PORT", "١"),
        ("BODY_LIMIT_BYTES", "1023"),
        ("BODY_LIMIT_BYTES", str(16 * 1024 * 1024 + 1)),
        ("FHIR_DEADLINE_SECONDS", "0.09"),
        ("FHIR_DEADLINE_SECONDS", "10.1"),
        ("FHIR_DEADLINE_SECONDS", "nan"),
        ("PRODUCTION", "yes"),
        ("PUBLIC_URL", "cds.example.org"),
        ("PUBLIC_URL", "https://cds.example.org?x=1"),
        ("PUBLIC_URL", "https://cds.example.org:eighty"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://ehr.example.org/path"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "../../etc/passwd"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name_and_not_quoted(name: str, value: str) -> None:
    [fault] = faults({f"CDS_SERVICE_{name}": value})
    assert fault.startswith(f"CDS_SERVICE_{name}: must be ")
    assert value not in fault.removeprefix(f"CDS_SERVICE_{name}: must be ").split()


@pytest.mark.parametrize("port", ["0", "65535"])
def test_both_ends_of_a_range_are_inside(port: str) -> None:
    assert read_settings({"CDS_SERVICE_PORT": port}).port == int(port)


def test_every_fault_is_named_at_once() -> None:
    assert (
        len(faults({"CDS_SERVICE_PORT": "x", "CDS_SERVICE_THREADS": "1", "CDS_SERVICE_X": ""})) == 3
    )


def test_a_variable_that_means_nothing_is_a_fault() -> None:
    assert faults({"CDS_SERVICE_ISSUER_FILE": "x"}) == [
        "CDS_SERVICE_ISSUER_FILE: there is no such setting"
    ]


def test_a_secret_may_come_from_a_file_and_never_shows(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("letmein-letmein-\n")
    settings = read_settings({"CDS_SERVICE_AUDIT_KEY_FILE": str(file)})
    assert settings.audit_key == "letmein-letmein-"
    assert "letmein" not in repr(settings)


def test_a_secret_given_twice_or_in_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    missing = {"CDS_SERVICE_AUDIT_KEY_FILE": str(tmp_path / "none")}
    assert faults(missing) == [
        "CDS_SERVICE_AUDIT_KEY: the file that CDS_SERVICE_AUDIT_KEY_FILE names cannot be read"
    ]
    assert faults({**missing, "CDS_SERVICE_AUDIT_KEY": "x"}) == [
        "CDS_SERVICE_AUDIT_KEY: is given twice, also as CDS_SERVICE_AUDIT_KEY_FILE"
    ]


@pytest.mark.parametrize(("key", "is_enough"), [("k" * 15, False), ("k" * 16, True)])
def test_the_key_of_the_patients_hash_is_one_that_cannot_be_guessed(
    key: str, is_enough: bool
) -> None:
    environment = {"CDS_SERVICE_AUDIT_KEY": key}
    if is_enough:
        assert read_settings(environment).audit_key == key
    else:
        assert faults(environment) == [
            "CDS_SERVICE_AUDIT_KEY: must be 16 bytes or more; `openssl rand -hex 32` makes one"
        ]


def test_only_a_secret_may_come_from_a_file() -> None:
    assert faults({"CDS_SERVICE_PORT_FILE": "x"}) == [
        "CDS_SERVICE_PORT_FILE: there is no such setting"
    ]


@pytest.mark.parametrize(("threads", "is_enough"), [("37", False), ("38", True)])
def test_two_threads_are_kept_free_to_refuse(threads: str, is_enough: bool) -> None:
    # 32 hook calls and 4 of feedback at once, and 2 more
    environment = {"CDS_SERVICE_THREADS": threads}
    if is_enough:
        assert read_settings(environment).threads == 38
    else:
        assert faults(environment)[0].startswith("CDS_SERVICE_THREADS: ")


def test_an_audit_file_needs_the_key_of_its_hashes() -> None:
    assert faults({"CDS_SERVICE_AUDIT_FILE": "audit.ndjson"})[0].startswith("CDS_SERVICE_AUDIT_KEY")


def test_issuers_need_the_public_url() -> None:
    assert faults({"CDS_SERVICE_ISSUERS_FILE": "i"})[0].startswith("CDS_SERVICE_PUBLIC_URL")


def test_production_as_it_should_be_is_read() -> None:
    assert read_settings(PRODUCTION).production


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDS_SERVICE_TRUST_SANDBOX", "true"),
        ("CDS_SERVICE_DEMO_PATIENTS", "patients"),
        ("CDS_SERVICE_ISSUERS_FILE", ""),
        ("CDS_SERVICE_PUBLIC_URL", "http://cds.example.org"),
        ("CDS_SERVICE_CORS_ORIGINS", "http://localhost:8080"),
    ],
)
def test_production_refuses_what_is_meant_for_development(name: str, value: str) -> None:
    [fault] = faults({**PRODUCTION, name: value})
    assert fault.startswith(name)


def test_every_setting_has_a_line_in_the_table_that_ends_in_a_sentence() -> None:
    rows = settings_table()
    assert len(rows) == len(Settings.__dataclass_fields__)
    assert all(row.meaning.endswith(".") for row in rows)
    assert ("CDS_SERVICE_PORT", "8000", "Port to listen on; 0 takes a free one.") in rows


PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def test_the_page_of_settings_says_what_the_code_says() -> None:
    written = re.findall(r"^\| `(\S+)` \| (.*?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert written == [
        (row.variable, f"`{row.default}`" if row.default else "", row.meaning)
        for row in settings_table()
    ]


def test_the_record_on_the_page_is_one_that_is_read(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "issuers.toml").write_text(example)
    [north] = read_issuers(tmp_path / "issuers.toml", production=True)
    assert set(re.findall(r"^(\w+) =", example, re.MULTILINE)) - {"a17"} | {"tenants"} == set(KEYS)
    assert north.tenants.keys() == {"a17"}
