"""Functions with their derivatives: gradients, elementwise derivatives, Jacobians, Hessians; right ones and wrong ones."""

import numpy as np
import pytest

from gradtool.targets.derivative_pair import CONVENTION, find
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import agrees, differing, scope_of

rng = np.random.default_rng(5)
X = rng.normal(size=(4, 3))
V = rng.normal(size=3)


def pairs(source, tmp_path, taken=()):
    found = list(find(scope_of("import numpy as np\nimport math\n" + source, tmp_path), frozenset(taken)))
    assert all(f.convention == CONVENTION for f in found)
    return found


def only(source, tmp_path):
    (found,) = pairs(source, tmp_path)
    return found


def some_calling_agrees(case):
    return any(agrees(case, calling) for calling in case.callings)


@pytest.mark.parametrize(
    "name",
    ["cube_der", "cube_grad", "cube_prime", "cube_derivative", "cube_deriv", "cube_gradient", "cube_jac",
     "grad_cube", "cubePrime", "gradient_cube", "d_cube", "dcube", "dCube", "dcubedx", "dcube_dx",
     "backprop_cube", "cube_dx", "derivative_of_cube", "cube_grad_x", "deriv_cube", "cube_backprop", "cubeprime"],
)  # fmt: skip
def test_names_that_pair(name, tmp_path):
    found = only(f"def cube(x):\n    return x ** 3\ndef {name}(x):\n    return 3 * x ** 2\n", tmp_path)
    assert (found.name, found.forward, found.backward, found.line) == (name, "cube", name, 5)
    case = found.bind({"x": X})
    assert case.callings[0].upstream == "contracted"
    assert agrees(case)
    wrong = only(f"def cube(x):\n    return x ** 3\ndef {name}(x):\n    return 2 * x ** 2\n", tmp_path)
    assert differing(wrong.bind({"x": X})) == ["x"]


@pytest.mark.parametrize(
    "source",
    [
        "def ot(a): return a\ndef dot(a, b): return a\n",  # a bare d, and other arguments
        "def raw(x): return x\ndef draw(canvas, n): return n\n",
        "def f(x): return x\ndef test_f_grad(x): return x\n",
        "def f(x): return x\ndef _f_grad(x): return x\n",
        "def f_grad(x): return x\n",
        "def f(x): return x\ndef f_graded(x): return x\n",
        "def f(x): return x\ndef check_f_grad(x): return x\n",
    ],
)
def test_what_is_no_pair(source, tmp_path):
    assert pairs(source, tmp_path) == []


def test_a_derivative_that_is_taken_is_left_alone(tmp_path):
    source = "def f(x): return x\ndef f_grad(x): return 1\n"
    assert pairs(source, tmp_path, taken=["f_grad"]) == []
    assert len(pairs(source, tmp_path, taken=["f"])) == 1  # its function may serve more than one


ROSEN = """
def rosen(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
def rosen_der(x):
    d = np.zeros_like(x)
    d[1:-1] = 200 * (x[1:-1] - x[:-2] ** 2) - 400 * (x[2:] - x[1:-1] ** 2) * x[1:-1] - 2 * (1 - x[1:-1])
    d[0] = -400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0])
    d[-1] = 200 * (x[-1] - x[-2] ** 2)
    return d
def rosen_hess(x):
    H = np.diag(-400 * x[:-1], 1) - np.diag(400 * x[:-1], -1)
    diagonal = np.zeros(len(x))
    diagonal[0] = 1200 * x[0] ** 2 - 400 * x[1] + 2
    diagonal[-1] = 200
    diagonal[1:-1] = 202 + 1200 * x[1:-1] ** 2 - 400 * x[2:]
    return H + np.diag(diagonal)
"""


