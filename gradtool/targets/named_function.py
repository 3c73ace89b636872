"""A function of a user's module by its name, and the inputs that the module has for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gradtool.targets.loading import LoadError, TargetError, find_files, load, parse_target
from gradtool.targets.scope import Scope
from gradtool.tracebacks import user_traceback


@dataclass(frozen=True, slots=True, eq=False)
class NamedFunction:
    """A function that a user named: ``display`` is ``layers.py::affine_forward``. ``parameters`` are None where it does not
    tell."""

    display: str
    name: str
    call: Callable[..., Any]
    parameters: tuple[inspect.Parameter, ...] | None
    scope: Scope

    def inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What it is called with: ``given``, and for the rest what the module has for it. Raises as ``own_inputs`` does, and
        ``TargetError`` where a value is missing or is for no parameter."""
        if self.parameters is None:
            return dict(given)
        names = [p.name for p in self.parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        takes_more = any(p.kind is p.VAR_KEYWORD for p in self.parameters)
        for name in given:
            if name not in names and not takes_more:
                raise TargetError(f"{self.display} has no parameter {name!r}{_instead(name, names)}")
        found = {**own_inputs(self.scope, self.name, names), **given}
        missing = [p.name for p in self.parameters if p.name in names and p.default is p.empty and p.name not in found]
        if missing:
            example = " ".join(f"{name}=1" for name in missing)
            which = f"parameter {missing[0]} has" if len(missing) == 1 else f"parameters {', '.join(missing)} have"
            raise TargetError(
                f'{self.display}: {which} no value\nhint: give one, as in {example} (or "{missing[0]}=randn(3,4)"), or '
                f"let the module have a function {self.name.replace('.', '_')}_inputs() that returns them"
            )
        return {name: found[name] for name in (*names, *found) if name in found}


def find_function(target: str, *, definitions_only: bool = False) -> NamedFunction:
    """The function that ``layers.py::affine_forward`` or ``package.module::Class.method`` names; its module is imported.

    Raises ``TargetError`` where the text names no function, and ``LoadError`` where the module cannot be imported.
    """
    spec = parse_target(target)
    files = find_files(spec)
    if len(files) != 1 or (spec.path is not None and spec.path.is_dir()):
        raise TargetError(
            f"{target}: this is a folder; name a function in one of its files, as in layers.py::affine_forward"
        )
    path, display = files[0]
    scope = load(path, display, definitions_only=definitions_only)
    if spec.pattern is None:
        raise TargetError(f"{target}: no function named; write {display}::NAME{_instead('', _names(scope))}")
    function = named_function(scope, spec.pattern)
    try:
        parameters = tuple(inspect.signature(function).parameters.values())
    except ValueError:  # A function of C.
        return NamedFunction(f"{display}::{spec.pattern}", spec.pattern, function, None, scope)
    return NamedFunction(f"{display}::{spec.pattern}", spec.pattern, function, parameters, scope)


def named_function(scope: Scope, name: str) -> Callable[..., Any]:
    """The function ``name``, or the method ``Class.name`` of an instance that is made without arguments.

    Raises ``TargetError`` where there is none, and ``LoadError`` where making the instance, or looking at a property, raises.
    """
    owner: Any = scope.module
    for position, part in enumerate(name.split(".")):
        if inspect.isclass(owner) and not isinstance(
            inspect.getattr_static(owner, part, None), staticmethod | classmethod
        ):
            owner = _instance(owner, scope)
        try:
            found = getattr(owner, part, None)
        except Exception as error:  # A property of the user's, or a module's own __getattr__.
            message = (
                f"{scope.display}: {'.'.join(name.split('.')[: position + 1])} raised {type(error).__name__}: {error}"
            )
            raise LoadError(message, user_traceback(error)) from error
        if found is None:
            known = _names(scope) if position == 0 else _methods(owner)
            where = scope.display if position == 0 else ".".join(name.split(".")[:position])
            raise TargetError(f"{where} has no {part!r}{_instead(part, known)}")
        owner = found
    if inspect.isclass(owner):
        methods = [f"{scope.display}::{name}.{method}" for method in _methods(owner)]
        raise TargetError(
            f"{scope.display}::{name} is a class; name one of its methods: {', '.join(methods) or 'it has none'}"
        )
    if not callable(owner):
        raise TargetError(f"{scope.display}::{name} is no function but a {type(owner).__name__}")
    found_function: Callable[..., Any] = owner
    return found_function


def own_inputs(scope: Scope, name: str, parameters: Sequence[str]) -> dict[str, Any]:
    """What the module's ``<name>_inputs()`` returns, by name; nothing where it has none.

    Raises ``LoadError`` where that raises, and ``TargetError`` where it returns no dictionary, tuple or list of inputs.
    """
    maker_name = f"{name.replace('.', '_')}_inputs"
    maker = vars(scope.module).get(maker_name)  # Not what a __getattr__ makes of any name.
    if not callable(maker):
        return {}
    try:
        made = maker()
    except (Exception, SystemExit) as error:
        message = f"{scope.display}: {maker_name}() raised {type(error).__name__}: {error}"
        raise LoadError(message, user_traceback(error)) from error
    if isinstance(made, Mapping):
        return {str(key): value for key, value in made.items()}
    if isinstance(made, tuple | list) and len(made) <= len(parameters):
        return dict(zip(parameters, made, strict=False))
    what = f"{len(made)} values" if isinstance(made, tuple | list) else f"a {type(made).__name__}"
    raise TargetError(
        f"{scope.display}: {maker_name}() gives {what}; {name} wants a dictionary, or values for {', '.join(parameters)}"
    )


def _instance(owner: type, scope: Scope) -> Any:
    try:
        return owner()
    except TypeError as error:
        if _wants_arguments(owner):
            raise TargetError(
                f"{scope.display}::{owner.__name__} is not made without arguments ({error}); "
                f"write a function that makes one and calls it, and name that"
            ) from None
        raise LoadError(
            f"{scope.display}: {owner.__name__}() raised TypeError: {error}", user_traceback(error)
        ) from error
    except (Exception, SystemExit) as error:
        message = f"{scope.display}: {owner.__name__}() raised {type(error).__name__}: {error}"
        raise LoadError(message, user_traceback(error)) from error


def _wants_arguments(owner: type) -> bool:
    try:
        inspect.signature(owner).bind()
    except (TypeError, ValueError):
        return True
    return False


def _names(scope: Scope) -> list[str]:
    return [*scope.functions, *scope.classes]


def _methods(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_") and callable(getattr(owner, name, None))]


def _instead(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are: {', '.join(known)}" if known else "; it defines no functions"
