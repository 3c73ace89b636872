import re
from io import StringIO

import numpy as np
import pytest

from gradtool.report import Page
from gradtool.report.table import render_evaluation, summary_line
from gradtool.results import EdgeResult, Reference, Rule, Verdict

FIRST_EXAMPLE = """\
(x+y)*max(y,z) = 6

  node  expression      value  upstream  into  local  downstream
  n5    (x+y)*max(y,z)      6         1  n3        2           2
                                         n4        3           3
  n4    max(y,z)            2         3  y         1           3
                                         z         0           0
  n3    x+y                 3         2  x         1           2
                                         y         1           2

  input  value  gradient  symbolic  numeric ± error  verdict
  x          1         2         2  2 ± 4e-12        OK
  y          2         5         5  5 ± 1e-11        OK       2 through n3 + 3 through n4
  z          0         0         0  0 ± 1e-13        OK

OK: 3 gradients agree with SymPy and with central differences
"""

AT_80_COLUMNS = FIRST_EXAMPLE.replace("2 through n3 + 3 through n4\n", "2 through n3 + 3\n" + " " * 62 + "through n4\n")


def rendered(result, **page):
    stream = StringIO()
    render_evaluation(result, stream, Page(**page))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def test_the_first_example_exactly(make):
    stream = StringIO()
    render_evaluation(make.first_example(), stream, Page())
    assert stream.getvalue() == FIRST_EXAMPLE


@pytest.mark.parametrize(("width", "text"), [(120, FIRST_EXAMPLE), (80, AT_80_COLUMNS)])
def test_on_a_terminal_of_some_width(make, width, text):
    assert rendered(make.first_example(), width=width) == text


def test_colours_of_the_verdicts(make):
    inputs = [make.input(name, verdict=verdict) for name, verdict in zip("abc", Verdict, strict=True)]
    text = rendered(make.result(inputs), color=True)
    assert "\x1b[32mOK" in text
    assert "\x1b[1;31mWRONG" in text
    assert "\x1b[33mUNDECIDED" in text
    assert text.splitlines()[-1] == "\x1b[1;31mWRONG: 1 of 3 gradients is wrong, 1 could not be decided\x1b[0m"


def test_named_nodes_go_by_their_name(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "sin(x)", "sin", name="a", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
        make.node(2, "a*a", "multiply", name="f", edges=(EdgeResult(0, 1, 1.0, 1.0), EdgeResult(1, 1, 1.0, 1.0))),
    ]
    lines = rendered(make.result([make.input("x")], nodes, expression="a = sin(x); f = a*a")).splitlines()
    assert lines[0] == "f = 1"
    assert lines[3].split()[:4] == ["n2", "f", "=", "a*a"]
    assert lines[3].split()[6] == "a"
    assert lines[5].split()[:4] == ["n1", "a", "=", "sin(x)"]


def test_a_name_used_twice_does_not_stand_for_a_node(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "sin(x)", "sin", name="a", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
        make.node(2, "a+1", name="a", edges=(EdgeResult(0, 1, 1.0, 1.0),)),
    ]
    assert rendered(make.result([make.input("x")], nodes)).splitlines()[3].split()[-3] == "n1"


def test_what_depends_on_no_input_is_left_out(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "2", "constant", depends_on_input=False),
        make.node(2, "2*3", "multiply", depends_on_input=False),
        make.node(3, "x*6", "multiply", edges=(EdgeResult(0, 0, 6.0, 6.0), EdgeResult(1, 2, 1.0, 1.0))),
    ]
    text = rendered(make.result([make.input("x")], nodes))
    assert "2*3" not in text
    assert text.splitlines()[4] == ""


def test_an_expression_without_inputs(make):
    result = make.result([], [make.node(0, "1", "constant", depends_on_input=False, value=3.0)], expression="1+2")
    assert rendered(result) == "1+2 = 3\n\nnothing to check: no differentiable input\n"


