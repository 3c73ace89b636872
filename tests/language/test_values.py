"""Values of inputs from text and from files; what is refused, and how it is said."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtool.language import InputFileError, SourceError, parse_value, read_inputs
from gradtool.language.parser import MAX_DIMENSIONS


def array_of(text, name="x", **more):
    """The value, which must be an array."""
    value = parse_value(text, name, **more).value
    assert isinstance(value, np.ndarray)
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        (" -1e-3 ", -0.001),
        ("pi/2", math.pi / 2),
        ("2^0.5", 2**0.5),
        ("exp(1)", math.e),
        ("-e", -math.e),
        ("2**-1", 0.5),
        ("9**9**9", math.inf),
        ("1/0", math.inf),
        ("1e999", math.inf),
        ("1_000", 1000.0),
        ("sum([1, 2, 3])", 6.0),
        ("[1, 2]@[3, 4]", 11.0),
        ("(1 < 2) + 1", 2.0),
        ("-true", -1.0),
        ("3\n", 3.0),
        ("\n[1,\n2][1]\n\n", 2.0),
        ("4;", 4.0),
    ],
    ids=repr,
)
def test_numbers_are_floats(text, value):
    found = parse_value(text, "x")
    assert type(found.value) is float
    assert found.value == pytest.approx(value, rel=1e-15)
    assert (found.random, found.integer) == (False, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2]", [1.0, 2.0]),
        ("[[1, 2], [3, 4]]", [[1.0, 2.0], [3.0, 4.0]]),
        ("[1/2, pi]", [0.5, math.pi]),
        ("[true, 1]", [1.0, 1.0]),
        ("[]", []),
        ("2*[1, 2]", [2.0, 4.0]),
        ("zeros(2)", [0.0, 0.0]),
        ("ones(1, 2)", [[1.0, 1.0]]),
        ("ones((1, 2))", [[1.0, 1.0]]),
        ("full((2,), 3)", [3.0, 3.0]),
        ("full(2, pi)", [math.pi, math.pi]),
        ("arange(3)", [0.0, 1.0, 2.0]),
        ("arange(1, 3)", [1.0, 2.0]),
        ("arange(1, 0, -0.25)", [1.0, 0.75, 0.5, 0.25]),
        ("arange(0)", []),
        ("linspace(0, 1, 3)", [0.0, 0.5, 1.0]),
        ("eye(2)", [[1.0, 0.0], [0.0, 1.0]]),
        ("eye(1, 2)", [[1.0, 0.0]]),
        ("0.5*eye(2).T + 1", [[1.5, 1.0], [1.0, 1.5]]),
        ("zeros(2*1)", [0.0, 0.0]),
    ],
)
def test_arrays_are_float64(text, value):
    found = array_of(text)
    assert found.dtype == np.float64
    assert found.tolist() == value


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("[true, false]", [True, False]), ("[[true], [false]]", [[True], [False]])]
)
def test_true_and_false_alone_are_booleans(text, value):
    found = array_of(text)
    assert found.dtype == np.bool_
    assert found.tolist() == value
    assert parse_value(text, "x").integer


# Random values.


@pytest.mark.parametrize(
    ("text", "shape"),
    [("randn(2, 3)", (2, 3)), ("randn((2, 3))", (2, 3)), ("rand(4)", (4,)), ("0.1*randn(2)", (2,)), ("randn(0)", (0,))],
)
def test_random_arrays(text, shape):
    assert array_of(text).shape == shape
    assert parse_value(text, "x").random


def test_a_random_number():
    assert type(parse_value("randn()", "x").value) is float


def test_the_stream_depends_on_seed_and_name_alone():
    def draw(name, seed=0):
        return array_of("randn(3)", name, seed=seed).tolist()

    assert draw("W") == draw("W")
    assert draw("W") != draw("b")
    assert draw("W") != draw("W", seed=1)
    expected = np.random.default_rng([0, *b"W"]).standard_normal(3)
    assert draw("W") == expected.tolist()


def test_two_draws_in_one_value_differ():
    first, second = array_of("[randn(2), randn(2)]")
    assert first.tolist() != second.tolist()


def test_rand_is_uniform_on_0_to_1():
    values = array_of("rand(10000)")
    assert 0 <= values.min() < 0.01 < 0.99 < values.max() < 1


# What is refused as text.


@pytest.mark.parametrize(
    ("text", "message", "caret", "hint"),
    [
        ("", "'x' has no value", "    ^", "write a number, a list such as [1, 2], or @file.npy"),
        ("y+1", "'y' has no value here", "    ^",
         "a value is a number, a constant expression, a list, @file or a generator such as randn(3, 4)"),
        ("nan", "'nan' has no value here", "    ^^^", "a value must be a number"),
        ("[1, NaN]", "'NaN' has no value here", "        ^^^", "a value must be a number"),
        ("inf", "'inf' has no value here", "    ^^^", "write 1e999 for infinity"),
        ("True", "'True' has no value here", "    ^^^^", "write true"),
        ("1;2", "expected one value", "     ^", "a value is one expression"),
        ("a=2", "expected a value, found '='", "     ^", "write one name=value for each input"),
        ("1,,2", "found ',' outside of brackets", "     ^",
         "an array is written [1, 2]; statements are separated by ;"),
        ("[1 2]", "expected an operator, ',' or ']', found '2'", "       ^", "put commas between the entries"),
        ("[[1,2],[3]]",
         "the entries of an array must have one shape: the first has (2,), this one (1,)", "           ^^^",
         "write rows of equal length"),
        ("__import__('os').getcwd()", "unknown function '__import__'", "    ^^^^^^^^^^",
         "for a product write __import__*(...)"),
        ("().__class__", "found nothing between the parentheses", "    ^^", "write an expression there"),
        ("'text'", "found ' where no text can stand", "    ^", "names are written without quotes"),
        ("w.npy", "a value has no attribute 'npy'", "     ^^^^",
         "write @ before the name of a file: x=@w.npy"),
        ("zeros(10000000,10000000)",
         "an array of shape (10000000, 10000000) has 100000000000000 entries, above the limit of 10000000",
         "    ^^^^^^^^^^^^^^^^^^^^^^^^", "--max-size raises the limit"),
        ("1+eye(100000)", "an array of shape (100000, 100000) has 10000000000 entries, above the limit of 10000000",
         "      ^^^^^^^^^^^", "--max-size raises the limit"),
        ("zeros(9999,1)@zeros(1,9999)",
         "an array of shape (9999, 9999) has 99980001 entries, above the limit of 10000000",
         "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^", "--max-size raises the limit"),
        ("arange(1e12)", "an array of shape (1000000000000,) has 1000000000000 entries, above the limit of 10000000",
         "    ^^^^^^^^^^^^", "--max-size raises the limit"),
        ("[1,2]+[1,2,3]", "add: shapes (2,) and (3,) do not broadcast", "    ^^^^^^^^^^^^^", None),
        ("zeros(1.5)", "zeros takes lengths, which are whole numbers", "    ^^^^^^^^^^", "write zeros(3, 4)"),
        ("zeros(-1)", "zeros takes lengths, which are whole numbers", "    ^^^^^^^^^", "write zeros(3, 4)"),
        ("zeros()", "zeros takes a shape", "    ^^^^^^^", "write zeros(3, 4)"),
        ("zeros(n)", "zeros takes constant numbers", "          ^", None),
        ("randn(3, seed=1)", "randn has no argument 'seed'", "             ^^^^", None),
        ("full(3)", "full takes a shape and a value", "    ^^^^^^^", "write full((3, 4), 0.5)"),
        ("arange(0, 1, 0)", "arange takes moderate numbers and a step other than 0", "    ^^^^^^^^^^^^^^^",
         "write arange(0, 1, 0.1)"),
        ("linspace(0, 1)", "linspace takes first, last and how many", "    ^^^^^^^^^^^^^^", "write linspace(0, 1, 5)"),
        ("linspace(0, 1, 2.5)", "linspace takes a whole number of entries", "    ^^^^^^^^^^^^^^^^^^^",
         "write linspace(0, 1, 5)"),
        ("eye()", "eye takes the number of rows, and of columns if it differs", "    ^^^^^", "write eye(3)"),
    ],
)  # fmt: skip
def test_refused_texts(text, message, caret, hint):
    with pytest.raises(SourceError) as caught:
        parse_value(text, "x")
    lines = [message, f"  x={text}", caret]
    assert str(caught.value) == "\n".join(lines if hint is None else [*lines, f"hint: {hint}"])


def test_lists_nest_as_deep_as_numpy_has_dimensions():
    with pytest.raises(SourceError, match=f"at most {MAX_DIMENSIONS} deep"):
        parse_value("[" * 10_000 + "1" + "]" * 10_000, "x")


def test_the_limit_of_size():
    assert array_of("zeros(5)", max_size=5).size == 5
    for text in ("zeros(6)", "[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]"):
        with pytest.raises(SourceError, match="above the limit of 5"):
            parse_value(text, "x", max_size=5)


def test_depth():
    assert parse_value("(" * 10_000 + "1" + ")" * 10_000, "x").value == 1
    assert parse_value("+".join(["1"] * 10_000), "x").value == 10_000


# Files.


@pytest.fixture
def folder(tmp_path):
    def save(name, array, **more):
        np.save(tmp_path / name, array, **more)

    save("float.npy", np.arange(6.0).reshape(2, 3))
    save("single.npy", np.array([0.1], dtype=np.float32))
    save("big_endian.npy", np.array([1.5], dtype=">f8"))
    save("fortran.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    save("scalar.npy", np.array(2.5))
    save("int.npy", np.array([3, 1], dtype=np.int32))
    save("label.npy", np.array(3))
    save("bool.npy", np.array([True, False]))
    save("nan.npy", np.array([math.nan]))
    save("complex.npy", np.array([1j]))
    save("text.npy", np.array(["a"]))
    save("bytes.npy", np.array([b"a"]))
    save("date.npy", np.array(["2020-01-01"], dtype="datetime64[D]"))
    save("record.npy", np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]))
    save("object.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps([1.0]))
    (tmp_path / "short.npy").write_bytes((tmp_path / "float.npy").read_bytes()[:-8])
    header = (tmp_path / "float.npy").read_bytes().replace(b"(2, 3)", b"(2000,")
    (tmp_path / "header.npy").write_bytes(header)
    np.savez(tmp_path / "two.npz", W=np.eye(2), y=np.array([0, 1]))
    np.savez_compressed(tmp_path / "one.npz", W=np.eye(2))
    np.savez_compressed(tmp_path / "bomb.npz", W=np.zeros(1_000_000))
    np.savez(tmp_path / "object.npz", W=np.array([{}], dtype=object))
    np.savez(tmp_path / "positional.npz", np.eye(2))
    texts = {
        "matrix.csv": "1,2\n3,4\n",
        "row.csv": "1, 2, 3\n",
        "column.csv": "1\n2\n# note\n",
        "number.csv": "\ufeff1.5\n",
        "heading.csv": "a,b\n1,2\n",
        "words.csv": "1,2\n3,four\n",
        "ragged.csv": "1,2\n3\n",
        "notes.csv": "# nothing\n",
        "matrix.json": "[[1, 2], [3, 4]]",
        "number.json": "1",
        "mask.json": "[true, false]",
        "huge.json": "1" * 5000,
        "ragged.json": "[[1, 2], [3]]",
        "mixed.json": "[1, [2]]",
        "nan.json": "[NaN]",
        "word.json": '["a"]',
        "null.json": "[null]",
        "object.json": '{"x": 1}',
        "broken.json": "[1,",
        "deep.json": "[" * 100_000 + "]" * 100_000,
        "deeper.json": "[" * 70 + "1" + "]" * 70,
        "empty.npy": "",
        "empty.npz": "",
        "empty.csv": "",
        "empty.json": "",
        "broken.npz": "PK",
        "notes.txt": "1",
        "inputs.toml": "x = 1",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    (tmp_path / "folder.npy").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "value"),
    [
        ("float.npy", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ("fortran.npy", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ("single.npy", [float(np.float32(0.1))]),
        ("big_endian.npy", [1.5]),
        ("scalar.npy", 2.5),
        ("two.npz:W", [[1.0, 0.0], [0.0, 1.0]]),
        ("one.npz", [[1.0, 0.0], [0.0, 1.0]]),
        ("matrix.csv", [[1.0, 2.0], [3.0, 4.0]]),
        ("row.csv", [1.0, 2.0, 3.0]),
        ("column.csv", [1.0, 2.0]),
        ("number.csv", 1.5),
        ("matrix.json", [[1.0, 2.0], [3.0, 4.0]]),
        ("number.json", 1.0),
        ("huge.json", math.inf),
    ],
)
def test_files_of_floats(folder, file, value):
    found = parse_value(f"@{file}", "x", folder=folder)
    assert not found.integer
    assert np.asarray(found.value).dtype == np.float64
    assert np.asarray(found.value).tolist() == value
    assert isinstance(found.value, float) == isinstance(value, float)


@pytest.mark.parametrize(
    ("file", "dtype", "value"),
    [
        ("int.npy", np.int32, [3, 1]),
        ("label.npy", np.int64, 3),
        ("bool.npy", np.bool_, [True, False]),
        ("two.npz:y", np.int64, [0, 1]),
        ("mask.json", np.bool_, [True, False]),
    ],
)
def test_files_of_integers_and_booleans(folder, file, dtype, value):
    found = parse_value(f"@{file}", "y", folder=folder)
    assert found.integer
    assert isinstance(found.value, np.ndarray)
    assert found.value.dtype == dtype
    assert found.value.tolist() == value


def test_nan_in_data_is_data(folder):
    assert np.isnan(parse_value("@nan.npy", "x", folder=folder).value).all()


def test_an_absolute_path(folder, monkeypatch):
    monkeypatch.chdir("/")
    assert parse_value(f"@{folder / 'scalar.npy'}", "x").value == 2.5
    assert parse_value(f"@{folder / 'scalar.npy'}", "x", folder="/nowhere").value == 2.5


PICKLED = "holds pickled objects, which could run code when read; save it with a numeric dtype"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing.npy", "{}: no such file or directory"),
        ("missing.npz:a", "{}: no such file or directory"),
        ("missing.csv", "{}: no such file or directory"),
        ("folder.npy", "{}: is a folder"),
        ("notes.txt", "{}: values are read from .npy, .npz, .csv and .json files"),
        ("inputs.toml", "{}: values are read from .npy, .npz, .csv and .json files; "
                        "a .toml file holds several values: use --inputs"),
        ("empty.npy", "{}: the file is empty"),
        ("empty.npz", "{}: the file is empty"),
        ("empty.csv", "{}: the file is empty"),
        ("empty.json", "{}: the file is empty"),
        ("object.npy", "{}: " + PICKLED),
        ("object.npz:W", "{}:W: " + PICKLED),
        ("complex.npy", "holds complex numbers (dtype complex128); real numbers are needed"),
        ("text.npy", "holds texts (dtype <U1); real numbers are needed"),
        ("bytes.npy", "holds texts (dtype |S1); real numbers are needed"),
        ("date.npy", "holds dates (dtype datetime64[D]); real numbers are needed"),
        ("record.npy", "holds records"),
        ("pickle.npy", "{}: is not a readable .npy file: "),
        ("short.npy", "{}: is not a readable .npy file: "),
        ("header.npy", "{}: is not a readable .npy file: "),
        ("two.npz", "{}: has 2 arrays (W, y); write @two.npz:W"),
        ("two.npz:z", "{}: has no array 'z'; its arrays: W, y"),
        ("broken.npz:a", "{}: is not a readable .npz file: "),
        ("heading.csv", "{}: is not a table of numbers separated by commas: could not convert string 'a' to float64 "
                        "at row 0, column 1; a first line of headings must be taken out"),
        ("words.csv", "{}: is not a table of numbers separated by commas: could not convert string 'four' to float64 "
                      "at row 1, column 2"),
        ("ragged.csv", "{}: is not a table of numbers separated by commas: the number of columns changed from 2 to 1 "
                       "at row 2"),
        ("notes.csv", "{}: holds no numbers"),
        ("ragged.json", "{}: rows of one list have different lengths (1 and 2)"),
        ("mixed.json", "{}: a list stands beside a number"),
        ("nan.json", "{}: NaN is not a number in JSON; a .npy file can hold it"),
        ("word.json", "{}: expected numbers or lists of them, found a text"),
        ("null.json", "{}: expected numbers or lists of them, found null"),
        ("object.json", "{}: expected numbers or lists of them, found an object"),
        ("broken.json", "{}: is not readable as JSON: "),
        ("binary.json", "{}: is not UTF-8 text (line 1, byte 0)"),
        ("deeper.json", f"{{}}: lists nest more than {MAX_DIMENSIONS} deep"),
        ("bad\x00name.npy", "embedded null"),
        ("", "x=@: a file must follow @, as in x=@x.npy"),
    ],
    ids=lambda value: value if "." in value[-12:] else "",
)  # fmt: skip
def test_refused_files(folder, file, message):
    with pytest.raises(InputFileError) as caught:
        parse_value(f"@{file}", "x", folder=folder)
    path = folder / file.split(":")[0]
    assert message.format(path) in str(caught.value)


def test_deep_json_is_refused(folder):
    with pytest.raises(InputFileError, match=r"nest (too deeply|more than)"):
        parse_value("@deep.json", "x", folder=folder)


@pytest.mark.parametrize("file", ["float.npy", "two.npz:W", "one.npz", "matrix.csv", "matrix.json"])
def test_the_limit_of_size_holds_for_files(folder, file):
    with pytest.raises(InputFileError, match="above the limit of 3; --max-size raises the limit"):
        parse_value(f"@{file}", "x", folder=folder, max_size=3)


def test_a_large_file_is_not_even_read(folder):
    (folder / "large.csv").write_text("1," * 50_000)
    with pytest.raises(InputFileError, match="100000 bytes, more than the limit of 10 entries allows"):
        parse_value("@large.csv", "x", folder=folder, max_size=10)
    with pytest.raises(InputFileError, match=r"W.npy has 80\d+ bytes, more than the limit of 10 entries allows"):
        parse_value("@bomb.npz", "x", folder=folder, max_size=10)


# Many inputs from one file.

EXPECTED = {
    "x": (1.0, False, False),
    "y": ([1.0, 2.0], False, False),
    "z": (math.pi / 2, False, False),
    "w": (2.5, False, False),
    "m": ([True, False], False, True),
    "μ": (0.5, False, False),
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.json", '{"x": 1, "y": [1, 2], "z": "pi/2", "w": "@scalar.npy", "m": [true, false], "µ": 0.5}'),
        ("in.toml", 'x = 1\ny = [1, 2]\nz = "pi/2"\nw = "@scalar.npy"\nm = [true, false]\n"µ" = 0.5\n'),
    ],
)
def test_inputs_from_a_file(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    found = {
        key: (np.asarray(value.value).tolist(), value.random, value.integer)
        for key, value in read_inputs(folder / name).items()
    }
    assert found == EXPECTED


def test_inputs_from_npz(folder):
    found = read_inputs(folder / "two.npz")
    assert list(found) == ["W", "y"]
    assert np.array_equal(found["W"].value, np.eye(2))
    assert found["y"].integer


def test_random_inputs_from_a_file_have_the_streams_of_their_names(folder):
    (folder / "in.json").write_text('{"W": "randn(3)"}')
    found = read_inputs(folder / "in.json", seed=7)["W"]
    assert found.random
    assert np.array_equal(found.value, array_of("randn(3)", "W", seed=7))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", '{}: expected an object of names and values, such as {{"x": 1}}'),
        ("a.json", '{"x": 1, "x": 2}', "{}: 'x' is given twice"),
        ("a.json", '{"µ": 1, "μ": 2}', "{}: 'μ' is given twice"),
        ("a.json", '{"x y": 1}', "{}: 'x y' is not a name that a program can use"),
        ("a.json", '{"x": {"y": 1}}', "{}: x: expected numbers or lists of them, found an object"),
        ("a.json", '{"x": ', "{}: is not readable as JSON: "),
        ("a.toml", "x = = 1", "{}: is not readable as TOML: "),
        ("a.toml", "x = 1979-05-27", "{}: x: expected numbers or lists of them, found a date or time"),
        ("a.toml", "x = " + "1" * 400, "{}: x: a whole number is larger than 1.8e308"),
        ("a.yaml", "x: 1", "{}: values are read from .json, .toml and .npz files"),
    ],
)
def test_refused_files_of_inputs(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputFileError) as caught:
        read_inputs(path)
    assert message.format(path) in str(caught.value)


def test_a_text_inside_a_file_of_inputs_is_shown_with_the_file(tmp_path):
    path = tmp_path / "in.json"
    path.write_text('{"x": "1 +"}')
    with pytest.raises(SourceError) as caught:
        read_inputs(path)
    first = str(caught.value).split("\n")[0]
    assert first == f"{path}: expected a value after '+', found the end of the program"


def test_missing_files_of_inputs(tmp_path):
    for name in ("a.json", "a.toml", "a.npz"):
        with pytest.raises(InputFileError, match="no such file"):
            read_inputs(tmp_path / name)


# Anything at all.


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30).filter(lambda text: not text.strip().startswith("@")))
def test_random_text_gives_a_value_or_a_source_error(text):
    try:
        found = parse_value(text, "x")
    except SourceError:
        return
    assert isinstance(found.value, float | np.ndarray)


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False), lambda inner: st.lists(inner, max_size=3)))
def test_numbers_and_lists_are_read_as_json_reads_them(value):
    text = json.dumps(value)
    try:
        expected = np.array(value, dtype=np.float64)
    except ValueError:
        with pytest.raises(SourceError):
            parse_value(text, "x")
    else:
        assert np.array_equal(np.asarray(parse_value(text, "x").value), expected)
