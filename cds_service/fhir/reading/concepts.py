"""CodeableConcepts, and which of them concern a rule.

Most resources of a record concern no rule. They are told apart here, on the raw JSON, before
anything of them is modelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cds_service.clinical.drugs import concerns_a_rule
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Drug
from cds_service.clinical.terminology import Coding, coding
from cds_service.fhir.reading import values
from cds_service.fhir.reading.memory import Memory
from cds_service.fhir.reading.values import JsonObject


class Named(NamedTuple):
    """What one concept, or an array of them, says: codings with system and code, and words."""

    codings: tuple[Coding, ...]
    words: tuple[str, ...]


_NOTHING = Named((), ())


class Concepts:
    """Reads concepts and remembers, for the length of one call, which concern a rule."""

    def __init__(self, knowledge: Knowledge, memory: Memory) -> None:
        self._knowledge = knowledge
        self._memory = memory
        self._in_tables: dict[tuple[Coding, ...], bool] = {}
        self._drugs: dict[tuple[object, ...], bool] = {}

    def named(self, concept: object) -> Named:
        """Return the codings and words of one concept or an array of them."""
        if concept is None:
            return _NOTHING
        return self._memory.recall("named", concept, lambda: _read(concept))

    def codings(self, concept: object) -> tuple[Coding, ...]:
        """Return the codings that have both system and code, of one concept or an array of them."""
        return self.named(concept).codings

    def codes(self, concept: object) -> frozenset[str]:
        """Return the bare codes of one concept or an array of them, whatever their system."""
        if concept is None:
            return frozenset()
        return self._memory.recall("codes", concept, lambda: codes(concept))

    def are_in_tables(self, codings: tuple[Coding, ...]) -> bool:
        """Say whether any coding meets a row about social pain, exclusion or physical pain."""
        known = self._in_tables.get(codings)
        if known is None:
            tables = (
                self._knowledge.social_pain,
                self._knowledge.exclusions,
                self._knowledge.physical_pain,
            )
            known = self._in_tables[codings] = any(
                table.row_for(code) is not None for code in codings for table in tables
            )
        return known

    def concerns_a_rule(self, drug: Drug) -> bool:
        """Say whether any rule looks at orders for this drug."""
        names = drug.codings, drug.words
        known = self._drugs.get(names)
        if known is None:
            known = self._drugs[names] = concerns_a_rule(drug, self._knowledge)
        return known


def codes(concept: object) -> frozenset[str]:
    """Return the bare codes of one concept or an array of them, whatever their system."""
    return frozenset(
        code
        for member in _members(concept)
        if (code := values.code(member.get("code"))) is not None
    )


def _read(concept: object) -> Named:
    """Return the codings that have both parts, and as words the displays and the text."""
    codings: list[Coding] = []
    words: list[str | None] = []
    for holder in values.objects(concept):
        for member in values.objects(holder.get("coding")):
            system, code = values.text(member.get("system")), values.code(member.get("code"))
            if system is not None and code is not None:
                codings.append(coding(system, code))
            words.append(values.text(member.get("display")))
        words.append(values.text(holder.get("text")))
    return Named(tuple(codings), tuple(word for word in words if word is not None))


def _members(concept: object) -> Iterator[JsonObject]:
    for holder in values.objects(concept):
        yield from values.objects(holder.get("coding"))
