"""``TracedArray``: an array that writes down what is done with it.

It holds what NumPy computed, and the node of the graph that stands for it. Whatever is done with it goes through ``call``:
NumPy computes the result, a rule says which operations make it, and the two must agree. What NumPy gives as whole numbers
or truth values is constant piece by piece, so it is handed on as it is.

NumPy's views share memory, and so do traced ones: all views of one array share a ``Storage`` that knows the node of the
whole. Assigning to a view gives the whole another node; a view taken before looks its entries up in it again.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gradtool.tracing.tape import Tape

Array = NDArray[Any]
Rule = Callable[..., Any]

UFUNC_RULES: dict[str, Rule] = {}
"""By a ufunc's name: the rule of calling it."""
METHOD_RULES: dict[tuple[str, str], Rule] = {}
"""By a ufunc's name and one of its methods, such as ``reduce``."""
FUNCTION_RULES: dict[Any, Rule] = {}
"""By NumPy function: a rule takes the arguments that can be traced, and no others."""
MUTATING: dict[Any, Rule] = {}
"""NumPy functions that change an argument: the rule does all of it."""
METADATA: frozenset[Any] = frozenset(
    {np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.shares_memory}
)
"""NumPy functions whose result depends on no entry."""

CLOSE = 1e-12
NOISE_DRAWS = 4
NOISE_SAFETY = 64.0


class Storage:
    """What the views of one array share. ``version`` counts the assignments."""

    __slots__ = ("node", "shape", "version")

    def __init__(self, node: int, shape: tuple[int, ...]) -> None:
        self.node = node
        self.shape = shape
        self.version = 0


def _operators(ufunc: np.ufunc) -> tuple[Rule, Rule, Rule]:
    """Python's operator, its reflected form and its form that assigns."""

    def forward(self: TracedArray, other: Any) -> Any:
        return call(ufunc, (self, other), {}) if _known(other) else NotImplemented

    def reflected(self: TracedArray, other: Any) -> Any:
        return call(ufunc, (other, self), {}) if _known(other) else NotImplemented

    def assigning(self: TracedArray, other: Any) -> Any:
        result = forward(self, other)
        if self.value.ndim == 0 or result is NotImplemented:
            return result  # NumPy's numbers do not change.
        self[...] = result
        return self

    return forward, reflected, assigning


def _unary(ufunc: np.ufunc) -> Rule:
    return lambda self: call(ufunc, (self,), {})


def _known(other: Any) -> bool:
    return isinstance_traced(other) or isinstance(
        other, (bool, int, float, complex, list, tuple, np.ndarray, np.generic)
    )


