"""Functions that stand in for some of NumPy's and math's during a traced run.

``np.zeros`` makes a plain array, and ``np.asarray`` and ``math.exp`` ask their argument for plain numbers, without a word to
the argument's class: so they are replaced, as attributes of their modules, while the user's function runs, in its thread
only, and not for calls from inside NumPy or SciPy. What was looked up before (``from math import exp``) is not.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from gradtool.tracing.array import (
    TracedArray,
    apply,
    as_traced,
    call,
    isinstance_traced,
    plain,
    traced_within,
)
from gradtool.tracing.places import called_name, is_installed, is_library, is_tracing
from gradtool.tracing.tape import Tape

_lock = threading.RLock()
_running: list[tuple[Tape, int]] = []
_originals: dict[tuple[str, str], tuple[ModuleType, Any]] = {}
Substitute = Callable[..., Any]


def _tape(name: str) -> Tape | None:
    """The tape of this thread's run, where the substitute is called by the user's own code, and by that ``name``.

    Compiled extensions look such functions up too, and may take a result for a plain array without looking (NumPy's own random
    numbers do): they leave no frame, but what the innermost frame calls is then something else."""
    for tape, thread in reversed(_running):
        if thread == threading.get_ident():
            caller = sys._getframe(2)
            if is_library(caller) or is_tracing(caller) or is_installed(caller) or called_name(caller) != name:
                return None
            return tape
    return None


# --- numpy: arrays made from nothing ---


def _made(original: Any) -> Substitute:
    """An array of float64 that is made in the user's function can later be filled with traced values."""

    def make(*args: Any, **kwargs: Any) -> Any:
        tape = _tape(original.__name__)
        if tape is None:
            return original(*args, **kwargs)
        if original.__name__ in ("full", "full_like"):
            return _filled(tape, original, args, kwargs)
        value = original(*plain(args), **plain(kwargs))
        if type(value) is np.ndarray and value.dtype == np.float64:
            return TracedArray(tape, tape.constant(value), value)
        return value

    return make


def _filled(tape: Tape, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = original(*plain(args), **plain(kwargs))
    fill = args[1] if len(args) > 1 else kwargs.get("fill_value")
    if type(value) is np.ndarray and value.dtype == np.float64:
        return TracedArray(tape, apply(tape, "broadcast_to", fill, shape=value.shape).node, value)
    if any(not x.flat_everywhere for x in traced_within(fill)):
        tape.fail(
            f"np.{original.__name__} makes an array of {value.dtype} of traced values, and only float64 can be traced"
        )
    return value


# --- numpy: arrays made from others ---


def _converted(original: Any, copies: bool) -> Substitute:
    def convert(a: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        tape = _tape(original.__name__)
        if tape is None or not traced_within(a):
            if dtype is not None:
                kwargs["dtype"] = dtype
            value = original(a, *args, **kwargs)
            if tape is not None and isinstance(a, (list, tuple)) and _fresh(value):
                return TracedArray(tape, tape.constant(value), value)
            return value
        value_of = plain(a)
        if dtype is not None and np.dtype(dtype) != np.float64:
            if np.dtype(dtype).kind in "iub" and isinstance_traced(a):
                return a.astype(dtype)
            tape.fail(f"np.{original.__name__} with dtype={np.dtype(dtype)} cannot be traced, only float64 can")
        if isinstance_traced(a):
            if a.dtype == np.float64 or dtype is None:
                same = not (kwargs.get("copy", copies) or kwargs.get("ndmin", 0) > a.ndim)
                return a if same else _lifted(a.copy(), kwargs.get("ndmin", 0))
            return a.astype(dtype)
        value = original(value_of, *args, dtype=dtype, **kwargs)
        if value.dtype.kind in "biu":
            return call(np.array, (), {}) if value is None else value
        found = _nested(tape, a)
        if found.shape != value.shape:
            found = found.reshape(value.shape)
        return TracedArray(tape, found.node, value)

    return convert


def _fresh(value: Any) -> bool:
    return type(value) is np.ndarray and value.dtype == np.float64


def _lifted(x: Any, rank: int) -> Any:
    return x.reshape((*(1,) * max(rank - x.ndim, 0), *x.shape))


def _nested(tape: Tape, x: Any) -> TracedArray:
    if isinstance(x, (list, tuple)):
        return apply(tape, "stack", *(_nested(tape, item) for item in x), axis=0)
    return as_traced(tape, x)


# --- math and the functions of scipy.special that are no ufuncs ---


def _numeric(original: Any, standing_in: Any) -> Substitute:
    """The same function of a traced number."""

    def compute(*args: Any, **kwargs: Any) -> Any:
        if not traced_within((args, kwargs)):
            return original(*args, **kwargs)
        return standing_in(*args, **kwargs)

    return compute


_MATH: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "exp", "exp2", "expm1", "log1p", "log2", "log10", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "fabs",
        "hypot", "fmod", "copysign", "degrees", "radians", "isfinite", "isnan", "isinf",
    ) if hasattr(math, name)},
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "atan2": np.arctan2, "pow": np.power, "prod": lambda x, start=1: np.prod(np.stack(x)) * start,
    "fsum": lambda x: np.sum(np.stack(list(x))), "dist": lambda p, q: np.linalg.norm(p - q),
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "floor": lambda x: int(np.floor(plain(x))) if _branched(x) else None,
    "ceil": lambda x: int(np.ceil(plain(x))) if _branched(x) else None,
    "trunc": lambda x: int(x), "erf": lambda x: _special("erf", x), "erfc": lambda x: _special("erfc", x),
    "lgamma": lambda x: _special("lgamma", x), "isclose": lambda a, b, **how: math.isclose(plain(a), plain(b), **how),
}  # fmt: skip