def test_gradient_and_hessian(tmp_path):
    first, second = pairs(ROSEN, tmp_path)
    assert (first.name, first.forward, first.backward) == ("rosen_der", "rosen", "rosen_der")
    assert (second.name, second.forward, second.backward) == ("rosen_hess", "rosen_der", "rosen_hess")
    point = {"x": np.array([0.5, -0.3, 0.8, 0.1])}
    assert agrees(first.bind(point), tolerance=1e-5)
    assert agrees(second.bind(point), tolerance=1e-5)
    wrong = pairs(ROSEN.replace(" = 200\n", " = 202\n").replace("- 2 * (1 - x[0])", ""), tmp_path)
    assert [differing(found.bind(point), tolerance=1e-5) for found in wrong] == [["x"], ["x"]]


def test_a_hessian_without_a_gradient_says_what_to_add(tmp_path):
    found = only("def f(x): return (x ** 2).sum()\ndef f_hess(x): return 2 * np.eye(len(x))\n", tmp_path)
    assert "f_der" in (found.skip or "")


@pytest.mark.parametrize(
    ("jacobian", "wrong"),
    [
        ("np.array([[2 * x[0], 0, 0], [x[1] * 0, x[2], x[1]]])", []),
        ("[[2 * x[0], 0, 0], [0, x[2], x[1]]]", []),
        ("np.array([[2 * x[0], 0, 0], [0, x[1], x[2]]])", ["x"]),
        ("np.array([[2 * x[0], 0, 0], [0, x[2], x[1]]]).T", ["x"]),
    ],
)
def test_jacobian_of_a_vector_function(jacobian, wrong, tmp_path):
    for forward in ("np.array([x[0] ** 2, x[1] * x[2]])", "[x[0] ** 2, x[1] * x[2]]", "x[0] ** 2, x[1] * x[2]"):
        source = f"def f(x):\n    return {forward}\ndef f_jac(x):\n    return {jacobian}\n"
        assert differing(only(source, tmp_path).bind({"x": V})) == wrong


def test_jacobian_of_the_input_s_own_shape_is_told_from_elementwise(tmp_path):
    softmax = "def softmax(x):\n    e = np.exp(x - x.max(-1, keepdims=True))\n    return e / e.sum(-1, keepdims=True)\n"
    full = softmax + "def softmax_derivative(x):\n    s = softmax(x)\n    return np.diag(s) - np.outer(s, s)\n"
    assert agrees(only(full, tmp_path).bind({"x": V}))
    batched = (
        softmax
        + "def softmax_jacobian(x):\n    s = softmax(x)\n    return s[..., None] * (np.eye(x.shape[-1]) - s[:, None, :])\n"
    )
    assert agrees(only(batched, tmp_path).bind({"x": X}))
    diagonal = softmax + "def softmax_derivative(x):\n    s = softmax(x)\n    return s * (1 - s)\n"
    assert differing(only(diagonal, tmp_path).bind({"x": V})) == ["x"]


def test_several_parameters(tmp_path):
    f = "def f(x, y):\n    return x ** 2 * y\n"
    point = {"x": 1.5, "y": -0.7}
    for returned in (
        "2 * x * y, x ** 2",
        "[2 * x * y, x ** 2]",
        "np.array([2 * x * y, x ** 2])",
        "{'x': 2 * x * y, 'y': x ** 2}",
    ):
        case = only(f + f"def f_grad(x, y):\n    return {returned}\n", tmp_path).bind(point)
        assert case.wrt == ("x", "y")
        assert agrees(case)
    case = only(f + "def f_grad(x, y):\n    return 2 * x * y, x\n", tmp_path).bind(point)
    assert differing(case) == ["y"]
    case = only(f + "def f_grad(x, y):\n    return 2 * x * y\n", tmp_path).bind(point)
    assert case.wrt == ("x",)
    assert agrees(case)


def test_the_name_says_which_parameter(tmp_path):
    source = (
        "def f(x, w):\n    return x * w ** 2\ndef f_grad_w(x, w):\n    return 2 * x * w\n"
        "def df_dx(x, w):\n    return w ** 2\n"
        "def dfdw(x, w):\n    return x * w\n"
    )
    right, other, wrong = [found.bind({"x": X, "w": X + 1}) for found in pairs(source, tmp_path)]
    assert [case.wrt for case in (right, other, wrong)] == [("w",), ("x",), ("w",)]
    assert agrees(right)
    assert agrees(other)
    assert differing(wrong) == ["w"]


