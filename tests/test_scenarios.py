"""Every scenario folder, put to the whole service: what is expected, and what was recorded."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from cds_service.clinical.rules import RULES
from cds_service.decision_support import Site
from cds_service.hooks.card_checks import forbidden
from tests.hooks.builders import never_said
from tests.record_scenarios import record
from tests.scenarios import (
    FOLDER,
    HOOKS,
    Answered,
    Expectation,
    Scenario,
    UnreadableScenario,
    answered,
    read_scenario,
    scenario_site,
    scenarios,
    texts,
    unexpected,
    written,
)

ALL = scenarios()
AT_LEAST = 90


@pytest.fixture(scope="module")
def site() -> Site:
    return scenario_site()


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_the_answer_is_the_expected_one(scenario: Scenario, site: Site) -> None:
    assert unexpected(scenario.expect, answered(scenario, site)) == []


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_the_answer_is_word_for_word_the_recorded_one(scenario: Scenario, site: Site) -> None:
    recorded = (scenario.folder / "response.json").read_text(encoding="utf-8")
    assert written(answered(scenario, site).body) == recorded


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_no_card_says_what_is_never_said(scenario: Scenario, site: Site) -> None:
    never = never_said()
    found = [
        (text, word)
        for text in texts(answered(scenario, site).cards)
        for word, _ in forbidden(text, never)
    ]
    assert found == []


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_a_scenario_is_well_made(scenario: Scenario) -> None:
    assert scenario.hook in HOOKS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", scenario.folder.name)
    assert scenario.title[0].isupper() or scenario.title[0].isdigit()
    assert not scenario.title.endswith(".")
    assert scenario.why.strip()
    assert scenario.request["hook"] == scenario.hook
    expect = scenario.expect
    assert (expect.status == 200) == (expect.rule is not None) == (expect.issue is None)
    assert (expect.indicator is not None) == (expect.rule not in {None, "none"})


def test_every_folder_holds_the_three_files_and_nothing_else() -> None:
    wanted = {"scenario.toml", "request.json", "response.json"}
    found = {folder: {file.name for file in folder.iterdir()} for folder in FOLDER.glob("*/*")}
    assert {str(folder): files for folder, files in found.items() if files != wanted} == {}


def test_no_title_and_no_hook_instance_is_used_twice() -> None:
    for values in (
        [(each.hook, each.title) for each in ALL],
        [each.request["hookInstance"] for each in ALL],
    ):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_there_are_enough_scenarios_a_third_of_them_without_a_card() -> None:
    silent = [each for each in ALL if each.expect.rule == "none"]
    assert len(ALL) >= AT_LEAST
    assert len(silent) * 3 >= len(ALL)


def test_every_rule_is_seen_on_every_hook_it_speaks_on() -> None:
    seen = {(each.expect.rule, each.hook) for each in ALL}
    wanted = {(rule.id, hook) for rule in RULES for hook in rule.indicators}
    assert wanted - seen == set()


def test_every_hook_has_scenarios_in_which_nothing_is_said() -> None:
    assert {each.hook for each in ALL if each.expect.rule == "none"} == set(HOOKS)


GOOD = 'title = "A title"\nas_of = 2026-11-22\nwhy = "x"\n[expect]\nrule = "none"\n'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rule =", "rules =", "expect: rules: there is no such key; known are status, issue, rule"),
        ("[expect]", "[expct]", "expct: there is no such key; known are title, as_of, why, expect"),
        ('[expect]\nrule = "none"', "", "expect: is missing; it must be a table"),
        ("[expect]\nrule", "expect", "expect: must be a table, [expect]"),
        ("2026-11-22", '"x"', "as_of: must be a day without quotation marks, as 2026-11-22"),
        ("2026-11-22", "2026-11-22T10:00:00Z", "as_of: must be a day"),
        ('title = "A title"', "", "title: is missing; it must be a text"),
        ('"none"', '"none"\nstatus = "412"', "expect: status: must be a number"),
        ('"none"', '"none"\nlacks = "taper"', "expect: lacks: must be a list of texts"),
        ('"A title"', '"open', "cannot be read: Illegal character '\\n' (at line 1, column 14)"),
    ],
)
def test_a_slip_of_the_pen_in_a_case_is_told_by_file_and_key(
    copied: Path, old: str, new: str, told: str
) -> None:
    assert old in GOOD
    (copied / "scenario.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(UnreadableScenario) as caught:
        read_scenario(copied)
    assert str(caught.value).startswith(f"patient-view/copied/scenario.toml: {told}")
    assert "\n" not in str(caught.value)


def test_a_request_that_is_no_json_is_told_by_its_file(copied: Path, site: Site) -> None:
    (copied / "request.json").write_text("{")
    with pytest.raises(UnreadableScenario, match=r"copied/request\.json: cannot be read"):
        record(read_scenario(copied), site)


CARD = {
    "summary": "Renewal",
    "indicator": "info",
    "detail": "Opioid therapy for 91 days\\.",
    "source": {"topic": {"code": "long-term-therapy-review"}},
}


@pytest.mark.parametrize(
    ("expect", "faults"),
    [
        (Expectation(rule="long-term-therapy-review", indicator="info"), 0),
        (Expectation(rule="long-term-therapy-review", contains=("91 days.", "RENEWAL")), 0),
        (Expectation(rule="none"), 1),
        (Expectation(rule="record-incomplete", indicator="warning"), 2),
        (Expectation(rule="long-term-therapy-review", contains=("90 days", "taper")), 2),
        (Expectation(rule="long-term-therapy-review", lacks=("renewal", "91")), 2),
        (Expectation(rule="long-term-therapy-review", detail_lacks=("renewal", "opioid")), 1),
        (Expectation(status=412, issue="incomplete"), 2),
    ],
)
def test_a_difference_from_the_expectation_is_found(expect: Expectation, faults: int) -> None:
    assert len(unexpected(expect, Answered(200, {"cards": [CARD]}))) == faults


def test_another_error_than_the_expected_one_is_found() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": "conflict"}]}
    expect = Expectation(status=412, issue="incomplete")
    assert len(unexpected(expect, Answered(412, outcome))) == 1


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder of its own with the scenario of ninety-one days, not recorded yet."""
    folder = tmp_path / "patient-view" / "copied"
    folder.mkdir(parents=True)
    for name in ("scenario.toml", "request.json"):
        original = FOLDER / "patient-view" / "ninety-one-days" / name
        (folder / name).write_bytes(original.read_bytes())
    return folder


def test_an_expected_answer_is_recorded(copied: Path, site: Site) -> None:
    assert record(read_scenario(copied), site) == []
    recorded = FOLDER / "patient-view" / "ninety-one-days" / "response.json"
    assert (copied / "response.json").read_bytes() == recorded.read_bytes()


def test_an_answer_that_is_not_expected_is_not_recorded(copied: Path, site: Site) -> None:
    sheet = copied / "scenario.toml"
    sheet.write_text(sheet.read_text().replace('91 days"]', '92 days"]'))
    assert record(read_scenario(copied), site) == ["lacks '92 days'"]
    assert not (copied / "response.json").exists()
