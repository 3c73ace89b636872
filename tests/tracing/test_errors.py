"""The message of what cannot be traced."""

from gradtool.tracing import Untraceable


def test_the_place_leads_the_message():
    error = Untraceable("np.fft.fft cannot be traced", "layers.py", 12)
    assert str(error) == "layers.py:12: np.fft.fft cannot be traced"
    assert (error.reason, error.file, error.line) == ("np.fft.fft cannot be traced", "layers.py", 12)


def test_without_a_place_there_is_the_reason():
    assert str(Untraceable("the function returns nothing")) == "the function returns nothing"
