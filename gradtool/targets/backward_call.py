"""What a backward is to be handed: which parameter is an upstream gradient, the cache, an input of forward's, or its output.

Names in the source are asked first, positions after that. ``plans`` gives the ways to call a backward, the likeliest first; where
names settle it there is just one. The rest of the file is what names and source say: ``named_input`` (``dx`` is the gradient of
``x``), ``returned_names``, ``unpacked``, ``gets_output``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import is_target, likeness, plain, stems
from gradtool.targets.scope import MISSING, Function, Parameter, own_nodes

# Names ---------------------------------------------------------------------------------------------------------------

_UPSTREAM = re.compile(
    r"""(d | d_?out\w* | d_?outputs? | d_?[yYaAzZhHlLjJ] | d_?loss | d_?next\w* | upstream\w* | grads?_?out\w* | grad(ient)?s?
        | accum_grad | d_?val(ue)?s? | g | G | g_?[yYzZ] | g_?out\w* | cts? | co_?tangents? | top_(diff|grad)
        | out(put)?s?_?(grad(ient)?s?|bar|delta) | [yz]_bar | d[LJ]_?d\w+ | delta | incoming\w* | adjoints?
        | next_(grad|delta)\w* | (grad|delta)_next | err(or)?s? )$""",
    re.VERBOSE,
)
_PERHAPS_UPSTREAM = re.compile(
    r"""(d[A-Z]\w* | d_(?!model$|k$|v$|ff$|in$|head|hidden_dim|dim)\w+ | d[a-z]\d*
        | d(score|logit|prob|pred|prev|hidden|state)\w*
        | grad\w* | \w+_(grad(ient)?s?|bar) | bar_\w+ | delta\w* | g[a-zA-Z]\d* | g_\w+ )$""",
    re.VERBOSE,
)
_LIKE_UPSTREAM = re.compile(r"d_?[a-zA-Z]\w*|g_?[a-zA-Z]\w*|(grad|delta)_?\w*|\w+_(grad|bar)")
_CACHE = re.compile(
    r"(\w*caches?\w*|ctx|context|saved\w*|memory|memos?|mem|tape|residuals?|res|intermediates?|stored?|stash|aux|history"
    r"|states?|(fwd|forward)_\w+|kept)$"
)
_SURELY_OUTPUT = re.compile(r"(\w*_)?(out|outputs?|output_\w+|y_?hat|activations?|activated|result)$")
_X = frozenset({"x", "xs", "in", "inp", "input", "inputs", "data"})
_RATHER_OUTPUT = frozenset({"s", "a", "A", "y", "Y", "h", "p", "probs", "sig", "softmax_out", "S", "H", "P"})
_SETTING = re.compile(
    r"(max|min|num|n)_\w+ | (\w*_)?(norm|rate|lr|eps|epsilon|thresh(old)?|factor|size|scale|steps?|iters?|momentum|decay"
    r"|lambda_?|axis|mode|name|shape|optimizer|seed|rng)$",
    re.VERBOSE,
)
_SURELY_INPUT = frozenset(
    {"x", "X", "z", "Z", "u", "inp", "input", "inputs", "net", "logits", "preact", "pre_activation"}
)


def is_upstream(name: str) -> bool:
    """Whether a parameter of this name is surely the upstream gradient: ``dout``, ``grad_output``, ``dY``, ``g``."""
    return _UPSTREAM.match(name) is not None


def _is_like_upstream(name: str) -> bool:
    return _LIKE_UPSTREAM.fullmatch(name) is not None and _SETTING.match(name) is None


def is_cache(name: str) -> bool:
    """Whether this is what one calls that which forward keeps for backward: ``cache``, ``ctx``, ``saved``."""
    return _CACHE.match(name) is not None


def is_public(name: str) -> bool:
    """Whether a function of this name is a user's own gradient code rather than a test, a check or a private helper."""
    return not name.startswith(("_", "test_", "check_", "Test")) and name not in ("test", "check", "main")


