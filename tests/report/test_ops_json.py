"""The catalogue as a JSON document."""

import io
import json

import pytest

import gradtool
from gradtool.report import Page
from gradtool.report.ops_json import render_operations


def document(entries):
    stream = io.StringIO()
    render_operations(entries, stream, Page())
    return stream.getvalue()


def test_one_operation_a_line():
    entries = gradtool.list_operations()
    text = document(entries)
    found = json.loads(text)
    assert (found["schema"], found["count"]) == ("gradtool/ops/1", len(entries))
    assert [entry["name"] for entry in found["operations"]] == [entry.name for entry in entries]
    assert sum('{"name": ' in line for line in text.splitlines()) == len(entries)


def test_an_operation_with_its_kinks_and_its_chart():
    (found,) = json.loads(document(gradtool.find_operations("relu")))["operations"]
    assert found["elementwise"] is True
    assert found["kinks"] == [{"where": "x = 0", "convention": "0", "valid": "[0, 1]"}]
    assert "chart" in found


def test_what_there_is_not_is_null_or_left_out():
    (found,) = json.loads(document(gradtool.find_operations("matmul")))["operations"]
    assert found["kinks"] == []
    assert "chart" not in found
    assert json.loads(document(()))["operations"] == []


def test_no_number_that_is_not_json():
    for entry in gradtool.list_operations():
        json.loads(document(gradtool.find_operations(entry.name)), parse_constant=pytest.fail)
