"""How gradtool calls a user's forward and backward, as plain statements that do the same without gradtool.

The calls are watched while they are made: which functions of the module are entered from gradtool, with which arguments. What is
an input, an upstream gradient or the result of an earlier call is known by identity, or by its numbers, which are random; the
rest is written out. The statements are then replayed at other inputs: only what gives the same gradients is handed on.
"""

from __future__ import annotations

import inspect
import keyword
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.checking import contained
from gradtool.minimal_case.expressions import (
    Call,
    Display,
    Expression,
    Literal,
    Name,
    NotWrittenError,
    Part,
    Product,
    numpy_call,
    written,
)
from gradtool.target import Calling, Values
from gradtool.verdict.caller import fresh

Array = NDArray[Any]
PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep
LIBRARIES = tuple({str(Path(sysconfig.get_path(name)).resolve()) + os.sep for name in ("stdlib", "purelib", "platlib")})
TAKEN = frozenset((
    "np", "gradtool", "float", "abs", "min", "max", "sum", "loss", "forward", "result", "gradients", "layer", "target", "values",
    "yours", "mine", "above", "below", "difference", "left", "right", "index", "outputs",
))  # fmt: skip
"""Names that the test itself uses."""
MOST_MISSING, MOST_SIZES = 3, 64
"""How many of a constructor's arguments are guessed, and how often."""
DEPTH = 3
"""How deep a result is searched for an argument."""


@dataclass(frozen=True, slots=True)
class Statement:
    """``target = expression``; ``target`` is a variable, an attribute of one (``layer.W``), or None."""

    target: Name | Part | None
    expression: Expression

    @property
    def text(self) -> str:
        return self.expression.text if self.target is None else f"{self.target.text} = {self.expression.text}"

    def run(self, names: dict[str, Any]) -> None:
        """Do what it says, in ``names``."""
        found = self.expression.value(names)
        if isinstance(self.target, Part):
            setattr(self.target.whole.value(names), str(self.target.key), found)
        elif self.target is not None:
            names[self.target.text] = found


@dataclass(frozen=True, slots=True)
class PlainCalls:
    """The statements of a forward, the variables that it makes, its outputs, the statements of a backward, and the gradient.

    ``variables`` and ``upstream`` are what the inputs and the upstream gradients are called.
    """

    module: str
    variables: Mapping[str, str]
    upstream: tuple[str, ...]
    forward: tuple[Statement, ...]
    made: tuple[str, ...]
    outputs: tuple[Expression, ...]
    backward: tuple[Statement, ...]
    gradient: Expression

    def replay(self, module: ModuleType, values: Values, upstream: Sequence[Array]) -> tuple[list[Any], Any]:
        """The outputs and the gradient. Raises what the user's code raises."""
        names: dict[str, Any] = {"np": np, "float": float, self.module: module}
        names |= {self.variables[name]: fresh(value) for name, value in values.items()}
        names |= {name: np.array(u) for name, u in zip(self.upstream, upstream, strict=True)}
        for statement in self.forward:
            statement.run(names)
        outputs = [np.array(one.value(names)) for one in self.outputs]
        for statement in self.backward:
            statement.run(names)
        return outputs, self.gradient.value(names)


@dataclass(eq=False)
class _Entered:
    """A call of the user's code that gradtool made. ``state`` is what an object held before."""

    code: CodeType
    arguments: dict[str, Any]
    rest: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    result: Any = None


class _Watch:
    """Sees the calls of the user's code while it is on."""

    def __init__(self) -> None:
        self.calls: list[_Entered] = []
        self._open: dict[int, _Entered] = {}

    def __enter__(self) -> _Watch:
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            caller = frame.f_back
            if caller is not None and caller.f_code.co_filename.startswith(PACKAGE) and _is_users(frame.f_code):
                self._open[id(frame)] = entered = _entered(frame)
                self.calls.append(entered)
        elif event == "return" and id(frame) in self._open:
            self._open.pop(id(frame)).result = argument


def _is_users(code: CodeType) -> bool:
    file = code.co_filename
    return not file.startswith((PACKAGE, "<", *LIBRARIES)) and "site-packages" not in file


def _entered(frame: FrameType) -> _Entered:
    code, held = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames
    rest = held[names[count]] if code.co_flags & inspect.CO_VARARGS else ()
    last = count + bool(code.co_flags & inspect.CO_VARARGS)
    named = held[names[last]] if code.co_flags & inspect.CO_VARKEYWORDS else {}
    arguments = {name: held[name] for name in names[:count]}
    first = next(iter(arguments.values()), None)
    state = dict(vars(first)) if names[:1] == ("self",) and hasattr(first, "__dict__") else None
    if state is not None:
        state = {name: fresh(value) for name, value in state.items()}
    return _Entered(code, arguments, tuple(rest), dict(named), state)


