import ast
import importlib.util

from gradtool.targets.scope import MISSING, Scope
from tests.targets.scopes import scope_of

SOURCE = '''
import numpy as np
from numpy import sin

def affine_forward(x, w, b=None, *, scale=2.0):
    """Shapes (N, D)."""
    def inner():
        return 1, 2
    return x @ w, (x, w)

def affine_backward(dout, cache):
    if dout is None:
        return
    dx, dw = 1, 2
    return dx, dw, dout.sum()

if True:
    def late(x: "np.ndarray") -> float:
        return x

class Base:
    def forward(self, x):
        self.x = x
        return x

class Layer(Base):
    """A layer."""
    def backward(self, dout):
        self.dW = dout
        return [self.dW, dout]

    @staticmethod
    def helper(x):
        return x
'''


def scope(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("layers_of_scope_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Scope(path, "layers.py", module, ast.parse(SOURCE), SOURCE)


def test_functions_of_the_module_itself(tmp_path):
    found = scope(tmp_path).functions
    assert list(found) == ["affine_forward", "affine_backward", "late"]
    forward = found["affine_forward"]
    assert [p.name for p in forward.parameters] == ["x", "w", "b", "scale"]
    assert [p.default for p in forward.parameters] == [MISSING, MISSING, None, 2.0]
    assert forward.parameters[3].keyword_only
    assert forward.docstring == "Shapes (N, D)."
    assert forward.line == 5
    assert found["late"].parameters[0].annotation == "'np.ndarray'"


def test_what_a_function_returns_by_name(tmp_path):
    found = scope(tmp_path)
    assert found.functions["affine_backward"].returned == ((), ("dx", "dw", None))
    assert found.functions["affine_forward"].returned == ((None, None),)
    assert found.classes["Layer"].methods["backward"].returned == (("dW", "dout"),)


def test_classes_have_the_methods_of_their_bases_in_the_module(tmp_path):
    found = scope(tmp_path).classes
    assert list(found) == ["Base", "Layer"]
    assert set(found["Layer"].methods) == {"forward", "backward", "helper"}
    assert [p.name for p in found["Layer"].methods["backward"].parameters] == ["dout"]
    assert found["Layer"].docstring == "A layer."


def test_names_that_are_reached_through_other_functions(tmp_path):
    source = "def f(x): return g(x) + a\ndef g(x): return f(x) + b\ndef h(x): return c\n"
    found = scope_of(source, tmp_path)
    assert found.reached([found.functions["f"]]) == {"f", "g", "a", "b", "x"}
    assert found.reached(found.functions.values()) == {"f", "g", "a", "b", "c", "x"}
