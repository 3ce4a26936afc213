"""Our own words for what the record holds, from `cards/phrases.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.clinical.criteria import LONG_TERM_OPIOID_DOMAIN
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import GapKind
from cds_service.hooks.sheets import Sheet
from cds_service.hooks.wording import Text, plain_text

UNNAMED_SENSITIVITIES = frozenset({"SDV", "VIO", "LEGAL"})
"""Such records are never named, dated or counted. Source: clinical.md section 9."""

POSSIBLY_LONG_TERM = (
    "renewal-chain",
    "continuous-therapy",
    "z79-891",
    "refill-without-history",
)
LISTS = (
    "MedicationRequest",
    "Condition",
    "Patient",
    "Observation",
    "Procedure",
    "ServiceRequest",
    "Encounter",
)
"""The lists a service asks for; one that was not read is named on the card."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A phrase for one and a phrase for several; both may show `count`."""

    one: Text
    many: Text

    def of(self, count: int) -> str:
        """Return the phrase for `count` things, at least one."""
        return (self.one if count == 1 else self.many).filled({"count": count})


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrases:
    """All phrases. A pain domain without a phrase is never named."""

    domains: Mapping[str, str]
    sensitive: str
    pain: Mapping[str, str]
    possibly_long_term: Mapping[str, str]
    dose_complete: Text
    dose_lower_bound: Text
    dose_not_computable: Text
    nothing_unknown: str
    lists_unknown: Text
    estimated: Counted
    imprecise_start: Counted
    unconverted: Counted
    renewal_assumed: str
    lists: Mapping[str, str]
    gaps: Mapping[GapKind, Counted]

    def every_text(self) -> Iterator[str]:
        """Yield the source of every phrase."""
        yield from self.domains.values()
        yield self.sensitive
        yield from self.pain.values()
        yield from self.possibly_long_term.values()
        yield self.dose_complete.source
        yield self.dose_lower_bound.source
        yield self.dose_not_computable.source
        yield self.nothing_unknown
        yield self.renewal_assumed
        yield self.lists_unknown.source
        yield from self.lists.values()
        for counted in (
            self.estimated,
            self.imprecise_start,
            self.unconverted,
            *self.gaps.values(),
        ):
            yield counted.one.source
            yield counted.many.source


def read_phrases(sheet: Sheet, knowledge: Knowledge) -> Phrases:
    """Read `phrases.toml`: a phrase for each thing that `knowledge` can recognise, and no other."""
    dose, unknown, gaps = sheet.sheet("dose"), sheet.sheet("unknown"), sheet.sheet("gaps")
    never = sheet.sheet("pain_never_named")
    unnamed = frozenset(never.words("domains"))
    sensitive = sheet.sheet("sensitive")
    phrases = Phrases(
        domains=_mapping(sheet.sheet("domains"), sorted(_named_domains(knowledge))),
        sensitive=sensitive.word("phrase"),
        pain=_mapping(sheet.sheet("pain"), sorted(_pain_domains(knowledge) - unnamed)),
        possibly_long_term=_mapping(sheet.sheet("possibly_long_term"), POSSIBLY_LONG_TERM),
        dose_complete=_text(dose, "complete", {"mme", "edition"}),
        dose_lower_bound=_text(dose, "lower_bound", {"mme", "edition"}),
        dose_not_computable=_text(dose, "not_computable", set()),
        nothing_unknown=unknown.word("nothing"),
        lists_unknown=_text(unknown, "lists", {"names"}),
        estimated=_counted(unknown.sheet("estimated")),
        imprecise_start=_counted(unknown.sheet("imprecise_start")),
        unconverted=_counted(unknown.sheet("unconverted")),
        renewal_assumed=unknown.word("renewal_assumed"),
        lists=_mapping(sheet.sheet("lists"), LISTS),
        gaps={kind: _counted(gaps.sheet(kind)) for kind in GapKind},
    )
    for part in (dose, unknown, gaps, never, sensitive, sheet):
        part.close()
    return phrases


def _mapping(sheet: Sheet, keys: Iterable[str]) -> Mapping[str, str]:
    words = {key: sheet.word(key) for key in keys}
    sheet.close()
    return words


def _counted(sheet: Sheet) -> Counted:
    counted = Counted(one=_text(sheet, "one", {"count"}), many=_text(sheet, "many", {"count"}))
    sheet.close()
    return counted


def _text(sheet: Sheet, key: str, allowed: set[str]) -> Text:
    text = sheet.text(key, plain_text)
    for name in sorted(text.names - allowed):
        sheet.fault(key, f"there is no value {name!r} here")
    return text


def _named_domains(knowledge: Knowledge) -> set[str]:
    """Return the domains that can be evidence and hold at least one row that may be named."""
    table = knowledge.social_pain
    return {
        row.domain
        for row in (*table.exact.values(), *table.descendants.values())
        if row.strength != "context" and row.sensitivity not in UNNAMED_SENSITIVITIES
    }


def _pain_domains(knowledge: Knowledge) -> set[str]:
    table = knowledge.physical_pain
    rows = (*table.exact.values(), *table.descendants.values())
    return {row.domain for row in rows} - {LONG_TERM_OPIOID_DOMAIN}
