from io import StringIO

import numpy as np

from gradtool.report import Page
from gradtool.report.concise import render_evaluation
from gradtool.results import Verdict


def rendered(result, **page):
    stream = StringIO()
    render_evaluation(result, stream, Page(**page))
    return stream.getvalue()


def test_one_line_an_input(make):
    assert rendered(make.first_example()) == "x 1 2 OK\ny 2 5 OK\nz 0 0 OK\n"


def test_arrays_are_one_word(make):
    found = make.input("W", value=np.eye(2), gradient=np.ones((40, 40)), verdict=Verdict.WRONG)
    assert rendered(make.result([found])) == "W [[1,0],[0,1]] (40,40):norm=40:min=1:max=1 WRONG\n"
    assert len(rendered(make.result([found]), full=True).split()) == 4


def test_what_was_not_checked_has_no_verdict(make):
    assert rendered(make.result([make.input("t", gradient=None)])) == "t 1 - -\n"
    assert rendered(make.result([make.input("x")], references=())) == "x 1 2 -\n"
