"""Which texts are FHIR bases, and which links lie below one."""

from __future__ import annotations

import pytest

from cds_service.fhir.base_url import BaseUrl

BASE = "https://ehr.example.org/api/FHIR/R4"


def parsed(text: str) -> BaseUrl:
    base = BaseUrl.parse(text)
    assert base is not None
    return base


@pytest.mark.parametrize(
    "same",
    [
        BASE + "/",
        "HTTPS://ehr.example.org/api/FHIR/R4",
        "https://EHR.Example.ORG/api/FHIR/R4",
        "https://ehr.example.org:443/api/FHIR/R4",
    ],
)
def test_case_of_scheme_and_host_default_port_and_last_slash_make_no_difference(same: str) -> None:
    assert BaseUrl.parse(same) == BaseUrl.parse(BASE)


@pytest.mark.parametrize(
    "other",
    [
        "http://ehr.example.org/api/FHIR/R4",
        "https://ehr.example.org:8443/api/FHIR/R4",
        "https://ehr.example.org/api/fhir/R4",
        "https://ehr.example.org/api/FHIR",
        "https://ehr.example.org/api/FHIR/R4/x",
        "https://ehr.example.org.evil.example/api/FHIR/R4",
        "https://sub.ehr.example.org/api/FHIR/R4",
    ],
)
def test_scheme_host_port_and_path_are_compared_exactly(other: str) -> None:
    assert parsed(other) != parsed(BASE)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        " ",
        "ehr.example.org/R4",
        "//ehr.example.org/R4",
        "ftp://ehr.example.org/R4",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:ehr.example.org/R4",
        "https:/ehr.example.org/R4",
        "https:///R4",
        "https://ehr.example.org@evil.example/R4",
        "https://user:secret@ehr.example.org/R4",
        "https://ehr.example.org:443@evil.example/R4",
        "https://ehr.example.org\\@evil.example/R4",
        "https:\\\\ehr.example.org\\R4",
        "https://evil.example#@ehr.example.org/R4",
        "https://evil.example?@ehr.example.org/R4",
        "https://ehr.example.org/R4#x",
        "https://ehr.example.org/R4?x=1",
        "https://ehr.example.org/R4//",
        "https://ehr.example.org//R4",
        "https://ehr.example.org/x/../R4",
        "https://ehr.example.org/./R4",
        "https://ehr.example.org/%2e%2e/R4",
        "https://ehr.example.org/R4%2f",
        "https://ehr.example.org/R4;x",
        "https://ehr.example.org:/R4",
        "https://ehr.example.org:0/R4",
        "https://ehr.example.org:00443/R4",
        "https://ehr.example.org:65536/R4",
        "https://ehr.example.org:+443/R4",
        "https://ehr.example.org:４４３/R4",
        "https://ehr.example.org./R4",
        "https://.ehr.example.org/R4",
        "https://ehr..example.org/R4",
        "https://-ehr.example.org/R4",
        "https://%65hr.example.org/R4",
        "https://ehr.exámple.org/R4",
        "https://ehr.example。org/R4",
        "https://ehr.ex\u00adample.org/R4",
        "https://2130706433/R4",
        "https://0x7f000001/R4",
        "https://0x7f.1/R4",
        "https://127.1/R4",
        "https://0177.0.0.1/R4",
        "https://127.0.0.256/R4",
        "https://127.0.0.0x1/R4",
        "https://[::1/R4",
        "https://[::1%25eth0]/R4",
        "https://[::1%eth0]/R4",
        "https://[::ffff:127.0.0.1]/R4",
        "https://[v1.x]/R4",
        "https://[1:2:3]/R4",
        "https://[:::::::::]/R4",
        "https://[ehr.example.org]/R4",
        "https://ehr.example.org/R4\n",
        "https://ehr.exam\tple.org/R4",
        " https://ehr.example.org/R4",
        "https://ehr.example.org/R 4",
        "https://ehr.example.org/R4\x00",
        "https://" + "a" * 64 + ".example.org/R4",
        "https://ehr.example.org/" + "a" * 8192,
    ],
)
def test_whatever_is_odd_is_no_base(odd: str) -> None:
    assert BaseUrl.parse(odd) is None


@pytest.mark.parametrize(
    "value", [None, 1, True, b"https://ehr.example.org", [BASE], {"url": BASE}]
)
def test_what_is_not_text_is_no_base(value: object) -> None:
    assert BaseUrl.parse(value) is None


def test_an_ipv6_address_is_compared_in_its_shortest_form() -> None:
    assert BaseUrl.parse("https://[2001:DB8:0:0::1]/R4") == BaseUrl.parse(
        "https://[2001:db8::1]/R4"
    )


