"""The textbook walk: each step of a program as a lecture writes it on the board, with the formula of each local derivative."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from gradtool.graph import CONSTANT, INPUT, Graph
from gradtool.language import expressions
from gradtool.ops import REGISTRY, Operation
from gradtool.references.formulas import Unsupported, formulas
from gradtool.references.scalars import SymPySpace
from gradtool.results import LocalFormula, StepText, Walk

MOST_FIGURES = 6
"""An array of more entries is not written in place of its name."""
LONGEST_FORMULA = 60
"""A formula of more characters than this, as SymPy writes it, gives way to the one of the declaration."""
MOST_BY_SYMPY = 5_000
"""In a program of more nodes, which nobody reads to its end, all formulas are those of the declarations: SymPy takes long."""
DIGITS = 6
OUTPUT = "f"
"""What the output is called where it has no name of its own."""

GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
))  # fmt: skip
LATEX_FUNCTIONS: Mapping[str, str] = {
    **dict.fromkeys(("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "det"), ""),
    "asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan",
}  # fmt: skip
"""Functions that LaTeX has a command for, where that is not the name itself behind a backslash."""
INFIX: Mapping[str, str] = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": r"{0} \cdot {1}", "divide": r"\frac{{{0}}}{{{1}}}",
    "matmul": r"{0} \, {1}", "power": "{0}^{{{1}}}", "less": "{0} < {1}", "less_equal": r"{0} \le {1}",
    "greater": "{0} > {1}", "greater_equal": r"{0} \ge {1}", "equal": "{0} = {1}", "not_equal": r"{0} \ne {1}",
}  # fmt: skip


def walk(graph: Graph, values: Sequence[Any], live: Sequence[Any]) -> Walk:
    """The steps of a program and the formulas of its local derivatives. ``values`` are those of ``forward``; ``live[i]`` is
    whether a gradient flows through node i."""
    labels = _labels(graph)
    texts = expressions(replace(graph, names=labels))
    written = _figures(values, labels)
    figures = expressions(replace(graph, names=written))
    steps, found = [], []
    for node in graph:
        i = node.id
        latex_operands = [_latex_name(labels[a]) if a in labels else _latex_constant(values[a]) for a in node.arguments]
        is_step = bool(node.arguments)
        shown = is_step and figures[i] != texts[i] and len(figures[i]) <= 2 * LONGEST_FORMULA
        label = labels.get(i, texts[i])
        latex = _latex_name(label)
        steps.append(
            StepText(
                node=i,
                label=label,
                text=texts[i],
                figures=figures[i] if shown else None,
                latex=_latex_step(node.operation, latex_operands, texts[i]) if is_step else latex,
                latex_figures=_latex_step(node.operation, _latex_figures(node.arguments, values, labels), texts[i])
                if shown
                else None,
                latex_label=latex,
            )
        )
        if is_step and live[i]:
            operation = REGISTRY[node.operation]
            operands = [labels.get(a) or texts[a] for a in node.arguments]
            found += [
                _formula(
                    operation,
                    i,
                    k,
                    operands,
                    latex_operands,
                    [values[a] for a in node.arguments],
                    frozenset(j for j, a in enumerate(node.arguments) if a not in labels),
                    node.parameters,
                    by_sympy=len(graph) <= MOST_BY_SYMPY,
                )
                for k, a in enumerate(node.arguments)
                if live[a]
            ]
    return Walk(tuple(steps), tuple(found))


# Names and figures -------------------------------------------------------------------------------------------------


def _labels(graph: Graph) -> dict[int, str]:
    """What every node but constants is called: by its name where no other has it, else ``n4`` (``n4_`` where that is the name of
    another); the output ``f``."""
    uses: dict[str, int] = {}
    for used in graph.names.values():
        uses[used] = uses.get(used, 0) + 1
    labels = {}
    for i, operation in enumerate(graph.operations):
        name = graph.names.get(i)
        if name is not None and uses[name] == 1:
            labels[i] = name
        elif operation != CONSTANT:
            labels[i] = next(free for free in (f"n{i}{'_' * k}" for k in count()) if free not in uses)
    if (
        graph.output not in graph.names
        and OUTPUT not in uses
        and graph.operations[graph.output] not in (INPUT, CONSTANT)
    ):
        labels[graph.output] = OUTPUT
    return labels


def _figures(values: Sequence[Any], labels: Mapping[int, str]) -> dict[int, str]:
    """Every node's value in place of its name, where it can be written shortly; a negative one in parentheses."""
    written = {}
    for i, label in labels.items():
        array = np.asarray(values[i])
        if array.ndim == 0:
            written[i] = _figure(float(array))
        elif array.size <= MOST_FIGURES and array.ndim == 1:
            written[i] = "[" + ", ".join(f"{float(x):.{DIGITS}g}" for x in array) + "]"
        else:
            written[i] = label
    return written


