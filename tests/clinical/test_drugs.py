"""Which orders are opioid analgesics, treatment of opioid use disorder, or neither.

Against the packaged knowledge. Source: clinical.md section 2.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.drugs import (
    DrugKinds,
    RecognisedOpioid,
    concerns_a_rule,
    kind_of,
    recognised_opioid,
)
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Drug
from cds_service.clinical.terminology import RXNORM, Coding
from tests.clinical.builders import named, order, rxnorm

NDC = "http://hl7.org/fhir/sid/ndc"


def codes(*rxnorm_codes: str, words: str = "") -> Drug:
    return Drug(
        codings=tuple(Coding(RXNORM, code) for code in rxnorm_codes),
        words=(words,) if words else (),
    )


def found(drug: Drug, knowledge: Knowledge) -> RecognisedOpioid:
    opioid = recognised_opioid(drug, knowledge)
    assert opioid is not None
    return opioid


def is_analgesic(drug: Drug, knowledge: Knowledge, *, oud: bool = False) -> bool:
    opioid = recognised_opioid(drug, knowledge)
    return opioid is not None and opioid.is_analgesic(has_opioid_use_disorder=oud)


def is_moud(drug: Drug, knowledge: Knowledge, *, oud: bool = False) -> bool:
    opioid = recognised_opioid(drug, knowledge)
    return opioid is not None and opioid.is_moud(has_opioid_use_disorder=oud)


class TestByCode:
    def test_a_product_is_recognised_first_and_brings_its_strength(
        self, knowledge: Knowledge
    ) -> None:
        opioid = found(rxnorm("1049621"), knowledge)
        assert (opioid.by, opioid.ingredient, opioid.use) == ("product", "oxycodone", "analgesic")
        assert opioid.product is not None
        assert opioid.product.strength == Decimal(5)

    def test_1310197_is_recognised_as_a_component_without_a_strength(
        self, knowledge: Knowledge
    ) -> None:
        opioid = found(rxnorm("1310197"), knowledge)
        assert (opioid.by, opioid.ingredient) == ("component", "hydrocodone")
        assert opioid.product is None

    def test_an_ingredient_code_is_enough(self, knowledge: Knowledge) -> None:
        opioid = found(rxnorm("7804"), knowledge)
        assert (opioid.by, opioid.ingredient, opioid.use) == (
            "ingredient",
            "oxycodone",
            "analgesic",
        )

    def test_a_local_code_with_a_name_is_enough(self, knowledge: Knowledge) -> None:
        drug = Drug(
            codings=(Coding("urn:oid:1.2.3.4", "4711"), Coding(NDC, "00406-0512-01")),
            words=("Oxycodone-Acetaminophen 5-325 MG per tablet",),
        )
        opioid = found(drug, knowledge)
        assert (opioid.by, opioid.ingredient, opioid.use) == ("name", "oxycodone", "analgesic")

    def test_the_number_of_an_opioid_in_another_system_is_no_opioid(
        self, knowledge: Knowledge
    ) -> None:
        assert (
            recognised_opioid(Drug(codings=(Coding("urn:local", "1049621"),), words=()), knowledge)
            is None
        )

    @pytest.mark.parametrize("code", ["857510", "1723206", "1797655", "830196", "997019"])
    def test_a_product_known_and_not_counted_is_not_brought_back_by_its_name(
        self, knowledge: Knowledge, code: str
    ) -> None:
        drug = rxnorm(code, "oxycodone 5 mg tablet")
        if code == "1797655":  # the buprenorphine implant is treatment of opioid use disorder
            assert is_moud(drug, knowledge)
        assert not is_analgesic(drug, knowledge)

    def test_the_reason_for_not_counting_is_told(self, knowledge: Knowledge) -> None:
        assert found(rxnorm("857510"), knowledge).not_counted_reason == "cough/cold"
        assert found(rxnorm("1723206"), knowledge).not_counted_reason == "injectable"

    @pytest.mark.parametrize("code", ["313839", "313782", "1551170", "197361"])
    def test_a_code_of_another_drug_is_no_opioid(self, knowledge: Knowledge, code: str) -> None:
        assert recognised_opioid(rxnorm(code), knowledge) is None


class TestSeveralCodes:
    def test_a_product_beside_its_ingredient_codes_keeps_its_strength(
        self, knowledge: Knowledge
    ) -> None:
        opioid = found(codes("7804", "161", "1049621", "214183"), knowledge)
        assert opioid.by == "product"
        assert opioid.product is not None

    def test_brand_and_generic_of_one_product_agree(self, knowledge: Knowledge) -> None:
        product = found(codes("1049640", "1049221"), knowledge).product
        assert product is not None
        assert (product.ingredient, product.strength) == ("oxycodone", Decimal(5))

    def test_a_combination_and_a_plain_product_of_one_strength_disagree(
        self, knowledge: Knowledge
    ) -> None:
        opioid = found(codes("1049640", "1049621"), knowledge)
        assert opioid.use == "analgesic"
        assert opioid.product is None

    def test_products_of_two_strengths_are_an_opioid_without_a_strength(
        self, knowledge: Knowledge
    ) -> None:
        opioid = found(codes("1049621", "1049611"), knowledge)
        assert (opioid.ingredient, opioid.use) == ("oxycodone", "analgesic")
        assert opioid.product is None

    def test_a_counted_product_beside_one_that_is_not_is_counted(
        self, knowledge: Knowledge
    ) -> None:
        assert is_analgesic(codes("857510", "1049621"), knowledge)
        assert is_analgesic(codes("1049621", "857510"), knowledge)

    def test_products_that_disagree_on_the_use_leave_it_open(self, knowledge: Knowledge) -> None:
        patch_and_film = codes("904870", "1307056")
        assert is_analgesic(patch_and_film, knowledge, oud=False)
        assert is_moud(patch_and_film, knowledge, oud=True)

    def test_a_cough_combination_beside_its_bare_ingredient_is_not_counted(
        self, knowledge: Knowledge
    ) -> None:
        assert not is_analgesic(codes("5489", "214594"), knowledge)
        assert not is_analgesic(codes("214594", "5489"), knowledge)

    def test_buprenorphine_beside_buprenorphine_with_naloxone_is_moud(
        self, knowledge: Knowledge
    ) -> None:
        assert is_moud(codes("1819", "352364"), knowledge)

    @given(st.permutations(["7804", "1049621", "857510", "1310197"]))
    def test_the_order_of_the_codes_is_irrelevant(
        self, knowledge: Knowledge, shuffled: list[str]
    ) -> None:
        assert recognised_opioid(codes(*shuffled), knowledge) == recognised_opioid(
            codes("7804", "1049621", "857510", "1310197"), knowledge
        )


class TestByName:
    @pytest.mark.parametrize(
        ("words", "ingredient"),
        [
            ("oxyCODONE", "oxycodone"),
            ("OXYCODONE HCL 5MG TAB", "oxycodone"),
            ("Oxycodone-Acetaminophen 5-325 mg", "oxycodone"),
            ("HYDROcodone/acetaminophen", "hydrocodone"),
            ("Hydromorphone (Dilaudid) 2 mg", "hydromorphone"),
            ("acetaminophen-codeine #3", "codeine"),
            ("Morphine/naltrexone", "morphine"),
            ("morphine sulfate ER 15 mg", "morphine"),
            ("fentanyl 25 mcg/hr patch", "fentanyl"),
            ("traMADol_50mg", "tramadol"),
            ("pethidine 50 mg", "meperidine"),
            ("naloxone/oxycodone", "oxycodone"),
            ("Tilidine 50 mg / Naloxone 4 mg", "tilidine"),
            ("Percocet", "oxycodone"),
            ("MS Contin 30 mg", "morphine"),
            ("ms-contin", "morphine"),
            ("OxyContin®", "oxycodone"),
            ("Nucynta ER", "tapentadol"),
            ("Butrans", "buprenorphine"),
        ],
    )
    def test_an_ingredient_or_brand_as_a_whole_word_is_an_analgesic(
        self, knowledge: Knowledge, words: str, ingredient: str
    ) -> None:
        opioid = found(named(words), knowledge)
        assert (opioid.by, opioid.ingredient, opioid.use) == ("name", ingredient, "analgesic")
        assert opioid.product is None

    @pytest.mark.parametrize(
        "words",
        [
            "apomorphine hydrochloride 10 MG/ML",
            "Apomorphine HCl 30 mg/3 mL pen",
            "naltrexone 50 mg tablet",
            "methylnaltrexone",
            "naloxone 4 mg nasal spray",
            "naloxegol 25 mg",
            "dextromethorphan-guaifenesin",
            "loperamide 2 mg",
            "diphenoxylate-atropine 2.5-0.025 mg",
            "belladonna alkaloids and phenobarbital",
            "acetaminophen 500 mg",
            "Tylenol 3 tablets daily",
            "Contin 400 mg",
            "MS 4 mg",
            "morphinelike",
            "hydroxyzine",
            "hyphen",
            "Prolate spheroid lens",
            "",
        ],
    )
    def test_look_alikes_are_no_opioids(self, knowledge: Knowledge, words: str) -> None:
        assert recognised_opioid(named(words), knowledge) is None

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            ("codeine-guaifenesin 10-100 mg/5 mL syrup", "cough/cold"),
            ("Promethazine with codeine syrup", "cough/cold"),
            ("hydrocodone-chlorpheniramine ER suspension", "cough/cold"),
            ("hydrocodone-homatropine tablet", "cough/cold"),
            ("Tussionex (hydrocodone)", "cough/cold"),
            ("codeine cough linctus", "cough/cold"),
            ("morphine 4 mg/mL injection", "injectable"),
            ("fentaNYL (PF) 50 mcg/mL injectable solution", "injectable"),
            ("hydromorphone PCA", "injectable"),
            ("fentanyl-bupivacaine epidural", "injectable"),
            ("meperidine 50 mg/mL vial", "injectable"),
            ("morphine in NaCl infusion", "injectable"),
            ("belladonna-morphine suppository", "antidiarrheal/antispasmodic"),
        ],
    )
    def test_injections_and_cough_medicines_are_known_and_not_counted(
        self, knowledge: Knowledge, words: str, reason: str
    ) -> None:
        opioid = found(named(words), knowledge)
        assert (opioid.use, opioid.not_counted_reason) == ("not-counted", reason)

    @pytest.mark.parametrize(
        "words",
        [
            "morphine 20 mg/mL oral syringe",
            "codeine syrup",
            "oxycodone 5 mg/5 mL oral solution",
            "tramadol 50 mg tablet (C-IV)",
            "Schedule II oxycodone",
            "hydromorphone 1 mg/mL oral liquid",
        ],
    )
    def test_an_oral_syringe_a_plain_syrup_and_a_schedule_number_are_no_injection(
        self, knowledge: Knowledge, words: str
    ) -> None:
        assert is_analgesic(named(words), knowledge)

    def test_the_words_of_another_coding_settle_an_ingredient_code(
        self, knowledge: Knowledge
    ) -> None:
        assert is_analgesic(rxnorm("7052", "morphine 15 mg tablet"), knowledge)
        assert not is_analgesic(rxnorm("7052", "morphine 10 mg/mL injection"), knowledge)
        assert not is_analgesic(rxnorm("2670", "promethazine-codeine"), knowledge)

    def test_a_name_in_any_of_the_words_counts(self, knowledge: Knowledge) -> None:
        drug = Drug(codings=(), words=("Pain medicine", "see list", "Norco 5/325"))
        assert found(drug, knowledge).ingredient == "hydrocodone"

    @given(st.text())
    def test_any_text_is_read_without_an_error(self, knowledge: Knowledge, text: str) -> None:
        concerns_a_rule(named(text), knowledge)


class TestTreatmentOfOpioidUseDisorder:
    @pytest.mark.parametrize(
        "drug",
        [
            rxnorm("351266"),  # buprenorphine/naloxone tablet
            rxnorm("351264"),  # buprenorphine 2 mg sublingual tablet
            rxnorm("1996184"),  # depot injection
            rxnorm("1797650"),  # implant
            rxnorm("864978"),  # dispersible methadone
            rxnorm("991147"),  # methadone concentrate
            rxnorm("352364"),  # buprenorphine/naloxone, ingredient
            rxnorm("353391"),  # buprenorphine 8 MG, component
            rxnorm("1819", "buprenorphine 8 mg sublingual tablet"),
            named("Suboxone 8-2 mg film"),
            named("buprenorphine-naloxone 8-2 mg SL film"),
            named("buprenorphine (Subutex) 8 mg"),
            named("Sublocade 300 mg/1.5 mL injection"),
            named("buprenorphine ER 100 mg/0.5 mL subcutaneous syringe"),
            named("methadone 10 mg/mL oral concentrate"),
            named("Methadone Diskets 40 mg dispersible tablet"),
        ],
    )
    @pytest.mark.parametrize("oud", [True, False])
    def test_moud_products_are_moud_whether_or_not_the_disorder_is_recorded(
        self, knowledge: Knowledge, drug: Drug, oud: bool
    ) -> None:
        assert is_moud(drug, knowledge, oud=oud)
        assert not is_analgesic(drug, knowledge, oud=oud)

    @pytest.mark.parametrize(
        "drug",
        [
            rxnorm("904870"),  # patch
            rxnorm("1716057"),  # plain buccal film
            rxnorm("904869"),  # 0.01 MG/HR, component
            rxnorm("1819", "buprenorphine 10 mcg/hr transdermal patch"),
            named("Butrans 10 mcg/hr"),
            named("buprenorphine 75 mcg buccal film"),
            named("buprenorphine (Belbuca)"),
            named("methadone 5 mg for pain"),
        ],
    )
    @pytest.mark.parametrize("oud", [True, False])
    def test_patches_and_plain_buccal_film_are_analgesics_even_with_the_disorder(
        self, knowledge: Knowledge, drug: Drug, oud: bool
    ) -> None:
        assert is_analgesic(drug, knowledge, oud=oud)
        assert not is_moud(drug, knowledge, oud=oud)

    @pytest.mark.parametrize(
        "drug",
        [
            rxnorm("864706"),  # methadone 10 mg tablet
            rxnorm("864761"),  # methadone 1 mg/mL solution
            rxnorm("6813"),  # methadone, ingredient
            rxnorm("372808"),  # methadone tablet, component
            rxnorm("1819"),  # buprenorphine, ingredient
            named("methadone 10 mg tablet"),
            named("Dolophine"),
            named("buprenorphine"),
        ],
    )
    def test_methadone_tablets_and_bare_buprenorphine_follow_the_recorded_disorder(
        self, knowledge: Knowledge, drug: Drug
    ) -> None:
        assert is_analgesic(drug, knowledge, oud=False)
        assert not is_moud(drug, knowledge, oud=False)
        assert is_moud(drug, knowledge, oud=True)
        assert not is_analgesic(drug, knowledge, oud=True)

    @pytest.mark.parametrize(
        "drug", [rxnorm("1729362"), rxnorm("864714"), named("methadone injection")]
    )
    def test_other_injections_of_them_are_neither(self, knowledge: Knowledge, drug: Drug) -> None:
        assert not is_moud(drug, knowledge, oud=True)
        assert not is_analgesic(drug, knowledge)


class TestOtherDrugs:
    @pytest.mark.parametrize(
        "drug",
        [
            rxnorm("197591"),  # diazepam 5 MG Oral Tablet
            named("LORazepam 0.5 mg"),
            named("Xanax"),
            named("alprazolam-XR"),
        ],
    )
    def test_a_benzodiazepine_is_known_by_code_or_name(
        self, knowledge: Knowledge, drug: Drug
    ) -> None:
        assert kind_of(drug, knowledge).is_benzodiazepine
        assert concerns_a_rule(drug, knowledge)
        assert recognised_opioid(drug, knowledge) is None

    @pytest.mark.parametrize("words", ["zolpidem", "buspirone", "nefazodone", "pramlintide"])
    def test_other_sedatives_are_none(self, knowledge: Knowledge, words: str) -> None:
        assert not kind_of(named(words), knowledge).is_benzodiazepine
        assert not concerns_a_rule(named(words), knowledge)

    @pytest.mark.parametrize(
        "drug",
        [rxnorm("1725059"), named("Narcan 4 mg nasal spray"), named("NALOXONE HCL 4 MG/0.1 ML")],
    )
    def test_plain_naloxone_is_known_by_code_or_name(
        self, knowledge: Knowledge, drug: Drug
    ) -> None:
        assert kind_of(drug, knowledge).is_naloxone
        assert concerns_a_rule(drug, knowledge)

    @pytest.mark.parametrize(
        "drug",
        [
            rxnorm("351266", "buprenorphine 2 MG / naloxone 0.5 MG"),
            rxnorm("411499", "Naloxone 4 MG / Tilidine 50 MG Oral Capsule"),
            named("pentazocine-naloxone 50-0.5 mg"),
            named("oxycodone/naloxone"),
            named("naltrexone"),
        ],
    )
    def test_naloxone_in_a_combination_rescues_nobody(
        self, knowledge: Knowledge, drug: Drug
    ) -> None:
        assert not kind_of(drug, knowledge).is_naloxone


class TestDrugsOfOrders:
    """The drugs of all orders together are what each of them is alone."""

    DRUGS = (
        rxnorm("1049621"),
        named("lorazepam 1 mg"),
        named("Narcan 4 mg nasal spray"),
        named("lisinopril"),
        rxnorm("351266", "buprenorphine 2 MG / naloxone 0.5 MG"),
    )

    def test_every_order_finds_the_opioid_of_its_drug(self, knowledge: Knowledge) -> None:
        orders = [order(drug=drug) for drug in (*self.DRUGS, *self.DRUGS)]
        drugs = DrugKinds(orders, knowledge)
        alone = [recognised_opioid(drug, knowledge) for drug in self.DRUGS]
        assert [drugs.opioid(each) for each in orders] == alone * 2

    def test_an_order_without_a_drug_is_for_no_opioid(self, knowledge: Knowledge) -> None:
        unresolved = replace(order(), drug=None)
        drugs = DrugKinds([unresolved], knowledge)
        assert drugs.opioid(unresolved) is None
        assert not drugs.include(lambda kind: True)
        assert drugs.orders_for(lambda kind: True, [unresolved]) == []

    def test_orders_for_a_drug_that_is_wanted_are_found(self, knowledge: Knowledge) -> None:
        orders = [order(drug=drug) for drug in self.DRUGS]
        drugs = DrugKinds(orders, knowledge)
        assert drugs.include(lambda kind: kind.is_benzodiazepine)
        assert drugs.orders_for(lambda kind: kind.is_benzodiazepine, orders) == [orders[1]]
        assert drugs.orders_for(lambda kind: kind.is_naloxone, orders) == [orders[2]]

    def test_drugs_that_are_equal_need_not_be_one_object(self, knowledge: Knowledge) -> None:
        orders = [order(drug=named("Ativan")), order(drug=named("Ativan"))]
        drugs = DrugKinds(orders, knowledge)
        assert drugs.orders_for(lambda kind: kind.is_benzodiazepine, orders) == orders
