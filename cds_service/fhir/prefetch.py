"""What prefetch proves: which queries it answers, and how far.

A client may send our keys, keys of its own that its configuration leads to ours, or keys nobody
told us of. Only a value that came under a key known to be ours can prove that there is nothing.

Source: conformance.md P-03 to P-09; clients.md section 1 (prefetch).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from cds_service.fhir.bundles import Listing, read_value
from cds_service.queries import Query

PATIENT_ID = "{{context.patientId}}"
_TOKEN = re.compile(r"\{\{.*?\}\}")


class Standing(IntEnum):
    """How far a query is answered; PARTIAL: with some resources of a longer list."""

    MISSING = 0
    PARTIAL = 1
    COMPLETE = 2


class Source(NamedTuple):
    """One prefetch value, or what the FHIR server gave for one query.

    `key` is the key of the query it belongs to, None under a key unknown to us.
    """

    key: str | None
    listing: Listing
    is_fetched: bool = False


def sent_sources(
    queries: Sequence[Query], prefetch: Mapping[str, object], key_map: Mapping[str, str]
) -> tuple[Source, ...]:
    """Read all prefetch values; those that are neither null nor FHIR JSON are as if not sent."""
    ours = {query.key for query in queries}
    sources = []
    for name, value in prefetch.items():
        key = key_map.get(name, name)
        listing = read_value(value)
        if listing is not None:
            sources.append(Source(key=key if key in ours else None, listing=listing))
    return tuple(sources)


def best_standing(query: Query, sources: Iterable[Source]) -> Standing:
    """Return how far the sources answer the query.

    What was fetched, what came under the query's key, and what came under keys unknown to us are
    each as whole as the least whole of their lists: the lists of a client may complement one
    another. The best of the three counts.
    """
    found: dict[tuple[bool, str | None], Standing] = {}
    for source in sources:
        if source.key == query.key or source.key is None:
            at = standing(query, source)
            if at is not Standing.MISSING:
                origin = (source.is_fetched, source.key)
                found[origin] = min(at, found.get(origin, at))
    return max(found.values(), default=Standing.MISSING)


def standing(query: Query, source: Source) -> Standing:
    """Return how far one source answers the query.

    Under an unknown key a list must hold the type asked for; an empty one, or one resource of what
    should be a list, proves nothing. Nor does an empty list under our own key if the query has
    tokens that clients are known to send on unresolved.
    """
    listing = source.listing
    is_own = source.key == query.key
    if listing.is_refused or not (is_own or source.key is None):
        return Standing.MISSING
    if query.resource_type in listing.types:
        proves = is_own or listing.is_list or "?" not in query.template
    else:
        proves = is_own and listing.is_empty and has_no_other_token(query)
    if not proves:
        return Standing.MISSING
    is_whole = not listing.is_cut and listing.next_link is None
    return Standing.COMPLETE if is_whole else Standing.PARTIAL


def has_no_other_token(query: Query) -> bool:
    """Say whether the patient's id is the only token of the query's template."""
    return _tokens(query.template) <= {PATIENT_ID}


@lru_cache(maxsize=128)
def _tokens(template: str) -> frozenset[str]:
    """Return the tokens of a template of ours, of which there are as many as queries."""
    return frozenset(_TOKEN.findall(template))
