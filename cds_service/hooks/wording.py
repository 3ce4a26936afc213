"""Texts with holes: compiled once, sandboxed, strict, and unable to hold logic or structure.

A text may hold `{{ name }}` and nothing else of Jinja: no condition, no filter, no call. What is
filled in is escaped where the text is Markdown, so that no value can change the card's structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

Value = str | int

_SPECIAL = re.compile(r"([\\`*_\[\]#|~!])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escaped_markdown(value: Value) -> str:
    """Return a value as GitHub Flavored Markdown that shows just its characters, on one line.

    Control, formatting and bidirectional characters are dropped.

    >>> escaped_markdown("5 < 6 *sure*")
    '5 &lt; 6 \\\\*sure\\\\*'
    """
    text = " ".join(str(value).split())
    if not text.isprintable():
        text = "".join(one for one in text if one.isprintable())
    return _SPECIAL.sub(r"\\\1", text).translate(_HTML)


def _environment(finalize: Callable[[Value], str] | None) -> ImmutableSandboxedEnvironment:
    """Return an environment without a single function or global value."""
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, finalize=finalize
    )
    environment.globals.clear()
    return environment


_PLAIN = _environment(None)
_MARKDOWN = _environment(escaped_markdown)


@dataclass(frozen=True, slots=True)
class Text:
    """One text and the names of the values it needs."""

    source: str
    names: frozenset[str]
    _template: jinja2.Template

    def filled(self, values: Mapping[str, Value]) -> str:
        """Return the text with its values, all of which must be there."""
        return self._template.render(values) if self.names else self.source


def plain_text(source: str) -> Text:
    """Compile a text for a place where nothing is markup: summaries, labels, phrases.

    Raises ValueError when the text holds anything but plain names.
    """
    return _text(source, _PLAIN)


def markdown_text(source: str) -> Text:
    """Compile a text of a card's detail. Raises ValueError as `plain_text` does."""
    return _text(source, _MARKDOWN)


def _text(source: str, environment: ImmutableSandboxedEnvironment) -> Text:
    try:
        parsed = environment.parse(source)
        names = {_name(part) for part in _parts(parsed)} - {None}
        template = environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"is no valid text: {error.message}") from None
    return Text(source, frozenset(name for name in names if name), template)


def _parts(parsed: nodes.Template) -> list[nodes.Node]:
    parts: list[nodes.Node] = []
    for node in parsed.body:
        parts += node.nodes if isinstance(node, nodes.Output) else [node]
    return parts


def _name(part: nodes.Node) -> str | None:
    """Return the name of a value, None for words; raise ValueError for anything else."""
    if isinstance(part, nodes.TemplateData):
        return None
    if isinstance(part, nodes.Name):
        return part.name
    raise ValueError("may hold words and {{ name }} only: no condition, filter or call")
