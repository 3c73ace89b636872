"""Calls: which operation is meant, what each argument is, and what is written into the graph."""

import math

import numpy as np
import pytest

from gradtool.graph import CONSTANT, GraphBuilder
from gradtool.language.calls import (
    REQUIRED,
    Callee,
    Given,
    Text,
    call,
    constant_value,
    defaults,
    is_word,
    names_of,
    parameters_at,
    show_parameter,
    show_text,
    signature,
    signatures,
    unknown_keyword,
    whole,
)
from gradtool.ops import CALLS, REGISTRY, Parameter

SPAN = (0, 9)


class RefusedError(Exception):
    """The complaint: message, place, hint."""


class Caller:
    """Builds a call argument by argument, as the parser does."""

    def __init__(self, name, generator=None):
        self.builder = GraphBuilder()
        self.callee = Callee(name, CALLS.get(name, ()) if generator is None else (), generator)
        self.given: list[Given] = []
        self.notes: list[str] = []

    def value(self, value):
        """A node: an input for a name, a constant for a number or an array."""
        return self.builder.input(value) if isinstance(value, str) else self.builder.constant(value)

    def _add(self, keyword, value, first):
        place = 10 * len(self.given)
        self.given.append(Given(keyword, value, (place, place + 5), first, len(self.builder)))
        return self

    def node(self, value, keyword=None):
        first = len(self.builder)
        return self._add(keyword, self.value(value), first)

    def list(self, *values, keyword=None):
        first = len(self.builder)
        return self._add(keyword, [self.value(v) for v in values], first)

    def word(self, text, keyword=None):
        return self._add(keyword, text, len(self.builder))

    def call(self):
        return call(self.builder, self.callee, self.given, SPAN, self._fail, self.notes.append)

    def _fail(self, message, span, hint=None):
        raise RefusedError(message, span, hint)

    def result(self):
        """Name, arguments (names and values) and parameters of the call, in a graph without anything left over."""
        graph = self.builder.finish(self.call())
        node = graph.node(graph.output)
        assert node.span == SPAN
        assert set(range(len(graph) - 1)) == set(node.arguments)
        shown = [graph.names.get(a, graph.parameters[a].get("value")) for a in node.arguments]
        return node.operation, shown, dict(node.parameters)

    def refusal(self):
        with pytest.raises(RefusedError) as caught:
            self.call()
        return caught.value.args


def test_arrays_in_their_places():
    assert Caller("atan2").node("s").node("t").result() == ("atan2", ["s", "t"], {})
    assert Caller("atan2").node("s", "x").node("t", "y").result() == ("atan2", ["t", "s"], {})
    assert Caller("where").node("c").node("t", "b").node("s", "a").result() == ("where", ["c", "s", "t"], {})


def test_what_is_left_out():
    assert Caller("sum").node("t").result() == ("sum", ["t"], {"axis": None, "keepdims": False})
    assert Caller("leaky_relu").node("t").result() == ("leaky_relu", ["t", 0.01], {})
    found = Caller("layer_norm").node("t").node("b", "bias").result()
    assert found == ("layer_norm", ["t", 1.0, "b"], {"eps": 1e-05})


def test_the_places_of_constants_left_out_are_the_call():
    caller = Caller("leaky_relu").node("t")
    graph = caller.builder.finish(caller.call())
    assert [node.span for node in graph if node.operation == CONSTANT] == [SPAN]


