"""``Untraceable``: a function that cannot be turned into a graph, and where it stands in the way."""

from __future__ import annotations


class Untraceable(Exception):  # noqa: N818 -- a refusal, not a failure of gradtool
    """The message names the NumPy function or operation, its file and line, and why it cannot be traced.

    ``reason`` is the same without the place; ``file`` and ``line`` are None where no line of the user's is to blame."""

    def __init__(self, reason: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(reason if file is None else f"{file}:{line}: {reason}")
        self.reason = reason
        self.file = file
        self.line = line


class FunctionRaised(Untraceable):
    """The function raises as it is, without being traced. ``__cause__`` is what it raises."""