def _figure(value: float, *, alone: bool = False) -> str:
    """A number in a formula: a negative one in parentheses, unless it stands alone."""
    text = f"{value:.{DIGITS}g}"
    return f"({text})" if text.startswith("-") and not alone else text


def _latex_figures(arguments: Sequence[int], values: Sequence[Any], labels: Mapping[int, str]) -> list[str]:
    """The operands of a node by their values, where these can be written shortly."""
    found = []
    for a in arguments:
        array = np.asarray(values[a])
        if array.ndim == 0 and array.dtype.kind in "fiub":
            found.append(_latex_constant(array))
        elif array.ndim == 1 and array.size <= MOST_FIGURES:
            found.append(rf"\left[{', '.join(_latex_constant(x) for x in array)}\right]")
        else:
            found.append(_latex_name(labels[a]) if a in labels else _latex_constant(array))
    return found


# Formulas of local derivatives -------------------------------------------------------------------------------------


def _formula(
    operation: Operation,
    node: int,
    position: int,
    operands: Sequence[str],
    latex: Sequence[str],
    values: Sequence[Any],
    constants: frozenset[int],
    parameters: Mapping[str, Any],
    *,
    by_sympy: bool,
) -> LocalFormula:
    """``constants`` are the positions of the operands that are."""
    if not operation.elementwise:
        rule = operation.rule_of(position, [np.shape(value) for value in values])
        names = _operand_names(operation, operands)
        text = rule.format_map({**names, "upstream": "upstream", "out": "out"})
        return LocalFormula(node, position, text, _latex_rule(text))
    declared = _declared(operation, position, operands)
    known = {k: float(values[k]) for k in constants if np.ndim(values[k]) == 0}
    exact = _by_sympy(operation, position, operands, latex, known, parameters) if by_sympy else None
    if _is_words(declared):  # It says what holds where; which it is here is in the figure.
        text, in_latex = exact if exact is not None else ("", "")
        return LocalFormula(node, position, text, in_latex, "" if exact is not None else declared)
    if exact is None:
        return LocalFormula(node, position, declared, _latex_text(declared))
    text, in_latex = exact
    formula, _, where = declared.partition(WITH)
    simpler = len(formula) <= len(text) and not operation.variadic
    return LocalFormula(node, position, formula if simpler else text, in_latex, where if simpler else "")


WITH = " with "


def _is_words(declared: str) -> bool:
    """Whether a derivative is told in words: ``1 if x>0, else 0``."""
    return re.search(r"(?<!\w)(if|for|where|else|or)(?!\w)", declared) is not None


def _operand_names(operation: Operation, operands: Sequence[str]) -> dict[str, str]:
    """Operands by what a rule calls them: the declaration's names, and ``a0``, ``a1``, ..."""
    names = {f"a{k}": operand for k, operand in enumerate(operands)}
    names |= {argument.name: operand for argument, operand in zip(operation.arguments, operands, strict=False)}
    return names


