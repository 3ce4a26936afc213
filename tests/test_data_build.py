"""The build turns published tables into ours, and refuses what it does not understand."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest

from cds_service.data_build import HAND_WRITTEN, build_data, concepts, drugs
from cds_service.data_build.__main__ import main
from cds_service.data_build.source import Source
from cds_service.errors import KnowledgeError
from cds_service.loading import DATA_DIRECTORY, load_knowledge
from cds_service.loading.names import read_names

PUBLISHED = Path(__file__).parents[2] / "shared" / "data"
RELEASED = date(2026, 11, 22)
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

PRODUCT_COLUMNS = (
    *("rxnorm_code", "display", "opioid_ingredients", "strength_detail", "strength_value"),
    *("strength_unit", "dose_form", "extended_release", "transdermal", "brand"),
    *("ambulatory_analgesic_derived", "exclusion_reason", "bup_methadone_use"),
)
TABLET = "Oral Tablet"
SOLUTION = "Oral Solution"
INJECTION = "Injection"

Row = dict[str, str]


def product(code: str, drug: str, strength: str, form: str, **other: str) -> Row:
    """A product row as published; `drug` may list partners, the last is the opioid."""
    *partners, opioid = drug.split(" / ")
    value, unit = strength.split()
    row = {
        "rxnorm_code": code,
        "display": " / ".join((*partners, f"{opioid} {strength}")) + f" {form}",
        "opioid_ingredients": opioid.split()[0],
        "strength_detail": f"{opioid} {strength}",
        "strength_value": value,
        "strength_unit": unit,
        "dose_form": form,
        "extended_release": "true" if "Extended" in form or unit == "MG/HR" else "false",
        "transdermal": "true" if form == "Transdermal System" else "false",
        "brand": "",
        "ambulatory_analgesic_derived": "false" if other.get("exclusion_reason") else "true",
        "exclusion_reason": "",
        "bup_methadone_use": "",
        **other,
    }
    if row["brand"]:
        row["display"] += f" [{row['brand']}]"
    return row


PRODUCTS = (
    product("1", "oxycodone", "5 MG", TABLET),
    product("2", "acetaminophen / oxycodone", "5 MG", TABLET, brand="Percocet"),
    product("3", "guaifenesin / codeine", "2 MG/ML", SOLUTION, exclusion_reason="cough/cold"),
    product("4", "morphine", "10 MG/ML", INJECTION, exclusion_reason="injectable"),
    product("5", "morphine", "2 MG/ML", SOLUTION),
    product("6", "methadone", "10 MG", TABLET, bup_methadone_use="pain or OUD"),
    product(
        *("7", "methadone", "10 MG/ML", SOLUTION),
        bup_methadone_use="OUD mainly (oral concentrate)",
    ),
    product(
        *("8", "buprenorphine", "200 MG/ML", "Prefilled Syringe"),
        bup_methadone_use="OUD",
        exclusion_reason="injectable",
    ),
    product(*("9", "buprenorphine", "0.01 MG/HR", "Transdermal System"), bup_methadone_use="pain"),
    product("10", "fentanyl", "0.025 MG/HR", "Transdermal System"),
    product("11", "fentanyl", "0.04 MG/ACTUAT", "Transdermal System"),
    product("12", "naloxone / buprenorphine", "8 MG", "Sublingual Film", bup_methadone_use="OUD"),
    product("13", "codeine", "30 MG", TABLET),
    product("14", "methadone", "10 MG/ML", INJECTION, exclusion_reason="injectable")
    | {"bup_methadone_use": "pain or inpatient OUD (parenteral)"},
)


def write(path: Path, rows: tuple[Row, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def coded(*rows: tuple[str, str]) -> tuple[Row, ...]:
    return tuple({"code": code, "display": display} for code, display in rows)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Small tables of the published form."""
    directory = tmp_path / "published"
    directory.mkdir()
    write(directory / "opioid_products.csv", PRODUCTS)
    write(
        directory / "opioid_component_rxnorm.csv",
        coded(("101", "Oxycodone Hydrochloride 5 MG"), ("102", "loperamide")),
    )
    write(
        directory / "opioid_ingredient_rxnorm.csv",
        ({"code": "201", "display": "Oxycodone", "not_ambulatory_analgesic": ""},),
    )
    write(
        directory / "mme_factors.csv",
        (
            {"ingredient": "oxycodone", "route_form": "oral", "factor_2022": "1.5"},
            {"ingredient": "methadone >0-20 mg/d", "route_form": "oral", "factor_2022": "4.7"},
            {"ingredient": "methadone 21-40 mg/d", "route_form": "oral", "factor_2022": "4.7"},
        ),
    )
    write(directory / "benzodiazepine_rxnorm.csv", coded(("401", "diazepam 5 MG Oral Tablet")))
    write(
        directory / "naloxone_rescue_rxnorm.csv",
        coded(("501", "naloxone 4 MG Nasal Spray"), ("502", "Naloxone 4 MG / Tilidine 50 MG")),
    )
    concept = {"subdomain": "s", "system": ICD_10_CM, "display": "d", "match": "exact"}
    basis = {"evidence_basis": "b", "source": "x"}
    social = {"strength": "core", "persistence": "state", "sensitivity": "none"}
    write(
        directory / "social_pain_codes.csv",
        ({"domain": "loss", "code": "Z63.4", "value_rule": ""} | concept | basis | social,),
    )
    write(
        directory / "physical_pain_codes.csv",
        ({"domain": "back", "code": "M54.5", "strength": "core"} | concept | basis,),
    )
    exclusion = {"category": "cancer", "subcategory": "s", "display": "d", "action": "suppress"}
    more = {"rationale": "r", "source": "x", "match": "exact", "resource": "Condition|Observation"}
    two = "suppress while active, or with >=2 encounters coded in the last 12 months"
    write(
        directory / "exclusion_codes.csv",
        (
            exclusion | more | {"system": ICD_10_CM, "code": "C50", "note": two},
            exclusion | more | {"system": RXNORM, "code": "6", "note": ""},
        ),
    )
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A data directory whose categories are those of the small tables."""
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "categories.csv").write_text(
        "table,name,meaning\nexclusions,cancer,c\nphysical-pain,back,b\nsocial-pain,loss,l\n"
    )
    return directory


def build(published: Path, target: Path) -> None:
    build_data(published, target, version="9.9.9", released=RELEASED)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def faults_of(published: Path, target: Path) -> tuple[str, ...]:
    with pytest.raises(KnowledgeError) as refused:
        build(published, target)
    return refused.value.faults


def use_of(display: str, published: Path) -> tuple[str, str]:
    """Return what the component `display` is taken for, and why it is not counted."""
    write(published / "opioid_component_rxnorm.csv", coded(("101", display)))
    faults: list[str] = []
    rows = drugs.tables(Source(published, faults), read_names(DATA_DIRECTORY, faults))
    assert faults == []
    (row,) = rows["opioid-components.csv"]
    return row["use"], row["not_counted_reason"]


class TestWhatIsBuilt:
    def test_the_tables_load_and_carry_the_version_given(
        self, published: Path, target: Path
    ) -> None:
        build(published, target)
        knowledge = load_knowledge(target)
        assert (knowledge.version, knowledge.released) == ("9.9.9", RELEASED)
        assert knowledge.products.keys() == {row["rxnorm_code"] for row in PRODUCTS}

    def test_hand_written_files_are_kept_and_missing_ones_supplied(
        self, published: Path, target: Path
    ) -> None:
        before = (target / "categories.csv").read_bytes()
        build(published, target)
        assert (target / "categories.csv").read_bytes() == before
        assert all((target / name).is_file() for name in HAND_WRITTEN)

    def test_building_twice_gives_the_same_bytes(self, published: Path, target: Path) -> None:
        build(published, target)
        first = {path.name: path.read_bytes() for path in target.iterdir()}
        build(published, target)
        assert {path.name: path.read_bytes() for path in target.iterdir()} == first

    @pytest.mark.parametrize(
        ("code", "use", "form"),
        [
            ("1", "analgesic", "oral"),
            ("3", "not-counted", "oral"),
            ("4", "not-counted", "injectable"),
            ("6", "analgesic-or-oud", "oral"),
            ("7", "oud", "oral"),
            ("8", "oud", "injectable"),
            ("9", "analgesic", "transdermal"),
            ("10", "analgesic", "transdermal"),
            ("11", "analgesic", "iontophoretic"),
            ("12", "oud", "buccal-sublingual"),
            ("14", "not-counted", "injectable"),
        ],
    )
    def test_a_product_gets_one_use_and_one_release_form(
        self, published: Path, target: Path, code: str, use: str, form: str
    ) -> None:
        build(published, target)
        product = load_knowledge(target).products[code]
        assert (product.use, product.release_form) == (use, form)

    def test_a_product_with_a_partner_is_a_combination(self, published: Path, target: Path) -> None:
        build(published, target)
        products = load_knowledge(target).products
        assert products["2"].is_combination
        assert not products["1"].is_combination

    def test_the_sliding_scale_of_methadone_becomes_one_factor(
        self, published: Path, target: Path
    ) -> None:
        build(published, target)
        assert (target / "mme-factors.csv").read_text() == (
            "ingredient,release_form,unit,factor\nmethadone,oral,mg,4.7\noxycodone,oral,mg,1.5\n"
        )

    def test_naloxone_in_a_combination_is_left_out(self, published: Path, target: Path) -> None:
        build(published, target)
        assert load_knowledge(target).naloxone == {"501"}

    def test_loperamide_is_left_out(self, published: Path, target: Path) -> None:
        build(published, target)
        assert load_knowledge(target).components.keys() == {"101"}

    def test_drug_rows_of_the_exclusions_are_left_to_the_product_table(
        self, published: Path, target: Path
    ) -> None:
        build(published, target)
        (row,) = load_knowledge(target).exclusions.exact.values()
        assert row.coding.code == "C50"
        assert row.resources == {"Condition", "Observation"}
        assert row.needs_problem_list_or_two_encounters


class TestWhatAComponentIsTakenFor:
    @pytest.mark.parametrize(
        ("display", "use", "reason"),
        [
            ("Oxycodone Hydrochloride 5 MG", "analgesic", ""),
            ("Acetaminophen 300 MG / Oxycodone Hydrochloride 5 MG [Percocet]", "analgesic", ""),
            ("OXYCODONE", "analgesic", ""),
            ("guaifenesin / codeine", "not-counted", "cough/cold"),
            ("codeine / promethazine Oral Product", "not-counted", "cough/cold"),
            ("Codeine Phosphate 2 MG/ML", "not-counted", "cough/cold"),
            ("Codeine Phosphate 30 MG", "analgesic", ""),
            ("codeine Pill", "analgesic", ""),
            ("Morphine Sulfate 10 MG/ML", "not-counted", "injectable"),
            ("Morphine Sulfate 2 MG/ML", "analgesic", ""),
            ("morphine Injection", "not-counted", "injectable"),
            ("morphine Prefilled Syringe", "not-counted", "injectable"),
            ("morphine / naltrexone", "analgesic", ""),
            ("Methadone Hydrochloride 10 MG/ML", "oud", ""),
            ("methadone Oral Tablet", "analgesic-or-oud", ""),
            ("methadone Pill", "analgesic-or-oud", ""),
            ("methadone Injection", "not-counted", "injectable"),
            ("Buprenorphine 0.01 MG/HR", "analgesic", ""),
            ("buprenorphine Transdermal Product", "analgesic", ""),
            ("buprenorphine / naloxone Sublingual Product", "oud", ""),
            ("buprenorphine Sublingual Product", "oud", ""),
            ("buprenorphine Injectable Product", "oud", ""),
            ("buprenorphine", "analgesic-or-oud", ""),
        ],
    )
    def test_its_products_decide_then_its_words(
        self, published: Path, display: str, use: str, reason: str
    ) -> None:
        assert use_of(display, published) == (use, reason)

    @pytest.mark.parametrize(
        ("said", "use", "reason"),
        [
            ("", "analgesic", ""),
            ("OUD", "oud", ""),
            ("injectable", "not-counted", "injectable"),
            ("cough/cold", "not-counted", "cough/cold"),
        ],
    )
    def test_what_the_ingredient_table_says_stands(
        self, published: Path, target: Path, said: str, use: str, reason: str
    ) -> None:
        row = {"code": "201", "display": "Oxycodone", "not_ambulatory_analgesic": said}
        write(published / "opioid_ingredient_rxnorm.csv", (row,))
        build(published, target)
        name = load_knowledge(target).ingredient_codes["201"]
        assert (name.use, name.not_counted_reason or "") == (use, reason)

    def test_a_code_that_has_a_product_row_is_not_listed_again(
        self, published: Path, target: Path
    ) -> None:
        write(
            published / "opioid_component_rxnorm.csv",
            coded(("1", "oxycodone"), ("201", "oxycodone")),
        )
        build(published, target)
        assert load_knowledge(target).components == {}


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            (",5,MG,Oral Tablet", ",6,MG,Oral Tablet", "strength_value contradicts"),
            (",oxycodone 5 MG,", ",oxycodone 7 MG,", "strength_detail is not in the display"),
            (",5,MG,Oral Tablet", ",5,GRAIN,Oral Tablet", "unknown strength unit 'GRAIN'"),
            (",5,MG,Oral Tablet", ",5,MG,Gummy", "unknown dose form 'Gummy'"),
            ("Oral Tablet,false,", "Oral Tablet,true,", "extended_release contradicts"),
            ("Oral Tablet,false,false", "Oral Tablet,false,true", "transdermal contradicts"),
            ("false,false,,true,,", "false,false,,false,,", "ambulatory, yet with a reason"),
            ("false,false,,true,,", "false,false,,true,cough/cold,", "ambulatory, yet with"),
            ("pain or OUD", "fun", "unknown use 'fun'"),
            ("pain or OUD", "veterinary", "ambulatory flag contradicts the use 'veterinary'"),
            ("Percocet,true", "Novelcet,true", "novelcet: look at this brand"),
            ("Percocet,true", "Vicodin,true", "vicodin: names.toml says otherwise"),
        ],
    )
    def test_a_product_that_contradicts_itself(
        self, published: Path, target: Path, old: str, new: str, fault: str
    ) -> None:
        change(published / "opioid_products.csv", old, new)
        assert any(fault in found for found in faults_of(published, target))

    @pytest.mark.parametrize(
        ("file", "old", "new", "fault"),
        [
            ("mme_factors.csv", "21-40 mg/d,oral,4.7", "21-40 mg/d,oral,8", "factors differ"),
            ("mme_factors.csv", "oxycodone,oral", "oxycodone,smoked", "not understood: 'smoked'"),
            ("mme_factors.csv", "factor_2022", "factor_2016", "columns missing: factor_2022"),
            ("opioid_component_rxnorm.csv", "loperamide", "ibuprofen", "does not name one opioid"),
            ("opioid_component_rxnorm.csv", "loperamide", "codeine / morphine", "not name one"),
            ("social_pain_codes.csv", ICD_10_CM, "http://example.org", "unknown system"),
            ("social_pain_codes.csv", ICD_10_CM, LOINC, "belongs to every LOINC row"),
            ("physical_pain_codes.csv", ",core,", ",weak,", "strength: 'weak' is none of"),
        ],
    )
    def test_a_row_it_does_not_understand(
        self, published: Path, target: Path, file: str, old: str, new: str, fault: str
    ) -> None:
        change(published / file, old, new)
        assert any(fault in found for found in faults_of(published, target))

    def test_a_missing_table(self, published: Path, target: Path) -> None:
        (published / "mme_factors.csv").unlink()
        (fault,) = faults_of(published, target)
        assert fault.startswith("mme_factors.csv: cannot be read as a table")

    def test_nothing_is_written_when_a_row_is_refused(self, published: Path, target: Path) -> None:
        (published / "mme_factors.csv").unlink()
        faults_of(published, target)
        assert not (target / "opioid-products.csv").exists()


class TestValueRules:
    @pytest.mark.parametrize(
        ("text", "columns"),
        [
            ("numeric >= 10 (range 0-27)", {"at_least": "10", "lowest": "0", "highest": "27"}),
            (
                "numeric >= 11 (range 4-20; positive means > 10)",
                {"at_least": "11", "lowest": "4", "highest": "20"},
            ),
            (
                "numeric <= 1 (range 0-4; LOWER = more isolated)",
                {"at_most": "1", "lowest": "0", "highest": "4"},
            ),
            ("T-score >= 60", {"at_least": "60"}),
            ("LOINC answer LA33-6 Yes", {"answers": "LA33-6"}),
            ("LOINC answer LA32-8 No (INVERSE item: Yes = safe)", {"answers": "LA32-8"}),
            ("LOINC answer LA30190-5 (no housing)", {"answers": "LA30190-5"}),
            (
                "LOINC answer LA13902-4 Quite a bit OR LA13914-9 Very much",
                {"answers": "LA13902-4 LA13914-9"},
            ),
            (
                "any answer other than LA6568-5 Not at all, or item score > 0",
                {"at_least": "1", "lowest": "0", "except_answers": "LA6568-5"},
            ),
            ("panel: no value", {}),
            ("none verified", {}),
        ],
    )
    def test_a_published_rule_becomes_columns(self, text: str, columns: dict[str, str]) -> None:
        assert concepts.value_rule(text) == columns

    @pytest.mark.parametrize(
        "text",
        [
            "numeric > 10 (range 0-27)",
            "numeric >= 10 (range 0-27) or so",
            "numeric >= ten",
            "LOINC answer LA33-6 Yes AND LA32-8 No",
            "LOINC answer Yes",
            "positive",
            "any answer other than LA6568-5",
        ],
    )
    def test_a_rule_in_other_words_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="not understood"):
            concepts.value_rule(text)

    def test_the_build_names_the_row_with_such_a_rule(self, published: Path, target: Path) -> None:
        change(published / "social_pain_codes.csv", ICD_10_CM, LOINC)
        change(published / "social_pain_codes.csv", "Z63.4,", "44261-6,numeric > 10")
        assert "social_pain_codes.csv: 44261-6: value rule not understood: 'numeric > 10'" in (
            faults_of(published, target)
        )


class TestTheCommand:
    def test_it_builds(self, published: Path, target: Path) -> None:
        arguments = [str(published), str(target), "--version", "1", "--released", "2026-11-22"]
        assert main(arguments) == 0
        assert load_knowledge(target).version == "1"

    def test_it_seals_a_change_under_a_version_of_its_own_and_says_so(
        self, published: Path, target: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        build(published, target)
        change(target / "thresholds.toml", "value = 90", "value = 84")
        assert main(["--seal", str(target), "--version", "9.9.9-ours.1"]) == 0
        sealed = load_knowledge(target)
        assert sealed.thresholds.long_term_more_than_days == 84
        assert capsys.readouterr().out == (
            f"sealed {target}: version 9.9.9-ours.1, digest {sealed.digest}\n"
        )

    @pytest.mark.parametrize("given", [(), ("--version", "9.9.9"), ("--version", "2026.11.0")])
    def test_it_refuses_a_change_under_a_version_that_stands_for_other_content(
        self,
        published: Path,
        target: Path,
        capsys: pytest.CaptureFixture[str],
        given: tuple[str, ...],
    ) -> None:
        build(published, target)
        before = (target / "knowledge.toml").read_bytes()
        change(target / "thresholds.toml", "value = 90", "value = 84")
        assert main(["--seal", str(target), *given]) == 3
        told = capsys.readouterr().err
        assert "stands for other content (digest " in told
        assert "; pass --version with one of its own" in told
        assert (target / "knowledge.toml").read_bytes() == before

    def test_it_seals_what_is_unchanged_again_under_the_same_version(
        self, published: Path, target: Path
    ) -> None:
        build(published, target)
        assert main(["--seal", str(target)]) == 0
        assert load_knowledge(target).version == "9.9.9"

    def test_it_tells_what_it_refuses_and_exits_with_3(
        self, published: Path, target: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (published / "mme_factors.csv").unlink()
        arguments = [str(published), str(target), "--version", "1", "--released", "2026-11-22"]
        assert main(arguments) == 3
        assert capsys.readouterr().err.startswith("mme_factors.csv: cannot be read")

    def test_it_wants_a_version(self, published: Path, target: Path) -> None:
        with pytest.raises(SystemExit):
            main([str(published), str(target)])


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tables are not on this machine")
class TestThePublishedTables:
    def test_the_packaged_data_is_what_the_build_makes_of_them(self, tmp_path: Path) -> None:
        packaged = load_knowledge()
        target = Path(shutil.copytree(DATA_DIRECTORY, tmp_path / "data"))
        build_data(PUBLISHED, target, version=packaged.version, released=packaged.released)
        for path in DATA_DIRECTORY.iterdir():
            assert (target / path.name).read_bytes() == path.read_bytes(), path.name

    def test_the_drug_rows_of_the_exclusions_agree_with_the_product_table(self) -> None:
        knowledge = load_knowledge()
        rows = tuple(Source(PUBLISHED, []).rows(concepts.EXCLUSIONS, "system", "code", "action"))
        drug_rows = [row for row in rows if row["system"] == RXNORM]
        assert len(drug_rows) == 31
        for row in drug_rows:
            is_moud = knowledge.products[row["code"]].use == "oud"
            assert is_moud == (row["action"] == "suppress"), row["code"]
