"""Gathering: the resources of one hook call, from its prefetch and from the client's FHIR server.

Prefetch is believed where it proves something; only what is missing is asked for, all of it at
once. Resources are sorted by their own type, whatever key they came under. What the resources
say, and of whom they speak, is read in `reader`.

Source: conformance.md P-01 to P-19; security-reliability.md T24, T34, T37, F1 to F8.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cds_service.clinical.record import DataGap, GapKind
from cds_service.errors import DataUnavailable, TooMuchData
from cds_service.fhir.bundles import Listing, Resource
from cds_service.fhir.call_back import completed, missing_medications
from cds_service.fhir.client import FhirAccess, Refusal
from cds_service.fhir.exchange import Failure
from cds_service.fhir.prefetch import Source, Standing, best_standing, sent_sources, standing
from cds_service.queries import Query

_INCOMPLETE = {
    "MedicationRequest": GapKind.ORDERS_INCOMPLETE,
    "Condition": GapKind.CONDITIONS_INCOMPLETE,
}
_UNREADABLE = {
    "MedicationRequest": GapKind.ORDER_UNREADABLE,
    "Condition": GapKind.CONDITION_UNREADABLE,
    "Patient": GapKind.PATIENT_UNREADABLE,
}
_MEDICATION = frozenset({"Medication"})

_Standings: TypeAlias = Sequence[tuple[Query, Standing]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The raw resources of one call by resourceType.

    `lists_read` names the types whose whole list is known, even when it is empty. `gaps` says what
    is known to be missing from `by_type`; a list that is absent altogether is no gap, only absent
    from `lists_read`.
    """

    by_type: Mapping[str, tuple[Resource, ...]] = field(repr=False)
    lists_read: frozenset[str]
    gaps: tuple[DataGap, ...]


def gather(
    queries: Sequence[Query],
    *,
    prefetch: Mapping[str, object] | None,
    patient_id: str,
    fhir: FhirAccess | Refusal,
    context: Sequence[Resource] = (),
    key_map: Mapping[str, str] | None = None,
    most_resources: int = 5000,
) -> Resources:
    """Collect what `queries` ask for.

    `fhir` is the client's server, or why there is none to read from. `context` are the resources
    of the hook's context: its Medications join the result, and the Medications its orders point
    at are read. `key_map` leads from the client's own prefetch keys to ours. `most_resources` is
    inclusive.

    Raises DataUnavailable (`where` is our key) when a required list is neither sent nor obtainable,
    TooMuchData when more resources than `most_resources` are sent or read.
    """
    sent = sent_sources(queries, prefetch or {}, key_map or {})
    _refuse_excess(sent, context, most=most_resources)
    sources: tuple[Source, ...] = sent
    failures: Mapping[str, Failure] = {}
    if isinstance(fhir, FhirAccess):
        sources, failures = completed(queries, sent, patient_id=patient_id, fhir=fhir)
    standings = [(query, best_standing(query, sources)) for query in queries]
    for query, at in standings:
        if query.is_required and at is Standing.MISSING:
            why = fhir if isinstance(fhir, Refusal) else failures.get(query.key)
            raise _unavailable(query, why, is_bare=not sent)
    if isinstance(fhir, FhirAccess):
        orders = (resource for source in sources for resource in source.listing.resources)
        sources = (*sources, _medications(missing_medications((*orders, *context), fhir)))
        _refuse_excess(sources, context, most=most_resources)
    sources = (*sources, _medications(context))
    return Resources(
        by_type=_by_type(sources),
        lists_read=_lists_read(standings),
        gaps=_gaps(standings, sources),
    )


def _medications(resources: Iterable[Resource]) -> Source:
    medications = tuple([r for r in resources if r.get("resourceType") == "Medication"])
    return Source(key=None, listing=Listing(resources=medications, types=_MEDICATION))


def _refuse_excess(sources: Sequence[Source], context: Sequence[Resource], *, most: int) -> None:
    """Count the entries, readable or not: each is looked at, and told of where it cannot be."""
    entries = len(context)
    for source in sources:
        entries += len(source.listing.resources) + len(source.listing.unreadable)
    if entries > most:
        raise TooMuchData(f"The data of this call hold more than {most} resources.")


