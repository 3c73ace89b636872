"""Values of inputs: from text (``pi/2``, ``[[1, 2], [3, 4]]``, ``randn(3,4)``, ``@file.npy``) and from files."""

from __future__ import annotations

import json
import math
import re
import tokenize as python_tokenize
import tomllib
import unicodedata
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gradtool.graph import CONSTANT, INPUT, Graph
from gradtool.language.calls import whole
from gradtool.language.errors import SourceError
from gradtool.language.parser import MAX_DIMENSIONS, parse
from gradtool.language.suggestions import count, quote
from gradtool.language.tokens import END, NAME, NEWLINE, tokenize
from gradtool.ops import REGISTRY, OperationError

MAX_SIZE = 10_000_000
"""Entries that an input may have unless the user allows more."""

_BYTES_AN_ENTRY = 40
"""A file with more bytes than this for each entry allowed is not even opened."""

_FORMATS = ".npy, .npz, .csv and .json"


class InputFileError(ValueError):
    """A file of values that cannot be read; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class InputValue:
    """The value of an input: a float, a float64 array, or an array of integers or booleans.

    ``random`` says that a random generator made it. ``integer`` says that it holds integers or booleans (labels,
    indices, masks), which are not differentiated.
    """

    value: float | NDArray[Any]
    random: bool = False
    integer: bool = False


def parse_value(
    text: str, name: str, seed: int = 0, folder: str | Path | None = None, max_size: int = MAX_SIZE
) -> InputValue:
    """The value that ``text`` stands for: a constant expression, a nested list, a generator or ``@file``.

    Numbers are floats; ``true`` and ``false`` alone, or lists of them, are booleans; the integers of a ``.npy`` or
    ``.npz`` file stay integers. Generators are ``randn``, ``rand``, ``zeros``, ``ones`` and ``eye`` of a shape,
    ``full(shape, value)``, ``arange`` and ``linspace``, and may be used inside expressions (``0.1*randn(3, 4)``). The
    random ones draw from a stream of their own for each ``seed`` and ``name``, so that one input more or less leaves
    the others as they are. Files are looked for in ``folder``.

    Raises ``SourceError`` for a text and ``InputFileError`` for a file that cannot be read, or holds more than
    ``max_size`` entries.
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return _from_file(stripped[1:], name, folder, max_size)
    try:
        return _from_text(text, name, seed, max_size)
    except SourceError as error:
        if re.fullmatch(r"(?i)[^'\"]*\.(npy|npz|csv|json)(:\w+)?", stripped):
            error.hint = f"write @ before the name of a file: {name}=@{stripped}"
        raise error.within(f"{name}=") from None
    except MemoryError:
        raise SourceError(f"there is not enough memory for {quote(name)}", f"{name}={text}") from None


