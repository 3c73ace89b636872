"""PyTorch's tensors as NumPy arrays and back, on the same memory where that is possible.

PyTorch is never imported here: who needs it asks ``loaded_torch()``, which knows it only where the user's module has
imported it.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.targets.found import CannotBindError

Array = NDArray[Any]

_PRECISION = re.compile(r"dtype|Double|Float\b|float32|float64|scalar type")
_NO_GPU = re.compile(r"CUDA|NVIDIA|cuDNN|\bGPU\b|Triton", re.IGNORECASE)


def loaded_torch() -> Any:
    """The module ``torch`` where it has been imported, else None."""
    return sys.modules.get("torch")


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch keeps to one thread inside: for arrays of the size of a check more of them cost more than they give, and results
    do not depend on how many there are."""
    torch = loaded_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def tensor_of(array: Any, dtype: Any = None) -> Any:
    """A tensor of the array's numbers, on the array's memory if dtype and strides allow it."""
    torch = loaded_torch()
    array = np.asarray(array)
    if any(step < 0 for step in array.strides) or not array.dtype.isnative:
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    if array.flags.writeable:
        tensor = torch.from_numpy(array)
    else:
        with warnings.catch_warnings():
            # A broadcast upstream: a tensor of it can be read, and refuses to be written to as well.
            warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
            tensor = torch.from_numpy(array)
    return tensor if dtype is None else tensor.to(dtype)


def array_of(tensor: Any) -> Array:
    """The tensor's numbers, on its memory."""
    found: Array = tensor.detach().resolve_conj().resolve_neg().numpy()
    return found


def give_back(tensor: Any, array: Any, before: Array) -> None:
    """Carry changes in place, made since ``before``, from a tensor to the array it was made of, where they do not share
    their memory."""
    after = array_of(tensor)
    if np.shares_memory(after, array) or not array.flags.writeable:
        return
    changed = ~((after == before) | ((after != after) & (before != before)))
    array[changed] = after[changed]


def why_unsupported(tensor: Any) -> str | None:
    """Why a tensor cannot be checked (contract: complex, sparse, bfloat16, GPU), or None if it can."""
    torch = loaded_torch()
    if tensor.layout != torch.strided:
        return f"sparse tensors ({tensor.layout}) are not supported"
    if tensor.dtype.is_complex:
        return "complex tensors are not supported"
    if tensor.dtype == torch.bfloat16:
        return "bfloat16 is not supported"
    if tensor.device.type != "cpu":
        return f"tensors on the device {tensor.device} are not supported: only the CPU's are"
    return None


def is_about_precision(error: BaseException) -> bool:
    """Whether code that is written for one float type may have raised this when given the other."""
    return isinstance(error, RuntimeError | TypeError) and _PRECISION.search(str(error)) is not None


def refuse_gpu(name: str, error: BaseException) -> None:
    """Raise ``CannotBindError`` if ``error`` came of ``name`` wanting a GPU that is not there."""
    if isinstance(error, RuntimeError | AssertionError) and _NO_GPU.search(str(error)):
        message = f"{name} needs a GPU, which is not supported: {str(error).strip().splitlines()[0]}"
        raise CannotBindError(message) from error


def refuse_complex(name: str, value: Any) -> None:
    """Raise ``CannotBindError`` for an array of complex numbers."""
    if np.iscomplexobj(value):
        raise CannotBindError(f"{name} is complex, which is not supported")
