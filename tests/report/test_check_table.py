import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.check_table import render_check, summary_line
from gradtool.results import CheckReport, Point, SelfTestResult

EVERYTHING = """\
OK  layers.py::affine  3 gradients agree to 9 digits (an error of 1e-09 would have been seen)
    x (4, 6), w (6, 5), b (5,) from the docstring
OK  big.py::big  1 gradient agrees (an error of 0.0001 is missed with probability 0.001); W: 40 of 1,000,000 entries compared
    W (1000, 1000) found by trying; big_backward(dout, W)
  GC306: gradient of W is float32, W float64
SKIPPED  layers.py::gpu  arrays on a GPU are not supported
SKIPPED  layers.py::conv  no inputs found; add conv_inputs()

UNDECIDED  layers.py::pool  (layers.py:90)
  gradient of x could not be decided: forward is too noisy here: 1e-3 of its size
  checked: pool_backward against pool_forward (forward-backward-pair)
  inputs: x (4,) from the docstring

ERROR  net.py::broken
  Traceback (most recent call last):
    File "net.py", line 30, in net_backward
      dw = x @ dout
  ValueError: matmul: (4, 3) and (4, 2)
  checked: broken_backward against broken_forward (forward-backward-pair)

WRONG  layers.py::ste  (layers.py:41)
  intentional: straight-through estimator
  GC199: gradient of x fits no known cause (entry [0]: yours 1, reference 0 ± 1e-12)
  checked: ste_backward against ste_forward (forward-backward-pair)
  inputs: x (3,) from the docstring

WRONG  old.py::affine  (old.py:41)
  accepted: in the baseline
  GC101: gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)
  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  bad.py::affine  (bad.py:41)
  GC101: gradient of b has the opposite sign
    fix: d_b = -(what you return)
    forward: layers.py:14
    explains your values to 1e-15

  gradient  verdict  entry      yours  reference ± error  digits  detectable
  x         OK       [0, 1]      1.25  1.25 ± 2e-11            9       1e-09
  w         OK       [5, 4]  -1234.57  -1234.57 ± 1e-08        9       1e-09
  b         WRONG    [3]        -0.41  0.41 ± 3e-11            0       1e-09

  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  layers.py::relu  (layers.py:7)
  GC118: gradient of x is 2 at a kink, where it must lie in [0, 1]
    seen at a tie, with alpha=0:
      x = [[   0, 1],
           [-2.5, 3]]
      k = 2
  GC301: backward changed dout in place

  gradient  verdict  entry   yours  reference ± error  digits
  x         WRONG    [0, 0]      2  0.5 ± 0.5               0

  checked: relu_backward against relu_forward (forward-backward-pair)
  inputs: x (2, 2) found by trying

WRONG  net.py::net  (net.py:30)
  GC120: backward raised ValueError: matmul: (4, 3) and (4, 2)
    Traceback (most recent call last):
      File "net.py", line 30, in net_backward
        dw = x @ dout
    ValueError: matmul: (4, 3) and (4, 2)
  checked: net_backward against net_forward (forward-backward-pair)
  inputs: x (4, 3), w (3, 2) from the docstring

WRONG: 3 of 9 targets are wrong; 2 OK, 2 wrong but accepted, 1 undecided, 1 error, 2 skipped (--seed 7)
"""

