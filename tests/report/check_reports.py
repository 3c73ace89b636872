"""Reports of ``check`` made by hand: what renderers show does not hang on what the checker does."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradtool.results import (
    Cause,
    CheckReport,
    GradientResult,
    Hygiene,
    Outcome,
    Point,
    Skipped,
    TargetResult,
    Verdict,
    Worst,
)

TRACEBACK = """\
Traceback (most recent call last):
  File "net.py", line 30, in net_backward
    dw = x @ dout
ValueError: matmul: (4, 3) and (4, 2)
"""

HOSTILE = "a]]>b<c>&\"'::error::%0A,[red]x[/red] :smile: \x1b[31m\x00\r\nsecond\tline \u202e\udc80é"
"""Text that is markup, a command or an escape somewhere."""


def gradient(name: str, shape: tuple[int, ...] = (), verdict: str = "OK", **more: Any) -> GradientResult:
    size = int(np.prod(shape))
    fields: dict[str, Any] = {"checked": size, "of": size}
    if verdict == "OK":
        fields |= {"digits": 9, "detectable": 1e-9, "relative_error": 2e-10}
    return GradientResult(name=name, shape=shape, verdict=Verdict(verdict), **{**fields, **more})


def target(name: str, verdict: str, *gradients: GradientResult, **more: Any) -> TargetResult:
    fields: dict[str, Any] = {
        "id": f"layers.py::{name}",
        "convention": "forward-backward-pair",
        "forward": f"{name}_forward",
        "backward": f"{name}_backward",
        "file": "layers.py",
        "line": 41,
        "input_source": "docstring",
        "seconds": 0.02,
    }
    return TargetResult(verdict=Outcome(verdict), gradients=gradients, **{**fields, **more})


AFFINE_INPUTS = {"x": (4, 6), "w": (6, 5), "b": (5,)}


def right_affine() -> TargetResult:
    return target(
        "affine", "OK", gradient("x", (4, 6)), gradient("w", (6, 5), digits=11, detectable=1e-10), gradient("b", (5,)),
        inputs=AFFINE_INPUTS,
    )  # fmt: skip


def wrong_affine(**more: Any) -> TargetResult:
    """The sign of b's gradient is flipped."""
    wrong = gradient(
        "b", (5,), "WRONG", worst=Worst((3,), -0.41, 0.41, 3e-11), relative_error=2.0, digits=0, detectable=1e-9,
        evaluations=40,
        cause=Cause(
            "GC101", "has the opposite sign", "d_b = -(what you return)", "layers.py", 14, None, residual=1e-15
        ),
    )  # fmt: skip
    right = [
        gradient("x", (4, 6), worst=Worst((0, 1), 1.25, 1.25, 2e-11)),
        gradient("w", (6, 5), worst=Worst((5, 4), -1234.5678, -1234.5678, 1e-8)),
    ]
    fields: dict[str, Any] = {"inputs": AFFINE_INPUTS, "notes": ("called as affine_backward(dout, cache)",)}
    return target("affine", "WRONG", *right, wrong, **{**fields, **more})


def tied_relu() -> TargetResult:
    """Wrong at a tie alone, and it changes its upstream."""
    wrong = gradient(
        "x", (2, 2), "WRONG", worst=Worst((0, 0), 2.0, 0.5, 0.5), digits=0,
        point=Point("tie", {"x": np.array([[0.0, 1.0], [-2.5, 3.0]]), "k": 2.0}, "alpha=0"),
        cause=Cause("GC118", "is 2 at a kink, where it must lie in [0, 1]"),
    )  # fmt: skip
    return target(
        "relu", "WRONG", wrong,
        line=7, inputs={"x": (2, 2)}, input_source="search", hygiene=(Hygiene("GC301", "backward changed dout in place"),),
    )  # fmt: skip


def raising_net() -> TargetResult:
    cause = Cause("GC120", "is not there: backward raised ValueError: matmul: (4, 3) and (4, 2)", traceback=TRACEBACK)
    both = [gradient(name, (3,), "WRONG", checked=0, cause=cause) for name in ("x", "w")]
    return target("net", "WRONG", *both, id="net.py::net", file="net.py", line=30, inputs={"x": (4, 3), "w": (3, 2)})


def undecided_pool() -> TargetResult:
    return target(
        "pool", "UNDECIDED", gradient("x", (4,), "UNDECIDED", reason="forward is too noisy here: 1e-3 of its size"),
        line=90, inputs={"x": (4,)},
    )  # fmt: skip


def broken_module() -> TargetResult:
    return target("broken", "ERROR", error=TRACEBACK, id="net.py::broken", file="net.py", line=None)


def straight_through() -> TargetResult:
    wrong = gradient(
        "x", (3,), "WRONG", worst=Worst((0,), 1.0, 0.0, 1e-12), cause=Cause("GC199", "fits no known cause")
    )
    return target("ste", "WRONG", wrong, inputs={"x": (3,)}, intentional="straight-through estimator")


def in_baseline() -> TargetResult:
    return wrong_affine(id="old.py::affine", file="old.py", accepted="in the baseline")


def large() -> TargetResult:
    found = gradient("W", (1000, 1000), checked=40, of=1_000_000, miss_probability=1e-3, digits=None, detectable=1e-4)
    return target(
        "big", "OK", found, id="big.py::big", file="big.py", inputs={"W": (1000, 1000)}, input_source="search",
        notes=("called as big_backward(dout, W)",), hygiene=(Hygiene("GC306", "gradient of W is float32, W float64"),),
    )  # fmt: skip


def everything() -> CheckReport:
    """One of each kind."""
    return CheckReport(
        (
            right_affine(), wrong_affine(id="bad.py::affine", file="bad.py"), tied_relu(), raising_net(),
            undecided_pool(), broken_module(), straight_through(), in_baseline(), large(),
            target("gpu", "SKIPPED", error="arrays on a GPU are not supported", line=120),
        ),
        (Skipped("layers.py::conv", "no inputs found; add conv_inputs()", "layers.py", 200),),
        seed=7,
    )  # fmt: skip


def hostile() -> CheckReport:
    """User text that would be markup, commands or escapes in some format."""
    wrong = gradient(
        HOSTILE, (2,), "WRONG", worst=Worst((1,), float("nan"), float("-inf"), float("inf")),
        cause=Cause("GC120", HOSTILE, HOSTILE, HOSTILE, 3, HOSTILE, 0.0, HOSTILE), reason=HOSTILE,
        point=Point("random", {HOSTILE: np.array([np.nan, np.inf])}, HOSTILE),
    )  # fmt: skip
    more: dict[str, Any] = {
        "id": f"dir/{HOSTILE}.py::{HOSTILE}",
        "file": f"dir/{HOSTILE}.py",
        "inputs": {HOSTILE: (2,)},
        "input_source": HOSTILE,
        "notes": (HOSTILE,),
        "hygiene": (Hygiene("GC303", HOSTILE),),
    }
    undecided = gradient(HOSTILE, (2,), "UNDECIDED", reason=HOSTILE)
    return CheckReport(
        (
            target("t", "WRONG", wrong, **more),
            target("t", "WRONG", wrong, **{**more, "intentional": HOSTILE}),
            target("t", "UNDECIDED", undecided, **more),
            target("t", "OK", gradient(HOSTILE, (2,), reason=HOSTILE), **more),
            target("t", "ERROR", **{**more, "error": HOSTILE}),
        ),
        (Skipped(f"{HOSTILE}.py::{HOSTILE}", HOSTILE, f"{HOSTILE}.py", 1),),
        notes=(HOSTILE,),
    )
