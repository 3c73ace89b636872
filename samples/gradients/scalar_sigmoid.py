# The sigmoid of a single number. Its backward is handed the OUTPUT s, as s(1 - s) needs no exponential.
#   gradtool check samples/gradients/scalar_sigmoid.py

import math


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def sigmoid_backward(d_out, s):
    return d_out * s * (1 - s)
