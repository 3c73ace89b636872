"""Which entries of every node an entry of an input reaches, and a forward over these alone.

A point that differs from the base point in one entry of an input changes few entries of most nodes. ``Influence`` finds out
which, once for a graph and an input: through elementwise operations by position, through what moves entries by watching
labels move, through sums and products with what stays by their coefficients, and through all else by taking every entry
to be reached. ``run`` then computes, for many such points at once, the reached entries and nothing more. It is the idea of
coloured Jacobians (Curtis, Powell & Reid, "On the estimation of sparse Jacobian matrices", IMA J. Appl. Math. 13, 1974)
carried through: entries whose influences do not meet share a pass, and those whose influences do meet need not be told
apart, as each keeps its own.

What a sum makes of its entries is never added up again: the changes of the entries are, so the large part of a sum that stays
costs no digits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from itertools import accumulate, pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.batch import batched_arguments, schedule, stays_on_piece
from gradtool.autodiff.forward import apply
from gradtool.autodiff.plan import Plan, Shape
from gradtool.ops import Operation, OperationError

Array = NDArray[Any]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]

NOWHERE = -1
MOST_PLACES = 4_000_000
"""Entries of one table of places; a node that would need more is taken to be reached as a whole."""
MOST_IN_LINE = 16
"""Rows of candidates that are compared with one another."""
MOST_PLACES_IN_ALL = 16_000_000
"""Entries of all tables together: from there on all nodes are."""
LABEL = 2**20
"""Labels of entries are this far apart, and no two lie evenly: no sum of some is another."""
IN_CACHE = 1 << 15
"""Elements of one array that are worked on at a time."""
GAIN = 4
"""The pass over reached entries handles a number at some times the cost of a whole pass."""


class _Row(NamedTuple):
    """Which slot a slot of an argument is part of. One number where that is so for all entries of the input, but for those
    where ``used`` (None: nowhere) says that it is not used; else one for each, the number of slots where it is not used."""

    slot: int | Integers
    used: Mask | None


Rows = list[_Row]


class Changes(NamedTuple):
    """The reached entries of the output at P points, each with one entry of the input moved; arrays of shape (slots, P).

    ``places`` says which entry of the flattened output a slot holds, ``value`` what it is and ``change`` by how much it
    differs from the base; slots that are not used have change 0. ``same_piece`` is as in ``Batch``, shape (P,)."""

    places: Integers
    value: Array
    change: Array
    same_piece: Mask


class _Reach(NamedTuple):
    """The entries of a node that each entry of the input reaches.

    ``places`` has shape (slots, entries of the input), ``NOWHERE`` in slots that are not used; ``full`` where all are.
    ``sources[argument]`` says for each slot of an argument's reach (and each of its targets) which slot of this one it is
    part of.
    ``link`` is how an argument makes the node, None for an elementwise operation."""

    places: Integers
    full: bool
    sources: Mapping[int, Rows]
    link: _Link | None


class _Link(NamedTuple):
    """How one argument makes a node that depends on it linearly: ``targets`` of shape (fan, argument's size) are the entries
    of the node that each entry is part of, ``weights`` (the same shape, or one number) the factors. ``moves`` says that
    entries are moved about and nothing is computed."""

    argument: int
    targets: Integers
    weights: Array | float
    moves: bool


class _Reached(NamedTuple):
    """Numbers at the reached entries of one node, shape (slots, P)."""

    places: Integers
    value: Array
    change: Array | None


class Influence:
    """The entries of each node that depend on each entry of the input ``name``, at the base point ``values``.

    Nodes of which that is not known, or would take too large a table, are run as a whole. ``width`` is the largest number of
    elements that one point takes in one node, ``pays`` whether this is worth it."""

    def __init__(self, plan: Plan, values: Sequence[Any], name: str, excused: Collection[int] = ()) -> None:
        self._plan, self._excused = plan, excused
        self._start = plan.graph.inputs[name]
        self._values: list[Any] = [None if v is None else np.asarray(v, dtype=plan.dtype) for v in values]
        self._order, self._spent = schedule(plan, {self._start}, everything=False)
        self._pieces: dict[int, tuple[Array, Mask | None]] = {}
        size = prod(plan.shapes[self._start])
        self.count = size
        own = np.arange(size, dtype=np.intp)[None]
        self._reach: dict[int, _Reach] = {self._start: _Reach(own, True, {}, None)}
        self._whole: set[int] = set()
        tables = {id(own): size}
        with np.errstate(all="ignore"):
            for i in self._order:
                found = None if self._fed_whole(i) else self._reach_of(i)
                if found is not None:
                    tables[id(found.places)] = found.places.size
                if found is None or sum(tables.values()) > MOST_PLACES_IN_ALL:
                    self._whole.add(i)
                else:
                    self._reach[i] = found
        sizes = {i: prod(plan.shapes[i]) for i in (self._start, *self._order)}
        taken = {i: sizes[i] if i in self._whole else len(self._reach[i].places) for i in sizes}
        self.width = max(1, *taken.values())
        self.pays = 0 < GAIN * sum(taken.values()) < sum(sizes.values()) and all(sizes.values())

    @property
    def block(self) -> int:
        """How many points to take at a time."""
        return max(1, IN_CACHE // self.width)

    def at(self, values: Sequence[Any]) -> Influence | None:
        """The same around other numbers in the nodes, such as what other roundings give; None where these put an operation
        on another smooth piece."""
        other = copy(self)
        other._values = [None if v is None else np.asarray(v, dtype=self._plan.dtype) for v in values]
        other._pieces = {}
        other._reach = dict(self._reach)
        with np.errstate(all="ignore"):
            for i in self._order:
                if self._operation(i).piece is not None and not np.array_equal(
                    self._base_piece(i)[0], other._base_piece(i)[0]
                ):
                    return None
                reach = self._reach.get(i)
                if reach is None or reach.link is None or isinstance(reach.link.weights, float):
                    continue
                link = other._link(i)
                if link is None:
                    return None
                other._reach[i] = reach._replace(link=link)
        return other

    def run(self, entries: Integers, moved: Array) -> Changes:
        """The output's reached entries at points with the input's ``entries[p]`` replaced by ``moved[p]``."""
        points = len(entries)
        fresh: dict[int, _Reached] = {}
        whole: dict[int, Array] = {}
        same = np.ones(points, dtype=bool)
        fresh[self._start] = _Reached(entries[None], np.asarray(moved, dtype=self._plan.dtype)[None], None)
        everywhere = np.arange(points)
        indices: dict[int, Integers] = {}
        with np.errstate(all="ignore"):
            for i in self._order:
                if i in self._whole:
                    same &= self._run_whole(i, fresh, whole, entries)
                    self._forget(i, fresh, whole)
                    continue
                reach = self._reach[i]
                index = indices.get(id(reach.places))
                if index is None:
                    index = indices[id(reach.places)] = reach.places.take(entries, axis=1)
                if reach.link is None:
                    arguments = self._arguments(i, reach, index, fresh, entries, everywhere)
                    operation = self._operation(i)
                    value = apply(self._plan, i, operation, arguments)
                    if value.shape != index.shape:
                        value = np.broadcast_to(value, index.shape)
                    fresh[i] = _Reached(index, value, None)
                    if operation.piece is not None and i not in self._excused:
                        same &= self._on_piece(i, operation, index, arguments)
                else:
                    fresh[i] = self._linked(i, reach, reach.link, index, fresh, entries, everywhere)
                self._forget(i, fresh, whole)
            return self._output(fresh, whole, points, same)

    def _forget(self, i: int, *kept: dict[int, Any]) -> None:
        for spent in self._spent.get(i, ()):
            if spent != self._plan.graph.output:
                for one in kept:
                    one.pop(spent, None)

    # -- who reaches whom --------------------------------------------------------------------------------------------

    def _operation(self, i: int) -> Operation:
        operation = self._plan.operations[i]
        assert operation is not None
        return operation

    def _fed_whole(self, i: int) -> bool:
        return not self._whole.isdisjoint(self._plan.graph.arguments[i])

    def _reach_of(self, i: int) -> _Reach | None:
        if self._operation(i).elementwise:
            return self._elementwise(i)
        link = self._link(i)
        if link is None:
            return None
        reach = self._reach[link.argument]
        if len(link.targets) * reach.places.size > MOST_PLACES:
            return None
        # A slot that is not used must stay so, wherever its index of -1 would lead.
        candidates = np.where(reach.places == NOWHERE, NOWHERE, link.targets[:, reach.places])
        index, place = _merged(candidates.reshape(-1, self.count))
        return _Reach(index, self._all_used(index), {link.argument: place}, link)

    def _elementwise(self, i: int) -> _Reach | None:
        """By position: the places where any argument is reached, stretched as it broadcasts."""
        shape = self._plan.shapes[i]
        arguments = [a for a in dict.fromkeys(self._plan.graph.arguments[i]) if a in self._reach]
        reaches = [self._reach[a] for a in arguments]
        first = reaches[0]
        if all(
            self._plan.shapes[a] == shape and r.places is first.places for a, r in zip(arguments, reaches, strict=True)
        ):
            return _Reach(first.places, first.full, {}, None)
        parts = []
        for a, reach in zip(arguments, reaches, strict=True):
            if self._plan.shapes[a] == shape:
                parts.append(reach.places)
                continue
            targets = _stretched(self._plan.shapes[a], shape)
            if len(targets) * reach.places.size > MOST_PLACES:
                return None
            candidates = np.where(reach.places == NOWHERE, NOWHERE, targets[:, reach.places])
            parts.append(candidates.reshape(-1, self.count))
        if sum(map(len, parts)) * self.count > MOST_PLACES:
            return None
        index, place = _merged(np.concatenate(parts))
        ends = accumulate((len(part) for part in parts), initial=0)
        places = [place[start:end] for start, end in pairwise(ends)]
        return _Reach(index, self._all_used(index), dict(zip(arguments, places, strict=True)), None)

    @staticmethod
    def _all_used(index: Integers) -> bool:
        return bool((index != NOWHERE).all())

    def _link(self, i: int) -> _Link | None:
        """How the one argument that is reached makes node ``i``, if linearly; None where that is not known."""
        operation, sources = self._operation(i), self._plan.graph.arguments[i]
        reached = [position for position, a in enumerate(sources) if a in self._reach]
        if operation.piece is not None or operation.kinks:
            return None
        if len(reached) == 1:
            rule = LINEAR.get(operation.name)
            if rule is not None:
                return rule(self._plan, i, reached[0], self._values)
        return self._moves(i, reached) if len({sources[position] for position in reached}) == 1 else None

    def _moves(self, i: int, reached: list[int]) -> _Link | None:
        """What an operation that only moves entries about does with those of one argument, found by labelling them.

        Every entry of the output must be one of the entries, or what it is at the base point, for labels and for ordinary
        numbers of both signs alike. Whatever computes with its entries gives neither."""
        sources, settled = self._plan.graph.arguments[i], self._plan.resolved[i]
        assert settled is not None
        argument = sources[reached[0]]
        if any(position in settled.frozen for position in reached) or self._plan.dtype != np.float64:
            return None
        shape = self._plan.shapes[argument]
        rng = np.random.default_rng(i)
        labels = LABEL * np.arange(1.0, prod(shape) + 1) + rng.integers(LABEL, size=prod(shape))
        numbers = rng.standard_normal(prod(shape))
        base = np.asarray(self._values[i]).ravel()
        found = []
        for given in (labels, numbers):
            arguments = [given.reshape(shape) if a == argument else self._values[a] for a in sources]
            try:
                found.append(np.asarray(self._operation(i).forward(*arguments, **settled.parameters)).ravel())
            except OperationError:
                return None
        labelled, numbered = found
        source = np.nan_to_num(labelled / LABEL, nan=0.0, posinf=0.0, neginf=0.0).astype(np.intp) - 1
        inside = (source >= 0) & (source < prod(shape))
        source = np.where(inside, source, 0)
        if not len(labels):
            return None
        came = inside & (labels[source] == labelled) & (numbers[source] == numbered)
        stayed = (labelled == base) & (numbered == base)
        if not (came | stayed).all():
            return None
        return _Link(argument, _grouped(source[came], np.nonzero(came)[0], prod(shape)), 1.0, True)

    # -- numbers -----------------------------------------------------------------------------------------------------

    def _base(self, node: int, index: Integers) -> Array:
        """The base values at these entries; those of slots that are not used are of no account."""
        taken: Array = self._values[node].ravel().take(index, mode="wrap")
        return taken

    def _arguments(
        self,
        i: int,
        reach: _Reach,
        index: Integers,
        fresh: Mapping[int, _Reached],
        entries: Integers,
        everywhere: Integers,
    ) -> list[Array]:
        """The arguments of an elementwise node at its reached entries: new where they are reached, else those of the base."""
        shape = self._plan.shapes[i]
        made: dict[int, Array] = {}
        for a in self._plan.graph.arguments[i]:
            if a in made:
                continue
            moved = fresh.get(a)
            if moved is not None and a not in reach.sources:
                made[a] = moved.value
                continue
            own = self._plan.shapes[a]
            if prod(own) == 1 and moved is None:
                made[a] = self._values[a].reshape(())
                continue
            where = index if own == shape else _origins(own, shape).take(index, mode="wrap")
            base = self._base(a, where)
            if moved is not None:
                base = _replaced(base, reach.sources[a], moved.value, entries, everywhere)
            made[a] = base
        return [made[a] for a in self._plan.graph.arguments[i]]

    def _linked(
        self,
        i: int,
        reach: _Reach,
        link: _Link,
        index: Integers,
        fresh: Mapping[int, _Reached],
        entries: Integers,
        everywhere: Integers,
    ) -> _Reached:
        argument, rows = fresh[link.argument], reach.sources[link.argument]
        slots = len(argument.value)
        base = self._base(i, index)
        if link.moves:
            return _Reached(index, _replaced(base, rows, argument.value, entries, everywhere), None)
        change = self._change(link.argument, argument)
        if isinstance(link.weights, float) and len(index) == 1 and all(isinstance(row.slot, int) for row in rows):
            total = change.sum(axis=0, keepdims=True) * link.weights
        else:
            total = np.zeros((len(index) + 1, len(entries)))
            for c, (row, _) in enumerate(rows):  # Slots that are not used have a change of 0.
                fan, slot = divmod(c, slots)
                part = change[slot]
                if isinstance(link.weights, float):
                    part = part * link.weights
                else:
                    part = part * link.weights[fan].take(argument.places[slot], mode="wrap")
                if isinstance(row, int):
                    total[row] += part
                else:
                    total[row.take(entries), everywhere] += part
            total = total[:-1]
        return _Reached(index, base + total, total)

    def _change(self, node: int, reached: _Reached) -> Array:
        """By how much the reached entries of a node differ from the base; 0 in slots that are not used."""
        change = reached.change
        if change is None:
            change = reached.value - self._base(node, reached.places)
        return change if self._reach[node].full else np.where(reached.places == NOWHERE, 0.0, change)

    def _on_piece(self, i: int, operation: Operation, index: Integers, arguments: list[Array]) -> Mask:
        settled = self._plan.resolved[i]
        assert settled is not None
        assert operation.piece is not None
        base, tied = self._base_piece(i)
        piece = np.asarray(operation.piece(*arguments, **settled.parameters))
        stays = piece == (base.ravel().take(index, mode="wrap") if base.ndim else base)
        if tied is not None:
            stays = stays | tied.take(index, mode="wrap")
        if not self._reach[i].full:
            stays = stays | (index == NOWHERE)
        return np.asarray(np.broadcast_to(stays, index.shape).all(axis=0))

    def _base_piece(self, i: int) -> tuple[Array, Mask | None]:
        """The smooth piece of each entry at the base point (one number where it is the same for all), and which of an
        elementwise operation sit on a kink; None where none does."""
        if i not in self._pieces:
            operation, settled, shape = self._operation(i), self._plan.resolved[i], self._plan.shapes[i]
            assert settled is not None
            assert operation.piece is not None
            arguments = [self._values[a] for a in self._plan.graph.arguments[i]]
            base, tied = np.asarray(operation.piece(*arguments, **settled.parameters)), None
            if operation.elementwise:
                base = np.broadcast_to(base, shape)
                ties = [np.broadcast_to(kink.tied(*arguments, **settled.parameters), shape) for kink in operation.kinks]
                tied = np.logical_or.reduce(ties).ravel() if ties else None
            if base.size and (base == base.flat[0]).all():
                base = np.asarray(base.flat[0])
            self._pieces[i] = base, tied if tied is not None and tied.any() else None
        return self._pieces[i]

    def _run_whole(self, i: int, fresh: Mapping[int, _Reached], whole: dict[int, Array], entries: Integers) -> Mask:
        """A node of which all entries are computed, at every point."""
        points, operation = len(entries), self._operation(i)
        for a in self._plan.graph.arguments[i]:
            if a in fresh and a not in whole:
                whole[a] = self._filled(a, fresh[a], points)
        arguments = batched_arguments(self._plan, i, operation, self._values, whole, points)
        value = apply(self._plan, i, operation, arguments)
        if value.shape != (points, *self._plan.shapes[i]):
            value = np.broadcast_to(value, (points, *self._plan.shapes[i]))
        whole[i] = value
        if operation.piece is None or i in self._excused:
            return np.ones(points, dtype=bool)
        return stays_on_piece(self._plan, i, operation, self._values, arguments, points)

    def _filled(self, node: int, reached: _Reached, points: int) -> Array:
        base = self._values[node]
        filled = np.empty((points, base.size + 1), dtype=base.dtype)
        filled[:, :-1] = base.ravel()
        everywhere = np.arange(points)
        for index, value in zip(reached.places, reached.value, strict=True):
            filled[everywhere, index] = value
        return filled[:, :-1].reshape((points, *base.shape))

    def _output(self, fresh: Mapping[int, _Reached], whole: Mapping[int, Array], points: int, same: Mask) -> Changes:
        output = self._plan.graph.output
        if output in fresh:
            found = fresh[output]
            return Changes(found.places, found.value, self._change(output, found), same)
        size = self._values[output].size
        if output not in whole:
            nothing = np.empty((0, points))
            return Changes(np.empty((0, points), dtype=np.intp), nothing, nothing, same)
        value = whole[output].reshape(points, size).T
        index = np.broadcast_to(np.arange(size, dtype=np.intp)[:, None], value.shape)
        return Changes(index, value, value - self._values[output].ravel()[:, None], same)


# ---- where entries go ---------------------------------------------------------------------------------------------


def _replaced(base: Array, rows: Rows, values: Array, entries: Integers, everywhere: Integers) -> Array:
    """``base`` with ``values`` (several times over, if there are more rows) in their slots."""
    found = np.empty((len(base) + 1, len(entries)), dtype=base.dtype)  # The last row is for what has no slot.
    found[:-1] = base
    for c, (slot, used) in enumerate(rows):
        value = values[c % len(values)]
        if not isinstance(slot, int):
            found[slot.take(entries), everywhere] = value
        elif used is None:
            found[slot] = value
        else:
            np.copyto(found[slot], value, where=used.take(entries))
    return found[:-1]


def _merged(candidates: Integers) -> tuple[Integers, Rows]:
    """The different entries in each column, and for each row of candidates where it went."""
    return _in_line(candidates) or _in_order(candidates)


def _in_line(candidates: Integers) -> tuple[Integers, Rows] | None:
    """Slots made of whole rows: where each row of candidates differs everywhere from another, or nowhere but where one of
    the two is not used. None where that is not so, or there are many."""
    if len(candidates) > MOST_IN_LINE:
        return None
    slots: list[Integers] = []
    rows: Rows = []
    for row in candidates:
        used = row != NOWHERE
        whole = bool(used.all())
        chosen = len(slots)
        for i, slot in enumerate(slots):
            both = used & (slot != NOWHERE)
            equal = (slot == row) & both
            if equal.any():
                if not np.array_equal(equal, both) or chosen != len(slots):
                    return None
                chosen = i
        if chosen == len(slots):
            slots.append(row)
        else:
            slots[chosen] = np.where(used, row, slots[chosen])
        rows.append(_Row(chosen, None if whole else used))
    if len(slots) > 1:
        # What was put where another was not used must not be in a third slot.
        ordered = np.sort(np.array(slots), axis=0)
        if ((ordered[1:] == ordered[:-1]) & (ordered[1:] != NOWHERE)).any():
            return None
    return np.array(slots), rows


def _in_order(candidates: Integers) -> tuple[Integers, Rows]:
    """Slots in the order of the entries, column by column."""
    columns = candidates.shape[1]
    order = np.argsort(candidates, axis=0, kind="stable")
    ordered = np.take_along_axis(candidates, order, axis=0)
    used = ordered != NOWHERE
    new = used.copy()
    new[1:] &= ordered[1:] != ordered[:-1]
    row = np.cumsum(new, axis=0) - 1
    count = int(row.max(initial=-1)) + 1
    index = np.full((count + 1, columns), NOWHERE, dtype=np.intp)
    row = np.where(used, row, count)
    index[row, np.broadcast_to(np.arange(columns), row.shape)] = ordered
    place = np.empty_like(row)
    np.put_along_axis(place, order, row, axis=0)
    return index[:-1], [_Row(int(p[0]) if len(p) and (p == p[0]).all() else p, None) for p in place]


def _grouped(source: Integers, target: Integers, size: int) -> Integers:
    """Targets by source, shape (most targets of one source, size); ``NOWHERE`` where there are fewer."""
    order = np.argsort(source, kind="stable")
    source, target = source[order], target[order]
    counts = np.bincount(source, minlength=size)
    starts = np.cumsum(counts) - counts
    table = np.full((max(1, int(counts.max(initial=0))), size), NOWHERE, dtype=np.intp)
    table[np.arange(len(source)) - starts[source], source] = target
    return table


def _origins(own: Shape, shape: Shape) -> Integers:
    """For each entry of ``shape`` the entry of ``own`` that is stretched to it."""
    return np.broadcast_to(np.arange(prod(own), dtype=np.intp).reshape(own), shape).ravel()


def _stretched(own: Shape, shape: Shape) -> Integers:
    """For each entry of ``own`` the entries of ``shape`` that it is stretched to, as ``_grouped`` gives them."""
    return _grouped(_origins(own, shape), np.arange(prod(shape)), prod(own))


# ---- linear operations --------------------------------------------------------------------------------------------


def _summed(plan: Plan, i: int, position: int, values: Sequence[Any]) -> _Link | None:
    """Every entry goes to the one entry of its row."""
    argument, settled = plan.graph.arguments[i][position], plan.resolved[i]
    assert settled is not None
    shape = plan.shapes[argument]
    gone = {a + len(shape) for a in settled.parameters["axis"]}
    kept = tuple(1 if axis in gone else n for axis, n in enumerate(shape))
    if not np.isfinite(values[i]).all():
        return None
    targets = _origins(kept, shape)[None]
    return _Link(argument, targets, 1.0, False)


def _averaged(plan: Plan, i: int, position: int, values: Sequence[Any]) -> _Link | None:
    link = _summed(plan, i, position, values)
    shrunk = prod(plan.shapes[plan.graph.arguments[i][position]]) / max(1, prod(plan.shapes[i]))
    return None if link is None else link._replace(weights=1.0 / shrunk)


def _multiplied(plan: Plan, i: int, position: int, values: Sequence[Any]) -> _Link | None:
    """A product of a matrix (or a vector) that is reached with one that is not: an entry of the left one is part of its row
    of the result, one of the right one of its column."""
    sources = plan.graph.arguments[i]
    left, right = (plan.shapes[a] for a in sources)
    if len(left) not in (1, 2) or len(right) not in (1, 2):
        return None
    rows, inner = left if len(left) == 2 else (1, *left)
    columns = right[1] if len(right) == 2 else 1
    other = values[sources[1 - position]]
    if not (np.isfinite(other).all() and np.isfinite(values[i]).all()):
        return None  # An infinity times a change of 0 is no change.
    argument = sources[position]
    place = np.arange(rows * columns, dtype=np.intp).reshape(rows, columns)
    fan, size = (columns, rows * inner) if position == 0 else (rows, inner * columns)
    if fan * size > MOST_PLACES:
        return None
    if position == 0:
        whole = (columns, rows, inner)
        targets = np.broadcast_to(place.T[:, :, None], whole)
        weights = np.broadcast_to(other.reshape(inner, columns).T[:, None, :], whole)
    else:
        whole = (rows, inner, columns)
        targets = np.broadcast_to(place[:, None, :], whole)
        weights = np.broadcast_to(other.reshape(rows, inner)[:, :, None], whole)
    return _Link(argument, targets.reshape(fan, -1), weights.reshape(fan, -1), False)


LINEAR: Mapping[str, Callable[[Plan, int, int, Sequence[Any]], _Link | None]] = {
    "sum": _summed,
    "mean": _averaged,
    "matmul": _multiplied,
    "dot": _multiplied,
}
"""What adds entries up with factors that do not depend on them: from the plan, the node, the position of the argument that is
reached and the base values to how it does; None where it is not known."""
