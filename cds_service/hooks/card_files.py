"""Reading `cards/`: the files become a `CardDeck`, or every fault in them is told, file and key.

A slip of the pen must never reach a clinician: whatever a text asks for must exist, whatever a rule
or the code tables can bring up must have words, and no text may say what cards never say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.rules import RULES
from cds_service.errors import KnowledgeError
from cds_service.hooks.card_checks import (
    card_faults,
    number_faults,
    resource_faults,
    taper_faults,
    word_faults,
)
from cds_service.hooks.cards import (
    CardDeck,
    CardTemplate,
    Link,
    OverrideReason,
    Paragraph,
    Sentence,
)
from cds_service.hooks.facts import CONDITIONS, FACTS, Condition
from cds_service.hooks.phrases import read_phrases
from cds_service.hooks.sheets import Sheet
from cds_service.hooks.suggestion_file import read_offers
from cds_service.hooks.suggestions import Offer
from cds_service.hooks.wording import markdown_text, plain_text

SHARED_FILES = ("shared", "phrases", "override-reasons", "suggestions", "never")

STANDARD_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
STANDARD_REASONS = (
    *("cds-not-applicable", "patient-ineligible", "indication-order-exists", "action-completed"),
    *("action-unsuccessful", "action-performed-no-adverse-effect", "action-not-priority"),
    *("cds-suboptimal-context", "limited-time", "wrong-time-workflow", "inappropriate-recipient"),
    *("need-more-info", "recipient-disagrees-evidence", "does-not-align-latest-evidence"),
    *("expert-contradicts", "policy-contradicts", "recipient-does-not-trust"),
    *("recipient-concerns-outcomes", "risk-benefit-ratio", "mitigate-risk-negative-outcome"),
    *("likely-negative-health-outcomes", "patient-contraindication"),
    *("does-not-align-preferences", "patient-fears-discomfort", "patient-does-not-want-change"),
    *("cultural-religious-reason", "prefers-alternative", "patient-refuses"),
    *("not-convenient-feasible", "inadequate-support", "service-not-available"),
    *("implementation-challenges", "too-costly-uncovered", "recipient-does-not-understand"),
    "comorbidity-disability",
)
"""Source: CDS Hooks 3.0.0, code system Non-Adherence Reason Codes."""


def load_cards(directory: Path | None = None, *, knowledge: Knowledge, public_url: str) -> CardDeck:
    """Load the cards of `directory`, by default those of the package.

    `public_url` is the address of this service as clients reach it, without a slash at its end.
    `fhir.resources` judges the offers of a directory that is named; those of the package have been
    judged by its tests, and are again by `cds-service check`. Raises KnowledgeError with every
    fault found; files that cannot be read are told alone, because the others lean on them.
    """
    faults: list[str] = []
    place = directory or packaged_cards()
    deck = _deck(
        _sheets(place, faults),
        knowledge,
        public_url=public_url.rstrip("/"),
        digest=_digest(place),
        faults=faults,
    )
    if directory is not None:
        faults += resource_faults(deck.offers)
    if faults:
        raise KnowledgeError(tuple(faults))
    return deck


def packaged_cards() -> Path:
    """Return the directory of the cards: inside the wheel, else beside the package."""
    package = Path(__file__).parents[1]
    inside = package / "cards"
    return inside if inside.is_dir() else package.parent / "cards"


def _sheets(directory: Path, faults: list[str]) -> Mapping[str, Sheet]:
    """Read every file, by its name. Raises KnowledgeError with each that cannot be read."""
    names = {path.stem for path in directory.glob("*.toml")}
    if not names:
        fault = (
            f"{directory}: holds no *.toml, so this is no directory of cards; let "
            "CDS_SERVICE_CARDS_DIRECTORY name a copy of the packaged one"
        )
        raise KnowledgeError((fault,))
    sheets: dict[str, Sheet] = {}
    unread: list[str] = []
    for name in sorted(names.union(SHARED_FILES)):
        try:
            sheets[name] = Sheet.of_file(directory / f"{name}.toml", faults)
        except KnowledgeError as error:
            unread += error.faults
    if unread:
        raise KnowledgeError(tuple(unread))
    return sheets


def _deck(
    sheets: Mapping[str, Sheet],
    knowledge: Knowledge,
    *,
    public_url: str,
    digest: str,
    faults: list[str],
) -> CardDeck:
    shared, reasons = sheets["shared"], sheets["override-reasons"]
    source = shared.sheet("source")
    offers, stand_ins = read_offers(sheets["suggestions"], knowledge)
    paragraphs = _paragraphs(shared.sheet("paragraphs"))
    citations = shared.words("citations")
    deck = CardDeck(
        public_url=public_url,
        digest=digest,
        source_label=source.word("label"),
        topic_system=source.word("topics"),
        explanation_label=shared.word("explanation_label"),
        links=tuple(_links(shared)),
        override_system=reasons.word("system"),
        override_standard_system=reasons.choice("standard_system", (STANDARD_SYSTEM,)) or "",
        override_reasons=tuple(_override_reasons(reasons)),
        phrases=read_phrases(sheets["phrases"], knowledge),
        cards=_cards(sheets, paragraphs, offers, faults),
        offers=(*offers.values(), *stand_ins),
    )
    never = _never(sheets["never"])
    for sheet in (source, shared, reasons):
        sheet.close()
    faults += card_faults(deck)
    faults += taper_faults(deck, knowledge)
    faults += number_faults(deck, citations)
    faults += word_faults(deck, knowledge, never)
    return deck


def _digest(directory: Path) -> str:
    """Return twelve hexadecimal digits over names and bytes: of the cards, and of `/about`."""
    digest = hashlib.sha256()
    for path in sorted([*directory.glob("*.toml"), *directory.glob("about/about.toml")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _cards(
    sheets: Mapping[str, Sheet],
    paragraphs: Mapping[str, Paragraph],
    offers: Mapping[str, Offer],
    faults: list[str],
) -> Mapping[str, CardTemplate]:
    """Read one card for each rule; a card of no rule is a fault as well."""
    rules = [rule.id for rule in RULES]
    faults += [f"{name}.toml: is missing" for name in rules if name not in sheets]
    faults += [
        f"{name}.toml: there is no such rule"
        for name in sheets
        if name not in rules and name not in SHARED_FILES
    ]
    return {name: _card(name, sheets[name], paragraphs, offers) for name in rules if name in sheets}


def _card(
    rule_id: str, sheet: Sheet, paragraphs: Mapping[str, Paragraph], offers: Mapping[str, Offer]
) -> CardTemplate:
    chosen = []
    for name in sheet.words("suggestions"):
        if name in offers:
            chosen.append(offers[name])
        else:
            sheet.fault("suggestions", f"there is no suggestion {name!r} to name here")
    card = CardTemplate(
        rule_id=rule_id,
        topic=sheet.word("topic"),
        summaries=_sentences(sheet, "summary", is_markdown=False),
        detail=tuple(_detail_part(part, paragraphs) for part in sheet.sheets("detail")),
        offers=tuple(chosen),
    )
    sheet.close()
    return card


def _detail_part(sheet: Sheet, paragraphs: Mapping[str, Paragraph]) -> Paragraph:
    """Read a paragraph, or find the shared one that is named."""
    if not sheet.has("paragraph"):
        return _paragraph(sheet)
    name = sheet.choice("paragraph", paragraphs)
    shared = paragraphs.get(name or "", Paragraph(heading=None, sentences=()))
    when = _condition(sheet)
    sheet.close()
    return shared if when is None else replace(shared, when=when)


def _paragraphs(sheet: Sheet) -> Mapping[str, Paragraph]:
    return {name: _paragraph(sheet.sheet(name)) for name in sheet.names()}


def _paragraph(sheet: Sheet) -> Paragraph:
    paragraph = Paragraph(
        heading=sheet.optional_word("heading"),
        sentences=_sentences(sheet, "sentences", is_markdown=True),
        when=_condition(sheet),
    )
    sheet.close()
    return paragraph


def _sentences(sheet: Sheet, key: str, *, is_markdown: bool) -> tuple[Sentence, ...]:
    """Read a list of texts, each bare or as a table with `text` and `when`."""
    sentences = []
    for number, item in enumerate(sheet.items(key), start=1):
        table = item if isinstance(item, dict) else {"text": item}
        part = Sheet(table, where=f"{sheet.where}: {key} {number}", faults=sheet.faults)
        text = part.text("text", markdown_text if is_markdown else plain_text)
        unknown = sorted(text.names - FACTS.keys())
        for name in unknown:
            part.fault("text", f"there is no value {name!r}; known are {', '.join(FACTS)}")
        when = _condition(part)
        if not unknown:
            sentences.append(Sentence(text=text, when=when))
        part.close()
    return tuple(sentences)


def _condition(sheet: Sheet) -> Condition | None:
    return CONDITIONS.get(sheet.choice("when", CONDITIONS) or "")


def _links(sheet: Sheet) -> list[Link]:
    links = []
    for part in sheet.sheets("links"):
        link = Link(label=part.word("label"), url=part.word("url"))
        if not link.url.startswith("https://"):
            part.fault("url", "must begin with https://")
        links.append(link)
        part.close()
    return links


def _override_reasons(sheet: Sheet) -> list[OverrideReason]:
    reasons: list[OverrideReason] = []
    for part in sheet.sheets("reason"):
        reason = OverrideReason(
            code=part.word("code"),
            display=part.word("display"),
            standard_code=part.choice("standard", STANDARD_REASONS) or "",
        )
        if any(reason.code == other.code for other in reasons):
            part.fault("code", f"{reason.code!r} is there twice")
        reasons.append(reason)
        part.close()
    return reasons


def _never(sheet: Sheet) -> Mapping[str, str]:
    """Return each forbidden text with the reason why."""
    never = {}
    for part in sheet.sheets("never"):
        why, texts = part.word("why"), part.words("texts")
        if not texts:
            part.fault("texts", "a list of at least one text is needed")
        never.update(dict.fromkeys(texts, why))
        part.close()
    sheet.close()
    return never
