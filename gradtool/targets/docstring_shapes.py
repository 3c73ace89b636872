"""Shapes and kinds of inputs from docstrings, in the styles that people use.

Read are lists (``- x: Input data, of shape (N, D)``), NumPy's, Google's and Sphinx's styles, ``W -- array of shape (n, m)``, and
plain sentences (``The input x has shape (N, d_1, ..., d_k)``, ``x is N x D``). What a docstring says of results is left aside.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gradtool.targets.described import Described, Domain, is_dimension


@dataclass(frozen=True, slots=True)
class DocstringShapes:
    """What docstrings say. ``relations`` are letters that stand for an expression: ``D = d_1 * ... * d_k``. ``open_rank``: some
    shape has any number of axes (``d_1, ..., d_k``)."""

    parameters: Mapping[str, Described] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)
    open_rank: bool = False


def from_docstrings(docstrings: Sequence[str], names: Collection[str], axes: int = 2) -> DocstringShapes:
    """What the docstrings say of the parameters ``names``; the first that says anything of one counts.

    ``d_1, ..., d_k`` stands for ``axes`` axes.
    """
    parameters: dict[str, Described] = {}
    relations: dict[str, str] = {}
    for text in docstrings:
        for name, described in _parameters(text, names, axes):
            known = parameters.get(name)
            if known is None:
                parameters[name] = described
            elif known.shape is None and described.shape is not None and known.kind == "array":
                domain = described.domain if known.domain == "real" else known.domain
                parameters[name] = replace(described, domain=domain, optional=known.optional or described.optional)
        for match in _PRODUCT.finditer(text):
            stem = match[2]
            relations.setdefault(match[1], "*".join(f"{stem}{place}" for place in range(1, axes + 1)))
    open_rank = any(_OPEN.search(text) for text in docstrings)
    return DocstringShapes(parameters, relations, open_rank)


# Which lines are about which parameter -------------------------------------------------------------------------------

_RESULTS = re.compile(
    r"\s*(?::?returns?|:?outputs?|yields?|raises|returned|examples?|notes?|references|see also|attributes|:rtype)\b[^\n]*",
    re.I,
)
_ARGUMENTS = re.compile(
    r"\s*(?:inputs?(?:\s*/\s*\w+)?|arguments?|args|parameters?|params|keyword arguments?|other parameters|cache|kwargs)\s*"
    r"(?:\([^)]*\))?\s*(?::\s*(?P<rest>.*)|$)",
    re.I,
)
_ENTRY = re.compile(
    r"(?P<indent>\s*)(?P<bullet>[-*+•]\s+|\d+[.)]\s+|:(?:param|arg|argument|parameter|type|key)\s+(?:[\w.\[\]]+\s+(?=\w+\s*:))?|@param\s+)?"
    r"[`'\"*]*(?P<names>\w+(?:[`'\"*]*\s*(?:,|/|\band\b)\s*[`'\"*]*\w+)*)[`'\"*]*\s*"
    r"(?P<group>\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\])?\s*"
    r"(?P<mark>:(?!=)|--+|-(?=\s)|–|—|=(?!=)|\bis\b|\bare\b|→|$)\s*(?P<rest>.*)"
)
_OPTIONAL = re.compile(r"\boptional\b|\bor None\b|\bNone or\b")
_NUMBERS = re.compile(r"\(\s*[1-9]\d*\s*,[\d\s,]*\)")
_SETTING = re.compile(r"\w*(?:stride|pad|kernel|pool|size|dilation|shape|dim|window|range|axis|axes|bounds?)\w*", re.I)
"""A pair of numbers that stands for one of these is no shape: ``stride: (2, 2)``."""
_KEYS = re.compile(r"\b(dict|dictionary|containing|keys?)\b", re.I)


@dataclass(slots=True)
class _Block:
    indent: int
    names: list[str]
    text: str
    inside: list[_Block] = field(default_factory=list)


def _parameters(docstring: str, names: Collection[str], axes: int) -> Iterator[tuple[str, Described]]:
    for block in _blocks(docstring, names):
        others = "|".join(re.escape(name) for name in names if name not in block.names)
        if others and (cut := re.search(rf"(?<![\w.\[(,])(?:{others})\s+(?:is|has|are|of shape|:)\s", block.text)):
            block.text = block.text[: cut.start()]  # From here on the sentence is about another one.
        described = _describe(block.text, axes)
        if _NUMBERS.match(block.text) and not all(map(_SETTING.fullmatch, block.names)):
            optional = bool(_OPTIONAL.search(block.text))
            known = described or Described(optional=optional)
            described = replace(known, shape=_group(block.text, axes, words=False), kind="array")
        if block.inside:
            entries = {
                name: found
                for inner in block.inside
                if (found := _describe(inner.text, axes)) is not None
                for name in inner.names
            }
            described = replace(described or Described(), kind="dictionary", shape=None, entries=entries)
        if described is not None:
            for name in block.names:
                if name in names:
                    yield name, described
    yield from _sentences(docstring, names, axes)


def _blocks(docstring: str, names: Collection[str]) -> list[_Block]:
    found: list[_Block] = []
    current: _Block | None = None
    results = False
    for line in _lines(docstring, names):
        if not line.strip() or not line.strip(" -=~"):
            if not line.strip():
                current = None
            continue
        arguments = _ARGUMENTS.fullmatch(line)
        if arguments is not None and not set(re.findall(r"\w+", line.partition(":")[0])) & set(names):
            results, current = False, None
            line = arguments["rest"] or ""
        elif _RESULTS.fullmatch(line) and (current is None or _indent(line) <= current.indent):
            results, current = True, None
            continue
        if results:
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is None or not (entry["mark"] or entry["group"] or entry["bullet"] or entry["names"] in names):
            if current is not None:
                current.text += " " + line.strip()
            continue
        listed = re.findall(r"\w+", re.sub(r"\band\b", ",", entry["names"]))
        block = _Block(len(entry["indent"]), listed, f"{entry['group'] or ''} {entry['rest']}".strip())
        mine = any(name in names for name in listed)
        parent = found[-1] if found else None
        if mine:
            found.append(block)
        elif parent is not None and block.indent > parent.indent and _KEYS.search(parent.text):
            parent.inside.append(block)
        elif current is not None and block.indent > current.indent and not entry["bullet"]:
            current.text += " " + line.strip()
            continue
        current = block
    return found


def _lines(docstring: str, names: Collection[str]) -> Iterator[str]:
    """The lines of a docstring; one that speaks of several parameters (``x: (N, D), w: (D, M)``) as a line for each."""
    next_one = re.compile(rf"\s*[,;.]\s+(?=[`'\"]*(?:{'|'.join(map(re.escape, names)) or '(?!)'})[`'\"]*\s*:\s)")
    for line in docstring.expandtabs(4).splitlines():
        place = 0
        for match in next_one.finditer(line):
            before = line[place : match.start()]
            if ":" in before and all(before.count(a) == before.count(b) for a, b in ("()", "[]", "{}")):
                yield " " * _indent(line) * (place > 0) + before
                place = match.end()
        yield " " * _indent(line) * (place > 0) + line[place:]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _sentences(docstring: str, names: Collection[str], axes: int) -> Iterator[tuple[str, Described]]:
    """``x has shape (N, D)``, ``x of shape (N,)``, ``x.shape = (N, D)``, ``x is N x D``, ``x: (N, D)``, ``x (N, D)``."""
    text = " ".join(docstring.split())
    cut = re.search(r"\b(returns?|outputs?)\b[^.]{0,20}:", text, re.I)
    text = text[: cut.start()] if cut else text
    for name in names:
        mention = re.compile(
            rf"(?<![\w.]){re.escape(name)}[`'\"*]*\s*(?:(?:\s\w+){{0,3}}?\s*(?:has|have|of|with|is|are|a|an|in|the)\s+)?"
            rf"(?:the\s+|a\s+)?(?:\.?shape|size|dimensions?)\b[\s:=`]*(?:of|is)?[\s:=`]*(?=[(\[])",
            re.I,
        )
        for match in mention.finditer(text):
            shape = _group(text[match.end() :], axes, words=True)
            if shape is not None and text[match.start()] == name[0]:
                yield name, Described(shape=shape)
                break
        else:
            start = rf"(?<![\w.]){re.escape(name)}[`'\"*]*\s*(?:is|:|=)\s*(?:an?\s+)?"
            times = re.search(rf"{start}({_TIMES})", text)
            shape = None if times is None else _times(times[1])
            bare = re.search(rf"{start}(?=[(\[][^()\[\]]*,)", text) or re.search(
                rf"(?<![\w.]){re.escape(name)}[`'\"*]*\s(?=\(\s*{_LETTER}\s*,\s*(?:{_LETTER}\s*,?\s*)*\))", text
            )
            if shape is None and bare is not None:
                shape = _group(text[bare.end() :], axes, words=False)
            if shape is not None and not all(dimension.isdigit() for dimension in shape):
                yield name, Described(shape=shape)


# What the text about one parameter says ------------------------------------------------------------------------------

_PRODUCT = re.compile(r"\b([A-Za-z]\w*)\s*=\s*([A-Za-z]+_?)1\s*[*x×]\s*(?:\.\.\.|…)\s*[*x×]\s*\2[A-Za-z]\b")
_OPEN = re.compile(r"[A-Za-z]+_?1\s*,\s*(?:\.\.\.|…)\s*,?\s*[A-Za-z]+_?[A-Za-z]\b")
_SHAPE_WORD = re.compile(
    r"\b(?:shapes?|sizes?|dim(?:ension)?s?)\b[\s:=`'\"*]*(?:of|is|are|as|be)?[\s:=`'\"*~]*(?=[(\[])", re.I
)
_LETTER = r"(?:[A-Z][A-Za-z]?\d?|[a-z]_\w+|[a-z]|\d+|n_?\w+)"
_TIMES = rf"{_LETTER}(?:\s*(?:[x×]|-?by-?)\s*{_LETTER})+"
_TIMES_ALONE = re.compile(rf"(?<![\w(,])({_TIMES})(?![\w)])")
_LENGTH = re.compile(rf"\b(?:length|of size|size|dimension(?:ality)?)[\s:=`-]*(?:of\s+)?`?({_LETTER})\b(?!\s*[x×*(])")
_WORDS = re.compile(
    r"(?:(?:the|size|number|num|no|length|dimension|batch|hidden|input|output|vocab|embedding|current|previous)\b)",
    re.I,
)
_SCALAR = re.compile(
    r"\W*(?:an?\s+)?(?:\(?(?:python|real|single|positive|non-?negative|small)\s+)*(?:scalar|float|number|double)\b",
    re.I,
)
_ARRAY = re.compile(r"\b(?:nd)?array|matrix|vector|tensor|batch\b|list\b", re.I)
_KINDS = (
    ("dictionary", re.compile(r"\W*(?:an?\s+)?(?:python\s+)?dict(?:ionary)?\b", re.I)),
    ("integer", re.compile(r"\W*(?:an?\s+)?(?:int\b|integer\b)(?!\s+(?:nd)?array)", re.I)),
    ("boolean", re.compile(r"\W*(?:an?\s+)?bool(?:ean)?\b(?!\s+(?:nd)?(?:array|mask|matrix))", re.I)),
    ("string", re.compile(r"\W*(?:an?\s+)?(?:str\b|string\b)", re.I)),
    ("generator", re.compile(r"\W*(?:an?\s+)?(?:np\.random|numpy\.random|random (?:number )?generator)", re.I)),
)


def _describe(text: str, axes: int) -> Described | None:
    optional = bool(_OPTIONAL.search(text))
    shape = _shape(text, axes)
    domain, bound = _domain(text, shape)
    if shape is not None:
        domain = _along(domain, shape)
    if shape is None:
        for kind, pattern in _KINDS:
            if pattern.match(text):
                return Described(kind=kind, optional=optional)  # type: ignore[arg-type]  # The names of the table are kinds.
        if _SCALAR.match(text) and not _ARRAY.search(text.partition(".")[0]):
            return Described(shape=(), kind="number", domain=domain if domain in ("positive", "unit") else "real")
        rank = re.search(r"\b([1-4])-?\s?d(?:im(?:ensional)?)?\b", text, re.I)
        if rank is None and domain == "real":
            return None
        return Described(domain=domain, bound=bound, optional=optional)
    return Described(shape, domain, bound, optional=optional)


_EXAMPLES = re.compile(
    r"m|N|n|B|n_?samples|n_?ex(amples)?|batch(_size)?|number_of_(training_)?(examples|samples)|num_examples"
)


def _along(domain: Domain, shape: tuple[str, ...]) -> Domain:
    """Distributions lie along columns where the last axis counts the examples; of one class alone there is a
    probability."""
    if "1" in shape and domain == "probabilities":
        return "unit"
    if "1" in shape and domain == "one-hot":
        return "mask"
    if len(shape) > 1 and _EXAMPLES.fullmatch(shape[-1]) and not _EXAMPLES.fullmatch(shape[0]):
        if domain == "probabilities":
            return "probabilities-0"
        if domain == "one-hot":
            return "one-hot-0"
    return domain


def _shape(text: str, axes: int) -> tuple[str, ...] | None:
    if text[:1] == "(" and (inner := _inside(text)) is not None and "," in inner and _all_words(inner):
        shape = _group(text, axes, words=True)  # What stands first is its own; shapes of results may follow.
        if shape and not all(dimension.isdigit() for dimension in shape):
            return shape
    for match in _SHAPE_WORD.finditer(text):
        shape = _group(text[match.end() :], axes, words=True)
        if shape is not None:
            return shape
    for match in re.finditer(r"(?<![\w)\]])[(\[]", text):
        before = text[: match.start()].rstrip()
        if re.search(
            r"\b(?:tuple|list|in|range|interval|one|e\.g\.?|i\.e\.?|between|from|either)(?:\s+of)?:?$", before, re.I
        ):
            continue
        inner = _inside(text[match.start() :])
        alone = match.start() == 0 and text[0] == "[" and inner is not None and inner.isidentifier()
        if inner is None or ("," not in inner and not alone):
            continue
        if re.search(r"[a-z]{4,}", inner) is not None and not _all_words(inner):
            continue
        if text[match.start()] == "[" and re.fullmatch(r"\s*-?\d+\s*,\s*-?\w+\s*", inner):
            continue  # An interval or a short list of numbers.
        shape = _group(text[match.start() :], axes, words=True)
        if shape is not None and not all(dimension.isdigit() for dimension in shape):
            return shape
    times = _TIMES_ALONE.search(text)
    if times is not None and (shape := _times(times[1])) is not None:
        return shape
    if re.search(r"\b(?:vector|array|1-?d)\b", text, re.I) and (length := _LENGTH.search(text)) is not None:
        return (length[1],)
    return None


def _all_words(inner: str) -> bool:
    return all(
        re.fullmatch(
            r"\s*(?:\w+_\w+|batch|time|seq|seqlen|units|hidden|input|output|features?|classes|channels?|height|width|.{1,4})\s*",
            part,
        )
        or _WORDS.match(part.strip())
        for part in inner.rstrip(", ").split(",")
    )


def _inside(text: str) -> str | None:
    """What stands between the bracket that ``text`` begins with and the one that closes it."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0:
            return text[1:place]
    return None


