"""What references and the fullUrls of Bundle entries name, wherever a Bundle comes from.

Source: FHIR R4, Bundle, "Resolving references in Bundles"; conformance.md S-12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

URN = ("urn:uuid:", "urn:oid:")

is_plain_id = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII).fullmatch
"""Says whether a text can be shown as an id: a FHIR id, or nearly one."""

Resource: TypeAlias = Mapping[str, object]


class Target(NamedTuple):
    """The resource a reference names; `resource_type` None when the reference does not say."""

    resource_type: str | None
    id: str


def target(reference: str) -> Target:
    """Return what a literal reference names: relative, absolute, with a version, or a URN.

    A slash at the end means nothing.

    >>> target("https://ehr.example/r4/Patient/1/_history/2")
    Target(resource_type='Patient', id='1')
    >>> target("urn:uuid:0F9E")
    Target(resource_type=None, id='0f9e')
    """
    reference = reference.strip()
    if reference.startswith(URN):
        return Target(None, reference.rsplit(":", 1)[1].lower())
    kind, _, id_ = reference.split("/_history/", 1)[0].rstrip("/").rpartition("/")
    return Target(kind.rpartition("/")[2] or None, id_)


def identified(resource: Resource, full_url: object) -> tuple[Resource, ...]:
    """Return a resource of a Bundle under the id it has, or else under the one its fullUrl states.

    A Medication that has another id than that is there twice: orders may name it by either. A URN
    is an address inside the Bundle, by which the call cannot know its Patient.

    >>> identified({"resourceType": "Medication"}, "https://ehr.example/r4/Medication/m1")
    ({'resourceType': 'Medication', 'id': 'm1'},)
    """
    id_, kind = resource.get("id"), resource.get("resourceType")
    if (id_ and kind != "Medication") or not isinstance(full_url, str):
        return (resource,)
    stated = target(full_url)
    is_urn = full_url.strip().startswith(URN) and kind != "Patient"
    if not ((is_urn or stated.resource_type == kind) and is_plain_id(stated.id)):
        return (resource,)
    if str(id_).lower() == stated.id.lower():
        return (resource,)
    named = {**resource, "id": stated.id}
    return (resource, named) if id_ else (named,)
