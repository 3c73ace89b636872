import numpy as np
import pytest

from gradtool.targets.points import branch_points, random_points, tie_points

RNG = np.random.default_rng


def all_points(values, names=None):
    names = names or list(values)
    yield from random_points(values, names, 3, RNG(0))
    yield from branch_points(values, names, RNG(1))
    yield from tie_points(values, names, RNG(2))


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        (np.array([0.5, 2.0, 3.0]), lambda x: (x > 0).all()),
        (np.array([-0.5, -2.0]), lambda x: (x < 0).all()),
        (np.array([0.1, 0.5, 0.9]), lambda x: ((x >= 0) & (x <= 1)).all()),
        (np.array([[0.2, 0.8], [0.5, 0.5]]), lambda x: np.allclose(x.sum(axis=1), 1) and (x > 0).all()),
        (np.array([0.0, 1.0, 1.0, 0.0]), lambda x: ((x == 0) | (x == 1)).all()),
        (np.array([3.0, 5.0, 7.0, 9.0]), lambda x: (x == np.round(x)).all()),
    ],
)
def test_points_stay_in_the_domain_that_the_given_one_shows(value, inside):
    found = list(all_points({"x": value}))
    assert found
    assert all(inside(point.values["x"]) for point in found), [p.values for p in found]


def test_other_inputs_are_left_alone():
    values = {"x": np.array([-1.0, 2.0]), "labels": np.array([0, 1])}
    assert all(point.values["labels"] is values["labels"] for point in all_points(values, ["x"]))


def test_branches_are_larger_smaller_and_of_one_sign():
    x = RNG(3).standard_normal(50)
    found = {p.label: p.values["x"] for p in branch_points({"x": x}, ["x"], RNG(0))}
    assert np.abs(found["larger"]).max() > 5
    assert np.abs(found["larger"]).max() <= 30
    assert np.abs(found["smaller"]).max() < 0.2
    assert (found["positive"] > 0).all()
    assert (found["negative"] < 0).all()


def test_ties_are_where_they_are_said_to_be():
    values = {"x": RNG(4).standard_normal((3, 4)) * 2, "y": RNG(5).standard_normal((3, 4))}
    labels = set()
    for point in tie_points(values, ["x", "y"], RNG(0)):
        labels.add(point.label)
        assert point.ties
        for tie in point.ties:
            numbers = [float(point.values[name].ravel()[k]) for name, k in tie]
            if len(tie) == 2:
                assert numbers[0] == numbers[1]
            else:
                assert numbers[0] in (0.0, 1.0, -1.0)
    assert labels == {"zeros", "ones", "minus ones", "equal entries", "y equal to x"}


def test_floats_and_single_precision_keep_their_form():
    values = {"s": 2.0, "x": np.array([-1.0, 3.0], dtype=np.float32)}
    for point in all_points(values):
        assert isinstance(point.values["s"], float)
        assert point.values["x"].dtype == np.float32


def test_the_same_seed_gives_the_same_points():
    values = {"x": RNG(6).standard_normal(5)}
    one, two = list(all_points(values)), list(all_points(values))
    assert all(np.array_equal(a.values["x"], b.values["x"]) for a, b in zip(one, two, strict=True))
