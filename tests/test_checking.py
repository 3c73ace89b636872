"""The whole check: right and wrong backwards, at ordinary and nasty points."""

import os
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

import gradtool
from gradtool.checking import input_names
from gradtool.results import Outcome, Verdict
from gradtool.target import Calling, Case, Target

RNG = np.random.default_rng(42)
X, W, B = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 5)), RNG.standard_normal(5)


def affine(x, w, b):
    return x @ w + b


def affine_backward(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


def verdicts(report):
    return {g.name: str(g.verdict) for g in report.gradients}


def test_a_right_backward_is_ok_and_says_how_sure():
    report = gradtool.check(affine, affine_backward, inputs=[X, W, B])
    assert report.verdict is Outcome.OK
    assert verdicts(report) == {"x": "OK", "w": "OK", "b": "OK"}
    assert report.hygiene == ()
    assert report["w"].detectable < 1e-9
    assert report["w"].digits >= 12
    assert report["w"].checked == report["w"].of == 15
    assert report.notes == ("called as affine_backward(upstream, x, w, b)",)
    assert (report.file, report.line) == (__file__, affine_backward.__code__.co_firstlineno)


@pytest.mark.parametrize(
    ("name", "backward"),
    [
        ("x", lambda d, x, w, b: (-d @ w.T, x.T @ d, d.sum(0))),
        ("w", lambda d, x, w, b: (d @ w.T, 1.00001 * (x.T @ d), d.sum(0))),
        ("b", lambda d, x, w, b: (d @ w.T, x.T @ d, d.mean(0))),
        ("b", lambda d, x, w, b: (d @ w.T, x.T @ d, d)),
        ("b", lambda d, x, w, b: (d @ w.T, x.T @ d, None)),
        ("x", lambda d, x, w, b: (d @ w.T * np.nan, x.T @ d, d.sum(0))),
        ("w", lambda d, x, w, b: (d @ w.T, (x.T @ d).astype(np.float32).astype(float), d.sum(0))),
    ],
)
def test_one_wrong_gradient_is_wrong_and_no_other(name, backward):
    report = gradtool.check(affine, backward, inputs=[X, W, B])
    assert report.verdict is Outcome.WRONG
    assert {n: v for n, v in verdicts(report).items() if v != "OK"} == {name: "WRONG"}
    assert report[name].cause is not None


def test_one_wrong_entry_is_located():
    def backward(d, x, w, b):
        dw = x.T @ d
        dw[2, 3] *= 1.01
        return d @ w.T, dw, d.sum(0)

    report = gradtool.check(affine, backward, inputs=[X, W, B])
    worst = report["w"].worst
    assert worst.index == (2, 3)
    assert worst.yours == pytest.approx(1.01 * worst.reference, rel=1e-8)
    assert worst.error < 1e-9


def test_none_is_right_where_the_gradient_is_zero_and_for_integers():
    def forward(x, unused, labels):
        return x[np.arange(len(labels)), labels]

    def backward(d, x, unused, labels):
        dx = np.zeros_like(x)
        dx[np.arange(len(labels)), labels] = d
        return dx, None, None

    report = gradtool.check(forward, backward, inputs=[X, np.ones(2), np.array([0, 2, 1, 1])])
    assert verdicts(report) == {"x": "OK", "unused": "OK"}


def test_integers_alone_are_skipped_with_what_to_do():
    report = gradtool.check(lambda x: x * 2.0, lambda d, x: d * 2.0, inputs=[3])
    assert report.verdict is Outcome.SKIPPED
    assert "give floats" in report.notes[-1]


def test_python_floats_are_handed_over_as_python_floats():
    seen = []

    def forward(x):
        seen.append(type(x))
        return x * x

    report = gradtool.check(forward, lambda d, x: 2 * x * d, inputs=[3.0])
    assert report.verdict is Outcome.OK
    assert set(seen) == {float}


def test_several_outputs_get_an_upstream_each():
    def forward(x):
        return np.sin(x), (x**2).sum()

    def backward(upstream, x):
        first, second = upstream
        return first * np.cos(x) + second * 2 * x

    assert gradtool.check(forward, backward, inputs=[B]).verdict is Outcome.OK
    wrong = gradtool.check(forward, lambda u, x: u[0] * np.cos(x), inputs=[B])
    assert wrong.verdict is Outcome.WRONG


def test_a_forward_that_raises_is_an_error_with_the_users_traceback():
    def forward(x):
        raise RuntimeError("no such layer")

    report = gradtool.check(forward, lambda d, x: d, inputs=[B])
    assert report.verdict is Outcome.ERROR
    assert "no such layer" in report.error
    assert "in forward" in report.error
    assert "gradtool/checking.py" not in report.error


def test_a_forward_that_exits_is_an_error():
    def forward(x):
        raise SystemExit(3)

    assert gradtool.check(forward, lambda d, x: d, inputs=[B]).verdict is Outcome.ERROR


def test_a_backward_that_raises_is_wrong():
    report = gradtool.check(np.sin, lambda d, x: d @ np.ones((2, 2)), inputs=[B])
    assert report.verdict is Outcome.WRONG
    assert report.gradients[0].cause.code == "GC120"
    assert "ValueError" in report.gradients[0].reason


def test_a_backward_that_exits_is_wrong():
    def backward(d, x):
        raise SystemExit("no gradient")

    report = gradtool.check(np.sin, backward, inputs=[B])
    assert report.verdict is Outcome.WRONG
    assert report.gradients[0].cause.code == "GC120"
    assert "SystemExit: no gradient" in report.gradients[0].reason


def test_a_backward_that_is_not_implemented_is_skipped():
    def backward(d, x):
        raise NotImplementedError("later")

    report = gradtool.check(np.sin, backward, inputs=[B])
    assert report.verdict is Outcome.SKIPPED
    assert "not implemented" in report.notes[-1]
    assert "later" in report.notes[-1]


@pytest.mark.parametrize("forward", [lambda x: x + 1j, lambda x: x > 0, lambda x: np.array([None, x.sum()])])
def test_outputs_that_cannot_be_checked_are_skipped(forward):
    assert gradtool.check(forward, lambda d, x: d, inputs=[B]).verdict is Outcome.SKIPPED


def test_complex_gradients_are_skipped():
    assert gradtool.check(np.sin, lambda d, x: d * 1j, inputs=[B]).verdict is Outcome.SKIPPED


# Nasty points ----------------------------------------------------------------------------------------------------------


def test_relu_that_is_right_everywhere_passes_with_either_convention_at_zero():
    def right(d, x):
        return d * (x > 0)

    def other(d, x):
        return d * (x >= 0)

    for backward in (right, other):
        assert gradtool.check(lambda x: np.maximum(x, 0), backward, inputs=[B]).verdict is Outcome.OK
    report = gradtool.check(lambda x: np.maximum(x, 0), right, inputs=[np.array([0.0, 1.0, -1.0])])
    assert report.verdict is Outcome.UNDECIDED
    assert report["x"].reason == (
        "entry [0]: at a tie or kink: 0 lies in the valid set; the slope is 0 to the left and 2.27614 to the right"
    )  # 2.27614: the upstream gradient, which the seed tells.


def test_relu_that_is_wrong_at_zero_alone_is_wrong():
    def backward(d, x):
        return d * (x > 0) + 3.0 * d * (x == 0)

    report = gradtool.check(lambda x: np.maximum(x, 0), backward, inputs=[B])
    assert report.verdict is Outcome.WRONG
    assert report["x"].point.kind == "tie"
    assert "outside the valid set" in report["x"].reason


def test_a_maximum_whose_ties_each_get_everything_is_wrong():
    def backward(d, x):
        return d[:, None] * (x == x.max(axis=1, keepdims=True))

    report = gradtool.check(lambda x: x.max(axis=1), backward, inputs=[X])
    assert report.verdict is Outcome.WRONG
    assert report["x"].point.kind == "tie"


@pytest.mark.parametrize("share", ["first", "equal"])
def test_a_maximum_whose_ties_share_is_right(share):
    def backward(d, x):
        tied = x == x.max(axis=1, keepdims=True)
        mask = np.eye(x.shape[1])[tied.argmax(axis=1)] if share == "first" else tied / tied.sum(axis=1, keepdims=True)
        return d[:, None] * mask

    def forward(x):
        return x.max(axis=1)

    assert gradtool.check(forward, backward, inputs=[X]).verdict is Outcome.OK
    at_ties = gradtool.check(forward, backward, inputs=[np.round(X)])
    assert at_ties.verdict in (Outcome.OK, Outcome.UNDECIDED)


def test_a_wrong_branch_far_from_the_given_point_is_found_and_shown():
    def backward(d, x):
        return np.where(x > 5, 1.0, 1 / (1 + np.exp(-x))) * d

    report = gradtool.check(lambda x: np.logaddexp(0, x), backward, inputs=[B])
    assert report.verdict is Outcome.WRONG
    point = report["x"].point
    assert point.kind == "branch"
    assert np.max(point.inputs["x"]) > 5


def test_points_that_are_chosen_stay_in_the_domain_that_is_shown():
    seen = []

    def forward(p):
        seen.append(np.array(p))
        return np.log(p)

    rows = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    report = gradtool.check(forward, lambda d, p: d / p, inputs=[rows])
    assert report.verdict is Outcome.OK
    assert min(float(p.min()) for p in seen if np.isfinite(p).all()) > 0


def test_no_points_beside_the_given_one_where_none_are_wanted():
    def backward(d, x):
        return np.where(x > 5, 1.0, 1 / (1 + np.exp(-x))) * d

    report = gradtool.check(lambda x: np.logaddexp(0, x), backward, inputs=[B], settings=gradtool.Settings(points=0))
    assert report.verdict is Outcome.OK


@pytest.mark.parametrize("scale", [1e8, 1e-8])
def test_scale_neither_hides_nor_invents_an_error(scale):
    x = scale * X
    assert gradtool.check(lambda x: x**2, lambda d, x: 2 * x * d, inputs=[x]).verdict is Outcome.OK
    assert gradtool.check(lambda x: x**2, lambda d, x: -2 * x * d, inputs=[x]).verdict is Outcome.WRONG


def test_single_precision_is_judged_by_its_own_noise():
    def forward(x):
        return np.tanh(x.astype(np.float32) @ W.astype(np.float32))

    def backward(d, x):
        y = forward(x)
        return (d * (1 - y**2)).astype(np.float32) @ W.astype(np.float32).T

    report = gradtool.check(forward, backward, inputs=[X.astype(np.float32)])
    assert report.verdict is Outcome.OK
    assert 3 <= report["x"].digits <= 9
    wrong = gradtool.check(forward, lambda d, x: 1.2 * backward(d, x), inputs=[X.astype(np.float32)])
    assert wrong.verdict is Outcome.WRONG


def test_an_ill_conditioned_backward_is_not_called_wrong():
    """Normalizing columns that are constant but for 1e-9 loses seven digits, in whichever way it is written."""
    x = 1.0 + 1e-9 * RNG.standard_normal((6, 3))

    def forward(x):
        return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)

    def backward(d, x):
        s = np.sqrt(x.var(axis=0) + 1e-5)
        xh = (x - x.mean(axis=0)) / s
        return (d - d.mean(axis=0) - xh * (d * xh).mean(axis=0)) / s

    assert gradtool.check(forward, backward, inputs=[x]).verdict is not Outcome.WRONG


