"""The addresses of the service: what each asks of the parts, and what it answers.

Headers common to all answers, errors, and what is written down of a request are in `app`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

import orjson
from flask import Request, Response, g, request
from flask.globals import request_ctx

from cds_service.bootstrap import Installation
from cds_service.clinical.rules import Recommendation
from cds_service.decision_support import Advice, advise
from cds_service.errors import Overloaded, Unauthenticated, UnknownResource
from cds_service.feedback import read_feedback
from cds_service.fhir.client import FhirAccess, Refusal
from cds_service.hooks.catalogue import Service, discovery
from cds_service.hooks.protocol import HookRequest, read_request
from cds_service.store.cards import CardShown, record_cards
from cds_service.store.feedback import record_feedback
from cds_service.web.audit import AuditedCall, AuditFile
from cds_service.web.body import read_bytes, read_object, require_json
from cds_service.web.limits import Places, Rates, Shares
from cds_service.web.metrics import Metrics
from cds_service.web.notes import CallNote, hashed
from cds_service.web.trust import Caller

JSON = "application/json"
_FEEDBACK_LIMIT_BYTES = 1024 * 1024
_COMMENT_CHARACTERS = 2_000
_REFUSALS_PER_SECOND = 1.0
_REFUSALS_AT_ONCE = 60

Card = Mapping[str, object]


class Door(Protocol):
    """Whoever says who calls; raises Unauthenticated or Forbidden."""

    def caller(self, authorization: str | None, *, path: str) -> Caller: ...


@dataclass(frozen=True, kw_only=True)
class Views:
    """The views over one installation. `rates` None: development, where nobody is counted."""

    parts: Installation
    door: Door
    metrics: Metrics
    hook_places: Places
    shares: Shares
    issuer_count: Callable[[], int]
    feedback_places: Places
    rates: Rates | None
    audit: AuditFile | None
    is_draining: Callable[[], bool]

    def discovery(self) -> Response:
        """Answer GET /cds-services; a token is not asked for, unless the site wants that."""
        if self.parts.settings.authenticate_discovery:
            self._caller("discovery", call_note())
        return Response(self._discovery_body, mimetype=JSON)

    def hook_call(self, service_id: str) -> Response:
        """Answer POST /cds-services/{id}."""
        service = self._service(service_id)
        note = call_note()
        note.hook, note.service = service.hook, service.id
        with self.hook_places:
            with note.step("authenticate"):
                caller = self._caller("hook", note)
            with self.shares.of(caller.issuer.name, among=self.issuer_count()):
                with note.step("read"):
                    body = self._body(self.parts.settings.body_limit_bytes, note)
                    hook_request = read_request(body, service)
                note.hook_instance = hashed(hook_request.hook_instance)
                note.trigger = hook_request.trigger
                advice: Advice | None = None
                try:
                    advice = self._advice(hook_request, service, caller, note)
                finally:
                    self._audit_call(hook_request, caller, advice)
        seen = self._kept(advice, hook_request, caller, note)
        return Response(orjson.dumps({"cards": seen}), content_type=JSON)

    def feedback(self, service_id: str) -> Response:
        """Answer POST /cds-services/{id}/feedback; 200 only once all of it is committed."""
        service = self._service(service_id)
        note = call_note()
        note.hook, note.service = service.hook, service.id
        with self.feedback_places:
            caller = self._caller("feedback", note)
            entries = read_feedback(self._body(_FEEDBACK_LIMIT_BYTES, note))
            recorded = record_feedback(
                self.parts.store.engine,
                entries,
                issuer=caller.issuer.name,
                service_id=service.id,
                received_at=self.parts.now(),
                comment_characters=_COMMENT_CHARACTERS if self.parts.settings.keep_comments else 0,
            )
        for rule_id, outcome in recorded.new:
            self.metrics.record_feedback(rule_id, outcome)
        note.outcome = "feedback"
        return Response(b"{}", mimetype=JSON)

    def livez(self) -> Response:
        """Answer GET /livez: the process answers, which is all that it says."""
        return Response(b'{"status":"alive"}', mimetype=JSON)

    def readyz(self) -> Response:
        """Answer GET /readyz: rules are loaded, and the process is not about to end.

        Neither EHR nor database is looked at: their faults would become ours.
        """
        if self.is_draining():
            raise Overloaded("The service is about to end.", retry_after_seconds=1)
        version = self.parts.site.knowledge.version
        return Response(orjson.dumps({"status": "ready", "knowledge": version}), mimetype=JSON)

    @cached_property
    def _discovery_body(self) -> bytes:
        return orjson.dumps(discovery(self.parts.catalogue))

    @cached_property
    def _types_asked_for(self) -> frozenset[str]:
        """The types that may be written down: others are words of whoever sent them."""
        queries = (query for service in self.parts.catalogue for query in service.prefetch)
        return frozenset(query.resource_type for query in queries) | {"Medication"}

    @cached_property
    def _services(self) -> Mapping[str, Service]:
        return {service.id: service for service in self.parts.catalogue}

    def _service(self, service_id: str) -> Service:
        service = self._services.get(service_id)
        if service is None:
            raise UnknownResource("There is no such service; see /cds-services.")
        return service

    def _caller(self, kind: str, note: CallNote) -> Caller:
        asked = current_request()
        try:
            caller = self.door.caller(asked.headers.get("Authorization"), path=asked.path)
        except Unauthenticated as refusal:
            self._count_refusal(refusal)
            raise
        note.issuer, note.tenant = caller.issuer.name, caller.tenant
        g.caller = caller
        if caller.token_age_seconds is not None:
            self.metrics.record_token(caller.issuer.name, caller.token_age_seconds)
        settings = self.parts.settings
        if self.rates is not None:
            self.rates.take(
                f"{kind} {caller.issuer.name}",
                per_second=caller.issuer.rate_per_second or settings.rate_per_second,
                burst=caller.issuer.rate_burst or settings.rate_burst,
            )
        return caller

    def _count_refusal(self, refusal: Unauthenticated) -> None:
        """Slow down an address that keeps sending what is refused."""
        call_note().refusal = refusal.refusal
        if self.rates is not None:
            self.rates.take(
                f"address {request.remote_addr}",
                per_second=_REFUSALS_PER_SECOND,
                burst=_REFUSALS_AT_ONCE,
            )

    def _body(self, limit_bytes: int, note: CallNote) -> dict[str, object]:
        asked = current_request()
        require_json(
            content_type=asked.headers.get("Content-Type"),
            content_encoding=asked.headers.get("Content-Encoding"),
        )
        body = read_bytes(
            asked.environ["wsgi.input"],
            declared_length=asked.content_length,
            limit_bytes=limit_bytes,
        )
        note.bytes_in = len(body)
        return read_object(body)

    def _advice(
        self, hook_request: HookRequest, service: Service, caller: Caller, note: CallNote
    ) -> Advice:
        if not caller.issuer.looks_at(service.hook, trigger=hook_request.trigger):
            return Advice()
        return advise(
            hook_request,
            service,
            site=self.parts.site,
            fhir=self._fhir(hook_request, caller, note),
            as_of=self.parts.today(),
            use_labelled=caller.issuer.use_labelled,
            key_map=caller.issuer.prefetch_keys,
            step=note.step,
        )

    def _fhir(
        self, hook_request: HookRequest, caller: Caller, note: CallNote
    ) -> FhirAccess | Refusal:
        issuer = caller.issuer

        def observe(resource_type: str, outcome: str, seconds: float) -> None:
            note.count_fhir(resource_type, outcome)
            self.metrics.record_fhir(issuer.name, resource_type, outcome, seconds)

        return self.parts.fhir.access(
            hook_request.fhir_server,
            hook_request.access_token,
            may_call=lambda base: issuer.may_call(base, tenant=caller.tenant),
            observe=observe,
        )

    def _kept(
        self, advice: Advice, hook_request: HookRequest, caller: Caller, note: CallNote
    ) -> list[Card]:
        """Note and journal the cards, and return those that are to be seen."""
        issuer = caller.issuer
        pairs = tuple(zip(advice.cards, advice.recommendations, strict=True))
        seen = [card for card, rule in pairs if not issuer.is_silent(rule.rule_id)]
        note.rules = tuple(rule.rule_id for _, rule in pairs)
        note.card_count = len(seen)
        note.outcome = "cards" if seen else "silent" if pairs else "empty"
        if pairs:
            record_cards(
                (self._ledger_entry(card, rule, hook_request, caller) for card, rule in pairs),
                writer=self.parts.store.writer,
            )
        return seen

    def _ledger_entry(
        self, card: Card, rule: Recommendation, hook_request: HookRequest, caller: Caller
    ) -> CardShown:
        suggestions = cast("list[Mapping[str, str]]", card.get("suggestions", []))
        return CardShown(
            issuer=caller.issuer.name,
            card_uuid=str(card["uuid"]),
            service_id=hook_request.service_id,
            hook=hook_request.hook,
            rule_id=rule.rule_id,
            knowledge_version=self.parts.site.knowledge.version,
            shown_at=self.parts.now(),
            tenant=caller.tenant,
            user_reference=hook_request.user.reference if hook_request.user else None,
            is_silent=caller.issuer.is_silent(rule.rule_id),
            suggestions={each["uuid"]: each["label"] for each in suggestions},
        )

    def _audit_call(self, hook_request: HookRequest, caller: Caller, advice: Advice | None) -> None:
        if self.audit is None:
            return
        found = advice or Advice()
        user = hook_request.user if hook_request.may_see_cards else None
        pairs = zip(found.cards, found.recommendations, strict=True)
        self.audit.write(
            AuditedCall(
                recorded=self.parts.now(),
                request_number=call_note().number,
                hook=hook_request.hook,
                issuer=caller.issuer.name,
                tenant=caller.tenant,
                user_reference=user.reference if user else None,
                patient_id=hook_request.patient_id,
                succeeded=advice is not None,
                resources_read={
                    kind: count
                    for kind, count in found.resources_read.items()
                    if kind in self._types_asked_for
                },
                cards=tuple((str(card["uuid"]), rule.rule_id) for card, rule in pairs),
                knowledge=self.parts.site.knowledge.version,
            )
        )


def current_request() -> Request:
    """Return the request itself: each look through Flask's stand-in for it costs a microsecond."""
    return request_ctx.request


def call_note() -> CallNote:
    """Return the note of the request being answered."""
    return cast(CallNote, g.note)
