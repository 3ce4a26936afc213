"""CodeableConcepts, and which of their codes concern a rule.

Most resources of a record concern no rule. They are told apart here, on the raw JSON, before
anything of them is modelled; each distinct code is looked up once a call.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.clinical.drugs import concerns_a_rule
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Drug
from cds_service.clinical.terminology import Coding, coding
from cds_service.fhir.reading import values


class Concepts:
    """Reads codings and remembers, for the length of one call, which concern a rule."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._codings: dict[tuple[str, str], Coding] = {}
        self._in_tables: dict[Coding, bool] = {}
        self._drugs: dict[tuple[tuple[Coding, ...], tuple[str, ...]], bool] = {}

    def codings(self, concept: object) -> tuple[Coding, ...]:
        """Return the codings that have both system and code, of one concept or an array of them."""
        found = []
        for holder in values.objects(concept):
            for member in values.objects(holder.get("coding")):
                system, code = values.text(member.get("system")), values.code(member.get("code"))
                if system is not None and code is not None:
                    found.append(self._codings.get((system, code)) or self._learnt(system, code))
        return tuple(found)

    def are_in_tables(self, codings: Iterable[Coding]) -> bool:
        """Say whether any coding meets a row about social pain, exclusion or physical pain."""
        return any(map(self._is_in_tables, codings))

    def concerns_a_rule(self, drug: Drug) -> bool:
        """Say whether any rule looks at orders for this drug."""
        names = drug.codings, drug.words
        known = self._drugs.get(names)
        if known is None:
            known = self._drugs[names] = concerns_a_rule(drug, self._knowledge)
        return known

    def _learnt(self, system: str, code: str) -> Coding:
        return self._codings.setdefault((system, code), coding(system, code))

    def _is_in_tables(self, code: Coding) -> bool:
        known = self._in_tables.get(code)
        if known is None:
            tables = (
                self._knowledge.social_pain,
                self._knowledge.exclusions,
                self._knowledge.physical_pain,
            )
            known = self._in_tables[code] = any(table.row_for(code) is not None for table in tables)
        return known


def words(concept: object) -> list[str]:
    """Return the displays and the text of one concept or an array of them."""
    found = []
    for holder in values.objects(concept):
        found += [member.get("display") for member in values.objects(holder.get("coding"))]
        found.append(holder.get("text"))
    return [word for word in map(values.text, found) if word is not None]


def codes(concept: object) -> frozenset[str]:
    """Return the bare codes of one concept or an array of them, whatever their system."""
    found = (
        values.code(member.get("code"))
        for holder in values.objects(concept)
        for member in values.objects(holder.get("coding"))
    )
    return frozenset(code for code in found if code is not None)
