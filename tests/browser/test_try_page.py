"""The try-it page in Chromium: what a developer sees, does, and can read behind it."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta

from playwright.sync_api import Browser, Page, Route, expect

SUMMARY = "Long-term opioid renewal (300 days): review pain together with mood and social context"
UNSPEAKABLE = re.compile(r"abus|assault|violen|partner|sexual|victim|rape", re.IGNORECASE)
HOOKS = ("patient-view", "order-select", "order-sign", "medication-refill")


def days_ago(days: int) -> date:
    """Return a day of the records of the demo, which end on the day the service is started."""
    return datetime.now(UTC).date() - timedelta(days=days)


def open_chart_of(page: Page, patient_id: str) -> None:
    name = page.locator(f"#patient option[value={patient_id}]").inner_text().split(": ")[1]
    page.select_option("#patient", patient_id)
    expect(page.locator("#news")).to_have_text(f"The chart of {name} is open.")


def press(page: Page, hook: str) -> None:
    """Press the button of a hook and wait for the answer of its own."""
    page.click(f"[data-hook={hook}]")
    expect(page.locator("#answer-facts")).to_contain_text(hook)


def request_sent(page: Page) -> dict[str, object]:
    text = page.locator("#panel-request pre").text_content()
    assert text is not None
    return dict(json.loads(text))


def test_the_page_asks_nobody_else_for_anything(browser: Browser, service: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(service)
    page.wait_for_selector("#timeline svg")
    press(page, "order-sign")
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(service)] == []
    context.close()


def test_a_renewal_shows_the_warning_as_an_ehr_does(page: Page) -> None:
    press(page, "order-sign")
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card.locator(".indicator")).to_have_text("Warning")
    expect(card.get_by_role("heading", name=SUMMARY)).to_be_visible()
    expect(card.locator(".detail p strong").first).to_have_text("In this record:")
    expect(card.locator(".source")).to_contain_text("Sullivan & Ballantyne 2021, expert essay")
    paper = card.get_by_role("link", name="When physical and social pain coexist")
    assert paper.get_attribute("href") == "https://doi.org/10.1370/afm.2591"
    assert paper.get_attribute("rel") == "noopener noreferrer"
    expect(card.get_by_role("button", name="Accept")).to_have_count(6)
    reasons = card.locator("select option").all_inner_texts()
    assert reasons[0] == "No reason given"
    assert len(reasons) == 1 + 8


def test_each_button_calls_the_service_of_its_hook(page: Page) -> None:
    rules = {}
    for hook in HOOKS:
        press(page, hook)
        assert request_sent(page)["hook"] == hook
        rules[hook] = page.locator(".card .indicator").inner_text()
    assert rules == {
        "patient-view": "For information",
        "order-select": "For information",
        "order-sign": "Warning",
        "medication-refill": "Warning",
    }


def test_an_order_that_is_no_opioid_gets_no_card(page: Page) -> None:
    page.select_option("#drug", label="ibuprofen 600 MG Oral Tablet")
    press(page, "order-sign")
    expect(page.locator("#cards")).to_have_text(
        "No card. The service has nothing to say about this."
    )


def test_the_timeline_draws_what_the_service_understood(page: Page) -> None:
    timeline = page.locator("#timeline")
    first = days_ago(299)  # ten orders of 30 days without a gap, the last of them to today
    expect(timeline.locator("rect.order.counted")).to_have_count(10 + 1)  # and one in the key
    since = f"{first.day} {first:%b %Y}"
    expect(timeline.locator("figcaption")).to_contain_text(f"300 days since {since}")
    expect(timeline.locator("figcaption")).to_contain_text("100 % covered: long-term")
    expect(timeline.locator(".mark text")).to_have_text("90 days")
    assert x_of(page, ".mark line") < x_of(page, ".today line")
    expect(timeline.locator("rect.order.draft")).to_have_count(0)
    press(page, "order-sign")
    expect(timeline.locator("rect.order.draft")).to_have_count(1 + 1)


def test_a_mark_that_is_still_to_come_lies_beyond_today(page: Page) -> None:
    open_chart_of(page, "about-to-cross-ninety-days")
    assert x_of(page, ".mark line") > x_of(page, ".today line")
    expect(page.locator("#timeline .run.beyond")).to_have_count(0)


def test_estimated_orders_look_estimated(page: Page) -> None:
    open_chart_of(page, "supply-not-recorded")
    expect(page.locator("#timeline rect.order.estimated").first).to_be_visible()
    expect(page.locator("#timeline figcaption")).to_contain_text("Estimated from 4 orders")


def test_the_timeline_can_be_read_as_a_table(page: Page) -> None:
    page.get_by_text("The same as a table").click()
    rows = page.locator("#timeline tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.last).to_contain_text(days_ago(29).isoformat())


def x_of(page: Page, selector: str) -> float:
    return float(page.locator(f"#timeline {selector}").get_attribute("x1") or "nan")


def test_an_accepted_suggestion_is_kept_ordered_and_not_offered_again(page: Page) -> None:
    press(page, "order-sign")
    offer = page.locator(".suggestion", has_text="Refer to social work")
    offer.get_by_role("button").click()
    expect(offer.get_by_role("button")).to_have_text("Accepted")
    expect(page.locator("#waiting-orders")).to_contain_text("Refer to social work")
    expect(page.locator("#news")).to_have_text("Feedback kept: accepted.")
    page.get_by_role("tab", name="Feedback").click()
    expect(page.locator("#feedback-answer")).to_contain_text("The service answered 200 {}")
    newest = page.locator("#feedback-kept tbody tr").first
    expect(newest).to_contain_text("Refer to social work")
    expect(newest).to_contain_text("long-term-renewal-social-pain")
    press(page, "order-select")
    expect(page.locator(".suggestion", has_text="Refer to social work")).to_have_count(0)
    press(page, "order-sign")
    expect(page.locator("#waiting")).to_be_hidden()


def test_an_accepted_drug_waits_under_the_words_of_its_suggestion(page: Page) -> None:
    open_chart_of(page, "benzodiazepine-and-60-mme")
    press(page, "order-sign")
    page.locator(".suggestion", has_text="naloxone").get_by_role("button").click()
    expect(page.locator("#waiting-orders li")).to_have_text("Offer naloxone nasal spray")


def test_an_accepted_suggestion_is_sent_once(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    press(page, "order-sign")
    accept = page.locator(".suggestion button").first
    accept.click()
    expect(accept).to_have_text("Accepted")
    accept.click(force=True)
    press(page, "patient-view")
    assert len([url for url in sent if re.search("/cds-services/.*/feedback$", url)]) == 1


def test_a_card_set_aside_leaves_its_reason_and_the_focus(page: Page) -> None:
    press(page, "order-sign")
    page.get_by_label("Set this card aside because").select_option(label="Patient declines")
    page.get_by_role("button", name="Set aside").click()
    left = page.locator(".set-aside")
    expect(left).to_contain_text("Patient declines")
    expect(left).to_be_focused()
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_role("tab", name="Feedback").click()
    expect(page.locator("#feedback-kept tbody tr").first).to_contain_text("patient-declines")


def test_feedback_that_is_refused_is_not_taken_for_kept(page: Page, complaints: list[str]) -> None:
    page.route("**/cds-services/*/feedback", lambda route: route.fulfill(status=503, json={}))
    press(page, "order-sign")
    accept = page.locator(".suggestion button").first
    accept.click()
    expect(page.locator("#news")).to_contain_text("not kept: the service answered 503")
    expect(accept).to_have_text("Accept")
    expect(page.locator("#waiting")).to_be_hidden()
    assert "503" in complaints.pop()


def test_a_patient_and_a_relative_see_nothing(page: Page) -> None:
    open_chart_of(page, "sensitive-history")
    expect(page.locator("#problems")).to_contain_text("Sensitive history on file")
    press(page, "order-sign")
    expect(page.locator(".card")).to_have_count(1)
    for viewer, user in (("Relative", "RelatedPerson/keyhole"), ("Patient", "Patient/")):
        page.get_by_role("radio", name=viewer).check()
        expect(page.locator(".card")).to_have_count(0)
        expect(page.locator("#problems")).not_to_contain_text("Sensitive")
        press(page, "order-sign")
        expect(page.locator("#cards")).to_contain_text("No card.")
        expect(page.locator("#panel-reasoning")).to_contain_text("Nothing was looked at")
        assert str(request_sent(page)["context"]).find(user) > 0


def test_prefetch_and_call_back_show_the_same_card(page: Page) -> None:
    shown = {}
    for way in ("Prefetch", "Call-back"):
        page.get_by_role("radio", name=way).check()
        press(page, "order-sign")
        shown[way] = page.locator(".card .detail").inner_text()
        assert ("prefetch" in request_sent(page)) == (way == "Prefetch")
        page.get_by_role("radio", name="Patient").check()
        page.get_by_role("radio", name="Practitioner").check()
    assert shown["Prefetch"] == shown["Call-back"]


def test_what_must_not_be_read_over_a_shoulder_is_on_no_screen(page: Page) -> None:
    open_chart_of(page, "sensitive-history")
    for hook in HOOKS:
        press(page, hook)
        text = page.locator("body").text_content() or ""
        assert "Sensitive history on file" in text
        assert '"resourceType": "Condition"' in text  # the request is shown, and what it holds
        assert UNSPEAKABLE.findall(text) == []


def test_the_reasoning_stands_beside_the_answer(page: Page) -> None:
    press(page, "order-sign")
    reasoning = page.locator("#panel-reasoning")
    expect(reasoning.locator(".outcome")).to_contain_text("long-term-renewal-social-pain (warning)")
    expect(reasoning.get_by_role("heading")).to_have_count(12)
    expect(reasoning.locator("tr.applies").first).to_contain_text("long-term-renewal-social-pain")


def test_a_request_of_one_s_own_is_answered(page: Page) -> None:
    page.get_by_role("tab", name="Your own").click()
    page.get_by_role("button", name="Insert an example").click()
    field = page.get_by_label("A hook call as JSON")
    expect(field).to_be_focused()
    assert json.loads(field.input_value())["hook"] == "order-sign"
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name=SUMMARY)).to_be_visible()
    expect(page.locator("#advice")).to_be_focused()


def test_a_request_of_one_s_own_that_is_no_json_or_no_hook_is_explained(page: Page) -> None:
    page.get_by_role("tab", name="Your own").click()
    for text, words in (
        ("{", "This is not JSON"),
        ("{}", "needs a hook"),
        ("null", "needs a hook"),
    ):
        page.get_by_label("A hook call as JSON").fill(text)
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#own-problem")).to_contain_text(words)


def test_a_refusal_is_no_all_clear(page: Page, complaints: list[str]) -> None:
    page.get_by_role("tab", name="Your own").click()
    page.get_by_label("A hook call as JSON").fill('{"hook": "patient-view"}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#cards")).to_contain_text("No advice. /hookInstance is missing")
    expect(page.locator("#answer-facts")).to_contain_text("400")
    assert "400" in complaints.pop()  # the call
    assert "400" in complaints.pop()  # its reasoning


def test_a_late_answer_does_not_replace_a_newer_one(page: Page) -> None:
    held: list[Route] = []
    page.route("**/opioid-social-pain-order-sign", lambda route: held.append(route))
    page.click("[data-hook=order-sign]")
    page.wait_for_timeout(300)
    press(page, "patient-view")
    held[0].continue_()
    page.wait_for_timeout(500)
    expect(page.locator("#answer-facts")).to_contain_text("patient-view")
    expect(page.locator(".card .indicator")).to_have_text("For information")


def test_markdown_makes_no_element_out_of_html(page: Page) -> None:
    text = "\n\n".join(
        [
            '<img src=x onerror="alert(1)"> <script>alert(1)</script>',
            "**bold *and more* \\*\\*** and `<b>`",
            "- one\n- [two](https://example.org/a?b=c)\n- [three](javascript:alert(1))",
            "&lt;iframe&gt; &amp;amp; \\[not a link\\](https://example.org)",
        ]
    )
    html = page.evaluate(
        """async (text) => {
            const { markdown } = await import("/try/markdown.js");
            return markdown(text).map((node) => node.outerHTML);
        }""",
        text,
    )
    assert html == [
        '<p>&lt;img src=x onerror="alert(1)"&gt; &lt;script&gt;alert(1)&lt;/script&gt;</p>',
        "<p><strong>bold <em>and more</em> **</strong> and <code>&lt;b&gt;</code></p>",
        '<ul><li>one</li><li><a href="https://example.org/a?b=c" target="_blank" '
        'rel="noopener noreferrer">two</a></li><li>[three](javascript:alert(1))</li></ul>',
        "<p>&lt;iframe&gt; &amp;amp; [not a link](https://example.org)</p>",
    ]
