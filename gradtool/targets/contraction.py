"""Upstream times derivative, where the user's code gives a derivative by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def contract(upstream: Array, derivative: Any, input_shape: tuple[int, ...]) -> Any:
    """The gradient that an upstream and a derivative give, the kind of which its shape tells.

    With an output of shape o and an input of shape i: o + i is a Jacobian, also where o is (); i where o = i is an
    elementwise derivative; o + i without the leading axes that both share is a Jacobian for each sample. A derivative of any
    other shape is returned as it is: its shape is what is wrong with it.
    """
    if derivative is None:
        return None
    d = np.asarray(derivative)
    o, i = upstream.shape, tuple(input_shape)
    if d.shape == o + i:
        return np.tensordot(upstream, d, axes=len(o))
    if o == i and d.shape in (i, ()):
        return upstream * d
    if d.shape == i and upstream.size == 1:
        return upstream.reshape(()) * d
    for shared in range(1, min(len(o), len(i)) + 1):
        if o[:shared] == i[:shared] and d.shape == o + i[shared:]:
            flat = upstream.reshape(*o[:shared], -1, 1)
            jacobian = d.reshape(*o[:shared], flat.shape[-2], -1)
            return (flat * jacobian).sum(axis=-2).reshape(i)
    return derivative


def can_contract(output_shape: tuple[int, ...], derivative: Any, input_shape: tuple[int, ...]) -> bool:
    """Whether what ``contract`` gives can be judged: false where a derivative has the input's shape although the output is
    neither a number nor of that shape, so that no multiplication is meant."""
    of_input = np.shape(derivative) == tuple(input_shape)
    return not of_input or output_shape == tuple(input_shape) or math.prod(output_shape) == 1
