"""What names say of inputs: labels, masks, weights and biases, dictionaries of settings, sizes of a constructor, domains.

A name is a guess, so it gives several options, the likeliest first. ``variations`` are other values of a hyper-parameter, off
the defaults at which most real bugs sleep.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtool.targets.described import Described, Domain
from gradtool.targets.scope import MISSING, Parameter


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One guess for an input: described, to be drawn; or ``value`` as it stands; or the size of the letter ``size``, a number
    that a constructor takes; or left out, so that its default holds. A small ``cost`` is a likely guess."""

    cost: float
    described: Described | None = None
    value: Any = None
    size: str | None = None
    left_out: bool = False
    source: str = "search"
    guessed: bool = False
    """That these are labels, a mask or a domain is guessed from the name."""


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known of the target: the names of all its inputs, the words of its own name, how it is written."""

    names: tuple[str, ...]
    function: str
    scalar: bool = False
    construction: frozenset[str] = frozenset()
    """Those of the names that a constructor takes."""
    entry: bool = False
    """The names are keys of a dictionary."""
    vector_first: bool = False
    """Its one input is rather a vector than a batch: a function with a gradient, a Jacobian or a Hessian."""


# Settings ------------------------------------------------------------------------------------------------------------

_SETTINGS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"strides?|stride_\w+", (1, 2, (1, 1))),
    (r"pad(ding)?s?|pad_\w+|zero_padding", (1, 0, (1, 1), "valid", "same")),
    (r"dilation", (1, 2)),
    (r"kernel(_?(size|shape|dim))?s?|k?size_k|k_?size|filter_(size|dim|shape)|window(_size)?", (3, 2, (2, 2))),
    (r"pool_?(size|shape|kernel|dim)", (3, 2, (2, 2))),
    (r"(pool|kernel|filter|field)_?(h|w|height|width)|HH|WW", (2, 3)),
    (r"eps(ilon)?|EPS", (1e-5, 1e-4)),  # Not larger: it may be where probabilities are clipped.
    (r"momentum|decay(_rate)?|rho", (0.9, 0.5)),
    (r"lr|learning_rate|step_size|eta", (0.1,)),
    (r"reg\w*|lambda_?|lambd|lam|lamb|lmbda|l[12](_\w+)?|weight_decay|wd|C_reg", (0.3, 1.7)),
    (r"(negative_)?slope|leak\w*|leaky\w*", (0.3, 0.05)),
    (r"temp(erature)?|tau", (1.7, 0.6)),
    (r"keep_?prob|dropout_?\w*|drop_?\w*|rate|p_drop", (0.6, 0.3)),
    (r"seed|random_seed", (0,)),
    (r"axis|dim|axes", (1, -1, 0)),
    (r"keep_?dims?", (False, True)),
    (r"mode|phase", ("train", "test")),
    (r"(is_?)?train(ing)?|train_mode", (True, False)),
    (r"activations?|nonlinearity|act(_fn|_type)?|act_func\w*", ("relu", "tanh", "sigmoid", "linear")),
    (r"reduction|reduce", ("mean", "sum", "none")),
    (r"(num_?|n_?)heads?|heads|nheads?", (2, 1)),
    (r"G|(num_?|n_?)groups?|groups", (2, 1)),
    (r"degree|power|order|exponent|n_power", (3, 2)),
    (r"margin|delta|threshold|huber_delta", (0.7, 1.5)),
    (r"verbose|debug|plot|inplace|in_place|print_\w+|check_\w+|log", (False,)),
    (r"(use_|with_|has_|fit_)?bias|fit_intercept", (True, False)),
    (r"dtype", (np.float64,)),
    (r"(n_?|num_?|max_?)(iter\w*|steps?|epochs?|layers?)|epochs|iterations", (3,)),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), values) for pattern, values in _SETTINGS)
_DICTIONARIES: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = (
    (r"(s?bn|batch_?norm|norm)_?(param|config|args|kwargs)s?",
     ({"mode": "train", "eps": 1e-5, "momentum": 0.9}, {"mode": "train", "eps": 0.1, "momentum": 0.9},
      {"mode": "test", "eps": 1e-5, "momentum": 0.9})),
    (r"[lg]n_?(param|config|args|kwargs)s?", ({"eps": 1e-5}, {"eps": 0.1})),
    (r"conv_?(param|config|args|kwargs)s?",
     ({"stride": 1, "pad": 1}, {"stride": 2, "pad": 0}, {"stride": 1, "pad": 0}, {"stride": 2, "pad": 1})),
    (r"pool_?(param|config|args|kwargs)s?",
     ({"pool_height": 2, "pool_width": 2, "stride": 2}, {"pool_height": 2, "pool_width": 2, "stride": 1},
      {"pool_height": 3, "pool_width": 2, "stride": 1}, {"pool_height": 2, "pool_width": 3, "stride": 1})),
    (r"drop_?(out)?_?(param|config|args|kwargs)s?",
     ({"mode": "train", "p": 0.6, "seed": 123}, {"mode": "train", "p": 0.3, "seed": 123},
      {"mode": "test", "p": 0.6, "seed": 123})),
    (r"h_?param(eter)?s|hyper_?param(eter)?s",
     ({"stride": 1, "pad": 1, "f": 2}, {"stride": 2, "pad": 1, "f": 2}, {"stride": 1, "pad": 0, "f": 2})),
)  # fmt: skip
_DICTIONARY = re.compile(r"\w*(param|config|cfg|option|setting|kwarg|hparam)\w*|opts?|weights|model|cache|grads")
_GENERATOR = re.compile(r"rng|generator|random_state|prng|np_random")
_SIZE = re.compile(
    r"""((n|num|d|dim|size|len|nb|fan|in|out|input|output|hidden|embed(ding)?|vocab|batch|seq|feature|channel)s?_?)*
        (in|out|input|output|hidden|feature|channel|class|classes|unit|neuron|node|dim|dimension|size|width|height|vocab|embed|embedding
         |state|layer|ch|vis|hid|seq|length|len|target|category|categories|filter|kernel|token|word|batch|sample|state_dim|model|ff)s?
        (_?(dim|size|features?|channels?|units?|nodes?|dims|len|length|num|num_\w+|n|count|shape))?
        |[DHMNKFCV]|D_(in|out)|[nd]_?\w{1,3}|n[A-Z]\w*|num\w+""",
    re.VERBOSE,
)
_PLAIN = re.compile(
    r"(in|inp|out|input|output|hidden|hid|state|feature|embedding|token|target|vis|sample|kernel|filter|batch|seq|model)s?"
)
"""What may as well be an array."""
_COUNTED = re.compile(r"size|dim|num|units?|nodes?|neurons?|features?|channels?|^n_|^n[A-Z]|_n$|width|len")
_NOT_VARIED = re.compile(
    r"verbose|debug|plot|inplace|in_place|print_\w+|check_\w+|log|seed|random_seed|dtype|lr|learning_rate|step_size|(n_?|num_?|max_?)(iter|epoch)\w*"
    r"|epochs|iterations|momentum|decay(_rate)?|rho|mode_\w+|(use_|with_|has_|fit_)?bias|fit_intercept|dropout_?\w*|drop_?\w*"
)


def setting(name: str) -> tuple[Any, ...]:
    """Values for a hyper-parameter of this name, the given one first; empty where the name says nothing."""
    for text, dictionaries in _DICTIONARIES:
        if re.fullmatch(text, name):
            return dictionaries
    return next((values for pattern, values in _COMPILED if pattern.fullmatch(name)), ())


def variations(name: str, value: Any) -> tuple[Any, ...]:
    """Other values of a setting than the one it has, of the same kind: integers stay integers, strings strings."""
    if isinstance(value, Mapping):
        return tuple({**value, **other} for other in setting(name) if any(value.get(k) != v for k, v in other.items()))
    if _NOT_VARIED.fullmatch(name):
        return ()
    if isinstance(value, bool):
        return (not value,)
    known = tuple(other for other in setting(name) if type(other) is type(value) and other != value)
    if known or isinstance(value, str | int | tuple):
        return known
    if isinstance(value, float) and np.isfinite(value):
        other = value * 0.37 + 0.11 if value > 0.5 else value * 1.3 + 0.23
        return (float(f"{other:.3g}"),)
    return ()


def needs_backward(value: Any, other: Any) -> bool:
    """Whether a variation may be a mode in which no backward is meant: a switch or a word changes."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return any(needs_backward(value.get(key), item) for key, item in other.items() if value.get(key) != item)
    return isinstance(value, bool | str) or value is None


