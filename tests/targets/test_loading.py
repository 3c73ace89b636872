"""TARGETs become files, files become modules, and the process is as it was before."""

import os
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from gradtool.targets.loading import EmptyFolderError, LoadError, TargetError, find_files, load, parse_target


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def loaded(path, text, **options):
    return load(write(path, text), path.name, **options)


# What a user names


def test_a_file_a_folder_and_a_pattern(tmp_path):
    write(tmp_path / "layers.py")
    assert parse_target("layers.py").path.name == "layers.py"
    assert parse_target("layers.py::aff*").pattern == "aff*"
    assert parse_target("os.path").module == "os.path"
    assert parse_target(".").path.is_dir()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer.py", "did you mean layers.py?"),
        ("layers.py::", "no name after"),
        ("::x", "before '::'"),
        ("a/b.py", "no such file"),
    ],
)
def test_what_is_no_target_says_why(tmp_path, text, said):
    write(tmp_path / "layers.py")
    with pytest.raises(TargetError, match=said.replace("?", r"\?")):
        parse_target(text)


def test_a_folder_gives_its_modules_without_tests_and_what_tools_leave(tmp_path):
    kept = ["a.py", "deep/b.py", "deep/er/c.py"]
    for name in [
        *kept,
        "test_a.py",
        "conftest.py",
        "setup.py",
        ".hidden/x.py",
        "venv/x.py",
        "build/x.py",
        "node_modules/x.py",
        "a.txt",
    ]:
        write(tmp_path / "src" / name)
    write(tmp_path / "src/mine/pyvenv.cfg")
    write(tmp_path / "src/mine/x.py")
    assert [shown for _, shown in find_files("src")] == [f"src/{name}" for name in kept]
    assert [shown for _, shown in find_files("src/test_a.py")] == ["src/test_a.py"]


def test_a_module_and_a_package_by_name(tmp_path):
    write(tmp_path / "pack_by_name/__init__.py")
    write(tmp_path / "pack_by_name/layers.py")
    assert [shown for _, shown in find_files("pack_by_name.layers")] == ["pack_by_name/layers.py"]
    assert [shown for _, shown in find_files("pack_by_name")] == ["pack_by_name/__init__.py", "pack_by_name/layers.py"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module_at_all", "no file, folder or module"),
        ("no_such.inner", "no file, folder or module"),
        ("json.decoder.inner", "no file, folder or module"),
        ("math", "no Python source"),
    ],
)
def test_a_module_without_source_says_why(name, said):
    with pytest.raises(TargetError, match=said):
        find_files(name)


def test_finding_a_module_imports_nothing(tmp_path):
    write(tmp_path / "pack_raises/__init__.py", "import nothing_of_this_name")
    write(tmp_path / "pack_raises/inner/layers.py")  # A folder without __init__.py is a package as well.
    (only,) = find_files("pack_raises.inner.layers")
    assert only[1] == "pack_raises/inner/layers.py"
    assert "pack_raises" not in sys.modules


def test_a_parent_package_that_raises_shows_the_users_traceback(tmp_path):
    write(tmp_path / "pack_raises/__init__.py", "import nothing_of_this_name")
    write(tmp_path / "pack_raises/layers.py")
    ((path, display),) = find_files("pack_raises.layers")
    with pytest.raises(LoadError) as caught:
        load(path, display)
    assert "nothing_of_this_name" in caught.value.traceback_of_the_user
    assert "importlib" not in caught.value.traceback_of_the_user


@pytest.mark.parametrize(("name", "said"), [("book.ipynb", "nbconvert"), ("notes.txt", "not a Python file")])
def test_other_files_say_what_to_do(tmp_path, name, said):
    write(tmp_path / name)
    with pytest.raises(TargetError, match=said):
        find_files(name)


def test_an_empty_folder_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyFolderError, match="no Python files"):
        find_files("empty")


# Importing


def test_neighbours_are_imported(tmp_path):
    write(tmp_path / "neighbour_of_layers.py", "value = 3")
    scope = loaded(tmp_path / "layers.py", "from neighbour_of_layers import value\ndef f(x): return x * value")
    assert scope.functions["f"].call(2) == 6


