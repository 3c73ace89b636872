"""What is said about mistakes: near names, and hints for what people bring along from elsewhere."""

import pytest

from gradtool.language import SourceError
from gradtool.language.suggestions import (
    _SYNONYMS,
    attribute,
    count,
    expected,
    mismatched,
    nearest,
    no_operand,
    no_operator,
    quote,
    unclosed,
    unknown_function,
)
from gradtool.language.tokens import tokenize
from gradtool.ops import CALLS

PLACE = (3, 7)


@pytest.mark.parametrize(("length", "shown"), [(0, 0), (40, 40), (41, 40), (100_000, 40)])
def test_quote(length, shown):
    text = "a" * length
    assert quote(text) == (f"'{text}'" if length == shown else f"'{'a' * 37}...'")
    assert len(quote(text)) == shown + 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((0, "array"), "0 arrays"), ((1, "array"), "1 array"), ((2, "array"), "2 arrays"), ((1, "axis", "axes"), "1 axis"),
     ((3, "axis", "axes"), "3 axes")],
)  # fmt: skip
def test_count(arguments, text):
    assert count(*arguments) == text


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("sigmod", ["softmax", "sigmoid", "sign"], "sigmoid"),
        ("SUM", ["sun", "sum"], "sum"),  # capitals make less of a difference than a letter
        ("straße", ["STRASSE"], "STRASSE"),
        ("xyz", ["sum", "sin"], None),
        ("sum", [], None),
        ("", ["sum"], None),
        ("a" * 101, ["a" * 101], None),
        ("a" * 99 + "b", ["a" * 100], "a" * 100),
    ],
)
def test_nearest(name, known, found):
    assert nearest(name, known) == found


def test_every_synonym_leads_from_no_function_to_a_function():
    assert [name for name in _SYNONYMS if name in CALLS] == []
    assert [name for name in _SYNONYMS.values() if name not in CALLS] == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("avg", "did you mean mean?"),
        ("if", "did you mean where?"),
        ("SoftMax", "did you mean softmax?"),
        ("zeros", "zeros makes values of inputs: write x here, and x=zeros(...) beside the program"),
        ("index", "an index is written in brackets, as in x[0] or x[1:3]"),
        ("take", "an index is written in brackets, as in x[0] or x[1:3]"),
        ("qqq", "for a product write qqq*(...)"),
        ("q" * 20, "for a product write name*(...)"),
    ],
)
def test_unknown_function(name, hint):
    assert unknown_function(name, PLACE, is_value=False) == (f"unknown function '{name}'", PLACE, hint)


def test_a_value_is_no_function_whatever_it_is_called():
    for name in ("qqq", "avg", "zeros", "index"):
        message = f"'{name}' is a value, not a function"
        assert unknown_function(name, PLACE, is_value=True) == (message, PLACE, f"for a product write {name}*(...)")


@pytest.mark.parametrize(
    ("operand", "name", "message", "hint"),
    [
        ("x", None, "expected T after '.'", "only .T, the transpose, may follow a dot"),
        ("np", None, "expected T after '.'", "only .T, the transpose, may follow a dot"),
        ("np", "tanh", "found 'np.tanh', but functions have no module here", "write tanh(...)"),
        ("torch", "avg", "found 'torch.avg', but functions have no module here", "write mean(...)"),
        ("F", "sofmax", "found 'F.sofmax', but functions have no module here", "write softmax(...)"),
        ("math", "qqq", "found 'math.qqq', but functions have no module here", None),
        ("x", "sum", "a value has no attribute 'sum'", "write sum(x)"),
        ("a" * 40, "sum", "a value has no attribute 'sum'", f"write sum({'a' * 40})"),
        ("a" * 41, "sum", "a value has no attribute 'sum'", "write sum(...)"),
        ("x", "shape", "a value has no attribute 'shape'", "shapes are constants here: write the numbers"),
        ("x", "mT", "a value has no attribute 'mT'", "write .T for the transpose"),
        ("x", "H", "a value has no attribute 'H'", "write .T for the transpose"),
        ("x", "grad", "a value has no attribute 'grad'", "only .T, the transpose, may follow a dot"),
    ],
)
def test_attribute(operand, name, message, hint):
    assert attribute(operand, name, PLACE) == (message, PLACE, hint)


# Tokens: each function gets the source, the tokens and the number of the token complained about.


def parts(error):
    assert type(error) is SourceError
    return error.message, error.span, error.hint


@pytest.mark.parametrize(
    ("source", "i", "message", "span", "hint"),
    [
        ("x +", 2, "expected a name, found the end of the program", (3, 3), "h"),
        ("x\ny", 1, "expected a name, found the end of the line", (1, 2), "h"),
        ("x ** y", 1, "expected a name, found '**'", (2, 4), "h"),
        ("ﬁ", 0, "expected a name, found 'ﬁ'", (0, 1), "h"),  # as it stands in the source
        ("x $", 1, "the language has no $", (2, 3), "a name has letters, digits and underscores only"),
    ],
)
def test_expected(source, i, message, span, hint):
    assert parts(expected(source, "a name", tokenize(source)[i], "h")) == (message, span, hint)


@pytest.mark.parametrize(("source", "bracket", "closing"), [("x + (y", 4, ")"), ("x[1, (2)", 1, "]")])
def test_unclosed(source, bracket, closing):
    message = f"'{source[bracket]}' is never closed"
    assert parts(unclosed(source, bracket)) == (message, (bracket, bracket + 1), f"add '{closing}'")