# Arrays --------------------------------------------------------------------------------------------------------------

_LABELS = re.compile(
    r"y|Y|t|T|ts|labels?|targets?|tgt|y_?true|y_?batch|y_?train|gt|ground_?truth|truth|classes|expected|y_?label|actual|true\w*"
)
_INDICES = re.compile(r"\w*(idx|idxs|indices|indexes|inds|ids|tokens|captions|index)")
_MASK = re.compile(r"\w*masks?(_\w+)?")
_WEIGHT = re.compile(r"[wW](_?\w{1,3})?|\w*weights?\w*|kernels?|filters?|Theta\w*|U|embed\w*|\w*_[wW]|[wW]_\w+")
_COEFFICIENTS = re.compile(r"thetas?|coefs?|coeffs?|coefficients?")
"""A vector, as statisticians have it."""
_BIAS = re.compile(r"b(_?\w{1,2})?|\w*bias\w*|intercept|b_\w+|\w+_b|offset")
_SCALE = re.compile(r"gamma|beta|shift|g_?gain|gain|running_\w+")
_STATE = re.compile(r"(prev_?)?[hcs](_?prev|0|_?t|_?tm1)?|\w*hidden\w*|\w*state\w*|a_?prev|prev_?\w+|\w+_prev")
_SCORES = re.compile(r"x|X|z|Z|s|scores?|logits?|pred\w*|y_?hat|y_?pred|out(put)?s?|probs?|a|A|AL|p|preds|yhat|f|o")
_POSITIVE = re.compile(
    r"sigma\w*|var(iance)?|std\w*|scale|s2|sig|precision|lengthscale|ell|variances?|rates?|nu|df|concentration"
)
_LENGTH_SCALE = re.compile(r"length_?scales?|ell|length|ls", re.IGNORECASE)
"""A number of a kernel's, as are the other positive parameters beside it."""
_PROBABILITIES = re.compile(r"prob(abilitie)?s?|q|softmax_\w+|p_dist|dist(ribution)?|pk|qk")