def plain_calls(
    calling: Calling, module: ModuleType, alias: str, values: Values, upstream: Sequence[Array], name: str
) -> PlainCalls | None:
    """Statements that call the code as ``calling`` does and give the gradient ``name``; None where there are none that do.

    ``alias`` is what the module is called in them. The shapes are those of ``values`` and ``upstream``.
    """
    rng = np.random.default_rng(97)
    watched = {key: _shaken(value, rng) for key, value in values.items()}
    ups = [np.asarray(rng.uniform(0.5, 1.5, np.shape(u)), dtype=np.asarray(u).dtype) for u in upstream]
    ups = [np.array(u) for u in upstream] if calling.upstream == "one" else ups
    try:
        with contained():
            return _Reader(calling, module, alias, watched, ups, name).read_and_verify(values, upstream)
    except NotWrittenError:
        return None
    except (Exception, SystemExit):  # The user's code, at other inputs than it was checked with.
        return None


def _shaken(value: Any, rng: np.random.Generator) -> Any:
    """Floats moved a little, so that each number is there once."""
    if isinstance(value, float):
        return value + float(rng.uniform(1e-3, 2e-3))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return (value + rng.uniform(1e-3, 2e-3, value.shape)).astype(value.dtype)
    return fresh(value)


class _Reader:
    """Reads plain statements out of one forward and backward."""

    def __init__(
        self, calling: Calling, module: ModuleType, alias: str, values: Values, upstream: Sequence[Array], name: str
    ) -> None:
        self.calling, self.module, self.alias, self.name = calling, module, alias, name
        self.values = dict(values)
        self.upstream = list(upstream)
        self.variables, self.ups = variables_for(values, len(self.upstream), alias)
        self.known: list[tuple[Expression, Any]] = []
        self.objects: list[tuple[Name, Any]] = []

    def read_and_verify(self, values: Values, upstream: Sequence[Array]) -> PlainCalls | None:
        found = self._read()
        for at, ups in ((self.values, self.upstream), (values, upstream)):
            run = self.calling.start({key: fresh(value) for key, value in at.items()})
            outputs = [np.array(o) for o in run.outputs]
            gradient = run.backward(*[np.array(u) for u in ups]).get(self.name)
            again, mine = found.replay(self.module, at, ups)
            if gradient is None or len(again) != len(outputs):
                return None
            if not all(map(_same, (*again, mine), (*outputs, gradient))):
                return None
        return found

    def _read(self) -> PlainCalls:
        handed = {key: fresh(value) for key, value in self.values.items()}
        ups = [np.array(u) for u in self.upstream]
        with _Watch() as forward:
            run = self.calling.start(handed)
        outputs = [np.array(o) for o in run.outputs]
        self.known = [(Name(self.variables[key]), value) for key, value in handed.items()]
        statements = self._statements(forward.calls, "result")
        if not statements:
            raise NotWrittenError("no call of the user's code")
        made = [s.target.text for s in statements if isinstance(s.target, Name)]
        found = [self._output(o) for o in outputs]
        self.known += [(Name(name), u) for name, u in zip(self.ups, ups, strict=True)]
        with _Watch() as backward:
            gradients = run.backward(*ups)
        after = self._statements(backward.calls, "gradients")
        gradient = self._gradient(gradients.get(self.name), outputs)
        return PlainCalls(
            self.alias, self.variables, self.ups, tuple(statements), tuple(made), tuple(found), tuple(after), gradient
        )

    # Calls ------------------------------------------------------------------------------------------------------------

    def _statements(self, calls: Sequence[_Entered], target: str) -> list[Statement]:
        found: list[Statement] = []
        for number, call in enumerate(call for call in calls if not self._is_property(call)):
            if call.state is not None and all(call.arguments["self"] is not obj for _, obj in self.objects):
                found += self._construction(call)
            name = Name(target if not number else f"{target}{number + 1}")
            found.append(Statement(name, self._call(call)))
            self.known.append((name, call.result))
        return found

    def _is_property(self, call: _Entered) -> bool:
        owner = type(call.arguments.get("self"))
        return isinstance(inspect.getattr_static(owner, call.code.co_name, None), property)

    def _call(self, call: _Entered) -> Call:
        function, defaults, skip = self._function(call)
        positional: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        keywords = set(call.code.co_varnames[call.code.co_argcount :][: call.code.co_kwonlyargcount])
        for name, value in list(call.arguments.items())[skip:]:
            if name in defaults and _is_default(defaults[name], value) and not call.rest:
                keywords |= set(call.arguments)
            elif name in keywords:
                named.append((name, self._argument(value)))
            else:
                positional.append(self._argument(value))
        positional += [self._argument(value) for value in call.rest]
        named += [(name, self._argument(value)) for name, value in call.named.items()]
        return Call(function, tuple(positional), tuple(named))

    def _function(self, call: _Entered) -> tuple[Expression, Mapping[str, Any], int]:
        """What to call, the defaults of its parameters, and how many of them (``self``) it has already."""
        code = call.code
        for obj_name, obj in self.objects:
            if call.arguments.get("self") is obj:
                method = getattr(type(obj), code.co_name, None)
                if method is None or getattr(inspect.unwrap(method), "__code__", None) is not code:
                    raise NotWrittenError(f"method {code.co_name}")
                shown: Expression = Part(obj_name, code.co_name, is_attribute=True)
                return (Name(obj_name.text) if code.co_name == "__call__" else shown), _defaults(method), 1
        matching = [
            (name, value)
            for name, value in vars(self.module).items()
            if inspect.isroutine(value) and getattr(inspect.unwrap(value), "__code__", None) is code
        ]
        if len(matching) == 1:
            return Name(f"{self.alias}.{matching[0][0]}"), _defaults(matching[0][1]), 0
        for place, value in self._places():
            if inspect.isfunction(value) and value.__code__ is code:
                return place, _defaults(value), 0
        raise NotWrittenError(f"function {code.co_name}")

    def _construction(self, call: _Entered) -> list[Statement]:
        """An object of the user's class: made by its constructor where its arguments can be told, and given what it held."""
        obj, state = call.arguments["self"], call.state or {}
        owner = type(obj)
        if getattr(self.module, owner.__name__, None) is not owner:
            raise NotWrittenError(f"class {owner.__name__}")
        name = Name("layer" if not self.objects else f"layer{len(self.objects) + 1}")
        self.objects.append((name, obj))
        cls = Name(f"{self.alias}.{owner.__name__}")
        for arguments in _constructor_arguments(owner, state):
            try:
                fresh_one = owner(**arguments)
            except Exception:  # noqa: S112  The user's constructor does not take what was guessed.
                continue
            there = vars(fresh_one)
            if set(there) <= set(state) and all(
                np.shape(there[k]) == np.shape(state[k]) for k in there if _is_number(there[k])
            ):
                made = Call(cls, (), tuple((key, Literal(value)) for key, value in arguments.items()))
                changed = {
                    key: value for key, value in state.items() if key not in there or not _equal(there[key], value)
                }
                break
        else:
            made, changed = Call(Part(cls, "__new__", is_attribute=True), (cls,)), dict(state)
        statements = [Statement(name, made)]
        for key, value in changed.items():
            statements.append(Statement(Part(name, key, is_attribute=True), self._argument(value)))
        return statements

    # Values -----------------------------------------------------------------------------------------------------------

    def _argument(self, value: Any) -> Expression:
        """An expression for an argument. Raises ``NotWrittenError``."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return Literal(value)
        for place, other in (*self._returned(), *self._places()):
            if other is value:
                return place
        for name, obj in self.objects:
            for key, other in vars(obj).items():
                if other is value:
                    return Part(name, key, is_attribute=True)
        if isinstance(value, float | np.floating | np.ndarray):
            for place, other in self._places():
                if _same(other, value) and type(other) is type(value):
                    return place
        if isinstance(value, float | np.floating):
            kind = f"np.{value.dtype.name}" if isinstance(value, np.floating) else "float"
            for place, other in self._places():
                if isinstance(other, np.ndarray) and other.shape == () and other == value:
                    return Call(Name(kind), (place,))
        if type(value) in (tuple, list):
            return Display(type(value), tuple(map(self._argument, value)))
        if type(value) is dict:
            return Display(dict, tuple(map(self._argument, value.values())), tuple(value))
        written(value)
        return Literal(fresh(value))

    def _returned(self) -> Iterator[tuple[Expression, Any]]:
        """What forward returned, one by one: if that is an input, it is handed on because it was returned."""
        for place, value in self.known:
            if place.text == "result":
                yield from _parts(place, value) if isinstance(value, tuple) else ()

    def _places(self) -> Iterator[tuple[Expression, Any]]:
        """What variables hold, whole first, then its parts."""
        level = list(self.known)
        for _ in range(DEPTH):
            yield from level
            level = [one for place, value in level for one in _parts(place, value)]

    def _output(self, output: Array) -> Expression:
        results = [(place, value) for place, value in self._results() if _is_number(value)]
        for place, value in results:
            if np.shape(value) == output.shape and _same(value, output):
                return place
        raise NotWrittenError("an output")

    def _results(self) -> Iterator[tuple[Expression, Any]]:
        """What the user's calls gave and what they left in objects."""
        names = set(self.variables.values()) | set(self.ups)
        level = [(place, value) for place, value in self.known if place.text not in names]
        level += [(name, obj) for name, obj in self.objects]
        for _ in range(DEPTH):
            yield from level
            level = [one for place, value in level for one in _parts(place, value)]

    def _gradient(self, gradient: Any, outputs: Sequence[Array]) -> Expression:
        if gradient is None:
            raise NotWrittenError("no gradient")
        results = list(self._results())
        same = [place for place, value in results if value is gradient]
        held = tuple(f"{name.text}." for name, _ in self.objects)
        returned = [place for place in same if not place.text.startswith(held)]
        if len(returned or same) > 1:
            raise NotWrittenError("the gradient, which backward gives in several places")
        if same:
            return (returned or same)[0]
        if self.calling.upstream == "contracted" and len(outputs) == 1:
            u, name = self.upstream[0], Name(self.ups[0])
            for place, value in results:
                if _is_number(value):
                    for expression, product in _products(name, u, place, np.asarray(value)):
                        if _same(product, gradient):
                            return expression
        same = [place for place, value in results if _is_number(value) and _same(value, gradient)]
        if len(same) == 1:
            return same[0]
        raise NotWrittenError("the gradient")


