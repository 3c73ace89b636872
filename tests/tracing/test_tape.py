"""The record of a run."""

import numpy as np
import pytest

from gradtool.graph import CONSTANT, INPUT
from gradtool.tracing import Untraceable
from gradtool.tracing.tape import Tape


def recorded():
    tape = Tape()
    x = tape.input("x", np.array([1.0, -2.0]))
    unused = tape.input("y", np.array(3.0))
    two = tape.constant(2)
    product = tape.record("multiply", [x, two], {})
    spare = tape.record("exp", [product], {})
    return tape, x, unused, two, product, spare


def test_nodes_carry_values():
    tape, _, _, _, product, spare = recorded()
    assert tape.entries[product].value.tolist() == [2.0, -4.0]
    assert tape.entries[spare].value.tolist() == np.exp([2.0, -4.0]).tolist()


def test_the_graph_keeps_all_inputs_and_what_is_needed():
    tape, x, unused, two, product, _ = recorded()
    total = tape.record("sum", [product], {"axis": None})
    graph, new = tape.finish(total, [total])
    assert graph.operations == [INPUT, INPUT, CONSTANT, "multiply", "sum"]
    assert graph.inputs == {"x": 0, "y": 1}
    assert [new[i] for i in (x, unused, two, product, total)] == [0, 1, 2, 3, 4]
    assert graph.output == 4
    assert graph.parameters[4] == {"axis": None, "keepdims": False}
    assert graph.parameters[2] == {"value": 2.0}


def test_operations_on_constants_are_constants():
    tape, *_ = recorded()
    found = tape.record("add", [tape.constant(1.0), tape.constant([1.0, 2.0])], {})
    assert tape.entries[found].operation == CONSTANT
    assert tape.entries[found].value.tolist() == [2.0, 3.0]


def test_what_has_no_slope_is_flat_and_what_is_made_of_it():
    tape, x, _, two, product, _ = recorded()
    mask = tape.record("greater", [x, two], {})
    assert tape.entries[mask].flat
    assert not tape.entries[mask].fixed
    assert tape.entries[tape.record("where", [product, mask, two], {})].flat
    assert not tape.entries[tape.record("where", [mask, x, two], {})].flat


def test_evaluated_at_other_inputs():
    tape, _, _, _, product, spare = recorded()
    found = tape.evaluated({"x": np.array([0.5, 0.0]), "y": 0.0}, [product, spare])
    assert [value.tolist() for value in found] == [[1.0, 0.0], np.exp([1.0, 0.0]).tolist()]


def test_shapes_that_do_not_fit_and_complex_numbers_are_refused():
    tape, x, *_ = recorded()
    with pytest.raises(Untraceable, match=r"add: shapes \(2,\) and \(3,\) do not broadcast"):
        tape.record("add", [x, tape.constant(np.zeros(3))], {})
    with pytest.raises(Untraceable, match="complex128"):
        tape.constant(1j)


def test_the_first_failure_is_kept():
    tape = Tape()
    for reason in ("first", "second"):
        with pytest.raises(Untraceable):
            tape.fail(reason)
    assert tape.failure is not None
    assert tape.failure.reason == "first"
