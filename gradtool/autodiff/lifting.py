"""The kernels of the operations, run on ``TangentArray``.

``lifted(kernel)`` is the same code with other surroundings: what it calls ``np`` makes arrays that can hold tangents and takes
none away, and every function of ``gradtool.ops`` that it calls is lifted in its turn. ``np.asarray`` and ``np.zeros`` do not
ask their argument's class, so a class alone cannot do it. A function with a derivative of its own in ``_own_rules`` is not
looked into: what computes in integers, or number by number, or by a series.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, lru_cache, partial
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from gradtool.autodiff.tangent import TangentArray, as_tangent, chained, entrywise, holds_tangents, is_tangent, parts
from gradtool.ops import elementary, exact, kernels, linear_algebra, special

Function = Callable[..., Any]
ROOM = "gradtool.ops"
EXACT_COFACTORS = 6
"""Cofactors of larger matrices are differentiated by the inverse, which a singular matrix does not have."""


def lifted(kernel: Any) -> Any:
    """A function of ``gradtool.ops`` for arguments that may be tangents; anything else as it is."""
    if isinstance(kernel, FunctionType) and kernel.__module__.startswith(ROOM):
        return _lifted_function(kernel)
    if isinstance(kernel, partial):
        return partial(
            lifted(kernel.func), *map(lifted, kernel.args), **{k: lifted(v) for k, v in kernel.keywords.items()}
        )
    if type(kernel) in (tuple, list):
        return type(kernel)(map(lifted, kernel))
    if type(kernel) is dict:
        return {key: lifted(value) for key, value in kernel.items()}
    if isinstance(kernel, type) and kernel.__module__.startswith(ROOM):
        return _lifted_class(kernel)
    if isinstance(kernel, ModuleType) and kernel.__name__.startswith(ROOM):
        return _Lifted(kernel)
    return kernel


@cache
def _lifted_function(kernel: FunctionType) -> Function:
    rule = _own_rules().get(kernel)
    if rule is not None:
        return rule
    closure = (
        None
        if kernel.__closure__ is None
        else tuple(CellType(lifted(cell.cell_contents)) for cell in kernel.__closure__)
    )
    copy = FunctionType(
        kernel.__code__, _surroundings(kernel.__module__), kernel.__name__, kernel.__defaults__, closure
    )
    copy.__kwdefaults__ = kernel.__kwdefaults__
    return copy


@cache
def _lifted_class(kind: type) -> type:
    """A subclass whose own methods are lifted."""
    methods = {
        name: lifted(method)
        for name, method in vars(kind).items()
        if isinstance(method, FunctionType) and not name.startswith("__")
    }
    return type(kind.__name__, (kind,), {**methods, "__slots__": ()}) if methods else kind


class _Lifted:
    """A module of ``gradtool.ops`` whose functions are lifted when they are asked for."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = lifted(getattr(self._module, name))
        setattr(self, name, value)
        return value