def test_a_random_forward_is_pinned_and_said_to_be_random():
    def forward(x):
        return x * (np.random.rand(*x.shape) < 0.5)

    masks = []

    def remembering(x):
        masks.append(np.random.rand(*x.shape) < 0.5)
        return x * masks[-1]

    report = gradtool.check(remembering, lambda d, x: d * masks[-1], inputs=[X])
    assert report.verdict is Outcome.OK
    assert [h.code for h in report.hygiene] == ["GC305"]
    wrong = gradtool.check(forward, lambda d, x: d, inputs=[X])
    assert wrong.verdict is Outcome.WRONG


def test_a_generator_made_in_forward_is_pinned():
    masks = []

    def forward(x):
        masks.append(np.random.default_rng().random(x.shape) < 0.5)
        return x * masks[-1]

    report = gradtool.check(forward, lambda d, x: d * masks[-1], inputs=[X])
    assert report.verdict is Outcome.OK


def test_a_forward_that_cannot_be_pinned_is_skipped():
    count = [0]

    def forward(x):
        count[0] += 1
        return x * count[0]

    report = gradtool.check(forward, lambda d, x: d, inputs=[X])
    assert report.verdict is Outcome.SKIPPED
    assert "another result at every call" in report.notes[-1]


def test_many_entries_are_checked_along_random_directions():
    x = RNG.standard_normal(200_000)

    def forward(x):
        return (x**3).sum()

    report = gradtool.check(forward, lambda d, x: 3 * d * x**2, inputs=[x], settings=gradtool.Settings(points=0))
    assert report.verdict is Outcome.OK
    assert report["x"].miss_probability == 1e-3
    assert report["x"].evaluations < 300

    def backward(d, x):
        g = 3 * d * x**2
        g[123_456] *= -1
        return g

    wrong = gradtool.check(forward, backward, inputs=[x], settings=gradtool.Settings(points=0))
    assert wrong.verdict is Outcome.WRONG
    assert wrong["x"].worst.index == (123_456,)


