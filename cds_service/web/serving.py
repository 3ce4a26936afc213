"""Starting the service: the parts, the door, the sinks, the application and the server.

The order matters: whatever is wrong with the configuration shows before anything listens.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from flask import Flask

from cds_service.bootstrap import Installation, authorities, compose, now
from cds_service.errors import ConfigurationError
from cds_service.issuers import Issuer
from cds_service.settings import Settings
from cds_service.store.database import check_database, database_name
from cds_service.web.app import create_app
from cds_service.web.audit import AuditFile, check_audit_file
from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import Resource, fixture_resources
from cds_service.web.demo.try_page import try_page_blueprint
from cds_service.web.listening import METRICS, listening_socket
from cds_service.web.logs import Log
from cds_service.web.metrics import Metrics
from cds_service.web.notes import Span
from cds_service.web.register import Register, check_key_set_files
from cds_service.web.server import Server
from cds_service.web.tracing import tracing_to
from cds_service.web.trust import OpenDoor, Trust
from cds_service.web.views import Door


def serve(settings: Settings, *, announce: Callable[[Installation, int], None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the issuers again.

    `announce` is called with the installation and the port once the service listens. Raises
    ConfigurationError or KnowledgeError before it does.
    """
    log = Log()
    log.take_libraries()
    metrics = Metrics()
    draining = threading.Event()
    with ExitStack() as ending:
        hung_up = ending.enter_context(_hangups())
        parts = compose(settings, on_loss=metrics.record_loss)
        ending.callback(parts.close)
        if parts.store.is_new:
            made = database_name(settings.database_url)
            log.event("database-made", parts.now(), level="warning", database=made)
        register = Register(parts, log)
        audit = _audit(parts, log, ending)
        app = create_app(
            parts,
            door=_door(parts, register),
            metrics=metrics,
            log=log,
            audit=audit,
            span=_span(settings, ending),
            is_draining=draining.is_set,
            issuer_count=lambda: len(register.entries),
        )
        if settings.demo_patients is not None:
            _add_demo(app, parts, settings.demo_patients)
        server = Server(
            app,
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            connection_limit=settings.connection_limit,
            has_proxies=settings.proxy_hops > 0,
        )
        _publish(metrics, parts, register, log=log, audit=audit)
        lacking = register.fetch()

        def started() -> None:
            digest = parts.site.knowledge.digest
            said = {"knowledge": digest, "port": server.port, "without_keys": lacking}
            log.event("started", parts.now(), level="warning" if lacking else "info", **said)
            announce(parts, server.port)
            register.reload_whenever(hung_up)

        server.run(
            on_start=started,
            on_drain=lambda: _begin_draining(draining, log, parts.now()),
        )
    log.event("stopped", parts.now())


def check_start(settings: Settings, issuers: tuple[Issuer, ...]) -> None:
    """Look for what would keep `serve` from starting, or an issuer from being let in.

    Nothing is connected to, no file made and no port taken: the service may be running. Raises
    ConfigurationError with every fault.
    """
    faults = []
    for look in _looks(settings, issuers):
        try:
            look()
        except ConfigurationError as fault:
            faults.append(str(fault))
    if faults:
        raise ConfigurationError("\n".join(faults))


def _looks(settings: Settings, issuers: tuple[Issuer, ...]) -> Iterator[Callable[[], object]]:
    yield lambda: authorities(settings)
    yield lambda: check_database(settings.database_url)
    yield lambda: check_key_set_files(issuers)
    yield lambda: listening_socket(settings.host, 0).close()
    if settings.metrics_port:
        yield partial(_refuse_one_port_for_both, settings)
        yield lambda: listening_socket(settings.metrics_host, 0, settings=METRICS).close()
    if settings.audit_file is not None:
        yield partial(check_audit_file, settings.audit_file)
    if settings.trace_endpoint is not None:
        endpoint = settings.trace_endpoint
        yield lambda: tracing_to(endpoint).close()
    if settings.demo_patients is not None:
        patients = settings.demo_patients
        is_development, today = not issuers[0].issuer, now().date()
        yield lambda: _demo_resources(patients, is_development=is_development, today=today)


