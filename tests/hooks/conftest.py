"""The packaged cards, loaded once: they are immutable."""

from __future__ import annotations

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.hooks.card_files import load_cards
from cds_service.hooks.cards import CardDeck


@pytest.fixture(scope="session")
def deck(knowledge: Knowledge) -> CardDeck:
    return load_cards(knowledge=knowledge, public_url="https://cds.example.org")
