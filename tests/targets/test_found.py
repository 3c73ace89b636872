import dataclasses

import pytest

from gradtool.targets import find_targets
from gradtool.targets.found import CannotBindError
from tests.targets.scopes import scope_of

SOURCE = '''
def scale_forward(x, factor=2.0):
    """x of shape (N, D)."""
    return factor * x, factor

def scale_backward(dout, cache):
    return dout * cache
'''


def test_what_a_convention_found_says_all_that_is_needed_to_call_it(tmp_path):
    (found,) = find_targets(scope_of(SOURCE, tmp_path))
    assert (found.name, found.convention) == ("scale", "forward-backward-pair")
    assert (found.forward, found.backward, found.line) == ("scale_forward", "scale_backward", 6)
    assert [p.name for p in found.parameters] == ["x", "factor"]
    assert found.uses == {"scale_forward", "scale_backward"}
    assert "(N, D)" in found.docstrings[0]
    assert found.skip is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"


def test_what_cannot_be_bound_says_why():
    with pytest.raises(CannotBindError, match="not implemented"):
        raise CannotBindError("f_backward is not implemented")
