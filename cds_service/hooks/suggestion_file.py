"""Reading `cards/suggestions.toml`: each table becomes an `Offer`, or its faults are told."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import RXNORM, Coding, coding
from cds_service.codes import code_fault
from cds_service.hooks.facts import CONDITIONS
from cds_service.hooks.sheets import Sheet
from cds_service.hooks.suggestions import Offer, ResourceType
from cds_service.hooks.wording import plain_text

RESOURCE_TYPES = ("MedicationRequest", "ServiceRequest")
LONGEST_WAIT_WEEKS = 52
_SYSTEM = re.compile(r"(?:https?://|urn:)\S+")


def read_offers(
    sheet: Sheet, knowledge: Knowledge
) -> tuple[Mapping[str, Offer], tuple[Offer, ...]]:
    """Return the offers a card can name, by id, and the stand-ins that are part of them."""
    offers: dict[str, Offer] = {}
    stand_ins: defaultdict[str, list[Offer]] = defaultdict(list)
    ids: set[str] = set()
    for part in sheet.sheets("suggestion"):
        offer = _offer(part, knowledge)
        instead_of = part.optional_word("instead_of")
        part.close()
        if offer.id in ids:
            part.fault("id", f"{offer.id!r} is there twice")
        ids.add(offer.id)
        if (instead_of is None) is bool(offer.domains):
            part.fault("instead_of", "belongs together with domains")
        if instead_of is None:
            offers[offer.id] = offer
        else:
            stand_ins[instead_of].append(offer)
    for name in sorted(stand_ins.keys() - offers.keys()):
        sheet.fault("instead_of", f"there is no suggestion {name!r} to stand in for")
    sheet.close()
    complete = {
        name: replace(offer, stand_ins=tuple(stand_ins.get(name, ())))
        for name, offer in offers.items()
    }
    return complete, tuple(offer for group in stand_ins.values() for offer in group)


def _offer(sheet: Sheet, knowledge: Knowledge) -> Offer:
    resource_type = sheet.word("resource")
    if resource_type not in RESOURCE_TYPES:
        sheet.fault("resource", f"must be one of {', '.join(RESOURCE_TYPES)}")
    weeks = _weeks(sheet)
    own = _own_coding(sheet, resource_type, knowledge)
    return Offer(
        id=sheet.word("id"),
        label=_label(sheet, weeks),
        resource_type=cast(ResourceType, resource_type),
        coding=own,
        display=sheet.optional_word("display"),
        met_by=_met_by(sheet, own, knowledge),
        when=CONDITIONS.get(sheet.choice("when", CONDITIONS) or ""),
        is_screen=sheet.switch("is_screen"),
        due_in_weeks=weeks,
        domains=_domains(sheet, knowledge),
    )


def _label(sheet: Sheet, weeks: int | None) -> str:
    label = sheet.text("label", plain_text)
    known = {"weeks"} if sheet.has("due_in_weeks") else set()
    for name in sorted(label.names - known):
        hint = "; due_in_weeks gives it" if name == "weeks" else ""
        sheet.fault("label", f"there is no value {name!r} here{hint}")
    values = {} if weeks is None else {"weeks": weeks}
    return label.filled(values) if label.names <= values.keys() else label.source


def _weeks(sheet: Sheet) -> int | None:
    weeks = sheet.value("due_in_weeks")
    if weeks is None:
        return None
    if type(weeks) is int and 1 <= weeks <= LONGEST_WAIT_WEEKS:
        return weeks
    sheet.fault("due_in_weeks", f"must be a whole number from 1 to {LONGEST_WAIT_WEEKS}")
    return None


def _domains(sheet: Sheet, knowledge: Knowledge) -> frozenset[str]:
    table = knowledge.social_pain
    known = {row.domain for row in (*table.exact.values(), *table.descendants.values())}
    domains = frozenset(sheet.words("domains"))
    for name in sorted(domains - known):
        sheet.fault("domains", f"no code table knows the domain {name!r}")
    return domains


def _own_coding(sheet: Sheet, resource_type: str, knowledge: Knowledge) -> Coding | None:
    system, code = sheet.optional_word("system"), sheet.optional_word("code")
    if (system is None) is not (code is None):
        sheet.fault("code", "belongs together with system")
    if system is not None and not _SYSTEM.fullmatch(system):
        sheet.fault("system", f"{system!r} is no code system's address, as http://snomed.info/sct")
    own = None if system is None or code is None else _possible(sheet, "code", system, code)
    if resource_type == "MedicationRequest" and not _is_naloxone(own, knowledge):
        sheet.fault(
            "code", "the only drug that may be offered is naloxone, by an RxNorm code of it"
        )
    return own


def _is_naloxone(own: Coding | None, knowledge: Knowledge) -> bool:
    return own is not None and own.system == RXNORM and own.code in knowledge.naloxone


def _met_by(sheet: Sheet, own: Coding | None, knowledge: Knowledge) -> frozenset[Coding]:
    """Return every coding that makes the offer needless; for naloxone, any product of it."""
    listed = sheet.words("met_by")
    if own is None:
        if listed:
            sheet.fault("met_by", "needs a code of its own in the same system")
        return frozenset()
    others = {_possible(sheet, "met_by", own.system, code) for code in listed}
    if own.system == RXNORM:
        others |= {coding(RXNORM, code) for code in knowledge.naloxone}
    return frozenset({own, *others})


def _possible(sheet: Sheet, key: str, system: str, code: str) -> Coding:
    """Return the coding that stands at the key; one that its system cannot have is a fault."""
    found = coding(system, code)
    fault = code_fault(found)
    if fault is not None:
        sheet.fault(key, fault)
    return found
