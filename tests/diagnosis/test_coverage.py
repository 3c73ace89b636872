"""What each output is made of, also where the derivative is zero; and what forward picks."""

import numpy as np

from gradtool.diagnosis.coverage import coverage, picked
from gradtool.diagnosis.program import programs


def evidence_for(evidence_of, rng, forward, shape):
    return evidence_of(forward, lambda u, x: (np.zeros_like(x),), [[rng.normal(size=shape)]])


def test_a_window_is_made_of_all_that_lies_in_it(evidence_of, rng):
    evidence = evidence_for(evidence_of, rng, lambda x: np.array([np.max(x[k : k + 3]) for k in (0, 2)]), 5)
    found = coverage(evidence, programs(evidence)[0])
    np.testing.assert_array_equal(found, [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]])


def test_masks_count_and_what_cancels_does_too(evidence_of, rng):
    evidence = evidence_for(evidence_of, rng, lambda x: np.maximum(x, 0) + np.roll(x, 1) - np.roll(x, 1), 3)
    found = coverage(evidence, programs(evidence)[0])
    np.testing.assert_array_equal(found, np.eye(3) + np.roll(np.eye(3), 1, axis=0))


def test_what_is_picked(evidence_of, rng):
    evidence = evidence_for(evidence_of, rng, lambda x: x[np.arange(2), [1, 0]].sum() + (x * np.eye(2)).sum(), (2, 2))
    masks = [mask.astype(int).tolist() for _, mask in picked(programs(evidence)[0])]
    assert [[0, 1], [1, 0]] in masks
    assert [[1, 0], [0, 1]] in masks
