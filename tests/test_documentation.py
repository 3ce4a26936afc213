"""The documentation is executed and compared with the code, so that it cannot drift."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import cds_service

ROOT = Path(__file__).parent.parent
CLINICAL_LOGIC = ROOT / "docs" / "clinical-logic.md"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cds_service.__path__, "cds_service.")
    if ".migrations" not in module.name
)


def test_every_example_of_the_clinical_logic_gives_what_it_says() -> None:
    failed, tried = doctest.testfile(str(CLINICAL_LOGIC), module_relative=False)
    assert failed == 0
    assert tried > 40


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_give_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_clinical_logic_lists_every_threshold_with_its_value() -> None:
    thresholds = tomllib.loads((ROOT / "cds_service/data/thresholds.toml").read_text())
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", CLINICAL_LOGIC.read_text(), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == {
        name: float(entry["value"]) for name, entry in thresholds.items()
    }


LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize(
    "page",
    [path.relative_to(ROOT) for path in sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))],
    ids=str,
)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    missing = [
        target
        for target in LINK.findall((ROOT / page).read_text())
        if not (ROOT / page.parent / target).exists()
    ]
    assert missing == []
