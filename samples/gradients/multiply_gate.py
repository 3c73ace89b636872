# A gate of a computation graph as a class: forward keeps what backward needs.
#   gradtool check samples/gradients/multiply_gate.py


class MultiplyGate:
    def forward(self, x, y):
        self.x = x
        self.y = y
        return x * y

    def backward(self, dz):
        dx = self.y * dz  # each input's local derivative is the other input
        dy = self.x * dz
        return dx, dy