def test_rules_and_jacobians(make):
    edge = EdgeResult(0, 0, Rule("upstream @ W.T", (2, 2), None), np.ones(2))
    with_jacobian = EdgeResult(0, 0, Rule("upstream @ W.T", (2, 2), np.eye(2)), np.ones(2))
    for found, shown in ((edge, 1), (with_jacobian, 3)):
        nodes = [
            make.node(0, "x", "input", name="x", value=np.ones(2), shape=(2,)),
            make.node(1, "W@x", "matmul", value=np.ones(2), shape=(2,), edges=(found,)),
        ]
        text = rendered(make.result([make.input("x", value=np.ones(2), gradient=np.ones(2))], nodes))
        rows = text.split("\n\n")[1].splitlines()[1:]
        assert "upstream @ W.T" in rows[0]
        assert len(rows) == shown
    assert "[[1, 0]," in rows[1]
    assert "[0, 1]]" in rows[2]


def test_arrays_in_the_title(make):
    found = make.input("x", value=np.eye(2), gradient=np.eye(2))
    assert rendered(make.result([found])).startswith("x =\n  [[1, 0],\n   [0, 1]]\n\n")
    found = make.input("x", value=np.ones((9, 9)), gradient=np.ones((9, 9)))
    assert rendered(make.result([found])).startswith("x = (9, 9) all 1\n")


@pytest.mark.parametrize("verdict", Verdict)
def test_references_for_a_small_array_are_shown_in_full(make, verdict):
    gradient = np.array([1.0, 2.0])
    numeric = make.measured(gradient - 0.5, np.array([1e-9, 3e-9]))
    found = make.input(
        "x", value=gradient, gradient=gradient, symbolic=make.exact(gradient + 0.25), numeric=numeric, verdict=verdict
    )
    row = rendered(make.result([found])).split("\n\n")[-2].splitlines()[1]
    assert re.split("  +", row.strip()) == ["x", "[1, 2]", "[1, 2]", "[1.25, 2.25]", "[0.5, 1.5] ± 3e-09", verdict]


def test_where_room_is_short_references_that_agree_are_given_by_their_difference(make):
    gradient = np.arange(6.0).reshape(2, 3) / 7
    off = gradient.copy()
    off[0, 2] += 5e-17
    inputs = [
        make.input("W", value=gradient, gradient=gradient, symbolic=make.exact(off)),
        make.input("b", value=2.0, gradient=3.0),
    ]
    wide, narrow = rendered(make.result(inputs)), rendered(make.result(inputs), width=130)
    assert wide.count("0.142857") == 4  # value, gradient and both references
    assert narrow.count("0.142857") == 2
    assert ["difference", "6e-17", "difference", "0", "±", "1e-12", "OK"] in [
        line.split()[-7:] for line in narrow.splitlines()
    ]
    assert ["b", "2", "3", "3", "3", "±", "1e-12", "OK"] in [line.split() for line in narrow.splitlines()]
    inputs[0] = make.input("W", value=gradient, gradient=gradient, verdict=Verdict.WRONG)
    assert rendered(make.result(inputs), width=130).count("0.142857") == 4


