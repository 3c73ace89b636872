"""The module of tests that ``check --reproduce`` writes: one function for each gradient that is WRONG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, TextIO

from gradtool.report import Page
from gradtool.report.printable import one_line
from gradtool.results import CheckReport, Reproduction

NOT_REPRODUCED = "not reproduced"
"""How the note begins that says why there is no test."""
Home = Literal["top", "test", "path"] | None
TITLE = "The smallest cases that gradtool found to be wrong. Each test passes as soon as its gradient is right."
BY_PATH = '''
def module_at(path, name):
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
'''


def render_reproduction(report: CheckReport, stream: TextIO, page: Page) -> None:  # noqa: ARG001 (as all renderers)
    """Write a module for pytest. What cannot be reproduced by a single entry is named in a comment."""
    found = [one.reproduction for one in report.targets if one.fails and one.reproduction is not None]
    missing = [target for target in report.targets if target.fails and target.reproduction is None]
    tests = [_unique(test, found[:number]) for number, test in enumerate(found)]
    homes = _homes(tests)
    by_path = "path" in homes
    calls_itself = any(home is not None for home in homes)
    stream.write(f'"""{TITLE}"""\n')
    standard = (["import importlib.util"] if by_path else []) + (["import sys"] if calls_itself else [])
    stream.write("\n" + "\n".join(standard) + "\n" if standard else "")
    stream.write("\nimport numpy as np\n")
    if any(test.uses_gradtool for test in tests):
        stream.write("\nimport gradtool\n")
    for root in dict.fromkeys(_root(test) for test in tests if not test.uses_gradtool):
        # Its own imports come next, while it is the first place to look.
        stream.write(f"\nsys.path.insert(0, {_quoted(root)})\n")
        on_top = [test for test, home in zip(tests, homes, strict=True) if home == "top" and _root(test) == root]
        for line in dict.fromkeys(map(_import, on_top)):
            stream.write(f"{line}  # noqa: E402\n")
    if by_path:
        stream.write(f"\n{BY_PATH}")
    for target in missing:
        why = next((note for note in target.notes if note.startswith(NOT_REPRODUCED)), NOT_REPRODUCED)
        stream.write(f"\n# {one_line(target.id)}: {one_line(why)}\n")
    for test, home in zip(tests, homes, strict=True):
        stream.write(f"\n\n{_with_import(test, home)}")


def _unique(test: Reproduction, earlier: Sequence[Reproduction]) -> Reproduction:
    """The test under a name that no earlier one has."""
    count = sum(other.name == test.name for other in earlier)
    if not count:
        return test
    name = f"{test.name}_{count + 1}"
    text = test.text.replace(f"def {test.name}(", f"def {name}(", 1)
    return Reproduction(name, text, test.file, test.alias, test.module, test.root, test.uses_gradtool)


def _homes(tests: Sequence[Reproduction]) -> list[Home]:
    """Where each test gets its module from: an import at the top; one of its own, where another module has the alias there; by
    the module's path, where another package has its name or it cannot be imported by name; None where it needs none."""
    owners: dict[str, str | None] = {}
    aliases: dict[str, str] = {}
    homes: list[Home] = []
    for test in tests:
        if test.uses_gradtool:
            homes.append(None)
        elif test.module is None or owners.setdefault(test.module.partition(".")[0], test.root) != test.root:
            homes.append("path")
        else:
            homes.append("top" if aliases.setdefault(test.alias, test.file) == test.file else "test")
    return homes


def _root(test: Reproduction) -> str:
    """The folder from which its module, or the neighbours of that, are imported."""
    return test.root or str(PurePath(test.file).parent)


def _import(test: Reproduction) -> str:
    return f"import {test.module}" if test.module == test.alias else f"import {test.module} as {test.alias}"


def _with_import(test: Reproduction, home: Home) -> str:
    """The test with its module as a variable of its own, where it is not imported at the top."""
    if home in (None, "top"):
        return test.text
    head, docstring, rest = test.text.split('"""', 2)
    line = _import(test)
    if home == "path":
        line = f"{test.alias} = module_at({_quoted(test.file)}, {_quoted(f'{test.alias}_of_{test.name}')})"
    return f'{head}"""{docstring}"""\n    {line}\n{rest[1:]}'


def _quoted(text: str) -> str:
    """A text as Python has it: the escapes of JSON are Python's."""
    return json.dumps(text)
