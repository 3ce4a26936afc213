"""Metrics for Prometheus, on their own port; every label is a word of ours.

Source: security-reliability.md 2.3 (names and labels), T46.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cds_service.web.listening import METRICS, unusable_address
from cds_service.web.notes import CallNote

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)

GaugeReading = Callable[[], Mapping[str, float]]
"""Returns the values of a gauge now, by its one label."""


class Metrics:
    """The counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "cds_requests", "Requests answered.", "hook", "issuer", "outcome"
        )
        self._seconds = self._histogram("cds_request_seconds", "Time to answer.", "hook", "outcome")
        self._fhir = self._counter(
            "cds_fhir_requests", "FHIR requests made.", "issuer", "type", "outcome"
        )
        self._fhir_seconds = self._histogram("cds_fhir_seconds", "Time of FHIR requests.", "type")
        self._shed = self._counter("cds_shed", "Requests turned away.", "why")
        self._refused = self._counter("cds_auth_refused", "Tokens refused.", "issuer", "code")
        self._token_age = Gauge(
            "cds_token_age_seconds",
            "Age of the last token accepted; below 0 the issuer's clock is ahead of ours.",
            ["issuer"],
            registry=self.registry,
        )
        self._fired = self._counter("cds_rule_fired", "Cards computed.", "rule")
        self._failed = self._counter("cds_rule_error", "Cards that a bug prevented.", "rule")
        self._feedback = self._counter(
            "cds_feedback", "Feedback kept for the first time.", "rule", "outcome"
        )
        self._lost = self._counter("cds_store_lost_rows", "Rows that were not written.", "table")
        self._answered: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=_SECONDS, registry=self.registry)

    def record_request(self, note: CallNote) -> None:
        """Count one answered request."""
        labels = (note.hook, note.issuer, note.outcome)
        if labels not in self._answered:
            seconds = self._seconds.labels(note.hook, note.outcome)
            self._answered[labels] = (self._requests.labels(*labels), seconds)
        number, seconds = self._answered[labels]
        number.inc()
        seconds.observe(note.seconds)
        for rule in note.rules:
            self._fired.labels(rule).inc()
        if note.failed_rule is not None:
            self._failed.labels(note.failed_rule).inc()
        if note.refusal is not None:
            self._refused.labels(note.issuer, note.refusal).inc()
        if note.status in (429, 503):
            self._shed.labels("rate" if note.status == 429 else note.outcome).inc()

    def record_fhir(self, issuer: str, resource_type: str, outcome: str, seconds: float) -> None:
        """Count one FHIR exchange."""
        self._fhir.labels(issuer, resource_type, outcome).inc()
        self._fhir_seconds.labels(resource_type).observe(seconds)

    def record_token(self, issuer: str, age_seconds: float) -> None:
        """Keep how old an accepted token was."""
        self._token_age.labels(issuer).set(age_seconds)

    def record_feedback(self, rule_id: str | None, outcome: str) -> None:
        """Count one entry of feedback; the rule is None for a card not in the ledger."""
        self._feedback.labels(rule_id or "unknown", outcome).inc()

    def record_loss(self, table: str, rows: int) -> None:
        """Count rows that the store gave up."""
        self._lost.labels(table).inc(rows)

    def watch(
        self, name: str, meaning: str, reading: GaugeReading, *, label: str | None = None
    ) -> None:
        """Publish a gauge that is read when Prometheus asks; without label under the key ""."""
        self.registry.register(_Reading(name, meaning, label, reading))

    def serve(self, *, host: str, port: int) -> None:
        """Publish on a port of its own. Raises ConfigurationError when it cannot be had."""
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except (OSError, UnicodeError) as error:
            raise unusable_address(error, host=host, port=port, settings=METRICS) from None


class _Reading(Collector):
    def __init__(self, name: str, meaning: str, label: str | None, reading: GaugeReading) -> None:
        self._name, self._meaning, self._label, self._reading = name, meaning, label, reading

    def collect(self) -> list[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._label and [self._label])
        for value_of_label, value in self._reading().items():
            family.add_metric([value_of_label] if self._label else [], value)
        return [family]
