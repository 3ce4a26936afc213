"""The packaged data loads; anything missing, extra, altered or contradictory is refused by name."""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.clinical.knowledge import Knowledge, OpioidName, ValueRule
from cds_service.clinical.terminology import ICD_10_CM, LOINC, SNOMED_CT, coding
from cds_service.errors import KnowledgeError
from cds_service.loading import DATA_DIRECTORY, load_knowledge
from cds_service.loading.manifest import MANIFEST, seal


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's own copy of the data directory."""
    return Path(shutil.copytree(DATA_DIRECTORY, tmp_path / "data"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def faults_of(directory: Path) -> tuple[str, ...]:
    with pytest.raises(KnowledgeError) as refused:
        load_knowledge(directory)
    return refused.value.faults


def sealed_faults(directory: Path) -> tuple[str, ...]:
    seal(directory)
    return faults_of(directory)


class TestThePackagedKnowledge:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("long_term_more_than_days", 90),
            ("run_gap_at_most_days", 30),
            ("covered_share_at_least", Decimal("0.70")),
            ("unknown_supply_at_most_days", 100),
            ("unknown_supply_last_inactive_days", 30),
            ("chain_orders_at_least", 3),
            ("chain_step_at_most_days", 400),
            ("relic_after_months", 12),
            ("state_evidence_at_most_months", 12),
            ("screening_at_most_months", 12),
            ("cancer_encounters_at_least", 2),
            ("cancer_encounters_within_months", 12),
            ("care_event_within_months", 12),
            ("adult_age_years", 18),
            ("high_dose_at_least_mme_per_day", Decimal(50)),
            ("naloxone_within_months", 24),
            ("supporting_domains_at_least", 2),
        ],
    )
    def test_every_threshold_has_its_value_and_a_unit_meaning_and_source(
        self, knowledge: Knowledge, name: str, value: int | Decimal
    ) -> None:
        assert getattr(knowledge.thresholds, name) == value
        (note,) = (note for note in knowledge.threshold_notes if note.name == name)
        assert note.value == value
        assert note.unit
        assert note.meaning
        assert note.source

    @pytest.mark.parametrize(
        ("ingredient", "release_form", "unit", "factor"),
        [
            ("codeine", "oral", "mg", "0.15"),
            ("hydrocodone", "oral-extended", "mg", "1"),
            ("hydromorphone", "oral", "mg", "5"),
            ("methadone", "oral", "mg", "4.7"),
            ("morphine", "oral-extended", "mg", "1"),
            ("oxycodone", "oral", "mg", "1.5"),
            ("oxymorphone", "oral", "mg", "3"),
            ("fentanyl", "transdermal", "mcg/h", "2.4"),
            ("tapentadol", "oral", "mg", "0.4"),
            ("tramadol", "oral", "mg", "0.2"),
        ],
    )
    def test_the_factors_are_those_of_cdc_2022(
        self, knowledge: Knowledge, ingredient: str, release_form: str, unit: str, factor: str
    ) -> None:
        (row,) = (
            row
            for row in knowledge.mme_factors
            if (row.ingredient, row.release_form) == (ingredient, release_form)
        )
        assert (row.unit, row.factor) == (unit, Decimal(factor))
        assert knowledge.mme_edition == "CDC 2022"

    @pytest.mark.parametrize("ingredient", ["buprenorphine", "butorphanol", "benzhydrocodone"])
    def test_an_opioid_without_a_factor_is_not_convertible_in_any_form(
        self, knowledge: Knowledge, ingredient: str
    ) -> None:
        rows = [row for row in knowledge.mme_factors if row.ingredient == ingredient]
        assert rows
        assert all(row.factor is None for row in rows)

    def test_partial_and_mixed_agonists_are_no_full_agonists(self, knowledge: Knowledge) -> None:
        partial = {row.name for row in knowledge.ingredients.values() if not row.is_full_agonist}
        assert partial == {
            "buprenorphine",
            "butorphanol",
            "dezocine",
            "meptazinol",
            "nalbuphine",
            "pentazocine",
        }

    @pytest.mark.parametrize(
        ("code", "use", "form", "strength", "unit"),
        [
            ("1049621", "analgesic", "oral", "5", "mg"),  # oxycodone 5 MG Oral Tablet
            ("857510", "not-counted", "oral-extended", "5", "mg"),  # TussiCaps
            ("351266", "oud", "buccal-sublingual", "2", "mg"),  # buprenorphine/naloxone tablet
            ("864706", "analgesic-or-oud", "oral", "10", "mg"),  # methadone tablet
            ("864978", "oud", "oral", "40", "mg"),  # dispersible methadone
            ("991147", "oud", "oral", "10", "mg/mL"),  # methadone concentrate
            ("904870", "analgesic", "transdermal", "0.01", "mg/h"),  # buprenorphine patch
            ("1996184", "oud", "injectable", "200", "mg/mL"),  # Sublocade
            ("1729362", "not-counted", "injectable", "0.3", "mg/mL"),  # Buprenex
            ("1666831", "analgesic", "iontophoretic", "0.04", "mg/actuation"),  # Ionsys
        ],
    )
    def test_a_product_says_what_it_is_taken_for_and_how(
        self, knowledge: Knowledge, code: str, use: str, form: str, strength: str, unit: str
    ) -> None:
        product = knowledge.products[code]
        assert (product.use, product.release_form) == (use, form)
        assert (product.strength, product.strength_unit) == (Decimal(strength), unit)

    def test_1310197_which_published_lists_miss_is_a_component_of_hydrocodone(
        self, knowledge: Knowledge
    ) -> None:
        assert knowledge.components["1310197"] == OpioidName(
            ingredient="hydrocodone", use="analgesic"
        )

    @pytest.mark.parametrize("code", ["411499", "431676", "431678", "431679"])
    def test_tilidine_with_naloxone_is_no_rescue_naloxone(
        self, knowledge: Knowledge, code: str
    ) -> None:
        assert code not in knowledge.naloxone

    def test_an_inverse_item_is_unfavourable_below_its_bound(self, knowledge: Knowledge) -> None:
        row = knowledge.social_pain.row_for(coding(LOINC, "76512-3"))
        assert row is not None
        assert row.value_rule == ValueRule(
            at_most=Decimal(1), lowest=Decimal(0), highest=Decimal(4)
        )

    def test_any_answer_but_not_at_all_to_phq_9_item_9_is_unfavourable(
        self, knowledge: Knowledge
    ) -> None:
        row = knowledge.exclusions.row_for(coding(LOINC, "44260-8"))
        assert row is not None
        assert row.value_rule == ValueRule(
            at_least=Decimal(1),
            lowest=Decimal(0),
            except_answers=frozenset({coding(LOINC, "LA6568-5")}),
        )

    def test_an_inherited_disease_and_a_history_hold_for_life_but_hospice_does_not(
        self, knowledge: Knowledge
    ) -> None:
        persistence = {
            code: row.persistence
            for code in ("D57.1", "Z91.51", "Z51.5")
            if (row := knowledge.exclusions.row_for(coding(ICD_10_CM, code)))
        }
        assert persistence == {"D57.1": "lifetime", "Z91.51": "lifetime", "Z51.5": "state"}

    def test_a_panel_has_a_rule_that_no_value_meets(self, knowledge: Knowledge) -> None:
        row = knowledge.social_pain.row_for(coding(LOINC, "44249-1"))
        assert row is not None
        assert row.value_rule == ValueRule()

    def test_cancer_needs_the_problem_list_or_two_encounters_but_sickle_cell_does_not(
        self, knowledge: Knowledge
    ) -> None:
        cancer = knowledge.exclusions.row_for(coding(ICD_10_CM, "C50.911"))
        sickle_cell = knowledge.exclusions.row_for(coding(ICD_10_CM, "D57.1"))
        assert cancer is not None
        assert sickle_cell is not None
        assert cancer.needs_problem_list_or_two_encounters
        assert not sickle_cell.needs_problem_list_or_two_encounters

    @pytest.mark.parametrize(
        ("system", "code", "action"),
        [
            (ICD_10_CM, "D57.3", "do_not_exclude"),
            (ICD_10_CM, "D57.20", "suppress"),
            (ICD_10_CM, "C44.01", "do_not_exclude"),
            (ICD_10_CM, "F11.20", "redirect"),
            (ICD_10_CM, "F11.90", "do_not_exclude"),
            (SNOMED_CT, "385764003", "do_not_exclude"),
        ],
    )
    def test_the_more_specific_exclusion_row_wins(
        self, knowledge: Knowledge, system: str, code: str, action: str
    ) -> None:
        row = knowledge.exclusions.row_for(coding(system, code))
        assert row is not None
        assert row.action == action

    def test_every_file_says_where_it_comes_from(self, knowledge: Knowledge) -> None:
        assert {file.name for file in knowledge.sources} == {
            path.name for path in DATA_DIRECTORY.iterdir()
        } - {MANIFEST}
        for file in knowledge.sources:
            assert all((file.content, file.publisher, file.version, file.licence))
            assert file.rows > 0
            assert file.dated <= knowledge.released


