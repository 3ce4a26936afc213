"""What the tables of one `Knowledge` say against one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cds_service.clinical.knowledge import Knowledge, OpioidName
from cds_service.clinical.terminology import CodeTable, Row
from cds_service.loading.cells import Place

Category = tuple[str, str]
"""The table a category belongs to, and its name."""


class Contradiction(NamedTuple):
    """What is wrong with one key of one file."""

    file: str
    key: str
    problem: str


def contradictions(
    knowledge: Knowledge, categories: Iterable[Category], lines: Mapping[Place, int]
) -> tuple[str, ...]:
    """Return one fault for each contradiction, with file, key and, of a table, the line."""
    found = (
        *_unknown_ingredients(knowledge),
        *_codes_in_two_tables(knowledge),
        *_words_with_two_meanings(knowledge),
        *_misplaced_units(knowledge),
        *_category_faults(knowledge, frozenset(categories)),
    )
    return tuple(
        f"{file}: {key}: {problem}"
        + (f" (line {lines[file, key]})" if (file, key) in lines else "")
        for file, key, problem in found
    )


def _unknown_ingredients(knowledge: Knowledge) -> Iterator[Contradiction]:
    phrases = {
        " ".join(words): name
        for candidates in knowledge.names.phrases.values()
        for words, name in candidates
    }
    named: Mapping[str, Mapping[str, OpioidName]] = {
        "opioid-components.csv": knowledge.components,
        "opioid-ingredient-codes.csv": knowledge.ingredient_codes,
        "names.toml": {**knowledge.names.words, **phrases},
    }
    used = [
        *(
            ("opioid-products.csv", code, row.ingredient)
            for code, row in knowledge.products.items()
        ),
        *(
            ("mme-factors.csv", f"{row.ingredient} {row.release_form}", row.ingredient)
            for row in knowledge.mme_factors
        ),
        *(
            (file, key, name.ingredient)
            for file, table in named.items()
            for key, name in table.items()
        ),
    ]
    for file, key, ingredient in used:
        if ingredient not in knowledge.ingredients:
            problem = f"ingredient {ingredient!r} is not in opioid-ingredients.csv"
            yield Contradiction(file, key, problem)


def _codes_in_two_tables(knowledge: Knowledge) -> Iterator[Contradiction]:
    owner: dict[str, str] = {}
    for file, codes in (
        ("opioid-products.csv", knowledge.products),
        ("opioid-components.csv", knowledge.components),
        ("opioid-ingredient-codes.csv", knowledge.ingredient_codes),
        ("benzodiazepines.csv", knowledge.benzodiazepines),
        ("naloxone.csv", knowledge.naloxone),
    ):
        for code in sorted(codes):
            if code in owner:
                yield Contradiction(file, code, f"also in {owner[code]}")
            owner[code] = file


def _words_with_two_meanings(knowledge: Knowledge) -> Iterator[Contradiction]:
    """Yield every word of `names.toml` that stands under two headings that exclude one another."""
    names = knowledge.names
    not_counted = frozenset(word for group in names.not_counted for word in group.words)
    opioids = frozenset(names.words)
    for meaning, words in (
        ("an opioid and not counted", opioids & not_counted),
        ("an opioid and a benzodiazepine", opioids & knowledge.benzodiazepine_names),
        ("an opioid and naloxone", opioids & knowledge.naloxone_names),
        ("settled as oud and as analgesic", names.oud & names.analgesic),
    ):
        for word in sorted(words):
            yield Contradiction("names.toml", word, meaning)


def _misplaced_units(knowledge: Knowledge) -> Iterator[Contradiction]:
    for code, product in knowledge.products.items():
        if (product.strength_unit == "mg/h") != (product.release_form == "transdermal"):
            problem = "mg/h belongs to transdermal, and only to it"
            yield Contradiction("opioid-products.csv", code, problem)
    for factor in knowledge.mme_factors:
        if (factor.unit == "mcg/h") != (factor.release_form == "transdermal"):
            key = f"{factor.ingredient} {factor.release_form}"
            problem = "mcg/h belongs to transdermal, and only to it"
            yield Contradiction("mme-factors.csv", key, problem)


def _category_faults(
    knowledge: Knowledge, categories: frozenset[Category]
) -> Iterator[Contradiction]:
    used = {
        *(("social-pain", row.domain) for row in _rows(knowledge.social_pain)),
        *(("physical-pain", row.domain) for row in _rows(knowledge.physical_pain)),
        *(("exclusions", row.category) for row in _rows(knowledge.exclusions)),
    }
    for table, name in sorted(used - categories):
        yield Contradiction(f"{table}.csv", name, "not in categories.csv")
    for table, name in sorted(categories - used):
        yield Contradiction("categories.csv", name, f"no row of {table}.csv has it")


def _rows(table: CodeTable[Row]) -> tuple[Row, ...]:
    return (*table.exact.values(), *table.descendants.values())
