"""What to say about a mistake, and what to write instead: near names, and hints for what people bring along from
Python, MATLAB and mathematics."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from gradtool.language.errors import SourceError, Span
from gradtool.language.tokens import (
    CLOSE,
    END,
    ERROR,
    NAME,
    NEWLINE,
    NUMBER,
    OPEN,
    SEPARATORS,
    TEXT,
    Token,
    describe_error,
)
from gradtool.ops import CALLS

Complaint = tuple[str, Span, str | None]

_SYNONYMS = {
    "sgn": "sign", "average": "mean", "avg": "mean", "sig": "sigmoid", "inner": "dot", "mm": "matmul",
    "bmm": "matmul", "tr": "trace", "cat": "concat", "hstack": "concat", "vstack": "stack", "inverse": "inv",
    "lse": "logsumexp", "if": "where", "ifelse": "where", "select": "where", "swapaxes": "transpose",
    "mean_squared_error": "mse", "product": "prod",
}  # fmt: skip
_MODULES = {"np", "numpy", "math", "torch", "F", "nn", "jnp", "jax", "tf", "scipy", "special", "sp", "sympy", "cmath"}
_PICKING = {"index", "slice", "take", "gather", "getitem"}
_GENERATORS = {"randn", "rand", "zeros", "ones", "full", "arange", "linspace", "eye"}


def quote(text: str) -> str:
    """The text in quotes, shortened."""
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'"


def count(n: int, one: str, many: str | None = None) -> str:
    """``1 array``, ``2 arrays``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant."""
    if len(name) > 100:
        return None  # difflib takes quadratic time
    for candidate in known:
        if candidate.casefold() == name.casefold():
            return candidate
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_function(name: str, span: Span, is_value: bool, generators: Collection[str] = ()) -> Complaint:
    """The complaint about a call of what is no function. ``is_value``: the program or the user uses it as a value.
    ``generators`` may be called here beside the operations."""
    if is_value:
        return f"{quote(name)} is a value, not a function", span, f"for a product write {name}*(...)"
    message = f"unknown function {quote(name)}"
    if name in _GENERATORS:
        return message, span, f"{name} makes values of inputs: write x here, and x={name}(...) beside the program"
    if name in _PICKING:
        return message, span, "an index is written in brackets, as in x[0] or x[1:3]"
    near = _SYNONYMS.get(name) or nearest(name, [*generators, *CALLS])
    if near:
        return message, span, f"did you mean {near}?"
    return message, span, f"for a product write {name if len(name) < 20 else 'name'}*(...)"


def attribute(operand: str, name: str | None, span: Span) -> Complaint:
    """The complaint about a dot after a value."""
    if name is None:
        return "expected T after '.'", span, "only .T, the transpose, may follow a dot"
    if operand in _MODULES:
        message = f"found {quote(f'{operand}.{name}')}, but functions have no module here"
        near = name if name in CALLS else _SYNONYMS.get(name) or nearest(name, CALLS)
        return message, span, f"write {near}(...)" if near in CALLS else None
    message = f"a value has no attribute {quote(name)}"
    if name in CALLS:
        return message, span, f"write {name}({operand if len(operand) <= 40 else '...'})"
    if name == "shape":
        return message, span, "shapes are constants here: write the numbers"
    if name in ("t", "mT", "H"):
        return message, span, "write .T for the transpose"
    return message, span, "only .T, the transpose, may follow a dot"


_BEFORE_A_VALUE = {
    "=": "write == to compare",
    ":": "a colon stands in an index only, as in x[1:3]",
    "...": "dots stand in an index only, as in x[..., 0]",
}


_WORDS = {
    "and": "multiply conditions for 'and': (x > 0)*(y > 0)",
    "or": "for 'or' write max(x > 0, y > 0)",
    "not": "write 1 - condition for 'not'",
    "if": "write where(condition, a, b)",
    "else": "write where(condition, a, b)",
    "is": "write == to compare",
    "mod": "there is no remainder; write x - y*floor(x/y)",
}
_STATEMENTS = {"import", "from", "def", "return", "for", "while", "lambda", "class", "del", "with", "print", "let"}


def _after_a_value(value: str, kind: str, found: str, in_array: bool) -> str | None:
    if found in _WORDS:
        return _WORDS[found]
    if value in _WORDS:
        return _WORDS[value]
    if value in _STATEMENTS:
        return "a program has expressions and name = expression only"
    if kind in _BEFORE_A_VALUE:
        return _BEFORE_A_VALUE[kind]
    if value in CALLS and kind in (NAME, NUMBER) and len(found) <= 40:
        return f"write {value}({found})"
    if in_array:
        return "put commas between the entries"
    if kind == "(":
        return f"for a product write {value}*(" if len(value) <= 40 else "for a product write *"
    if len(value) + len(found) <= 40:
        return f"for a product write {value}*{found}"
    return "for a product write *"


def _found(source: str, token: Token) -> str:
    kind, _, start, end = token
    if kind == END:
        return "the end of the program"
    return "the end of the line" if kind == NEWLINE else quote(source[start:end])


def expected(source: str, what: str, token: Token, hint: str | None = None) -> SourceError:
    """The complaint about a token where another was expected."""
    if token[0] in (ERROR, TEXT):
        message, span, hint = describe_error(source, token)
        return SourceError(message, source, span, hint)
    return SourceError(f"expected {what}, found {_found(source, token)}", source, token[2:], hint)


def unclosed(source: str, bracket: int) -> SourceError:
    """The complaint about a bracket at the offset ``bracket`` that nothing closes."""
    opening = source[bracket]
    return SourceError(f"'{opening}' is never closed", source, (bracket, bracket + 1), f"add '{OPEN[opening]}'")


def mismatched(source: str, token: Token, bracket: int) -> SourceError:
    """The complaint about a closing bracket that does not close the one at ``bracket`` (-1: nothing is open)."""
    closing, span = token[0], token[2:]
    if bracket < 0:
        message = f"found '{closing}' without '{CLOSE[closing]}' before it"
        return SourceError(message, source, span, "delete it, or open one")
    opening = source[bracket]
    lines = source.count("\n", bracket, span[0])
    where = f" of line {source.count(chr(10), 0, bracket) + 1}" if lines else ""
    return SourceError(f"expected '{OPEN[opening]}' to close '{opening}'{where}, found '{closing}'", source, span)


def no_operand(source: str, tokens: Sequence[Token], i: int, bracket: int) -> SourceError:
    """The complaint about token ``i``, which stands where a value should. ``bracket``: as in ``mismatched``."""
    token = tokens[i]
    hint = _BEFORE_A_VALUE.get(token[0])
    if i == 0 or tokens[i - 1][0] in SEPARATORS:
        return expected(source, "an expression", token, hint)
    previous = tokens[i - 1]
    if token[0] in SEPARATORS and bracket >= 0 and (previous[0] in OPEN or previous[0] == ","):
        return unclosed(source, bracket)
    if token[0] == previous[0] == "*":
        hint = "write ^ or ** for a power"
    elif token[0] == NEWLINE:
        hint = "inside parentheses an expression may go on in the next line"
    return expected(source, f"a value after {_found(source, previous)}", token, hint)


def no_operator(source: str, tokens: Sequence[Token], i: int, bracket: int, context: str, named: bool) -> SourceError:
    """The complaint about token ``i``, which stands where an operator should, inside a bracket of the kind ``context``.
    ``named``: the statement has its name already."""
    token, previous = tokens[i], tokens[i - 1]
    kind, _, start, end = token
    if kind != ERROR and bracket >= 0 and "\n" in source[previous[3] : start]:
        return unclosed(source, bracket)
    if kind == "=" and bracket < 0 and not named:
        return SourceError("only a name can stand before '='", source, token[2:], "write == to compare")
    closing = f"'{OPEN[source[bracket]]}'" if bracket >= 0 else "the end of the statement"
    what = f"an operator, ',' or {closing}" if bracket >= 0 and context != "group" else f"an operator or {closing}"
    hint = _after_a_value(source[previous[2] : previous[3]], kind, source[start:end], context == "array")
    return expected(source, what, token, hint)
