"""The audit trail: who got which advice about whom, in the shape of a FHIR R4 AuditEvent.

The patient is a keyed hash. One JSON object a line; the file may be moved away while the service
runs. No resource content, no token. A record that finds no place is lost, counted and told of.

Source: security-reliability.md 2.3 (after IHE BALP) and 5.1.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import FileIO
from pathlib import Path

import orjson

from cds_service.errors import ConfigurationError
from cds_service.writable import try_to_write

_CDS_HOOKS = "https://cds-hooks.hl7.org"
_PATIENT = {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"}
_OUTCOMES = {True: "0", False: "8"}
_SECONDS_BETWEEN_WARNINGS = 60.0

OnLostRecords = Callable[[int, str], None]
"""Told how many records were lost so far, and the system's reason for the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditedCall:
    """One hook call, as the audit trail sees it.

    `user_reference` is that of a practitioner; None when the hook names no user or another one,
    who may be the patient. `resources_read` counts by type. `cards` are uuid and rule id,
    `knowledge` the version that produced them.
    """

    recorded: datetime
    request_number: str
    hook: str
    issuer: str
    tenant: str | None
    user_reference: str | None
    patient_id: str | None = field(repr=False)
    succeeded: bool
    resources_read: Mapping[str, int] = field(default_factory=dict)
    cards: tuple[tuple[str, str], ...] = ()
    knowledge: str = ""


class AuditFile:
    """Appends records to a file that only its owner can read, from any thread.

    `key` is the secret of the patient's hash. Where the file takes no more, records are lost and
    counted in `lost_records`, and `on_loss` is told of the first one and then once a minute: no
    call goes unanswered for want of its record. Raises ConfigurationError when there is no such
    file and none can be made.
    """

    def __init__(
        self,
        file: Path,
        *,
        key: str,
        on_loss: OnLostRecords = lambda _lost, _reason: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost_records = 0
        self._file = file
        self._key = key.encode()
        self._on_loss = on_loss
        self._monotonic = monotonic
        self._warned_at: float | None = None
        self._lock = threading.Lock()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = _opened(file)
            self._is_cut = _is_cut(file)
        except OSError as error:
            raise _unusable(error) from None

    def write(self, call: AuditedCall) -> None:
        """Append one record, or count it as lost."""
        record = audit_event(call, patient=self._hash(call))
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                self._lose(error)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _append(self, line: bytes) -> None:
        """Write a line, into a new file when the old one was moved away.

        What a full disk cut off stays, as an append-only file wants it, and has a line of its own.
        """
        if not self._is_in_place():
            stream = _opened(self._file)
            self._stream.close()
            self._stream, self._is_cut = stream, _is_cut(self._file)
        whole = b"\n" + line if self._is_cut else line
        if (self._stream.write(whole) or 0) < len(whole):
            self._is_cut = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._is_cut = False

    def _is_in_place(self) -> bool:
        if self._stream.closed:
            return False
        try:
            return os.path.samestat(os.stat(self._file), os.fstat(self._stream.fileno()))
        except FileNotFoundError:
            return False

    def _lose(self, error: OSError) -> None:
        self.lost_records += 1
        now = self._monotonic()
        if self._warned_at is None or now - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            self._on_loss(self.lost_records, error.strerror or type(error).__name__)

    def _hash(self, call: AuditedCall) -> str | None:
        if call.patient_id is None:
            return None
        told_apart = f"{call.issuer}\n{call.tenant or ''}\n{call.patient_id}".encode()
        return hmac.new(self._key, told_apart, hashlib.sha256).hexdigest()


def check_audit_file(file: Path) -> None:
    """Raise the ConfigurationError that AuditFile would, and make nothing."""
    try:
        try_to_write(file)
    except OSError as error:
        raise _unusable(error) from None


def _unusable(error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"CDS_SERVICE_AUDIT_FILE: cannot be written: {error.strerror}; "
        "name a file in a folder that the service may write to"
    )


def _opened(file: Path) -> FileIO:
    """Open a file to append to, without a buffer; a new one only its owner can read.

    A pipe never makes anybody wait.
    """
    return FileIO(file, "a", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK, 0o600))


def _is_cut(file: Path) -> bool:
    """Say whether a file ends within a line, as a full disk leaves it."""
    if not file.is_file() or not file.stat().st_size:
        return False
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def audit_event(call: AuditedCall, *, patient: str | None) -> dict[str, object]:
    """Return the AuditEvent; `patient` is the hash that stands for the patient."""
    return {
        "resourceType": "AuditEvent",
        "id": call.request_number,
        "type": {
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
            "code": "rest",
        },
        "subtype": [{"system": _CDS_HOOKS, "code": call.hook}],
        "action": "E",
        "recorded": call.recorded.isoformat(timespec="milliseconds"),
        "outcome": _OUTCOMES[call.succeeded],
        "agent": _agents(call),
        "source": {"observer": {"display": "cds-service"}},
        "entity": _entities(call, patient),
    }


def _agents(call: AuditedCall) -> list[dict[str, object]]:
    place = {"policy": [f"urn:tenant:{call.tenant}"]} if call.tenant else {}
    agents: list[dict[str, object]] = [{"altId": call.issuer, "requestor": True, **place}]
    if call.user_reference:
        agents.append({"who": {"reference": call.user_reference}, "requestor": False})
    return [*agents, {"who": {"display": "cds-service"}, "requestor": False}]


def _entities(call: AuditedCall, patient: str | None) -> list[dict[str, object]]:
    entities: list[dict[str, object]] = []
    if patient is not None:
        entities.append({"what": {"identifier": {"value": patient}}, "role": _PATIENT})
    for kind, count in sorted(call.resources_read.items()):
        detail = {"type": "count", "valueString": str(count)}
        entities.append({"description": kind, "detail": [detail]})
    for uuid, rule in call.cards:
        details = {"rule": rule, "knowledge": call.knowledge}
        entities.append(
            {
                "what": {"identifier": {"value": uuid}},
                "description": "Card",
                "detail": [{"type": name, "valueString": value} for name, value in details.items()],
            }
        )
    return entities
