"""What of a captured call may stand in a case: elements by name, each with how it is cleaned.

What is not named here does not survive. A text survives only as a word of a closed list, as a code
under a public code system, or through a stand-in from `disguise`; a value that is there and is
neither becomes "unreadable", so that the case keeps its shape. Numbers and booleans stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from cds_service.clinical.record import Quantity
from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, SYSTEM_ALIASES
from cds_service.clinical.ucum import Amount, amount
from cds_service.fhir.reading import values
from cds_service.scenario_capture.disguise import OTHER_TYPE, UNREADABLE, Disguise
from cds_service.scenario_capture.vocabulary import CODE_SYSTEMS, TIMING_CODE, UNITS, WORDS

JsonObject = dict[str, Any]
Text = Callable[[str, Disguise], str]

LOCAL_SYSTEM = "urn:oid:2.999"
"""Stands for every other code system; it is the object identifier for examples."""
LEFT_OUT = "a text that was left out"
"""Stands for a text where one may say anything."""
_CODE_FORMS: Mapping[str, re.Pattern[str]] = {
    RXNORM: re.compile(r"[0-9]{1,8}"),
    SNOMED_CT: re.compile(r"[0-9]{6,18}"),
    LOINC: re.compile(r"(L[ALPG])?[0-9]{1,7}-[0-9]"),
    ICD_10_CM: re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?", re.IGNORECASE),
}
_NUMERAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_HTTP_STATUS = re.compile(r"([1-5][0-9]{2})( .*)?")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})


def _text(written: str, _: Disguise) -> str:
    """Keep a text that is a number or the abbreviation of a timing."""
    is_kept = _NUMERAL.fullmatch(written) or TIMING_CODE.fullmatch(written.upper())
    return written if is_kept else LEFT_OUT


def _word(written: str, _: Disguise) -> str:
    return written.strip() if written.strip() in WORDS else UNREADABLE


def _status(written: str, disguise: Disguise) -> str:
    """Keep a status, of the wrapper that old clients put round a resource its HTTP status."""
    http = _HTTP_STATUS.fullmatch(written)
    return http[1] if http else _word(written, disguise)


def _unit(written: str, _: Disguise) -> str:
    """Keep a unit of the list; another that counts pieces is named in our word for it."""
    if written in UNITS:
        return written
    found = amount(Quantity(value=Decimal(1), unit=written))
    return found.unit if isinstance(found, Amount) and found.value == 1 else UNREADABLE


def _code(written: str, disguise: Disguise) -> str:
    """Keep a code that stands outside a coding: a word, or the unit of a quantity."""
    word = _word(written, disguise)
    return _unit(written, disguise) if word == UNREADABLE else word


def _system(written: str, _: Disguise) -> str:
    system = written.strip()
    return system if system in CODE_SYSTEMS or _public(system) in _CODE_FORMS else LOCAL_SYSTEM


def _public(system: str) -> str:
    return SYSTEM_ALIASES.get(system, system)


def _day(written: str, disguise: Disguise) -> str:
    return disguise.day(written)


def _instant(written: str, disguise: Disguise) -> str:
    day = disguise.day(written)
    return day if day == UNREADABLE else f"{day}T12:00:00Z"


def _birth_day(written: str, disguise: Disguise) -> str:
    return disguise.birth_day(written)


def _reference(written: str, disguise: Disguise) -> str:
    return disguise.reference(written)


def _page(_written: str, _: Disguise) -> str:
    return "https://ehr.example.org/r4?page=other"


def _of_form(form: re.Pattern[str]) -> Text:
    return lambda written, _: written if form.fullmatch(written) else UNREADABLE


_TEXTS: Mapping[str, Text] = {
    **dict.fromkeys(("text", "valueString"), _text),
    **dict.fromkeys(
        ("clinicalStatus", "dayOfWeek", "intent", "mode", "periodUnit", "relation", "security",
         "severity", "type", "verificationStatus"),
        _word,
    ),
    **dict.fromkeys(
        ("abatementDateTime", "assertedDate", "authoredOn", "created", "effectiveDateTime", "end",
         "occurrenceDateTime", "onsetDateTime", "performedDateTime", "recordedDate", "start"),
        _day,
    ),
    **dict.fromkeys(("effectiveInstant", "issued"), _instant),
    **dict.fromkeys(("context", "encounter", "patient", "reference", "subject"), _reference),
    "birthDate": _birth_day,
    "code": _code,
    "comparator": lambda written, _: written if written in _COMPARATORS else UNREADABLE,
    "status": _status,
    "system": _system,
    "timeOfDay": _of_form(_CLOCK),
    "unit": _unit,
    "url": _page,
}  # fmt: skip
"""Elements that may hold text."""

_OTHERS = frozenset(
    {
        # objects
        "abatementPeriod", "boundsDuration", "boundsPeriod", "boundsRange", "category", "coding",
        "component", "concept", "contained", "courseOfTherapyType", "denominator",
        "dischargeDisposition", "dispenseRequest", "doseAndRate", "dosageInstruction",
        "doseQuantity", "doseRange", "effectivePeriod", "entry", "expectedSupplyDuration", "high",
        "hospitalization", "ingredient", "issue", "item", "itemCodeableConcept", "itemReference",
        "link", "low", "maxDosePerPeriod", "medication", "medicationCodeableConcept",
        "medicationReference", "meta", "numerator", "occurrencePeriod", "onsetPeriod", "period",
        "performedPeriod", "quantity", "rateQuantity", "rateRange", "rateRatio", "reasonCode",
        "repeat", "resource", "response", "search", "serviceType", "timing", "validityPeriod",
        "valueCodeableConcept", "valueQuantity",
        # numbers and booleans
        "abatementBoolean", "asNeededBoolean", "deceasedBoolean", "doNotPerform", "frequency",
        "frequencyMax", "isActive", "numberOfRepeatsAllowed", "periodMax", "sequence", "total",
        "value", "valueBoolean", "valueInteger",
    }
)  # fmt: skip
"""Elements that may hold objects, numbers or booleans."""

_NOTED = frozenset(
    {
        "abatementAge", "abatementRange", "abatementString", "dataAbsentReason",
        "deceasedDateTime", "modifierExtension", "valueDateTime", "valuePeriod", "valueRange",
        "valueRatio", "valueSampledData", "valueTime",
    }
)  # fmt: skip
"""Elements of which a case says only that they are there."""

_NAMES_A_DRUG = frozenset(
    {
        "medicationCodeableConcept", "medicationReference", "medication", "itemCodeableConcept",
        "itemReference", "item",
    }
)  # fmt: skip
_TYPES = frozenset(
    {
        "Bundle", "CarePlan", "Condition", "Encounter", "Medication", "MedicationRequest",
        "Observation", "OperationOutcome", "Patient", "Procedure", "ServiceRequest",
    }
)  # fmt: skip
"""Types that are read; a resource of any other keeps only whom it is about."""
_ALL: frozenset[str] = _NOTED | _OTHERS | _TEXTS.keys()
_BY_TYPE: Mapping[str, frozenset[str]] = {
    "Patient": frozenset(
        {"birthDate", "deceasedBoolean", "deceasedDateTime", "meta", "modifierExtension"}
    ),
    OTHER_TYPE: frozenset({"patient", "subject"}),
}


def cleaned(value: object, disguise: Disguise) -> object:
    """Return a resource, or what came under one prefetch key, without what may not be kept."""
    return _cleaned("resource", value, disguise, is_drug=False)


def cleaned_orders(orders: JsonObject, disguise: Disguise) -> JsonObject:
    """Return the orders of a context: a Bundle, which need not say so, or one bare resource."""
    return _object("entry", orders, disguise, is_drug=False)


def _cleaned(name: str, value: object, disguise: Disguise, *, is_drug: bool) -> object:
    if isinstance(value, list):
        return [_cleaned(name, member, disguise, is_drug=is_drug) for member in value]
    if name in _NOTED:
        return None if values.is_absent(value) else LEFT_OUT
    if isinstance(value, dict):
        if name in ("coding", "security"):
            return _coding(value, disguise, is_drug=is_drug)
        return _object(name, value, disguise, is_drug=is_drug or name in _NAMES_A_DRUG)
    if isinstance(value, str) and value:
        return _cleaned_text(name, value, disguise, is_drug=is_drug)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if values.number(value) is not None else -1
    return value


def _cleaned_text(name: str, value: str, disguise: Disguise, *, is_drug: bool) -> str:
    if is_drug and name in ("text", "display"):
        return disguise.drug_name(value)
    if name in _TEXTS:
        return _TEXTS[name](value, disguise)
    return value if _NUMERAL.fullmatch(value) else UNREADABLE


def _object(name: str, value: JsonObject, disguise: Disguise, *, is_drug: bool) -> JsonObject:
    """Clean the members of an object; of a resource (every one gets an id) by its type."""
    kind = value.get("resourceType")
    if not isinstance(kind, str) or not kind:
        if name == "resource" and not {"resource", "response"} & value.keys():
            return {}  # what names no type can be nothing that is read
        return _members(value, _ALL, disguise, is_drug=is_drug)
    if kind == "Bundle":
        return {"resourceType": kind, **_members(value, _ALL, disguise, is_drug=False)}
    kept = kind if kind in _TYPES else OTHER_TYPE
    named = {"resourceType": kept, "id": disguise.id(kept, values.text(value.get("id")))}
    allowed = _BY_TYPE.get(kept, _ALL)
    return named | _members(value, allowed, disguise, is_drug=kept == "Medication")


def _members(
    value: JsonObject, allowed: frozenset[str], disguise: Disguise, *, is_drug: bool
) -> JsonObject:
    return {
        name: _cleaned(name, part, disguise, is_drug=is_drug)
        for name, part in value.items()
        if name in allowed or (is_drug and name == "display")
    }


def _coding(value: JsonObject, disguise: Disguise, *, is_drug: bool) -> JsonObject:
    """Clean a coding: a code stays under a public system whose form it has; any other is local."""
    kept: JsonObject = {}
    for name, part in value.items():
        if name == "code":
            kept[name] = _coded(part, value.get("system"), disguise)
        elif name == "system" or (is_drug and name == "display"):
            kept[name] = _cleaned(name, part, disguise, is_drug=is_drug)
    return kept


def _coded(value: object, system: object, disguise: Disguise) -> str | None:
    code = values.code(value)
    if code is None:
        return None if values.is_absent(value) else UNREADABLE
    form = _CODE_FORMS.get(_public(values.text(system) or ""))
    is_known = form.fullmatch(code) is not None if form else code in WORDS
    is_timing = TIMING_CODE.fullmatch(code.upper()) is not None
    return code if is_known or is_timing else disguise.id("code", code)