def test_a_cost_with_data(tmp_path):
    source = (
        "def compute_cost(theta, X, y):\n    return ((X @ theta - y) ** 2).sum() / 2\n"
        "def compute_gradient(theta, X, y):\n    return X.T @ (X @ theta - y)\n"
    )
    point = {"theta": V, "X": X, "y": rng.normal(size=4)}
    case = only(source, tmp_path).bind(point)
    assert case.wrt == ("theta",)
    assert agrees(case)
    assert differing(only(source.replace("return X.T", "return -X.T"), tmp_path).bind(point)) == ["theta"]


SIGMOID = "def sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n"
BY_OUTPUT = "def sigmoid_derivative({0}):\n    return {0} * (1 - {0})\n"
BY_INPUT = "def sigmoid_derivative({0}):\n    return sigmoid({0}) * (1 - sigmoid({0}))\n"


@pytest.mark.parametrize("name", ["a", "s", "y", "v"])
def test_the_argument_may_be_the_output(name, tmp_path):
    for derivative in (BY_OUTPUT, BY_INPUT):
        case = only(SIGMOID + derivative.format(name), tmp_path).bind({"x": X})
        assert len(case.callings) == 2
        assert some_calling_agrees(case)
    wrong = only(SIGMOID + BY_OUTPUT.format(name).replace("1 -", "2 -"), tmp_path).bind({"x": X})
    assert not some_calling_agrees(wrong)


def test_a_name_settles_it(tmp_path):
    assert not some_calling_agrees(only(SIGMOID + BY_OUTPUT.format("x"), tmp_path).bind({"x": X}))
    assert some_calling_agrees(only(SIGMOID + BY_INPUT.format("x"), tmp_path).bind({"x": X}))
    assert some_calling_agrees(only(SIGMOID + BY_OUTPUT.format("output"), tmp_path).bind({"x": X}))
    assert not some_calling_agrees(only(SIGMOID + BY_INPUT.format("output"), tmp_path).bind({"x": X}))


@pytest.mark.parametrize(
    "use",
    [
        "def train(z):\n    a = sigmoid(z)\n    return sigmoid_derivative(a)\n",
        "class Net:\n    def go(self, z):\n        self.a = sigmoid(z)\n    def back(self):\n"
        "        return sigmoid_derivative(self.a)\n",
        "def train(z):\n    return sigmoid_derivative(sigmoid(z))\n",
    ],
)
def test_the_module_s_own_calls_say_that_the_output_is_meant(use, tmp_path):
    case = only(SIGMOID + BY_OUTPUT.format("x") + use, tmp_path).bind({"x": X})
    assert case.callings[0].description == "sigmoid_derivative(sigmoid(x))"
    assert agrees(case)


def test_scalar_math_code(tmp_path):
    source = "def f(x):\n    return math.sin(x) * x\ndef f_prime(x):\n    return math.cos(x) * x + math.sin(x)\n"
    found = only(source, tmp_path)
    assert found.scalar
    assert agrees(found.bind({"x": 1.2}))
    assert differing(only(source.replace(" + math.sin(x)\n", "\n"), tmp_path).bind({"x": 1.2})) == ["x"]


def test_scalar_code_with_settings(tmp_path):
    source = "def f(x, k=2.0):\n    return math.exp(-k * x)\ndef df(x, k=2.0):\n    return -k * math.exp(-k * x)\n"
    case = only(source, tmp_path).bind({"x": 0.4})
    assert list(case.values) == ["x"]
    assert agrees(case)