def test_a_fixed_rule_is_used_and_said():
    def backward(d, x):
        return 1.001 * np.cos(x) * d

    loose = gradtool.check(np.sin, backward, inputs=[B], settings=gradtool.Settings(rtol=1e-2, points=0))
    assert loose.verdict is Outcome.OK
    assert "fixed rule" in loose.gradients[0].reason
    assert gradtool.check(np.sin, backward, inputs=[B]).verdict is Outcome.WRONG


# What the user's code leaves behind ------------------------------------------------------------------------------------


def test_nothing_of_what_the_users_code_changes_stays(tmp_path):
    folder = os.getcwd()

    def forward(x):
        os.chdir(tmp_path)
        np.seterr(all="raise")
        warnings.simplefilter("error")
        return x * 2

    before = np.geterr()
    x = B.copy()
    assert gradtool.check(forward, lambda d, x: 2 * d, inputs=[x]).verdict is Outcome.OK
    assert os.getcwd() == folder
    assert np.geterr() == before
    assert np.array_equal(x, B)


def test_a_forward_that_spoils_its_input_is_noted_and_harms_nobody():
    def forward(x):
        x *= 2
        return x + 0.0

    x = B.copy()
    report = gradtool.check(forward, lambda d, x: 2 * d, inputs=[x])
    assert report.verdict is Outcome.OK
    assert "forward changes its input x in place" in report.notes
    assert np.array_equal(x, B)


