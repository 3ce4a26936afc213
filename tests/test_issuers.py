"""The records of clients: what is read, what is refused, and which addresses count as equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.errors import ConfigurationError
from cds_service.fhir.base_url import BaseUrl
from cds_service.issuers import (
    Issuer,
    development_issuer,
    read_issuers,
)

NORTH = """
[[issuer]]
name = "north"
issuer = "https://ehr.north.example"
key_set_url = "https://ehr.north.example/jwks.json"
fhir_bases = ["https://FHIR.north.example:443/r4/"]
"""


def may_call(issuer: Issuer, address: str, *, tenant: str | None = None) -> bool:
    base = BaseUrl.parse(address)
    return base is not None and issuer.may_call(base, tenant=tenant)


def read(tmp_path: Path, text: str, *, production: bool = False) -> tuple[Issuer, ...]:
    file = tmp_path / "issuers.toml"
    file.write_text(text)
    return read_issuers(file, production=production)


def faults(tmp_path: Path, text: str, *, production: bool = False) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text, production=production)
    return str(caught.value).splitlines()


def test_a_record_is_read_with_its_defaults(tmp_path: Path) -> None:
    [north] = read(tmp_path, NORTH, production=True)
    assert north == Issuer(
        name="north",
        issuer="https://ehr.north.example",
        key_set_url="https://ehr.north.example/jwks.json",
        fhir_bases=frozenset(
            {BaseUrl(scheme="https", host="fhir.north.example", port=443, path="/r4")}
        ),
    )


def test_everything_a_record_can_say_is_read(tmp_path: Path) -> None:
    [issuer] = read(
        tmp_path,
        """
        [[issuer]]
        name = "south"
        issuer = "south"
        key_set_file = "south.jwks.json"
        audiences = ["https://cds.example.org"]
        subject = "client-17"
        prefetch_keys = { "-meds" = "medications" }
        use_labelled = true
        silent_rules = ["*"]
        patient_view_triggers = ["60", "7"]
        on_error = "empty"
        rate_per_second = 5
        rate_burst = 10
        [issuer.tenants]
        a = ["https://fhir.south.example/r4/a"]
        """,
    )
    assert issuer.key_set_file == tmp_path / "south.jwks.json"
    assert issuer.audiences == ("https://cds.example.org",)
    assert issuer.subject == "client-17"
    assert issuer.prefetch_keys == {"-meds": "medications"}
    assert issuer.use_labelled
    assert issuer.patient_view_triggers == {"60", "7"}
    assert issuer.answers_failure_empty
    assert (issuer.rate_per_second, issuer.rate_burst) == (5, 10)
    assert issuer.is_silent("long-term-therapy-review")
    assert may_call(issuer, "https://fhir.south.example/r4/a", tenant="a")
    assert not may_call(issuer, "https://fhir.south.example/r4/a", tenant=None)
    assert not may_call(issuer, "https://fhir.south.example/r4/a", tenant="b")


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('name = "North Hospital"', "name"),
        ("issuer = []", "issuer"),
        ('key_set_url = "jwks.json"', "key_set_url"),
        ('fhir_bases = ["https://fhir.north.example/r4?x=1"]', "fhir_bases"),
        ("rate_burst = 0", "rate_burst"),
        ("rate_burst = true", "rate_burst"),
        ('on_error = "silent"', "on_error"),
        ("patient_view_triggers = []", "patient_view_triggers"),
        ("patient_view_triggers = [60]", "patient_view_triggers"),
        ('patient_view_triggers = ["open chart"]', "patient_view_triggers"),
        ('use_labelled = "yes"', "use_labelled"),
        ('fhir_base = ["https://fhir.north.example"]', "fhir_base"),
    ],
)
def test_a_wrong_or_unknown_key_is_named(tmp_path: Path, line: str, key: str) -> None:
    kept = [row for row in NORTH.splitlines() if not row.startswith(f"{line.split()[0]} =")]
    [fault] = faults(tmp_path, "\n".join([*kept, line]))
    assert fault.startswith(f"issuers.toml: issuer 1: {key}: ")


@pytest.mark.parametrize("text", ["", "issuer = 1", "[issuer]", NORTH + "[other]", "[[issuer"])
def test_a_file_without_records_is_refused(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)[0].startswith("issuers.toml: ")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read"):
        read_issuers(tmp_path / "none.toml", production=False)


def test_a_record_without_keys_to_verify_with_is_refused(tmp_path: Path) -> None:
    text = NORTH.replace("key_set_url", "audiences").replace('"https://ehr.north.example/j', '["j')
    text = text.replace('json"', 'json"]')
    assert faults(tmp_path, text) == [
        "issuers.toml: issuer 1: key_set_url: is missing, and key_set_file too"
    ]


def test_two_records_of_one_issuer_are_refused(tmp_path: Path) -> None:
    assert faults(tmp_path, NORTH + NORTH.replace('"north"', '"north-2"')) == [
        "issuers.toml: two issuers have the same issuer"
    ]


@pytest.mark.parametrize(
    ("north", "sandbox"),
    [
        ('"https://ehr.north.example"', '"https://sandbox.cds-hooks.org"'),
        (
            '"https://ehr.north.example/jwks.json"',
            '"https://Sandbox.cds-hooks.org:443/.well-known/jwks.json"',
        ),
    ],
)
def test_what_trusts_the_sandbox_is_for_this_machine_and_never_for_production(
    tmp_path: Path, north: str, sandbox: str
) -> None:
    assert north in NORTH
    remote = NORTH.replace(north, sandbox)
    loopback = remote.replace("https://FHIR.north.example:443", "http://127.0.0.1:8080")
    assert read(tmp_path, loopback)
    assert "this machine only" in faults(tmp_path, remote)[0]
    for text in (loopback, remote):
        assert "not for production" in faults(tmp_path, text, production=True)[0]


def test_plain_http_is_for_this_machine_and_never_for_production(tmp_path: Path) -> None:
    loopback = NORTH.replace("https://FHIR.north.example:443", "http://127.0.0.1:8080")
    remote = NORTH.replace("https://FHIR.north.example:443", "http://fhir.north.example")
    assert read(tmp_path, loopback)
    assert "https" in faults(tmp_path, loopback, production=True)[0]
    assert "https" in faults(tmp_path, remote)[0]


@pytest.mark.parametrize(
    "disguise",
    [
        "https://fhir.north.example@evil.example/r4",
        "https://fhir.north.example:443@evil.example/r4",
        "https://fhir.north.example.evil.example/r4",
        "https://evil.example/https://fhir.north.example/r4",
        "https://evil.example/r4#https://fhir.north.example/r4",
        "https://evil.example/r4?https://fhir.north.example/r4",
        "https://fhir.north.example\\@evil.example/r4",
        "https://fhir.north.example/r4/../../admin",
        "https://fhir.north.example/r4/%2e%2e/admin",
        "https://fhir.north.example//r4",
        "https://fhir.north.example./r4",
        "https://fhir.north.example:8443/r4",
        "http://fhir.north.example/r4",
        "https://fhir.north.example/R4",
        "https://fhir.north.example/r4/Patient",
        "https://fhir.north.example/r4\n",
        " https://fhir.north.example/r4",
        "https://ｆhir.north.example/r4",
        "https://fhir.north.example:٤43/r4",
        "//fhir.north.example/r4",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_disguise_of_an_address_may_be_called(tmp_path: Path, disguise: str) -> None:
    [north] = read(tmp_path, NORTH)
    assert not may_call(north, disguise)


@pytest.mark.parametrize(
    "same",
    [
        "https://fhir.north.example/r4",
        "https://fhir.north.example/r4/",
        "https://fhir.north.example:443/r4",
        "HTTPS://FHIR.NORTH.EXAMPLE/r4",
    ],
)
def test_the_same_address_written_differently_may_be_called(tmp_path: Path, same: str) -> None:
    [north] = read(tmp_path, NORTH)
    assert may_call(north, same)


@pytest.mark.parametrize(
    "base",
    [
        "http://localhost:8080/fhir",
        "http://127.0.0.1/fhir",
        "http://127.9.9.9",
        "http://[::1]:80/f",
    ],
)
def test_development_may_call_any_base_on_this_machine(base: str) -> None:
    assert may_call(development_issuer(use_labelled=False), base)


@pytest.mark.parametrize(
    "base",
    [
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://10.0.0.1/fhir",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
        "https://fhir.example.org/r4",
    ],
)
def test_development_may_call_nothing_beyond_this_machine(base: str) -> None:
    assert not may_call(development_issuer(use_labelled=False), base)
