"""Time and memory of forward and backward on graphs of scalars: gradtool, and what it is held against, on the same programs.

A program is a list of (operation, first, second) over numbered values: a deep chain, or a sum of small independent terms. Times
are processor seconds of this process, the least of several runs, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradtool
from gradtool.autodiff import backward, forward, make_plan
from gradtool.graph import Graph, GraphBuilder

SIZES = (1_000, 10_000, 100_000, 1_000_000)
UNARY = ("sin", "tanh", "exp")


class Program(NamedTuple):
    """Values 0, 1, ... are the inputs, then the constants, then one for each row of ``tape``; the last is the output. ``text``
    is the same as a user would write it."""

    inputs: dict[str, float]
    constants: list[float]
    tape: list[tuple[str, int, int]]
    text: str

    def __len__(self) -> int:
        return len(self.inputs) + len(self.constants) + len(self.tape)


def chain(size: int) -> Program:
    """``y = y*x + x`` over and over, through sin and tanh now and then."""
    tape: list[tuple[str, int, int]] = []
    text = []
    y = 0
    while len(tape) < size:
        tape += [("*", y, 1), ("+", len(tape) + 2, 1)]
        text.append("y = y*x + x")
        y = len(tape) + 1
        if len(tape) % 10 >= 8:
            function = UNARY[len(tape) // 10 % 2]
            tape.append((function, y, y))
            text.append(f"y = {function}(y)")
            y += 1
    return Program({"y": 0.3, "x": 0.5}, [], tape, "\n".join(text))


def wide(size: int) -> Program:
    """The sum over i of ``sin(c_i*x)*y - z*z/(c_i + exp(x))``, added from left to right; c_i are constants."""
    terms = size // 10
    tape: list[tuple[str, int, int]] = []
    total = 0
    for i in range(terms):
        c, here = 3 + i, 3 + terms + len(tape)
        tape += [
            ("*", c, 0), ("sin", here, here), ("*", here + 1, 1), ("*", 2, 2), ("exp", 0, 0), ("+", c, here + 4),
            ("/", here + 3, here + 5), ("-", here + 2, here + 6),
        ]  # fmt: skip
        if i:
            tape.append(("+", total, here + 7))
        total = 2 + terms + len(tape)
    constants = [1.0 + i / terms for i in range(terms)]
    text = " + ".join(f"(sin({c}*x)*y - z*z/({c} + exp(x)))" for c in constants)
    return Program({"x": 0.3, "y": 0.5, "z": 1.7}, constants, tape, text)


PROGRAMS: dict[str, Callable[[int], Program]] = {"chain": chain, "wide": wide}

# gradtool

NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def as_graph(program: Program) -> Graph:
    """The program as a graph, node by node."""
    builder = GraphBuilder()
    for name in program.inputs:
        builder.input(name)
    for value in program.constants:
        builder.constant(value)
    node = 0
    for operation, a, b in program.tape:
        node = builder.add(NAMES.get(operation, operation), (a,) if operation in UNARY else (a, b))
    return builder.finish(node)


def run_gradtool(program: Program) -> Callable[[], list[float]]:
    graph, inputs = as_graph(program), program.inputs
    plan = make_plan(graph, inputs)

    def run() -> list[float]:
        gradients = backward(plan, forward(plan, inputs))
        return [gradients.of(name) for name in inputs]

    return run


def run_call(program: Program) -> Callable[[], list[float]]:
    """``gradtool.value_and_gradient``, called again on the same graph."""
    graph, inputs = as_graph(program), program.inputs
    return lambda: list(gradtool.value_and_gradient(graph, inputs)[1].values())


def run_once(program: Program) -> Callable[[], list[float]]:
    """``gradtool.value_and_gradient`` on a graph not seen before: ``with_output`` makes one without copying."""
    graph, inputs = as_graph(program), program.inputs
    return lambda: list(gradtool.value_and_gradient(graph.with_output(graph.output), inputs)[1].values())


# A plain loop over the tape


def run_tape(program: Program) -> Callable[[], list[float]]:
    codes = {"+": 0, "-": 1, "*": 2, "/": 3, "sin": 4, "tanh": 5, "exp": 6}
    tape = [(codes[operation], a, b) for operation, a, b in program.tape]
    first = len(program) - len(tape)

    def run() -> list[float]:
        values = [*program.inputs.values(), *program.constants]
        push, sin, cos, tanh, exp = values.append, math.sin, math.cos, math.tanh, math.exp
        for code, a, b in tape:
            if code == 0:
                push(values[a] + values[b])
            elif code == 1:
                push(values[a] - values[b])
            elif code == 2:
                push(values[a] * values[b])
            elif code == 3:
                push(values[a] / values[b])
            elif code == 4:
                push(sin(values[a]))
            elif code == 5:
                push(tanh(values[a]))
            else:
                push(exp(values[a]))
        adjoints = [0.0] * len(values)
        adjoints[-1] = 1.0
        for i in range(len(values) - 1, first - 1, -1):
            code, a, b = tape[i - first]
            upstream = adjoints[i]
            if code == 0:
                adjoints[a] += upstream
                adjoints[b] += upstream
            elif code == 1:
                adjoints[a] += upstream
                adjoints[b] -= upstream
            elif code == 2:
                adjoints[a] += upstream * values[b]
                adjoints[b] += upstream * values[a]
            elif code == 3:
                adjoints[a] += upstream / values[b]
                adjoints[b] -= upstream * values[i] / values[b]
            elif code == 4:
                adjoints[a] += upstream * cos(values[a])
            elif code == 5:
                adjoints[a] += upstream * (1.0 - values[i] * values[i])
            else:
                adjoints[a] += upstream * values[i]
        return adjoints[: len(program.inputs)]

    return run


# An object a node, as in micrograd, but sorted without recursion: with it, depth 1000 would fail


class Value:
    __slots__ = ("backward", "data", "grad", "sources")

    def __init__(self, data: float, sources: tuple[Value, ...] = ()) -> None:
        self.data, self.grad, self.sources = data, 0.0, sources
        self.backward: Callable[[], None] = lambda: None

    def then(self, backward: Callable[[Value], None]) -> Value:
        self.backward = lambda: backward(self)
        return self

    def __add__(self, other: Value) -> Value:
        def back(out: Value) -> None:
            self.grad += out.grad
            other.grad += out.grad

        return Value(self.data + other.data, (self, other)).then(back)

    def __sub__(self, other: Value) -> Value:
        def back(out: Value) -> None:
            self.grad += out.grad
            other.grad -= out.grad

        return Value(self.data - other.data, (self, other)).then(back)

    def __mul__(self, other: Value) -> Value:
        def back(out: Value) -> None:
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        return Value(self.data * other.data, (self, other)).then(back)

    def __truediv__(self, other: Value) -> Value:
        def back(out: Value) -> None:
            self.grad += out.grad / other.data
            other.grad -= out.grad * out.data / other.data

        return Value(self.data / other.data, (self, other)).then(back)

    def unary(self, data: float, slope: Callable[[float, float], float]) -> Value:
        def back(out: Value) -> None:
            self.grad += slope(out.data, self.data) * out.grad

        return Value(data, (self,)).then(back)

    def sin(self) -> Value:
        return self.unary(math.sin(self.data), lambda out, x: math.cos(x))

    def tanh(self) -> Value:
        return self.unary(math.tanh(self.data), lambda out, x: 1.0 - out * out)

    def exp(self) -> Value:
        return self.unary(math.exp(self.data), lambda out, x: out)

    def all_backward(self) -> None:
        order: list[Value] = []
        seen: set[int] = set()
        stack = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack += [(source, False) for source in node.sources]
        self.grad = 1.0
        for node in reversed(order):
            node.backward()


def interpreted(program: Program, values: list[Any], functions: dict[str, Callable[[Any], Any]]) -> Any:
    """The last value of the program on whatever objects ``values`` begins with."""
    for operation, a, b in program.tape:
        if operation == "+":
            values.append(values[a] + values[b])
        elif operation == "-":
            values.append(values[a] - values[b])
        elif operation == "*":
            values.append(values[a] * values[b])
        elif operation == "/":
            values.append(values[a] / values[b])
        else:
            values.append(functions[operation](values[a]))
    return values[-1]


def run_objects(program: Program) -> Callable[[], list[float]]:
    functions: dict[str, Callable[[Any], Any]] = {"sin": Value.sin, "tanh": Value.tanh, "exp": Value.exp}

    def run() -> list[float]:
        inputs = [Value(x) for x in program.inputs.values()]
        interpreted(program, [*inputs, *map(Value, program.constants)], functions).all_backward()
        return [x.grad for x in inputs]

    return run


def run_torch(program: Program) -> Callable[[], list[float]]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    functions = {"sin": torch.sin, "tanh": torch.tanh, "exp": torch.exp}

    def run() -> list[float]:
        inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in program.inputs.values()]
        interpreted(program, [*inputs, *program.constants], functions).backward()
        return [float(x.grad) for x in inputs]

    return run


def run_autograd(program: Program) -> Callable[[], list[float]]:
    autograd, anp = importlib.import_module("autograd"), importlib.import_module("autograd.numpy")
    functions = {"sin": anp.sin, "tanh": anp.tanh, "exp": anp.exp}

    def value(inputs: Any) -> Any:
        return interpreted(program, [*inputs, *program.constants], functions)

    return lambda: [float(g) for g in autograd.grad(value)(tuple(program.inputs.values()))]


class Contender(NamedTuple):
    name: str
    prepare: Callable[[Program], Callable[[], list[float]]]
    needs: str = ""
    up_to: int = 1_000_000


TAPE = "tape loop"
CONTENDERS = (
    Contender(TAPE, run_tape),
    Contender("gradtool, plan reused", run_gradtool),
    Contender("value_and_gradient again", run_call),
    Contender("value_and_gradient once", run_once),
    Contender("objects (micrograd)", run_objects),
    Contender("PyTorch", run_torch, "torch", 100_000),
    Contender("autograd", run_autograd, "autograd", 100_000),
)


def measured(run: Callable[[], Any], size: int) -> float:
    """Processor seconds, the least of some runs."""
    gc.collect()
    best, spent = math.inf, 0.0
    for _ in range(3 if size >= 100_000 else 15):
        start = time.process_time()
        run()
        took = time.process_time() - start
        best, spent = min(best, took), spent + took
        if spent > 3:
            break
    return best


def bytes_a_node(shape: str, size: int, how: str) -> float:
    """What making, running and differentiating a graph adds to the memory of a fresh process at its peak, by the node."""
    command = [sys.executable, str(Path(__file__)), "--memory-of", shape, how, "--sizes", str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def memory_of(shape: str, size: int, how: str) -> float:
    gradtool.value_and_gradient(gradtool.parse("sin(x)*exp(x)"), {"x": 1.0})  # whatever loads at the first use
    program = PROGRAMS[shape](size)
    tracemalloc.start()
    graph = gradtool.parse(program.text) if how == "parsed" else as_graph(program)
    gradtool.value_and_gradient(graph, program.inputs)
    return tracemalloc.get_traced_memory()[1] / len(graph)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--without", nargs="+", default=(), metavar="NAME", help="contenders to leave out")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        shape, how = options.memory_of
        print(memory_of(shape, options.sizes[0], how))
        return
    rows: list[dict[str, Any]] = []
    print(f"{'shape':6s} {'nodes':>9s}  {'':26s} {'µs a node':>9s} {'of tape':>8s}")
    for shape, make in PROGRAMS.items():
        for size in options.sizes:
            program = make(size)
            reference = 0.0
            expected: list[float] = []
            for contender in CONTENDERS:
                if size > contender.up_to or contender.name in options.without:
                    continue
                if contender.needs and importlib.util.find_spec(contender.needs) is None:
                    continue
                run = contender.prepare(program)
                found = run()
                expected = expected or found
                assert all(
                    math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) for a, b in zip(found, expected, strict=True)
                )
                each = 1e6 * measured(run, size) / len(program)
                reference = reference or each
                row = {"shape": shape, "nodes": len(program), "what": contender.name, "microseconds": each}
                rows.append({**row, "of_tape": each / reference})
                print(
                    f"{shape:6s} {len(program):9,d}  {contender.name:26s} {each:9.3f} {each / reference:8.2f}",
                    flush=True,
                )
                del run
    size = max(options.sizes)
    for shape in PROGRAMS:
        for how in ("built", "parsed"):
            needed = bytes_a_node(shape, size, how)
            rows.append({"shape": shape, "nodes": size, "what": f"memory, {how}", "bytes_a_node": needed})
            print(f"{shape:6s} {size:9,d}  memory of a graph {how:8s} {needed:9.0f} bytes a node", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
