"""A read-only FHIR R4 server over the fixture patients, for development only.

It gives `make run` something to call back to, and a person something to point a sandbox at. It
asks for no credentials and must never hold anything but fixtures. What a search matches lies in
`fhir_search`, the loading of the files in `fixture_records`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, request

from cds_service.web.demo.fhir_search import INCLUDES, PARAMETERS, InvalidSearch, included, search
from cds_service.web.demo.fixture_records import Resource, fixture_resources

DEFAULT_PAGE = 50
LARGEST_PAGE = 500

_LOOPBACK_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_PAGING = frozenset({"_count", "_offset", "_include"})

Parameters = Sequence[tuple[str, str]]


class _Refusal(Exception):
    """A request that gets an OperationOutcome."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class _Page:
    """Which part of a search answer is wanted: `count` entries from `offset` on."""

    count: int
    offset: int


def fhir_blueprint(
    patients_dir: Path, today: date, base_path: str = "/fhir", *, largest_page: int = LARGEST_PAGE
) -> Blueprint:
    """Return the endpoint over the Bundles of a directory, their dates moved to `today`.

    Offers `metadata`, read, and search by GET and by POST `_search`, in pages of at most
    `largest_page` entries. Browsers on loopback origins may call it. Raises ConfigurationError
    when a file is no Bundle.
    """
    resources = fixture_resources(patients_dir, today=today)
    by_reference = {f"{item['resourceType']}/{item['id']}": item for item in resources}
    blueprint = Blueprint("fixture_fhir", __name__, url_prefix=base_path)

    def base() -> str:
        return request.host_url.rstrip("/") + base_path

    @blueprint.get("/metadata")
    def capability_statement() -> Response:
        return _answer(_capability_statement(today, base()))

    @blueprint.get("/<resource_type>/<resource_id>")
    def read(resource_type: str, resource_id: str) -> Response:
        _refuse_unserved(resource_type)
        resource = by_reference.get(f"{resource_type}/{resource_id}")
        if resource is None:
            raise _Refusal(404, "not-found", f"No {resource_type} with this id is a fixture.")
        return _answer(resource)

    @blueprint.get("/<resource_type>")
    @blueprint.post("/<resource_type>/_search")
    def searchset(resource_type: str) -> Response:
        _refuse_unserved(resource_type)
        sent = [*request.args.items(multi=True), *request.form.items(multi=True)]
        _refuse_unsupported(resource_type, sent)
        page = _page(sent, largest_page)
        return _answer(_searchset(resource_type, sent, page, by_reference, base()))

    blueprint.register_error_handler(_Refusal, _outcome)
    blueprint.after_request(_open_to_loopback_browsers)
    return blueprint


def _searchset(
    resource_type: str,
    sent: Parameters,
    page: _Page,
    by_reference: Mapping[str, Resource],
    base: str,
) -> Mapping[str, object]:
    """Return one page of the answer; parameters that were ignored are not in its links."""
    criteria = [(name, value) for name, value in sent if name in PARAMETERS[resource_type]]
    includes = [value for name, value in sent if name == "_include"]
    try:
        found = search(by_reference.values(), resource_type, criteria)
    except InvalidSearch as error:
        raise _Refusal(400, "value", str(error)) from error
    shown = found[page.offset : page.offset + page.count]
    also = [
        resource
        for value in includes
        for resource in included(shown, INCLUDES[resource_type][value], by_reference)
    ]
    used = [*criteria, *(("_include", value) for value in includes)]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(found),
        "link": _links(f"{base}/{resource_type}", used, page, total=len(found)),
        **_entries(shown, also, base),
    }


def _links(url: str, used: Parameters, page: _Page, *, total: int) -> list[Mapping[str, str]]:
    def link(relation: str, offset: int) -> Mapping[str, str]:
        query = urlencode([*used, ("_count", page.count), ("_offset", offset)])
        return {"relation": relation, "url": f"{url}?{query}"}

    following = page.offset + page.count
    more = [link("next", following)] if page.count and following < total else []
    return [link("self", page.offset), *more]


def _entries(
    shown: Sequence[Resource], also: Sequence[Resource], base: str
) -> Mapping[str, object]:
    """Return the entry element, or none at all for no entries: FHIR JSON has no empty lists."""
    entries = [
        {
            "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": mode},
        }
        for mode, resources in (("match", shown), ("include", also))
        for resource in resources
    ]
    return {"entry": entries} if entries else {}


def _page(sent: Parameters, largest: int) -> _Page:
    return _Page(
        count=min(_whole_number(sent, "_count", absent=DEFAULT_PAGE), largest),
        offset=_whole_number(sent, "_offset", absent=0),
    )


def _whole_number(sent: Parameters, name: str, *, absent: int) -> int:
    text = dict(sent).get(name, str(absent))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _Refusal(400, "value", f"{name} needs a whole number.")
    return int(text)


def _refuse_unserved(resource_type: str) -> None:
    if resource_type not in PARAMETERS:
        raise _Refusal(404, "not-supported", "This resource type is not served here.")


def _refuse_unsupported(resource_type: str, sent: Parameters) -> None:
    """Refuse what, left out silently, would change the meaning of the answer.

    Other unknown parameters are ignored, as FHIR advises servers, unless the caller asks for
    strict handling.
    """
    known = PARAMETERS[resource_type]
    is_strict = "handling=strict" in request.headers.get("Prefer", "")
    for name, value in sent:
        if ":" in name and name.partition(":")[0] in known:
            raise _Refusal(400, "not-supported", "Search modifiers are not supported here.")
        if name == "_include" and value not in INCLUDES.get(resource_type, {}):
            raise _Refusal(400, "not-supported", "This _include is not supported here.")
        if is_strict and name not in known and name not in _PAGING:
            raise _Refusal(400, "not-supported", "A search parameter is not supported here.")


def _capability_statement(today: date, base: str) -> Mapping[str, object]:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": today.isoformat(),
        "kind": "instance",
        "implementation": {"description": "Invented patients, for development", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    _capability(resource_type, list(parameters))
                    for resource_type, parameters in PARAMETERS.items()
                ],
            }
        ],
    }


def _capability(resource_type: str, parameters: list[str]) -> Mapping[str, object]:
    includes = list(INCLUDES.get(resource_type, {}))
    return {
        "type": resource_type,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        **({"searchInclude": includes} if includes else {}),
        "searchParam": [
            {"name": name, "type": PARAMETERS[resource_type][name].kind} for name in parameters
        ],
    }


def _answer(body: Mapping[str, object], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status=status, content_type="application/fhir+json")


def _outcome(refusal: _Refusal) -> Response:
    issue = {"severity": "error", "code": refusal.code, "diagnostics": str(refusal)}
    return _answer({"resourceType": "OperationOutcome", "issue": [issue]}, refusal.status)


def _open_to_loopback_browsers(response: Response) -> Response:
    origin = request.headers.get("Origin", "")
    if _LOOPBACK_ORIGIN.fullmatch(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type, accept"
        response.headers["Vary"] = "Origin"
    return response