def test_arrays_are_never_broken_but_shown_as_records_where_they_do_not_fit(make):
    value = np.array([[0.125, -0.5, 10.25], [1.0, 2.0, -3.123456]])
    nodes = [
        make.node(0, "W", "input", name="W", value=value, shape=(2, 3)),
        make.node(
            1, "sigmoid(W)", "sigmoid", name="a", value=value, upstream=value, shape=(2, 3),
            edges=(EdgeResult(0, 0, value, value), EdgeResult(1, 0, Rule("upstream @ W.T", (2,)), value)),
        ),
    ]  # fmt: skip
    text = rendered(make.result([make.input("W", value=value, gradient=value)], nodes), width=60)
    assert (
        text
        == """\
a =
  [[0.125, -0.5,    10.25],
   [    1,    2, -3.12346]]

  node
  n1    expression  a = sigmoid(W)
        value       [[0.125, -0.5,    10.25],
                     [    1,    2, -3.12346]]
        upstream    [[0.125, -0.5,    10.25],
                     [    1,    2, -3.12346]]
        into        W
        local       [[0.125, -0.5,    10.25],
                     [    1,    2, -3.12346]]
        downstream  [[0.125, -0.5,    10.25],
                     [    1,    2, -3.12346]]
        into        W
        local       upstream @ W.T
        downstream  [[0.125, -0.5,    10.25],
                     [    1,    2, -3.12346]]

  input
  W      value            [[0.125, -0.5,    10.25],
                           [    1,    2, -3.12346]]
         gradient         [[0.125, -0.5,    10.25],
                           [    1,    2, -3.12346]]
         symbolic         [[0.125, -0.5,    10.25],
                           [    1,    2, -3.12346]]
         numeric ± error  [[0.125, -0.5,    10.25],
                           [    1,    2, -3.12346]] ± 1e-12
         verdict          OK

OK: 1 gradient agrees with SymPy and with central differences
"""
    )


def test_rules_fold_before_arrays_do(make):
    edge = EdgeResult(0, 0, Rule("broadcast upstream to the shape of W", (2,)), np.ones(2))
    nodes = [
        make.node(0, "x", "input", name="x", value=np.ones(2), shape=(2,)),
        make.node(1, "sum(x)", "sum", edges=(edge,)),
    ]
    text = rendered(make.result([make.input("x", value=np.ones(2), gradient=np.ones(2))], nodes), width=70)
    table = text.split("\n\n")[1].splitlines()
    assert table[0].split() == ["node", "expression", "value", "upstream", "into", "local", "downstream"]
    assert table[1].split()[:5] == ["n1", "sum(x)", "1", "1", "x"]
    assert table[1].endswith("[1, 1]")
    assert " ".join(line[43:58].strip() for line in table[1:]) == "broadcast upstream to the shape of W"


def test_beside_a_large_gradient_references_say_how_far_they_are(make):
    gradient = np.linspace(0, 1, 100)
    found = make.input(
        "x", value=gradient, gradient=gradient,
        symbolic=make.exact(gradient), numeric=make.measured(gradient + 1e-9, np.full(100, 3e-9)),
    )  # fmt: skip
    text = rendered(make.result([found]))
    assert "difference 0 " in text
    assert "difference 1e-09 ± 3e-09" in text
    assert "difference" not in rendered(make.result([found]), full=True).split("\n\n")[1]
    assert "0.505051" in rendered(make.result([found]), full=True)


@pytest.mark.parametrize("width", [10, 20, 30, 40, 60, 80, 81, 100])
def test_no_line_of_a_table_is_longer_than_the_terminal_and_nothing_is_lost(make, width):
    text = rendered(make.first_example(), width=width)
    table = text.split("\n\n")[1:-1]
    assert max(len(line) for block in table for line in block.splitlines()) <= width
    joined = "".join(text.split())
    for part in ("(x+y)*max(y,z)", "5±1e-11", "through"):
        assert width < 40 or part in joined
    assert "…" not in text


def test_inputs_that_are_not_differentiated(make):
    skipped = Reference("skipped", reason="not differentiated")
    label = make.input("t", gradient=None, symbolic=skipped, numeric=skipped, reason="not differentiated")
    text = rendered(make.result([make.input("x"), label]))
    assert ["t", "1", "-", "-"] in [line.split() for line in text.splitlines()]
    assert "  t: not differentiated\n" in text
    assert text.endswith("OK: 1 gradient agrees with SymPy and with central differences\n")


