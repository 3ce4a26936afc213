"""/about: what the service is for, on what basis, with which knowledge - as JSON and as a page.

The words are in `cards/about/about.toml`; numbers, rules, code sets and versions come from where
they live, so that the page cannot drift from what runs.

Source: clinical.md section 10; security-reliability.md section 6.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import orjson
from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined

from cds_service.bootstrap import Installation
from cds_service.clinical.rules import RULES
from cds_service.errors import KnowledgeError
from cds_service.hooks.card_files import packaged_cards

WORDS = Path("about") / "about.toml"


def about(parts: Installation) -> dict[str, Any]:
    """Return the content of the page. Raises KnowledgeError when words are missing."""
    site = parts.site
    knowledge = site.knowledge
    words = about_words(parts.settings.cards_directory)
    source, attributes = words["source"], words["attributes"]
    return {
        **{key: value for key, value in words.items() if not isinstance(value, dict)},
        "source": source,
        "knowledge": {
            "version": knowledge.version,
            "released": knowledge.released.isoformat(),
            "digest": knowledge.digest,
            "cards_digest": site.deck.digest,
            "mme_factors": knowledge.mme_edition,
        },
        "source_attributes": {
            "bibliographic_citation": f"{source['citation']} {source['second_citation']}",
            "release_and_revision": f"Knowledge {knowledge.version} of {knowledge.released}; "
            "the paper is of 2021, the guideline of 2022.",
            **attributes,
        },
        "rules": [
            {
                "id": rule.id,
                "topic": site.deck.cards[rule.id].topic,
                "when": words["rules"][rule.id],
                "hooks": dict(rule.indicators),
                "is_switched_on": rule.id not in site.rules_off,
                "source": rule.source,
            }
            for rule in RULES
        ],
        "thresholds": [
            {
                "name": note.name,
                "value": str(note.value),
                "unit": note.unit,
                "meaning": note.meaning,
                "source": note.source,
            }
            for note in knowledge.threshold_notes
        ],
        "inputs": [
            {
                "hook": service.hook,
                "key": query.key,
                "query": query.template,
                "is_required": query.is_required,
            }
            for service in parts.catalogue
            for query in service.prefetch
        ],
        "code_sets": [
            {
                "file": file.name,
                "content": file.content,
                "publisher": file.publisher,
                "version": file.version,
                "licence": file.licence,
                "rows": file.rows,
            }
            for file in knowledge.sources
        ],
    }


class AboutPage:
    """The answer to GET /about, rendered once at start."""

    def __init__(self, parts: Installation) -> None:
        content = about(parts)
        environment = Environment(
            loader=PackageLoader("cds_service.web", "pages"),
            autoescape=True,
            undefined=StrictUndefined,
        )
        style = environment.get_template("about.css").render()
        page = environment.get_template("about.html").render(about=content, style=style)
        self._json, self._page = orjson.dumps(content), page.encode()
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"

    def answer(self) -> Response:
        """Answer with the page where HTML is asked for, else with JSON."""
        if "text/html" not in request.headers.get("Accept", ""):
            return Response(self._json, mimetype="application/json")
        response = Response(self._page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = self._policy
        return response


def about_words(cards_directory: Path | None) -> dict[str, Any]:
    """Return the words, all present; None means the packaged ones. Raises KnowledgeError."""
    directory = cards_directory or packaged_cards()
    try:
        words = tomllib.loads((directory / WORDS).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise KnowledgeError((f"{WORDS}: cannot be read ({type(error).__name__})",)) from None
    faults = [f"{WORDS}: {name} is missing" for name in _NEEDED - words.keys()]
    faults += [
        f"{WORDS}: rules.{rule.id} is missing"
        for rule in RULES
        if not words.get("rules", {}).get(rule.id)
    ]
    faults += [
        f"{WORDS}: attributes.{name} is missing"
        for name in _ATTRIBUTES
        if not words.get("attributes", {}).get(name)
    ]
    if faults:
        raise KnowledgeError(tuple(sorted(faults)))
    return words


_NEEDED = frozenset(
    {
        *("title", "intended_use", "intended_users", "not_for", "regulatory", "not_predictive"),
        *("validation", "limits", "source", "attributes", "rules"),
    }
)
_ATTRIBUTES = (
    *("developer", "contact", "funding", "race", "ethnicity", "language", "sexual_orientation"),
    *("gender_identity", "sex", "date_of_birth", "social_determinants"),
    "health_status_assessments",
)
