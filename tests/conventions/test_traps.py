"""What real layers do to a checker: they spoil their arguments, keep state, take their arguments in any order, or are not meant
to be derivatives at all. None of it may make a right gradient WRONG, and what is wrong must be said."""

import pytest

from gradtool.results import Skipped
from gradtool.targets.given import Given
from tests.conventions.looking import hygiene, look, told, words

NUMPY = "import numpy as np\n"


def only(results):
    (result,) = results.values()
    return result


def test_upstream_changed_in_place(tmp_path):
    """The gradient is right, the upstream of whoever called is spoilt: WRONG, and for that reason alone."""
    results = look("""
        import numpy as np


        class Relu:
            def forward(self, x):
                self.mask = x <= 0
                out = x.copy()
                out[self.mask] = 0
                return out

            def backward(self, dout):
                dout[self.mask] = 0
                return dout
        """, tmp_path)  # fmt: skip
    result = only(results)
    assert {g.name: str(g.verdict) for g in result.gradients} == {"x": "OK"}, told(results)
    assert "GC301" in hygiene(result)
    assert words(results) == {"Relu": "WRONG"}


def test_a_copy_of_the_upstream_is_fine(tmp_path):
    results = look("""
        import numpy as np


        class Relu:
            def forward(self, x):
                self.mask = x <= 0
                return np.where(self.mask, 0, x)

            def backward(self, dout):
                dx = dout.copy()
                dx[self.mask] = 0
                return dx
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Relu": "OK"}, told(results)
    assert hygiene(only(results)) == set()


CONSUMED = {
    "popped": "cache.pop()",
    "popped from a dictionary": 'cache.pop("x")',
}


@pytest.mark.parametrize("how", CONSUMED)
def test_a_cache_that_backward_consumes(how, tmp_path):
    """A fresh forward for every backward: the second backward does not meet an empty cache."""
    cache = '{"x": x}' if "dictionary" in how else "[x]"
    results = look(f"""
        import numpy as np


        def square_forward(x):
            return x**2, {cache}


        def square_backward(dout, cache):
            x = {CONSUMED[how]}
            return 2 * x * dout
        """, tmp_path)  # fmt: skip
    assert only(results).gradients[0].verdict == "OK", told(results)
    assert hygiene(only(results)) <= {"GC302", "GC303"}


def test_a_stack_that_backward_pops(tmp_path):
    results = look("""
        import numpy as np


        class Square:
            def __init__(self):
                self.stack = []

            def forward(self, x):
                self.stack.append(x)
                return x**2

            def backward(self, dout):
                return 2 * self.stack.pop() * dout
        """, tmp_path)  # fmt: skip
    assert only(results).gradients[0].verdict == "OK", told(results)


def test_gradients_that_add_up_from_call_to_call(tmp_path):
    results = look("""
        import numpy as np


        class Affine:
            def __init__(self, W, b):
                self.W, self.b = W, b
                self.dW, self.db = np.zeros_like(W), np.zeros_like(b)

            def forward(self, x):
                self.x = x
                return x @ self.W + self.b

            def backward(self, dout):
                self.dW += self.x.T @ dout
                self.db += dout.sum(axis=0)
                return dout @ self.W.T
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Affine": "OK"}, told(results)
    assert {g.name for g in only(results).gradients} == {"x", "W", "b"}


def test_state_that_forward_appends_to(tmp_path):
    results = look("""
        import numpy as np


        class Running:
            def __init__(self):
                self.inputs = []
                self.calls = 0

            def forward(self, x):
                self.inputs.append(x)
                self.calls += 1
                return np.tanh(x) * (1 + 0 * self.calls)

            def backward(self, dout):
                return dout * (1 - np.tanh(self.inputs[-1]) ** 2)
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Running": "OK"}, told(results)


def test_state_that_changes_what_forward_gives(tmp_path):
    """Each call of forward on the same object gives more: a fresh object each time."""
    results = look("""
        class Growing:
            def __init__(self):
                self.calls = 0

            def forward(self, x):
                self.calls += 1
                self.k = self.calls
                self.x = x
                return self.calls * x**2

            def backward(self, dout):
                return 2 * self.k * self.x * dout
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Growing": "OK"}, told(results)


def test_global_state(tmp_path):
    results = look("""
        COUNT = [0]


        def count_forward(x):
            COUNT[0] += 1
            return x**3 * COUNT[0], (x, COUNT[0])


        def count_backward(dout, cache):
            x, k = cache
            return 3 * x**2 * k * dout
        """, tmp_path)  # fmt: skip
    assert words(results) == {"count": "OK"}, told(results)


NOTHING = {
    "pass": "pass",
    "None": "return None",
    "an exception": "raise NotImplementedError",
    "an exception with words": 'raise NotImplementedError("someday")',
}


@pytest.mark.parametrize("how", NOTHING)
def test_a_backward_that_is_not_there(how, tmp_path):
    results = look(f"""
        def square_forward(x):
            return x**2, x


        def square_backward(dout, cache):
            {NOTHING[how]}


        class Cube:
            def forward(self, x):
                return x**3

            def backward(self, dout):
                {NOTHING[how]}
        """, tmp_path)  # fmt: skip
    assert set(words(results).values()) == {"SKIPPED"}, told(results)
    reasons = [one.reason if isinstance(one, Skipped) else " ".join(one.notes) for one in results.values()]
    assert all("not implemented" in reason for reason in reasons), reasons


def test_none_for_a_gradient_that_is_not_zero(tmp_path):
    results = look("""
        def scale_forward(x, w):
            return x * w, (x, w)


        def scale_backward(dout, cache):
            x, w = cache
            return dout * w, None
        """, tmp_path)  # fmt: skip
    result = only(results)
    assert str(result["w"].verdict) == "WRONG", told(results)
    assert result["w"].cause.code == "GC107"


UPSTREAM_LAST = {
    "after the cache": ("cache, dout", "x = cache"),
    "after the inputs": ("x, dout", "pass"),
    "under another name": ("x, grad_output", "dout = grad_output"),
    "by keyword": ("x, *, dout", "pass"),
}


@pytest.mark.parametrize("how", UPSTREAM_LAST)
def test_upstream_last(how, tmp_path):
    parameters, first = UPSTREAM_LAST[how]
    results = look(f"""
        import numpy as np


        def sine_forward(x):
            return np.sin(x), x


        def sine_backward({parameters}):
            {first}
            return dout * np.cos(x)
        """, tmp_path)  # fmt: skip
    assert words(results) == {"sine": "OK"}, told(results)


def test_upstream_last_in_a_method(tmp_path):
    results = look("""
        import numpy as np


        class Linear:
            def __init__(self, W):
                self.W = W

            def forward(self, x):
                return x @ self.W

            def backward(self, x, dout):
                self.dW = x.T @ dout
                return dout @ self.W.T
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Linear": "OK"}, told(results)


def test_a_second_output_that_has_a_gradient(tmp_path):
    source = """
        import numpy as np


        def split_forward(x):
            return np.sin(x), np.cos(x), x


        def split_backward(dsin, dcos, cache):
            return dsin * np.cos(cache) - dcos * np.sin(cache)
        """
    assert words(results := look(source, tmp_path)) == {"split": "OK"}, told(results)
    wrong = look(source.replace("- dcos * np.sin(cache)", ""), tmp_path)
    assert words(wrong) == {"split": "WRONG"}, told(wrong)


def test_a_second_output_that_is_only_looked_at(tmp_path):
    """Backward takes one upstream: the attention weights, or a running mean, are no output to differentiate."""
    results = look("""
        import numpy as np


        def attend_forward(x):
            p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
            cache = (x, p)
            return p * x, cache, p


        def attend_backward(dout, cache):
            x, p = cache
            dp = dout * x
            return dout * p + p * (dp - (dp * p).sum(axis=1, keepdims=True))
        """, tmp_path)  # fmt: skip
    assert words(results) == {"attend": "OK"}, told(results)


SCALAR_ONLY = {
    "upstream 1 by default": ("cache, dout=1.0", "dout * "),
    "no upstream": ("cache", ""),
}


@pytest.mark.parametrize("how", SCALAR_ONLY)
def test_a_backward_for_a_scalar_alone(how, tmp_path):
    parameters, factor = SCALAR_ONLY[how]
    results = look(f"""
        import numpy as np


        def energy_forward(x):
            return 0.5 * np.sum(x**2), x


        def energy_backward({parameters}):
            return {factor}cache
        """, tmp_path)  # fmt: skip
    assert words(results) == {"energy": "OK"}, told(results)


def test_a_script_that_would_train_on_import(tmp_path):
    """Only imports, functions, classes and constants are run."""
    results = look("""
        import numpy as np

        RATE = 0.5
        WEIGHTS = np.random.randn(3)


        def scale_forward(x):
            return RATE * x, None


        def scale_backward(dout, cache):
            return RATE * dout


        for step in range(10):
            raise SystemExit("this trains for a week")

        print(open("data.csv").read())
        if __name__ == "__main__":
            raise SystemExit
        """, tmp_path, definitions_only=True)  # fmt: skip
    assert words(results) == {"scale": "OK"}, told(results)


STRAIGHT_THROUGH = """
    import numpy as np


    def quantize_forward(x):
        return np.round(4 * x) / 4, None


    def quantize_backward(dout, cache):
        return dout


    def reverse_forward(x):
        return x * 1.0, None


    def reverse_backward(dout, cache):
        return -dout
    """


def test_gradients_meant_to_differ_are_wrong_until_that_is_said(tmp_path):
    results = look(STRAIGHT_THROUGH, tmp_path)
    assert words(results) == {"quantize": "WRONG", "reverse": "WRONG"}, told(results)
    assert all(result.fails for result in results.values())


@pytest.mark.parametrize("where", ["configuration", "table"])
def test_gradients_meant_to_differ(where, tmp_path):
    why = {"quantize": "straight-through", "reverse": "gradient reversal"}
    source = STRAIGHT_THROUGH
    if where == "table":
        source += f"\n    gradtool = {{name: {{'intentional': why}} for name, why in {why!r}.items()}}\n"
    results = look(source, tmp_path, given=Given(intentional=why if where == "configuration" else {}))
    assert {name: result.intentional for name, result in results.items()} == why
    assert set(words(results).values()) == {"WRONG"}, "shown as what it is"
    assert not any(result.fails for result in results.values()), "and it does not fail the run"


def test_a_constant_factor_is_never_accepted(tmp_path):
    """1/m in or out of a gradient: neither calling nor convention may hide it."""
    results = look("""
        import numpy as np


        def linear_forward(A, W, b):
            \"\"\"A: (n, m), W: (h, n), b: (h, 1)\"\"\"
            return W @ A + b, (A, W, b)


        def linear_backward(dZ, cache):
            A_prev, W, b = cache
            m = A_prev.shape[1]
            dW = dZ @ A_prev.T / m
            db = np.sum(dZ, axis=1, keepdims=True) / m
            dA_prev = W.T @ dZ
            return dA_prev, dW, db
        """, tmp_path)  # fmt: skip
    result = only(results)
    assert {g.name: str(g.verdict) for g in result.gradients} == {"A": "OK", "W": "WRONG", "b": "WRONG"}, told(results)
    assert {result["W"].cause.code, result["b"].cause.code} == {"GC105"}


def test_a_random_mask(tmp_path):
    results = look("""
        import numpy as np

        rng = np.random.default_rng()


        class Dropout:
            def __init__(self, p=0.5):
                self.p = p

            def forward(self, x):
                self.mask = (rng.random(x.shape) > self.p) / (1 - self.p)
                return x * self.mask

            def backward(self, dout):
                return dout * self.mask
        """, tmp_path)  # fmt: skip
    assert words(results) == {"Dropout": "OK"}, told(results)
    assert "GC305" in hygiene(only(results))


def test_forward_that_changes_its_input(tmp_path):
    results = look("""
        def shift_forward(x):
            x *= 2
            return x**2, x


        def shift_backward(dout, cache):
            return 4 * cache * dout
        """, tmp_path)  # fmt: skip
    assert {g.name: str(g.verdict) for g in only(results).gradients} == {"x": "OK"}, told(results)


def test_what_the_module_does_to_the_process_is_undone(tmp_path):
    import os
    import sys

    import numpy as np

    before = os.getcwd(), np.geterr(), list(sys.argv)
    results = look("""
        import os
        import sys
        import warnings

        import numpy as np

        np.seterr(all="raise")
        os.chdir("/")
        sys.argv.append("--train")


        def exp_forward(x):
            warnings.warn("careful")
            print("forward")
            return np.exp(x), x


        def exp_backward(dout, cache):
            return dout * np.exp(cache)
        """, tmp_path)  # fmt: skip
    assert words(results) == {"exp": "OK"}, told(results)
    assert (os.getcwd(), np.geterr(), list(sys.argv)) == before
