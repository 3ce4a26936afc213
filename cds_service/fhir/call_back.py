"""What is asked of the client's FHIR server: what prefetch left open, and nothing more.

Source: security-reliability.md T37, F2; conformance.md P-10, P-17, P-19.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from cds_service.fhir.bundles import Listing, Resource, joined, read_value
from cds_service.fhir.client import Answer, FhirAccess, Question
from cds_service.fhir.exchange import Failure
from cds_service.fhir.prefetch import (
    PATIENT_ID,
    Source,
    Standing,
    best_standing,
    has_no_other_token,
)
from cds_service.fhir.reading.references import written
from cds_service.queries import Query
from cds_service.resource_names import target

# Not in the published templates: those keep to the searches every client can make.
_INCLUDES = {"MedicationRequest": "&_include=MedicationRequest:medication"}


def completed(
    queries: Sequence[Query], sent: Sequence[Source], *, patient_id: str, fhir: FhirAccess
) -> tuple[tuple[Source, ...], Mapping[str, Failure]]:
    """Ask, all at once, for queries not answered by `sent` and for the pages its Bundles lead to.

    Of more Bundles than `continued_lists` the rest answers nothing wholly, so its query is asked.
    Returns the sources as they stand then, and what went wrong with the queries asked, by key.
    """
    begun, whole = _begun(sent, queries, most=fhir.client.limits.continued_lists)
    as_if_read = [*whole, *(_without_link(source) for source in begun)]
    wanted = [
        query
        for query in queries
        if best_standing(query, as_if_read) is not Standing.COMPLETE and has_no_other_token(query)
    ]
    answers = fhir.ask(
        [
            *(_question(query, patient_id) for query in wanted),
            *(_continuation(source, queries) for source in begun),
        ]
    )
    fetched = dict(zip((query.key for query in wanted), answers, strict=False))
    continued = zip(begun, answers[len(wanted) :], strict=True)
    return (
        *whole,
        *(
            source._replace(listing=_listing(answer, source.listing))
            for source, answer in continued
        ),
        *(
            Source(key=key, listing=_listing(answer), is_fetched=True)
            for key, answer in fetched.items()
        ),
    ), {key: answer.failure or Failure.UNREADABLE for key, answer in fetched.items()}


def missing_medications(resources: Iterable[Resource], fhir: FhirAccess) -> tuple[Resource, ...]:
    """Read what orders among `resources` point at as Medications that are not among them.

    At most `medication_reads` of them, those first that nothing but the Medication names. What
    cannot be read, or is no resource of this server, is left to the reader as a gap.
    """
    wanted: dict[str, bool] = {}
    known = set()
    for resource in resources:
        if resource.get("resourceType") == "Medication":
            known.add(str(resource.get("id")))
        elif resource.get("resourceType") == "MedicationRequest":
            reference = resource.get("medicationReference")
            is_named = isinstance(reference, dict) and bool(reference.get("display"))
            for text in written(reference):
                if (id_ := _medication_id(text, fhir)) is not None:
                    wanted[id_] = wanted.get(id_, True) and is_named
    ids = sorted((id_ for id_ in wanted if id_ not in known), key=lambda id_: wanted[id_])
    ids = ids[: fhir.client.limits.medication_reads]
    answers = fhir.ask(
        [Question(resource_type="Medication", link=f"Medication/{id_}") for id_ in ids]
    )
    return tuple(
        page
        for id_, answer in zip(ids, answers, strict=True)
        for page in answer.pages
        if page.get("id") == id_
    )


def _begun(
    sent: Sequence[Source], queries: Sequence[Query], *, most: int
) -> tuple[Sequence[Source], Sequence[Source]]:
    """Return the lists to be continued, those under keys of ours first, and all other sources."""
    leading_on = [source for source in sent if _is_begun(source, queries)]
    begun = sorted(leading_on, key=lambda source: source.key is None)[:most]
    places = {id(source) for source in begun}
    return begun, [source for source in sent if id(source) not in places]


def _is_begun(source: Source, queries: Sequence[Query]) -> bool:
    """Whether a prefetched Bundle holds something asked for, and leads to more of it."""
    return source.listing.next_link is not None and _topic(source, queries) is not None


def _topic(source: Source, queries: Sequence[Query]) -> str | None:
    for query in queries:
        if source.key == query.key:
            return query.resource_type
        if source.key is None and query.resource_type in source.listing.types:
            return query.resource_type
    return None


def _without_link(source: Source) -> Source:
    return source._replace(listing=source.listing._replace(next_link=None))


def _question(query: Query, patient_id: str) -> Question:
    link = query.template.replace(PATIENT_ID, quote(patient_id, safe=""))
    include = _INCLUDES.get(query.resource_type, "") if "?" in link else ""
    return Question(
        resource_type=query.resource_type,
        link=link + include,
        plain_link=link if include else None,
    )


def _continuation(source: Source, queries: Sequence[Query]) -> Question:
    return Question(
        resource_type=_topic(source, queries) or "",
        link=source.listing.next_link or "",
        pages_before=1,
    )


def _listing(answer: Answer, *before: Listing) -> Listing:
    """Join the pages of an answer to those had before.

    An answer that is an OperationOutcome instead of a Bundle or resource is no page: it says that
    the server did not search.
    """
    pages = list(before)
    for body in answer.pages:
        page = read_value(body)
        if page is None or body["resourceType"] == "OperationOutcome":
            break
        pages.append(page)
    if not pages:
        return Listing(is_refused=True)
    is_unfinished = answer.failure is not None or len(pages) < len(before) + len(answer.pages)
    return joined(pages, is_unfinished=is_unfinished)


def _medication_id(reference: str, fhir: FhirAccess) -> str | None:
    """The id of a Medication of this server, None for any other reference."""
    named = target(reference)
    link = fhir.base.below(f"Medication/{quote(named.id, safe='')}")
    is_here = link == fhir.base.below(reference.strip().split("/_history/", 1)[0])
    is_medication = named.resource_type == "Medication" and link is not None
    return (named.id or None) if is_medication and is_here else None
