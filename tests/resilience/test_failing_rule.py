"""A bug in the card of one rule: said as a failure, counted for the rule, and no other rule hit."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.rules import RULES, Recommendation
from cds_service.decision_support import Site
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.protocol import HookRequest
from tests.scenarios import Scenario, scenario_site, scenarios
from tests.web.service import KeptLog, Made, running

SCENARIOS = scenarios()


@dataclass(frozen=True, kw_only=True)
class FlawedDeck(CardDeck):
    """A deck of cards with a bug in one of them."""

    flawed: str

    def render(
        self, recommendation: Recommendation, assessment: Assessment, request: HookRequest
    ) -> dict[str, object]:
        if recommendation.rule_id == self.flawed:
            raise ZeroDivisionError("Jane Roe, MRN 12345")
        return CardDeck.render(self, recommendation, assessment, request)


def flawed_site(flawed: str) -> Site:
    site = scenario_site()
    parts = {each.name: getattr(site.deck, each.name) for each in fields(site.deck)}
    return replace(site, deck=FlawedDeck(**parts, flawed=flawed))


def scenario_of(rule_id: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.expect.rule == rule_id)


@pytest.mark.parametrize("flawed", [rule.id for rule in RULES])
def test_a_rule_with_a_bug_is_never_an_all_clear_and_the_others_go_on(
    tmp_path: Path, flawed: str
) -> None:
    log = KeptLog()
    with running(tmp_path, Made(parts={"site": flawed_site(flawed)}, log=log)) as service:
        for rule in RULES:
            scenario = scenario_of(rule.id)
            path = f"/cds-services/opioid-social-pain-{scenario.hook}"
            response = service.call(scenario.request, path)
            if rule.id != flawed:
                assert len(response.json["cards"]) == 1
                continue
            assert response.status_code == 500
            [line] = [line for line in log.lines if "failed_rule" in line]
            [issue] = response.json["issue"]
            assert issue["code"] == "exception"
            assert issue["diagnostics"] == f"Request number {line['request']}"
            assert line["failed_rule"] == flawed
            assert line["failed_at"].startswith("ZeroDivisionError at test_failing_rule.py:")
            assert "Jane" not in response.text
        assert "Jane" not in log.stream.getvalue()
        assert service.count("cds_rule_error_total", rule=flawed) == 1
