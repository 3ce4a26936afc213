"""Who may call now: the issuers, each with its keys; read again on SIGHUP.

A file with a fault changes nothing, and the log says what is wrong with it. Calls being answered
keep the record they came in with.

Source: security-reliability.md 5.1, "issuer records".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import requests

from cds_service.bootstrap import Installation, authorities, load_issuers
from cds_service.errors import ConfigurationError, MalformedRequest
from cds_service.fhir.exchange import exchange
from cds_service.fhir.transport import deadline_session
from cds_service.issuers import Issuer
from cds_service.web.body import read_object
from cds_service.web.key_sets import JsonObject, KeySet, fetch_all, read_key_set
from cds_service.web.logs import Log
from cds_service.web.notes import failure_position

_KEY_SET_SECONDS = 2.0
_FETCH_ALL_SECONDS = 2.5
_KEY_SET_BYTES = 64 * 1024
_KEY_SET_LEVELS = 8

Entry: TypeAlias = tuple[Issuer, KeySet]


class Register:
    """The issuers of an installation with their key sets, replaced as a whole by a reload."""

    def __init__(self, parts: Installation, log: Log) -> None:
        self._parts = parts
        self._log = log
        self._by_issuer = self._with_key_sets(parts.issuers, {})

    @property
    def entries(self) -> Collection[Entry]:
        """Each issuer with its key set."""
        return self._by_issuer.values()

    def find(self, issuer: str) -> Entry | None:
        """Return the record and the keys by the `iss` of a token."""
        return self._by_issuer.get(issuer)

    def fetch(self) -> list[str]:
        """Fetch every key set, and return the names of the issuers whose set did not come."""
        return self._fetch(self._by_issuer)

    def reload_whenever(self, asked: threading.Event) -> None:
        """Read the issuers again each time the event is set, in one thread that does nothing else.

        Asked twice at once, it reads once.
        """

        def wait() -> None:
            while asked.wait():
                asked.clear()
                self._reload()

        threading.Thread(target=wait, name="reload", daemon=True).start()

    def _reload(self) -> None:
        """Replace the issuers; `without_keys` in the log names those whom nobody can be for now."""
        log, now = self._log, self._parts.now
        try:
            issuers = load_issuers(self._parts.settings, self._parts.catalogue)
            found = self._with_key_sets(issuers, self._by_issuer)
            lacking = self._fetch(found)
        except ConfigurationError as fault:
            log.event("reload-refused", now(), level="error", faults=str(fault).splitlines())
        except Exception as bug:  # noqa: BLE001 - the thread has to outlive any failure
            log.event("reload-refused", now(), level="error", failed_at=failure_position(bug))
        else:
            self._by_issuer = found
            names = [issuer.name for issuer in issuers]
            log.event("reloaded", now(), issuers=names, without_keys=lacking)

    def _fetch(self, by_issuer: Mapping[str, Entry]) -> list[str]:
        """Fetch every key set in time, and return the names of the issuers that have none then."""
        if self._parts.is_development:
            return []
        fetch_all((keys for _, keys in by_issuer.values()), at_most_seconds=_FETCH_ALL_SECONDS)
        return [issuer.name for issuer, keys in by_issuer.values() if keys.age_seconds is None]

    def _with_key_sets(
        self, issuers: Iterable[Issuer], before: Mapping[str, Entry]
    ) -> Mapping[str, Entry]:
        """Return each issuer with its keys: those from before if they come from one address."""
        session = deadline_session(verify=authorities(self._parts.settings), connections=1)
        found = {}
        for issuer in issuers:
            keys = KeySet(partial(_document, issuer, session), monotonic=time.monotonic)
            old, known = before.get(issuer.issuer, (issuer, keys))
            is_same = issuer.key_set_file is None and issuer.key_set_url == old.key_set_url
            is_kept = is_same and known.age_seconds is not None
            found[issuer.issuer] = (issuer, known if is_kept else keys)
        return found


def check_key_set_files(issuers: Iterable[Issuer]) -> None:
    """Raise ConfigurationError, naming each issuer whose file holds no key to verify with."""
    faults = [
        f"issuer {issuer.name}: key_set_file: {issuer.key_set_file} {fault}"
        for issuer in issuers
        if issuer.key_set_file is not None and (fault := _key_set_fault(issuer.key_set_file))
    ]
    if faults:
        raise ConfigurationError("\n".join(faults))


def _key_set_fault(file: Path) -> str | None:
    try:
        document = read_object(file.read_bytes())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, MalformedRequest):
        return "is not a JSON object; a JSON Web Key Set is needed"
    if read_key_set(document):
        return None
    return "holds no public key of P-256, P-384 or RSA (2048 bits or more) that has a kid"


def _document(issuer: Issuer, session: requests.Session) -> JsonObject | None:
    """Return the issuer's key set as it is now, from its file if it has one; None if unreadable."""
    if issuer.key_set_file is not None:
        try:
            return read_object(issuer.key_set_file.read_bytes())
        except (OSError, ValueError, MalformedRequest):
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