def _group(text: str, axes: int, words: bool) -> tuple[str, ...] | None:
    """A bracketed shape at the beginning of ``text``; None where that is no shape."""
    inner = _inside(text)
    if inner is None or inner.count("(") or len(inner) > 200:
        return None
    parts = [part.strip(" `'\"\\") for part in re.sub(r"\s+", " ", inner).split(",")]
    if parts and parts[-1] == "":
        parts.pop()
    found: list[str] = []
    place = 0
    while place < len(parts):
        part = parts[place]
        if part in ("...", "…", "*", ":"):
            following = parts[place + 1] if place + 1 < len(parts) else ""
            if (
                found
                and (stem := re.fullmatch(r"([A-Za-z]+_?)(\d)", found[-1]))
                and re.fullmatch(rf"{stem[1]}\w", following)
            ):
                first = int(stem[2])
                found += [f"{stem[1]}{number}" for number in range(first + 1, first + axes)]
                place += 1
            else:
                found.append(f"any_{place}")
        else:
            dimension = _dimension(part, place, words)
            if dimension is None:
                return None
            found.append(dimension)
        place += 1
    if not found and inner.strip(" ,"):
        return None
    return tuple(found)


def _dimension(part: str, place: int, words: bool) -> str | None:
    part = part.replace("_{", "_").replace("}", "").replace("{", "").replace("$", "").replace("'", "_prime")
    part = (
        re.sub(r"(?<![\w.])(\d+)\s*([A-Za-z_])", r"\1*\2", part).replace("·", "*").replace("×", "*").replace("^", "**")
    )
    if part in ("-1", "None", "?", "any"):
        return f"any_{place}"
    part = re.sub(r"^\w+\s*=\s*", "", part) if re.fullmatch(r"\w+\s*=\s*\w+", part) else part
    if re.fullmatch(r"\d+", part):
        return part if int(part) > 0 else None
    if is_dimension(part):
        return part.replace("/", "//") if "//" not in part else part
    if (
        words
        and len(part.split()) <= 7
        and re.fullmatch(r"[A-Za-z][\w ./-]*", part)
        and (_WORDS.match(part) or len(part.split()) <= 2)
    ):
        letter = re.sub(r"\W+", "_", re.sub(r"^the\s+|\bthe\s+", "", part.lower()))
        return letter if letter.isidentifier() else None
    return None


