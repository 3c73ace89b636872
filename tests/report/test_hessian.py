"""How second derivatives are shown: as a matrix where there is room, else by blocks; in every format."""

import io
import json

import numpy as np
import pytest

import gradtool
from gradtool import report
from gradtool.report.hessian import hessian_blocks
from gradtool.report.layout import write_plain
from gradtool.results import Hessian, HessianBlock, Reference, Verdict


def evaluated(text, references=("symbolic", "numeric"), **inputs):
    return gradtool.evaluate(gradtool.parse(text), inputs, hessian=True, references=references)


def rendered(result, format_name="table", **page):
    stream = io.StringIO()
    report.render("eval", format_name, result, stream, report.Page(**page))
    return stream.getvalue()


def section(result, full=False, width=None):
    stream = io.StringIO()
    write_plain(hessian_blocks(result.hessian, result.references, full, width), stream)
    return stream.getvalue()


def test_a_small_hessian_is_a_matrix_with_named_rows_and_columns():
    assert section(evaluated("x^2*y", x=3.0, y=2.0)) == (
        "Hessian: second derivatives by the row's entry and the column's\n"
        "     x  y\n"
        "  x  4  6\n"
        "  y  6  0\n"
        "  indefinite: eigenvalues from -4.32456 to 8.32456, condition 1.92495\n"
        "  OK: the Hessian agrees with SymPy and with differences of the gradient\n"
    )


def test_entries_of_arrays_are_labelled_by_their_index():
    text = section(evaluated("sum(W^2)", W=np.eye(2)))
    assert "          W[0,0]  W[0,1]  W[1,0]  W[1,1]\n  W[0,0]       2       0       0       0\n" in text


def test_one_number_needs_no_eigenvalues():
    assert "  positive definite\n" in section(evaluated("exp(x)", x=0.0))


def test_a_singular_hessian_is_called_so():
    assert "positive semidefinite: eigenvalues from 0 to 4, singular" in section(evaluated("(x+y)^2", x=1.0, y=2.0))


def test_a_large_one_is_shown_by_blocks_unless_all_of_it_is_asked_for():
    result = evaluated("sum(x^2) + b^3", x=np.zeros(20), b=2.0)
    short, whole = section(result), section(result, full=True)
    assert "  by  and  values" in short
    assert "  x   x    (20, 20) norm 8.94427 in [0, 2]  difference 0 ± " in short
    assert "a matrix of 21 rows and columns by blocks; --full shows its entries" in short
    assert "x[19]" in whole
    assert "by blocks" not in whole


def test_a_matrix_too_wide_for_the_terminal_is_shown_by_blocks():
    result = evaluated("sum(sin(x))", x=np.linspace(0.1, 1.0, 10))
    assert "x[9]" in section(result, width=200)
    assert "by blocks" in section(result, width=60)


def test_what_is_undecided_is_said_block_by_block():
    text = section(evaluated("relu(x)*y + y^2", x=0.0, y=1.0))
    assert "  y   y    difference 0 ± 0  difference 0 ± " in text
    assert "  x x, x y, y x: at a kink: there is no second derivative here\n" in text
    assert text.endswith("  UNDECIDED: the Hessian could not be decided\n")


@pytest.mark.parametrize(
    ("text", "inputs", "line"),
    [
        (
            "x*y",
            {"x": 1.0, "y": 2.0},
            "OK: 2 gradients agree with SymPy and with central differences; so does the Hessian",
        ),
        ("x*abs(x)", {"x": 0.0}, "UNDECIDED: the Hessian could not be decided; OK: 1 gradient agrees with"),
        ("abs(x)", {"x": 0.0}, "UNDECIDED: the gradient could not be decided; nor could the Hessian"),
    ],
)
def test_the_last_line_speaks_of_the_hessian_too(text, inputs, line):
    assert rendered(evaluated(text, **inputs)).splitlines()[-1].startswith(line)


def test_a_wrong_hessian_is_said():
    wrong = Reference("ok", 1.0, 0.0)
    block = HessianBlock("x", "x", 2.0, wrong, wrong, Verdict.WRONG, "yours 2, SymPy 1")
    found = Hessian(("x",), np.array([[2.0]]), (block,), Verdict.WRONG)
    stream = io.StringIO()
    write_plain(hessian_blocks(found, ("symbolic", "numeric")), stream)
    assert (
        "  x   x    difference 1 ± 0  difference 1 ± 0  WRONG\n  x x: yours 2, SymPy 1\n  WRONG: the Hessian is wrong\n"
        in (stream.getvalue())
    )


def test_a_reference_that_was_skipped_says_why():
    result = gradtool.evaluate(gradtool.parse("sin(x)*x"), {"x": 1.0}, hessian=True, max_symbolic=1)
    assert "  symbolic skipped: more than " in section(result)
    assert "  OK: the Hessian agrees with differences of the gradient to " in section(result)


def test_no_references_no_verdict():
    text = section(evaluated("x^2", references=(), x=1.0))
    assert "verdict" not in text
    assert "UNDECIDED" not in text


def test_json_has_the_key_only_where_it_was_asked_for():
    document = json.loads(rendered(evaluated("x^2*y", x=3.0, y=2.0), "json"))["hessian"]
    assert document["labels"] == ["x", "y"]
    assert [(b["row"], b["column"], b["value"], b["verdict"]) for b in document["blocks"]] == [
        ("x", "x", 4.0, "OK"), ("x", "y", 6.0, "OK"), ("y", "x", 6.0, "OK"), ("y", "y", 0.0, "OK"),
    ]  # fmt: skip
    assert document["blocks"][0]["references"]["symbolic"] == {"status": "ok", "value": 4.0, "reason": None}
    assert (document["definiteness"], document["verdict"]) == ("indefinite", "OK")
    assert document["eigenvalues"]["min"] == pytest.approx(2 - np.sqrt(40))
    plain = gradtool.evaluate(gradtool.parse("x^2"), {"x": 1.0})
    assert "hessian" not in json.loads(rendered(plain, "json"))


def test_json_without_eigenvalues_is_still_json():
    document = json.loads(rendered(evaluated("x*abs(x)", x=0.0), "json"))["hessian"]
    assert document["eigenvalues"] == {"min": None, "max": None}
    assert document["condition"] is document["definiteness"] is None
    singular = json.loads(rendered(evaluated("(x+y)^2", x=1.0, y=2.0), "json"))["hessian"]
    assert singular["condition"] == "Infinity"


def test_concise_has_a_line_a_block():
    assert rendered(evaluated("x*y", x=1.0, y=2.0), "concise").splitlines()[2:] == [
        "x,x - 0 OK", "x,y - 1 OK", "y,x - 1 OK", "y,y - 0 OK",
    ]  # fmt: skip
