"""The JSON schemas of what clients send, checked so that an ordinary request costs little.

`jsonschema` decides what is wrong. What is plainly right is seen before it is asked, by a check
that is derived from the same schema and knows only keywords whose meaning is beyond doubt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cds_service.errors import MalformedRequest

_TYPES: Mapping[str, type] = {"string": str, "object": dict, "array": list, "null": type(None)}
_SAY_NOTHING = frozenset({"$schema", "title", "description"})
_PLAIN_KEYWORDS = frozenset({"type", "pattern", "items"})


class _Plain(NamedTuple):
    """A schema of nothing but types, a pattern for texts, and such a schema for items of arrays."""

    types: frozenset[type]
    pattern: re.Pattern[str] | None
    items: _Plain | None

    def is_met(self, value: object) -> bool:
        """Say whether the value is valid for sure: False may mean that it cannot be told."""
        if type(value) not in self.types:
            return False
        if isinstance(value, str):
            return self.pattern is None or self.pattern.search(value) is not None
        if isinstance(value, list) and self.items is not None:
            return all(self.items.is_met(item) for item in value)
        return True


def _plain(schema: Mapping[str, object]) -> _Plain | None:
    """Return the schema as types and pattern; None when it says anything else besides."""
    if not schema.keys() - _SAY_NOTHING <= _PLAIN_KEYWORDS or "type" not in schema:
        return None
    listed = schema["type"]
    names = cast("list[str]", listed if isinstance(listed, list) else [listed])
    pattern = cast("str | None", schema.get("pattern"))
    items = cast("Mapping[str, object] | None", schema.get("items"))
    plain_items = None if items is None else _plain(items)
    if not _TYPES.keys() >= set(names) or (items is not None and plain_items is None):
        return None
    return _Plain(
        types=frozenset(_TYPES[name] for name in names),
        pattern=None if pattern is None else re.compile(pattern),
        items=plain_items,
    )


class Shape:
    """The schema of an object: itself, and its members by name, in the file `schemas/{name}.json`.

    One validator for all would make one for each member of each request anew, which takes longer
    than to check them.
    """

    def __init__(self, schema: Mapping[str, object]) -> None:
        """Take a schema with `properties`, each of them with a `description`."""
        Draft202012Validator.check_schema(schema)
        itself = {name: value for name, value in schema.items() if name != "properties"}
        members = cast("Mapping[str, Mapping[str, object]]", schema["properties"])
        self._itself = Draft202012Validator(itself)
        self._members = {name: Draft202012Validator(member) for name, member in members.items()}
        self._required = frozenset(cast("list[str]", schema.get("required", [])))
        self._plain_members = {name: _plain(member) for name, member in members.items()}
        self._is_plain_object = (
            itself.keys() - _SAY_NOTHING <= {"type", "required"} and schema.get("type") == "object"
        )

    @classmethod
    def of_file(cls, name: str) -> Shape:
        """Load one of the schemas of this package."""
        return cls(json.loads(files(__package__).joinpath("schemas", f"{name}.json").read_bytes()))

    def check(self, value: object, *, at: str) -> None:
        """Raise MalformedRequest unless the value, which stands at the JSON pointer, is valid."""
        if not self.is_plainly_met(value):
            self.check_by_schema(value, at=at)

    def is_plainly_met(self, value: object) -> bool:
        """Say whether the value is valid for sure: False may mean that it cannot be told."""
        if not self._is_plain_object or type(value) is not dict:
            return False
        if not value.keys() >= self._required:
            return False
        for name, plain in self._plain_members.items():
            if name in value and (plain is None or not plain.is_met(value[name])):
                return False
        return True

    def check_by_schema(self, value: object, *, at: str) -> None:
        """Do what `check` does, by `jsonschema` alone."""
        error = next(self._itself.iter_errors(value), None)
        if error is not None:
            raise self._malformed(error, at)
        present = cast("Mapping[str, object]", value)
        for name, validator in self._members.items():
            error = next(validator.iter_errors(present[name]), None) if name in present else None
            if error is not None:
                raise self._malformed(error, f"{at}/{name}")

    def _malformed(self, error: ValidationError, at: str) -> MalformedRequest:
        """Say what is wrong in words of the schema: a message of jsonschema quotes the value."""
        where = at + "".join(f"/{step}" for step in error.absolute_path)
        if error.validator == "required":
            required = cast("list[str]", error.validator_value)
            present = cast("Mapping[str, object]", error.instance)
            missing = next(name for name in required if name not in present)
            member = cast("Mapping[str, object]", self._members[missing].schema)
            where = f"{where}/{missing}"
            return MalformedRequest(f"{where} is missing: {member['description']}.", where=where)
        schema = cast("Mapping[str, object]", error.schema)
        return MalformedRequest(
            f"{where or 'The body'} must be {schema['description']}.", where=where or None
        )
