"""Calls that were watched, as statements that do the same."""

import sys

import numpy as np

from gradtool.minimal_case.recording import plain_calls, variables_for


def calls_of(found, name, alias="layers"):
    case = found.target.cases[0]
    calling = case.callings[0]
    values = {key: np.array(value) if isinstance(value, np.ndarray) else value for key, value in case.values.items()}
    run = calling.start({key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in values.items()})
    rng = np.random.default_rng(5)
    upstream = [np.ones(()) if calling.upstream == "one" else rng.standard_normal(np.shape(o)) for o in run.outputs]
    return plain_calls(calling, found.scope.module, alias, values, upstream, name), values, upstream


def texts(statements):
    return [statement.text for statement in statements]


def test_dictionaries_and_settings(made):
    found = made(
        """
        def net_forward(x, params, conv_param={"stride": 2, "pad": 1}):
            return conv_param["stride"] * (x @ params["W"]), (x, params, conv_param)

        def net_backward(dout, cache):
            x, params, conv_param = cache
            s = conv_param["stride"]
            return s * dout @ params["W"].T, {"W": x.T @ dout}
        """
    )
    calls, values, upstream = calls_of(found, "W")
    assert calls is not None
    assert texts(calls.forward) == ["result = layers.net_forward(x, {'W': W})"]
    assert texts(calls.backward) == ["gradients = layers.net_backward(upstream, result[1])"]
    assert calls.gradient.text == "gradients[1]['W']"
    outputs, gradient = calls.replay(found.scope.module, values, upstream)
    np.testing.assert_allclose(outputs[0], 2 * values["x"] @ values["W"])
    np.testing.assert_allclose(gradient, values["x"].T @ upstream[0])


def test_what_forward_did_not_return_comes_from_the_inputs(made):
    found = made(
        """
        def gate_forward(x, w):
            return x * w

        def gate_backward(dout, x, w):
            return dout * w, -dout * x
        """
    )
    calls, _, _ = calls_of(found, "w")
    assert texts(calls.backward) == ["gradients = layers.gate_backward(upstream, x, w)"]
    assert calls.gradient.text == "gradients[1]"


def test_functions_that_cannot_be_told_apart_are_left_to_gradtool(made):
    found = made(
        """
        def wrapped(f):
            def call(*args):
                return f(*args)
            return call

        @wrapped
        def gate_forward(x):
            return 2 * x, None

        @wrapped
        def gate_backward(dout, cache):
            return -dout
        """
    )
    assert calls_of(found, "x")[0] is None


def test_a_gradient_given_twice_is_left_to_gradtool(made):
    found = made(
        """
        def add_forward(x, y):
            return x + y, None

        def add_backward(dout, cache):
            dx = dy = 2 * dout
            return dx, dy
        """
    )
    assert calls_of(found, "x")[0] is None


def test_the_profiler_of_others_is_put_back(made):
    found = made("def cube(x):\n    return x**3\n\n\ndef cube_grad(x):\n    return 2 * x**2\n")
    seen = []
    sys.setprofile(lambda *event: seen.append(event[1]))
    mine = sys.getprofile()
    try:
        calls, _, _ = calls_of(found, "x")
        assert sys.getprofile() is mine
    finally:
        sys.setprofile(None)
    assert calls.gradient.text == "upstream * gradients"


def test_names_of_variables():
    values = {"W1": 1, "weights[0]": 1, "lambda": 1, "layers": 1, "np": 1, "params.b": 1, "1x": 1, "W_1": 1, "W.1": 1}
    variables, ups = variables_for(values, 2, "layers")
    assert list(variables.values()) == [
        "W1",
        "weights_0",
        "lambda_",
        "layers_",
        "np_",
        "params_b",
        "x_1x",
        "W_1",
        "W_1_",
    ]
    assert ups == ("upstream1", "upstream2")
    assert len(set(variables.values())) == len(values)
