"""The log: one JSON object a line, made of what is allowed and nothing else.

Libraries log too, and some of their messages carry URLs with patient ids: of a library's record
only its logger's name and its level are written, and the class and place of an exception.

Source: security-reliability.md 2.3, T27, T36.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import orjson

from cds_service.web.notes import CallNote, failure_position


class Log:
    """Writes lines to a stream, whole ones, from any thread.

    Where nobody takes them, a full disk or a closed pipe, they are lost and counted: no answer
    waits for a line.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self.lost_lines = 0
        self._stream = stream
        self._lock = threading.Lock()

    def request(self, note: CallNote, at: datetime) -> None:
        """Write the line of one request, answered at the time given."""
        self._write("error" if note.failed_at else "info", "request", at, note.log_fields())

    def event(self, name: str, at: datetime, *, level: str = "info", **fields: object) -> None:
        """Write a line about the service itself; name and fields are ours."""
        self._write(level, name, at, fields)

    def take_libraries(self) -> None:
        """Let every record that libraries log, from WARNING on, come here and nowhere else."""
        root = logging.getLogger()
        root.handlers[:] = [_LibraryHandler(self)]
        root.setLevel(logging.WARNING)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)

    def library(self, record: logging.LogRecord) -> None:
        """Write who logged, how grave it is, and where an exception came from."""
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["failed_at"] = failure_position(record.exc_info[1])
        at = datetime.fromtimestamp(record.created, UTC)
        self._write(record.levelname.lower(), "library", at, fields)

    def _write(self, level: str, event: str, at: datetime, fields: Mapping[str, object]) -> None:
        time = at.isoformat(timespec="milliseconds")
        said = {"time": time, "level": level, "event": event, **fields}
        line = orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE).decode()
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except OSError:
                self.lost_lines += 1


class _LibraryHandler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.library(record)
