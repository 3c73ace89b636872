"""Which inputs are probabilities, by how a forward guards its logarithms."""

import pytest

from gradtool.targets.guarded import guarded
from tests.targets.scopes import scope_of

FUNCTION = """
import math
import numpy as np
from numpy import clip
EPS, HALF = 1e-8, 0.5
def f(p, y, eps=1e-12, low=0.1):
    small = 1e-9
    {}
"""


@pytest.mark.parametrize(
    ("line", "domain"),
    [
        ("return np.log(np.clip(p, 1e-7, 1 - 1e-7))", "unit"),
        ("return np.log(np.clip(p, eps, 1.0 - eps))", "unit"),
        ("return np.log(np.clip(p, small, 1))", "unit"),
        ("return np.log(np.clip(p, EPS, 0.9999))", "unit"),
        ("return np.log(np.clip(p, a_min=EPS, a_max=None))", "positive"),
        ("return np.log(np.clip(np.asarray(p), np.finfo(float).eps, 1))", "unit"),
        ("return np.log(p.clip(EPS, 1 - EPS))", "unit"),
        ("return np.log(p.clip(min=EPS))", "positive"),
        ("return np.log(clip(p, EPS, 1 - EPS))", "unit"),
        ("return np.log(np.minimum(np.maximum(p, EPS), 1 - EPS))", "unit"),
        ("return np.log(np.maximum(EPS, p))", "positive"),
        ("return math.log(max(p, 1e-15))", "positive"),
        ("p = np.clip(p, EPS, 1 - EPS); return np.log(p)", "unit"),
        ("q = p.reshape(-1).astype(float).clip(EPS, 1 - EPS); return np.log(q)", "unit"),
        ("return np.clip(p, 0, 1)", None),
        ("return np.clip(p, -1, 1)", None),
        ("return np.clip(p, low, 1 - low)", None),
        ("return np.clip(p, HALF, 1)", None),
        ("return np.minimum(p, 1.0)", None),
        ("return np.maximum(p, 0)", None),
        ("return np.log(np.clip(np.exp(p), EPS, 1 - EPS))", None),
        ("return max(p)", None),
        ("p = 1 / (1 + np.exp(-p))\n    return np.log(np.clip(p, EPS, 1 - EPS))", None),
        ("return p", None),
    ],
)
def test_functions(line, domain, tmp_path):
    scope = scope_of(FUNCTION.replace("{}", line), tmp_path)
    assert guarded(scope, "f") == ({} if domain is None else {"p": domain})


@pytest.mark.parametrize(("default", "domain"), [("1e-9", "unit"), ("0.2", None), ("None", "unit")])
def test_bounds_that_a_constructor_takes(default, domain, tmp_path):
    source = f"""
    import numpy as np
    class Loss:
        def __init__(self, eps={default}):
            self.eps = eps
        def forward(self, p, y):
            return -np.sum(y * np.log(np.clip(p, self.eps, 1 - self.eps)))
    """
    assert guarded(scope_of(source, tmp_path), "Loss.forward") == ({} if domain is None else {"p": domain})


def test_what_is_not_there(tmp_path):
    scope = scope_of("x = 1\nclass C: pass\n", tmp_path)
    assert guarded(scope, "f") == guarded(scope, "C.forward") == guarded(scope, "D.forward") == {}
