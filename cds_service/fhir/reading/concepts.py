"""CodeableConcepts, and which of them concern a rule.

Most resources of a record concern no rule. They are told apart here, on the raw JSON, before
anything of them is modelled.
"""

from __future__ import annotations

from typing import NamedTuple

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import Coding, coding
from cds_service.fhir.reading import values
from cds_service.fhir.reading.memory import Memory


class Named(NamedTuple):
    """What one concept, or an array of them, says: codings with system and code, and words."""

    codings: tuple[Coding, ...]
    words: tuple[str, ...]


class Coded(NamedTuple):
    """The codings of one concept, or an array of them, that have both system and code.

    `is_in_tables`: one of them meets a row about social pain, exclusion or physical pain.
    """

    codings: tuple[Coding, ...]
    is_in_tables: bool


_NOTHING_NAMED = Named((), ())
_NOTHING_CODED = Coded((), is_in_tables=False)
_NO_CODES: frozenset[str] = frozenset()


class Concepts:
    """Reads concepts and remembers, for the length of one call, which concern a rule."""

    def __init__(self, knowledge: Knowledge, memory: Memory) -> None:
        self._row_for = knowledge.concepts.row_for
        self._memory = memory

    def named(self, concept: object) -> Named:
        """Return the codings and words of one concept or an array of them."""
        if concept is None:
            return _NOTHING_NAMED
        return self._memory.recall("named", concept, named)

    def coded(self, concept: object) -> Coded:
        """Return the codings of one concept or an array of them, and whether a table has any."""
        if concept is None:
            return _NOTHING_CODED
        return self._memory.recall("coded", concept, self._coded)

    def codings(self, concept: object) -> tuple[Coding, ...]:
        """Return the codings that have both system and code, of one concept or an array of them."""
        return self.coded(concept).codings

    def codes(self, concept: object) -> frozenset[str]:
        """Return the bare codes of one concept or an array of them, whatever their system."""
        return _NO_CODES if concept is None else self._memory.recall("codes", concept, codes)

    def are_in_tables(self, codings: tuple[Coding, ...]) -> bool:
        """Say whether any coding meets a row about social pain, exclusion or physical pain."""
        return any(map(self._row_for, codings))

    def _coded(self, concept: object) -> Coded:
        codings = tuple(
            [
                coding(system, code)
                for holder in values.objects(concept)
                for member in values.objects(holder.get("coding"))
                if (system := values.text(member.get("system"))) is not None
                and (code := values.code(member.get("code"))) is not None
            ]
        )
        return Coded(codings, self.are_in_tables(codings))


def codes(concept: object) -> frozenset[str]:
    """Return the bare codes of one concept or an array of them, whatever their system."""
    return frozenset(
        [
            code
            for holder in values.objects(concept)
            for member in values.objects(holder.get("coding"))
            if (code := values.code(member.get("code"))) is not None
        ]
    )


def named(concept: object) -> Named:
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
    return Named(tuple(codings), tuple([word for word in words if word is not None]))
