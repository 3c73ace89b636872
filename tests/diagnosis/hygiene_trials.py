"""What the tests of hygiene rules share: a check of one function, and the codes it gives."""

import numpy as np

import gradtool

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]])


def codes(forward, backward, *inputs):
    """The hygiene codes of a check, with no points beside the given one."""
    report = gradtool.check(forward, backward, inputs=list(inputs) or [X], settings=gradtool.Settings(points=0))
    return [found.code for found in report.hygiene]


def verdict(forward, backward, *inputs):
    report = gradtool.check(forward, backward, inputs=list(inputs) or [X], settings=gradtool.Settings(points=0))
    return str(report.verdict)