def test_neighbours_of_another_folder_are_not_taken_for_ours(tmp_path):
    for folder, value in (("one", 1), ("two", 2)):
        write(tmp_path / folder / "helper_of_both.py", f"value = {value}")
        scope = loaded(tmp_path / folder / "main.py", "from helper_of_both import value\ndef f(): return value")
        assert scope.functions["f"].call() == value


def test_a_neighbour_is_found_by_an_import_inside_a_function(tmp_path):
    scope = loaded(tmp_path / "m.py", "def f():\n    import late_neighbour\n    return late_neighbour.value")
    write(tmp_path / "late_neighbour.py", "value = 5")
    assert scope.functions["f"].call() == 5


def test_relative_imports_in_a_package(tmp_path):
    write(tmp_path / "pack/__init__.py")
    write(tmp_path / "pack/inner/__init__.py")
    write(tmp_path / "pack/base.py", "value = 4")
    scope = loaded(tmp_path / "pack/inner/layers.py", "from ..base import value\nname, package = __name__, __package__")
    assert (scope.module.value, scope.module.name, scope.module.package) == (4, "pack.inner.layers", "pack.inner")
    assert sys.modules["pack.inner.layers"] is scope.module


def test_a_package_itself(tmp_path):
    write(tmp_path / "pack_itself/layers.py", "value = 4")
    scope = loaded(tmp_path / "pack_itself/__init__.py", "from .layers import value\nfrom . import layers")
    assert scope.module.value == 4


def test_a_file_may_be_called_like_a_module_of_the_standard_library(tmp_path):
    scope = loaded(tmp_path / "random.py", "value = 7")
    assert scope.module.value == 7
    assert sys.modules["random"] is random
    scope = loaded(tmp_path / "numpy.py", "value = 8")
    assert sys.modules["numpy"] is np


def test_it_is_never_main(tmp_path):
    scope = loaded(tmp_path / "m.py", "ran = __name__ == '__main__'\nif ran: raise SystemExit")
    assert scope.module.ran is False


def test_dataclasses_find_their_module(tmp_path):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1"
    assert loaded(tmp_path / "m.py", text).module.A().x == 1


def test_a_file_that_changed_is_loaded_anew(tmp_path):
    loaded(tmp_path / "m.py", "value = 1")
    assert loaded(tmp_path / "m.py", "value = 2").module.value == 2


def test_a_library_is_not_imported_again():
    for module in (np, np.linalg, np.polynomial.polynomial):
        path = Path(module.__file__)
        assert load(path, path.name).module is module


def test_what_the_package_imports_is_what_is_looked_at(tmp_path):
    write(tmp_path / "pack_once/__init__.py", "from .layers import A, runs")
    text = "import sys\nclass A: pass\nruns = sys.__dict__.setdefault('_runs', [])\nruns.append(1)"
    scope = loaded(tmp_path / "pack_once/layers.py", text)
    package = sys.modules["pack_once"]
    assert scope.module.A is package.A
    assert len(sys.__dict__.pop("_runs")) == 1
    assert loaded(tmp_path / "pack_once/layers.py", "class A: pass").module.A is not package.A, "it is another by now"


def test_another_name_may_be_given(tmp_path):
    assert loaded(tmp_path / "m.py", "", module_name="another_name").module.__name__ == "another_name"


def test_no_byte_code_is_left(tmp_path):
    write(tmp_path / "neighbour_without_pyc.py")
    loaded(tmp_path / "m.py", "import neighbour_without_pyc")
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(: pass", "SyntaxError"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("raise ValueError('mine')", "ValueError: mine"),
        ("raise SystemExit(3)", "--definitions-only"),
        ("raise BaseException('mine')", "BaseException: mine"),
        ("x = '\\N{no such}'", "SyntaxError"),
    ],
)
def test_a_module_that_fails_shows_the_users_traceback_alone(tmp_path, text, said):
    with pytest.raises(LoadError) as caught:
        loaded(tmp_path / "broken.py", text)
    assert said in caught.value.message
    assert "broken.py" in caught.value.traceback_of_the_user
    assert "loading.py" not in caught.value.traceback_of_the_user
    assert "importlib" not in caught.value.traceback_of_the_user
    assert "ast.py" not in caught.value.traceback_of_the_user
    assert "broken" not in sys.modules


