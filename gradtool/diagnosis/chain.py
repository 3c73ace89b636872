"""Hypotheses from the traced forward: a path scaled or left out, a slice kept, the rule of one operation changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from gradtool.diagnosis.edge_rules import structured
from gradtool.diagnosis.factors import Factor, best_factor
from gradtool.diagnosis.fitting import ROUNDING, Array, Evidence, agreement, largest
from gradtool.diagnosis.other_values import other_values
from gradtool.diagnosis.program import Block, Change, Edge, Program, programs, sum_to
from gradtool.diagnosis.slopes import Form, Kind, Slope, forms, is_piecewise_constant, slopes, value_in
from gradtool.diagnosis.slopes import slope as slope_at

MAX_FORK_EDGES = 7
MIN_ENTRIES = 3
MAX_PAIRS = 300
PART = 0.25
COUNTED = 1e-4
NEAR = 1e-8
NEAR_SINGLE = 1e-5
"""How near to a number a factor must be to be it, in double and in single precision."""
TRIVIAL = frozenset(
    {
        "add",
        "subtract",
        "transpose",
        "reshape",
        "expand_dims",
        "squeeze",
        "flatten",
        "broadcast_to",
        "take",
        "sum",
        "concat",
        "stack",
    }
)
"""Operations that say little about which path is meant."""
SUMS = frozenset({"add", "subtract"})


@dataclass(frozen=True, slots=True)
class Path:
    """Edges of the forward whose contribution is ``factor`` times what it should be. ``is_term`` says that they lie in a
    term of the output that depends on this input alone: a penalty."""

    factor: Factor
    through: str
    file: str | None
    line: int | None
    residual: float
    is_term: bool

    def is_value(self, value: float) -> bool:
        """Whether the factor is this number, as far as can be known."""
        return abs(self.factor.value - value) <= 1e-5


@dataclass(frozen=True, slots=True)
class Finding:
    """A changed rule that gives the user's gradient."""

    message: str
    fix: str
    file: str | None
    line: int | None
    residual: float


def matches(evidence: Evidence, make: Callable[[Program], Change]) -> float | None:
    """The residual if a change of backward gives the user's gradient at every sight, and for another upstream too."""
    return _matches_gradients(evidence, lambda program, seed: program.gradient_with(make(program), seed))


def _matches_gradients(evidence: Evidence, gradient: Callable[[Program, Array | None], Array | None]) -> float | None:
    """The same for a gradient that is computed in any way from the program and the upstream of its output."""
    worst, told = 0.0, False
    for program in programs(evidence):
        look, value = program.look, gradient(program, None)
        if value is None or look.yours is None or not np.isfinite(value).all():
            return None
        error = allowed(program, value)
        measured = agreement(look.yours, (value, error), (program.gradient, error), look.scale)
        if measured is None:
            return None
        worst, told = max(worst, measured[0]), told or measured[1]
    return worst if told and _again(evidence, gradient) else None


def allowed(program: Program, value: Array) -> Array:
    """The error of a gradient computed on the graph, against what the user's own arithmetic gives. What the reference allows
    beyond that is the rounding of the forward's precision, where that is lower."""
    look = program.look
    noise = np.where(np.isfinite(look.error), look.error, 0.0)
    exact = 100 * ROUNDING * max(largest(value), look.scale)
    single = noise if program.rounds else np.zeros_like(noise)
    return exact + np.broadcast_to(single, value.shape)


def _again(evidence: Evidence, gradient: Callable[[Program, Array | None], Array | None]) -> bool:
    """The same at the first sight for a random upstream."""
    program = programs(evidence)[0]
    if not evidence.suspect.passes_upstream:
        return True
    upstream = np.random.default_rng(5).standard_normal(evidence.upstream(program.look).size)
    yours = evidence.yours_for(program.look, upstream)
    seed = np.asarray(program.traced.upstream(*evidence.split(program.look, upstream)), dtype=np.float64)
    value = gradient(program, seed)
    if yours is None or value is None:
        return yours is None
    return largest(yours - value) <= (1e-4 if program.rounds else 1e-7) * max(largest(value), program.look.scale)