@pytest.mark.parametrize(
    ("caller", "parameters"),
    [
        (Caller("sum").node("t").node(1.0), {"axis": 1, "keepdims": False}),
        (Caller("sum").node("t").list(0.0, -1.0).word("True"), {"axis": (0, -1), "keepdims": True}),
        (Caller("sum").node("t").node(np.array([0.0, 2.0])), {"axis": (0, 2), "keepdims": False}),
        (Caller("sum").node("t").word("None").node(1.0), {"axis": None, "keepdims": True}),
        (Caller("sum").node("t").list(), {"axis": (), "keepdims": False}),
        (Caller("sum").word("false", "keepdims").node("t", "x"), {"axis": None, "keepdims": False}),
        (Caller("sum").node(-2.0, "axis").node("t", "x"), {"axis": -2, "keepdims": False}),
        (Caller("reshape").node("t").node(6.0), {"shape": (6,)}),
        (Caller("reshape").node("t").list(2.0, 3.0), {"shape": (2, 3)}),
        (Caller("norm").node("t").node(1.0), {"ord": "1", "axis": None, "keepdims": False}),
        (Caller("norm").node("t").node(math.inf), {"ord": "inf", "axis": None, "keepdims": False}),
        (Caller("norm").node("t").word("fro", "ord"), {"ord": "fro", "axis": None, "keepdims": False}),
        (Caller("pad").node("t").node(2.0), {"pad_width": 2}),
        (Caller("pad").node("t").list(0.0, 1.0), {"pad_width": (0, 1)}),
        (Caller("pad").node("t").node(np.array([1.0, 2.0])), {"pad_width": (1, 2)}),
        (Caller("pad").node("t").node(np.array([[1.0, 2.0], [0.0, 3.0]])), {"pad_width": ((1, 2), (0, 3))}),
        (Caller("max_pool2d").node("t").node(2.0).word("None"), {"kernel_size": 2, "stride": None, "padding": 0}),
        (Caller("einsum").word(Text("ij->ji")).node("t"), {"equation": "ij->ji"}),
        (Caller("einsum").node("t").word(Text("ij->ji"), "equation"), {"equation": "ij->ji"}),
    ],
)  # fmt: skip
def test_parameters(caller, parameters):
    found = caller.result()
    assert found == (caller.callee.name, ["t"], parameters)
    assert list(map(type, found[2].values())) == list(map(type, parameters.values()))  # 1 is neither True nor 1.0


def test_a_number_stays_a_float():
    assert Caller("layer_norm").node("t").node(2.0, "eps").result()[2] == {"eps": 2.0}
    message = Caller("layer_norm").node("t").list(1.0, 2.0, keyword="eps").refusal()[0]
    assert message == "eps of layer_norm must be a number"


@pytest.mark.parametrize("name", ["max", "min"])
def test_one_array_is_reduced_several_are_compared(name):
    over_axes = {"axis": None, "keepdims": False}
    assert Caller(name).node("s").result() == (f"reduce_{name}", ["s"], over_axes)
    assert Caller(name).node("s", "x").result() == (f"reduce_{name}", ["s"], over_axes)
    assert Caller(name).node("s").node(0.0, "axis").result() == (f"reduce_{name}", ["s"], over_axes | {"axis": 0})
    assert Caller(name).node("s").node("t").result() == (name, ["s", "t"], {})
    assert Caller(name).node("s").node("t").node("u").node("v").result() == (name, ["s", "t", "u", "v"], {})


@pytest.mark.parametrize("value", [-4.0, 0.0, 4.0])
def test_a_small_number_beside_an_array_is_noted(value):
    caller = Caller("max").node("s").node(value)
    caller.call()
    n = int(value)
    assert caller.notes == [f"max(x, {n}) compares with the number {n}; for axis {n} write max(x, axis={n})"]


@pytest.mark.parametrize(
    "caller",
    [
        Caller("max").node("s").node(5.0),
        Caller("max").node("s").node(0.5),
        Caller("max").node("s").node(np.array([1.0])),
        Caller("max").node(1.0).node("s"),
        Caller("max").node("s").node(1.0).node(2.0),
        Caller("maximum").node("s").node(1.0),  # has no axis
        Caller("concat").node("s").node(1.0),
    ],
)
def test_nothing_else_is_noted(caller):
    caller.call()
    assert caller.notes == []


