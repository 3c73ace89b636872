import re
from io import StringIO

from gradtool.report import Page
from gradtool.report.github import render_check
from gradtool.results import CheckReport


def lines(report):
    stream = StringIO()
    render_check(report, stream, Page())
    return stream.getvalue().split("\n")[:-1]


def parsed(line):
    """What the runner makes of a line (``ActionCommand`` in actions/runner): command, properties, message."""
    command, given, message = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()
    properties = dict(pair.split("=", 1) for pair in given.split(","))
    data = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
    for escape, character in (*data[:2], ("%3A", ":"), ("%2C", ","), data[2]):
        properties = {key: value.replace(escape, character) for key, value in properties.items()}
    for escape, character in data:
        message = message.replace(escape, character)
    return command, properties, message


def test_a_command_a_finding(reports):
    found = lines(reports.everything())
    assert found[0] == (
        "::error file=bad.py,line=41,title=GC101::affine: gradient of b has the opposite sign "
        "(entry [3]: yours -0.41, reference 0.41 ± 3e-11)%0Afix: d_b = -(what you return)"
    )
    assert [(command, properties["title"]) for command, properties, _ in map(parsed, found)] == [
        ("error", "GC101"), ("error", "GC118"), ("error", "GC301"), ("error", "GC120"), ("warning", "UNDECIDED"),
        ("error", "ERROR"), ("notice", "GC199"), ("notice", "GC101"), ("warning", "GC306"), ("notice", "SKIPPED"),
        ("notice", "SKIPPED"),
    ]  # fmt: skip


def test_what_is_well_gives_no_annotation(reports):
    assert lines(CheckReport((reports.right_affine(),))) == []


def test_text_cannot_end_its_line_or_its_property(reports):
    for line in lines(reports.hostile()):
        command, properties, message = parsed(line)
        assert command in ("error", "warning", "notice")
        assert list(properties) == ["file", "line", "title"]
        assert "a]]>b<c>&\"'::error::%0A,[red]x[/red] :smile: \\x1b[31m\\x00 second" in properties["file"]
        assert "'::error::%0A,[red]" in message
        assert "\r" not in line


def test_code_that_is_in_no_file(reports):
    found = reports.wrong_affine(id="affine", file=None, line=None)
    assert lines(CheckReport((found,)))[0].startswith("::error title=GC101::affine: gradient of b ")