def _refuse_one_port_for_both(settings: Settings) -> None:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    hosts = {settings.host, settings.metrics_host}
    if settings.metrics_port == settings.port and (len(hosts) == 1 or hosts & everywhere):
        raise ConfigurationError(
            "CDS_SERVICE_METRICS_PORT: is the port of the service itself; choose another"
        )


@contextmanager
def _hangups() -> Iterator[threading.Event]:
    """Give what SIGHUP sets, so that a reload during start or end kills nobody.

    In a terminal SIGHUP says that it was closed, and ends the service as it ends others.
    """
    hung_up = threading.Event()
    if sys.stderr.isatty():
        yield hung_up
        return
    signal.signal(signal.SIGHUP, lambda *_: hung_up.set())
    try:
        yield hung_up
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the process is about to end


def _begin_draining(draining: threading.Event, log: Log, at: datetime) -> None:
    draining.set()
    log.event("draining", at)


def _audit(parts: Installation, log: Log, ending: ExitStack) -> AuditFile | None:
    settings = parts.settings
    if settings.audit_file is None or settings.audit_key is None:
        return None

    def tell(lost: int, reason: str) -> None:
        log.event("audit-records-lost", parts.now(), level="error", lost=lost, reason=reason)

    audit = AuditFile(settings.audit_file, key=settings.audit_key, on_loss=tell)
    ending.callback(audit.close)
    return audit


def _span(settings: Settings, ending: ExitStack) -> Span | None:
    if settings.trace_endpoint is None:
        return None
    tracing = tracing_to(settings.trace_endpoint)
    ending.callback(tracing.close)
    return tracing.span


def _add_demo(app: Flask, parts: Installation, patients: Path) -> None:
    today = parts.today()
    resources = _demo_resources(patients, is_development=parts.is_development, today=today)
    app.register_blueprint(fhir_blueprint(patients, today))
    app.register_blueprint(try_page_blueprint(parts, resources))


def _demo_resources(patients: Path, *, is_development: bool, today: date) -> tuple[Resource, ...]:
    if not is_development:
        raise ConfigurationError(
            "CDS_SERVICE_DEMO_PATIENTS: is for development mode, without issuers"
        )
    if not patients.is_dir():
        raise ConfigurationError("CDS_SERVICE_DEMO_PATIENTS: must be a directory")
    return fixture_resources(patients, today=today)


def _door(parts: Installation, register: Register) -> Door:
    if parts.is_development:
        return OpenDoor(parts.issuers[0])

    def is_first(token_hash: str, *, expires_at: float) -> bool:
        return parts.store.seen_tokens.first_seen(
            token_hash, expires_at=datetime.fromtimestamp(expires_at, UTC), now=parts.now()
        )

    return Trust(
        register.find,
        public_url=parts.settings.address,
        is_first=is_first,
        now=lambda: parts.now().timestamp(),
    )


def _publish(
    metrics: Metrics,
    parts: Installation,
    register: Register,
    *,
    log: Log,
    audit: AuditFile | None,
) -> None:
    """Add what is read only when Prometheus asks, and open the port of the metrics."""

    def ages() -> Mapping[str, float]:
        known = ((issuer.name, keys.age_seconds) for issuer, keys in register.entries)
        return {name: age for name, age in known if age is not None}

    def open_circuits() -> Mapping[str, float]:
        bases = parts.fhir.open_circuits()
        return {
            issuer.name: sum(
                any(issuer.may_call(base, tenant=t) for t in (None, *issuer.tenants))
                for base in bases
            )
            for issuer, _ in register.entries
        }

    def degraded() -> Mapping[str, float]:
        return {"ledger": float(parts.store.writer.is_degraded)}

    def lost() -> Mapping[str, float]:
        of_audit = {} if audit is None else {"audit": float(audit.lost_records)}
        return {"stderr": float(log.lost_lines), **of_audit}

    metrics.watch("cds_jwks_age_seconds", "Age of the key set.", ages, label="issuer")
    metrics.watch("cds_circuit_open", "FHIR bases not called now.", open_circuits, label="issuer")
    metrics.watch("cds_log_lost_lines", "Lines of log and audit nobody took.", lost, label="stream")
    metrics.watch("cds_store_degraded", "Whether writing fails.", degraded, label="store")
    if parts.settings.metrics_port:
        metrics.serve(host=parts.settings.metrics_host, port=parts.settings.metrics_port)
