"""The two hand-written TOML files of a data directory: thresholds and names of drugs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from cds_service.clinical.knowledge import (
    NameVocabulary,
    NotCountedWords,
    OpioidName,
    OpioidUse,
    ThresholdNote,
    Thresholds,
)

THRESHOLDS = "thresholds.toml"
NAMES = "names.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """Everything `names.toml` says. `brands` maps the words of a brand, joined by blanks."""

    opioids: NameVocabulary
    brands: Mapping[str, OpioidName]
    unused_brands: frozenset[str]
    benzodiazepines: frozenset[str]
    naloxone: frozenset[str]


def thresholds(
    directory: Path, faults: list[str]
) -> tuple[Thresholds | None, tuple[ThresholdNote, ...]]:
    """Read the thresholds; None with a fault for each that is missing, unknown or out of range."""
    before = len(faults)
    document = _toml(directory, THRESHOLDS, faults)
    for name in sorted(document.keys() ^ Thresholds.__annotations__.keys()):
        faults.append(f"{THRESHOLDS}: {name}: {'unknown' if name in document else 'missing'}")
    notes = tuple(
        note
        for name in Thresholds.__annotations__
        if name in document and (note := _threshold_note(name, document[name], faults))
    )
    if len(faults) > before:
        return None, notes
    return Thresholds(**{note.name: note.value for note in notes}), notes  # type: ignore[arg-type]


def names(directory: Path, faults: list[str]) -> Names:
    """Read the vocabulary; every fault is added to `faults`."""
    document = _toml(directory, NAMES, faults)
    try:
        return _names(document, faults)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        faults.append(f"{NAMES}: not of the form the packaged file has, near {error}")
        return _names(_NO_NAMES, faults)


_NO_NAMES: Mapping[str, Any] = {
    "ingredients": {},
    "brands": {},
    "unused_brands": {},
    "not_counted": {},
    "settled_by": {"oud": [], "analgesic": []},
    "benzodiazepines": {"words": []},
    "naloxone": {"words": []},
}


def _toml(directory: Path, name: str, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads((directory / name).read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        faults.append(f"{name}: cannot be read as TOML: {error}")
        return {}


def _threshold_note(name: str, entry: Any, faults: list[str]) -> ThresholdNote | None:
    """Return the threshold, None with a fault when it is not usable."""
    where = f"{THRESHOLDS}: {name}"
    kind = Decimal if Thresholds.__annotations__[name] == "Decimal" else int
    try:
        value, (lowest, highest) = entry["value"], entry["between"]
        texts = {key: str(entry[key]) for key in ("unit", "meaning", "source")}
    except (KeyError, TypeError, ValueError):
        faults.append(f"{where}: needs value, between = [lowest, highest], unit, meaning, source")
        return None
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | Decimal):
        faults.append(f"{where}: value: not a{' whole' if kind is int else ''} number")
        return None
    if not lowest <= value <= highest:
        faults.append(f"{where}: value: {value} is not between {lowest} and {highest}")
    if not all(texts.values()):
        faults.append(f"{where}: unit, meaning and source must not be empty")
    return ThresholdNote(name=name, value=kind(value), **texts)


def _names(document: Mapping[str, Any], faults: list[str]) -> Names:
    ingredients = _by_use(document["ingredients"], "ingredients", faults)
    brands = _by_use(document["brands"], "brands", faults)
    for name in sorted(ingredients.keys() & brands.keys()):
        faults.append(f"{NAMES}: {name}: both an ingredient and a brand")
    settled = document["settled_by"]
    return Names(
        opioids=NameVocabulary(
            words={
                name: opioid for name, opioid in (ingredients | brands).items() if " " not in name
            },
            phrases=_phrases(brands),
            not_counted=tuple(
                NotCountedWords(
                    reason=reason,
                    words=frozenset(group["words"]),
                    unless=frozenset(group["unless"]),
                )
                for reason, group in sorted(document["not_counted"].items())
            ),
            oud=frozenset(settled["oud"]) | _of_use(brands, "oud"),
            analgesic=frozenset(settled["analgesic"]) | _of_use(brands, "analgesic"),
        ),
        brands=brands,
        unused_brands=frozenset(document["unused_brands"]),
        benzodiazepines=frozenset(document["benzodiazepines"]["words"]),
        naloxone=frozenset(document["naloxone"]["words"]),
    )


def _by_use(
    tables: Mapping[str, Mapping[str, str]], where: str, faults: list[str]
) -> dict[str, OpioidName]:
    found: dict[str, OpioidName] = {}
    for use, entries in tables.items():
        if use not in get_args(OpioidUse) or use == "not-counted":
            faults.append(f"{NAMES}: {where}.{use}: not a use that a name can have")
            continue
        for name, ingredient in entries.items():
            if name in found:
                faults.append(f"{NAMES}: {where}: {name}: listed under two uses")
            if name != " ".join(name.lower().split()):
                faults.append(f"{NAMES}: {where}: {name}: not in lower case, words by one blank")
            found[name] = OpioidName(ingredient=ingredient, use=use)  # type: ignore[arg-type]
    return found


def _of_use(brands: Mapping[str, OpioidName], use: OpioidUse) -> frozenset[str]:
    return frozenset(name for name, opioid in brands.items() if opioid.use == use)


def _phrases(
    brands: Mapping[str, OpioidName],
) -> dict[str, tuple[tuple[tuple[str, ...], OpioidName], ...]]:
    phrases: dict[str, tuple[tuple[tuple[str, ...], OpioidName], ...]] = {}
    for name, opioid in _longest_first(brands):
        words = tuple(name.split())
        if len(words) > 1:
            phrases[words[0]] = (*phrases.get(words[0], ()), (words, opioid))
    return phrases


def _longest_first(brands: Mapping[str, OpioidName]) -> Iterable[tuple[str, OpioidName]]:
    return sorted(brands.items(), key=lambda item: (-len(item[0].split()), item[0]))
