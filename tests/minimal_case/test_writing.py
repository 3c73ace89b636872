"""The test that is written fails on the code as it is, and passes as soon as that is mended: run by pytest itself."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradtool
from gradtool.minimal_case import reproduce

ROOT = str(Path(gradtool.__file__).parent.parent)

PAIR = """
def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.mean(axis=0)
"""
CLASS = """
class Linear:
    def __init__(self, n, m):
        self.W = np.random.default_rng(0).standard_normal((n, m))
        self.b = np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = -self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
"""
DERIVATIVE = """
def squash(x):
    return np.tanh(x)


def squash_grad(x):
    return 1 + np.tanh(x) ** 2
"""
JACOBIAN = """
def mix(x):
    return np.array([x[0] * x[1], x[0] + x[2]])


def mix_jac(x):
    return np.array([[x[1], x[0], 0.0], [1.0, 1.0, 0.0]])
"""
BOTH = """
def loss_of(x, y):
    n = len(x)
    loss = np.sum((x - y) ** 2) / n
    dx = 2 * (x - y)
    return loss, dx
"""
CALLBACK = """
def scale(x, w):
    def backprop(dout):
        dx, dw = dout * w, dout
        return dx, dw

    return x * w, backprop
"""
SCALAR = """
import math


def wave(x, y):
    return math.sin(x) * y


def wave_grad(x, y):
    return math.cos(x) * y, -math.sin(x)
"""
RANDOM = """
def drop_forward(x):
    mask = np.random.rand(*x.shape) > 0.5
    return x * mask, mask


def drop_backward(dout, mask):
    return -dout * mask
"""
RAISES = """
def cube_forward(x):
    return x**3, x


def cube_backward(dout, x):
    return 3 * x @ x * dout.nothing
"""
SHAPE = """
def shift_forward(x, b):
    return x + b, (x, b)


def shift_backward(dout, cache):
    dx, db = dout, dout
    return dx, db
"""
NONE = """
def gate_forward(x, w):
    return x * w, (x, w)


def gate_backward(dout, cache):
    x, w = cache
    dx, dw = dout * w, None
    return dx, dw
"""
TIE = """
def size_forward(x):
    return np.abs(x), x


def size_backward(dout, x):
    return dout * np.where(x == 0, 3.0, np.sign(x))
"""
NAN = """
def root_forward(x):
    return np.sqrt(x**2 + 1.0), x


def root_backward(dout, x):
    return dout * x / np.sqrt(-1.0 - x**2)
