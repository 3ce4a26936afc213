"""Every setting of the service, declared once: its variable, its default and its meaning.

`bootstrap` hands the environment in; docs/settings.md is checked against `settings_table`.
What a setting leads to is decided by whoever is given it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from cds_service.errors import ConfigurationError
from cds_service.setting_kinds import base_url, key, names, origins, seconds, switch, whole, zone

PREFIX = "CDS_SERVICE_"
_MEBIBYTE = 1024 * 1024


class SettingRow(NamedTuple):
    """One line of the settings table."""

    variable: str
    default: str
    meaning: str


def _setting(
    meaning: str, *, read: Callable[[str], Any], default: Any = None, is_secret: bool = False
) -> Any:
    metadata = {"read": read, "meaning": meaning, "is_secret": is_secret}
    return field(default=default, metadata=metadata, repr=not is_secret)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of one process; a field's variable is CDS_SERVICE_ and its name in capitals."""

    host: str = _setting("Address to listen on.", read=str, default="127.0.0.1")
    port: int = _setting(
        "Port to listen on; 0 takes a free one.", read=whole(0, 65535), default=8000
    )
    public_url: str | None = _setting(
        "Address under which clients reach the service: tokens name it as audience, cards link to "
        "it. Needed with issuers.",
        read=base_url,
    )
    production: bool = _setting(
        "Refuse to start with anything that is meant for development.", read=switch, default=False
    )
    issuers_file: Path | None = _setting(
        "TOML file of the clients that may call. Without it only loopback is served, without "
        "authentication.",
        read=Path,
    )
    ca_file: Path | None = _setting(
        "PEM file of the authorities that vouch for FHIR servers and key sets.", read=Path
    )
    trust_sandbox: bool = _setting(
        "Trust the key of the CDS Hooks Sandbox, which everybody has: development only.",
        read=switch,
        default=False,
    )
    authenticate_discovery: bool = _setting(
        "Ask for a token on discovery, too; it holds no patient data.", read=switch, default=False
    )
    cors_origins: tuple[str, ...] = _setting(
        "Origins of browser clients that may call, separated by blanks.", read=origins, default=()
    )
    data_directory: Path | None = _setting(
        "The site's own knowledge files instead of those in the package.", read=Path
    )
    cards_directory: Path | None = _setting(
        "The site's own cards instead of those in the package.", read=Path
    )
    rules_off: tuple[str, ...] = _setting(
        "Ids of rules that this site does not use, separated by blanks. Where one of them would "
        "speak, no card comes; no other takes its place.",
        read=names,
        default=(),
    )
    use_labelled: bool = _setting(
        "In development mode, use resources labelled as sensitive; issuers have their own switch.",
        read=switch,
        default=False,
    )
    time_zone: str = _setting(
        "Time zone that decides on which calendar day something falls.", read=zone, default="UTC"
    )
    database_url: str = _setting(
        "SQLAlchemy address of the database for feedback and the card ledger.",
        read=str,
        default="sqlite:///var/cds-service.sqlite3",
        is_secret=True,
    )
    keep_comments: bool = _setting(
        "Store the free text of feedback, which may name patients.", read=switch, default=False
    )
    body_limit_bytes: int = _setting(
        "Largest body of a hook call, in bytes.",
        read=whole(1024, 16 * _MEBIBYTE),
        default=4 * _MEBIBYTE,
    )
    fhir_deadline_seconds: Decimal = _setting(
        "Time for all FHIR requests of a call together.",
        read=seconds("0.1", "10"),
        default=Decimal("1.5"),
    )
    threads: int = _setting(
        "Worker threads; more than both in-flight limits together.", read=whole(8, 512), default=40
    )
    in_flight_limit: int = _setting(
        "Hook calls worked on at once (three quarters for one issuer of several); more are "
        "answered 503.",
        read=whole(1, 500),
        default=32,
    )
    feedback_in_flight_limit: int = _setting(
        "Feedback calls worked on at once; more are answered 503.", read=whole(1, 100), default=4
    )
    connection_limit: int = _setting(
        "Open connections at once.", read=whole(10, 10000), default=500
    )
    rate_per_second: int = _setting(
        "Calls a second of one issuer, unless its record says otherwise.",
        read=whole(1, 100000),
        default=100,
    )
    rate_burst: int = _setting(
        "Calls at once of one issuer, unless its record says otherwise.",
        read=whole(1, 100000),
        default=200,
    )
    proxy_hops: int = _setting(
        "Reverse proxies in front whose X-Forwarded-For is believed.", read=whole(0, 5), default=0
    )
    audit_file: Path | None = _setting(
        "File that gets one audit record a call, one JSON object a line.", read=Path
    )
    audit_key: str | None = _setting(
        "Key of the hash that stands for the patient in audit records: 16 bytes or more.",
        read=key,
        is_secret=True,
    )
    metrics_port: int = _setting(
        "Port of the metrics for Prometheus; 0 switches them off.", read=whole(0, 65535), default=0
    )
    metrics_host: str = _setting(
        "Address of the metrics; never one that clients can reach.", read=str, default="127.0.0.1"
    )
    trace_endpoint: str | None = _setting(
        "OTLP/HTTP address for traces; needs the package's extra 'tracing'.", read=base_url
    )
    demo_patients: Path | None = _setting(
        "Directory of made-up patients: serves a try-it page and a FHIR endpoint over them, in "
        "development mode only.",
        read=Path,
    )

    @property
    def address(self) -> str:
        """The address clients use: the public one, or that of this process."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings out of the environment.

    A secret may be given as a file: `CDS_SERVICE_AUDIT_KEY_FILE` names it, and its text without the
    line's end is the value. An empty variable counts as absent. Raises ConfigurationError with
    every fault, variables with our prefix that mean nothing included; it never quotes a value.
    """
    values: dict[str, object] = {}
    faults: list[str] = []
    known: set[str] = set()
    for declared in fields(Settings):
        variable = variable_of(declared.name)
        known |= {variable, f"{variable}_FILE"} if declared.metadata["is_secret"] else {variable}
        try:
            text = _text_of(variable, environment, is_secret=declared.metadata["is_secret"])
            if text:
                values[declared.name] = declared.metadata["read"](text)
        except ValueError as fault:
            faults.append(f"{variable}: {fault}")
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    faults += [f"{name}: there is no such setting" for name in unknown]
    if faults:
        raise ConfigurationError("\n".join(faults))
    settings = Settings(**values)  # type: ignore[arg-type]
    _refuse_contradictions(settings)
    return settings


