"""A user's exception as the user should see it: without the frames of gradtool that called the code."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

PACKAGE = str(Path(__file__).parent)
MACHINERY = ("<frozen importlib", "<frozen runpy", str(importlib.__file__))


def user_traceback(error: BaseException) -> str:
    """The traceback with the frames of the user's own code (and of the libraries it calls), and the exception last."""
    found = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [found]
    while pending:
        part = pending.pop()
        if part is not None:
            part.stack = traceback.StackSummary.from_list([f for f in part.stack if not _is_ours(f.filename)])
            pending += [part.__cause__, part.__context__]
    return "".join(found.format()).rstrip()


def _is_ours(filename: str) -> bool:
    return filename.startswith(PACKAGE) or filename.startswith(MACHINERY)
