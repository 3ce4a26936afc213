"""What the service knows: thresholds, drugs and code tables, as immutable values.

`cds_service.loading` builds it from `cds_service/data/` and refuses what is inconsistent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from cds_service.clinical.terminology import CodeTable, Coding, TableRow

Match = Literal["exact", "descendants"]
Strength = Literal["core", "supporting", "context"]
Sensitivity = Literal["none", "MH", "SDV", "VIO", "LEGAL", "LIVARG"]
ExclusionAction = Literal["suppress", "soften", "redirect", "safety", "do_not_exclude"]
OpioidUse = Literal["analgesic", "oud", "analgesic-or-oud", "not-counted"]
"""Why the product is taken. `analgesic-or-oud`: MOUD when an active OUD condition is recorded,
else analgesic. `not-counted`: cough/cold, injectable, antidiarrhoeal, implant, veterinary."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """Every number a rule compares with; names carry the unit. `data/thresholds.toml` has sources.

    "more than" thresholds are exclusive (`long_term_more_than_days`), "at most" inclusive.
    """

    long_term_more_than_days: int
    run_gap_at_most_days: int
    covered_share_at_least: Decimal
    unknown_supply_at_most_days: int
    unknown_supply_last_inactive_days: int
    chain_orders_at_least: int
    chain_step_at_most_days: int
    relic_after_months: int
    state_evidence_at_most_months: int
    screening_at_most_months: int
    cancer_encounters_at_least: int
    cancer_encounters_within_months: int
    care_event_within_months: int
    adult_age_years: int
    high_dose_at_least_mme_per_day: Decimal
    naloxone_within_months: int
    supporting_domains_at_least: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ThresholdNote:
    """What stands behind one field of `Thresholds`, for people: its unit, meaning and source."""

    name: str
    value: int | Decimal
    unit: str
    meaning: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """One data file as `knowledge.toml` describes it. `dated` is the day its content was fixed."""

    name: str
    content: str
    publisher: str
    version: str
    licence: str
    dated: date
    rows: int
    sha256: str


ReleaseForm = Literal[
    "oral",
    "oral-extended",
    "transdermal",
    "iontophoretic",
    "buccal-sublingual",
    "nasal",
    "rectal",
    "injectable",
    "implant",
    "topical",
]
"""Groups of dose forms that renew one another, and that a conversion factor belongs to."""

StrengthUnit = Literal["mg", "mg/mL", "mg/h", "mg/actuation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpioidProduct:
    """One RxNorm opioid product.

    `strength` is the opioid's own, per unit (mg), per mL (mg/mL), per hour (mg/h) or per actuation
    (mg/actuation) as `strength_unit` says. `is_combination`: the product holds another active
    ingredient (RxNorm joins them with " / " in the name), so that its mass is not the opioid's.
    """

    code: str
    display: str
    ingredient: str
    use: OpioidUse
    not_counted_reason: str | None
    strength: Decimal
    strength_unit: StrengthUnit
    dose_form: str
    release_form: ReleaseForm
    is_combination: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OpioidName:
    """An opioid known by something less than a product: a component, an ingredient code, a word."""

    ingredient: str
    use: OpioidUse
    not_counted_reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpioidIngredient:
    """One opioid substance. `is_full_agonist` decides the redirect (partial and mixed: False)."""

    name: str
    phrase: str
    is_full_agonist: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NotCountedWords:
    """Words that make an opioid no home analgesic, unless one of `unless` stands beside them."""

    reason: str
    words: frozenset[str]
    unless: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class NameVocabulary:
    """Words by which a drug is recognised when no code is. Lower case, whole words only.

    `words` maps a single word (ingredient or brand) to the opioid; `phrases` maps the first word
    of a longer brand name to the candidates that begin with it, each as all its words.
    `not_counted` are injection, guaifenesin and the like. `oud` and `analgesic` settle what
    buprenorphine or methadone is taken for when the name leaves it open (naloxone, sublingual;
    patch, transdermal ...).
    """

    words: Mapping[str, OpioidName]
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], OpioidName], ...]]
    not_counted: tuple[NotCountedWords, ...]
    oud: frozenset[str]
    analgesic: frozenset[str]


_STRENGTH_UNITS: Mapping[str, tuple[StrengthUnit, ...]] = {
    "mg": ("mg", "mg/mL"),
    "mcg/h": ("mg/h",),
}
"""By unit of a factor: the units of strength of products it can be applied to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MmeFactor:
    """Conversion factor to oral morphine of one ingredient in one release form; one row for each.

    `factor` None: not convertible. `unit` is what it multiplies: mg a day, or mcg/h of a patch.
    """

    ingredient: str
    release_form: ReleaseForm
    unit: Literal["mg", "mcg/h"]
    factor: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueRule:
    """When an answer to a screening item is unfavourable.

    Either `at_least` or `at_most` (both inclusive) with the instrument's `lowest`..`highest`
    (inclusive), or `answers`. All None/empty: the row carries no value (a panel).
    """

    at_least: Decimal | None = None
    at_most: Decimal | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    answers: frozenset[Coding] = frozenset()
    except_answers: frozenset[Coding] = frozenset()
    """For items where any answer other than these is unfavourable (PHQ-9 item 9)."""

    @property
    def is_panel(self) -> bool:
        """Whether the row is a whole instrument, which has no value of its own."""
        return self == ValueRule()


