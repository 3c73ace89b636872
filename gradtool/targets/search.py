"""Looks for inputs that a forward accepts: small arrays whose different axes have different sizes, steered by its errors.

Every axis has a letter, and different letters have different sizes, so the sizes in an error message (``(4,3) and (5,6) not
aligned: 3 != 5``) tell which letters are one. The search is best-first over guesses and such identifications: the first inputs
that are accepted are the likeliest, and it goes the same way each time.
"""

from __future__ import annotations

import contextlib
import heapq
import io
import itertools
import math
import random
import re
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtool.targets.described import Described, DimensionError, Domain, letters_of, size_of
from gradtool.targets.presets import Context, Option, role
from gradtool.targets.presets import options as options_of
from gradtool.targets.scope import Parameter

MAX_TRIES = 400
MAX_SECONDS = 8.0
TEMPLATE = 0.5
"""How much likelier a known set of inputs is than guesses for each of them."""

Forward = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, eq=False)
class Slot:
    """An input to be found. ``fixed`` is what the user gave for it; an entry of a dictionary names it as ``inside``."""

    name: str
    options: tuple[Option, ...]
    inside: str | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """One guess for every input, and which letters are one. ``values(seed)`` draws the inputs."""

    chosen: Mapping[str, Option]
    """By the slot's name; an entry of a dictionary is ``params['W1']``."""
    entries: Mapping[str, tuple[str, str]]
    """Slot name -> (dictionary, key)."""
    letters: Mapping[str, str]
    """Letter -> what it stands for: another letter, a number, a product."""
    preference: int = 0
    """Which of several choices of sizes."""
    sizes_fixed: Mapping[str, int] | None = None
    """Sizes of letters that are to be other than chosen here."""

    def resolved(self, dimension: str) -> str:
        """A dimension in letters that stand for themselves."""
        for _ in range(32):
            inner = [letter for letter in letters_of(dimension) if letter in self.letters]
            if not inner:
                return dimension
            for letter in inner:
                dimension = re.sub(rf"\b{letter}\b", _wrapped(self.letters[letter]), dimension)
        return dimension

    def shape(self, name: str) -> tuple[str, ...] | None:
        """The shape of an input in letters; None for what is no array or number to be drawn."""
        described = self.chosen[name].described
        if described is None or described.shape is None:
            return None
        return tuple(self.resolved(dimension) for dimension in described.shape)

    def roots(self) -> list[str]:
        """The letters that stand for themselves, in the order of the inputs."""
        found: dict[str, None] = {}
        for name, option in self.chosen.items():
            dimensions = [*(self.shape(name) or ())]
            if option.described is not None and option.described.bound is not None:
                dimensions.append(self.resolved(option.described.bound))
            if option.size is not None:
                dimensions.append(self.resolved(option.size))
            for dimension in dimensions:
                found.update(dict.fromkeys(letters_of(dimension)))
        return list(found)

    def sizes(self) -> dict[str, int]:
        """A size for every letter; different letters have different sizes."""
        expressions = [self.resolved(letter) for letter in self.letters]
        products = [expression for expression in expressions if "*" in expression or expression.isdigit()]
        sizes = choose_sizes(self.roots(), self.preference, products)
        sizes.update(self.sizes_fixed or {})
        return sizes

    def values(self, seed: int, target: str) -> dict[str, Any]:
        """The inputs, drawn from generators of their own, so that one does not hang on another.

        Raises ``DimensionError`` where the letters give no whole sizes.
        """
        sizes = self.sizes()
        values: dict[str, Any] = {}
        for name, option in self.chosen.items():
            if option.left_out:
                continue
            value = self._value(option, sizes, np.random.default_rng([seed, zlib.crc32(f"{target}:{name}".encode())]))
            if name in self.entries:
                holder, key = self.entries[name]
                values[holder] = {**values.get(holder, {}), key: value}
            else:
                values[name] = value
        return values

    def _value(self, option: Option, sizes: Mapping[str, int], rng: np.random.Generator) -> Any:
        if option.size is not None:
            return size_of(self.resolved(option.size), sizes)
        described = option.described
        if described is None or described.kind == "dictionary":
            return dict(option.value) if isinstance(option.value, dict) else option.value
        shape = tuple(size_of(self.resolved(dimension), sizes) for dimension in described.shape or ())
        bound = 2 if described.bound is None else size_of(self.resolved(described.bound), sizes)
        return draw(shape, described.domain, bound, rng, number=described.kind == "number")


