"""The house stands as designed: a room imports only from rooms below it, and slow libraries load where they are used."""

import ast
from functools import cache
from pathlib import Path

import pytest

import gradtool

PACKAGE = Path(gradtool.__file__).parent
TOP = PACKAGE.parent
# From the roof down. Rooms on one line do not know each other.
FLOORS = [
    ["__main__"],
    ["cli", "pytest_plugin"],
    ["asserting"],
    ["report"],
    ["isolation"],
    ["configuration", "acceptance", "selection"],
    ["catalogue"],
    ["minimal_case", "self_test", "drawing", "charting"],
    ["evaluation", "difference", "checking", "traced_function"],
    ["examination", "textbook"],
    ["targets"],
    ["diagnosis"],
    ["verdict"],
    ["references"],
    ["autodiff"],
    ["language", "tracing"],
    ["ops"],
    ["graph"],
    ["tracebacks"],
    ["target"],
    ["results"],
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
SLOW = {"numpy", "scipy", "sympy", "mpmath", "rich", "torch", "jax", "matplotlib", "igraph"}
RUNS_THE_USERS_MODULE = PACKAGE / "targets" / "loading.py"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def nodes_of(path):
    """Every node of a module's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported_modules(node):
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_below(path):
    room = room_of(path)
    assert room in FLOOR, f"{room} is in no room of the house: put it in FLOORS, in its place"
    for node in nodes_of(path):
        for module in imported_modules(node):
            if not module.startswith("gradtool."):
                continue
            other = module.split(".")[1]
            assert other == room or FLOOR[other] > FLOOR[room], f"{path.name}:{node.lineno} reaches up to {module}"


def test_report_knows_results_alone():
    for path in (PACKAGE / "report").glob("*.py"):
        for node in nodes_of(path):
            for module in imported_modules(node):
                assert not module.startswith("gradtool.") or module.split(".")[1] in ("report", "results"), path.name


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_inside_functions_are_slow_libraries(path):
    for function in nodes_of(path):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                for module in imported_modules(node):
                    assert module.split(".")[0] in SLOW, f"{path.name}:{node.lineno} imports {module} inside a function"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_is_executed_or_unpickled(path):
    """Expressions and values are data. The one thing that is run is the module that a user points ``check`` at."""
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and path != RUNS_THE_USERS_MODULE:
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("sympify", "parse_expr", "lambdify"), f"{path.name}:{node.lineno}"
        for module in imported_modules(node):
            assert module.split(".")[0] not in ("pickle", "marshal", "shelve", "dill"), f"{path.name}:{node.lineno}"


def test_every_module_has_its_tests():
    """tests/ mirrors gradtool/ file by file; what is only data or a thin package file is tested where it is used."""
    missing = []
    for path in MODULES:
        if path.name in ("__init__.py", "__main__.py"):
            continue
        relative = path.relative_to(PACKAGE)
        wanted = TOP / "tests" / relative.parent / f"test_{relative.name}"
        if not wanted.exists():
            missing.append(str(wanted.relative_to(TOP)))
    assert missing == []


def test_the_top_level_holds_what_it_should():
    if not (TOP / "pyproject.toml").exists():
        pytest.skip("installed without its source tree")
    allowed = {"pyproject.toml", "README.md", "CHANGELOG.md", "gradtool", "tests", "samples"}
    ignored = {"build", "dist", "bin", "__pycache__"}  # What tools leave; .gitignore keeps it out.
    found = {p.name for p in TOP.iterdir() if not p.name.startswith(".") and not p.name.endswith(".egg-info")}
    assert found - ignored <= allowed
