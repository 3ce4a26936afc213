"""The request of a CDS Hooks call: its envelope checked, its parts named.

The envelope is strict (400), with two tolerances that clients need: `Patient/` in front of the
patient's id, and one bare order instead of a Bundle. The FHIR data in it is passed on as it came;
`cds_service.fhir` reads it, or reports what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from cds_service.access_token import AccessToken
from cds_service.clinical.assessment import Hook
from cds_service.errors import MalformedRequest
from cds_service.hooks.catalogue import Service
from cds_service.hooks.shapes import Shape
from cds_service.resource_names import identified

JsonObject = Mapping[str, object]

PRACTITIONERS = frozenset({"Practitioner", "PractitionerRole"})

_EPIC_TRIGGER = "com.epic.cdshooks.request.bpa-trigger-action"
_TRIGGER = re.compile(r"[0-9]{1,4}")
_FHIR_ID = re.compile(r"(?!\.+$)[A-Za-z0-9.\-]{1,64}")
_ORDER_TYPES = frozenset({"MedicationRequest", "MedicationOrder", "MedicationPrescription"})
"""What R4, DSTU2 and DSTU1 call the order of a medication."""
_ORDERS: Mapping[Hook, str] = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-refill": "medications",
}


class User(NamedTuple):
    """Who is looking: a FHIR resource type and id, both well-formed."""

    resource_type: str
    id: str

    @property
    def reference(self) -> str:
        """The user as a relative FHIR reference."""
        return f"{self.resource_type}/{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class HookRequest:
    """One hook call. What is about the patient has no `repr`.

    `hook_instance` is lower case. `user` is None only where the hook leaves it optional, and
    `encounter_id` when it is absent or no FHIR id. `prefetch` is as sent: a key with None is known
    to be empty, a key that is not there is not known. `orders` are the drafts being ordered:
    MedicationRequests, their like of earlier FHIR versions, and entries too broken to say what
    they are (each an object, perhaps empty); on order-select those of `selections`, or all if one
    of these names no draft. `other_draft_entries` are all the rest. `trigger` is the number of
    what made the client call, as Epic states it: "60" for opening a chart.
    """

    service_id: str
    hook: Hook
    hook_instance: str
    patient_id: str = field(repr=False)
    user: User | None = field(repr=False, default=None)
    encounter_id: str | None = field(repr=False, default=None)
    prefetch: JsonObject = field(repr=False, default_factory=dict)
    fhir_server: str | None = None
    access_token: AccessToken | None = None
    orders: tuple[JsonObject, ...] = field(repr=False, default=())
    other_draft_entries: tuple[JsonObject, ...] = field(repr=False, default=())
    trigger: str | None = None

    @property
    def may_see_cards(self) -> bool:
        """The user gate: only a practitioner, or nobody in particular (medication-refill).

        A patient or relative may share the screen with someone who must not see a card.

        Source: clinical.md section 5, "User gate".
        """
        return self.user is None or self.user.resource_type in PRACTITIONERS


def read_request(body: object, service: Service) -> HookRequest:
    """Read the parsed JSON body of a call to `service`.

    Raises MalformedRequest with a JSON pointer; no value of the request is quoted.
    """
    _ENVELOPE.check(body, at="")
    request = cast(JsonObject, body)
    if request["hook"] != service.hook:
        raise MalformedRequest(
            f"This service is called for the hook {service.hook}.", where="/hook"
        )
    context = cast(JsonObject, request["context"])
    _CONTEXTS[service.hook].check(context, at="/context")
    chosen, others = _drafts(service.hook, context)
    return HookRequest(
        service_id=service.id,
        hook=service.hook,
        hook_instance=str(request["hookInstance"]).lower(),
        patient_id=str(context["patientId"]).removeprefix("Patient/"),
        user=_user(context.get("userId")),
        encounter_id=_encounter_id(context.get("encounterId")),
        prefetch=cast(JsonObject, request.get("prefetch") or {}),
        fhir_server=cast("str | None", request.get("fhirServer")),
        access_token=_access_token(request.get("fhirAuthorization")),
        orders=chosen,
        other_draft_entries=others,
        trigger=_trigger(request.get("extension")),
    )


_ENVELOPE = Shape.of_file("request")
_CONTEXTS: Mapping[Hook, Shape] = {
    "patient-view": Shape.of_file("patient-view"),
    "order-select": Shape.of_file("order-select"),
    "order-sign": Shape.of_file("order-sign"),
    "medication-refill": Shape.of_file("medication-refill"),
}


def _user(value: object) -> User | None:
    return None if value is None else User(*str(value).split("/"))


def _encounter_id(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    encounter_id = value.removeprefix("Encounter/")
    return encounter_id if _FHIR_ID.fullmatch(encounter_id) else None


def _trigger(extension: object) -> str | None:
    """Return the number of Epic's trigger action; None for anything else, whatever it holds."""
    stated = extension.get(_EPIC_TRIGGER) if isinstance(extension, dict) else None
    number = str(stated) if type(stated) in (str, int) else ""
    return number if _TRIGGER.fullmatch(number) else None


