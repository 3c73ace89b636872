"""The catalogue as a page."""

import io

import gradtool
from gradtool.report import Page
from gradtool.report.ops_table import FEW, render_operations


def page(entries, **settings):
    stream = io.StringIO()
    render_operations(entries, stream, Page(**settings))
    return stream.getvalue()


def test_many_are_a_table_for_each_family():
    entries = gradtool.list_operations()
    lines = page(entries).splitlines()
    families = list(dict.fromkeys(entry.family for entry in entries))
    assert [line for line in lines if line in families] == families
    assert "  sigmoid(x)" in {line[:12] for line in lines}


def test_few_are_shown_in_full():
    entries = gradtool.list_operations()
    assert "family" in page(entries[:FEW])
    assert "  family" not in page(entries[: FEW + 1])
    assert page(entries[: FEW + 1], full=True).count("  family") == FEW + 1


def test_all_that_is_known_of_one():
    text = page(gradtool.find_operations("relu"))
    assert text.splitlines()[0] == "relu(x)"
    assert "activations, elementwise" in text
    assert "at x = 0" in text


def test_no_line_of_the_facts_is_longer_than_the_terminal():
    for entry in gradtool.list_operations():
        assert max(map(len, page((entry,), width=60).splitlines()[1:])) <= 60, entry.name
