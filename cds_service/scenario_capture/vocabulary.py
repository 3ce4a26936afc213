"""The closed lists of words that may pass from a captured call into a case."""

from __future__ import annotations

import re

from cds_service.fhir.reading import care_events, conditions, observations, orders

_FHIR = "http://hl7.org/fhir/"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"

CODE_SYSTEMS = frozenset(
    {
        "http://unitsofmeasure.org",
        *(
            f"{_TERMINOLOGY}{name}"
            for name in (
                "condition-category",
                "condition-clinical",
                "condition-ver-status",
                "discharge-disposition",
                "dose-rate-type",
                "encounter-type",
                "medicationrequest-category",
                "medicationrequest-course-of-therapy",
                "observation-category",
                "v3-ActCode",
                "v3-Confidentiality",
                "v3-GTSAbbreviation",
                "v3-orderableDrugForm",
            )
        ),
        f"{_FHIR}condition-category",
        f"{_FHIR}condition-clinical",
        f"{_FHIR}condition-ver-status",
        f"{_FHIR}v3/GTSAbbreviation",
        f"{_FHIR}us/core/CodeSystem/condition-category",
    }
)

TIMING_CODE = re.compile(
    r"(QD|DAILY|AM|QAM|PM|QPM|BED|QHS|HS|BID|TID|QID|QOD|WK|QWK|MO|QMO|Q\d{1,3}(-\d{1,3})?[HD])"
    r"( ?PRN)?"
)

_CATEGORIES = {
    "community", "discharge", "encounter-diagnosis", "exam", "health-concern", "inpatient",
    "outpatient", "problem-list-item", "protective-factor", "sdoh", "social-history", "survey",
}  # fmt: skip
_LABELS = {
    "42CFRPart2", "BH", "ETH", "ETHUD", "MH", "N", "OPIOIDUD", "PSY", "PSYTHPN", "R", "SDV", "SUD",
    "V", "VIO",
}  # fmt: skip
_TIMES = {
    "s", "min", "h", "d", "wk", "mo", "a", "mon", "tue", "wed", "thu", "fri", "sat", "sun",
}  # fmt: skip
_BUNDLES = {
    "batch-response", "collection", "history", "searchset", "include", "match", "outcome",
    "first", "last", "next", "previous", "self",
}  # fmt: skip
_OUTCOMES = {
    "error", "fatal", "information", "success", "warning", "exception", "forbidden", "incomplete",
    "informational", "invalid", "login", "not-found", "not-supported", "processing", "security",
    "suppressed", "throttled", "timeout", "transient", "unknown",
}  # fmt: skip
_COURSES_AND_DOSES = {"acute", "calculated", "continuous", "ordered", "seasonal"}
_DISPOSITIONS = {"exp", "hosp", "home", "hospice", "other-hcf", "psy", "snf"}

WORDS = frozenset(
    {
        *orders.STATUSES,
        *orders.INTENTS,
        *conditions.CLINICAL_STATUSES,
        *conditions.VERIFICATION_STATUSES,
        *observations.STATUSES,
        *(word for shape in care_events.SHAPES.values() for word in shape.statuses),
        "directive",
        *_CATEGORIES,
        *_LABELS,
        *_TIMES,
        *_BUNDLES,
        *_OUTCOMES,
        *_COURSES_AND_DOSES,
        *_DISPOSITIONS,
    }
)
"""Codes of HL7's own lists that an element we read may hold; none of them tells of a person."""

_PIECES = (
    "1", "capsule", "each", "film", "lozenge", "patch", "pill", "spray", "suppository", "tablet",
    "TAB", "TBL", "CAP", "ORTAB", "ORCAP", "ERTAB", "ERCAP", "TPATCH",
)  # fmt: skip
_SHORT = ("cap", "pill", "tab", "tbl", "patch")
_MASSES = ("g", "mcg", "mg", "ug")

UNITS = frozenset(
    {
        *_PIECES,
        *(f"{piece}s" for piece in _PIECES),
        *(f"{{{piece}}}" for piece in (*_PIECES, *_SHORT)),
        *_SHORT,
        *_MASSES,
        *(f"{mass}/h" for mass in _MASSES),
        *(f"{mass}/hr" for mass in _MASSES),
        *(f"{mass}/d" for mass in _MASSES),
        *("mL", "ml", "L"),
        *("s", "min", "h", "d", "wk", "mo", "a"),
        *("second", "minute", "hour", "day", "week", "month", "year"),
        *("seconds", "minutes", "hours", "days", "weeks", "months", "years"),
        *("{score}", "{Score}", "score", "points"),
    }
)
