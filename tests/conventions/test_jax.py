"""``custom_vjp`` and ``custom_jvp`` with real JAX."""

import pytest

from tests.conventions.looking import causes, look, told, words

pytest.importorskip("jax", reason="JAX is not installed: pip install gradtool[jax]")

VJP = """
import jax
import jax.numpy as jnp


@jax.custom_vjp
def product(a, b):
    return a * jnp.sin(b)


def product_fwd(a, b):
    return product(a, b), (a, b)


def product_bwd(residuals, g):
    a, b = residuals
    return g * jnp.sin(b), g * a * jnp.cos(b)


product.defvjp(product_fwd, product_bwd)
"""

RIGHT = {
    "custom_vjp": VJP,
    "custom_jvp": """
import jax
import jax.numpy as jnp


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1.0 + jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,) = primals
    (t,) = tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t
""",
    "an argument that is no array": """
from functools import partial

import jax
import jax.numpy as jnp


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def power(n, x):
    return x**n


def power_fwd(n, x):
    return power(n, x), x


def power_bwd(n, x, g):
    return (g * n * x ** (n - 1),)


power.defvjp(power_fwd, power_bwd)


def power_inputs():
    return {"n": 3, "x": jnp.linspace(0.5, 1.5, 4)}
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_ok(name, tmp_path):
    results = look(RIGHT[name], tmp_path)
    assert set(words(results).values()) == {"OK"}, told(results)


def test_exchanged(tmp_path):
    results = look(VJP.replace("g * jnp.sin(b), g * a * jnp.cos(b)", "g * a * jnp.cos(b), g * jnp.sin(b)"), tmp_path)
    assert causes(results["product"]) == {"a": "GC106", "b": "GC106"}, told(results)


def test_gradients_reversed_or_clipped_on_purpose_are_told_as_wrong(tmp_path):
    results = look(VJP.replace("return g * jnp.sin(b), ", "return -g * jnp.sin(b), "), tmp_path)
    assert causes(results["product"]) == {"a": "GC101"}, told(results)
