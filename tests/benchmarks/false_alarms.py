"""Random right programs, and how many of their gradients are not called OK; with ``--plant``, faults and how many are missed.

Programs are drawn over the whole registry, at points of any magnitude and sometimes on ties. A gradient that gradtool computes
right and calls WRONG is a false alarm, the worst thing it can do. A WRONG where the gradient is not finite though the exact
one is counts as overflow: that is a true finding. UNDECIDED is split into what no tool could decide (a tie, a point where
something is not finite) and the rest.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import multiprocessing
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import gradtool
from gradtool.autodiff import backward, forward, make_plan
from gradtool.graph import Graph, GraphBuilder
from gradtool.language import to_source
from gradtool.ops import REGISTRY, Case, Operation, OperationError
from gradtool.results import EvaluationResult, Verdict

REFERENCES = {"both": ("symbolic", "numeric"), "symbolic": ("symbolic",), "numeric": ("numeric",)}
FAULTS = ("factor 1.01", "sign", "factor 1+1e-5", "dropped")
SHAPES: tuple[tuple[int, ...], ...] = ((), (), (), (3,), (2, 3), (2, 1), (4,), (3, 3))


@dataclass
class Program:
    """A program at a point."""

    graph: Graph
    inputs: dict[str, Any]
    upstream: Any


class Writer:
    """Writes one random program. Every node is evaluated as it is added: one that is not finite is mostly taken back."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows: list[tuple[str, list[int], dict[str, Any]]] = []
        self.values: list[Any] = []
        self.used: set[int] = set()
        self.style = rng.choice(["ordinary", "any magnitude", "integers"], p=[0.55, 0.3, 0.15])

    def write(self) -> Program:
        """An input or two, then operations that take what is there; what nothing takes is gathered at the end."""
        for _ in range(self.rng.integers(1, 3)):
            self.input(SHAPES[self.rng.integers(len(SHAPES))])
        names = list(REGISTRY)
        wanted, made = int(self.rng.integers(1, 10)), 0
        for _ in range(20 * wanted):
            made += self.operation(REGISTRY[names[self.rng.integers(len(names))]])
            if made == wanted:
                break
        return self.finish(self.gathered())

    def gathered(self) -> int:
        """The output: the last node, or with it some of those that nothing uses."""
        output = len(self.rows) - 1
        loose = [i for i, row in enumerate(self.rows[:-1]) if i not in self.used and row[0] != "constant"]
        for other in loose if self.rng.random() < 0.8 else []:
            terms = [self.summed(output), self.summed(other)]
            output = (
                self.add(REGISTRY[str(self.rng.choice(["add", "subtract", "multiply", "max"]))], terms, {}) or output
            )
        return self.summed(output) if self.rng.random() < 0.5 else output

    def summed(self, node: int) -> int:
        """A scalar made of a node."""
        if not np.ndim(self.values[node]):
            return node
        name = str(self.rng.choice(["sum", "mean", "logsumexp", "norm", "reduce_max"]))
        parameters = {p.name: p.default for p in REGISTRY[name].parameters}
        return self.add(REGISTRY[name], [node], parameters) or node

    def finish(self, output: int) -> Program:
        """The program without what the output does not use."""
        needed = {output}
        for i in range(output, -1, -1):
            if i in needed:
                needed.update(self.rows[i][1])
        builder = GraphBuilder("")
        place: dict[int, int] = {}
        inputs = {}
        for i in sorted(needed):
            name, arguments, parameters = self.rows[i]
            if name == "input":
                inputs[f"x{i}"] = self.values[i]
                place[i] = builder.input(f"x{i}")
            elif name == "constant":
                place[i] = builder.constant(self.values[i])
            else:
                place[i] = builder.add(name, [place[a] for a in arguments], parameters)
        shape = np.shape(self.values[output])
        upstream = 1.0 if not shape and self.rng.random() < 0.5 else self.rng.normal(size=shape)
        return Program(builder.finish(place[output]), inputs, upstream)

    def numbers(self, shape: tuple[int, ...], low: float, high: float) -> Any:
        """Numbers for an input or a constant."""
        if self.style == "integers":
            drawn = self.rng.integers(int(np.floor(low)), int(np.ceil(high)) + 1, size=shape).astype(float)
        elif self.style == "any magnitude" and self.rng.random() < 0.7:
            drawn = 10.0 ** self.rng.uniform(-8, 8, size=shape) * self.rng.choice([-1.0, 1.0], size=shape)
            drawn = np.abs(drawn) if low >= 0 else drawn
        else:
            drawn = self.rng.uniform(low, high, size=shape)
        if np.size(drawn) > 1 and self.rng.random() < 0.05:
            drawn.ravel()[1] = drawn.ravel()[0]
        return drawn if shape else float(drawn)

    def input(self, shape: tuple[int, ...], low: float = -3.0, high: float = 3.0, kind: str = "input") -> int:
        """A new input or constant."""
        self.rows.append((kind, [], {}))
        self.values.append(self.numbers(shape, low, high))
        return len(self.rows) - 1

    def operation(self, operation: Operation) -> bool:
        """One more node, if the operation can take what there is."""
        count = 2 + int(self.rng.integers(2)) if operation.variadic else len(operation.arguments)
        shapes = [np.shape(value) for value in self.values]
        if operation.elementwise:
            shape = shapes[-1] if self.rng.random() < 0.6 else shapes[self.rng.integers(len(shapes))]
            case = Case((shape,) * count, {})
        else:
            cases = [c for c in operation.cases if c.shapes[0] in shapes]
            if not cases and self.rng.random() < 0.7:
                return False
            cases = cases or list(operation.cases)
            case = cases[self.rng.integers(len(cases))]
        arguments: list[int] = []
        for i in range(len(case.shapes)):
            arguments.append(self.argument(operation, case, i, arguments))
        parameters = {p.name: p.default for p in operation.parameters} | dict(case.parameters)
        return self.add(operation, arguments, parameters) is not None

    def argument(self, operation: Operation, case: Case, i: int, taken: list[int]) -> int:
        """A node of the right shape: one there is, a new input, or a constant; labels are constants."""
        shape = case.shapes[i]
        if case.values and i in case.values:
            node = self.input((), kind="constant")
            self.values[node] = np.asarray(case.values[i], dtype=float)
            return node
        low, high = operation.domain[min(i, len(operation.domain) - 1)]
        again = self.rng.random() < 0.1  # x*x and the like.
        live = [k for k, row in enumerate(self.rows) if row[0] != "constant" and (again or k not in taken)]
        fitting = [k for k in live if np.shape(self.values[k]) == shape]
        scalars = [k for k in live if not np.shape(self.values[k])]
        chance = self.rng.random()
        if operation.elementwise and scalars and chance < 0.15:
            return int(self.rng.choice(scalars))
        if fitting and chance < 0.85:
            return fitting[-1] if i == 0 or chance < 0.3 else int(self.rng.choice(fitting))
        crowded = sum(row[0] == "input" for row in self.rows) > 3
        return self.input(shape, low, high, "constant" if crowded or chance > 0.95 else "input")

    def add(self, operation: Operation, arguments: list[int], parameters: dict[str, Any]) -> int | None:
        """The node, or None where shapes do not fit or the value is not finite."""
        values = [np.asarray(self.values[a]) for a in arguments]
        try:
            settled = operation.resolved([v.shape for v in values], parameters)
            with np.errstate(all="ignore"):
                value = operation.forward(*values, **settled.parameters)
        except OperationError:
            return None
        if not np.all(np.isfinite(value)) and self.rng.random() < 0.98:
            return None
        self.rows.append((operation.name, arguments, parameters))
        self.values.append(value)
        self.used.update(arguments)
        return len(self.rows) - 1