def _unavailable(query: Query, why: Refusal | Failure | None, *, is_bare: bool) -> DataUnavailable:
    """Say what is missing, why it could not be read, and what the client can do."""
    reason = why if isinstance(why, Refusal) else "the FHIR server did not give it"
    if isinstance(why, Failure):
        reason = f"{reason} ({why})"
    text = (
        f"The {query.resource_type} list of prefetch key '{query.key}' was neither sent nor "
        f"obtainable: {reason}. Send the key as discovery states it, or fhirServer with "
        "fhirAuthorization."
    )
    if is_bare and why is Refusal.NOT_SENT:
        text += (
            " If the client is set up to send them: some clients, Epic among them, send a call"
            " stripped of its data when its URL is not exactly the one registered with them."
        )
    return DataUnavailable(text, where=query.key)


def _by_type(sources: Sequence[Source]) -> Mapping[str, tuple[Resource, ...]]:
    """Sort by resourceType, each resource once."""
    by_type: defaultdict[str, list[Resource]] = defaultdict(list)
    for source in sources:
        listing = source.listing
        if len(listing.types) == 1:
            (kind,) = listing.types
            by_type[kind] += listing.resources
        else:
            for resource in listing.resources:
                by_type[str(resource["resourceType"])].append(resource)
    if any(len(resources) > 1 and _has_equal_ids(resources) for resources in by_type.values()):
        return _each_once(sources)
    return {kind: tuple(resources) for kind, resources in by_type.items() if resources}


def _has_equal_ids(resources: Sequence[Resource]) -> bool:
    """Say whether two resources of one type have the same id; an id that is no text is none."""
    sent = [resource.get("id") for resource in resources]
    ids = [id_ for id_ in sent if isinstance(id_, str) and id_]
    return len(set(ids)) < len(ids)


def _each_once(sources: Sequence[Source]) -> Mapping[str, tuple[Resource, ...]]:
    """Sort by resourceType where some resources share an id.

    What was fetched replaces what was sent under the same id. Otherwise resources that share an
    id and differ are all kept: one of them may be the opioid.
    """
    named = [
        (_name(resource), resource, source.is_fetched)
        for source in sources
        for resource in source.listing.resources
    ]
    fetched = {name for name, _, is_fetched in named if is_fetched}
    times = Counter([name for name, _, _ in named])
    kept: set[tuple[tuple[str, str], str]] = set()
    by_type: defaultdict[str, list[Resource]] = defaultdict(list)
    for name, resource, is_fetched in named:
        if name[1] and times[name] > 1:
            content = (name, json.dumps(resource, sort_keys=True))
            if content in kept or (name in fetched and not is_fetched):
                continue
            kept.add(content)
        by_type[name[0]].append(resource)
    return {kind: tuple(resources) for kind, resources in by_type.items()}


def _name(resource: Resource) -> tuple[str, str]:
    """Return type and id; the id is empty where there is none."""
    id_ = resource.get("id")
    return str(resource["resourceType"]), id_ if isinstance(id_, str) else ""


def _lists_read(standings: _Standings) -> frozenset[str]:
    """The types all queries of which are completely answered."""
    asked = frozenset([query.resource_type for query, _ in standings])
    return asked - {query.resource_type for query, at in standings if at is not Standing.COMPLETE}


def _gaps(standings: _Standings, sources: Sequence[Source]) -> tuple[DataGap, ...]:
    if any(source.listing.unreadable for source in sources):
        return (*_unfinished_lists(standings), *_unreadable_entries(standings, sources))
    return tuple(_unfinished_lists(standings))


def _unfinished_lists(standings: _Standings) -> Iterator[DataGap]:
    for query, at in standings:
        if at is Standing.PARTIAL:
            yield DataGap(
                kind=_INCOMPLETE.get(query.resource_type, GapKind.OPTIONAL_UNREADABLE),
                where=query.resource_type,
                reason="only part of the list could be read",
            )


def _unreadable_entries(standings: _Standings, sources: Sequence[Source]) -> Iterator[DataGap]:
    """Yield a gap for each entry without a readable resource, once, for the worst it may hide.

    Entries sent are passed over where the list was fetched instead.
    """
    told: set[int] = set()
    queries = [query for query, _ in standings]
    for query in sorted(queries, key=lambda query: query.resource_type not in _INCOMPLETE):
        answering = [
            source for source in sources if standing(query, source) is not Standing.MISSING
        ]
        for source in [source for source in answering if source.is_fetched] or answering:
            for place in () if id(source) in told else source.listing.unreadable:
                yield DataGap(
                    kind=_UNREADABLE.get(query.resource_type, GapKind.OPTIONAL_UNREADABLE),
                    where=f"entry {place} of {query.resource_type}",
                    reason="the entry holds no resource that can be read",
                )
            told.add(id(source))