@dataclass(frozen=True, eq=False)
class Accepted:
    """Inputs that forward accepts, and how they were guessed; ``independent`` names inputs that its output ignores."""

    layout: Layout
    cost: float
    independent: tuple[str, ...] = ()


@dataclass
class Tried:
    """What the search met: how often it called forward, and the error of the likeliest guess that failed."""

    tries: int = 0
    error: str | None = None
    layout: Layout | None = None
    exit: SystemExit | None = None
    """What forward raised where it did nothing but exit."""
    seconds: float = 0.0


# Sizes and numbers ---------------------------------------------------------------------------------------------------

_BATCH = re.compile(
    r"N|m|B|n|n_?samples|n_?ex(amples)?|batch(_size)?|num_examples|number_of_(training_)?(examples|samples)|\w+_0"
)
_KERNEL = {
    "HH": 3, "WW": 2, "KH": 3, "KW": 2, "kh": 3, "kw": 2, "f": 3, "f_h": 3, "f_w": 2, "FH": 3, "FW": 2, "kernel_height": 3,
    "kernel_width": 2, "filter_height": 3, "filter_width": 2, "k_h": 3, "k_w": 2, "pool_height": 2, "pool_width": 2,
}  # fmt: skip
_PAIRS = (
    ("H", "W"), ("n_H", "n_W"), ("n_H_prev", "n_W_prev"), ("in_rows", "in_cols"), ("h", "w"), ("height", "width"),
    ("IH", "IW"), ("H_in", "W_in"), ("iH", "iW"),
)  # fmt: skip
_POOLS = (
    (4, 6, 5, 3, 2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24),
    (3, 4, 6, 8, 2, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44),
    (7, 3, 5, 4, 2, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25),
)


def choose_sizes(letters: Sequence[str], preference: int = 0, products: Sequence[str] = ()) -> dict[str, int]:
    """Distinct small sizes: images higher than their kernels, heights other than widths, few classes. Pure in its arguments.

    No letter is as long as one of the ``products``. ``preference`` 1 has even sizes, which divide into heads and groups;
    with 2 the first is the longest.
    """
    chosen: dict[str, int] = {}
    spatial = [pair for pair in _PAIRS if set(pair) <= set(letters)]
    kernels = [letter for letter in letters if letter in _KERNEL and spatial]
    for pair in spatial:
        heights = ((5, 6), (4, 6), (7, 5))[preference % 3] if kernels else ((4, 6), (6, 8), (5, 7))[preference % 3]
        if kernels == ["f"]:
            heights = (5, 7)
        chosen.update(zip(pair, heights, strict=True))
    for letter in kernels:
        chosen[letter] = _KERNEL[letter]
    images = [chosen[letter] for pair in spatial for letter in pair]
    pool = [
        size
        for size in ((3, 4, 2, 7, 8, 9, 10, 11) if spatial else _POOLS[preference % len(_POOLS)])
        if size not in images
    ]
    if len(letters) == 1 and preference == 0:
        return {letters[0]: chosen.get(letters[0], 5)}
    first = {"C": 3, "T": 3, "num_classes": 3, "n_classes": 3, "d_1": 2, "d_2": 3, "d1": 2, "d2": 3, "D1": 2, "D2": 3}
    inner = [letter for expression in products for letter in letters_of(expression) if letter in letters]
    for place, letter in enumerate(dict.fromkeys([*inner, *letters])):
        if place == len(set(inner)):
            taken = {
                size_of(expression, chosen) for expression in products if set(letters_of(expression)) <= set(chosen)
            }
            pool = [size for size in pool if size not in taken]
        if letter in chosen:
            continue
        batch = 4 if preference % 3 == 0 else 3
        if spatial:
            batch = 2
        wanted = first.get(letter) if preference % 3 != 1 else None
        if _BATCH.fullmatch(letter) and letter in letters[:2] and preference % 3 != 2:
            wanted = batch
        size = wanted if wanted in pool else pool[0] if pool else 24 + len(chosen)
        assert size is not None
        chosen[letter] = size
        if size in pool:
            pool.remove(size)
    return chosen


