"""Random expressions with a fault planted in the derivative of one of their operations: it is flagged, and named at its line.

An expression is a list of operations, each a function of its own on a line of its own below, and used once: so a line tells the
operation. Its backward is written here, from the derivatives beside the operations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import gradtool
from gradtool.results import Verdict

CASES = 200
SHAPE = (2, 3)
LOCAL = {"GC101", "GC102", "GC108", "GC109", "GC110"}


def tanh(a):
    return np.tanh(a)


def exp(a):
    return np.exp(0.5 * a)


def sine(a):
    return np.sin(a)


def square(a):
    return a * a


def softplus(a):
    return np.log(1 + np.exp(a))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def cube(a):
    return a**3


def root(a):
    return np.sqrt(1.5 + np.abs(a))


def arctan(a):
    return np.arctan(a)


def add(a, b):
    return a + b


def subtract(a, b):
    return a - b


def multiply(a, b):
    return a * b


def divide(a, b):
    return a / b


class Operation(NamedTuple):
    """A function on one line, and its derivative for each argument, of the arguments."""

    function: Callable[..., Any]
    derivatives: tuple[Callable[..., Any], ...]

    @property
    def line(self):
        return self.function.__code__.co_firstlineno + 1


def s(a):
    return 1 / (1 + np.exp(-a))


UNARY = [
    Operation(tanh, (lambda a: 1 - np.tanh(a) ** 2,)),
    Operation(exp, (lambda a: 0.5 * np.exp(0.5 * a),)),
    Operation(sine, (np.cos,)),
    Operation(square, (lambda a: 2 * a,)),
    Operation(softplus, (s,)),
    Operation(sigmoid, (lambda a: s(a) * (1 - s(a)),)),
    Operation(cube, (lambda a: 3 * a * a,)),
    Operation(root, (lambda a: np.sign(a) / (2 * np.sqrt(1.5 + np.abs(a))),)),
    Operation(arctan, (lambda a: 1 / (1 + a * a),)),
]
BINARY = [
    Operation(add, (lambda a, b: 1.0, lambda a, b: 1.0)),
    Operation(subtract, (lambda a, b: 1.0, lambda a, b: -1.0)),
    Operation(multiply, (lambda a, b: b, lambda a, b: a)),
    Operation(divide, (lambda a, b: 1 / b, lambda a, b: -a / (b * b))),
]
FAULTS = {
    "left out": lambda derivative, arguments, out: 1.0,
    "sign": lambda derivative, arguments, out: -derivative(*arguments),
    "factor 2": lambda derivative, arguments, out: 2 * derivative(*arguments),
    "at the output": lambda derivative, arguments, out: derivative(out),
    "squared": lambda derivative, arguments, out: derivative(*arguments) ** 2,
    "path dropped": lambda derivative, arguments, out: 0.0,
}


class Fault(NamedTuple):
    name: str
    node: int
    position: int


class Expression:
    """Nodes 0 and 1 are the inputs; ``rows`` has the operation and the arguments of each further node. The last is the output."""

    def __init__(self, rng):
        self.rows = []
        unary, binary = list(rng.permutation(len(UNARY))[:4]), list(rng.permutation(len(BINARY))[:3])
        loose = [0, 1]
        while unary or binary or len(loose) > 1:
            count = len(self.rows) + 2
            if binary and (not unary or rng.random() < 0.45):
                operation = BINARY[binary.pop()]
                arguments = [loose.pop(int(rng.integers(len(loose)))), int(rng.integers(count))]
                if arguments[1] in loose:
                    loose.remove(arguments[1])
            elif unary:
                operation, arguments = UNARY[unary.pop()], [int(rng.integers(count))]
                if arguments[0] in loose:
                    loose.remove(arguments[0])
            else:
                break
            self.rows.append((operation, arguments))
            loose.append(count)

    def values(self, x, y):
        found = [x, y]
        for operation, arguments in self.rows:
            found.append(operation.function(*(found[a] for a in arguments)))
        return found

    def forward(self, x, y):
        return self.values(x, y)[-1]

    def backward(self, u, x, y, fault=None):
        values = self.values(x, y)
        arriving = [np.zeros(SHAPE) for _ in values]
        arriving[-1] = u
        for node in range(len(values) - 1, 1, -1):
            operation, arguments = self.rows[node - 2]
            for position, source in enumerate(arguments):
                derivative, given = operation.derivatives[position], [values[a] for a in arguments]
                local = derivative(*given)
                if fault is not None and (fault.node, fault.position) == (node, position):
                    local = FAULTS[fault.name](derivative, given, values[node])
                arriving[source] = arriving[source] + arriving[node] * local
        return arriving[0], arriving[1]

    def same_elsewhere(self, fault, line, u, x, y):
        """Whether the same fault at another operation's line gives the same gradients: then it cannot be told which it is."""
        wanted = self.backward(u, x, y, fault)
        for node, (operation, arguments) in enumerate(self.rows, start=2):
            for position in range(len(arguments)):
                if operation.line != line or (len(arguments) > 1 and fault.name == "at the output"):
                    continue
                found = self.backward(u, x, y, Fault(fault.name, node, position))
                if all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found, wanted, strict=True)):
                    return True
        return False


def planted(rng):
    """An expression, a point and a fault that changes a gradient there; None where the draw gives none."""
    expression = Expression(rng)
    x, y, u = rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    node = int(rng.integers(2, len(expression.rows) + 2))
    arguments = expression.rows[node - 2][1]
    fault = Fault(str(rng.choice(list(FAULTS))), node, int(rng.integers(len(arguments))))
    if len(arguments) > 1 and fault.name == "at the output":
        return None
    with np.errstate(all="ignore"):
        right, wrong = expression.backward(u, x, y), expression.backward(u, x, y, fault)
    if not all(np.isfinite(a).all() and np.max(np.abs(a)) < 1e3 for a in (*right, *wrong)):
        return None
    # What is zero but for rounding is not changed by a fault.
    if not any(np.max(np.abs(a - b)) > 1e-6 * max(np.max(np.abs(a)), 1e-6) for a, b in zip(right, wrong, strict=True)):
        return None
    return expression, fault, (u, x, y)


def test_a_planted_fault_is_flagged_and_named_at_its_line():
    cases, told, right, strange = 0, 0, 0, []
    rng = np.random.default_rng(8)
    while cases < CASES:
        case = planted(rng)
        if case is None:
            continue
        cases += 1
        expression, fault, (u, x, y) = case
        line = expression.rows[fault.node - 2][0].line

        def backward(upstream, x, y, expression=expression, fault=fault):
            return expression.backward(upstream, x, y, fault)

        result = gradtool.check(expression.forward, backward, inputs=[x, y])
        assert result.verdict.value == "WRONG", (cases, fault)
        for gradient in result.gradients:
            cause = gradient.cause
            if gradient.verdict is not Verdict.WRONG or cause.code not in LOCAL or cause.line is None:
                continue
            told += 1
            if cause.line == line or expression.same_elsewhere(fault, cause.line, u, x, y):
                right += 1
            else:
                strange.append((fault, line, cause.code, cause.line, cause.message))
    assert told > CASES / 2
    assert right >= 0.9 * told, strange
