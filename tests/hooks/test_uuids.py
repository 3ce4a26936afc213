"""The UUIDs of cards are those of the standard library, whose values feedback refers to."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from cds_service.hooks.cards import CDS_NAMESPACE
from cds_service.hooks.uuids import uuids_of


@given(namespace=st.uuids(), names=st.lists(st.text(), max_size=3))
def test_the_uuids_are_those_of_the_standard_library(namespace: UUID, names: list[str]) -> None:
    expected = [str(uuid5(namespace, name)) for name in names]
    assert uuids_of(names, within=str(namespace)) == expected
    assert uuids_of(names, within=str(namespace).upper()) == expected


def test_the_root_of_all_cards_stays() -> None:
    root = uuid5(NAMESPACE_URL, "urn:cds-service:opioid-social-pain:card")
    assert str(root) == CDS_NAMESPACE
