"""What a reference points at, and whether a resource speaks of the patient of the call."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.errors import PatientMismatch
from cds_service.resource_names import URN, is_plain_id, target

_ABOUT = ("subject", "patient")
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


def reference_to(resource_type: str, id_: object) -> str | None:
    """Return the relative reference to a resource, or None when its id is none that can be shown.

    >>> reference_to("Condition", "a_1")
    'Condition/a_1'
    """
    return f"{resource_type}/{id_}" if isinstance(id_, str) and is_plain_id(id_) else None


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
        is_urn_of_this = reference.strip().startswith(URN) and id_ == self._patient_id.lower()
        if not is_urn_of_this:
            self._refuse_another(id_)
        return True

    def _refuse_another(self, patient_id: object) -> None:
        if patient_id != self._patient_id:
            raise PatientMismatch(
                "The data sent with this call speak of another patient than context.patientId."
            )