class TracedArray:
    """An array of float64 or booleans during a traced run. After the run it is like any array."""

    __slots__ = ("_node", "_origin", "_version", "storage", "tape", "value")
    __array_priority__: ClassVar[float] = 1000.0

    def __init__(self, tape: Tape, node: int, value: Any) -> None:
        self.tape = tape
        self.value: Array = np.asarray(value)
        self.storage = Storage(node, self.value.shape)
        self._node = node
        self._version = 0
        self._origin: Callable[[], Array] | None = None

    @property
    def node(self) -> int:
        """The node that stands for it now."""
        if self._origin is None:
            return self.storage.node
        if self._version != self.storage.version:
            self._node = taken(self.tape, self.storage.node, self.places())
            self._version = self.storage.version
        return self._node

    @property
    def settled_node(self) -> int | None:
        """The node that stands for it now; None where that of a view has yet to be made."""
        if self._origin is None:
            return self.storage.node
        return self._node if self._version == self.storage.version else None

    def places(self) -> Array:
        """For every entry, the place in its storage, counted along the rows."""
        if self._origin is None:
            return np.arange(self.value.size).reshape(self.value.shape)
        return self._origin()

    def become_view(self, other: TracedArray, again: Callable[[Array], Any]) -> None:
        """Share the storage of ``other``; ``again`` makes this array's entries of the other's."""
        self.storage = other.storage
        self._version = other.storage.version
        self._origin = lambda: np.asarray(again(other.places()))

    @property
    def flat_everywhere(self) -> bool:
        """Whether its derivative is 0 wherever it has one."""
        return self.tape.entries[self.node].flat

    def concrete(self, what: str) -> Array:
        """A copy as a plain array, for what cannot hold a traced one. Only what is constant piece by piece can be handed
        out without losing a derivative; else the trace fails, with ``what`` as the reason."""
        if not self.tape.closed:
            if not self.flat_everywhere:
                self.tape.fail(what)
            if not self.tape.entries[self.node].fixed:
                self.tape.branch()
        return self.value.copy()

    # --- what NumPy asks of it ---

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        return call(ufunc, args, kwargs, method)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        value = self.concrete(
            "a traced value is put into a plain array here, which cannot hold one. "
            "np.zeros, np.empty, np.ones, np.full and np.array can, called as attributes of numpy inside the function"
        )
        return value if dtype is None else value.astype(dtype)

    @property
    def __class__(self) -> Any:
        """An array's, so that ``isinstance`` takes it for what it stands for."""
        return np.ndarray if self.value.ndim else np.float64

    @__class__.setter
    def __class__(self, other: Any) -> None:
        raise TypeError("the class of a traced array is fixed")

    # --- metadata ---

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @shape.setter
    def shape(self, _: Any) -> None:
        self.tape.fail("setting .shape cannot be traced; write reshape")

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
    def itemsize(self) -> int:
        return self.value.itemsize

    @property
    def nbytes(self) -> int:
        return self.value.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        return self.value.strides

    @property
    def flags(self) -> Any:
        return self.value.flags

    @property
    def T(self) -> Any:
        return call(np.transpose, (self,), {})

    @property
    def mT(self) -> Any:
        return call(np.swapaxes, (self, -1, -2), {})

    @property
    def real(self) -> TracedArray:
        return self

    @property
    def imag(self) -> Any:
        return np.zeros(self.value.shape)

    @property
    def flat(self) -> Iterator[Any]:
        return iter(self.reshape(-1))

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        if self.value.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self.value)))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value[()], spec)

    # --- operators ---

    __add__, __radd__, __iadd__ = _operators(np.add)
    __sub__, __rsub__, __isub__ = _operators(np.subtract)
    __mul__, __rmul__, __imul__ = _operators(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _operators(np.divide)
    __pow__, __rpow__, __ipow__ = _operators(np.power)
    __matmul__, __rmatmul__, __imatmul__ = _operators(np.matmul)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _operators(np.floor_divide)
    __mod__, __rmod__, __imod__ = _operators(np.remainder)
    __and__, __rand__, __iand__ = _operators(np.bitwise_and)
    __or__, __ror__, __ior__ = _operators(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _operators(np.bitwise_xor)
    __lt__, __gt__ = _operators(np.less)[0], _operators(np.greater)[0]
    __le__, __ge__ = _operators(np.less_equal)[0], _operators(np.greater_equal)[0]
    __eq__, __ne__ = _operators(np.equal)[0], _operators(np.not_equal)[0]
    __hash__ = None  # type: ignore[assignment]  # As an array's.
    __neg__, __pos__, __abs__ = _unary(np.negative), _unary(np.positive), _unary(np.absolute)
    __invert__ = _unary(np.invert)

    # --- leaving for plain Python ---

    def __bool__(self) -> bool:
        if not self.tape.closed and not self.tape.entries[self.node].fixed:
            self.tape.branch()
        return bool(self.value)

    def __float__(self) -> float:
        return float(
            self.concrete(
                "a traced value is turned into a Python float here, as float(), functions imported from math and entries of "
                "plain arrays do; NumPy's functions, math's called as math.exp(...), and arrays made inside the function "
                "can be traced"
            )
        )

    def __complex__(self) -> complex:
        return complex(float(self))

    def __int__(self) -> int:
        if not self.tape.closed and not self.tape.entries[self.node].fixed:
            self.tape.branch()
        return int(self.value)

    def __index__(self) -> int:
        if self.value.dtype.kind == "f":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self)

    def item(self, *place: Any) -> Any:
        """The entry, still traced."""
        if not place:
            return self.reshape(())
        return self.reshape(-1)[place[0]] if len(place) == 1 else self[place]

    def tolist(self) -> Any:
        """Nested lists of traced numbers."""
        return self if self.value.ndim == 0 else [row.tolist() for row in self]

    # --- entries ---

    def __getitem__(self, key: Any) -> Any:
        if self.tape.closed:
            return self.value[plain(key)]
        key = index_of(self, key)
        value = self.value[key]
        if _is_basic(key):
            node = self.tape.record("index", [self.node], {"key": _tidy(key)})
        else:
            places = np.arange(self.value.size).reshape(self.value.shape)[key]
            node = taken(self.tape, self.node, places)
        result = TracedArray(self.tape, node, value)
        if owner(value) is owner(self.value):
            result._node = node
            result.become_view(self, lambda places: places[key])
        return result

    def __setitem__(self, key: Any, new: Any) -> None:
        if self.tape.closed:
            self.value[plain(key)] = plain(new)
            return
        if self.value.dtype.kind != "f":
            self.tape.fail("assigning to entries of a traced mask cannot be traced; np.where makes a new one")
        if self._chosen_by_mask(key, new):
            return
        key = index_of(self, key)
        places = np.asarray(self.places()[key])
        if isinstance_traced(new) and new.storage is self.storage and np.array_equal(new.places(), places):
            return  # What x[key] += y assigns at last is what it changed in place.
        before = self.value[key].shape
        new_value = plain(new)
        data = as_traced(self.tape, new)  # Its node, as it was before this assignment.
        data_node = data.node
        self.value[key] = new_value
        entries = spread(self.tape, data_node, before)
        self.storage.node = replaced(self.tape, self.storage, places, entries)
        self.storage.version += 1

    def _chosen_by_mask(self, key: Any, new: Any) -> bool:
        """``x[x > 0] = 1``: the mask stays part of the graph. Not for views, nor for several new values."""
        whole = self._origin is None and isinstance_traced(key) and key.dtype == np.bool_ and key.shape == self.shape
        if not whole or np.ndim(plain(new)) > 0:
            return False
        entries = as_traced(self.tape, new).node
        self.storage.node = self.tape.record("where", [key.node, entries, self.storage.node], {})
        self.value[key.value] = plain(new)
        self.storage.version += 1
        return True

    def fill(self, new: Any) -> None:
        """Assign to all entries."""
        self[...] = new

    # --- methods that are not NumPy functions of the same arguments ---

    def reshape(self, *shape: Any, **how: Any) -> Any:
        return call(np.reshape, (self, shape[0] if len(shape) == 1 else shape), how)

    def transpose(self, *axes: Any) -> Any:
        wanted = axes[0] if len(axes) == 1 and (axes[0] is None or not is_integer(axes[0])) else axes or None
        return call(np.transpose, (self, wanted), {})

    def flatten(self, order: str = "C") -> Any:
        return call(np.ravel, (self, order), {}).copy()

    def copy(self, *_: Any, **__: Any) -> Any:
        return call(np.copy, (self,), {})

    __copy__ = copy
    __deepcopy__ = copy

    def astype(self, dtype: Any, *_: Any, **how: Any) -> Any:
        return call(_astype, (self, dtype), {"copy": how["copy"]} if "copy" in how else {})

    def clip(self, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
        return call(np.clip, (self, low if min is None else min, high if max is None else max), {})

    def conj(self) -> TracedArray:
        return self

    conjugate = conj

    def view(self, *kind: Any) -> Any:
        if kind not in ((), (np.ndarray,)):
            self.tape.fail(f"view({kind[0]}) cannot be traced")
        return self[...]

    def sort(self, axis: int = -1) -> None:
        """In place, as an array's own method does."""
        self[...] = call(np.sort, (self, axis), {})

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return lambda *args, **kwargs: call(getattr(np, name), (self, *args), kwargs)
        if not name.startswith("__") and hasattr(np.ndarray, name):
            if self.tape.closed:
                return getattr(self.value, name)
            self.tape.fail(f"the array's {name} cannot be traced")
        raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")


_METHODS = (
    *(
        "all",
        "any",
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "cumprod",
        "cumsum",
        "diagonal",
        "dot",
        "max",
        "mean",
    ),
    *("min", "nonzero", "prod", "ptp", "ravel", "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes"),
    *("take", "trace", "var"),
)
"""The methods that are NumPy functions of the same arguments."""


# --- the way every operation goes ---


def isinstance_traced(x: Any) -> bool:
    """Whether ``x`` is a traced array. (``isinstance`` would take its word for being an ``ndarray``.)"""
    return type(x) is TracedArray


def is_integer(x: Any) -> bool:
    """Whether ``x`` is a whole number of Python's or NumPy's."""
    return isinstance(x, (int, np.integer)) and not isinstance_traced(x)


def traced_within(x: Any) -> list[TracedArray]:
    """The traced arrays in ``x``: itself, or those in nested lists, tuples and dictionaries."""
    if isinstance_traced(x):
        return [x]
    if isinstance(x, (list, tuple)):
        return [found for item in x for found in traced_within(item)]
    if isinstance(x, Mapping):
        return [found for item in x.values() for found in traced_within(item)]
    return []


def plain(x: Any) -> Any:
    """``x`` with what NumPy would have in place of every traced array."""
    if isinstance_traced(x):
        return x.value if x.value.ndim else x.value[()]
    if not traced_within(x):
        return x
    if isinstance(x, Mapping):
        return {key: plain(item) for key, item in x.items()}
    return [plain(item) for item in x] if isinstance(x, list) else tuple(plain(item) for item in x)


def call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], method: str = "__call__") -> Any:
    """What ``function(*args, **kwargs)`` gives, written down. ``method`` is that of a ufunc."""
    traced = traced_within((args, kwargs))
    running = [x.tape for x in traced if not x.tape.closed]
    how = function if method == "__call__" else getattr(function, method)
    if not running:
        return how(*plain(args), **plain(dict(kwargs)))
    tape = running[0]
    if any(other is not tape for other in running):
        tape.fail("arrays of two traces meet")
    rule = _rule(function, method)
    if function in MUTATING or method == "at":
        if rule is None:
            tape.fail(
                f"{show(function, method)} cannot be traced: it changes an array in a way no operation of gradtool does"
            )
        return _bound(tape, function, method, rule, args, kwargs)
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    target = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    mask = kwargs.pop("where", None) if isinstance(function, np.ufunc) and method == "__call__" else None
    if mask is not None and plain(mask) is not True:
        return _masked(tape, function, args, kwargs, target, mask)
    with np.errstate(all="ignore"):
        value = how(*plain(args), **plain(kwargs))
    if function in METADATA:
        return value
    result = _result(tape, function, method, rule, args, kwargs, value, traced)
    if target is None:
        return result
    if not isinstance_traced(target):
        tape.fail(f"{show(function, method)} writes to a plain array, which cannot hold traced values")
    target[...] = result
    return target


