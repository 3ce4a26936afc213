"""The first call of a newcomer: a curl line that returns the warning card from the demo."""

from __future__ import annotations

import json
import shlex

PATIENT = "bereaved-back-pain"
_OXYCODONE_5_MG = "1049621"


def first_call(base: str) -> str:
    """Return the line for a service at `base` that serves the demo's FHIR endpoint, too."""
    draft = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": _OXYCODONE_5_MG,
                }
            ]
        },
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 6, "periodUnit": "h"}},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
        "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}},
    }
    request = {
        "hook": "order-sign",
        "hookInstance": "8d0c1b7e-6f7c-4b8e-9c39-1f3a5d2b7e64",
        "fhirServer": f"{base}/fhir",
        "context": {
            "userId": "Practitioner/1",
            "patientId": PATIENT,
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
    }
    return shlex.join(
        [
            "curl",
            "-s",
            f"{base}/cds-services/opioid-social-pain-order-sign",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(request, separators=(",", ":")),
        ]
    )
