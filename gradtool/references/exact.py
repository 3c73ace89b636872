"""Real arithmetic at any precision: mpmath's low-level functions on raw numbers, guarded so that nothing hangs.

A raw number is mpmath's tuple (sign, mantissa, exponent, bits). Results are rounded towards zero or away from it, as
the ``Arithmetic`` says: two runs with opposite rounding cannot both absorb a small term in the same way, so that
digits lost to cancellation show as a disagreement between them. Numbers may be as large as 2^(2^4200), far beyond what
float64 holds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf, ldexp
from typing import Any

Raw = tuple[int, int, int, int]

ZERO: Raw = (0, 0, 0, 0)
ONE: Raw = (0, 1, 0, 1)
TOWARDS_ZERO, AWAY_FROM_ZERO, NEAREST = "d", "u", "n"

LARGEST_EXPONENT = 1 << 4200
LARGEST_ARGUMENT = 4096
"""exp, sin and their kin need as many digits of ln 2 or pi as their argument has bits before the point: no more than
this."""
INEXACT = 40
"""A mantissa that lacks fewer bits than this to the full precision is taken for a rounded one (wrong once in 2^40)."""
NOTHING_LEFT = 20
"""Of a difference of rounded numbers with no more correct bits than this, nothing is believed."""


class Undefined(ArithmeticError):  # noqa: N818 - says what is the case, not what went wrong
    """A value or a derivative that does not exist as a real number, or is beyond the range kept here. Says which."""


class OutOfRange(Undefined):
    """A value that exists, but is astronomically large or small."""


class Arithmetic:
    """Operations on raw numbers at one precision and rounding.

    ``cancelled`` becomes True once a difference of rounded numbers leaves no correct bits, such as the zero of
    ``cosh(200) - sinh(200)`` in 50 digits. ``call`` and ``divide`` raise ``Undefined``.
    """

    __slots__ = ("_divide", "_functions", "_multiply", "_plus", "cancelled", "digits", "precision", "rounding")

    def __init__(self, digits: int, rounding: str) -> None:
        from mpmath import libmp

        self.digits = digits
        self.precision: int = libmp.dps_to_prec(digits)
        self.rounding = rounding
        self.cancelled = False
        self._plus = libmp.mpf_add
        self._multiply = libmp.mpf_mul
        self._divide = libmp.mpf_div
        self._functions = functions()

    def add(self, a: Raw, b: Raw) -> Raw:
        """a + b."""
        raw: Raw = self._plus(a, b, self.precision, self.rounding)
        if a[0] != b[0] and a[1] and b[1]:
            left = raw[2] + raw[3] - a[2] - a[3] + self.precision if raw[1] else 0
            if left <= NOTHING_LEFT and max(a[3], b[3]) > self.precision - INEXACT:
                self.cancelled = True
        return raw

    def multiply(self, a: Raw, b: Raw) -> Raw:
        """a b."""
        raw: Raw = self._multiply(a, b, self.precision, self.rounding)
        return raw

    def divide(self, a: Raw, b: Raw) -> Raw:
        """a / b."""
        if not b[1]:
            raise Undefined(f"{show(a)}/0")
        raw: Raw = self._divide(a, b, self.precision, self.rounding)
        return raw

    def call(self, name: str, *arguments: Raw) -> Raw:
        """A function of ``functions()``."""
        try:
            raw: Raw = self._functions[name](*arguments, self.precision, self.rounding)
        except Undefined:
            raise
        except (ArithmeticError, ValueError):
            raise Undefined(_application(name, arguments)) from None
        if not raw[1] and raw[2]:
            raise Undefined(_application(name, arguments))
        if not -LARGEST_EXPONENT < raw[2] < LARGEST_EXPONENT:
            raise out_of_range(name, arguments)
        return raw


def out_of_range(name: str, arguments: tuple[Raw, ...]) -> OutOfRange:
    """The error that says that a number became too large or too small."""
    return OutOfRange(f"{_application(name, arguments)} is out of the range of exact arithmetic")


def _application(name: str, arguments: tuple[Raw, ...]) -> str:
    return f"{name}({', '.join(map(show, arguments))})"


def magnitude(raw: Raw) -> int:
    """The e with 2^(e-1) <= |raw| < 2^e, for numbers other than zero."""
    return raw[2] + raw[3]


def show(raw: Raw) -> str:
    """A number as messages show it, to six digits."""
    if not raw[1] or -1060 < magnitude(raw) < 1020:
        return f"{to_float(raw):.6g}"
    power = magnitude(raw) * 30103 // 100000
    minus = "-" if raw[0] else ""
    if abs(power) < 10**15:
        return f"{minus}10^{power}"
    return f"{minus}10^(10^15) or more" if power > 0 else f"{minus}10^-(10^15) or less"


@lru_cache(maxsize=4096)
def from_float(value: float) -> Raw:
    """A float64 exactly. Raises ``Undefined`` for NaN and infinities."""
    from mpmath import libmp

    if value != value or value in (inf, -inf):
        raise Undefined("not-a-number" if value != value else "infinity")
    raw: Raw = libmp.from_float(value)
    return raw


def from_integer(value: int) -> Raw:
    """An integer exactly."""
    from mpmath import libmp

    raw: Raw = libmp.from_int(value)
    return raw


def to_float(raw: Raw) -> float:
    """The nearest float64, ties to even, subnormals included; infinity beyond the largest."""
    sign, mantissa, exponent, bits = raw
    if not mantissa:
        return 0.0
    mantissa = int(mantissa)
    if exponent + bits > 1024:
        return -inf if sign else inf
    keep = min(53, exponent + bits + 1074)
    if keep < 0:
        return -0.0 if sign else 0.0
    drop = bits - keep
    if drop > 0:
        rest, half = mantissa & ((1 << drop) - 1), 1 << (drop - 1)
        mantissa >>= drop
        exponent += drop
        if rest > half or (rest == half and mantissa & 1):
            mantissa += 1
    if mantissa.bit_length() + exponent > 1024:
        return -inf if sign else inf
    return ldexp(-mantissa if sign else mantissa, exponent)


@lru_cache(maxsize=1)
def functions() -> dict[str, Callable[..., Raw]]:
    """The real functions by name, each called as ``f(*raws, precision, rounding)``."""
    from mpmath import libmp as m

    def guarded(function: Callable[..., Raw], name: str) -> Callable[..., Raw]:
        """Refuse an argument whose size decides how many digits are needed inside."""

        def call(*arguments: Any) -> Any:
            if any(a[2] + a[3] > LARGEST_ARGUMENT for a in arguments[:-2]):
                raise out_of_range(name, arguments[:-2])
            return function(*arguments)

        return call

    def two_sided(function: Callable[..., Raw], name: str) -> Callable[..., Raw]:
        """The same, for functions that need more digits near zero too."""

        def call(x: Raw, precision: int, rounding: str) -> Any:
            if x[1] and abs(x[2] + x[3]) > LARGEST_ARGUMENT:
                raise out_of_range(name, (x,))
            return function(x, precision, rounding)

        return guarded(call, name)

    def tiny(function: Callable[..., Raw], sign: int) -> Callable[..., Raw]:
        """For an odd function with slope 1 at 0 whose mpmath version is slow or inexact there: x itself, moved one
        rounding outwards (``sign`` 1) or inwards (-1)."""

        def call(x: Raw, precision: int, rounding: str) -> Any:
            if x[1] and 2 * magnitude(x) < -precision - 20:
                outwards = x[0] if sign > 0 else 1 - x[0]
                return m.mpf_perturb(x, outwards, precision, rounding)
            return function(x, precision, rounding)

        return call

    def below_one(function: Callable[..., Raw]) -> Callable[..., Raw]:
        """For |f| < 1: mpmath rounds some of these to the nearest whatever was asked, which hides that they are not
        1."""

        def call(x: Raw, precision: int, rounding: str) -> Any:
            raw = function(x, precision, rounding)
            one = raw[1:3] == (1, 0) and x[1]
            return m.mpf_perturb(raw, 1 - raw[0], precision, rounding) if one else raw

        return call

    def exp(x: Raw, precision: int, rounding: str) -> Any:
        # mpmath's own works with as many digits as a large argument has bits, throughout; only the reduction needs
        # them.
        if magnitude(x) <= 64:
            return m.mpf_exp(x, precision, rounding)
        more = precision + magnitude(x) + 30
        log2 = m.mpf_ln2(more)
        turns = m.to_int(m.mpf_nint(m.mpf_div(x, log2, magnitude(x) + 10)))
        rest = m.mpf_sub(x, m.mpf_mul(m.from_int(turns), log2), precision + 20)
        return m.mpf_shift(m.mpf_exp(rest, precision, rounding), turns)

    def hyperbolic(function: Callable[..., Raw], sign: int) -> Callable[..., Raw]:
        """sinh (``sign`` -1) or cosh (1)."""

        def call(x: Raw, precision: int, rounding: str) -> Any:
            if magnitude(x) <= 64:
                return function(x, precision, rounding)
            up, down = exp(x, precision + 20, rounding), exp(m.mpf_neg(x), precision + 20, rounding)
            return m.mpf_shift(m.mpf_add(up, down if sign > 0 else m.mpf_neg(down), precision, rounding), -1)

        return call

    def expm1(x: Raw, precision: int, rounding: str) -> Any:
        if not x[1]:
            return ZERO
        small = -magnitude(x)
        if small > precision + 20:
            return m.mpf_perturb(x, 0, precision, rounding)
        return m.mpf_sub(exp(x, precision + max(0, small) + 20, rounding), ONE, precision, rounding)

    def log1p(x: Raw, precision: int, rounding: str) -> Any:
        if not x[1]:
            return ZERO
        small = -magnitude(x)
        if small > precision + 20:
            return m.mpf_perturb(x, 1, precision, rounding)
        extra = precision + max(0, small) + 20
        return m.mpf_log(m.mpf_add(ONE, x, extra + x[3], rounding), extra, rounding)

    def cbrt(x: Raw, precision: int, rounding: str) -> Any:
        root: Raw = m.mpf_cbrt(m.mpf_abs(x), precision, rounding)
        return m.mpf_neg(root) if x[0] else root

    def erfc(x: Raw, precision: int, rounding: str) -> Any:
        if magnitude(x) > 500 and not x[0]:
            # e^(-x²)/(x √π) (1 - 1/(2x²) + ...): at this size one term is right to 2^-1000.
            square = m.mpf_mul(x, x)
            if magnitude(square) > LARGEST_ARGUMENT:
                raise out_of_range("erfc", (x,))
            top = exp(m.mpf_neg(square), precision + 10, rounding)
            bottom = m.mpf_mul(x, m.mpf_sqrt(m.mpf_pi(precision + 10), precision + 10))
            return m.mpf_div(top, bottom, precision, rounding)
        if x[1] and magnitude(x) < -precision - 20:
            return m.mpf_perturb(ONE, 1 - x[0], precision, rounding)
        if x[0]:
            return m.mpf_sub(m.mpf_shift(ONE, 1), erfc(m.mpf_neg(x), precision, rounding), precision, rounding)
        return m.mpf_erfc(x, precision, rounding)

    def lgamma(x: Raw, precision: int, rounding: str) -> Any:
        if not x[0]:
            return m.mpf_loggamma(x, precision, rounding)
        # log|Γ(x)| = log π - log|sin πx| - log Γ(1-x)
        more = precision + 40
        sine = m.mpf_abs(m.mpf_sin_pi(x, more + max(0, -magnitude(x))))
        other = m.mpf_loggamma(m.mpf_sub(ONE, x, more + abs(magnitude(x)), rounding), more, rounding)
        return m.mpf_sub(m.mpf_log(m.mpf_div(m.mpf_pi(more), sine, more), more), other, precision, rounding)

    def polygamma(order: Raw, x: Raw, precision: int, rounding: str) -> Any:
        if x[1] and abs(magnitude(x)) > LARGEST_ARGUMENT:
            raise out_of_range("polygamma", (order, x))
        n = m.to_int(order)
        if not x[0]:
            return m.mpf_psi(n, x, precision, rounding)
        # By reflection, ψ(x) = ψ(1-x) - π cot πx, differentiated n times: mpmath would take |x| steps of a recurrence.
        more = precision + 40 + 2 * max(0, -magnitude(x))
        mirrored = m.mpf_psi(n, m.mpf_sub(ONE, x, more + abs(magnitude(x)), rounding), more, rounding)
        return m.mpf_sub(m.mpf_neg(mirrored) if n % 2 else mirrored, cotangent(n, x, more), precision, rounding)

    def cotangent(n: int, x: Raw, precision: int) -> Any:
        """The n-th derivative of π cot πx: π^(n+1) P_n(cot πx), with P_0 = c and P_(n+1) = -(1 + c²) P_n'."""
        cosine, sine = m.mpf_cos_sin_pi(x, precision + max(0, -magnitude(x)))
        at = m.mpf_div(cosine, sine, precision)
        coefficients = [0, 1]
        for _ in range(n):
            slopes = [i * c for i, c in enumerate(coefficients)][1:]
            coefficients = [-a - b for a, b in zip([*slopes, 0, 0], [0, 0, *slopes], strict=True)]
        total = ZERO
        for coefficient in reversed(coefficients):
            total = m.mpf_add(m.mpf_mul(total, at), m.from_int(coefficient), precision)
        return m.mpf_mul(m.mpf_pow_int(m.mpf_pi(precision), n + 1, precision), total, precision)

    def power(x: Raw, y: Raw, precision: int, rounding: str) -> Any:
        if not y[1]:
            return ONE
        if not x[1]:
            if y[0]:
                raise Undefined(f"0**{show(y)}")
            return ZERO
        whole = y[2] >= 0
        if whole and magnitude(y) <= 64:
            return m.mpf_pow_int(x, m.to_int(y), precision, rounding)
        if x[0] and not whole:
            raise Undefined(f"{show(x)}**{show(y)}")
        size = m.mpf_abs(x)
        rough = m.mpf_mul(y, m.mpf_log(size, 30, NEAREST), 30, NEAREST)
        if rough[1] and magnitude(rough) > LARGEST_ARGUMENT:
            raise out_of_range("power", (x, y))
        more = precision + 20 + max(0, magnitude(rough))
        raw = exp(m.mpf_mul(y, m.mpf_log(size, more, rounding), more, rounding), precision, rounding)
        return m.mpf_neg(raw) if x[0] and y[2] == 0 else raw

    def rounded(function: Callable[..., Raw]) -> Callable[..., Raw]:
        """To an integer, exactly; a number with no bits after the point is one already."""

        def call(x: Raw, precision: int, _rounding: str) -> Any:
            return x if x[2] >= 0 else function(x, max(precision, magnitude(x) + 1), NEAREST)

        return call

    table: dict[str, Callable[..., Raw]] = {
        "exp": guarded(exp, "exp"), "expm1": guarded(expm1, "expm1"),
        "log": m.mpf_log, "log1p": log1p, "sqrt": m.mpf_sqrt, "cbrt": cbrt,
        "sin": guarded(tiny(below_one(m.mpf_sin), -1), "sin"), "cos": guarded(below_one(m.mpf_cos), "cos"),
        "tan": guarded(tiny(m.mpf_tan, 1), "tan"),
        "asin": tiny(m.mpf_asin, 1), "acos": m.mpf_acos, "atan": tiny(m.mpf_atan, -1), "atan2": m.mpf_atan2,
        "sinh": guarded(tiny(hyperbolic(m.mpf_sinh, -1), 1), "sinh"),
        "cosh": guarded(hyperbolic(m.mpf_cosh, 1), "cosh"),
        "tanh": tiny(below_one(m.mpf_tanh), -1),
        "asinh": tiny(m.mpf_asinh, -1), "acosh": m.mpf_acosh, "atanh": tiny(m.mpf_atanh, 1),
        "erf": below_one(m.mpf_erf), "erfc": erfc,
        "lgamma": two_sided(lgamma, "lgamma"), "digamma": two_sided(m.mpf_psi0, "digamma"), "polygamma": polygamma,
        "power": power,
        "abs": m.mpf_abs, "floor": rounded(m.mpf_floor), "ceil": rounded(m.mpf_ceil), "round": rounded(m.mpf_nint),
    }  # fmt: skip
    return table


def compare(a: Raw, b: Raw) -> int:
    """-1, 0 or 1 as a is less than, equal to or greater than b."""
    from mpmath import libmp

    result: int = libmp.mpf_cmp(a, b)
    return result


def sign(raw: Raw) -> int:
    """-1, 0 or 1."""
    return 0 if not raw[1] else -1 if raw[0] else 1