def test_a_derivative_that_takes_an_upstream(tmp_path):
    source = "def relu(x):\n    return np.maximum(x, 0)\ndef relu_grad(dout, x):\n    return dout * (x > 0)\n"
    case = only(source, tmp_path).bind({"x": X})
    assert case.callings[0].upstream == "given"
    assert agrees(case)
    assert differing(only(source.replace("(x > 0)", "(x < 0)"), tmp_path).bind({"x": X})) == ["x"]


def test_a_parameter_like_an_upstream_is_what_is_differentiated_where_it_is_the_only_one(tmp_path):
    case = only("def f(x):\n    return x ** 2\ndef f_prime(d):\n    return 2 * d\n", tmp_path).bind({"x": X})
    assert some_calling_agrees(case)


def test_a_number_is_a_constant_derivative(tmp_path):
    assert agrees(only("def f(x):\n    return 3 * x\ndef f_prime(x):\n    return 3.0\n", tmp_path).bind({"x": X}))


def test_python_s_integer_zero_is_a_value(tmp_path):
    source = "def relu(x):\n    return max(0, x)\ndef relu_prime(x):\n    return 1 if x > 0 else 0\n"
    for x in (-1.5, 1.5):
        assert agrees(only(source, tmp_path).bind({"x": x}))


def test_a_gradient_of_an_array_that_is_no_number_cannot_be_judged(tmp_path):
    source = "def f(x, w):\n    return x @ w\ndef f_grad(x, w):\n    return x.sum(0)\n"
    with pytest.raises(CannotBindError):
        only(source, tmp_path).bind({"x": X, "w": V})


def test_a_gradient_written_out(tmp_path):
    f = "def f(x):\n    return x[0] ** 2 + x[1] * x[2]\n"
    for returned in ("[2 * x[0], x[2], x[1]]", "2 * x[0], x[2], x[1]", "np.array([2 * x[0], x[2], x[1]])"):
        assert agrees(only(f + f"def f_grad(x):\n    return {returned}\n", tmp_path).bind({"x": V}))
    assert differing(only(f + "def f_grad(x):\n    return [2 * x[0], x[1], x[2]]\n", tmp_path).bind({"x": V})) == ["x"]


def test_not_implemented(tmp_path):
    found = only("def f(x): return x\ndef f_grad(x):\n    raise NotImplementedError\n", tmp_path)
    assert "not implemented" in (found.skip or "")


def test_module_state_is_restored(tmp_path):
    source = (
        "CALLS = []\ndef f(x):\n    return x ** 2\ndef f_grad(x):\n    CALLS.append(1)\n    return 2 * x * len(CALLS)\n"
    )
    assert agrees(only(source, tmp_path).bind({"x": X}))


@pytest.mark.parametrize(
    ("names", "differentiated"),
    [("y_true, y_pred", "y_pred"), ("y, y_hat", "y_hat"), ("t, y", "y"), ("a, b", "a"), ("output, target", "output")],
)
def test_a_loss_is_differentiated_with_respect_to_what_is_predicted(names, differentiated, tmp_path):
    other = next(name for name in names.split(", ") if name != differentiated)
    f = f"def mse({names}):\n    return np.mean(({differentiated} - {other}) ** 2)\n"
    source = f + f"def mse_prime({names}):\n    return 2 * ({differentiated} - {other}) / np.size({other})\n"
    point = {name: rng.normal(size=(4, 1)) for name in names.split(", ")}
    case = only(source, tmp_path).bind(point)
    assert case.wrt == (differentiated,)
    assert agrees(case)
    assert differing(only(source.replace("return 2 *", "return -2 *"), tmp_path).bind(point)) == [differentiated]


def test_a_setting_is_neither_input_nor_output(tmp_path):
    source = "def clip(x):\n    return np.clip(x, -1, 1)\ndef clip_grad(grad, max_norm):\n    return grad * min(1, max_norm)\n"
    with pytest.raises(CannotBindError, match="max_norm"):
        only(source, tmp_path).bind({"x": X})


