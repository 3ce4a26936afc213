"""The drug of an order: coded in it, contained in it, in another resource, or only named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from cds_service.clinical.drugs import concerns_a_rule
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Drug
from cds_service.clinical.terminology import RXNORM
from cds_service.fhir.reading import values
from cds_service.fhir.reading.concepts import Concepts, Named, named
from cds_service.fhir.reading.memory import Memory
from cds_service.fhir.reading.values import JsonObject
from cds_service.resource_names import target

_DEEPEST = 3
"""Order, Medication, an ingredient that is a Medication again: nothing real is deeper."""
_MOST_STATEMENTS = 256
_MOST_NAMES = 64
_MOST_LETTERS = 4000
"""What carries more parts, more codes and words, or longer words than these names no one drug; so
no order costs more to read than this, however many orders share one Medication."""


class Prescribed(NamedTuple):
    """All that is said of the drug of an order; None when it is named nowhere.

    `is_of_concern`: a rule looks at orders for this drug, or the drug cannot be told.
    """

    drug: Drug | None
    is_of_concern: bool


_UNTOLD = Prescribed(None, is_of_concern=True)


class Medications:
    """The Medication resources in reach of the orders, by id.

    Those withheld by their labels are neither used nor named: an order for one is left alone.
    """

    def __init__(
        self,
        resources: Iterable[JsonObject],
        *,
        withheld: Iterable[JsonObject],
        concepts: Concepts,
        memory: Memory,
        knowledge: Knowledge,
    ) -> None:
        self._concepts = concepts
        self._memory = memory
        self._knowledge = knowledge
        self._withheld = frozenset(key_of(resource) for resource in withheld)
        self._by_id: defaultdict[str, list[JsonObject]] = defaultdict(list)
        self._known: dict[tuple[Named, ...], Prescribed] = {}
        for resource in resources:
            self._by_id[key_of(resource)].append(resource)

    def withholds(self, order: JsonObject) -> bool:
        """Say whether the order points at a Medication that may not be used."""
        return bool(self._withheld) and not self._withheld.isdisjoint(keys_named_by(order))

    def named_by(self, order: JsonObject) -> Prescribed:
        """Return what an order is for.

        Codes of other systems than RxNorm name a drug only together with a word. Several
        Medications under one id all count: an opioid among them is not lost.

        Source: clinical.md section 2; security-reliability.md T24.
        """
        if "medicationReference" not in order and "medication" not in order:
            concept = order.get("medicationCodeableConcept")
            return self._memory.recall("prescribed", concept, self._prescribed_as)
        found = self._concepts_near(order, order, set(), depth=_DEEPEST)
        statements = tuple(islice(found, _MOST_STATEMENTS + 1))
        if len(statements) > _MOST_STATEMENTS or any(map(_is_overlong, statements)):
            return _UNTOLD
        together = tuple(map(self._concepts.named, statements))
        known = self._known.get(together)
        if known is None:
            known = self._known[together] = self._prescribed(together)
        return known

    def _prescribed_as(self, concept: object) -> Prescribed:
        return _UNTOLD if _is_overlong(concept) else self._prescribed((named(concept),))

    def _prescribed(self, together: tuple[Named, ...]) -> Prescribed:
        drug = _drug_of(together)
        return Prescribed(drug, drug is None or concerns_a_rule(drug, self._knowledge))

    def _concepts_near(
        self, holder: JsonObject, container: JsonObject, seen: set[int], *, depth: int
    ) -> Iterator[object]:
        """Yield the concepts that name the drug, each Medication once, at least one for each.

        `container` is the resource whose contained ones a `#` reference means.
        """
        for concept, reference in _naming_parts(holder):
            yield concept
            if reference is None:
                continue
            yield {"text": reference.get("display")}
            for medication in self._named_by(reference, container) if depth else ():
                if id(medication) not in seen and _is_usable(medication):
                    seen.add(id(medication))
                    inside = container if _is_contained(reference) else medication
                    yield from self._concepts_near(medication, inside, seen, depth=depth - 1)

    def _named_by(self, reference: JsonObject, container: JsonObject) -> Iterable[JsonObject]:
        written = values.text(reference.get("reference"))
        if written is None:
            return ()
        if written.startswith("#"):
            contained = container.get("contained")
            if isinstance(contained, list) and len(contained) > _MOST_NAMES:
                return ()
            return [one for one in values.objects(contained) if one.get("id") == written[1:]]
        return self._by_id.get(_key(written), ())


def keys_named_by(order: JsonObject) -> Iterator[str]:
    """Yield the keys of the separate Medications an order itself points at."""
    for _, reference in _naming_parts(order):
        written = None if reference is None else values.text(reference.get("reference"))
        if written is not None and not written.startswith("#"):
            yield _key(written)


def key_of(medication: JsonObject) -> str:
    """Return the key by which orders find a Medication."""
    return (values.code(medication.get("id")) or "").lower()


def _key(reference: str) -> str:
    return target(reference).id.lower()


def _naming_parts(holder: JsonObject) -> Iterator[tuple[object, JsonObject | None]]:
    """Yield concept and reference from where an order or a Medication names a drug.

    R4 elements, and the CodeableReference of R5 in their place.
    """
    yield holder.get("medicationCodeableConcept") or holder.get("code"), None
    yield None, _reference(holder.get("medicationReference"))
    yield _codeable_reference(holder.get("medication"))
    ingredients = holder.get("ingredient")
    for part in ingredients if isinstance(ingredients, list) else ():
        if not isinstance(part, dict) or part.get("isActive") is False:
            yield None, None
            continue
        yield part.get("itemCodeableConcept"), _reference(part.get("itemReference"))
        if "item" in part:
            yield _codeable_reference(part["item"])


def _codeable_reference(value: object) -> tuple[object, JsonObject | None]:
    if not isinstance(value, dict):
        return None, None
    return value.get("concept"), _reference(value.get("reference"))


def _reference(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def _is_contained(reference: JsonObject) -> bool:
    return str(reference.get("reference")).strip().startswith("#")


def _is_usable(medication: JsonObject) -> bool:
    return medication.get("status") != "entered-in-error" and values.is_absent(
        medication.get("modifierExtension")
    )


def _drug_of(together: Sequence[Named]) -> Drug | None:
    """Return the drug that all of these name together, each coding and each word once."""
    codings = tuple(dict.fromkeys([coding for one in together for coding in one.codings]))
    words = tuple(dict.fromkeys([word for one in together for word in one.words]))
    if len(codings) + len(words) > _MOST_NAMES or sum(map(len, words)) > _MOST_LETTERS:
        return None
    if words or any(coding.system == RXNORM for coding in codings):
        return Drug(codings=codings, words=words)
    return None


def _is_overlong(concept: object) -> bool:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return isinstance(codings, list) and len(codings) > _MOST_NAMES