def draw(shape: tuple[int, ...], domain: Domain, bound: int, rng: np.random.Generator, number: bool = False) -> Any:
    """An array of that shape, float64 or (labels) integers; a Python number for a ``number``. No entry is 0, 1 or -1 or near."""
    if domain == "labels":
        count = math.prod(shape)
        labels = rng.permutation(np.resize(rng.permutation(max(bound, 1)), count)).reshape(shape)
        return int(labels) if shape == () else labels
    if domain == "mask":
        count = math.prod(shape)
        mask = rng.permutation(np.arange(count) % 2).reshape(shape).astype(np.float64)
        return float(mask) if shape == () else mask
    if domain in ("one-hot", "one-hot-0") and shape:
        axis = 0 if domain == "one-hot-0" and len(shape) > 1 else len(shape) - 1
        others = shape[:axis] + shape[axis + 1 :]
        at = rng.permutation(np.arange(math.prod(others)) % shape[axis]).reshape(others)
        return np.moveaxis(np.eye(shape[axis])[at], -1, axis)
    if domain == "sign":
        count = math.prod(shape)
        return np.where(rng.permutation(np.arange(count)).reshape(shape) % 2, 1.0, -1.0)
    if domain in ("probabilities", "probabilities-0") and shape:
        axis = 0 if domain == "probabilities-0" else -1
        weights = rng.uniform(0.2, 1.2, shape)
        return np.asarray(weights / weights.sum(axis=axis, keepdims=True))
    if domain == "positive":
        drawn = rng.uniform(0.4, 2.2, shape)
    elif domain in ("unit", "probabilities", "probabilities-0", "one-hot", "one-hot-0"):
        drawn = rng.uniform(0.1, 0.9, shape)
    else:
        normal = rng.normal(size=shape)
        drawn = np.where(normal < 0, -1.0, 1.0) * (np.abs(normal) + 0.08)
    drawn = np.asarray(drawn, dtype=np.float64)
    near = np.abs(np.abs(drawn) - 1) < 0.02
    drawn = np.where(near, drawn * 1.07, drawn) if domain in ("real", "positive") else drawn
    return float(drawn) if number and shape == () else drawn


# Calling forward -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def quietly(seed: int = 0) -> Iterator[None]:
    """The user's code may print, warn, and draw random numbers here: nobody sees it, and the generators are as before."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def copied(value: Any) -> Any:
    """A copy of inputs, as deep as arrays lie."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return value


