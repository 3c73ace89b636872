"""Functions by their names, and the inputs their modules have for them."""

import pytest

from gradtool.targets.loading import LoadError, TargetError
from gradtool.targets.named_function import find_function

SOURCE = """
def affine(x, w, b=0.0):
    return x * w + b

def made(x, y):
    return x * y

def made_inputs():
    return {"x": 1.0, "y": 2.0}

def listed(x, y):
    return x

def listed_inputs():
    return 1.0, 2.0

def failing(x):
    return x

def failing_inputs():
    raise OSError("no data")

def odd(x):
    return x

def odd_inputs():
    return 3

def open_to_all(x, **more):
    return x

class Layer:
    def __init__(self):
        self.k = 3.0

    def forward(self, x):
        return self.k * x

    @staticmethod
    def loose(x):
        return x

class Sized:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        return x

class Guarded:
    @property
    def weights(self):
        raise OSError("not yet")

class Broken:
    def __init__(self):
        raise OSError("no weights")

    def forward(self, x):
        return x

number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(SOURCE)
    return path


def found(file, name):
    return find_function(f"{file}::{name}")


def test_a_function(file):
    function = found(file, "affine")
    assert function.call(2.0, 3.0) == 6.0
    assert function.display.endswith("layers.py::affine")
    assert [p.name for p in function.parameters] == ["x", "w", "b"]


@pytest.mark.parametrize(("name", "value"), [("Layer.forward", 6.0), ("Layer.loose", 2.0)])
def test_a_method(file, name, value):
    assert found(file, name).call(2.0) == value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("afine", "did you mean affine"),
        ("Layer.forwards", "did you mean forward"),
        ("Layer", r"is a class; name one of its methods: .*::Layer\.forward, .*::Layer\.loose"),
        ("number", "is no function but a int"),
        ("Sized.forward", "is not made without arguments"),
        ("nothing_like_it", "there are: affine, made"),
    ],
)
def test_names_that_name_no_function(file, name, message):
    with pytest.raises(TargetError, match=message):
        found(file, name)


def test_a_class_that_cannot_be_made(file):
    with pytest.raises(LoadError, match=r"Broken\(\) raised OSError: no weights"):
        found(file, "Broken.forward")


def test_a_property_that_raises(file):
    with pytest.raises(LoadError, match=r"Guarded\.weights raised OSError: not yet"):
        found(file, "Guarded.weights")


def test_a_module_that_answers_to_any_name(tmp_path):
    path = tmp_path / "lazy.py"
    path.write_text("def f(x):\n    return x\n\ndef __getattr__(name):\n    raise OSError(name)\n")
    assert found(path, "f").inputs({"x": 1.0}) == {"x": 1.0}
    with pytest.raises(LoadError, match="g raised OSError: g"):
        found(path, "g")


def test_a_file_without_a_name_and_a_folder(file):
    with pytest.raises(TargetError, match=r"no function named; write .*layers\.py::NAME"):
        find_function(str(file))
    with pytest.raises(TargetError, match="this is a folder"):
        find_function(f"{file.parent}::affine")


@pytest.mark.parametrize(
    ("name", "given", "inputs"),
    [
        ("affine", {"w": 2.0, "x": 1.0}, {"x": 1.0, "w": 2.0}),
        ("made", {}, {"x": 1.0, "y": 2.0}),
        ("made", {"y": 5.0}, {"x": 1.0, "y": 5.0}),
        ("listed", {}, {"x": 1.0, "y": 2.0}),
        ("open_to_all", {"x": 1.0, "z": 2.0}, {"x": 1.0, "z": 2.0}),
    ],
)
def test_inputs_in_the_order_of_the_parameters(file, name, given, inputs):
    assert list(found(file, name).inputs(given).items()) == list(inputs.items())


@pytest.mark.parametrize(
    ("name", "given", "error", "message"),
    [
        ("affine", {"x": 1.0}, TargetError, r"parameter w has no value\nhint: give one, as in w=1"),
        ("affine", {}, TargetError, "parameters x, w have no value"),
        ("affine", {"xx": 1.0}, TargetError, "no parameter 'xx'; did you mean x"),
        ("failing", {}, LoadError, r"failing_inputs\(\) raised OSError: no data"),
        ("odd", {}, TargetError, r"odd_inputs\(\) gives a int"),
    ],
)
def test_inputs_that_cannot_be_had(file, name, given, error, message):
    with pytest.raises(error, match=message):
        found(file, name).inputs(given)
