"""Forms that overflow or lose digits, each with an equivalent that does not, and how they are found in a graph.

A form and its equivalent are programs with the same inputs. Whatever a name stands for must be the same at each place; factors
and terms may stand in either order, and a square may be written as ``x^2``, ``x*x`` or ``square(x)``. Parameters (an axis) that
an operation of the equivalent knows too are handed on to it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff import Plan, forward, make_plan
from gradtool.graph import CONSTANT, INPUT, Graph, GraphBuilder
from gradtool.language import SourceError, expression, parse
from gradtool.language.printer import LIMIT
from gradtool.ops import REGISTRY

Array = NDArray[Any]


class Form(NamedTuple):
    """Two programs that mean the same: what people write, and what to write."""

    written: str
    stable: str
    usual: bool = False
    """Whether it is in everyday use where nothing is lost by it, so that it is not worth a word where nothing is."""


FORMS = (
    Form("-mean(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))", "bce_with_logits(z, y)"),
    Form("-(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))", "bce_with_logits(z, y, reduction=none)"),
    Form("-y*log(sigmoid(z)) - (1 - y)*log(1 - sigmoid(z))", "bce_with_logits(z, y, reduction=none)"),
    Form("-sum(y*log(softmax(z)))", "cross_entropy(z, y, reduction=sum)"),
    Form("log(sum(exp(x)))", "logsumexp(x)"),
    Form("log(exp(x) + exp(y))", "max(x, y) + log1p(exp(-abs(x - y)))"),
    Form("log(softmax(x))", "log_softmax(x)"),
    Form("log(sigmoid(x))", "logsigmoid(x)"),
    Form("log(1/(1 + exp(-x)))", "logsigmoid(x)"),
    Form("log(1 - sigmoid(x))", "logsigmoid(-x)"),
    Form("log(1 + exp(x))", "softplus(x)"),
    Form("log1p(exp(x))", "softplus(x)"),
    Form("log(1 - exp(x))", "log(-expm1(x))"),
    Form("log(abs(det(A)))", "slogdet(A)"),
    Form("log(det(A))", "slogdet(A)"),
    Form("log(1 + x)", "log1p(x)"),
    Form("log(1 - x)", "log1p(-x)"),
    Form("log(prod(x))", "sum(log(x))"),
    Form("exp(x)/sum(exp(x))", "softmax(x)"),
    Form("exp(x)/(1 + exp(x))", "sigmoid(x)"),
    Form("1/(1 + exp(-x))", "sigmoid(x)"),
    Form("(exp(x) - exp(-x))/(exp(x) + exp(-x))", "tanh(x)"),
    Form("(exp(x) - exp(-x))/2", "sinh(x)"),
    Form("exp(x)/exp(y)", "exp(x - y)"),
    Form("exp(x) - 1", "expm1(x)"),
    Form("1 - exp(x)", "-expm1(x)"),
    Form("sigmoid(x)*(1 - sigmoid(x))", "sigmoid(x)*sigmoid(-x)", usual=True),
    Form("1 - sigmoid(x)", "sigmoid(-x)", usual=True),  # The other share of a gate.
    Form("1 - tanh(x)^2", "1/cosh(x)^2", usual=True),
    Form("1 - erf(x)", "erfc(x)"),
    Form("1 - cos(x)", "2*sin(x/2)^2"),
    Form("sqrt(x^2 + y^2)", "hypot(x, y)"),
    Form("sqrt(sum(x^2))", "norm(x)"),
    Form("sqrt(dot(x, x))", "norm(x)"),
    Form("sqrt(1 + x) - 1", "x/(sqrt(1 + x) + 1)"),
    Form("sqrt(x + 1) - sqrt(x)", "1/(sqrt(x + 1) + sqrt(x))"),
    Form("mean(x^2) - mean(x)^2", "var(x)"),
    Form("x^2 - y^2", "(x - y)*(x + y)"),
    Form("inv(A)@b", "solve(A, b)"),
)
"""Of two that fit the same node the larger one is taken."""

_COMMUTATIVE = frozenset(("add", "multiply"))
_SAME_WITHIN = 1e-6
_WRAPPED = 6
_DRAWS = 4
_LONGEST = 10_000
_FEW = 12


class Match(NamedTuple):
    """A form found in a graph: ``operands`` has a node for each of its names, ``inner`` the operations that make it up,
    ``parameters`` what is handed on to the equivalent."""

    form: Form
    root: int
    operands: Mapping[str, int]
    inner: frozenset[int]
    parameters: tuple[tuple[str, Any], ...]


class _Bound(NamedTuple):
    nodes: Mapping[int, int]
    parameters: Mapping[str, Any]


@cache
def _graphs(form: Form) -> tuple[Graph, Graph]:
    return parse(form.written), parse(form.stable)


@cache
def _by_root() -> dict[str, list[Form]]:
    """The forms by their last operation, the largest first."""
    found: dict[str, list[Form]] = {}
    for form in sorted(FORMS, key=lambda form: -len(_graphs(form)[0])):
        graph = _graphs(form)[0]
        found.setdefault(graph.operations[graph.output], []).append(form)
    return found


class _Anything:
    """What the argument of a form may be where the form has a name."""

    def __contains__(self, operation: object) -> bool:
        return True


@cache
def _first_look(form: Form) -> tuple[tuple[Container[str], ...], ...]:
    """The operations that the arguments of the last one can be, in each order: most nodes need no other look."""
    pattern = _graphs(form)[0]
    order: list[Container[str]] = []
    for a in pattern.arguments[pattern.output]:
        if pattern.operations[a] == INPUT:
            order.append(_Anything())
        else:
            order.append({pattern.operations[a], *(("square", "multiply") if _is_square(pattern, a) else ())})
    orders = (tuple(order), tuple(order[::-1]))
    return orders if pattern.operations[pattern.output] in _COMMUTATIVE else orders[:1]


def roots() -> frozenset[str]:
    """The operations in which a form can end."""
    return frozenset(_by_root())


def match(graph: Graph, root: int) -> Iterator[Match]:
    """The forms that node ``root`` has, the largest first."""
    below = tuple([graph.operations[a] for a in graph.arguments[root]])
    for form in _by_root().get(graph.operations[root], ()):
        if not any(all(b in one for b, one in zip(below, order, strict=False)) for order in _first_look(form)):
            continue
        pattern, stable = _graphs(form)
        known = frozenset(p.name for name in stable.operations if name in REGISTRY for p in REGISTRY[name].parameters)
        for bound in _matches(pattern, pattern.output, graph, root, _Bound({}, {}), known):
            operands = {name: bound.nodes[p] for name, p in pattern.inputs.items()}
            if not any(_shifted(graph, n) for n in operands.values()):
                inner = frozenset(n for p, n in bound.nodes.items() if pattern.operations[p] not in (INPUT, CONSTANT))
                yield Match(form, root, operands, inner, tuple(sorted(bound.parameters.items())))
                break


def _matches(pattern: Graph, p: int, graph: Graph, n: int, bound: _Bound, known: frozenset[str]) -> Iterator[_Bound]:
    """The ways to lay node ``p`` of the pattern on node ``n``, given what is ``bound`` so far."""
    operation = pattern.operations[p]
    if operation == INPUT:
        if p not in bound.nodes:
            yield bound._replace(nodes={**bound.nodes, p: n})
        elif _same(graph, bound.nodes[p], n):
            yield bound
        return
    if operation == CONSTANT:
        if graph.operations[n] == CONSTANT:
            value = graph.parameters[n]["value"]
            if np.ndim(value) == 0 and value == pattern.parameters[p]["value"]:
                yield bound
        return
    taken = _parameters(pattern, p, graph, n, bound.parameters, known)
    if taken is None:
        return
    bound = _Bound({**bound.nodes, p: n}, taken)
    sources = pattern.arguments[p]
    for arguments in _arguments(pattern, p, graph, n):
        found = [bound]
        for source, argument in zip(sources, arguments, strict=True):
            if argument is None:  # The 2 of a square that is written without one.
                continue
            found = [b for before in found for b in _matches(pattern, source, graph, argument, before, known)]
        yield from found


def _arguments(pattern: Graph, p: int, graph: Graph, n: int) -> list[tuple[int | None, ...]]:
    """The arguments of node ``n`` in the order or orders in which they may stand for those of ``p``."""
    wanted, there, arguments = pattern.operations[p], graph.operations[n], graph.arguments[n]
    if wanted == there:
        if len(arguments) != len(pattern.arguments[p]):
            return []
        return [arguments, arguments[::-1]] if wanted in _COMMUTATIVE else [arguments]
    squared = there == "square" or (there == "multiply" and arguments[0] == arguments[1])
    return [(arguments[0], None)] if squared and _is_square(pattern, p) else []


def _is_square(pattern: Graph, p: int) -> bool:
    if pattern.operations[p] != "power":
        return False
    exponent = pattern.arguments[p][1]
    return pattern.operations[exponent] == CONSTANT and pattern.parameters[exponent]["value"] == 2.0


def _parameters(
    pattern: Graph, p: int, graph: Graph, n: int, taken: Mapping[str, Any], known: frozenset[str]
) -> Mapping[str, Any] | None:
    """What is handed on, with the parameters of node ``n``; None where they do not go with the pattern."""
    if pattern.operations[p] != graph.operations[n]:
        return taken
    result = dict(taken)
    defaults = {parameter.name: parameter.default for parameter in REGISTRY[pattern.operations[p]].parameters}
    for name, default in defaults.items():
        value = graph.parameters[n].get(name, default)
        if name in known:
            if name in result and repr(result[name]) != repr(value):
                return None
            result[name] = value
        elif name != "keepdims" and repr(value) != repr(pattern.parameters[p].get(name, default)):
            return None
    return result


def _same(graph: Graph, a: int, b: int) -> bool:
    """Whether two nodes compute the same in the same way; of large ones only whether they are one node."""
    pending, seen = [(a, b)], 0
    while pending:
        a, b = pending.pop()
        if a == b:
            continue
        seen += 1
        if seen > 2 * _FEW or graph.operations[a] != graph.operations[b] or graph.operations[a] == INPUT:
            return False
        if len(graph.arguments[a]) != len(graph.arguments[b]) or len(graph.arguments[a]) > _FEW:
            return False
        if graph.operations[a] == CONSTANT and np.size(graph.parameters[a]["value"]) > _FEW:
            return False
        if repr(graph.parameters[a]) != repr(graph.parameters[b]):
            return False
        pending += zip(graph.arguments[a], graph.arguments[b], strict=True)
    return True


_WRAPPERS = frozenset(("reshape", "expand_dims", "squeeze", "broadcast_to", "transpose", "index"))


def _shifted(graph: Graph, n: int) -> bool:
    """Whether node ``n`` is ``x - max(x)``: then somebody has thought of overflow already."""
    if graph.operations[n] != "subtract":
        return False
    x, largest = graph.arguments[n]
    for _ in range(_WRAPPED):
        if graph.operations[largest] not in _WRAPPERS:
            break
        largest = graph.arguments[largest][0]
    return graph.operations[largest] == "reduce_max" and _same(graph, graph.arguments[largest][0], x)


# The equivalent, as text and as numbers.


def texts(graph: Graph, found: Match) -> tuple[str, str]:
    """The form as the program has it, names that stand for a part of it written out; and its equivalent, with the
    program's own operands."""
    builder = GraphBuilder()
    written = builder.finish(_copied(graph, found.root, builder, found.inner))
    return _whole(written), _stable_text(graph, found)


