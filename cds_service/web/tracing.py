"""Traces, when the site asks for them: the four steps of a call, as spans named by hand.

OpenTelemetry is imported only then. Nothing is instrumented automatically: those libraries record
URLs, and with them patient ids.

Source: security-reliability.md 2.3 and 4.1 "tracing".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cds_service.errors import ConfigurationError
from cds_service.web.notes import Span


class Tracing(NamedTuple):
    """What opens spans, and what sends the last of them before the process ends."""

    span: Span
    close: Callable[[], None]


def tracing_to(endpoint: str) -> Tracing:
    """Return spans that are sent to the OTLP/HTTP address, off the request path.

    Raises ConfigurationError when the packages for it are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise ConfigurationError(
            "CDS_SERVICE_TRACE_ENDPOINT: needs pip install 'cds-service[tracing]'"
        ) from None
    provider = TracerProvider(
        resource=Resource({SERVICE_NAME: "cds-service"}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("cds_service")
    return Tracing(
        span=lambda name: tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ),
        close=provider.shutdown,
    )
