"""Text to ``Graph`` and back: the expression language, values of inputs, and errors with a caret."""

from gradtool.language.errors import SourceError
from gradtool.language.parser import parse
from gradtool.language.printer import expression, expressions, to_source
from gradtool.language.values import InputFileError, InputValue, parse_value, read_inputs

__all__ = [
    "InputFileError", "InputValue", "SourceError",
    "expression", "expressions", "parse", "parse_value", "read_inputs", "to_source",
]  # fmt: skip
