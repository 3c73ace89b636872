import numpy as np
import pytest

from gradtool.references.sampling import FunctionEvaluable
from gradtool.results import Verdict
from gradtool.verdict.large_inputs import judge_along

X = np.random.default_rng(0).standard_normal((50, 40))
RIGHT = 3 * X**2


def judged(claim, function=lambda x: (x**3).sum()):
    f = FunctionEvaluable(function, {"x": X})
    f.base()
    return judge_along(f, "x", X, claim, np.asarray(1.0), unit=2.0**-53, resolution=1e-4)


def test_what_agrees_says_what_would_have_been_missed():
    found = judged(RIGHT)
    assert found.verdict is Verdict.OK
    assert found.miss_probability == 1e-3
    assert found.detectable < 1e-6
    assert found.checked == X.size
    assert "random directions agree" in found.reason


@pytest.mark.parametrize("index", [(0, 0), (49, 39), (17, 3)])
def test_one_wrong_entry_is_found_and_known_to_be_the_only_one(index):
    wrong = RIGHT.copy()
    wrong[index] += 1e-3
    found = judged(wrong)
    assert (found.verdict, found.problem) == (Verdict.WRONG, "value")
    assert found.worst.index == found.only == index
    assert abs(found.worst.reference - RIGHT[index]) <= found.worst.error < 1e-4


def test_of_many_wrong_entries_one_is_shown():
    found = judged(-RIGHT)
    assert found.verdict is Verdict.WRONG
    assert found.only is None


@pytest.mark.parametrize(
    ("claim", "problem"), [(RIGHT.T, "shape"), (None, "value"), (np.where(X > 2.5, np.nan, RIGHT), "not finite")]
)
def test_what_else_can_be_wrong(claim, problem):
    found = judged(claim)
    assert (found.verdict, found.problem) == (Verdict.WRONG, problem)


def test_noise_leaves_it_open():
    rng = np.random.default_rng(1)
    found = judged(RIGHT, lambda x: (x**3).sum() + rng.standard_normal())
    assert found.verdict is Verdict.UNDECIDED
