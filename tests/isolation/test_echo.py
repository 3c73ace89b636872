from io import StringIO

from gradtool.isolation.echo import MOST_LINES, Echo


def echoed(*texts, label="a.py::f: "):
    stream = StringIO()
    echo = Echo(stream)
    echo.begin(label)
    for text in texts:
        print(text, file=echo)
    echo.end()
    return stream.getvalue().splitlines()


def test_a_line_is_shown_once_and_the_rest_counted():
    assert echoed("in forward", "in forward", "in forward", "loss 3") == [
        "a.py::f: in forward",
        "a.py::f: loss 3",
        "a.py::f: (2 more lines printed, most of them seen before)",
    ]


def test_nothing_is_said_of_what_prints_nothing():
    assert echoed() == []
    assert echoed("one", label="") == ["one"]


def test_many_different_lines_are_bounded():
    found = echoed(*map(str, range(1000)))
    assert len(found) == MOST_LINES + 1
    assert found[-1].startswith(f"a.py::f: ({1000 - MOST_LINES} more lines")


def test_a_line_without_an_end_is_not_lost():
    stream = StringIO()
    echo = Echo(stream)
    echo.begin("f: ")
    echo.write("half")
    assert stream.getvalue() == ""
    echo.end()
    assert stream.getvalue() == "f: half\n"


def test_on_a_terminal_it_takes_the_place_of_the_progress(monkeypatch):
    stream = StringIO()
    stream.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    echo = Echo(stream)
    echo.begin("f: ")
    print("loss\nloss", file=echo)
    echo.end()
    clear = "\r\x1b[K"
    more = "(1 more line printed, most of them seen before)"
    assert stream.getvalue() == f"{clear}f: loss\n{clear}f: {more}\n"
    monkeypatch.setenv("TERM", "dumb")
    before = stream.getvalue()
    print("loss", file=Echo(stream))
    assert stream.getvalue() == f"{before}loss\n"
