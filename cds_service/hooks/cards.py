"""Cards: the words of a rule filled in from an assessment, as CDS Hooks wants them.

`card_files` reads the words; `facts` says what they may ask of an assessment, `suggestions` what a
card offers. No text of the record reaches a card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from uuid import NAMESPACE_URL

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.rules import Recommendation
from cds_service.hooks.facts import FACTS, Condition
from cds_service.hooks.phrases import Phrases
from cds_service.hooks.protocol import HookRequest, JsonObject
from cds_service.hooks.suggestions import Offer, draft_resource, offers_for, visit_parts
from cds_service.hooks.uuids import uuids_of
from cds_service.hooks.wording import Text

[CDS_NAMESPACE] = uuids_of(["urn:cds-service:opioid-social-pain:card"], within=str(NAMESPACE_URL))
"""Root of the uuids of cards and suggestions; changing it orphans feedback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A text and, perhaps, the condition under which it is said."""

    text: Text
    when: Condition | None = None

    def said(self, assessment: Assessment, phrases: Phrases) -> str | None:
        """Return the sentence; None when it does not apply or a value it needs is not known."""
        if self.when is not None and not self.when(assessment):
            return None
        shown = self.text.shown
        values: list[str] = []
        for name in self.text.holes:
            value = FACTS[name].of(assessment, phrases)
            if value is None:
                return None
            values.append(shown(value))
        return self.text.pattern % tuple(values)


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Sentences under a heading, perhaps said under a condition only."""

    heading: str | None
    sentences: tuple[Sentence, ...]
    when: Condition | None = None

    def said(self, assessment: Assessment, phrases: Phrases) -> str | None:
        """Return the paragraph; None when it does not apply or none of its sentences does."""
        if self.when is not None and not self.when(assessment):
            return None
        if self._fixed is not None:
            return self._fixed
        said = [sentence.said(assessment, phrases) for sentence in self.sentences]
        return self._under_heading([sentence for sentence in said if sentence is not None])

    @cached_property
    def _fixed(self) -> str | None:
        """The paragraph, where no sentence of it depends on anything; else None."""
        if any(sentence.when or sentence.text.holes for sentence in self.sentences):
            return None
        return self._under_heading([sentence.text.filled({}) for sentence in self.sentences])

    def _under_heading(self, said: list[str]) -> str | None:
        body = " ".join(said)
        return (f"**{self.heading}:** {body}" if self.heading else body) if body else None


@dataclass(frozen=True, kw_only=True, slots=True)
class CardTemplate:
    """The words of one rule. The last of `summaries` can always be said."""

    rule_id: str
    topic: str
    summaries: tuple[Sentence, ...]
    detail: tuple[Paragraph, ...]
    offers: tuple[Offer, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideReason:
    """Why a card may be set aside; `standard_code` is the nearest code of CDS Hooks 3.0."""

    code: str
    display: str
    standard_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link that leads to the same page for everybody."""

    label: str
    url: str


@dataclass(frozen=True, kw_only=True)
class CardDeck:
    """All cards of one edition.

    `digest` changes with any byte of any file they came from, or of the words of `/about`.
    `offers` are all that any card may make, stand-ins included.
    """

    public_url: str
    digest: str
    source_label: str
    topic_system: str
    links: tuple[Link, ...]
    explanation_label: str
    override_system: str
    override_standard_system: str
    override_reasons: tuple[OverrideReason, ...]
    phrases: Phrases
    cards: Mapping[str, CardTemplate]
    offers: tuple[Offer, ...]

    def render(
        self, recommendation: Recommendation, assessment: Assessment, request: HookRequest
    ) -> dict[str, object]:
        """Return the card of a recommendation, as JSON-like data without null or empty values.

        The same call always gets the same card, uuids included. What all cards of a rule have in
        common is one object in all of them: read it, do not change it.
        """
        template = self.cards[recommendation.rule_id]
        fixed = self._fixed_parts[recommendation.rule_id]
        name = f"{request.hook_instance} {request.service_id} {template.rule_id}"
        [card_uuid] = uuids_of([name], within=CDS_NAMESPACE)
        suggestions = _suggestions(template, card_uuid, assessment, request)
        card: dict[str, object] = {
            "uuid": card_uuid,
            "summary": self._summary(template.summaries, assessment),
            "indicator": recommendation.indicator,
            "detail": self._detail(template.detail, assessment),
            "source": fixed.source,
        }
        if suggestions:
            card["suggestions"] = suggestions
            card["selectionBehavior"] = "any"
        card["overrideReasons"] = fixed.override_reasons
        card["links"] = fixed.links
        return card

    def _summary(self, summaries: Iterable[Sentence], assessment: Assessment) -> str:
        said = (sentence.said(assessment, self.phrases) for sentence in summaries)
        return next(sentence for sentence in said if sentence is not None)

    def _detail(self, detail: Iterable[Paragraph], assessment: Assessment) -> str:
        said = [paragraph.said(assessment, self.phrases) for paragraph in detail]
        return "\n\n".join([paragraph for paragraph in said if paragraph is not None])

    @cached_property
    def _fixed_parts(self) -> Mapping[str, _FixedParts]:
        """What the cards of a rule say about themselves, by rule: made once for all calls."""
        reasons: list[JsonObject] = [
            {"code": reason.code, "system": self.override_system, "display": reason.display}
            for reason in self.override_reasons
        ]
        return {
            name: _FixedParts(self._source(template), reasons, self._links(template))
            for name, template in self.cards.items()
        }

    def _source(self, template: CardTemplate) -> JsonObject:
        return {
            "label": self.source_label,
            "url": f"{self.public_url}/about",
            "topic": {
                "system": self.topic_system,
                "code": template.rule_id,
                "display": template.topic,
            },
        }

    def _links(self, template: CardTemplate) -> list[JsonObject]:
        about = f"{self.public_url}/about#{template.rule_id}"
        return [
            {"label": link.label, "url": link.url, "type": "absolute"}
            for link in (*self.links, Link(label=self.explanation_label, url=about))
        ]


class _FixedParts(NamedTuple):
    """What is the same on every card of a rule."""

    source: JsonObject
    override_reasons: list[JsonObject]
    links: list[JsonObject]


def _suggestions(
    template: CardTemplate, card_uuid: str, assessment: Assessment, request: HookRequest
) -> list[dict[str, object]]:
    offers = offers_for(template.offers, assessment=assessment, request=request)
    uuids = uuids_of([offer.id for offer in offers], within=card_uuid)
    visit = visit_parts(
        patient_id=request.patient_id,
        encounter_id=request.encounter_id,
        requester=None if request.user is None else request.user.reference,
    )
    return [
        {
            "label": offer.label,
            "uuid": uuid,
            "actions": [
                {
                    "type": "create",
                    "description": offer.label,
                    "resource": draft_resource(offer, visit, day=assessment.as_of),
                }
            ],
        }
        for offer, uuid in zip(offers, uuids, strict=True)
    ]