AT_120_COLUMNS = """\
OK  layers.py::affine  3 gradients agree to 9 digits (an error of 1e-09 would have been seen)
    x (4, 6), w (6, 5), b (5,) from the docstring
OK  big.py::big  1 gradient agrees (an error of 0.0001 is missed with probability 0.001); W: 40 of 1,000,000 entries
    compared
    W (1000, 1000) found by trying; big_backward(dout, W)
  GC306: gradient of W is float32, W float64
SKIPPED  layers.py::gpu  arrays on a GPU are not supported
SKIPPED  layers.py::conv  no inputs found; add conv_inputs()

UNDECIDED  layers.py::pool  (layers.py:90)
  gradient of x could not be decided: forward is too noisy here: 1e-3 of its size
  checked: pool_backward against pool_forward (forward-backward-pair)
  inputs: x (4,) from the docstring

ERROR  net.py::broken
  Traceback (most recent call last):
    File "net.py", line 30, in net_backward
      dw = x @ dout
  ValueError: matmul: (4, 3) and (4, 2)
  checked: broken_backward against broken_forward (forward-backward-pair)

WRONG  layers.py::ste  (layers.py:41)
  intentional: straight-through estimator
  GC199: gradient of x fits no known cause (entry [0]: yours 1, reference 0 ± 1e-12)
  checked: ste_backward against ste_forward (forward-backward-pair)
  inputs: x (3,) from the docstring

WRONG  old.py::affine  (old.py:41)
  accepted: in the baseline
  GC101: gradient of b has the opposite sign (entry [3]: yours -0.41, reference 0.41 ± 3e-11)
  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  bad.py::affine  (bad.py:41)
  GC101: gradient of b has the opposite sign
    fix: d_b = -(what you return)
    forward: layers.py:14
    explains your values to 1e-15

  gradient  verdict  entry      yours  reference ± error  digits  detectable
  x         OK       [0, 1]      1.25  1.25 ± 2e-11            9       1e-09
  w         OK       [5, 4]  -1234.57  -1234.57 ± 1e-08        9       1e-09
  b         WRONG    [3]        -0.41  0.41 ± 3e-11            0       1e-09

  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  layers.py::relu  (layers.py:7)
  GC118: gradient of x is 2 at a kink, where it must lie in [0, 1]
    seen at a tie, with alpha=0:
      x = [[   0, 1],
           [-2.5, 3]]
      k = 2
  GC301: backward changed dout in place

  gradient  verdict  entry   yours  reference ± error  digits
  x         WRONG    [0, 0]      2  0.5 ± 0.5               0

  checked: relu_backward against relu_forward (forward-backward-pair)
  inputs: x (2, 2) found by trying

WRONG  net.py::net  (net.py:30)
  GC120: backward raised ValueError: matmul: (4, 3) and (4, 2)
    Traceback (most recent call last):
      File "net.py", line 30, in net_backward
        dw = x @ dout
    ValueError: matmul: (4, 3) and (4, 2)
  checked: net_backward against net_forward (forward-backward-pair)
  inputs: x (4, 3), w (3, 2) from the docstring

WRONG: 3 of 9 targets are wrong; 2 OK, 2 wrong but accepted, 1 undecided, 1 error, 2 skipped (--seed 7)
"""

AT_80_COLUMNS = """\
OK  layers.py::affine  3 gradients agree to 9 digits (an error of 1e-09 would
    have been seen)
    x (4, 6), w (6, 5), b (5,) from the docstring
OK  big.py::big  1 gradient agrees (an error of 0.0001 is missed with
    probability 0.001); W: 40 of 1,000,000 entries compared
    W (1000, 1000) found by trying; big_backward(dout, W)
  GC306: gradient of W is float32, W float64
SKIPPED  layers.py::gpu  arrays on a GPU are not supported
SKIPPED  layers.py::conv  no inputs found; add conv_inputs()

UNDECIDED  layers.py::pool  (layers.py:90)
  gradient of x could not be decided: forward is too noisy here: 1e-3 of its
    size
  checked: pool_backward against pool_forward (forward-backward-pair)
  inputs: x (4,) from the docstring

ERROR  net.py::broken
  Traceback (most recent call last):
    File "net.py", line 30, in net_backward
      dw = x @ dout
  ValueError: matmul: (4, 3) and (4, 2)
  checked: broken_backward against broken_forward (forward-backward-pair)

WRONG  layers.py::ste  (layers.py:41)
  intentional: straight-through estimator
  GC199: gradient of x fits no known cause (entry [0]: yours 1, reference 0 ±
    1e-12)
  checked: ste_backward against ste_forward (forward-backward-pair)
  inputs: x (3,) from the docstring

WRONG  old.py::affine  (old.py:41)
  accepted: in the baseline
  GC101: gradient of b has the opposite sign (entry [3]: yours -0.41, reference
    0.41 ± 3e-11)
  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  bad.py::affine  (bad.py:41)
  GC101: gradient of b has the opposite sign
    fix: d_b = -(what you return)
    forward: layers.py:14
    explains your values to 1e-15

  gradient  verdict  entry      yours  reference ± error  digits  detectable
  x         OK       [0, 1]      1.25  1.25 ± 2e-11            9       1e-09
  w         OK       [5, 4]  -1234.57  -1234.57 ± 1e-08        9       1e-09
  b         WRONG    [3]        -0.41  0.41 ± 3e-11            0       1e-09

  checked: affine_backward against affine_forward (forward-backward-pair)
  inputs: x (4, 6), w (6, 5), b (5,) from the docstring
  called as affine_backward(dout, cache)

WRONG  layers.py::relu  (layers.py:7)
  GC118: gradient of x is 2 at a kink, where it must lie in [0, 1]
    seen at a tie, with alpha=0:
      x = [[   0, 1],
           [-2.5, 3]]
      k = 2
  GC301: backward changed dout in place

  gradient  verdict  entry   yours  reference ± error  digits
  x         WRONG    [0, 0]      2  0.5 ± 0.5               0

  checked: relu_backward against relu_forward (forward-backward-pair)
  inputs: x (2, 2) found by trying

WRONG  net.py::net  (net.py:30)
  GC120: backward raised ValueError: matmul: (4, 3) and (4, 2)
    Traceback (most recent call last):
      File "net.py", line 30, in net_backward
        dw = x @ dout
    ValueError: matmul: (4, 3) and (4, 2)
  checked: net_backward against net_forward (forward-backward-pair)
  inputs: x (4, 3), w (3, 2) from the docstring

WRONG: 3 of 9 targets are wrong; 2 OK, 2 wrong but accepted, 1 undecided, 1
  error, 2 skipped (--seed 7)
"""


