"""What a reference points at, and whether a resource speaks of the patient of the call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from cds_service.errors import PatientMismatch

_is_plain = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII).fullmatch
_ABOUT = ("subject", "patient")
_URN = ("urn:uuid:", "urn:oid:")
_OTHER_SUBJECTS = frozenset(
    {
        "device",
        "group",
        "healthcareservice",
        "location",
        "medication",
        "organization",
        "practitioner",
        "practitionerrole",
        "relatedperson",
        "specimen",
        "substance",
    }
)
"""What R4 lets `subject` name beside a Patient, in lower case. Source: FHIR R4, all resources."""


class Target(NamedTuple):
    """The resource a reference names; `resource_type` None when the reference does not say."""

    resource_type: str | None
    id: str


def reference_to(resource_type: str, id_: object) -> str | None:
    """Return the relative reference to a resource, or None when its id is none that can be shown.

    >>> reference_to("Condition", "a_1")
    'Condition/a_1'
    """
    return f"{resource_type}/{id_}" if isinstance(id_, str) and _is_plain(id_) else None


def written(reference: object) -> tuple[str, ...]:
    """Return the reference strings of a Reference, of an array of them, or of a bare string."""
    if isinstance(reference, dict):
        reference = reference.get("reference")
    if isinstance(reference, str):
        return (reference,) if reference.strip() else ()
    members = reference if isinstance(reference, list) else ()
    return tuple(
        one for member in members if not isinstance(member, list) for one in written(member)
    )


def target(reference: str) -> Target:
    """Return what a literal reference names: relative, absolute, with a version, or a URN.

    A slash at the end means nothing.

    >>> target("https://ehr.example/r4/Patient/1/_history/2")
    Target(resource_type='Patient', id='1')
    >>> target("urn:uuid:0F9E")
    Target(resource_type=None, id='0f9e')
    """
    reference = reference.strip()
    if reference.startswith(_URN):
        return Target(None, reference.rsplit(":", 1)[1].lower())
    kind, _, id_ = reference.split("/_history/", 1)[0].rstrip("/").rpartition("/")
    return Target(kind.rpartition("/")[2] or None, id_)


def id_stated_by(full_url: object, resource_type: str) -> str | None:
    """Return the id that the fullUrl of a Bundle entry states for its resource, or None.

    A URN is an address inside the Bundle, by which the call cannot know its Patient.

    Source: FHIR R4, Bundle, "Resolving references in Bundles"; conformance.md S-12.

    >>> id_stated_by("https://ehr.example/r4/Medication/m1", "Medication")
    'm1'
    >>> id_stated_by("urn:uuid:0f9e", "Patient") is None
    True
    """
    if not isinstance(full_url, str):
        return None
    named = target(full_url)
    is_urn = full_url.strip().startswith(_URN) and resource_type != "Patient"
    states_id = (is_urn or named.resource_type == resource_type) and _is_plain(named.id)
    return named.id if states_id else None


class PatientOfCall:
    """Tells resources of the patient of the call from others; each reference is parsed once."""

    def __init__(self, patient_id: str) -> None:
        self._patient_id = patient_id
        self._known: dict[str, bool | None] = {f"Patient/{patient_id}": True}

    def is_subject_of(self, resource: Mapping[str, object]) -> bool | None:
        """Say whether a resource may be used: it names this patient, or nobody by reference.

        A reference with an identifier or a display only, or to a contained resource, is accepted.
        False: it is about a group, a device or the like. None: a reference names what can be no
        subject, so that it cannot be told whom the resource is about. Raises PatientMismatch when
        it names another patient, or is another Patient; a reference without a type is taken for a
        patient's.

        Source: security-reliability.md T22.
        """
        subject = resource.get("subject")
        if isinstance(subject, dict) and "patient" not in resource:
            reference = subject.get("reference")
            if isinstance(reference, str) and self._known.get(reference):
                return True
        if resource.get("resourceType") == "Patient" and resource.get("id") is not None:
            self._refuse_another(resource["id"])
        about = [
            reference
            for element in _ABOUT
            if element in resource
            for reference in written(resource[element])
        ]
        found = tuple(map(self._is_this, about))  # every one is looked at: any may be another's
        return None if None in found and False not in found else all(found)

    def _is_this(self, reference: str) -> bool | None:
        if reference not in self._known:
            self._known[reference] = self._parsed(reference)
        return self._known[reference]

    def _parsed(self, reference: str) -> bool | None:
        if reference.strip().startswith("#"):
            return True
        resource_type, id_ = target(reference)
        kind = (resource_type or "Patient").lower()
        if kind != "patient":
            return False if kind in _OTHER_SUBJECTS else None
        is_urn_of_this = reference.strip().startswith(_URN) and id_ == self._patient_id.lower()
        if not is_urn_of_this:
            self._refuse_another(id_)
        return True

    def _refuse_another(self, patient_id: object) -> None:
        if patient_id != self._patient_id:
            raise PatientMismatch(
                "The data sent with this call speak of another patient than context.patientId."
            )
