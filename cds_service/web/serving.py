"""Starting the service: the parts, the door, the sinks, the application and the server.

The order matters: whatever is wrong with the configuration shows before anything listens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import requests
from flask import Flask

from cds_service.bootstrap import Installation, authorities, compose
from cds_service.errors import ConfigurationError, MalformedRequest
from cds_service.fhir.exchange import exchange
from cds_service.fhir.transport import deadline_session
from cds_service.issuers import Issuer
from cds_service.settings import Settings
from cds_service.web.app import create_app
from cds_service.web.audit import AuditFile
from cds_service.web.body import read_object
from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import fixture_resources
from cds_service.web.demo.try_page import try_page_blueprint
from cds_service.web.key_sets import JsonObject, KeySet, fetch_all
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.notes import Span
from cds_service.web.server import Server
from cds_service.web.tracing import tracing_to
from cds_service.web.trust import OpenDoor, Trust
from cds_service.web.views import Door

_KEY_SET_SECONDS = 2.0
_FETCH_ALL_SECONDS = 2.5
_KEY_SET_BYTES = 64 * 1024
_KEY_SET_LEVELS = 8


def serve(settings: Settings, *, announce: Callable[[Installation, int], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    `announce` is called with the installation and the port once the service listens. Raises
    ConfigurationError or KnowledgeError before it does.
    """
    log = Log()
    log.take_libraries()
    metrics = Metrics()
    draining = threading.Event()
    with ExitStack() as ending:
        parts = compose(settings, on_loss=metrics.record_loss)
        ending.callback(parts.close)
        key_sets = _key_sets(parts)
        app = create_app(
            parts,
            door=_door(parts, key_sets),
            metrics=metrics,
            log=log,
            audit=_audit(settings, ending),
            span=_span(settings, ending),
            is_draining=draining.is_set,
        )
        if settings.demo_patients is not None:
            _add_demo(app, parts, settings.demo_patients)
        server = Server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            connection_limit=settings.connection_limit,
        )
        _publish(metrics, parts, key_sets)
        if not parts.is_development:
            fetch_all((keys for _, keys in key_sets.values()), at_most_seconds=_FETCH_ALL_SECONDS)
        digest = parts.site.knowledge.digest
        log.event("started", parts.now(), knowledge=digest, port=server.port)
        announce(parts, server.port)
        server.run(on_drain=lambda: _begin_draining(draining, log, parts.now()))
    log.event("stopped", parts.now())


def _begin_draining(draining: threading.Event, log: Log, at: datetime) -> None:
    draining.set()
    log.event("draining", at)


def _audit(settings: Settings, ending: ExitStack) -> AuditFile | None:
    if settings.audit_file is None or settings.audit_key is None:
        return None
    audit = AuditFile(settings.audit_file, key=settings.audit_key)
    ending.callback(audit.close)
    return audit


def _span(settings: Settings, ending: ExitStack) -> Span | None:
    if settings.trace_endpoint is None:
        return None
    tracing = tracing_to(settings.trace_endpoint)
    ending.callback(tracing.close)
    return tracing.span


def _add_demo(app: Flask, parts: Installation, patients: Path) -> None:
    if not parts.is_development:
        raise ConfigurationError(
            "CDS_SERVICE_DEMO_PATIENTS: is for development mode, without issuers"
        )
    if not patients.is_dir():
        raise ConfigurationError("CDS_SERVICE_DEMO_PATIENTS: must be a directory")
    today = parts.today()
    app.register_blueprint(fhir_blueprint(patients, today))
    app.register_blueprint(try_page_blueprint(parts, fixture_resources(patients, today=today)))


def _door(parts: Installation, key_sets: Mapping[str, tuple[Issuer, KeySet]]) -> Door:
    if parts.is_development:
        return OpenDoor(parts.issuers[0])

    def is_first(token_hash: str, *, expires_at: float) -> bool:
        return parts.store.seen_tokens.first_seen(
            token_hash, expires_at=datetime.fromtimestamp(expires_at, UTC), now=parts.now()
        )

    return Trust(
        key_sets,
        public_url=parts.settings.address,
        is_first=is_first,
        now=lambda: parts.now().timestamp(),
    )


def _key_sets(parts: Installation) -> Mapping[str, tuple[Issuer, KeySet]]:
    """Return each issuer with its keys, by the `iss` of its tokens; nothing is fetched yet."""
    session = deadline_session(verify=authorities(parts.settings), connections=1)
    return {
        issuer.issuer: (
            issuer,
            KeySet(partial(_document, issuer, session), monotonic=time.monotonic),
        )
        for issuer in parts.issuers
    }


def _document(issuer: Issuer, session: requests.Session) -> JsonObject | None:
    """Return the issuer's key set as it is now, from its file if it has one; None if unreadable."""
    if issuer.key_set_file is not None:
        try:
            return read_object(issuer.key_set_file.read_bytes())
        except (OSError, MalformedRequest):
            return None
    deadline = time.monotonic() + _KEY_SET_SECONDS
    return exchange(
        session,
        str(issuer.key_set_url),
        token=None,
        seconds_left=lambda: deadline - time.monotonic(),
        most_bytes=_KEY_SET_BYTES,
        most_levels=_KEY_SET_LEVELS,
    ).body


def _publish(
    metrics: Metrics, parts: Installation, key_sets: Mapping[str, tuple[Issuer, KeySet]]
) -> None:
    """Add what is read only when Prometheus asks, and open the port of the metrics."""

    def ages() -> Mapping[str, float]:
        known = ((issuer.name, keys.age_seconds) for issuer, keys in key_sets.values())
        return {name: age for name, age in known if age is not None}

    def open_circuits() -> Mapping[str, float]:
        bases = parts.fhir.open_circuits()
        return {
            issuer.name: sum(
                any(issuer.may_call(base, tenant=t) for t in (None, *issuer.tenants))
                for base in bases
            )
            for issuer in parts.issuers
        }

    def degraded() -> Mapping[str, float]:
        return {"ledger": float(parts.store.writer.is_degraded)}

    metrics.watch("cds_jwks_age_seconds", "Age of the key set.", ages, label="issuer")
    metrics.watch("cds_circuit_open", "FHIR bases not called now.", open_circuits, label="issuer")
    metrics.watch("cds_store_degraded", "Whether writing fails.", degraded, label="store")
    if parts.settings.metrics_port:
        metrics.serve(host=parts.settings.metrics_host, port=parts.settings.metrics_port)
