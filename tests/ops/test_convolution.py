"""Windows, convolution and pooling: PyTorch's meaning, ties, and what is refused."""

import numpy as np
import pytest

from gradtool.ops.convolution import unwindows, windows

NAMES = ["conv1d", "conv2d", "max_pool2d", "avg_pool2d"]


@pytest.mark.parametrize("name", NAMES)
def test_cases(name, check_cases):
    check_cases(name)


SLIDES = [
    ((2,), (1,), (0,)),
    ((3,), (2,), (1,)),
    ((1,), (3,), (2,)),
    ((2, 3), (1, 2), (0, 1)),
    ((2, 2), (3, 2), (1, 1)),
]


@pytest.mark.parametrize(("kernel", "stride", "padding"), SLIDES)
def test_unwindows_is_the_adjoint_of_windows(kernel, stride, padding):
    rng = np.random.default_rng(0)
    spatial = (5, 4)[-len(kernel) :]
    x = rng.normal(size=(3, *spatial))
    seen = windows(x, kernel, stride, padding)
    sent = rng.normal(size=seen.shape)
    back = unwindows(sent, spatial, kernel, stride, padding)
    assert back.shape == x.shape
    assert np.sum(back * x) == pytest.approx(np.sum(sent * seen), rel=1e-12)


def test_windows_in_order():
    seen = windows(np.arange(12.0).reshape(3, 4), (2, 2), (1, 2), (0, 0))
    assert seen.shape == (2, 2, 2, 2)
    assert seen[1, 1].tolist() == [[6, 7], [10, 11]]
    assert windows(np.ones((2, 2)), (2, 2), (1, 1), (1, 1), fill=-1.0)[0, 0].tolist() == [[-1, -1], [-1, 1]]


def test_convolution_does_not_flip_the_kernel(at):
    x, w = np.array([[1.0, 2, 3, 4]]), np.array([[[1.0, 10]]])
    point = at("conv1d", x, w, [100.0])
    assert point.out().tolist() == [[121, 132, 143]]
    assert point.vjp(0, [[1.0, 2, 3]]).tolist() == [[1, 12, 23, 30]]
    assert point.vjp(1, [[1.0, 2, 3]]).tolist() == [[[14, 20]]]
    assert point.vjp(2, [[1.0, 2, 3]]).tolist() == [6]


def test_one_kernel_of_the_size_of_the_input_is_a_product(at):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(4, 2, 3, 3)), rng.normal(size=(5, 2, 3, 3))
    found = at("conv2d", x, w).out()
    np.testing.assert_allclose(found[..., 0, 0], x.reshape(4, -1) @ w.reshape(5, -1).T, rtol=1e-13)


def test_windows_that_leave_entries_out_send_them_nothing(at):
    assert at("avg_pool2d", np.ones((3, 3)), kernel_size=2).vjp(0).tolist() == [
        [0.25, 0.25, 0],
        [0.25, 0.25, 0],
        [0, 0, 0],
    ]
    assert at("conv1d", np.ones((1, 4)), np.ones((1, 1, 1)), stride=3).vjp(0).tolist() == [[1, 0, 0, 1]]


def test_padding_counts_in_an_average_and_never_is_the_largest(at):
    x = -np.ones((1, 2, 2))
    assert at("avg_pool2d", x, kernel_size=2, padding=1).out().tolist() == [[[-0.25, -0.25], [-0.25, -0.25]]]
    assert at("max_pool2d", x, kernel_size=2, padding=1).out().tolist() == [[[-1, -1], [-1, -1]]]


def test_a_tie_in_a_window(at, check_kink):
    valid = lambda a: (a >= 0).all() and a[:, :2].sum() == pytest.approx(1) and a[1, 1] == a[0, 2] == 0 and a[1, 2] == 1
    x = [[3.0, 3.0, 1.0, 0.0], [3.0, 1.0, 2.0, 1.0]]
    check_kink(at("max_pool2d", x, kernel_size=2), 0, [[[1 / 3, 1 / 3, 0, 0], [1 / 3, 0, 1, 0]]], valid)