def test_a_chained_error_keeps_both_traces(tmp_path):
    text = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('x') from e"
    with pytest.raises(LoadError) as caught:
        loaded(tmp_path / "m.py", text)
    assert "ZeroDivisionError" in caught.value.traceback_of_the_user


def test_an_interrupt_passes(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        loaded(tmp_path / "m.py", "raise KeyboardInterrupt")


def test_a_missing_file_is_a_load_error(tmp_path):
    with pytest.raises(LoadError, match="No such file"):
        load(tmp_path / "absent.py", "absent.py")


def test_the_process_is_as_before(tmp_path, capsys):
    before = (
        os.getcwd(),
        list(sys.argv),
        np.geterr(),
        np.random.get_state()[1].tolist(),
        list(warnings.filters),
        dict(os.environ),
    )
    text = """
import os, sys, warnings, numpy as np, random
os.chdir('/'); sys.argv.append('x'); np.seterr(all='raise'); np.random.seed(5); warnings.simplefilter('error')
os.environ['OF_THE_USER'] = '1'
sys.path.insert(0, '/nowhere')
print('hello')
"""
    loaded(tmp_path / "m.py", text)
    after = (
        os.getcwd(),
        list(sys.argv),
        np.geterr(),
        np.random.get_state()[1].tolist(),
        list(warnings.filters),
        dict(os.environ),
    )
    assert after == before
    assert "/nowhere" not in sys.path
    assert capsys.readouterr().out == ""


def test_the_module_sees_no_arguments_of_gradtool(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gradtool", "check", "--jobs", "2"])
    scope = loaded(tmp_path / "m.py", "import sys\nargv = list(sys.argv)")
    assert scope.module.argv == [str(tmp_path / "m.py")]


# Definitions only


def definitions(tmp_path, text):
    return loaded(tmp_path / "script.py", text, definitions_only=True)


def test_a_script_is_not_run(tmp_path):
    scope = definitions(
        tmp_path,
        """
'''A script.'''
from __future__ import annotations
import numpy as np
from math import sqrt
SIZE = 4
W0 = np.arange(6.0).reshape(2, 3) * sqrt(2)
NAMES, RATE = ["a", *"bc"], -SIZE / 3
np.random.seed(1)
print("training")
data = open("nothing.csv").read()
X = np.load("nothing.npy")
for epoch in range(10**9):
    pass
class Net:
    size = SIZE
def f(x): return x @ W0
net = Net()
net.train()
loss = net.loss(X)
assert False
if __name__ == "__main__":
    raise SystemExit
""",
    )
    module = scope.module
    assert module.f(np.ones(2)).shape == (3,)
    assert (module.Net.size, module.NAMES, module.RATE) == (4, ["a", "b", "c"], -4 / 3)
    assert not hasattr(module, "data")
    assert not hasattr(module, "net")
    # seed, print, data, X, for, net, train, loss, assert
    assert scope.notes == ("9 statements at the top level left out: definitions only",)


def test_conditional_imports_and_definitions_are_kept(tmp_path):
    scope = definitions(
        tmp_path,
        """
import sys
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from collections.abc import Callable
try:
    import nothing_of_this_name as fast
except ImportError:
    fast = None
    print("slow")
if sys.version_info >= (3, 8):
    def f(x): return x
else:
    def f(x): return -x
if input("go?"):
    y = 3
""",
    )
    assert scope.module.fast is None
    assert scope.module.f(2) == 2
    assert scope.notes == ("2 statements at the top level left out: definitions only",)


def test_what_completes_a_definition_is_kept(tmp_path):
    text = """
class Custom:
    def __init__(self, f): self.f = f
    def defvjp(self, fwd, bwd): self.fwd, self.bwd = fwd, bwd
def wrap(f): return Custom(f)
@wrap
def f(x): return x
f.defvjp(1, 2)
TABLE = {}
TABLE["f"] = f
relu = Custom.defvjp
"""
    scope = definitions(tmp_path, text)
    assert (scope.module.f.fwd, scope.module.TABLE["f"]) == (1, scope.module.f)
    assert scope.notes == ()


def test_errors_keep_their_lines(tmp_path):
    with pytest.raises(LoadError) as caught:
        definitions(tmp_path, "print(1)\n\nimport nothing_of_this_name\n")
    assert "line 3" in caught.value.traceback_of_the_user
