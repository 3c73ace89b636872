# relu has no derivative at 0: there every value from 0 to 1 is valid, so x >= 0 is as good as x > 0.
#   gradtool check samples/gradients/relu.py
# At 0 itself the value is a choice, and gradtool says so:
#   gradtool check samples/gradients/relu.py --arg "x=[-1,0,2]"

import numpy as np


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    x = cache
    return dout * (x >= 0)
