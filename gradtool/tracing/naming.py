"""The names that a user's function gives to what it computes: its local variables, watched while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from gradtool.tracing.array import TracedArray
from gradtool.tracing.places import RUNNER, is_installed, is_library, is_tracing
from gradtool.tracing.tape import Tape

Watcher = Callable[[FrameType, str, Any], Any]


class Names:
    """Which local variable each node of a tape was bound to.

    A node that has several names goes by the one nearest to the traced function itself (of ``a = sigmoid(z)`` by ``a``, and not
    by what it is called inside of ``sigmoid``), and there by the first.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._found: dict[int, tuple[int, str]] = {}
        self._depths: dict[FrameType, int] = {}
        self._before: Any = None

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """(node of the tape, name)."""
        return ((node, name) for node, (_, name) in self._found.items())

    def __enter__(self) -> None:
        """Look at the local variables of the user's functions after every line that is run inside.

        What another tool (a debugger, coverage) has set with ``sys.settrace`` is set aside meanwhile. It must see as many frames
        end as begin, or it goes wrong: so this is no generator, whose frame begins for it and ends for nobody.
        """
        self._before = sys.gettrace()
        sys.settrace(self._called)

    def __exit__(self, *raised: object) -> None:
        """Give the other tool its place back."""
        sys.settrace(self._before)
        self._depths.clear()

    def _called(self, frame: FrameType, event: str, argument: Any) -> Watcher | None:
        del event, argument
        if is_tracing(frame) or is_library(frame) or is_installed(frame):
            return None
        depth = 0
        above = frame.f_back
        while above is not None and not is_tracing(above):
            depth += not is_library(above)
            above = above.f_back
        if above is None or above.f_code.co_name != RUNNER:
            return None  # What tracing itself calls.
        self._depths[frame] = depth
        return self._ran

    def _ran(self, frame: FrameType, event: str, argument: Any) -> Watcher:
        del argument
        depth = self._depths[frame]
        for name, value in frame.f_locals.items():
            if type(value) is not TracedArray or value.tape is not self._tape or not name.isidentifier():
                continue
            node = value.settled_node
            if node is not None and (node not in self._found or depth < self._found[node][0]):
                self._found[node] = (depth, name)
        if event == "return":
            del self._depths[frame]
        return self._ran
