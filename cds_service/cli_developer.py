"""The commands for those who connect an EHR or add a case: `prefetch` and `new-scenario`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson

from cds_service import bootstrap
from cds_service.decision_support import Site, advise
from cds_service.errors import ConfigurationError, MalformedRequest, RequestError
from cds_service.fhir.client import Refusal
from cds_service.hooks.catalogue import Service, services
from cds_service.hooks.protocol import read_request
from cds_service.issuers import Issuer
from cds_service.scenario_capture import captured_case
from cds_service.scenario_capture.disguise import Disguise, drug_words
from cds_service.web.body import read_object
from cds_service.web.demo.fixture_records import REFERENCE_DAY

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHEET = '''\
title = "Say here in one sentence what must hold"
as_of = {as_of}
why = """
Say here why, with the arithmetic."""

[expect]
rule = "?"
'''


@click.command()
@click.option("--issuer", "name", help="Under the prefetch keys of this record of issuers.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for all services.")
def prefetch(name: str | None, *, as_json: bool) -> None:
    """Print what each service wants as prefetch, for clients that do not read discovery."""
    settings = bootstrap.settings_of_environment()
    catalogue = services(bootstrap.load_site(settings).knowledge)
    issuer = (
        None if name is None else issuer_named(name, bootstrap.load_issuers(settings, catalogue))
    )
    tables = {
        f"{settings.address}/cds-services/{service.id}": (service, _rows(service, issuer))
        for service in catalogue
    }
    if as_json:
        templates = {
            url: {"hook": service.hook, "prefetch": {key: template for key, _, template in rows}}
            for url, (service, rows) in tables.items()
        }
        click.echo(orjson.dumps(templates, option=orjson.OPT_INDENT_2))
        return
    for url, (service, rows) in tables.items():
        click.echo(f"{service.hook}\t{url}")
        click.echo("".join(f"{key}\t{need}\t{template}\n" for key, need, template in rows))


def issuer_named(name: str, issuers: tuple[Issuer, ...]) -> Issuer:
    """Return the issuer whose record has the name; raises ConfigurationError where none has."""
    for issuer in issuers:
        if issuer.name == name:
            return issuer
    known = ", ".join(issuer.name for issuer in issuers)
    raise ConfigurationError(f"issuer {name}: there is no such record; there are: {known}")


def _rows(service: Service, issuer: Issuer | None) -> list[tuple[str, str, str]]:
    """Return key, need and template of each query, under the client's own keys where it has any."""
    theirs: dict[str, list[str]] = {}
    for own, ours in (issuer.prefetch_keys if issuer else {}).items():
        theirs.setdefault(ours, []).append(own)
    return [
        (key, "required" if query.is_required else "optional", query.template)
        for query in service.prefetch
        for key in theirs.get(query.key, [query.key])
    ]


@click.command("new-scenario")
@click.argument("captured", metavar="CAPTURED.JSON", type=click.Path(exists=True, path_type=Path))
@click.argument("name")
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day the call was made on."
)
@click.option("--hook", help="Hook of the call, if the captured body does not say.")
@click.option(
    "--keep",
    multiple=True,
    metavar="TYPE/ID",
    help="Keep a resource that no rule looks at, such as the order that should have been known.",
)
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path), show_default=True,
    default=Path("fhir_fixtures/scenarios"), help="Where the scenario folders are.",
)  # fmt: skip
def new_scenario(
    captured: Path, name: str, as_of: datetime, hook: str | None, keep: tuple[str, ...], into: Path
) -> None:
    """Write the scenario folder NAME from a captured hook call, without what tells whose it was."""
    if not _SLUG.fullmatch(name):
        raise click.BadParameter("small letters, digits and hyphens, please", param_hint="NAME")
    body = read_object(captured.read_bytes())
    if hook is not None:
        body["hook"] = hook
    settings = bootstrap.settings_of_environment()
    site = bootstrap.load_site(settings)
    service = service_for(body.get("hook"), services(site.knowledge))
    folder = into / service.hook / name
    if folder.exists():
        raise click.BadParameter(f"{folder} is there already", param_hint="NAME")
    disguise = Disguise(
        as_of=as_of.date(),
        moved_to=REFERENCE_DAY,
        time_zone=site.time_zone,
        drug_words=drug_words(site.knowledge),
    )
    case = captured_case(
        body, service, name=name, disguise=disguise, knowledge=site.knowledge, deck=site.deck,
        keep=keep,
    )  # fmt: skip
    before = _answer(body, service, site, as_of=as_of.date())
    after = _answer(case, service, replace(site, time_zone=ZoneInfo("UTC")), as_of=REFERENCE_DAY)
    _write(folder, case)
    click.echo("\n".join(_report(folder, f"{service.hook}/{name}", before, after)))


def service_for(hook: object, catalogue: tuple[Service, ...]) -> Service:
    """Return the service of a hook; raises MalformedRequest where there is none."""
    for service in catalogue:
        if service.hook == hook:
            return service
    hooks = ", ".join(service.hook for service in catalogue)
    raise MalformedRequest(f"hook must be one of: {hooks}.", where="/hook")


def _answer(body: Mapping[str, Any], service: Service, site: Site, *, as_of: date) -> str:
    """Name what the service answers: the rule and its indicator, no card, or the error."""
    try:
        advice = advise(
            read_request(body, service), service, site=site, fhir=Refusal.NOT_SENT, as_of=as_of
        )
    except RequestError as error:
        return f"{error.status} {error.issue_code}"
    return ", ".join(f"{one.rule_id} ({one.indicator})" for one in advice.recommendations) or (
        "no card"
    )


def _write(folder: Path, case: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    text = json.dumps(case, ensure_ascii=False, indent=2)
    (folder / "request.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / "scenario.toml").write_text(_SHEET.format(as_of=REFERENCE_DAY), encoding="utf-8")


def _report(folder: Path, name: str, before: str, after: str) -> Iterator[str]:
    yield f"Written: {folder}"
    if before == after:
        yield f"The service answers the case as it answered the call: {after}."
    else:
        yield f"The service answers the call with {before}, the case with {after}: something that"
        yield "matters was left out. Put it back by hand, without what tells whose it was."
    yield "Codes, doses and distances in time are still those of a person: read request.json before"
    yield "anybody else does. Then say in scenario.toml what must hold, and record the answer:"
    yield f"    python -m tests.record_scenarios {name}"