# Paths -------------------------------------------------------------------------------------------------------------


def scaled_path(evidence: Evidence) -> Path | None:
    """The path whose contribution is a constant times the right one, the same at all sights. 0 is a missing path."""
    found: Path | None = evidence.once("scaled path", lambda: _scaled_path(evidence))
    return found


def _scaled_path(evidence: Evidence) -> Path | None:
    traced = programs(evidence)
    if not traced:
        return None
    fitting = []
    for edges in _edge_groups(traced[0]):
        factor = _edge_factor(traced, edges)
        if factor is None:
            continue
        scale = factor.value

        def make(_: Program, edges: Sequence[Edge] = edges, scale: float = scale) -> Change:
            return Change(edges=dict.fromkeys(edges, lambda _, sent: scale * sent))

        residual = matches(evidence, make)
        if residual is not None:
            fitting.append((edges, factor._replace(residual=residual)))
    if not fitting:
        return None
    edges, factor = _most_telling(traced[0], fitting)
    return _path(traced[0], edges, factor)


def _path(program: Program, edges: Sequence[Edge], factor: Factor) -> Path:
    node = edges[0][0]
    return Path(factor, _through(program, edges), *program.place(node), factor.residual, _is_term(program, edges))


def _through(program: Program, edges: Sequence[Edge]) -> str:
    words = dict.fromkeys(program.words(i) for i, _ in edges)
    return "through " + " and ".join(words)


def _most_telling(program: Program, fitting: list[tuple[list[Edge], Factor]]) -> tuple[list[Edge], Factor]:
    """Of the edges along one path the lowest whose operation says something."""
    told = [found for found in fitting if program.graph.operations[found[0][0][0]] not in TRIVIAL]
    return min(told or fitting, key=lambda found: found[0][0][0])


def _edge_groups(program: Program) -> Iterator[list[Edge]]:
    yield from program.links
    for group in program.groups:
        if len(group) > 1:
            for position in sorted({position for i, position in program.edges if i in group}):
                edges = [(i, position) for i in group if (i, position) in program.edges]
                if len(edges) > 1:
                    yield edges


def _edge_factor(traced: Sequence[Program], edges: Sequence[Edge]) -> Factor | None:
    """By least squares over the sights; None where the edges carry nothing, or all there is."""
    pairs, parts, overlaps = [], False, False
    for program in traced:
        if program.look.yours is None:
            return None
        share = _carried(program, edges)
        rest = program.gradient - share
        parts = parts or largest(rest) > 1e-9 * largest(share)
        overlaps = overlaps or bool(
            ((np.abs(rest) > 1e-9 * program.look.scale) & (np.abs(share) > 1e-9 * program.look.scale)).any()
        )
        size = largest(program.gradient)
        if largest(share) > 1e-12 * size:
            pairs.append((program.look.yours - rest, share, np.zeros(share.shape)))
            if len(pairs) == 1 and not _could_be_scaled(program, *pairs[0][:2]):
                return None
    if not pairs or not parts or not overlaps:  # What is the only path where it is one at all is a branch: GC112.
        return None
    value = best_factor(pairs)
    if value is None or abs(value) > 1e6 or sum(share.size for _, share, _ in pairs) < 2:
        return None
    near = NEAR_SINGLE if any(program.rounds for program in traced) else NEAR
    value = next((exact for exact in (0.0, 1.0, -1.0, 2.0, 0.5) if abs(value - exact) < near), value)
    return None if value == 1 else Factor(value, 0.0, near)


def _carried(program: Program, edges: Sequence[Edge]) -> Array:
    """What reaches the input along these edges."""
    sources = {program.graph.arguments[i][position] for i, position in edges}
    if len({i for i, _ in edges}) == 1 == len(sources):
        (source,) = sources
        upstream = program.adjoints[edges[0][0]]
        if upstream is None:
            return np.zeros_like(program.gradient)
        sent = [program.sent(edge, np.asarray(upstream, dtype=np.float64)) for edge in edges]
        return program.gradient_from(source, np.asarray(sum(sent[1:], sent[0])))
    rest = program.gradient_with(Change(edges=dict.fromkeys(edges, lambda _, __: None)))
    return np.zeros_like(program.gradient) if rest is None else program.gradient - rest


