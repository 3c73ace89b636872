"""GT104: a gradient that grows layer by layer."""


def test_ten_layers_that_multiply(findings):
    (found,) = findings("GT104", "\n".join(["h = relu(w*h)"] * 10), w=5.0, h=1.0)
    assert "grows from 1 at" in found.message


def test_weights_of_one_do_not_explode(findings):
    assert findings("GT104", "\n".join(["h = relu(w*h)"] * 10), w=1.0, h=1.0) == []


def test_one_large_factor_is_no_explosion(findings):
    assert findings("GT104", "a = 1e9*x; b = a + 1; c = b*2; c - 1", x=1.0) == []


def test_the_threshold_can_be_moved(findings):
    program = "\n".join(["h = relu(w*h)"] * 6)
    assert findings("GT104", program, w=2.0, h=1.0) == []
    assert findings("GT104", program, thresholds={"GT104": {"ratio": 10.0}}, w=2.0, h=1.0)
