"""einsum: products of entries, summed over the axes that share a letter and are not asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from gradtool.ops.operation import (
    Argument,
    Array,
    Case,
    Function,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    Shape,
    declare,
    show_shape,
)
from gradtool.ops.structured import total

Terms = tuple[str, ...]
_TERM = re.compile(r"[A-Za-z]*(?:\.\.\.)?[A-Za-z]*")


def subscripts(equation: str, ranks: Sequence[int]) -> tuple[Terms, str]:
    """The letters of each operand's axes and of the result's. An ellipsis becomes letters that the equation has not.

    Raises ``OperationError`` where the equation cannot be read, or does not fit operands of these ranks."""
    text = "".join(equation.split())
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    for term in (*terms, right):
        if not _TERM.fullmatch(term):
            raise OperationError(
                f"the equation '{equation}' cannot be read: it is written as in 'ij,jk->ik', one letter an axis, "
                "'...' for any others"
            )
    if len(terms) != len(ranks):
        raise OperationError(
            f"the equation '{equation}' is for {len(terms)} array{'s' * (len(terms) != 1)}, found {len(ranks)}"
        )
    counts = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    for term, rank, count in zip(terms, ranks, counts, strict=True):
        if count < 0 or (count and "..." not in term):
            raise OperationError(
                f"the equation '{equation}' has {rank - count} letters in '{term}' for an array of {rank} "
                f"ax{'i' if rank == 1 else 'e'}s"
            )
    longest = max([n for n, term in zip(counts, terms, strict=True) if "..." in term], default=0)
    spare = [letter for letter in ascii_letters if letter not in text]
    if longest > len(spare):
        raise OperationError(f"the equation '{equation}' leaves no letters for the {longest} axes of '...'")
    dots = "".join(spare[:longest])
    found = tuple(term.replace("...", dots[longest - n :]) for term, n in zip(terms, counts, strict=True))
    if not arrow:
        named = "".join(terms).replace("...", "")
        return found, dots + "".join(letter for letter in sorted(set(named)) if named.count(letter) == 1)
    if longest and "..." not in right:
        raise OperationError(f"the equation '{equation}' has '...' before '->' only: what should become of those axes?")
    result = right.replace("...", dots)
    for letter in result:
        if result.count(letter) > 1 or not any(letter in term for term in found):
            how = "twice in the result" if result.count(letter) > 1 else "in the result only"
            raise OperationError(f"the equation '{equation}' has the letter {letter} {how}")
    return found, result


def _lengths(terms: Terms, shapes: Sequence[Shape], equation: str) -> dict[str, int]:
    """The length of the axes of each letter; 1 fits any other, but not within one operand."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        own: dict[str, int] = {}
        for letter, n in zip(term, shape, strict=True):
            known = own.setdefault(letter, n)
            whole = lengths.get(letter, 1)
            if n != known or (n != whole and 1 not in (n, whole)):
                other = known if n != known else whole
                raise OperationError(
                    f"shapes {' and '.join(map(show_shape, shapes))} do not fit the equation '{equation}': "
                    f"the axes called {letter} have {other} and {n} entries"
                )
        for letter, n in own.items():
            lengths[letter] = n if lengths.get(letter, 1) == 1 else lengths[letter]
    return lengths


def _resolve(shapes: Sequence[Shape], given: Mapping[str, Any]) -> Resolved:
    equation = given["equation"]
    terms, result = subscripts(equation, [len(shape) for shape in shapes])
    lengths = _lengths(terms, shapes, equation)
    return Resolved(tuple(lengths[letter] for letter in result), {"terms": terms, "result": result})


def _contract(terms: Sequence[str], operands: Sequence[Any], result: str) -> Array:
    """NumPy's ``einsum``, by products of matrices where there is more than one operand. Leading axes of all operands,
    if there are any, stay."""
    text = f"{','.join(f'...{term}' for term in terms)}->...{result}"
    found: Any = np.einsum(text, *operands, optimize=len(operands) > 1)
    return np.asarray(found)


def _forward(*operands: Any, terms: Terms, result: str) -> Array:
    return np.array(_contract(terms, operands, result))  # of one operand NumPy may give a view


