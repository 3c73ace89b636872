"""Shapes and kinds from annotations: jaxtyping, nptyping, ``Annotated``, ``NDArray``, plain types; read as text."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

from gradtool.targets.described import Described, Domain, Kind, is_dimension

_ARRAYS = {
    "ndarray", "NDArray", "ArrayLike", "Array", "Tensor", "DeviceArray", "FloatTensor", "DoubleTensor", "array", "Matrix",
    "Vector",
    "FloatArray", "jaxArray", "ArrayTree", "Arr",
}  # fmt: skip
_INTEGER_ARRAYS = {"LongTensor", "IntTensor", "IntArray"}
_NUMBERS: dict[str, Kind] = {
    "float": "number", "int": "integer", "bool": "boolean", "str": "string", "complex": "other", "Generator": "generator",
    "RandomState": "generator", "Random": "generator", "dict": "dictionary", "Dict": "dictionary", "Mapping": "dictionary",
    "Callable": "other", "float64": "number", "float32": "number", "floating": "number", "Number": "number", "Real": "number",
}  # fmt: skip
_DTYPE = re.compile(r"(Float|BFloat|Inexact|Num|Real|Shaped|Double|Int|UInt|Integer|Bool|Scalar)(\d*)")
_TOKEN = re.compile(r"[*#?_]*(?:([A-Za-z]\w*)=)?(.*)")


def from_annotation(annotation: str | None) -> Described | None:
    """What an annotation (its source text) says, or None where it says nothing that is understood."""
    if annotation is None:
        return None
    try:
        tree = ast.parse(annotation.strip(), mode="eval").body
    except SyntaxError:
        return None
    return _read(tree)


def _read(node: ast.expr) -> Described | None:
    match node:
        case ast.Constant(value=str(text)):
            return from_annotation(text)
        case ast.Name() | ast.Attribute():
            return _plain(_last(node))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _union([left, right])
        case ast.Subscript(value=value, slice=inner):
            parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
            return _subscript(_last(value), parts)
    return None


def _plain(name: str) -> Described | None:
    if name in _ARRAYS:
        return Described()
    if name in _INTEGER_ARRAYS:
        return Described(domain="labels")
    kind = _NUMBERS.get(name)
    if kind == "number":
        return Described(shape=(), kind="number")
    return None if kind is None else Described(kind=kind)


def _subscript(name: str, parts: list[ast.expr]) -> Described | None:
    if name == "Optional":
        inner = _read(parts[0])
        return None if inner is None else replace(inner, optional=True)
    if name == "Union":
        return _union(parts)
    if name in ("Final", "ClassVar", "Required"):
        return _read(parts[0])
    if name == "Literal":
        choices = tuple(part.value for part in parts if isinstance(part, ast.Constant))
        return Described(kind="other", choices=choices) if choices else None
    if name == "Annotated":
        return _annotated(parts)
    dtype = _DTYPE.fullmatch(name)
    if dtype is not None and len(parts) == 2 and isinstance(parts[1], ast.Constant) and isinstance(parts[1].value, str):
        return Described(shape=_tokens(parts[1].value), domain=_domain(dtype[1]))
    if name in _ARRAYS:
        return _array(parts)
    return _plain(name)


def _annotated(parts: list[ast.expr]) -> Described | None:
    base = _read(parts[0])
    if base is None:
        return None
    for part in parts[1:]:
        if base.shape is None and (shape := _shape(part)) is not None:
            base = replace(base, shape=shape)
    return base


def _array(parts: list[ast.expr]) -> Described:
    """``NDArray[np.float64]``, ``np.ndarray[Any, np.dtype[np.int64]]``, nptyping's ``NDArray[Shape["3, 4"], Float]``."""
    found = Described()
    for part in parts:
        if isinstance(part, ast.Subscript) and _last(part.value) == "Shape":
            shape = _shape(part.slice)
            found = replace(found, shape=shape)
        elif isinstance(part, ast.Tuple | ast.Constant):
            found = replace(found, shape=_shape(part))
        else:
            text = ast.unparse(part).rpartition(".")[2].rstrip("]")
            if re.match(r"u?int(eger|p|c)?\d*_?$|Int", text):
                found = replace(found, domain="labels")
            elif re.match(r"bool_?$|Bool", text):
                found = replace(found, domain="mask")
    return found


def _union(parts: list[ast.expr]) -> Described | None:
    """The first that is understood; with None beside it, it is optional."""
    optional = any(isinstance(part, ast.Constant) and part.value is None for part in parts)
    understood = [read for part in parts if (read := _read(part)) is not None]
    if not understood:
        return None
    arrays = [read for read in understood if read.kind == "array"]
    return replace((arrays or understood)[0], optional=optional)


def _shape(node: ast.expr) -> tuple[str, ...] | None:
    """``(3, 4)``, ``("N", "D")``, ``"N D"``, ``"3, 4"``; ``ShapeLike(3, 4)`` too."""
    match node:
        case ast.Constant(value=str(text)):
            return _tokens(text.strip("()[] ").replace(",", " "))
        case ast.Constant(value=int(size)) if not isinstance(size, bool):
            return (str(size),)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Call(args=elements):
            found: list[str] = []
            for element in elements:
                value: Any = element.value if isinstance(element, ast.Constant) else ast.unparse(element)
                if not is_dimension(str(value)):
                    return None
                found.append(str(value))
            return tuple(found)
    return None


def _tokens(text: str) -> tuple[str, ...] | None:
    """jaxtyping's dimensions: ``*batch d``, ``n=4``, ``#n``, ``dim+1``, ``...``; a variable number of axes is one axis."""
    found: list[str] = []
    for place, token in enumerate(text.split()):
        if token in ("...", "*", "_"):
            found.append(f"any_{place}")
            continue
        matched = _TOKEN.fullmatch(token)
        dimension = matched[2] if matched else token
        if not is_dimension(dimension):
            return None
        found.append(dimension)
    return tuple(found)


def _domain(dtype: str) -> Domain:
    if dtype in ("Int", "UInt", "Integer"):
        return "labels"
    return "mask" if dtype == "Bool" else "real"


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
