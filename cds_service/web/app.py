"""The Flask application over one installation: routes, common headers, errors, and the notes.

Every answer that is no success is an OperationOutcome with a request number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

from cds_service.bootstrap import Installation
from cds_service.errors import RequestError, RuleFailed, Unauthenticated, WrongMethod
from cds_service.issuers import SANDBOX_ISSUER
from cds_service.web.about import AboutPage
from cds_service.web.audit import AuditFile
from cds_service.web.cors import Cors
from cds_service.web.limits import Places, Rates, Shares
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.notes import CallNote, Span, failure_position
from cds_service.web.outcomes import FHIR_JSON, error_body, issue_code, outcome_body, plain_text
from cds_service.web.views import JSON, Door, Views, call_note

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_COMMON_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
_LOOPBACK_HOSTS = ["localhost", "127.0.0.1"]  # of IPv6 addresses Werkzeug trusts none


class _Application(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Take every function as it is: none is asynchronous, and Flask asks in every call."""
        return func


def create_app(
    parts: Installation,
    *,
    door: Door,
    metrics: Metrics,
    log: Log,
    audit: AuditFile | None = None,
    span: Span | None = None,
    is_draining: Callable[[], bool] = lambda: False,
    issuer_count: Callable[[], int] = lambda: 1,
) -> Flask:
    """Build the application; `door` says who calls, `span` opens a span of a trace.

    `is_draining` says that the process is about to end, and no longer ready, `issuer_count` how
    many may call.
    """
    settings = parts.settings
    app = _Application("cds_service", static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    views = Views(
        parts=parts,
        door=door,
        metrics=metrics,
        hook_places=Places(settings.in_flight_limit),
        shares=Shares(settings.in_flight_limit),
        issuer_count=issuer_count,
        feedback_places=Places(settings.feedback_in_flight_limit),
        rates=None if parts.is_development else Rates(monotonic=time.monotonic),
        audit=audit,
        is_draining=is_draining,
    )
    metrics.watch(
        "cds_inflight",
        "Calls worked on.",
        label="kind",
        reading=lambda: {"hook": views.hook_places.taken, "feedback": views.feedback_places.taken},
    )
    _add_routes(app, views, AboutPage(parts))
    _take_notes(app, metrics, log, span=span, now=parts.now)
    _answer_preflights(app)
    _answer_errors(app)
    app.wsgi_app = _with_common_headers(app.wsgi_app, _cors(parts))  # type: ignore[assignment]
    if parts.is_development:
        app.config["TRUSTED_HOSTS"] = _LOOPBACK_HOSTS
    if settings.proxy_hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxy_hops, x_proto=0, x_host=0
        )
    return app


def _add_routes(app: Flask, views: Views, about: AboutPage) -> None:
    routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
        ("/cds-services", "GET", views.discovery),
        ("/cds-services/<service_id>", "POST", views.hook_call),
        ("/cds-services/<service_id>/feedback", "POST", views.feedback),
        # A discovery address typed with a slash at its end leads clients to two of them.
        ("/cds-services//<service_id>", "POST", views.hook_call),
        ("/cds-services//<service_id>/feedback", "POST", views.feedback),
        ("/about", "GET", about.answer),
        ("/livez", "GET", views.livez),
        ("/readyz", "GET", views.readyz),
    )
    for path, method, view in routes:
        app.add_url_rule(path, path, view, methods=[method], provide_automatic_options=False)


def _take_notes(
    app: Flask, metrics: Metrics, log: Log, *, span: Span | None, now: Callable[[], datetime]
) -> None:
    """Open a note before each request, and hand it to log and metrics when it is answered."""

    @app.before_request
    def open_note() -> None:
        rule = request.url_rule
        g.note = CallNote(span=span, route="other" if rule is None else rule.rule)

    @app.after_request
    def close_note(response: Response) -> Response:
        note = call_note()
        note.status = response.status_code
        note.bytes_out = response.content_length or 0
        metrics.record_request(note)
        log.request(note, now())
        return response


def _answer_preflights(app: Flask) -> None:
    @app.before_request
    def answer_preflight() -> Response | None:
        refusal = request.routing_exception
        if not isinstance(refusal, MethodNotAllowed) or request.method != "OPTIONS":
            return None
        response = Response(b"", mimetype=JSON)
        response.headers["Allow"] = ", ".join(sorted({*(refusal.valid_methods or ()), "OPTIONS"}))
        return response


def _with_common_headers(application: WSGIApplication, cors: Cors) -> WSGIApplication:
    """Add to every answer what it does not say itself, at the cost of a few comparisons."""

    def with_headers(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_preflight = environ["REQUEST_METHOD"] == "OPTIONS"
        origin = environ.get("HTTP_ORIGIN")
        common = (*_COMMON_HEADERS, *cors.headers(origin, is_preflight=is_preflight))

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            said = {name for name, _ in headers}
            headers += [pair for pair in common if pair[0] not in said]
            return start_response(status, headers, *more)

        return application(environ, start)

    return with_headers


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(RequestError)
    def answer_ours(error: RequestError) -> Response:
        note = call_note()
        note.outcome = error.issue_code
        response = Response(
            error_body(error, note.number), status=error.status, content_type=FHIR_JSON
        )
        if isinstance(error, Unauthenticated):
            response.headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, WrongMethod):
            response.headers["Allow"] = ", ".join(error.allowed)
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    @app.errorhandler(HTTPException)
    def answer_http(error: HTTPException) -> Response:
        response = _outcome(error.code or 500)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def answer_failure(error: Exception) -> Response:
        note = call_note()
        bug: BaseException | None = error
        if isinstance(error, RuleFailed):
            note.failed_rule, bug = error.rule_id, error.__cause__
        note.failed_at = failure_position(bug or error)
        caller = g.get("caller")
        response = _outcome(500)
        if caller is not None and caller.issuer.answers_failure_empty and note.hook_instance:
            note.outcome = "exception-answered-empty"
            return Response(b'{"cards":[]}', mimetype=JSON)
        return response


def _outcome(status: int) -> Response:
    note = call_note()
    note.outcome = issue_code(status)
    body = outcome_body(code=note.outcome, text=plain_text(status), request_number=note.number)
    return Response(body, status=status, content_type=FHIR_JSON)


def _cors(parts: Installation) -> Cors:
    settings = parts.settings
    sandbox = (SANDBOX_ISSUER,) if settings.trust_sandbox else ()
    return Cors((*settings.cors_origins, *sandbox), opens_loopback=parts.is_development)