def _result(
    tape: Tape,
    function: Any,
    method: str,
    rule: Rule | None,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    value: Any,
    traced: Sequence[TracedArray],
) -> Any:
    kinds = {np.asarray(leaf).dtype.kind for leaf in leaves(value)}
    masks = kinds == {"b"} and rule is not None
    if not masks and kinds <= set("biu"):
        if value is None:
            tape.fail(f"{show(function, method)} cannot be traced: no operation of gradtool does what it does")
        if not all(tape.entries[x.node].fixed for x in traced):
            tape.branch()
        return value
    if any(np.asarray(leaf).dtype not in (np.float64, np.bool_) for leaf in leaves(value) if _is_real(leaf)):
        found = next(np.asarray(x).dtype for x in leaves(value) if np.asarray(x).dtype not in (np.float64, np.bool_))
        tape.fail(f"{show(function, method)} gives {found} here, and only float64 can be traced")
    if rule is None:
        if all(x.flat_everywhere for x in traced):
            if not all(tape.entries[x.node].fixed for x in traced):
                tape.branch()
            return value
        tape.fail(f"{show(function, method)} cannot be traced: no operation of gradtool does what it does")
    result = _bound(tape, function, method, rule, args, kwargs)
    how = function if method == "__call__" else getattr(function, method)
    return _adopted(tape, how, show(function, method), args, kwargs, value, result, traced, ())


