"""From a layer and values to a ``Case``: the object's parameters are found, backward is tried, each way becomes a calling."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.contraction import can_contract, contract
from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import is_target, plain
from gradtool.targets.layer import Layer, own, owned, pinned
from gradtool.targets.layer_call import (
    LEARNING_RATES,
    Argument,
    Arrangement,
    arrangements,
    differentiated,
    is_output,
    mean_in_module,
    mean_over_samples,
    opened,
    output_attribute,
    surely_upstream,
    upstreams,
    uses,
)
from gradtool.targets.layer_claims import claims_of, find_variables
from gradtool.targets.layer_run import RATE, Claim, Run, Setting, Variable, Way
from gradtool.targets.object_state import fetch, fill, is_float, leaves, list_lengths, put, same_content
from gradtool.targets.scope import MISSING, own_nodes


@dataclass(frozen=True, eq=False)
class _Tried:
    """A way of calling backward, the gradients that it gives, and whether they have the inputs' shapes."""

    way: Way
    claims: tuple[Claim, ...]
    fits: bool
    raised: BaseException | None = None


def case_of(layer: Layer, values: Mapping[str, Any]) -> Case:
    """The case of a layer at these values.

    Raises ``CannotBindError`` where backward is not implemented or cannot be understood, and what the user's constructor and
    forward raise.
    """
    return _Binding(Setting(layer, dict(values))).case()


