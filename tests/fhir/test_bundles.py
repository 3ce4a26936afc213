"""What a Bundle says beside its resources: their addresses, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_service.fhir.bundles import Listing, read_value

UUID = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
BASE = "https://ehr.example.org/r4"


def entry(
    full_url: object, kind: str = "MedicationRequest", **members: object
) -> dict[str, object]:
    return {"fullUrl": full_url, "resource": {"resourceType": kind, **members}}


def listed(*entries: object, **more: object) -> Listing:
    found = read_value({"resourceType": "Bundle", "entry": list(entries), **more})
    assert found is not None
    return found


def ids(*entries: object) -> Sequence[object]:
    return [resource.get("id") for resource in listed(*entries).resources]


@pytest.mark.parametrize(
    ("full_url", "id_"),
    [
        (f"urn:uuid:{UUID}", UUID),
        (f"urn:uuid:{UUID.upper()}", UUID),
        ("urn:oid:1.2.3", "1.2.3"),
        (f"{BASE}/MedicationRequest/o1", "o1"),
        (f"{BASE}/MedicationRequest/o1/_history/2", "o1"),
        (" MedicationRequest/o1 ", "o1"),
    ],
)
@pytest.mark.parametrize("absent", [{}, {"id": None}, {"id": ""}])
def test_a_resource_without_an_id_has_that_of_its_full_url(
    full_url: str, id_: str, absent: dict[str, object]
) -> None:
    assert ids(entry(full_url, **absent)) == [id_]


@pytest.mark.parametrize(
    "full_url",
    [
        None,
        7,
        [],
        {},
        "",
        "urn:uuid:",
        "o1",
        BASE,
        f"{BASE}/MedicationRequest",
        f"{BASE}/MedicationRequest/",
        f"{BASE}/MedicationRequest/o 1",
        f"{BASE}/Condition/o1",
    ],
)
def test_a_full_url_that_states_no_id_of_the_type_gives_none(full_url: object) -> None:
    assert ids(entry(full_url)) == [None]
    assert ids(entry(full_url, "Medication", id="m1")) == ["m1"]


def test_a_urn_is_not_the_id_of_the_patient_but_an_address_is() -> None:
    """The call names its patient by id, and a URN is none: it would be another patient's."""
    assert ids(entry(f"urn:uuid:{UUID}", "Patient")) == [None]
    assert ids(entry(f"{BASE}/Patient/p1", "Patient")) == ["p1"]


def test_the_id_of_a_resource_is_its_own_whatever_its_full_url() -> None:
    assert ids(entry(f"urn:uuid:{UUID}", id="o1")) == ["o1"]


@pytest.mark.parametrize("full_url", [f"urn:uuid:{UUID}", f"{BASE}/Medication/{UUID}"])
def test_a_medication_is_found_under_its_id_and_under_its_full_url(full_url: str) -> None:
    assert ids(entry(full_url, "Medication", id="m1")) == ["m1", UUID]
    assert ids(entry(full_url, "Medication", id=UUID)) == [UUID]
    assert ids(entry(full_url, "Medication", id=UUID.upper())) == [UUID.upper()]


def test_a_medication_under_two_ids_counts_once_towards_the_total() -> None:
    medication = entry(f"urn:uuid:{UUID}", "Medication", id="m1")
    medication["search"] = {"mode": "match"}
    assert listed(entry(None, id="o1"), medication, total=3).is_cut
    assert not listed(entry(None, id="o1"), medication, total=2).is_cut
