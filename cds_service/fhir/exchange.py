"""One GET at a FHIR server: a JSON object, or what went wrong; never more bytes or time than given.

Failures are values: an exception of an HTTP library carries the URL, and with it the patient's id.

Source: security-reliability.md T32, T34 to T36 and F4 to F6.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from http.client import HTTPException

import orjson
import requests
import urllib3

from cds_service.access_token import AccessToken
from cds_service.fhir.bundles import Resource
from cds_service.fhir.transport import reads_end_by
from cds_service.json_depth import Nest

_PIECE_BYTES = 65536
_nest = cache(Nest)
_DELAY_SECONDS = re.compile(r"[0-9]{1,4}")


class Failure(StrEnum):
    """What ended an answer before its end; also the outcome in metrics and logs."""

    ACCESS_REFUSED = "access-refused"
    NOT_FOUND = "not-found"
    REJECTED = "rejected"
    REDIRECTED = "redirected"
    THROTTLED = "throttled"
    SERVER_ERROR = "server-error"
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    TOO_MANY_PAGES = "too-many-pages"
    FOREIGN_LINK = "foreign-link"
    CIRCUIT_OPEN = "circuit-open"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """What one GET brought: `body` or `failure`, never both.

    `retry_after_seconds` is what a throttled or unavailable (503) server asked for, else None. A
    date there is not read: the caller's budget is shorter than clocks differ.
    """

    body: Resource | None = field(default=None, repr=False)
    failure: Failure | None = None
    retry_after_seconds: int | None = None


def exchange(
    session: requests.Session,
    url: str,
    *,
    token: AccessToken | None,
    seconds_left: Callable[[], float],
    most_bytes: int,
    most_levels: int,
) -> Exchange:
    """GET `url` with `session` (of `transport`) and hand back what came by the deadline."""
    headers = {} if token is None else {"Authorization": token.authorization}
    try:
        with (
            reads_end_by(seconds_left),
            session.get(
                url,
                headers=headers,
                timeout=max(0.001, seconds_left()),
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            if response.status_code != HTTPStatus.OK:
                return _refused(response)
            raw = _read(response, most_bytes=most_bytes)
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError):
        failure = Failure.TIMED_OUT if seconds_left() <= 0 else Failure.UNREACHABLE
        return Exchange(failure=failure)
    if isinstance(raw, Failure):
        return Exchange(failure=raw)
    body = _json_object(raw, most_levels=most_levels)
    return Exchange(failure=Failure.UNREADABLE) if body is None else Exchange(body=body)


def _refused(response: requests.Response) -> Exchange:
    status = response.status_code
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        delay = response.headers.get("Retry-After", "")
        return Exchange(
            failure=Failure.THROTTLED if status < 500 else Failure.SERVER_ERROR,
            retry_after_seconds=int(delay) if _DELAY_SECONDS.fullmatch(delay) else None,
        )
    if status >= 500:
        return Exchange(failure=Failure.SERVER_ERROR)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Exchange(failure=Failure.ACCESS_REFUSED)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Exchange(failure=Failure.NOT_FOUND)
    if status >= 400:
        return Exchange(failure=Failure.REJECTED)
    return Exchange(failure=Failure.REDIRECTED if status >= 300 else Failure.UNREADABLE)


def _read(response: requests.Response, *, most_bytes: int) -> bytes | Failure:
    """Read the body as it came; an encoded one is refused unread, for it may be a bomb."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return Failure.UNREADABLE
    pieces: list[bytes] = []
    missing = most_bytes + 1
    while piece := response.raw.read1(min(missing, _PIECE_BYTES), decode_content=False):
        pieces.append(piece)
        missing -= len(piece)
        if missing <= 0:
            return Failure.TOO_LARGE
    return b"".join(pieces)


def _json_object(raw: bytes, *, most_levels: int) -> Resource | None:
    """Parse a JSON object of at most so many levels; None for anything else."""
    try:
        body = orjson.loads(raw)
        _nest(most_levels=most_levels).written(body)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return body if isinstance(body, dict) else None