def random_program(seed: int, number: int) -> Program:
    """Program ``number`` of the series ``seed``."""
    return Writer(np.random.default_rng([seed, number])).write()


def show(program: Program) -> str:
    """A program as one could type it."""
    given = " ".join(f"{k}={np.asarray(v).tolist()}" for k, v in program.inputs.items())
    return f"{to_source(program.graph)}\n      {given}\n      upstream={np.asarray(program.upstream).tolist()}"


# Right programs ----------------------------------------------------------------------------------------------------


def kind_of(result: EvaluationResult, name: str) -> str:
    """What became of one right gradient."""
    found = result[name]
    if found.verdict is Verdict.OK:
        return "OK"
    gradient = np.asarray(found.gradient)
    if found.verdict is Verdict.WRONG:
        return "WRONG: false alarm" if np.isfinite(gradient).all() else "WRONG: overflow"
    codes = {d.code for d in result.diagnostics}
    if "GT101" in codes or "tie or kink" in (found.reason or ""):
        return "UNDECIDED: tie"
    if "GT102" in codes:
        return "UNDECIDED: not finite"
    if "GT106" in codes:
        return "UNDECIDED: digits lost"
    return "UNDECIDED: other"


def check_right(seed: int, number: int) -> list[tuple[str, str, str]]:
    """(reference set, kind, text) for every gradient of a program."""
    program = random_program(seed, number)
    found = []
    for label, references in REFERENCES.items():
        result = gradtool.evaluate(program.graph, program.inputs, upstream=program.upstream, references=references)
        for entry in result.inputs:
            if entry.gradient is not None:
                text = f"#{number} {entry.name}: {entry.reason}\n      {show(program)}"
                found.append((label, kind_of(result, entry.name), text))
    return found


