"""A scenario as a FHIR server would hold it: its prefetch as stored resources under ids of its own.

What a scenario does not send, the token of its call does not allow to read; what it sends as null
or as an empty list, the server answers with an empty list.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.clinical.knowledge import Knowledge
from cds_service.fhir.bundles import Listing, read_value
from cds_service.hooks.catalogue import services
from tests.scenarios import Scenario

_REFERENCE = re.compile(r"(?P<before>(?:.*/)?(?P<type>[A-Z][A-Za-z]+)/)(?P<id>[A-Za-z0-9.-]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Transposed:
    """What to store, the call without its prefetch, and the types it may read.

    Every id begins with `prefix`, which no other content has: the server may keep older ones.
    """

    prefix: str
    resources: tuple[Mapping[str, Any], ...]
    request: Mapping[str, Any]
    types: frozenset[str]

    @property
    def patient_id(self) -> str:
        """The patient in context."""
        return str(self.request["context"]["patientId"])

    def as_in_scenario(self, text: str) -> str:
        """Return a text of the answer with the ids of the scenario."""
        return text.replace(self.prefix, "")

    def next_links(self, most_on_a_page: int) -> int:
        """Return how many next links lead through the searches for what is stored."""
        searched = [each["resourceType"] for each in self.resources]
        searched = [kind for kind in searched if kind in self.types - {"Patient", "Medication"}]
        return sum((searched.count(kind) - 1) // most_on_a_page for kind in set(searched))


def transposed(scenario: Scenario, knowledge: Knowledge) -> Transposed:
    """Move the prefetch of a scenario to a server."""
    request = scenario.request
    prefetch = request.pop("prefetch", {})
    listings = {key: read_value(value) for key, value in prefetch.items()}
    found = [resource for listing in listings.values() for resource in _held(listing)]
    context = request["context"]
    patient = {"resourceType": "Patient", "id": context["patientId"]}
    if not any(each.items() >= patient.items() for each in found):
        found.append(patient)
    content = json.dumps([scenario.name, found], sort_keys=True)
    prefix = f"{hashlib.sha256(content.encode()).hexdigest()[:8]}-"
    stored = {(str(each["resourceType"]), str(each["id"])) for each in found}
    request = _renamed(request, stored, prefix)
    request["context"]["patientId"] = prefix + context["patientId"]
    return Transposed(
        prefix=prefix,
        resources=tuple(_renamed(resource, stored, prefix) for resource in found),
        request=request,
        types=_types(scenario, listings, knowledge),
    )


def _held(listing: Listing | None) -> list[Any]:
    return [] if listing is None else list(listing.resources)


def _types(
    scenario: Scenario, listings: Mapping[str, Listing | None], knowledge: Knowledge
) -> frozenset[str]:
    """Return the types that the scenario sends, those of its own keys included."""
    service = next(each for each in services(knowledge) if each.hook == scenario.hook)
    asked = {query.key: query.resource_type for query in service.prefetch}
    readable = {key: listing for key, listing in listings.items() if listing is not None}
    sent = {
        asked[key] for key in asked.keys() & readable.keys() if not readable[key].is_refused
    }.union(*(listing.types for listing in readable.values()))
    return frozenset(sent | {"Medication"} if "MedicationRequest" in sent else sent)


def _renamed(value: Any, stored: set[tuple[str, str]], prefix: str) -> Any:
    """Put the prefix before the ids of what is stored, and into references to it."""
    if isinstance(value, str):
        named = _REFERENCE.fullmatch(value)
        is_stored = named is not None and (named["type"], named["id"]) in stored
        return f"{named['before']}{prefix}{named['id']}" if named and is_stored else value
    if isinstance(value, list):
        return [_renamed(item, stored, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(item, stored, prefix) for key, item in value.items()}
    if (value.get("resourceType"), value.get("id")) in stored:
        renamed["id"] = prefix + value["id"]
    return renamed
