"""The audit trail: what a record says, and what becomes of it when nobody takes it."""

from __future__ import annotations

import json
import os
import resource
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from cds_service.errors import ConfigurationError
from cds_service.issuers import Issuer
from cds_service.web.audit import AuditedCall, AuditFile, check_audit_file
from tests.process import request_of_today, serving
from tests.web.service import NOON, ORDER_SIGN, WARNED, Made, running, scenario_request
from tests.web.test_server import free_port, metrics_of

CALL = AuditedCall(
    recorded=NOON, request_number="1", hook="order-sign", issuer="north", tenant=None,
    user_reference="Practitioner/pr-17", patient_id="1", succeeded=True,
)  # fmt: skip


def test_an_audit_record_says_who_got_what_about_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "audit.ndjson"
    issuer = Issuer(name="north", issuer="")
    made = Made(issuer=issuer, audit=AuditFile(file, key="secret"))
    with running(tmp_path, made) as service:
        [card] = service.call(scenario_request(WARNED)).json["cards"]
        incomplete = {**scenario_request(WARNED), "prefetch": {}}
        assert service.call(incomplete).status_code == 412
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    AuditEvent.model_validate(first)
    assert (first["outcome"], second["outcome"]) == ("0", "8")
    assert first["subtype"][0]["code"] == "order-sign"
    assert first["recorded"] == "2026-11-22T12:00:00.000+00:00"
    assert first["agent"][0] == {"altId": "north", "requestor": True}
    assert first["agent"][1]["who"] == {"reference": "Practitioner/pr-17"}
    told = {entity.get("description"): entity for entity in first["entity"]}
    assert len(told[None]["what"]["identifier"]["value"]) == 64
    assert told["Card"]["what"]["identifier"]["value"] == card["uuid"]
    assert told["Condition"]["detail"][0]["valueString"] == "2"
    assert "patient-1" not in file.read_text()
    assert first["entity"][0] == second["entity"][0]  # the same patient, the same hash


def test_an_audit_record_names_no_user_who_may_be_the_patient_and_no_word_of_the_sender(
    tmp_path: Path,
) -> None:
    file = tmp_path / "audit.ndjson"
    made = Made(issuer=Issuer(name="north", issuer=""), audit=AuditFile(file, key="secret"))
    with running(tmp_path, made) as service:
        body = scenario_request(WARNED)
        body["prefetch"]["more"] = {"resourceType": "JaneRoe", "id": "1"}
        service.call(body)
        body["context"]["userId"] = "Patient/patient-1"
        service.call(body)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert len(first["agent"]) == 3
    assert len(second["agent"]) == 2
    assert "JaneRoe" not in file.read_text()
    assert "patient-1" not in file.read_text()


def test_the_hash_of_a_patient_differs_by_issuer_and_by_tenant_and_by_key(tmp_path: Path) -> None:
    call = AuditedCall(
        recorded=NOON, request_number="1", hook="order-sign", issuer="north", tenant=None,
        user_reference=None, patient_id="1", succeeded=True,
    )  # fmt: skip
    calls = [call, replace(call, issuer="south"), replace(call, tenant="a")]
    for key in ("secret", "other"):
        file = AuditFile(tmp_path / "audit.ndjson", key=key)
        for each in calls:
            file.write(each)
        file.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.ndjson").read_text().splitlines()]
    assert len({line["entity"][0]["what"]["identifier"]["value"] for line in lines}) == 6


def test_an_audit_file_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "audit.ndjson"
    audit = AuditFile(file, key="secret")
    call = AuditedCall(
        recorded=NOON, request_number="1", hook="order-sign", issuer="north", tenant=None,
        user_reference=None, patient_id="1", succeeded=True,
    )  # fmt: skip
    audit.write(call)
    file.rename(tmp_path / "audit.1")
    audit.write(call)
    audit.close()
    assert len(file.read_text().splitlines()) == 1


