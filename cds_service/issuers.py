"""Who may call: one record per issuer, read from `issuers.toml` and checked whenever it is read.

The record holds everything that differs between clients. `web.trust` verifies tokens against it.

Source: security-reliability.md T5, T6, T12, T30 and section 3.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cds_service.errors import ConfigurationError
from cds_service.fhir.base_url import BaseUrl

SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"
EVERY_RULE = "*"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """One client system that may call.

    `name` is ours and is what logs, metrics and the store hold; `issuer` is the `iss` of its
    tokens. `audiences` are accepted besides the public URL of the path that is called.
    `fhir_bases` may be called for every tenant, the bases in `tenants` for that tenant only; no
    `tenants` means that tenants are not looked at. `prefetch_keys` maps the client's key to ours.
    `patient_view_triggers`: see `looks_at`. `rate_*` None: as the settings say.
    """

    name: str
    issuer: str
    key_set_url: str | None = None
    key_set_file: Path | None = None
    audiences: tuple[str, ...] = ()
    subject: str | None = None
    tenants: Mapping[str, frozenset[BaseUrl]] = field(default_factory=dict)
    fhir_bases: frozenset[BaseUrl] = frozenset()
    calls_any_loopback: bool = False
    prefetch_keys: Mapping[str, str] = field(default_factory=dict)
    use_labelled: bool = False
    silent_rules: frozenset[str] = frozenset()
    patient_view_triggers: frozenset[str] = frozenset()
    answers_failure_empty: bool = False
    rate_per_second: int | None = None
    rate_burst: int | None = None

    def may_call(self, base: BaseUrl, *, tenant: str | None) -> bool:
        """Say whether FHIR data may be read from the base for a call of the tenant."""
        own = self.tenants.get(tenant, frozenset()) if tenant is not None else frozenset()
        is_listed = base in self.fhir_bases or base in own
        return is_listed or (self.calls_any_loopback and base.is_loopback)

    def looks_at(self, hook: str, *, trigger: str | None) -> bool:
        """Say whether a call that states this trigger is looked at.

        Epic calls patient-view for much else than opening a chart. With `patient_view_triggers`
        calls for another trigger are answered without a card; calls that state none are looked at.
        """
        if hook != "patient-view" or trigger is None or not self.patient_view_triggers:
            return True
        return trigger in self.patient_view_triggers

    def is_silent(self, rule_id: str) -> bool:
        """Say whether cards of the rule are computed and counted but not returned."""
        return rule_id in self.silent_rules or EVERY_RULE in self.silent_rules


def development_issuer(*, use_labelled: bool) -> Issuer:
    """Return the record of whoever calls while no issuer is configured."""
    return Issuer(name="development", issuer="", calls_any_loopback=True, use_labelled=use_labelled)


def sandbox_issuer() -> Issuer:
    """Return the record of the public CDS Hooks Sandbox, whose private key everybody has."""
    return Issuer(
        name="cds-hooks-sandbox",
        issuer=SANDBOX_ISSUER,
        key_set_url=f"{SANDBOX_ISSUER}/.well-known/jwks.json",
        calls_any_loopback=True,
    )


def read_issuers(file: Path, *, production: bool) -> tuple[Issuer, ...]:
    """Read `issuers.toml`. Raises ConfigurationError with every fault, by record and key."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{file.name}: cannot be read") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file.name}: is not TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{file.name}: is nested too deeply") from None
    records = document.get("issuer")
    if document.keys() != {"issuer"} or not isinstance(records, list) or not records:
        raise ConfigurationError(f"{file.name}: must hold [[issuer]] records and nothing else")
    faults: list[str] = []
    issuers: list[Issuer] = []
    for number, record in enumerate(records, start=1):
        where = f"{file.name}: issuer {number}"
        found = _faults_of(record, production=production)
        faults += [f"{where}: {fault}" for fault in found]
        if not found:
            issuers.append(_issuer(record, directory=file.parent))
    for key in ("name", "issuer"):
        values = [getattr(issuer, key) for issuer in issuers]
        if len(set(values)) != len(values):
            faults.append(f"{file.name}: two issuers have the same {key}")
    if faults:
        raise ConfigurationError("\n".join(faults))
    return tuple(issuers)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_triggers(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, str) and one.isascii() and one.isdecimal() for one in value)


def _is_bases(value: object) -> bool:
    return isinstance(value, list) and None not in map(BaseUrl.parse, value)


def _is_tenants(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_bases, value.values()))


