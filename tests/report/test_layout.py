from io import StringIO

from gradtool.report import Page
from gradtool.report.layout import Column, Grid, Line, text_width, wrapped, write_page, write_plain


def written(*blocks):
    stream = StringIO()
    write_plain(blocks, stream)
    return stream.getvalue()


def test_numbers_stand_flush_right_and_text_flush_left():
    grid = Grid(
        (Column("name"), Column("value", numeric=True), Column("note")), [("a", "1", ""), ("bc", "-1.5e-10", "x")]
    )
    assert written(grid) == "  name     value  note\n  a            1\n  bc    -1.5e-10  x\n"


def test_a_column_that_holds_an_array_or_a_rule_stands_flush_left():
    grid = Grid((Column("value", numeric=True),), [("[1,\n 2]",), ("3",)])
    assert written(grid) == "  value\n  [1,\n   2]\n  3\n"
    assert Grid((Column("v", numeric=True),), [("upstream @ W.T",), ("3",)]).flush_right() == [False]
    assert Grid((Column("v", numeric=True),), [("-inf",), ("nan",), ("",), ("-",), ("1e+20",)]).flush_right() == [True]


def test_lines_are_written_as_they_are():
    assert written(Line(), Line("w[red] a[:x:] \N{GREEK SMALL LETTER ALPHA}", "bold")) == "\nw[red] a[:x:] α\n"


def test_wide_characters_take_two_cells():
    assert (text_width("重み"), text_width("αβ"), text_width("e\N{COMBINING ACUTE ACCENT}")) == (4, 2, 1)
    assert written(Grid((Column("n"), Column("v")), [("重", "1"), ("a", "2")])) == "  n   v\n  重  1\n  a   2\n"


def test_a_grid_without_rows_is_its_header():
    assert written(Grid((Column("a"), Column("b", numeric=True)), [])) == "  a  b\n"


def lines(*args, **more):
    return [line.text for line in wrapped(*args, **more)]


def test_running_text_is_broken_at_blanks():
    assert lines("one two three", 8) == ["one two", "three"]
    assert lines("one two three", 9, "- ", "  ") == ["- one two", "  three"]
    assert lines("a  b", 80) == ["a  b"]
    assert lines("", 80) == [""]


def test_without_a_width_only_newlines_break():
    assert lines("word " * 50 + "end\nnext", None, "- ", "  ") == ["- " + "word " * 50 + "end", "  next"]


def test_a_long_word_stands_alone_and_is_never_broken():
    assert lines("a " + "b" * 20 + " c", 8, rest="  ") == ["a", "  " + "b" * 20, "  c"]
    assert lines("b" * 20, 8, "    ") == ["    " + "b" * 20]


def test_a_name_and_its_shape_stay_together():
    assert lines("inputs x (4, 6), w (6, 5)", 19) == ["inputs x (4, 6),", "w (6, 5)"]
    assert lines("the entry [0, 12]: off", 16) == ["the", "entry [0, 12]:", "off"]


def test_wide_characters_count_twice_where_lines_are_broken():
    assert lines("重み 重み", 8) == ["重み", "重み"]


def test_a_page_without_colour_or_width_is_written_plain():
    stream = StringIO()
    write_page([Line("text", "bold")], stream, Page())
    assert stream.getvalue() == "text\n"
    stream = StringIO()
    write_page([Line("text", "bold")], stream, Page(color=True))
    assert "\x1b[1mtext" in stream.getvalue()
