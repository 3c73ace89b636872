"""Upstream times derivative, by shapes."""

import numpy as np
import pytest

from gradtool.targets.contraction import can_contract, contract

rng = np.random.default_rng(0)


@pytest.mark.parametrize(("output", "input_"), [((), (3,)), ((2,), (3,)), ((2, 4), (3, 5)), ((2,), ()), ((3,), (3,))])
def test_jacobian(output, input_):
    u, j = rng.normal(size=output), rng.normal(size=output + input_)
    expected = u.reshape(-1) @ j.reshape(u.size, -1)
    assert np.allclose(contract(u, j, input_), expected.reshape(input_))


def test_elementwise_and_constant():
    u, d = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    assert np.array_equal(contract(u, d, (2, 3)), u * d)
    assert np.array_equal(contract(u, 2.0, (2, 3)), u * 2)


def test_gradient_of_one_number():
    assert np.array_equal(contract(np.array([[2.0]]), np.ones(3), (3,)), 2 * np.ones(3))


def test_a_jacobian_for_each_sample():
    u, j = rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 3))
    assert np.allclose(contract(u, j, (4, 3)), np.einsum("no,noi->ni", u, j))


def test_what_does_not_fit_keeps_its_shape():
    assert np.shape(contract(np.ones(2), np.ones((3, 2)), (3,))) == (3, 2)
    assert contract(np.ones(2), None, (3,)) is None


def test_what_can_be_judged():
    assert can_contract((2,), np.ones((2, 3)), (3,))
    assert can_contract((), np.ones(3), (3,))
    assert can_contract((3,), np.ones(3), (3,))
    assert not can_contract((2,), np.ones(3), (3,))
