"""Reading a TOML file of a data directory; what is wrong becomes a fault."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any


def read_toml(directory: Path, name: str, faults: list[str]) -> dict[str, Any]:
    """Return the document with its fractions as Decimal; empty, with a fault, if unreadable."""
    try:
        return tomllib.loads((directory / name).read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, ValueError) as error:
        faults.append(f"{name}: cannot be read as TOML: {error}")
        return {}
