# A product for JAX whose backward returns the gradients of its two inputs in the wrong order.
#   gradtool check samples/gradients/jax_custom_wrong.py

import jax


@jax.custom_vjp
def product(a, b):
    return a * b


def product_fwd(a, b):
    return product(a, b), (a, b)


def product_bwd(residuals, g):
    a, b = residuals
    return g * a, g * b


product.defvjp(product_fwd, product_bwd)
