"""Which gradients a layer gives, and where: compared are the object before and after backward, and what backward returned."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradtool.targets.gradient_names import (
    best,
    gradient_of,
    is_target,
    likeness,
    looks_like_gradient,
    path_likeness,
    plain,
    stems,
)
from gradtool.targets.layer import own, owned, pinned
from gradtool.targets.layer_call import Piece, names_a_gradient, opened, pieces, surely_upstream
from gradtool.targets.layer_run import Claim, Run, Setting, Variable, Way, has
from gradtool.targets.object_state import Path, attribute, display, fetch, fill, is_float, same_content
from gradtool.targets.returned_none import is_data
from gradtool.targets.scope import own_nodes


def find_variables(setting: Setting, start: Mapping[Path, Any], before: Mapping[Path, Any]) -> None:
    """The float leaves of the object that forward leaves alone, one for each array however many names it has."""
    paths: dict[int, list[Path]] = {}
    for path, value in start.items():
        if is_float(value) and before.get(path, setting) is value:
            key = id(value) if isinstance(value, np.ndarray) else -len(paths) - 1
            paths.setdefault(key, []).append(path)
    constructed = {
        p.name: setting.values[p.name] for p in setting.layer.construction if is_float(setting.values.get(p.name))
    }
    taken = set(setting.values) & {p.name for p in setting.layer.forward.parameters}
    found: list[Variable] = []
    for alias in paths.values():
        value = start[alias[0]]
        name = _name(alias, value, constructed, taken)
        taken.add(name)
        found.append(Variable(name, tuple(alias)))
    setting.variables = found
    for v in found:
        setting.initial[v.name] = (
            own(fetch(setting.base, v.paths[0])) if has(setting.base, v.paths[0]) else start[v.paths[0]]
        )


def claims_of(
    setting: Setting,
    returned: Any,
    start: Mapping[Path, Any],
    before: Mapping[Path, Any],
    after: Mapping[Path, Any],
    changed: set[Path],
    way: Way,
) -> tuple[Claim, ...]:
    function = setting.layer.backward
    slots = _slots(setting, start, before, after, changed)
    by_path = {path: v for v in setting.variables for path in v.paths}
    found: dict[str, Claim] = {}
    found_pieces = pieces(function, returned)
    if setting.layer.in_one:
        found_pieces = [p for p in pieces(function, (None, returned)) if p.where[:1] == (1,)]
        found_pieces = [Piece(p.where[1:], p.name, p.value, p.keyed) for p in found_pieces]
    for claim in _of_pieces(setting, found_pieces):
        found.setdefault(claim.name, claim)
    inputs = [name for name in setting.differentiable if name not in found]
    targets = {attribute(name): name for name in inputs}
    pairs = []
    for slot in slots:
        for path, v in by_path.items():
            if path != slot and (fit := path_likeness(slot, path)):
                pairs.append((slot in changed, not (looks_like_gradient(path) and path in slots), fit, slot, v.name))
        for path, name in targets.items():
            if fit := path_likeness(slot, path):
                pairs.append((slot in changed, True, fit, slot, name))
    used: set[Path] = set()
    styles: set[tuple[Any, ...]] = set()
    for _, _, fit, slot, name in sorted(pairs, key=lambda pair: pair[:3], reverse=True):
        if slot in used or name in found or any(slot in v.paths for v in setting.variables if v.name in found):
            continue
        if slot not in changed and (fit < 2 or not _styles(slot) & styles):
            continue
        used.add(slot)
        styles |= _styles(slot)
        found[name] = Claim(name, "slot", slot)
    _of_lists(setting, slots, changed, used, found, after)
    open_inputs = [n for n in inputs if n not in found and not is_target(n)]
    if len(open_inputs) == 1:
        left = [s for s in slots if s in changed and s not in used and len(s) == 1 and _means_input(s[0].name)]
        if len(left) == 1:
            found[open_inputs[0]] = Claim(open_inputs[0], "slot", left[0])
    for claim in _of_updates(setting, way, before, changed, found):
        found.setdefault(claim.name, claim)
    return tuple(found.values())


def _of_pieces(setting: Setting, found: Sequence[Piece]) -> list[Claim]:
    """Which input each returned value is the gradient of: by name, then by position."""
    inputs = setting.differentiable
    integers = {p.name for p in setting.layer.forward.parameters} - set(inputs)
    names = {v.name: v for v in setting.variables}
    claims: dict[str, Claim] = {}
    left: list[tuple[int, Piece]] = []
    for i, piece in enumerate(found):
        choice = None
        if piece.name is not None:
            choice = best(piece.name, [n for n in (*inputs, *names) if n not in claims])
            if choice is None and piece.keyed:
                choice = next((n for n in (*inputs, *names) if likeness(piece.name, n) >= 1 and n not in claims), None)
            if choice is None:
                tails = {n: _tail(v) for n, v in names.items()}
                wanted = [n for n, tail in tails.items() if gradient_of(piece.name, tail) >= 2 or (
                    piece.keyed and likeness(piece.name, tail) >= 2)]  # fmt: skip
                choice = wanted[0] if len(wanted) == 1 and wanted[0] not in claims else None
            if choice is None and best(piece.name, integers) is not None:
                continue  # The gradient of labels, or None for them.
        if choice is not None:
            claims[choice] = Claim(choice, "returned", piece.where)
        elif not piece.keyed and (piece.name is None or names_a_gradient(piece.name)):
            left.append((i, piece))
    open_inputs = [n for n in inputs if n not in claims]
    if not left or not open_inputs:
        return list(claims.values())
    all_inputs = [p.name for p in setting.layer.forward.parameters if p.name in setting.values]
    if len(found) == 1:
        candidates = [n for n in open_inputs if not is_target(n)] or open_inputs
        if left[0][1].value is not None:
            claims[candidates[0]] = Claim(candidates[0], "returned", left[0][1].where)
    elif len(found) == len(all_inputs):
        for i, piece in left:
            not_meant = piece.value is None and (is_target(all_inputs[i]) or is_data(all_inputs[i], all_inputs))
            if all_inputs[i] in open_inputs and not not_meant:
                claims.setdefault(all_inputs[i], Claim(all_inputs[i], "returned", piece.where))
    elif setting.layer.backward.name == "fit_deriv" and len(found) == len(inputs) - 1:
        for name, (_, piece) in zip(inputs[1:], left, strict=False):  # By the parameters, not by where it is evaluated.
            claims.setdefault(name, Claim(name, "returned", piece.where))
    else:
        # The first of several is for the first input; the parameters' gradients follow it in their order.
        variables = [v for v in setting.variables if v.name not in claims]
        order = [n for n in open_inputs if not is_target(n)] + [
            v.name for v in variables if not looks_like_gradient(v.paths[0])
        ]
        held = {**setting.initial, **{n: setting.values[n] for n in open_inputs}}
        if len(order) == len(left) and all(
            np.shape(held[name]) == np.shape(piece.value) for name, (_, piece) in zip(order, left, strict=True)
        ):
            for name, (_, piece) in zip(order, left, strict=True):
                claims.setdefault(name, Claim(name, "returned", piece.where))
        elif left[0][0] == 0 and order and _may_be_first(left[0][1].name):
            claims.setdefault(order[0], Claim(order[0], "returned", left[0][1].where))
    return list(claims.values())


def _may_be_first(name: str | None) -> bool:
    """Whether the first of several returned gradients may be that of the first input: nothing in its name says otherwise."""
    return name is None or surely_upstream(name) or _means_input(name)


def _styles(slot: Path) -> set[tuple[Any, ...]]:
    """The ways in which a slot is spelled, without whose gradient it is: ``d*`` for ``dW``, an entry of ``grads``."""
    name = slot[-1].name
    spelled = {name.replace(stem, "*", 1) for stem in stems(name)} if isinstance(name, str) else set()
    return {(slot[:-1], text) for text in spelled or {"entry"}}


def _slots(
    setting: Setting,
    start: Mapping[Path, Any],
    before: Mapping[Path, Any],
    after: Mapping[Path, Any],
    changed: set[Path],
) -> list[Path]:
    """Where gradients may have been left: leaves named as gradients that backward set, or that wait to be set."""
    found = []
    for path, value in after.items():
        if not (value is None or is_float(value)) or not looks_like_gradient(path):
            continue
        waits = path in start and (value is None or (isinstance(value, np.ndarray) and not np.any(value)))
        if path in changed or (waits and before.get(path, setting) is value):
            found.append(path)
    return found


def _of_lists(
    setting: Setting,
    slots: Sequence[Path],
    changed: set[Path],
    used: set[Path],
    found: dict[str, Claim],
    after: Mapping[Path, Any],
) -> None:
    """A list of gradients beside arrays of no list of their own: by shape, where that is unambiguous."""
    open_slots = [
        s
        for s in slots
        if s in changed and s not in used and s[-1].kind == "index" and isinstance(after[s], np.ndarray)
    ]
    open_variables = [
        v for v in setting.variables if v.name not in found and not any(p in slots for p in v.paths) and isinstance(
            setting.initial[v.name], np.ndarray)
    ]  # fmt: skip
    for slot in open_slots:
        fitting = [v for v in open_variables if setting.initial[v.name].shape == after[slot].shape]
        rivals = [s for s in open_slots if after[s].shape == after[slot].shape]
        if len(fitting) == 1 and len(rivals) == 1:
            found[fitting[0].name] = Claim(fitting[0].name, "slot", slot)
            used.add(slot)


def _of_updates(
    setting: Setting, way: Way, before: Mapping[Path, Any], changed: set[Path], found: Mapping[str, Claim]
) -> list[Claim]:
    """Parameters that backward updates by a learning rate times a gradient that it does not keep."""
    has_rate = any(argument.role == "rate" for argument in way.arrangement) or setting.object_has_rate
    moved = [v for v in setting.variables if v.name not in found and any(p in changed for p in v.paths)
             and is_float(before.get(v.paths[0]))]  # fmt: skip
    if not has_rate or way.upstream != "given" or not moved:
        return []
    sign = -1.0 if _ascends(setting, way) else 1.0
    claims = [Claim(v.name, "update", v.paths[0], sign) for v in moved]
    with pinned():
        run = Run(setting, way, owned(setting.inputs()), {}, ())
        rng = np.random.default_rng(11)
        up = [np.asarray(rng.normal(size=o.shape), dtype=o.dtype) for o in run.outputs]
        changes = []
        for factor in (1.0, 2.0):
            run = Run(setting, way, owned(setting.inputs()), {}, tuple(claims))
            changes.append(run.backward(*[u * u.dtype.type(factor) for u in up]))
    linear = []
    for claim in claims:
        one, two = (np.asarray(change[claim.name]) for change in changes)
        if one.shape == two.shape and np.allclose(
            two, 2 * one, rtol=1e-3, atol=1e-9 * float(np.max(np.abs(one), initial=0.0))
        ):
            linear.append(claim)
    return [claim for claim in linear if _matters(setting, claim)]


def _ascends(setting: Setting, way: Way) -> bool:
    """Whether backward adds to the parameters, and calls what it is handed an error: target minus output."""
    named = [a.parameter.name for a in way.arrangement if a.role == "upstream"]
    adds = any(
        isinstance(n, ast.AugAssign) and isinstance(n.op, ast.Add) and isinstance(n.target, ast.Attribute)
        for n in own_nodes(setting.layer.backward.node)
    )
    return adds and any("err" in name.lower() for name in named)


def _matters(setting: Setting, claim: Claim) -> bool:
    """Whether forward depends on a parameter that is updated: an optimizer's moments it does not."""
    value = fetch(setting.base, claim.where)
    if not isinstance(value, np.ndarray):
        return False
    with pinned():
        outputs = []
        for change in (0.0, 0.125):
            obj = setting.fresh()
            fill(
                obj, next(v.paths for v in setting.variables if v.name == claim.name), value + value.dtype.type(change)
            )
            returned = setting.layer.call_forward(obj, owned(setting.values))
            outputs.append(np.asarray(opened(setting.output_of(obj, returned))[setting.outputs[0]]))
    return not np.array_equal(outputs[0], outputs[1])


def _means_input(name: object) -> bool:
    return isinstance(name, str) and any(
        plain(stem) in ("x", "in", "inp", "input", "inputs", "inputdata", "data", "prev", "aprev", "previous")
        for stem in stems(name)
    )


def _tail(v: Variable) -> str:
    """The last name on the way to a variable: ``W1`` of ``params['W1']``."""
    for path in v.paths:
        names = [step.name for step in path if isinstance(step.name, str)]
        if names:
            return str(names[-1])
    return v.name


def _name(paths: Sequence[Path], value: Any, constructed: Mapping[str, Any], taken: set[str]) -> str:
    """The name of a parameter: its attribute, the key of its dictionary, the constructor's name for it, or the whole path."""
    options = [path[0].name for path in paths if len(path) == 1]
    options += [path[-1].name for path in paths if len(path) == 2 and path[-1].kind == "key"]
    options += [path[0].name for path in paths if len(path) == 2 and path[-1].kind == "attribute"]
    if not options:
        options = [n for n, v in constructed.items() if n not in taken and same_content(v, value)]
    options += [display(paths[0])]
    return next((str(option) for option in options if option not in taken), f"self.{display(paths[0])}")