# Jacobians, value and gradient -------------------------------------------------------------------------------------------


def rosen(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def rosen_der(x):
    g = np.zeros_like(x)
    t = x[1:] - x[:-1] ** 2
    g[1:] += 200 * t
    g[:-1] += -400 * x[:-1] * t - 2 * (1 - x[:-1])
    return g


def test_check_jacobian_takes_gradients_and_jacobians():
    at = np.array([0.3, -0.7, 1.2, 0.9])
    assert gradtool.check_jacobian(rosen, rosen_der, at).verdict is Outcome.OK
    A = RNG.standard_normal((3, 4))
    assert gradtool.check_jacobian(lambda x: A @ x, lambda x: A, at).verdict is Outcome.OK
    assert gradtool.check_jacobian(lambda x: A @ x, lambda x: A.T, at).verdict is Outcome.WRONG
    assert gradtool.check_jacobian(rosen, lambda x: rosen_der(x) * (x < 1), at).verdict is Outcome.WRONG


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize(("factor", "verdict"), [(2, Outcome.OK), (-2, Outcome.WRONG)])
def test_check_jacobian_takes_the_gradient_of_one_number_in_an_array(shape, factor, verdict):
    at = np.array([0.3, -0.7, 1.2])
    fun = lambda x: np.full(shape, (x**2).sum())
    assert gradtool.check_jacobian(fun, lambda x: factor * x, at).verdict is verdict


def test_check_jacobian_of_nothing_is_wrong():
    assert gradtool.check_jacobian(rosen, lambda x: None, np.ones(3) / 2).verdict is Outcome.WRONG


def test_check_value_and_grad():
    at = np.array([0.3, -0.7, 1.2, 0.9])
    assert gradtool.check_value_and_grad(lambda x: (rosen(x), rosen_der(x)), at).verdict is Outcome.OK
    assert gradtool.check_value_and_grad(lambda x: (rosen(x), 2 * rosen_der(x)), at).verdict is Outcome.WRONG


# Ways to call ------------------------------------------------------------------------------------------------------------


def calling(description, backward):
    class Run:
        kept = None

        def __init__(self, values):
            self.x = values["x"]
            self.outputs = (np.tanh(self.x),)

        def backward(self, upstream):
            return {"x": backward(upstream, self.x, self.outputs[0])}

    return Calling(Run, description)


def test_a_target_is_wrong_only_if_it_is_wrong_in_every_way_to_call_it():
    of_input = calling("tanh_backward(d, x)", lambda d, x, y: d * (1 - x**2))
    of_output = calling("tanh_backward(d, y)", lambda d, x, y: d * (1 - y**2))
    nonsense = calling("tanh_backward(y, d)", lambda d, x, y: y * (1 - d**2))
    target = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), (of_input, of_output)),))
    report = gradtool.check_target(target)
    assert report.verdict is Outcome.OK
    assert "called as tanh_backward(d, y)" in report.notes
    wrong = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), (of_input, nonsense)),))
    report = gradtool.check_target(wrong)
    assert report.verdict is Outcome.WRONG
    assert any("also tried" in note for note in report.notes)


