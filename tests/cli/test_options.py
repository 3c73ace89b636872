import click
import pytest

from gradtool.cli.options import (
    OutputFile,
    assignments,
    diagnostic_codes,
    flatten,
    name_list,
    named_axes,
    output_file,
    positive_number,
    read_program,
    size_list,
)


def test_assignments():
    found = assignments(["x=-1", "y=[1, 2]", "lambda=0.1", "α = 2", "w=@a=b.npy"])
    assert found == {"x": "-1", "y": "[1, 2]", "lambda": "0.1", "α": " 2", "w": "@a=b.npy"}


@pytest.mark.parametrize("argument", ["x", "1x=2", "x==1", "=3", "x*y", "a.b=1", ""])
def test_what_is_no_assignment(argument):
    with pytest.raises(click.UsageError, match="expected NAME=VALUE") as caught:
        assignments(["y=1", argument])
    assert repr(argument) in str(caught.value)


def test_an_empty_value_and_a_name_given_twice():
    with pytest.raises(click.UsageError, match="x= has no value"):
        assignments(["x="])
    with pytest.raises(click.UsageError, match="x is given twice"):
        assignments(["x=1", "x=1"])


def test_positive_numbers():
    assert positive_number("1e-4") == 1e-4
    for text in ("0", "-1", "nan", "inf", "small"):
        with pytest.raises(click.BadParameter, match="not a positive number"):
            positive_number(text)


def test_name_lists():
    assert name_list("x, y") == ("x", "y")
    assert flatten((("x", "y"), ("z",))) == ("x", "y", "z")
    with pytest.raises(click.BadParameter):
        name_list("x,,y")


def test_diagnostic_codes():
    assert diagnostic_codes((("gt101", "GT102"), ("GT101",))) == {"GT101", "GT102"}
    with pytest.raises(click.UsageError, match=r"no diagnostic 'GT999'; there are GT101, "):
        diagnostic_codes((("GT101", "GT999"),))


def test_output_files(tmp_path):
    read = output_file("eval")
    assert read(f"json={tmp_path}/a=b") == OutputFile("json", tmp_path / "a=b")
    assert read(f"{tmp_path}/a.json") == OutputFile("json", tmp_path / "a.json")
    assert read(f"{tmp_path}/x=y.txt") == OutputFile("table", tmp_path / "x=y.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jsn=a.json", "'jsn' is not a format"),
        ("a.pdf", "cannot tell the format"),
        ("json=", "is not a file"),
        ("json=.", "is not a file"),
        ("json=no/such/folder/a", "there is no folder"),
    ],
)
def test_output_files_that_cannot_be(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.BadParameter, match=message):
        output_file("eval")(text)


def test_programs(tmp_path):
    path = tmp_path / "p.txt"
    path.write_bytes(b"\xef\xbb\xbf\xce\xb1*2\r\n")
    assert read_program(str(path)) == "α*2\r\n"
    path.write_bytes(b"x +\r\n \xff")
    with pytest.raises(click.UsageError, match=r"not UTF-8 text \(line 2, byte 6\)$"):
        read_program(str(path))
    with pytest.raises(click.UsageError, match=r"cannot read .*No such file"):
        read_program(str(tmp_path / "none"))
    with pytest.raises(click.UsageError, match="cannot read"):
        read_program(str(tmp_path))


def test_named_axes():
    assert named_axes("x:0, y:-1") == {"x": 0, "y": -1}
    for text in ("x", "x:", ":0", "x:a", "x:0,"):
        with pytest.raises(click.BadParameter):
            named_axes(text)


def test_size_list():
    assert size_list("3, 1") == (3, 1)
    for text in ("3,0", "3,-1", "a", "3,"):
        with pytest.raises(click.BadParameter):
            size_list(text)
