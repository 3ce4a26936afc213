"""The log: one JSON object a line, made of what is allowed and nothing else.

Libraries log too, and some of their messages carry URLs with patient ids: of a library's record
only its logger's name and its level are written, and the class of an exception.

Source: security-reliability.md 2.3, T27, T36.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import orjson

from cds_service.web.notes import CallNote, failure_position

_OURS = logging.getLogger("cds_service")
_OURS_ALONE = "cds_service."


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        if record.name == _OURS.name and isinstance(fields, dict):
            line |= {"event": record.msg, **fields}
        else:
            line |= {"event": "library", "logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            line["failed_at"] = failure_position(record.exc_info[1])
        return orjson.dumps(line).decode()


def set_up_logs(stream: TextIO = sys.stderr) -> None:
    """Send every record of the process through the one formatter, libraries from WARNING on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _OURS.setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def log_request(note: CallNote) -> None:
    """Write the line of one request."""
    level = logging.ERROR if note.failed_at else logging.INFO
    _OURS.log(level, "request", extra={"fields": note.log_fields()})


def log_event(event: str, **fields: object) -> None:
    """Write a line about the service itself; `event` and `fields` are ours."""
    _OURS.info(event, extra={"fields": fields})
