"""How the cost grows with the record: ten times the resources, in this process.

The parts of `decision_support.advise` are called one by one, because the number of resources a
call may bring is limited there. Memory and collector are set as the server sets them; what it
collects by the clock is not in these times.
"""

from __future__ import annotations

import time
from datetime import date
from statistics import median

from bench.goals import Goal
from bench.payloads import Payload, payload
from cds_service.bootstrap import load_site
from cds_service.clinical.assessment import assess
from cds_service.clinical.rules import recommend
from cds_service.decision_support import Site
from cds_service.fhir.client import Refusal
from cds_service.fhir.gather import gather
from cds_service.fhir.reader import read_record
from cds_service.hooks.catalogue import Service, services
from cds_service.hooks.protocol import read_request
from cds_service.settings import Settings
from cds_service.web.body import read_object
from cds_service.web.memory import collect_seldom, give_memory_back

SMALL, LARGE = 1_000, 10_000
MOST_TIMES = 12.0


def growth(today: date, *, rounds: int) -> list[Goal]:
    """Return the goals for few opioids and for all."""
    site = load_site(Settings())
    service = next(each for each in services(site.knowledge) if each.hook == "order-sign")
    give_memory_back()
    collect_seldom()
    return [
        Goal(
            name=f"{LARGE} resources to {SMALL}, {opioids} opioids: time",
            measured=_times(
                *(
                    payload("growth", resources=size, opioids=opioids, today=today, rich=False)
                    for size in (SMALL, LARGE)
                ),
                site=site,
                service=service,
                today=today,
                rounds=rounds,
            ),
            limit=MOST_TIMES,
            sense="at most",
        )
        for opioids in ("few", "all")
    ]


def _times(
    small: Payload, large: Payload, *, site: Site, service: Service, today: date, rounds: int
) -> float:
    return median(
        _seconds(large, site, service, today) / _seconds(small, site, service, today)
        for _ in range(rounds)
    )


def _seconds(call: Payload, site: Site, service: Service, today: date) -> float:
    started = time.process_time()
    request = read_request(read_object(call.body), service)
    resources = gather(
        service.prefetch,
        prefetch=request.prefetch,
        patient_id=request.patient_id,
        fhir=Refusal.NOT_SENT,
        context=request.orders,
        most_resources=2 * LARGE,
    )
    record = read_record(
        resources,
        patient_id=request.patient_id,
        drafts=request.orders,
        knowledge=site.knowledge,
        time_zone=site.time_zone,
    )
    assessment = assess(record, site.knowledge, as_of=today, hook=service.hook)
    cards = [site.deck.render(each, assessment, request) for each in recommend(assessment)]
    taken = time.process_time() - started
    if len(cards) != 1:
        raise RuntimeError("the record that is measured brings no card")
    return taken
