import re
from io import StringIO

from gradtool.report import Page
from gradtool.report.check_concise import render_check
from gradtool.results import CheckReport


def lines(report):
    stream = StringIO()
    render_check(report, stream, Page())
    return stream.getvalue().splitlines()


def test_one_line_a_verdict(reports):
    assert lines(reports.everything()) == [
        "layers.py:41: OK affine: 3 gradients agree to 9 digits (an error of 1e-09 would have been seen); "
        "x (4, 6), w (6, 5), b (5,) from the docstring",
        "bad.py:41: GC101 affine: gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)",
        "bad.py:41: OK affine: gradients of x, w agree to 9 digits (an error of 1e-09 would have been seen)",
        "layers.py:7: GC118 relu: gradient of x is 2 at a kink, where it must lie in [0, 1] "
        "(entry [0, 0]: yours 2, reference 0.5 ± 0.5; at a tie, with alpha=0)",
        "layers.py:7: GC301 relu: backward changed dout in place",
        "net.py:30: GC120 net: backward raised ValueError: matmul: (4, 3) and (4, 2)",
        "layers.py:90: UNDECIDED pool: gradient of x could not be decided: forward is too noisy here: 1e-3 of its size",
        "net.py:1: ERROR broken: ValueError: matmul: (4, 3) and (4, 2)",
        "layers.py:41: GC199 ste: gradient of x fits no known cause (entry [0]: yours 1, reference 0 ± 1e-12) "
        "(intentional: straight-through estimator)",
        "old.py:41: GC101 affine: gradient of b has the opposite sign "
        "(entry [3]: yours -0.41, reference 0.41 ± 3e-11) (accepted: in the baseline)",
        "old.py:41: OK affine: gradients of x, w agree to 9 digits (an error of 1e-09 would have been seen)",
        "big.py:41: GC306 big: gradient of W is float32, W float64",
        "big.py:41: OK big: 1 gradient agrees (an error of 0.0001 is missed with probability 0.001); "
        "W: 40 of 1,000,000 entries compared; W (1000, 1000) found by trying; big_backward(dout, W)",
        "layers.py:120: SKIPPED gpu: arrays on a GPU are not supported",
        "layers.py:200: SKIPPED conv: no inputs found; add conv_inputs()",
    ]


def test_code_that_is_in_no_file(reports):
    found = reports.target("f", "OK", reports.gradient("x"), id="f", file=None, line=None)
    assert lines(CheckReport((found,)))[0].startswith("-:1: OK f: 1 gradient agrees")


def test_whatever_a_name_holds_a_finding_is_one_line(reports):
    for line in lines(reports.hostile()):
        assert re.match(r".*\.py:(41|1): (OK|GC\d\d\d|UNDECIDED|ERROR|SKIPPED) ", line)
        assert not re.search("[\x00-\x1f\x7f\u202e]", line)


def test_nothing_found_is_nothing():
    assert lines(CheckReport(())) == []