def is_label(name: str) -> bool:
    """Whether the name is one for labels or targets."""
    return _LABELS.fullmatch(name) is not None


def role(name: str) -> str:
    """``weight``, ``bias``, ``label``, ``mask``, ``scale``, ``state`` or ``data``."""
    table = (
        ("bias", _BIAS),
        ("mask", _MASK),
        ("label", _LABELS),
        ("label", _INDICES),
        ("scale", _SCALE),
        ("state", _STATE),
        ("weight", _WEIGHT),
    )
    return next((word for word, pattern in table if pattern.fullmatch(name)), "data")


def options(parameter: Parameter, context: Context, described: Described | None, source: str) -> tuple[Option, ...]:
    """The guesses for an input, the likeliest first. ``described`` is what docstring or annotation say, with that ``source``."""
    name = parameter.name
    has_default = parameter.default is not MISSING
    found: list[Option] = []
    if described is not None:
        found += _as_described(name, described, source, context)
    if has_default:
        found += _with_default(parameter, context, known=bool(found))
    elif not found or found[0].cost > 0 or source == "docstring":
        late = 2.0 if found else 0.0
        found += [_later(option, late) for option in _by_name(name, context)]
    return tuple(sorted(found, key=lambda option: option.cost))


def _later(option: Option, cost: float) -> Option:
    return Option(
        option.cost + cost, option.described, option.value, option.size, option.left_out, option.source, option.guessed
    )  # fmt: skip


