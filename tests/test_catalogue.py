"""The catalogue has every operation, and finds them by whatever they are called."""

import pytest

import gradtool
from gradtool.catalogue import find_operations, list_operations
from gradtool.ops import CALLS, REGISTRY


def test_every_operation_is_there_with_formula_and_derivative():
    entries = list_operations()
    assert len(entries) == len(REGISTRY)
    assert all(entry.formula and entry.derivative and entry.derivative_range for entry in entries)


@pytest.mark.parametrize("name", sorted({*CALLS, *REGISTRY} | {op.operator for op in REGISTRY.values() if op.operator}))
def test_every_name_finds_something(name):
    assert find_operations(name)


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("gelu", ["gelu(x, approximate=none)"]),
        ("max", ["max(a, b, ...)", "max(x, axis=None, keepdims=false)"]),
        ("-", ["a - b", "-x"]),
        ("@", ["a @ b"]),
        ("expit", ["sigmoid(x)"]),
        ("reduce_max", ["max(x, axis=None, keepdims=false)"]),
        ("[]", ["x[index]"]),
        ("reshape", ["reshape(x, shape)"]),
        ("einsum", ["einsum('equation', a, ...)"]),
    ],
)
def test_signatures(name, signatures):
    assert [entry.signature for entry in find_operations(name)] == signatures


@pytest.mark.parametrize(
    "entry", [e for e in list_operations() if e.elementwise and "(" in e.signature], ids=lambda e: e.name
)
def test_a_signature_can_be_written_in_a_program(entry):
    gradtool.parse(entry.signature.replace(", ...", ""))


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(KeyError, match="did you mean gelu"):
        find_operations("gelo")
    for name in ("qqqqqqq", ""):
        with pytest.raises(KeyError, match="lists them all"):
            find_operations(name)


def test_rules_have_the_names_of_the_operands():
    (entry,) = find_operations("solve")
    assert entry.rules == (("a", "-solve(a.T, upstream) @ out.T"), ("b", "solve(a.T, upstream)"))
    assert all("{" not in rule for entry in list_operations() for _, rule in entry.rules)


def test_labels_have_no_rule():
    (entry,) = find_operations("gather")
    assert [name for name, _ in entry.rules] == ["table"]
