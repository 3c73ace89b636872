import re
from io import StringIO

from gradtool.report.layout import Block, Column, Grid, Line, write_plain
from gradtool.report.terminal import MOST_ROWS, write

GRID = Grid(
    (Column("expression", fold=True), Column("value", numeric=True), Column("verdict", styles={"WRONG": "bold red"})),
    [("softmax(W@x+b)", "-1.23457e-200", "OK"), ("w[red] + a[:smile:]", "2", "WRONG")],
)


def written(blocks, width, color=False):
    stream = StringIO()
    write(blocks, stream, width, color)
    return stream.getvalue()


def without_trailing_blanks(text):
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def test_with_room_it_looks_as_in_a_pipe():
    plain = StringIO()
    blocks: list[Block] = [Line("title"), Line(), GRID]
    write_plain(blocks, plain)
    assert without_trailing_blanks(written(blocks, 120)) == plain.getvalue()
    assert without_trailing_blanks(written(blocks, None)) == plain.getvalue()


def test_colour_changes_nothing_but_colour():
    coloured = written([Line("title", "green"), GRID], 120, color=True)
    assert "\x1b[32mtitle" in coloured
    assert "\x1b[1;31mWRONG" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == written([Line("title", "green"), GRID], 120)


def test_parts_of_a_line_have_a_colour_of_their_own():
    line = Line("a [red] b", marks=((2, 7, "red"),))
    assert written([line], 80, color=True) == "a \x1b[31m[red]\x1b[0m b\n"
    assert written([line], 80) == "a [red] b\n"


def test_a_narrow_terminal_folds_text_and_keeps_numbers_whole():
    text = written([GRID], 44)
    assert max(map(len, text.splitlines())) <= 44
    assert "-1.23457e-200" in text
    assert "a[:smile:]" in text


def test_a_very_narrow_terminal_folds_everything_and_loses_nothing():
    text = written([GRID], 20)
    assert max(map(len, text.splitlines())) <= 20
    for letter in "-1.23457e-200" + "softmax(W@x+b)" + "w[red]a[:smile:]":
        assert text.count(letter) >= 1
    assert "…" not in text


def test_running_text_is_left_to_the_terminal_to_wrap():
    assert written([Line("word " * 30)], 20) == "word " * 30 + "\n"


def test_a_very_long_grid_is_written_plain():
    rows = [(str(k), "1", "OK") for k in range(MOST_ROWS + 1)]
    text = written([Grid(GRID.columns, rows)], 80, color=True)
    assert text.count("\n") == MOST_ROWS + 2
    assert "\x1b" not in text


def test_the_environment_has_no_say(monkeypatch):
    for name, value in (("COLUMNS", "10"), ("FORCE_COLOR", "0"), ("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    assert "\x1b[1;31mWRONG" in written([GRID], 80, color=True)
    assert len(written([GRID], 80).splitlines()) == 3
