"""The reasoning behind an answer, as a table a clinician can audit: nothing is decided here.

`explanation` gives it as plain data, `explanation_text` as text. Sensitive evidence is one
row without a name in both: the chart tells those who may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TypedDict

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.criteria import Evidence
from cds_service.clinical.orders import OrderReading
from cds_service.clinical.rules import RULES, Recommendation

Row = dict[str, object]

SENSITIVE = frozenset({"SDV", "VIO", "LEGAL"})


class Explanation(TypedDict):
    """Every step from the record to the card; dates are ISO, doses decimal text."""

    as_of: str
    hook: str
    knowledge: Row
    orders: list[Row]
    runs: list[Row]
    exposure: Row
    social_pain: Row
    evidence: list[Row]
    physical_pain: list[str]
    exclusions: Row
    exclusion_findings: list[Row]
    dose: Row
    dose_lines: list[Row]
    renewed: list[Row]
    rules: list[Row]
    gaps: list[Row]
    unrelated: list[str]
    outcome: list[Row]


def explanation(assessment: Assessment, recommendations: Sequence[Recommendation]) -> Explanation:
    """Return the reasoning for one assessment and what was recommended on it."""
    a = assessment
    return {
        "as_of": a.as_of.isoformat(),
        "hook": a.hook,
        "knowledge": {"version": a.knowledge.version, "digest": a.knowledge.digest},
        "orders": [
            *(_order(reading, is_draft=False) for reading in a.exposure.readings),
            *(_order(reading, is_draft=True) for reading in a.drafts),
        ],
        "runs": [
            {
                "first": run.first.isoformat(),
                "last": run.last.isoformat(),
                "span_days": run.span_days,
                "covered_days": run.covered_days,
                "covered_share": _decimal(run.covered_share.quantize(Decimal("0.001"))),
                "is_current": run is a.exposure.current_run,
            }
            for run in a.exposure.runs
        ],
        "exposure": {
            "is_long_term": a.exposure.is_long_term,
            "possibly_long_term": list(a.exposure.possibly_long_term),
            "estimated_orders": a.exposure.estimated_orders,
            "imprecise_starts": a.exposure.imprecise_starts,
            "crossing_drafts": [r.order.reference for r in a.crossing_drafts],
        },
        "social_pain": {
            "status": a.social_pain.status,
            "was_screened": a.social_pain.was_screened,
        },
        "evidence": [
            *(_evidence(item) for item in a.social_pain.evidence if not _is_sensitive(item)),
            *_sensitive_evidence(a.social_pain.evidence),
        ],
        "physical_pain": list(a.physical_pain.domains),
        "exclusions": {
            "suppressed_by": a.exclusions.suppressed_by,
            "has_opioid_use_disorder": a.exclusions.may_name_opioid_use_disorder,
            "has_moud": a.has_moud,
            "has_safety_concern": a.exclusions.may_name_safety_concern,
            "is_softened": a.exclusions.is_softened,
        },
        "exclusion_findings": [
            {
                "reference": None if finding.is_labelled else finding.reference,
                "category": "sensitive history" if finding.is_labelled else finding.category,
                "action": finding.action,
                "counts": finding.counts,
                "why_not": finding.why_not,
            }
            for finding in a.exclusions.findings
        ],
        "dose": {
            "mme_per_day": _decimal(a.dose.mme_per_day),
            "is_complete": a.dose.is_complete,
            "edition": a.dose.edition,
            "has_benzodiazepine": a.has_benzodiazepine,
            "needs_naloxone_offer": a.needs_naloxone_offer,
        },
        "dose_lines": [
            {
                "reference": line.reference,
                "ingredient": line.ingredient,
                "is_draft": line.is_draft,
                "mme_per_day": _decimal(line.mme_per_day),
                "formula": line.formula,
                "reason": line.reason,
            }
            for line in a.dose.lines
        ],
        "renewed": [
            {
                "reference": each.reference,
                "ingredient": each.ingredient,
                "is_form_assumed": each.is_form_assumed,
            }
            for each in a.dose.renewed
        ],
        "rules": [
            {
                "id": rule.id,
                "on_this_hook": a.hook in rule.indicators,
                "applies": rule.applies(a),
                "source": rule.source,
            }
            for rule in RULES
        ],
        "gaps": [
            {
                "kind": str(gap.kind),
                "where": gap.where,
                "element": gap.element,
                "reason": gap.reason,
            }
            for gap in a.record.gaps
        ],
        "unrelated": list(a.record.unrelated),
        "outcome": [{"rule": one.rule_id, "indicator": one.indicator} for one in recommendations],
    }


def explanation_text(content: Explanation) -> str:
    """Return the explanation as text of fixed width, one table for each step."""
    outcome = content["outcome"]
    said = ", ".join(f"{one['rule']} ({one['indicator']})" for one in outcome) or "nothing is said"
    parts = [
        f"{content['hook']} on {content['as_of']}: {said}",
        f"knowledge {content['knowledge']['version']} ({content['knowledge']['digest']})",
        _section("Orders", content["orders"]),
        _section("Runs of covered days", content["runs"]),
        _section("Exposure", [content["exposure"]]),
        _section("Social pain", [content["social_pain"]]),
        _section("Evidence", content["evidence"]),
        "Physical pain\n  " + (", ".join(content["physical_pain"]) or "none coded"),
        _section("Exclusions", [content["exclusions"]]),
        _section("Records that may exclude", content["exclusion_findings"]),
        _section("Daily dose", [content["dose"]]),
        _section("Dose, line by line", content["dose_lines"]),
        _section("Left out of the dose, because a draft renews it", content["renewed"]),
        _section("Rules, in order", content["rules"]),
        _section("What could not be read", content["gaps"]),
        f"Read and of no concern to any rule: {len(content['unrelated'])}",
    ]
    return "\n\n".join(parts) + "\n"


def _order(reading: OrderReading, *, is_draft: bool) -> Row:
    drug = reading.drug
    covered = reading.covered
    return {
        "reference": reading.order.reference,
        "is_draft": is_draft,
        "recognised_by": None if drug is None else drug.by,
        "ingredient": None if drug is None else drug.ingredient,
        "use": None if drug is None else drug.use,
        "status": reading.order.status,
        "start": _iso(reading.start),
        "supply_days": reading.supply.days,
        "supply_from": reading.supply.source,
        "covered": None if covered is None else f"{covered.first} to {covered.last}",
        "counts": reading.counts,
        "why_not": reading.why_not,
    }


def _is_sensitive(item: Evidence) -> bool:
    return item.sensitivity in SENSITIVE


def _sensitive_evidence(evidence: Iterable[Evidence]) -> Iterable[Row]:
    """Yield one row for all of it: no reference, count, year or kind may show on a screen."""
    found = [item.counts for item in evidence if _is_sensitive(item)]
    if found:
        unnamed = dict.fromkeys(("concept", "strength", "status", "year", "why_not"))
        yield {
            "reference": None,
            "domain": "sensitive history",
            **unnamed,
            "counts": any(found),
        }


def _evidence(item: Evidence) -> Row:
    return {
        "reference": item.reference,
        "domain": item.domain,
        "concept": item.subdomain,
        "strength": item.strength,
        "status": item.status,
        "year": item.year,
        "why_not": item.why_not,
        "counts": item.counts,
    }


def _section(title: str, rows: Sequence[Row]) -> str:
    if not rows:
        return f"{title}\n  none"
    columns = tuple(rows[0])
    cells = [columns, *(tuple(_cell(row[column]) for column in columns) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ("  " + "  ".join(_padded(line, widths)).rstrip() for line in cells)
    return title + "\n" + "\n".join(lines)


def _padded(line: Iterable[str], widths: Sequence[int]) -> Iterable[str]:
    return (cell.ljust(width) for cell, width in zip(line, widths, strict=True))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")
