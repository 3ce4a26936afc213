"""The commands as an operator types them, and what they say when something is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.bootstrap import compose
from cds_service.cli import main
from cds_service.clinical.rules import RULES
from cds_service.errors import ConfigurationError
from cds_service.settings import Settings
from tests.scenarios import FOLDER, read_scenario

WARNED = FOLDER / "order-sign" / "renewal-after-300-days-bereaved" / "request.json"
SUPPRESSED = FOLDER / "order-sign" / "active-cancer" / "request.json"
DAY = ("--as-of", "2026-11-22")


def run(*words: object, **environment: str) -> Result:
    settings = {f"CDS_SERVICE_{name.upper()}": value for name, value in environment.items()}
    return CliRunner().invoke(main, [str(word) for word in words], env=settings)


def test_check_says_what_it_found_and_that_all_is_well() -> None:
    result = run("check")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "all well"
    assert "callers    development" in result.output


def test_check_names_a_setting_that_only_calling_back_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CDS_SERVICE_CA_FILE", "nowhere.pem")
    result = run("check")
    assert result.exit_code == 2
    assert "CDS_SERVICE_CA_FILE: cannot be read" in result.output


def test_evaluate_prints_the_card_as_a_person_reads_it() -> None:
    result = run("evaluate", WARNED, *DAY)
    assert result.exit_code == 0
    assert result.output.startswith("[warning] Long-term opioid renewal (300 days)")
    assert "Do not stop or rapidly reduce" in result.output
    assert "Suggestions:" in result.output
    assert result.output.count("CDC 2022: guideline for prescribing opioids for pain") == 1
    assert all(len(line) <= 140 for line in result.output.splitlines() if "http" not in line)


def test_evaluate_prints_the_answer_as_it_is_sent() -> None:
    result = run("evaluate", WARNED, *DAY, "--json")
    recorded = read_scenario(WARNED.parent).recorded
    [card], [expected] = json.loads(result.output)["cards"], recorded["cards"]
    assert (card["summary"], card["detail"]) == (expected["summary"], expected["detail"])


def test_evaluate_says_when_there_is_no_card() -> None:
    assert run("evaluate", SUPPRESSED, *DAY).output == "No card.\n"


def test_evaluate_takes_today_when_no_day_is_given() -> None:
    assert run("evaluate", WARNED).exit_code == 0


def test_explain_shows_the_reasoning() -> None:
    text = run("explain", WARNED, *DAY).output
    assert "long-term-renewal-social-pain" in text
    reasoning = json.loads(run("explain", WARNED, *DAY, "--json").output)
    assert reasoning["as_of"] == "2026-11-22"
    assert reasoning["outcome"]


def test_explain_says_why_it_has_nothing_to_say_to_a_patient(tmp_path: Path) -> None:
    body = json.loads(WARNED.read_bytes())
    body["context"]["userId"] = "Patient/patient-1"
    file = tmp_path / "request.json"
    file.write_text(json.dumps(body))
    assert "no practitioner" in run("explain", file, *DAY).output


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_a_call_with_the_keys_of_its_client_is_read_as_the_service_reads_it(
    tmp_path: Path, command: str
) -> None:
    issuers = tmp_path / "issuers.toml"
    issuers.write_text(
        '[[issuer]]\nname = "north"\nissuer = "n"\nkey_set_url = "https://n.example/jwks"\n'
        'prefetch_keys = { "-problems" = "conditions" }\n'
    )
    site = {"issuers_file": str(issuers), "public_url": "https://cds.example.org"}
    body = json.loads(WARNED.read_bytes())
    del body["prefetch"]["conditions"]
    body["prefetch"]["-problems"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    captured = tmp_path / "captured.json"
    captured.write_text(json.dumps(body))

    refused = run(command, captured, *DAY, **site)
    assert (refused.exit_code, "prefetch key 'conditions'" in refused.stderr) == (1, True)
    read = run(command, captured, *DAY, "--issuer", "north", **site)
    assert (read.exit_code, read.stderr) == (0, "")
    unknown = run(command, captured, *DAY, "--issuer", "south", **site)
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        "issuer south: there is no such record; there are: north\n",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"hook": "order-dispatch"}', "hook must be one of"),
        ('{"hook": "order-sign"}', "is missing"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused_in_words(
    tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "request.json"
    file.write_text(content)
    result = run("evaluate", file)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_wrong_settings_end_a_command_with_2(tmp_path: Path) -> None:
    result = run("check", port="eighty", rules_off="x")
    assert result.exit_code == 2
    assert "CDS_SERVICE_PORT: must be a whole number" in result.stderr
    result = run("check", rules_off="no-such-rule")
    assert result.exit_code == 2
    assert "there is no rule no-such-rule" in result.stderr


def test_rules_off_are_separated_by_blanks_and_those_there_are_are_named() -> None:
    result = run("check", rules_off="long-term-renewal-social-pain,no-such-rule other")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "CDS_SERVICE_RULES_OFF: there is no rule long-term-renewal-social-pain,no-such-rule "
        "and no rule other; name rules, separated by blanks, out of: "
        + " ".join(sorted(rule.id for rule in RULES))
    ]


def test_wrong_knowledge_or_cards_end_a_command_with_3(tmp_path: Path) -> None:
    for setting in ("data_directory", "cards_directory"):
        result = run("check", **{setting: str(tmp_path)})
        assert result.exit_code == 3
        assert result.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"host": "0.0.0.0"}, "CDS_SERVICE_HOST: must be loopback"),
        ({"host": "192.0.2.1"}, "CDS_SERVICE_HOST: must be loopback"),
        ({"production": "true"}, "CDS_SERVICE_ISSUERS_FILE: is needed in production"),
        ({"production": "true", "trust_sandbox": "true"}, "CDS_SERVICE_TRUST_SANDBOX"),
        ({"issuers_file": "none.toml"}, "CDS_SERVICE_PUBLIC_URL: is needed"),
        (
            {"issuers_file": "none.toml", "public_url": "https://cds.example.org"},
            "none.toml: cannot be read",
        ),
        ({"host": "no-such-host.invalid", "issuers_file": ""}, "CDS_SERVICE_HOST"),
        ({"database_url": "sqlite:////proc/none/x.sqlite3"}, "cannot be made"),
        ({"database_url": "mysql://localhost/x"}, "database"),
        ({"time_zone": "Mars"}, "CDS_SERVICE_TIME_ZONE"),
        ({"demo_patients": "/nowhere"}, "CDS_SERVICE_DEMO_PATIENTS: must be a directory"),
        ({"threads": "9"}, "CDS_SERVICE_THREADS"),
        ({"audit_file": "a.ndjson"}, "CDS_SERVICE_AUDIT_KEY"),
        ({"misspelt": "x"}, "CDS_SERVICE_MISSPELT: there is no such setting"),
    ],
)
def test_the_service_refuses_to_start_wrongly_and_names_what_is_wrong(
    tmp_path: Path, environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("serve", "--port", "0", **environment)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", port, database_url=f"sqlite:///{tmp_path / 'x.sqlite3'}")
    assert result.exit_code == 2
    assert f"CDS_SERVICE_PORT: cannot listen on 127.0.0.1 port {port}" in result.stderr


def test_the_sandbox_may_be_trusted_only_outside_production(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings(trust_sandbox=True, host="0.0.0.0", database_url=database)
    parts = compose(settings, on_loss=lambda *_: None)
    assert [issuer.name for issuer in parts.issuers] == ["cds-hooks-sandbox"]
    assert not parts.is_development
    parts.close()


def test_names_in_issuer_records_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    file.write_text(
        '[[issuer]]\nname = "north"\nissuer = "n"\nkey_set_url = "https://n.example/jwks"\n'
        'silent_rules = ["no-such-rule"]\nprefetch_keys = { "-meds" = "no-such-key" }\n'
    )
    settings = Settings(issuers_file=file, public_url="https://cds.example.org")
    with pytest.raises(ConfigurationError) as caught:
        compose(settings, on_loss=lambda *_: None)
    assert str(caught.value).splitlines() == [
        "issuer north: silent_rules: there is no rule no-such-rule",
        "issuer north: prefetch_keys: this service has no key no-such-key",
    ]


def test_a_database_that_lacks_migrations_is_named(tmp_path: Path) -> None:
    # SQLite is upgraded on the way; a database of many processes is not.
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")
    parts = compose(settings, on_loss=lambda *_: None)
    assert not parts.store.is_upgraded  # away, which keeps nobody from starting
    parts.close()
