"""What people get wrong on the command line: exit code 2, the place, what to do instead, and never a traceback."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradtool.cli import COMMANDS, main
from tests.cli.signals import HEARD


def run(*arguments, **more):
    result = CliRunner().invoke(main, ["eval", *arguments], **more)
    assert "Traceback" not in result.output
    return result


def refused(*arguments, **more):
    """The lines of the message, without click's usage."""
    result = run(*arguments, **more)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr[result.stderr.index("Error: ") :].splitlines()


# Words that are no NAME=VALUE: mostly the shell's doing.


@pytest.mark.parametrize(
    ("arguments", "place", "hint"),
    [
        (("x+y", "x==1"), ["  x==1", "   ^^"], "write one =, as in x=1"),
        (("x+y", "=1"), ["  =1", "  ^"], "write a name before the =, as in x=1"),
        (("x+y", "1x=2"), ["  1x=2", "  ^^"], "a name has letters, digits and underscores, and does not begin with a digit"),
        (("x+y", "x="), ["  x=", "    ^"], "as in x=1"),
        (("x+y", "x=", "1"), ["  x=", "    ^"], "there are no blanks around the =: x=1"),
        (("x+y", "x=", "y=2"), ["  x=", "    ^"], "as in x=1"),
        (("x+y", "x", "=", "1"), ["  x", "  ^"], "there are no blanks around the =: x=1"),
        (("x+y", "x", "=1"), ["  x", "  ^"], "there are no blanks around the =: x=1"),
        (("x", "+", "y", "x=1"), ["  +", "  ^"], 'an expression that holds blanks needs quotes: "x + y"'),
        (("--expr=x", "+", "y"), ["  +", "  ^"], 'an expression that holds blanks needs quotes: "x + y"'),
        (("sum(x)", "x=[1,", "2,", "3]"), ["  2,", "  ^^"], 'a value that holds blanks needs quotes: "x=[1, 2, 3]"'),
        (("x", "x=1", "y"), ["  y", "  ^"], "what holds blanks needs quotes, an expression as well as a value"),
    ],
)  # fmt: skip
def test_what_is_no_assignment(arguments, place, hint):
    lines = refused(*arguments)
    assert lines[1:] == [*place, f"hint: {hint}"]


def test_a_star_that_the_shell_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").touch()
    assert refused("x", "notes.txt", "y", "x=1")[-1] == (
        "hint: a * or ? outside of quotes becomes the names of files: put the expression in quotes"
    )
    Path("p.expr").write_text("x")
    assert refused("-f", "p.expr", "x")[-1] == (
        "hint: the program is in the file; after it come values only, as in x=1"
    )


def test_long_words_are_not_repeated_in_full():
    for word in ("w" * 5000, "w" * 5000 + "==1"):
        assert max(map(len, refused("x", word)[:3])) < 200


def test_names_that_are_none():
    assert refused("x+y", "x=1", "y=2", "yy=2") == [
        "Error: the program has no input 'yy': did you mean y? its inputs are x, y"
    ]
    assert refused("y = x; y", "x=1", "y=2") == [
        "Error: the program has no input 'y', which it computes itself: its inputs are x"
    ]
    assert refused("y = x; y", "x=1", "--wrt", "y") == [
        "Error: cannot differentiate with respect to 'y', which it computes itself: its inputs are x"
    ]
    assert refused("1+1", "y=2") == ["Error: the program has no input 'y': its inputs are none"]


def test_values_that_are_missing():
    assert refused("x+y", "x=1") == ["Error: input y has no value", "  x+y", "    ^", "hint: give it one: y=1"]
    assert refused("x+y*z", "y=1") == [
        "Error: inputs x, z have no value", "  x+y*z", "  ^", "hint: give each a value: x=1 z=1",
    ]  # fmt: skip
    lines = refused("+".join(f"x{k}" for k in range(100)))
    assert lines[0].endswith("x10, x11 and 88 more have no value")
    assert lines[-1].endswith("x11=1 ...")


