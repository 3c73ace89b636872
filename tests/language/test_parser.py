"""The parser: structure, places, statements, and complaints with message, line, caret and hint."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtool.graph import CONSTANT, INPUT
from gradtool.language import SourceError, parse
from gradtool.language.parser import _STRETCH, MAX_DIMENSIONS


def tree(text, **more):
    """The output as nested tuples: inputs by name, constants by value."""
    graph = parse(text, **more)
    shown: list[object] = []
    for node in graph:
        if node.operation == INPUT:
            shown.append(node.name)
        elif node.operation == CONSTANT:
            value = node.parameters["value"]
            shown.append(value.tolist() if isinstance(value, np.ndarray) else value)
        else:
            parameters = (dict(node.parameters),) if node.parameters else ()
            shown.append((node.operation, *(shown[i] for i in node.arguments), *parameters))
    return shown[graph.output]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a+b+c", "(a+b)+c"),
        ("a-b-c", "(a-b)-c"),
        ("a/b/c", "(a/b)/c"),
        ("a/b*c", "(a/b)*c"),
        ("a@b@c", "(a@b)@c"),
        ("a*b@c", "(a*b)@c"),
        ("a+b*c", "a+(b*c)"),
        ("a^b^c", "a^(b^c)"),
        ("a**b^c", "a^(b**c)"),
        ("-x^2", "-(x^2)"),
        ("-x**y**z", "-(x**(y**z))"),
        ("x^-y", "x^(-y)"),
        ("x^-y^z", "x^(-(y^z))"),
        ("x^-y*z", "(x^(-y))*z"),
        ("x^+y", "x^y"),
        ("-x*y", "(-x)*y"),
        ("-x@y", "(-x)@y"),
        ("a*-b", "a*(-b)"),
        ("a--b", "a-(-b)"),
        ("--x", "-(-x)"),
        ("+-+x", "-x"),
        ("-x.T", "-(x.T)"),
        ("x^y.T", "x^(y.T)"),
        ("-x[0]^2", "-((x[0])^2)"),
        ("a<b+c", "a<(b+c)"),
        ("a+b<c*d", "(a+b)<(c*d)"),
        ("-a==b", "(-a)==b"),
        ("(a<b)<c", "((a)<(b))<(c)"),
        ("f = x; f*f", "x*x"),
        ("max(x,y,)", "max(x,y)"),
        ("sum(x,0,true)", "sum(x,axis=0,keepdims=true)"),
        ("sum(x,axis=3-2*2)", "sum(x,axis=-1)"),
        ("sum(x,[0,1])", "sum(x,axis=(0,1))"),
        ("sum(x,axis=None)", "sum(x)"),
        ("sum(x,keepdims=True)", "sum(x,keepdims=1)"),
        ("n = 2; sum(x, axis=n-1)", "n = 2; sum(x, axis=1)"),
        ("reshape(A,(3,2))", "reshape(x=A,shape=(3,2,))"),
        ("reshape(A,6)", "reshape(A,(6,))"),
        ("clip(x,min=0,max=1)", "clip(x,0,1)"),
        ("norm(x,1)", "norm(x,ord=1)"),
        ("norm(x,inf)", "norm(x,ord=inf)"),
        ("leaky_relu(x)", "leaky_relu(x,alpha=0.01)"),
        ("T(x)", "x.T"),
        ("transpose(x)", "x.T"),
        ("x[(1)]", "x[1]"),
        ("x[2*3-7]", "x[-1]"),
        ("x[1,]", "x[1]"),
        ("x[None:2]", "x[:2]"),
    ],
)
def test_same(text, same):
    assert tree(text) == tree(same)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(x+y)*max(y,z)", ("multiply", ("add", "x", "y"), ("max", "y", "z"))),
        ("2", 2.0),
        ("-2", -2.0),
        ("--2", 2.0),
        ("-(2)", ("negative", 2.0)),
        ("-2^2", ("negative", ("power", 2.0, 2.0))),
        ("2^3^2", ("power", 2.0, ("power", 3.0, 2.0))),
        ("2**-1", ("power", 2.0, -1.0)),
        ("9**9**9", ("power", 9.0, ("power", 9.0, 9.0))),
        ("1e999", math.inf),
        ("a = 2; -a", ("negative", 2.0)),
        ("pi*true+false", ("add", ("multiply", math.pi, 1.0), 0.0)),
        ("x*lambda+None", ("add", ("multiply", "x", "lambda"), "None")),
        ("µ", "μ"),
        ("max(x)", ("reduce_max", "x", {"axis": None, "keepdims": False})),
        ("max(x, axis=1)", ("reduce_max", "x", {"axis": 1, "keepdims": False})),
        ("max(x, axis=(0,-1))", ("reduce_max", "x", {"axis": (0, -1), "keepdims": False})),
        ("max(x, 1)", ("max", "x", 1.0)),
        ("min(x, y, z)", ("min", "x", "y", "z")),
        ("max(x, None)", ("max", "x", "None")),
        ("max([1,x])", ("reduce_max", ("stack", 1.0, "x", {"axis": 0}), {"axis": None, "keepdims": False})),
        ("[1, -2.5]", [1.0, -2.5]),
        ("[[1, 2], [3, 4],]", [[1.0, 2.0], [3.0, 4.0]]),
        ("[]", []),
        ("[[1, 2], [x, 4]]", ("stack", [1.0, 2.0], ("stack", "x", 4.0, {"axis": 0}), {"axis": 0})),
        ("[1/2]", ("stack", ("divide", 1.0, 2.0), {"axis": 0})),
        ("a = 1; [a, 2]", ("stack", 1.0, 2.0, {"axis": 0})),
        ("x[1:, None, ..., ::-2, -1]", ("index", "x", {"key": (slice(1, None), None, ..., slice(None, None, -2), -1)})),
        ("x[:]", ("index", "x", {"key": (slice(None),)})),
        ("x[1:2:3]", ("index", "x", {"key": (slice(1, 2, 3),)})),
        ("x[0][1]", ("index", ("index", "x", {"key": (0,)}), {"key": (1,)})),
        ("reshape(A, (3, -1))", ("reshape", "A", {"shape": (3, -1)})),
        ("concat(a, b, c, axis=-1)", ("concat", "a", "b", "c", {"axis": -1})),
        ("x < y", ("less", "x", "y")),
        ("where(x != 0, a, b)", ("where", ("not_equal", "x", 0.0), "a", "b")),
        ("sigmoid (\n x # note\n )", ("sigmoid", "x")),
        ("leaky_relu(x)", ("leaky_relu", "x", 0.01)),
        ("sum = x + y; sum(sum)", ("sum", ("add", "x", "y"), {"axis": None, "keepdims": False})),
    ],
)
def test_structure(text, expected):
    assert tree(text) == expected


def test_parameters_are_ints_and_bools():
    node = parse("sum(x, axis=(0, 2-1), keepdims=true)").node(1)
    assert [type(a) for a in node.parameters["axis"]] == [int, int]
    assert node.parameters["keepdims"] is True


def test_what_stood_for_a_parameter_is_no_node():
    graph = parse("sum(axis=2*3-5, x=2*x)")
    assert graph.operations == [INPUT, CONSTANT, "multiply", "sum"]
    assert graph.operations == [node.operation for node in graph]


def test_numbers_constants_and_inputs_come_in_order():
    graph = parse("b*2 + a*3 + b")
    assert list(graph.inputs.items()) == [("b", 0), ("a", 1)]
    assert graph.operations == [INPUT, INPUT, CONSTANT, CONSTANT, "multiply", "multiply", "add", "add"]


def test_rebinding_as_in_python():
    graph = parse("\n".join(["h = sigmoid(W@h)"] * 20))
    assert list(graph.inputs) == ["W", "h"]
    assert graph.operations.count("sigmoid") == 20
    assert graph.bindings["h"] == graph.output == len(graph) - 1
    assert graph.node(graph.output).arguments == (graph.output - 1,)
    assert graph.node(2).arguments == (0, 1)
    assert graph.node(3).name == "h"


@pytest.mark.parametrize("separator", [";", "\n", "\r\n", " ;;\n\n; ", "\n# note ; with = signs\n"], ids=repr)
def test_statements(separator):
    graph = parse(separator.join(["a = x+1", "b = a*a", "b"]))
    assert graph.operations == [INPUT, CONSTANT, "add", "multiply"]
    assert graph.bindings == {"x": 0, "a": 2, "b": 3}
    assert graph.output == 3


def test_the_value_of_an_assignment_is_the_output():
    assert tree("z = x*y") == ("multiply", "x", "y")


def test_an_alias_keeps_the_first_name():
    graph = parse("a = x+y; b = a; c = x; b*c")
    assert graph.names == {0: "x", 1: "y", 2: "a"}
    assert graph.bindings == {"x": 0, "y": 1, "a": 2, "b": 2, "c": 0}


def test_unused_statements_stay():
    graph = parse("a = x*2; y")
    assert graph.operations == [INPUT, INPUT, CONSTANT, "multiply"]
    assert graph.output == 1


@pytest.mark.parametrize(
    ("text", "node", "place"),
    [
        ("(x+y)*2", "add", "(x+y)"),
        ("(x+y)*2", "multiply", "(x+y)*2"),
        ("2*( (x+y) )", "add", "( (x+y) )"),
        ("a = (x+y)", "add", "(x+y)"),
        ("a = x+y; (a)*2", "add", "x+y"),
        ("1 + -(x*y)", "negative", "-(x*y)"),
        ("1 + sin( x )", "sin", "sin( x )"),
        ("(-x).T", "transpose", "(-x).T"),
        ("2*x[1:, 0]", "index", "x[1:, 0]"),
        ("1+[x, 2]", "stack", "[x, 2]"),
        ("x*-2", "constant", "-2"),
        ("x@[[1, 2],\n [3, 4]]", "constant", "[[1, 2],\n [3, 4]]"),
        ("1 + (x)", "input", "(x)"),
        ("x + (x)", "input", "x"),
        ("-x^2", "power", "x^2"),
    ],
)
def test_places_include_parentheses(text, node, place):
    graph = parse(text)
    i = graph.operations.index(node)
    if node == "constant":
        i = max(k for k, name in enumerate(graph.operations) if name == CONSTANT)
    start, end = graph.node(i).span
    assert text[start:end] == place


def test_lines():
    graph = parse("a = x\nb = (a +\n  y)\nc = b*2")
    assert {node.operation: node.line for node in graph if node.operation in ("add", "multiply")} == {
        "add": 2,
        "multiply": 4,
    }


# Constants and notes.

E_NOTE = "e is read as the constant 2.71828...; give it a value (e=...) to make it an input"


def test_e_is_the_constant_and_said_to_be():
    graph = parse("e^x + e")
    assert graph.notes == [E_NOTE]
    assert list(graph.inputs) == ["x"]


@pytest.mark.parametrize("name", ["e", "pi", "true", "false"])
def test_a_value_makes_a_constants_name_an_input(name):
    graph = parse(f"{name}*x", input_names=[name])
    assert list(graph.inputs) == [name, "x"]
    assert graph.notes == []


def test_a_statement_of_a_constants_name_wins_from_there_on():
    assert tree("e = x; pi = e*2; pi") == ("multiply", "x", 2.0)
    assert parse("e = x; e").notes == []
    assert tree("e = e*x; e") == ("multiply", math.e, "x")


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("max(x, 1)", ["max(x, 1) compares with the number 1; for axis 1 write max(x, axis=1)"]),
        ("max(x, 1) + max(y, 1)", ["max(x, 1) compares with the number 1; for axis 1 write max(x, axis=1)"]),
        ("min(x, -1)", ["min(x, -1) compares with the number -1; for axis -1 write min(x, axis=-1)"]),
        ("max(0, x)", []),
        ("max(x, 0.5)", []),
        ("max(x, 100)", []),
        ("max(x, y)", []),
        ("max(x, 1, y)", []),
        ("max(x, axis=1)", []),
    ],
)
def test_a_note_where_an_axis_may_have_been_meant(text, notes):
    assert parse(text).notes == notes


# The output.


@pytest.mark.parametrize(("of", "node"), [(None, 3), ("a", 2), ("x", 0), ("b", 3), ("n2", 2), ("n0", 0)], ids=str)
def test_of_names_the_output(of, node):
    assert parse("a = x*x2; b = a+a", of=of).output == {"n2": 2, "n0": 0}.get(of or "", node)


def test_a_name_wins_over_a_label():
    graph = parse("n0 = x*y; z = n0 + x", of="n0")
    assert graph.operations[graph.output] == "multiply"


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("losss", "the program has no name 'losss'\nhint: did you mean loss? its names: loss, x"),
        ("n99", "the program has no name 'n99'\nhint: its names: loss, x"),
        ("", "the program has no name ''\nhint: its names: loss, x"),
    ],
)
def test_an_unknown_output(of, text):
    with pytest.raises(SourceError) as caught:
        parse("loss = x*x", of=of)
    assert str(caught.value) == text


# Complaints.


def complaint(text, **more):
    with pytest.raises(SourceError) as caught:
        parse(text, **more)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["the program is empty", "hint: write an expression, such as (x+y)*max(y,z)"]),
        ("# nothing", ["the program is empty", "hint: write an expression, such as (x+y)*max(y,z)"]),
        ("x +", ["expected a value after '+', found the end of the program", "  x +", "     ^"]),
        ("x = ", ["expected a value after '=', found the end of the program", "  x =", "      ^"]),
        (
            "x +\ny",
            [
                "line 1: expected a value after '+', found the end of the line",
                "  x +",
                "     ^",
                "hint: inside parentheses an expression may go on in the next line",
            ],
        ),
        ("a = 1\nb = a*\n", None),
        ("* x", ["expected an expression, found '*'", "  * x", "  ^"]),
        ("x; )", ["found ')' without '(' before it", "  x; )", "     ^", "hint: delete it, or open one"]),
        ("x * * y", ["expected a value after '*', found '*'", "  x * * y", "      ^",
                     "hint: write ^ or ** for a power"]),
        ("x y", ["expected an operator or the end of the statement, found 'y'", "  x y", "    ^",
                 "hint: for a product write x*y"]),
        ("2 (x+y)", ["expected an operator or the end of the statement, found '('", "  2 (x+y)", "    ^",
                     "hint: for a product write 2*("]),
        ("(a)(b)", ["expected an operator or the end of the statement, found '('", "  (a)(b)", "     ^",
                    "hint: for a product write )*("]),
        ("(x y)", ["expected an operator or ')', found 'y'", "  (x y)", "     ^", "hint: for a product write x*y"]),
        ("[1 2]", ["expected an operator, ',' or ']', found '2'", "  [1 2]", "     ^",
                   "hint: put commas between the entries"]),
        ("x and y", ["expected an operator or the end of the statement, found 'and'", "  x and y", "    ^^^",
                     "hint: multiply conditions for 'and': (x > 0)*(y > 0)"]),
        ("x if y else z", ["expected an operator or the end of the statement, found 'if'", "  x if y else z", "    ^^",
                           "hint: write where(condition, a, b)"]),
        ("import os", ["expected an operator or the end of the statement, found 'os'", "  import os", "         ^^",
                       "hint: a program has expressions and name = expression only"]),
        ("a < b < c", ["comparisons cannot be chained", "  a < b < c", "        ^",
                       "hint: write (a < b)*(b < c) for a < b < c"]),
        ("a == b != c", ["comparisons cannot be chained", "  a == b != c", "         ^^",
                         "hint: write (a < b)*(b < c) for a < b < c"]),
        ("x + 1 = 2", ["only a name can stand before '='", "  x + 1 = 2", "        ^", "hint: write == to compare"]),
        ("x[0] = 2", ["only a name can stand before '='", "  x[0] = 2", "       ^", "hint: write == to compare"]),
        ("a = b = c", ["expected an operator or the end of the statement, found '='", "  a = b = c", "        ^",
                       "hint: write == to compare"]),
        ("(x = 1)", ["expected an operator or ')', found '='", "  (x = 1)", "     ^", "hint: write == to compare"]),
        ("where(x = 0, 1, 2)", ["where has no argument 'x'", "  where(x = 0, 1, 2)", "        ^",
                                "hint: write where(condition, a, b); to compare, write =="]),
        ("x + where(x = 0, 1, 2)", ["where has no argument 'x'", "  x + where(x = 0, 1, 2)", "            ^",
                                    "hint: to compare, write x == ..."]),
        ("(x + y", ["'(' is never closed", "  (x + y", "  ^", "hint: add ')'"]),
        ("z = sin(x\nw = 2", ["line 1: '(' is never closed", "  z = sin(x", "         ^", "hint: add ')'"]),
        ("z = [1, 2\n\ny = 3", ["line 1: '[' is never closed", "  z = [1, 2", "      ^", "hint: add ']'"]),
        ("x[1, ", ["'[' is never closed", "  x[1,", "   ^", "hint: add ']'"]),
        ("x + y)", ["found ')' without '(' before it", "  x + y)", "       ^", "hint: delete it, or open one"]),
        ("x]", ["found ']' without '[' before it", "  x]", "   ^", "hint: delete it, or open one"]),
        ("(x + y]", ["expected ')' to close '(', found ']'", "  (x + y]", "        ^"]),
        ("[1, 2)", ["expected ']' to close '[', found ')'", "  [1, 2)", "       ^"]),
        ("sin(\n[1, 2\n)", ["line 3: expected ']' to close '[' of line 2, found ')'", "  )", "  ^"]),
        ("x, y", ["found ',' outside of brackets", "  x, y", "   ^",
                  "hint: an array is written [1, 2]; statements are separated by ;"]),
        ("x: y", ["expected an operator or the end of the statement, found ':'", "  x: y", "   ^",
                  "hint: a colon stands in an index only, as in x[1:3]"]),
        ("...", ["expected an expression, found '...'", "  ...", "  ^^^",
                 "hint: dots stand in an index only, as in x[..., 0]"]),
        ("()", ["found nothing between the parentheses", "  ()", "  ^^", "hint: write an expression there"]),
        ("().__class__", ["found nothing between the parentheses", "  ().__class__", "  ^^",
                          "hint: write an expression there"]),
        ("(1, 2) + x", ["a tuple cannot stand here", "  (1, 2) + x", "  ^^^^^^",
                        "hint: a tuple is for shapes and axes, as in reshape(A, (3, 2)); an array is written [1, 2]"]),
        ("reshape(A, -(3, 2))", ["a tuple cannot stand here", "  reshape(A, -(3, 2))", "              ^^^^^^",
                        "hint: a tuple is for shapes and axes, as in reshape(A, (3, 2)); an array is written [1, 2]"]),
        ("x.sum()", ["a value has no attribute 'sum'", "  x.sum()", "   ^^^^", "hint: write sum(x)"]),
        ("(a+b).mean(axis=0)", ["a value has no attribute 'mean'", "  (a+b).mean(axis=0)", "       ^^^^^",
                                "hint: write mean((a+b))"]),
        ("x.shape", ["a value has no attribute 'shape'", "  x.shape", "   ^^^^^^",
                     "hint: shapes are constants here: write the numbers"]),
        ("x.__class__", ["a value has no attribute '__class__'", "  x.__class__", "   ^^^^^^^^^^",
                         "hint: only .T, the transpose, may follow a dot"]),
        ("x.", ["expected T after '.'", "  x.", "   ^", "hint: only .T, the transpose, may follow a dot"]),
        ("np.exp(x)", ["found 'np.exp', but functions have no module here", "  np.exp(x)", "    ^^^^",
                       "hint: write exp(...)"]),
        ("__import__('os')", ["unknown function '__import__'", "  __import__('os')", "  ^^^^^^^^^^",
                              "hint: for a product write __import__*(...)"]),
        ("sigmod(x)", ["unknown function 'sigmod'", "  sigmod(x)", "  ^^^^^^", "hint: did you mean sigmoid?"]),
        ("ReLU(x)", ["unknown function 'ReLU'", "  ReLU(x)", "  ^^^^", "hint: did you mean relu?"]),
        ("avg(x)", ["unknown function 'avg'", "  avg(x)", "  ^^^", "hint: did you mean mean?"]),
        ("randn(3)", ["unknown function 'randn'", "  randn(3)", "  ^^^^^",
                      "hint: randn makes values of inputs: write x here, and x=randn(...) beside the program"]),
        ("x + x(3)", ["'x' is a value, not a function", "  x + x(3)", "      ^", "hint: for a product write x*(...)"]),
        ("w(3) + w", ["'w' is a value, not a function", "  w(3) + w", "  ^", "hint: for a product write w*(...)"]),
        ("sin()", ["sin takes 1 argument, found none: 'x' missing", "  sin()", "  ^^^^^", "hint: write sin(x)"]),
        ("sin(x, y)", ["sin takes 1 argument, found 2", "  sin(x, y)", "         ^", "hint: write sin(x)"]),
        ("atan2(x)", ["atan2 takes 2 arguments, found 1: 'x' missing", "  atan2(x)", "  ^^^^^^^^",
                      "hint: write atan2(y, x)"]),
        ("where(a)", ["where takes 3 arguments, found 1: 'a' and 'b' missing", "  where(a)", "  ^^^^^^^^",
                      "hint: write where(condition, a, b)"]),
        ("reshape(x)", ["reshape takes 2 arguments, found 1: 'shape' missing", "  reshape(x)", "  ^^^^^^^^^^",
                        "hint: write reshape(x, shape)"]),
        ("max()", ["max takes 1 to 3 arguments, found none: 'x' missing", "  max()", "  ^^^^^",
                   "hint: write max(a, b, ...) or max(x, axis=None, keepdims=false)"]),
        ("max(x, y, axis=0)", ["max of several arrays has no argument 'axis'", "  max(x, y, axis=0)",
                               "                 ^",
                               "hint: write max(a, b, ...) or max(x, axis=None, keepdims=false)"]),
        ("sum(x, axes=0)", ["sum has no argument 'axes'", "  sum(x, axes=0)", "         ^^^^",
                            "hint: did you mean axis?"]),
        ("sum(x, axis=0, axis=1)", ["'axis' is given twice", "  sum(x, axis=0, axis=1)", "                 ^^^^",
                                    "hint: keep one of the two"]),
        ("sum(x, 0, axis=1)", ["sum is given 'axis' twice, first by its place", "  sum(x, 0, axis=1)",
                               "                 ^", "hint: write sum(x, axis=None, keepdims=false)"]),
        ("sum(axis=0, x)", ["an argument without a name comes after one with a name", "  sum(axis=0, x)",
                            "              ^", "hint: put it first, or name it too"]),
        ("sum(x, axis=y)", ["axis of sum must be a constant", "  sum(x, axis=y)", "              ^",
                            "hint: numbers and arithmetic on them are constants, inputs are not"]),
        ("sum(x, axis=1.5)", ["axis of sum must be a whole number, a tuple of them, or None", "  sum(x, axis=1.5)",
                              "              ^^^", "hint: write sum(x, axis=None, keepdims=false)"]),
        ("sum(x, axis=9**9**9)", ["axis of sum must be a whole number, a tuple of them, or None",
                                  "  sum(x, axis=9**9**9)", "              ^^^^^^^",
                                  "hint: write sum(x, axis=None, keepdims=false)"]),
        ("sum(x, keepdims=2)", ["keepdims of sum must be true or false", "  sum(x, keepdims=2)",
                                "                  ^", "hint: write sum(x, axis=None, keepdims=false)"]),
        ("norm(x, ord=3)", ["ord of norm must be one of 1, 2, inf, fro, found 3", "  norm(x, ord=3)",
                            "              ^"]),
        ("norm(x, ord=inff)", ["ord of norm must be one of 1, 2, inf, fro, found 'inff'", "  norm(x, ord=inff)",
                               "              ^^^^", "hint: did you mean inf?"]),
        ("mse(x, y, reduction=None)", ["reduction of mse must be one of mean, sum, none, found 'None'",
                                       "  mse(x, y, reduction=None)", "                      ^^^^",
                                       "hint: did you mean none?"]),
        ("softmax(x, dim=1)", ["softmax has no argument 'dim'", "  softmax(x, dim=1)", "             ^^^",
                               "hint: did you mean axis?"]),
        ("sin((1, 2))", ["sin takes an array here", "  sin((1, 2))", "      ^^^^^^",
                         "hint: an array is written [1, 2]"]),
        ("sin(x,,)", ["expected a value after ',', found ','", "  sin(x,,)", "        ^"]),
        ("sin(,x)", ["expected a value after '(', found ','", "  sin(,x)", "      ^"]),
        ("sum(x, axis=)", ["expected a value after '=', found ')'", "  sum(x, axis=)", "              ^"]),
        ("einsum('ij->ji' x)", ["expected ',' or ')', found 'x'", "  einsum('ij->ji' x)", "                  ^"]),
        ("einsum(x, y)", ["einsum needs its equation, a text in quotes", "  einsum(x, y)", "  ^^^^^^^^^^^^",
                          "hint: write einsum('equation', a, ...)"]),
        ("sin('x')", ["sin takes an array here", "  sin('x')", "      ^^^", "hint: names are written without quotes"]),
        ("x[i]", ["an index must be a constant whole number", "  x[i]", "    ^",
                  "hint: numbers and arithmetic on them are constants, inputs are not"]),
        ("x[1.5]", ["an index must be a constant whole number", "  x[1.5]", "    ^^^"]),
        ("x[]", ["expected a value after '[', found ']'", "  x[]", "    ^"]),
        ("x[1:2:3:4]", ["a slice has at most two colons", "  x[1:2:3:4]", "         ^",
                        "hint: write start:stop:step"]),
        ("x[::0]", ["the step of a slice cannot be 0", "  x[::0]", "      ^"]),
        ("x[..., ...]", ["an index can have one ... only", "  x[..., ...]", "         ^^^"]),
        ("[[1, 2], [3]]", ["the entries of an array must have one shape: the first has (2,), this one (1,)",
                           "  [[1, 2], [3]]", "           ^^^", "hint: write rows of equal length"]),
        ("[1, [2]]", ["the entries of an array must have one shape: the first has (), this one (1,)", "  [1, [2]]",
                      "      ^^^", "hint: write rows of equal length"]),
        ("a = 1\n\tb = sigmod(a)\n", ["line 2: unknown function 'sigmod'", "      b = sigmod(a)", "          ^^^^^^",
                                      "hint: did you mean sigmoid?"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_complaints(text, expected):
    if expected is None:
        assert complaint(text)[0] == "line 2: expected a value after '*', found the end of the line"
    else:
        assert complaint(text) == expected


def test_a_complaint_names_the_file():
    assert complaint("x = 1\ny = $", filename="net.txt")[0] == "net.txt:2:5: the language has no $"


def test_the_first_mistake_is_the_one_reported():
    assert complaint("sigmod(x) + $ + )")[0] == "unknown function 'sigmod'"


# Size and depth.


def test_a_hundred_thousand_terms():
    graph = parse("+".join(["x"] * 100_000))
    assert len(graph) == 100_000
    assert graph.operations[graph.output] == "add"


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("(" * 10_000 + "x" + ")" * 10_000, 1),
        ("(1+" * 10_000 + "x" + ")" * 10_000, 20_001),
        ("sin(" * 10_000 + "x" + ")" * 10_000, 10_001),
        ("-" * 10_000 + "x", 10_001),
        ("-" * 10_000 + "2", 1),
        ("^".join(["x"] * 10_000), 10_000),
        ("x" + ".T" * 10_000, 10_001),
        ("x" + "[0]" * 10_000, 10_001),
        ("\n".join(f"a{i + 1} = a{i}*a{i}" for i in range(10_000)), 10_001),
        ("max(" + ",".join(["x"] * 10_000) + ")", 2),
    ],
    ids=["parentheses", "sums", "calls", "minuses", "number", "powers", "transposes", "indices", "statements", "max"],
)
def test_depth(text, nodes):
    assert len(parse(text)) == nodes


def test_a_literal_of_a_hundred_thousand_entries_is_one_node():
    graph = parse("[" + ",".join(map(str, range(100_000))) + "]")
    assert len(graph) == 1
    assert np.array_equal(graph.parameters[0]["value"], np.arange(100_000.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 100_000, "'(' is never closed"),
        ("sin(" * 100_000 + "x", "'(' is never closed"),
        (")" * 100_000, "found ')' without '(' before it"),
        ("-" * 100_000, "expected a value after '-', found the end of the program"),
        ("x" * 100_000 + "(", "unknown function 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'"),
        ("[" * 10_000 + "x" + "]" * 10_000, f"array literals nest at most {MAX_DIMENSIONS} deep"),
        ("[(" * 10_000 + "1" + ")]" * 10_000, f"array literals nest at most {MAX_DIMENSIONS} deep"),
    ],
    ids=["parentheses", "calls", "closing", "minuses", "name", "arrays", "arrays in parentheses"],
)
def test_depth_in_error(text, message):
    lines = complaint(text)
    assert lines[0] == message
    assert max(map(len, lines)) < 200


def test_arrays_nest_as_deep_as_numpy_has_dimensions():
    graph = parse("[" * MAX_DIMENSIONS + "1" + "]" * MAX_DIMENSIONS)
    assert graph.parameters[0]["value"].shape == (1,) * MAX_DIMENSIONS


def test_calls_inside_arrays_start_afresh():
    assert len(parse("[sum(" * 1000 + "x" + ")]" * 1000)) == 2001


# Anything at all.

PIECES = """
    x y z W 1 2.5 pi e true None inf ( ) [ ] , ; = == < <= + - * / @ ** ^ . .T : ... ' é ² − 2x $ 1e f(
    axis= keepdims= shape= ord= min= sum( max( min( sin( reshape( norm( clip( concat( where( stack( leaky_relu(
    'ij->i' \" equation= einsum( pad(
"""


def outcome(text):
    """Parse it: either a sound graph or a complaint with a place in the text."""
    try:
        graph = parse(text)
    except SourceError as error:
        complaint = error
    else:
        for node in graph:
            assert all(argument < node.id for argument in node.arguments)
            assert 0 <= node.span[0] < node.span[1] <= len(text)
        return
    assert complaint.message in str(complaint)
    assert complaint.span is None or 0 <= complaint.span[0] <= complaint.span[1] <= len(text)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "# c\n"]), max_size=16).map("".join))
def test_random_pieces_give_a_graph_or_a_source_error(text):
    outcome(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_random_text_gives_a_graph_or_a_source_error(text):
    outcome(text)


@pytest.mark.parametrize(
    "text",
    [
        "max(x, y=2)", "sum(A, axis=(0, 1), keepdims=true)", "A[None, ..., 1:-1:2, :]", "f(x", "x y", "x = = y", "2 * * 3",
        "reshape(A, (2, 3)).T", "A[1:2:0]", "x +", "mean(A, axis=None)", "[[1, 2], [3, 4]] @ x", "x.S", "fn(x)", "e*x",
    ],
)  # fmt: skip
def test_a_long_program_reads_as_a_short_one(text):
    """Tokens are read a stretch at a time, and no place in a statement is a bad one for a stretch to end."""

    def read(before):
        try:
            graph = parse(before + text)
        except SourceError as error:
            return error.message, error.hint, error.span and tuple(k - len(before) for k in error.span)
        node = graph.node(graph.output)
        return node.operation, dict(node.parameters), tuple(k - len(before) for k in node.span)

    expected = read("z*1;")
    for statements in range(_STRETCH // 4 - 4, _STRETCH // 4 + 1):
        for more in ("", "-", "--", "---"):
            assert read(f"{more}z\n" + "z*1;" * statements) == expected
