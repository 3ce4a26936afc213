"""The try-it page for everybody: axe finds nothing, the keyboard and a phone are enough."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .conftest import DESKTOP, PHONE, SCREENSHOTS

TABS = ("reasoning", "request", "response", "feedback", "own")


@pytest.fixture(
    params=[(scheme, size) for scheme in ("light", "dark") for size in (DESKTOP, PHONE)],
    ids=["light-desktop", "light-phone", "dark-desktop", "dark-phone"],
)
def seen(request: pytest.FixtureRequest, browser: Browser, service: str) -> Iterator[Page]:
    """Open the page in one colour scheme and size, and have a card on it."""
    scheme, (width, height) = request.param
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": height},
        bypass_csp=True,  # for axe alone
    )
    page = context.new_page()
    page.goto(service)
    page.wait_for_selector("#timeline svg")
    page.click("[data-hook=order-sign]")
    page.wait_for_selector(".card")
    page.wait_for_selector("#panel-reasoning .outcome")
    yield page
    context.close()


def test_axe_finds_nothing_on_any_tab(seen: Page, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    seen.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    seen.locator(".suggestion button").first.click()
    seen.wait_for_selector("#feedback-kept table", state="attached")
    seen.evaluate(Path(os.environ["AXE"]).read_text())
    for tab in TABS:
        seen.click(f"#tab-{tab}")
        assert violations(seen) == []
    seen.get_by_role("button", name="Set aside").click()
    seen.wait_for_selector(".set-aside")
    assert violations(seen) == []
    seen.screenshot(path=SCREENSHOTS / f"{name}-set-aside.png", full_page=True)


def violations(page: Page) -> list[str]:
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


def test_words_in_the_timeline_stand_out_from_the_ground(seen: Page) -> None:
    """Axe does not look at text in SVG: 4.5 to 1 is what WCAG 2.2 asks of small text (1.4.3)."""
    ratios = seen.evaluate(
        """() => {
            const linear = (part) =>
                part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            const light = (colour) => {
                const parts = colour.match(/[0-9.]+/g).map((part) => linear(part / 255));
                return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const chart = document.querySelector(".chart");
            const ground = light(getComputedStyle(chart).backgroundColor);
            return [...document.querySelectorAll("#timeline svg text")].map((text) => {
                const ink = light(getComputedStyle(text).fill);
                return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
            });
        }"""
    )
    assert len(ratios) > 5
    assert min(ratios) >= 4.5


def test_nothing_reaches_beyond_the_screen_and_nothing_is_too_small_to_touch(seen: Page) -> None:
    for tab in TABS:
        seen.click(f"#tab-{tab}")
        width = seen.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0
    small = seen.evaluate(
        """[...document.querySelectorAll("button, select, input[type=text]")]
            .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
            .map((each) => each.outerHTML)"""
    )
    assert small == []


def test_the_whole_walk_needs_no_mouse(page: Page) -> None:
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the advice")).to_be_focused()
    tab_to(page, page.locator("#patient"))
    keys.type("Depression")
    expect(page.locator("#patient-name")).to_have_text("Otis Fairbanks")
    tab_to(page, page.get_by_role("radio", name="Prefetch"))
    keys.press("ArrowRight")
    expect(page.get_by_role("radio", name="Call-back")).to_be_checked()
    tab_to(page, page.locator("[data-hook=order-sign]"))
    keys.press("Enter")
    expect(page.locator("#news")).to_contain_text("One card. Warning: Long-term opioid renewal")
    expect(page.locator("[data-hook=order-sign]")).to_be_focused()
    tab_to(page, page.locator(".suggestion button").first)
    keys.press("Enter")
    expect(page.locator("#news")).to_contain_text("Feedback kept: accepted")
    expect(page.locator(".suggestion button").first).to_be_focused()
    tab_to(page, page.get_by_label("Set this card aside because"))
    keys.type("Will address")
    tab_to(page, page.get_by_role("button", name="Set aside"))
    keys.press("Enter")
    expect(page.locator(".set-aside")).to_be_focused()
    expect(page.locator(".set-aside")).to_contain_text("Will address at a coming visit")
    tab_to(page, page.locator("#tab-reasoning"))
    for _ in range(3):
        keys.press("ArrowRight")
    expect(page.locator("#tab-feedback")).to_be_focused()
    expect(page.locator("#panel-feedback")).to_contain_text("coming-visit")
    keys.press("End")
    tab_to(page, page.get_by_label("A hook call as JSON"))


def tab_to(page: Page, place: Locator) -> None:
    """Press Tab until the place has the focus; each stop on the way must show that it has it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            """() => {
                const here = document.activeElement;
                const shown = here.matches(".choice input") ? here.nextElementSibling : here;
                return getComputedStyle(shown).outlineStyle;
            }"""
        )
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if place.evaluate("(each) => each === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {place}")


def test_the_skip_link_leads_to_the_advice(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#advice")).to_be_focused()
