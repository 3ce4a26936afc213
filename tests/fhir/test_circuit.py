"""When a failing server is left alone, and when it is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.fhir.circuit import Admission, Circuit


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def circuit(clock: Clock, *, failures: int) -> Circuit:
    made = Circuit(failures_to_open=3, probe_seconds=10.0, monotonic=clock)
    for _ in range(failures):
        made.failed()
    return made


def test_two_failures_in_a_row_leave_the_circuit_closed() -> None:
    made = circuit(Clock(), failures=2)
    assert not made.is_open
    assert made.admission() is Admission.ALL


def test_three_failures_in_a_row_open_the_circuit() -> None:
    made = circuit(Clock(), failures=3)
    assert made.is_open
    assert made.admission() is Admission.NOTHING


def test_a_success_between_failures_starts_the_count_again() -> None:
    made = circuit(Clock(), failures=2)
    made.succeeded()
    made.failed()
    made.failed()
    assert not made.is_open


def test_one_probe_is_admitted_after_ten_seconds_and_no_second_one() -> None:
    clock = Clock()
    made = circuit(clock, failures=3)
    clock.seconds += 9.99
    assert made.admission() is Admission.NOTHING
    clock.seconds += 0.01
    assert made.admission() is Admission.ONE_PROBE
    assert made.admission() is Admission.NOTHING


def test_a_failed_probe_costs_another_ten_seconds() -> None:
    clock = Clock()
    made = circuit(clock, failures=3)
    clock.seconds += 10
    made.admission()
    made.failed()
    clock.seconds += 9.99
    assert made.admission() is Admission.NOTHING
    clock.seconds += 0.01
    assert made.admission() is Admission.ONE_PROBE


def test_failures_that_come_in_late_do_not_put_the_probe_off() -> None:
    clock = Clock()
    made = circuit(clock, failures=3)
    clock.seconds += 5
    made.failed()
    clock.seconds += 5
    assert made.admission() is Admission.ONE_PROBE


def test_one_success_closes_the_circuit() -> None:
    made = circuit(Clock(), failures=7)
    made.succeeded()
    assert made.admission() is Admission.ALL