def _could_be_scaled(program: Program, wanted: Array, share: Array) -> bool:
    """Whether one factor makes of a share what is wanted, at this sight alone: a first look that saves the others."""
    value = best_factor([(wanted, share, np.zeros(share.shape))])
    allowed_share = 1e-3 if program.rounds else 1e-5
    return value is not None and largest(wanted - value * share) <= allowed_share * max(
        largest(wanted), program.look.scale
    )


def _is_term(program: Program, edges: Sequence[Edge]) -> bool:
    """Whether the edges lie in a term of the output's sum, the output being one number, that depends on this input alone."""
    if program.values[program.graph.output].size != 1:
        return False
    terms, pending = [], [program.graph.output]
    while pending:
        node = pending.pop()
        if program.graph.operations[node] in SUMS:
            pending.extend(program.graph.arguments[node])
        else:
            terms.append(node)
    if len(terms) < 2:
        return False
    for term in terms:
        inside = _under(program, term)
        inputs = {node for node in program.graph.inputs.values() if node in inside}
        if inputs == {program.source} and all(i in inside or program.graph.arguments[i][p] == term for i, p in edges):
            return True
    return False


def _under(program: Program, top: int) -> set[int]:
    found, pending = set(), [top]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(program.graph.arguments[node])
    return found


def dropped_paths(evidence: Evidence) -> Path | None:
    """The paths that are left out: one, or several that part at one node."""
    path = scaled_path(evidence)
    if path is not None:
        return path if path.is_value(0.0) else None
    traced = programs(evidence)
    if not traced:
        return None
    program = traced[0]
    forks = _forks(program)
    chosen = [c for links in forks for count in range(2, len(links)) for c in combinations(links, count)]
    chosen += list(combinations([link for links in forks for link in links], 2))[:MAX_PAIRS]
    candidates = [[edge for link in links for edge in link] for links in chosen]
    for edges in candidates:
        residual = matches(evidence, _without(edges))
        if residual is not None:
            return _path(program, edges, Factor(0.0, residual, 0.0))
    return None


def counted_paths(evidence: Evidence) -> Finding | None:
    """Paths that part at one node and are counted different whole numbers of times: a backward that hands on what has been
    added up so far at every visit counts the first of three thrice."""
    traced = programs(evidence)
    if not traced:
        return None
    for links in _forks(traced[0]):
        counts = _counts(traced, links)
        if counts is None:
            continue
        scales = {edge: float(count) for link, count in zip(links, counts, strict=True) for edge in link}
        residual = matches(evidence, partial(_scaled, scales))
        if residual is not None:
            parts = [
                f"{count} times what comes {_through(traced[0], link)}"
                for link, count in zip(links, counts, strict=True)
            ]
            file, line = traced[0].place(links[0][0][0])
            fix = "visit a node once, when all that arrives at it is added up"
            return Finding(f"counts paths more than once: it has {', '.join(parts)}", fix, file, line, residual)
    return None


def _scaled(scales: Mapping[Edge, float], _: Program) -> Change:
    return Change(edges={edge: _times(scale) for edge, scale in scales.items()})


def _times(scale: float) -> Callable[[Array, Array], Array]:
    return lambda _, sent: scale * sent


def _counts(traced: Sequence[Program], links: Sequence[list[Edge]]) -> list[int] | None:
    """How often each link is counted, by least squares over the sights; None where these are no small whole numbers."""
    columns, wanted = [], []
    for program in traced:
        every = [edge for link in links for edge in link]
        rest = program.gradient_with(_without(every)(program))
        shares = [program.gradient_with(_without([e for e in every if e not in link])(program)) for link in links]
        if rest is None or program.look.yours is None or any(share is None for share in shares):
            return None
        size = program.look.scale or 1.0
        columns.append(np.stack([(share - rest).ravel() / size for share in shares if share is not None], axis=1))
        wanted.append((program.look.yours - rest).ravel() / size)
    matrix, right = np.concatenate(columns), np.concatenate(wanted)
    if len(right) <= len(links) or not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return None
    found, _, rank, _ = np.linalg.lstsq(matrix, right, rcond=1e-8)
    counts = np.round(found)
    if (
        rank < len(links)
        or largest(found - counts) > COUNTED
        or counts.min() < 0
        or not 1 < counts.max() <= MAX_FORK_EDGES
    ):
        return None
    return [int(count) for count in counts]


