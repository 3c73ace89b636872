import numpy as np

import gradtool
from gradtool.target import Calling, Case, Target
from tests.diagnosis.hygiene_trials import X, codes, verdict


def test_a_backward_that_changes_its_input():
    def backward(d, x):
        g = d * 2 * x
        x *= 1.5
        return g

    assert codes(lambda x: x**2, backward) == ["GC302"]
    assert verdict(lambda x: x**2, backward) == "WRONG"


def test_a_cache_that_is_changed():
    class Run:
        def __init__(self, values):
            self.outputs = (np.tanh(values["x"]),)
            self.kept = {"out": self.outputs[0].copy()}

        def backward(self, d):
            out = self.kept["out"]
            out *= out
            return {"x": d * (1 - out)}

    case = Case({"x": X}, ("x",), (Calling(Run, "b"),))
    report = gradtool.check_target(Target("t", "test", "f", "b", (case,)), gradtool.Settings(points=0))
    assert [(h.code, h.message) for h in report.hygiene] == [
        ("GC302", "backward changes what forward kept in place (cache['out'])")
    ]


def test_a_cache_that_is_consumed_is_nobodys_business():
    class Run:
        def __init__(self, values):
            self.outputs = (np.tanh(values["x"]),)
            self.kept = [self.outputs[0].copy()]

        def backward(self, d):
            return {"x": d * (1 - self.kept.pop() ** 2)}

    case = Case({"x": X}, ("x",), (Calling(Run, "b"),))
    report = gradtool.check_target(Target("t", "test", "f", "b", (case,)), gradtool.Settings(points=0))
    assert report.hygiene == ()
    assert str(report.verdict) == "OK"