@dataclass(frozen=True, kw_only=True, slots=True)
class SocialPainConcept:
    """One row of the social-pain table."""

    coding: Coding
    match: Match
    display: str
    domain: str
    subdomain: str
    strength: Strength
    persistence: Literal["state", "lifetime"]
    sensitivity: Sensitivity
    value_rule: ValueRule | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExclusionConcept:
    """One row of the exclusion table. `resources` are the FHIR types the row is read from.

    `needs_problem_list_or_two_encounters`: a single encounter diagnosis is not enough (cancer).
    """

    coding: Coding
    match: Match
    display: str
    category: str
    subcategory: str
    action: ExclusionAction
    resources: frozenset[str]
    needs_problem_list_or_two_encounters: bool
    value_rule: ValueRule | None
    persistence: Literal["state", "lifetime"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhysicalPainConcept:
    """One row of the physical-pain table; `domain` has a phrase of ours in `cards/phrases.toml`."""

    coding: Coding
    match: Match
    display: str
    domain: str
    subdomain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Knowledge:
    """One version of everything above, which cards, discovery and /about show.

    `digest` changes with any byte of any data file. `mme_edition` names the table of factors.
    """

    version: str
    digest: str
    released: date
    sources: tuple[DataFile, ...]
    thresholds: Thresholds
    threshold_notes: tuple[ThresholdNote, ...]
    ingredients: Mapping[str, OpioidIngredient]
    products: Mapping[str, OpioidProduct]
    components: Mapping[str, OpioidName]
    ingredient_codes: Mapping[str, OpioidName]
    names: NameVocabulary
    mme_factors: tuple[MmeFactor, ...]
    mme_edition: str
    social_pain: CodeTable[SocialPainConcept]
    exclusions: CodeTable[ExclusionConcept]
    physical_pain: CodeTable[PhysicalPainConcept]
    benzodiazepines: frozenset[str]
    benzodiazepine_names: frozenset[str]
    naloxone: frozenset[str]
    naloxone_names: frozenset[str]
    drug_codes: frozenset[str] = field(init=False, repr=False, compare=False)
    drug_words: frozenset[str] = field(init=False, repr=False, compare=False)
    """Every RxNorm code, and every word, without one of which a drug concerns no rule."""
    concepts: CodeTable[TableRow] = field(init=False, repr=False, compare=False)
    """The rows of the three code tables in one: a coding without a row here has none at all."""
    screens: frozenset[Coding] = field(init=False, repr=False, compare=False)
    """What shows that a patient was screened; questions of pure context (housing, work) do not."""
    convertible_ingredients: frozenset[str] = field(init=False, repr=False, compare=False)
    _factors: Mapping[tuple[str, str, str], MmeFactor] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Key the tables by what is asked of them in every call."""
        pain, exclusions, physical = self.social_pain, self.exclusions, self.physical_pain
        by_code = (self.products, self.components, self.ingredient_codes)
        by_word = (self.names.words, self.names.phrases)
        rows = (*pain.exact.values(), *pain.descendants.values())
        telling = {row.domain for row in rows if row.strength != "context"}
        convertible = (row.ingredient for row in self.mme_factors if row.factor is not None)
        concepts: CodeTable[TableRow] = CodeTable(
            {**pain.exact, **exclusions.exact, **physical.exact},
            {**pain.descendants, **exclusions.descendants, **physical.descendants},
        )
        derived: Mapping[str, object] = {
            "concepts": concepts,
            "drug_codes": frozenset().union(*by_code, self.benzodiazepines, self.naloxone),
            "drug_words": frozenset().union(
                *by_word, self.benzodiazepine_names, self.naloxone_names
            ),
            "screens": frozenset(
                row.coding
                for row in rows
                if row.value_rule and (row.domain in telling or row.value_rule.is_panel)
            ),
            "convertible_ingredients": frozenset(convertible),
            "_factors": {
                (row.ingredient, row.release_form, strength_unit): row
                for row in self.mme_factors
                for strength_unit in _STRENGTH_UNITS.get(row.unit, ())  # the loader refuses others
            },
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def mme_factor_of(self, product: OpioidProduct) -> MmeFactor | None:
        """Return the row for a product; none where it multiplies another unit than its strength."""
        return self._factors.get((product.ingredient, product.release_form, product.strength_unit))
