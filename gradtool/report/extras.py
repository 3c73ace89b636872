"""Libraries that come with an extra: loaded where they are needed, with a clear word where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class MissingExtraError(Exception):
    """A library that is not installed is needed. The message says what for, and how to get it."""


def extra(module: str, name: str, purpose: str) -> Any:
    """The module, from the extra ``name``. Raises ``MissingExtraError``."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != library:
            raise  # It is there, and something that it needs is not.
        raise MissingExtraError(f"{purpose} needs {library}: pip install 'gradtool[{name}]'") from None
