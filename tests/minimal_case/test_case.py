"""What a minimal case holds."""

import numpy as np

from gradtool.minimal_case.case import Failure, MinimalCase
from gradtool.target import Calling, Case, Target


def test_a_case_has_one_calling():
    calling = Calling(lambda values: None, "f_backward(dout)")
    case = Case({"x": np.ones(1)}, ("x",), (calling,))
    target = Target("f.py::f", "forward-backward-pair", "f", "f_backward", (case,))
    failure = Failure("value", ((0,),), 1e-5, 1e-7, 2.0, 1.0, 1.0, 1.0)
    minimal = MinimalCase(target, case, "x", (np.ones(1),), failure, None, 3)
    assert minimal.calling is calling
    assert not minimal.failure.is_kink
    assert not minimal.pinned