# Planted faults ----------------------------------------------------------------------------------------------------


@contextmanager
def planted(name: str, position: int, fault: str) -> Iterator[None]:
    """The operation with the derivative of one argument spoiled."""
    operation = REGISTRY[name]
    field = "local" if operation.elementwise else "vjp"
    right = operation.local_of if operation.elementwise else operation.vjp_of
    factor = {"factor 1.01": 1.01, "sign": -1.0, "factor 1+1e-5": 1 + 1e-5, "dropped": 0.0}[fault]

    def at(i: int) -> Any:
        function = right(i)
        return (lambda *a, **p: factor * function(*a, **p)) if i == position else function

    REGISTRY[name] = dataclasses.replace(operation, **{field: at}, scalar=None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        REGISTRY[name] = operation


def gradients_of(program: Program) -> dict[str, Any]:
    """Without references, as gradtool computes them."""
    plan = make_plan(program.graph, program.inputs)
    found = backward(plan, forward(plan, program.inputs), program.upstream)
    return {name: np.asarray(found.of(name)) for name in plan.wrt}


def check_planted(seed: int, number: int) -> list[tuple[str, str, str]]:
    """The same with a fault in one operation; only programs whose right gradients are finite and OK."""
    program = random_program(seed, number)
    graph = program.graph
    rng = np.random.default_rng([seed, number, 1])
    nodes = [i for i, operation in enumerate(graph.operations) if graph.arguments[i]]
    right = gradients_of(program)
    if not nodes or not all(np.isfinite(g).all() for g in right.values()):
        return []
    node = int(rng.choice(nodes))
    position, fault = int(rng.integers(len(graph.arguments[node]))), str(rng.choice(FAULTS))
    found = []
    with planted(graph.operations[node], position, fault):
        wrong = gradients_of(program)
        if all(np.array_equal(right[name], wrong[name]) for name in right):
            return []
        for label, references in REFERENCES.items():
            result = gradtool.evaluate(graph, program.inputs, upstream=program.upstream, references=references)
            for name, gradient in right.items():
                change = np.max(np.abs(wrong[name] - gradient), initial=0.0)
                scale = max(float(np.max(np.abs(g), initial=0.0)) for g in (gradient, wrong[name]))
                verdict = result[name].verdict
                if not change:
                    kind = "untouched, " + verdict
                elif change > 1e-4 * scale:
                    kind = f"{fault}: {verdict}"
                else:
                    kind = f"too small to be seen: {verdict}"
                text = f"#{number} {name}: {fault} in {graph.operations[node]}[{position}]: {result[name].reason}\n"
                found.append((label, kind, f"{text}      right {gradient} wrong {wrong[name]}\n      {show(program)}"))
    return found


# The table ---------------------------------------------------------------------------------------------------------


def run(task: tuple[str, int, int]) -> list[tuple[str, str, str]]:
    mode, seed, number = task
    start = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            found = (check_planted if mode == "plant" else check_right)(seed, number)
    except Exception:
        return [("both", "CRASH", f"#{number} {traceback.format_exc()}")]
    seconds = time.perf_counter() - start
    if seconds > 2:
        found.append(
            ("both", "slow program", f"#{number}: {seconds:.1f} s\n      {show(random_program(seed, number))}")
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--plant", action="store_true", help="plant a fault in each program")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", default="false alarm|CRASH|slow", help="kinds whose programs are printed, split by |")
    parser.add_argument("--most", type=int, default=10, help="programs printed of a kind")
    options = parser.parse_args()
    start = time.perf_counter()
    tasks = [("plant" if options.plant else "right", options.seed, options.first + k) for k in range(options.programs)]
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    shown: collections.Counter[tuple[str, str]] = collections.Counter()
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for found in pool.imap(run, tasks, chunksize=20):
            for label, kind, text in found:
                counts[label, kind] += 1
                if any(part and part in kind for part in options.show.split("|")) and shown[label, kind] < options.most:
                    shown[label, kind] += 1
                    print(f"[{label}] {kind}\n  {text}", flush=True)
    kinds = sorted({kind for _, kind in counts})
    print(f"{options.programs} programs, {time.perf_counter() - start:.0f} s; gradients by references:")
    print(f"{'':36s}" + "".join(f"{label:>10s}" for label in REFERENCES))
    for kind in kinds:
        print(f"{kind:36s}" + "".join(f"{counts[label, kind]:10d}" for label in REFERENCES))


if __name__ == "__main__":
    main()
