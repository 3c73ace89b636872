from dataclasses import replace
from importlib import import_module
from io import StringIO

import pytest

from gradtool.report import RENDERERS, Page, format_of, formats, render
from gradtool.results import StepText, Walk


@pytest.mark.parametrize("where", sorted({where for table in RENDERERS.values() for where in table.values()}))
def test_every_renderer_exists(where):
    module, function = where.split(":")
    assert callable(getattr(import_module(module), function))


def test_formats():
    assert formats("eval") == ("table", "concise", "json", "markdown")
    assert [format_of("eval", path) for path in ("a/b.JSON", "x.txt", "x.pdf", "json")] == ["json", "table", None, None]
    assert formats("graph")[:2] == ("terminal", "json")
    assert [format_of("graph", path) for path in ("x.txt", "x.json", "x.xml")] == ["terminal", "json", None]
    assert [format_of("graph", path) for path in ("x.gv", "x.mmd", "x.html")] == ["dot", "mermaid", "html"]
    assert formats("check") == ("table", "concise", "json", "junit", "github", "gitlab", "sarif")
    assert [format_of("check", path) for path in ("a.xml", "a.sarif", "a.json")] == ["junit", "sarif", "json"]
    assert [format_of("eval", path) for path in ("a.xml", "a.sarif")] == [None, None]


@pytest.mark.parametrize("format_name", formats("eval"))
def test_rendering_twice_gives_the_same_text(make, format_name):
    first, second = StringIO(), StringIO()
    labels = [f"n{i}" for i in range(6)]
    walk = Walk(tuple(StepText(i, label, label, None, label, None, label) for i, label in enumerate(labels)), ())
    for stream in (first, second):
        render("eval", format_name, replace(make.first_example(), walk=walk), stream, Page())
    assert first.getvalue() == second.getvalue() != ""


@pytest.mark.parametrize("format_name", formats("check"))
def test_a_report_of_check_comes_out_the_same_twice(reports, format_name):
    first, second = StringIO(), StringIO()
    render("check", format_name, reports.everything(), first, Page())
    render("check", format_name, reports.everything(), second, Page())
    assert first.getvalue() == second.getvalue() != ""


@pytest.mark.parametrize("format_name", formats("check"))
@pytest.mark.parametrize("name", ["everything", "hostile"])
def test_a_report_of_check_can_be_encoded(reports, format_name, name):
    stream = StringIO()
    render("check", format_name, getattr(reports, name)(), stream, Page())
    assert stream.getvalue().encode("utf-8")