def test_clipping(make):
    text = rendered(make.result([make.input("x", gradient=5.0, clipped=1.0), make.input("y", clipped=0.5)]))
    rows = [line.split() for line in text.splitlines()]
    assert ["x", "1", "5", "1", "5", "5", "±", "1e-12", "OK"] in rows
    assert "clipped" in text


def test_columns_of_references_that_were_not_asked_for_are_left_out(make):
    text = rendered(make.result([make.input("x", symbolic=make.skipped)], references=("numeric",)))
    assert "symbolic" not in text
    assert text.endswith("OK: 1 gradient agrees with central differences\n")
    found = make.input("x", symbolic=make.skipped, numeric=make.skipped, verdict=Verdict.UNDECIDED)
    text = rendered(make.result([found], references=()))
    assert "verdict" not in text
    assert text.endswith("not checked: --reference none (1 gradient)\n")


def test_paths(make):
    paths = ((1, 2.0), (2, -3.0), (3, 1.0), (4, 1.0), (5, 1.0), (6, 1.0))
    nodes = [make.node(k, f"e{k}", edges=(), name="x" if k == 0 else None) for k in range(7)]
    text = rendered(make.result([make.input("x", paths=paths)], nodes))
    assert "2 through n1 - 3 through n2 + 1 through n3 + 1 through n4 + 2 more" in text
    arrays = ((1, np.array([3.0, 4.0])), (2, np.array([0.0, 1.0])))
    text = rendered(make.result([make.input("x", paths=arrays)], nodes))
    assert "norm 5 through n1 + norm 1 through n2" in text


def test_reasons_are_given_once_for_all_inputs_that_share_them(make):
    inputs = [make.input(f"x{k}", verdict=Verdict.UNDECIDED, reason="at a kink") for k in range(10)]
    text = rendered(make.result(inputs))
    assert "  x0, x1, x2, x3, x4, x5, x6, x7 and 2 more: at a kink\n" in text
    assert "x8, x9: at a kink" in rendered(make.result(inputs), full=True)


def test_a_reference_without_an_answer_says_why(make):
    silent = Reference("skipped", reason="too many operations")
    text = rendered(make.result([make.input("x", symbolic=silent), make.input("y", symbolic=silent)]))
    assert "  x, y: symbolic skipped: too many operations\n" in text
    assert text.endswith("OK: 2 gradients agree with central differences (SymPy: no answer)\n")
    text = rendered(make.result([make.input("x", symbolic=silent), make.input("y")]))
    assert text.endswith("OK: 2 gradients agree: 1 with SymPy, 2 with central differences\n")


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ("OK UNDECIDED", "UNDECIDED: 1 of 2 gradients could not be decided"),
        ("UNDECIDED", "UNDECIDED: the gradient could not be decided"),
        ("WRONG", "WRONG: the gradient is wrong"),
        ("WRONG OK", "WRONG: 1 of 2 gradients is wrong"),
        ("WRONG WRONG UNDECIDED", "WRONG: 2 of 3 gradients are wrong, 1 could not be decided"),
    ],
)
def test_summary(make, verdicts, line):
    inputs = [make.input(f"x{k}", verdict=Verdict(verdict)) for k, verdict in enumerate(verdicts.split())]
    assert summary_line(make.result(inputs)) == line


def test_diagnostics_seed_and_dtype(make):
    found = make.Diagnostic("GT101", "warning", "n4 = max(y,z) is at a kink", 4)
    text = rendered(make.result([make.input("x")], diagnostics=(found,), seed=7, dtype="float32"))
    assert "\n\nGT101 warning: n4 = max(y,z) is at a kink\n\n" in text
    assert "--seed 7\n" in text
    assert "computed in float32\n" in text


def test_layers_as_a_bar_chart(make):
    nodes = [make.node(k, f"h{k}", name=f"h{k}") for k in range(4)]
    text = rendered(make.result([make.input("x")], nodes, layers=((3, 1.0), (2, 1e-4), (1, 1e-8), (0, 0.0))))
    rows = [line.split() for line in text.splitlines() if line.startswith("  h")]
    assert rows[-4:] == [["h3", "1", "#" * 40], ["h2", "0.0001", "#" * 21], ["h1", "1e-08", "#"], ["h0", "0"]]


