"""A suspect says what is asked of it: the sights as backward saw them, and backward again with another upstream."""

import dataclasses

import numpy as np
import pytest


def square(x):
    return x**2


def test_a_sight_answers(evidence_of):
    suspect = evidence_of(square, lambda u, x: (3 * u * x,), [[np.array([1.0, -2.0])]]).suspect
    (sight,) = suspect.sights
    assert suspect.passes_upstream
    assert suspect.raised is None
    np.testing.assert_allclose(sight.yours_at((np.array([1.0, 2.0]),))["x"], [3, -12])
    value, error = sight.jacobian("x")
    np.testing.assert_allclose(value, [[2, 0], [0, -4]], atol=1e-8)
    assert error.shape == (2, 2)


def test_a_suspect_is_not_changed(evidence_of):
    suspect = evidence_of(square, lambda u, x: (u,), [[np.array([1.0, -2.0])]]).suspect
    with pytest.raises(dataclasses.FrozenInstanceError):
        suspect.name = "y"
