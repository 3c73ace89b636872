"""``SourceError``: the caret sits right under the place."""

import pickle

import pytest

from gradtool.language.errors import WIDTH, SourceError, show_place


def test_a_program_of_one_line():
    error = SourceError("unknown function 'sigmod'", "y = sigmod(x)", (4, 10), "did you mean sigmoid?")
    assert str(error) == "\n".join(
        ["unknown function 'sigmod'", "  y = sigmod(x)", "      ^^^^^^", "hint: did you mean sigmoid?"]
    )


def test_a_program_of_several_lines_has_line_numbers():
    source = "a = 1\n\nb = ?\nc = 2\n"
    assert str(SourceError("bad", source, (11, 12))) == "line 3: bad\n  b = ?\n      ^"


def test_a_label_gives_line_and_column():
    error = SourceError("bad", "a\nb ?", (4, 5), label="net.txt")
    assert (error.line, error.column) == (2, 3)
    assert str(error) == "net.txt:2:3: bad\n  b ?\n    ^"


def test_without_a_place():
    assert str(SourceError("the program has no name 'q'", hint="its names: x")) == (
        "the program has no name 'q'\nhint: its names: x"
    )
    assert str(SourceError("bad", label="f.txt")) == "f.txt: bad"


@pytest.mark.parametrize(
    ("source", "span", "line", "caret"),
    [
        ("x + y", (2, 3), "  x + y", "    ^"),
        ("x", (1, 1), "  x", "   ^"),
        ("", (0, 0), "", "  ^"),
        ("\t\tx ?", (4, 5), "          x ?", "            ^"),
        ("ab\t?", (3, 4), "  ab  ?", "      ^"),
        ("日本 ?", (3, 4), "  日本 ?", "       ^"),
        ("?日本?", (1, 3), "  ?日本?", "   ^^^^"),
        ("e\u0301e\u0301?", (4, 5), "  e\u0301e\u0301?", "    ^"),
        ("xy\u0301z", (2, 3), "  xy\u0301z", "   ^"),
        ("a\x1b[31m?", (6, 7), "  a\ufffd[31m?", "        ^"),
        ("a\u202e?", (2, 3), "  a\ufffd?", "    ^"),
        ("\ud800?", (1, 2), "  \ufffd?", "   ^"),
        ("a\r\nb?\r\nc", (4, 5), "  b?", "   ^"),
        ("x +\ny", (3, 4), "  x +", "     ^"),
        ("f(a,\nb)", (0, 7), "  f(a,", "  ^^^^"),
    ],
    ids=ascii,
)
def test_the_caret_is_under_the_place(source, span, line, caret):
    assert show_place(source, span) == [line, caret]


@pytest.mark.parametrize("place", [0, 1, 40, 99, 100, 101, 5000, 9899, 9900, 9998, 9999, 10000])
def test_of_a_long_line_the_part_around_the_place_is_shown(place):
    source = "".join(chr(ord("a") + i % 26) for i in range(10000))
    line, caret = show_place(source, (place, place + 1))
    assert len(line) <= WIDTH + 8
    assert line.startswith("  ...") == (not line.startswith(f"  {source[:20]}"))
    if place < len(source):
        assert line[caret.index("^")] == source[place]
        assert caret.count("^") == 1
    else:
        assert caret.index("^") == len(line)


def test_a_long_place_is_marked_as_far_as_it_is_shown():
    line, caret = show_place("x" * 1000, (10, 900))
    assert line == "  " + "x" * WIDTH + "..."
    assert caret == " " * 12 + "^" * (WIDTH - 10)


def test_an_error_in_a_longer_text():
    error = SourceError("bad", "1+", (2, 2), "hint").within("x=")
    assert (error.source, error.span) == ("x=1+", (4, 4))


def test_an_error_survives_pickling():
    error = SourceError("bad", "x ?", (2, 3), "hint", "file")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
