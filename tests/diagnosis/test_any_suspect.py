"""Rules are total: whatever the arrays are, ``name_cause`` gives a cause and raises nothing."""

import warnings
from typing import Any

import numpy as np
import pytest

from gradtool.diagnosis.causes import name_cause
from gradtool.diagnosis.suspect import Sight, Suspect
from gradtool.results import Point
from gradtool.target import Case

SHAPES = ((), (1,), (4,), (2, 3), (3, 3), (1, 3), (2, 1, 2), (2, 3, 4), (0,), (0, 3), (2, 0))
FORWARDS = {
    "sum": lambda x: np.sum(x),
    "twice": lambda x: 2.0 * x,
    "tanh": lambda x: np.tanh(x) * x,
    "softmax": lambda x: np.exp(x) / np.sum(np.exp(x)),
    "log": lambda x: np.log(np.abs(x)),
    "relu": lambda x: np.maximum(x, 0) + np.abs(x),
    "largest": lambda x: np.max(x, axis=-1, initial=-9.0) if np.ndim(x) else x * x,
    "row by row": lambda x: np.array([np.ravel(row) @ np.ravel(row) for row in np.atleast_1d(x)]),
    "product with itself": lambda x: np.atleast_1d(x) @ np.swapaxes(np.atleast_2d(x), -1, -2),
    "product of vectors": lambda x: np.ravel(x) @ np.ravel(x),
    "two outputs": lambda x: (np.sin(x), np.sum(x * x)),
    "sorted and rolled": lambda x: np.roll(np.sort(x, axis=None), 1),
    "masked": lambda x: np.ravel(x)[np.ravel(x) > 0],
    "not traced": lambda x: np.asarray(x) if np.size(x) and np.linalg.norm(np.atleast_2d(np.ravel(x))) > 0 else x,
}
FAULTS: dict[str, Any] = {
    "nothing": lambda g, x, u, rng: g,
    "None": lambda g, x, u, rng: None,
    "left out": lambda g, x, u, rng: {},
    "zero": lambda g, x, u, rng: 0 * g,
    "NaN": lambda g, x, u, rng: g * np.nan,
    "one infinite entry": lambda g, x, u, rng: np.where(np.arange(g.size).reshape(g.shape) == 0, np.inf, g),
    "sign": lambda g, x, u, rng: -g,
    "a tiny factor": lambda g, x, u, rng: 1e-310 * g,
    "a huge factor": lambda g, x, u, rng: 1e300 * g,
    "a constant": lambda g, x, u, rng: g + 0.1,
    "the input": lambda g, x, u, rng: np.asarray(x),
    "noise": lambda g, x, u, rng: g + rng.normal(size=g.shape),
    "transposed": lambda g, x, u, rng: g.T,
    "flat": lambda g, x, u, rng: g.ravel(),
    "a number": lambda g, x, u, rng: float(np.sum(g)),
    "a word": lambda g, x, u, rng: "gradient",
    "a long integer": lambda g, x, u, rng: 10**400,
    "complex": lambda g, x, u, rng: g * 1j,
    "upstream": lambda g, x, u, rng: u[0],
    "one axis more": lambda g, x, u, rng: np.stack([g, g]),
    "raises": None,
}
SPECIAL = ("as drawn", "zeros", "equal", "whole numbers", "huge", "denormal")


def drawn(shape, special, rng):
    x = rng.normal(size=shape)
    return {"as drawn": x, "zeros": 0 * x, "equal": 0 * x + 1.5, "whole numbers": np.round(2 * x), "huge": 1e200 * x,
            "denormal": 1e-310 * x}[special]  # fmt: skip


def outputs_of(forward, x):
    value = forward(x)
    return tuple(np.asarray(v, dtype=float) for v in (value if isinstance(value, tuple) else (value,)))


def jacobian_of(forward, x, outputs):
    rows = sum(o.size for o in outputs)
    found = np.zeros((rows, x.size))
    for k in range(x.size):
        ends = []
        for step in (1e-6, -1e-6):
            moved = np.array(x)
            moved.ravel()[k] += step
            flat = np.concatenate([o.ravel() for o in outputs_of(forward, moved)])
            ends.append(flat if flat.size == rows else np.zeros(rows))
        found[:, k] = (ends[0] - ends[1]) / 2e-6
    return found


def suspect_of(forward, fault, shape, special, rng):
    """A suspect with one to three sights, some with errors that are unknown, some at ties."""
    sights = []
    for k in range(int(rng.integers(1, 4))):
        x = np.array(drawn(shape, special, rng), dtype=float)
        outputs = outputs_of(forward, x)
        if sights and [o.shape for o in outputs] != [o.shape for o in sights[0].outputs]:
            continue
        upstream = tuple(np.asarray(rng.normal(size=o.shape)) for o in outputs)
        jacobian = jacobian_of(forward, x, outputs)
        error = np.full(jacobian.shape, float(rng.choice([1e-9, 1e-3, np.inf])))

        seed = int(rng.integers(9))

        def yours_at(u, x=x, jacobian=jacobian, seed=seed):
            if fault is None:
                raise RuntimeError("backward")
            flat = np.concatenate([np.ravel(part) for part in u])
            found = fault((flat @ jacobian).reshape(x.shape), x, u, np.random.default_rng(seed))
            return found if isinstance(found, dict) else {"x": found}

        flat = np.concatenate([u.ravel() for u in upstream])
        sights.append(
            Sight(
                Point(str(rng.choice(["given", "random", "tie"])) if k else "given"), {"x": x}, outputs, upstream,
                {} if fault is None else yours_at(upstream), {"x": (flat @ jacobian).reshape(shape)},
                {"x": np.full(shape, float(rng.choice([1e-9, np.inf])))}, yours_at,
                lambda name, jacobian=jacobian, error=error: (jacobian, error),
            )
        )  # fmt: skip
    case = Case({"x": sights[0].values["x"]}, ("x",), (), function=forward if rng.random() < 0.8 else None)
    raised = "Traceback:\nRuntimeError: backward" if fault is None else None
    return Suspect("x", ("x",), sights, case, raised, passes_upstream=bool(rng.random() < 0.8),
                   at_tie=bool(rng.random() < 0.3))  # fmt: skip


@pytest.mark.parametrize("name", FORWARDS)
def test_no_suspect_makes_a_rule_raise(name):
    rng = np.random.default_rng(list(FORWARDS).index(name))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for fault in FAULTS.values():
            for special in rng.choice(SPECIAL, size=2, replace=False):
                for shape in [SHAPES[k] for k in rng.choice(len(SHAPES), size=2, replace=False)]:
                    if name == "softmax" and 0 in shape:
                        continue
                    cause = name_cause(suspect_of(FORWARDS[name], fault, shape, str(special), rng))
                    assert cause.code.startswith("GC1")
                    assert cause.message


@pytest.mark.parametrize(("only", "code"), [((1, 2), "GC113"), (None, "GC199")])
def test_without_a_sight(only, code):
    case = Case({"x": np.zeros((1000, 2000))}, ("x",), ())
    cause = name_cause(Suspect("x", ("x",), [], case, only=only))
    assert cause.code == code
    assert ("[1, 2] of 2000000" in cause.message) == (only is not None)
