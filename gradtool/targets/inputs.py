"""From a pair that was found to a ``Target`` that can be checked: inputs for it, and settings off their defaults.

First found wins for each input: the command line, the file of ``--inputs``, the module's own ``<name>_inputs()`` or ``gradtool``
table, the configuration, the docstring, annotations, and what names and a search give. What was assumed is said in the
target's notes.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import ModuleType
from typing import Any, Literal

import numpy as np

from gradtool.results import Skipped
from gradtool.target import Calling, Case, Target
from gradtool.targets.alternatives import alternatives, is_written_at, transposes
from gradtool.targets.annotations import from_annotation
from gradtool.targets.backward_call import returned_names
from gradtool.targets.described import Domain, letters_of, size_of
from gradtool.targets.docstring_shapes import DocstringShapes, from_docstrings
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.given import Given, Names
from gradtool.targets.guarded import guarded
from gradtool.targets.presets import Context, Option, needs_backward, options, role, setting, templates, variations
from gradtool.targets.returned_gradients import claimed
from gradtool.targets.scope import MISSING, Parameter, Scope
from gradtool.targets.search import Accepted, Layout, Slot, Tried, accepted_output, copied, quietly, search
from gradtool.tracebacks import user_traceback

MAX_VARIATIONS = 8
_CANDIDATES = 40
_NEAR = 1.6
"""How much less likely a guess may be that backward agrees with, and be taken for the likeliest: another layout of a bias, not
another rank where broadcasting allows one."""
_FAR = 3.0
"""The same where backward raises with the likeliest guess, and agrees with the other."""
_ORDER = ("command-line", "inputs-file", "module", "configuration", "docstring", "annotations", "search")
_KEPT = re.compile(
    r"\w*cache\w*|ctx|context|saved\w*|residuals?|res|memory|mem|tape|kept|state\w*|params?|parameters|self|layer|config\w*|settings"
)


class InputMakerError(Exception):
    """The user's ``<name>_inputs()`` raised, or what it or the ``gradtool`` table gives is no set of inputs.

    ``traceback_of_the_user`` is empty where nothing was raised.
    """

    def __init__(self, message: str, traceback_of_the_user: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.traceback_of_the_user = traceback_of_the_user


class ForwardError(InputMakerError):
    """Forward, called with inputs that the user gave, raised."""


def names_of(found: Found, scope: Scope) -> Names:
    """What a pair can be called by, and the inputs that it has: what ``Given`` asks for."""
    return Names(
        f"{scope.display}::{found.name}",
        found.name,
        found.forward,
        found.backward,
        tuple(p.name for p in found.parameters),
        _entries(found),
    )


def _entries(found: Found) -> tuple[str, ...]:
    """The keys of the dictionaries of settings that its parameters are."""
    guesses = (guess for p in found.parameters for guess in setting(p.name)[:1] if isinstance(guess, dict))
    return tuple(dict.fromkeys(key for guess in guesses for key in guess))


def make_target(found: Found, scope: Scope, given: Given, seed: int) -> Target | Skipped:
    """The pair with inputs, or why it cannot be checked and what to add.

    Raises ``InputMakerError``, and ``ForwardError`` where forward does not take what the user gave.
    """
    return _Maker(found, scope, given, seed).make()


@dataclass(frozen=True, eq=False)
class _Bound:
    """Inputs that forward accepts, bound. ``problem``: 0 where backward gives gradients of the right shapes, 1 where some shape
    is another, 2 where it raises."""

    case: Case
    accepted: Accepted | None
    values: Mapping[str, Any]
    problem: int


class _Maker:
    def __init__(self, found: Found, scope: Scope, given: Given, seed: int) -> None:
        self.found, self.scope, self.given, self.seed = found, scope, given, seed
        self.names = names_of(found, scope)
        self.table = _table(scope.module, found)
        self.guarded = guarded(scope, found.forward)
        self.lists: dict[str, list[Any]] = {}
        """What the module gives as a list, and forward is first called with as an array."""
        self.context = Context(
            tuple(p.name for p in found.parameters if p.default is MISSING or p.name not in found.construction),
            f"{found.name} {found.forward}",
            found.scalar,
            found.construction,
            vector_first=found.convention in ("derivative-pair", "value-and-gradient", "object")
            and self._array_parameters() == 1,
        )

    def _array_parameters(self) -> int:
        return sum(p.default is MISSING for p in self.found.parameters)

    def make(self) -> Target | Skipped:
        why = self.found.skip or self.given.why_skipped(self.names) or self.table.get("skip")
        if why is not None:
            return self._skipped(str(why))
        fixed, sources = self._given()
        for name, value in fixed.items():
            if _is_foreign(value):
                what = f"a {value.dtype} array on {getattr(value, 'device', 'another device')}"
                return self._skipped(f"{name} is {what}, which is not supported: give dense, real numbers on the CPU")
        docstrings = from_docstrings(self.found.docstrings, self.names.parameters)
        tried = Tried()
        bound = self._bind(fixed, docstrings, tried)
        if isinstance(bound, Skipped):
            return bound
        layout = bound.accepted.layout if bound.accepted is not None else None
        cases = [bound.case, *self._variations(bound, fixed, docstrings)]
        intentional = self.given.why_intentional(self.names) or self.table.get("intentional")
        origins = {**sources, **_sources(layout)}
        return Target(
            self.names.id,
            self.found.convention,
            self.found.forward,
            self.found.backward,
            tuple(cases),
            str(self.scope.path),
            self.found.line,
            _joined(origins, bound.case),
            (*self.found.notes, *self._notes_on_given(bound, sources), *_notes(layout, bound, origins, self._where)),
            None if intentional is None else str(intentional),
            _generators(self.scope.module, bound.values),
        )

    # What the user gave ----------------------------------------------------------------------------------------------

    def _given(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Values that the user gave, and where each comes from."""
        layers = (
            ("command-line", self.given.on_command_line(self.names)),
            ("inputs-file", self.given.in_file(self.names)),
            ("module", {**self.table.get("settings", {}), **self._table_inputs(), **self._made()}),
            ("configuration", self.given.in_configuration(self.names)),
        )
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        parameters = {p.name: p for p in self.found.parameters}
        for source, layer in layers:
            for name, value in layer.items():
                if name not in values:
                    values[name] = _fitting(value, parameters.get(name), self.found.scalar)
                    sources[name] = source
                    if source == "module" and isinstance(value, list) and values[name] is not value:
                        self.lists[name] = value
        return values, sources

    def _notes_on_given(self, bound: _Bound, sources: Mapping[str, str]) -> Iterator[str]:
        """The settings that the user gave. What the module gives may be anything, and is in it to see."""
        settings: dict[str, list[str]] = {}
        for name, source in sources.items():
            if source != "module" and name in self.names.settable and name not in bound.case.values:
                settings.setdefault(source, []).append(_told(name, bound.values[name]))
        for source, told in settings.items():
            yield f"{', '.join(told)} {self._where[source]}"

    @property
    def _where(self) -> Mapping[str, str]:
        """Where values come from, in words."""
        return {**_WHERE, "inputs-file": f"given by {self.given.file}"}

    def _table_inputs(self) -> dict[str, Any]:
        inputs = self.table.get("inputs", {})
        return self._by_name(inputs, f"the gradtool table of {self.scope.display}, inputs of {self.found.name}")

    def _made(self) -> dict[str, Any]:
        """What the module's own ``<name>_inputs()`` returns."""
        for name in _maker_names(self.found):
            maker = getattr(self.scope.module, name, None)
            if callable(maker):
                try:
                    with quietly(self.seed):
                        made = maker()
                except (Exception, SystemExit) as error:
                    raise InputMakerError(
                        f"{name}() raised {type(error).__name__}: {error}", user_traceback(error)
                    ) from error
                return self._by_name(made, f"{name}()")
        return {}

    def _by_name(self, made: Any, what: str) -> dict[str, Any]:
        if isinstance(made, Mapping):
            return {str(name): value for name, value in made.items()}
        if isinstance(made, tuple | list):
            names = self.names.parameters
            if len(made) > len(names):
                raise InputMakerError(f"{what}: {len(made)} values for {len(names)} inputs ({', '.join(names)})")
            return dict(zip(names, made, strict=False))
        raise InputMakerError(f"{what}: a {type(made).__name__}, where a dictionary, tuple or list of inputs is needed")

    # Binding ---------------------------------------------------------------------------------------------------------

    def _bind(self, fixed: Mapping[str, Any], docstrings: DocstringShapes, tried: Tried) -> _Bound | Skipped:
        """The likeliest inputs that forward accepts, bound; where shapes are guessed, rather such as backward agrees with."""
        slots = self._slots(fixed, docstrings)
        if all(option.left_out for slot in slots for option in slot.options):
            return self._bind_given(fixed)
        best: _Bound | None = None
        refused: str | None = None
        for accepted in islice(self._search(slots, fixed, docstrings, tried), _CANDIDATES):
            distance = 0.0
            if best is not None and best.accepted is not None:
                distance = accepted.cost - best.accepted.cost
                if (
                    best.problem == 0
                    or not _is_guess(best.accepted.layout)
                    or distance > (_FAR if best.problem == 2 else _NEAR)
                ):
                    break
                if not _may_replace(best, best.accepted.layout, accepted.layout):
                    continue
            try:
                bound = self._with_more_labels(self._with_claims(self._try(accepted, fixed), fixed), fixed)
                bound = self._as_one_hot(bound, fixed)
                bound = self._as_column(bound, fixed)
                bound = next((other for other in self._likened(bound, fixed) if other.problem == 0), bound)
                bound = self._resized(bound, fixed) if bound.problem == 1 and _is_guess(accepted.layout) else bound
            except CannotBindError as error:
                refused = refused or str(error)
                continue
            except (Exception, SystemExit) as error:
                refused = refused or f"{type(error).__name__}: {error}"
                continue
            if best is None or bound.problem == 0:
                best = bound
        if best is not None and best.accepted is not None:
            raises = best.problem == 2 and _is_guess(best.accepted.layout)
            best = self._of_one(best, fixed) if raises else best
            return self._skipped(why) if (why := self._why_unknown(best, fixed)) else best
        if refused is not None:
            return self._skipped(refused)
        return self._not_found(slots, tried)

    def _bind_given(self, fixed: Mapping[str, Any]) -> _Bound | Skipped:
        if self.lists and not self._accepts(fixed) and self._accepts({**fixed, **self.lists}):
            fixed = {**fixed, **self.lists}  # Sizes, of which forward wants whole numbers.
        try:
            with quietly():
                self.found.try_forward(copied(fixed))
        except (Exception, SystemExit) as error:
            shapes = ", ".join(_told(name, value) for name, value in fixed.items())
            message = (
                f"{self.found.forward} raised {type(error).__name__}: {error} (called with {shapes or 'no inputs'})"
            )
            raise ForwardError(message, user_traceback(error)) from error
        try:
            with quietly():
                case = self.found.bind(copied(fixed))
        except CannotBindError as error:
            return self._skipped(str(error))
        return _Bound(case, None, fixed, 0)

    def _try(self, accepted: Accepted, fixed: Mapping[str, Any]) -> _Bound:
        values = {**accepted.layout.values(self.seed, self.found.name), **fixed}
        with quietly():
            case = self.found.bind(copied(values))
        return _Bound(case, accepted, values, _problem(case))

    def _with_claims(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """What has a label's name is an ordinary input after all if forward takes it as such and backward gives its gradient."""
        assert bound.accepted is not None
        layout = bound.accepted.layout
        for name, option in layout.chosen.items():
            described = option.described
            if (
                not option.guessed
                or described is None
                or described.domain not in ("labels", "mask", "one-hot", "one-hot-0", "sign")
            ):
                continue
            plain = replace(option, described=replace(described, domain="real", bound=None), guessed=False)
            other = replace(bound.accepted, layout=replace(layout, chosen={**layout.chosen, name: plain}))
            values = {**other.layout.values(self.seed, self.found.name), **fixed}
            case = self._case(values)  # None where it has to be what its name says.
            if case is None or name not in case.wrt:
                continue
            problem = _problem(case)
            if problem <= bound.problem or (problem == 1 and name in self._claimed_by_name()):
                return self._with_claims(_Bound(case, other, values, problem), fixed)
        return bound

    def _resized(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """Sizes that were guessed, such that backward's gradients have the shapes of their inputs: code may be written for
        vectors of one length (``np.array([dx0, dx1])``). Where the gradients' shapes follow the inputs', nothing fits."""
        assert bound.accepted is not None
        layout, wanted = bound.accepted.layout, dict[str, int]()
        for calling in bound.case.callings:
            gradients = _gradients(bound.case, calling) or {}
            for name in bound.case.wrt:
                shape = _shape(gradients.get(name))
                letters = (
                    layout.shape(name) if name in layout.chosen and layout.chosen[name].source == "search" else None
                )
                if shape and letters and calling.upstream == "contracted":
                    shape = shape[-len(letters) :]  # Of a Jacobian's axes the last are the input's.
                if shape and letters and len(shape) == len(letters) and min(shape) > 0:
                    for letter, size in zip(letters, shape, strict=True):
                        if letter.isidentifier() and wanted.setdefault(letter, size) != size:
                            return bound  # One gradient says so, another says otherwise: a shape is wrong.
        other = replace(bound.accepted, layout=replace(layout, sizes_fixed=wanted))
        values = {**other.layout.values(self.seed, self.found.name), **fixed}
        case = self._case(values) if wanted else None
        return bound if case is None or _problem(case) else _Bound(case, other, values, 0)

    def _likened(self, bound: _Bound, fixed: Mapping[str, Any]) -> Iterator[_Bound]:
        """Where backward's gradients do not fit, or it raises: inputs that forward ignores, and of which any shape does there,
        with the shapes of the other inputs, and as numbers."""
        ignored = _ignored(bound)
        if not bound.problem or not ignored or bound.accepted is None:
            return
        layout = bound.accepted.layout
        shapes = [shape for name in layout.chosen if name not in ignored and (shape := layout.shape(name)) is not None]
        for shape in dict.fromkeys((*shapes, ())):
            kind: Literal["array", "number"] = "array" if shape else "number"
            alike = {
                name: replace(option, described=replace(option.described, shape=shape, kind=kind))
                for name, option in ignored.items()
                if option.described is not None
            }
            other = replace(bound.accepted, layout=replace(layout, chosen={**layout.chosen, **alike}))
            values = {**other.layout.values(self.seed, self.found.name), **fixed}
            case = self._case(values)
            if case is not None:
                yield _Bound(case, other, values, _problem(case))

    def _why_unknown(self, bound: _Bound, fixed: Mapping[str, Any]) -> str | None:
        """Why backward says nothing by raising: it raises something else with other shapes of an input that forward ignores, or
        there is a size that forward ignores."""
        if bound.problem != 2:
            return None
        first = _raised(bound.case)
        if loose := self._loose_sizes(bound):
            guesses = ", ".join(_told(name, bound.values[name]) for name in loose)
            return f"{self.found.backward} raised {first} with the guess {guesses}; add {self._remedy(loose)}"
        if not _ignored(bound):
            return None
        if all(_raised(other.case) == first for other in self._likened(bound, fixed)):
            return None
        names = ", ".join(_ignored(bound))
        return (
            f"{self.found.backward} raised {first} with a guess for {names}, whose shape does not matter to "
            f"{self.found.forward}; add {self._remedy(list(_ignored(bound)))}"
        )

    def _loose_sizes(self, bound: _Bound) -> list[str]:
        """The numbers that were guessed as sizes and that forward ignores."""
        found: list[str] = []
        for name, option in bound.accepted.layout.chosen.items() if bound.accepted is not None else ():
            if option.size is not None and name in bound.values:
                outputs, others = (
                    accepted_output(self.found.try_forward, {**bound.values, name: bound.values[name] + more})
                    for more in (0, 1)
                )
                if outputs is None or others is None or len(outputs) != len(others):
                    continue
                if all(np.array_equal(one, other) for one, other in zip(outputs, others, strict=True)):
                    found.append(name)
        return found

    def _of_one(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """Backward raises, and does not for a single example: code may be written for one at a time, as a column or row."""
        assert bound.accepted is not None
        layout = bound.accepted.layout
        shapes = {name: shape for name in layout.chosen if (shape := layout.shape(name)) is not None}
        used = [letter for shape in shapes.values() for dimension in shape for letter in letters_of(dimension)]
        sized = {
            letter
            for option in layout.chosen.values()
            if option.size
            for letter in letters_of(layout.resolved(option.size))
        }
        for name, shape in shapes.items():
            for letter in shape if len(shape) == 2 and layout.chosen[name].source == "search" else ():
                if letter.isidentifier() and used.count(letter) == 1 and letter not in sized:
                    other = replace(bound.accepted, layout=replace(layout, sizes_fixed={letter: 1}))
                    values = {**other.layout.values(self.seed, self.found.name), **fixed}
                    case = self._case(values)
                    if case is not None and _problem(case) == 0:
                        return _Bound(case, other, values, 0)
        return bound

    def _claimed_by_name(self) -> frozenset[str]:
        """The inputs that what backward returns is named after: ``return dx, dy``."""
        owner, _, method = self.found.backward.rpartition(".")
        methods = self.scope.classes[owner].methods if owner in self.scope.classes else self.scope.functions
        backward = methods.get(method)
        return frozenset() if backward is None else claimed(returned_names(backward), self.names.parameters)

    def _with_more_labels(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """Labels of which nothing is known are 0 and 1; where they are indices, as many as forward takes."""
        assert bound.accepted is not None
        layout = bound.accepted.layout
        for name, option in layout.chosen.items():
            described = option.described
            if name in layout.entries or described is None or described.domain != "labels" or not option.guessed:
                continue
            as_numbers = {**bound.values, name: np.asarray(bound.values[name], dtype=np.float64)}
            if self._accepts(as_numbers):
                continue
            sizes = layout.sizes()
            now = size_of(layout.resolved(described.bound or "2"), sizes)
            for letter, size in sorted(sizes.items(), key=lambda item: -item[1]):
                if size <= now:
                    break
                last, beyond = (
                    {**bound.values, name: np.full_like(bound.values[name], one)} for one in (size - 1, size)
                )
                if self._accepts(last) and not self._accepts(beyond):
                    more = replace(option, described=replace(described, bound=letter))
                    other = replace(layout, chosen={**layout.chosen, name: more})
                    return self._with_more_labels(self._try(replace(bound.accepted, layout=other), fixed), fixed)
        return bound

    def _as_column(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """An only input that is guessed to be a vector, as a column where the code transposes: that does nothing to a vector."""
        assert bound.accepted is not None
        layout = bound.accepted.layout
        shapes = {name: shape for name in layout.chosen if (shape := layout.shape(name))}
        name, shape = next(iter(shapes.items()), ("", ()))
        if bound.problem or len(shapes) != 1 or len(shape) != 1 or layout.chosen[name].source != "search":
            return bound
        option = layout.chosen[name]
        if option.described is None or not transposes(self.scope, self.found.backward):
            return bound
        column = replace(option, described=replace(option.described, shape=(*shape, "1")))
        other = replace(bound.accepted, layout=replace(layout, chosen={**layout.chosen, name: column}))
        values = {**other.layout.values(self.seed, self.found.name), **fixed}
        case = self._case(values)
        return _Bound(case, other, values, 0) if case is not None and not _problem(case) else bound

    def _as_one_hot(self, bound: _Bound, fixed: Mapping[str, Any]) -> _Bound:
        """Where backward does not do with labels, rows of zeros and a one: forward may take both, and backward these alone."""
        assert bound.accepted is not None
        layout = bound.accepted.layout
        for name, option in layout.chosen.items() if bound.problem else ():
            described, shape = option.described, layout.shape(name)
            if (
                described is None
                or described.domain != "labels"
                or not option.guessed
                or shape is None
                or len(shape) != 1
            ):
                continue
            for letter, size in layout.sizes().items():
                last, beyond = (
                    {**bound.values, name: np.full_like(bound.values[name], one)} for one in (size - 1, size)
                )
                if not self._accepts(last) or self._accepts(beyond):
                    continue
                rows = replace(
                    option, described=replace(described, shape=(*shape, letter), domain="one-hot", bound=None)
                )
                other = replace(bound.accepted, layout=replace(layout, chosen={**layout.chosen, name: rows}))
                values = {**other.layout.values(self.seed, self.found.name), **fixed}
                case = self._case(values)
                if case is not None and _problem(case) == 0:
                    return _Bound(case, other, values, 0)
        return bound

    def _accepts(self, values: Mapping[str, Any]) -> bool:
        """Whether forward takes these values and its output is finite."""
        arrays = accepted_output(self.found.try_forward, values)
        return arrays is not None and all(np.all(np.isfinite(array)) for array in arrays if array.dtype.kind in "fc")

    def _case(self, values: Mapping[str, Any]) -> Case | None:
        """The case of these values; None where forward does not take them or they cannot be bound."""
        if not self._accepts(values):
            return None
        try:
            with quietly():
                return self.found.bind(copied(values))
        except (Exception, SystemExit):
            return None

    # Searching -------------------------------------------------------------------------------------------------------

    def _slots(self, fixed: Mapping[str, Any], docstrings: DocstringShapes) -> list[Slot]:
        found = []
        for parameter in self.found.parameters:
            if parameter.name in fixed:
                continue
            annotated = from_annotation(parameter.annotation)
            described, source = docstrings.parameters.get(parameter.name), "docstring"
            if described is None or (
                described.shape is None and described.kind == "array" and annotated is not None and annotated.shape
            ):
                described, source = annotated, "annotations"
            guesses = options(parameter, self.context, described, source)
            if parameter.name in self.guarded:
                guesses = tuple(_within(option, self.guarded[parameter.name]) for option in guesses)
            guesses = tuple(
                replace(option, value=self._with_given(option.value, fixed))
                if isinstance(option.value, dict)
                else option
                for option in guesses
            )
            if guesses:
                found.append(Slot(parameter.name, guesses))
        return found

    def _with_given(self, dictionary: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
        """A dictionary of settings with those entries that the user gave by their own name (``stride``)."""
        own = {p.name for p in self.found.parameters}
        return {key: fixed[key] if key in fixed and key not in own else item for key, item in dictionary.items()}

    def _search(
        self, slots: Sequence[Slot], fixed: Mapping[str, Any], docstrings: DocstringShapes, tried: Tried
    ) -> Iterator[Accepted]:
        letters = {**docstrings.relations, **_letters_of(fixed, docstrings)}
        known = [
            {
                name: replace(one, domain=self.guarded[name]) if name in self.guarded else one
                for name, one in template.items()
            }
            for template in templates(self.context, [slot.name for slot in slots])
        ]
        return search(
            slots, self.found.try_forward, self.seed, self.found.name, self.context, fixed, known, letters, tried
        )  # fmt: skip

    def _not_found(self, slots: Sequence[Slot], tried: Tried) -> Skipped:
        wanted = ", ".join(slot.name for slot in slots if not slot.options[0].left_out)
        if tried.exit is not None:
            message = f"{self.found.forward} exits whatever it is given (SystemExit: {tried.exit})"
            raise ForwardError(message, user_traceback(tried.exit))
        reason = f"no inputs found that {self.found.forward} accepts (for {wanted}; {tried.tries} tried"
        if tried.layout is not None:
            values = tried.layout.values(self.seed, self.found.name)
            reason += (
                f", the first with {', '.join(_told(name, value) for name, value in values.items())}: {tried.error}"
            )
        elif tried.tries:
            reason += ", none with a finite output"
        return self._skipped(f"{reason}); add {self._remedy([s.name for s in slots if not s.options[0].left_out])}")

    def _remedy(self, names: Sequence[str]) -> str:
        maker = _maker_names(self.found)[0]
        inner = ", ".join(f'"{name}": ...' for name in names)
        example = f" or --arg '{self.found.name}:{names[0]}=randn(3,4)'" if names else ""
        return f"`def {maker}(): return {{{inner}}}` to the module{example}"

    def _skipped(self, reason: str) -> Skipped:
        return Skipped(self.names.id, reason, str(self.scope.path), self.found.line)

    # Variations ------------------------------------------------------------------------------------------------------

    def _variations(self, bound: _Bound, fixed: Mapping[str, Any], docstrings: DocstringShapes) -> Iterator[Case]:
        """Cases off the defaults that forward accepts too: other settings, without what is optional, other ranks and sizes."""
        count = 0
        for label, values, must_run in self._proposals(bound, fixed, docstrings):
            if count == MAX_VARIATIONS:
                return
            case = self._case(values)  # None for a setting that it does not have.
            if case is not None and not (must_run and _problem(case) == 2):
                count += 1
                yield replace(case, label=label)

    def _proposals(
        self, bound: _Bound, fixed: Mapping[str, Any], docstrings: DocstringShapes
    ) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """(label, values, whether backward has to run) of each variation; settings that the user gave stay as they are."""
        base = dict(bound.values)
        layout = None if bound.accepted is None else bound.accepted.layout
        for name, old in self._settings(base, fixed, layout):
            for new in self._others(name, old):
                if isinstance(new, dict):
                    new = self._with_given(new, fixed)
                    if new == old:
                        continue
                if name in self.found.construction and not self._matters(base, {**base, name: new}):
                    continue  # A rate of decay, or of an update: it is no part of the function.
                yield _change(name, old, new), {**base, name: new}, needs_backward(old, new)
            if isinstance(old, Mapping) and not variations(name, old):
                for key, item in old.items():
                    for new in self._others(str(key), item) if isinstance(item, int | float | str) else ():
                        yield _change(str(key), item, new), {**base, name: {**old, key: new}}, needs_backward(item, new)
        for parameter in self.found.parameters:
            if parameter.default is None and parameter.name not in fixed:
                yield from self._optional(parameter, base, layout, docstrings)
        for name, value in base.items() if layout is not None else ():
            option = layout.chosen.get(name) if layout is not None else None
            if option is not None and option.described is not None and option.described.domain == "labels":
                repeated = _with_a_repetition(value)
                if repeated is not None and not is_written_at(self.scope, self.found.forward, name):
                    yield f"repeated {name}", {**base, name: repeated}, False
        if docstrings.open_rank:
            for axes in (1, 3):
                other = from_docstrings(self.found.docstrings, self.names.parameters, axes)
                found = next(self._search(self._slots(fixed, other), fixed, other, Tried()), None)
                if found is not None and not _is_guess(found.layout):
                    values = {**found.layout.values(self.seed, self.found.name), **fixed}
                    ranks = [name for name, value in values.items() if _rank(base.get(name)) != _rank(value)]
                    yield f"{', '.join(ranks)} of rank {axes + 1}", values, False
        if layout is not None:
            for sizes, label in _other_sizes(layout):
                changed = replace(layout, sizes_fixed=sizes)
                yield label, {**changed.values(self.seed, self.found.name), **fixed}, False

    def _others(self, name: str, value: Any) -> tuple[Any, ...]:
        """Other values of a setting: of a word, the words that the code knows, where it says which."""
        if isinstance(value, str):
            words = alternatives(self.scope, self.found.forward, self.found.backward, name)
            if words:
                return tuple(word for word in words if word != value)
        return variations(name, value)

    def _settings(
        self, base: Mapping[str, Any], fixed: Mapping[str, Any], layout: Layout | None
    ) -> Iterator[tuple[str, Any]]:
        """Hyper-parameters with the values that they have, where a change of them can reach backward."""
        for parameter in self.found.parameters:
            name = parameter.name
            if name in fixed or not self._reaches_backward(name):
                continue
            option = None if layout is None else layout.chosen.get(name)
            if name in base and (option is None or option.size is not None or not _is_setting(option)):
                continue
            value = base.get(name, parameter.default)
            if isinstance(value, bool | int | float | str | tuple | Mapping):
                yield name, value

    def _matters(self, base: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
        """Whether forward's output is another with a changed setting, or none."""
        before, after = (accepted_output(self.found.try_forward, values) for values in (base, changed))
        return (
            before is None or after is None or len(before) != len(after) or not all(map(np.array_equal, before, after))
        )

    def _reaches_backward(self, name: str) -> bool:
        """Whether backward can know of a setting: it takes it too, or something that forward kept."""
        backward = self.scope.functions.get(self.found.backward)
        if backward is None or self.found.backward == self.found.forward:
            return True
        return any(p.name == name or _KEPT.fullmatch(p.name) for p in backward.parameters)

    def _optional(
        self, parameter: Parameter, base: Mapping[str, Any], layout: Layout | None, docstrings: DocstringShapes
    ) -> Iterator[tuple[str, dict[str, Any], bool]]:
        name = parameter.name
        if base.get(name) is not None:
            yield f"without {name}", {key: value for key, value in base.items() if key != name}, True
            return
        described = docstrings.parameters.get(name) or from_annotation(parameter.annotation)
        word = role(name)
        if described is None and word not in ("mask", "bias", "weight", "scale", "state"):
            return
        required = Parameter(name, parameter.annotation)
        arrays = [
            o
            for o in options(required, self.context, described, "docstring")
            if o.described is not None and o.described.shape
        ]
        slot = Slot(name, tuple(arrays))
        if not arrays:
            return
        found = next(
            search(
                [slot],
                self.found.try_forward,
                self.seed,
                self.found.name,
                self.context,
                base,
                (),
                _known_letters(layout),
            ),
            None,
        )
        if found is not None and name not in found.independent:
            yield f"with {name}", {**base, **found.layout.values(self.seed, self.found.name)}, True


# Helpers -------------------------------------------------------------------------------------------------------------


def _table(module: ModuleType, found: Found) -> dict[str, Any]:
    """The entry of a pair in the module's ``gradtool`` table. Raises ``InputMakerError`` for what is no such table."""
    table = getattr(module, "gradtool", None)
    if not isinstance(table, Mapping):
        return {}
    for name in (found.name, found.forward, _stem(found)):
        entry = table.get(name)
        if entry is None:
            continue
        if not isinstance(entry, Mapping):
            raise InputMakerError(f"gradtool[{name!r}]: a {type(entry).__name__}, where a dictionary is needed")
        unknown = sorted(set(entry) - {"inputs", "settings", "intentional", "skip"})
        if unknown:
            raise InputMakerError(
                f"gradtool[{name!r}]: unknown key {unknown[0]!r}; known are inputs, settings, intentional, skip"
            )
        return dict(entry)
    return {}


def _stem(found: Found) -> str:
    owner, _, method = found.forward.rpartition(".")
    return owner or re.sub(r"_?(forward|fwd|Forward)$", "", method)


def _maker_names(found: Found) -> list[str]:
    stem = _stem(found)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower()
    bases = [found.name.partition("#")[0], stem, found.forward.replace(".", "_"), snake]
    return list(dict.fromkeys(f"{base.replace('.', '_')}_inputs" for base in bases))


def _fitting(value: Any, parameter: Parameter | None, scalar: bool) -> Any:
    """Lists, PyTorch's tensors and JAX's arrays are arrays; a whole number is an ``int`` where the default is one; scalar code
    gets Python floats."""
    if _is_foreign(value):
        try:
            array = np.array(value.detach() if hasattr(value, "detach") else value)
        except (TypeError, RuntimeError):  # On a GPU, sparse, bfloat16.
            return value
        return array if array.dtype.kind in "fiub" else value
    if isinstance(value, list):
        array = np.asarray(value)
        if array.dtype.kind in "iu" and parameter is not None and role(parameter.name) not in ("label", "mask"):
            array = array.astype(np.float64)
        return array if array.dtype.kind in "fiub" else value
    whole = parameter is not None and type(parameter.default) is int
    if isinstance(value, float) and whole and value.is_integer():
        return int(value)
    if scalar and isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0:
        return value.item()
    return value


def _is_foreign(value: Any) -> bool:
    """Whether this is an array of PyTorch's or JAX's."""
    return type(value).__module__.partition(".")[0] in ("torch", "jax", "jaxlib") and hasattr(value, "__array__")


def _within(option: Option, domain: Domain) -> Option:
    """A guess whose numbers lie in a domain, unless something was said of them."""
    described = option.described
    if (
        described is None
        or described.kind not in ("array", "number")
        or not (option.guessed or described.domain == "real")
    ):
        return option
    return replace(option, described=replace(described, domain=domain, bound=None), guessed=True)


def _with_a_repetition(labels: Any) -> Any:
    """The same labels with the first in the place of the last; None where some are the same already, or there are too few."""
    if not isinstance(labels, np.ndarray) or labels.size < 2 or len(np.unique(labels)) < labels.size:
        return None
    found = labels.copy()
    found.flat[-1] = found.flat[0]
    return found


def _problem(case: Case) -> int:
    """The least that is wrong with the shapes that backward gives, over the ways to call it."""
    return min((_problem_of(case, calling) for calling in case.callings), default=2)


def _gradients(case: Case, calling: Calling) -> Mapping[str, Any] | None:
    """What backward gives for a random upstream; None where it raises."""
    rng = np.random.default_rng(0)
    try:
        with quietly():
            run = calling.start(copied(case.values))
            sizes = [np.shape(output) for output in run.outputs]
            upstream = [
                np.ones(size) if calling.upstream == "one" else np.asarray(rng.normal(size=size)) for size in sizes
            ]
            return run.backward(*upstream)
    except (Exception, SystemExit):  # The checker says so, with the user's traceback.
        return None


def _raised(case: Case) -> str | None:
    """What backward raises, called in the likeliest way; None where it does not."""
    try:
        with quietly():
            run = case.callings[0].start(copied(case.values))
            run.backward(*(np.ones(np.shape(output)) for output in run.outputs))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _ignored(bound: _Bound) -> dict[str, Option]:
    """The inputs whose shapes were guessed and whose entries forward's output does not depend on."""
    if bound.accepted is None:
        return {}
    options = {name: bound.accepted.layout.chosen.get(name) for name in bound.accepted.independent}
    return {name: option for name, option in options.items() if option is not None and option.source == "search"}


def _problem_of(case: Case, calling: Calling) -> int:
    gradients = _gradients(case, calling)
    if gradients is None:
        return 2
    wanted = {name: np.shape(case.values[name]) for name in case.wrt}
    given = {name: gradients.get(name) for name in wanted}  # None has no shape, and says nothing of any.
    return 0 if all(one is None or _shape(one) == wanted[name] for name, one in given.items()) else 1


def _may_replace(best: _Bound, mine: Layout, other: Layout) -> bool:
    """Whether another layout may stand for the likeliest one, whose gradients have shapes that are not their inputs'.

    It must not make axes equal for which nothing speaks, nor leave an input out or make a setting of it. And where gradients are
    only not summed over broadcast axes, which is a fault that many make, the broadcasting must stay: it may only be another
    layout of what is broadcast.
    """
    ranks, others = ({name: len(layout.shape(name) or ()) for name in layout.chosen} for layout in (mine, other))
    same = all(_long_axes(mine, name) == _long_axes(other, name) for name in mine.chosen)
    if _repeated(mine) != _repeated(other) or (same and len(other.roots()) < len(mine.roots())):
        return False
    for name, option in mine.chosen.items():
        instead = other.chosen.get(name, option)
        if (instead.left_out and not option.left_out) or (best.problem == 1 and _is_array(option) > _is_array(instead)):
            return False
    unsummed = _unsummed(best.case) if best.problem == 1 else ()
    for name in mine.chosen if unsummed else ():
        if name not in unsummed and ranks[name] != others.get(name):
            return False
        if name in unsummed and _long_axes(other, name) > _long_axes(mine, name):
            return False
    return True


def _is_array(option: Option) -> bool:
    return not option.left_out and option.described is not None and option.described.kind in ("array", "number")


def _long_axes(layout: Layout, name: str) -> int:
    return sum(dimension != "1" for dimension in layout.shape(name) or ()) if name in layout.chosen else 0


def _unsummed(case: Case) -> tuple[str, ...]:
    """The names of gradients that have the shape to which their input is broadcast; empty if any is wrong otherwise."""
    for calling in case.callings:
        gradients = _gradients(case, calling)
        if gradients is None:
            continue
        shapes = {name: (_shape(gradients.get(name)), np.shape(case.values[name])) for name in case.wrt}
        wrong = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
        if all(given is not None and _broadcasts(wanted, given) for given, wanted in wrong.values()):
            return tuple(wrong)
    return ()


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(size in (1, wanted) for size, wanted in pairs)


def _shape(gradient: Any) -> tuple[int, ...] | None:
    shape = getattr(gradient, "shape", None)
    if shape is not None:
        return tuple(shape)
    return np.shape(gradient) if isinstance(gradient, int | float | list) else None


def _letters_of(fixed: Mapping[str, Any], docstrings: DocstringShapes) -> dict[str, str]:
    """The sizes that letters of docstrings have by the arrays that the user gave."""
    found: dict[str, str] = {}
    for name, value in fixed.items():
        described = docstrings.parameters.get(name)
        if (
            isinstance(value, np.ndarray)
            and described is not None
            and described.shape is not None
            and len(described.shape) == value.ndim
        ):
            for dimension, size in zip(described.shape, value.shape, strict=True):
                if dimension.isidentifier() and size > 0:
                    found.setdefault(dimension, str(size))
    return found


def _known_letters(layout: Layout | None) -> dict[str, str]:
    return (
        {} if layout is None else {**layout.letters, **{letter: str(size) for letter, size in layout.sizes().items()}}
    )


def _is_guess(layout: Layout) -> bool:
    """Whether a shape was neither stated nor given."""
    return any(
        option.source == "search"
        and option.described is not None
        and option.described.kind == "array"
        and not option.left_out
        for option in layout.chosen.values()
    )


def _repeated(layout: Layout) -> int:
    """How many axes of one array are as long as another of it."""
    shapes = [[d for d in layout.shape(name) or () if d != "1"] for name in layout.chosen]
    return sum(len(shape) - len(set(shape)) for shape in shapes)


def _is_setting(option: Option) -> bool:
    return option.described is None or option.described.kind == "dictionary"


def _other_sizes(layout: Layout) -> Iterator[tuple[dict[str, int], str]]:
    """One channel, and other heights and widths, for images."""
    images = [
        shape
        for name in layout.chosen
        if (shape := layout.shape(name)) is not None and len(shape) == 4 and _all_letters(shape)
    ]
    if not images:
        return
    sizes = layout.sizes()
    shape = images[0]
    channel = shape[3] if shape[1] in ("H", "n_H", "n_H_prev", "in_rows") else shape[1]
    if sizes[channel] != 1:
        yield {channel: 1}, "one channel"
    other = replace(layout, preference=layout.preference + 1).sizes()
    changed = {
        letter: other[letter]
        for letter in shape
        if letter != channel and letter != shape[0] and other[letter] != sizes[letter]
    }
    if changed:
        yield changed, ", ".join(f"{letter}={size}" for letter, size in changed.items())


def _rank(value: Any) -> int:
    return value.ndim if isinstance(value, np.ndarray) else 0


def _all_letters(shape: Sequence[str]) -> bool:
    return all(dimension.isidentifier() for dimension in shape)


def _change(name: str, old: Any, new: Any) -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return ", ".join(f"{key}={value}" for key, value in new.items() if old.get(key) != value)
    return f"{name}={new}"


def _sources(layout: Layout | None) -> dict[str, str]:
    """Where the arrays and numbers come from; settings do not count."""
    if layout is None:
        return {}
    return {
        name if name not in layout.entries else layout.entries[name][1]: option.source
        for name, option in layout.chosen.items()
        if not option.left_out and option.described is not None and option.described.kind != "dictionary"
    }


def _joined(sources: Mapping[str, str], case: Case) -> str:
    relevant = {name: source for name, source in sources.items() if name in case.values} or sources
    used = set(relevant.values()) or {"search"}
    return "+".join(source for source in _ORDER if source in used)


def _told(name: str, value: Any) -> str:
    """``x (4, 6)``, ``stride = 2``."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{name} {value.shape}"
    if isinstance(value, Mapping):
        inner = {key: item.shape if isinstance(item, np.ndarray) else item for key, item in value.items()}
        return f"{name} = {inner}"
    return f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value!r}"


_DOMAINS: Mapping[str, str] = {
    "labels": "labels {}..{}",
    "mask": "zeros and ones",
    "one-hot": "one-hot rows",
    "one-hot-0": "one-hot columns",
    "sign": "-1 and 1",
    "probabilities": "rows that sum to 1",
    "probabilities-0": "columns that sum to 1",
    "positive": "positive",
    "unit": "between 0 and 1",
}
_WHERE: Mapping[str, str] = {
    "command-line": "given on the command line",
    "module": "given by the module",
    "configuration": "given by the configuration",
    "docstring": "from the docstring",
    "annotations": "from annotations",
    "search": "found by trying",
}


def _notes(layout: Layout | None, bound: _Bound, origins: Mapping[str, str], where: Mapping[str, str]) -> Iterator[str]:
    """What was assumed beside the shapes: which inputs come from where, where that differs or has a name; labels, masks;
    settings. ``where`` has words for each origin."""
    by_source: dict[str, list[str]] = {}
    for name in bound.case.values:
        if name in origins:
            by_source.setdefault(origins[name], []).append(name)
    if len(by_source) > 1 or "inputs-file" in by_source:
        told = (f"{', '.join(by_source[source])} {where[source]}" for source in _ORDER if source in by_source)
        yield "; ".join(told)
    if layout is None:
        return
    domains: list[str] = []
    settings: list[str] = []
    for name, option in layout.chosen.items():
        holder, key = layout.entries.get(name, (name, None))
        if option.left_out or holder not in bound.values:
            continue
        value = bound.values[holder] if key is None else bound.values[holder][key]
        described = option.described
        if described is not None and described.kind == "dictionary":
            inside = {inner for where, inner in layout.entries.values() if where == name}
            constant = {k: v for k, v in value.items() if k not in inside} if isinstance(value, dict) else {}
            if constant:
                settings.append(_told(name, constant))
            continue
        if described is None or not {name, holder, key} & set(bound.case.values):
            settings.append(_told(name, value))
        if described is not None and described.domain in _DOMAINS and np.size(value):
            named = role(_last(name)) in ("label", "mask") and described.domain not in ("unit", "positive")
            why = (" (guessed from its name)" if named else " (guessed)") if option.guessed else ""
            domains.append(f"{name}: {_DOMAINS[described.domain].format(np.min(value), np.max(value))}{why}")
    yield from domains
    if settings:
        yield f"assumed {', '.join(settings)}"


def _last(name: str) -> str:
    return name.partition("['")[2][:-2] if name.endswith("']") else name


def _generators(module: ModuleType, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Random generators that forward may draw from: those of the module, and any that is passed."""
    kinds = (np.random.Generator, np.random.RandomState, random.Random)
    return tuple(value for value in (*vars(module).values(), *values.values()) if isinstance(value, kinds))
