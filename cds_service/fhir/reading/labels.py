"""Security labels: which resources are neither used nor named.

Source: clinical.md section 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

_NONE: frozenset[str] = frozenset()
_NEVER_USED = "42CFRPART2"
_USED_BY_POLICY = frozenset(
    {"R", "V", "SDV", "VIO", "MH", "BH", "PSY", "PSYTHPN", "SUD", "OPIOIDUD", "ETH", "ETHUD"}
)
"""Confidentiality restricted and very restricted, and the v3-ActCode sensitivities of violence,
mental health and substance use under their several names."""


def is_withheld(resource: Mapping[str, object], *, use_labelled: bool) -> bool:
    """Say whether a label keeps the resource out, whatever system it is taken from.

    42 CFR Part 2 always does; restricted, very restricted and sensitivity labels do unless the
    site's policy is to use them.
    """
    labels = _labels(resource)
    if not labels:
        return False
    if any(label.startswith(_NEVER_USED) for label in labels):
        return True
    return not use_labelled and not _USED_BY_POLICY.isdisjoint(labels)


def is_labelled(resource: Mapping[str, object]) -> bool:
    """Say whether a label asks that the resource, though it may be used, is never named."""
    return "meta" in resource and not _USED_BY_POLICY.isdisjoint(_labels(resource))


def _labels(resource: Mapping[str, object]) -> Set[str]:
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    if not security:
        return _NONE
    members = security if isinstance(security, list) else [security]
    codes = (member.get("code") if isinstance(member, dict) else member for member in members)
    return {code.strip().upper() for code in codes if isinstance(code, str)}