def _declared(operation: Operation, position: int, operands: Sequence[str]) -> str:
    """The declared derivative for one argument, with the operands' names."""
    text = _part(operation, position)
    names = {argument.name: operand for argument, operand in zip(operation.arguments, operands, strict=False)}
    found = _renamed(text, names)
    if re.search(r"(?<!\w)s(?!\w)", found) and "s" not in names:
        of_what = re.search(r"sigmoid\(([^()]*)\)", operation.formula)
        found += f"{WITH}s = sigmoid({_renamed(of_what[1], names) if of_what else operands[0]})"
    return found


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """A declaration's text with operands by other names. A letter is an operand where it is no part of a word: in 2x and x², not
    in exp."""
    return re.sub(rf"(?<!{LETTER}){LETTER}+", lambda m: _wrapped(names[m[0]]) if m[0] in names else m[0], text)


def _part(operation: Operation, position: int) -> str:
    """Of ``1/b and -a/b²; by c a`` what is meant for one argument: in order, but for those that are named. All of it, where
    the declaration does not tell."""
    first, *others = operation.derivative.split("; ")
    names = [argument.name for argument in operation.arguments]
    named = {
        words[1]: words[2]
        for words in (other.split(" ", 2) for other in others)
        if words[0] == "by" and len(words) == 3
    }
    if operation.variadic or len(named) < len(others):
        return operation.derivative
    if names[position] in named:
        return named[names[position]]
    parts = first.split(" and ")
    return parts[position] if len(parts) == len(names) - len(named) else operation.derivative


LETTER = r"[^\W\d_²³]"


def _wrapped(operand: str) -> str:
    return operand if re.fullmatch(r"[\w.]+", operand) else f"({operand})"


def _by_sympy(
    operation: Operation,
    position: int,
    operands: Sequence[str],
    latex: Sequence[str],
    known: Mapping[int, float],
    parameters: Mapping[str, Any],
) -> tuple[str, str] | None:
    """SymPy's derivative as text and LaTeX; None where it is long, or SymPy has none. ``known`` are operands that are numbers."""
    if operation.symbolic is None:
        return None
    sympy = formulas().sympy
    symbols = [sympy.Symbol(f"operand{k}", real=True) for k in range(len(operands))]
    constants: dict[Any, float] = {}

    def symbol_for(value: float) -> Any:
        symbol = sympy.Symbol(f"constant{len(constants)}", real=True)
        constants[symbol] = value
        return symbol

    try:
        space = SymPySpace(symbol_for)
        given = [space.number(known[k]) if k in known and k != position else symbol for k, symbol in enumerate(symbols)]
        expression = operation.symbolic(space, *given, **parameters)
        slope = sympy.diff(expression, symbols[position])
    except Unsupported:
        return None
    if any(type(part).__module__.startswith("gradtool.") for part in slope.atoms(sympy.Function)):
        return None  # A branch, a comparison: nothing that a formula says.
    if operation.name == "power":
        slope = sympy.powsimp(slope)
    # Numbers that SymPy was to leave alone get their values, and operands their names, as symbols that nothing is done to.
    shown = {symbol: sympy.Symbol(operand) for symbol, operand in zip(symbols, operands, strict=True)}
    shown |= {symbol: sympy.Symbol(_figure(value, alone=symbol == slope)) for symbol, value in constants.items()}
    text = str(slope.xreplace(shown)).replace("**", "^")
    if len(text) > LONGEST_FORMULA:
        return None
    names = dict(zip(symbols, latex, strict=True)) | {
        symbol: _latex_constant(value) if symbol == slope else _grouped(_latex_constant(value))
        for symbol, value in constants.items()
    }
    return text, sympy.latex(slope, symbol_names=names)


# LaTeX ---------------------------------------------------------------------------------------------------------------


def _latex_name(name: str) -> str:
    """A name as mathematics writes it: ``theta`` as a letter, ``W1`` and ``z_in`` with an index."""
    stem, rest = name, ""
    if match := re.fullmatch(r"([^\W\d_]+)_?(\d+)", name):
        stem, rest = match[1], match[2]
    elif match := re.fullmatch(r"([^\W\d_]+)_(\w+)", name):
        stem, rest = match[1], rf"\text{{{_escaped(match[2])}}}"
    if stem in GREEK:
        shown = f"\\{stem}"
    elif len(stem) == 1 and stem.isalpha():
        shown = stem
    else:
        shown = rf"\mathit{{{_escaped(stem)}}}"
    return f"{shown}_{{{rest}}}" if rest else shown


