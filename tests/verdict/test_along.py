"""Random directions: right gradients of many entries agree, one wrong entry among them is found, and what is stated holds."""

import numpy as np
import pytest

from gradtool.autodiff import backward, forward, make_plan
from gradtool.language import parse
from gradtool.references import GraphFunction
from gradtool.verdict import along_random_directions

RNG = np.random.default_rng(11)


def prepared(program, inputs, names):
    plan = make_plan(parse(program), inputs)
    values = forward(plan, inputs)
    gradients = backward(plan, values)
    found = {name: np.array(gradients.of(name), dtype=np.float64) for name in names}
    return GraphFunction(plan, values), {k: np.asarray(v) for k, v in inputs.items()}, found


LARGE = {"x": RNG.normal(size=(50, 60)), "w": RNG.normal(size=3000).reshape(60, 50)}


def test_right_gradients_agree_and_say_what_would_have_been_seen():
    function, inputs, gradients = prepared("mean(tanh(x@w))", LARGE, ["x", "w"])
    found = along_random_directions(function, inputs, gradients, np.array(1.0))
    for name in ("x", "w"):
        assert np.array_equal(found[name].value, gradients[name])
        assert np.max(found[name].error) < 1e-6 * np.max(np.abs(gradients[name])) * 3000
        assert found[name].second is None
        assert "missed with probability 0.001" in found[name].summary


@pytest.mark.parametrize("name", ["x", "w"])
def test_one_wrong_entry_of_three_thousand_is_found(name):
    function, inputs, gradients = prepared("mean(tanh(x@w))", LARGE, ["x", "w"])
    index = (7, 11)
    right = gradients[name][index]
    gradients[name][index] += 0.1 * np.max(np.abs(gradients[name]))
    found = along_random_directions(function, inputs, gradients, np.array(1.0))
    values, errors = found[name].value, found[name].error
    assert np.argwhere(np.isfinite(errors)).tolist() == [list(index)]
    assert abs(values[index] - right) <= errors[index] < 1e-6
    again, bound = found[name].second
    assert abs(again[index] - right) <= bound[index]
    other = "w" if name == "x" else "x"
    assert np.array_equal(found[other].value, gradients[other])


def many_scalars(n=40):
    program = " + ".join(f"x{i}*sin(x{i})" for i in range(n))
    return prepared(program, {f"x{i}": 0.1 + 0.05 * i for i in range(n)}, [f"x{i}" for i in range(n)])


def test_many_inputs_move_together():
    function, inputs, gradients = many_scalars()
    found = along_random_directions(function, inputs, gradients, np.array(1.0))
    assert all(along.value == gradients[name] for name, along in found.items())
    assert len({along.evaluations for along in found.values()}) == 1


def test_a_wrong_one_among_many_is_named_and_the_others_are_left_open():
    function, inputs, gradients = many_scalars()
    right = float(gradients["x17"])
    gradients["x17"] = -gradients["x17"]
    found = along_random_directions(function, inputs, gradients, np.array(1.0))
    assert float(found["x17"].value) == pytest.approx(right, rel=1e-6)
    assert found["x3"].value is None
    assert "another input" in found["x3"].summary


def test_a_function_that_is_not_finite_here_has_no_directions():
    function, inputs, gradients = prepared("sum(exp(x))", {"x": np.linspace(0.0, 800.0, 3000)}, ["x"])
    found = along_random_directions(function, inputs, gradients, np.array(1.0))["x"]
    assert found.value is None
    assert "not finite" in found.summary