# Files


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ["Error: {}: the program is empty"]),
        (b"# nothing\n\n", ["Error: {}: the program is empty"]),
        (bytes(range(256)), ["Error: '{}' is not UTF-8 text (line 2, byte 128)"]),
        (b"x + \xff", ["Error: '{}' is not UTF-8 text (line 1, byte 4)"]),
        ("x + y".encode("utf-16"), ["Error: '{}' is not UTF-8 text (line 1, byte 0); it looks like UTF-16"]),
        (b"x + \0", ["Error: {}:1:5: unknown character (U+0000)", "  x + \ufffd", "      ^"]),
        (b"a = x\r\na *\t* x\r\n", ["Error: {}:2:5: expected a value after '*', found '*'", "  a * * x", "      ^"]),
        (b"x y", ["Error: {}: expected an operator or the end of the statement, found 'y'", "  x y", "    ^"]),
        (b"x*" * 5000 + b"$", ["Error: {}:1:10001: the language has no $"]),
    ],
)
def test_programs_that_are_none(data, said, tmp_path):
    path = tmp_path / "p.expr"
    path.write_bytes(data)
    lines = refused("-f", str(path), "x=1")
    expected = [line.format(path) for line in said]
    if len(lines[0]) != len(expected[0]):  # A program of one line may go without the line's number.
        lines[0] = re.sub(r":\d+:\d+:", ":", lines[0])
        expected[0] = re.sub(r":\d+:\d+:", ":", expected[0])
    assert lines[: len(said)] == expected
    assert max(map(len, lines[1:]), default=0) < 120


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfx + y", b"x\t+\ty\t# \xce\xb1", b"a = x + y\r\na\r\n", b"a = x + y\ra"])
def test_programs_from_other_systems(data, tmp_path):
    path = tmp_path / "p.expr"
    path.write_bytes(data)
    assert run("-f", str(path), "x=1", "y=2", "--format", "concise").stdout == "x 1 1 OK\ny 2 1 OK\n"


def test_files_that_cannot_be_read(tmp_path):
    assert refused("-f", str(tmp_path)) == [f"Error: cannot read '{tmp_path}': Is a directory"]
    assert refused("x", "--inputs", str(tmp_path))[0].startswith(f"Error: {tmp_path}: ")
    for name, text, said in (
        ("a.toml", "x = 1\ny = [1,\nz=2", "line 3"),
        ("a.json", '{"x": 1,\n "y": [1,}', "line 2"),
        ("b.toml", 'x = 1\ny = "\udcff"', "line 2"),
        ("b.json", '{"x":\n\n"\udcff"}', "line 3"),
        ("c.json", "[1, 2]", '{"x": 1}'),
        ("d.json", '{"x": "os.getcwd()"}', "'getcwd'"),
    ):
        path = tmp_path / name
        path.write_text(text, errors="surrogateescape")
        assert said in "\n".join(refused("x", "--inputs", str(path)))
    np.savez(tmp_path / "o.npz", x=np.array([1, None], dtype=object))
    assert "pickled" in refused("x", "--inputs", str(tmp_path / "o.npz"))[0]
    assert "pickled" in refused("x", f"x=@{tmp_path}/o.npz:x")[0]


# Markup, escapes and other surprises in what is typed


@pytest.mark.parametrize(
    "text", ["w[red]", "[/]", "w[bold]red[/bold]", "[link=x]", ":smile:", "w\x1b[31m", "‮x", "\ufeff$"]
)
def test_what_is_typed_is_shown_as_typed(text):
    for arguments in ((text, "w=1"), ("x", f"x={text}"), ("x", text)):
        message = "\n".join(refused(*arguments, color=True))
        assert "\x1b" not in message
        shown = re.sub("[\x1b\u202e\ufeff]", "\ufffd", text)
        assert shown in message or shown.replace("\ufffd", "") in message.replace("\ufffd", "")


@pytest.mark.parametrize("name", ["lambda", "None", "if", "class", "α", "ħ_0", "ﬁ", "变量", "x" * 3000])
def test_names_of_all_kinds(name):
    assert run(f"{name}*2", f"{name}=3", "--format", "concise").stdout.split()[1:] == ["3", "2", "OK"]


