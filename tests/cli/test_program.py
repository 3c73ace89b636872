"""The program and the point, as commands get them from the command line."""

from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from gradtool.cli.program import ExpressionCommand, program_options, read_program

SEEN: list[Any] = []


@click.command("show", cls=ExpressionCommand)
@program_options
@click.pass_context
def show(ctx, program):
    """A command that takes a program and nothing else."""
    SEEN.append(read_program(program))


def given(*arguments, exit_code=0, **more):
    SEEN.clear()
    found = CliRunner().invoke(show, arguments, **more)
    assert found.exit_code == exit_code, found.output
    return SEEN[0] if SEEN else found.output


def test_an_expression_and_its_values():
    found = given("x*y", "x=2", "y=[1,2]")
    assert found.graph.source == "x*y"
    assert set(found.inputs) == {"x", "y"}
    assert (found.upstream, found.wrt, found.seed, found.dtype) == (None, None, None, "float64")


def test_a_program_from_standard_input():
    assert given("-f", "-", "x=2", input="y = x^2\ny*x").graph.bindings.keys() == {"x", "y"}


def test_a_leading_minus():
    assert given("--expr=-x*y", "x=1", "y=2").graph.source == "-x*y"
    assert "gradtool show -- '-x*y'" in given("-x*y", "x=1", exit_code=2)


def test_an_upstream_and_what_to_differentiate():
    found = given("x*y", "x=[1,2]", "y=3", "--upstream", "[1,0]", "--wrt", "x")
    assert np.array_equal(found.upstream.value, [1, 0])
    assert found.wrt == ("x",)


@pytest.mark.parametrize(("value", "seed"), [("randn(3)", 7), ("[1,2]", None)])
def test_the_seed_is_known_where_it_was_used(value, seed):
    assert given("sum(x)", f"x={value}", "--seed", "7").seed == seed


def test_what_a_file_of_inputs_holds_beside_is_noted(tmp_path):
    (tmp_path / "v.json").write_text('{"x": 1, "beside": 2}')
    assert given("x*2", "--inputs", str(tmp_path / "v.json")).notes == (
        f"not used by the program, though in {tmp_path / 'v.json'}: beside",
    )


def test_two_programs_are_refused():
    assert "two programs" in given("--expr=x", "-f", "-", exit_code=2)


def test_no_program_is_refused_by_the_name_of_the_command():
    assert 'gradtool show "x*y"' in given(exit_code=2)