@pytest.mark.parametrize(
    ("source", "bracket", "message", "hint"),
    [
        ("x )", -1, "found ')' without '(' before it", "delete it, or open one"),
        ("x ]", -1, "found ']' without '[' before it", "delete it, or open one"),
        ("(x ]", 0, "expected ')' to close '(', found ']'", None),
        ("a;\n[\nx )", 3, "expected ']' to close '[' of line 2, found ')'", None),
    ],
)
def test_mismatched(source, bracket, message, hint):
    token = tokenize(source)[-2]
    at = len(source) - 1
    assert parts(mismatched(source, token, bracket)) == (message, (at, at + 1), hint)


@pytest.mark.parametrize(
    ("source", "i", "bracket", "message", "hint"),
    [
        ("*x", 0, -1, "expected an expression, found '*'", None),
        ("= x", 0, -1, "expected an expression, found '='", "write == to compare"),
        ("x; :", 2, -1, "expected an expression, found ':'", "a colon stands in an index only, as in x[1:3]"),
        ("x\n...", 2, -1, "expected an expression, found '...'", "dots stand in an index only, as in x[..., 0]"),
        ("x + /", 2, -1, "expected a value after '+', found '/'", None),
        ("x * *", 2, -1, "expected a value after '*', found '*'", "write ^ or ** for a power"),
        ("x / *", 2, -1, "expected a value after '/', found '*'", None),
        ("x == = y", 2, -1, "expected a value after '==', found '='", "write == to compare"),
        ("x +\ny", 2, -1, "expected a value after '+', found the end of the line",
         "inside parentheses an expression may go on in the next line"),
        ("x + ;", 2, -1, "expected a value after '+', found ';'", None),
        ("sin(", 2, 3, "'(' is never closed", "add ')'"),
        ("[1, ;", 3, 0, "'[' is never closed", "add ']'"),
        ("(x +", 3, 0, "expected a value after '+', found the end of the program", None),
        ("x + $", 2, -1, "the language has no $", "a name has letters, digits and underscores only"),
    ],
)  # fmt: skip
def test_no_operand(source, i, bracket, message, hint):
    found = parts(no_operand(source, tokenize(source), i, bracket))
    assert (found[0], found[2]) == (message, hint)


@pytest.mark.parametrize(
    ("source", "i", "bracket", "context", "found", "hint"),
    [
        ("x y", 1, -1, "program", "an operator or the end of the statement, found 'y'", "for a product write x*y"),
        ("(x y)", 2, 0, "group", "an operator or ')', found 'y'", "for a product write x*y"),
        ("f(x y)", 3, 1, "call", "an operator, ',' or ')', found 'y'", "for a product write x*y"),
        ("x[1 2]", 3, 1, "index", "an operator, ',' or ']', found '2'", "for a product write 1*2"),
        ("[1 2]", 2, 0, "array", "an operator, ',' or ']', found '2'", "put commas between the entries"),
        ("x (y)", 1, -1, "program", "an operator or the end of the statement, found '('", "for a product write x*("),
        (f"{'x' * 41} (y)", 1, -1, "program", "an operator or the end of the statement, found '('",
         "for a product write *"),
        (f"{'x' * 20} {'y' * 20}", 1, -1, "program", f"an operator or the end of the statement, found '{'y' * 20}'",
         f"for a product write {'x' * 20}*{'y' * 20}"),
        (f"{'x' * 20} {'y' * 21}", 1, -1, "program", f"an operator or the end of the statement, found '{'y' * 21}'",
         "for a product write *"),
        ("x or y", 1, -1, "program", "an operator or the end of the statement, found 'or'",
         "for 'or' write max(x > 0, y > 0)"),
        ("not x", 1, -1, "program", "an operator or the end of the statement, found 'x'",
         "write 1 - condition for 'not'"),
        ("x mod 2", 1, -1, "program", "an operator or the end of the statement, found 'mod'",
         "there is no remainder; write x - y*floor(x/y)"),
        ("return x", 1, -1, "program", "an operator or the end of the statement, found 'x'",
         "a program has expressions and name = expression only"),
        ("x : y", 1, -1, "program", "an operator or the end of the statement, found ':'",
         "a colon stands in an index only, as in x[1:3]"),
        ("(x = y)", 2, 0, "group", "an operator or ')', found '='", "write == to compare"),
    ],
)  # fmt: skip
def test_no_operator(source, i, bracket, context, found, hint):
    error = no_operator(source, tokenize(source), i, bracket, context, named=False)
    assert (error.message, error.hint) == (f"expected {found}", hint)
    assert error.span == tokenize(source)[i][2:]


def test_a_statement_with_two_equals_signs_and_one_whose_left_side_is_no_name():
    source = "x+1 = 2"
    found = parts(no_operator(source, tokenize(source), 3, -1, "program", named=False))
    assert found == ("only a name can stand before '='", (4, 5), "write == to compare")
    source = "a = b = 2"
    message = "expected an operator or the end of the statement, found '='"
    found = parts(no_operator(source, tokenize(source), 3, -1, "program", named=True))
    assert found == (message, (6, 7), "write == to compare")


def test_a_bracket_left_open_is_the_mistake_where_the_next_line_makes_no_sense():
    source = "(x\ny = 2"
    assert parts(no_operator(source, tokenize(source), 2, 0, "group", named=False)) == (
        "'(' is never closed",
        (0, 1),
        "add ')'",
    )
    # What is no token at all is so in any line.
    source = "(x\n$"
    assert no_operator(source, tokenize(source), 2, 0, "group", named=False).message == "the language has no $"
