"""Cards: the words of a rule filled in from an assessment, as CDS Hooks wants them.

`card_files` reads the words; `facts` says what they may ask of an assessment, `suggestions` what a
card offers. No text of the record reaches a card.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.rules import Recommendation
from cds_service.hooks.facts import FACTS, Condition
from cds_service.hooks.phrases import Phrases
from cds_service.hooks.protocol import HookRequest
from cds_service.hooks.suggestions import Offer, draft_resource, offers_for
from cds_service.hooks.wording import Text, Value

CDS_NAMESPACE = uuid5(NAMESPACE_URL, "urn:cds-service:opioid-social-pain:card")
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
        if not self.text.names:
            return self.text.filled({})
        values: dict[str, Value] = {}
        for name in self.text.names:
            value = FACTS[name].of(assessment, phrases)
            if value is None:
                return None
            values[name] = value
        return self.text.filled(values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paragraph:
    """Sentences under a heading, perhaps said under a condition only."""

    heading: str | None
    sentences: tuple[Sentence, ...]
    when: Condition | None = None

    def said(self, assessment: Assessment, phrases: Phrases) -> str | None:
        """Return the paragraph; None when it does not apply or none of its sentences does."""
        if self.when is not None and not self.when(assessment):
            return None
        said = (sentence.said(assessment, phrases) for sentence in self.sentences)
        body = " ".join(sentence for sentence in said if sentence is not None)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CardDeck:
    """All cards of one edition.

    `digest` changes with any byte of any file they came from. `offers` are all that any card may
    make, stand-ins included.
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

        The same call always gets the same card, uuids included.
        """
        template = self.cards[recommendation.rule_id]
        card_uuid = self._card_uuid(request, template.rule_id)
        suggestions = self._suggestions(template, card_uuid, assessment, request)
        card: dict[str, object] = {
            "uuid": str(card_uuid),
            "summary": self._summary(template.summaries, assessment),
            "indicator": recommendation.indicator,
            "detail": self._detail(template.detail, assessment),
            "source": self._source(template),
        }
        if suggestions:
            card["suggestions"] = suggestions
            card["selectionBehavior"] = "any"
        card["overrideReasons"] = [
            {"code": reason.code, "system": self.override_system, "display": reason.display}
            for reason in self.override_reasons
        ]
        card["links"] = [
            {"label": link.label, "url": link.url, "type": "absolute"}
            for link in (*self.links, self._explanation(template))
        ]
        return card

    def _card_uuid(self, request: HookRequest, rule_id: str) -> UUID:
        return uuid5(CDS_NAMESPACE, f"{request.hook_instance} {request.service_id} {rule_id}")

    def _summary(self, summaries: Iterable[Sentence], assessment: Assessment) -> str:
        said = (sentence.said(assessment, self.phrases) for sentence in summaries)
        return next(sentence for sentence in said if sentence is not None)

    def _detail(self, detail: Iterable[Paragraph], assessment: Assessment) -> str:
        said = (paragraph.said(assessment, self.phrases) for paragraph in detail)
        return "\n\n".join(paragraph for paragraph in said if paragraph is not None)

    def _source(self, template: CardTemplate) -> dict[str, object]:
        return {
            "label": self.source_label,
            "url": f"{self.public_url}/about",
            "topic": {
                "system": self.topic_system,
                "code": template.rule_id,
                "display": template.topic,
            },
        }

    def _explanation(self, template: CardTemplate) -> Link:
        return Link(label=self.explanation_label, url=f"{self.public_url}/about#{template.rule_id}")

    def _suggestions(
        self,
        template: CardTemplate,
        card_uuid: UUID,
        assessment: Assessment,
        request: HookRequest,
    ) -> list[dict[str, object]]:
        return [
            {
                "label": offer.label,
                "uuid": str(uuid5(card_uuid, offer.id)),
                "actions": [
                    {
                        "type": "create",
                        "description": offer.label,
                        "resource": draft_resource(
                            offer,
                            day=assessment.as_of,
                            patient_id=request.patient_id,
                            encounter_id=request.encounter_id,
                            requester=None if request.user is None else request.user.reference,
                        ),
                    }
                ],
            }
            for offer in offers_for(template.offers, assessment=assessment, request=request)
        ]
