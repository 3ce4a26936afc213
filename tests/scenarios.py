"""The scenario folders: cases written without Python, and how one is put to the service.

The format is explained in `fhir_fixtures/README.md`. `test_scenarios` runs all of them,
`record_scenarios` writes their `response.json`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cds_service.bootstrap import load_site
from cds_service.decision_support import Site, advise
from cds_service.errors import RequestError
from cds_service.fhir.client import FhirAccess, Refusal
from cds_service.hooks.catalogue import services, stamp_of
from cds_service.hooks.protocol import read_request
from cds_service.settings import Settings
from cds_service.web.outcomes import error_body

FOLDER = Path(__file__).parents[1] / "fhir_fixtures" / "scenarios"
HOOKS = ("patient-view", "order-select", "order-sign", "medication-refill")

_REQUEST_NUMBER = "000000000000"


class UnreadableScenario(Exception):
    """One line: the file, the key, and what is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What the answer must be, in words a clinician can read.

    `rule` is the rule id of the one card, "none" for an empty answer, or None where the answer is
    an error: then `status` and `issue` say which. `contains` and `lacks` look at all texts of the
    answer, `detail_lacks` at the body of the card alone; upper and lower case are one.
    """

    status: int = 200
    issue: str | None = None
    rule: str | None = None
    indicator: str | None = None
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    detail_lacks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One folder: a title, a day, a reason, a request, what is expected and what was recorded."""

    folder: Path
    title: str
    as_of: date
    why: str
    expect: Expectation

    @property
    def name(self) -> str:
        """The hook and the slug, as in `order-sign/ninety-days-exactly`."""
        return f"{self.hook}/{self.folder.name}"

    @property
    def hook(self) -> str:
        return self.folder.parent.name

    @property
    def request(self) -> dict[str, Any]:
        try:
            body: dict[str, Any] = json.loads((self.folder / "request.json").read_bytes())
        except (OSError, ValueError) as error:
            where = f"{self.name}/request.json"
            raise UnreadableScenario(f"{where}: cannot be read: {error}") from None
        return body

    @property
    def recorded(self) -> Any:
        knowledge = scenario_site().knowledge
        text = (self.folder / "response.json").read_text(encoding="utf-8")
        return json.loads(text.replace(knowledge.version, stamp_of(knowledge)))


class Answered(NamedTuple):
    """The HTTP status and body of an answer; the request number of an error is all zeros."""

    status: int
    body: Any

    @property
    def cards(self) -> list[Any]:
        return self.body.get("cards", [])


def texts(value: object) -> Iterator[str]:
    """Yield every text in a piece of JSON, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def read_scenario(folder: Path) -> Scenario:
    """Read one folder. Raises UnreadableScenario."""
    where = f"{folder.parent.name}/{folder.name}/scenario.toml"
    try:
        entries = tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableScenario(f"{where}: cannot be read: {error}") from None
    _refuse_faults(entries, _KEYS, where)
    expected = entries.pop("expect")
    _refuse_faults(expected, _EXPECTED_KEYS, f"{where}: expect")
    as_tuples = {
        key: tuple(value) if isinstance(value, list) else value for key, value in expected.items()
    }
    return Scenario(folder=folder, expect=Expectation(**as_tuples), **entries)


def _refuse_faults(table: Mapping[str, object], kinds: Mapping[str, _Kind], where: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            known = ", ".join(kinds)
            raise UnreadableScenario(f"{where}: {key}: there is no such key; known are {known}")
        if not kinds[key].is_right(value):
            raise UnreadableScenario(f"{where}: {key}: must be {kinds[key].wanted}")
    for key, kind in kinds.items():
        if kind.is_needed and key not in table:
            raise UnreadableScenario(f"{where}: {key}: is missing; it must be {kind.wanted}")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


class _Kind(NamedTuple):
    """What may stand at a key."""

    is_right: Callable[[object], bool]
    wanted: str
    is_needed: bool = False


_TEXT = _Kind(lambda value: isinstance(value, str), "a text")
_TEXTS = _Kind(_is_texts, "a list of texts")
_KEYS = {
    "title": _TEXT._replace(is_needed=True),
    "as_of": _Kind(
        lambda value: type(value) is date,
        "a day without quotation marks, as 2026-11-22",
        is_needed=True,
    ),
    "why": _TEXT._replace(is_needed=True),
    "expect": _Kind(lambda value: isinstance(value, dict), "a table, [expect]", is_needed=True),
}
_EXPECTED_KEYS = {
    "status": _Kind(lambda value: type(value) is int, "a number"),
    **dict.fromkeys(("issue", "rule", "indicator"), _TEXT),
    **dict.fromkeys(("contains", "lacks", "detail_lacks"), _TEXTS),
}


def scenarios() -> list[Scenario]:
    """Return every scenario, by name."""
    return [read_scenario(file.parent) for file in sorted(FOLDER.glob("*/*/scenario.toml"))]


@cache
def scenario_site() -> Site:
    """Return the site the answers are recorded for: packaged knowledge and cards, a public URL."""
    return load_site(Settings(public_url="https://cds.example.org"))


def answered(
    scenario: Scenario, site: Site, *, fhir: FhirAccess | Refusal = Refusal.NOT_SENT
) -> Answered:
    """Put the request of a scenario to the service, on the scenario's day."""
    return answer_to(scenario.request, scenario.hook, site, as_of=scenario.as_of, fhir=fhir)