@pytest.mark.parametrize(
    ("caller", "message", "span", "hint"),
    [
        (Caller("sin"), "sin takes 1 argument, found none: 'x' missing", SPAN, "write sin(x)"),
        (Caller("sin").node("t").node("u"), "sin takes 1 argument, found 2", (10, 15), "write sin(x)"),
        (Caller("where").node("t").node(1.0, "b"), "where takes 3 arguments, found 2: 'a' missing", SPAN,
         "write where(condition, a, b)"),
        (Caller("sum").node("t").node(0.0).node(1.0).node(2.0), "sum takes 1 to 3 arguments, found 4", (30, 35),
         "write sum(x, axis=None, keepdims=false)"),
        (Caller("reshape").list(2.0, keyword="shape"), "reshape takes 2 arguments, found 1: 'x' missing", SPAN,
         "write reshape(x, shape)"),
        (Caller("concat").node(0.0, "axis"), "concat takes at least 1 array, found none", SPAN,
         "write concat(a, ..., axis=0)"),
        (Caller("maximum").node("t"), "maximum takes at least 2 arrays, found 1", SPAN, "write max(a, b, ...)"),
        (Caller("max").node("s").node("t").node(0.0, "axis"), "max of several arrays has no argument 'axis'", (20, 25),
         "write max(a, b, ...) or max(x, axis=None, keepdims=false)"),
        (Caller("sin").node("t").node("u", "x"), "sin is given 'x' twice, first by its place", (10, 15),
         "write sin(x)"),
        (Caller("sum").node("t").node(0.0).node(1.0, "axis"), "sum is given 'axis' twice, first by its place",
         (20, 25), "write sum(x, axis=None, keepdims=false)"),
        (Caller("sin").list("s", "t"), "sin takes an array here", (0, 5), "an array is written [1, 2]"),
        (Caller("sin").word("none"), "sin takes an array here", (0, 5), "sin(x)"),
        (Caller("sum").node("t").node("u"), "axis of sum must be a constant", (10, 15),
         "numbers and arithmetic on them are constants, inputs are not"),
        (Caller("sum").node("t").list(0.0, "u"), "axis of sum must be a constant", (10, 15),
         "numbers and arithmetic on them are constants, inputs are not"),
        (Caller("sum").node("t").list(0.0, 0.5), "axis of sum must be a whole number, a tuple of them, or None",
         (10, 15), "write sum(x, axis=None, keepdims=false)"),
        (Caller("sum").node("t").node(np.zeros((1, 2))), "axis of sum must be a whole number, a tuple of them, or None",
         (10, 15), "write sum(x, axis=None, keepdims=false)"),
        (Caller("sum").node("t").node(2.0, "keepdims"), "keepdims of sum must be true or false", (10, 15),
         "write sum(x, axis=None, keepdims=false)"),
        (Caller("softmax").node("t").list(0.0, 1.0), "axis of softmax must be a whole number", (10, 15),
         "write softmax(x, axis=-1)"),
        (Caller("reshape").node("t").node(1.5), "shape of reshape must be a whole number or a tuple of them, as in "
         "(3, 2)", (10, 15), "write reshape(x, shape)"),
        (Caller("norm").node("t").node(3.0), "ord of norm must be one of 1, 2, inf, fro, found 3", (10, 15), None),
        (Caller("norm").node("t").list(1.0, 2.0), "ord of norm must be a word", (10, 15),
         "write norm(x, ord=2, axis=None, keepdims=false)"),
        (Caller("pad").node("t").node(np.array([[1.0, 0.5]])), "pad_width of pad must be a whole number, a tuple of them, "
         "or rows of them, as in [[1, 2], [0, 3]]", (10, 15), "write pad(x, pad_width)"),
        (Caller("pad").node("t").node(np.ones((1, 1, 1))), "pad_width of pad must be a whole number, a tuple of them, "
         "or rows of them, as in [[1, 2], [0, 3]]", (10, 15), "write pad(x, pad_width)"),
        (Caller("einsum").node("t"), "einsum needs its equation, a text in quotes", SPAN,
         "write einsum('equation', a, ...)"),
        (Caller("einsum").node("t").word(Text("i")), "einsum needs its equation, a text in quotes", SPAN,
         "write einsum('equation', a, ...)"),
        (Caller("einsum").word(Text("i")), "einsum takes at least 1 array, found none", SPAN,
         "write einsum('equation', a, ...)"),
        (Caller("einsum").word(Text("i")).word(Text("j")), "einsum takes an array here", (10, 15),
         "einsum('equation', a, ...)"),
        (Caller("einsum").word(Text("i")).node("t").word(Text("i"), "equation"),
         "einsum is given 'equation' twice, first by its place", (20, 25), "write einsum('equation', a, ...)"),
        (Caller("einsum").node("t").node("u", "equation"), "equation of einsum must be a text in quotes", (10, 15),
         "write einsum('equation', a, ...)"),
        (Caller("sin").word(Text("x")), "sin takes an array here", (0, 5), "names are written without quotes"),
        (Caller("norm").node("t").word(Text("inf"), "ord"), "ord of norm must be a word", (10, 15),
         "names are written without quotes"),
        (Caller("sum").node("t").word(Text("0"), "axis"), "axis of sum must be a whole number, a tuple of them, or None",
         (10, 15), "names are written without quotes"),
        (Caller("mse").node("s").node("t").word("men", "reduction"), "reduction of mse must be one of mean, sum, none, "
         "found 'men'", (20, 25), "did you mean mean?"),
        (Caller("mse").node("s").node("t").word("qqq", "reduction"), "reduction of mse must be one of mean, sum, none, "
         "found 'qqq'", (20, 25), None),
    ],
    ids=lambda value: value.callee.name if isinstance(value, Caller) else "",
)  # fmt: skip
def test_refusals(caller, message, span, hint):
    assert caller.refusal() == (message, span, hint)


