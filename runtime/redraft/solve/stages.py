"""A rule at one layer, solved in stages, each of which can be asked for alone.

==============  ============================================================
stage           made from
==============  ============================================================
inputs          the network, some pictures
whitening       the layer's second moment, contrast, contexts
goal            source (what is wanted), pastes (where)
weights         outline of what is wanted, keep
normal          pastes, weights; of a large problem also whitening
factor          normal, whitening
unconstrained   factor, goal
spectrum        unconstrained, whitening
directions      spectrum, rank; or contexts, whitening, rank
design          pastes, weights, directions
solution        design, goal, whitening, preserve, loss, solver; protected pictures as goals
==============  ============================================================

Strength only scales the solution. Every stage is a pure function of what it is made from, and is
known by that alone: what was made before, for other settings, for another rule of the same network
or for another cell of a sweep, is found and not made again. So a changed setting makes no more than
the stages after it anew, and what is found has the bits of what would be made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from redraft.memory import keys
from redraft.memory.layer import Places
from redraft.memory.moments import Whitening
from redraft.models.generator import LayerInputs
from redraft.solve import goals
from redraft.solve.directions import Spectrum, unconstrained_change
from redraft.solve.folds import Group, Split, dealt
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem, Solution, protecting
from redraft.solve.results import Once, Parts, Results
from redraft.solve.setup import Setup

Value = TypeVar("Value")


class Stages:
    """The stages of a rule. An object holds what it was last asked for, for as long as it lives.

    It does not hold normal matrices, factors and designs, which are large. They are found, as all
    else is, among the results that it shares with others.

    Args:
        setup: what is solved.
        results: where results are shared; by default they are not.

    """

    def __init__(self, setup: Setup, results: Results | None = None) -> None:
        self.setup = setup
        self.results = results or Results()
        self._held: dict[tuple[str, str], tuple[Hashable, Any]] = {}

    def changed(self, **settings: Any) -> Stages:
        """The same rule with other settings, or other places; it holds what this one holds."""
        return self._handed(Stages(replace(self.setup, **settings), self.results))

    def part(self, rows: Iterable[int]) -> Stages:
        """The same rule on some pictures of its goal, and of its contexts where both are one."""
        return self._handed(_Part(self, tuple(rows)))

    def inputs(self, places: Places) -> LayerInputs:
        """What enters the layer for the pictures of some places."""
        make = partial(self.setup.enter, places)
        for role in ("contexts", "pastes"):
            if places is getattr(self.setup, role):
                return self.stage("inputs", places.entering, make, role)
        return self.results.once("inputs", (self.setup.network, places.entering), make)

    @property
    def whitening(self) -> Whitening:
        """Of the layer's moment with that of what the contexts hold elsewhere, as contrast asks."""
        setup = self.setup
        if setup.contrast == 0:
            return setup.whitening

        def make() -> Whitening:
            elsewhere = keys.elsewhere_moment(self.inputs(setup.contexts), setup.contexts.on_keys)
            return Whitening(keys.mix_moments(setup.whitening.moment, elsewhere, setup.contrast))

        return self.stage("whitening", (setup.contrast, setup.contexts.content), make)

    @property
    def goal(self) -> Goal:
        """What is wanted, on whole pictures."""
        make = self.setup.source.goal
        return self.stage("goal", self.goal_key, lambda: make(self, self.setup.pastes))

    def goal_in(self, places: Places) -> Goal:
        """What is wanted in the places of some other pictures."""
        source = self.setup.source
        address = (self.setup.network, (source.content(self), places.content))
        return self.results.once("goal", address, lambda: source.goal(self, places))

    @property
    def fitted(self) -> Goal:
        """What the layer is fitted to: the goal, or a crop of it."""
        if not self.setup.crop:
            return self.goal
        form, cover = self.setup.form, self.setup.pastes.on_keys[0]
        make = goals.crop
        return self.stage("crop", self.goal_key, lambda: make(form, self.goal, form.weight, cover))

    @property
    def weights(self) -> Tensor:
        """(N, H, W), the share of each position in the loss."""
        keep = self.setup.keep
        make = goals.importance
        return self.stage("weights", (self._outline, keep), lambda: make(self.fitted, keep))

    @property
    def problem(self) -> Problem:
        """The rule as an optimisation problem, without directions."""
        # Its tensors are those of other stages.
        plain = self.stage("problem", self._asked, self._problem, share=False)
        return plain.restrained(self.setup.preserve, self.setup.loss)

    @property
    def guarded(self) -> Problem:
        """The problem that is solved: what is protected is to stay as it is besides."""
        if self.setup.protected is None:
            return self.problem
        plain = self.stage("guarded", self._asked, self._guarded, share=False)
        return plain.restrained(self.setup.preserve, self.setup.loss)

    @property
    def unconstrained(self) -> Tensor:
        """(O, C, kh, kw) float64, the change that reaches the goal best, of any rank."""

        def make() -> Tensor:
            # Sums over folds know nothing of what is protected.
            split = self.split if self.setup.protected is None else None
            change = partial(unconstrained_change, once=self.parts, split=split)
            return change(self.guarded, self.whitening)

        return self.stage("unconstrained", self._asked, make)

    @property
    def spectrum(self) -> Spectrum:
        """The directions of the unconstrained change, all of them."""
        make = Spectrum.of
        return self.stage("spectrum", self._asked, lambda: make(self.unconstrained, self.whitening))

    @property
    def directions(self) -> Tensor:
        """(S, C), orthonormal rows: where the change of the weight may be.

        Raises:
            RunError: there are not so many.

        """
        return self.stage("directions", self._directed, self._directions)

    @property
    def solution(self) -> Solution:
        """Directions and coefficients, by the solver.

        Raises:
            RunError: the rule cannot be solved; says why and what to change.

        """
        return self.stage(
            "solution",
            self._solved,
            lambda: self.setup.solver(self.guarded, self.directions, self.parts),
        )

    @property
    def split(self) -> Split:
        """The pictures of the goal as they are dealt to folds, and where their sums are found."""
        pasted, rest = goals.shares(self.fitted, self.setup.keep)
        groups = tuple(Group(rows, self._sums(rows)) for rows in self._dealt)
        return Split(groups, float(pasted), float(rest))

    @property
    def parts(self) -> Once:
        """What a solver is given to find the large parts of its work."""
        return Parts(self.results, self._large)

    def holds(self, name: str) -> bool:
        """Whether ``unconstrained``, ``spectrum``, ``directions`` or ``solution`` is made."""
        later = {"directions": lambda: self._directed, "solution": lambda: self._solved}
        depends = later.get(name, lambda: self._asked)()
        held, address = self._held.get((name, "")), (self.setup.network, depends)
        return (held is not None and held[0] == address) or self.results.holds(name, address)

    # ---- what the stages depend on --------------------------------------------------------------

    @property
    def goal_key(self) -> Hashable:
        """What the goal depends on besides the network."""
        return self.setup.source.content(self), self.setup.pastes.content

    @property
    def _outline(self) -> Hashable:
        """What the weights depend on, besides keep."""
        setup = self.setup
        found = setup.pastes.content, setup.source.outline(self), setup.crop
        return found if setup.protected is None else (*found, setup.protected.content)

    @property
    def _mixing(self) -> Hashable:
        """What the moment depends on."""
        contrast = self.setup.contrast
        return (contrast, self.setup.contexts.content) if contrast else ()

    @property
    def _asked(self) -> Hashable:
        """What a problem depends on, besides preserve and loss."""
        return self.goal_key, self._outline, self.setup.keep, self._mixing

    @property
    def _directed(self) -> Hashable:
        """What directions depend on."""
        setup = self.setup
        if setup.solver.finds_directions:
            return ()
        if setup.directions == "goal":
            return setup.rank, self._asked
        return setup.rank, setup.directions, setup.contexts.content, setup.contrast

    @property
    def _solved(self) -> Hashable:
        """What a solution depends on."""
        setup = self.setup
        return self._directed, self._asked, setup.preserve, setup.loss, setup.solver

    def _large(self, what: str) -> Hashable:
        """What a part of a stage that is large, and is not held, depends on."""
        alone = {"normal": (), "design": (self._directed, type(self.setup.solver))}
        weights = (self.setup.network, self._outline, self.setup.keep)
        return weights, alone.get(what, self._mixing)

    @property
    def _dealt(self) -> tuple[tuple[int, ...], ...]:
        return dealt(self.setup.pastes.drawn)

    def _sums(self, rows: tuple[int, ...]) -> Once:
        """What some of the pictures add to normal matrices, found in whatever goal they are."""
        setup = self.setup
        content = setup.pastes.part(rows).content, setup.source.outline(self), setup.crop
        return Parts(self.results, lambda _: (setup.network, content))

    # ---- how they are made ----------------------------------------------------------------------

    def _problem(self) -> Problem:
        form, moment = self.setup.form, self.whitening.moment
        return Problem(form, form.weight, self.fitted, self.weights, moment, 0.0)

    def _guarded(self) -> Problem:
        places = self.setup.protected
        assert places is not None
        return protecting(self._problem(), self.inputs(places), places.on_values)

    def _directions(self) -> Tensor:
        setup = self.setup
        if setup.solver.finds_directions:
            return setup.form.weight.new_zeros(0, setup.form.weight.shape[1])
        if setup.directions == "goal":
            return self.spectrum.leading(setup.rank, self.whitening)
        inside = keys.context_keys(self.inputs(setup.contexts), setup.contexts.on_keys)
        if setup.directions == "units":
            return keys.unit_directions(inside, setup.population(), setup.rank)
        return keys.directions_of(setup.directions, inside, self.whitening, setup.rank)

    def stage(self, name: str, depends: Hashable, make: Callable[[], Value], role: str = "", *,
               share: bool = True) -> Value:  # fmt: skip
        """A stage as it was made before from just what it depends on, or made now.

        Args:
            name: of the stage.
            depends: what it depends on besides the network.
            make: makes it.
            role: tells one from another where several of a name are held at once.
            share: whether it is looked for, and put, among the shared results.

        """
        address = (self.setup.network, depends)
        held = self._held.get((name, role))
        if held is not None and held[0] == address:
            found: Value = held[1]
            return found
        value = self.results.once(name, address, make) if share else make()
        self._held[name, role] = (address, value)
        return value

    def _handed(self, other: Stages) -> Stages:
        other._held = dict(self._held)
        return other


