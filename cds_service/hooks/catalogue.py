"""Which services exist, one per hook, and what each asks for in discovery.

`cds_service.fhir.gather` answers the queries; what a request must look like is in `protocol`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.clinical.assessment import Hook
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import LOINC
from cds_service.queries import Query

SPECIFICATION_VERSION = "3.0.0"
"""The version of the CDS Hooks specification the services implement."""
KNOWLEDGE_EXTENSION = "cds-service.opioid-social-pain.knowledge"
"""The member of a service's `extension` in discovery that names the knowledge it works with."""

_PAGE = 200
_ABOUT = (
    "Shows at most one card when long-term opioid therapy for pain meets recorded social pain "
    "(isolation, rejection, loss, trauma, mood). Based on an expert essay (Sullivan and "
    "Ballantyne, Ann Fam Med 2021), not on a guideline. It reports what is recorded and advises "
    "neither for nor against an order."
)
_AUDIENCE = (
    "For prescribing clinicians, who decide. Users who are not practitioners always get an empty "
    "answer. Not for emergencies, not for patients or relatives, not for people under 18, in "
    "palliative care or with active cancer or sickle cell disease."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One CDS service: its place in discovery and the queries it would like answered."""

    id: str
    hook: Hook
    title: str
    description: str
    usage_requirements: str
    prefetch: tuple[Query, ...]
    knowledge: str

    def discovery_entry(self) -> dict[str, object]:
        """Return the service as discovery lists it."""
        return {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "version": SPECIFICATION_VERSION,
            "prefetch": {query.key: query.template for query in self.prefetch},
            "extension": {KNOWLEDGE_EXTENSION: self.knowledge},
        }


def services(knowledge: Knowledge) -> tuple[Service, ...]:
    """Return the four services; the codes asked for are those that `knowledge` can read."""
    needed = "Needs the patient's medication orders and conditions, as prefetch or from fhirServer"
    return (
        Service(
            id="opioid-social-pain-patient-view",
            hook="patient-view",
            title="Opioid therapy and social pain: opening a chart",
            description=f"{_ABOUT} {_AUDIENCE}",
            usage_requirements=f"{needed}; without them the answer is 412.",
            prefetch=_queries(knowledge, orders_required=True),
            knowledge=stamp_of(knowledge),
        ),
        Service(
            id="opioid-social-pain-order-select",
            hook="order-select",
            title="Opioid therapy and social pain: choosing an order",
            description=f"{_ABOUT} {_AUDIENCE}",
            usage_requirements=(
                f"{needed}; without them the answer is 412. Only the orders named in selections "
                "are looked at."
            ),
            prefetch=_queries(knowledge, orders_required=True),
            knowledge=stamp_of(knowledge),
        ),
        Service(
            id="opioid-social-pain-order-sign",
            hook="order-sign",
            title="Opioid therapy and social pain: signing an order",
            description=f"{_ABOUT} {_AUDIENCE}",
            usage_requirements=f"{needed}; without them the answer is 412.",
            prefetch=_queries(knowledge, orders_required=True),
            knowledge=stamp_of(knowledge),
        ),
        Service(
            id="opioid-social-pain-medication-refill",
            hook="medication-refill",
            title="Opioid therapy and social pain: answering a refill request",
            description=f"{_ABOUT} {_AUDIENCE}",
            usage_requirements=(
                "Needs the patient's conditions, as prefetch or from fhirServer; without them the "
                "answer is 412. Without past medication orders every opioid refill is taken for "
                "possibly long-term."
            ),
            prefetch=_queries(knowledge, orders_required=False),
            knowledge=stamp_of(knowledge),
        ),
    )


def stamp_of(knowledge: Knowledge) -> str:
    """Return what tells this knowledge from any other, even one that claims its version.

    Source: security-reliability.md T47.
    """
    return f"{knowledge.version} ({knowledge.digest})"


def discovery(catalogue: Iterable[Service]) -> dict[str, object]:
    """Return the body of `GET /cds-services`."""
    return {"services": [service.discovery_entry() for service in catalogue]}


def _queries(knowledge: Knowledge, *, orders_required: bool) -> tuple[Query, ...]:
    codes = ",".join(_observation_codes(knowledge))
    return (
        Query(
            key="patient",
            template="Patient/{{context.patientId}}",
            resource_type="Patient",
            is_required=False,
        ),
        _search("medication-requests", "MedicationRequest", is_required=orders_required),
        _search("conditions", "Condition", is_required=True),
        _search("observations", "Observation", is_required=False, extra=f"&code={codes}"),
        _search("procedures", "Procedure", is_required=False),
        _search("service-requests", "ServiceRequest", is_required=False),
        _search("encounters", "Encounter", is_required=False),
    )


def _search(key: str, resource_type: str, *, is_required: bool, extra: str = "") -> Query:
    """Return a search by patient. No date bound: clients treat two bounds on one date as an OR."""
    return Query(
        key=key,
        template=f"{resource_type}?patient={{{{context.patientId}}}}{extra}&_count={_PAGE}",
        resource_type=resource_type,
        is_required=is_required,
    )


def _observation_codes(knowledge: Knowledge) -> tuple[str, ...]:
    """Return the codes of every screen and finding that a rule can look at, and of no other.

    Data that no rule uses (housing, work, refugee status) is not asked for. Panels are, because
    they carry the items of other domains.
    """
    screens = {code.code for code in knowledge.screens if code.system == LOINC}
    found = {
        row.coding.code
        for row in knowledge.exclusions.exact.values()
        if "Observation" in row.resources
    }
    return tuple(sorted(screens | found))