def _times(text: str) -> tuple[str, ...] | None:
    """``N x D``, ``3-by-4``; ``x`` itself is no letter here."""
    parts = [part for part in re.split(r"\s*(?:×|-?by-?|(?<=[\w ])x(?=[\w ]))\s*", text) if part]
    if len(parts) < 2 or any(not is_dimension(part) or part == "x" for part in parts):
        return None
    return tuple(parts)


def _domain(text: str, shape: tuple[str, ...] | None) -> tuple[Domain, str | None]:
    lower = text.lower()
    if re.search(r"one[- ]?hot", lower):
        return "one-hot", None
    below = (
        re.search(r"\b0\s*(?:<|<=|≤)\s*\w+(?:\[[^\]]*\])?\s*<\s*([A-Za-z]\w*|\d+)", text)
        or re.search(r"range\s*\[?\(?\s*0\s*(?:,|to|-|\.\.)\s*([A-Za-z]\w*|\d+)\s*\)", text)
        or re.search(r"\b0\s*,?\s*(?:1\s*,\s*)?(?:\.\.\.?|…|to)\s*,?\s*([A-Za-z]\w*|\d+)\s*-\s*1", text)
    )
    whole = re.search(r"\bint(?:eger)?s?\b|\bclass (?:label|ind)|\bindices\b|\bindexes\b|\bindex of\b", lower)
    if below is not None and (whole or "label" in lower or "class" in lower or "[" in below[0]):
        return "labels", below[1]
    if re.search(r"[{(\[]?\s*-1\s*(?:,|or|and)\s*\+?1\b|\+1\s*(?:,|or|and|/)\s*-1|±\s*1", lower):
        return "sign", None
    if re.search(r"\b(boolean|binary|bool|0/1|zeros and ones|0 or 1|0s and 1s)\b|\{0, ?1\}|containing 0 if", lower):
        return "mask", None
    if whole and (shape is None or len(shape) >= 1) and not re.search(r"integer multiple", lower):
        return ("labels", None) if "array" in lower or shape is not None else ("real", None)
    if "label" in lower and shape is not None and len(shape) == 1 and "soft" not in lower:
        return "labels", None
    if re.search(r"\b(between 0 and 1|in \(0, ?1\)|in \[0, ?1\]|in the range \[?\(?0, ?1)", lower):
        return "unit", None
    if re.search(r"\bprobabilit(?:y|ies) (?:distribution|vector)|\bprobabilities\b|softmax output", lower):
        return "probabilities", None
    if (
        re.search(r"\b(strictly positive|positive|non-?negative|greater than (?:0|zero))\b|> ?0\b", lower)
        and "true positive" not in lower
    ):
        return "positive", None
    return "real", None