class _Part(Stages):
    """A rule on some of the pictures of its goal, as if there were no others.

    Contexts in the others are gone too, and so have no part in contrast, directions and an erase.
    """

    def __init__(self, whole: Stages, rows: tuple[int, ...]) -> None:
        setup = whole.setup
        pastes = setup.pastes.part(rows)
        gone = set(setup.pastes.drawn) - set(pastes.drawn)
        left = tuple(n for n, each in enumerate(setup.contexts.drawn) if each not in gone)
        contexts = pastes if setup.pastes is setup.contexts else setup.contexts.part(left)
        super().__init__(replace(setup, contexts=contexts, pastes=pastes), whole.results)
        self.whole = whole
        self.rows, self.context_rows = rows, left  # of the whole's pastes and contexts

    def changed(self, **settings: Any) -> Stages:
        return self._handed(_Part(self.whole.changed(**settings), self.rows))

    def inputs(self, places: Places) -> LayerInputs:
        if places is self.setup.contexts:
            return self.whole.inputs(self.whole.setup.contexts).select(self.context_rows)
        return self.whole.inputs(places)

    @property
    def goal(self) -> Goal:
        if not self._same_goal:
            return super().goal
        make = partial(self.whole.goal.select, self.rows)
        return self.stage("goal", self.goal_key, make, share=False)

    @property
    def goal_key(self) -> Hashable:
        return (self.rows, self.whole.goal_key) if self._same_goal else super().goal_key

    @property
    def _outline(self) -> Hashable:
        return self.rows, self.whole._outline

    @property
    def _dealt(self) -> tuple[tuple[int, ...], ...]:
        place = {row: number for number, row in enumerate(self.rows)}
        left = ([place[row] for row in fold if row in place] for fold in self.whole._dealt)
        return tuple(tuple(fold) for fold in left if fold)

    @property
    def _same_goal(self) -> bool:
        """Whether the other pictures have no part in what is wanted of these."""
        return self.setup.source.content(self) == self.setup.source.content(self.whole)
