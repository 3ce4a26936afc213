"""A question a service asks of the FHIR server: what the catalogue writes and gather answers.

It lies below `hooks`, which publishes queries in discovery, and `fhir`, which answers them, because
these two never import each other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One prefetch key of a service.

    `key` is the name discovery publishes, `template` a FHIR read or search whose only token is
    `{{context.patientId}}`, `resource_type` the type the answer holds, `is_required` whether a
    call without this data is refused (412) rather than answered with less.
    """

    key: str
    template: str
    resource_type: str
    is_required: bool