def _stable_text(graph: Graph, found: Match) -> str:
    builder = GraphBuilder()
    new: list[int] = []
    for node in _with_parameters(_graphs(found.form)[1], dict(found.parameters)):
        if node.operation == INPUT:
            new.append(_copied(graph, found.operands[node.name or ""], builder))
        elif node.operation == CONSTANT:
            new.append(builder.constant(node.parameters["value"]))
        else:
            new.append(builder.add(node.operation, [new[a] for a in node.arguments], node.parameters))
    return _whole(builder.finish(new[_graphs(found.form)[1].output]))


def _whole(graph: Graph) -> str:
    """The text of a small graph, its nodes all written out: their labels would mean nothing in the program."""
    return expression(graph, graph.output, limit=_LONGEST)


def _copied(graph: Graph, n: int, builder: GraphBuilder, inner: frozenset[int] = frozenset()) -> int:
    """Node ``n`` of the program in the graph of a text: by its name, else written out, or by its label where it is long.
    Nodes in ``inner`` are written out in any case."""
    if n in inner:
        arguments = [_copied(graph, a, builder, inner) for a in graph.arguments[n]]
        return builder.add(graph.operations[n], arguments, graph.parameters[n])
    if n not in graph.names and _is_short(graph, n):
        return _written_out(graph, n, builder)
    return builder.input(graph.names.get(n, f"n{n}"))