def _as_described(name: str, described: Described, source: str, context: Context) -> list[Option]:
    if described.choices:
        return [Option(0.2 * place, value=choice) for place, choice in enumerate(described.choices)]
    if described.kind == "generator":
        return [Option(0, value=np.random.default_rng(0))]
    if described.kind == "integer":
        return [Option(0, value=value) for value in _integers(name)] or [Option(0, size=name)]
    if described.kind == "boolean":
        return [Option(0, value=setting(name)[0] if setting(name) else False), Option(1, value=True)]
    if described.kind == "string":
        return [Option(0.1 * place, value=value) for place, value in enumerate(setting(name)) if isinstance(value, str)]
    if described.kind == "dictionary":
        base = setting(name)
        constant = {**base[0]} if base and isinstance(base[0], dict) else {}
        return [Option(0, described=described, value=constant)]
    if described.kind == "number" and described.shape == ():
        values = [value for value in setting(name) if isinstance(value, float)]
        if values and not context.scalar:
            return [Option(0, value=values[0])]
    if described.kind == "other":
        return []
    if described.shape is None:
        by_name = [option for option in _arrays(name, context) if option.described is not None]
        domain = described.domain
        shaped = [
            Option(option.cost, Described(option.described.shape, domain, described.bound))
            for option in by_name
            if option.described is not None
        ]
        return shaped if domain != "real" else by_name
    found = [Option(0, described, source=source)]
    if described.domain == "real" and described.shape and role(name) in ("label", "mask"):
        # Its shape is known, what stands in it is guessed.
        guesses: list[Domain] = ["mask"] if role(name) == "mask" else ["labels", "one-hot", "real"]
        if role(name) == "label" and (len(described.shape) > 1 and not _INDICES.fullmatch(name)):
            guesses = ["mask"] if "1" in described.shape else ["one-hot", "labels"]
            guesses.append("real")
        found = [
            Option(0.1 * place, Described(described.shape, domain), source=source, guessed=True)
            for place, domain in enumerate(guesses)
        ]
    return found


def _integers(name: str) -> list[int]:
    return [value for value in setting(name) if isinstance(value, int) and not isinstance(value, bool)][:2]


def _with_default(parameter: Parameter, context: Context, known: bool) -> list[Option]:
    """A default usually holds; what is None by default and has the name of an array is given first."""
    if parameter.default is None and not known and role(parameter.name) in ("bias", "weight", "scale", "state"):
        arrays = _arrays(parameter.name, context)
        return [*[_later(option, 0.05) for option in arrays[:3]], Option(0.9, left_out=True)]
    if parameter.default is None and known:
        return [Option(0.9, left_out=True)]
    return (
        [Option(-0.5, left_out=True)] if not context.scalar or parameter.default is None else [Option(0, left_out=True)]
    )


def _by_name(name: str, context: Context) -> list[Option]:
    """Guesses where nothing but the name is known."""
    if _GENERATOR.fullmatch(name):
        return [Option(0, value=np.random.default_rng(0))]
    if context.scalar:
        return [Option(0, Described((), _number_domain(name), kind="number")), *_settings(name, 1.0)]
    arrays = _arrays(name, context)
    plain = _settings(name, 0.0)
    if name == "bias" and name not in context.construction:
        return [*arrays, *[_later(option, 1.5) for option in plain]]  # A constructor's ``bias`` is a switch.
    if context.entry and role(name) == "data" and name.islower() and name not in ("x", "z"):
        number = 0.6 if name == "p" else None
        first = Option(0, value=number) if number else Option(0, Described((), _number_domain(name), kind="number"))
        return [*(plain or [first]), *[_later(option, 0.7) for option in arrays]]
    if name in ("alpha", "delta", "G", "T", "p", "rate", "C", "K", "N", "beta", "order") and not plain:
        return [*arrays, Option(0.8, Described((), _number_domain(name), kind="number"))]
    if plain:
        return [*plain, *[_later(option, 1.5) for option in arrays]]
    if _DICTIONARY.fullmatch(name):
        return [Option(0, Described(kind="dictionary"), value={}), *[_later(option, 1.5) for option in arrays]]
    if name == "p" and not {"q", "P"} & set(context.names) and len(context.names) > 1:
        return [Option(0, value=0.6), *[_later(option, 0.5) for option in arrays]]
    if name == "alpha":
        return [Option(0, value=0.3), *[_later(option, 0.5) for option in arrays]]
    sized = role(name) == "data" or (role(name) == "state" and _COUNTED.search(name) is not None)
    if _SIZE.fullmatch(name) and sized and name not in ("d", "n", "x", "C", "K", "N", "M", "V", "H", "D", "F"):
        if _PLAIN.fullmatch(name):
            return [*arrays, Option(0.9, size=name)]
        return [Option(0, size=name), Option(0.5, value=2), *[_later(option, 2.0) for option in arrays]]
    return [*arrays, Option(2.5, size=name)]