def rendered(report, **page):
    stream = StringIO()
    render_check(report, stream, Page(**page))
    return stream.getvalue()


def stripped(text):
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def of(*targets, skipped=(), **page):
    return rendered(CheckReport(targets, skipped), **page)


def test_piped_exactly(reports):
    assert rendered(reports.everything()) == EVERYTHING


@pytest.mark.parametrize(("width", "text"), [(120, AT_120_COLUMNS), (80, AT_80_COLUMNS)])
def test_on_a_terminal_of_some_width(reports, width, text):
    assert stripped(rendered(reports.everything(), width=width)) == text


def test_colour_changes_nothing_but_colour(reports):
    coloured = rendered(reports.everything(), color=True, width=120)
    assert stripped(re.sub(r"\x1b\[[\d;]*m", "", coloured)) == AT_120_COLUMNS
    assert "\x1b[32mOK  layers.py::affine" in coloured
    assert "\x1b[1;31mWRONG  bad.py::affine  (bad.py:41)\x1b[0m" in coloured
    assert "\nWRONG  layers.py::ste  (layers.py:41)\n" in coloured
    assert coloured.splitlines()[-1].startswith("\x1b[1;31mWRONG: 3 of 9")


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100])
def test_no_line_is_longer_than_the_terminal_but_for_long_words_and_tracebacks(reports, width):
    words = rendered(reports.everything()).split()
    text = rendered(reports.everything(), width=width)
    for line in text.splitlines():
        line = line.rstrip()
        alone = len(line.split()) <= 3  # A word that does not fit, or a name and its shape.
        assert len(line) <= width or alone or line.strip() in reports.TRACEBACK
    assert "…" not in text
    if width >= 80:
        assert text.split() == words


def test_what_fails_the_run_comes_last(reports):
    text = rendered(reports.everything())
    heads = re.findall(r"^(?:OK|SKIPPED|UNDECIDED|ERROR|WRONG)  (\S+)", text, re.MULTILINE)
    assert heads[-3:] == ["bad.py::affine", "layers.py::relu", "net.py::net"]
    assert len(heads) == 11


def test_the_point_that_shows_it_is_shown(reports):
    found = reports.gradient("x", (2,), "WRONG", point=Point("random", {"x": np.array([1.0, 2.5])}))
    assert "    seen at a random point:\n      x = [1, 2.5]\n" in of(reports.target("f", "WRONG", found))
    found = reports.gradient("x", (2,), "WRONG", point=Point("given", label="stride=2"))
    assert "    seen with stride=2\n" in of(reports.target("f", "WRONG", found))
    large = reports.gradient("x", (2,), "WRONG", point=Point("branch", {"x": np.ones((40, 40))}))
    assert "    seen on another branch:\n      x = (40, 40) all 1\n" in of(reports.target("f", "WRONG", large))
    assert of(reports.target("f", "WRONG", large), full=True).count("1, 1, 1") > 40


def test_a_gradient_of_the_wrong_shape_has_no_figures(reports):
    cause = reports.Cause("GC116", "has shape (5, 4), not (4, 5)", "d_x = (what you return).T", transformation=".T")
    found = reports.gradient("x", (4, 5), "WRONG", checked=0, cause=cause)
    text = of(reports.target("f", "WRONG", found))
    head = "  GC116: gradient of x has shape (5, 4), not (4, 5)\n    fix: d_x = (what you return).T\n"
    assert head in text
    assert "0 of 20" not in text
    assert "verdict" not in text


def test_a_file_that_cannot_be_imported(reports):
    found = reports.target(
        "x", "ERROR", id="bad.py", file="bad.py", line=1, forward="", backward="", error="SyntaxError: no"
    )
    assert of(found).startswith("ERROR  bad.py  (bad.py:1)\n  SyntaxError: no\n\n")


