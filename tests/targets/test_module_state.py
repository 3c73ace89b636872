"""A module's variables get their values back."""

import numpy as np

from gradtool.targets.module_state import ModuleState
from tests.targets.scopes import scope_of

SOURCE = """
import numpy as np
COUNT = 0
GRADS = {"w": np.zeros(2)}
TAPE = []
SEEN = set()
ARRAY = np.zeros(3)
OTHER = []
def helper():
    TAPE.append(1)
def f():
    global COUNT
    COUNT += 1
    GRADS["w"] += 1
    GRADS["b"] = 2
    SEEN.add(1)
    ARRAY[0] = 5
    helper()
def g():
    OTHER.append(1)
"""


def test_what_functions_use_is_restored(tmp_path):
    scope = scope_of(SOURCE, tmp_path)
    state = ModuleState(scope, scope.functions["f"])
    grads = scope.module.GRADS
    for _ in range(2):
        scope.module.f()
        scope.module.g()
        state.restore()
        assert scope.module.COUNT == 0
        assert scope.module.GRADS is grads
        assert list(grads) == ["w"]
        assert not grads["w"].any()
        assert ([], set()) == (scope.module.TAPE, scope.module.SEEN)
        assert np.array_equal(scope.module.ARRAY, np.zeros(3))
    assert scope.module.OTHER == [1, 1]  # No function that was asked about uses it.
