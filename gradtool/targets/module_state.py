"""``ModuleState``: a module's variables, given the values back that they had before a backward added to them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from gradtool.targets.scope import Function, Scope


class ModuleState:
    """The module-level variables that some functions use, directly or through others of the module, as they were when this
    was made. ``restore`` gives them those values back, in place where they are containers or arrays."""

    def __init__(self, scope: Scope, *used: Function) -> None:
        self._module = scope.module
        self._before: dict[str, tuple[Any, Any]] = {
            name: (value, copy.deepcopy(value))
            for name in sorted(scope.reached(used))
            if isinstance(
                value := getattr(scope.module, name, None), list | dict | set | np.ndarray | int | float | str
            )
        }

    def restore(self) -> None:
        """Gives the variables the values back that they had."""
        for name, (value, before) in self._before.items():
            if isinstance(value, dict):
                value.clear()
                value.update(copy.deepcopy(before))
            elif isinstance(value, set):
                value.clear()
                value |= before
            elif isinstance(value, list):
                value[:] = copy.deepcopy(before)
            elif isinstance(value, np.ndarray) and value.flags.writeable:
                value[...] = before
            setattr(self._module, name, value)
