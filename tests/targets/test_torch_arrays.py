"""Tensors as arrays and back, and what is said of those that cannot be checked."""

import numpy as np
import pytest

from gradtool.targets.found import CannotBindError
from gradtool.targets.torch_arrays import (
    array_of,
    give_back,
    is_about_precision,
    loaded_torch,
    one_thread,
    refuse_complex,
    refuse_gpu,
    tensor_of,
    why_unsupported,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def test_torch_is_there_once_it_is_imported():
    assert loaded_torch() is torch


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T[:, ::1], np.array(2.0), np.array([True, False])],
)
def test_memory_is_shared(array):
    tensor = tensor_of(array)
    assert tuple(tensor.shape) == array.shape
    assert np.shares_memory(array_of(tensor), array)
    assert np.array_equal(array_of(tensor), array)


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0)[::-1], np.broadcast_to(np.array(1.5), (2, 3)), np.arange(3.0).astype(">f8"), np.float64(2.0)],
)
def test_arrays_that_torch_does_not_take_as_they_are(array):
    assert array_of(tensor_of(array)).tolist() == array.tolist()


def test_one_thread_and_as_many_as_before_afterwards():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_broadcast_array_cannot_be_written_to():
    with pytest.raises(RuntimeError, match="single memory location"):
        tensor_of(np.broadcast_to(np.array(1.5), (2, 3))).mul_(2)


def test_numbers_of_a_tensor_with_a_graph():
    tensor = torch.ones(2, requires_grad=True) * 2
    assert array_of(tensor).tolist() == [2, 2]


def test_changes_are_carried_to_an_array_of_its_own_memory():
    array = np.array([0.1, 0.2, np.nan])
    tensor = tensor_of(array, torch.float32)
    before = array_of(tensor).copy()
    give_back(tensor, array, before)
    assert array[:2].tolist() == [0.1, 0.2]
    tensor[1] = 4
    give_back(tensor, array, before)
    assert array[:2].tolist() == [0.1, 4.0]
    fixed = np.array([0.1])
    fixed.flags.writeable = False
    give_back(tensor_of([3.0]), fixed, np.array([0.1]))
    assert fixed.tolist() == [0.1]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.ones(2), None),
        (lambda: torch.ones(2, dtype=torch.float16), None),
        (lambda: torch.ones(2, dtype=torch.int64), None),
        (lambda: torch.ones(2, dtype=torch.complex64), "complex"),
        (lambda: torch.ones(2, dtype=torch.bfloat16), "bfloat16"),
        (lambda: torch.ones(2, 2).to_sparse(), "sparse"),
        (lambda: torch.ones(2, device="meta"), "device meta"),
    ],
)
def test_kinds_of_tensors(make, reason):
    found = why_unsupported(make())
    assert found is None if reason is None else reason in found


def test_errors_about_precision():
    with pytest.raises(RuntimeError) as raised:
        torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64)
    assert is_about_precision(raised.value)
    with pytest.raises(RuntimeError) as raised:
        torch.ones(2, 2) @ torch.ones(3, 2)
    assert not is_about_precision(raised.value)


def test_what_is_refused():
    refuse_gpu("f", ValueError("CUDA"))
    refuse_gpu("f", RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(CannotBindError, match="f needs a GPU, which is not supported: no CUDA here"):
        refuse_gpu("f", RuntimeError("no CUDA here\nmore"))
    refuse_complex("x", np.ones(2))
    with pytest.raises(CannotBindError, match="x is complex"):
        refuse_complex("x", np.ones(2) * 1j)
