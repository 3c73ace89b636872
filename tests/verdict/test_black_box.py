import numpy as np
import pytest

from gradtool.results import Verdict
from gradtool.target import Calling
from gradtool.verdict.black_box import PointJudge, Rule
from gradtool.verdict.caller import Caller
from gradtool.verdict.judgement import NotNumbersError, as_array

X = np.array([0.4, -1.2, 2.0])
U = np.array([1.5, -0.5, 0.7])


def judge_of(forward, backward, x=X, upstream=U, rule=None):
    class Run:
        kept = None

        def __init__(self, values):
            self.x = values["x"]
            self.outputs = (np.asarray(forward(self.x)),)

        def backward(self, *upstream):
            return {"x": backward(upstream[0], self.x)}

    caller = Caller(Calling(Run, "b"))
    values = {"x": x}
    judge = PointJudge(caller, values, caller.outputs(values), (upstream,), ["x"], rule or Rule())
    return judge, caller.gradients(values, (upstream,))


def judged(forward, backward, **more):
    judge, gradients = judge_of(forward, backward, **more)
    return judge.judge(gradients)["x"]


def test_a_right_gradient():
    found = judged(np.sin, lambda d, x: d * np.cos(x))
    assert (found.verdict, found.problem, found.reason) == (Verdict.OK, None, None)
    assert found.detectable < 1e-9
    assert found.checked == 3
    assert np.abs(found.right - U * np.cos(X)).max() < 1e-10


@pytest.mark.parametrize(
    ("backward", "problem"),
    [
        (lambda d, x: None, "missing"),
        (lambda d, x: (d * np.cos(x))[None], "shape"),
        (lambda d, x: d * np.inf, "not finite"),
        (lambda d, x: d * np.cos(x) * (1 + 1e-7), "value"),
    ],
)
def test_what_is_wrong_with_a_gradient(backward, problem):
    found = judged(np.sin, backward)
    assert (found.verdict, found.problem) == (Verdict.WRONG, problem)


def test_outside_the_valid_set_at_a_tie():
    found = judged(lambda x: np.maximum(x, 0), lambda d, x: d * 2.0 * (x >= 0), x=np.array([0.0, 1.0, -1.0]))
    assert (found.verdict, found.problem) == (Verdict.WRONG, "tie")


def test_inside_the_valid_set_it_is_undecided_with_the_slopes():
    found = judged(lambda x: np.maximum(x, 0), lambda d, x: d * (x > 0), x=np.array([0.0, 1.0, -1.0]))
    assert found.verdict is Verdict.UNDECIDED
    assert (
        found.reason
        == "entry [0]: at a tie or kink: 0 lies in the valid set; the slope is 0 to the left and 1.5 to the right"
    )


def test_zero_everywhere_is_ok_within_a_bound():
    found = judged(lambda x: 0 * x, lambda d, x: 0 * d)
    assert found.verdict is Verdict.OK
    assert found.reason.startswith("zero to within")


def test_a_backward_may_lose_what_its_conditioning_loses():
    """x - 1e9 * (its own rounding): the sum loses nine digits in whichever way it is computed."""
    x = X + 1e9

    def backward(d, x):
        return d * 2 * (((x - 0.1) + 0.1) - 1e9)

    found = judged(lambda x: (x - 1e9) ** 2, backward, x=x)
    assert found.verdict is not Verdict.WRONG


def test_the_reference_is_shared_where_the_question_is_the_same():
    judge, _ = judge_of(np.sin, lambda d, x: d)
    judge.numeric("x")
    same = PointJudge(judge.caller, judge.values, judge.outputs, judge.upstream, ["x"], Rule(), known=judge)
    other = PointJudge(judge.caller, judge.values, judge.outputs, (2 * U,), ["x"], Rule(), known=judge)
    assert same.quick is judge.quick
    assert other.quick is not judge.quick


def test_a_resolution_of_the_users_own():
    def noisy(x):
        return np.round(np.sin(x) * 1e3) / 1e3

    backward = lambda d, x: d * np.cos(x)
    assert judged(noisy, backward).verdict is not Verdict.WRONG
    assert judged(np.sin, backward, rule=Rule(resolution=1e-15)).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(("rtol", "verdict"), [(1e-2, Verdict.OK), (1e-6, Verdict.WRONG)])
def test_a_fixed_rule(rtol, verdict):
    found = judged(np.sin, lambda d, x: d * np.cos(x) * 1.001, rule=Rule(rtol=rtol, atol=1e-12))
    assert found.verdict is verdict
    assert "fixed rule rtol" in found.reason


def test_along_directions_a_glance_is_enough():
    judge, gradients = judge_of(np.sin, lambda d, x: d * np.cos(x))
    assert judge.agrees_along_directions(gradients, seed=0)
    wrong, claims = judge_of(np.sin, lambda d, x: -d * np.cos(x))
    assert not wrong.agrees_along_directions(claims, seed=0)
    missing, claims = judge_of(np.sin, lambda d, x: None)
    assert not missing.agrees_along_directions(claims, seed=0)


@pytest.mark.parametrize("gradient", [np.ones(3) * 1j, np.array([object()] * 3), np.array(["a"])])
def test_gradients_that_are_no_numbers(gradient):
    with pytest.raises(NotNumbersError):
        as_array(gradient)


def test_none_in_any_form_is_no_gradient():
    assert as_array(None) is None
    assert as_array(np.array([None, None])) is None
    assert as_array([1.0, 2.0]).tolist() == [1.0, 2.0]


def near_one(x):
    e = np.exp(1 / x - np.max(1 / x)) * (x > 0) + np.exp(-np.max(1 / x)) * (x <= 0)
    return e / e.sum()


def near_one_backward(d, x):
    s = near_one(x)
    u = 50 * d * np.cos(50 * s)
    return -s * (u - (u * s).sum()) * (x > 0) / x**2


@pytest.mark.parametrize(("factor", "verdict"), [(1, "UNDECIDED"), (-1, "WRONG"), (1.1, "WRONG")])
def test_what_inner_rounding_hides_is_not_wrong_where_it_agrees_over_many_jumps(factor, verdict):
    x, upstream = np.array([-0.0037, -0.0081, 0.0277073, -0.01438]), np.random.default_rng(2).standard_normal(4)
    found = judged(
        lambda x: np.sin(50 * near_one(x)), lambda d, x: factor * near_one_backward(d, x), x=x, upstream=upstream
    )
    assert found.verdict.value == verdict
    assert ("moves by jumps" in found.reason) is (verdict == "UNDECIDED")