def answer_to(
    body: Mapping[str, Any],
    hook: str,
    site: Site,
    *,
    as_of: date,
    fhir: FhirAccess | Refusal = Refusal.NOT_SENT,
) -> Answered:
    """Put a request to the service of a hook and return what it would send."""
    service = next(each for each in services(site.knowledge) if each.hook == hook)
    try:
        advice = advise(read_request(body, service), service, site=site, fhir=fhir, as_of=as_of)
    except RequestError as error:
        return Answered(error.status, json.loads(error_body(error, _REQUEST_NUMBER)))
    return Answered(200, json.loads(json.dumps({"cards": advice.cards})))


def unexpected(expect: Expectation, answer: Answered) -> list[str]:
    """Return what differs from the expectation, one line each; nothing when all is well."""
    faults = []
    if answer.status != expect.status:
        faults.append(f"status {answer.status} instead of {expect.status}")
    if expect.issue is not None:
        issues = [issue["code"] for issue in answer.body.get("issue", [])]
        if issues != [expect.issue]:
            faults.append(f"issues {issues} instead of {expect.issue}")
    if expect.rule is not None:
        rules = [card["source"]["topic"]["code"] for card in answer.cards]
        if rules != ([] if expect.rule == "none" else [expect.rule]):
            faults.append(f"rules {rules} instead of {expect.rule}")
    if expect.indicator is not None:
        indicators = [card["indicator"] for card in answer.cards]
        if indicators != [expect.indicator]:
            faults.append(f"indicators {indicators} instead of {expect.indicator}")
    return faults + _unexpected_texts(expect, answer)


def _unexpected_texts(expect: Expectation, answer: Answered) -> list[str]:
    everything = plain("\n".join(texts(answer.body)))
    detail = plain("\n".join(card["detail"] for card in answer.cards))
    return [
        *(f"lacks {text!r}" for text in expect.contains if plain(text) not in everything),
        *(f"contains {text!r}" for text in expect.lacks if plain(text) in everything),
        *(f"detail contains {text!r}" for text in expect.detail_lacks if plain(text) in detail),
    ]


def written(body: object) -> str:
    """Return a body as `response.json` holds it: without the digest of the knowledge.

    It changes with any byte of the data, which is no reason to record every answer anew.
    """
    knowledge = scenario_site().knowledge
    text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    return text.replace(stamp_of(knowledge), knowledge.version)


def plain(text: str) -> str:
    """Return a text in lower case, without the backslashes that keep Markdown literal."""
    return re.sub(r"\\(?=\W)", "", text).lower()