class TestIntegrity:
    def test_a_missing_file_is_refused(self, site: Path) -> None:
        (site / "naloxone.csv").unlink()
        assert "naloxone.csv: missing" in faults_of(site)

    def test_an_extra_file_is_refused(self, site: Path) -> None:
        (site / "notes.txt").write_text("x")
        assert faults_of(site) == (
            f"notes.txt: not listed in {MANIFEST}; remove it, or add an entry",
        )

    def test_a_directory_in_the_place_of_a_file_is_refused(self, site: Path) -> None:
        (site / "naloxone.csv").unlink()
        (site / "naloxone.csv").mkdir()
        assert "naloxone.csv: not a file" in faults_of(site)

    def test_a_single_altered_digit_is_refused(self, site: Path) -> None:
        edit(site / "mme-factors.csv", "methadone,oral,mg,4.7", "methadone,oral,mg,4.8")
        (fault,) = faults_of(site)
        assert fault.startswith("mme-factors.csv: altered")
        assert fault.endswith(f"python -m cds_service.data_build --seal {site} --version VERSION")

    def test_a_directory_without_an_inventory_is_refused(self, tmp_path: Path) -> None:
        for directory in (tmp_path, tmp_path / "nowhere"):
            (fault,) = faults_of(directory)
            assert fault.startswith(f"{directory / MANIFEST}: cannot be read")
            assert "CDS_SERVICE_DATA_DIRECTORY" in fault

    def test_an_inventory_that_is_no_toml_is_refused(self, site: Path) -> None:
        (site / MANIFEST).write_text("version = ")
        (fault,) = faults_of(site)
        assert fault.startswith(f"{MANIFEST}: not TOML")

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            ("released = ", "published = ", f"{MANIFEST}: released: missing"),
            ("released = ", "published = ", f"{MANIFEST}: published: unknown key"),
            (
                'content = "plain',
                'contents = "plain',
                f"{MANIFEST}: naloxone.csv: content: missing",
            ),
            ("rows = 37", 'rows = "37"', f"{MANIFEST}: naloxone.csv: rows: not a int"),
            (
                "rows = 37",
                "rows = 36",
                f"{MANIFEST}: naloxone.csv: rows: 36, but the file has 37",
            ),
        ],
    )
    def test_an_inventory_with_wrong_keys_is_refused(
        self, site: Path, old: str, new: str, fault: str
    ) -> None:
        edit(site / MANIFEST, old, new)
        assert fault in faults_of(site)

    def test_an_inventory_without_files_is_refused(self, site: Path) -> None:
        (site / MANIFEST).write_text('version = "1"\nreleased = 2026-11-22\nfiles = 3\n')
        assert faults_of(site) == (f"{MANIFEST}: files: not a table for each file",)

    def test_a_file_struck_from_the_inventory_is_refused(self, site: Path) -> None:
        text = (site / MANIFEST).read_text(encoding="utf-8")
        before, _, after = text.partition('[files."naloxone.csv"]')
        (site / MANIFEST).write_text(before + after[after.index("[files.") :])
        (site / "naloxone.csv").unlink()
        (fault,) = faults_of(site)
        assert fault.startswith("naloxone.csv: cannot be read as a table")


