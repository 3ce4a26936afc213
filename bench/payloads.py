"""Bodies of order-sign calls as EHRs send them, of any number of resources, the same every time.

An opioid is being signed for a patient in long-term therapy with a recorded bereavement, so that
every call ends in the longest of the cards and in a row of the ledger. The resources are varied as
a chart is: few concepts, said often. Codes of drugs other than opioids are made up; all that
matters is that no table has them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

HOOK_INSTANCE_END = "999999999999"
"""Ends the hookInstance of every body; `call.lua` puts a number of its own in the place of it."""

PATIENT = "bench-patient-1"
_SEED = 2026
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
_SNOMED_CT = "http://snomed.info/sct"
_CONDITIONS_PER_ORDER = 2
_ONE_OPIOID_IN = 10
_ONE_FINDING_IN = 20

Opioids = Literal["few", "all"]
Resource = dict[str, Any]

OPIOID_PRODUCTS = (
    ("1049621", "oxycodone hydrochloride 5 MG Oral Tablet"),
    ("857005", "acetaminophen 325 MG / hydrocodone bitartrate 7.5 MG Oral Tablet"),
    ("835603", "tramadol hydrochloride 50 MG Oral Tablet"),
    ("892582", "morphine sulfate 15 MG Oral Tablet"),
    ("1049502", "12 HR oxycodone hydrochloride 10 MG Extended Release Oral Tablet"),
)
OTHER_DRUGS = (
    "acetaminophen 325 MG Oral Tablet",
    "albuterol 0.83 MG/ML Inhalation Solution",
    "amlodipine 5 MG Oral Tablet",
    "amoxicillin 500 MG Oral Capsule",
    "atorvastatin 20 MG Oral Tablet",
    "cetirizine hydrochloride 10 MG Oral Tablet",
    "cholecalciferol 1000 UNT Oral Tablet",
    "clopidogrel 75 MG Oral Tablet",
    "fluticasone propionate 0.05 MG/ACTUAT Nasal Spray",
    "furosemide 40 MG Oral Tablet",
    "gabapentin 300 MG Oral Capsule",
    "hydrochlorothiazide 25 MG Oral Tablet",
    "ibuprofen 400 MG Oral Tablet",
    "insulin glargine 100 UNT/ML Injectable Solution",
    "levothyroxine sodium 0.05 MG Oral Tablet",
    "lisinopril 10 MG Oral Tablet",
    "losartan potassium 50 MG Oral Tablet",
    "metformin hydrochloride 500 MG Oral Tablet",
    "metoprolol tartrate 25 MG Oral Tablet",
    "omeprazole 20 MG Delayed Release Oral Capsule",
    "prednisone 5 MG Oral Tablet",
    "sertraline 50 MG Oral Tablet",
    "simvastatin 20 MG Oral Tablet",
    "warfarin sodium 5 MG Oral Tablet",
)
BEREAVEMENT = ("Z63.4", None, "Disappearance and death of family member")
FINDINGS = (
    ("Z63.5", None, "Disruption of family by separation and divorce"),
    ("M54.50", None, "Low back pain, unspecified"),
    ("Z60.2", None, "Problems related to living alone"),
)
OTHER_PROBLEMS = (
    ("I10", "38341003", "Essential (primary) hypertension"),
    ("E11.9", "44054006", "Type 2 diabetes mellitus without complications"),
    ("E78.5", "55822004", "Hyperlipidemia, unspecified"),
    ("J45.909", "195967001", "Unspecified asthma, uncomplicated"),
    ("K21.9", "235595009", "Gastro-esophageal reflux disease without esophagitis"),
    ("N39.0", "68566005", "Urinary tract infection, site not specified"),
    ("J06.9", "54150009", "Acute upper respiratory infection, unspecified"),
    ("J20.9", "10509002", "Acute bronchitis, unspecified"),
    ("H10.9", "9826008", "Unspecified conjunctivitis"),
    ("L30.9", "43116000", "Dermatitis, unspecified"),
    ("D64.9", "271737000", "Anemia, unspecified"),
    ("E03.9", "40930008", "Hypothyroidism, unspecified"),
    ("E66.9", "414916001", "Obesity, unspecified"),
    ("I48.91", "49436004", "Unspecified atrial fibrillation"),
    ("J01.90", "36971009", "Acute sinusitis, unspecified"),
    ("N18.3", "433144002", "Chronic kidney disease, stage 3"),
    ("M81.0", "64859006", "Age-related osteoporosis without current pathological fracture"),
    ("B34.9", "34014006", "Viral infection, unspecified"),
    ("R73.03", "714628002", "Prediabetes"),
    ("K59.00", "14760008", "Constipation, unspecified"),
    ("H26.9", "193570009", "Unspecified cataract"),
    ("I25.10", "53741008", "Atherosclerotic heart disease of native coronary artery"),
    ("S93.401A", "44465007", "Sprain of unspecified ligament of right ankle, initial encounter"),
    ("Z00.00", None, "Encounter for general adult medical examination"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One body. `resources` counts orders and Conditions of the record, not the draft."""

    name: str
    resources: int
    opioids: Opioids
    body: bytes


