"""The try-it page: an EHR seen through a keyhole, over the fixture patients, for development only.

The page calls the service as any client does. What it needs besides (chart, reasoning, the
feedback that arrived) is answered here, under `/try`, and exists on no other installation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files

import orjson
from flask import Blueprint, Response, request

from cds_service.bootstrap import Installation
from cds_service.decision_support import advise
from cds_service.errors import MalformedRequest, UnknownResource
from cds_service.explanation import explanation
from cds_service.hooks.catalogue import Service
from cds_service.hooks.protocol import read_request
from cds_service.store.report import feedback_given
from cds_service.web.body import read_bytes, read_object, require_json
from cds_service.web.demo.chart import chart
from cds_service.web.demo.fixture_records import Resource

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_FEEDBACK_SHOWN = 20
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def try_page_blueprint(parts: Installation, resources: tuple[Resource, ...]) -> Blueprint:
    """Return the page and what it asks for, over `resources` and the parts of the installation."""
    blueprint = Blueprint("try_page", __name__)
    contents = _contents()
    services: Mapping[str, Service] = {each.hook: each for each in parts.catalogue}
    started = parts.now()

    @blueprint.get("/")
    def page() -> Response:
        return file("index.html")

    @blueprint.get("/try/<name>")
    def file(name: str) -> Response:
        if name not in contents:
            raise UnknownResource("The try-it page has no such file.")
        response = Response(contents[name], content_type=_TYPES[name[name.rindex(".") :]])
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    @blueprint.get("/try/chart/<patient_id>")
    def show_chart(patient_id: str) -> Response:
        shown = chart(patient_id, resources, parts.site.knowledge, today=parts.today())
        if shown is None:
            raise UnknownResource("No fixture patient has this id.")
        return _json(shown)

    @blueprint.post("/try/explain")
    def explain() -> Response:
        return _json({"explanation": _reasoning(parts, services)})

    @blueprint.get("/try/feedback")
    def feedback() -> Response:
        given = feedback_given(parts.store.engine, since=started)
        newest = reversed(deque(given, maxlen=_FEEDBACK_SHOWN))
        return _json({"feedback": [asdict(each) for each in newest]})

    return blueprint


def _contents() -> Mapping[str, bytes]:
    """Read the files of the page, once; there are few, and no name from outside opens one."""
    folder = files(__package__).joinpath("page")
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def _reasoning(parts: Installation, services: Mapping[str, Service]) -> object:
    """Answer the hook call in the body once more and return why; None for nobody's eyes."""
    body = _body(parts.settings.body_limit_bytes)
    service = services.get(str(body.get("hook")))
    if service is None:
        raise MalformedRequest("No service is called for this hook.", where="/hook")
    hook_request = read_request(body, service)
    issuer = parts.issuers[0]
    advice = advise(
        hook_request,
        service,
        site=parts.site,
        fhir=parts.fhir.access(
            hook_request.fhir_server,
            hook_request.access_token,
            may_call=lambda base: issuer.may_call(base, tenant=None),
        ),
        as_of=parts.today(),
        use_labelled=issuer.use_labelled,
        key_map=issuer.prefetch_keys,
    )
    if advice.assessment is None:
        return None
    return explanation(advice.assessment, advice.recommendations)


def _body(limit_bytes: int) -> dict[str, object]:
    require_json(
        content_type=request.headers.get("Content-Type"),
        content_encoding=request.headers.get("Content-Encoding"),
    )
    stream, length = request.environ["wsgi.input"], request.content_length
    return read_object(read_bytes(stream, declared_length=length, limit_bytes=limit_bytes))


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")
