"""The module of tests: each test gets its own module, whatever others are called."""

import ast
import subprocess
import sys
from dataclasses import replace
from io import StringIO

from gradtool.report import Page, render
from gradtool.results import CheckReport, Reproduction

TEXT = '''\
def {name}():
    """What is wrong."""
    assert {alias}.VALUE == {value}
'''


def a_test_of(file, value, name="test_f_gradient_of_x", module=None, root=None, alias=None):
    alias = alias or file.stem
    text = TEXT.format(name=name, alias=alias, value=value)
    return Reproduction(name, text, str(file), alias, module, None if root is None else str(root))


def written(reports, *tests):
    targets = tuple(replace(reports.wrong_affine(id=f"t{i}.py::f"), reproduction=test) for i, test in enumerate(tests))
    stream = StringIO()
    render("reproduction", "pytest", CheckReport(targets), stream, Page())
    ast.parse(stream.getvalue())
    return stream.getvalue()


def outcome(text, tmp_path):
    path = tmp_path / "test_written.py"
    path.write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    return done.stdout.strip().splitlines()[-1]


def test_modules_of_one_name_each_reach_their_tests(reports, tmp_path):
    files = {"a/layers.py": 1, "b/layers.py": 2, "b/net/layers.py": 3, "b/my-net.py": 4}
    for name, value in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"VALUE = {value}\n")
    (tmp_path / "b/net/__init__.py").touch()
    (tmp_path / "b/net/layers.py").write_text("from .numbers import VALUE\n")
    (tmp_path / "b/net/numbers.py").write_text("VALUE = 3\n")
    tests = [
        a_test_of(tmp_path / "a/layers.py", 1, module="layers", root=tmp_path / "a"),
        a_test_of(tmp_path / "b/layers.py", 2, module="layers", root=tmp_path / "b"),
        a_test_of(tmp_path / "b/net/layers.py", 3, module="net.layers", root=tmp_path / "b"),
        a_test_of(tmp_path / "b/my-net.py", 4, alias="my_net"),
    ]
    text = written(reports, *tests)
    assert "import layers  # noqa: E402" in text
    assert outcome(text, tmp_path).startswith("4 passed")
    wrong = text.replace("VALUE == ", "VALUE == 10 + ")
    assert outcome(wrong, tmp_path).startswith("4 failed")


def test_names_of_tests_are_unique(reports, tmp_path):
    test = a_test_of(tmp_path / "layers.py", 1, module="layers", root=tmp_path)
    text = written(reports, test, test, test)
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert names == ["test_f_gradient_of_x", "test_f_gradient_of_x_2", "test_f_gradient_of_x_3"]
    assert text.count("import layers") == 1


def test_gradtool_is_imported_only_where_it_is_used(reports, tmp_path):
    plain = a_test_of(tmp_path / "layers.py", 1, module="layers", root=tmp_path)
    assert "gradtool\n" not in written(reports, plain).split('"""', 2)[2]
    through = Reproduction(
        "test_g", 'def test_g():\n    """It."""\n    assert gradtool\n', "g.py", "g", uses_gradtool=True
    )
    text = written(reports, through)
    assert "\nimport gradtool\n" in text
    assert "import sys" not in text


def test_what_does_not_fail_the_run_is_left_out_and_what_has_no_test_is_named(reports, tmp_path):
    test = a_test_of(tmp_path / "layers.py", 1, module="layers", root=tmp_path)
    accepted = replace(reports.in_baseline(), reproduction=test)
    bare = reports.wrong_affine(
        id=f"bad.py::{reports.HOSTILE}", notes=("called as f(x)", f"not reproduced: {reports.HOSTILE}")
    )
    stream = StringIO()
    render("reproduction", "pytest", CheckReport((accepted, bare, reports.right_affine())), stream, Page())
    tree = ast.parse(stream.getvalue())
    assert not any(isinstance(node, ast.FunctionDef) for node in tree.body)
    assert stream.getvalue().count("\n# bad.py::") == 1
    assert ": not reproduced: " in stream.getvalue()


def test_paths_are_written_so_that_python_reads_them(reports, tmp_path):
    folder = tmp_path / 'a "b" \\ ö'
    folder.mkdir()
    (folder / "layers.py").write_text("VALUE = 1\n")
    test = a_test_of(folder / "layers.py", 1, module="layers", root=folder)
    assert outcome(written(reports, test), tmp_path).startswith("1 passed")
