"""Loading cards: whatever is wrong in a file is told with file and key, all of it at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.rules import RULES
from cds_service.errors import KnowledgeError
from cds_service.hooks.card_checks import resource_faults
from cds_service.hooks.card_files import load_cards, packaged_cards
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.facts import CONDITIONS, FACTS
from tests.assessments import assessment
from tests.hooks.builders import card, paragraph

URL = "https://cds.example.org"


class Cards:
    """A copy of the packaged cards that a test may spoil."""

    def __init__(self, directory: Path, knowledge: Knowledge) -> None:
        self.directory = directory
        self.knowledge = knowledge

    def change(self, name: str, old: str, new: str) -> None:
        path = self.directory / f"{name}.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def faults(self) -> tuple[str, ...]:
        with pytest.raises(KnowledgeError) as caught:
            load_cards(self.directory, knowledge=self.knowledge, public_url=URL)
        return caught.value.faults

    def the_fault(self) -> str:
        (fault,) = self.faults()
        return fault


@pytest.fixture
def cards(tmp_path: Path, knowledge: Knowledge) -> Cards:
    shutil.copytree(packaged_cards(), tmp_path / "cards")
    return Cards(tmp_path / "cards", knowledge)


def test_the_packaged_cards_are_without_fault_and_one_for_each_rule(deck: CardDeck) -> None:
    assert set(deck.cards) == {rule.id for rule in RULES}
    assert all(name == template.rule_id for name, template in deck.cards.items())


def test_every_offer_of_the_packaged_cards_is_valid_fhir(deck: CardDeck) -> None:
    assert list(resource_faults(deck.offers)) == []


def test_a_copy_loads_like_the_original(cards: Cards, deck: CardDeck) -> None:
    copy = load_cards(cards.directory, knowledge=cards.knowledge, public_url=f"{URL}/")
    assert copy.digest == deck.digest
    assert copy.public_url == URL


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("override-reasons", "Patient declines", "Patient  declines"),
        ("about/about", "Not given by this installation.", "The pain clinic, extension nine."),
    ],
)
def test_the_digest_changes_with_one_byte_of_cards_or_about(
    cards: Cards, deck: CardDeck, name: str, old: str, new: str
) -> None:
    cards.change(name, old, new)
    copy = load_cards(cards.directory, knowledge=cards.knowledge, public_url=URL)
    assert copy.digest != deck.digest


def test_a_missing_card_is_told(cards: Cards) -> None:
    (cards.directory / "crossing-ninety-days.toml").unlink()
    assert cards.the_fault() == "crossing-ninety-days.toml: is missing"


def test_a_card_of_no_rule_is_told(cards: Cards) -> None:
    (cards.directory / "a-new-idea.toml").write_text("")
    assert cards.the_fault() == "a-new-idea.toml: there is no such rule"


def test_a_file_that_is_no_toml_is_told(cards: Cards) -> None:
    for name in ("never", "shared", "suggestions", "record-incomplete"):
        original = (cards.directory / f"{name}.toml").read_text()
        (cards.directory / f"{name}.toml").write_text("[[never")
        assert cards.the_fault().startswith(f"{name}.toml: cannot be read: Expected")
        (cards.directory / f"{name}.toml").write_text(original)


def test_a_directory_without_cards_is_told_in_one_line(cards: Cards, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        cards.directory = tmp_path / name
        assert cards.the_fault().startswith(f"{tmp_path / name}: holds no *.toml")
        assert "CDS_SERVICE_CARDS_DIRECTORY" in cards.the_fault()


@pytest.mark.parametrize(
    ("new", "fault"),
    [
        ('due_in_weeks = "4"', "due_in_weeks: must be a whole number from 1 to 52"),
        ("due_in_weeks = 0", "due_in_weeks: must be a whole number from 1 to 52"),
        ("", "label: there is no value 'weeks' here; due_in_weeks gives it"),
    ],
)
def test_a_wait_that_is_no_number_of_weeks_is_told_once(cards: Cards, new: str, fault: str) -> None:
    cards.change("suggestions", "due_in_weeks = 4", new)
    assert cards.the_fault() == f"suggestions.toml: suggestion 7: {fault}"


def test_what_fhir_does_not_allow_is_told_by_its_place(cards: Cards) -> None:
    cards.change(
        "suggestions",
        'system = "http://snomed.info/sct"\ncode = "308440001"',
        'system = "urn:ours"\ncode = "30  8"',
    )
    assert cards.the_fault() == (
        "suggestions.toml: social-work: is no valid R4 resource: FHIR does not allow the value of "
        "code.coding.0.code"
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "record-incomplete",
            "topic =",
            "topik =",
            ("record-incomplete.toml: topic: a text is needed", "topik: there is no such key"),
        ),
        (
            "record-incomplete",
            'heading = "What can help"',
            'heading = "What can help"\nwhen = "is_tired"',
            ("record-incomplete.toml: detail 2: when: there is no 'is_tired'",),
        ),
        (
            "record-incomplete",
            "A look at",
            "A look at {{ weather }} and",
            ("record-incomplete.toml: detail 2: sentences 1: text: there is no value 'weather'",),
        ),
        (
            "record-incomplete",
            "A look at",
            "{% if run_days %}A look at{% endif %}",
            ("sentences 1: text: may hold words and {{ name }} only",),
        ),
        (
            "record-incomplete",
            'paragraph = "safety"',
            'paragraph = "safty"',
            ("record-incomplete.toml: detail 5: paragraph: there is no 'safty'",),
        ),
        (
            "record-incomplete",
            'paragraph = "do-not-stop"',
            'paragraph = "help"',
            (
                "record-incomplete.toml: detail: must always say 'Do not stop or rapidly reduce'",
                "must always say 'has been associated with suicide",
                "must always say 'not to blame'",
            ),
        ),
        (
            "record-incomplete",
            'paragraph = "do-not-stop"',
            'paragraph = "do-not-stop"\nwhen = "is_long_term"',
            ("record-incomplete.toml: detail: must always say 'Do not stop or rapidly reduce'",),
        ),
        (
            "record-incomplete",
            "suggestions = []",
            'suggestions = ["massage"]',
            ("record-incomplete.toml: suggestions: there is no suggestion 'massage'",),
        ),
        (
            "record-incomplete",
            "suggestions = []",
            'suggestions = ["loss-counselling"]',
            ("record-incomplete.toml: suggestions: there is no suggestion 'loss-counselling'",),
        ),
        (
            "crossing-ninety-days",
            "a good moment",
            "a good moment, once the day's other work is done and the door is closed and the "
            "telephone is quiet,",
            ("crossing-ninety-days.toml: summary: may reach 179 characters, 139 fit",),
        ),
        (
            "crossing-ninety-days",
            "{{ long_term_days }}",
            "{{ ingredients }}",
            (
                "crossing-ninety-days.toml: summary: the value 'ingredients' is too long",
                "crossing-ninety-days.toml: summary: the last one must hold always",
            ),
        ),
        (
            "crossing-ninety-days",
            "{{ long_term_days }}",
            "90",
            ("crossing-ninety-days.toml: 'This opioid order goes beyond 90 days",),
        ),
        (
            "long-term-therapy-review",
            '  "Opioid therapy, possibly',
            '  { when = "is_long_term", text = "x" }]\n_ = [ "Opioid therapy, possibly',
            (
                "long-term-therapy-review.toml: summary: the last one must hold always",
                "long-term-therapy-review.toml: _: there is no such key",
            ),
        ),
        (
            "shared",
            '{ when = "may_speak_of_taper", text = "If a taper',
            '{ text = "If a taper',
            ("a sentence about tapering is said only when",),
        ),
        (
            "shared",
            "Multimodal pain care",
            "He is a Victim. Multimodal pain care",
            ("says 'victim': sensitive history stays unnamed",),
        ),
        (
            "shared",
            "The person is not to blame.",
            "The person is not to blame in 9 of 10 cases.",
            ("holds a number; use a value",),
        ),
        (
            "shared",
            'url = "https://doi.org',
            'url = "http://doi.org',
            ("shared.toml: links 1: url: must begin with https://",),
        ),
        (
            "shared",
            "[source]",
            '[sauce]\nx = "y"\n[source]',
            ("shared.toml: sauce: there is no such key here",),
        ),
        (
            "phrases",
            "depression_marker =",
            "depression_markers =",
            (
                "phrases.toml: domains: depression_marker: a text is needed",
                "phrases.toml: domains: depression_markers: there is no such key here",
            ),
        ),
        (
            "phrases",
            "headache =",
            'pain_disorder_psychological_label = "x"\nheadache =',
            ("phrases.toml: pain: pain_disorder_psychological_label: there is no such key",),
        ),
        (
            "phrases",
            "[gaps.drug-unresolved]",
            "[gaps.drug-unknown]",
            (
                "phrases.toml: gaps: drug-unresolved: a table is needed",
                "phrases.toml: gaps: drug-unknown: there is no such key here",
            ),
        ),
        (
            "phrases",
            "estimated from {{ count }} orders",
            "estimated from {{ number }} orders",
            ("phrases.toml: unknown: estimated: many: there is no value 'number' here",),
        ),
        (
            "phrases",
            "renewal-chain =",
            "renewal_chain =",
            ("phrases.toml: possibly_long_term: renewal-chain: a text is needed",),
        ),
        (
            "override-reasons",
            'code = "record-wrong"',
            'code = "coming-visit"',
            ("override-reasons.toml: reason 7: code: 'coming-visit' is there twice",),
        ),
        (
            "override-reasons",
            'display = "Patient declines"',
            'display = ""',
            ("override-reasons.toml: reason 5: display: a text is needed",),
        ),
        (
            "override-reasons",
            'standard = "limited-time"',
            'standard = "no-time"',
            ("override-reasons.toml: reason 6: standard: there is no 'no-time'; known are",),
        ),
        (
            "override-reasons",
            "non-adherence-reason-codes",
            "non-adherence-codes",
            ("override-reasons.toml: standard_system: there is no 'http://terminology.hl7.org",),
        ),
        (
            "never",
            'texts = ["prison"',
            'text = ["prison"',
            (
                "never.toml: never 8: texts: a list of at least one text is needed",
                "never.toml: never 8: text: there is no such key here",
            ),
        ),
        (
            "never",
            "[[never]]",
            '[[never]]\nwhy = "a reason"\ntexts = []\n[[never]]',
            ("never.toml: never 1: texts: a list of at least one text is needed",),
        ),
        (
            "never",
            'texts = ["abus"',
            'texts = [7, "abus"',
            ("never.toml: never 1: texts: a list of texts is needed",),
        ),
    ],
)
def test_a_slip_of_the_pen_is_told_with_file_and_key(
    cards: Cards, name: str, old: str, new: str, expected: tuple[str, ...]
) -> None:
    cards.change(name, old, new)
    faults = cards.faults()
    for text in expected:
        assert any(text in fault for fault in faults), faults


GUARDED = '{ when = "may_speak_of_taper", text = "'


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("record-incomplete", "Part of", "A taper, and part of", "record-incomplete.toml"),
        ("record-incomplete", '"What can help"', '"Help: a taper"', "record-incomplete.toml"),
        ("record-incomplete", 'topic = "', 'topic = "Tapering: ', "record-incomplete.toml"),
        ("shared", "because of this card", "but reduce it slowly", "record-incomplete.toml"),
        ("shared", "The person is", "Decrease it. The person is", "record-incomplete.toml"),
        ("phrases", "nerve pain", "nerve pain, a lower dose", "phrases.toml"),
        ("suggestions", "Refer to social", "Taper with social", "suggestions.toml: social-work"),
        ("suggestions", '"Referral to social', '"Taper by social', "suggestions.toml: social-work"),
        ("shared", 'label = "CDC 2022', 'label = "Tapering, CDC 2022', "shared.toml"),
        ("shared", 'label = "Sulli', 'label = "On tapers, Sulli', "shared.toml"),
        ("shared", "How this card", "Why to reduce, and how this card", "shared.toml"),
    ],
)
def test_nothing_on_a_card_speaks_of_tapering_without_its_condition(
    cards: Cards, name: str, old: str, new: str, where: str
) -> None:
    cards.change(name, old, new)
    told = "a sentence about tapering is said only when"
    assert any(fault.startswith(f"{where}: ") and told in fault for fault in cards.faults())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("crossing-ninety-days", "summary = [", f'summary = [{GUARDED}A taper?" }}, '),
        (
            "record-incomplete",
            'heading = "What can help"',
            'heading = "What can help: a taper"\nwhen = "may_speak_of_taper"',
        ),
        (
            "record-incomplete",
            'sentences = ["A',
            'when = "may_speak_of_taper"\nsentences = ["Reduce. A',
        ),
        (
            "suggestions",
            'label = "Refer to social work"',
            'label = "Taper with social work"\nwhen = "may_speak_of_taper"',
        ),
        ("override-reasons", "Taper or change", "Slow taper or change"),
    ],
)
def test_where_the_condition_holds_a_taper_may_be_named_and_in_the_users_own_reasons(
    cards: Cards, name: str, old: str, new: str
) -> None:
    cards.change(name, old, new)
    load_cards(cards.directory, knowledge=cards.knowledge, public_url=URL)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'code = "1725059"',
            'code = "1049621"',
            "suggestions.toml: suggestion 1: code: the only drug that may be offered is naloxone",
        ),
        (
            'system = "http://www.nlm.nih.gov/research/umls/rxnorm"\n',
            "",
            "suggestions.toml: suggestion 1: code: belongs together with system",
        ),
        (
            'resource = "MedicationRequest"',
            'resource = "Task"',
            "suggestions.toml: suggestion 1: resource: must be one of",
        ),
        (
            'id = "pain-rehabilitation"',
            'id = "naloxone"',
            "suggestions.toml: suggestion 2: id: 'naloxone' is there twice",
        ),
        (
            'instead_of = "behavioural-health"',
            'instead_of = "gardening"',
            "suggestions.toml: instead_of: there is no suggestion 'gardening' to stand in for",
        ),
        (
            'domains = ["interpersonal_loss_broken_bonds"]',
            "",
            "suggestions.toml: suggestion 4: instead_of: belongs together with domains",
        ),
        (
            "interpersonal_loss_broken_bonds",
            "heartbreak",
            "suggestions.toml: suggestion 4: domains: no code table knows the domain 'heartbreak'",
        ),
        (
            "due_in_weeks = 4",
            'due_in_weeks = "soon"',
            "suggestions.toml: suggestion 7: due_in_weeks: must be a whole number from 1 to 52",
        ),
        (
            "due_in_weeks = 4\n",
            "",
            "suggestions.toml: suggestion 7: label: there is no value 'weeks' here",
        ),
        (
            'code = "308440001"',
            'code = "30  8"',
            "suggestions.toml: social-work: is no valid R4 resource",
        ),
        (
            "is_screen = true",
            'is_screen = "true"',
            "suggestions.toml: suggestion 9: is_screen: must be true or false, without quotation",
        ),
        (
            'system = "http://snomed.info/sct"',
            'system = "snomed"',
            "suggestions.toml: suggestion 2: system: 'snomed' is no code system's address",
        ),
        (
            'code = "308440001"',
            'code = "308440002"',
            "suggestions.toml: suggestion 6: code: '308440002' is no SNOMED CT code",
        ),
        (
            'met_by = ["44261-6"]',
            'met_by = ["44261-7"]',
            "suggestions.toml: suggestion 9: met_by: '44261-7' is no LOINC code",
        ),
        (
            'label = "Refer for assessment and medication treatment"',
            'label = "Refer for assessment and medication treatment"\nmet_by = ["1"]',
            "suggestions.toml: suggestion 8: met_by: needs a code of its own",
        ),
        (
            'label = "Refer to social work"',
            'label = "Refer to social work for abused persons"',
            "suggestions.toml: social-work: 'Refer to social work for abused persons' says 'abus'",
        ),
    ],
)
def test_a_faulty_suggestion_is_told(cards: Cards, old: str, new: str, expected: str) -> None:
    cards.change("suggestions", old, new)
    faults = cards.faults()
    assert any(expected in fault for fault in faults), faults


def test_a_list_of_tables_with_something_else_in_it_is_told(cards: Cards) -> None:
    (cards.directory / "suggestions.toml").write_text('suggestion = ["naloxone"]')
    assert "suggestions.toml: suggestion 1: a table is needed" in cards.faults()


def test_a_site_may_put_a_condition_on_a_whole_paragraph(cards: Cards) -> None:
    cards.change(
        "long-term-therapy-review",
        'paragraph = "help"',
        'paragraph = "help"\nwhen = "has_benzodiazepine"',
    )
    deck = load_cards(cards.directory, knowledge=cards.knowledge, public_url=URL)

    def helps(has_benzodiazepine: bool) -> bool:
        found = assessment(cards.knowledge, has_benzodiazepine=has_benzodiazepine)
        return bool(paragraph(card(deck, found, rule="long-term-therapy-review"), "What can help"))

    assert not helps(False)
    assert helps(True)


def test_every_fault_is_told_at_once(cards: Cards) -> None:
    cards.change("shared", "The person is not to blame.", "It must be 7.")
    cards.change("phrases", "headache =", "headake =")
    (cards.directory / "record-incomplete.toml").unlink()
    faults = "\n".join(cards.faults())
    for name in ("headache", "headake", "record-incomplete.toml", "'must'", "holds a number"):
        assert name in faults


@pytest.mark.parametrize("name", [*CONDITIONS, *FACTS])
def test_the_authors_page_explains_every_condition_and_value(name: str) -> None:
    assert f"`{name}`" in (packaged_cards() / "README.md").read_text()
