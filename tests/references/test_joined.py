import numpy as np

from gradtool.references.joined import TOGETHER, Joined
from gradtool.references.sampling import Samples


class Function:
    roundoff = 2.0**-24

    def base(self):
        return np.zeros(1)

    def many_inputs(self, points):
        self.seen = points
        return Samples(np.zeros((2, 1)))

    def noise(self):
        return None


def test_inputs_are_joined_and_split_again():
    inputs = {"x": np.arange(6.0).reshape(2, 3), "s": np.float64(7.0), "y": np.ones(2)}
    function = Function()
    joined = Joined(function, inputs, ["x", "s"])
    assert joined.inputs[TOGETHER].tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert joined.split(joined.inputs[TOGETHER])["x"].tolist() == inputs["x"].tolist()
    joined.many(TOGETHER, np.zeros((2, 7)))
    assert {name: p.shape for name, p in function.seen.items()} == {"x": (2, 2, 3), "s": (2,)}
    assert joined.roundoff == 2.0**-24
    assert joined.noise() is None
    assert joined.base().tolist() == [0]
