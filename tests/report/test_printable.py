import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtool.report.printable import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 重み\n[red]", "plain é 重み\n[red]"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("a\tb", "a       b"),
        ("\u202eabc\u2028\x85\x7f", "\\u202eabc\\u2028\\x85\\x7f"),
        ("\udc80\ufffe", "\\udc80\\ufffe"),
    ],
)
def test_what_does_not_show_itself_is_an_escape(text, shown):
    assert printable(text) == shown


def test_one_line():
    assert one_line("  a\n\n  b \r\nc") == "a b c"
    assert one_line("\n") == ""


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_one_line_that_can_be_encoded(text):
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert one_line(shown) == shown.strip()