def test_an_audit_file_is_for_its_owner_only_also_the_one_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "audit.ndjson"
    audit = AuditFile(file, key="secret")
    assert file.stat().st_mode & 0o777 == 0o600
    file.rename(tmp_path / "audit.1")
    audit.write(CALL)
    audit.close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_records_that_find_no_place_are_counted_and_told_of_once_a_minute(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told: list[tuple[int, str]] = []
    seconds = [0.0]
    audit = AuditFile(
        Path("/dev/full"),
        key="secret",
        on_loss=lambda lost, reason: told.append((lost, reason)),
        monotonic=lambda: seconds[0],
    )
    for at in (0.0, 1.0, 59.9, 60.0, 61.0):
        seconds[0] = at
        audit.write(CALL)
    audit.close()
    reason = "No space left on device"
    assert (audit.lost_records, told) == (5, [(1, reason), (4, reason)])
    assert capfd.readouterr() == ("", "")


def test_an_audit_file_that_cannot_be_begun_anew_costs_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "audit" / "audit.ndjson"
    made = Made(issuer=Issuer(name="north", issuer=""), audit=AuditFile(file, key="secret"))
    assert made.audit is not None
    with running(tmp_path, made) as service:
        file.parent.rename(tmp_path / "away")
        assert len(service.call(scenario_request(WARNED)).json["cards"]) == 1
        assert made.audit.lost_records == 1
        file.parent.mkdir()
        assert service.call(scenario_request(WARNED)).status_code == 200
        assert made.audit.lost_records == 1
    assert len(file.read_text().splitlines()) == 1


def test_a_record_that_a_full_disk_cuts_off_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "audit.ndjson"
    audit = AuditFile(file, key="secret")
    audit.write(CALL)
    whole = file.stat().st_size
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 100, unlimited[1]))
        audit.write(CALL)
        audit.write(CALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, before)
    audit.write(CALL)
    audit.close()
    first, cut, last = file.read_text().splitlines()
    assert (audit.lost_records, len(cut)) == (2, 100)
    assert json.loads(first) == json.loads(last)


@pytest.mark.parametrize("place", ["file/audit.ndjson", "."])
def test_an_audit_file_that_cannot_be_made_is_a_fault_of_the_settings(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"^CDS_SERVICE_AUDIT_FILE: cannot be written: "):
        AuditFile(tmp_path / place, key="secret")


def test_a_line_that_was_cut_off_before_a_restart_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "audit.ndjson"
    file.write_text('{"whole":1}\n{"cut of')
    for _ in range(2):
        audit = AuditFile(file, key="secret")
        audit.write(CALL)
        audit.close()
    whole, cut, *rest = file.read_text().splitlines()
    assert (whole, cut) == ('{"whole":1}', '{"cut of')
    assert [json.loads(line)["resourceType"] for line in rest] == ["AuditEvent", "AuditEvent"]


def test_a_pipe_that_nobody_reads_makes_nobody_wait(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for use in (check_audit_file, partial(AuditFile, key="secret")):
        with pytest.raises(ConfigurationError, match="CDS_SERVICE_AUDIT_FILE: cannot be written"):
            use(pipe)


@pytest.mark.server
def test_the_service_says_that_records_are_lost_and_answers_all_the_same(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "CDS_SERVICE_AUDIT_FILE": "/dev/full",
        "CDS_SERVICE_AUDIT_KEY": "0123456789abcdef",
        "CDS_SERVICE_METRICS_PORT": str(port),
    }
    with serving(tmp_path, environment) as service:
        for _ in range(3):
            assert service.post(ORDER_SIGN, request_of_today(WARNED)).status_code == 200
        assert 'cds_log_lost_lines{stream="audit"} 3.0' in metrics_of(port)
        assert service.stop() == 0
    [told] = [line for line in service.log if line["event"] == "audit-records-lost"]
    assert (told["level"], told["lost"]) == ("error", 1)
    assert told["reason"] == "No space left on device"
    text = service.log_file.read_text()
    assert "Traceback" not in text
    assert "pr-17" not in text
