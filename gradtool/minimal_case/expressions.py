"""Python expressions as data: they can be written out, and their value is known without running any text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np

Environment = Mapping[str, Any]


class NotWrittenError(Exception):
    """A value that no plain expression stands for; the message says which."""


class Expression(Protocol):
    """``text`` is Python, in which ``np`` is NumPy; ``value`` is what it gives where names stand for these things."""

    @property
    def text(self) -> str: ...

    def value(self, names: Environment) -> Any: ...


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or a dotted name: ``layers.affine_forward``."""

    text: str

    def value(self, names: Environment) -> Any:
        first, *rest = self.text.split(".")
        return reduce(getattr, rest, names[first])


@dataclass(frozen=True, slots=True)
class Part:
    """``whole[0]``, ``whole['W']`` or ``whole.W``."""

    whole: Expression
    key: str | int
    is_attribute: bool = False

    @property
    def text(self) -> str:
        return f"{self.whole.text}.{self.key}" if self.is_attribute else f"{self.whole.text}[{self.key!r}]"

    def value(self, names: Environment) -> Any:
        whole = self.whole.value(names)
        return getattr(whole, str(self.key)) if self.is_attribute else whole[self.key]


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A number, text, None or an array, written out."""

    content: Any

    @property
    def text(self) -> str:
        return written(self.content)

    def value(self, names: Environment) -> Any:  # noqa: ARG002 (as all expressions)
        return self.content.copy() if isinstance(self.content, np.ndarray) else self.content


@dataclass(frozen=True, slots=True)
class Display:
    """A tuple, list or dictionary of other expressions; ``keys`` are None but for a dictionary."""

    kind: type
    parts: tuple[Expression, ...]
    keys: tuple[Any, ...] | None = None

    @property
    def text(self) -> str:
        inner = [part.text for part in self.parts]
        if self.keys is not None:
            return "{" + ", ".join(f"{written(k)}: {v}" for k, v in zip(self.keys, inner, strict=True)) + "}"
        if self.kind is tuple:
            return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
        return f"[{', '.join(inner)}]"

    def value(self, names: Environment) -> Any:
        inner = [part.value(names) for part in self.parts]
        return dict(zip(self.keys, inner, strict=True)) if self.keys is not None else self.kind(inner)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of what ``function`` stands for."""

    function: Expression
    arguments: tuple[Expression, ...]
    named: tuple[tuple[str, Expression], ...] = ()

    @property
    def text(self) -> str:
        inner = [*(one.text for one in self.arguments), *(f"{name}={one.text}" for name, one in self.named)]
        return f"{self.function.text}({', '.join(inner)})"

    def value(self, names: Environment) -> Any:
        arguments = [one.value(names) for one in self.arguments]
        return self.function.value(names)(*arguments, **{name: one.value(names) for name, one in self.named})


@dataclass(frozen=True, slots=True)
class Product:
    """An upstream gradient times a derivative."""

    left: Expression
    right: Expression

    @property
    def text(self) -> str:
        return f"{self.left.text} * {self.right.text}"

    def value(self, names: Environment) -> Any:
        return self.left.value(names) * self.right.value(names)


def numpy_call(function: str, *arguments: Expression, **named: Expression) -> Call:
    """``np.function(...)``."""
    return Call(Name(f"np.{function}"), arguments, tuple(named.items()))


def written(value: Any) -> str:
    """A value as Python. Raises ``NotWrittenError``."""
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({written(value.item())})"
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    if value is None or type(value) in (bool, int, float, str, bytes):
        return repr(value)
    if type(value) in (list, tuple):
        return Display(type(value), tuple(map(Literal, value))).text
    if type(value) is dict:
        return Display(dict, tuple(map(Literal, value.values())), tuple(value)).text
    raise NotWrittenError(f"a {type(value).__name__}")


def _array(value: np.ndarray[Any, Any]) -> str:
    kind = value.dtype
    if kind.kind not in "fiub":
        raise NotWrittenError(f"an array of dtype {kind}")
    plain = {"f": np.dtype(np.float64), "i": np.dtype(np.int64), "b": np.dtype(np.bool_)}.get(kind.kind)
    suffix = "" if kind == plain and value.size else f", dtype=np.{kind.name}"
    if not value.size:
        return f"np.empty({value.shape!r}{suffix})"
    if value.size > 1 and not value.any() and kind.kind == "f":
        return f"np.zeros({_shape(value.shape)}{suffix})"
    if value.size > 1 and (value == 1).all() and kind.kind == "f":
        return f"np.ones({_shape(value.shape)}{suffix})"
    text = repr(value.tolist())
    if "nan" in text or "inf" in text:
        text = text.replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({text}{suffix})"


def _shape(shape: Sequence[int]) -> str:
    return repr(shape[0]) if len(shape) == 1 else repr(tuple(shape))