def read_inputs(path: str | Path, max_size: int = MAX_SIZE, seed: int = 0) -> dict[str, InputValue]:
    """All values of a ``.json`` or ``.toml`` file (an object of names; a value is a number, true or false, a nested
    list, or a text as in ``parse_value``, in which files are relative to this one) or of a ``.npz`` file.

    Raises ``InputFileError`` or ``SourceError``.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with _opened(path, max_size) as archive:
            return {
                _normal(key, path): _checked(_member(archive, key, path), f"{path}:{key}", max_size)
                for key in _keys(archive)
            }
    if suffix not in (".json", ".toml"):
        raise InputFileError(f"{path}: values are read from .json, .toml and .npz files")
    document = _json(path, max_size) if suffix == ".json" else _toml(path, max_size)
    if not isinstance(document, dict):
        raise InputFileError(f'{path}: expected an object of names and values, such as {{"x": 1}}')
    found: dict[str, InputValue] = {}
    for key, value in document.items():
        name = _normal(key, path)
        if name in found:
            raise InputFileError(f"{path}: {quote(name)} is given twice")
        if isinstance(value, str):
            try:
                found[name] = parse_value(value, name, seed, path.parent, max_size)
            except SourceError as error:
                # Where in the text of the value is told by the caret; the file's lines are not known here.
                message = f"{path}: {error.message}"
                raise SourceError(message, error.source, error.span, error.hint) from None
        else:
            found[name] = _nested(value, f"{path}: {key}", max_size)
    return found


def _normal(name: str, path: Path) -> str:
    normal = unicodedata.normalize("NFKC", name)
    if not normal.isidentifier():
        raise InputFileError(f"{path}: {quote(name)} is not a name that a program can use")
    return normal


# Texts.


def _from_text(text: str, name: str, seed: int, max_size: int) -> InputValue:
    tokens = tokenize(text)
    content = [i for i, token in enumerate(tokens) if token[0] not in (NEWLINE, END)]
    if not content:
        hint = "write a number, a list such as [1, 2], or @file.npy"
        raise SourceError(f"{quote(name)} has no value", text, (len(text), len(text)), hint)
    first, last = content[0], content[-1]
    for token in tokens[first : first + 2]:
        if token[0] == "=":
            hint = "write one name=value for each input"
            raise SourceError("expected a value, found '='", text, token[2:], hint)
    for token in tokens[first:last]:
        if token[0] in (";", NEWLINE):
            raise SourceError("expected one value", text, token[2:], "a value is one expression")
    generators = _Generators(name, seed, max_size)
    graph = parse(text, generators=generators.table)
    words = {token[1] for token in tokens if token[0] == NAME}
    if graph.inputs:
        free, node = next(iter(graph.inputs.items()))
        raise SourceError(
            f"{quote(free)} has no value here", text, (graph.starts[node], graph.ends[node]), _instead_of(free)
        )
    value = _evaluate(graph, text, max_size)
    if np.size(value) > max_size:
        raise SourceError(*_too_large(np.shape(value), max_size, text, (0, len(text))))
    if words and words <= {"true", "false"} and all(token[0] in _BRACKETS for token in tokens):
        return InputValue(np.asarray(value, dtype=np.bool_), integer=True)
    return InputValue(value, random=generators.drawn)


_BRACKETS = (NAME, NEWLINE, END, "[", "]", "(", ")", ",")


def _instead_of(name: str) -> str:
    lowered = name.lower()
    if lowered in ("true", "false", "pi", "e"):
        return f"write {lowered}"
    if lowered in ("inf", "infinity"):
        return "write 1e999 for infinity"
    if lowered == "nan":
        return "a value must be a number"
    return "a value is a number, a constant expression, a list, @file or a generator such as randn(3, 4)"


def _evaluate(graph: Graph, text: str, max_size: int) -> Any:
    """The value of a graph without inputs."""
    values: list[Any] = []
    with np.errstate(all="ignore"):
        for node in graph:
            assert node.operation != INPUT
            if node.operation == CONSTANT:
                values.append(np.asarray(node.parameters["value"], dtype=np.float64))
                continue
            operation = REGISTRY[node.operation]
            arguments = [values[i] for i in node.arguments]
            try:
                resolved = operation.resolved([np.shape(argument) for argument in arguments], node.parameters)
                if math.prod(resolved.shape) > max_size:
                    raise SourceError(*_too_large(resolved.shape, max_size, text, node.span))
                value = operation.forward(*arguments, **resolved.parameters)
            except OperationError as error:
                name = operation.call or operation.name
                raise SourceError(f"{name}: {error}", text, node.span) from None
            values.append(np.asarray(value, dtype=np.float64))
    return _plain(values[graph.output])


def _plain(value: NDArray[Any]) -> float | NDArray[Any]:
    return float(value) if value.ndim == 0 else value


def _too_large(
    shape: Sequence[int], max_size: int, text: str = "", span: tuple[int, int] | None = None
) -> tuple[str, str, tuple[int, int] | None, str]:
    entries = count(math.prod(shape), "entry", "entries")
    message = f"an array of shape {tuple(shape)} has {entries}, above the limit of {max_size}"
    return message, text, span, "--max-size raises the limit"


class _Generators:
    """The functions that make values, with the random stream of one input."""

    def __init__(self, name: str, seed: int, max_size: int) -> None:
        self.name = name
        self.seed = seed
        self.max_size = max_size
        self.drawn = False
        self._stream: np.random.Generator | None = None
        self.table: Mapping[str, Callable[[Sequence[Any]], Any]] = {
            "randn": lambda given: self._random(given, "standard_normal"),
            "rand": lambda given: self._random(given, "random"),
            "zeros": lambda given: np.zeros(self._shape("zeros", given)),
            "ones": lambda given: np.ones(self._shape("ones", given)),
            "full": self._full,
            "eye": self._eye,
            "arange": self._arange,
            "linspace": self._linspace,
        }

    def _random(self, given: Sequence[Any], method: str) -> Any:
        shape = self._shape("randn" if method == "standard_normal" else "rand", given, scalar=True)
        if self._stream is None:
            self._stream = np.random.default_rng([self.seed, *self.name.encode("utf-8", "surrogatepass")])
        self.drawn = True
        drawn = getattr(self._stream, method)(shape)
        return drawn if shape else float(drawn)

    def _shape(self, name: str, given: Sequence[Any], scalar: bool = False) -> tuple[int, ...]:
        if not given and not scalar:
            raise ValueError(f"{name} takes a shape; write {name}(3, 4)")
        lengths = given[0] if len(given) == 1 and isinstance(given[0], tuple) else given
        shape = tuple(self._length(name, length) for length in lengths)
        self._check(shape)
        return shape

    def _length(self, name: str, value: Any) -> int:
        length = whole(value)
        if length is None or length < 0:
            raise ValueError(f"{name} takes lengths, which are whole numbers; write {name}(3, 4)")
        return length

    def _check(self, shape: Sequence[int]) -> None:
        if math.prod(shape) > self.max_size:
            message, _, _, hint = _too_large(shape, self.max_size)
            raise ValueError(f"{message}; {hint}")
        if len(shape) > MAX_DIMENSIONS:
            raise ValueError(f"an array has at most {MAX_DIMENSIONS} dimensions")

    def _full(self, given: Sequence[Any]) -> Any:
        if len(given) != 2 or isinstance(given[1], tuple):
            raise ValueError("full takes a shape and a value; write full((3, 4), 0.5)")
        return np.full(self._shape("full", given[:1]), given[1])

    def _eye(self, given: Sequence[Any]) -> Any:
        shape = self._shape("eye", given) if given else ()
        if not 1 <= len(shape) <= 2:
            raise ValueError("eye takes the number of rows, and of columns if it differs; write eye(3)")
        rows, columns = shape[0], shape[-1]
        self._check((rows, columns))
        return np.eye(rows, columns)

    def _arange(self, given: Sequence[Any]) -> Any:
        numbers = [value for value in given if isinstance(value, float)]
        if not 1 <= len(given) <= 3 or len(numbers) < len(given):
            raise ValueError("arange takes a stop, or start, stop and step; write arange(5)")
        start, stop, step = {1: (0.0, *numbers, 1.0), 2: (*numbers, 1.0)}.get(len(numbers), numbers)
        steps = (stop - start) / step if step else math.nan
        if not math.isfinite(steps) or steps > 2**53:
            raise ValueError("arange takes moderate numbers and a step other than 0; write arange(0, 1, 0.1)")
        self._check((max(0, math.ceil(steps)),))
        return np.arange(start, stop, step)

    def _linspace(self, given: Sequence[Any]) -> Any:
        if len(given) != 3 or any(isinstance(value, tuple) for value in given):
            raise ValueError("linspace takes first, last and how many; write linspace(0, 1, 5)")
        length = whole(given[2])
        if length is None or length < 0:
            raise ValueError("linspace takes a whole number of entries; write linspace(0, 1, 5)")
        self._check((length,))
        return np.linspace(given[0], given[1], length)


# Files.


def _from_file(reference: str, name: str, folder: str | Path | None, max_size: int) -> InputValue:
    file, key = reference, None
    match = re.fullmatch(r"(?is)(.*\.npz):(.*)", reference)
    if match:
        file, key = match[1], match[2]
    if not file:
        raise InputFileError(f"{name}=@: a file must follow @, as in {name}=@{name}.npy")
    path = Path(folder or ".") / Path(file).expanduser() if file.startswith("~") else Path(folder or ".") / file
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with _opened(path, max_size) as archive:
            return _checked(_member(archive, key, path), reference, max_size)
    if suffix == ".npy":
        return _checked(_npy(path, max_size), file, max_size)
    if suffix == ".csv":
        return _checked(_csv(path, max_size), file, max_size)
    if suffix == ".json":
        return _nested(_json(path, max_size), str(path), max_size)
    inputs = "; a .toml file holds several values: use --inputs" if suffix == ".toml" else ""
    raise InputFileError(f"{path}: values are read from {_FORMATS} files{inputs}")


def _stat(path: Path, max_size: int) -> None:
    """Refuse what is no file, or one that is too large to hold ``max_size`` entries."""
    try:
        size = path.stat().st_size
        is_file = path.is_file()
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: {_reason(error)}") from None
    if not is_file:
        raise InputFileError(f"{path}: is a folder" if path.is_dir() else f"{path}: is not a regular file")
    if size == 0:
        raise InputFileError(f"{path}: the file is empty")
    if size > _BYTES_AN_ENTRY * max_size + 65536:
        raise InputFileError(f"{path}: {_too_many_bytes(size, max_size)}")


def _too_many_bytes(size: int, max_size: int) -> str:
    limit = count(max_size, "entry", "entries")
    return f"{size} bytes, more than the limit of {limit} allows; --max-size raises the limit"


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error).split("\n")[0]
    return text[:1].lower() + text[1:] if text[:2] != text[:2].upper() else text


_BROKEN = (OSError, ValueError, EOFError, KeyError, MemoryError, NotImplementedError, RuntimeError, OverflowError,
           SyntaxError, TypeError, python_tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip
"""What NumPy and zipfile raise for files that are not what their suffix says."""

_PICKLED = "holds pickled objects, which could run code when read; save it with a numeric dtype"


def _npy(path: Path, max_size: int) -> NDArray[Any]:
    _stat(path, max_size)
    try:
        with path.open("rb") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
    except _BROKEN as error:
        if "allow_pickle" in str(error) or "bject arrays" in str(error):
            raise InputFileError(f"{path}: {_PICKLED}") from None
        raise InputFileError(f"{path}: is not a readable .npy file: {_reason(error)}") from None


def _opened(path: Path, max_size: int) -> zipfile.ZipFile:
    _stat(path, max_size)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise InputFileError(f"{path}: is not a readable .npz file: {_reason(error)}") from None
    for entry in archive.infolist():
        if entry.file_size > 16 * max_size + 65536:
            archive.close()
            raise InputFileError(f"{path}: {entry.filename} has {_too_many_bytes(entry.file_size, max_size)}")
    return archive


def _keys(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _member(archive: zipfile.ZipFile, key: str | None, path: Path) -> NDArray[Any]:
    keys = _keys(archive)
    listed = ", ".join(keys[:20]) + (", ..." if len(keys) > 20 else "") or "none"
    if key is None or key == "":
        if len(keys) != 1:
            example = f"; write @{path.name}:{keys[0]}" if keys else ""
            raise InputFileError(f"{path}: has {len(keys)} arrays ({listed}){example}")
        key = keys[0]
    if key not in keys:
        raise InputFileError(f"{path}: has no array {quote(key)}; its arrays: {listed}")
    try:
        with archive.open(f"{key}.npy") as stream:
            return np.lib.format.read_array(cast(Any, stream), allow_pickle=False)
    except _BROKEN as error:
        if "allow_pickle" in str(error) or "bject arrays" in str(error):
            raise InputFileError(f"{path}:{key}: {_PICKLED}") from None
        raise InputFileError(f"{path}:{key}: is not a readable array: {_reason(error)}") from None


def _csv(path: Path, max_size: int) -> NDArray[Any]:
    """Numbers separated by commas, as ``numpy.loadtxt`` reads them: one row or one column is a 1-D array, one number a
    scalar. A line of headings is an error that says so: whether to skip a line is not guessed."""
    _stat(path, max_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            array = np.loadtxt(path, delimiter=",", encoding="utf-8-sig")
    except _BROKEN as error:
        reason = _reason(error).split(";")[0].rstrip(".")
        hint = ""
        if "could not convert" in reason and "row 0," in reason:
            hint = "; a first line of headings must be taken out"
        raise InputFileError(f"{path}: is not a table of numbers separated by commas: {reason}{hint}") from None
    if array.size == 0:
        raise InputFileError(f"{path}: holds no numbers")
    return array


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputFileError(f"{path}: is not UTF-8 text (line {line}, byte {error.start})") from None


def _json(path: Path, max_size: int) -> Any:
    _stat(path, max_size)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [key for key, _ in items]
            twice = next(key for key in names if names.count(key) > 1)
            raise InputFileError(f"{path}: {quote(twice)} is given twice")
        return found

    def refuse(word: str) -> Any:
        raise InputFileError(f"{path}: {word} is not a number in JSON; a .npy file can hold it")

    try:
        # Integers are floats, and so have no limit of digits.
        return json.loads(_text(path), parse_int=float, parse_constant=refuse, object_pairs_hook=pairs)
    except InputFileError:
        raise
    except RecursionError:
        raise InputFileError(f"{path}: lists nest too deeply") from None
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: is not readable as JSON: {_reason(error)}") from None


def _toml(path: Path, max_size: int) -> Any:
    _stat(path, max_size)
    try:
        return tomllib.loads(_text(path))
    except InputFileError:
        raise
    except RecursionError:
        raise InputFileError(f"{path}: lists nest too deeply") from None
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: is not readable as TOML: {_reason(error)}") from None


def _nested(value: Any, where: str, max_size: int) -> InputValue:
    """Nested lists of numbers, or of true and false, as an array; level by level, so that depth does no harm."""
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(entry, list) for entry in level):
        lengths = {len(entry) for entry in level}
        if len(lengths) > 1:
            shown = " and ".join(map(str, sorted(lengths)[:3]))
            raise InputFileError(f"{where}: rows of one list have different lengths ({shown})")
        shape += lengths
        level = [entry for inner in level for entry in inner]
        if len(shape) > MAX_DIMENSIONS:
            raise InputFileError(f"{where}: lists nest more than {MAX_DIMENSIONS} deep")
    for entry in level:
        if isinstance(entry, list):
            raise InputFileError(f"{where}: a list stands beside a number")
        if not isinstance(entry, bool | int | float):
            kinds = {"str": "a text", "dict": "an object", "NoneType": "null"}
            kind = kinds.get(type(entry).__name__, "a date or time")
            raise InputFileError(f"{where}: expected numbers or lists of them, found {kind}")
    try:
        array = np.array([float(entry) for entry in level], dtype=np.float64).reshape(shape)
    except OverflowError:
        raise InputFileError(f"{where}: a whole number is larger than 1.8e308") from None
    if level and all(isinstance(entry, bool) for entry in level):
        array = array.astype(np.bool_)
    return _checked(array, where, max_size)


def _checked(array: NDArray[Any], where: str, max_size: int) -> InputValue:
    """An array from a file as an input: floats as float64, integers and booleans as they are, all else refused."""
    kind = array.dtype.kind
    if kind not in "fiub":
        what = {"c": "complex numbers", "O": "objects", "U": "texts", "S": "texts", "V": "records"}.get(kind, "dates")
        raise InputFileError(f"{where}: holds {what} (dtype {array.dtype}); real numbers are needed")
    if array.size > max_size:
        message, _, _, hint = _too_large(array.shape, max_size)
        raise InputFileError(f"{where}: {message}; {hint}")
    if kind == "f":
        with np.errstate(all="ignore"):
            return InputValue(_plain(np.array(array, dtype=np.float64)))
    return InputValue(np.array(array, dtype=array.dtype.newbyteorder("=")), integer=True)