def test_depth_and_length():
    for program in ("(" * 10_000 + "x" + ")" * 10_000, "-" * 10_000 + "x", "+".join(["x"] * 10_000)):
        assert run("-f", "-", "x=1", "--reference", "none", input=program).exit_code == 0
    for program in ("(" * 10_000 + "x", "x" + ")" * 10_000, "sin(" * 10_000, "[" * 10_000 + "]" * 10_000):
        assert refused("-f", "-", "x=1", input=program)


# Commands


def test_commands_that_are_none():
    for arguments, hint in (
        (["evla", "x", "x=1"], "did you mean eval?"),
        (["x+y", "x=1"], "to evaluate an expression, write: gradtool eval x+y ..."),
        (["x", "x=1"], "to evaluate an expression, write: gradtool eval x ..."),
        (["foo"], "there are: check, eval, explain, graph, ops, trace"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-2:] == [f"Error: there is no command '{arguments[0]}'", f"hint: {hint}"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
def test_help_fits_a_terminal(arguments):
    result = CliRunner().invoke(main, arguments, terminal_width=80)
    assert max(map(len, result.output.splitlines())) <= 80
    assert "gradtool" in result.output


# Anything at all


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TEXTS = st.one_of(
    WORDS,
    st.lists(
        st.sampled_from([*"xyz()[]+-*/@^.,;:=<>!#&%'\"$\\ \n01e", "sin", "max", "axis=", "**", "[/]", "@f.npy"])
    ).map("".join),
)


@given(TEXTS, TEXTS, TEXTS)
@example("x", "1" * 400, "x")
@example("x", "1e400", "-")
@example("x", "@", "@")
@example("x@x", "[[[]]]", "[]")
@example("x", "randn(" + ")" * 3, "\ud800")
@settings(deadline=None, max_examples=200)
def test_anything_typed_is_answered(expression, value, upstream):
    for arguments in (
        ["--expr", expression, f"x={value}", "--upstream", upstream],
        [expression, f"x={value}"],
        ["x", value],
        ["-f", "-", "x=1", "y=2", "z=[1,2]"],
    ):
        result = run(*arguments, "--max-symbolic=200", "--max-size=1000", input=expression.encode(errors="replace"))
        assert result.exit_code in (0, 1, 2, 5), result.output
        assert (result.exit_code == 2) == (result.stdout == "") or "--help" in arguments or "-h" in arguments


# Real processes


def processed(arguments, code="from gradtool.cli import main; main()", **more):
    command = [sys.executable, "-c", f"import sys; sys.argv[0] = 'gradtool'; {code}", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, **more)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell):
    result = processed([], env={"_GRADTOOL_COMPLETE": f"{shell}_source", "PATH": "/usr/bin:/bin"})
    if result.returncode:  # click asks bash for its version
        pytest.skip(f"click has no completion for this {shell}")
    assert "_gradtool_completion" in result.stdout


def test_completion_knows_options():
    words = {"_GRADTOOL_COMPLETE": "zsh_complete", "COMP_WORDS": "gradtool eval --format j", "COMP_CWORD": "3"}
    assert "json" in processed([], env=words).stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["eval", "x+"], 2), (["eval", "e*x", "x=1"], 0), (["evla"], 2), (["eval", "relu(x)", "x=0", "--strict"], 4)],
)
def test_messages_that_cannot_be_written_change_nothing(arguments, code, unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        assert processed(arguments, stderr=full).returncode == code


def test_control_c():
    arguments = ["sum(inv(A@A.T))", "A=randn(60,60)", "--max-symbolic", "100000000"]
    command = [sys.executable, "-m", "gradtool", "eval", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **HEARD) as started:
        time.sleep(1.5)
        started.send_signal(signal.SIGINT)
        out, errors = started.communicate(timeout=60)
    assert (started.returncode, out, errors.strip()) == (130, "", "interrupted")
