"""What stands before the FHIR server: lets through what an access token allows, and remembers.

An EHR gives a CDS service a token for one patient and some types. Here whatever else is asked for
is refused, and every request is written down, so that a test can say what the service asked.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from flask import Flask, Response, request
from werkzeug.serving import make_server

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
FHIR_JSON = "application/fhir+json"
PARAMETERS = frozenset({"patient", "code", "_count", "_include"})

Link: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What one token allows: reading resources of the types, of one patient.

    `most_on_a_page` bounds `_count`, as servers do. A server that `takes_no_include` answers 400.
    """

    patient_id: str
    types: frozenset[str]
    most_on_a_page: int = 2
    takes_no_include: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request: what for, what the proxy or the server answered, and why it was refused."""

    method: str
    resource_type: str
    id: str | None
    is_next: bool
    status: int
    refusal: str | None


@dataclass(kw_only=True)
class Bearer:
    """A token, what it allows, what was asked with it and the links to next pages it was given."""

    token: str = field(repr=False)
    grant: Grant
    asked: list[Asked] = field(default_factory=list)
    next_links: set[Link] = field(default_factory=set)

    @property
    def refusals(self) -> set[tuple[str, str]]:
        """The types that were refused, with the reasons."""
        return {(each.resource_type, each.refusal) for each in self.asked if each.refusal}


class CheckingProxy:
    """The door of the FHIR server at `upstream`, as a WSGI application under /fhir.

    `strangers` are requests without a token of ours.
    """

    def __init__(self, upstream: str) -> None:
        self.strangers: list[str] = []
        self._upstream = upstream
        self._bearers: dict[str, Bearer] = {}
        self._session = requests.Session()
        self._lock = Lock()
        self.app = Flask("checking-proxy", static_folder=None)
        for rule in ("/fhir", "/fhir/", "/fhir/<path:path>"):
            self.app.add_url_rule(
                rule, rule, self._answer, methods=METHODS, provide_automatic_options=False
            )

    def bearer(self, grant: Grant) -> Bearer:
        """Issue a token."""
        issued = Bearer(token=secrets.token_urlsafe(), grant=grant)
        self._bearers[issued.token] = issued
        return issued

    def _answer(self, path: str = "") -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = self._bearers.get(token) if scheme == "Bearer" else None
        if bearer is None:
            with self._lock:
                self.strangers.append(f"{request.method} {path}")
            return _refused(401, "no access token")
        resource_type, _, id_ = path.partition("/")
        is_next = _link(request.path, request.query_string.decode()) in bearer.next_links
        refusal = _refusal(bearer.grant, resource_type, id_, is_next=is_next)
        response = _refused(*refusal) if refusal else self._passed_on(bearer, path)
        asked = Asked(
            method=request.method,
            resource_type=resource_type,
            id=id_ or None,
            is_next=is_next,
            status=response.status_code,
            refusal=refusal[1] if refusal else None,
        )
        with self._lock:
            bearer.asked.append(asked)
        return response

    def _passed_on(self, bearer: Bearer, path: str) -> Response:
        """Ask the server under our own name, which it puts into its links."""
        query = [
            (name, str(min(int(value), bearer.grant.most_on_a_page)) if name == "_count" else value)
            for name, value in parse_qsl(request.query_string.decode())
        ]
        answer = self._session.get(
            f"{self._upstream}/{path}" if path else self._upstream,
            params=urlencode(query),
            headers={"Accept": FHIR_JSON, "Host": request.host},
            timeout=30,
        )
        with self._lock:
            bearer.next_links |= _next_links(answer.json())
        return Response(answer.content, answer.status_code, content_type=FHIR_JSON)


@contextmanager
def listening(proxy: CheckingProxy) -> Iterator[str]:
    """Serve the proxy on a free port of loopback; yields the FHIR base clients use."""
    server = make_server("127.0.0.1", 0, proxy.app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fhir"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _refusal(
    grant: Grant, resource_type: str, id_: str, *, is_next: bool
) -> tuple[int, str] | None:
    if request.method != "GET":
        return 405, "only reading is allowed"
    if is_next:
        return None
    if not resource_type:
        return 403, "neither a read nor a search, nor a next link given with this token"
    if resource_type not in grant.types:
        return 403, "the type is not granted"
    if id_:
        # A Medication is nobody's; every other read is of the patient.
        is_allowed = resource_type == "Medication" or id_ == grant.patient_id
        return None if is_allowed else (403, "not the patient in context")
    if request.args.getlist("patient") != [grant.patient_id]:
        return 403, "not the patient in context"
    if set(request.args) - PARAMETERS:
        return 403, "a search parameter that is not allowed"
    if grant.takes_no_include and "_include" in request.args:
        return 400, "this server takes no _include"
    return None


def _refused(status: int, reason: str) -> Response:
    issue = {"severity": "error", "code": "forbidden", "diagnostics": reason}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Response(json.dumps(outcome), status=status, content_type=FHIR_JSON)


def _next_links(body: Any) -> set[Link]:
    links = (urlsplit(link["url"]) for link in body.get("link", ()) if link["relation"] == "next")
    return {_link(link.path, link.query) for link in links}


def _link(path: str, query: str) -> Link:
    return path.rstrip("/"), tuple(sorted(parse_qsl(query)))
