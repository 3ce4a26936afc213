"""The composition root: builds the parts of one installation and hands them to the shells.

Nothing else reads the environment or the clock.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cds_service.clinical.rules import RULES
from cds_service.decision_support import Site
from cds_service.errors import ConfigurationError, StoreUnavailable
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.hooks.card_files import load_cards
from cds_service.hooks.catalogue import Service, services
from cds_service.issuers import (
    EVERY_RULE,
    Issuer,
    development_issuer,
    read_issuers,
    sandbox_issuer,
)
from cds_service.loading import load_knowledge
from cds_service.settings import Settings, read_settings, variable_of
from cds_service.store.database import connect, create_sqlite_file, needs_upgrade
from cds_service.store.tokens import SeenTokens
from cds_service.store.write_behind import OnLoss, WriteBehind

_FHIR_THREADS_PER_CALL = 4
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The database, the thread that writes to it, and the tokens already used.

    `is_new`: there was no file, and this start has made one.
    """

    engine: Engine
    writer: WriteBehind
    seen_tokens: SeenTokens
    is_upgraded: bool
    is_new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """The parts of one running service.

    `issuers` are those of the start, at least one. `now` is in UTC.
    """

    settings: Settings
    site: Site
    catalogue: tuple[Service, ...]
    issuers: tuple[Issuer, ...]
    is_development: bool
    fhir: FhirClient
    store: Store
    now: Callable[[], datetime]

    def today(self) -> date:
        """Return the day it is at the site."""
        return self.now().astimezone(self.site.time_zone).date()

    def close(self) -> None:
        """Write what is waiting and let go of threads and connections."""
        self.store.writer.close(timeout_seconds=5)
        self.fhir.close()
        self.store.engine.dispose()


def settings_of_environment(**given: object) -> Settings:
    """Read the settings of this process; what is given and not None goes first.

    Raises ConfigurationError.
    """
    overrides = {
        variable_of(name): str(value) for name, value in given.items() if value is not None
    }
    return read_settings({**os.environ, **overrides})


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def load_site(settings: Settings) -> Site:
    """Load knowledge and cards. Raises KnowledgeError, or ConfigurationError for unknown rules."""
    known = {rule.id for rule in RULES}
    unknown = sorted(set(settings.rules_off) - known)
    if unknown:
        raise ConfigurationError(
            f"CDS_SERVICE_RULES_OFF: there is no rule {' and no rule '.join(unknown)}; "
            f"name rules, separated by blanks, out of: {' '.join(sorted(known))}"
        )
    knowledge = load_knowledge(settings.data_directory)
    return Site(
        knowledge=knowledge,
        deck=load_cards(settings.cards_directory, knowledge=knowledge, public_url=settings.address),
        time_zone=ZoneInfo(settings.time_zone),
        rules_off=frozenset(settings.rules_off),
    )


def load_issuers(settings: Settings, catalogue: tuple[Service, ...]) -> tuple[Issuer, ...]:
    """Return who may call; nobody in particular on loopback when no issuer is configured.

    Raises ConfigurationError: what is not on loopback needs issuers.
    """
    issuers: tuple[Issuer, ...] = ()
    if settings.issuers_file is not None:
        issuers = read_issuers(settings.issuers_file, production=settings.production)
    if settings.trust_sandbox:
        issuers = (*issuers, sandbox_issuer())
    _refuse_unknown_names(issuers, catalogue)
    if issuers:
        return issuers
    if settings.host not in _LOOPBACK_HOSTS:
        raise ConfigurationError(
            "CDS_SERVICE_HOST: must be loopback (127.0.0.1) while no issuer is configured; "
            "set CDS_SERVICE_ISSUERS_FILE"
        )
    return (development_issuer(use_labelled=settings.use_labelled),)


def authorities(settings: Settings) -> bool | str:
    """Return who vouches for servers: the path of the site's own bundle, or True, the public ones.

    Raises ConfigurationError when the bundle cannot be used.
    """
    if settings.ca_file is None:
        return True
    try:
        ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError:
        raise ConfigurationError("CDS_SERVICE_CA_FILE: holds no certificate in PEM") from None
    except OSError as error:
        reason = error.strerror
        raise ConfigurationError(f"CDS_SERVICE_CA_FILE: cannot be read: {reason}") from None
    return str(settings.ca_file)


def fhir_client(settings: Settings) -> FhirClient:
    """Return the client for FHIR servers: the site's deadline, threads for all calls at once.

    Raises ConfigurationError when the site's certificate authorities cannot be read.
    """
    limits = FhirLimits(
        deadline_seconds=float(settings.fhir_deadline_seconds),
        threads=_FHIR_THREADS_PER_CALL * settings.in_flight_limit,
    )
    return FhirClient(monotonic=time.monotonic, limits=limits, verify=authorities(settings))


def compose(settings: Settings, *, on_loss: OnLoss) -> Installation:
    """Build the installation. Raises ConfigurationError or KnowledgeError; starts no server.

    `on_loss` is told when the store gives rows up.
    """
    site = load_site(settings)
    catalogue = services(site.knowledge)
    issuers = load_issuers(settings, catalogue)
    return Installation(
        settings=settings,
        site=site,
        catalogue=catalogue,
        issuers=issuers,
        is_development=not issuers[0].issuer,
        fhir=fhir_client(settings),
        store=_open_store(settings, on_loss=on_loss),
        now=now,
    )


def _open_store(settings: Settings, *, on_loss: OnLoss) -> Store:
    """Open the store; SQLite is made and upgraded on the way, PostgreSQL is not (one of many).

    A database that is away does not keep the service from starting.
    """
    url = settings.database_url
    is_new = create_sqlite_file(url)
    engine = connect(url)
    try:
        is_upgraded = not needs_upgrade(engine)
        if not is_upgraded and engine.dialect.name == "sqlite":
            from cds_service.store.upgrade import upgrade  # slow to import, and seldom needed

            upgrade(url)
            is_upgraded = True
    except StoreUnavailable:
        is_upgraded = False
    else:
        if not is_upgraded:
            raise ConfigurationError("CDS_SERVICE_DATABASE_URL: run `cds-service db upgrade` first")
    writer = WriteBehind(engine, on_loss=on_loss)
    seen_tokens = SeenTokens(writer=writer, on_loss=on_loss)
    if is_upgraded:
        seen_tokens.load(engine, now=now())
    return Store(
        engine=engine,
        writer=writer,
        seen_tokens=seen_tokens,
        is_upgraded=is_upgraded,
        is_new=is_new,
    )


def _refuse_unknown_names(issuers: tuple[Issuer, ...], catalogue: tuple[Service, ...]) -> None:
    rules = {rule.id for rule in RULES} | {EVERY_RULE}
    keys = {query.key for service in catalogue for query in service.prefetch}
    faults = [
        f"issuer {issuer.name}: silent_rules: there is no rule {rule}"
        for issuer in issuers
        for rule in sorted(issuer.silent_rules - rules)
    ] + [
        f"issuer {issuer.name}: prefetch_keys: this service has no key {key}"
        for issuer in issuers
        for key in sorted(set(issuer.prefetch_keys.values()) - keys)
    ]
    if faults:
        raise ConfigurationError("\n".join(faults))