def test_where_in_the_forward(reports):
    def said(**place):
        cause = reports.Cause("GC109", "lacks a factor", **place)
        return of(reports.target("f", "WRONG", reports.gradient("x", (), "WRONG", cause=cause)))

    assert "    forward: net.py:3\n" in said(file="net.py", line=3)
    assert "    forward: line 3\n" in said(line=3)
    assert "    forward: net.py\n" in said(file="net.py")
    assert "forward:" not in said()


def test_not_every_entry_compared(reports):
    partial = reports.gradient("W", (100, 100), "WRONG", checked=12, miss_probability=1e-3)
    assert (
        "  W: 12 of 10,000 entries compared, an error of the detectable size is missed with probability 0.001\n"
        in of(reports.target("f", "WRONG", partial))
    )


def test_a_gradient_that_is_ok_may_have_something_to_say(reports):
    wrong, zero = reports.gradient("x", (), "WRONG"), reports.gradient("z", (), reason="zero to within 1e-12")
    assert "  z: zero to within 1e-12\n" in of(reports.target("f", "WRONG", wrong, zero))


def test_a_target_that_is_wrong_by_hygiene_alone(reports):
    found = reports.target("f", "WRONG", reports.gradient("x"), hygiene=(reports.Hygiene("GC303", "differs"),))
    text = of(found)
    assert text.startswith("WRONG  layers.py::f  (layers.py:41)\n  GC303: differs\n\n")
    assert text.endswith("WRONG: 1 of 1 target is wrong (--seed 0)\n")


def test_user_text_is_never_markup(reports):
    for page in ({}, {"width": 80}, {"width": 300, "color": True}):
        text = rendered(reports.hostile(), **page)
        assert "'::error::%0A,[red]x[/red] :smile:" in text
        assert "\\x1b[31m\\x00" in text
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\udc80]", re.sub(r"\x1b\[[\d;]*m", "", text))
        assert "\x1b[31m\x00" not in text


def test_notes_of_the_run(reports):
    text = rendered(replace(reports.everything(), notes=("no pyproject.toml",)))
    assert text.splitlines()[-2] == "note: no pyproject.toml"


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ("OK", "OK: 1 target checked, no gradient is wrong (--seed 0)"),
        ("OK OK", "OK: 2 targets checked, no gradient is wrong (--seed 0)"),
        ("OK SKIPPED", "OK: 1 target checked, no gradient is wrong; 1 OK, 1 skipped (--seed 0)"),
        ("WRONG OK", "WRONG: 1 of 2 targets is wrong; 1 OK (--seed 0)"),
        ("WRONG WRONG ERROR", "WRONG: 2 of 3 targets are wrong; 1 error (--seed 0)"),
        ("ERROR UNDECIDED ERROR", "ERROR: 2 of 3 targets could not be called; 1 undecided (--seed 0)"),
        ("UNDECIDED OK", "UNDECIDED: 1 of 2 targets could not be decided; 1 OK (--seed 0)"),
        ("SKIPPED", "nothing was checked: 1 skipped"),
        ("", "nothing to check was found"),
    ],
)
def test_summary(reports, verdicts, line):
    targets = tuple(reports.target(f"f{k}", verdict) for k, verdict in enumerate(verdicts.split()))
    assert summary_line(CheckReport(targets)) == line


def test_what_is_accepted_does_not_count_as_wrong(reports):
    report = CheckReport((reports.right_affine(), reports.in_baseline()))
    line = "OK: 2 targets checked, no gradient is wrong but what was accepted; 1 OK, 1 wrong but accepted (--seed 0)"
    assert summary_line(report) == line
    assert "\x1b[1;31mWRONG" not in rendered(report, color=True).splitlines()[0]


def test_a_self_test_is_a_line_a_target_and_a_total(reports):
    all_caught = replace(reports.right_affine(), self_test=SelfTestResult(27))
    some_missed = replace(reports.large(), self_test=SelfTestResult(9, ("W: one entry off by 1e-05", reports.HOSTILE)))
    nothing = replace(reports.right_affine(), self_test=SelfTestResult(0))
    stream = StringIO()
    render_check(CheckReport((all_caught, some_missed, nothing)), stream, Page())
    text = stream.getvalue()
    assert "\n    self-test: 27 of 27 planted faults caught\n" in text
    assert "\n    self-test: 7 of 9 planted faults caught; missed: W: one entry off by 1e-05, a]]>b" in text
    assert "\n    self-test: no fault could be planted\n" in text
    assert text.splitlines()[-2] == "self-test: 34 of 36 planted faults caught in 3 targets"