def _written_out(graph: Graph, n: int, builder: GraphBuilder) -> int:
    if n in graph.names:
        return builder.input(graph.names[n])
    if graph.operations[n] == CONSTANT:
        return builder.constant(graph.parameters[n]["value"])
    arguments = [_written_out(graph, a, builder) for a in graph.arguments[n]]
    return builder.add(graph.operations[n], arguments, graph.parameters[n])


def _is_short(graph: Graph, n: int) -> bool:
    """Whether the text of node ``n``, all written out, has no more than ``LIMIT`` characters."""
    pending, size = [n], 0
    while pending:
        size += 1
        part = pending.pop()
        if size > LIMIT or np.size(graph.parameters[part].get("value", 0.0)) > LIMIT:
            return False
        if part not in graph.names:
            pending += graph.arguments[part][: LIMIT + 1]
    builder = GraphBuilder()
    return len(_whole(builder.finish(_written_out(graph, n, builder)))) <= LIMIT


def _handed_on(operation: str, own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an operation with what is handed on in place of its own; no axis stays no axis where it needs one."""
    kinds = {p.name: p.kind for p in REGISTRY[operation].parameters}
    taken = {k: v for k, v in given.items() if k in kinds and not (v is None and kinds[k] == "int")}
    return {**own, **taken}


def _with_parameters(program: Graph, found_parameters: Mapping[str, Any]) -> Graph:
    parameters = [
        row if operation in (INPUT, CONSTANT) else _handed_on(operation, row, found_parameters)
        for operation, row in zip(program.operations, program.parameters, strict=True)
    ]
    return Graph(
        program.source, program.operations, program.arguments, parameters, program.names, program.starts, program.ends,
        program.inputs, program.bindings, program.output,
    )  # fmt: skip


class Equivalents:
    """The equivalents of matches, planned once for each form, shapes and parameters."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._plans: dict[Any, Plan | None] = {}

    def value(self, found: Match, operands: Mapping[str, Any], shape: tuple[int, ...]) -> Array | None:
        """The equivalent's value at these operands; None where it does not take them or is no equivalent for them (its
        parameters would mean something else here), which random operands of the same shapes show."""
        key = (found.form, repr(found.parameters), tuple(np.shape(v) for v in operands.values()))
        if key not in self._plans:
            self._plans[key] = self._planned(found, operands, shape)
        plan = self._plans[key]
        if plan is None:
            return None
        arrays = {name: np.asarray(value, dtype=self._dtype) for name, value in operands.items()}
        return np.asarray(forward(plan, arrays)[plan.graph.output])

    def _planned(self, found: Match, operands: Mapping[str, Any], shape: tuple[int, ...]) -> Plan | None:
        written, stable = (_with_parameters(g, dict(found.parameters)) for g in _graphs(found.form))
        rng = np.random.default_rng(0)

        def draw() -> dict[str, Array]:
            return {name: rng.uniform(0.2, 0.9, np.shape(value)) for name, value in operands.items()}

        drawn = draw()
        try:
            plans = [make_plan(program, drawn) for program in (written, stable)]
            plan = make_plan(stable, drawn, dtype=self._dtype)
        except SourceError:
            return None
        if plan.output_shape != shape:
            return None
        agreed = False
        for sign in (1.0, -1.0) * _DRAWS:
            at = {name: sign * value for name, value in draw().items()}
            ours, theirs = (np.asarray(forward(p, at)[p.graph.output]) for p in plans)
            both = np.isfinite(ours) & np.isfinite(theirs)
            if not np.allclose(ours[both], theirs[both], rtol=_SAME_WITHIN, atol=_SAME_WITHIN):
                return None
            agreed = agreed or bool(both.any())
        return plan if agreed else None
