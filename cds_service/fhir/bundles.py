"""What one prefetch value, or one answer of a FHIR server, holds: resources and how whole they are.

Total functions over JSON: nothing here raises on data, and nothing in an entry is lost in silence.
What the resources say is read in `reader`; which questions they answer is decided in `gather`.

Source: security-reliability.md F7, F8; conformance.md P-04 to P-08.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from cds_service.fhir.reading import values
from cds_service.resource_names import identified

Resource: TypeAlias = Mapping[str, object]

_HARMLESS = ("warning", "information", "success")
_NO_RESOURCE = ("", "Bundle")
"""Types of what an entry may hold and no list is made of."""
_MOST_DIGITS = 18


class Listing(NamedTuple):
    """The resources of one prefetch value or answer, OperationOutcomes left out.

    A resource of a Bundle that has no id has that of its entry's fullUrl, and a Medication that has
    another is there twice: references may name it by either.
    `is_list` is False for a single resource. `is_refused`: an OperationOutcome of severity error or
    fatal (or an unreadable one) came with it, so the list is not known. `is_cut`: there are more
    resources than these, and no link to them. `unreadable` holds the places, from 1, of entries
    without a readable resource. `matches` are the resources that were searched for and did not
    just come along, `total` is how many of them there are, entries that cannot be read included, as
    the server says (None: it does not). `types` are the types of `resources`.
    """

    resources: tuple[Resource, ...] = ()
    types: frozenset[str] = frozenset()
    is_list: bool = True
    is_refused: bool = False
    is_cut: bool = False
    next_link: str | None = None
    unreadable: tuple[int, ...] = ()
    matches: tuple[Resource, ...] = ()
    total: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says that there is nothing."""
        has_nothing = not (self.resources or self.unreadable or self.next_link)
        return self.is_list and has_nothing and not (self.is_refused or self.is_cut)


def read_value(value: object) -> Listing | None:
    """Read a prefetch value: null, Bundle, resource, OperationOutcome, or `{response, resource}`.

    None means that it is none of these, which proves nothing.

    >>> read_value(None) == read_value({"resourceType": "Bundle"}) == Listing()
    True
    >>> read_value("Bundle") is None
    True
    """
    if value is None:
        return Listing()
    resource = value
    if isinstance(value, dict) and "resourceType" not in value:
        resource = _unwrapped(value)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(kind, str) or not kind:
        return None
    if kind == "Bundle":
        return _bundle(resource)
    if kind == "OperationOutcome":
        return Listing(is_refused=_is_error(resource))
    return Listing(resources=(resource,), types=frozenset({kind}), is_list=False)


def joined(pages: Sequence[Listing], *, is_unfinished: bool) -> Listing:
    """Join the pages of one search; `is_unfinished` says that the last one is not the end."""
    first = pages[0]
    matches = tuple([resource for page in pages for resource in page.matches])
    unreadable = tuple([place for page in pages for place in page.unreadable])
    total = max((page.total for page in pages if page.total is not None), default=None)
    return Listing(
        resources=tuple(resource for page in pages for resource in page.resources),
        types=frozenset().union(*(page.types for page in pages)),
        is_list=first.is_list,
        is_refused=first.is_refused,
        is_cut=is_unfinished
        or any(page.is_refused for page in pages[1:])
        or _are_fewer(matches, unreadable, than=total),
        unreadable=unreadable,
        matches=matches,
        total=total,
    )


def next_link(bundle: Resource) -> str | None:
    """Return the link to the next page, as written."""
    for link in values.objects(bundle.get("link")):
        if link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return None


def _unwrapped(value: Resource) -> object:
    """The resource of a legacy `{response, resource}` wrapper, None if its response failed."""
    response = value.get("response")
    status = response.get("status", "200") if isinstance(response, dict) else "200"
    return value.get("resource") if str(status).startswith("2") else None


def _bundle(bundle: Resource) -> Listing | None:
    entries = bundle.get("entry")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        return None
    resources: list[Resource] = []
    types: set[str] = set()
    unreadable: list[int] = []
    matches: list[Resource] = []
    is_refused = False
    for place, entry in enumerate(entries, 1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if resource is None or not isinstance(kind, str) or kind in _NO_RESOURCE:
            unreadable.append(place)
        elif kind == "OperationOutcome":
            is_refused = is_refused or _is_error(resource)
        else:
            types.add(kind)
            if resource.get("id") and kind != "Medication":
                resources.append(resource)
            else:
                found = identified(resource, entry.get("fullUrl"))
                resources += found
                resource = found[0]
            if "search" not in entry or not _is_included(entry):
                matches.append(resource)
    link = next_link(bundle) if "link" in bundle else None
    total = _total(bundle.get("total"))
    return Listing(
        resources=tuple(resources),
        types=frozenset(types),
        is_refused=is_refused,
        is_cut=link is None and _are_fewer(matches, unreadable, than=total),
        next_link=link,
        unreadable=tuple(unreadable),
        matches=tuple(matches),
        total=total,
    )


def _total(stated: object) -> int | None:
    """Return a total, also one sent as text or as 3.0; None for what is no number."""
    if isinstance(stated, str) and stated.strip().isdecimal():
        return int(stated.strip()[:_MOST_DIGITS])
    if isinstance(stated, float) and stated.is_integer():
        return int(stated)
    return stated if type(stated) is int else None


def _are_fewer(matches: Sequence[Resource], unreadable: Sequence[int], *, than: int | None) -> bool:
    """Say whether fewer came than there are; resources of one type and id are one."""
    if than is None:
        return False
    if len(matches) + len(unreadable) < than:
        return True
    named = [
        (resource["resourceType"], id_)
        for resource in matches
        if isinstance(id_ := resource.get("id"), str) and id_
    ]
    came = len(set(named)) + len(matches) - len(named) + len(unreadable)
    return came < than


def _is_included(entry: Resource) -> bool:
    """Say whether an entry came along with what was searched for; one that says nothing did not."""
    search = entry.get("search")
    return isinstance(search, dict) and search.get("mode") == "include"


def _is_error(outcome: Resource) -> bool:
    """Whether an OperationOutcome says more than that there is nothing, or cannot be read."""
    issues = outcome.get("issue")
    if not isinstance(issues, list) or not issues:
        return True
    return not all(
        isinstance(issue, dict) and issue.get("severity") in _HARMLESS for issue in issues
    )
