"""The audit trail: who got which advice about whom, in the shape of a FHIR R4 AuditEvent.

The patient is a keyed hash. One JSON object a line; the file may be moved away while the service
runs. No resource content, no token.

Source: security-reliability.md 2.3 (after IHE BALP) and 5.1.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

import orjson

_CDS_HOOKS = "https://cds-hooks.hl7.org"
_PATIENT = {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"}
_OUTCOMES = {True: "0", False: "8"}


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
    """Appends records to a file; `key` is the secret of the patient's hash."""

    def __init__(self, file: Path, *, key: str) -> None:
        self._key = key.encode()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = WatchedFileHandler(file, encoding="utf-8")

    def write(self, call: AuditedCall) -> None:
        """Append one record."""
        line = orjson.dumps(audit_event(call, patient=self._hash(call))).decode()
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()

    def _hash(self, call: AuditedCall) -> str | None:
        if call.patient_id is None:
            return None
        told_apart = f"{call.issuer}\n{call.tenant or ''}\n{call.patient_id}".encode()
        return hmac.new(self._key, told_apart, hashlib.sha256).hexdigest()


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
