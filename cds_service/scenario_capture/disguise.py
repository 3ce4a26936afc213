"""What stands in for the ids, dates and words of one captured call: the same thing each time.

Ids become numbers in order of appearance, dates move by the same number of days, of a drug's name
only words remain that the knowledge has. Which element is what is said in `allow_list`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from cds_service.clinical.knowledge import Knowledge
from cds_service.fhir.reading.dates import Days, days

UNREADABLE = "unreadable"
"""Stands for a value that is there and is not of the form its element has."""
ANOTHER_DRUG = "another drug"
"""Stands for a name that no rule knows."""
OLDEST_AGE_YEARS = 90
"""Every age above stands as this one. Source: 45 CFR 164.514(b)(2)(i)(C)."""

_WORD = re.compile(r"[^\W_]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TYPES = frozenset(
    {
        "CarePlan",
        "Condition",
        "Device",
        "Encounter",
        "Group",
        "Location",
        "Medication",
        "MedicationRequest",
        "Observation",
        "Organization",
        "Patient",
        "Person",
        "Practitioner",
        "PractitionerRole",
        "Procedure",
        "RelatedPerson",
        "ServiceRequest",
    }
)
OTHER_TYPE = "Basic"
"""Stands for a type that no rule looks at."""
_BASE = "https://ehr.example.org/r4"


@dataclass(kw_only=True, slots=True)
class Disguise:
    """The stand-ins of one call, made on `as_of` and moved so that this day becomes `moved_to`.

    `time_zone` is the site's: it decides on which day a time falls. `drug_words` are in lower case.
    """

    as_of: date
    moved_to: date
    time_zone: ZoneInfo
    drug_words: frozenset[str]
    _ids: dict[str | None, str] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)

    def id(self, kind: str, written: str | None) -> str:
        """Return the new id of one of that kind: the same for the same id, one more for None."""
        key = written.lower() if written and _UUID.fullmatch(written) else written
        if key in self._ids:
            return self._ids[key]
        name = kind.lower() if kind in _TYPES else "item"
        self._seen[name] += 1
        new = f"{name}-{self._seen[name]}"
        if key is not None:
            self._ids[key] = new
        return new

    def reference(self, written: str) -> str:
        """Return the reference with new ids, in the form it had: relative, absolute, `#`, URN."""
        reference = written.strip()
        if not reference:
            return ""
        if reference.startswith("#"):
            return f"#{self.id('contained', reference[1:])}"
        if reference.startswith("urn:"):
            return f"urn:uuid:{self.id('other', reference.rsplit(':', 1)[1])}"
        before, _, id_ = reference.split("/_history/", 1)[0].rpartition("/")
        base, _, kind = before.rpartition("/")
        path = f"{type_name(kind)}/{self.id(kind, id_)}" if kind else self.id(kind, id_)
        return f"{_BASE}/{path}" if base else path

    def day(self, written: str) -> str:
        """Return the date moved, without its time of day; a month or a year stays one."""
        found = days(written, self.time_zone)
        moved = None if found is None else self._moved(found)
        if found is None or moved is None:
            return UNREADABLE
        if found.is_exact:
            return moved.isoformat()
        is_year = (found.earliest.month, found.latest.month) == (1, 12)
        return moved.isoformat()[: len("2026") if is_year else len("2026-11")]

    def birth_day(self, written: str) -> str:
        """Return a birth date that gives the same age in whole years, and says no more."""
        found = days(written, self.time_zone)
        if found is None or found.latest > self.as_of:
            return UNREADABLE
        born, today = found.latest, self.as_of
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        year = self.moved_to.year - min(age, OLDEST_AGE_YEARS)
        return self.moved_to.replace(year=year).isoformat()

    def drug_name(self, written: str) -> str:
        """Return the words of a drug's name that the knowledge has, or that it is another drug."""
        words = (word.lower() for word in _WORD.findall(written))
        return " ".join(word for word in words if word in self.drug_words) or ANOTHER_DRUG

    def _moved(self, found: Days) -> date | None:
        middle = found.earliest + (found.latest - found.earliest) // 2
        try:
            return middle + (self.moved_to - self.as_of)
        except OverflowError:
            return None


def type_name(written: str) -> str:
    """Return the name of a type that a call can speak of, else that of the type for all others."""
    return written if written in _TYPES else OTHER_TYPE


def drug_words(knowledge: Knowledge) -> frozenset[str]:
    """Return every word by which the knowledge tells a drug, or what it is taken for."""
    names = knowledge.names
    phrases = (phrase for found in names.phrases.values() for phrase, _ in found)
    groups = (word for group in names.not_counted for word in group.words | group.unless)
    return frozenset(
        {
            *names.words,
            *(word for phrase in phrases for word in phrase),
            *groups,
            *names.oud,
            *names.analgesic,
            *knowledge.benzodiazepine_names,
            *knowledge.naloxone_names,
        }
    )