def variable_of(name: str) -> str:
    """Return the environment variable of a field.

    >>> variable_of("public_url")
    'CDS_SERVICE_PUBLIC_URL'
    """
    return PREFIX + name.upper()


def settings_table() -> tuple[SettingRow, ...]:
    """Return every setting with its default as it would be written, for the documentation."""
    return tuple(
        SettingRow(
            variable_of(declared.name) + ("(_FILE)" if declared.metadata["is_secret"] else ""),
            _written(declared.default),
            declared.metadata["meaning"],
        )
        for declared in fields(Settings)
    )


def _text_of(variable: str, environment: Mapping[str, str], *, is_secret: bool) -> str:
    text = environment.get(variable, "").strip()
    file = environment.get(f"{variable}_FILE", "").strip() if is_secret else ""
    if not file:
        return text
    if text:
        raise ValueError(f"is given twice, also as {variable}_FILE")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"the file that {variable}_FILE names cannot be read") from None


def _written(default: object) -> str:
    if default is None or default == ():
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _refuse_contradictions(settings: Settings) -> None:
    faults = []
    if settings.threads < settings.in_flight_limit + settings.feedback_in_flight_limit + 2:
        faults.append(
            "CDS_SERVICE_THREADS: must be at least 2 more than both in-flight limits together, so "
            "that somebody is free to answer 503"
        )
    if settings.audit_file and not settings.audit_key:
        faults.append("CDS_SERVICE_AUDIT_KEY: is needed with CDS_SERVICE_AUDIT_FILE")
    if settings.issuers_file and not settings.public_url:
        faults.append("CDS_SERVICE_PUBLIC_URL: is needed with CDS_SERVICE_ISSUERS_FILE")
    if settings.production:
        faults += _unfit_for_production(settings)
    if faults:
        raise ConfigurationError("\n".join(faults))


def _unfit_for_production(settings: Settings) -> list[str]:
    faults = []
    if settings.trust_sandbox:
        faults.append("CDS_SERVICE_TRUST_SANDBOX: must not be set together with production")
    if settings.demo_patients:
        faults.append("CDS_SERVICE_DEMO_PATIENTS: must not be set together with production")
    if not settings.issuers_file:
        faults.append("CDS_SERVICE_ISSUERS_FILE: is needed in production")
    if not (settings.public_url or "").startswith("https://"):
        faults.append("CDS_SERVICE_PUBLIC_URL: must begin with https:// in production")
    if any(origin.startswith("http://") for origin in settings.cors_origins):
        faults.append("CDS_SERVICE_CORS_ORIGINS: must all be https:// in production")
    return faults