class TestSealing:
    def test_a_site_may_change_a_number_and_seal_its_directory_again(
        self, site: Path, knowledge: Knowledge
    ) -> None:
        edit(site / "thresholds.toml", "value = 90", "value = 84")
        seal(site, version="2026.11.0+site.1", released=date(2026, 12, 1))
        changed = load_knowledge(site)
        assert changed.thresholds.long_term_more_than_days == 84
        assert changed.version == "2026.11.0+site.1"
        assert changed.released == date(2026, 12, 1)
        assert changed.digest != knowledge.digest

    def test_sealing_an_unchanged_directory_changes_no_byte(self, site: Path) -> None:
        before = (site / MANIFEST).read_bytes()
        seal(site)
        assert (site / MANIFEST).read_bytes() == before

    def test_sealing_refuses_a_file_nobody_has_described(self, site: Path) -> None:
        (site / "more.csv").write_text("code\n")
        with pytest.raises(KnowledgeError, match=r"more\.csv: not listed"):
            seal(site)

    @pytest.mark.parametrize("name", ["naloxone.csv", "names.toml"])
    def test_sealing_refuses_a_file_that_is_no_text(self, site: Path, name: str) -> None:
        (site / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(KnowledgeError, match=f"{name}: cannot be read"):
            seal(site)


OXYCODONE = "1049621,oxycodone,analgesic,,5,mg,Oral Tablet,oral,no,oxycodone hydrochloride 5 MG"
NALOXONE = "1191212,naloxone hydrochloride 0.02 MG/ML Injectable Solution\n"


class TestRows:
    @pytest.mark.parametrize(
        ("file", "old", "new", "fault"),
        [
            ("opioid-products.csv", ",5,mg,", ",five,mg,", "strength: not a number"),
            ("opioid-products.csv", ",5,mg,", ",-5,mg,", "strength: not a number"),
            ("opioid-products.csv", ",5,mg,", ",NaN,mg,", "strength: not a number"),
            ("opioid-products.csv", ",5,mg,", ",0,mg,", "strength: must be more than zero"),
            ("opioid-products.csv", ",5,mg,", ",,mg,", "strength: must be more than zero"),
            ("opioid-products.csv", ",oral,no,", ",by mouth,no,", "release_form: 'by mouth'"),
            ("opioid-products.csv", ",oral,no,", ",oral,perhaps,", "combination: 'perhaps'"),
            ("opioid-products.csv", ",oxycodone,analgesic,", ",oxycodone,pain,", "use: 'pain'"),
            ("opioid-products.csv", "analgesic,,5", "analgesic,injectable,5", "belongs to the use"),
            ("opioid-products.csv", "analgesic,,5", "not-counted,,5", "belongs to the use"),
            ("opioid-products.csv", "1049621,", "1049621x,", "code: '1049621x' is no RxNorm code"),
            ("opioid-products.csv", "1049621,", " 1049621,", "code: empty, or with white space"),
            ("opioid-products.csv", "Oral Tablet,oral,no,", "oral,no,", "9 cells, not 10"),
        ],
    )
    def test_a_bad_cell_is_named_by_file_line_and_column(
        self, site: Path, file: str, old: str, new: str, fault: str
    ) -> None:
        lines = (site / file).read_text(encoding="utf-8").splitlines()
        (number,) = (n for n, line in enumerate(lines, 1) if line.startswith(OXYCODONE))
        edit(site / file, lines[number - 1], lines[number - 1].replace(old, new, 1))
        assert any(
            found.startswith(f"{file} line {number}") and fault in found
            for found in sealed_faults(site)
        )

    @pytest.mark.parametrize(
        ("file", "old", "new", "fault"),
        [
            ("mme-factors.csv", "mg,4.7", "mg,0", "factor: zero; leave it empty"),
            ("mme-factors.csv", "methadone,oral,mg", "methadone,oral,g", "unit: 'g' is none of"),
            ("exclusions.csv", ",Condition,yes,", ",Claim,yes,", "resources: allowed are"),
            ("exclusions.csv", "icd-10-cm,C00,", "icd-9-cm,C00,", "system: 'icd-9-cm'"),
            ("exclusions.csv", "icd-10-cm,C00,", "icd-10-cm,c00,", "'c00' is not in normal form"),
            ("exclusions.csv", ",C00,", ",12AB,", "code: '12AB' is no ICD-10-CM code"),
            ("social-pain.csv", ",44261-6,", ",44261-7,", "code: '44261-7' is no LOINC code"),
            ("social-pain.csv", ",44261-6,", ",44261-6&_count=9 X,", "is no LOINC code"),
            ("social-pain.csv", ",LA33-6,", ",LA33_6,", "answers: 'LA33_6' is no LOINC code"),
            ("physical-pain.csv", ",25064002,", ",12345,", "code: '12345' is no SNOMED CT code"),
            ("naloxone.csv", "1191212", "１191212", "is no RxNorm code"),
            ("exclusions.csv", ",state,,,,,,,", ",state,1,,,,,,", "only a LOINC row has a value"),
            ("social-pain.csv", "10,,0,27,,", "10,12,0,27,,", "at_least or at_most, not both"),
            ("social-pain.csv", "10,,0,27,,", "30,,0,27,,", "must not decrease"),
            ("social-pain.csv", "10,,0,27,,", "10,,28,27,,", "must not decrease"),
            ("physical-pain.csv", ",descendants,", ",children,", "match: 'children'"),
        ],
    )
    def test_a_bad_rule_is_refused(
        self, site: Path, file: str, old: str, new: str, fault: str
    ) -> None:
        edit(site / file, old, new)
        assert any(file in found and fault in found for found in sealed_faults(site))

    def test_only_icd_10_cm_codes_have_descendants(self, site: Path) -> None:
        edit(
            site / "physical-pain.csv", "Headache (finding),exact", "Headache (finding),descendants"
        )
        (fault,) = sealed_faults(site)
        assert fault.endswith("match: only ICD-10-CM codes have descendants here")

    def test_another_heading_is_refused(self, site: Path) -> None:
        edit(site / "naloxone.csv", "code,display", "code,name")
        assert sealed_faults(site) == ("naloxone.csv: heading: must be code,display",)

    def test_an_empty_file_is_refused(self, site: Path) -> None:
        (site / "naloxone.csv").write_text("")
        assert sealed_faults(site) == (
            "naloxone.csv: cannot be read as a table: it is empty; the first line must be "
            "code,display",
        )

    def test_a_table_saved_by_excel_is_read_like_any_other(
        self, site: Path, knowledge: Knowledge
    ) -> None:
        table = site / "naloxone.csv"
        text = table.read_text(encoding="utf-8").replace("\n", "\r\n")
        table.write_bytes(b"\xef\xbb\xbf" + text.encode())
        seal(site)
        assert load_knowledge(site).naloxone == knowledge.naloxone

    def test_all_faults_are_told_at_once(self, site: Path) -> None:
        edit(site / "mme-factors.csv", "mg,4.7", "mg,none")
        edit(site / "naloxone.csv", "1191212,", "x,")
        edit(site / "thresholds.toml", "value = 90", "value = 9")
        found = sealed_faults(site)
        assert [fault.partition(":")[0] for fault in found] == [
            "thresholds.toml",
            "mme-factors.csv line 24",
            "naloxone.csv line 2",
        ]


class TestContradictions:
    @pytest.mark.parametrize(
        ("file", "row", "fault"),
        [
            (
                "naloxone.csv",
                NALOXONE,
                "naloxone.csv: 1191212: 2 rows for one key (lines 2 and 39)",
            ),
            (
                "mme-factors.csv",
                "codeine,oral,mg,0.2\n",
                "codeine oral: 2 rows for one key (lines ",
            ),
            (
                "mme-factors.csv",
                "kratom,oral,mg,1\n",
                "mme-factors.csv: kratom oral: ingredient 'kratom' is not in "
                "opioid-ingredients.csv (line 44)",
            ),
            ("mme-factors.csv", "morphine,transdermal,mg,1\n", "mcg/h belongs to transdermal"),
            (
                "opioid-components.csv",
                "1049621,oxycodone,analgesic,,oxycodone\n",
                "opioid-components.csv: 1049621: also in opioid-products.csv",
            ),
            (
                "opioid-components.csv",
                "999999999,kratom,analgesic,,kratom\n",
                "999999999: ingredient 'kratom' is not in opioid-ingredients.csv",
            ),
            (
                "opioid-products.csv",
                "999999999,kratom,analgesic,,5,mg,Oral Tablet,oral,no,kratom\n",
                "999999999: ingredient 'kratom' is not in opioid-ingredients.csv",
            ),
            (
                "opioid-products.csv",
                "999999999,morphine,analgesic,,5,mg/h,Oral Tablet,oral,no,morphine\n",
                "999999999: mg/h belongs to transdermal",
            ),
            (
                "physical-pain.csv",
                "tooth_pain,tooth,icd-10-cm,K08.8,Tooth,exact,core,basis,source\n",
                "physical-pain.csv: tooth_pain: not in categories.csv",
            ),
            (
                "physical-pain.csv",
                "headache,headache,icd-10-cm,R51,Headache,exact,core,basis,source\n",
                "R51: 2 rows for one key",
            ),
            (
                "categories.csv",
                "social-pain,envy,envy\n",
                "categories.csv: envy: no row of social-pain.csv has it",
            ),
        ],
    )
    def test_a_row_that_contradicts_another_is_refused(
        self, site: Path, file: str, row: str, fault: str
    ) -> None:
        with (site / file).open("a", encoding="utf-8", newline="") as table:
            table.write(row)
        assert any(fault in found for found in sealed_faults(site))

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            ('oxycodone = "oxycodone"', 'oxycodone = "kratom"', "oxycodone: ingredient 'kratom'"),
            (
                '"ms contin" = "morphine"',
                '"ms contin" = "kratom"',
                "ms contin: ingredient 'kratom'",
            ),
            ('percocet = "oxycodone"', 'oxycodone = "oxycodone"', "both an ingredient and a brand"),
            ('percocet = "oxycodone"', 'suboxone = "oxycodone"', "suboxone: listed under two uses"),
            ('percocet = "oxycodone"', 'Percocet = "oxycodone"', "Percocet: not words in lower"),
            ("[brands.oud]", "[brands.not-counted]", "brands.not-counted: not a use"),
            ("[brands.oud]", "[brands.fun]", "brands.fun: not a use"),
            ('"cough",', '"codeine",', "codeine: an opioid and not counted"),
            ('"ativan",', '"vicodin",', "vicodin: an opioid and a benzodiazepine"),
            ('"narcan",', '"suboxone",', "suboxone: an opioid and naloxone"),
            ('"patches",', '"sublingual",', "sublingual: settled as oud and as analgesic"),
            ('"patches",', '"two words",', "settled_by.analgesic: not a list of single words"),
            ('"patches",', "3,", "settled_by.analgesic: not a list of single words"),
            ("[naloxone]", "[nalaxone]", "naloxone.words: not a list of single words"),
            ("[naloxone]", "[nalaxone]", "nalaxone: unknown"),
            ("[unused_brands]", "[[unused_brands]]", "unused_brands: not a table"),
            ("[ingredients.analgesic]", "ingredients.analgesic", "names.toml: cannot be read"),
        ],
    )
    def test_a_name_with_two_meanings_or_none_is_refused(
        self, site: Path, old: str, new: str, fault: str
    ) -> None:
        edit(site / "names.toml", old, new)
        if "cannot be read" in fault:
            with pytest.raises(KnowledgeError, match=fault):
                seal(site)
        else:
            assert any(fault in found for found in sealed_faults(site))


