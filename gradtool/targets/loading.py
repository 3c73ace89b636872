"""From what a user types (a file, a folder, a module) to loaded modules; the one place where a user's module is run.

A file is imported as pytest does it: its folder, or the folder above its top package, is on ``sys.path``, so that imports
of its neighbours and relative imports work. What the module does to the process while it is imported is undone.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import pkgutil
import random
import re
import sys
import tokenize
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gradtool.targets.scope import Scope
from gradtool.tracebacks import user_traceback

_SKIPPED_FOLDERS = {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"}
_SKIPPED_FILES = re.compile(r"(test_.*|.*_test|conftest|setup)\.py")
_OURS = str(Path(__file__).resolve().parent.parent) + os.sep


class TargetError(ValueError):
    """What the user named cannot be checked; the message says why and what to do."""


class EmptyFolderError(TargetError):
    """The folder that the user named has no Python files: there is nothing wrong, and nothing to check."""


class LoadError(Exception):
    """The user's module could not be imported. ``traceback_of_the_user`` has no frames of gradtool or of the import system."""

    def __init__(self, message: str, traceback_of_the_user: str) -> None:
        super().__init__(message)
        self.message = message
        self.traceback_of_the_user = traceback_of_the_user


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What TARGET names: a file or folder, or a module by its dotted name; ``pattern`` is a glob for the names of targets
    in it, None where all are meant."""

    path: Path | None
    module: str | None
    pattern: str | None = None


@dataclass(frozen=True, eq=False)
class LoadedScope(Scope):
    """A scope with what is to be said about how it was loaded."""

    notes: tuple[str, ...] = ()


# What a user names ---------------------------------------------------------------------------------------------------


def parse_target(text: str) -> TargetSpec:
    """``layers.py``, ``src/``, ``package.module``, each with ``::pattern``. Raises ``TargetError``.

    What exists as a file or folder is that; else a dotted name is a module.
    """
    place, mark, pattern = text.partition("::")
    if mark and not pattern:
        raise TargetError(f"{text}: no name after '::'; write {place}::NAME, or leave out '::'")
    if not place:
        raise TargetError(f"{text!r}: no file, folder or module before '::'; write layers.py::NAME")
    path = Path(place)
    chosen = pattern or None
    if path.exists():
        return TargetSpec(path, None, chosen)
    if all(part.isidentifier() for part in place.split(".")) and not place.endswith(".py"):
        return TargetSpec(None, place, chosen)
    raise TargetError(f"{place}: no such file or folder{_nearest(path)}")


def find_files(target: str | TargetSpec) -> list[tuple[Path, str]]:
    """The Python files that a target names, with the path to show for each, in a stable order.

    A folder or package gives all its ``*.py``, without tests, hidden folders, virtual environments and build products; a file
    that is named itself is always taken. Raises ``TargetError``, which is an ``EmptyFolderError`` where there are no files.
    """
    spec = parse_target(target) if isinstance(target, str) else target
    path = spec.path if spec.path is not None else _locate(spec.module or "")
    if path.is_dir():
        files = sorted(_python_files(path), key=lambda p: p.parts)
        if not files:
            raise EmptyFolderError(
                f"{path}: no Python files in this folder (tests, hidden and build folders are left out)"
            )
        return [(file, display_of(file)) for file in files]
    if path.suffix == ".ipynb":
        raise TargetError(
            f"{path}: notebooks are not read; `jupyter nbconvert --to script {path}` makes a Python file of it"
        )
    if path.suffix not in (".py", ".pyw"):
        raise TargetError(f"{path}: not a Python file; name a .py file, a folder or a module")
    return [(path, display_of(path))]


def _python_files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED_FOLDERS
            and not name.endswith(".egg-info")
            and not Path(where, name, "pyvenv.cfg").exists()
        ]
        for name in files:
            if name.endswith(".py") and not name.startswith(".") and not _SKIPPED_FILES.fullmatch(name):
                yield Path(where, name)


def _locate(name: str) -> Path:
    """The file of a module, or the folder of a package. Nothing is imported for it, its parent packages neither."""
    top, _, rest = name.partition(".")
    with _importing(Path.cwd(), Path(name)):
        asked = (finder.find_spec(top, None) for finder in sys.meta_path)
        spec = next((found for found in asked if found is not None), None)
        for part in rest.split(".") if rest else ():
            if spec is not None:
                spec = _inside(f"{spec.name}.{part}", list(spec.submodule_search_locations or ()))
    if spec is None:
        close = _nearest(Path(name + ".py"))
        raise TargetError(f"{name}: no file, folder or module of this name{close}")
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise TargetError(f"{name}: a built-in or compiled module, which has no Python source to look at")
    return Path(spec.origin)


def _inside(name: str, folders: Sequence[str]) -> importlib.machinery.ModuleSpec | None:
    """A module of the package whose folders these are. ``importlib.util.find_spec`` would import the package."""
    portions: list[str] = []
    for folder in folders:
        finder = pkgutil.get_importer(folder)
        found = None if finder is None else finder.find_spec(name)
        if found is not None and found.loader is not None:
            return found
        if found is not None:  # A folder without __init__.py, of which there may be several.
            portions += found.submodule_search_locations or ()
    if not portions:
        return None
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = portions
    return spec


def display_of(path: Path) -> str:
    """Relative to the working directory where it lies below it, with forward slashes."""
    with contextlib.suppress(ValueError):
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    return path.as_posix()


def _nearest(path: Path) -> str:
    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.suffix == ".py" or p.is_dir()] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {(folder / close[0]).as_posix()}?" if close else ""


# Importing -----------------------------------------------------------------------------------------------------------


def load(path: Path, display: str, *, definitions_only: bool = False, module_name: str | None = None) -> LoadedScope:
    """Imports a file as a module of its own name (never ``__main__``). Raises ``LoadError``.

    With ``definitions_only`` only imports, functions, classes and constants at its top level are run; a note says how
    many statements were left out. Modules that it imports run in full.
    """
    path = path.resolve()
    root, natural = _place(path)
    name = module_name or natural
    try:
        with tokenize.open(path) as file:
            source = file.read()
        tree = ast.parse(source, filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        # What stands on the stack here is gradtool's and the parser's; where the mistake is, the exception itself says.
        told = "".join(traceback.format_exception_only(error)).rstrip()
        raise LoadError(f"{display}: {_one_line(error)}", told) from error
    notes: tuple[str, ...] = ()
    body = tree
    if definitions_only:
        body, left_out = _definitions_only(tree)
        if left_out:
            notes = (
                f"{left_out} {'statement' if left_out == 1 else 'statements'} at the top level left out: definitions only",
            )
    with _importing(root, path):
        try:
            module = _run(body, path, name, whole=body is tree)
        except KeyboardInterrupt:  # It is the user at the keyboard who stops gradtool.
            raise
        except BaseException as error:  # pytest.importorskip, for one, raises what is no Exception.
            raise LoadError(f"{display}: {_one_line(error)}", user_traceback(error)) from error
    return LoadedScope(path, display, module, tree, source, notes)


def _one_line(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the module exits on import (SystemExit: {error.code}); --definitions-only leaves out what it runs"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return error.strerror
    text = "".join(traceback.format_exception_only(error)).strip()
    return text.splitlines()[-1] if text else type(error).__name__


def _place(path: Path) -> tuple[Path, str]:
    """The folder to import from, and the dotted name that the file has from there."""
    folder = path.parent
    names = [] if path.name == "__init__.py" else [path.stem]
    while (folder / "__init__.py").exists() and folder != folder.parent:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def _run(tree: ast.Module, path: Path, name: str, *, whole: bool) -> ModuleType:
    """A module made of a tree. It stays in ``sys.modules``, as dataclasses and lazy imports expect; not after a failure.

    What has been imported from that very file is taken as it is where it is a library's, which a second import may break, or
    has just been imported by the package that it is in: its classes are those that the package uses.
    """
    package, _, _ = name.rpartition(".")
    earlier = sys.modules.get(name)
    parent = importlib.import_module(package) if package else None
    known = sys.modules.get(name)
    if known is not None and _is_from(known, path) and (_is_installed(known) or (whole and known is not earlier)):
        return known
    if parent is None and (name in sys.stdlib_module_names or _is_installed(sys.modules.get(name))):
        name = f"{name}_of_the_user"  # A file called random.py must not become everybody's `random`.
    locations = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=locations)
    if spec is None:
        # A file with an unusual ending has no loader of its own.
        loader = importlib.machinery.SourceFileLoader(name, str(path))
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    code = compile(tree, str(path), "exec", dont_inherit=True)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102  Running the user's module is what this file is for.
    except BaseException:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
        raise
    if parent is not None:
        setattr(parent, name.rpartition(".")[2], module)
    return module


@contextlib.contextmanager
def _importing(root: Path, path: Path) -> Iterator[None]:
    """The state of the process in which a user's module is imported; what the module changes of it is undone.

    ``root`` is first on ``sys.path`` meanwhile, as for a script; afterwards it is last, so that imports inside functions still
    find their neighbours and no file of the user's can stand in for a module that a library imports late.
    Neighbours of another file that were imported under the same name are not taken for the ones in ``root``.
    """
    import numpy as np

    folder = _working_directory()
    environment = dict(os.environ)
    argv, where, paths, recursion, bytecode = (
        sys.argv,
        sys.path,
        list(sys.path),
        sys.getrecursionlimit(),
        sys.dont_write_bytecode,
    )
    errors, printing, draws = np.geterr(), np.get_printoptions(), (random.getstate(), np.random.get_state())
    hidden = _hide_strangers(root)
    sys.argv = [str(path)]
    sys.path[:] = [str(root), *(p for p in paths if p != str(root))]
    sys.dont_write_bytecode = True
    os.environ.setdefault(
        "MPLBACKEND", "Agg"
    )  # A plot in the module neither opens a window nor waits for it to be closed.
    importlib.invalidate_caches()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        if folder is not None:
            os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv, sys.dont_write_bytecode = argv, bytecode
        sys.path = where
        sys.path[:] = paths if str(root) in paths else [*paths, str(root)]
        sys.setrecursionlimit(recursion)
        np.seterr(**errors)
        np.set_printoptions(**printing)
        random.setstate(draws[0])
        np.random.set_state(draws[1])
        for name, module in hidden.items():
            sys.modules.setdefault(name, module)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _hide_strangers(root: Path) -> dict[str, ModuleType]:
    """Takes out of ``sys.modules`` what a file in ``root`` would not mean by that name: modules of other users' folders.
    Libraries and the standard library stay."""
    hidden = {}
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(top), "__file__", None)
        if file is None or top in sys.stdlib_module_names or _is_installed(module) or top in ("__main__", "gradtool"):
            continue
        if not _is_in(file, root) and any((root / place).exists() for place in (f"{top}.py", f"{top}/__init__.py")):
            hidden[name] = module
    for name in hidden:
        del sys.modules[name]
    return hidden


def _is_in(file: str, root: Path) -> bool:
    return Path(file).resolve().is_relative_to(root.resolve())


def _is_from(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


def _is_installed(module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    if module is None:
        return False
    return file is None or bool({"site-packages", "dist-packages"} & set(Path(file).parts)) or file.startswith(_OURS)


# Definitions only ----------------------------------------------------------------------------------------------------

_SAFE_LIBRARIES = (
    "cmath", "collections", "dataclasses", "decimal", "enum", "fractions", "functools", "itertools", "jax", "logging.getLogger",
    "math", "numpy", "operator", "os.environ.get", "os.path", "pathlib", "re", "scipy", "string", "sys", "torch", "types",
    "typing",
)  # fmt: skip
_SAFE_BUILTINS = frozenset((
    "abs", "bool", "bytes", "complex", "dict", "divmod", "enumerate", "float", "frozenset", "hasattr", "int",
    "isinstance", "len", "list", "map", "max", "min", "object", "pow", "property", "range", "reversed", "round",
    "set", "slice", "sorted", "staticmethod", "classmethod", "str", "sum", "super", "tuple", "type", "zip",
))  # fmt: skip
_READS_OR_WRITES = re.compile(
    r"(^|_)(load|save|read|write|open|fromfile|genfromtxt|tofile|exit|show|seterr|seed|fit|train|run|minimize)"
)
_REGISTERS = ("defvjp", "defjvp", "defjvps")
"""Methods that complete a definition: ``f.defvjp(f_fwd, f_bwd)``."""


def _definitions_only(tree: ast.Module) -> tuple[ast.Module, int]:
    """The module without what it does, and how many statements that leaves out."""
    reduction = _Reduction()
    body = reduction.block(tree.body)
    return ast.Module(body=body, type_ignores=[]), reduction.left_out


class _Reduction:
    """Keeps statements of a module that define something, in order, and counts the others.

    ``roots`` has every name bound by what is kept: with the dotted name of the library for an import, with None for a
    constant, with ``""`` for the user's own functions and classes, which are never called here.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self.roots: dict[str, str | None] = {"__name__": None, "__file__": None, "__doc__": None}

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        kept: list[ast.stmt] = []
        for statement in statements:
            kept += self._statement(statement)
        return kept

    def _statement(self, statement: ast.stmt) -> list[ast.stmt]:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    library = alias.name if alias.asname else alias.name.partition(".")[0]
                    self.roots[alias.asname or library] = library
                return [statement]
            case ast.ImportFrom(names=names, module=module, level=level):
                for alias in names:
                    inner = f"{module}.{alias.name}" if module and not level else ""
                    self.roots[alias.asname or alias.name] = inner
                return [statement]
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.roots[statement.name] = ""
                return [statement]
            case ast.Assign(targets=targets, value=value) if self._constant(value) and all(map(self._target, targets)):
                return [statement]
            case ast.AnnAssign(target=target, value=value) if (value is None or self._constant(value)) and self._target(
                target
            ):
                return [statement]
            case ast.AugAssign(target=ast.Name(id=name), value=value) if name in self.roots and self._constant(value):
                return [statement]
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return [statement]
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=method))) if method in _REGISTERS:
                return [statement]
            case ast.If(test=test) if _is_main(test):
                return []
            case ast.If(test=test, body=body, orelse=orelse) if self._constant(test):
                kept, other = self.block(body), self.block(orelse)
                if not kept and not other:
                    return []
                reduced: ast.stmt = ast.If(test=test, body=kept or [ast.Pass()], orelse=other)
                return [ast.fix_missing_locations(ast.copy_location(reduced, statement))]
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                kept = self.block(body)
                caught = [
                    ast.copy_location(ast.ExceptHandler(h.type, h.name, self.block(h.body) or [ast.Pass()]), h)
                    for h in handlers
                ]
                other, last = self.block(orelse), self.block(final)
                if not kept:
                    return other + last
                reduced = ast.Try(body=kept, handlers=caught, orelse=other, finalbody=last)
                return [ast.fix_missing_locations(ast.copy_location(reduced, statement))]
        self.left_out += 1
        return []

    def _target(self, target: ast.expr) -> bool:
        """Binds names; an entry or attribute may be set on what is the user's own."""
        match target:
            case ast.Name(id=name):
                self.roots[name] = None
                return True
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return all(map(self._target, elements))
            case ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id=name)):
                return name in self.roots and not self.roots[name]
        return False

    def _constant(self, value: ast.expr) -> bool:
        """Whether an expression is made of literals, names that are kept, and calls that only compute."""
        match value:
            case ast.Name(id=name):
                return name in self.roots or hasattr(builtins, name)
            case ast.Lambda():
                return True
            case ast.Call(func=function, args=arguments, keywords=keywords):
                inner = [*arguments, *(k.value for k in keywords)]
                return self._computes(function) and all(map(self._constant, inner))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(value)
            case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
                return False
        return all(self._constant(part) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))

    def _comprehension(self, value: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> bool:
        outer = dict(self.roots)
        for generator in value.generators:
            if not self._constant(generator.iter) or not self._target(generator.target):
                return False
        parts = [value.key, value.value] if isinstance(value, ast.DictComp) else [value.elt]
        parts += [test for generator in value.generators for test in generator.ifs]
        answer = all(map(self._constant, parts))
        self.roots = outer
        return answer

    def _computes(self, function: ast.expr) -> bool:
        """Whether calling this is harmless: a plain built-in, a library that computes, a method of a constant."""
        names: list[str] = []
        while isinstance(function, ast.Attribute):
            names.insert(0, function.attr)
            function = function.value
        if any(_READS_OR_WRITES.search(name) for name in names):
            return False
        if not isinstance(function, ast.Name):
            return self._constant(function)
        if function.id not in self.roots:
            return function.id in _SAFE_BUILTINS
        root = self.roots[function.id]
        if root is None:
            return bool(names)
        full = ".".join([root, *names]) if root else ""
        return any(full == safe or full.startswith(safe + ".") for safe in _SAFE_LIBRARIES)


def _is_main(test: ast.expr) -> bool:
    return "__name__" in {n.id for n in ast.walk(test) if isinstance(n, ast.Name)} and "__main__" in {
        n.value for n in ast.walk(test) if isinstance(n, ast.Constant)
    }
