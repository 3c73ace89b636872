"""The lexer: a program's text as tokens, in one pass.

Tokens are plain tuples ``(kind, text, start, end)``, a program may have millions. The kind of an operator or bracket is
its own text. What is no token at all is the last, of kind ``ERROR``, so that the parser complains about the first mistake in
the text, whoever finds it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

NAME = "name"
NUMBER = "number"
TEXT = "text"
NEWLINE = "newline"
END = "end"
ERROR = "error"

Token = tuple[str, str, int, int]

BLANKS = " \t\f\v\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
"""Blanks of Unicode as well: text pasted from a web page or a PDF is full of them."""

_TOKEN = re.compile(
    rf"""
    (?: [{BLANKS}] | \#[^\r\n]* )*
    (?:
        ( [^\x00-@\[-^`{{-\x7f{BLANKS}] [^\x00-/:-@\[-^`{{-\x7f{BLANKS}]* )            # 1 name, to be looked at again
      | ( \.?[0-9] (?: [eE][-+][0-9] | [A-Za-z0-9_.] )* )                             # 2 number, to be looked at again
      | ( [=!]== | \*\*= | //=? | [-+*/@^]=(?!=) | << | >> | <> | && | \|\| )          # 3 what other languages have
      | ( \*\* | \.\.\. | [=!<>]= | [-+*/@^()\[\],;:.=<>] )                           # 4 operator
      | ( \r\n? | \n )                                                                # 5 end of a line
      | ( \Z )                                                                        # 6 end of the text
      | ( '[^'\r\n]*' | "[^"\r\n]*" )                                                 # 7 text in quotes
      | ( . )                                                                         # 8 anything else
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER_PREFIX = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")

OPEN = {"(": ")", "[": "]"}
SEPARATORS = (";", NEWLINE, END)
_BEFORE_TEXT = ("(", ",", "=")
"""Where an argument begins: elsewhere a quote is taken for a prime, or a mistake."""
CLOSE = {")": "(", "]": "["}


def tokenize(source: str) -> list[Token]:
    """All of ``read_tokens`` at once."""
    return list(read_tokens(source))


def read_tokens(source: str) -> Iterator[Token]:
    """The tokens of a program; the last is of kind ``END`` or ``ERROR``. Ends of lines inside brackets are left out.

    The text of a name is in NFKC form, as in Python: two spellings that look alike are one name. That of a text in
    quotes is what stands between them.
    """
    depth = 0
    before = ""  # the token before, where it is an operator or bracket
    for match in _TOKEN.finditer(source):
        group = match.lastindex
        assert group is not None
        start, end = match.span(group)
        text = match[group]
        if group == 1:
            before = ""
            if text.isascii():
                yield NAME, text, start, end
                continue
            length = _identifier_length(text)
            if length:
                yield NAME, unicodedata.normalize("NFKC", text[:length]), start, start + length
            if length < len(text):
                yield ERROR, "", start + length, start + length + 1
                return
        elif group == 2:
            before = ""
            try:
                float(text)
            except ValueError:
                yield ERROR, "", start, end
                return
            yield NUMBER, text, start, end
        elif group == 4:
            before = text
            if text in "([":
                depth += 1
            elif text in ")]":
                depth = max(0, depth - 1)
            yield text, text, start, end
        elif group == 5:
            if not depth:
                before = ""
                yield NEWLINE, "", start, end
        elif group == 6:
            yield END, "", start, end
            return
        elif group == 7 and before in _BEFORE_TEXT:
            before = ""
            yield TEXT, text[1:-1], start, end
        elif group == 7:
            yield ERROR, "", start, start + 1
            return
        else:
            yield ERROR, "", start, end
            return


def _identifier_length(text: str) -> int:
    """The length of the longest beginning of ``text`` that Python takes for an identifier; but for the raised dot,
    which is allowed inside one and never meant so."""
    for i, character in enumerate(text):
        if not (f"a{character}" if i else character).isidentifier() or character in "\u00b7\u0387":
            return i
    return len(text)


_INSTEAD = {
    "%": "there is no remainder; write x - y*floor(x/y)",
    "//=": "there is no whole-number division; write floor(x/y)",
    "//": "there is no whole-number division; write floor(x/y)",
    "&&": "multiply conditions for 'and': (x > 0)*(y > 0)",
    "&": "multiply conditions for 'and': (x > 0)*(y > 0)",
    "||": "for 'or' write max(x > 0, y > 0)",
    "|": "write abs(x) for an absolute value, max(x > 0, y > 0) for 'or'",
    "!": "write 1 - condition for 'not', != for 'not equal'",
    "~": "write 1 - condition for 'not'",
    "<>": "write != for 'not equal'",
    "===": "write == for 'equal'",
    "!==": "write != for 'not equal'",
    "<<": "there are no shifts; write x*2^n",
    ">>": "there are no shifts; write x/2^n",
    "?": "write where(condition, a, b)",
    "\\": "put the expression in parentheses to go on in the next line",
    "{": "use ( ) for grouping and [ ] for arrays and indices",
    "}": "use ( ) for grouping and [ ] for arrays and indices",
    "$": "a name has letters, digits and underscores only",
    "\u2212": "write - for minus",
    "\u2010": "write - for minus",
    "\u2011": "write - for minus",
    "\u2012": "write - for minus",
    "\u2013": "write - for minus",
    "\u2014": "write - for minus",
    "\ufe63": "write - for minus",
    "\uff0d": "write - for minus",
    "\u00d7": "write * for a product",
    "\u00b7": "write * for a product",
    "\u22c5": "write * for a product",
    "\u2217": "write * for a product",
    "\u2219": "write * for a product",
    "\u2022": "write * for a product",
    "\u00f7": "write / for a quotient",
    "\u2215": "write / for a quotient",
    "\u2044": "write / for a quotient",
    "\u2264": "write <=",
    "\u2265": "write >=",
    "\u2260": "write !=",
    "\u2261": "write ==",
    "\u2248": "write ==",
    "\u2190": "write = to name a value",
    "\u221a": "write sqrt(x)",
    "\u2211": "write sum(x)",
    "\u220f": "write prod(x)",
    "\u221e": "write 1e999 for infinity",
    "\u2299": "write * for the product entry by entry",
    "\u2218": "write * for the product entry by entry",
    "\u2297": "write outer(x, y)",
    "\u22a4": "write .T for the transpose",
    "\u00b0": "write x*pi/180",
    "\u2026": "write ... with three dots",
}
_QUOTES = "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u00ab\u00bb\u2039\u203a"


def describe_error(source: str, token: Token) -> tuple[str, tuple[int, int], str | None]:
    """Message, place and hint for a token of kind ``ERROR``, or one of kind ``TEXT`` where none can stand."""
    _, _, start, end = token
    text = source[start:end]
    span = (start, end)
    if text[0] in "0123456789." and text.isascii():
        return _describe_number(text, span)
    if text in _INSTEAD:
        return _unknown(text), span, _INSTEAD[text]
    if text[0] in _QUOTES:
        return _describe_quote(source, token)
    if len(text) > 1:
        return f"the language has no {text}", span, f"write the name again, as in x = x {text[:-1]} y"
    plain = unicodedata.normalize("NFKC", text)
    category = unicodedata.category(text)
    hint: str | None = None
    if category == "No" and plain.isdigit():
        hint = f"write ^{plain} for a power" if "SUPERSCRIPT" in unicodedata.name(text, "") else f"write {plain}"
    elif category == "Nd":
        hint = f"write {unicodedata.decimal(text)}"
    elif plain != text and plain.isascii() and plain.isprintable() and not plain.isspace():
        hint = f"write {plain}"
    elif category in ("Cf", "Cc", "Cs", "Co", "Cn"):
        hint = "delete it"
    return _unknown(text), span, hint


def _describe_quote(source: str, token: Token) -> tuple[str, tuple[int, int], str | None]:
    kind, _, start, _ = token
    mark, before = source[start], source[:start][-1:]
    span = (start, start + 1)
    if mark in "'\u2019\u2032" and (before.isalnum() or before in (")", "]")):
        return f"found {mark} where no text can stand", span, "write .T for the transpose"
    if kind == ERROR and mark in "'\"" and source[:start].rstrip()[-1:] in _BEFORE_TEXT:
        return f"the text after {mark} is never closed", span, f"add {mark} in the same line"
    if mark not in "'\"":
        return f"found {mark} where no text can stand", span, "names are written without quotes, texts in ' or \""
    return f"found {mark} where no text can stand", span, "names are written without quotes"


def _unknown(text: str) -> str:
    if text.isascii() and text.isprintable():
        return f"the language has no {text}"
    name = unicodedata.name(text, "") if len(text) == 1 else ""
    shown = f"{text} " if text.isprintable() and unicodedata.category(text[0])[0] != "M" else ""
    return f"unknown character {shown}(U+{ord(text[0]):04X}{', ' if name else ''}{name})"


def _describe_number(text: str, span: tuple[int, int]) -> tuple[str, tuple[int, int], str | None]:
    prefix = _NUMBER_PREFIX.match(text)
    number = prefix.group() if prefix else ""
    rest = text[len(number) :]
    if text[:2] in ("0x", "0X", "0b", "0B", "0o", "0O"):
        return f"{_short(text)} is not a number", span, "numbers are written in decimal digits"
    if rest[:1] in ("e", "E") and not rest[1:].strip("0123456789_.+-eE"):
        hint = "an exponent needs digits, as in 1e-3"
        if rest == "e":
            hint += f"; for a product write {number}*e"
        elif len(rest) > 1:
            hint = "an exponent is a whole number, as in 1e-3"
        return f"{_short(text)} is not a number", span, hint
    if rest[:1].isalpha() and number:
        message = f"expected an operator between {_short(number)} and {_short(rest)}"
        return message, span, f"for a product write {_short(number)}*{_short(rest)}"
    if "_" in text:
        return f"{_short(text)} is not a number", span, "underscores stand between digits only, as in 1_000"
    return f"{_short(text)} is not a number", span, "a number has one decimal point, as in 1.25"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
