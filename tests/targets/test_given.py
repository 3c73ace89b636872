"""What the user said reaches the targets it is meant for, and what reaches none is told."""

from gradtool.targets.given import Given, Names

AFFINE = Names("src/layers.py::affine", "affine", "affine_forward", "affine_backward", ("x", "w", "b"))
RELU = Names("src/layers.py::relu", "relu", "relu_forward", "relu_backward", ("x",))


def test_a_value_for_all_goes_to_those_that_have_the_parameter():
    given = Given(arguments={"x": 1, "w": 2})
    assert given.on_command_line(AFFINE) == {"x": 1, "w": 2}
    assert given.on_command_line(RELU) == {"x": 1}


def test_one_for_a_target_wins_over_one_for_all():
    given = Given(
        arguments={"x": 1}, by_target={"affine": {"x": 2}}, settings={"b": 5}, settings_by_target={"rel*": {"x": 3}}
    )
    assert given.on_command_line(AFFINE) == {"x": 2, "b": 5}
    assert given.on_command_line(RELU) == {"x": 3}


def test_targets_are_named_by_name_id_function_or_pattern():
    for glob in ("affine", "src/layers.py::affine", "*::aff*", "affine_forward", "affine_backward"):
        given = Given(
            by_target={glob: {"x": 1}}, configured={glob: {"w": 1}}, skip={glob: "s"}, intentional={glob: "i"}
        )
        assert given.on_command_line(AFFINE) == {"x": 1}, glob
        assert given.in_configuration(AFFINE) == {"w": 1}
        assert (given.why_skipped(AFFINE), given.why_intentional(AFFINE)) == ("s", "i")
        assert (given.on_command_line(RELU), given.why_skipped(RELU), given.why_intentional(RELU)) == ({}, None, None)


def test_an_exact_name_wins_over_a_pattern():
    given = Given(configured={"affine": {"x": 1}, "*": {"x": 2}})
    assert given.in_configuration(AFFINE) == {"x": 1}
    assert given.in_configuration(RELU) == {"x": 2}


def test_what_is_used_is_not_reported():
    given = Given({"x": 1}, {"affine": {"w": 1}}, {"b": 1}, {"relu": {"x": 1}}, {"*": {"x": 1}}, skip={"relu": "why"})
    assert given.unused([AFFINE, RELU]) == []


def test_what_is_not_used_is_reported_with_what_was_meant():
    given = Given(
        {"xx": 1}, {"afine": {"w": 1}, "affine": {"ww": 2}}, {"reg": 1}, configured={"conv": {}}, skip={"rellu": "why"}
    )
    assert given.unused([AFFINE, RELU]) == [
        "--arg xx: no target has an input of this name; did you mean x?",
        "--set reg: no target has an input of this name",
        "--arg afine: no target of this name; did you mean affine?",
        "--arg affine:ww: affine has no input of this name; did you mean w?",
        "inputs of conv: no target of this name",
        "skip rellu: no target of this name; did you mean relu?",
    ]


def test_entries_of_dictionaries_can_be_given_by_their_own_name():
    conv = Names("a.py::conv", "conv", "conv_forward", "conv_backward", ("x", "conv_param"), ("stride", "pad"))
    given = Given(settings={"stride": 2, "other": 1})
    assert given.on_command_line(conv) == {"stride": 2}
    assert given.unused([conv]) == ["--set other: no target has an input of this name"]


def test_values_of_a_file_may_be_for_others():
    assert Given(from_file={"x": 1, "z": 2}, file="a.json").in_file(AFFINE) == {"x": 1}
