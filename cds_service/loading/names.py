"""`names.toml`: the words by which a drug is recognised when no code is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from cds_service.clinical.knowledge import (
    NameVocabulary,
    NotCountedWords,
    OpioidName,
    OpioidUse,
)
from cds_service.loading.toml import read_toml

NAMES = "names.toml"

_WORD = re.compile(r"[^\W_A-Z]+")
_SECTIONS = (
    *("ingredients", "brands", "unused_brands", "not_counted", "settled_by"),
    *("benzodiazepines", "naloxone"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Everything `names.toml` says. `brands` maps the words of a brand, joined by blanks."""

    opioids: NameVocabulary
    brands: Mapping[str, OpioidName]
    unused_brands: frozenset[str]
    benzodiazepines: frozenset[str]
    naloxone: frozenset[str]


def read_names(directory: Path, faults: list[str]) -> Names:
    """Read the vocabulary; every fault is added to `faults`."""
    document = read_toml(directory, NAMES, faults)
    for section in sorted(document.keys() - set(_SECTIONS)):
        faults.append(f"{NAMES}: {section}: unknown")
    read = _Reader(document, faults)
    ingredients = read.opioids("ingredients")
    brands = read.opioids("brands")
    for name in sorted(ingredients.keys() & brands.keys()):
        faults.append(f"{NAMES}: {name}: both an ingredient and a brand")
    return Names(
        opioids=NameVocabulary(
            words={
                name: opioid for name, opioid in (ingredients | brands).items() if " " not in name
            },
            phrases=_phrases(brands),
            not_counted=tuple(
                NotCountedWords(
                    reason=reason,
                    words=read.words("not_counted", reason, "words"),
                    unless=read.words("not_counted", reason, "unless"),
                )
                for reason in sorted(read.table("not_counted"))
            ),
            oud=read.words("settled_by", "oud") | _of_use(brands, "oud"),
            analgesic=read.words("settled_by", "analgesic") | _of_use(brands, "analgesic"),
        ),
        brands=brands,
        unused_brands=frozenset(read.table("unused_brands")),
        benzodiazepines=read.words("benzodiazepines", "words"),
        naloxone=read.words("naloxone", "words"),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Typed access by path; what is missing or of another form is a fault, and read as empty."""

    document: Mapping[str, Any]
    faults: list[str]

    def table(self, *path: str) -> dict[str, Any]:
        value = self._at(path)
        if not isinstance(value, dict):
            self.faults.append(f"{NAMES}: {'.'.join(path)}: not a table")
            return {}
        return value

    def words(self, *path: str) -> frozenset[str]:
        value = self._at(path)
        if not isinstance(value, list) or not all(
            isinstance(word, str) and _WORD.fullmatch(word) for word in value
        ):
            self.faults.append(
                f"{NAMES}: {'.'.join(path)}: not a list of single words in lower case"
            )
            return frozenset()
        return frozenset(value)

    def opioids(self, section: str) -> dict[str, OpioidName]:
        """Return the opioids of a section, which lists names under the use they stand for."""
        found: dict[str, OpioidName] = {}
        for use in self.table(section):
            if use not in get_args(OpioidUse) or use == "not-counted":
                self.faults.append(f"{NAMES}: {section}.{use}: not a use that a name can have")
                continue
            for name, ingredient in self.table(section, use).items():
                if name in found:
                    self.faults.append(f"{NAMES}: {section}: {name}: listed under two uses")
                if not all(map(_WORD.fullmatch, name.split(" "))):
                    self.faults.append(f"{NAMES}: {section}: {name}: not words in lower case")
                found[name] = OpioidName(ingredient=str(ingredient), use=cast(OpioidUse, use))
        return found

    def _at(self, path: tuple[str, ...]) -> Any:
        value: Any = self.document
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def _of_use(brands: Mapping[str, OpioidName], use: OpioidUse) -> frozenset[str]:
    return frozenset(name for name, opioid in brands.items() if opioid.use == use)


def _phrases(
    brands: Mapping[str, OpioidName],
) -> dict[str, tuple[tuple[tuple[str, ...], OpioidName], ...]]:
    """Return the brands of several words by their first word, the longest first."""
    phrases: dict[str, tuple[tuple[tuple[str, ...], OpioidName], ...]] = {}
    for name in sorted(brands, key=lambda name: (-len(name.split()), name)):
        words = tuple(name.split())
        if len(words) > 1:
            phrases[words[0]] = (*phrases.get(words[0], ()), (words, brands[name]))
    return phrases
