"""The house keeps its shape: imports go down only, and one room has the clock.

The table is the one in docs; whoever needs a new line in it writes down why.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cds_service"
MODULES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("web", "cli", "cli_developer", "cli_store"),
    ("bootstrap",),
    ("decision_support", "issuers", "settings", "feedback_report", "scenario_capture"),
    ("store",),
    ("fhir", "hooks", "loading", "data_build", "explanation", "feedback", "migrations"),
    (
        "queries",
        "access_token",
        "json_depth",
        "resource_names",
        "codes",
        "setting_kinds",
        "writable",
    ),
    ("clinical",),
    ("errors",),
)
"""From the top down: a room may import what is below it, and nothing above."""

BESIDE = {
    ("cli", "web"),
    ("cli", "cli_developer"),
    ("cli_developer", "web"),
    ("cli", "cli_store"),
    ("data_build", "loading"),
    ("migrations", "store"),
}
"""Imports on one floor, or up to the next, that are meant."""

NEVER = {("fhir", "hooks"), ("hooks", "fhir")}

CLOCK_OR_ENVIRONMENT = {
    "date.today", "datetime.now", "datetime.today", "datetime.utcnow", "time.time",
    "time.time_ns", "time.localtime", "time.gmtime", "os.environ", "os.getenv", "os.putenv",
}  # fmt: skip
"""Stopwatches (`time.monotonic`, `time.perf_counter`) tell no time of day and are no clock."""


def room_of(module: str) -> str:
    """Return the first name below the package: `cds_service.fhir.client` lies in `fhir`."""
    return module.split(".")[1] if "." in module else ""


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            yield node.module
            if node.module == "cds_service":
                yield from (f"cds_service.{alias.name}" for alias in node.names)


def floor_of(room: str) -> int:
    return next(floor for floor, rooms in enumerate(LAYERS) if room in rooms)


def test_every_room_is_on_the_plan() -> None:
    rooms = {room_of(name_of(file)) for file in MODULES} - {""}
    assert rooms == {room for rooms in LAYERS for room in rooms}


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_go_down_only(file: Path) -> None:
    room = room_of(name_of(file))
    for imported in imports_of(file):
        other = room_of(imported) if imported.startswith("cds_service.") else ""
        if not room or not other or other == room or (room, other) in BESIDE:
            continue
        assert (room, other) not in NEVER, f"{name_of(file)} imports {imported}"
        assert floor_of(other) > floor_of(room), f"{name_of(file)} imports {imported}"


@pytest.mark.parametrize("file", sorted((PACKAGE / "clinical").glob("*.py")), ids=name_of)
def test_the_clinical_core_imports_the_standard_library_and_itself_only(file: Path) -> None:
    for imported in imports_of(file):
        is_own = imported.startswith("cds_service.clinical")
        assert is_own or imported.split(".")[0] in sys.stdlib_module_names, imported
        assert imported.split(".")[0] not in {"os", "io", "time", "logging", "random", "socket"}


def dotted(node: ast.Attribute) -> str:
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return f"{name}.{node.attr}"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_bootstrap_reads_clock_and_environment(file: Path) -> None:
    read = {
        dotted(node)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    } & CLOCK_OR_ENVIRONMENT
    assert not read or file == PACKAGE / "bootstrap.py"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_go(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").count("\n")
    assert lines <= 320, f"{name_of(file)} has {lines} lines"
