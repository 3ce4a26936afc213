"""The fixture patients are invented, complete and valid R4, but for the one that must not be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

PATIENTS = Path(__file__).parents[2] / "fhir_fixtures" / "patients"
UNREADABLE = "nothing-readable"

FILES = sorted(PATIENTS.glob("*.json"))


def resources(file: Path) -> list[Mapping[str, Any]]:
    return [entry["resource"] for entry in json.loads(file.read_bytes())["entry"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_one_patient_with_a_name_under_the_file_name(file: Path) -> None:
    patients = [item for item in resources(file) if item["resourceType"] == "Patient"]
    assert [patient["id"] for patient in patients] == [file.stem]
    assert patients[0]["name"][0]["given"]
    assert patients[0]["name"][0]["family"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_resource_of_a_file_is_about_its_patient(file: Path) -> None:
    about = {
        item["subject"]["reference"]
        for item in resources(file)
        if item["resourceType"] not in {"Patient", "Medication"}
    }
    assert about <= {f"Patient/{file.stem}"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_reference_to_a_medication_but_the_lost_one_leads_somewhere(file: Path) -> None:
    held = {f"Medication/{item['id']}" for item in resources(file)}
    wanted = {
        item["medicationReference"]["reference"]
        for item in resources(file)
        if "medicationReference" in item
    }
    assert (wanted <= held) == (file.stem != UNREADABLE)


def test_no_id_is_used_twice() -> None:
    keys = [(item["resourceType"], item["id"]) for file in FILES for item in resources(file)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.stem != UNREADABLE], ids=lambda file: file.stem
)
def test_every_resource_is_valid_r4(file: Path) -> None:
    for item in resources(file):
        get_fhir_model_class(item["resourceType"]).model_validate(item)


def test_the_unreadable_record_really_is_unreadable() -> None:
    broken = resources(PATIENTS / f"{UNREADABLE}.json")[1:]
    for item in broken:
        with pytest.raises(ValidationError):
            get_fhir_model_class(item["resourceType"]).model_validate(item)
