"""GC120: backward raised, with the user's traceback; a shape that only comes out wrong is GC116."""


def layer(x, w):
    return x @ w


def test_a_matrix_product_for_an_elementwise_one(cause_of, rng):
    def backward(u, x, w):
        return u @ w.T, x.T @ (u @ u)

    cause = cause_of(layer, backward, [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))], "w")
    assert cause.code == "GC120"
    assert "ValueError" in cause.message
    assert "@" in cause.fix
    assert "x.T @ (u @ u)" in cause.traceback


def test_a_misspelt_name(cause_of, rng):
    inputs = [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))]
    cause = cause_of(layer, lambda u, x, w: (upstream @ w.T, x.T @ u), inputs, "x")  # noqa: F821
    assert cause.code == "GC120"
    assert "NameError" in cause.message


def test_a_wrong_shape_does_not_raise(cause_of, rng):
    cause = cause_of(layer, lambda u, x, w: (u @ w.T, u.T @ x), [rng.normal(size=(4, 3)), rng.normal(size=(3, 2))])
    assert cause.code == "GC116"
