"""What SymPy is asked: the formula of every exact function, its derivative, and a SymPy tree as straight-line code.

A tree becomes a ``Program``: a list of steps over raw numbers, each step one function of
``gradtool.references.exact``. No text is parsed, nothing is compiled with ``exec``, and SymPy's own numeric evaluation
is not used. SymPy is imported when the first formula is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from gradtool.references.exact import ONE, ZERO, Arithmetic, Raw, Undefined, compare, from_integer, sign

Expr = Any
Step = Callable[..., Raw]
Number = Raw | Undefined


class Unsupported(Exception):  # noqa: N818 - not an error of the user's: another way is taken
    """This cannot be done exactly, or not in this way. Says what."""


@dataclass(frozen=True, slots=True, eq=False)
class Formulas:
    """The exact functions as SymPy expressions.

    ``define[name]`` builds the expression of a function of ``gradtool.references.scalars``. ``steps`` maps SymPy's
    classes of functions to the names in ``exact.functions()``; ``special`` maps the classes defined here to steps of
    their own.
    """

    sympy: Any
    variable: Callable[[str], Expr]
    """Makes what a whole expression is differentiated by."""
    define: Mapping[str, Callable[..., Expr]]
    steps: Mapping[type, str]
    special: Mapping[type, tuple[Step, bool]]
    """A step, and whether it takes undefined operands as they are: a branch that is not taken may be undefined."""


@lru_cache(maxsize=1)
def formulas() -> Formulas:
    """Import SymPy and set up the table.

    Where SymPy's own function would be defined on the complex plane (Abs, sign) or slow to build (Max, Piecewise), a
    function is declared here with its derivative: that of the branch taken; at a tie of k arguments of max or min
    the mean of the k derivatives; 0 for sign, floor, ceil, round and comparisons; 0 for abs at 0.
    """
    import sympy

    class Variable(sympy.AtomicExpr):  # type: ignore[misc]
        """A real variable that is no ``Symbol``. By a Symbol, SymPy differentiates a product with terms that have 0 as a
        factor, and asks of all else in them whether it is finite: that can take minutes."""

        __slots__ = ("name",)
        _diff_wrt = True
        is_commutative = True

        def __new__(cls, name: str) -> Variable:
            self: Variable = super().__new__(cls)
            self.name = name
            return self

        def _hashable_content(self) -> tuple[str]:
            return (self.name,)

        @property
        def free_symbols(self) -> set[Variable]:
            return {self}

        def _eval_is_extended_real(self) -> bool:
            return True

        def _eval_is_finite(self) -> bool:
            return True

        def _sympystr(self, _printer: Any) -> str:
            return str(self.name)

    class Branch(sympy.Function):  # type: ignore[misc]
        """Branch(condition, a, b): a where the condition is not 0, else b."""

        nargs = 3

        def _eval_derivative(self, symbol: Expr) -> Expr:
            condition, a, b = self.args
            return branch(condition, a.diff(symbol), b.diff(symbol))

    def branch(condition: Expr, a: Expr, b: Expr) -> Expr:
        return a if a == b else Branch(condition, a, b)

    class Constant(sympy.Function):  # type: ignore[misc]
        """Piecewise constant: the derivative is 0 wherever there is one."""

        def _eval_derivative(self, _symbol: Expr) -> Expr:
            return sympy.S.Zero

    class Less(Constant):
        nargs = 2

    class LessEqual(Constant):
        nargs = 2

    class Equal(Constant):
        nargs = 2

    class Sign(Constant):
        nargs = 1

    class Floor(Constant):
        nargs = 1

    class Ceiling(Constant):
        nargs = 1

    class Round(Constant):
        nargs = 1

    class Absolute(sympy.Function):  # type: ignore[misc]
        nargs = 1

        def fdiff(self, _argument: int = 1) -> Expr:
            return Sign(self.args[0])

    class Cbrt(sympy.Function):  # type: ignore[misc]
        """The real cube root."""

        nargs = 1

        def fdiff(self, _argument: int = 1) -> Expr:
            return 1 / (3 * Cbrt(self.args[0]) ** 2)

    class Maximum(sympy.Function):  # type: ignore[misc]
        def _eval_derivative(self, symbol: Expr) -> Expr:
            return SlopeOfMaximum(*self.args, *(a.diff(symbol) for a in self.args))

    class Minimum(sympy.Function):  # type: ignore[misc]
        def _eval_derivative(self, symbol: Expr) -> Expr:
            return SlopeOfMinimum(*self.args, *(a.diff(symbol) for a in self.args))

    class SlopeOfMaximum(Constant):
        """SlopeOfMaximum(a1, ..., an, d1, ..., dn): the mean of the d whose a is the largest."""

    class SlopeOfMinimum(Constant):
        pass

    def extreme(kind: Any) -> Callable[..., Expr]:
        def build(*arguments: Expr) -> Expr:
            flat: dict[Expr, None] = {}
            for argument in arguments:
                flat.update(dict.fromkeys(argument.args if isinstance(argument, kind) else (argument,)))
            return kind(*flat) if len(flat) > 1 else next(iter(flat))

        return build

    def real(function: Any) -> Any:
        """The function where its value is a finite real number. SymPy would otherwise work out whether it is, on every
        occasion."""
        return type(function.__name__, (function,), {"is_real": True, "__slots__": ()})

    taken = {
        "log": sympy.log, "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "asin": sympy.asin,
        "acos": sympy.acos, "atan": sympy.atan, "atan2": sympy.atan2, "sinh": sympy.sinh, "cosh": sympy.cosh,
        "tanh": sympy.tanh, "asinh": sympy.asinh, "acosh": sympy.acosh, "atanh": sympy.atanh, "erf": sympy.erf,
        "erfc": sympy.erfc, "lgamma": sympy.loggamma, "polygamma": sympy.polygamma,
    }  # fmt: skip
    own = {name: real(function) for name, function in taken.items()}
    define: dict[str, Callable[..., Expr]] = {
        **own,
        "exp": sympy.exp, "expm1": lambda x: sympy.exp(x) - 1, "log1p": lambda x: own["log"](1 + x),
        "sqrt": sympy.sqrt, "cbrt": Cbrt, "digamma": lambda x: own["polygamma"](0, x),
        "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b, "negative": lambda x: -x, "power": lambda x, y: x**y,
        "abs": Absolute, "sign": Sign, "floor": Floor, "ceil": Ceiling, "round": Round,
        "maximum": extreme(Maximum), "minimum": extreme(Minimum), "where": branch,
        "lt": Less, "le": LessEqual, "gt": lambda a, b: Less(b, a), "ge": lambda a, b: LessEqual(b, a),
        "eq": Equal, "ne": lambda a, b: 1 - Equal(a, b),
    }  # fmt: skip
    steps: dict[type, str] = {function: name for names in (taken, own) for name, function in names.items()}
    steps |= {
        sympy.exp: "exp", Absolute: "abs", sympy.Abs: "abs", Floor: "floor", Ceiling: "ceil", Round: "round",
        Cbrt: "cbrt",
    }  # fmt: skip

    def truth(test: Callable[[int], bool]) -> Step:
        return lambda _, a, b: ONE if test(compare(a, b)) else ZERO

    special: dict[type, tuple[Step, bool]] = {
        Less: (truth(lambda order: order < 0), False),
        LessEqual: (truth(lambda order: order <= 0), False),
        Equal: (truth(lambda order: order == 0), False),
        Sign: (lambda _, x: from_integer(sign(x)), False),
        sympy.sign: (lambda _, x: from_integer(sign(x)), False),
        Branch: (_branch, True),
        Maximum: (lambda _, *a: _extreme(1, a), False),
        Minimum: (lambda _, *a: _extreme(-1, a), False),
        SlopeOfMaximum: (lambda arithmetic, *a: _slope(1, arithmetic, a), True),
        SlopeOfMinimum: (lambda arithmetic, *a: _slope(-1, arithmetic, a), True),
    }
    return Formulas(sympy, Variable, define, steps, special)


def _defined(value: Number) -> Raw:
    if isinstance(value, Undefined):
        raise value
    return value


def _branch(_: Arithmetic, condition: Number, a: Number, b: Number) -> Raw:
    return _defined(a if _defined(condition)[1] else b)


def _extreme(direction: int, values: Sequence[Raw]) -> Raw:
    best = values[0]
    for value in values[1:]:
        if compare(value, best) * direction > 0:
            best = value
    return best


def _slope(direction: int, arithmetic: Arithmetic, operands: Sequence[Number]) -> Raw:
    half = len(operands) // 2
    values = [_defined(value) for value in operands[:half]]
    best = _extreme(direction, values)
    tied = [_defined(d) for value, d in zip(values, operands[half:], strict=True) if compare(value, best) == 0]
    total = tied[0]
    for slope in tied[1:]:
        total = arithmetic.add(total, slope)
    return total if len(tied) == 1 else arithmetic.divide(total, from_integer(len(tied)))


class Program:
    """SymPy expressions as steps over raw numbers; equal subexpressions are computed once.

    Raises ``Unsupported`` for what is not a real elementary expression of ``symbols``.
    """

    __slots__ = ("_outputs", "_steps")

    def __init__(self, expressions: Sequence[Expr], symbols: Sequence[Expr]) -> None:
        self._steps: list[tuple[Step, tuple[int, ...], bool]] = []
        places: dict[Expr, int] = {symbol: i for i, symbol in enumerate(symbols)}
        for expression in expressions:
            self._place(expression, places)
        self._outputs = [places[expression] for expression in expressions]

    def _place(self, expression: Expr, places: dict[Expr, int]) -> None:
        stack = [expression]
        while stack:
            tree = stack[-1]
            if tree in places:
                stack.pop()
                continue
            step, operands, lenient = _step(tree)
            waiting = [operand for operand in operands if operand not in places]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            places[tree] = len(places)
            self._steps.append((step, tuple(places[operand] for operand in operands), lenient))

    def run(self, arithmetic: Arithmetic, arguments: Sequence[Number]) -> list[Number]:
        """The expressions at these values of the symbols."""
        values: list[Any] = list(arguments)
        broken = any(isinstance(value, Undefined) for value in values)
        for step, places, lenient in self._steps:
            operands = [values[place] for place in places]
            if broken and not lenient:
                bad = next((operand for operand in operands if isinstance(operand, Undefined)), None)
                if bad is not None:
                    values.append(bad)
                    continue
            try:
                values.append(step(arithmetic, *operands))
            except Undefined as undefined:
                values.append(undefined)
                broken = True
        return [values[place] for place in self._outputs]


def _step(tree: Expr) -> tuple[Step, Sequence[Expr], bool]:
    """One node of a SymPy tree: what computes it, from which operands, and whether these may be undefined."""
    known = formulas()
    sympy = known.sympy
    kind = type(tree)
    if kind is sympy.Add:
        return _sum, tree.args, False
    if kind is sympy.Mul:
        return _product, tree.args, False
    if kind is sympy.Pow:
        return _power(tree, sympy)
    if kind in known.steps:
        name = known.steps[kind]
        return lambda arithmetic, *operands: arithmetic.call(name, *operands), tree.args, False
    if kind in known.special:
        step, lenient = known.special[kind]
        return step, tree.args, lenient
    if tree.is_Rational:
        top, bottom = from_integer(int(tree.p)), from_integer(int(tree.q))
        if bottom == ONE:
            return lambda _: top, (), False
        return lambda arithmetic: arithmetic.divide(top, bottom), (), False
    if tree is sympy.S.Exp1:
        return lambda arithmetic: arithmetic.call("exp", ONE), (), False
    if tree is sympy.S.Pi or tree is sympy.S.EulerGamma:
        return _constant("mpf_pi" if tree is sympy.S.Pi else "mpf_euler"), (), False
    raise Unsupported(f"SymPy's {kind.__name__} has no exact real form here")


def _power(tree: Expr, sympy: Any) -> tuple[Step, Sequence[Expr], bool]:
    base, exponent = tree.args
    if base is sympy.S.Exp1:
        return lambda arithmetic, x: arithmetic.call("exp", x), (exponent,), False
    if exponent.is_Rational and exponent.q == 2:
        # By the root: √x³ has the digits that e^(1.5 log x) would lose.
        twice = from_integer(int(exponent.p))
        if twice == ONE:
            return lambda arithmetic, x: arithmetic.call("sqrt", x), (base,), False
        return lambda arithmetic, x: arithmetic.call("power", arithmetic.call("sqrt", x), twice), (base,), False
    return lambda arithmetic, x, y: arithmetic.call("power", x, y), (base, exponent), False


def _sum(arithmetic: Arithmetic, *terms: Raw) -> Raw:
    total = terms[0]
    for term in terms[1:]:
        total = arithmetic.add(total, term)
    return total


def _product(arithmetic: Arithmetic, *factors: Raw) -> Raw:
    total = factors[0]
    for factor in factors[1:]:
        total = arithmetic.multiply(total, factor)
    return total


def _constant(name: str) -> Step:
    from mpmath import libmp

    function = getattr(libmp, name)
    return lambda arithmetic: function(arithmetic.precision, arithmetic.rounding)


@cache
def derivatives(name: str) -> tuple[Program, ...]:
    """SymPy's derivative of a function with respect to each of its arguments, as programs of the arguments.

    The base's derivative of ``power`` is brought to the form y x^(y-1), which also holds at 0."""
    known = formulas()
    arity = 2 if name in TWO_ARGUMENTS else 1
    symbols = known.sympy.symbols("x y", real=True)[:arity]
    formula = known.define[name](*symbols)
    slopes = [known.sympy.diff(formula, symbol) for symbol in symbols]
    if name == "power":
        slopes[0] = known.sympy.powsimp(slopes[0], combine="exp")
    return tuple(Program([slope], symbols) for slope in slopes)


@lru_cache(maxsize=1024)
def integer_power_derivative(exponent: int) -> Program:
    """SymPy's derivative of x^n for an integer n."""
    sympy = formulas().sympy
    x = sympy.Symbol("x", real=True)
    return Program([sympy.diff(x ** sympy.Integer(exponent), x)], [x])


TWO_ARGUMENTS = frozenset({"add", "subtract", "multiply", "divide", "power", "atan2"})
