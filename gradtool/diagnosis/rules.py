"""Rules as modules: every file beside this one whose name begins with a code is a rule, and its docstring is what users read.

The first line of the docstring is the code and its title; then come the sections "What it means", "Why it matters", "Example" and
"What to do".
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Generic, TypeVar

R = TypeVar("R")


class Rules(Mapping[str, R], Generic[R]):
    """The rules by code, in the order of the codes. They are imported when first looked at, as they import the module that
    says what a rule looks at.

    ``prefix`` is how the names of the modules begin (``gc3``); ``make(code, title, documentation, module)`` gives the rule.
    """

    def __init__(self, prefix: str, make: Callable[[str, str, str, ModuleType], R]) -> None:
        self._prefix = prefix
        self._make = make
        self._rules: dict[str, R] | None = None

    def _loaded(self) -> dict[str, R]:
        if self._rules is None:
            package = importlib.import_module(__name__.rpartition(".")[0])
            names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name.startswith(self._prefix))
            self._rules = dict(self._rule(importlib.import_module(f"{package.__name__}.{name}")) for name in names)
        return self._rules

    def _rule(self, module: ModuleType) -> tuple[str, R]:
        documentation = (module.__doc__ or "").strip()
        code, _, title = documentation.splitlines()[0].partition(": ")
        return code, self._make(code, title.rstrip("."), documentation, module)

    def __getitem__(self, code: str) -> R:
        return self._loaded()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())