def _forks(program: Program) -> list[list[list[Edge]]]:
    """The links to every node that several nodes use, where these are few."""
    by_source: dict[int, list[list[Edge]]] = {}
    for link in program.links:
        by_source.setdefault(program.graph.arguments[link[0][0]][link[0][1]], []).append(link)
    return [links for links in by_source.values() if 1 < len(links) <= MAX_FORK_EDGES]


def _without(edges: Sequence[Edge]) -> Callable[[Program], Change]:
    return lambda _: Change(edges=dict.fromkeys(edges, lambda _, __: None))


# Slices ------------------------------------------------------------------------------------------------------------


def kept_slice(evidence: Evidence) -> Finding | None:
    """One index along an axis of an inner value, where what is sent down should be summed over that axis."""
    traced = programs(evidence)
    if not traced or any(_has_more_zeros(program) for program in traced):
        return None
    program = traced[0]
    for i in range(program.graph.output - 1, program.source, -1):
        shape = program.plan.shapes[i]
        if not program.below[i] or program.adjoints[i] is None:
            continue
        for axis, length in enumerate(shape):
            for k in (0, length - 1):
                if length < 2:
                    continue
                residual = matches(evidence, _sliced(i, axis, k))
                if residual is not None:
                    slice_ = f"index {k} of axis {axis} of {program.label(i)}"
                    message = f"has only one slice, {slice_}: it is not summed over this axis"
                    return Finding(
                        message, f"sum over axis {axis} in place of taking one index", *program.place(i), residual
                    )
    return None


def _sliced(i: int, axis: int, k: int) -> Callable[[Program], Change]:
    return lambda _: Change(nodes={i: lambda upstream: _only(upstream, axis, k)})


def _only(upstream: Array, axis: int, k: int) -> Array:
    kept = np.zeros_like(upstream)
    at = [slice(None)] * upstream.ndim
    at[axis] = slice(k, k + 1)
    kept[tuple(at)] = upstream[tuple(at)]
    return kept


def _has_more_zeros(program: Program) -> bool:
    yours = program.look.yours
    return yours is None or int((yours == 0).sum()) > int((program.gradient == 0).sum())


# Rules -------------------------------------------------------------------------------------------------------------


def changed_rule(evidence: Evidence, kind: Kind) -> Finding | None:
    """The first rewrite of that kind, of one operation or block, that gives the user's gradient."""
    found: Finding | None = evidence.once(f"changed rule {kind}", lambda: _changed_rule(evidence, kind))
    return found


def _changed_rule(evidence: Evidence, kind: Kind) -> Finding | None:
    traced = programs(evidence)
    if not traced:
        return None
    for slope in evidence.once("slopes", lambda: slopes(traced[0])):
        found = _changed_slope(evidence, traced, slope, kind)
        if found is not None:
            return found
    for rewrite in structured(traced[0], kind):
        residual = matches(evidence, rewrite.make)
        if residual is not None:
            return Finding(rewrite.message, rewrite.fix, *traced[0].place(rewrite.node), residual)
    return None


def shifted_index(evidence: Evidence) -> Finding | None:
    """The gradient of a forward that reads one index beside the one it reads: labels that are off by one."""
    traced = programs(evidence)
    if not traced:
        return None
    first = traced[0]
    for i in range(len(first.graph)):
        if first.graph.operations[i] != "take" or not first.below[i]:
            continue
        shape = first.plan.shapes[first.graph.arguments[i][0]]
        for axis, step in ((axis, step) for axis in range(len(shape)) for step in (1, -1)):
            values = [program.gradient_with_places(i, axis, step) for program in traced]
            residual = _matches_all(traced, values)
            if residual is not None:
                message = f"matches when an index{first.at(i)} is off by {step} along axis {axis}"
                return Finding(message, "use the index that forward uses", *first.place(i), residual)
    return None


