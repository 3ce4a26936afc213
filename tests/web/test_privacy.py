"""No patient's value is left anywhere: all scenarios are run and every sink is searched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from sqlalchemy import select

from cds_service.issuers import Issuer
from cds_service.store.schema import CARD, FEEDBACK
from cds_service.web.audit import AuditFile
from tests.scenarios import Scenario, scenarios, texts
from tests.web.service import KeptLog, Made, Running, running

TOKEN = "a-fhir-access-token"
_OURS = re.compile(r"[a-z]+(-[a-z]+)*|\d{1,4}")
"""Single plain words (hooks, statuses, rule ids) and short numbers are no one's secret."""


def patient_values(scenario: Scenario) -> set[str]:
    """Return the texts of a request that must not be left behind, ids and dates included."""
    request = scenario.request
    user = request["context"].pop("userId", "")
    del request["hook"]
    values = {text for text in texts(request) if len(text) >= 5 and not _OURS.fullmatch(text)}
    return {value for value in values if value != user and value not in _TYPES}


_TYPES = frozenset(
    {
        "Bundle", "Condition", "Encounter", "Medication", "MedicationRequest", "Observation",
        "OperationOutcome", "Patient", "Practitioner", "Procedure", "ServiceRequest", "CarePlan",
    }
)  # fmt: skip


def without_times(value: Any) -> Any:
    """Leave out when something was written down: a patient may have the same date."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in {"time", "recorded"}}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def lines_of(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield json.dumps(without_times(json.loads(line)), ensure_ascii=False)


def everything_written(service: Running, log: KeptLog, audit: Path) -> str:
    service.parts.store.writer.close(timeout_seconds=5)
    kept = [column for column in CARD.c if column.name != "shown_at"]
    with service.parts.store.engine.connect() as connection:
        rows = [str(row) for row in connection.execute(select(*kept))]
        rows += [str(row) for row in connection.execute(select(FEEDBACK))]
    metrics = generate_latest(service.metrics.registry).decode()
    assert rows
    assert log.lines
    return "\n".join(
        [*rows, metrics, *lines_of(log.stream.getvalue()), *lines_of(audit.read_text())]
    )


def test_no_value_of_any_patient_is_left_in_log_metrics_store_or_audit(
    tmp_path: Path, log: KeptLog
) -> None:
    audit = tmp_path / "audit.ndjson"
    made = Made(
        issuer=Issuer(name="north", issuer=""), audit=AuditFile(audit, key="secret"), log=log
    )
    values: set[str] = {TOKEN}
    with running(tmp_path, made) as service:
        for scenario in scenarios():
            values |= patient_values(scenario)
            body = scenario.request
            body["fhirAuthorization"] = {"access_token": TOKEN, "token_type": "Bearer"}
            path = f"/cds-services/opioid-social-pain-{scenario.hook}"
            answer = service.call(body, path)
            assert TOKEN.encode() not in answer.data
        written = everything_written(service, log, audit)
    assert len(values) > 500
    assert sorted(value for value in values if value in written) == []


def test_an_error_answer_holds_no_value_of_the_patient(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        for scenario in scenarios():
            body = scenario.request
            values = patient_values(scenario)
            body.pop("prefetch", None)
            body["fhirServer"] = "https://fhir.example.org/r4"
            answer = service.call(body, f"/cds-services/opioid-social-pain-{scenario.hook}")
            if answer.status_code != 200:
                assert not [value for value in values if value in answer.text]
