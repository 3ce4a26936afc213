"""`thresholds.toml`: each number with its unit, meaning, source, and the range it must lie in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from cds_service.clinical.knowledge import ThresholdNote, Thresholds
from cds_service.loading.toml import read_toml

THRESHOLDS = "thresholds.toml"


def read_thresholds(
    directory: Path, faults: list[str]
) -> tuple[Thresholds, tuple[ThresholdNote, ...]]:
    """Read the thresholds; one that is missing or unusable is a fault, with zero in its place."""
    document = read_toml(directory, THRESHOLDS, faults)
    fields = Thresholds.__annotations__
    for name in sorted(document.keys() ^ fields.keys()):
        faults.append(f"{THRESHOLDS}: {name}: {'unknown' if name in document else 'missing'}")
    notes = tuple(
        note
        for name in fields
        if name in document and (note := _note(name, document[name], faults))
    )
    values: dict[str, Any] = dict.fromkeys(fields, 0) | {note.name: note.value for note in notes}
    return Thresholds(**values), notes


def _note(name: str, entry: Any, faults: list[str]) -> ThresholdNote | None:
    """Return the threshold, None with a fault when it is not usable."""
    where = f"{THRESHOLDS}: {name}"
    kind = Decimal if Thresholds.__annotations__[name] == "Decimal" else int
    try:
        value, (lowest, highest) = entry["value"], entry["between"]
        texts = {key: entry[key] for key in ("unit", "meaning", "source")}
    except (KeyError, TypeError, ValueError):
        faults.append(f"{where}: needs value, between = [lowest, highest], unit, meaning, source")
        return None
    if not all(isinstance(text, str) and text for text in texts.values()):
        faults.append(f"{where}: unit, meaning and source must be texts, and not empty")
    elif not (_is_number(lowest) and _is_number(highest)):
        faults.append(f"{where}: between: not two numbers")
    elif not _is_number(value) or (kind is int and type(value) is not int):
        faults.append(f"{where}: value: not a{' whole' if kind is int else ''} number")
    elif not lowest <= value <= highest:
        faults.append(f"{where}: value: {value} is not between {lowest} and {highest}")
    else:
        return ThresholdNote(name=name, value=kind(value), **texts)
    return None


def _is_number(value: object) -> bool:
    return type(value) is int or (isinstance(value, Decimal) and value.is_finite())