def test_what_is_wrong_in_every_way_that_was_guessed_is_left_open():
    of_input = calling("tanh_backward(d, x)", lambda d, x, y: d * (1 - x**2))
    nonsense = calling("tanh_backward(y, d)", lambda d, x, y: y * (1 - d**2))
    right = calling("tanh_backward(d, y)", lambda d, x, y: d * (1 - y**2))

    def verdict(*callings):
        target = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), callings),))
        return gradtool.check_target(target)

    guessed = [replace(one, certain=False) for one in (of_input, nonsense)]
    report = verdict(*guessed)
    assert report.verdict is Outcome.UNDECIDED
    assert report["x"].reason.startswith("how tanh_backward wants to be called could not be told: name its parameters")
    assert report["x"].cause is None
    assert "called as tanh_backward(d, x)" in report.notes
    assert verdict(guessed[0], nonsense).verdict is Outcome.WRONG
    assert verdict(*guessed, replace(right, certain=False)).verdict is Outcome.OK


def test_a_way_to_call_that_names_speak_against_is_a_hint_and_no_more():
    of_input = calling("tanh_backward(d, x)", lambda d, x, y: d * (1 - x**2))
    of_output = calling("tanh_backward(d, y)", lambda d, x, y: d * (1 - y**2))
    nonsense = calling("tanh_backward(y, d)", lambda d, x, y: y * (1 - d**2))
    instead = ((of_output, "right if it is handed the output"), (nonsense, "never"))
    target = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), (of_input,), instead=instead),))
    report = gradtool.check_target(target)
    assert report.verdict is Outcome.WRONG
    assert "right if it is handed the output" in report.notes
    assert "never" not in report.notes
    right = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), (of_output,), instead=instead),))
    assert "right if it is handed the output" not in gradtool.check_target(right).notes


def test_a_guess_that_was_right_at_first_can_turn_out_wrong():
    def backward(d, x, y):
        return d * np.where(np.abs(x) > 5, 0.5, 1 - y**2)

    guessed = replace(calling("tanh_backward(d, x)", backward), certain=False)
    target = Target("t", "test", "tanh", "tanh_backward", (Case({"x": B}, ("x",), (guessed,)),))
    assert gradtool.check_target(target).verdict is Outcome.WRONG


def test_another_case_can_turn_a_target_wrong_and_is_named():
    def case(stride, label):
        def start(values):
            class Run:
                kept = None
                outputs = (values["x"][::stride] * 2,)

                def backward(self, upstream):
                    dx = np.zeros_like(values["x"])
                    dx[: len(upstream)] = 2 * upstream
                    return {"x": dx}

            return Run()

        return Case({"x": np.arange(1.0, 7.0)}, ("x",), (Calling(start, "f"),), label)

    target = Target("t", "test", "f", "b", (case(1, None), case(2, "stride=2")))
    report = gradtool.check_target(target)
    assert report.verdict is Outcome.WRONG
    assert report["x"].point.label == "stride=2"


def test_results_are_the_same_bytes_for_the_same_seed():
    random.seed(1)
    one = gradtool.check(affine, affine_backward, inputs=[X, W, B])
    random.seed(2)
    two = gradtool.check(affine, affine_backward, inputs=[X, W, B])
    figures = [
        [(g.worst.yours, g.worst.reference, g.worst.error, g.detectable) for g in r.gradients] for r in (one, two)
    ]
    assert figures[0] == figures[1]


