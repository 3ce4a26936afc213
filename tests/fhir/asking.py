"""What the tests of client and gather share: queries, Bundles, and access to a stub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from cds_service.access_token import AccessToken
from cds_service.fhir.client import FhirAccess, FhirClient, FhirLimits, Refusal
from cds_service.queries import Query

PATIENT = "{{context.patientId}}"

PATIENT_QUERY = Query(
    key="patient", template=f"Patient/{PATIENT}", resource_type="Patient", is_required=False
)
ORDERS = Query(
    key="medicationRequests",
    template=f"MedicationRequest?patient={PATIENT}&_count=200",
    resource_type="MedicationRequest",
    is_required=True,
)
CONDITIONS = Query(
    key="conditions",
    template=f"Condition?patient={PATIENT}",
    resource_type="Condition",
    is_required=True,
)
OBSERVATIONS = Query(
    key="observations",
    template=f"Observation?patient={PATIENT}&code=http://loinc.org|44249-1",
    resource_type="Observation",
    is_required=False,
)
QUERIES = (PATIENT_QUERY, ORDERS, CONDITIONS, OBSERVATIONS)


def resource(kind: str, id_: str, **more: object) -> dict[str, object]:
    return {"resourceType": kind, "id": id_, **more}


def bundle(
    *resources: Mapping[str, object], next_url: str | None = None, **more: object
) -> dict[str, object]:
    made: dict[str, object] = {"resourceType": "Bundle", "type": "searchset", **more}
    if resources:
        made["entry"] = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    if next_url is not None:
        made["link"] = [
            {"relation": "self", "url": "https://anything.example/"},
            {"relation": "next", "url": next_url},
        ]
    return made


def outcome(*severities: str) -> dict[str, object]:
    issues = [{"severity": severity, "code": "processing"} for severity in severities]
    return {"resourceType": "OperationOutcome", "issue": issues}


@contextmanager
def client(
    *,
    monotonic: Callable[[], float] = time.monotonic,
    limits: FhirLimits | None = None,
    verify: bool | str = True,
) -> Iterator[FhirClient]:
    made = FhirClient(monotonic=monotonic, limits=limits, verify=verify)
    try:
        yield made
    finally:
        made.close()


def access(
    to: FhirClient,
    base: str,
    *,
    token: str | None = "s3cret-token",
    observe: Callable[[str, str, float], None] | None = None,
) -> FhirAccess:
    made = to.access(
        base,
        None if token is None else AccessToken(token),
        may_call=lambda _: True,
        observe=observe,
    )
    assert not isinstance(made, Refusal)
    return made