def _products(
    name: Expression, upstream: Array, place: Expression, derivative: Array
) -> Iterator[tuple[Expression, Array]]:
    """Upstream times a derivative entry by entry, and times a Jacobian."""
    if derivative.shape in (upstream.shape, ()) or upstream.size == 1:
        yield Product(name, place), upstream * derivative
    if derivative.shape[: upstream.ndim] == upstream.shape:
        expression = numpy_call("tensordot", name, place, axes=Literal(upstream.ndim))
        yield expression, np.asarray(np.tensordot(upstream, derivative, axes=upstream.ndim))


def _parts(place: Expression, value: Any) -> Iterator[tuple[Expression, Any]]:
    if isinstance(value, tuple | list):
        yield from ((Part(place, i), item) for i, item in enumerate(value))
    elif isinstance(value, dict):
        yield from ((Part(place, key), item) for key, item in value.items() if isinstance(key, str | int))
    elif hasattr(value, "__dict__") and not isinstance(value, type | ModuleType) and not inspect.isroutine(value):
        yield from ((Part(place, key, is_attribute=True), item) for key, item in vars(value).items())


def _constructor_arguments(owner: type, state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Arguments for a constructor: attributes of the same names, where they can be written; for others lengths of arrays."""
    try:
        parameters = [
            p
            for p in inspect.signature(owner).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
    except (TypeError, ValueError):
        return
    plain = {key.lstrip("_"): value for key, value in state.items() if type(value) in (bool, int, float, str)}
    found = {p.name: plain[p.name] for p in parameters if p.name in plain and plain[p.name] != p.default}
    missing = [p.name for p in parameters if p.name not in plain and p.default is p.empty]
    lengths = sorted({n for value in state.values() if isinstance(value, np.ndarray) for n in value.shape})
    if len(missing) <= MOST_MISSING:
        for sizes in islice(product(lengths, repeat=len(missing)), MOST_SIZES):
            given = found | dict(zip(missing, sizes, strict=True))
            yield {p.name: given[p.name] for p in parameters if p.name in given}


def _is_default(default: Any, value: Any) -> bool:
    """Whether a call may leave an argument out."""
    if default is value:
        return True
    try:
        return type(default) is type(value) and written(default) == written(value)
    except NotWrittenError:
        return False


def _defaults(function: Any) -> dict[str, Any]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}


def variables_for(values: Values, outputs: int, alias: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """What inputs and upstream gradients are called where the test's own names and ``alias`` are taken."""
    taken = {alias, *TAKEN}
    variables: dict[str, str] = {}
    for key in values:
        variables[key] = _identifier(key, taken)
        taken.add(variables[key])
    bases = ["upstream"] if outputs == 1 else [f"upstream{i + 1}" for i in range(outputs)]
    return variables, tuple(_identifier(base, taken) for base in bases)


def _identifier(name: str, taken: set[str]) -> str:
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "x"
    text = text if text.isidentifier() else f"x_{text}"
    while text in taken or keyword.iskeyword(text):
        text += "_"
    return text


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.generic):
        return bool(value.dtype.kind in "fiub")
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, int | float) for item in value)
    return isinstance(value, int | float)


def _same(one: Any, other: Any) -> bool:
    """Whether two are the same numbers in the same shape."""
    if not (_is_number(one) and _is_number(other)):
        return False
    return bool(np.shape(one) == np.shape(other) and np.array_equal(one, other, equal_nan=True))


def _equal(one: Any, other: Any) -> bool:
    """Whether two attributes hold the same; what cannot be told counts as different."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        same_kind = isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype
        return same_kind and _same(one, other)
    return type(one) is type(other) and bool(one == other) and not hasattr(one, "__dict__")
