"""What a Bundle says beside its resources: their addresses, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_service.fhir.bundles import Listing, joined, read_value

UUID = "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
BASE = "https://ehr.example.org/r4"
NEXT = [{"relation": "next", "url": "page2"}]


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


@pytest.mark.parametrize("total", [3, "3", " 3 ", 3.0, 10**30, "150000", "9" * 5000])
def test_a_total_above_what_came_is_read_however_it_is_written(total: object) -> None:
    assert listed(entry(None, id="o1"), entry(None, id="o2"), total=total).is_cut


@pytest.mark.parametrize("total", [2, "2", 2.0, 0, -1, True, 2.5, "many", [3], {}])
def test_a_total_that_agrees_or_is_no_number_cuts_nothing(total: object) -> None:
    assert not listed(entry(None, id="o1"), entry(None, id="o2"), total=total).is_cut


def test_what_is_said_to_have_come_along_was_not_searched_for() -> None:
    medication = entry(None, "Medication", id="m1") | {"search": {"mode": "include"}}
    assert listed(entry(None, id="o1"), medication, total=2).is_cut
    assert not listed(entry(None, id="o1"), medication, total=1).is_cut


@pytest.mark.parametrize("search", [None, "match", {}, {"mode": None}, {"mode": "match"}])
def test_a_medication_that_does_not_say_so_may_have_been_counted(search: object) -> None:
    """Who states no mode counts entries: "only part could be read" would stand on every card."""
    medication = entry(None, "Medication", id="m1") | {"search": search}
    assert not listed(entry(None, id="o1"), medication, total=2).is_cut
    assert listed(entry(None, id="o1"), medication, total=3).is_cut


def test_resources_of_one_type_and_id_count_once_towards_the_total() -> None:
    once, twice = entry(None, id="o1"), entry(None, id="o1", status="active")
    assert listed(once, once, total=2).is_cut
    assert listed(once, twice, total=2).is_cut
    assert not listed(once, entry(None, "Condition", id="o1"), total=2).is_cut


@pytest.mark.parametrize("id_", [None, "", 7, []])
def test_resources_without_an_id_count_each_for_itself(id_: object) -> None:
    assert not listed(entry(None, id=id_), entry(None, id=id_), total=2).is_cut


def test_a_resource_on_two_pages_counts_once_towards_the_total() -> None:
    first = listed(entry(None, id="o1"), total=2, link=NEXT)
    assert joined([first, listed(entry(None, id="o1"))], is_unfinished=False).is_cut
    assert not joined([first, listed(entry(None, id="o2"))], is_unfinished=False).is_cut


@pytest.mark.parametrize("link", [NEXT, NEXT[0], [None, *NEXT]])
def test_the_link_to_the_next_page_is_found_in_a_list_and_alone(link: object) -> None:
    assert listed(entry(None, id="o1"), link=link).next_link == "page2"


@pytest.mark.parametrize("link", [None, [], {}, "next", {"relation": "self", "url": "x"}])
def test_what_is_no_link_to_a_next_page_is_none(link: object) -> None:
    assert listed(entry(None, id="o1"), link=link).next_link is None
