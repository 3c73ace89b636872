import numpy as np
import pytest

from gradtool.targets.points import branch_points, nudged_points, random_points, tie_points

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


ROTATION = np.linalg.qr(RNG(8).standard_normal((3, 3)))[0]
SPD = ROTATION @ np.diag([1.0, 2.0, 5.0]) @ ROTATION.T
CORRELATION = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.5], [-0.2, 0.5, 1.0]])
UNIT = RNG(9).standard_normal((4, 3))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)


def is_symmetric(x):
    return np.allclose(x, x.T, rtol=0, atol=1e-12 * np.abs(x).max())


@pytest.mark.parametrize(
    ("value", "inside"),
    [
        (np.array([0.0, 0.3, 1.2, 2.0]), lambda x: (np.diff(x) >= 0).all()),
        (np.linspace(-3, 3, 8), lambda x: (np.diff(x) >= 0).all()),
        (np.array([4.5, 2.0, -1.0]), lambda x: (np.diff(x) <= 0).all()),
        (np.array([0.0, 1.0, 2.0, 7.0]), lambda x: (np.diff(x) >= 0).all()),
        (SPD, lambda x: is_symmetric(x) and np.linalg.eigvalsh(x).min() > 0),
        (np.stack([SPD, 2 * SPD + np.eye(3)]), lambda x: all(np.linalg.eigvalsh(m).min() > 0 for m in x)),
        (CORRELATION, lambda x: is_symmetric(x) and (np.diag(x) == 1).all() and np.linalg.eigvalsh(x).min() > 0),
        (SPD - 3 * np.eye(3), is_symmetric),
        (np.tril(RNG(1).standard_normal((4, 4))), lambda x: (np.triu(x, 1) == 0).all()),
        (ROTATION, lambda x: np.allclose(x @ x.T, np.eye(3), atol=1e-9)),
        (UNIT, lambda x: np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-9)),
        (np.array([0.6, -0.8]), lambda x: abs(np.linalg.norm(x) - 1) < 1e-9),
        (np.array([1.5, -1.0, -0.5]), lambda x: abs(x.sum()) < 1e-9),
        (np.eye(4)[[1, 2, 0]], lambda x: ((x == 0) | (x == 1)).all()),
        (np.array([0.0, 3.5, 2.0, 0.0]), lambda x: (x >= 0).all()),
        (np.array([0.0, -3.5, -2.0, 0.0]), lambda x: (x <= 0).all()),
    ],
)
def test_features_that_hardly_come_about_by_accident_are_kept(value, inside):
    found = list(random_points({"x": value}, ["x"], 5, RNG(0))) + list(all_points({"x": value}))
    assert found
    assert all(inside(point.values["x"]) for point in found), [p.values["x"] for p in found]


@pytest.mark.parametrize(
    "value", [np.array([0.0, 0.3, 1.2, 2.0]), SPD, CORRELATION, SPD - 3 * np.eye(3), ROTATION, UNIT]
)
def test_and_the_points_are_others_all_the_same(value):
    (point,) = random_points({"x": value}, ["x"], 1, RNG(0))
    assert np.abs(point.values["x"] - value).max() > 0.01


def test_entries_of_very_different_sizes_keep_them():
    for point in random_points({"x": np.array([1e8, -1e-8, 1.0])}, ["x"], 5, RNG(0)):
        assert (np.abs(np.log10(np.abs(point.values["x"])) - [8, -8, 0]) < 1).all()


def test_larger_entries_are_not_cut_to_one_number():
    point = next(p for p in branch_points({"x": 20 * RNG(3).standard_normal(50)}, ["x"], RNG(0)) if p.label == "larger")
    assert len(np.unique(point.values["x"])) == 50


def test_sorted_entries_still_meet_zero():
    labels = {p.label for p in tie_points({"x": np.array([-2.0, -0.5, 0.3, 1.7])}, ["x"], RNG(0))}
    assert {"zeros", "equal entries"} <= labels


def test_a_number_in_an_array_stays_an_array():
    values = {"x": np.array(0.3, dtype=np.float32)}
    assert all(isinstance(point.values["x"], np.ndarray) for point in all_points(values))


def test_a_nudge_is_small_and_goes_to_both_sides():
    x = np.array([0.0, 2.0, -3.0])
    one, other = (point.values["x"] for point in nudged_points({"x": x}, ["x"], RNG(0)))
    assert ((one - x) * (other - x) < 0).all()
    assert np.abs(one - x).max() < 1e-2
    rows = np.array([[0.2, 0.8], [0.5, 0.5]])
    assert all(p.values["p"] is rows for p in nudged_points({"p": rows}, ["p"], RNG(0)))
    inside = np.array([0.0, 0.3, 1.0])
    assert all(((p.values["x"] >= 0) & (p.values["x"] <= 1)).all() for p in nudged_points({"x": inside}, ["x"], RNG(0)))
