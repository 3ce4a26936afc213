"""The command line: serve, check, evaluate, explain, and what an operator needs around them.

Exit codes: 0 well, 1 no answer, 2 configuration or usage, 3 knowledge or cards. Errors of ours are
printed in their own words.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson

from cds_service.bootstrap import (
    Installation,
    fhir_client,
    load_issuers,
    load_site,
    now,
    settings_of_environment,
)
from cds_service.cli_developer import issuer_named, new_scenario, prefetch, service_for
from cds_service.cli_store import db, feedback
from cds_service.decision_support import Advice, advise
from cds_service.errors import CdsServiceError, ConfigurationError, KnowledgeError
from cds_service.explanation import explanation, explanation_text
from cds_service.hooks.card_checks import resource_faults
from cds_service.hooks.catalogue import services
from cds_service.hooks.protocol import read_request
from cds_service.issuers import development_issuer
from cds_service.web.about import about_words
from cds_service.web.body import read_object
from cds_service.web.demo.first_call import first_call

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])
_ISSUER = click.option(
    "--issuer", help="Read as a call of this record of issuers.toml: its prefetch keys, its labels."
)
_WIDTH = 88

Card = Mapping[str, Any]


class _Commands(click.Group):
    """Prints an error of ours in its own words and ends with its exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CdsServiceError as error:
            click.echo(str(error), err=True)
            if isinstance(error, ConfigurationError | KnowledgeError):
                ctx.exit(error.exit_code)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"max_content_width": 100})
@click.version_option(package_name="cds-service")
def main() -> None:
    """A CDS Hooks service: long-term opioid therapy renewed despite coexisting social pain.

    Settings come from variables named CDS_SERVICE_*; docs/settings.md has their table.
    """


@main.command()
@click.option("--host", help="Address to listen on, instead of CDS_SERVICE_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, instead of CDS_SERVICE_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from cds_service.web.serving import serve as serve_until_stopped

    settings = settings_of_environment(host=host, port=port)
    serve_until_stopped(settings, announce=_announce)


@main.command()
def check() -> None:
    """Check settings, knowledge, cards and issuers; name every fault by file and key."""
    from cds_service.web.serving import check_start

    settings = settings_of_environment()
    site = load_site(settings)
    if faults := tuple(resource_faults(site.deck.offers)):
        raise KnowledgeError(faults)
    about_words(settings.cards_directory)
    catalogue = services(site.knowledge)
    issuers = load_issuers(settings, catalogue)
    check_start(settings, issuers)
    click.echo(f"knowledge  {site.knowledge.version} ({site.knowledge.digest})")
    click.echo(f"services   {', '.join(service.id for service in catalogue)}")
    click.echo(f"callers    {', '.join(issuer.name for issuer in issuers)}")
    click.echo("all well")


@main.command()
@click.argument("request_file", metavar="REQUEST.JSON", type=_FILE)
@click.option("--as-of", type=_DAY, help="Day of the call; today at the site if left out.")
@_ISSUER
@click.option("--json", "as_json", is_flag=True, help="Print the answer as the service sends it.")
def evaluate(
    request_file: Path, as_of: datetime | None, issuer: str | None, *, as_json: bool
) -> None:
    """Answer a hook call from a file and print its cards."""
    advice = _advice(request_file, as_of, issuer)
    if as_json:
        click.echo(orjson.dumps({"cards": advice.cards}, option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n\n".join(map(_card_text, advice.cards)) or "No card.")


@main.command()
@click.argument("request_file", metavar="REQUEST.JSON", type=_FILE)
@click.option("--as-of", type=_DAY, help="Day of the call; today at the site if left out.")
@_ISSUER
@click.option("--json", "as_json", is_flag=True, help="Print the reasoning as JSON.")
def explain(
    request_file: Path, as_of: datetime | None, issuer: str | None, *, as_json: bool
) -> None:
    """Show the reasoning behind the answer to a hook call: for the chart's own readers only."""
    advice = _advice(request_file, as_of, issuer)
    if advice.assessment is None:
        click.echo("The user is no practitioner: nothing was looked at, and no card is shown.")
        return
    reasoning = explanation(advice.assessment, advice.recommendations)
    if as_json:
        click.echo(orjson.dumps(reasoning, option=orjson.OPT_INDENT_2))
    else:
        click.echo(explanation_text(reasoning))


@main.command("build-data")
@click.argument("source", type=_FOLDER)
@click.argument("target", type=_FOLDER)
@click.option("--version", required=True, help="Version of the knowledge, such as 2026.11.0.")
@click.option("--released", type=_DAY, required=True, help="Its date, YYYY-MM-DD.")
def build_data_command(source: Path, target: Path, version: str, released: datetime) -> None:
    """Build a site's own data directory TARGET from published tables in SOURCE."""
    from cds_service.data_build import build_data

    build_data(source, target, version=version, released=released.date())
    click.echo(f"built {target}")


main.add_command(db)
main.add_command(feedback)
main.add_command(new_scenario)
main.add_command(prefetch)


def _advice(request_file: Path, as_of: datetime | None, name: str | None) -> Advice:
    """Answer the request in the file; only FHIR servers on this machine are called.

    `name` is that of the issuer whose prefetch keys and use of labels count, None for nobody's.
    """
    settings = settings_of_environment()
    site = load_site(settings)
    catalogue = services(site.knowledge)
    local = development_issuer(use_labelled=settings.use_labelled)
    caller = local if name is None else issuer_named(name, load_issuers(settings, catalogue))
    body = read_object(request_file.read_bytes())
    service = service_for(body.get("hook"), catalogue)
    request = read_request(body, service)
    client = fhir_client(settings)
    try:
        return advise(
            request,
            service,
            site=site,
            fhir=client.access(
                request.fhir_server,
                request.access_token,
                may_call=lambda base: local.may_call(base, tenant=None),
            ),
            as_of=(as_of or now().astimezone(site.time_zone)).date(),
            use_labelled=caller.use_labelled,
            key_map=caller.prefetch_keys,
        )
    finally:
        client.close()


def _card_text(card: Card) -> str:
    return "\n".join(_card_lines(card))


def _card_lines(card: Card) -> Iterator[str]:
    yield f"[{card['indicator']}] {card['summary']}"
    yield f"Source: {card['source']['label']}"
    yield ""
    for line in card.get("detail", "").splitlines():
        yield textwrap.fill(line, _WIDTH, subsequent_indent="  " if line.startswith("- ") else "")
    for title, key, word in _LISTS:
        if items := card.get(key):
            yield f"\n{title}:"
            yield from (f"  - {item[word]}" for item in items)
    yield "\nLinks:"
    yield from (f"  - {link['label']}: {link['url']}" for link in card["links"])


_LISTS = (
    ("Suggestions", "suggestions", "label"),
    ("Reasons to override", "overrideReasons", "display"),
)


def _announce(parts: Installation, port: int) -> None:
    """Say where the service listens, and with the demo what a first call looks like."""
    base = parts.settings.address if parts.settings.port else f"http://{parts.settings.host}:{port}"
    click.echo(f"CDS Hooks services  {base}/cds-services")
    if not parts.is_development:
        return
    click.echo("Development mode: no issuer is configured, so nobody is asked who he is, and only")
    click.echo("this machine can call.")
    if parts.settings.demo_patients is not None:
        click.echo(f"FHIR endpoint       {base}/fhir")
        click.echo(f"Try-it page         {base}/")
        click.echo("\nAn order is signed, and the warning card comes back:\n")
        click.echo(first_call(base))
        click.echo("\nCtrl-C ends the service.")