def _is_real(leaf: Any) -> bool:
    return np.asarray(leaf).dtype.kind not in "iu"


def leaves(value: Any) -> list[Any]:
    """The arrays in a result of NumPy's: itself, or those of a tuple or list."""
    return [x for item in value for x in leaves(item)] if isinstance(value, (tuple, list)) else [value]


def _rule(function: Any, method: str) -> Rule | None:
    if isinstance(function, np.ufunc):
        name = function.__name__
        return UFUNC_RULES.get(name) if method == "__call__" else METHOD_RULES.get((name, method))
    return MUTATING.get(function) or FUNCTION_RULES.get(function)


def _bound(tape: Tape, function: Any, method: str, rule: Rule, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the rule. A rule takes no argument that it cannot trace."""
    try:
        _signature(rule).bind(tape, *args, **kwargs)
    except TypeError as error:
        tape.fail(f"{show(function, method)} cannot be traced with these arguments: {error}")
    return rule(tape, *args, **kwargs)


_signature = lru_cache(inspect.signature)


def show(function: Any, method: str = "__call__") -> str:
    """A function as users know it: ``np.linalg.norm``, ``np.add.reduce``."""
    name = getattr(function, "__name__", str(function))
    module = str(getattr(function, "__module__", None) or "numpy")
    if not isinstance(function, np.ufunc):
        short = "np" + module.removeprefix("numpy") if module.startswith("numpy") else module
        return f"{short}.{name}".lstrip(".")
    home = "np" if hasattr(np, name) else "scipy.special"
    return f"{home}.{name}" if method == "__call__" else f"{home}.{name}.{method}"


def _adopted(
    tape: Tape,
    how: Any,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    value: Any,
    result: Any,
    traced: Sequence[TracedArray],
    path: tuple[int, ...],
) -> Any:
    """``result`` of the rule with the value that NumPy computed, which must be the same. ``path`` leads to this one of several
    results."""
    if isinstance(value, (tuple, list)):
        items = [
            _adopted(tape, how, name, args, kwargs, part, found, traced, (*path, i))
            for i, (part, found) in enumerate(zip(value, result, strict=True))
        ]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if not isinstance_traced(result):
        return value if result is None else result
    node = result.node
    known = tape.entries[node].value
    expected = np.asarray(value)
    if known.shape != expected.shape:
        tape.fail(f"{name} gives shape {expected.shape} here, and the operations that stand for it {known.shape}")
    if not _agree(known, expected) and not _within_noise(how, args, kwargs, known, expected, path):
        tape.fail(f"{name} gives other values here than the operations that stand for it")
    adopted = TracedArray(tape, node, expected)
    adopted._node = node
    if expected.size and isinstance(value, np.ndarray):
        for source in traced:
            if owner(value) is owner(source.value):
                adopted.become_view(source, partial(_repeat, how, args, kwargs, source, path))
                break
    return adopted


def _repeat(
    how: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    source: TracedArray,
    path: tuple[int, ...],
    places: Array,
) -> Any:
    """The same call with ``places`` for ``source``: where the entries of a view come from."""

    def swapped(x: Any) -> Any:
        if x is source:
            return places
        if isinstance(x, (list, tuple)):
            return type(x)(swapped(item) for item in x)
        return plain(x)

    found = how(*swapped(args), **{name: swapped(x) for name, x in kwargs.items()})
    for i in path:
        found = found[i]
    return found


def owner(array: Any) -> Any:
    """The array whose memory this one uses."""
    while isinstance(array, np.ndarray) and isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _agree(known: Array, expected: Array, allowed: Any = 0.0) -> bool:
    with np.errstate(all="ignore"):
        expected = expected.astype(np.float64)
        finite = np.isfinite(expected)
        scale = np.max(np.abs(expected[finite]), initial=0.0)
        close = np.abs(known - expected) <= CLOSE * np.abs(expected) + 1e-15 * scale + allowed
        return bool(np.all(np.where(finite, close, (known == expected) | (np.isnan(known) & np.isnan(expected)))))


def _within_noise(
    how: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], known: Array, expected: Array, path: tuple[int, ...]
) -> bool:
    """Whether the two differ by no more than NumPy's result does when its arguments move by a rounding."""
    rng = np.random.default_rng(0)
    eps = np.finfo(np.float64).eps
    noise: Any = 0.0

    def moved(x: Any) -> Any:
        if isinstance_traced(x):
            x = x.value
        if isinstance(x, (list, tuple)):
            return type(x)(moved(item) for item in x)
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            return x * (1.0 + eps * rng.choice((-1.0, 1.0), x.shape))
        return x

    with np.errstate(all="ignore"):
        for _ in range(NOISE_DRAWS):
            found = how(*moved(args), **plain(kwargs))
            for i in path:
                found = found[i]
            difference = np.abs(np.asarray(found) - expected)
            noise = np.maximum(noise, np.where(np.isfinite(difference), difference, 0.0))
    return _agree(known, expected, NOISE_SAFETY * np.max(noise, initial=0.0))


def _masked(
    tape: Tape, ufunc: np.ufunc, args: tuple[Any, ...], kwargs: Mapping[str, Any], target: Any, mask: Any
) -> Any:
    """A ufunc that computes some entries only: those are taken, computed, and put into ``out``."""
    if target is None or not isinstance_traced(target):
        tape.fail(f"{show(ufunc)} with where= can be traced only with an out= made inside the function")
    shape = target.shape
    chosen = np.broadcast_to(np.asarray(plain(mask), dtype=bool), shape)
    if not all(tape.entries[x.node].fixed for x in traced_within(mask)):
        tape.branch()
    entries = [call(np.broadcast_to, (as_traced(tape, x), shape), {})[chosen] for x in args]
    target[chosen] = call(ufunc, tuple(entries), kwargs)
    return target


# --- nodes that many rules need ---


def as_traced(tape: Tape, x: Any) -> TracedArray:
    """``x`` as a traced array; numbers and arrays become constants, sequences of traced arrays are stacked."""
    if isinstance_traced(x):
        if x.tape is tape:
            return x  # type: ignore[no-any-return]
        x = x.value
    if isinstance(x, (list, tuple)) and traced_within(x):
        return apply(tape, "stack", *x, axis=0)
    value = np.asarray(x)
    return TracedArray(tape, tape.constant(value), value)


def apply(tape: Tape, operation: str, *arguments: Any, **parameters: Any) -> TracedArray:
    """An operation of gradtool on traced arrays and numbers."""
    node = tape.record(operation, [as_traced(tape, x).node for x in arguments], parameters)
    return TracedArray(tape, node, tape.entries[node].value)


def again(x: TracedArray) -> TracedArray:
    """The same values as an array of its own."""
    return TracedArray(x.tape, x.node, x.value)


def taken(tape: Tape, node: int, places: Array) -> int:
    """The node of the entries of another at these places."""
    places = np.asarray(places)
    size = tape.entries[node].value.size
    if places.size == size and np.array_equal(places.ravel(), np.arange(size)):
        if tape.entries[node].value.shape == places.shape:
            return node
        return tape.record("reshape", [node], {"shape": places.shape})
    return tape.record("take", [node], {"places": tuple(places.ravel().tolist()), "shape": places.shape})


def spread(tape: Tape, node: int, shape: tuple[int, ...]) -> int:
    """The node broadcast to a shape. Axes of length 1 in front that the shape has not are dropped, as assignment does."""
    found = tape.entries[node].value.shape
    while len(found) > len(shape) and found[0] == 1:
        found = found[1:]
    if found != tape.entries[node].value.shape:
        node = tape.record("reshape", [node], {"shape": found})
    return node if found == shape else tape.record("broadcast_to", [node], {"shape": shape})


def replaced(tape: Tape, storage: Storage, places: Array, entries: int) -> int:
    """The node of a whole array with its entries at ``places`` replaced; where a place is named twice, by the last."""
    size = int(np.prod(storage.shape, dtype=int))
    flat = places.ravel()
    if flat.size == 0:
        return storage.node
    if flat.size == size and np.array_equal(flat, np.arange(size)):
        same = tape.entries[entries].value.shape == storage.shape
        return entries if same else tape.record("reshape", [entries], {"shape": storage.shape})
    _, last = np.unique(flat[::-1], return_index=True)
    last = np.sort(flat.size - 1 - last)
    if last.size < flat.size:
        entries = taken(tape, entries, last)
        flat = flat[last]
    mask = np.zeros(size)
    mask[flat] = 1.0
    put = tape.record("scatter", [entries], {"places": tuple(flat.tolist()), "shape": storage.shape})
    return tape.record("where", [tape.constant(mask.reshape(storage.shape)), put, storage.node], {})


# --- keys ---


def index_of(array: TracedArray, key: Any) -> Any:
    """A key as NumPy would see it: masks and indices that were traced are what they are at the inputs."""
    for part in traced_within(key):
        if not array.tape.entries[part.node].fixed:
            array.tape.branch()
    return plain(key)


def _is_basic(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice) or (is_integer(part) and not isinstance(part, bool))
        for part in parts
    )


def _tidy(key: Any) -> tuple[Any, ...]:
    """A basic key with Python's own numbers."""
    parts = key if isinstance(key, tuple) else (key,)

    def number(x: Any) -> int | None:
        return None if x is None else operator.index(x)

    return tuple(
        slice(number(p.start), number(p.stop), number(p.step)) if isinstance(p, slice)
        else p if p is None or p is Ellipsis
        else operator.index(p)
        for p in parts
    )  # fmt: skip


def _astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    """``ndarray.astype`` as a function. A copy is made if anything changes."""
    return np.asarray(x).astype(dtype, copy=copy)


def _traced_astype(tape: Tape, x: Any, dtype: Any, copy: bool = True) -> Any:  # noqa: ARG001 -- the same either way  # The result is checked.
    return x if np.dtype(dtype) == np.float64 else apply(tape, "not_equal", x, 0.0)


FUNCTION_RULES[_astype] = _traced_astype
