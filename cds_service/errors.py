"""Every error this service raises on purpose, with the answer that belongs to it.

    CdsServiceError
    ├── RequestError                 the caller's message cannot be answered
    │   ├── MalformedRequest         400 invalid
    │   ├── Unauthenticated          401 login         (says nothing about why)
    │   ├── Forbidden                403 forbidden
    │   ├── UnknownResource          404 not-found
    │   ├── WrongMethod              405 not-supported
    │   ├── DataUnavailable          412 incomplete    (needed data neither sent nor obtainable)
    │   ├── PatientMismatch          412 conflict      (data of more than one patient)
    │   ├── TooMuchData              412 too-costly
    │   ├── BodyTooLarge             413 too-long
    │   ├── UnsupportedMediaType     415 not-supported
    │   ├── TooManyRequests          429 throttled
    │   ├── Overloaded               503 throttled
    │   └── StoreUnavailable         503 transient     (feedback cannot be kept now)
    ├── RuleFailed                   500 exception     (a bug of ours in the card of a rule)
    ├── ConfigurationError           exit 2            (settings, issuers)
    └── KnowledgeError               exit 3            (data or cards missing, altered, at odds)

A text says what is wrong, where, and what to do. It never contains a value of a patient.
"""

from __future__ import annotations

from typing import ClassVar


class CdsServiceError(Exception):
    """Root of the tree; `str(error)` is safe to show and to log."""


class RequestError(CdsServiceError):
    """A request that gets an OperationOutcome instead of cards.

    `where` is a JSON pointer or prefetch key, `retry_after_seconds` the Retry-After header.
    """

    status: ClassVar[int] = 400
    issue_code: ClassVar[str] = "invalid"

    def __init__(
        self, text: str, *, where: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(text)
        self.where = where
        self.retry_after_seconds = retry_after_seconds


class MalformedRequest(RequestError):
    """The body, or a part of it, does not have the form the specification gives it."""


class Unauthenticated(RequestError):
    """The caller did not show who it is; the reason goes to the log as `refusal`, never out."""

    status = 401
    issue_code = "login"

    def __init__(self, refusal: str) -> None:
        super().__init__("Authentication is required: send a valid Bearer token.")
        self.refusal = refusal


class Forbidden(RequestError):
    """The caller is known but may not do this."""

    status = 403
    issue_code = "forbidden"


class UnknownResource(RequestError):
    """No such service or path."""

    status = 404
    issue_code = "not-found"


class WrongMethod(RequestError):
    """The path exists and does not take this method; `allowed` is the Allow header."""

    status = 405
    issue_code = "not-supported"

    def __init__(self, text: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(text)
        self.allowed = allowed


class DataUnavailable(RequestError):
    """Needed data was neither sent as prefetch nor obtainable; `where` names the prefetch key."""

    status = 412
    issue_code = "incomplete"


class PatientMismatch(RequestError):
    """The data speaks of another patient than the context: no advice on mixed data."""

    status = 412
    issue_code = "conflict"


class TooMuchData(RequestError):
    """More resources than one call evaluates: never a silent cut."""

    status = 412
    issue_code = "too-costly"


class BodyTooLarge(RequestError):
    """The body is larger than the service reads."""

    status = 413
    issue_code = "too-long"


class UnsupportedMediaType(RequestError):
    """The body is not declared as uncompressed JSON."""

    status = 415
    issue_code = "not-supported"


class TooManyRequests(RequestError):
    """This caller sends more than its rate allows."""

    status = 429
    issue_code = "throttled"


class Overloaded(RequestError):
    """The service sheds load rather than answer late."""

    status = 503
    issue_code = "throttled"


class StoreUnavailable(RequestError):
    """Feedback could not be committed; the client may send it again."""

    status = 503
    issue_code = "transient"


class RuleFailed(CdsServiceError):
    """The card of a rule could not be made: a bug, which the cause tells of."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"The card of the rule {rule_id} could not be made: a bug of the service.")
        self.rule_id = rule_id


class ConfigurationError(CdsServiceError):
    """Settings or issuers are wrong: the service refuses to start."""

    exit_code: ClassVar[int] = 2


class KnowledgeError(CdsServiceError):
    """Data files or cards are missing, altered or contradictory: the service refuses to start.

    `faults` holds every fault found, one line each, with file and key.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
