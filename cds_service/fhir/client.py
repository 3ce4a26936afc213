"""Asking the client's FHIR server: only reads, only below one base, all by one absolute deadline.

    FhirClient   one per process: session, threads, one circuit per base
    FhirAccess   one per hook call: a base, a token, a deadline
    Refusal      why a call has no access
    Question     one read or search, its pages included
    Answer       the pages it brought, and what ended them

One GET is `exchange`; what the pages mean is read in `bundles` and `gather`.

Source: security-reliability.md T30 to T37 and F2 to F6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from threading import Event, Lock

from cds_service.access_token import AccessToken
from cds_service.fhir.base_url import BaseUrl
from cds_service.fhir.bundles import Resource, next_link
from cds_service.fhir.circuit import Admission, Circuit
from cds_service.fhir.exchange import Exchange, Failure, exchange
from cds_service.fhir.transport import deadline_session

Observe = Callable[[str, str, float], None]
"""Called after each HTTP exchange with resource type, outcome ("ok" or a Failure) and seconds."""

_GRACE_SECONDS = 0.05
"""What threads get after the deadline to hand in the pages they have."""
_FAULTS = frozenset({Failure.SERVER_ERROR, Failure.UNREACHABLE, Failure.TIMED_OUT})
_SIGNS_OF_LIFE = frozenset(
    {
        Failure.ACCESS_REFUSED,
        Failure.NOT_FOUND,
        Failure.REJECTED,
        Failure.REDIRECTED,
        Failure.THROTTLED,
        Failure.UNREADABLE,
        Failure.TOO_LARGE,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FhirLimits:
    """What one hook call may cost the FHIR server and us."""

    deadline_seconds: float = 1.5
    calls_at_once: int = 8
    pages: int = 10
    continued_lists: int = 8
    """Lists of prefetch whose further pages are read; of the rest no page is."""
    answer_bytes: int = 8 * 1024 * 1024
    answer_levels: int = 64
    medication_reads: int = 40
    threads: int = 32
    """Of the process, for all hook calls together."""
    failures_to_open: int = 3
    probe_seconds: float = 10.0


class Refusal(StrEnum):
    """Why a hook call has no FHIR server to read from; the text goes into the 412."""

    NOT_SENT = "no fhirServer was sent to read them from"
    NOT_ALLOWED = "the fhirServer sent is not one this client may have called"
    TOKEN_UNUSABLE = "the access token sent cannot be used"  # noqa: S105


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A read or search below the base, with the `next` links that follow from it.

    `link` may be relative. `plain_link` is asked instead if the server rejects `link` (400).
    `pages_before` counts pages already had, as when the first one came as prefetch.
    """

    resource_type: str
    link: str = field(repr=False)
    plain_link: str | None = field(default=None, repr=False)
    pages_before: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The pages in their order. `failure` is None when there are no more."""

    pages: tuple[Resource, ...] = field(default=(), repr=False)
    failure: Failure | None = None


class FhirClient:
    """Everything calls share: the session with its open connections, the threads, the circuits.

    `monotonic` returns seconds; `verify` is True or the path of a certificate bundle.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        limits: FhirLimits | None = None,
        verify: bool | str = True,
    ) -> None:
        self.limits = limits or FhirLimits()
        self.monotonic = monotonic
        self.session = deadline_session(verify=verify, connections=self.limits.threads)
        self.threads = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="fhir")
        self._circuits: dict[BaseUrl, Circuit] = {}
        self._lock = Lock()

    def access(
        self,
        fhir_server: object,
        token: AccessToken | None,
        *,
        may_call: Callable[[BaseUrl], bool],
        observe: Observe | None = None,
    ) -> FhirAccess | Refusal:
        """Open access for one hook call; its deadline starts to run now.

        `fhir_server` and `token` are what the call sent, `may_call` is what its client is allowed.
        """
        if fhir_server is None:
            return Refusal.NOT_SENT
        base = BaseUrl.parse(fhir_server)
        if base is None or not may_call(base):
            return Refusal.NOT_ALLOWED
        if token is not None and not token.is_sendable:
            return Refusal.TOKEN_UNUSABLE
        return FhirAccess(
            base=base,
            token=token,
            deadline=self.monotonic() + self.limits.deadline_seconds,
            client=self,
            circuit=self._circuit(base),
            observe=observe,
        )

    def open_circuits(self) -> tuple[BaseUrl, ...]:
        """Return the bases that are not called just now because they failed."""
        with self._lock:
            return tuple(base for base, circuit in self._circuits.items() if circuit.is_open)

    def close(self) -> None:
        """Let go of threads and connections; calls under way end by their own deadlines."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.session.close()

    def _circuit(self, base: BaseUrl) -> Circuit:
        with self._lock:
            if base not in self._circuits:
                self._circuits[base] = Circuit(
                    failures_to_open=self.limits.failures_to_open,
                    probe_seconds=self.limits.probe_seconds,
                    monotonic=self.monotonic,
                )
            return self._circuits[base]


@dataclass(frozen=True, kw_only=True, slots=True)
class FhirAccess:
    """One base and one token for one hook call, until `deadline` (seconds of the client's clock).

    Shows neither in `repr`. Made by `FhirClient.access`.
    """

    base: BaseUrl = field(repr=False)
    token: AccessToken | None = field(repr=False)
    deadline: float
    client: FhirClient = field(repr=False)
    circuit: Circuit = field(repr=False)
    observe: Observe | None = field(default=None, repr=False)

    def ask(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        """Answer all questions in parallel, in the order asked; returns by the deadline.

        If the server is believed to be down, the first question probes it for the others.
        """
        admission = self.circuit.admission() if questions else Admission.NOTHING
        if admission is Admission.ALL:
            return self._noted(questions)
        refused = Answer(failure=Failure.CIRCUIT_OPEN)
        if admission is Admission.NOTHING:
            return (refused,) * len(questions)
        probe = self._noted(questions[:1])
        rest = questions[1:]
        return probe + ((refused,) * len(rest) if self.circuit.is_open else self._noted(rest))

    def _noted(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        """Ask, and tell the circuit once: searches that fail together are one failure.

        Running out of time says nothing about the server when little was left to begin with.
        """
        is_late = self._seconds_left() < self.client.limits.deadline_seconds / 2
        answers = self._parallel(questions)
        failures = {answer.failure for answer in answers}
        if any(answer.pages for answer in answers) or failures & _SIGNS_OF_LIFE:
            self.circuit.succeeded()
        elif failures & _FAULTS and not (is_late and Failure.TIMED_OUT in failures):
            self.circuit.failed()
        return answers

    def _parallel(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        answers = [Answer(failure=Failure.TIMED_OUT)] * len(questions)
        waiting = iter(enumerate(questions))
        running: dict[Future[Answer], int] = {}
        while True:
            for place, question in islice(waiting, self.client.limits.calls_at_once - len(running)):
                running[self.client.threads.submit(self._answer, question)] = place
            patience = max(0.0, self._seconds_left() + _GRACE_SECONDS)
            done, _ = wait(running, timeout=patience, return_when=FIRST_COMPLETED)
            for future in done:
                answers[running.pop(future)] = future.result()
            if not done:
                return tuple(answers)

    def _answer(self, question: Question) -> Answer:
        """Read the pages one after the other."""
        pages: list[Resource] = []
        read: set[str] = set()
        link: str | None = question.link
        while link is not None:
            is_first = not pages and not question.pages_before
            url = (
                self.base.below(link)
                if is_first
                else self.base.page_below(link, question.resource_type)
            )
            if url is None:
                return Answer(pages=tuple(pages), failure=Failure.FOREIGN_LINK)
            if url in read or len(pages) + question.pages_before >= self.client.limits.pages:
                return Answer(pages=tuple(pages), failure=Failure.TOO_MANY_PAGES)
            read.add(url)
            page = self._page(question.resource_type, url)
            if page.failure is Failure.REJECTED and link == question.link and question.plain_link:
                link = question.plain_link
                continue
            if page.body is None:
                return Answer(pages=tuple(pages), failure=page.failure)
            pages.append(page.body)
            link = next_link(page.body)
        return Answer(pages=tuple(pages))

    def _page(self, resource_type: str, url: str) -> Exchange:
        """Get one page; a second time only where the server names a delay that still fits."""
        page = self._observed(resource_type, url)
        delay = page.retry_after_seconds
        if delay is not None and delay < self._seconds_left():
            Event().wait(delay)
            page = self._observed(resource_type, url)
        return page

    def _observed(self, resource_type: str, url: str) -> Exchange:
        started = self.client.monotonic()
        if self._seconds_left() <= 0:
            return Exchange(failure=Failure.TIMED_OUT)
        got = exchange(
            self.client.session,
            url,
            token=self.token,
            seconds_left=self._seconds_left,
            most_bytes=self.client.limits.answer_bytes,
            most_levels=self.client.limits.answer_levels,
        )
        if self.observe is not None:
            self.observe(resource_type, got.failure or "ok", self.client.monotonic() - started)
        return got

    def _seconds_left(self) -> float:
        return self.deadline - self.client.monotonic()