def test_a_punycode_name_is_a_name_like_any_other() -> None:
    assert str(parsed("https://xn--exmple-qta.org/R4")) == "https://xn--exmple-qta.org/R4"


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("http://localhost:8080/fhir", True),
        ("http://127.0.0.1/fhir", True),
        ("http://127.9.9.9:1/fhir", True),
        ("http://[::1]:8080/fhir", True),
        ("http://localhost.evil.example/fhir", False),
        ("http://127.0.0.1.evil.example/fhir", False),
        ("http://0.0.0.0/fhir", False),
        ("http://10.0.0.1/fhir", False),
        ("http://169.254.169.254/fhir", False),
        ("http://[fe80::1]/fhir", False),
    ],
)
def test_loopback_is_told_by_name_or_number_alone(text: str, is_loopback: bool) -> None:
    assert parsed(text).is_loopback is is_loopback


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("Condition?patient=1", BASE + "/Condition?patient=1"),
        ("Patient/1", BASE + "/Patient/1"),
        ("?_getpages=7&_offset=20", BASE + "?_getpages=7&_offset=20"),
        ("/api/FHIR/R4/Condition?page=2", BASE + "/Condition?page=2"),
        (BASE + "?_getpages=7", BASE + "?_getpages=7"),
        (BASE + "/?_getpages=7", BASE + "/?_getpages=7"),
        ("HTTPS://EHR.example.org:443/api/FHIR/R4/Condition?p=2", BASE + "/Condition?p=2"),
        ("//ehr.example.org/api/FHIR/R4/Condition?p=2", BASE + "/Condition?p=2"),
        (
            "Observation?code=http://loinc.org|44249-1",
            BASE + "/Observation?code=http://loinc.org|44249-1",
        ),
    ],
)
def test_a_link_below_the_base_is_followed(link: str, url: str) -> None:
    assert parsed(BASE).below(link) == url


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/FHIR/R4/Condition",
        "https://ehr.example.org.evil.example/api/FHIR/R4/Condition",
        "https://ehr.example.org@evil.example/api/FHIR/R4/Condition",
        "https://evil.example#" + BASE,
        "https://evil.example?" + BASE,
        "https://ehr.example.org:8443/api/FHIR/R4/Condition",
        "http://ehr.example.org/api/FHIR/R4/Condition",
        "//evil.example/api/FHIR/R4/Condition",
        "\\\\evil.example/x",
        "/\\evil.example/x",
        "/api/FHIR/R4x/Condition",
        "/api/FHIR/Condition",
        "/admin",
        "../Condition",
        "Condition/../../../admin",
        "Condition/..%2f..%2fadmin",
        "Patient/..",
        "Patient/%2e%2e",
        "Patient/1#x",
        "Patient//1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,x",
        "urn:uuid:0f9e",
        "Condition?patient=1\r\nX-Evil: 1",
        "Condition?patient=1 2",
        "Condition?name=é",
        "",
        "Condition?" + "x" * 8192,
    ],
)
def test_a_link_that_is_not_plainly_below_the_base_is_not_followed(link: str) -> None:
    assert parsed(BASE).below(link) is None


@pytest.mark.parametrize(
    "link",
    [
        "?_getpages=7&_getpagesoffset=20",
        "/api/FHIR/R4/?_getpages=7",
        "Condition?patient=1&page=2",
        "Condition/?patient=1&_page_token=x",
        "Condition/_search?page=2",
        "Condition/__page/AbC~1.2",
        "condition?page=2",
        "_paging/7",
        "page2",
    ],
)
def test_a_page_is_at_the_base_or_at_the_type_or_at_no_type_at_all(link: str) -> None:
    base = parsed(BASE)
    assert base.page_below(link, "Condition") == base.below(link) is not None


@pytest.mark.parametrize(
    "link",
    [
        "DocumentReference?patient=p2&_count=100",
        "documentreference?patient=p2",
        "Patient/p1/$everything",
        "Condition/$everything",
        "Condition/c1/$meta",
        "$export",
        "_history",
        "Condition/_history",
        "metadata",
        "https://evil.example/api/FHIR/R4/Condition",
        "",
    ],
)
def test_another_type_an_operation_and_a_history_are_no_pages_of_a_list(link: str) -> None:
    assert parsed(BASE).page_below(link, "Condition") is None


def test_a_base_without_a_path_has_everything_of_its_host_below_it() -> None:
    base = parsed("https://fhir.example.org/")
    assert base.below("/Condition") == "https://fhir.example.org/Condition"
    assert base.below("https://fhir.example.org/x/Condition") is not None
    assert base.below("https://fhir.example.org:444/Condition") is None