# Generators.


def test_a_generator_gets_numbers_and_tuples_and_leaves_one_constant():
    seen = []

    def generate(values):
        seen.append(values)
        return np.ones(3)

    caller = Caller("made", generate).node(2.0).list(3.0, 4.0)
    graph = caller.builder.finish(caller.call())
    assert seen == [[2.0, (3.0, 4.0)]]
    assert len(graph) == 1
    assert graph.node(0).span == SPAN
    assert graph.parameters[0]["value"].tolist() == [1.0, 1.0, 1.0]


def test_a_generator_without_arguments():
    caller = Caller("made", lambda values: float(len(values)))
    assert caller.builder.value(caller.call()) == 0.0


@pytest.mark.parametrize("value", ["t", np.array([1.0])])
def test_a_generator_takes_numbers_alone(value):
    refusal = ("made takes constant numbers", (10, 15), None)
    assert Caller("made", len).node(1.0).node(value).refusal() == refusal
    assert Caller("made", len).node(1.0).list(2.0, value).refusal() == refusal
    assert Caller("made", len).node(1.0).word(Text("a")).refusal() == refusal


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [("too large; write less", "too large", "write less"), ("too large", "too large", None), ("a; b; c", "a", "b; c")],
)
def test_the_complaint_of_a_generator(text, message, hint):
    def generate(values):
        raise ValueError(text)

    assert Caller("made", generate).node(1.0).refusal() == (message, SPAN, hint)


# Constants.


def folded(operation, *values):
    builder = GraphBuilder()
    return constant_value(builder, builder.add(operation, [builder.constant(v) for v in values]))


@pytest.mark.parametrize(
    ("operation", "values", "result"),
    [
        ("negative", (2.0,), -2.0),
        ("add", (2.0, 3.0), 5.0),
        ("subtract", (2.0, 3.0), -1.0),
        ("multiply", (2.0, 3.0), 6.0),
        ("divide", (2.0, 4.0), 0.5),
        ("power", (2.0, 3.0), 8.0),
        ("power", (10.0, 309.0), math.inf),
        ("power", (-10.0, 309.0), -math.inf),
        ("power", (-10.0, 310.0), math.inf),
        ("multiply", (1e300, -1e300), -math.inf),
        ("divide", (1.0, 0.0), None),
        ("power", (-1.0, 0.5), None),
        ("power", (0.0, -1.0), None),
        ("sin", (1.0,), None),
        ("add", (np.array([1.0]), 1.0), None),
    ],
)
def test_arithmetic_on_numbers(operation, values, result):
    assert folded(operation, *values) == result


def test_what_is_a_constant():
    builder = GraphBuilder()
    array = builder.constant(np.array([1.0, 2.0]))
    assert constant_value(builder, array).tolist() == [1.0, 2.0]
    assert constant_value(builder, builder.constant(3.0)) == 3.0
    x = builder.input("x")
    assert constant_value(builder, x) is None
    assert constant_value(builder, builder.add("subtract", (x, x))) is None


def test_shared_and_deep_arithmetic_is_quick():
    builder = GraphBuilder()
    node = builder.constant(1.0)
    for _ in range(1000):  # 2**1000 paths
        node = builder.add("add", (node, node))
    assert constant_value(builder, node) == 2.0**1000
    for _ in range(50_000):
        node = builder.add("negative", (node,))
    assert constant_value(builder, node) == 2.0**1000


@pytest.mark.parametrize(
    ("value", "found"),
    [(3.0, 3), (-0.0, 0), (2.0**53, 2**53), (2.0**53 + 2, None), (-(2.0**60), None), (0.5, None), (math.inf, None),
     (math.nan, None), (None, None), (np.array([1.0]), None)],
)  # fmt: skip
def test_whole(value, found):
    assert whole(value) == found
    assert type(whole(value)) is type(found)


# Names and texts.


def test_names():
    assert names_of(REGISTRY["clip"]) == {"x", "min", "max"}
    assert names_of(REGISTRY["norm"]) == {"x", "ord", "axis", "keepdims"}
    assert names_of(REGISTRY["concat"]) == {"axis"}  # its arrays have places only
    assert Callee("max", CALLS["max"], None).keywords == {"x", "axis", "keepdims"}
    assert Callee("made", (), len).keywords == frozenset()


