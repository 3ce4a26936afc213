"""The documentation is executed and compared with the code, so that it cannot drift."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import cds_service
from cds_service import errors
from cds_service.cli import main
from cds_service.data_build.__main__ import main as build_data
from cds_service.errors import RequestError
from cds_service.hooks.catalogue import services
from cds_service.settings import read_settings, settings_table
from cds_service.web.metrics import Metrics
from cds_service.web.notes import CallNote
from tests.scenarios import scenario_site
from tests.web.service import Running, running

ROOT = Path(__file__).parent.parent
CLINICAL_LOGIC = ROOT / "docs" / "clinical-logic.md"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cds_service.__path__, "cds_service.")
    if ".migrations" not in module.name
)


def test_every_example_of_the_clinical_logic_gives_what_it_says() -> None:
    failed, tried = doctest.testfile(str(CLINICAL_LOGIC), module_relative=False)
    assert failed == 0
    assert tried > 40


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_clinical_logic_lists_every_threshold_with_its_value() -> None:
    thresholds = tomllib.loads((ROOT / "cds_service/data/thresholds.toml").read_text())
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", CLINICAL_LOGIC.read_text(), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == {
        name: float(entry["value"]) for name, entry in thresholds.items()
    }


PAGES = [
    path.relative_to(ROOT)
    for path in sorted(
        (
            *ROOT.glob("*.md"),
            *ROOT.glob("docs/**/*.md"),
            *ROOT.glob("cards/*.md"),
            *ROOT.glob("fhir_fixtures/*.md"),
        )
    )
]
each_page = pytest.mark.parametrize("page", PAGES, ids=str)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def text_of(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    missing = [
        target
        for target in LINK.findall((ROOT / page).read_text())
        if not (ROOT / page.parent / target).exists()
    ]
    assert missing == []


@each_page
def test_every_link_into_a_page_leads_to_one_of_its_headings(page: Path) -> None:
    missing = []
    for target, heading in re.findall(r"\]\(((?!https?:)[^)#]*)#([^)]+)\)", text_of(page)):
        there = ROOT / page.parent / target if target else ROOT / page
        if heading not in set(map(slug, re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE))):
            missing.append(f"{target}#{heading}")
    assert missing == []


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


# What pages name must exist


@each_page
def test_every_variable_a_page_names_is_a_setting(page: Path) -> None:
    known = {re.sub(r"\W.*", "", row.variable) for row in settings_table()}
    known |= {f"{row.variable.removesuffix('(_FILE)')}_FILE" for row in settings_table()}
    named = set(re.findall(r"CDS_SERVICE_[A-Z_]*[A-Z]", text_of(page)))
    assert named - known == set()


COMMAND = re.compile(r"(?:^ *|`|=|/bin/)cds-service ([a-z][^`\n]*)", re.MULTILINE)


@each_page
def test_every_command_a_page_names_exists_with_its_options(page: Path) -> None:
    for words in COMMAND.findall(text_of(page)):
        command: click.Command = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            assert word in command.commands, f"cds-service {words}"
            command = command.commands[word]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) - options == set(), words


@each_page
def test_every_make_target_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text_of(page), re.MULTILINE))
    assert named - targets == set()


@each_page
def test_every_module_a_page_runs_can_be_run(page: Path) -> None:
    own = re.findall(r"python -m ((?:cds_service|tests)[\w.]*)", text_of(page))
    assert [name for name in own if importlib.util.find_spec(name) is None] == []


# README


def test_the_card_of_the_readme_is_the_one_that_is_shown() -> None:
    [shown] = re.findall(r"```text\n(.*?)```", text_of("README.md"), re.DOTALL)
    request = "fhir_fixtures/scenarios/order-sign/renewal-after-300-days-bereaved/request.json"
    result = CliRunner().invoke(main, ["evaluate", str(ROOT / request), "--as-of", "2026-11-22"])
    assert shown.endswith("\n...\n")
    of_any_content = result.output.replace(f" ({scenario_site().knowledge.digest})", "")
    assert of_any_content.startswith(shown.removesuffix("...\n"))


def test_the_commands_of_the_readme_on_a_case_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    commands = re.findall(
        r"^    cds-service ((?:evaluate|explain) .+)$", text_of("README.md"), re.M
    )
    assert len(commands) == 2
    for command in commands:
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0
        assert "long-term" in result.output.lower()


def test_a_site_changes_its_copies_as_the_readme_says(tmp_path: Path) -> None:
    data, cards = tmp_path / "data", tmp_path / "cards"
    shutil.copytree(ROOT / "cds_service" / "data", data)
    shutil.copytree(ROOT / "cards", cards)
    environment = {
        "CDS_SERVICE_DATA_DIRECTORY": str(data),
        "CDS_SERVICE_CARDS_DIRECTORY": str(cards),
    }
    thresholds = data / "thresholds.toml"
    changed = thresholds.read_text().replace("value = 90", "value = 84", 1)
    thresholds.write_text(changed)
    refused = CliRunner().invoke(main, ["check"], env=environment)
    assert (refused.exit_code, "thresholds.toml: altered" in refused.output) == (3, True)
    [command] = re.findall(
        r"python -m cds_service\.data_build (--seal .*\\\n.*?)  +#", text_of("README.md")
    )
    arguments = command.replace("\\\n", "").replace("/etc/cds-service/data", str(data)).split()
    assert build_data(["--seal", str(data)]) == 3
    assert build_data(arguments) == 0
    taken = CliRunner().invoke(main, ["check"], env=environment)
    assert (taken.exit_code, taken.output.splitlines()[-1]) == (0, "all well")
    assert f"knowledge  {scenario_site().knowledge.version}-ourhospital.1 (" in taken.output


def test_the_change_log_opens_the_release_in_hand_with_what_is_clinical() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    log = text_of("CHANGELOG.md")
    releases = re.findall(r"^## (\S+) - (\d{4}-\d\d-\d\d)\n\n### (\w+)", log, re.MULTILINE)
    assert releases[0][0] == project["version"]
    assert {first for _, _, first in releases} == {"Clinical"}
    assert len(releases) == log.count("\n## ")
    assert scenario_site().knowledge.version in log


# docs/hooks.md


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("hooks")) as started:
        yield started


EXCHANGE = re.compile(
    r"`(GET|POST) (\S+)`\n\n(?:```json\n([^`]*)```\n\n)?Answer `(\d+)`\n\n```json\n([^`]*)```"
)
EXCHANGES = EXCHANGE.findall(text_of("docs/hooks.md"))
FIRST_REQUEST = next(json.loads(body) for _, _, body, _, _ in EXCHANGES if body)


def filled_in(value: Any, first: Any) -> Any:
    """Put what the first request of the page has in the place of "(as above)"."""
    if value == "(as above)":
        return first
    if isinstance(value, dict):
        inner = first if isinstance(first, Mapping) else {}
        return {name: filled_in(part, inner.get(name)) for name, part in value.items()}
    return value


def is_as_written(written: Any, answered: Any) -> bool:
    """Compare an answer with the page, where "..." stands for anything, or anything more."""
    if written == "...":
        return True
    if isinstance(written, str) and isinstance(answered, str):
        pattern = ".*".join(map(re.escape, written.split("...")))
        return re.fullmatch(pattern, answered, re.DOTALL) is not None
    if isinstance(written, list) and isinstance(answered, list):
        known = [each for each in written if each != "..."]
        is_open = len(known) < len(written)
        is_long_enough = len(answered) > len(known) if is_open else len(answered) == len(known)
        return is_long_enough and all(map(is_as_written, known, answered))
    if isinstance(written, dict) and isinstance(answered, dict):
        known_names = written.keys() - {"..."}
        return (
            known_names < answered.keys() if "..." in written else known_names == answered.keys()
        ) and all(is_as_written(written[name], answered[name]) for name in known_names)
    return bool(written == answered)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer"),
    EXCHANGES,
    ids=[f"{number} {path} {status}" for number, (_, path, _, status, _) in enumerate(EXCHANGES)],
)
def test_an_exchange_on_the_page_of_hooks_goes_as_written(
    service: Running, method: str, path: str, body: str, status: str, answer: str
) -> None:
    sent = filled_in(json.loads(body), FIRST_REQUEST) if body else None
    response = service.client.open(path, method=method, json=sent)
    assert response.status_code == int(status), response.json
    assert is_as_written(json.loads(answer), response.json), response.json


def test_the_page_of_hooks_shows_every_service_feedback_and_errors() -> None:
    shown = {(path, status) for _, path, _, status, _ in EXCHANGES}
    for each in services(scenario_site().knowledge):
        assert (f"/cds-services/{each.id}", "200") in shown
    assert len(EXCHANGES) == len(re.findall(r"^Answer ", text_of("docs/hooks.md"), re.MULTILINE))
    assert text_of("docs/hooks.md").count("```json") == 2 * len(EXCHANGES) - 1  # discovery is a GET


@pytest.mark.parametrize(
    ("written", "answered", "agrees"),
    [
        ("a...", "abc", True),
        ("a...", "bac", False),
        ("a...c", "abc", True),
        (["x", "..."], ["x", "y"], True),
        (["x", "..."], ["x"], False),
        (["x"], ["x", "y"], False),
        ({"a": 1, "...": "..."}, {"a": 1, "b": 2}, True),
        ({"a": 1, "...": "..."}, {"a": 2, "b": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (1, 2, False),
    ],
)
def test_dots_stand_for_more_and_for_nothing_else(
    written: Any, answered: Any, agrees: bool
) -> None:
    assert is_as_written(written, answered) is agrees


def test_the_page_of_hooks_lists_every_error_with_its_status_and_code() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", text_of("docs/hooks.md"), re.MULTILINE)
    raised = {
        (str(error.status), error.issue_code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, RequestError)
    }
    assert set(rows) == raised | {("500", "exception")}
    assert len(rows) == len(set(rows))


# docs/ehr-registration.md


def test_the_prefetch_table_is_that_of_discovery() -> None:
    written = re.findall(
        r"^\| `([a-z-]+)` \| (required|optional) \| `(.+)` \|$",
        text_of("docs/ehr-registration.md"),
        re.MULTILINE,
    )
    [signing] = [each for each in services(scenario_site().knowledge) if each.hook == "order-sign"]
    assert written == [
        (
            query.key,
            "required" if query.is_required else "optional",
            re.sub(r"&code=[^&]+", "&code=...", query.template),
        )
        for query in signing.prefetch
    ]


def test_every_statement_about_a_vendor_says_how_sure_it_is() -> None:
    page = text_of("docs/ehr-registration.md").split("\n## Epic", 1)[1].split("\n## Another", 1)[0]
    rows = [row for row in page.splitlines() if row.startswith("| ") and "what it does" not in row]
    assert len(rows) > 20
    assert [row for row in rows if not re.match(r"\| [ABC] \| .+ \| .+ \|$", row)] == []


# docs/operations.md


def test_the_page_of_operations_explains_every_refusal() -> None:
    source = (ROOT / "cds_service/web/trust.py").read_text()
    page = text_of("docs/operations.md")
    [table] = re.findall(r"### Refusals\n.*?\|---\|---\|\n(.*?)\n\n", page, re.DOTALL)
    written = re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)
    assert set(written) == set(re.findall(r'Unauthenticated\("([a-z-]+)"\)', source))
    assert len(written) == len(set(written))


def test_the_page_of_operations_lists_every_metric_with_its_labels(service: Running) -> None:
    [table] = re.findall(r"## Metrics\n(.*?)\n## ", text_of("docs/operations.md"), re.DOTALL)
    rows = re.findall(r"^\| `(cds_\w+)` \| (.+?) \|", table, re.MULTILINE)
    written = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert written == {**counted(), **watched()}
    assert service.metrics.registry.get_sample_value("cds_inflight", {"kind": "hook"}) == 0


def test_the_page_of_operations_names_every_outcome_that_is_no_code_of_an_error() -> None:
    source = "".join(file.read_text() for file in (ROOT / "cds_service/web").glob("*.py"))
    given = re.findall(r"\boutcome(?:: str)? = (.*\".*)$", source, re.MULTILINE)
    named = {name for line in given for name in re.findall(r'"([a-z-]+)"', line)}
    assert named >= {"cards", "silent", "empty", "feedback", "ok", "exception-answered-empty"}
    [row] = re.findall(r"^\| `cds_requests_total` .*$", text_of("docs/operations.md"), re.MULTILINE)
    assert {name for name in named if f"`{name}`" not in row} == set()


def counted() -> dict[str, tuple[str, ...]]:
    """The metrics of `Metrics` with their labels, by touching each."""
    metrics = Metrics()
    metrics.record_request(CallNote(status=503, rules=("r",), refusal="key", failed_rule="r"))
    metrics.record_fhir("i", "Patient", "ok", 0.1)
    metrics.record_token("i", 0.1)
    metrics.record_feedback("r", "accepted")
    metrics.record_loss("card", 1)
    found = {}
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = tuple(name for name in family.samples[0].labels if name != "le")
    return found


def watched() -> dict[str, tuple[str, ...]]:
    """The gauges that the application and the start of the service publish."""
    source = "".join(file.read_text() for file in (ROOT / "cds_service/web").glob("*.py"))
    calls = re.findall(r'metrics\.watch\(\s*"(\w+)",.*?label="(\w+)"', source, re.DOTALL)
    assert len(calls) == source.count("metrics.watch(")
    return {name: (label,) for name, label in calls}


def test_a_command_is_given_the_settings_of_the_service_as_the_page_of_operations_says(
    tmp_path: Path,
) -> None:
    [script] = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", text_of("docs/operations.md"), re.DOTALL)
    database = f"sqlite:///{tmp_path / 'its own' / 'store.sqlite3'}"
    (tmp_path / "environment").write_text(f"CDS_SERVICE_DATABASE_URL='{database}'\n")
    here = {
        "/etc/cds-service": str(tmp_path),
        "/var/lib/cds-service": str(tmp_path),
        "/opt/cds-service/bin": str(Path(sys.executable).parent),
        "/usr/sbin/runuser -u cds-service -- ": "",
    }
    for there, place in here.items():
        assert there in script
        script = script.replace(there, place)
    command = ["/bin/sh", "-c", script, "cds-service", "db", "upgrade"]
    told = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert told.stdout == f"The database {database} is up to date.\n"


def test_the_environment_on_the_page_of_operations_is_fit_for_production(tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(CDS_SERVICE_.*?)```", text_of("docs/operations.md"), re.DOTALL)
    environment = dict(line.split("=", 1) for line in block.splitlines())
    key = tmp_path / "audit.key"
    key.write_text("0123456789abcdef\n")
    environment["CDS_SERVICE_AUDIT_KEY_FILE"] = str(key)
    settings = read_settings(environment)
    assert settings.production
    assert settings.audit_key == "0123456789abcdef"