def _access_token(authorization: object) -> AccessToken | None:
    """Return the token, or None where it is absent, no text, or not a Bearer token."""
    parts = cast(JsonObject, authorization or {})
    token, kind = parts.get("access_token"), parts.get("token_type", "Bearer")
    is_bearer = isinstance(kind, str) and kind.lower() == "bearer"
    return AccessToken(token) if isinstance(token, str) and token and is_bearer else None


def _drafts(
    hook: Hook, context: JsonObject
) -> tuple[tuple[JsonObject, ...], tuple[JsonObject, ...]]:
    """Return the drafts being ordered, and all other entries of the context."""
    if hook not in _ORDERS:
        return (), ()
    drafts = _resources(cast(JsonObject, context[_ORDERS[hook]]))
    selected = None
    if hook == "order-select":
        selected = _selected(cast("list[str]", context["selections"]), drafts)
    chosen: list[JsonObject] = []
    others: list[JsonObject] = []
    for draft in drafts:
        resource_type = draft.get("resourceType")
        is_order = not isinstance(resource_type, str) or resource_type in _ORDER_TYPES
        is_chosen = is_order and (selected is None or not selected.isdisjoint(_names(draft)))
        (chosen if is_chosen else others).append(draft)
    return tuple(chosen), tuple(others)


def _selected(selections: list[str], drafts: list[JsonObject]) -> frozenset[str] | None:
    """Return the names of what is being chosen; None, for all, when a selection names no draft."""
    selected = frozenset(map(_named_by, selections))
    return selected if selected <= {name for draft in drafts for name in _names(draft)} else None


def _names(draft: JsonObject) -> tuple[str, ...]:
    """Return what a selection may call a draft: its type and id, or its id."""
    id_ = str(draft.get("id") or "")
    return (f"{draft.get('resourceType')}/{id_}", id_) if id_ else ()


def _named_by(selection: str) -> str:
    """Return the type and id that a selection states, or the bare id.

    It may be absolute, with a version, a URN, or begin with `#`.
    """
    plain = selection.strip().split("/_history/", 1)[0].rstrip("/").removeprefix("#")
    if plain.startswith("urn:"):
        return plain.rpartition(":")[2].lower()
    return "/".join(plain.split("/")[-2:])


def _resources(bundle: JsonObject) -> list[JsonObject]:
    """Return the resources of a Bundle (its type may be absent) or the one bare resource.

    An entry that holds no object brings an empty one, so that it is not lost silently; the id may
    stand in the fullUrl alone.
    """
    if bundle.get("resourceType", "Bundle") != "Bundle":
        return [bundle]
    entries = bundle.get("entry") or []
    found: list[JsonObject] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        holder = entry if isinstance(entry, dict) else {}
        resource = holder.get("resource")
        if isinstance(resource, dict):
            found += identified(resource, holder.get("fullUrl"))
        else:
            found.append({})
    return found
