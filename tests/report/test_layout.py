from io import StringIO

from gradtool.report.layout import Column, Grid, Line, text_width, write_plain


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
