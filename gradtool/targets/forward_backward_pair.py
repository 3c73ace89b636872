"""Two functions, ``affine_forward`` and ``affine_backward``: forward returns an output and what backward needs of it.

Names are paired by the word in them, at either end or between: ``forward``/``backward``, ``fwd``/``bwd``, ``fprop``/``bprop``,
``forward_pass``/``backward_pass``, ``AffineForward``/``AffineBackward``. A backward without such a partner pairs with one that
lacks its ending (``batchnorm_forward`` with ``batchnorm_backward_alt``), or with the plain name (``sigmoid`` with
``sigmoid_backward``).
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping

from gradtool.targets.backward_call import is_public
from gradtool.targets.found import Found
from gradtool.targets.function_pair import FunctionPair
from gradtool.targets.scope import Function, Scope

CONVENTION = "forward-backward-pair"

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("backward_propagation", ("forward_propagation",)),
    ("backpropagation", ("forwardpropagation", "forward_propagation")),
    ("backward_pass", ("forward_pass",)),
    ("back_prop", ("forward_prop", "forward")),
    ("backprop", ("forwardprop", "fprop", "forward_prop", "forward")),
    ("Backprop", ("Forwardprop", "Fprop", "Forward")),
    ("BackProp", ("ForwardProp", "FProp", "Forward")),
    ("backward", ("forward",)),
    ("Backward", ("Forward",)),
    ("BACKWARD", ("FORWARD",)),
    ("bprop", ("fprop",)),
    ("bwd", ("fwd",)),
    ("Bwd", ("Fwd",)),
)
"""Words for a backward, the longest first, and those for its forward."""


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The pairs of a module, in order of their backwards."""
    functions = _functions(scope)
    named: set[str] = set()
    for name, backward in functions.items():
        if name in taken or not is_public(name):
            continue
        partner = _partner(
            name, {n: f for n, f in scope.functions.items() if n not in taken and is_public(n) and n != name}
        )
        if partner is None:
            continue
        forward, title = partner
        while title in named:
            title = name
        named.add(title)
        yield FunctionPair(scope, forward, backward).found(title, CONVENTION)


def _partner(name: str, functions: Mapping[str, Function]) -> tuple[Function, str] | None:
    """The forward of a backward of that name, and what to call both: the names' common part."""
    for word, partners in _WORDS:
        match = re.search(rf"(?<![a-z]){word}(?![a-z])" if word.islower() else rf"{word}(?![a-z])", name)
        if match is None:
            continue
        before, after = name[: match.start()], name[match.end() :]
        title = _joined(before, after)
        endings = [after]
        while "_" in endings[-1]:
            endings.append(endings[-1].rpartition("_")[0])
        for ending in dict.fromkeys([*endings, ""]):
            for partner in partners:
                if before + partner + ending in functions:
                    return functions[before + partner + ending], title or partner
            plain = _joined(before, ending)
            if plain and plain in functions:
                return functions[plain], title
        return None
    return None


def _joined(before: str, after: str) -> str:
    before, after = before.rstrip("_"), after.lstrip("_")
    return f"{before}_{after}" if before and after else before + after


def _functions(scope: Scope) -> dict[str, Function]:
    """The module's functions, and those it imports by name whose forward may be its own."""
    found = dict(scope.functions)
    for name, value in vars(scope.module).items():
        imported = inspect.isfunction(value) and name not in found and value.__module__ != scope.module.__name__
        if imported and any(word in name for word, _ in _WORDS):
            function = _imported(name, value)
            if function is not None:
                found[name] = function
    return found


def _imported(name: str, value: object) -> Function | None:
    if not inspect.isfunction(value):
        return None
    try:
        lines, first = inspect.getsourcelines(value)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    node = tree.body[0]
    ast.increment_lineno(node, first - 1)
    file = inspect.getsourcefile(value)
    return Function(name, value, node, file) if isinstance(node, ast.FunctionDef) and file is not None else None