def test_defaults():
    assert defaults("norm") == {"ord": "2", "axis": None, "keepdims": False}
    assert defaults("reshape") == {"shape": REQUIRED}
    assert defaults("sin") == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("clip", "clip(x, min=-inf, max=inf)"),
        ("leaky_relu", "leaky_relu(x, alpha=0.01)"),
        ("elu", "elu(x, alpha=1)"),
        ("reshape", "reshape(x, shape)"),
        ("norm", "norm(x, ord=2, axis=None, keepdims=false)"),
        ("max", "max(a, b, ...)"),
        ("reduce_max", "max(x, axis=None, keepdims=false)"),  # by what a program writes
        ("concat", "concat(a, ..., axis=0)"),
        ("layer_norm", "layer_norm(x, weight=1, bias=0, eps=1e-05)"),
        ("einsum", "einsum('equation', a, ...)"),
        ("max_pool2d", "max_pool2d(x, kernel_size, stride=None, padding=0)"),
    ],
)
def test_signature(name, text):
    assert signature(REGISTRY[name]) == text


def test_signatures():
    assert signatures(CALLS["max"]) == "max(a, b, ...) or max(x, axis=None, keepdims=false)"
    assert signatures(CALLS["sin"]) == "sin(x)"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (None, "None"), (2, "2"), (2.0, "2"), (0.1, "0.1"), (1e-5, "1e-05"),
     (math.inf, "inf"), (-math.inf, "-inf"), ((), "()"), ((1,), "(1,)"), ((1, -2), "(1,-2)"), ("mean", "mean"),
     (((1, 2), (0, -3)), "[[1,2],[0,-3]]"), (((1,), (2,)), "[[1],[2]]")],
)  # fmt: skip
def test_show_parameter(value, text):
    assert show_parameter(value) == text


@pytest.mark.parametrize(
    ("name", "keyword", "is_value", "hint"),
    [
        ("softmax", "dim", False, "did you mean axis?"),
        ("sum", "dims", False, "did you mean axis?"),
        ("sum", "keepdim", False, "did you mean keepdims?"),
        ("sum", "qq", False, "write sum(x, axis=None, keepdims=false); to compare, write =="),
        ("sum", "qq", True, "to compare, write qq == ..."),
        ("relu", "dim", False, "write relu(x); to compare, write =="),
    ],
)
def test_unknown_keyword(name, keyword, is_value, hint):
    found = unknown_keyword(Callee(name, CALLS[name], None), keyword, SPAN, is_value)
    assert found == (f"{name} has no argument '{keyword}'", SPAN, hint)


def test_unknown_keyword_of_a_generator():
    found = unknown_keyword(Callee("made", (), len), "qq", SPAN, is_value=True)
    assert found == ("made has no argument 'qq'", SPAN, None)


@pytest.mark.parametrize(
    ("name", "position", "keyword", "names"),
    [
        ("sum", 0, None, []),
        ("sum", 1, None, ["axis"]),
        ("sum", 2, None, ["keepdims"]),
        ("sum", 3, None, []),
        ("sum", 0, "keepdims", ["keepdims"]),
        ("sum", 0, "x", []),
        ("max", 1, None, []),  # an array
        ("max", 1, "axis", ["axis"]),
        ("concat", 1, None, []),
        ("mse", 2, None, ["reduction"]),
    ],
)
def test_parameters_at(name, position, keyword, names):
    assert [p.name for p in parameters_at(CALLS[name], position, keyword)] == names


AXES, SWITCH = Parameter("axis", "axes", 0), Parameter("keepdims", "bool", False)
WORD, NUMBER = Parameter("reduction", "word", "mean", ("mean", "none")), Parameter("eps", "number", None)


@pytest.mark.parametrize(
    ("parameter", "text", "keyword", "yes"),
    [
        (AXES, "None", None, True),
        (AXES, "n", None, False),
        (NUMBER, "None", None, True),  # its default
        (SWITCH, "None", None, False),
        (SWITCH, "true", None, True),
        (SWITCH, "False", None, True),
        (SWITCH, "t", "keepdims", False),
        (WORD, "mean", None, True),
        (WORD, "y", None, False),  # a variable, it may be
        (WORD, "y", "reduction", True),  # a word, and misspelt
        (AXES, "mean", "axis", False),
    ],
)
def test_is_word(parameter, text, keyword, yes):
    assert is_word(parameter, text, keyword) is yes


@pytest.mark.parametrize(("text", "shown"), [("ij->ji", "'ij->ji'"), ("", "''"), ("it's", '"it\'s"'), ('"', "'\"'")])
def test_show_text(text, shown):
    assert show_text(text) == shown
