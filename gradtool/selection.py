"""Which targets to check: the expression of ``-k``, the part of a ``TARGET`` after ``::``.

An expression is read as pytest reads its own: words, ``and``, ``or``, ``not`` and parentheses; a word selects the ids
that contain it, whatever the case. Grammar::

    expression = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation = {"not"} (word | "(" expression ")")
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_TOKEN = re.compile(r"\s*(?:([()])|([\w:+\-.\[\]\\/*?,<>=]+))")
_PRECEDENCE = {"or": 1, "and": 2, "not": 3}


class SelectionError(ValueError):
    """An expression that cannot be read; the message says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of ``-k`` in postfix order: a word is a pair ``("", word)``, an operator ``(operator, "")``."""

    steps: tuple[tuple[str, str], ...]

    def matches(self, name: str) -> bool:
        """Whether the expression holds for an id. An empty expression holds for all."""
        name = name.casefold()
        stack: list[bool] = []
        for operator, word in self.steps:
            if operator == "":
                stack.append(word in name)
            elif operator == "not":
                stack.append(not stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append((left and right) if operator == "and" else (left or right))
        return stack[0] if stack else True


@dataclass(frozen=True, slots=True)
class Selection:
    """The targets that are wanted. ``names`` are patterns for the part of an id after ``::``; without any, all are."""

    names: tuple[str, ...] = ()
    expression: Expression = Expression(())

    def matches(self, target_id: str) -> bool:
        """Whether the target of that id is wanted."""
        name = target_id.rpartition("::")[2]
        return self.expression.matches(target_id) and (not self.names or any(named(name, p) for p in self.names))


def named(name: str, pattern: str) -> bool:
    """Whether a name is the pattern, or matches it as a file name would (``*``, ``?``, ``[...]``)."""
    return name == pattern or fnmatchcase(name, pattern)


def parse_expression(text: str) -> Expression:
    """The expression that ``text`` stands for. Raises ``SelectionError``.

    Operators wait on a stack until one that binds less tightly comes (Dijkstra's shunting yard), so depth costs no
    recursion.
    """
    steps: list[tuple[str, str]] = []
    waiting: list[str] = []
    wants_word = True
    tokens = _tokens(text)
    for place, symbol in tokens:
        if wants_word:
            if symbol in ("(", "not"):
                waiting.append(symbol)
            elif symbol in (")", "and", "or"):
                raise _error(text, place, f"expected a word, 'not' or '(', found {symbol!r}")
            else:
                steps.append(("", symbol.casefold()))
                wants_word = False
        elif symbol in ("and", "or"):
            while waiting and waiting[-1] != "(" and _PRECEDENCE[waiting[-1]] >= _PRECEDENCE[symbol]:
                steps.append((waiting.pop(), ""))
            waiting.append(symbol)
            wants_word = True
        elif symbol == ")":
            while waiting and waiting[-1] != "(":
                steps.append((waiting.pop(), ""))
            if not waiting:
                raise _error(text, place, "found ')' without '(' before it")
            waiting.pop()
        else:
            raise _error(text, place, f"expected 'and', 'or' or ')', found {symbol!r}")
    if wants_word and tokens:
        raise _error(text, len(text), "expected a word, 'not' or '(', found the end")
    if "(" in waiting:
        raise _error(text, len(text), "expected ')', found the end")
    steps += [(operator, "") for operator in reversed(waiting)]
    return Expression(tuple(steps))


def _tokens(text: str) -> Sequence[tuple[int, str]]:
    """(place, symbol) for each word, operator and parenthesis."""
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            raise _error(text, at, f"found {text[at]!r}, which no word has")
        found.append((match.end() - len(match[1] or match[2]), match[1] or match[2]))
        place = match.end()
    return found


def _error(text: str, place: int, message: str) -> SelectionError:
    hint = 'write words, and, or, not and parentheses, as in -k "affine and not (conv or pool)"'
    return SelectionError(f"{message}\n  {text}\n  {' ' * place}^\nhint: {hint}")
