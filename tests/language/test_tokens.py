"""The lexer: kinds, places, normal form, and what is no token."""

import pytest

from gradtool.language import SourceError, parse
from gradtool.language.tokens import END, ERROR, NAME, NEWLINE, NUMBER, TEXT, tokenize


def kinds(text):
    return [token[0] for token in tokenize(text)]


def test_places_are_offsets_in_the_source():
    text = "ab  + 3.5e-2\t# note\n;π"
    assert tokenize(text) == [
        (NAME, "ab", 0, 2),
        ("+", "+", 4, 5),
        (NUMBER, "3.5e-2", 6, 12),
        (NEWLINE, "", 19, 20),
        (";", ";", 20, 21),
        (NAME, "π", 21, 22),
        (END, "", 22, 22),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a**b", [NAME, "**", NAME, END]),
        ("a* *b", [NAME, "*", "*", NAME, END]),
        ("a<=b>=c==d!=e", [NAME, "<=", NAME, ">=", NAME, "==", NAME, "!=", NAME, END]),
        ("x[..., 1:]", [NAME, "[", "...", ",", NUMBER, ":", "]", END]),
        ("x.T", [NAME, ".", NAME, END]),
        ("(a\nb)\nc", ["(", NAME, NAME, ")", NEWLINE, NAME, END]),
        ("[\n(\n)\n]", ["[", "(", ")", "]", END]),
        (")\na", [")", NEWLINE, NAME, END]),
        ("a\r\nb\rc", [NAME, NEWLINE, NAME, NEWLINE, NAME, END]),
        ("\ufeffx\u00a0+\u3000y", [NAME, "+", NAME, END]),
        ("# only", [END]),
        ("", [END]),
    ],
    ids=repr,
)
def test_kinds(text, expected):
    assert kinds(text) == expected


@pytest.mark.parametrize("text", ["1", "1.", ".5", "1.5", "1e3", "1E+3", "1.e-3", "1_000", "007", "1e999"])
def test_numbers(text):
    assert tokenize(text)[0] == (NUMBER, text, 0, len(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lambda", "lambda"),
        ("_x1", "_x1"),
        ("θ̂", "θ̂"),
        ("日本", "日本"),
        ("ﬁ", "fi"),  # a ligature
        ("µ", "μ"),  # the micro sign is the Greek letter
        ("e\u0301", "é"),  # letter and combining accent
        ("Ｗ", "W"),  # full width
        ("xᵀ", "xT"),
    ],
    ids=ascii,
)
def test_names_are_in_normal_form(text, name):
    assert tokenize(text) == [(NAME, name, 0, len(text)), (END, "", len(text), len(text))]


def test_a_text_stands_where_an_argument_begins():
    assert tokenize("f( 'a # b' )") == [
        (NAME, "f", 0, 1), ("(", "(", 1, 2), (TEXT, "a # b", 3, 10), (")", ")", 11, 12), (END, "", 12, 12),
    ]  # fmt: skip
    assert kinds("f(x, k=\"it's\", '')")[4:] == [NAME, "=", TEXT, ",", TEXT, ")", END]
    assert kinds("f(A', B')") == [NAME, "(", NAME, ERROR]


