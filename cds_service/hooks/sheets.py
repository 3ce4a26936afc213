"""TOML tables read key by key: every fault is noted with file and key, none ends the reading."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from cds_service.errors import KnowledgeError
from cds_service.hooks.wording import Text

Compiled = TypeVar("Compiled")


class Sheet:
    """One table of a file. Faults go into `faults`; what cannot be read is left out or empty."""

    def __init__(self, table: dict[str, object], *, where: str, faults: list[str]) -> None:
        self._table = table
        self._read: set[str] = set()
        self.where = where
        self.faults = faults

    @classmethod
    def of_file(cls, path: Path, faults: list[str]) -> Sheet:
        """Read a file. Raises KnowledgeError for one that is missing or no TOML."""
        try:
            table: dict[str, object] = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise KnowledgeError((f"{path.name}: cannot be read: {error}",)) from None
        return cls(table, where=path.name, faults=faults)

    def fault(self, key: str, text: str) -> None:
        """Note a fault of a key."""
        self.faults.append(f"{self.where}: {key}: {text}")

    def value(self, key: str) -> object:
        """Return whatever stands at the key, None where there is nothing."""
        self._read.add(key)
        return self._table.get(key)

    def word(self, key: str) -> str:
        """Return a text that must be there; an empty one where it is not."""
        value = self.value(key)
        if isinstance(value, str) and value.strip():
            return value
        self.fault(key, "a text is needed")
        return ""

    def optional_word(self, key: str) -> str | None:
        """Return a text that may be absent."""
        return self.word(key) if self.has(key) else None

    def switch(self, key: str) -> bool:
        """Return true or false; absent counts as false."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            self.fault(key, "must be true or false, without quotation marks")
        return value is True

    def choice(self, key: str, known: Collection[str]) -> str | None:
        """Return one of the known names, None where the key is absent or its name unknown."""
        name = self.optional_word(key)
        if name is None or name in known:
            return name
        self.fault(key, f"there is no {name!r}; known are {', '.join(known)}")
        return None

    def text(self, key: str, compiled: Callable[[str], Text]) -> Text:
        """Return a compiled text that must be there; an empty one where it is faulty."""
        return self.compiled(key, self.word(key), compiled)

    def compiled(self, key: str, source: str, compiled: Callable[[str], Text]) -> Text:
        """Compile a text that came from the key."""
        try:
            return compiled(source)
        except ValueError as error:
            self.fault(key, str(error))
            return compiled("")

    def words(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; absent counts as empty."""
        value = self.value(key) or []
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        self.fault(key, "a list of texts is needed")
        return ()

    def items(self, key: str) -> tuple[object, ...]:
        """Return a list of anything that must not be empty."""
        value = self.value(key)
        if isinstance(value, list) and value:
            return tuple(value)
        self.fault(key, "a list is needed")
        return ()

    def sheet(self, key: str) -> Sheet:
        """Return the table below the key, an empty one where there is none."""
        value = self.value(key)
        if not isinstance(value, dict):
            self.fault(key, "a table is needed")
            value = {}
        return Sheet(value, where=f"{self.where}: {key}", faults=self.faults)

    def sheets(self, key: str) -> Iterator[Sheet]:
        """Yield the tables of the list below the key."""
        for number, value in enumerate(self.items(key), start=1):
            if isinstance(value, dict):
                yield Sheet(value, where=f"{self.where}: {key} {number}", faults=self.faults)
            else:
                self.fault(f"{key} {number}", "a table is needed")

    def has(self, key: str) -> bool:
        """Say whether anything stands at the key."""
        return key in self._table

    def names(self) -> tuple[str, ...]:
        """Return all keys of a table whose keys are names."""
        return tuple(self._table)

    def close(self) -> None:
        """Note every key that nobody read: a slip of the pen must not pass for a text."""
        for key in self._table:
            if key not in self._read:
                self.fault(key, "there is no such key here")
