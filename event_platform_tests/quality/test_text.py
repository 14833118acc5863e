"""Other people's text, fit to be shown."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from event_platform.quality.text import as_code, as_markdown, from_markdown, shown, without_links


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("lesson:started", "lesson:started"),
        ("Grüße 日本 🎉", "Grüße 日本 🎉"),
        ("a\x00b\x1b[31m", "a\\u{0}b\\u{1b}[31m"),
        ("line\nline\u2028line", "line\\u{a}line\\u{2028}line"),
        ("\u202egnp.exe\u2066", "\\u{202e}gnp.exe\\u{2066}"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("no\ufffecharacter\uffff", "no\\u{fffe}character\\u{ffff}"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    """Control and direction characters, and separators of lines; every other letter is left alone."""
    assert shown(text, 100) == seen


def test_a_long_text_is_cut_and_says_so() -> None:
    """At the length given, which it may have without being cut."""
    assert shown("x" * 10_000_000, 5) == "xxxxx…"
    assert shown("x" * 5, 5) == "xxxxx"


MARKUP = "# *a* _b_ `c` ~~d~~ [e](f) ![g](h) <i> &amp; \\ > - + 1. 1) === --- | http://j.k www.l.m n@o.p"


@example(MARKUP)
@example("1. one")
@example("1) one")
@example("- one\n\n# two")
@example("    four")
@example("+ one")
@example("> one")
@example("***")
@example("---")
@example("__one__ a_b_c")
@given(st.one_of(st.text(), st.text(alphabet="*_`~[]()<>#&;\\!-+=|1.):/@w \n\ta")))
def test_a_text_is_in_markdown_what_it_is_without(text: str) -> None:
    """One paragraph of nothing but text, which reads as the text does."""
    parsed = MarkdownIt("commonmark").parse(as_markdown(text, 1_000))
    words = " ".join(text.split())
    assert [token.type for token in parsed] == (["paragraph_open", "inline", "paragraph_close"] if words else [])
    inline = [child for token in parsed for child in token.children or []]
    assert {each.type for each in inline} <= {"text", "text_special"}
    assert "".join(each.content for each in inline).replace("\u2060", "") == shown(words, 1_000)
    assert from_markdown(as_markdown(text, 1_000)) == shown(words, 1_000)


@pytest.mark.parametrize("address", ["http://a.b/c", "HTTPS://a.b", "ftp://a.b", "www.a.b", "WWW.a.b", "a@b.c"])
def test_no_address_in_a_text_becomes_a_link_by_itself(address: str) -> None:
    """Markdown parsers look for links after removing backslashes."""
    assert address not in as_markdown(f"see {address}", 100)
    assert as_markdown(address, 100).replace("\u2060", "") == address


@pytest.mark.parametrize(
    "address",
    [
        *("http://a.bc/d", "see https://10.0.0.1/", "mailto:me@a.bc", "tg://resolve?domain=a", "HTTP://A.BC"),
        *("evil.example/login", "(evil.example)", "www.a.bc", "a.b.co.uk:80", "xn--e1afmkfd.xn--p1ai", "пример.рф"),
    ],
)
def test_no_chat_takes_a_text_for_a_link(address: str) -> None:
    """With or without a scheme: an invisible character interrupts the address."""
    safe = without_links(address)
    assert safe.replace("\u2060", "") == address
    assert not re.search(r"\w://\w|@\w|(?<![\w.-])[\w-]+\.[^\W\d_]{2}", safe)


@pytest.mark.parametrize(
    "text",
    ["s3://bucket.of.mine/landing/2025/06/02/a.ndjson.gz", "1 x unknown field: user_id", "3.5 % of 1,000", "e.g. this"],
)
def test_what_is_no_link_can_be_copied_as_it_is(text: str) -> None:
    """Nothing opens an address on S3, and who gets an alert looks for the object."""
    assert without_links(text) == text


def test_words_as_people_write_them_are_left_as_they_are() -> None:
    """So that it stays readable where Markdown is not rendered."""
    text = "A learner's user_id (C#, 50% > 10), e.g. `x`: see the wiki - or not!"
    assert as_markdown(text, 100) == text.replace("`", "\\`")


@pytest.mark.parametrize(
    ("text", "code"), [("a:b", "`a:b`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a``b`", "``` a``b` ```")]
)
def test_a_code_span_ends_where_its_text_ends(text: str, code: str) -> None:
    """As CommonMark has it: with more backticks than the text has in a row."""
    assert as_code(text) == code
