"""/about: a clinician can check the basis of every card; the page cannot drift from the code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cds_service.bootstrap import Installation
from cds_service.clinical.rules import RULES
from cds_service.errors import KnowledgeError
from cds_service.hooks.card_files import packaged_cards
from cds_service.web.about import about
from tests.web.service import WARNED, Running, running, scenario_request

ROOT = Path(__file__).parent.parent.parent

# 45 CFR 170.315(b)(11)(iv)(A), with release and revision as one
ATTRIBUTES = {
    "bibliographic_citation",
    "developer",
    "funding",
    "release_and_revision",
    "race",
    "ethnicity",
    "language",
    "sexual_orientation",
    "gender_identity",
    "sex",
    "date_of_birth",
    "social_determinants",
    "health_status_assessments",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("about")) as service:
        yield service


@pytest.fixture(scope="module")
def parts(service: Running) -> Installation:
    return service.parts


def test_the_thirteen_source_attributes_are_there_and_none_is_empty(service: Running) -> None:
    stated = service.client.get("/about").get_json()["source_attributes"]
    assert stated.keys() >= ATTRIBUTES
    assert all(stated.values())


def test_the_page_names_every_rule_where_its_cards_lead(service: Running) -> None:
    page = service.client.get("/about", headers={"Accept": "text/html"}).get_data(as_text=True)
    for rule in RULES:
        assert f'id="{rule.id}"' in page


def test_the_link_of_a_card_leads_to_its_rule(service: Running) -> None:
    card = service.call(scenario_request(WARNED)).get_json()["cards"][0]
    links = [link["url"] for link in card["links"]]
    assert any(url.endswith(f"/about#{card['source']['topic']['code']}") for url in links)


def test_every_threshold_stands_with_value_unit_meaning_and_source(service: Running) -> None:
    thresholds = service.client.get("/about").get_json()["thresholds"]
    named = {each["name"]: each for each in thresholds}
    assert named["long_term_more_than_days"]["value"] == "90"
    assert len(thresholds) == 17
    assert all(all(each.values()) for each in thresholds)


def test_every_query_of_discovery_stands_on_the_page(service: Running) -> None:
    asked = {
        template
        for entry in service.client.get("/cds-services").get_json()["services"]
        for template in entry["prefetch"].values()
    }
    listed = {each["query"] for each in service.client.get("/about").get_json()["inputs"]}
    assert listed == asked


def test_the_authors_conflicts_and_the_want_of_validation_are_said(service: Running) -> None:
    content = service.client.get("/about").get_json()
    assert "litigation" in content["source"]["conflicts"]
    assert content["validation"].startswith("None yet")
    assert "no parameter was learned" in content["not_predictive"]


def test_the_page_runs_nothing_and_loads_nothing(service: Running) -> None:
    response = service.client.get("/about", headers={"Accept": "text/html"})
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    page = response.get_data(as_text=True)
    assert not re.search(r"<script|\son\w+=|src=|url\(", page)


def test_what_is_said_not_to_be_used_is_read_nowhere() -> None:
    unread = re.compile(r"us-core-(race|ethnicity|birthsex|genderIdentity|sex)|[\"']gender[\"']")
    readers = [*ROOT.glob("cds_service/fhir/**/*.py"), *ROOT.glob("cds_service/clinical/*.py")]
    assert [path.name for path in readers if unread.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("lost", "fault"),
    [
        ("not_predictive = ", "not_predictive is missing"),
        ("record-incomplete = ", "rules.record-incomplete is missing"),
        ("funding = ", "attributes.funding is missing"),
    ],
)
def test_a_page_with_missing_words_is_refused_at_start(
    parts: Installation, tmp_path: Path, lost: str, fault: str
) -> None:
    cards = tmp_path / "cards"
    shutil.copytree(packaged_cards(), cards)
    words = cards / "about" / "about.toml"
    words.write_text(words.read_text().replace(lost, f"x-{lost}"))
    elsewhere = replace(parts, settings=replace(parts.settings, cards_directory=cards))
    with pytest.raises(KnowledgeError, match=re.escape(fault)):
        about(elsewhere)


def test_a_page_without_any_words_is_refused_at_start(parts: Installation, tmp_path: Path) -> None:
    elsewhere = replace(parts, settings=replace(parts.settings, cards_directory=tmp_path))
    with pytest.raises(KnowledgeError, match="cannot be read"):
        about(elsewhere)
