"""``TangentArray``: an array that carries its derivative along one direction through what NumPy does with it.

Where a function branches (``abs``, ``max``, a comparison), the branch is chosen as if the point were x + t dx with a small
t > 0: at a tie the tangent decides. So a kernel that takes the same smooth function apart in two formulas stays within one of
them, and the derivative that comes out is the one-sided one, which for a smooth function is the derivative (Nesterov,
"Lexicographic differentiation of nonsmooth functions", *Mathematical Programming* 104, 2005). What does not move has no
derivative: a tangent of 0 gives 0 even through an infinite slope.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import EllipsisType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gradtool.ops import REGISTRY

Array = NDArray[Any]
Rule = Callable[..., Any]
Key = int | slice | EllipsisType | None | Array | tuple[Any, ...]


def _operator(ufunc: np.ufunc, swapped: bool = False) -> Rule:
    if swapped:
        return lambda self, other: ufunc(other, self)
    return lambda self, other: ufunc(self, other)


def _assigning(function: Callable[[Any, Any], Any]) -> Rule:
    def assign(self: TangentArray, other: Any) -> TangentArray:
        result = function(self, other)
        if not self.value.ndim:
            return as_tangent(result)
        self[...] = result
        return self

    return assign


class TangentArray:
    """``value`` and ``tangent``, two arrays of floats of one shape. Views share memory with what they are views of."""

    __slots__ = ("tangent", "value")
    __array_priority__: ClassVar[float] = 1000.0
    __hash__ = None  # type: ignore[assignment]  # As an array's.

    def __init__(self, value: Any, tangent: Any) -> None:
        self.value: Array = np.asarray(value)
        self.tangent: Array = np.asarray(tangent)

    def __repr__(self) -> str:
        return f"TangentArray({self.value!r}, {self.tangent!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype

    @property
    def T(self) -> TangentArray:
        return self.transpose()

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, key: Key) -> TangentArray:
        return TangentArray(self.value[key], self.tangent[key])

    def __setitem__(self, key: Key, given: Any) -> None:
        value, tangent = parts(given)
        self.value[key] = value
        self.tangent[key] = tangent

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        rule = _UFUNCS.get(ufunc) if method == "__call__" else _METHODS.get((ufunc, method))
        if rule is None and method == "__call__":
            rule = _special_rules().get(ufunc.__name__)
        if rule is None:
            raise NotImplementedError(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} of tangents")
        result = rule(*inputs, **kwargs)
        if out is not None:
            out[0][...] = result
            return out[0]
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = FUNCTIONS.get(function)
        if rule is None:
            raise NotImplementedError(f"np.{function.__name__} of tangents")
        return rule(*args, **kwargs)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Floats stay tangents; whole numbers and truth values have none."""
        value = self.value.astype(dtype, copy=copy)
        return TangentArray(value, self.tangent.astype(dtype, copy=copy)) if value.dtype.kind == "f" else value

    def copy(self) -> TangentArray:
        return TangentArray(self.value.copy(), self.tangent.copy())

    def reshape(self, *shape: Any) -> TangentArray:
        return TangentArray(self.value.reshape(*shape), self.tangent.reshape(*shape))

    def transpose(self, *axes: Any) -> TangentArray:
        return TangentArray(self.value.transpose(*axes), self.tangent.transpose(*axes))

    def swapaxes(self, a: int, b: int) -> TangentArray:
        return TangentArray(self.value.swapaxes(a, b), self.tangent.swapaxes(a, b))

    def ravel(self) -> TangentArray:
        return TangentArray(self.value.ravel(), self.tangent.ravel())

    flatten = ravel

    def squeeze(self, axis: Any = None) -> TangentArray:
        return TangentArray(self.value.squeeze(axis), self.tangent.squeeze(axis))

    def sum(self, axis: Any = None, keepdims: bool = False) -> TangentArray:
        return _added(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> TangentArray:
        return as_tangent(FUNCTIONS[np.mean](self, axis=axis, keepdims=keepdims))

    def max(self, axis: Any = None, keepdims: bool = False) -> TangentArray:
        return _extreme(1, self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> TangentArray:
        return _extreme(-1, self, axis, keepdims=keepdims)

    __add__, __radd__ = _operator(np.add), _operator(np.add, True)
    __sub__, __rsub__ = _operator(np.subtract), _operator(np.subtract, True)
    __mul__, __rmul__ = _operator(np.multiply), _operator(np.multiply, True)
    __truediv__, __rtruediv__ = _operator(np.divide), _operator(np.divide, True)
    __pow__, __rpow__ = _operator(np.power), _operator(np.power, True)
    __matmul__, __rmatmul__ = _operator(np.matmul), _operator(np.matmul, True)
    __lt__, __le__ = _operator(np.less), _operator(np.less_equal)
    __gt__, __ge__ = _operator(np.greater), _operator(np.greater_equal)
    __eq__, __ne__ = _operator(np.equal), _operator(np.not_equal)
    __iadd__, __isub__ = _assigning(operator.add), _assigning(operator.sub)
    __imul__, __itruediv__ = _assigning(operator.mul), _assigning(operator.truediv)

    def __neg__(self) -> TangentArray:
        return TangentArray(-self.value, -self.tangent)

    def __pos__(self) -> TangentArray:
        return self

    def __abs__(self) -> TangentArray:
        return _absolute(self)

    def __bool__(self) -> bool:
        return bool(self != 0)


def is_tangent(x: Any) -> bool:
    """Whether ``x`` is a ``TangentArray``."""
    return isinstance(x, TangentArray)


def parts(x: Any) -> tuple[Array, Array]:
    """Value and tangent of anything: what is no ``TangentArray`` does not move."""
    if isinstance(x, TangentArray):
        return x.value, x.tangent
    value = np.asarray(x)
    return value, np.zeros(value.shape)


def as_tangent(x: Any) -> TangentArray:
    """``x``, or a ``TangentArray`` of tangent 0. A list or tuple of arrays is stacked."""
    if isinstance(x, TangentArray):
        return x
    if isinstance(x, (list, tuple)) and any(map(_within, x)):
        return _all_parts(np.stack, [as_tangent(item) for item in x])
    return TangentArray(*parts(x))


def _within(x: Any) -> bool:
    return isinstance(x, TangentArray) or (isinstance(x, (list, tuple)) and any(map(_within, x)))


def holds_tangents(*arguments: Any) -> bool:
    """Whether there is a ``TangentArray`` among these, or in lists and tuples of them."""
    return any(map(_within, arguments))


def times(slope: Any, tangent: Array) -> Array:
    """``slope * tangent``, 0 where nothing moves."""
    product = np.asarray(slope * tangent)
    if not product.ndim:
        return product if product == product or tangent != 0 else np.zeros(())
    lost = np.isnan(product)
    return np.where(lost & np.equal(tangent, 0), 0.0, product) if lost.any() else product


def chained(value: Any, slopes: Sequence[Any], arguments: Sequence[Any]) -> TangentArray:
    """``value`` with the tangent that the chain rule gives it: one slope an argument, None for one that does not move."""
    value = np.asarray(value)
    total: Any = 0.0
    for slope, argument in zip(slopes, arguments, strict=True):
        if slope is not None and isinstance(argument, TangentArray):
            total = total + times(slope, argument.tangent)
    return TangentArray(value, np.array(np.broadcast_to(total, value.shape), dtype=value.dtype))


def entrywise(function: Callable[..., Any], *slopes: Callable[..., Any]) -> Rule:
    """The rule of ``function(*arguments)``, given ``slopes[i](out, *arguments)`` on plain arrays."""

    def rule(*arguments: Any) -> Any:
        if not holds_tangents(*arguments):
            return function(*arguments)
        values = [parts(a)[0] for a in arguments]
        out = function(*values)
        moved = [
            slope(out, *values) if isinstance(a, TangentArray) else None
            for slope, a in zip(slopes, arguments, strict=True)
        ]
        return chained(out, moved, arguments)

    return rule


# --- what branches: the tangent decides at a tie ---


def _moved_sign(x: TangentArray) -> Array:
    """The sign of x + t dx for small t > 0."""
    return np.where(x.value == 0, np.sign(x.tangent), np.sign(x.value))


def _absolute(x: TangentArray) -> TangentArray:
    sign = _moved_sign(x)
    return TangentArray(np.abs(x.value), times(sign, x.tangent))


def _sign(x: TangentArray) -> TangentArray:
    return TangentArray(_moved_sign(x), np.zeros(x.shape))


def _stepped(ufunc: np.ufunc) -> Rule:
    """Constant piece by piece: the value a little way along, where the piece ends here."""

    def rule(x: TangentArray) -> TangentArray:
        beside = np.where(x.tangent == 0, x.value, np.nextafter(x.value, np.copysign(np.inf, x.tangent)))
        return TangentArray(ufunc(beside), np.zeros(x.shape))

    return rule


def _heaviside(x: Any, half: Any) -> TangentArray:
    values = np.heaviside(_moved_sign(as_tangent(x)), parts(half)[0])
    return TangentArray(values, np.zeros(values.shape))


def _compared(ufunc: np.ufunc, at_tie: np.ufunc) -> Rule:
    """A comparison of values, and of tangents where these are equal."""

    def rule(a: Any, b: Any) -> Array:
        (x, dx), (y, dy) = parts(a), parts(b)
        return np.asarray(np.where(np.equal(x, y), at_tie(dx, dy), ufunc(x, y)))

    return rule


def _selected(ufunc: np.ufunc, beyond: Rule) -> Rule:
    """The larger or smaller of two."""

    def rule(a: Any, b: Any) -> TangentArray:
        (x, dx), (y, dy) = parts(a), parts(b)
        first = beyond(a, b) | np.isnan(x)
        return TangentArray(ufunc(x, y), np.where(first, dx, dy))

    return rule


_less, _greater = _compared(np.less, np.less), _compared(np.greater, np.greater)
_maximum, _minimum = _selected(np.maximum, _greater), _selected(np.minimum, _less)


def _clipped(x: Any, low: Any = None, high: Any = None, **bounds: Any) -> Any:
    low, high = bounds.get("min", low), bounds.get("max", high)
    raised = x if low is None else _maximum(x, low)
    return raised if high is None else _minimum(raised, high)


def _order(x: TangentArray, axis: int) -> Array:
    """The places of the entries in ascending order along an axis."""
    return np.lexsort((np.moveaxis(x.tangent, axis, -1), np.moveaxis(x.value, axis, -1)), axis=-1)


def _argsort(x: TangentArray, axis: int = -1, **_how: Any) -> Array:
    return np.asarray(np.moveaxis(_order(x, axis), -1, axis))


def _sorted(x: TangentArray, axis: int = -1, **_how: Any) -> TangentArray:
    order = _argsort(x, axis)
    return TangentArray(np.take_along_axis(x.value, order, axis), np.take_along_axis(x.tangent, order, axis))


def _place_of_extreme(direction: int, x: TangentArray, axis: Any = None, keepdims: bool = False) -> Array:
    if axis is None:
        x, axis = x.ravel(), 0
    signed = direction * x.value
    best = np.max(signed, axis=axis, keepdims=True)
    among = np.where((signed == best) | np.isnan(signed), direction * x.tangent, -np.inf)
    argmax: Any = np.argmax
    return np.asarray(argmax(among, axis=axis, keepdims=keepdims))


def _extreme(
    direction: int, x: TangentArray, axis: Any = None, *, keepdims: bool = False, initial: float | None = None
) -> TangentArray:
    """The largest (``direction`` 1) or smallest entry over the axes."""
    function: Any = np.max if direction > 0 else np.min
    if initial is not None:
        if not x.size:
            return as_tangent(function(x.value, axis=axis, keepdims=keepdims, initial=initial))
        best = _extreme(direction, x, axis, keepdims=keepdims)
        return as_tangent((_maximum if direction > 0 else _minimum)(best, initial))
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    axes = tuple(a % x.ndim for a in axes)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    reduced = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    value = function(x.value, axis=axes, keepdims=keepdims)
    if not x.size:
        return as_tangent(value)
    rows = np.moveaxis(np.arange(x.size).reshape(x.shape), axes, range(-len(axes), 0)).reshape((*reduced, -1))
    flat = TangentArray(x.value.ravel()[rows], x.tangent.ravel()[rows])
    place = _place_of_extreme(direction, flat, -1, keepdims=True)
    found = np.take_along_axis(flat.tangent, place, -1)[..., 0]
    return TangentArray(value, found.reshape(kept) if keepdims else found)


# --- what is linear: the same for value and tangent ---


def _all_parts(function: Callable[..., Any], items: Sequence[Any], *args: Any, **kwargs: Any) -> TangentArray:
    both = [parts(item) for item in items]
    return TangentArray(
        function([value for value, _ in both], *args, **kwargs),
        function([tangent for _, tangent in both], *args, **kwargs),
    )


def _linear(function: Callable[..., Any]) -> Rule:
    """A function that is linear in its first argument, whatever else it is given."""

    def rule(x: Any, *args: Any, **kwargs: Any) -> Any:
        value, tangent = parts(x)
        return TangentArray(function(value, *args, **kwargs), function(tangent, *args, **kwargs))

    return rule


def _of_list(function: Callable[..., Any]) -> Rule:
    return lambda items, *args, **kwargs: _all_parts(function, list(items), *args, **kwargs)


def _of_value(function: Callable[..., Any]) -> Rule:
    """A function whose result does not move."""
    return lambda *args, **kwargs: function(
        *(parts(a)[0] if isinstance(a, TangentArray) else a for a in args), **kwargs
    )


def _bilinear(function: Callable[..., Any]) -> Rule:
    """A function that is linear in each of two arrays."""

    def rule(a: Any, b: Any, *args: Any, **kwargs: Any) -> TangentArray:
        (x, dx), (y, dy) = parts(a), parts(b)
        tangent = 0.0
        if isinstance(a, TangentArray):
            tangent = tangent + function(dx, y, *args, **kwargs)
        if isinstance(b, TangentArray):
            tangent = tangent + function(x, dy, *args, **kwargs)
        return TangentArray(function(x, y, *args, **kwargs), tangent)

    return rule


def _added(x: Any, axis: Any = None, keepdims: bool = False, **kwargs: Any) -> TangentArray:
    value, tangent = parts(x)
    return TangentArray(
        np.sum(value, axis=axis, keepdims=keepdims, **kwargs), np.sum(tangent, axis=axis, keepdims=keepdims, **kwargs)
    )


def _divided(a: Any, b: Any) -> TangentArray:
    """``da / b - out (db / b)``: out / b may underflow where that does not."""
    (x, dx), (y, dy) = parts(a), parts(b)
    out = np.divide(x, y)
    down = times(out, np.asarray(np.divide(dy, y))) if isinstance(b, TangentArray) else 0.0
    return TangentArray(out, np.array(np.broadcast_to(np.divide(dx, y) - np.where(dy == 0, 0.0, down), out.shape)))


def _einsum(subscripts: str, *operands: Any, **kwargs: Any) -> TangentArray:
    values = [parts(o)[0] for o in operands]
    if len(operands) == 1:  # May be a view.
        return TangentArray(
            np.einsum(subscripts, *values, **kwargs), np.einsum(subscripts, operands[0].tangent, **kwargs)
        )
    tangent: Any = 0.0
    for i, operand in enumerate(operands):
        if isinstance(operand, TangentArray):
            moved = [operand.tangent if k == i else value for k, value in enumerate(values)]
            tangent = tangent + np.einsum(subscripts, *moved, **kwargs)
    return TangentArray(np.einsum(subscripts, *values, **kwargs), tangent)


def _where(condition: Any, a: Any, b: Any) -> Any:
    condition = condition != 0 if isinstance(condition, TangentArray) else condition
    (x, dx), (y, dy) = parts(a), parts(b)
    if not holds_tangents(a, b):
        return np.where(condition, x, y)
    return TangentArray(np.where(condition, x, y), np.where(condition, dx, dy))


def _broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    shape = np.broadcast_shapes(*(np.shape(parts(a)[0]) for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


def _put_along_axis(array: Any, indices: Array, given: Any, axis: Any) -> None:
    value, tangent = parts(given)
    np.put_along_axis(array.value, indices, value, axis)
    np.put_along_axis(array.tangent, indices, tangent, axis)


def _copyto(array: Any, given: Any, **kwargs: Any) -> None:
    value, tangent = parts(given)
    np.copyto(array.value, value, **kwargs)
    np.copyto(array.tangent, tangent, **kwargs)


def _padded(x: Any, width: Any, mode: str = "constant", **kwargs: Any) -> TangentArray:
    value, tangent = parts(x)
    still = {**kwargs, "constant_values": 0} if "constant_values" in kwargs else kwargs
    pad: Any = np.pad  # Its stubs know no keywords that are handed on.
    return TangentArray(pad(value, width, mode=mode, **kwargs), pad(tangent, width, mode=mode, **still))


def _binned(places: Any, weights: Any = None, minlength: int = 0) -> Any:
    value, tangent = parts(weights)
    return TangentArray(np.bincount(places, value, minlength), np.bincount(places, tangent, minlength))


def _add_at(array: Any, indices: Any, given: Any) -> None:
    value, tangent = parts(given)
    np.add.at(array.value, indices, value)
    np.add.at(array.tangent, indices, tangent)


def _product(x: TangentArray, axis: Any = None, keepdims: bool = False, **_: Any) -> TangentArray:
    """One factor after the other, as a quotient would fail at zeros."""
    moved = x.ravel() if axis is None else _first(x, axis)
    total = as_tangent(np.ones(moved.shape[1:], dtype=x.dtype))
    for factor in range(len(moved)):
        total = total * moved[factor]
    if keepdims:
        return total.reshape([1 if axis is None or a == axis % x.ndim else n for a, n in enumerate(x.shape)])
    return total


def _first(x: TangentArray, axis: int) -> TangentArray:
    """A view in which ``axis`` comes first."""
    return TangentArray(np.moveaxis(x.value, axis, 0), np.moveaxis(x.tangent, axis, 0))


def _running_product(x: TangentArray, axis: int) -> TangentArray:
    result = x.copy()
    along = _first(result, axis)
    for k in range(1, len(along)):
        along[k] = along[k - 1] * along[k]
    return result


def _frexp(x: TangentArray) -> tuple[TangentArray, Array]:
    mantissa, exponent = np.frexp(x.value)
    return TangentArray(mantissa, np.ldexp(x.tangent, -exponent)), exponent


def _ldexp(x: Any, exponent: Any) -> TangentArray:
    value, tangent = parts(x)
    return TangentArray(np.ldexp(value, exponent), np.ldexp(tangent, exponent))


def _copysign(a: Any, b: Any) -> TangentArray:
    x = as_tangent(a)
    sign = np.where(np.signbit(parts(b)[0]) if not isinstance(b, TangentArray) else _moved_sign(b) < 0, -1.0, 1.0)
    size = _absolute(x)
    return TangentArray(sign * size.value, sign * size.tangent)


# --- matrices (Giles, "Collected matrix derivative results", 2008) ---


def _solved(a: Any, b: Any) -> TangentArray:
    (matrix, moved), (right, right_moved) = parts(a), parts(b)
    found = np.linalg.solve(matrix, right)
    return TangentArray(found, np.linalg.solve(matrix, right_moved - moved @ found))


def _inverted(a: TangentArray) -> TangentArray:
    found = np.linalg.inv(a.value)
    return TangentArray(found, -found @ a.tangent @ found)


def _log_determinant(a: TangentArray) -> tuple[Array, TangentArray]:
    sign, size = np.linalg.slogdet(a.value)
    try:
        moved = np.linalg.solve(a.value, a.tangent)
    except np.linalg.LinAlgError:
        moved = np.full(a.shape, np.nan)
    return sign, TangentArray(size, np.trace(moved, axis1=-2, axis2=-1))


def _cholesky(a: TangentArray, **how: Any) -> TangentArray:
    """L Φ(L⁻¹ dA L⁻ᵀ), where Φ takes the lower triangle and half of the diagonal."""
    factor = np.linalg.cholesky(a.value, **how)
    lower = np.swapaxes(factor, -1, -2) if how.get("upper") else factor
    moved = (a.tangent + np.swapaxes(a.tangent, -1, -2)) / 2  # Only the symmetric part makes sense.
    within = np.linalg.solve(lower, np.swapaxes(np.linalg.solve(lower, moved), -1, -2))
    half = np.tril(within) - 0.5 * within * np.eye(within.shape[-1])
    tangent = lower @ half
    return TangentArray(factor, np.swapaxes(tangent, -1, -2) if how.get("upper") else tangent)


# --- the tables ---

_UFUNCS: dict[np.ufunc, Rule] = {
    operation.forward: entrywise(operation.forward, *(operation.local_of(i) for i in range(len(operation.arguments))))
    for operation in REGISTRY.values()
    if isinstance(operation.forward, np.ufunc)
}
"""Of a ufunc that is an operation of the language, the slopes are declared there."""

_UFUNCS |= {
    np.multiply: _bilinear(np.multiply), np.matmul: _bilinear(np.matmul),
    np.add: lambda a, b: TangentArray(parts(a)[0] + parts(b)[0], parts(a)[1] + parts(b)[1]),
    np.subtract: lambda a, b: TangentArray(parts(a)[0] - parts(b)[0], parts(a)[1] - parts(b)[1]),
    np.positive: lambda x: x, np.conjugate: lambda x: x,
    np.divide: _divided, np.reciprocal: lambda x: _divided(1.0, x),
    np.float_power: entrywise(np.float_power, *(REGISTRY["power"].local_of(i) for i in range(2))),
    np.logaddexp: entrywise(
        np.logaddexp, lambda out, a, _: np.exp(a - out), lambda out, _, b: np.exp(b - out),
    ),
    np.absolute: _absolute, np.fabs: _absolute, np.sign: _sign, np.heaviside: _heaviside, np.copysign: _copysign,
    np.floor: _stepped(np.floor), np.ceil: _stepped(np.ceil), np.rint: _stepped(np.rint), np.trunc: _stepped(np.trunc),
    np.maximum: _maximum, np.minimum: _minimum, np.fmax: _maximum, np.fmin: _minimum,
    np.less: _less, np.greater: _greater,
    np.less_equal: _compared(np.less_equal, np.less_equal), np.greater_equal: _compared(np.greater_equal, np.greater_equal),
    np.equal: _compared(np.equal, np.equal), np.not_equal: _compared(np.not_equal, np.not_equal),
    np.isfinite: _of_value(np.isfinite), np.isnan: _of_value(np.isnan), np.isinf: _of_value(np.isinf),
    np.signbit: lambda x: _moved_sign(x) < 0, np.logical_not: lambda x: ~(x != 0),
    np.frexp: _frexp, np.ldexp: _ldexp,
}  # fmt: skip
if hasattr(np, "vecdot"):
    _UFUNCS[np.vecdot] = _bilinear(np.vecdot)

_METHODS: dict[tuple[np.ufunc, str], Rule] = {
    (np.add, "reduce"): lambda x, axis=0, keepdims=False, **_: _added(x, axis=axis, keepdims=keepdims),
    (np.maximum, "reduce"): lambda x, axis=0, keepdims=False, **_: _extreme(1, x, axis, keepdims=keepdims),
    (np.minimum, "reduce"): lambda x, axis=0, keepdims=False, **_: _extreme(-1, x, axis, keepdims=keepdims),
    (np.multiply, "reduce"): lambda x, axis=0, keepdims=False, **_: _product(x, axis, keepdims),
    (np.add, "accumulate"): lambda x, axis=0, **_: np.cumsum(x, axis),
    (np.multiply, "outer"): _bilinear(np.multiply.outer),
    (np.add, "at"): _add_at,
}

FUNCTIONS: dict[Any, Rule] = {
    **{
        function: _linear(function)
        for function in (
            np.mean, np.cumsum, np.reshape, np.ravel, np.moveaxis, np.swapaxes, np.transpose, np.squeeze, np.expand_dims,
            np.broadcast_to, np.flip, np.fliplr, np.flipud, np.rot90, np.roll, np.take, np.take_along_axis, np.repeat, np.tile,
            np.diff, np.diagonal, np.trace, np.diag, np.tril, np.triu, np.copy, np.atleast_1d, np.atleast_2d, np.resize,
            np.rollaxis, np.delete, np.compress, np.extract, np.lib.stride_tricks.sliding_window_view,
            np.lib.stride_tricks.as_strided,
        )
    },
    **{
        function: _of_list(function)
        for function in (np.concatenate, np.stack, np.hstack, np.vstack, np.column_stack)
    },
    **{function: _bilinear(function) for function in (np.dot, np.inner, np.outer, np.tensordot, np.kron)},
    **{
        function: _of_value(function)
        for function in (np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.shares_memory)
    },
    np.sum: _added, np.prod: _product, np.cumprod: _running_product, np.einsum: _einsum, np.where: _where,
    np.max: lambda x, axis=None, **how: _extreme(1, x, axis, **how), np.sort: _sorted, np.argsort: _argsort,
    np.min: lambda x, axis=None, **how: _extreme(-1, x, axis, **how), np.clip: _clipped,
    np.argmax: lambda x, axis=None, keepdims=False: _place_of_extreme(1, x, axis, keepdims),
    np.argmin: lambda x, axis=None, keepdims=False: _place_of_extreme(-1, x, axis, keepdims),
    np.any: lambda x, *a, **k: np.any(x != 0, *a, **k), np.all: lambda x, *a, **k: np.all(x != 0, *a, **k),
    np.broadcast_arrays: _broadcast_arrays, np.put_along_axis: _put_along_axis, np.copyto: _copyto, np.pad: _padded,
    np.bincount: _binned,
    np.zeros_like: lambda x, *a, **k: as_tangent(np.zeros_like(x.value, *a, **k)),
    np.empty_like: lambda x, *a, **k: as_tangent(np.zeros_like(x.value, *a, **k)),
    np.ones_like: lambda x, *a, **k: as_tangent(np.ones_like(x.value, *a, **k)),
    np.full_like: lambda x, fill, **k: as_tangent(np.zeros_like(x.value, **k)) + fill,
    np.split: lambda x, *a, **k: [
        TangentArray(*pair) for pair in zip(np.split(x.value, *a, **k), np.split(x.tangent, *a, **k), strict=True)
    ],
    np.linalg.solve: _solved, np.linalg.inv: _inverted, np.linalg.cholesky: _cholesky,
    np.linalg.slogdet: _log_determinant,
}  # fmt: skip
"""The rules of NumPy's functions."""


@lru_cache(maxsize=1)
def _special_rules() -> dict[str, Rule]:
    """The ufuncs of ``scipy.special``, by name: it is loaded only where one of them was used."""
    import scipy.special as s

    def density(x: Any) -> Any:
        return REGISTRY["erf"].local_of(0)(None, x / np.sqrt(2.0)) / np.sqrt(8.0)

    slopes: dict[str, tuple[Any, ...]] = {
        "erf": (REGISTRY["erf"].local_of(0),),
        "erfc": (REGISTRY["erfc"].local_of(0),),
        "erfcx": (lambda out, x: 2.0 * x * out - 2.0 / np.sqrt(np.pi),),
        "ndtr": (lambda _, x: density(x),),
        "log_ndtr": (lambda out, x: np.exp(-0.5 * x * x - 0.5 * np.log(2.0 * np.pi) - out),),
        "gammaln": (REGISTRY["lgamma"].local_of(0),),
        "psi": (REGISTRY["digamma"].local_of(0),),
        "expit": (REGISTRY["sigmoid"].local_of(0),),
        "logit": (lambda _, x: 1.0 / (x * (1.0 - x)),),
        "log_expit": (REGISTRY["logsigmoid"].local_of(0),),
        "xlogy": (lambda _out, _x, y: np.log(y), lambda _, x, y: x / y),
        "xlog1py": (lambda _out, _x, y: np.log1p(y), lambda _, x, y: x / (1.0 + y)),
    }
    rules = {name: entrywise(getattr(s, name), *given) for name, given in slopes.items()}
    # The order of ζ(s, q) is a constant wherever it is used.
    rules["_zeta"] = lambda order, q: chained(s.zeta(order, q.value), [-order * s.zeta(order + 1, q.value)], [q])
    return rules