def test_the_list_ends_at_the_first_mistake():
    assert kinds("x + $ y ) z") == [NAME, "+", ERROR]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("2x", "2x", "expected an operator between 2 and x", "for a product write 2*x"),
        ("2.5sin(x)", "2.5sin", "expected an operator between 2.5 and sin", "for a product write 2.5*sin"),
        ("1.2.3", "1.2.3", "1.2.3 is not a number", "a number has one decimal point, as in 1.25"),
        ("1e", "1e", "1e is not a number", "an exponent needs digits, as in 1e-3; for a product write 1*e"),
        ("1e5.5", "1e5.5", "1e5.5 is not a number", "an exponent is a whole number, as in 1e-3"),
        ("1__0", "1__0", "1__0 is not a number", "underscores stand between digits only, as in 1_000"),
        ("0x1F", "0x1F", "0x1F is not a number", "numbers are written in decimal digits"),
        ("x % y", "%", "the language has no %", "there is no remainder; write x - y*floor(x/y)"),
        ("x // y", "//", "the language has no //", "there is no whole-number division; write floor(x/y)"),
        ("x && y", "&&", "the language has no &&", "multiply conditions for 'and': (x > 0)*(y > 0)"),
        ("x || y", "||", "the language has no ||", "for 'or' write max(x > 0, y > 0)"),
        ("!x", "!", "the language has no !", "write 1 - condition for 'not', != for 'not equal'"),
        ("x <> y", "<>", "the language has no <>", "write != for 'not equal'"),
        ("x === y", "===", "the language has no ===", "write == for 'equal'"),
        ("x += 1", "+=", "the language has no +=", "write the name again, as in x = x + y"),
        ("x **= 2", "**=", "the language has no **=", "write the name again, as in x = x ** y"),
        ("x ? y : z", "?", "the language has no ?", "write where(condition, a, b)"),
        ("{x}", "{", "the language has no {", "use ( ) for grouping and [ ] for arrays and indices"),
        ("x + \\\n y", "\\", "the language has no \\", "put the expression in parentheses to go on in the next line"),
        ("W' @ x", "'", "found ' where no text can stand", "write .T for the transpose"),
        ("max(W', x')", "'", "found ' where no text can stand", "write .T for the transpose"),
        ("f = 'abc'", "'", "found ' where no text can stand", "names are written without quotes"),
        ("'abc'", "'", "found ' where no text can stand", "names are written without quotes"),
        ('x["a"]', '"', 'found " where no text can stand', "names are written without quotes"),
        ("[1, 'a']", "'", "found ' where no text can stand", "names are written without quotes"),
        ("sin(('a'))", "'", "found ' where no text can stand", "names are written without quotes"),
        ("“x”", "“", "found “ where no text can stand", "names are written without quotes, texts in ' or \""),
        (
            "einsum(‘i’, x)",
            "‘",
            "found ‘ where no text can stand",
            "names are written without quotes, texts in ' or \"",
        ),
        ("einsum('i, x)", "'", "the text after ' is never closed", "add ' in the same line"),
        ("einsum(\"i', x)", '"', 'the text after " is never closed', 'add " in the same line'),
        ("einsum('i\n', x)", "'", "the text after ' is never closed", "add ' in the same line"),
        ("x−1", "−", "unknown character − (U+2212, MINUS SIGN)", "write - for minus"),
        ("x – 1", "–", "unknown character – (U+2013, EN DASH)", "write - for minus"),
        ("2×x", "×", "unknown character × (U+00D7, MULTIPLICATION SIGN)", "write * for a product"),
        ("a·b", "·", "unknown character · (U+00B7, MIDDLE DOT)", "write * for a product"),
        ("x÷y", "÷", "unknown character ÷ (U+00F7, DIVISION SIGN)", "write / for a quotient"),
        ("x ≤ y", "≤", "unknown character ≤ (U+2264, LESS-THAN OR EQUAL TO)", "write <="),
        ("x²", "²", "unknown character ² (U+00B2, SUPERSCRIPT TWO)", "write ^2 for a power"),
        ("x₁", "₁", "unknown character ₁ (U+2081, SUBSCRIPT ONE)", "write 1"),
        ("٣", "٣", "unknown character ٣ (U+0663, ARABIC-INDIC DIGIT THREE)", "write 3"),
        ("x+（y", "（", "unknown character （ (U+FF08, FULLWIDTH LEFT PARENTHESIS)", "write ("),
        ("x\u200by", "\u200b", "unknown character (U+200B, ZERO WIDTH SPACE)", "delete it"),
        ("x\x00", "\x00", "unknown character (U+0000)", "delete it"),
        ("x\ud800", "\ud800", "unknown character (U+D800)", "delete it"),
        ("x ☃", "☃", "unknown character ☃ (U+2603, SNOWMAN)", None),
    ],
    ids=ascii,
)
def test_what_is_no_token(text, place, message, hint):
    with pytest.raises(SourceError) as caught:
        parse(text)
    error = caught.value
    start = text.index(place)
    assert (error.message, error.span, error.hint) == (message, (start, start + len(place)), hint)