"""
CASES = {
    "forward-backward-pair": (PAIR, "dout.mean(axis=0)", "dout.sum(axis=0)", True),
    "class": (CLASS, "-self.x.T", "self.x.T", True),
    "derivative-pair": (DERIVATIVE, "1 + np.tanh", "1 - np.tanh", True),
    "jacobian": (JACOBIAN, "[1.0, 1.0, 0.0]]", "[1.0, 0.0, 1.0]]", True),
    "value-and-gradient": (BOTH, "2 * (x - y)", "2 * (x - y) / n", True),
    "callback": (CALLBACK, "dout * w, dout", "dout * w, dout * x", True),
    "scalars": (SCALAR, "-math.sin", "math.sin", True),
    "random": (RANDOM, "-dout", "dout", False),
    "raises": (RAISES, "3 * x @ x * dout.nothing", "3 * x**2 * dout", False),
    "shape": (SHAPE, "dx, db = dout, dout", "dx, db = dout, dout.sum(axis=0)", False),
    "none": (NONE, "dout * w, None", "dout * w, dout * x", False),
    "tie": (TIE, "3.0", "0.5", True),
    "not finite": (NAN, "-1.0 - x**2", "1.0 + x**2", True),
}


def run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    environment = os.environ | {"PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False, env=environment)


@pytest.mark.parametrize("name", CASES)
def test_it_fails_until_the_gradient_is_right(name, made, tmp_path):
    source, wrong, right, plain = CASES[name]
    found = made(source)
    folder = tmp_path / "tests"
    folder.mkdir()
    path = folder / "test_minimal.py"
    test = found.written(path)
    assert test.uses_gradtool is not plain
    before = run(path)
    assert before.returncode == 1, before.stdout
    assert "1 failed" in before.stdout
    text = found.path.read_text()
    assert text.count(wrong) == 1
    found.path.write_text(text.replace(wrong, right))
    after = run(path)
    assert after.returncode == 0, after.stdout
    assert "1 passed" in after.stdout


def test_what_it_says_when_it_fails(made, tmp_path):
    path = tmp_path / "test_minimal.py"
    made(PAIR).written(path)
    told = run(path).stdout
    assert "gradient of b at [0]: yours 0.5, central difference 1.0" in told.replace("0.9999999999999998", "1.0")


def test_a_plain_test_is_python_that_a_person_can_read(made):
    test = made(PAIR).reproduced()
    assert test.name == "test_affine_gradient_of_b"
    assert (test.module, test.alias) == ("layers", "layers")
    tree = ast.parse(test.text)
    assert ast.get_docstring(tree.body[0]).startswith("GC105: gradient of b is smaller by the batch size 2")
    assert "layers.affine_forward(x, w, b)" in test.text
    assert "layers.affine_backward(upstream, result[1])" in test.text
    assert "gradtool" not in test.text
    assert max(map(len, test.text.splitlines())) <= 130


def test_an_object_is_made_by_its_constructor(made):
    text = made(CLASS).reproduced().text
    assert "layer = layers.Linear(n=1, m=1)" in text
    assert "layer.W = W" in text
    assert "np.asarray(layer.dW, dtype=float)" in text


def test_a_package_is_imported_by_its_dotted_name(made, tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "__init__.py").touch()
    (tmp_path / "net" / "shapes.py").write_text("FACTOR = 2.0\n")
    found = made(
        "from .shapes import FACTOR\n" + DERIVATIVE.replace("np.tanh(x)\n", "FACTOR * np.tanh(x)\n", 1), "net/parts.py"
    )
    path = tmp_path / "test_minimal.py"
    test = found.written(path)
    assert (test.module, test.alias, test.root) == ("net.parts", "parts", str(tmp_path))
    assert "1 failed" in run(path).stdout


def test_a_file_that_no_import_finds(made, tmp_path):
    path = tmp_path / "test_minimal.py"
    test = made(DERIVATIVE, "my-net 2.py").written(path)
    assert test.module is None
    assert "1 failed" in run(path).stdout


def test_hostile_names_and_messages(made, tmp_path):
    source = (
        PAIR.replace("def affine", "def loss")
        .replace("(x, w, b)", "(forward, np_, loss)")
        .replace("x, w, b = cache", "x, w, b = cache")
    )
    found = made(source.replace("x @ w + b", "forward @ np_ + loss"))
    path = tmp_path / "test_minimal.py"
    found.written(path)
    assert "1 failed" in run(path).stdout


def test_through_gradtool_with_what_the_user_gave(made, tmp_path):
    """The settings, the case and the seed lead to the same target again."""
    found = made(
        """
        def drop_forward(x, p=0.5):
            mask = np.random.rand(*x.shape) > p
            return x * mask / p, (mask, p)

        def drop_backward(dout, cache):
            mask, p = cache
            return dout * mask
        """
    )
    given = {"p": 0.25, "unwritable": object()}
    text = reproduce(found.shrunk(), found.scope.module, inputs=given, seed=7, definitions_only=True).text
    assert "inputs={'p': 0.25}," in text
    assert "seed=7," in text
    assert "pinned=True," in text
    assert "definitions_only=True," in text
    test = found.reproduced()
    assert test.uses_gradtool
    found.written(tmp_path / "test_minimal.py")
    assert "1 failed" in run(tmp_path / "test_minimal.py").stdout
    found.path.write_text(found.path.read_text().replace("return dout * mask", "return dout * mask / p"))
    assert "1 passed" in run(tmp_path / "test_minimal.py").stdout
