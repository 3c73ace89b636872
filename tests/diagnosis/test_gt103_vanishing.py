"""GT103: a gradient that dies layer by layer, named or not; not one that is small for another reason."""

LAYERS = "\n".join(["h = sigmoid(w*h)"] * 10)


def test_ten_sigmoid_layers(findings):
    (found,) = findings("GT103", LAYERS, w=0.5, h=1.0)
    assert "falls from 1 at" in found.message
    assert "over 9 layers" in found.message


def test_layers_without_names(findings):
    program = "sigmoid(w*" * 10 + "x" + ")" * 10
    (found,) = findings("GT103", program, w=0.5, x=1.0)
    assert found.severity == "warning"


def test_three_layers_do_not_vanish(findings):
    assert findings("GT103", "\n".join(["h = sigmoid(w*h)"] * 3), w=0.5, h=1.0) == []


def test_a_small_factor_is_no_vanishing_gradient(findings):
    assert findings("GT103", "a = x*x; b = 1e-9*a; c = b + 1; c*2", x=1.0) == []


def test_the_threshold_can_be_moved(findings):
    program = "\n".join(["h = sigmoid(w*h)"] * 5)
    assert findings("GT103", program, w=1.0, h=1.0) == []
    assert findings("GT103", program, thresholds={"GT103": {"ratio": 0.1}}, w=1.0, h=1.0)


def test_a_dead_path_is_not_a_vanishing_one(findings):
    assert findings("GT103", "\n".join(["h = relu(h - 1)"] * 10), h=1.0) == []


def test_a_gradient_that_underflows_to_zero_has_vanished(findings):
    program = "h = sigmoid(w*x); " + "h = sigmoid(w*h); " * 300 + "h*1"
    (found,) = findings("GT103", program, x=0.5, w=0.1)
    assert "the gradient vanishes" in found.message


def test_a_zero_beside_a_healthy_gradient_is_none(findings):
    assert findings("GT103", "a = exp(x); b = relu(-a); c = a*2; d = c + b; d*3", x=0.1) == []