def output_of(result: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of what forward returned as its output: of a tuple the first element, of a dictionary all."""
    while isinstance(result, tuple | list) and result and not all(isinstance(item, int | float) for item in result):
        result = result[0]
    items = list(result.values()) if isinstance(result, Mapping) else [result]
    arrays = []
    for item in items:
        if hasattr(item, "detach"):
            item = item.detach().cpu().numpy()
        if isinstance(item, np.ndarray | np.generic | int | float | list | tuple) or hasattr(item, "__array__"):
            with contextlib.suppress(ValueError, TypeError):
                array = np.asarray(item)
                if array.dtype.kind in "fiubc":
                    arrays.append(array)
    return arrays


def accepted_output(forward: Forward, values: Mapping[str, Any]) -> list[np.ndarray[Any, Any]] | None:
    """The arrays that forward gives for copies of these values; None where it raises."""
    try:
        with quietly():
            return output_of(forward(copied(values)))
    except (Exception, SystemExit):
        return None


# The search ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _State:
    slots: tuple[Slot, ...]
    picks: tuple[int, ...]
    letters: Mapping[str, str]
    preference: int
    template: Mapping[str, Described]
    cost: float
    domains: Mapping[str, Domain]

    def key(self) -> tuple[Any, ...]:
        layout = self.layout()
        return (
            tuple(
                (
                    name,
                    layout.shape(name),
                    option.described.domain if option.described else None,
                    repr(option.value),
                    option.left_out,
                )
                for name, option in layout.chosen.items()
            ),
            tuple(sorted((letter, layout.resolved(letter)) for letter in self.letters)),
            self.preference,
        )

    def option(self, place: int) -> Option:
        slot = self.slots[place]
        option = slot.options[self.picks[place]]
        if slot.name in self.template and self.picks[place] == 0:
            option = replace(option, described=self.template[slot.name], left_out=False, size=None, value=None, source="search",
                             guessed=self.template[slot.name].domain != "real")  # fmt: skip
        if slot.name in self.domains and option.described is not None:
            option = replace(option, described=replace(option.described, domain=self.domains[slot.name]), guessed=True)
        return option

    def layout(self) -> Layout:
        chosen = {slot.name: self.option(place) for place, slot in enumerate(self.slots)}
        entries = {slot.name: (slot.inside, _key(slot.name)) for slot in self.slots if slot.inside is not None}
        return Layout(chosen, entries, self.letters, self.preference)


def search(
    slots: Sequence[Slot],
    forward: Forward,
    seed: int,
    target: str,
    context: Context,
    fixed: Mapping[str, Any],
    templates: Sequence[Mapping[str, Described]] = (),
    relations: Mapping[str, str] | None = None,
    tried: Tried | None = None,
) -> Iterator[Accepted]:
    """Inputs that forward accepts, the likeliest first.

    ``fixed`` are values that the user gave and that are passed as they stand. ``relations`` are letters that stand for an
    expression. What was met on the way is put into ``tried``.
    """
    tried = Tried() if tried is None else tried
    started = time.perf_counter()
    order = itertools.count()
    heap: list[tuple[float, int, _State, tuple[str, ...] | None]] = []
    seen: set[tuple[Any, ...]] = set()

    def push(state: _State, checked: tuple[str, ...] | None = None, penalty: float = 0.0) -> None:
        if checked is None:
            key = state.key()
            if key in seen:
                return
            seen.add(key)
        heapq.heappush(heap, (state.cost + penalty, next(order), state, checked))

    given_sizes = [value.shape if isinstance(value, np.ndarray) else (value,) for value in fixed.values()]
    known_sizes = frozenset(size for sizes in given_sizes for size in sizes if isinstance(size, int))
    first = _State(
        tuple(slots), (0,) * len(slots), dict(relations or {}), 0, {}, sum(s.options[0].cost for s in slots), {}
    )
    for place, template in enumerate(templates):
        usable = {
            s.name: template[s.name]
            for s in slots
            if s.name in template
            and s.options[0].source == "search"
            and s.options[0].value is None
            and not s.options[0].left_out
        }
        if usable:
            push(replace(first, template=usable, cost=first.cost - TEMPLATE + 0.1 * place))
    push(first)
    for rank, cost in ((1, 0.45), (3, 0.9), (0, 1.0)):
        for together in _together(first, tuple(range(len(slots))), rank):
            push(replace(together, cost=first.cost + cost))
    while heap and tried.tries < MAX_TRIES and time.perf_counter() - started < MAX_SECONDS:
        cost, _, state, checked = heapq.heappop(heap)
        layout = state.layout()
        if checked is not None:
            yield Accepted(layout, cost, checked)
            continue
        tried.tries += 1
        try:
            values = layout.values(seed, target)
        except (DimensionError, KeyError, RecursionError):
            continue
        try:
            with quietly():
                arrays = output_of(forward(copied({**values, **fixed})))
        except (Exception, SystemExit) as error:
            if tried.error is None and isinstance(error, SystemExit):
                tried.exit = error
            elif not isinstance(error, SystemExit):
                tried.exit = None
            if tried.error is None:
                tried.error, tried.layout = f"{type(error).__name__}: {' '.join(str(error).split())}", layout
            for child in _children(state, layout, error, context, known_sizes):
                push(child)
            continue
        if any(array.size == 0 for array in arrays):
            for preference in range(state.preference + 1, len(_POOLS)):
                push(replace(state, preference=preference, cost=state.cost + 0.05))
            for child in _next_options(state):
                push(child)
            continue
        if any(not np.all(np.isfinite(array)) for array in arrays if array.dtype.kind in "fc"):
            for child in [*_other_domains(state, layout), *_next_options(state)]:
                push(child)
            continue
        for child in _next_options(state):
            push(child)
        independent = _independent(layout, forward, values, fixed, arrays)
        if arrays and all(array.dtype.kind not in "fc" for array in arrays):
            independent = (*independent, "")
        penalty = 1.0 * bool(independent) + _implausible(layout) + _labels_as_numbers(layout, forward, values, fixed)
        push(state, independent, penalty)
    while heap:
        cost, _, state, checked = heapq.heappop(heap)
        if checked is not None:
            yield Accepted(state.layout(), cost, checked)


def _independent(
    layout: Layout,
    forward: Forward,
    values: Mapping[str, Any],
    fixed: Mapping[str, Any],
    arrays: Sequence[np.ndarray[Any, Any]],
) -> tuple[str, ...]:
    """The float inputs that do not change the output when they change by a little."""
    found = []
    for name, option in layout.chosen.items():
        if option.described is None or option.described.domain in ("labels", "mask") or option.described.shape is None:
            continue
        holder, key = layout.entries.get(name, (name, None))
        if holder not in values:
            continue
        old = values[holder] if key is None else values[holder][key]
        changed = (
            old * 1.01
            if isinstance(old, float)
            else np.asarray(old) * (1 + 0.01 * np.arange(1, np.size(old) + 1).reshape(np.shape(old)) / np.size(old))
        )
        new = {**values, holder: changed if key is None else {**values[holder], key: changed}}
        others = accepted_output(forward, {**new, **fixed})
        if others is None:  # It depends on it: it no longer accepts it.
            continue
        if len(others) == len(arrays) and all(np.array_equal(a, b) for a, b in zip(arrays, others, strict=True)):
            found.append(name)
    return tuple(found)


def _labels_as_numbers(layout: Layout, forward: Forward, values: Mapping[str, Any], fixed: Mapping[str, Any]) -> float:
    """Labels that are computed with, not used as indices, and that are broadcast against data of a higher rank."""
    ranks = [len(layout.shape(name) or ()) for name in layout.chosen if role(_plain(name)) in ("data", "state")]
    for name, option in layout.chosen.items():
        described = option.described
        if name in layout.entries or not option.guessed or described is None or described.domain != "labels":
            continue
        if max(ranks, default=0) > len(described.shape or ()):
            as_numbers = {**values, **fixed, name: np.asarray(values[name], dtype=np.float64)}
            if accepted_output(forward, as_numbers) is not None:
                return 1.5
            # Else they have to be integers: they are indices.
    return 0.0


def _implausible(layout: Layout) -> float:
    """A bias or label whose axis is no other input's, or belongs to the data where it should to the weights, was accepted by
    broadcasting alone."""
    penalty = 0.0
    shapes = {name: shape for name in layout.chosen if (shape := layout.shape(name)) is not None}
    weights = [shape for name, shape in shapes.items() if role(_plain(name)) == "weight" and len(shape) > 1]
    data = [shape for name, shape in shapes.items() if role(_plain(name)) in ("data", "state") and len(shape) > 1]
    for name, shape in shapes.items():
        word = role(_plain(name))
        letters = [dimension for dimension in shape if dimension != "1"]
        if word == "bias" and weights and len(letters) == 1 and not any(letters[0] in other for other in weights):
            penalty += 1.5
        if (
            word == "label"
            and data
            and len(letters) == 1
            and len(shape) == 1
            and not any(letters[0] == other[0] for other in data)
        ):
            penalty += 1.0
    return penalty


def _plain(name: str) -> str:
    """``W1`` for the entry ``params['W1']``."""
    return _key(name) if name.endswith("']") else name


def _key(name: str) -> str:
    return name.partition("['")[2][:-2]


def _wrapped(expression: str) -> str:
    return expression if expression.isidentifier() or expression.isdigit() else f"({expression})"


# What to try next ----------------------------------------------------------------------------------------------------

_CORE = re.compile(
    r"size (\d+) is different from (\d+)|(\d+) \(dim \d+\) != (\d+) \(dim \d+\)"
    r"|tensor a \((\d+)\) must match the size of tensor b \((\d+)\)"
)
_SHAPES = re.compile(r"\(((?:\d+\s*,?\s*)*)\)|\[((?:\d+\s*,?\s*)*)\]")
_UNPACK = re.compile(r"expected (\d+), got (\d+)|too many values to unpack \(expected (\d+)\)")
_WHOLE = re.compile(
    r"integer|slice indices|'float' object cannot be interpreted|valid indices|list indices must|as an index|Long"
    r"|must be int|expected int"
)


def _next_options(state: _State) -> Iterator[_State]:
    """The next likeliest guess for each input."""
    for place, slot in enumerate(state.slots):
        pick = state.picks[place] + 1
        if pick < len(slot.options):
            cost = slot.options[pick].cost - slot.options[pick - 1].cost
            if slot.name in state.template and pick == 1:
                cost += TEMPLATE  # What is no longer the template has no claim to its place.
            yield replace(
                state, picks=(*state.picks[:place], pick, *state.picks[place + 1 :]), cost=state.cost + max(cost, 0.05)
            )


def _children(
    state: _State, layout: Layout, error: BaseException, context: Context, known_sizes: frozenset[int]
) -> Iterator[_State]:
    message = str(error)
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        yield from _with_entry(state, error.args[0], context)
    for merged, cost in itertools.chain(_merges(layout, message, known_sizes), _counts(layout, message)):
        new = replace(state, letters={**state.letters, **merged})
        yield replace(new, cost=state.cost + cost + _squares(new.layout()) - _squares(layout))
    yield from _other_ranks(state, message)
    unpack = _UNPACK.search(message)
    wanted = int(next(filter(None, unpack.groups()))) if unpack is not None else None
    for place, slot in enumerate(state.slots):
        for pick, option in enumerate(slot.options):
            if pick == state.picks[place]:
                continue
            shape = None if option.described is None else option.described.shape
            likelier = (wanted is not None and shape is not None and len(shape) == wanted) or (
                _WHOLE.search(message) is not None and _is_whole(option)
            )
            if likelier:
                picks = (*state.picks[:place], pick, *state.picks[place + 1 :])
                yield replace(state, picks=picks, cost=state.cost + 0.1 + 0.1 * max(option.cost, 0))
    if state.preference < len(_POOLS) - 1:
        divides = re.search(r"divi|split|multiple|reshape|broadcast|assert", message) or isinstance(
            error, AssertionError
        )
        yield replace(state, preference=state.preference + 1, cost=state.cost + (0.3 if divides else 0.8))
    yield from _next_options(state)
    roots = layout.roots()
    if len(roots) <= 6:
        for a, b in itertools.combinations(roots, 2):
            yield replace(state, letters={**state.letters, b: a}, cost=state.cost + 1.2)


def _squares(layout: Layout) -> float:
    """How unlikely it is that axes of one array are as long as each other where nobody said so."""
    shapes = [layout.shape(name) or () for name, option in layout.chosen.items() if option.source == "search"]
    return sum(
        0.8 * (len(shape) - len(set(shape) | {"1"}) + ("1" not in shape)) for shape in shapes if shape.count("1") < 2
    )


_RANK = re.compile(
    r"subscripts|too many indices|axis|axes|unpack|dimension|out of (range|bounds)|\bndim\b|rank|expand|-?D\b", re.I
)


def _other_ranks(state: _State, message: str) -> Iterator[_State]:
    """All arrays of one rank get another rank together: ``q, k, v`` of a batch."""
    if not _RANK.search(message):
        return
    ranks: dict[int, list[int]] = {}
    for place in range(len(state.slots)):
        described = state.option(place).described
        if described is not None and described.shape and described.domain != "labels":
            ranks.setdefault(len(described.shape), []).append(place)
    for rank, places in ranks.items():
        for wanted in (3, 1, 4, 2):
            if wanted != rank and len(places) > 1:
                for together in _together(state, tuple(places), wanted):
                    yield replace(together, cost=state.cost + 0.5 + 0.05 * len(places))


def _together(state: _State, places: tuple[int, ...], rank: int) -> Iterator[_State]:
    """The state in which all arrays at these places have this rank, if they can; what is no array stays."""
    picks = list(state.picks)
    for place in places:
        described = state.option(place).described
        if described is None or described.shape is None or state.option(place).source != "search":
            continue
        fitting = [
            pick
            for pick, option in enumerate(state.slots[place].options)
            if option.described is not None
            and option.described.shape is not None
            and len(option.described.shape) == rank
            and option.described.domain != "labels"
        ]
        if not fitting:
            return
        picks[place] = fitting[0]
    if tuple(picks) != state.picks:
        yield replace(state, picks=tuple(picks), template={})


def _is_whole(option: Option) -> bool:
    if option.described is not None:
        return option.described.domain == "labels"
    return option.size is not None or (isinstance(option.value, int) and not isinstance(option.value, bool))


def _with_entry(state: _State, key: str, context: Context) -> Iterator[_State]:
    """A dictionary lacks this key: it gets an entry, whose guesses follow from the key."""
    for place, slot in enumerate(state.slots):
        option = state.option(place)
        if (
            option.described is None
            or option.described.kind != "dictionary"
            or f"{slot.name}['{key}']" in {s.name for s in state.slots}
        ):
            continue
        entry = options_of(
            Parameter(key), replace(context, function="", entry=True), option.described.entries.get(key), option.source
        )
        renamed = tuple(_of_entry(o, slot.name, key) for o in entry)
        if renamed:
            new = Slot(f"{slot.name}['{key}']", renamed, slot.name)
            yield replace(
                state, slots=(*state.slots, new), picks=(*state.picks, 0), cost=state.cost + 0.01 + renamed[0].cost
            )


def _of_entry(option: Option, holder: str, key: str) -> Option:
    """Its letters are its own where they were made from its name."""
    if option.size is not None:
        return replace(option, size=f"{holder}_{option.size}")
    described = option.described
    if described is None or described.shape is None or option.source != "search":
        return option
    shape = tuple(f"{holder}_{d}" if d.startswith(f"{key}_") else d for d in described.shape)
    return replace(option, described=replace(described, shape=shape))


def _merges(layout: Layout, message: str, known_sizes: frozenset[int]) -> Iterator[tuple[dict[str, str], float]]:
    """Which letters an error says should have been one, with how unlikely that is. ``known_sizes`` are those of inputs that
    the user gave."""
    sizes = layout.sizes()
    by_size: dict[int, list[str]] = {}
    for letter in layout.roots():
        by_size.setdefault(sizes[letter], []).append(letter)
    products: dict[int, str] = {}
    for name in layout.chosen:
        shape = layout.shape(name) or ()
        for start in range(len(shape)):
            for end in range(start + 2, len(shape) + 1):
                expression = "*".join(map(_wrapped, shape[start:end]))
                with contextlib.suppress(DimensionError, KeyError):
                    products.setdefault(size_of(expression, sizes), expression)
    reshaped = re.search(r"cannot reshape array of size (\d+) into shape \(([\d,\s]+)\)", message)
    if reshaped is not None:
        have, want = int(reshaped[1]), math.prod(int(n) for n in re.findall(r"\d+", reshaped[2]))
        for letter, other in itertools.permutations(layout.roots(), 2):
            if have * sizes[other] == want * sizes[letter]:
                yield {letter: other}, 0.15
    for (a, b), cost in _pairs(message).items():
        for x, y in ((a, b), (b, a)):
            for letter in by_size.get(x, ()):
                for other in by_size.get(y, ()):
                    if x == a or a not in by_size:
                        yield {letter: other}, cost
                if y not in by_size and y in products and letter not in set(letters_of(products[y])):
                    yield {letter: products[y]}, cost + 0.1
                if y in known_sizes and y not in by_size:
                    yield {letter: str(y)}, cost + 0.05
                for factor in (2, 3, 4):
                    for other in by_size.get(y // factor, ()) if y % factor == 0 or y not in by_size else ():
                        if y == factor * sizes[other] and other != letter and y not in by_size:
                            yield {letter: f"{factor}*{other}"}, cost + 0.2
                if y == 1 and cost < 0.3:
                    yield {letter: "1"}, cost + 0.8


_BEYOND = re.compile(r"index (\d+) is out of bounds for (?:axis|dimension) \d+ with size (\d+)")


def _counts(layout: Layout, message: str) -> Iterator[tuple[dict[str, str], float]]:
    """Letters that have to be a certain number: ``a, b, c = x`` or ``x[6]`` in code for inputs of one length."""
    beyond = _BEYOND.search(message)
    if beyond is not None:
        sizes, index = layout.sizes(), int(beyond[1])
        bounds = [o.described.bound for o in layout.chosen.values() if o.described is not None and o.described.bound]
        # Where no label is as large, it is np.arange(n) for an axis that should be as long as another.
        counted = all(size_of(layout.resolved(bound), sizes) <= index for bound in bounds)
        roots = [letter for letter in layout.roots() if counted and sizes[letter] > index]
        for letter, size in sizes.items():
            if size == int(beyond[2]):
                yield from (({letter: other}, 0.2) for other in roots if other != letter)
                yield {letter: str(int(beyond[1]) + 1)}, 0.3
    unpack = _UNPACK.search(message)
    if unpack is not None:
        wanted = next(filter(None, (unpack[1], unpack[3])))
        for name in layout.chosen:
            shape = layout.shape(name)
            if shape and shape[0].isidentifier():
                yield {shape[0]: wanted}, 0.3 if len(shape) == 1 else 0.9


def _pairs(message: str) -> dict[tuple[int, int], float]:
    """Pairs of sizes in a message that should have been equal."""
    found: dict[tuple[int, int], float] = {}

    def note(a: int, b: int, cost: float) -> None:
        if a != b:
            found[a, b] = min(cost, found.get((a, b), cost))

    for match in _CORE.finditer(message):
        a, b = (int(group) for group in match.groups() if group is not None)
        note(a, b, 0.05)
    shapes = [[int(n) for n in re.findall(r"\d+", match[1] or match[2] or "")] for match in _SHAPES.finditer(message)]
    shapes += [[int(n) for n in match.split("x")] for match in re.findall(r"\b\d+(?:x\d+)+\b", message)]
    for one, two in itertools.combinations([shape for shape in shapes if shape], 2):
        aligned = "aligned" in message or "multiplied" in message or "matmul" in message
        if aligned:
            note(one[-1], two[-2] if len(two) > 1 else two[0], 0.05)
        else:
            for a, b in zip(reversed(one), reversed(two), strict=False):
                note(a, b, 0.1)
        for a, b in itertools.product(one, two):
            note(a, b, 0.5)
    numbers = list(dict.fromkeys(int(n) for n in re.findall(r"(?<![\w.])\d+(?![\w.])", message)))[:8]
    for a, b in itertools.combinations(numbers, 2):
        note(a, b, 0.4)
    return found


def _other_domains(state: _State, layout: Layout) -> Iterator[_State]:
    """The output was not finite: other numbers, first in one input, then in all."""
    reals = [
        name
        for name, o in layout.chosen.items()
        if o.described is not None and o.described.domain in ("real", "positive") and o.described.shape is not None
    ]
    choices: tuple[tuple[Domain, float], ...] = (("positive", 0.2), ("unit", 0.3))
    for domain, cost in choices:
        groups = [[name] for name in reals] + ([reals] if len(reals) > 1 else [])
        for group in groups:
            domains = {**state.domains, **dict.fromkeys(group, domain)}
            yield replace(state, domains=domains, cost=state.cost + cost + 0.05 * len(group))