def test_not_finite_in_not_finite_out(at):
    x = [[np.nan, 1.0], [2.0, 3.0]]
    assert np.isnan(at("max_pool2d", x, kernel_size=2).out()).all()
    assert np.isnan(at("avg_pool2d", x, kernel_size=2).out()).all()


@pytest.mark.parametrize(
    ("name", "shapes", "parameters"),
    [
        ("conv1d", ((2, 3, 7), (4, 3, 3), (4,)), {"stride": 2, "padding": 1}),
        ("conv1d", ((3, 6), (2, 3, 1), (2,)), {"stride": 3}),
        ("conv2d", ((2, 3, 6, 5), (4, 3, 3, 2), (4,)), {"stride": (2, 1), "padding": (1, 2)}),
        ("conv2d", ((3, 5, 5), (2, 3, 5, 5), (2,)), {"padding": 2}),
        ("max_pool2d", ((2, 3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("max_pool2d", ((3, 6, 6),), {"kernel_size": (2, 3)}),
        ("avg_pool2d", ((2, 3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("avg_pool2d", ((2, 1, 4, 6),), {"kernel_size": (2, 3), "stride": (1, 2)}),
    ],
)
def test_as_pytorch(name, shapes, parameters, at):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=shape) for shape in shapes]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = getattr(torch.nn.functional, name)(*tensors, **parameters)
    point = at(name, *arrays, **parameters)
    np.testing.assert_allclose(point.out(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = rng.normal(size=point.out().shape)
    expected.backward(torch.tensor(upstream))
    for i, tensor in enumerate(tensors):
        np.testing.assert_allclose(point.vjp(i, upstream), tensor.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_refusals(refuses):
    assert "shape (N, C, H, W) or (C, H, W), but x has shape (3, 4)" in refuses("conv2d", (3, 4), (2, 3, 2, 2), ())
    assert "weight of shape (O, C, kL)" in refuses("conv1d", (2, 3, 4), (2, 3), ())
    message = refuses("conv2d", (2, 3, 5, 5), (4, 2, 3, 3), ())
    assert "shapes (2, 3, 5, 5) and (4, 2, 3, 3) do not fit: x has 3 channels (axis 1), the weight takes 2" in message
    assert "4 channels that come out, shape (4,), but has shape (3,)" in refuses("conv1d", (2, 3, 5), (4, 3, 2), (3,))
    assert "kernel (3, 3) is larger than the input (5, 2): 3 entries do not fit in 2" in refuses(
        "conv2d", (1, 1, 5, 2), (1, 1, 3, 3), ()
    )
    assert "5 entries do not fit in 2 with padding 1 on both sides" in refuses(
        "conv1d", (1, 2), (1, 1, 5), (), padding=1
    )
    assert "weight with entries" in refuses("conv1d", (1, 2), (1, 1, 0), ())
    for stride in (0, -1, (1, 0)):
        assert "stride must be at least 1" in refuses("conv2d", (1, 5, 5), (1, 1, 2, 2), (), stride=stride)
    assert "stride must be one number or 2, but is (1, 1, 1)" in refuses(
        "conv2d", (1, 5, 5), (1, 1, 2, 2), (), stride=(1, 1, 1)
    )
    assert "stride must be one number, but is (1, 1)" in refuses("conv1d", (1, 5), (1, 1, 2), (), stride=(1, 1))
    assert "one number or 2" in refuses("conv2d", (1, 5, 5), (1, 1, 2, 2), (), stride=((1, 1), (2, 2)))
    assert "padding must be at least 0" in refuses("conv1d", (1, 5), (1, 1, 2), (), padding=-1)
    assert "kernel_size must be at least 1" in refuses("max_pool2d", (5, 5), kernel_size=0)
    assert "larger than the input (5, 2)" in refuses("avg_pool2d", (5, 2), kernel_size=3)
    assert "at most half of the kernel (2, 2)" in refuses("max_pool2d", (5, 5), kernel_size=2, padding=2)
    assert "at least (H, W)" in refuses("max_pool2d", (5,), kernel_size=2)
