"""Which targets to check."""

import pytest

from gradtool.selection import Selection, SelectionError, parse_expression

IDS = ["layers.py::affine", "layers.py::conv", "net/Losses.py::softmax", "net/losses.py::Linear.forward"]


def chosen(text):
    expression = parse_expression(text)
    return [i for i, name in enumerate(IDS) if expression.matches(name)]


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("", [0, 1, 2, 3]),
        ("affine", [0]),
        ("AFFINE", [0]),
        ("losses", [2, 3]),
        ("layers.py::c", [1]),
        ("not layers", [2, 3]),
        ("not not layers", [0, 1]),
        ("affine or softmax", [0, 2]),
        ("losses and not softmax", [3]),
        ("affine or losses and softmax", [0, 2]),
        ("(affine or losses) and softmax", [2]),
        ("not affine and not conv", [2, 3]),
        ("not (affine or conv)", [2, 3]),
        ("notes", []),
        ("android or order", []),
    ],
)
def test_expressions(text, indices):
    assert chosen(text) == indices


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("affine and", "found the end", 10),
        ("and affine", "found 'and'", 0),
        ("affine conv", "expected 'and', 'or' or '\\)', found 'conv'", 7),
        ("(affine", "expected '\\)', found the end", 7),
        ("affine)", "found '\\)' without '\\('", 6),
        ("affine & conv", "found '&', which no word has", 7),
        ("not", "found the end", 3),
        ("()", "found '\\)'", 1),
    ],
)
def test_mistakes_show_their_place(text, message, caret):
    with pytest.raises(SelectionError, match=message) as caught:
        parse_expression(text)
    shown = str(caught.value).splitlines()
    assert shown[1] == f"  {text}"
    assert shown[2].index("^") == caret + 2


def test_depth_has_no_limit():
    assert parse_expression("(" * 50_000 + "not " * 50_001 + "affine" + ")" * 50_000).matches("conv")


def test_an_expression_is_never_executed():
    with pytest.raises(SelectionError):
        parse_expression("__import__('os')")


def test_names_and_expression_together():
    selection = Selection(("aff*", "conv"), parse_expression("not conv"))
    assert [name for name in IDS if selection.matches(name)] == [IDS[0]]
    assert Selection(("affine",)).matches("a.py::affine")
    assert not Selection(("affine",)).matches("a.py::affine2")
    assert Selection(("f[1]",)).matches("a.py::f[1]")
    assert all(Selection().matches(name) for name in IDS)
