"""Second derivatives: forward mode over reverse mode (Griewank & Walther, *Evaluating Derivatives*, 2nd ed., section 5.3).

A direction is pushed forward through the program, then the change of every upstream gradient is pulled back. One direction costs
a small constant times forward and backward, at any depth, and gives the Hessian times that direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.autodiff.backward import Gradients, gradient_arguments, send_down, sum_to, through
from gradtool.autodiff.forward import Perturb, underflown
from gradtool.autodiff.lifting import lifted
from gradtool.autodiff.plan import Plan
from gradtool.autodiff.tangent import TangentArray, parts, times
from gradtool.ops import Operation

Array = NDArray[Any]


class SecondOrder:
    """A program after forward and backward, ready to be moved along directions. ``tangents`` does without ``gradients``.
    ``perturb`` changes numbers by a rounding, as in ``forward``: how every node moves, and what changes on the way down."""

    def __init__(
        self, plan: Plan, values: Sequence[Any], gradients: Gradients | None = None, perturb: Perturb | None = None
    ) -> None:
        self._plan = plan
        self._values = [np.asarray(v, dtype=plan.dtype) for v in values]
        self._flows = [
            () if operation is None or not plan.live[i] else tuple(gradient_arguments(plan, i))
            for i, operation in enumerate(plan.operations)
        ]
        self._perturb = perturb
        self._known: dict[tuple[int, int], Any] = {}
        self._tied = {
            i for i, operation in enumerate(plan.operations) if operation is not None and self._on_kink(i, operation)
        }
        adjoints = [None] * len(plan.shapes) if gradients is None else gradients.adjoints
        self._adjoints = [None if a is None else np.asarray(a, dtype=plan.dtype) for a in adjoints]

    def _on_kink(self, i: int, operation: Operation) -> bool:
        settled = self._plan.resolved[i]
        if not self._flows[i] or not operation.kinks or settled is None:
            return False
        arguments = [self._values[a] for a in self._plan.graph.arguments[i]]
        with np.errstate(all="ignore"):
            return any(np.any(kink.tied(*arguments, **settled.parameters)) for kink in operation.kinks)

    def tangents(self, directions: Mapping[str, Array]) -> list[Array | None]:
        """How every node moves as the inputs named move along ``directions``; None for one that does not. At a kink, how it
        sets out in that direction."""
        plan = self._plan
        moved: list[Array | None] = [None] * len(plan.shapes)
        for name, direction in directions.items():
            moved[plan.graph.inputs[name]] = np.asarray(direction, dtype=plan.dtype)
        with np.errstate(all="ignore"):
            for i, operation in enumerate(plan.operations):
                if operation is not None and any(moved[source] is not None for _, source in self._flows[i]):
                    change = self._pushed(i, operation, moved)
                    moved[i] = change if self._perturb is None else self._perturb(change)
        return moved

    def _pushed(self, i: int, operation: Operation, moved: Sequence[Array | None]) -> Array:
        plan, settled = self._plan, self._plan.resolved[i]
        assert settled is not None
        if not operation.elementwise or i in self._tied:
            arguments = self._moving(i, moved)
            return np.asarray(parts(lifted(operation.forward)(*arguments, **settled.parameters))[1]).reshape(
                plan.shapes[i]
            )
        total: Any = None
        for position, source in self._flows[i]:
            direction = moved[source]
            if direction is not None:
                local = self._local(i, operation, position)
                part = self._underflown(times(local, direction), local, direction)
                total = part if total is None else total + part
        if total.shape == plan.shapes[i]:
            return np.asarray(total)
        return np.broadcast_to(total, plan.shapes[i])

    def _underflown(self, product: Array, *factors: Any) -> Array:
        """The product, or what it may have been before it underflowed."""
        return product if self._perturb is None else underflown(product, factors)

    def _local(self, i: int, operation: Operation, position: int) -> Any:
        """The local derivative of an elementwise operation, which is the same for all directions."""
        known = self._known.get((i, position))
        if known is None:
            settled = self._plan.resolved[i]
            assert settled is not None
            arguments = [self._values[a] for a in self._plan.graph.arguments[i]]
            local = operation.local_of(position)(self._values[i], *arguments, **settled.parameters)
            known = self._known[i, position] = local
        return known

    def _slope(self, i: int, operation: Operation, position: int, moved: Sequence[Array | None]) -> Any:
        """The same, but on a kink that of the side to which the node moves."""
        if i not in self._tied:
            return self._local(i, operation, position)
        settled = self._plan.resolved[i]
        assert settled is not None
        return parts(
            lifted(operation.local_of(position))(self._out(i, moved), *self._moving(i, moved), **settled.parameters)
        )[0]

    def _out(self, i: int, moved: Sequence[Array | None]) -> Any:
        return self._values[i] if moved[i] is None else TangentArray(self._values[i], moved[i])

    def _adjoints_along(self, moved: Sequence[Array | None]) -> list[Array | None]:
        """The upstream gradients a little way along, where the point sits on kinks: of ``|x| |x|`` at 0 a convention for
        the slope of ``|x|`` would leave nothing to differentiate."""
        if all(moved[i] is None for i in self._tied):
            return self._adjoints
        plan, output = self._plan, self._plan.graph.output
        found: list[Array | None] = [None] * len(self._adjoints)
        found[output] = self._adjoints[output]
        for i in range(output, -1, -1):
            operation, upstream, settled = plan.operations[i], found[i], plan.resolved[i]
            if operation is None or upstream is None or settled is None:
                continue
            for position, source in self._flows[i]:
                if i not in self._tied:
                    down = send_down(plan, i, operation, position, self._values, upstream)
                elif operation.elementwise:
                    product = through(operation, upstream, self._slope(i, operation, position, moved))
                    down = sum_to(np.broadcast_to(product, plan.shapes[i]), plan.shapes[source])
                else:
                    kernel = lifted(operation.vjp_of(position))
                    arguments = self._moving(i, moved)
                    down = parts(kernel(upstream, self._out(i, moved), *arguments, **settled.parameters))[0]
                    down = down.reshape(plan.shapes[source])
                before = found[source]
                found[source] = down if before is None else before + down
        return found

    def _moving(self, i: int, moved: Sequence[Array | None]) -> list[Any]:
        """The arguments of node ``i``, as tangents where a gradient flows and something moves."""
        arguments: list[Any] = [self._values[a] for a in self._plan.graph.arguments[i]]
        for position, source in self._flows[i]:
            direction = moved[source]
            if direction is not None:
                arguments[position] = TangentArray(arguments[position], direction)
        return arguments

    def product(self, directions: Mapping[str, Array]) -> dict[str, Array]:
        """The Hessian of ``sum(upstream * output)`` times ``directions``: how each input's gradient changes.

        ``directions`` gives an array of the input's shape for the inputs that move."""
        plan, graph = self._plan, self._plan.graph
        moved = self.tangents(directions)
        changes: list[Array | None] = [None] * len(plan.shapes)
        with np.errstate(all="ignore"):
            adjoints = self._adjoints_along(moved)
            for i in range(graph.output, -1, -1):
                operation, upstream = plan.operations[i], adjoints[i]
                if operation is None or upstream is None or not self._flows[i]:
                    continue
                moving = any(moved[source] is not None for _, source in self._flows[i])
                if changes[i] is None and not moving:
                    continue
                for source, pulled in self._pulled(i, operation, upstream, changes[i], moved, moving):
                    part = pulled if self._perturb is None else self._perturb(pulled)
                    before = changes[source]
                    changes[source] = part if before is None else before + part
        found = {}
        for name in plan.wrt:
            node = graph.inputs[name]
            change = changes[node]
            found[name] = np.zeros(plan.shapes[node], dtype=plan.dtype) if change is None else change
        return found

    def _pulled(
        self,
        i: int,
        operation: Operation,
        upstream: Array,
        change: Array | None,
        moved: Sequence[Array | None],
        moving: bool,
    ) -> Iterator[tuple[int, Array]]:
        """(source, change of what node ``i`` sends down to it)."""
        plan, settled = self._plan, self._plan.resolved[i]
        assert settled is not None
        arguments = self._moving(i, moved)
        if not operation.elementwise:
            out = self._out(i, moved)
            both = upstream if change is None else TangentArray(upstream, change)
            for position, source in self._flows[i]:
                down = lifted(operation.vjp_of(position))(both, out, *arguments, **settled.parameters)
                if isinstance(down, TangentArray):
                    yield source, np.asarray(down.tangent, dtype=plan.dtype).reshape(plan.shapes[source])
            return
        # What a switch lets through changes at its kinks only.
        bends = moving and not operation.switch
        for position, source in self._flows[i]:
            total: Any = None
            if change is not None:
                total = through(operation, change, self._slope(i, operation, position, moved), self._perturb)
            if bends:
                kernel = lifted(operation.local_of(position))
                local = kernel(self._out(i, moved), *arguments, **settled.parameters)
                if isinstance(local, TangentArray):
                    directions = [moved[a] for _, a in self._flows[i] if moved[a] is not None]
                    tangent = self._underflown(local.tangent, *directions)
                    bent = self._underflown(np.asarray(upstream * tangent), upstream, tangent)
                    total = bent if total is None else total + bent
            if total is not None:
                total = np.asarray(total, dtype=plan.dtype)
                if total.shape != plan.shapes[i]:
                    total = np.broadcast_to(total, plan.shapes[i])
                yield source, sum_to(total, plan.shapes[source])

    def hessian(self) -> dict[str, dict[str, Array]]:
        """``{a: {b: second derivatives}}`` for all differentiated inputs, of shape ``(*shape of a, *shape of b)``.

        One direction an entry. Each is computed on its own, so that ``[a][b]`` and ``[b][a]`` are equal up to rounding only.
        """
        plan = self._plan
        shapes = {name: plan.shapes[plan.graph.inputs[name]] for name in plan.wrt}
        columns: dict[str, dict[str, list[Array]]] = {a: {b: [] for b in plan.wrt} for a in plan.wrt}
        for b, shape in shapes.items():
            for k in range(prod(shape)):
                unit = np.zeros(prod(shape), dtype=plan.dtype)
                unit[k] = 1.0
                for a, change in self.product({b: unit.reshape(shape)}).items():
                    columns[a][b].append(np.ravel(change))
        return {
            a: {
                b: np.asarray(columns[a][b], dtype=plan.dtype)
                .reshape(prod(shapes[b]), prod(shapes[a]))
                .T.reshape((*shapes[a], *shapes[b]))
                for b in plan.wrt
            }
            for a in plan.wrt
        }