class _Surroundings(dict[str, Any]):
    """The globals of a module, each lifted when it is first looked up."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(__builtins__=module.__dict__["__builtins__"], __name__=module.__name__)
        self._module = module

    def __missing__(self, name: str) -> Any:
        try:
            found = self._module.__dict__[name]
        except KeyError:
            raise KeyError(name) from None  # Python goes on to the builtins.
        value = self[name] = _NUMPY if found is np else lifted(found)
        return value


@cache
def _surroundings(name: str) -> _Surroundings:
    return _Surroundings(sys.modules[name])


# --- NumPy, as a lifted kernel sees it ---


class _NumPy:
    """``numpy``, but for what makes arrays."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        setattr(self, name, value)
        return value

    def asarray(self, x: Any, dtype: Any = None, **how: Any) -> Any:
        if not holds_tangents(x):
            return np.asarray(x, dtype, **how)
        x = as_tangent(x)
        return x if dtype is None or x.dtype == dtype else x.astype(dtype)

    asanyarray = asarray

    def array(self, x: Any, dtype: Any = None, **how: Any) -> Any:
        if not holds_tangents(x):
            return np.array(x, dtype, **how)
        x = self.asarray(x, dtype)
        return x.copy() if is_tangent(x) else x

    def ascontiguousarray(self, x: Any, dtype: Any = None) -> Any:
        if not holds_tangents(x):
            return np.ascontiguousarray(x, dtype)
        value, tangent = parts(self.asarray(x, dtype))
        return TangentArray(np.ascontiguousarray(value), np.ascontiguousarray(tangent))

    def zeros(self, *args: Any, **kwargs: Any) -> Any:
        return _fillable(np.zeros(*args, **kwargs))

    def empty(self, *args: Any, **kwargs: Any) -> Any:
        return _fillable(np.zeros(*args, **kwargs))

    def ones(self, *args: Any, **kwargs: Any) -> Any:
        return _fillable(np.ones(*args, **kwargs))

    def full(self, shape: Any, fill: Any, dtype: Any = None, **how: Any) -> Any:
        if is_tangent(fill):
            return np.broadcast_to(fill, shape).copy()
        return _fillable(np.full(shape, fill, dtype, **how))

    def zeros_like(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return _fillable(np.zeros_like(parts(x)[0], *args, **kwargs))

    empty_like = zeros_like


def _fillable(array: Any) -> Any:
    """An array of floats that tangents may be assigned to."""
    return as_tangent(array) if array.dtype.kind == "f" else array


_NUMPY = _NumPy()


# --- functions with a derivative of their own ---


@lru_cache(maxsize=1)
def _own_rules() -> dict[Any, Function]:
    return {
        special.erf: entrywise(special.erf, lambda _, x: special.erf_slope(x)),
        special.erfc: entrywise(special.erfc, lambda _, x: -special.erf_slope(x)),
        special.normal_cdf: entrywise(special.normal_cdf, lambda _, x: special.times_normal_pdf(1.0, x)),
        special.lgamma: entrywise(special.lgamma, lambda _, x: special.digamma(x)),
        special.digamma: entrywise(special.digamma, lambda _, x: special.trigamma(x)),
        special.trigamma: entrywise(special.trigamma, lambda _, x: _tetragamma(x)),
        kernels.sigmoid: entrywise(kernels.sigmoid, lambda _, x: kernels.sigmoid_slope(x)),
        kernels.log1pexp: entrywise(kernels.log1pexp, lambda _, x: kernels.sigmoid(x)),
        # Near 0 these are flat, and all that their formulas leave of the slope is rounding.
        kernels.sigmoid_slope: entrywise(kernels.sigmoid_slope, lambda out, x: -out * np.tanh(0.5 * x)),
        kernels.sech_squared: entrywise(kernels.sech_squared, lambda out, x: -2.0 * out * np.tanh(x)),
        elementary._arc_slope: entrywise(elementary._arc_slope, lambda out, x: x * out * out * out),
        elementary._area_slope: entrywise(elementary._area_slope, lambda out, x: 2.0 * x * out * out),
        kernels.times_gaussian: _times_gaussian,
        exact.worthwhile: _unless_moving(exact.worthwhile),
        exact.worthwhile_rows: _unless_moving(exact.worthwhile_rows),
        linear_algebra._solve_matrices: _solve_matrices,
        linear_algebra._determinant: _determinant,
        linear_algebra._determinant_vjp: _determinant_vjp,
    }


def _unless_moving(function: Function) -> Function:
    """Integers carry no tangents: what asks whether to compute in them hears no."""
    return lambda *arrays: not holds_tangents(*arrays) and function(*arrays)


def _tetragamma(x: Any) -> Any:
    """ψ'', by reflection left of 0: ``ψ''(x) = ψ''(1 - x) - 2 π³ cos πx / sin³ πx`` (Abramowitz and Stegun 6.4.7)."""
    import scipy.special

    negative = np.less_equal(x, 0)
    right = -2.0 * scipy.special.zeta(3.0, np.where(negative, np.subtract(1.0, x), x))
    angle = np.pi * np.subtract(x, np.rint(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        mirrored = 2.0 * np.pi**3 / np.tan(angle) / np.square(np.sin(angle))
    return np.where(negative, right - mirrored, right)


def _times_gaussian(factor: Any, x: Any, scale: float) -> Any:
    """``factor * exp(-scale x²)``: far out, where the exponential is 0, its slope is too."""
    if not holds_tangents(factor, x):
        return kernels.times_gaussian(factor, x, scale)
    (by, _), (at, _) = parts(factor), parts(x)
    out = kernels.times_gaussian(by, at, scale)
    slope = kernels.times_gaussian(-2.0 * scale * by * np.clip(at, -64.0, 64.0), at, scale)
    return chained(out, [kernels.times_gaussian(1.0, at, scale), slope], [factor, x])


def _solve_matrices(a: Any, b: Any) -> Any:
    """``a dX = db - da X``."""
    (matrix, moved), (right, right_moved) = parts(a), parts(b)
    found = linear_algebra._solve_matrices(matrix, right)
    if not holds_tangents(a, b):
        return found
    rest = np.broadcast_to(right_moved - moved @ found if is_tangent(a) else right_moved, found.shape)
    return TangentArray(found, linear_algebra._solve_matrices(matrix, rest))


def _determinant(x: Any) -> Any:
    """Jacobi's formula."""
    value, moved = parts(x)
    found = linear_algebra._determinant(value)
    if not holds_tangents(x):
        return found
    cofactors = linear_algebra._determinant_vjp(np.ones(found.shape), found, value)
    return TangentArray(found, np.sum(cofactors * moved, axis=(-1, -2)))


def _determinant_vjp(upstream: Any, out: Any, x: Any) -> Any:
    (weight, weight_moved), (value, moved) = parts(upstream), parts(x)
    result = linear_algebra._determinant_vjp(weight, parts(out)[0], value)
    if not holds_tangents(upstream, x):
        return result
    cofactors = linear_algebra._determinant_vjp(np.ones(weight.shape), parts(out)[0], value)
    tangent = weight_moved[..., None, None] * cofactors
    if is_tangent(x):
        tangent = tangent + weight[..., None, None] * _moved_cofactors(value, moved, cofactors)
    return TangentArray(result, tangent)


def _moved_cofactors(x: Any, moved: Any, cofactors: Any) -> Any:
    """The change of the cofactors C of x as x moves. For small matrices by minors, which asks for no inverse; else
    ``C tr(x⁻¹ dx) - x⁻ᵀ dxᵀ C``."""
    n = x.shape[-1]
    if n <= EXACT_COFACTORS:
        result = np.zeros(np.broadcast_shapes(x.shape, moved.shape))
        for i in range(n):
            for j in range(n):
                rows, columns = [k for k in range(n) if k != i], [k for k in range(n) if k != j]
                minor = x[..., rows, :][..., columns]
                slopes = linear_algebra._determinant_vjp(np.ones(minor.shape[:-2]), None, minor)
                change = np.sum(slopes * moved[..., rows, :][..., columns], axis=(-1, -2))
                result[..., i, j] = change if (i + j) % 2 == 0 else -change
        return result
    inverse = linear_algebra._inverse(x)
    turned = np.swapaxes(inverse, -1, -2)
    trace = np.sum(turned * moved, axis=(-1, -2))[..., None, None]
    return cofactors * trace - turned @ np.swapaxes(moved, -1, -2) @ cofactors