class TestThresholds:
    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            ("value = 90\n", "value = 29\n", "value: 29 is not between 30 and 365"),
            ("value = 90\n", "value = 366\n", "value: 366 is not between 30 and 365"),
            ("value = 90\n", "value = 90.5\n", "value: not a whole number"),
            ("value = 90\n", "value = true\n", "value: not a whole number"),
            ("value = 0.70\n", 'value = "0.70"\n', "value: not a number"),
            ("value = 0.70\n", "value = nan\n", "value: not a number"),
            ("value = 0.70\n", "value = inf\n", "value: not a number"),
            ("[30, 365]", "[30, nan]", "between: not two numbers"),
            ("value = 90\n", "", "needs value, between"),
            ("[30, 365]", '["a", "z"]', "between: not two numbers"),
            ("[30, 365]", "[30]", "needs value, between"),
            ('unit = "days"\n', 'unit = ""\n', "must be texts, and not empty"),
            ("[long_term_more_than_days]", "[long_term_days]", "long_term_days: unknown"),
            ("[long_term_more_than_days]", "[long_term_days]", "more_than_days: missing"),
        ],
    )
    def test_a_threshold_out_of_its_range_or_form_is_refused(
        self, site: Path, old: str, new: str, fault: str
    ) -> None:
        edit(site / "thresholds.toml", old, new)
        assert any(fault in found for found in sealed_faults(site))

    def test_without_the_file_every_threshold_is_missing(self, site: Path) -> None:
        (site / "thresholds.toml").unlink()
        found = faults_of(site)
        assert any(f.startswith("thresholds.toml: cannot be read as TOML") for f in found)
        assert "thresholds.toml: adult_age_years: missing" in found

    @pytest.mark.parametrize("value", ["30", "365"])
    def test_both_ends_of_the_range_are_allowed(self, site: Path, value: str) -> None:
        edit(site / "thresholds.toml", "value = 90\n", f"value = {value}\n")
        seal(site)
        assert load_knowledge(site).thresholds.long_term_more_than_days == int(value)


FILES = sorted(path.name for path in DATA_DIRECTORY.iterdir())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(FILES),
    place=st.floats(0, 1),
    cut=st.integers(0, 12),
    put=st.binary(max_size=6) | st.sampled_from([b",", b'"', b"\n", b"[", b"]", b"="]),
)
def test_whatever_is_done_to_a_file_it_is_read_or_refused_but_never_breaks(
    site: Path, name: str, place: float, cut: int, put: bytes
) -> None:
    original = (DATA_DIRECTORY / name).read_bytes()
    at = int(place * len(original))
    try:
        (site / name).write_bytes(original[:at] + put + original[at + cut :])
        try:
            seal(site)
            load_knowledge(site)
        except KnowledgeError:
            pass
    finally:
        (site / name).write_bytes(original)
        shutil.copy(DATA_DIRECTORY / MANIFEST, site / MANIFEST)