def test_names_come_from_the_signature():
    assert input_names(affine, 3) == ["x", "w", "b"]
    assert input_names(lambda *a: a, 2) == ["x0", "x1"]
    report = gradtool.check(affine, affine_backward, inputs=[X, W, B], names=["data", "weights", "bias"])
    assert [g.name for g in report.gradients] == ["data", "weights", "bias"]


def test_the_wrong_number_of_gradients_says_so():
    report = gradtool.check(affine, lambda d, x, w, b: (d @ w.T, x.T @ d), inputs=[X, W, B])
    assert report.verdict is Outcome.WRONG
    assert "2 gradients for 3 inputs" in report.gradients[0].reason


def test_bad_inputs_are_a_type_error():
    with pytest.raises(TypeError, match="no number"):
        gradtool.check(affine, affine_backward, inputs=["x", W, B])
    with pytest.raises(TypeError, match="names"):
        gradtool.check(affine, affine_backward, inputs=[X, W, B], names=["x"])


def test_verdicts_of_gradients_are_the_words_of_the_contract():
    report = gradtool.check(affine, affine_backward, inputs=[X, W, B])
    assert isinstance(report.gradients[0].verdict, Verdict)
    assert str(report.verdict) == "OK"


# Right code at nasty points ---------------------------------------------------------------------------------------------


def relu_net(x, w1, b1, w2):
    return np.maximum(x @ w1 + b1, 0) @ w2


def relu_net_backward(at_zero):
    def backward(dout, x, w1, b1, w2):
        a = x @ w1 + b1
        da = (dout @ w2.T) * ((a >= 0) if at_zero else (a > 0))
        return da @ w1.T, x.T @ da, da.sum(axis=0), np.maximum(a, 0).T @ dout

    return backward


@pytest.mark.parametrize("at_zero", [False, True])
@pytest.mark.parametrize("case", ["a row of zeros", "all zeros", "zero weights", "dead", "one-hot"])
def test_a_net_of_relus_whose_kinks_meet_is_not_wrong(case, at_zero):
    rng = np.random.default_rng(5)
    x, w1, b1, w2 = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), np.zeros(5), rng.standard_normal((5, 2))
    if case == "a row of zeros":
        x[1] = 0
    elif case == "all zeros":
        x[:] = 0
    elif case == "zero weights":
        w1[:] = 0
    elif case == "dead":
        b1 -= 100
    else:
        x, w1 = np.eye(4, 3), np.round(w1)
    assert gradtool.check(relu_net, relu_net_backward(at_zero), inputs=[x, w1, b1, w2]).verdict is not Outcome.WRONG


def symmetric_log(a, x):
    return np.log(x @ a @ x)


def symmetric_log_backward(dout, a, x):
    return dout * np.outer(x, x) / (x @ a @ x), 2 * dout * (a @ x) / (x @ a @ x)


def test_a_rule_for_symmetric_matrices_is_right_where_the_given_one_is():
    a = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])
    assert gradtool.check(symmetric_log, symmetric_log_backward, inputs=[a, np.ones(3) * 0.7]).verdict is Outcome.OK


def interpolated(x, knots, values):
    return np.interp(x, knots, values)


def interpolated_backward(dout, x, knots, values):
    i = np.clip(np.searchsorted(knots, x) - 1, 0, len(knots) - 2)
    width, share = knots[i + 1] - knots[i], np.clip((x - knots[i]) / (knots[i + 1] - knots[i]), 0, 1)
    slope = (values[i + 1] - values[i]) / width * ((x >= knots[0]) & (x <= knots[-1]))
    dk, dv = np.zeros_like(knots), np.zeros_like(values)
    np.add.at(dk, i, dout * slope * (share - 1))
    np.add.at(dk, i + 1, -dout * slope * share)
    np.add.at(dv, i, dout * (1 - share))
    np.add.at(dv, i + 1, dout * share)
    return dout * slope, dk, dv


def test_sorted_knots_stay_sorted():
    inputs = [np.array([0.4, 0.7, 1.1]), np.array([0.0, 0.5, 1.0, 9.0]), np.array([1.0, -0.3, 2.0, 0.4])]
    report = gradtool.check(interpolated, interpolated_backward, inputs=inputs)
    assert report.verdict is Outcome.OK, report.gradients