def _settings(name: str, cost: float) -> list[Option]:
    values = setting(name)
    if values and isinstance(values[0], dict):
        return [Option(cost, Described(kind="dictionary"), value=dict(values[0]))]
    return [Option(cost + 0.3 * place, value=value) for place, value in enumerate(values)]


def _number_domain(name: str) -> Domain:
    if _POSITIVE.fullmatch(name) or name in ("alpha", "beta", "rate", "k", "lam", "lambda_"):
        return "positive"
    return "unit" if _PROBABILITIES.fullmatch(name) or name == "p" else "real"


def _arrays(name: str, context: Context) -> list[Option]:
    """Ranks and domains by the name; each axis has a letter of its own, which the search identifies with others."""
    if context.scalar:
        return [Option(0, Described((), _number_domain(name), kind="number"))]
    word = role(name)
    if (
        word == "bias"
        and name in ("b", "B")
        and {"a", "A"} & set(context.names)
        and not any(role(other) == "weight" for other in context.names)
    ):
        word = "data"  # The second of a and b.
    if word == "bias":
        single = Option(1.5, Described(("1", "1")))
        return [_shaped(name, 0, 1), *_flat(name), _shaped(name, 1.3, 0), single, _shaped(name, 1.8, 2)]
    if word == "scale":
        domain: Domain = "positive" if name == "running_var" else "real"
        image = Option(0.9, Described(("1", f"{name}_0", "1", "1")))
        return [_shaped(name, 0, 1, domain), *_flat(name), image, _shaped(name, 1.0, 0, domain), _shaped(name, 1.2, 2)]
    if _INDICES.fullmatch(name):
        return [_labels(name, 0, 1), _labels(name, 0.3, 2), _labels(name, 1.0, 0)]
    if word == "label" and len(context.names) > 1:
        return [
            _labels(name, 0, 1), _shaped(name, 0.3, 2, "one-hot", guessed=True), _shaped(name, 0.5, 1, "mask", guessed=True),
            _shaped(name, 0.6, 1), _shaped(name, 0.7, 2), _labels(name, 0.9, 2), _shaped(name, 1.3, 0), _shaped(name, 2.2, 3),
        ]  # fmt: skip
    if word == "mask":
        return [_shaped(name, 0.1 * place, rank, "mask", guessed=True) for place, rank in enumerate((2, 1, 3, 4))]
    if _LENGTH_SCALE.fullmatch(name) or (
        _POSITIVE.fullmatch(name) and any(map(_LENGTH_SCALE.fullmatch, context.names))
    ):
        return [_shaped(name, 0.3 * place, rank, "positive", guessed=True) for place, rank in enumerate((0, 1))]
    if _POSITIVE.fullmatch(name):
        return [_shaped(name, 0.2 * place, rank, "positive", guessed=True) for place, rank in enumerate((2, 1, 0))]
    if _PROBABILITIES.fullmatch(name) or (name == "p" and "q" in context.names):
        return [_shaped(name, 0.5 * place, rank, "probabilities", guessed=True) for place, rank in enumerate((2, 1))]
    ranks = (1, 2, 0, 3, 4) if context.vector_first else (2, 1, 4, 3, 0)
    if re.search(r"conv(?!\w*1d)|pool(?!\w*1d)|spatial|im2col|group_?norm", context.function, re.I) and word in (
        "data",
        "weight",
    ):
        ranks = (4, 2, 3, 1, 0)
    if word == "weight" and name.islower() and "X" in context.names and len(name) < 8:
        ranks = (1, 2, 0, 3, 4)
    if _COEFFICIENTS.fullmatch(name):
        ranks = (1, 2, 0, 3, 4)
    first = 1.2 if word == "weight" else 0.6
    return [_shaped(name, first + 0.6 * (place - 1) if place else 0, rank) for place, rank in enumerate(ranks)]