def _matches_all(traced: Sequence[Program], values: Sequence[Array]) -> float | None:
    worst, told = 0.0, False
    for program, value in zip(traced, values, strict=True):
        error = allowed(program, value)
        if program.look.yours is None:
            return None
        measured = agreement(program.look.yours, (value, error), (program.gradient, error), program.look.scale)
        if measured is None:
            return None
        worst, told = max(worst, measured[0]), told or measured[1]
    return worst if told else None


def other_value(evidence: Evidence) -> Finding | None:
    """The first other value that backward may have computed which gives the user's gradient."""
    traced = programs(evidence)
    if not traced:
        return None
    for other in other_values(traced[0]):
        residual = _matches_gradients(evidence, other.gradient)
        if residual is not None:
            return Finding(other.message, other.fix, *traced[0].place(other.node), residual)
    return None


def _changed_slope(evidence: Evidence, traced: Sequence[Program], slope: Slope, kind: Kind) -> Finding | None:
    """The gradient is linear in the local derivative of a single part, so a constant can be solved for."""
    rest = [program.gradient_with(slope.change(_nothing)(program)) for program in traced]
    for message, fix, form in forms(traced[0], slope, kind):
        scale = 1.0
        if len(slope.parts) == 1:
            solved = _scale(traced, rest, slope, form)
            if solved is None or (kind == "missing" and solved != 1):
                continue
            scale = solved
        residual = matches(evidence, slope.change(form, scale))
        if residual is not None and kind == "wrong" and _right_in_part(traced[0], slope, form, scale):
            residual = None  # What is right in one region and wrong in another is GC112.
        if residual is not None:
            also = "" if abs(scale - 1) < 1e-6 else f", times {scale:.6g}"
            return Finding(message + also, fix, *traced[0].place(slope.node), residual)
    return None


def _right_in_part(program: Program, slope: Slope, form: Form, scale: float) -> bool:
    """Whether a wrong local derivative, one that is not a mask, is the right one at many entries."""
    if is_piecewise_constant(program, slope):
        return False
    right, wrong = slope_at(program, slope.parts[0]), scale * form(program, slope.parts[0])
    same = np.abs(right - wrong) <= 1e-9 * np.maximum(np.abs(right), np.abs(wrong))
    return bool(same.mean() > PART)


def _nothing(program: Program, part: Edge | Block) -> Array:
    return np.zeros(value_in(program, part).shape)


def _scale(traced: Sequence[Program], rest: Sequence[Array | None], slope: Slope, form: Form) -> float | None:
    """The constant that a changed local derivative must have, by least squares; None where none does at the first sight."""
    pairs: list[tuple[Array, Array, Array]] = []
    for program, without in zip(traced, rest, strict=True):
        share = _share(program, slope, form)
        if share is None or without is None or program.look.yours is None:
            return None
        if largest(share) <= 1e-12 * program.look.scale:
            continue
        wanted = program.look.yours - without
        if not pairs:
            value = best_factor([(wanted, share, np.zeros(share.shape))])
            if value is None or largest(wanted - value * share) > 1e-5 * max(largest(wanted), program.look.scale):
                return None
        pairs.append((wanted, share, np.zeros(share.shape)))
    if not pairs or sum(share.size for _, share, _ in pairs) < MIN_ENTRIES:
        return None
    value = best_factor(pairs)
    if value is None or value == 0 or not np.isfinite(value):
        return None
    near = NEAR_SINGLE if any(program.rounds for program in traced) else NEAR
    return next((exact for exact in (1.0, -1.0) if abs(value - exact) < near), value)


def _share(program: Program, slope: Slope, form: Form) -> Array | None:
    """What a single part with another local derivative sends to the input."""
    part = slope.parts[0]
    local = form(program, part)
    top, bottom = (
        (part.top, part.bottom) if isinstance(part, Block) else (part[0], program.graph.arguments[part[0]][part[1]])
    )
    upstream = program.adjoints[top]
    if upstream is None or not np.isfinite(local).all():
        return None
    return program.gradient_from(
        bottom, sum_to(np.asarray(upstream * local, dtype=np.float64), program.plan.shapes[bottom])
    )
