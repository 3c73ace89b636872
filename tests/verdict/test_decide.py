"""The verdict on one input, from made-up gradients and references: every rule, and a near miss of each."""

import numpy as np
import pytest

from gradtool.results import Verdict
from gradtool.verdict import Opinion, decide, scale_of


def opinion(value, error=0.0, confirm=None, method="SymPy", reason=None, singular=False):
    shaped = None if value is None else np.asarray(value, dtype=float)
    errors = None if value is None else np.broadcast_to(np.asarray(error, dtype=float), np.shape(value))
    return Opinion(method, shaped, errors, reason, lambda index: confirm, singular)


def judge(gradient, opinions, scale=1.0, allowance=1e-15, full=None, tied=None):
    gradient = np.asarray(gradient, dtype=float)
    quick = np.full(gradient.shape, allowance)
    return decide(
        gradient,
        opinions,
        scale=scale,
        quick=quick,
        full=lambda: quick if full is None else np.full(gradient.shape, full),
        tied=np.zeros(gradient.shape, dtype=bool) if tied is None else np.asarray(tied),
    )


def test_agreement_is_ok():
    assert judge(2.0, [opinion(2.0)]).verdict is Verdict.OK


def test_either_reference_may_decide():
    silent = opinion(None, method="central difference", reason="too large")
    assert judge(2.0, [opinion(2.0), silent]).verdict is Verdict.OK
    blunt = opinion(2.5, error=1.0, method="central difference")
    assert judge(2.0, [opinion(2.0), blunt]).verdict is Verdict.OK


def test_a_confirmed_difference_is_wrong_and_says_both_figures():
    decision = judge(2.0, [opinion(3.0, confirm=(3.0, 1e-9))])
    assert decision.verdict is Verdict.WRONG
    assert "yours 2, SymPy 3" in decision.reason


def test_wrong_with_one_reference_beats_ok_with_the_other():
    other = opinion(2.5, error=1e-9, confirm=(2.5, 1e-9), method="central difference")
    assert judge(2.0, [opinion(2.0), other]).verdict is Verdict.WRONG


def test_a_difference_that_the_second_method_denies_is_not_wrong():
    decision = judge(2.0, [opinion(3.0, confirm=(2.0, 1e-9))])
    assert decision.verdict is Verdict.UNDECIDED
    assert "a second method gives 2" in decision.reason


def test_a_difference_that_nothing_can_confirm_is_not_wrong():
    assert judge(2.0, [opinion(3.0)]).verdict is Verdict.UNDECIDED


def test_a_difference_inside_the_allowance_for_rounding_is_no_difference():
    assert judge(2.0, [opinion(2.0 + 1e-12, confirm=(2.0 + 1e-12, 0.0))], full=1e-11).verdict is Verdict.OK
    assert judge(2.0, [opinion(2.0 + 1e-10, confirm=(2.0 + 1e-10, 0.0))], full=1e-11).verdict is Verdict.WRONG


def test_the_full_allowance_is_asked_only_in_need():
    def never():
        raise AssertionError("not needed")

    tied = np.zeros((), dtype=bool)
    quick = np.array(1e-15)
    found = decide(np.array(2.0), [opinion(2.0)], scale=2.0, quick=quick, full=never, tied=tied)
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize(("error", "verdict"), [(9e-5, Verdict.OK), (2e-4, Verdict.UNDECIDED)])
def test_a_bound_too_wide_to_have_seen_an_error_decides_nothing(error, verdict):
    decision = judge(1.0, [opinion(1.0, error=error)])
    assert decision.verdict is verdict
    assert (decision.reason is None) == (verdict is Verdict.OK)


def test_zero_everywhere_is_ok_with_the_bound_it_is_known_to():
    decision = judge(0.0, [opinion(0.0, error=1e-13)], scale=0.0)
    assert decision.verdict is Verdict.OK
    assert "zero to within 1e-13" in decision.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_wrong_where_a_reference_is_finite(value):
    decision = judge([1.0, value], [opinion([1.0, 0.5], confirm=(0.5, 0.0))])
    assert decision.verdict is Verdict.WRONG
    assert decision.index == (1,)
    assert "0.5" in decision.reason


@pytest.mark.parametrize("second", [None, (np.inf, 0.0), (0.5, 0.3), (0.6, 0.0)])
def test_not_finite_is_undecided_where_nothing_confirms_that_it_should_be_finite(second):
    decision = judge(np.nan, [opinion(0.5, confirm=second)])
    assert decision.verdict is Verdict.UNDECIDED
    assert "no second method can confirm it" in decision.reason


def test_not_finite_is_undecided_where_no_derivative_exists():
    decision = judge(np.nan, [opinion(None, reason="sqrt(0)", singular=True), opinion(0.0, error=1e-12)])
    assert decision.verdict is Verdict.UNDECIDED
    assert "sqrt(0)" in decision.reason


def test_a_gradient_beyond_the_range_of_float64_is_undecided():
    assert judge(np.inf, [opinion(np.inf)]).verdict is Verdict.UNDECIDED


def test_a_tie_is_undecided_even_where_references_agree():
    decision = judge([1.0, 0.5], [opinion([1.0, 0.5])], tied=[False, True])
    assert decision.verdict is Verdict.UNDECIDED
    assert decision.index == (1,)


def test_a_wrong_entry_beside_a_tie_is_still_wrong():
    decision = judge([1.0, 0.5], [opinion([2.0, 0.5], confirm=(2.0, 0.0))], tied=[False, True])
    assert decision.verdict is Verdict.WRONG
    assert decision.index == (0,)


def test_the_worst_entry_is_the_one_named():
    decision = judge([1.0, 2.0, 3.0], [opinion([1.0, 2.1, 3.5], confirm=(3.5, 0.0))])
    assert decision.index == (2,)


def test_without_a_reference_nothing_is_decided():
    assert judge(1.0, []).verdict is Verdict.UNDECIDED


def test_an_empty_gradient_is_ok():
    assert judge(np.zeros((0, 3)), []).verdict is Verdict.OK


def test_the_scale_is_the_largest_entry_or_that_of_all_inputs():
    gradients = {"x": np.array([1.0, -3.0]), "y": np.array(1e-17), "z": np.array(np.nan)}
    scales = scale_of(gradients, {"x": np.full(2, 1e-15), "y": np.array(1e-15), "z": np.array(np.nan)})
    assert scales == {"x": 3.0, "y": 3.0, "z": 3.0}


def test_the_scale_of_nothing_but_zeros_is_zero():
    assert scale_of({"x": np.array(0.0)}, {"x": np.array(1e-300)}) == {"x": 0.0}


def test_a_bound_too_wide_to_mean_zero_is_undecided():
    def verdict(small):
        one = opinion(0.0, error=10.0)
        return decide(
            np.array(3.0),
            [one],
            scale=0.0,
            quick=np.array(0.0),
            full=lambda: np.array(0.0),
            tied=np.array(False),
            small=small,
        )

    assert verdict(100.0).verdict is Verdict.OK
    assert verdict(1.0).verdict is Verdict.UNDECIDED
    assert "± 1e+01: too wide to tell it from zero" in verdict(1.0).reason


def test_infinite_is_right_for_what_is_beyond_the_largest_number():
    def verdict(largest):
        one = opinion(1e43, confirm=(1e43, 0.0))
        none = np.array(0.0)
        return decide(
            np.array(np.inf), [one], scale=1.0, quick=none, full=lambda: none, tied=np.array(False), largest=largest
        ).verdict

    assert verdict(3e38) is Verdict.UNDECIDED
    assert verdict(1e308) is Verdict.WRONG