def named_input(gradient: str, inputs: Iterable[str], itself: bool = False) -> str | None:
    """The input that a name says it is the gradient of: ``dx``, ``d_x``, ``grad_x``, ``x_grad``, ``gx``, ``dLdx`` for ``x``.

    The exact name comes before another case (``dw`` for ``W``), that before another word (``dw`` for ``weights``); None where no
    input or more than one fits. With ``itself`` a key that is the input's own name counts as well (``grads["W1"]``).
    """
    found = _closest([*stems(gradient), *([gradient] if itself else [])], tuple(inputs))
    # A ∂ is no identifier in Python, and stands in keys alone.
    return found if found is not None or not gradient.startswith("∂") else same_thing(gradient[1:], inputs)


def same_thing(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``name`` means: itself, in another case, or in another word (``weights`` for ``w``)."""
    return _closest([name], tuple(names))


def _closest(readings: Sequence[str], names: Sequence[str]) -> str | None:
    for least in (4, 3, 2, 1):
        for reading in readings:
            found = [name for name in names if likeness(reading, name) >= least]
            if len(found) == 1:
                return found[0]
    for reading in readings:
        found = [name for name in names if plain(name) in _X]
        if plain(reading) in _X and len(found) == 1:
            return found[0]
    return None


# What the source says ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def returned_names(function: Function) -> tuple[tuple[str | None, ...], ...]:
    """What each ``return`` of a function names, as ``Function.returned``, and beyond it: ``return grads`` where
    ``grads = (dx, dw)`` names dx and dw, and ``return dx.reshape(s)``, ``np.array(dx)`` or ``-dx`` names dx."""
    tuples: dict[str, list[ast.expr]] = {}
    for node in own_nodes(function.node):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    tuples.setdefault(target.id, []).append(node.value)
    rows: list[tuple[str | None, ...]] = []
    for node in own_nodes(function.node):
        if not isinstance(node, ast.Return):
            continue
        value = node.value
        if isinstance(value, ast.Name) and len(tuples.get(value.id, ())) == 1:
            assigned = tuples[value.id][0]
            if isinstance(assigned, ast.Tuple | ast.List):
                value = assigned
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            rows.append(())
        elif isinstance(value, ast.Tuple | ast.List):
            rows.append(tuple(_called(part) for part in value.elts))
        else:
            rows.append((_called(value),))
    return tuple(rows)


@lru_cache(maxsize=4096)
def returned_keys(function: Function) -> frozenset[str]:
    """The keys of dictionaries that a function returns: of ``return {"dw": dw}``, ``return dict(dw=dw)``, and of ``return grads``
    those that ``grads`` is made with and those that are put into it."""
    nodes = list(own_nodes(function.node))
    returned: set[str] = set()
    made: list[ast.expr] = []
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            parts = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
            returned |= {part.id for part in parts if isinstance(part, ast.Name)}
            made += parts
    for node in nodes:
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            made += [node.value] if names & returned else []
    keys: set[str] = set()
    for value in made:
        match value:
            case ast.Dict(keys=written):
                keys |= {key.value for key in written if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
                keys |= {keyword.arg for keyword in keywords if keyword.arg is not None}
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key), ctx=ast.Store()):
                keys |= {key} if name in returned else set()
    return frozenset(keys)


def _called(node: ast.expr) -> str | None:
    """The variable that an expression is about, seen through what does not change whose gradient it is."""
    while True:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=inner, attr="T"):
                node = inner
            case ast.Attribute(attr=name):
                return name
            case ast.UnaryOp(operand=inner):
                node = inner
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=function), args=[inner, *_]) if (
                function in ("array", "asarray", "copy", "squeeze", "reshape", "atleast_2d", "ravel", "transpose")
            ):
                node = inner
            case ast.Call(func=ast.Name(id="float"), args=[inner]):
                node = inner
            case ast.Call(func=ast.Attribute(value=inner, attr=method)) if method in (
                "reshape",
                "astype",
                "copy",
                "squeeze",
                "ravel",
                "flatten",
                "transpose",
                "item",
                "tolist",
            ):
                node = inner
            case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str() as key)):
                return key
            case _:
                return None


def is_unwritten(function: Function) -> bool:
    """Whether a body is only ``pass``, ``...`` or ``raise NotImplementedError``."""
    body = function.node.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...)
        or (isinstance(node, ast.Raise) and node.exc is not None and "NotImplemented" in ast.unparse(node.exc))
        for node in body
    )


def unpacked(function: Function, parameter: str) -> tuple[str, ...] | None:
    """The names that a function unpacks a parameter into, as in ``x, w, b = cache``; None where it does not."""
    for node in own_nodes(function.node):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=parts) | ast.List(elts=parts)], value=ast.Name(id=name)) if (
                name == parameter and all(isinstance(part, ast.Name) for part in parts)
            ):
                return tuple(part.id for part in parts if isinstance(part, ast.Name))
    return None


def gets_output(tree: ast.Module, forward: Function, backward: Function) -> bool:
    """Whether the module itself hands forward's OUTPUT to backward, or says that it should: ``a = sigmoid(z)`` and later
    ``sigmoid_derivative(a)``; "x is the output of sigmoid" in its docstring."""
    if re.search(
        r"\b(outputs? of|already|activated|in terms of (the |its )?output)\b", backward.docstring, re.IGNORECASE
    ):
        return True

    def calls(node: ast.AST, name: str) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name

    made: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and calls(node.value, forward.name):
            made.update(ast.unparse(target) for target in node.targets)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and calls(node, backward.name):
            for argument in (*node.args, *(k.value for k in node.keywords)):
                if calls(argument, forward.name) or ast.unparse(argument) in made:
                    return True
    return False


# How backward is called ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Returned:
    """One of the values that forward returned: its name in the source, and whether it is floating (an array or number that
    an upstream gradient may be wanted for)."""

    name: str | None
    floating: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    """The upstream gradient of the plan's output number ``output``."""

    output: int


@dataclass(frozen=True, slots=True)
class FromForward:
    """The value number ``index`` of those that forward returned: the cache, or an output."""

    index: int


@dataclass(frozen=True, slots=True)
class Input:
    """What forward was given for its parameter ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A tuple of several of these."""

    parts: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """A value for backward alone."""

    name: str


Source = Upstream | FromForward | Input | Packed | Own
Style = Literal["backward", "derivative", "callback"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to call a backward: where each of its ``parameters`` that gets a value has it from, and what follows as
    ``*args``. ``outputs`` are the indices, among the values that forward returns, that an upstream is wanted for: there is at
    least one, also where backward takes no upstream. ``certain`` where names in the source say of each argument what it is, but
    for the choice between forward's input and its output."""

    parameters: tuple[Parameter, ...]
    sources: tuple[tuple[str, Source], ...]
    rest: tuple[Source, ...]
    outputs: tuple[int, ...]
    certain: bool

    @property
    def takes_upstream(self) -> bool:
        """Whether backward is handed an upstream at all."""
        return any(isinstance(source, Upstream) for _, source in self.sources)

    @property
    def handed_on(self) -> frozenset[int]:
        """The indices of what forward returned that backward gets to see."""
        sources = _flat([*(source for _, source in self.sources), *self.rest])
        return frozenset(source.index for source in sources if isinstance(source, FromForward))

    def call(
        self,
        backward: Callable[..., Any],
        upstream: Sequence[Any],
        inputs: Mapping[str, Any],
        returned: Sequence[Any] = (),
        own: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls backward and gives what it returns, raising what it raises. ``upstream`` has one for each of ``outputs``,
        ``inputs`` what forward was given, ``returned`` what it returned, ``own`` the values of parameters that only
        backward has."""

        def value(source: Source) -> Any:
            match source:
                case Upstream(output):
                    return upstream[output]
                case FromForward(index):
                    return returned[index]
                case Input(name):
                    return inputs[name]
                case Own(name):
                    return (own or {})[name]
                case Packed(parts):
                    return tuple(value(part) for part in parts)

        values = {name: value(source) for name, source in self.sources}
        return call_with(backward, self.parameters, values, [value(source) for source in self.rest])

    def describe(self, backward: str, forward: str, inputs: Sequence[str], returned: Sequence[Returned] = ()) -> str:
        """The call as a user would write it: ``sigmoid_backward(d_out, sigmoid(x))``."""

        def text(source: Source, name: str) -> str:
            match source:
                case Upstream() | Own():
                    return name
                case Input(parameter):
                    return parameter
                case FromForward(index):
                    if len(returned) == 1:
                        return f"{forward}({', '.join(inputs)})"
                    return returned[index].name or name
                case Packed(parts):
                    return f"({', '.join(text(part, name) for part in parts)}{',' * (len(parts) == 1)})"

        by_name = {p.name for p in self.parameters if p.keyword_only}
        written = [f"{name}=" * (name in by_name) + text(source, name) for name, source in self.sources]
        return f"{backward}({', '.join([*written, *(text(source, 'value') for source in self.rest)])})"


def _flat(sources: Iterable[Source]) -> Iterator[Source]:
    for source in sources:
        if isinstance(source, Packed):
            yield from _flat(source.parts)
        else:
            yield source


def call_with(
    function: Callable[..., Any], parameters: Iterable[Parameter], values: Mapping[str, Any], rest: Sequence[Any] = ()
) -> Any:
    """Calls a function with values by name: by position as far as no parameter is left out, by name from there on."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    left_out = False
    for parameter in parameters:
        if parameter.name not in values:
            left_out = left_out or not parameter.keyword_only
        elif parameter.keyword_only or left_out:
            named[parameter.name] = values[parameter.name]
        else:
            positional.append(values[parameter.name])
    return function(*positional, *rest, **named)


def own_parameters(backward: Function, inputs: Sequence[str], returned: Sequence[str | None]) -> tuple[Parameter, ...]:
    """The parameters that only backward has and that need a value from elsewhere: hyper-parameters that forward does not
    take. ``returned`` are the names of what forward returns."""
    roles = _Roles.read(backward, inputs, returned)
    keeps = bool(roles.caches) or any(name is not None and is_cache(name) for name in returned)
    # Where no name says which one is the upstream, the others' meaning is just as open: nothing is made up for them.
    return (*(roles.open if keeps and roles.upstreams else ()), *roles.defaults)


def plans(
    backward: Function,
    inputs: Sequence[str],
    returned: Sequence[Returned],
    own: Iterable[str] = (),
    output_handed: bool = False,
    hyper: Iterable[str] = (),
    style: Style = "backward",
) -> tuple[Plan, ...]:
    """The ways to call ``backward``, the likeliest first; never empty.

    ``inputs`` are forward's parameters in order, those in ``hyper`` being settings rather than arrays; ``returned`` is what one
    call of forward gave (a single value is one entry; for a method that keeps everything in its object there is just the
    output). ``own`` are parameters of backward's that have a value of their own. With ``output_handed`` (see
    ``gets_output``) the module itself hands forward's output where a name would mean its input. A
    "derivative" takes an upstream only beside something else, a "callback" always does.

    Raises ``CannotBindError`` where a parameter means nothing that is known, saying which.
    """
    return _Planner(
        backward, tuple(inputs), tuple(returned), frozenset(own), output_handed, frozenset(hyper), style
    ).plans()


@dataclass(frozen=True)
class _Roles:
    """Backward's parameters by what their names say."""

    upstreams: list[Parameter]
    caches: list[Parameter]
    named: dict[str, Source]
    """Those that are called like an input, or like something that forward returns."""
    open: list[Parameter]
    defaults: list[Parameter]
    """Those that may be left out."""

    @classmethod
    def read(cls, backward: Function, inputs: Sequence[str], returned: Sequence[str | None]) -> _Roles:
        roles = cls([], [], {}, [], [])
        known = [name for name in returned if name is not None]
        perhaps: list[Parameter] = []
        for parameter in backward.parameters:
            name = parameter.name
            if name in inputs:
                roles.named[name] = Input(name)
            elif name in known:
                roles.named[name] = FromForward(returned.index(name))
            elif is_upstream(name) or named_input(name, known):
                roles.upstreams.append(parameter)
            elif is_cache(name):
                roles.caches.append(parameter)
            elif _PERHAPS_UPSTREAM.match(name) and parameter.default is MISSING:
                perhaps.append(parameter)
            elif parameter.default is not MISSING:
                roles.defaults.append(parameter)
            else:
                roles.open.append(parameter)
        if not roles.upstreams:
            roles.upstreams.extend(perhaps)
        else:
            # ``dh`` is beside ``dout`` an upstream of its own; what is too many is told when outputs are counted.
            roles.upstreams.extend(p for p in perhaps if not named_input(p.name, inputs))
            roles.open.extend(p for p in perhaps if named_input(p.name, inputs))
        order = [p.name for p in backward.parameters]
        roles.upstreams.sort(key=lambda p: order.index(p.name))
        roles.open.sort(key=lambda p: order.index(p.name))
        if not roles.upstreams and roles.defaults and _is_one(roles.defaults[0].default):
            roles.upstreams.append(roles.defaults.pop(0))
        return roles


def _is_one(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 1


@dataclass(frozen=True)
class _Planner:
    backward: Function
    inputs: tuple[str, ...]
    returned: tuple[Returned, ...]
    own: frozenset[str]
    output_handed: bool
    hyper: frozenset[str]
    style: Style

    def plans(self) -> tuple[Plan, ...]:
        roles = _Roles.read(self.backward, self.inputs, [r.name for r in self.returned])
        found: list[Plan] = []
        reasons: list[str] = []
        for upstreams, open_, settled in self._upstreams(roles):
            try:
                outputs = self._outputs(upstreams)
                for sources, rest, certain in self._rest(roles, open_, outputs):
                    paired = self._pair(upstreams, outputs)
                    merged = {**roles.named, **paired, **sources}
                    ordered = tuple((p.name, merged[p.name]) for p in self.backward.parameters if p.name in merged)
                    plan = Plan(self.backward.parameters, ordered, rest, outputs, settled and certain)
                    found.append(plan)
            except CannotBindError as error:
                reasons.append(str(error))
        if not found:
            raise CannotBindError(reasons[0])
        found = self._with_output(found)
        return tuple(plan for i, plan in enumerate(found) if plan not in found[:i])

    def _upstreams(self, roles: _Roles) -> Iterator[tuple[list[Parameter], list[Parameter], bool]]:
        """(upstream parameters, parameters still open, whether that is settled)."""
        open_ = [p for p in roles.open if p.name not in self.own]
        if self.style == "derivative" and not (roles.named or roles.caches or open_):
            yield [], roles.upstreams, True
            return
        if self.style == "derivative" and not roles.upstreams and len(open_) <= len(self.inputs):
            yield [], open_, True
            return
        if roles.upstreams:
            yield roles.upstreams, open_, True
            return
        if self.style == "callback" and open_:
            yield [open_[0]], open_[1:], True
            return
        keeps = bool(roles.caches) or len(self.returned) > 1
        outputs = sum(r.floating and not _kept(r.name) and r.name not in self.inputs for r in self.returned)
        if roles.caches and 1 < len(open_) <= outputs and all(_is_like_upstream(p.name) for p in open_):
            # ``dsin, dcos, cache``: gradients of outputs that have no names in the source.
            yield open_, [], len(open_) == outputs
            if len(open_) == outputs:
                return
        if open_ and (keeps or len(open_) > 1 or roles.named):
            target = next((p.name for p in open_ if is_target(p.name)), None)
            if target is not None and any(isinstance(source, Input) for source in roles.named.values()):
                raise CannotBindError(
                    f"{self.backward.name} takes {target}, which a loss compares what forward gives with: its gradients are of "
                    "a loss that forward does not compute"
                )
            # Nothing is called like an upstream: it stands first, or else last.
            sole = len(open_) == 1
            yield [open_[0]], open_[1:], sole and keeps
            if not sole:
                yield [open_[-1]], open_[:-1], False
            if not keeps:
                yield [], open_, False
        else:
            yield [], open_, True

    def _outputs(self, upstreams: Sequence[Parameter]) -> tuple[int, ...]:
        """Which of the returned values the upstreams are for: by name, then the first ones that are floating and not kept."""
        floating = [i for i, r in enumerate(self.returned) if r.floating]
        likely = [i for i in floating if not _kept(self.returned[i].name)] or floating
        if not likely:
            raise CannotBindError("forward returns no floating array that a gradient could be of")
        wanted = max(1, len(upstreams))
        names = {self.returned[i].name or "": i for i in likely}
        by_name = [names[n] for p in upstreams if (n := named_input(p.name, [n for n in names if n])) is not None]
        chosen = sorted(set(by_name))
        for i in likely:
            if len(chosen) < wanted and i not in chosen:
                chosen.append(i)
        if len(chosen) < wanted:
            takes = ", ".join(p.name for p in upstreams)
            raise CannotBindError(f"{self.backward.name} takes {takes}, but forward has {len(likely)} output(s)")
        return tuple(sorted(chosen))

    def _pair(self, upstreams: Sequence[Parameter], outputs: tuple[int, ...]) -> dict[str, Source]:
        """An output for each upstream: by name, the others in order."""
        names = {self.returned[i].name: k for k, i in enumerate(outputs)}
        paired: dict[str, Source] = {}
        free = list(range(len(outputs)))
        for parameter in upstreams:
            name = named_input(parameter.name, [n for n in names if n is not None])
            if name is not None and names[name] in free:
                paired[parameter.name] = Upstream(names[name])
                free.remove(names[name])
        for parameter in upstreams:
            if parameter.name not in paired:
                paired[parameter.name] = Upstream(free.pop(0))
        return paired

    def _rest(
        self, roles: _Roles, open_: list[Parameter], outputs: tuple[int, ...]
    ) -> Iterator[tuple[dict[str, Source], tuple[Source, ...], bool]]:
        """Sources for caches, for what names leave open, for values of backward's own, and for ``*args``."""
        sources: dict[str, Source] = {p.name: Own(p.name) for p in self.backward.parameters if p.name in self.own}
        used = {s.index for s in roles.named.values() if isinstance(s, FromForward)}
        kept = [i for i in range(len(self.returned)) if i not in outputs and i not in used]
        kept.sort(key=lambda i: not _kept(self.returned[i].name))
        unused = [n for n in self.inputs if n not in self.hyper and Input(n) not in roles.named.values()]

        wanting = [p for p in (*roles.caches, *open_) if p.name not in sources]
        for parameter in list(wanting):
            # What is unpacked from a cache is named there, which says how to make one where forward returns none.
            if parameter in roles.caches and kept:
                continue
            parts = unpacked(self.backward, parameter.name)
            packed = None if parts is None or kept else self._packed(parts, outputs)
            if packed is not None:
                sources[parameter.name] = packed
                wanting.remove(parameter)
                continue
            meant = same_thing(parameter.name, unused)
            if meant is not None:
                sources[parameter.name] = Input(meant)
                unused.remove(meant)
                wanting.remove(parameter)

        rest: tuple[Source, ...] = ()
        if self.backward.node.args.vararg is not None:
            rest = tuple(FromForward(i) for i in kept) if kept and not wanting else tuple(Input(n) for n in unused)

        if not wanting:
            yield sources, rest, True
        elif kept and len(kept) >= len(wanting):
            chosen = sorted(kept[: len(wanting)])
            given = {p.name: FromForward(i) for p, i in zip(wanting, chosen, strict=True)}
            if len(wanting) == 1 and len(kept) > 1 and not _kept(self.returned[kept[0]].name):
                everything = Packed(tuple(FromForward(i) for i in sorted(kept)))
                yield {**sources, wanting[0].name: everything}, rest, False
                yield {**sources, **given}, rest, False
            else:
                yield {**sources, **given}, rest, len(kept) == len(wanting) or len(wanting) == 1
        elif len(wanting) == 1 and not kept:
            yield from self._single(wanting[0], sources, rest, outputs, unused, wanting[0] in roles.caches)
        elif len(wanting) == len(unused) and not kept:
            yield {**sources, **{p.name: Input(n) for p, n in zip(wanting, unused, strict=True)}}, rest, False
        else:
            unknown = ", ".join(p.name for p in wanting)
            raise CannotBindError(
                f"{self.backward.name} takes {unknown}, which is neither an argument nor a result of forward: give a value for it"
            )

    def _single(
        self,
        parameter: Parameter,
        sources: dict[str, Source],
        rest: tuple[Source, ...],
        outputs: tuple[int, ...],
        unused: list[str],
        cache: bool,
    ) -> Iterator[tuple[dict[str, Source], tuple[Source, ...], bool]]:
        """One parameter is left and forward keeps nothing: it gets an input, the output, or (a cache) all inputs."""
        name = parameter.name
        output = {**sources, name: FromForward(outputs[0])}
        if cache and len(self.inputs) > 1:
            yield {**sources, name: Packed(tuple(Input(n) for n in self.inputs))}, rest, False
        if not unused or (_SURELY_OUTPUT.match(name) and not cache):
            yield output, rest, True
        elif _SETTING.match(name):
            raise CannotBindError(
                f"{self.backward.name} takes {name}, which forward does not have: give a value for it"
            )
        elif len(unused) > 1:
            # Which input is meant is open; that it is the output is likely only by its name.
            if name in _RATHER_OUTPUT:
                yield output, rest, True
            elif not cache:
                raise CannotBindError(
                    f"{self.backward.name} takes {name}, which is neither an argument nor a result of forward: give it the name"
                    " of one"
                )
        elif name in _SURELY_INPUT:
            yield {**sources, name: Input(unused[0])}, rest, True
        else:
            given = {**sources, name: Input(unused[0])}
            for way in (output, given) if name in _RATHER_OUTPUT else (given, output):
                yield way, rest, not cache

    def _packed(self, names: Sequence[str], outputs: tuple[int, ...]) -> Packed | None:
        parts: list[Source] = []
        for name in names:
            meant = same_thing(name, self.inputs)
            index = next((i for i, r in enumerate(self.returned) if r.name == name), None)
            if meant is not None:
                parts.append(Input(meant))
            elif index is not None:
                parts.append(FromForward(index))
            elif _SURELY_OUTPUT.match(name):
                parts.append(FromForward(outputs[0]))
            else:
                return None
        return Packed(tuple(parts))

    def _with_output(self, found: list[Plan]) -> list[Plan]:
        """Where the module hands forward's output to backward, ways that do so in place of the only input come first."""
        arrays = [name for name in self.inputs if name not in self.hyper]
        if not self.output_handed or len(arrays) != 1:
            return found
        more = []
        for plan in found:
            if any(source == Input(arrays[0]) for _, source in plan.sources):
                output: Source = FromForward(plan.outputs[0])
                swapped = tuple((n, output if source == Input(arrays[0]) else source) for n, source in plan.sources)
                more.append(replace(plan, sources=swapped))
        return [*more, *found]


def _kept(name: str | None) -> bool:
    return name is not None and is_cache(name)