def test_user_text_is_never_markup(make):
    nodes = [
        make.node(0, "w", "input", name="w"),
        make.node(1, "w[red] + a[:x:]", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
    ]
    result = make.result([make.input("w", reason="[bold]no[/bold] :smile:")], nodes)
    for page in ({}, {"width": 200}, {"width": 200, "color": True}):
        text = rendered(result, **page)
        assert "w[red] + a[:x:]" in text
        assert "[bold]no[/bold] :smile:" in text


def test_of_very_many_rows_the_beginning_and_the_end_are_shown(make):
    nodes = [make.node(0, "x", "input", name="x")]
    nodes += [make.node(k, f"e{k}", edges=(EdgeResult(0, k - 1, 1.0, 1.0),)) for k in range(1, 3001)]
    result = make.result([make.input("x")], nodes)
    text = rendered(result)
    assert "  2,900 of 3,000 rows left out; --full shows them\n" in text
    assert text.count("\n") < 120
    assert [f" e{k} " in text for k in (3000, 2951, 2950, 51, 50, 1)] == [True, True, False, False, True, True]
    assert rendered(result, full=True).count("\n") > 3000


def test_of_very_many_inputs_none_that_is_not_ok_is_left_out(make):
    inputs = [
        make.input(f"x{k}", verdict=Verdict.WRONG if k in (1500, 1501, 1700) else Verdict.OK) for k in range(3000)
    ]
    text = rendered(make.result(inputs))
    assert all(f"  x{k} " in text for k in (1500, 1501, 1700))
    assert "2,897 of 3,000 inputs left out, all of them OK; --full shows them" in text
    assert text.count("...\n") == 3


def test_nodes_that_do_not_reach_the_output_are_left_out(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "sin(x)", "sin", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
        make.node(2, "cos(x)", "cos", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
        make.node(3, "exp(n1)", "exp", edges=(EdgeResult(0, 1, 1.0, 1.0),)),
        make.node(4, "n2+n3", edges=(EdgeResult(0, 2, 1.0, 1.0), EdgeResult(1, 3, 1.0, 1.0))),
    ]
    for output, shown, said in (
        (4, "n4 n3 n2 n1", ""),
        (3, "n3 n1", "2 nodes that do not"),
        (2, "n2", "3 nodes that do"),
    ):
        result = make.result([make.input("x")], nodes, output=output)
        rows = rendered(result).split("\n\n")[1].splitlines()[1:]
        assert " ".join(row.split()[0] for row in rows if row.startswith("  n")) == shown
        assert said in rows[-1]
        assert " n4 " in rendered(result, full=True)


def test_a_long_program_goes_by_its_last_node(make):
    nodes = [make.node(0, "x", "input", name="x"), make.node(1, "n9+x", edges=(EdgeResult(0, 0, 1.0, 1.0),))]
    found = make.result([make.input("x")], nodes, expression=" + ".join(["x"] * 100))
    assert rendered(found).startswith("n9+x = 1\n")
    assert rendered(found, full=True).startswith("x + x + x")


def test_a_name_that_reads_as_another_nodes_label_is_none(make):
    nodes = [
        make.node(0, "x", "input", name="x"),
        make.node(1, "x+1", name="n2", edges=(EdgeResult(0, 0, 1.0, 1.0),)),
        make.node(2, "n2*x", "multiply", edges=(EdgeResult(0, 1, 1.0, 1.0), EdgeResult(1, 0, 1.0, 1.0))),
    ]
    text = rendered(make.result([make.input("x", 0, paths=((1, 1.0), (2, 1.0)))], nodes))
    assert "n2 = x+1" in text
    assert "1 through n1 + 1 through n2" in text
