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
