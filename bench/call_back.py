"""What calling back costs: the whole call less the slowest of its searches.

A FHIR server on loopback takes 50 ms for each page. Four lists are left out of the prefetch; in
the second measurement one of them has three pages, which follow one another by nature.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from bench.goals import Goal
from bench.payloads import HOOK_INSTANCE_END
from bench.processes import ORDER_SIGN, Running

PAGE_SECONDS = 0.050
MOST_OVERHEAD_MS = 15.0
LEFT_OUT = {
    "medication-requests": "MedicationRequest",
    "conditions": "Condition",
    "observations": "Observation",
    "encounters": "Encounter",
}
_PAGED = "Condition"


@dataclass(kw_only=True)
class FhirServer:
    """The lists by resource type, and how many pages the one with several has."""

    base: str
    lists: Mapping[str, list[Any]]
    pages: int = 1

    def page(self, kind: str, number: int) -> bytes:
        """Return page `number`, from 1, of a list as a Bundle."""
        entries = self.lists[kind]
        pages = self.pages if kind == _PAGED else 1
        size = -(-len(entries) // pages) or 1
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(entries),
            "entry": entries[(number - 1) * size : number * size],
        }
        if number < pages:
            following = f"{self.base}/{kind}?page={number + 1}"
            bundle["link"] = [{"relation": "next", "url": following}]
        return json.dumps(bundle).encode()


@contextmanager
def fhir_server(lists: Mapping[str, list[Any]]) -> Iterator[FhirServer]:
    """Serve the lists from threads of this process."""
    found: list[FhirServer] = []

    class Search(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = time.perf_counter()
            address = urlsplit(self.path)
            number = int(parse_qs(address.query).get("page", ["1"])[0])
            body = found[0].page(address.path.rpartition("/")[2], number)
            time.sleep(max(0.0, PAGE_SECONDS - (time.perf_counter() - asked)))
            self.send_response(200)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Search)
    server.daemon_threads = True
    found.append(FhirServer(base=f"http://127.0.0.1:{server.server_port}/fhir", lists=lists))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found[0]
    finally:
        server.shutdown()
        server.server_close()


def overhead(service: Running, body: bytes, *, calls: int) -> list[Goal]:
    """Measure calls one by one, with one page each and with three on one list."""
    request = json.loads(body)
    lists = {kind: request["prefetch"].pop(key)["entry"] for key, kind in LEFT_OUT.items()}
    with fhir_server(lists) as fhir:
        request["fhirServer"] = fhir.base
        goals = []
        for pages in (1, 3):
            fhir.pages = pages
            taken = [_call_ms(service, request) for _ in range(calls + 2)][2:]
            slowest_ms = pages * PAGE_SECONDS * 1000
            name = "four searches" if pages == 1 else f"four searches, {pages} pages on one"
            goals.append(
                Goal(
                    name=f"call-back, {name}: median above the slowest",
                    measured=median(taken) - slowest_ms,
                    limit=MOST_OVERHEAD_MS,
                    sense="at most",
                    unit="ms",
                )
            )
    return goals


def _call_ms(service: Running, request: Mapping[str, Any]) -> float:
    instance = request["hookInstance"].replace(HOOK_INSTANCE_END, uuid4().hex[:12])
    body = json.dumps({**request, "hookInstance": instance}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    started = time.perf_counter()
    connection.request("POST", ORDER_SIGN, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    cards = json.loads(response.read())["cards"]
    taken = time.perf_counter() - started
    connection.close()
    if response.status != http.client.OK or len(cards) != 1:
        raise RuntimeError(f"a call that needs call-back was answered {response.status}")
    return taken * 1000
