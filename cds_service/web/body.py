"""Reading a request body: JSON as the specification means it, and nothing else.

Refused before any reader of ours sees it: what is not declared as JSON, encoded bodies, more
bytes than the limit, byte-order marks, UTF-16, NaN, numbers without end, lone surrogates, NUL,
one name twice in an object (two readers would see two patients) and more than 64 levels.
What the members mean is decided elsewhere.

Source: security-reliability.md T13 to T17 and T26.
"""

from __future__ import annotations

import json
import re
from typing import Protocol

import orjson

from cds_service.errors import BodyTooLarge, MalformedRequest, UnsupportedMediaType
from cds_service.json_depth import Nest

DEEPEST_LEVEL = 64
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json", re.IGNORECASE)
_UTF_8 = frozenset({"utf-8", "utf8"})
_ESCAPED_ASCII = rb"\u00"
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_ESCAPED_COLON = re.compile(rb"\\u003a", re.IGNORECASE)
_nest = Nest(most_levels=DEEPEST_LEVEL)


class ReadableBody(Protocol):
    """The bytes of a request, as WSGI hands them over."""

    def read(self, size: int, /) -> bytes: ...


def require_json(*, content_type: str | None, content_encoding: str | None) -> None:
    """Raise UnsupportedMediaType unless the body is declared as plain JSON in UTF-8."""
    if content_encoding is not None:
        raise UnsupportedMediaType("Send the body without Content-Encoding.")
    media_type, *parameters = (content_type or "").split(";")
    if not _JSON_TYPE.fullmatch(media_type.strip()):
        raise UnsupportedMediaType("Send the body as application/json.")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(" \"'").lower() not in _UTF_8:
            raise UnsupportedMediaType("Send the body in UTF-8.")


def read_bytes(stream: ReadableBody, *, declared_length: int | None, limit_bytes: int) -> bytes:
    """Read at most `limit_bytes`; one byte more raises BodyTooLarge.

    The declared length may only refuse earlier: it is never believed (a chunked body has none, and
    servers cut bodies silently at the length they are told).
    """
    too_large = f"Send at most {limit_bytes} bytes."
    if declared_length is not None and declared_length > limit_bytes:
        raise BodyTooLarge(too_large)
    pieces: list[bytes] = []
    missing = limit_bytes + 1
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    if not missing:
        raise BodyTooLarge(too_large)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_object(body: bytes) -> dict[str, object]:
    """Parse a JSON object, or raise MalformedRequest. Both steps are linear in the body.

    Depth and repeated names are read off the parsed value written out again, which costs a sixth
    of the parse: the writer's own limit shows the depth, and what comes out as it went in has no
    name twice. Where white space or escapes differ, as many colons must come out as went in (each
    member has one, and those inside strings stay). An escaped colon would spoil the count; such a
    body, which no client writes, is parsed a second time with a hook on the members.

    >>> read_object(b'{"hook": "order-sign"}')
    {'hook': 'order-sign'}
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        # Its message quotes the body.
        raise MalformedRequest("The body is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise MalformedRequest("The body is not a JSON object.")
    try:
        written = _nest.written(value)
    except orjson.JSONEncodeError:
        message = f"The body is nested deeper than {DEEPEST_LEVEL} levels."
        raise MalformedRequest(message) from None
    # A plain search is a hundred times faster than the two patterns, and most often all.
    has_escapes = b"\\" in body and _ESCAPED_ASCII in body
    if has_escapes and _ESCAPED_NUL.search(body):
        raise MalformedRequest("The body holds the character U+0000.")
    if has_escapes and _ESCAPED_COLON.search(body):
        _refuse_repeated_names(body)
    elif not _is_as_sent(written, body) and written.count(b":") != body.count(b":"):
        raise MalformedRequest("An object of the body has the same name twice.")
    return value


def _is_as_sent(written: bytes, body: bytes) -> bool:
    """Say whether what `_nest` wrote is the body itself inside its lists."""
    return len(written) == len(body) + 2 * _nest.lists and written.startswith(body, _nest.lists)


def _refuse_repeated_names(body: bytes) -> None:
    """Parse with the standard library, whose recursion is safe now that the depth is known."""

    def members(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise MalformedRequest("An object of the body has the same name twice.")

    json.loads(body, object_pairs_hook=members)