def payload(name: str, *, resources: int, opioids: Opioids, today: date, rich: bool) -> Payload:
    """Return a body; of the resources a third are orders.

    `rich` resources carry narrative, profile, identifiers and references as some EHRs send them,
    and are twice as long. The oldest order lies two years back.
    """
    chance = random.Random(f"{_SEED} {name} {opioids}")  # noqa: S311 - the same every time
    orders = resources // (_CONDITIONS_PER_ORDER + 1)
    chart = _Chart(chance=chance, today=today, rich=rich)
    prefetch: dict[str, object] = {
        "patient": {"resourceType": "Patient", "id": PATIENT, "birthDate": "1968-03-14"},
        "medication-requests": _searchset(
            [chart.order(n, opioids=opioids, of=orders) for n in range(orders)]
        ),
        "conditions": _searchset([chart.condition(n) for n in range(resources - orders)]),
        "observations": _searchset([]),
        "procedures": _searchset([]),
        "service-requests": _searchset([]),
        "encounters": _searchset([]),
    }
    request = {
        "hook": "order-sign",
        "hookInstance": f"5eed0000-0000-4000-8000-{HOOK_INSTANCE_END}",
        "context": {
            "userId": "Practitioner/bench-1",
            "patientId": PATIENT,
            "encounterId": "bench-encounter-1",
            "draftOrders": _bundle([chart.draft()], kind="collection"),
        },
        "prefetch": prefetch,
    }
    body = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    return Payload(name=name, resources=resources, opioids=opioids, body=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chart:
    chance: random.Random
    today: date
    rich: bool

    def order(self, number: int, *, opioids: Opioids, of: int) -> Resource:
        """Return order `number`; the first is an opioid order that still runs."""
        is_opioid = opioids == "all" or number % _ONE_OPIOID_IN == 0
        days_ago = 20 + (number * 700) // of
        drug = OPIOID_PRODUCTS[number % 5] if is_opioid else self._other_drug()
        repeats = 5 if number == 0 else self.chance.randrange(3)
        return self._medication_request(
            f"mr-{number}",
            drug,
            status="active" if number == 0 else self.chance.choice(("completed", "active")),
            day=self.today - timedelta(days=150 if number == 0 else days_ago),
            repeats=repeats,
        )

    def condition(self, number: int) -> Resource:
        concept: tuple[str, str | None, str] = BEREAVEMENT
        if number > 0:
            is_finding = number % _ONE_FINDING_IN == 1
            concept = self.chance.choice(FINDINGS if is_finding else OTHER_PROBLEMS)
        return self._condition(f"c-{number}", concept)

    def draft(self) -> Resource:
        drug = OPIOID_PRODUCTS[0]
        return self._medication_request("draft-1", drug, status="draft", day=self.today, repeats=0)

    def _other_drug(self) -> tuple[str, str]:
        place = self.chance.randrange(len(OTHER_DRUGS))
        return f"99{place:05}", OTHER_DRUGS[place]

    def _medication_request(
        self, id_: str, drug: tuple[str, str], *, status: str, day: date, repeats: int
    ) -> Resource:
        code, display = drug
        times = self.chance.choice((1, 2, 3))
        resource: Resource = {
            "resourceType": "MedicationRequest",
            "id": id_,
            "status": status,
            "intent": "order",
            "medicationCodeableConcept": {
                "coding": [{"system": _RXNORM, "code": code, "display": display}],
                "text": display,
            },
            "subject": {"reference": f"Patient/{PATIENT}"},
            "authoredOn": f"{day.isoformat()}T10:{self.chance.randrange(60):02}:00Z",
            "dosageInstruction": [_dosage(times)],
            "dispenseRequest": {
                "numberOfRepeatsAllowed": repeats,
                "quantity": {"value": 30 * times, "unit": "tablet", "code": "{tbl}"},
                "expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"},
            },
        }
        return self._enriched(resource, "medicationrequest", display) if self.rich else resource

    def _condition(self, id_: str, concept: tuple[str, str | None, str]) -> Resource:
        icd, snomed, display = concept
        day = self.today - timedelta(days=self.chance.randrange(30, 700))
        codings = [{"system": _ICD_10_CM, "code": icd, "display": display}]
        if snomed is not None and self.rich:
            codings.append({"system": _SNOMED_CT, "code": snomed, "display": display})
        resource: Resource = {
            "resourceType": "Condition",
            "id": id_,
            "clinicalStatus": _status("condition-clinical", "active"),
            "verificationStatus": _status("condition-ver-status", "confirmed"),
            "category": [_status("condition-category", "problem-list-item")],
            "code": {"coding": codings, "text": display},
            "subject": {"reference": f"Patient/{PATIENT}"},
            "onsetDateTime": day.isoformat(),
            "recordedDate": day.isoformat(),
        }
        return self._enriched(resource, "condition", display) if self.rich else resource

    def _enriched(self, resource: Resource, profile: str, words: str) -> Resource:
        number = self.chance.randrange(10**9)
        return {
            **resource,
            "meta": {
                "versionId": "3",
                "lastUpdated": f"{self.today.isoformat()}T04:00:00.000Z",
                "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{profile}"],
            },
            "text": {
                "status": "generated",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{words}</p></div>',
            },
            "identifier": [{"system": "urn:oid:2.999.1.2.3", "value": f"{number:09}"}],
            "encounter": {"reference": f"Encounter/e-{number % 997}"},
        }


def _dosage(times: int) -> Resource:
    return {
        "text": f"1 tablet {times} times a day",
        "timing": {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet", "code": "{tbl}"}}],
    }


def _status(name: str, code: str) -> Resource:
    system = f"http://terminology.hl7.org/CodeSystem/{name}"
    return {"coding": [{"system": system, "code": code}]}


def _searchset(resources: Sequence[Resource]) -> Resource:
    return {**_bundle(resources, kind="searchset"), "total": len(resources)}


def _bundle(resources: Sequence[Resource], *, kind: str) -> Resource:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}
