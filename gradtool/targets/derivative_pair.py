"""A function and its derivative: ``rosen`` and ``rosen_der``, ``f`` and ``grad_f``, ``sigmoid`` and ``sigmoid_prime``.

The shape of what the derivative returns tells its kind: that of the input for an elementwise derivative or the gradient of a
number, output and input for a Jacobian; gradtool multiplies with the upstream. A derivative that takes an upstream
(``relu_grad(dout, x)``) is called with one. A Hessian is checked as the Jacobian of the gradient. One function may be both:
``sigmoid(x, deriv=False)``, whose derivative may want the input or, as is usual there, the output.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from gradtool.targets.backward_call import is_public, is_upstream, named_input, returned_names, same_thing
from gradtool.targets.found import Found
from gradtool.targets.function_pair import FunctionPair
from gradtool.targets.scope import MISSING, Function, Scope, own_nodes

CONVENTION = "derivative-pair"

_UNDIVIDED = "(?i:derivative|derivate|gradient|jacobian|backprop|deriv|prime)|Grad|Jac|Der"
"""Those that are a word of their own without an underscore before them; ``polyder`` need not be of ``poly``."""
_FIRST = "derivative|derivate|gradient|jacobian|backprop|deriv|prime|grad|diff|der|jac"
_FIRST += "|Derivative|Gradient|Jacobian|Deriv|Prime|Grad|Der|Jac"
_SECOND = "second_derivative|prime_prime|hessian|hess|deriv2|prime2|der2|d2|Hessian|Hess"
_NAMES: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(rf"(?P<f>.+?)_?(?:{_SECOND})$"), 2),
    (re.compile(rf"(?:{_SECOND})_?(?:of_)?(?P<f>.+)$"), 2),
    (re.compile(rf"(?P<f>.+?)(?:_(?:{_FIRST})|(?:{_UNDIVIDED}))$"), 1),
    (re.compile(rf"(?P<f>.+?)_?(?:{_FIRST})_(?:wrt_)?(?P<of>[A-Za-z]\w*)$"), 1),
    (re.compile(rf"(?:{_FIRST})_?(?:of_)?(?P<f>.+?)(?:_wrt_(?P<of>\w+))?$"), 1),
    (re.compile(r"[dD]_?(?P<f>.+?)_?d_?(?P<of>[A-Za-z]\w*)$"), 1),
    (re.compile(r"(?P<f>.+)_d(?P<of>[A-Za-z]\w*)$"), 1),
    (re.compile(r"d_(?P<f>.+)$"), 1),
    (re.compile(r"[dD](?P<f>.+)$"), 0),
    (re.compile(r"(?P<f>.+)_d$"), 0),
)
"""How a derivative's name is made from its function's, the surest first, with the order; 0 is a first derivative that counts
only if it takes the same arguments."""
_RESPECT = re.compile(
    r"(?:with\s+respect\s+to|wrt|w\.r\.t\.?|with\s+regard\s+to)\s+(?:the\s+)?[`'\"*:$]*(\w+)[`'\"*$]*(\s*(?:,|and\b|&)\s*\w)?",
    re.I,
)
_SWITCH = re.compile(r"_?(is_?|return_?|get_?)?(deriv(e|ate|ative)?|prime|grad(ient)?)")
_WORDS = {"hessian": 2, "hess": 2, "gradient": 1, "grad": 1, "jacobian": 1, "jac": 1, "derivative": 1, "fprime": 1}
_VALUES = ("cost", "loss", "objective", "energy", "value", "f", "func", "fun", "function")


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The derivatives of a module, in order of their definition."""
    functions = {name: f for name, f in scope.functions.items() if is_public(name)}
    firsts: dict[str, Function] = {}
    later: list[tuple[Function, Function]] = []
    for name, derivative in functions.items():
        if name in taken:
            continue
        match = _function_of(derivative, functions)
        if match is None:
            continue
        function, order, of = match
        if order == 2:
            later.append((function, derivative))
        else:
            of = of or _said_to_be_of(derivative, function)
            firsts.setdefault(function.name, derivative)
            yield FunctionPair(scope, function, derivative, contracted=True, of=of).found(name, CONVENTION)
    for function, derivative in later:
        gradient = firsts.get(function.name)
        pair = FunctionPair(scope, gradient or function, derivative, contracted=True)
        missing = f"a second derivative is checked as the derivative of the first: add {function.name}_der"
        found = pair.found(derivative.name, CONVENTION, skip=None if gradient is not None else missing)
        yield replace(found, docstrings=(*found.docstrings, function.docstring))
    paired = {name for function, derivative in later for name in (function.name, derivative.name)}
    paired |= {name for function, derivative in firsts.items() for name in (function, derivative.name)}
    for name, function in functions.items():
        switch = _switch(function) if name not in taken | paired else None
        if switch is not None:
            value, derivative = _with_switch(function, switch, False), _with_switch(function, switch, True)
            yield FunctionPair(scope, value, derivative, contracted=True, switch=switch).found(name, CONVENTION)


