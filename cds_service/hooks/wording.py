"""Texts with holes: parsed once, strict, and unable to hold logic or structure.

A text may hold `{{ name }}` and nothing else of Jinja: no condition, no filter, no call; so Jinja
only parses it, and nothing is ever run. What is filled in is escaped where the text is Markdown,
so that no value can change the card's structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import jinja2
from jinja2 import nodes

Value = str | int

_PLAIN = re.compile(r"[A-Za-z0-9.,;:()%/-]+(?: [A-Za-z0-9.,;:()%/-]+)*")
_SPECIAL = re.compile(r"([\\`*_\[\]#|~!])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escaped_markdown(value: Value) -> str:
    """Return a value as GitHub Flavored Markdown that shows just its characters, on one line.

    Control, formatting and bidirectional characters are dropped.

    >>> escaped_markdown("5 < 6 *sure*")
    '5 &lt; 6 \\\\*sure\\\\*'
    """
    text = str(value)
    if isinstance(value, int) or _PLAIN.fullmatch(text):
        return text
    text = " ".join(text.split())
    if not text.isprintable():
        text = "".join(one for one in text if one.isprintable())
    return _SPECIAL.sub(r"\\\1", text).translate(_HTML)


_JINJA = jinja2.Environment(autoescape=False)  # noqa: S701 - it parses and never renders


@dataclass(frozen=True, slots=True)
class Text:
    """One text and the names of the values it needs.

    `pattern` are its words, with `%s` for each value; `holes` names these values in their order,
    and each is put in as `shown` shows it.
    """

    source: str
    pattern: str
    holes: tuple[str, ...]
    shown: Callable[[Value], str]

    @property
    def names(self) -> frozenset[str]:
        """The names of the values that the text needs."""
        return frozenset(self.holes)

    def filled(self, values: Mapping[str, Value]) -> str:
        """Return the text with its values, all of which must be there (KeyError)."""
        shown = self.shown
        return self.pattern % tuple([shown(values[name]) for name in self.holes])


def plain_text(source: str) -> Text:
    """Parse a text for a place where nothing is markup: summaries, labels, phrases.

    Raises ValueError when the text holds anything but plain names.
    """
    return _text(source, str)


def markdown_text(source: str) -> Text:
    """Parse a text of a card's detail. Raises ValueError as `plain_text` does."""
    return _text(source, escaped_markdown)


def _text(source: str, shown: Callable[[Value], str]) -> Text:
    try:
        parsed = _JINJA.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"is no valid text: {error.message}") from None
    parts = list(_parts(parsed))
    return Text(
        source,
        pattern="".join(
            words.replace("%", "%%") if name is None else "%s" for words, name in parts
        ),
        holes=tuple(name for _, name in parts if name is not None),
        shown=shown,
    )


def _parts(parsed: nodes.Template) -> Iterator[tuple[str, str | None]]:
    """Yield words or the name of a value; raise ValueError for anything else."""
    for node in parsed.body:
        for part in node.nodes if isinstance(node, nodes.Output) else [node]:
            if isinstance(part, nodes.TemplateData):
                yield part.data, None
            elif isinstance(part, nodes.Name):
                yield "", part.name
            else:
                raise ValueError("may hold words and {{ name }} only: no condition, filter or call")
