"""Texts with holes: what they may hold, and how values get in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.hooks.wording import escaped_markdown, markdown_text, plain_text


def test_a_text_is_filled_with_its_values() -> None:
    text = plain_text("for {{ days }} days, since {{since}}")
    assert text.names == {"days", "since"}
    assert text.filled({"days": 300, "since": "2026-01-27"}) == "for 300 days, since 2026-01-27"


@pytest.mark.parametrize(
    "source",
    [
        "{% if days %}x{% endif %}",
        "{% set x = 1 %}",
        "{% include 'x' %}",
        "{{ days + 1 }}",
        "{{ days | upper }}",
        "{{ days.real }}",
        "{{ days() }}",
        "{{ 5 }}",
        "{{ 'x' }}",
        "{{ days if days else 'x' }}",
        "{{ ''.__class__ }}",
        "{{ days",
        "{% nonsense %}",
    ],
)
def test_a_text_with_logic_of_its_own_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"may hold words|is no valid text"):
        plain_text(source)


def test_a_missing_value_is_an_error_and_not_a_blank() -> None:
    with pytest.raises(KeyError):
        plain_text("{{ days }} days").filled({})


def test_the_words_of_a_text_stay_markdown_and_its_values_do_not_become_it() -> None:
    text = markdown_text("**Recorded:** {{ what }} & more")
    hostile = "*a* [b](c) <img src=x> | `d` # ~e~ _f_ !"
    shown = r"\*a\* \[b\](c) &lt;img src=x&gt; \| \`d\` \# \~e\~ \_f\_ \!"
    assert text.filled({"what": hostile}) == f"**Recorded:** {shown} & more"


def test_a_plain_text_is_not_escaped() -> None:
    assert plain_text("{{ what }}").filled({"what": "a & b_c"}) == "a & b_c"


def test_white_space_is_flattened_and_invisible_characters_are_dropped() -> None:
    value = "a\r\n\n b\tc\u202e\u200bd\x00\x1b"
    assert escaped_markdown(value) == "a b cd"


@given(st.text())
def test_no_value_brings_markup_or_a_line_into_markdown(value: str) -> None:
    shown = escaped_markdown(value)
    assert "<" not in shown
    assert ">" not in shown
    assert "\n" not in shown
    assert shown.isprintable()