def _switch(function: Function) -> str | None:
    """The parameter that makes a function give its derivative (``sigmoid(x, deriv=False)``); None where it has none, or gives
    more than one thing."""
    if any(len(row) != 1 for row in function.returned) or not function.returned:
        return None
    read = {n.id for n in own_nodes(function.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    switches = [
        p.name for p in function.parameters if p.default is False and _SWITCH.fullmatch(p.name) and p.name in read
    ]
    return switches[0] if len(switches) == 1 else None


def _with_switch(function: Function, switch: str, on: bool) -> Function:
    """A function without its switch, which is on or off. What comes after the switch is passed by name."""
    node = copy.deepcopy(function.node)
    a = node.args
    positional = [*a.posonlyargs, *a.args]
    place = next((i for i, arg in enumerate(positional) if arg.arg == switch), len(positional))
    defaults = [None] * (len(positional) - len(a.defaults)) + list(a.defaults)
    named = [
        *zip(positional[place + 1 :], defaults[place + 1 :], strict=True),
        *zip(a.kwonlyargs, a.kw_defaults, strict=True),
    ]
    named = [(arg, default) for arg, default in named if arg.arg != switch]
    a.posonlyargs, a.args = a.posonlyargs[:place], a.args[: max(0, place - len(a.posonlyargs))]
    a.defaults = [default for default in defaults[:place] if default is not None]
    a.kwonlyargs, a.kw_defaults = [arg for arg, _ in named], [default for _, default in named]
    return Function(function.name, partial(function.call, **{switch: on}), node, function.file)


def _function_of(derivative: Function, functions: Mapping[str, Function]) -> tuple[Function, int, str | None] | None:
    """The function that this is a derivative of by its name, the order, and the parameter that the name says."""
    name = derivative.name
    for pattern, order in _NAMES:
        match = pattern.match(name)
        if match is None:
            continue
        groups = match.groupdict()
        function = next((functions[n] for n in _spellings(groups["f"]) if n in functions and n != name), None)
        if function is None:
            continue
        of = groups.get("of")
        if of is not None:
            of = same_thing(of, [p.name for p in function.parameters])
            if of is None:
                continue
        if order == 0 and not _same_arguments(function, derivative):
            continue
        return function, max(order, 1), of
    for word, order in _WORDS.items():
        if re.search(rf"(?<![a-z]){word}(?![a-z])", name):
            for value in _VALUES:
                function = functions.get(name.replace(word, value, 1))
                if function is not None and _same_arguments(function, derivative):
                    return function, order, None
            return None
    return None


def _said_to_be_of(derivative: Function, function: Function) -> str | None:
    """The one parameter that the docstring says a derivative is with respect to, where the source names none."""
    inputs = [p.name for p in function.parameters]
    named = [named_input(name, inputs) for row in returned_names(derivative) for name in row if name is not None]
    said = {match[1] if match[2] is None else "" for match in _RESPECT.finditer(derivative.docstring)}
    if any(named) or len(said) != 1:
        return None
    only = said.pop()
    return only if only in inputs else None


def _spellings(name: str) -> tuple[str, ...]:
    """``dSigmoid`` is of ``sigmoid`` as well."""
    return tuple(dict.fromkeys((name, name.rstrip("_"), name[:1].lower() + name[1:])))


def _same_arguments(function: Function, derivative: Function) -> bool:
    """Whether both take parameters of the same names, or the same number of them, an upstream aside."""
    wanted = [p.name for p in function.parameters if p.default is MISSING]
    given = [
        p.name for p in derivative.parameters if p.default is MISSING and (p.name in wanted or not is_upstream(p.name))
    ]
    return bool(wanted) and (set(given) == set(wanted) or len(given) == len(wanted) == 1)
