"""Error answers: always an OperationOutcome, fixed words of ours and a request number.

Nothing the caller sent is echoed. A `where` that does not look like a plain path is left out.
"""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus

import orjson

from cds_service.errors import RequestError

FHIR_JSON = "application/fhir+json; charset=utf-8"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_/.~\-]{1,120}")


def new_request_number() -> str:
    """Return the number that stands in an error answer and in its log line."""
    return secrets.token_hex(6)


def error_body(error: RequestError, request_number: str) -> bytes:
    """Return the OperationOutcome for an error that we raised on purpose."""
    where = error.where if error.where and _PLAIN_PATH.fullmatch(error.where) else None
    text = f"{error} Where: {where}." if where else str(error)
    return outcome_body(code=error.issue_code, text=text, request_number=request_number)


def outcome_body(*, code: str, text: str, request_number: str) -> bytes:
    """Return an OperationOutcome with one issue; `text` must be ours, never the caller's."""
    issue = {
        "severity": "error",
        "code": code,
        "details": {"text": text},
        "diagnostics": f"Request number {request_number}",
    }
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})


def plain_text(status: int) -> str:
    """Return our sentence for an HTTP status that nobody raised as an error of the tree.

    >>> plain_text(404)
    'Nothing is found at this address. (404 Not Found)'
    """
    sentence = _SENTENCES.get(status, "The request cannot be answered.")
    return f"{sentence} ({status} {HTTPStatus(status).phrase})"


_SENTENCES = {
    400: "The request is malformed.",
    404: "Nothing is found at this address.",
    405: "This address does not take this method.",
    413: "The request is larger than this service reads.",
    431: "The request headers are larger than this service reads.",
    500: "The service failed. Nothing is known to be all right: treat this as no answer.",
    501: "The request uses a transfer coding that this service does not read.",
}

ISSUE_CODES = {
    404: "not-found",
    405: "not-supported",
    413: "too-long",
    431: "too-long",
    500: "exception",
}


def issue_code(status: int) -> str:
    """Return the OperationOutcome issue code that goes with an HTTP status."""
    return ISSUE_CODES.get(status, "invalid")
