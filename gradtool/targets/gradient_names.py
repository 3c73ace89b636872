"""Which gradient a name means: ``dW``, ``grad_W``, ``W_grad``, ``dL_dW`` and ``grads["W"]`` are of ``W``.

Only names are looked at here, in the spellings of a survey of public code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from gradtool.targets.object_state import Path, Step

_WORD = r"(?:grad(?:ient)?s?|deriv(?:ative)?s?|jac(?:obian)?|nabla|delta|partial|diff|del)"
_PREFIXES = (
    re.compile(r"^d(?:_?(?:l|loss|e|err|error|j|cost|c|out))_?d_?(?P<stem>.+)$", re.IGNORECASE),
    re.compile(rf"^{_WORD}(?:_?(?:wrt|of|loss|l))?_?(?P<stem>.+)$", re.IGNORECASE),
    re.compile(r"^[dD]_?(?P<stem>.+)$"),
    re.compile(r"^g_?(?P<stem>[A-Za-z]\d*)$"),
    re.compile(r"^g_(?P<stem>.+)$"),
)
_SUFFIXES = (
    re.compile(rf"^(?P<stem>.+?)_?{_WORD}$", re.IGNORECASE),
    re.compile(r"^(?P<stem>.+)_[dg]$", re.IGNORECASE),
)
_CONTAINER = re.compile(
    r"^_*(?:grads?|gradients?|d?param(?:eter)?s?_?grads?|grad(?:ient)?s?_?(?:params?|parameters?|dict|list)|d_?params?|"
    r"derivatives?|deltas?|jac|weight_?grads?)$",
    re.IGNORECASE,
)
_PARAMETERS = re.compile(
    r"^_*(?:params?|parameters?|weights?|vars?|variables?|trainable\w*|learnable\w*|theta)$", re.IGNORECASE
)
_OWN_GRADIENT = re.compile(r"^_*(?:grad|gradient|d|g|dvalue|dparam|derivative)$", re.IGNORECASE)
_OWN_VALUE = re.compile(r"^_*(?:values?|data|val|w|weights?|param|array|tensor|theta)$", re.IGNORECASE)

_ALIKE: tuple[frozenset[str], ...] = (
    frozenset(
        {"w", "weight", "weights", "wt", "wts", "kernel", "kernels", "filter", "filters", "theta", "mat", "matrix"}
    ),
    frozenset({"b", "bias", "biases", "intercept"}),
    frozenset({"gamma", "scale"}),
    frozenset({"beta", "shift", "offset"}),
)
_TARGET = re.compile(
    r"^(?:y|t|(?:y_?)?(?:true|target|targets|label|labels|truth|gt|real|expected|actual|onehot|one_hot)|ground_?truth|"
    r"y_?(?:batch|train|t|true|target|labels?)|labels?_?\w*|targets?_?\w*|true_?\w*|correct\w*|desired\w*)$",
    re.IGNORECASE,
)


def plain(name: str) -> str:
    """A name without capitals and underscores."""
    return name.replace("_", "").lower()


@lru_cache(maxsize=4096)
def stems(name: str) -> tuple[str, ...]:
    """What ``name`` may be the gradient of, the most specific reading first; empty where it does not look like one."""
    name = name.strip("_")
    found = []
    for pattern in (*_PREFIXES, *_SUFFIXES):
        match = pattern.match(name)
        if match:
            stem = match["stem"].strip("_")
            if stem and stem not in found:
                found.append(stem)
    return tuple(found)


def is_target(name: str) -> bool:
    """Whether an input of that name is what a loss compares with: ``y_true``, ``labels``."""
    return bool(_TARGET.match(name))


@lru_cache(maxsize=65536)
def likeness(name: str, other: str) -> int:
    """How well the stem of a gradient's name fits the name of an input: 4 the same, 3 but for capitals, 2 but for a plural,
    1 another word for it, 0 not at all."""
    if name == other:
        return 4
    one, two = plain(name), plain(other)
    if one == two:
        return 3
    if one.rstrip("s") == two.rstrip("s") or one + "es" == two or two + "es" == one:
        return 2
    digits = [re.sub(r"\D", "", text) for text in (one, two)]
    if digits[0] == digits[1]:
        letters = [re.sub(r"\d", "", text) for text in (one, two)]
        if any(letters[0] in group and letters[1] in group for group in _ALIKE):
            return 1
    return 0


def gradient_of(name: str, other: str) -> int:
    """How well ``name`` reads as the gradient of ``other``, as in ``likeness``."""
    return max((likeness(stem, other) for stem in stems(name)), default=0)


def best(name: str, others: Iterable[str]) -> str | None:
    """The one of ``others`` that ``name`` is the gradient of; None where there is none or two fit equally."""
    scored = sorted(((gradient_of(name, other), other) for other in others), reverse=True)
    if not scored or scored[0][0] == 0 or (len(scored) > 1 and scored[1][0] == scored[0][0]):
        return None
    return scored[0][1]


def looks_like_gradient(path: Path) -> bool:
    """Whether a name on the way says that what stands there is a gradient."""
    names = [step.name for step in path if isinstance(step.name, str)]
    return any(bool(_CONTAINER.match(n) or _OWN_GRADIENT.match(n) or stems(n)) for n in names)


def path_likeness(slot: Path, parameter: Path) -> int:
    """How well what stands at ``slot`` reads as the gradient of what stands at ``parameter``; 0 for not at all.

    ``layers[0].dW`` for ``layers[0].W``; ``grads['W']`` for ``params['W']`` and for ``W``; ``dW`` for ``params['W']``;
    ``grads[0]`` for ``params[0]``; ``W.grad`` for ``W.value``.
    """
    if len(slot) == len(parameter):
        return _aligned(slot, parameter)
    if len(slot) == len(parameter) + 1:
        return max(
            (
                _aligned((*slot[:k], *slot[k + 1 :]), parameter, loose=True)
                for k, step in enumerate(slot[:-1])
                if isinstance(step.name, str) and _CONTAINER.match(step.name)
            ),
            default=0,
        )
    if len(slot) + 1 == len(parameter):
        return max(
            (
                _aligned(slot, (*parameter[:k], *parameter[k + 1 :]))
                for k, step in enumerate(parameter[:-1])
                if isinstance(step.name, str) and _PARAMETERS.match(step.name)
            ),
            default=0,
        )
    return 0


def _aligned(slot: Path, parameter: Path, *, loose: bool = False) -> int:
    """``loose``: a container of gradients was already met, so the names may be the same."""
    marked = loose
    score = 4
    for one, two in zip(slot, parameter, strict=True):
        if one.name == two.name and type(one.name) is type(two.name):
            continue
        if not (isinstance(one.name, str) and isinstance(two.name, str)):
            return 0
        fit = _step_fit(one, two, loose=marked)
        if fit == 0:
            return 0
        marked = True
        score = min(score, fit)
    return score if marked else 0


def _step_fit(one: Step, two: Step, *, loose: bool) -> int:
    fit = gradient_of(one.name, two.name)
    if loose:
        fit = max(fit, likeness(one.name, two.name))
    if _CONTAINER.match(one.name) and _PARAMETERS.match(two.name):
        fit = max(fit, 4)
    if _OWN_GRADIENT.match(one.name) and _OWN_VALUE.match(two.name):
        fit = max(fit, 4)
    return fit