def _branched(x: Any) -> bool:
    for part in traced_within(x):
        part.tape.branch()
    return True


def _special(operation: str, x: Any) -> Any:
    return apply(x.tape, operation, x)


def _special_softmax(operation: str) -> Any:
    def stand_in(x: Any, axis: Any = None) -> Any:
        if axis is not None:
            return apply(x.tape, operation, x, axis=axis)
        return apply(x.tape, operation, x.reshape(-1), axis=-1).reshape(x.shape)

    return stand_in


def _special_logsumexp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return apply(a.tape, "logsumexp", a, axis=axis, keepdims=keepdims)


def _replacements() -> Iterator[tuple[ModuleType, str, Substitute]]:
    for name in (
        "zeros",
        "ones",
        "empty",
        "full",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "identity",
        "eye",
    ):
        yield np, name, _made(getattr(np, name))
    for name, copies in (
        ("array", True), ("asarray", False), ("asanyarray", False), ("ascontiguousarray", False), ("asfortranarray", False),
    ):  # fmt: skip
        yield np, name, _converted(getattr(np, name), copies)
    for name, standing_in in _MATH.items():
        yield math, name, _numeric(getattr(math, name), standing_in)
    special = sys.modules.get("scipy.special")
    if special is not None:
        for name in ("softmax", "log_softmax"):
            yield special, name, _numeric(getattr(special, name), _special_softmax(name))
        yield special, "logsumexp", _numeric(special.logsumexp, _special_logsumexp)


@contextmanager
def substituted(tape: Tape) -> Iterator[None]:
    """Have the substitutes in place, for runs in this thread to write to ``tape``."""
    with _lock:
        if not _running:
            for module, name, substitute in list(_replacements()):
                _originals[(module.__name__, name)] = (module, getattr(module, name))
                setattr(module, name, substitute)
        _running.append((tape, threading.get_ident()))
    try:
        yield
    finally:
        with _lock:
            _running.remove((tape, threading.get_ident()))
            if not _running:
                for (_, name), (module, original) in _originals.items():
                    setattr(module, name, original)
                _originals.clear()