@pytest.mark.parametrize(("forward", "backward", "x", "verdict"), [
    (lambda x: np.log(1 + np.exp(x)), lambda d, x: d / (1 + np.exp(-x)), np.array([-67.0, -250.0]), "OK"),
    (np.floor, lambda d, x: 0 * d, np.array([1e4 + 0.3, -7e3 - 0.2]), "OK"),
    (np.sign, lambda d, x: 0 * d, np.zeros(3), "UNDECIDED"),
    (lambda x: x - np.floor(x), lambda d, x: d, np.array([1.0, 2.5]), "UNDECIDED"),
    (np.sinc, lambda d, x: d * (np.cos(np.pi * x) - np.sinc(x)) / x, np.array([3e-7, -2e-6, 0.4]), "UNDECIDED"),
    (np.tanh, lambda d, x: d * (1 - np.tanh(x) ** 2), np.zeros((0, 3)), "OK"),
    (lambda x: x * x, lambda d, x: (2 * d * x).tolist(), np.array([0.3, -1.2, 0.8]), "OK"),
    (lambda x: x * x, lambda d, x: (2 * d * x).tolist(), np.array([[0.3, -1.2], [0.8, 0.1]]), "OK"),
    (lambda x: x * x, lambda d, x: [2 * d * x], np.array([0.3, -1.2, 0.8]), "OK"),
    (lambda x: x * x, lambda d, x: [2 * d * x], np.array([0.3]), "OK"),
    (lambda x: x * x, lambda d, x: (2 * d * x).tolist(), np.array([0.3]), "OK"),
])  # fmt: skip
def test_right_code_at_a_nasty_point(forward, backward, x, verdict):
    report = gradtool.check(forward, backward, inputs=[x], settings=gradtool.Settings(points=0))
    assert str(report.verdict) == verdict, report.gradients
    assert str(gradtool.check(forward, backward, inputs=[x]).verdict) != "WRONG"


def test_an_assertion_guards_the_domain_and_is_noted():
    def wave(x):
        assert (x <= 5).all(), "x is beyond 5"
        return np.sin(x)

    report = gradtool.check(wave, lambda d, x: d * np.cos(x), inputs=[np.array([4.999, 1.0])])
    assert report.verdict is Outcome.OK
    assert any("x is beyond 5" in note for note in report.notes)


def test_waves_shorter_than_the_steps_are_no_slope_of_zero():
    def forward(x, y):
        return np.sin(50 * x).sum() + y * y

    def backward(d, x, y):
        return 50 * d * np.cos(50 * x), 2 * d * y

    report = gradtool.check(forward, backward, inputs=[np.array([-8.0, 10353975.587140316]), np.array([8e7, 1.0])])
    assert report.verdict is not Outcome.WRONG


def test_where_differences_are_too_blunt_the_traced_forward_decides():
    """A staircase has no slope that differences could read; its operations say that it is 0."""
    at = np.array([1e4 + 0.3, -7e3 - 0.2])
    opaque = gradtool.check(lambda x: np.frompyfunc(np.floor, 1, 1)(x).astype(float), lambda d, x: 0 * d, inputs=[at])
    assert opaque.verdict is Outcome.UNDECIDED
    assert gradtool.check(lambda x: np.floor(x), lambda d, x: 0 * d, inputs=[at]).verdict is Outcome.OK


def test_a_point_at_a_tie_is_looked_at_again_beside_it():
    def backward(d, x):
        return d * np.where(x > 0, 1.0, np.where(x > -0.01, 0.5, 0.0))

    at = np.array([0.0, 2.0, -3.0])
    report = gradtool.check(lambda x: np.maximum(x, 0), backward, inputs=[at])
    assert report.verdict is Outcome.WRONG
    assert report["x"].point.label == "nudged"


def test_one_wrong_entry_of_a_million_is_found_in_under_two_hundred_evaluations():
    x = RNG.standard_normal(1_000_000)
    calls = [0]

    def forward(x):
        calls[0] += 1
        return (x * np.sin(x)).sum()

    def backward(d, x):
        g = d * (np.sin(x) + x * np.cos(x))
        g[777_777] *= -1
        return g

    report = gradtool.check(forward, backward, inputs=[x], settings=gradtool.Settings(points=0))
    assert report["x"].worst.index == (777_777,)
    assert report["x"].cause.code == "GC113"
    assert calls[0] < 200