def _flat(name: str) -> list[Option]:
    """A vector as a column, and as a row."""
    return [Option(0.6, Described((f"{name}_0", "1"))), Option(0.65, Described(("1", f"{name}_0")))]


def _shaped(name: str, cost: float, rank: int, domain: Domain = "real", guessed: bool = False) -> Option:
    shape = tuple(f"{name}_{axis}" for axis in range(rank))
    return Option(cost, Described(shape, domain, kind="array" if shape else "number"), guessed=guessed)


def _labels(name: str, cost: float, rank: int) -> Option:
    shape = tuple(f"{name}_{axis}" for axis in range(rank))
    return Option(cost, Described(shape, "labels", bound="2"), guessed=True)


# Known sets of inputs ------------------------------------------------------------------------------------------------


def templates(context: Context, names: Collection[str]) -> list[Mapping[str, Described]]:
    """Shapes of inputs that are known together by their names: a convolution, a recurrent cell, an affine layer, a loss.

    Each template has only names of ``names``. They are tried before shapes are searched for.
    """
    found: list[Mapping[str, Described]] = []
    words = context.function.lower()
    data = next((name for name in names if name in ("x", "X", "inp", "input", "inputs", "A_prev", "a_prev", "A")), None)
    weights = [name for name in names if re.fullmatch(r"[wW]|weights?", name)]
    biases = [name for name in names if re.fullmatch(r"b|bias|biases", name)]

    def add(shapes: Mapping[str | None, Sequence[str] | Described]) -> None:
        usable = {
            name: shape if isinstance(shape, Described) else Described(tuple(shape))
            for name, shape in shapes.items()
            if name is not None and name in names
        }
        if usable:
            found.append(usable)

    w, b = next(iter(weights), None), next(iter(biases), None)
    for trio in (("q", "k", "v"), ("Q", "K", "V"), ("query", "key", "value"), ("queries", "keys", "values")):
        if set(trio) <= set(names):
            q, k, v = trio
            add({q: ("N", "T", "D"), k: ("N", "S", "D"), v: ("N", "S", "E")})
            add({q: ("T", "D"), k: ("S", "D"), v: ("S", "E")})
            add({q: ("N", "G", "T", "D"), k: ("N", "G", "S", "D"), v: ("N", "G", "S", "E")})
    projections = [name for name in names if re.fullmatch(r"[wW]_?([qkvoQKVO]|out)", name)]
    if data and len(projections) >= 3:
        square: dict[str | None, Sequence[str] | Described] = dict.fromkeys(projections, ("D", "D"))
        square |= {name: ("D",) for name in names if re.fullmatch(r"b_?([qkvo]|out)", name)}
        add({data: ("N", "T", "D"), **square})
        add({data: ("T", "D"), **square})
    if {"Wx", "Wh"} <= set(names):
        gates = "4*H" if "lstm" in words else "3*H" if "gru" in words else "H"
        step = bool({"prev_h", "h_prev", "hprev"} & set(names)) or "step" in words or "cell" in words
        add({
            data: ("N", "D") if step else ("N", "T", "D"), "Wx": ("D", gates), "Wh": ("H", gates), "b": (gates,),
            **dict.fromkeys(("h0", "prev_h", "h_prev", "hprev", "h", "prev_c", "c0", "c_prev", "cprev", "c"), ("N", "H")),
        })  # fmt: skip
    if data and "temporal" in words and w:
        add({data: ("N", "T", "D"), w: ("D", "M"), b: ("M",)})
    if data and "embed" in words and w:
        add({data: Described(("N", "T"), "labels", "V"), w: ("V", "D")})
    kernel = w or next((name for name in names if re.fullmatch(r"filters?|kernels?", name)), None)
    if data and re.search(r"conv(?!\w*1d)|correlat(?!\w*1d)", words) and kernel:
        add({data: ("N", "C", "H", "W"), kernel: ("F", "C", "HH", "WW"), b: ("F",)})
        add({data: ("N", "H", "W", "C"), kernel: ("HH", "WW", "C", "F"), b: ("1", "1", "1", "F")})
        add({data: ("H", "W"), kernel: ("HH", "WW"), b: ("1", "1")})
    if data and re.search(r"pool|spatial|group_?norm", words):
        each = ("1", "C", "1", "1") if "group" in words else ("C",)
        add({data: ("N", "C", "H", "W"), "gamma": each, "beta": each})
    if data and {"gamma", "beta"} & set(names):
        add({data: ("N", "D"), "gamma": ("D",), "beta": ("D",)})
    if data and w and b and re.search(r"(layer|rms|instance|batch|group|channel)_?norm", words):
        add({data: ("N", "D"), w: ("D",), b: ("D",)})
        add({data: ("N", "C", "H", "W"), w: ("C",), b: ("C",)})
    if data and w and b and not re.search(r"conv", words):
        add({data: ("N", "D"), w: ("D", "M"), b: ("M",)})
        add({data: ("N", "D"), w: ("M", "D"), b: ("M",)})
        add({data: ("D", "N"), w: ("M", "D"), b: ("M", "1")})
        add({data: ("D",), w: ("M", "D"), b: ("M",)})
    if {"endog", "exog"} <= set(names):
        add({
            "endog": Described(("N",), "mask"), "exog": ("N", "D"),
            **{name: ("D",) for name in names if _COEFFICIENTS.fullmatch(name) or name in ("params", "beta")},
        })  # fmt: skip
    matrix = next((name for name in names if name in ("A", "Q", "P", "M", "S") and name != data), None)
    if matrix and data == "x" and not w:
        add({"x": ("D",), matrix: ("M", "D"), "b": ("M",), "y": ("M",)})
        add({"x": ("D",), matrix: ("D", "D"), "b": ("D",), "y": ("D",)})
    numbered = sorted((int(name[1:]) for name in names if re.fullmatch(r"[wW]\d", name)), key=int)
    if data and numbered and numbered == list(range(numbered[0], numbered[0] + len(numbered))):
        letters = ["D", *(f"H{number}" for number in numbered)]
        chain: dict[str | None, Sequence[str] | Described] = {data: ("N", "D")}
        for place, number in enumerate(numbered):
            chain.update({f"{x}{number}": (letters[place], letters[place + 1]) for x in "wW"})
            chain[f"b{number}"] = (letters[place + 1],)
        labels = [name for name in names if is_label(name)]
        add({**chain, **{name: Described(("N",), "labels", letters[-1]) for name in labels}})
        add({**chain, **{name: Described(("N", letters[-1])) for name in labels}})
    labels = [name for name in names if is_label(name)]
    scores = [name for name in names if _SCORES.fullmatch(name) and name not in labels]
    if labels and w and w.islower() and "X" in names:
        add({w: ("D",), "X": ("N", "D"), labels[0]: Described(("N",), "mask")})
    if labels and w and "X" in names:
        add({w: ("D", "C"), "X": ("N", "D"), labels[0]: Described(("N",), "labels", "C")})
    elif labels and scores and not w:
        add({scores[0]: ("N", "C"), labels[0]: Described(("N",), "labels", "C")})
    return found
