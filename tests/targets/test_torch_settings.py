"""Which parameters of a custom function are numbers."""

import pytest

from gradtool.targets.torch_settings import number_parameters
from tests.targets.scopes import scope_of


def numbers(tmp_path, forward, returned, setup="pass"):
    source = f"""
class F:
    def forward(ctx, x, alpha):
        {forward}
        return x

    def setup_context(ctx, inputs, output):
        {setup}

    def backward(ctx, g):
        return {returned}
"""
    cls = scope_of(source, tmp_path).classes["F"]
    return number_parameters(cls, cls.methods["backward"], ("x", "alpha"))


@pytest.mark.parametrize(
    ("forward", "setup"),
    [
        ("ctx.alpha = alpha", "pass"),
        ("ctx.k = ctx.alpha = alpha", "pass"),
        ("ctx.shape, ctx.alpha = x.shape, alpha", "pass"),
        ("pass", "x, ctx.alpha = inputs"),
        ("pass", "x, a = inputs; ctx.a = a"),
        ("pass", "(_, a) = inputs; ctx.save_for_backward(_); ctx.a = a"),
    ],
)
def test_kept_on_ctx_and_none_in_backward(tmp_path, forward, setup):
    assert numbers(tmp_path, forward, "g, None", setup) == {"alpha"}
    assert numbers(tmp_path, forward, "g, g", setup) == set()


@pytest.mark.parametrize(
    ("forward", "setup"),
    [
        ("pass", "pass"),
        ("ctx.save_for_backward(x, alpha)", "pass"),
        ("ctx.save_for_backward(x, alpha); ctx.alpha = alpha", "pass"),
        ("ctx.alpha = alpha; y = x @ alpha", "pass"),
        ("ctx.alpha = alpha; y = alpha.t()", "pass"),
        ("pass", "x, a = inputs; ctx.save_for_backward(a); ctx.a = a"),
    ],
)
def test_what_is_used_as_a_tensor_is_none(tmp_path, forward, setup):
    assert numbers(tmp_path, forward, "g, None", setup) == set()