@dataclass(eq=False)
class _Binding:
    """From values to the callings of a case."""

    setting: Setting

    def case(self) -> Case:
        setting, layer = self.setting, self.setting.layer
        setting.base, returned = layer.ready(setting.values)
        if returned is None:
            probe = setting.fresh()
            layer.call_forward(probe, owned(setting.values))
            setting.attribute_name = output_attribute(layer.forward, probe)
            if setting.attribute_name is None:
                raise CannotBindError(f"{layer.owner.name}.{layer.forward.name} returns nothing: it is not implemented")
        self._refuse_empty_containers()
        self._settle_lazy_parameters()
        self._set_learning_rate()
        tried = [found for way in self._ways() if (found := self._try(way)) is not None]
        chosen = self._chosen(tried)
        names = {claim.name for claim in chosen[0].claims}
        claimed = [v for v in setting.variables if v.name in names]
        self._improve(claimed)
        case_values = {**setting.inputs(), **{v.name: setting.initial[v.name] for v in claimed}}
        return Case(
            values=case_values,
            wrt=tuple(name for name in case_values if name in names),
            callings=tuple(self._calling(entry.way, entry.claims, claimed) for entry in chosen),
            function=self._function(tuple(case_values), claimed, mean=chosen[0].way.mean),
        )

    def _chosen(self, tried: Sequence[_Tried]) -> list[_Tried]:
        """The ways that are kept: where one gives gradients of the inputs' shapes, those that raise or do not are no ways."""
        layer = self.setting.layer
        called = f"{layer.owner.name}.{layer.backward.name}"
        if not tried:
            raise CannotBindError(f"{called} is not implemented: it returns nothing and sets no gradient")
        fitting = [entry for entry in tried if entry.fits]
        if not fitting:
            if tried[0].way.upstream == "contracted" and tried[0].raised is None:
                raise CannotBindError(
                    f"{called} takes no upstream gradient, and what it gives is by its shape no derivative of what "
                    f"{layer.forward.name} gives"
                )
            sizes = [p.name for p in layer.construction if type(self.setting.values.get(p.name)) is int]
            ones = [name for name in sizes if self.setting.values[name] == 1]
            if (
                ones
            ):  # A parameter of size 1 may only have been broadcast, which forward takes and backward does not expect.
                raise CannotBindError(
                    f"with {ones[0]} = 1 {called} gives gradients of other shapes than the parameters have"
                )
            fitting = [entry for entry in tried if entry.raised is None][:1] or list(tried[:1])
            first = fitting[0]
            guessed = [
                a for a in first.way.arrangement if a.role == "upstream" and not surely_upstream(a.parameter.name)
            ]
            if first.raised is not None and guessed:
                raise CannotBindError(
                    f"{called} raised {type(first.raised).__name__} ({first.raised}) with the upstream gradient as "
                    f"{guessed[0].parameter.name}: that may not be how to call it"
                )
        names = {claim.name for claim in fitting[0].claims}
        return [entry for entry in fitting if {claim.name for claim in entry.claims} == names]

    def _refuse_empty_containers(self) -> None:
        owner = self.setting.layer.owner.name
        probe = self.setting.fresh()
        self.setting.layer.call_forward(probe, owned(self.setting.values))
        for name in ("layers", "modules", "_layers", "sequence"):
            held = getattr(probe, name, None)
            if isinstance(held, list | tuple | dict) and not held:
                raise CannotBindError(f"{owner} has no layers in it: add make_{owner}() that returns one that has")

    def _settle_lazy_parameters(self) -> None:
        """Takes an object that has run forward once, where that made arrays that a second forward with other inputs keeps.

        What a forward appends to a list at every call is no parameter, and is taken out again.
        """
        probe = self.setting.fresh()
        before, at_first = leaves(probe), list_lengths(probe)
        self.setting.layer.call_forward(probe, owned(self.setting.values))
        after, once = leaves(probe), list_lengths(probe)
        made = {
            p for p, v in after.items() if is_float(v) and isinstance(v, np.ndarray) and not is_float(before.get(p))
        }
        if not made:
            return
        kept = own(probe)
        held = {p: own(after[p]) for p in made}
        self.setting.layer.call_forward(probe, owned(self._shifted()))
        again, twice = leaves(probe), list_lengths(probe)
        appended = [p for p, length in at_first.items() if length < once.get(p, 0) < twice.get(p, 0)]
        made = {p for p in made if not any(p[: len(path)] == path for path in appended)}
        if any(again.get(p) is after[p] and same_content(after[p], held[p]) for p in made):
            for path in appended:
                del fetch(kept, path)[at_first[path] :]
            self.setting.base = kept

    def _shifted(self) -> dict[str, Any]:
        """The given values with forward's float arrays changed."""
        names = {p.name for p in self.setting.layer.forward.parameters}
        return {
            name: value * value.dtype.type(0.875)
            if name in names and isinstance(value, np.ndarray) and is_float(value)
            else value
            for name, value in self.setting.values.items()
        }

    def _set_learning_rate(self) -> None:
        """Where backward updates with the object's own learning rate, that is the one a gradient can be read with."""
        held = getattr(self.setting.base, "__dict__", {})
        for name in [n for n in held if plain(n) in LEARNING_RATES]:
            if is_float(held[name]) and any(
                isinstance(n, ast.Attribute) and n.attr == name for n in own_nodes(self.setting.layer.backward.node)
            ):
                setattr(self.setting.base, name, RATE)
                self.setting.object_has_rate = True

    # Ways to call backward

    def _ways(self) -> list[Way]:
        layer = self.setting.layer
        probe = self.setting.fresh()
        returned = layer.call_forward(probe, owned(self.setting.values))
        if layer.in_one:
            if not (isinstance(returned, tuple) and len(returned) == 2):
                raise CannotBindError(f"{layer.forward.name} does not return (loss, gradients) here")
            return [Way((), "one")]
        every = opened(self.setting.output_of(probe, returned))
        floats = [k for k, value in enumerate(every) if is_output(value)]
        if not floats:
            raise CannotBindError(f"{layer.owner.name}.{layer.forward.name} gives no float array")
        found = arrangements(layer.backward, layer.forward, probe, every)
        most = max(found, key=upstreams)
        if upstreams(most) > len(floats):
            wanted = f"{layer.backward.name} takes {upstreams(most)} upstream gradients"
            raise CannotBindError(f"{wanted}, {layer.forward.name} gives {len(floats)} outputs")
        self.setting.outputs = differentiated(layer.forward, floats, len(every), most)
        scalar = len(self.setting.outputs) == 1 and np.size(every[self.setting.outputs[0]]) == 1
        compares = not scalar and any(is_target(p.name) for p in layer.forward.parameters)
        mean = compares and mean_over_samples(layer.owner, layer.forward)
        perhaps_mean = compares and not mean and mean_in_module(layer.scope, layer.forward)
        ways: list[Way] = []
        for a in found:
            if upstreams(a) == 0:
                ways += [Way(a, "one", mean=True)] if perhaps_mean else []
                ways.append(Way(a, "one", mean) if scalar or mean else Way(a, "contracted"))
                continue
            as_loss = self._loss_ways(a, probe, scalar=scalar, mean=mean)
            up = next(argument for argument in a if argument.role == "upstream")
            read = uses(layer.backward, up.parameter.name)
            if scalar and up.parameter.default is not MISSING and not read:
                given = Way(tuple(argument for argument in a if argument is not up), "one")
            else:
                given = Way(a, "given")
            prediction = not read or plain(up.parameter.name).startswith(("dval", "dinput", "out", "y", "pred", "prob"))
            ways += [*as_loss, given] if prediction else [given, *as_loss]
        return ways

    def _loss_ways(self, a: Arrangement, probe: object, *, scalar: bool, mean: bool) -> list[Way]:
        """``backward(dvalues, y_true)`` of a loss, where ``dvalues`` stands for the prediction and not for an upstream."""
        takes_target = any(argument.role == "input" and is_target(argument.parameter.name) for argument in a)
        if not takes_target or not (scalar or mean) or upstreams(a) != 1:
            return []
        up = next(argument for argument in a if argument.role == "upstream")
        if not uses(self.setting.layer.backward, up.parameter.name):
            return [Way(tuple(_replaced(a, up, "first")), "one", mean)]
        ways = []
        for name in ("output", "outputs", "out", "y_pred", "y_hat", "probs"):
            held: Any = getattr(probe, name, None)
            inputs = [self.setting.values[n] for n in self.setting.differentiable[:1]]
            if is_output(held) and [np.shape(held)] == [np.shape(value) for value in inputs]:
                ways.append(Way(tuple(_replaced(a, up, "attribute", name)), "one", mean))
                break
        return [*ways, Way(tuple(_replaced(a, up, "first")), "one", mean)]

    # Trying a way, to see where gradients come out

    def _try(self, way: Way) -> _Tried | None:
        """What comes of a way of calling backward; None where no gradient does.

        Where backward raises, the claims are what can be said without it, and that is for the checker to report.
        """
        setting = self.setting
        with pinned():
            run = Run(setting, way, owned(setting.inputs()), {}, ())
            before = leaves(run.obj)
            content = {p: own(v) for p, v in before.items() if is_float(v)}
            rng = np.random.default_rng(7)
            up = [np.asarray(rng.normal(size=o.shape), dtype=o.dtype) for o in run.outputs]
            try:
                returned = run.call(up)
            except NotImplementedError:
                return None
            except CannotBindError:
                raise
            except (Exception, SystemExit) as error:  # The user's.
                find_variables(setting, run.before, before)
                inputs = [name for name in setting.differentiable if not is_target(name)] or setting.differentiable
                return _Tried(way, tuple(Claim(name, "returned", ()) for name in inputs[:1]), False, error)
        after = leaves(run.obj)
        changed = {
            path
            for path, value in after.items()
            if path not in before
            or before[path] is not value
            or (isinstance(value, np.ndarray) and path in content and not same_content(value, content[path]))
        }
        find_variables(setting, run.before, before)
        claims = claims_of(setting, returned, run.before, before, after, changed, way)
        if not claims and returned is not None:
            raise CannotBindError(
                f"{setting.layer.owner.name}.{setting.layer.backward.name} gives nothing that is named as the gradient of "
                "an input or a parameter"
            )
        return _Tried(way, claims, self._shapes_fit(claims, run, returned, way, up)) if claims else None

    def _shapes_fit(self, claims: Sequence[Claim], run: Run, returned: Any, way: Way, up: Sequence[Array]) -> bool:
        for claim in claims:
            value = run.claimed(claim, returned)
            if value is None or not is_float(value):
                continue
            wanted = np.shape(
                self.setting.values[claim.name]
                if claim.name in self.setting.differentiable
                else self.setting.initial[claim.name]
            )
            if way.upstream == "contracted":
                if not can_contract(up[0].shape, value, wanted):
                    return False
                value = contract(up[0], value, wanted)
            if np.shape(value) != wanted:
                return False
        return True

    # Values

    def _improve(self, claimed: Sequence[Variable]) -> None:
        """Other values for parameters at which a wrong gradient would sleep: constant ones (biases of 0, gammas of 1), and
        weights so small that everything is linear. An object of the user's own making keeps its values."""
        for v in claimed:
            if v.name in self.setting.values:
                self.setting.initial[v.name] = own(self.setting.values[v.name])
        if self.setting.layer.factory is not None:
            return
        original = dict(self.setting.initial)
        for v in claimed:
            value = self.setting.initial[v.name]
            if (
                v.name in self.setting.values
                or not isinstance(value, np.ndarray)
                or value.size == 0
                or not np.all(np.isfinite(value))
            ):
                continue
            rng = np.random.default_rng(crc32(v.name.encode()))
            size = float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
            if np.ptp(value) == 0:
                level = float(value.flat[0])
                low, high = (-0.47, 0.59) if level == 0 else (0.53 * level, 1.47 * level)
                spread = rng.permutation(np.linspace(low, high, value.size)).reshape(value.shape)
                self.setting.initial[v.name] = np.asarray(spread, dtype=value.dtype)
            elif size < 0.3:
                self.setting.initial[v.name] = (value * (0.5 / size)).astype(value.dtype)
        with pinned():
            obj = self.setting.fresh()
            try:
                for v in claimed:
                    fill(obj, v.paths, self.setting.initial[v.name])
                out = self.setting.output_of(obj, self.setting.layer.call_forward(obj, owned(self.setting.values)))
                sound = all(bool(np.all(np.isfinite(opened(out)[k]))) for k in self.setting.outputs)
            except Exception:
                sound = False
        if not sound:
            self.setting.initial = original

    # Callings

    def _calling(self, way: Way, claims: tuple[Claim, ...], claimed: Sequence[Variable]) -> Calling:
        def start(values: Values) -> Run:
            inputs = {name: values[name] for name in self.setting.inputs()}
            given = {v: values[v.name] for v in claimed}
            return Run(self.setting, way, inputs, given, claims)

        return Calling(start, self._describe(way, claims), way.upstream)

    def _describe(self, way: Way, claims: Sequence[Claim]) -> str:
        owner, forward = self.setting.layer.owner.name, self.setting.layer.forward.name
        if self.setting.layer.in_one:
            return f"{owner}.{forward}({', '.join(self.setting.inputs())}), which returns the gradients too"
        words = []
        for a in way.arrangement:
            if a.role == "rate":
                words.append(f"{a.parameter.name}={RATE:g}")
            elif a.role == "first":
                words.append(self.setting.first())
            elif a.role == "attribute":
                words.append(f"self.{a.which}")
            elif a.role == "input":
                words.append(str(a.which))
            elif a.role == "output":
                words.append(f"{forward}({', '.join(self.setting.inputs())})")
            else:
                words.append(a.parameter.name)
        text = f"{owner}.{self.setting.layer.backward.name}({', '.join(words)})"
        if way.mean:
            text += f", as the gradient of the mean of {forward}"
        updated = [c.name for c in claims if c.source == "update"]
        if updated:
            text += f"; the gradient of {', '.join(updated)} read from its update"
            if any(c.sign < 0 for c in claims):
                text += " (added, the upstream being an error)"
        return text

    def _function(self, names: tuple[str, ...], claimed: Sequence[Variable], *, mean: bool) -> Callable[..., Any]:
        def function(*values: Any) -> Any:
            given = dict(zip(names, values, strict=True))
            obj = self.setting.fresh()
            for v in claimed:
                for path in v.paths:
                    put(obj, path, given[v.name])
            returned = self.setting.layer.call_forward(
                obj, {**self.setting.values, **{n: given[n] for n in names if n in self.setting.values}}
            )
            every = opened(self.setting.output_of(obj, returned))
            out = tuple(every[k] for k in self.setting.outputs)
            if mean:
                return out[0].mean()
            return out[0] if len(out) == 1 else out

        return function


def _replaced(
    a: Arrangement, old: Argument, role: Literal["first", "attribute"], which: Any = None
) -> Iterator[Argument]:
    for argument in a:
        yield Argument(argument.parameter, role, which) if argument is old else argument
