"""Parts of the drawing; whole ones are in test_graph_terminal.py."""

import numpy as np
import pytest

from gradtool.report import DRAWN
from gradtool.report.graph_drawing import PLAIN_SIGNS, Signs, brief, shortened
from gradtool.report.graph_lanes import ASCII


def test_the_signs_are_those_that_a_stream_is_asked_for():
    assert set("".join(Signs()) + "".join(map(chr, ASCII))) == set(DRAWN)
    assert "".join(PLAIN_SIGNS).isascii()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"), (np.array(-1e-9), "-1e-09"), (np.array([1.0, 2.0]), "[1,2]"), (np.zeros((0, 3)), "(0, 3) empty"),
        (np.ones((5, 5)), "(5, 5) all 1"), (np.arange(4.0) / 3, "[0,0.333333,0.666667,1]"),
        (np.arange(5.0) / 3, "(5,) norm 1.82574"), (np.full(30, np.nan), "(30,) nowhere finite"),
        (np.array([np.inf, *np.ones(24)]), "(25,) norm 4.89898, 1 not finite"),
    ],
)  # fmt: skip
def test_brief(value, text):
    assert brief(value) == text


def test_in_full_an_array_is_all_there():
    assert brief(np.arange(30.0), full=True).count(",") == 29


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("x+y", 3, "x+y"), ("x+1234.5678", 8, "x+…"), ("x+1.5e-10*y", 10, "x+1.5e-10…"), ("x+1.5e-10*y", 9, "x+…"),
        ("a_long_name", 6, "a_lon…"), ("1234567", 5, "…"), ("sin(alpha)+1", 8, "sin(…"), ("日本語の名前", 7, "日本語…"),
        ("1.5e-10", 4, "…"), ("x2-3", 3, "x2…"),
    ],
)  # fmt: skip
def test_shortened_between_words(text, width, shown):
    assert shortened(text, width) == shown