def _vjp(i: int) -> Function:
    def vjp(upstream: Any, out: Any, *operands: Any, terms: Terms, result: str) -> Array:
        """What the other operands make of the upstream gradient, letter by letter: summed where the operand was stretched,
        the same for all entries along an axis that it alone has, and 0 off a diagonal that was taken."""
        shape = np.shape(operands[i])
        own = dict(zip(terms[i], shape, strict=True))
        others = [(term, a) for k, (term, a) in enumerate(zip(terms, operands, strict=True)) if k != i]
        known = set(result).union(*(term for term, _ in others))
        kept = "".join(letter for letter in own if letter in known)
        down = _contract([result, *(term for term, _ in others)], [upstream, *(a for _, a in others)], kept)
        stretched = tuple(k - len(kept) for k, letter in enumerate(kept) if own[letter] == 1 != down.shape[k])
        down = total(down, stretched, keepdims=True) if stretched else down
        down = np.expand_dims(down, tuple(k for k, letter in enumerate(own) if letter not in known))
        if len(own) == len(shape):
            return np.array(np.broadcast_to(down, shape))
        found = np.zeros(shape, dtype=down.dtype)
        diagonal: Any = np.einsum(f"{terms[i]}->{''.join(own)}", found)  # a view
        diagonal[...] = down
        return found

    return vjp


def _rule(i: int, shapes: Sequence[Shape]) -> str:
    return f"einsum of {{upstream}} and the other operands, to the axes of operand {i + 1}"


def _exact(S: Any, *operands: Array, terms: Terms, result: str) -> Array:
    """The definition: for every combination of indices the product of the entries that they name, added up."""
    lengths = _lengths(terms, [a.shape for a in operands], "")
    letters = result + "".join(letter for letter in lengths if letter not in result)
    indices = dict(zip(letters, np.indices([lengths[letter] for letter in letters]), strict=True))
    product: Any = 1
    for term, operand in zip(terms, operands, strict=True):
        places = tuple(np.minimum(indices[letter], n - 1) for letter, n in zip(term, operand.shape, strict=True))
        product = product * (operand[places] if term else operand[()])
    gone = tuple(range(len(result), len(letters)))
    return np.asarray(np.sum(np.asarray(product, dtype=object), axis=gone), dtype=object)


def _work(shapes: Sequence[Shape], settled: Resolved) -> int:
    """A product of all operands, and a sum, for every combination of indices."""
    terms = settled.parameters["terms"]
    return len(terms) * prod(_lengths(terms, shapes, "").values())


_ANY = (-3.0, 3.0)


def _case(equation: str, *shapes: Shape) -> Case:
    return Case(shapes, {"equation": equation})


declare(
    Operation(
        name="einsum", arguments=(Argument("a"),), variadic=True, parameters=(Parameter("equation", "text", ...),),
        formula="for equation 'ij,jk->ik': out_ik = sum over j of a_ij b_jk (without ->: letters that stand once, in order)",
        derivative="the product of the other operands, summed over what the operand has not", derivative_range="unbounded",
        resolve=_resolve, forward=_forward, vjp=_vjp, rules=_rule, symbolic=_exact, work=_work, domain=(_ANY,),
        cases=(
            _case("ij,jk->ik", (2, 3), (3, 2)), _case("ii->", (3, 3)), _case("i,j->ji", (2,), (3,)),
            _case("bij,bkj->bik", (2, 2, 3), (2, 2, 3)), _case("ij,jk", (2, 3), (3, 2)), _case("...i,...i->...", (2, 3), (3,)),
            _case("ij,j,k->ik", (2, 3), (3,), (2,)), _case("ij->", (2, 3)), _case("ii->i", (3, 3)), _case("ij->ji", (2, 3)),
            _case("ij,ij->i", (2, 1), (2, 3)), _case("iij,jk->ki", (2, 2, 3), (3, 2)), _case(",i->i", (), (3,)),
            _case("ba", (2, 3)), _case("i,i,i->", (3,), (3,), (3,)), _case("...,...", (2, 3), (1, 3)),
        ),
        source="NumPy, numpy.einsum",
    )
)  # fmt: skip
