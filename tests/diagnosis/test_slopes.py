"""The elementwise parts of a program, and the forms that a wrong derivative may have."""

import numpy as np

from gradtool.diagnosis.program import programs
from gradtool.diagnosis.slopes import describe_block, forms, is_piecewise_constant, place_of, slope, slopes


def helper(v):
    return 1 / (1 + np.exp(-v))


def net(x, w):
    a = helper(x @ w)
    return helper(a @ w) * np.maximum(x, 0)


def program_of(evidence_of, rng):
    points = [[rng.normal(size=(4, 3)), rng.normal(size=(3, 3))]]
    return programs(evidence_of(net, lambda u, x, w: (u, w), points))[0]


def test_what_is_recognised_comes_first(evidence_of, rng):
    found = slopes(program_of(evidence_of, rng))
    assert found[0].what.startswith("the derivative of sigmoid at test_slopes.py:")
    assert any("max" in part.what for part in found)


def test_a_helper_is_told_by_the_line_that_calls_it(evidence_of, rng):
    program = program_of(evidence_of, rng)
    blocks = [block for block in program.blocks if program.function(block) == "sigmoid"]
    lines = {program.place(place_of(program, block))[1] for block in blocks}
    assert lines == {net.__code__.co_firstlineno + 1, net.__code__.co_firstlineno + 2}
    told = {describe_block(program, block) for block in blocks}
    assert told == {f"the derivative of sigmoid at test_slopes.py:{line}" for line in lines}


def test_forms_by_kind(evidence_of, rng):
    program = program_of(evidence_of, rng)
    sigmoid = slopes(program)[0]
    ((message, _, form),) = forms(program, sigmoid, "missing")
    assert message.endswith("is left out")
    assert (form(program, sigmoid.parts[0]) == 1).all()
    twice = next(form for message, _, form in forms(program, sigmoid, "wrong") if "twice" in message)
    np.testing.assert_allclose(twice(program, sigmoid.parts[0]), slope(program, sigmoid.parts[0]) ** 2)


def test_a_mask_is_not_bent(evidence_of, rng):
    program = program_of(evidence_of, rng)
    mask = next(part for part in slopes(program) if is_piecewise_constant(program, part))
    assert [message for message, _, _ in forms(program, mask, "wrong")] == [
        f"matches when {mask.what} is applied twice"
    ]
