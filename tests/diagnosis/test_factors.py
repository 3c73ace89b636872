"""Factors are found by least squares over all sights, and named."""

import numpy as np
import pytest

from gradtool.diagnosis.factors import Factor, axis_of, constant_factor, describe, name_of, summed_axes, undo


def affine(x, b):
    return x + b


POINTS = [[np.arange(12.0).reshape(4, 3) / 7, np.array([0.1, 0.2, 0.3])], [np.ones((4, 3)), np.zeros(3)]]


@pytest.fixture
def evidence(evidence_of):
    return evidence_of(affine, lambda u, x, b: (u, 5 * u.sum(axis=0)), POINTS, "b")


def test_found(evidence):
    assert constant_factor(evidence).value == pytest.approx(5)


def test_none_where_it_changes(evidence_of):
    changing = evidence_of(affine, lambda u, x, b: (u, u.sum(axis=0) * (2 + x[0, 0])), POINTS, "b")
    assert constant_factor(changing) is None


def test_summed_axes(evidence):
    assert [(a.owner, a.axis, a.length, a.unique) for a in summed_axes(evidence)] == [("the output", 0, 4, True)]


@pytest.mark.parametrize(("value", "axis"), [(4.0, 0), (0.25, 0), (3.0, None), (5.0, None), (1.5, None)])
def test_axis_of(evidence, value, axis):
    found = axis_of(evidence, Factor(value, 0, 1e-9))
    assert (found and found.axis) == axis


@pytest.mark.parametrize(
    ("value", "text", "about"),
    [
        (2.0, "2", None), (-2.0, "-2", None), (0.5, "1/2", None), (4.0, "4", "the batch size"),
        (0.25, "1/4", "1 / the batch size"), (16.0, "16", "the square of the batch size"),
        (4 / 3, "4/3", "n/(n-1), n being the batch size"),
        (np.pi, "pi", None), (1 / np.sqrt(2 * np.pi), "1/(sqrt(2 pi))", None), (np.log(2), "log(2)", None), (0.6, "3/5", None),
        (1.001, "1.001", None), (0.123456789, "0.123457", None), (12.0, "12", "the number of entries of x"),
    ],
)  # fmt: skip
def test_name_of(evidence, value, text, about):
    assert name_of(evidence, Factor(value, 0, 1e-9)) == (text, about)


def test_words(evidence):
    assert describe(evidence, Factor(2.0, 0, 1e-9)) == "is 2 times what it should be"
    assert describe(evidence, Factor(0.5, 0, 1e-9)) == "is 1/2 of what it should be"
    assert undo(evidence, Factor(2.0, 0, 1e-9)) == "/ 2"
    assert undo(evidence, Factor(0.5, 0, 1e-9)) == "* 2"
    assert undo(evidence, Factor(2 / 3, 0, 1e-9)) == "* (3/2)"