def _is_map(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_rate(value: object) -> bool:
    return type(value) is int and value > 0


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


KEYS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "name": (
        lambda value: isinstance(value, str) and bool(_NAME.fullmatch(value)),
        "must be lower-case letters, digits and hyphens, at most 40",
    ),
    "issuer": (_is_text, "must be the iss of the tokens"),
    "key_set_url": (
        lambda value: BaseUrl.parse(value) is not None,
        "must be an address",
    ),
    "key_set_file": (_is_text, "must be the name of a file beside this one"),
    "audiences": (_is_texts, "must be a list of texts"),
    "subject": (_is_text, "must be the sub of the tokens"),
    "tenants": (_is_tenants, "must map each tenant to a list of FHIR base addresses"),
    "fhir_bases": (_is_bases, "must be a list of FHIR base addresses"),
    "prefetch_keys": (_is_map, "must map the client's keys to keys of this service"),
    "use_labelled": (_is_switch, "must be true or false"),
    "silent_rules": (_is_texts, "must be a list of rule ids"),
    "patient_view_triggers": (_is_triggers, "must be a list of numbers as texts"),
    "on_error": (lambda value: value in ("outcome", "empty"), 'must be "outcome" or "empty"'),
    "rate_per_second": (_is_rate, "must be a whole number above 0"),
    "rate_burst": (_is_rate, "must be a whole number above 0"),
}


def _faults_of(record: object, *, production: bool) -> list[str]:
    if not isinstance(record, dict):
        return ["must be a table"]
    faults = [f"{key}: there is no such key" for key in record.keys() - KEYS.keys()]
    for key, (is_right, requirement) in KEYS.items():
        if key in record and not is_right(record[key]):
            faults.append(f"{key}: {requirement}")
    faults += [f"{key}: is missing" for key in ("name", "issuer") if key not in record]
    if not record.keys() & {"key_set_url", "key_set_file"}:
        faults.append("key_set_url: is missing, and key_set_file too")
    if faults:
        return sorted(faults)
    if _trusts_the_sandbox(record):
        if production:
            faults.append("issuer: the sandbox, whose private key is public, is not for production")
        elif not all(map(_is_on_this_machine, _all_bases(record))):
            faults.append(
                "issuer: the sandbox, whose private key is public, may read from FHIR"
                " servers on this machine only"
            )
    addresses = {record.get("key_set_url", "https://"), *_all_bases(record)}
    if production and any(not address.lower().startswith("https://") for address in addresses):
        faults.append("every address must begin with https:// in production")
    elif any(_is_plain_and_remote(address) for address in addresses):
        faults.append("an address beyond this machine must begin with https://")
    return faults


def _trusts_the_sandbox(record: Mapping[str, Any]) -> bool:
    """Say whether everybody who has the sandbox's key can sign for the record."""
    key_set = BaseUrl.parse(record.get("key_set_url", ""))
    is_its_key_set = key_set is not None and key_set.origin == SANDBOX_ISSUER
    return is_its_key_set or bool(record["issuer"] == SANDBOX_ISSUER)


def _is_on_this_machine(address: str) -> bool:
    base = BaseUrl.parse(address)
    return base is not None and base.is_loopback


def _is_plain_and_remote(address: str) -> bool:
    base = BaseUrl.parse(address)
    return base is not None and base.scheme == "http" and not base.is_loopback


def _all_bases(record: Mapping[str, Any]) -> list[str]:
    own = [base for bases in record.get("tenants", {}).values() for base in bases]
    return [*record.get("fhir_bases", []), *own]


def _issuer(record: Mapping[str, Any], *, directory: Path) -> Issuer:
    file = record.get("key_set_file")
    return Issuer(
        name=record["name"],
        issuer=record["issuer"],
        key_set_url=record.get("key_set_url"),
        key_set_file=directory / file if file else None,
        audiences=tuple(record.get("audiences", ())),
        subject=record.get("subject"),
        tenants={tenant: _bases(bases) for tenant, bases in record.get("tenants", {}).items()},
        fhir_bases=_bases(record.get("fhir_bases", ())),
        prefetch_keys=dict(record.get("prefetch_keys", {})),
        use_labelled=record.get("use_labelled", False),
        silent_rules=frozenset(record.get("silent_rules", ())),
        patient_view_triggers=frozenset(record.get("patient_view_triggers", ())),
        answers_failure_empty=record.get("on_error") == "empty",
        rate_per_second=record.get("rate_per_second"),
        rate_burst=record.get("rate_burst"),
    )


def _bases(addresses: Iterable[str]) -> frozenset[BaseUrl]:
    return frozenset(base for base in map(BaseUrl.parse, addresses) if base is not None)