SWITCHED = """
    import numpy as np
    def nonlin(x, deriv=False):
        if deriv == True:
            return {}
        return 1 / (1 + np.exp(-x))
"""


@pytest.mark.parametrize(
    ("derivative", "right"),
    [
        ("x * (1 - x)", [False, True]),  # Of the output.
        ("np.exp(-x) / (1 + np.exp(-x)) ** 2", [True, False]),
        ("x * (1 + x)", [False, False]),
    ],
)
def test_a_function_with_a_switch_is_both_and_is_handed_its_input_or_output(tmp_path, derivative, right):
    (found,) = find(scope_of(SWITCHED.replace("{}", derivative), tmp_path), frozenset())
    assert [p.name for p in found.parameters] == ["x"]
    case = found.bind({"x": np.array([-1.5, 0.3, 2.0])})
    assert [one.description for one in case.callings] == ["nonlin(x, deriv=True)", "nonlin(nonlin(x), deriv=True)"]
    assert [agrees(case, one) for one in case.callings] == right


def test_the_output_comes_first_where_the_module_hands_it(tmp_path):
    text = SWITCHED.replace("{}", "x * (1 - x)") + "    l1 = nonlin(np.ones(3))\n    delta = nonlin(l1, True)\n"
    (found,) = find(scope_of(text, tmp_path), frozenset())
    case = found.bind({"x": np.array([-1.5, 0.3])})
    assert case.callings[0].description == "nonlin(nonlin(x), deriv=True)"


def test_what_comes_after_a_switch_is_passed_by_name(tmp_path):
    text = """
    import numpy as np
    def leaky(x, prime=False, alpha=0.1, *, scale=2.0):
        return scale * np.where(x > 0, 1, alpha) if prime else scale * np.where(x > 0, x, alpha * x)
    """
    (found,) = find(scope_of(text, tmp_path), frozenset())
    assert [(p.name, p.default) for p in found.parameters[1:]] == [("alpha", 0.1), ("scale", 2.0)]
    assert agrees(found.bind({"x": np.array([-1.5, 0.3]), "alpha": 0.25, "scale": 3.0}))


@pytest.mark.parametrize(
    "text",
    [
        "def f(x, deriv=False):\n    return x",  # Does not look at it.
        "def f(x, verbose=False):\n    return 2 * x if verbose else x",
        "def f(x, grad=False):\n    if grad:\n        return x, 1\n    return x",  # Both at once.
        "def f(x, deriv=True):\n    return 1 if deriv else x",
    ],
)
def test_other_switches_are_not_meant(tmp_path, text):
    assert list(find(scope_of(text, tmp_path), frozenset())) == []


def test_a_function_that_has_a_derivative_of_its_own_is_no_switch(tmp_path):
    text = (
        SWITCHED.replace("{}", "x * (1 - x)") + "    def nonlin_prime(x): return np.exp(-x) / (1 + np.exp(-x)) ** 2\n"
    )
    assert [found.name for found in find(scope_of(text, tmp_path), frozenset())] == ["nonlin_prime"]


def test_a_derivative_by_the_output_under_the_inputs_name_is_only_hinted_at(tmp_path):
    text = """
    import numpy as np
    def sigmoid(x): return 1 / (1 + np.exp(-x))
    def sigmoid_derivative({0}): return {0} * (1 - {0})
    """
    (found,) = find(scope_of(text.replace("{0}", "x"), tmp_path), frozenset())
    case = found.bind({"x": np.array([-1.5, 0.3])})
    assert [one.description for one in case.callings] == ["sigmoid_derivative(x)"]
    ((calling, said),) = case.instead
    assert agrees(case, calling)
    assert said == "right if it is handed sigmoid's OUTPUT: name the parameter s or out, or say so in the docstring"
    for name in ("s", "out"):
        (found,) = find(scope_of(text.replace("{0}", name), tmp_path), frozenset())
        case = found.bind({"x": np.array([-1.5, 0.3])})
        assert agrees(case)
        assert case.instead == () or name == "s"