def _latex_constant(value: Any) -> str:
    array = np.asarray(value)
    if array.ndim == 0:
        text = f"{float(array):.{DIGITS}g}"
        mantissa, e, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text.replace("inf", r"\infty")
    return rf"\text{{constant of shape {tuple(array.shape)}}}"


def _latex_step(operation: str, operands: Sequence[str], text: str) -> str:
    """One operation of operands that have names."""
    if operation in INFIX:
        left = _base(operands[0]) if operation == "power" else _grouped(operands[0])
        return INFIX[operation].format(left, _grouped(operands[1]))
    if operation == "negative":
        return f"-{_grouped(operands[0])}"
    if operation == "transpose" and text.endswith(".T"):
        return rf"{operands[0]}^{{\top}}"
    if operation == "sqrt":
        return rf"\sqrt{{{operands[0]}}}"
    if operation == "abs":
        return rf"\left|{operands[0]}\right|"
    if operation == "square":
        return f"{_base(operands[0])}^{{2}}"
    if operation == "index":
        return rf"{{{operands[0]}}}_{{\text{{{_escaped(text[text.rindex('[') :])}}}}}"
    called = REGISTRY[operation].call or operation
    name = LATEX_FUNCTIONS.get(called)
    shown = rf"\mathrm{{{_escaped(called)}}}" if name is None else name or f"\\{called}"
    return rf"{shown}\left({', '.join(operands)}\right)"


def _grouped(operand: str) -> str:
    return rf"\left({operand}\right)" if operand.startswith("-") else operand


def _base(operand: str) -> str:
    """What a power is taken of: LaTeX takes no power of ``10^{3}`` as it stands."""
    return rf"\left({operand}\right)" if operand.startswith("-") or "^" in operand else operand


_RULE = re.compile(r"upstream|[^\W\d]\w*|\.T\b|@|\*|\^|\d+(?:\.\d+)?|\s+|.")


def _latex_rule(rule: str) -> str:
    """A vector-Jacobian product: a formula where it is one (``upstream @ W.T``), else words."""
    if re.search(r"[^\W\d_]{2,} [^\W\d_]{2,}", rule):
        return _latex_text(rule)
    parts = []
    for part in _RULE.findall(rule):
        if part == "upstream":
            parts.append(r"\bar{g}")
        elif part == ".T":
            parts.append(r"^{\top}")
        elif part == "@":
            parts.append(r"\,")
        elif part == "*":
            parts.append(r"\odot")
        elif re.match(r"[^\W\d]", part):
            parts.append(_latex_name(part) if not _is_function(part) else rf"\mathrm{{{_escaped(part)}}}")
        else:
            parts.append(part if not part.isspace() else " ")
    return "".join(parts)


def _is_function(part: str) -> bool:
    return part in (
        "sum",
        "mean",
        "inv",
        "solve",
        "softmax",
        "outer",
        "sign",
        "norm",
        "clip",
        "max",
        "min",
        "log",
        "sqrt",
    )


_ESCAPES: Mapping[str, str] = {
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "^": r"\^{}",
    "~": r"\sim ", "<": r"\lt ", ">": r"\gt ",
}  # fmt: skip


def _escaped(text: str) -> str:
    """Text for ``\\text{}`` and ``\\mathrm{}``."""
    return "".join(_ESCAPES.get(character, character) for character in text)


_RAISED = re.compile(r"(²|³|\^\([^()]*\)|\^-?\w+)")


def _latex_text(text: str) -> str:
    """Words, with powers raised."""
    found = ""
    for position, part in enumerate(_RAISED.split(text)):
        if position % 2:
            power = {"²": "2", "³": "3"}.get(part) or rf"\text{{{_escaped(part.removeprefix('^').strip('()'))}}}"
            found += f"{'' if found else '{}'}^{{{power}}}"
        elif part:
            found += rf"\text{{{_escaped(part)}}}"
    return found
