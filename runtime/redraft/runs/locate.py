"""Which layer, and which settings, a rule is best written with: every layer tried.

No picture that is judged later is looked at. A candidate is scored by what it does to contexts that
it was not solved for (see :mod:`redraft.judge.leftout`): *amplitude*, how strongly their pictures
change as the layer's goal asks, times *agreement*, how well the change goes with what was wished.
The one alone does not say whether pictures change in the right direction, and the other not by how
much.

The goal of a layer is drawn by that layer, and a layer that draws an ugly one may reach it
faithfully. So the agreement is with a wish in pixels, in which no layer has a part: for a rule,
the pixels that it copies in the place of the contexts; for an erase, what other pictures have
there on the mean. An invert has none, and must agree with its own goal. The goal of an erase
silences units, which are other things in every layer, so its amplitude is in pixels too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event

import torch
from torch import Tensor

from redraft.disk.cache import Cache
from redraft.errors import PlanError, RunError
from redraft.explain.words import percent
from redraft.judge.advice import more
from redraft.judge.effect import judged_batches
from redraft.judge.leftout import LEAST, LeftOut
from redraft.judge.wish import GoalPictures, draw_goal
from redraft.memory.marked import marked_pictures
from redraft.models.device import device_name
from redraft.models.open import choose_device
from redraft.models.samplers import sampler_of
from redraft.plans.obeying import still_held
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, replanned
from redraft.runs.execute import goal_pictures, left_out_of, solve_step
from redraft.runs.memo import MOST, Shared
from redraft.runs.rule import OpenRule, SolvedRule, solve_rule
from redraft.runs.session import Session, collect, network_before, open_session, opened_rule
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta
from redraft_dsl.recipe.model import Erase, Preserve, Solved, Zero

LEAST_SCORE = 0.05
"""Below this nothing is recommended: hardly any left-out context follows."""
WORTH = 1.15
"""By how much other settings must be better than the rule's own to be recommended."""
SIDE = 2.0
"""By how much their side effect may be larger."""
UNLIKE = "RD422"
"""The code of a place that does not stand out at a layer; it may at another."""
ALIKE = 0.15
"""Least mean correlation of a context's goal with those of the others, to be called alike."""
ORDINARY = 400
"""Most other pictures over which it is taken what is ordinary in the place of an erase."""
LARGE = 0.5
"""A copy that covers more of the layer's grid than this is large."""


@dataclass(frozen=True)
class Settings:
    """What is tried at a layer."""

    rank: int
    keep: float
    preserve: float


RELAXED = Settings(32, 0.5, 0.03)
"""Where pictures differ much, these more than doubled what a rule of a foreign generator did."""
LOW_GAIN = 0.35
"""They are tried below this gain: they take long, and change more elsewhere."""


@dataclass(frozen=True)
class Candidate:
    """A layer and settings, tried.

    Attributes:
        layer: its name.
        settings: what it was tried with.
        gain: of left-out contexts; 0 where it cannot be solved.
        agreement: of left-out contexts, likewise.
        side: their side effect.
        amplitude: how strongly their pictures change as the goal asks, or, for an erase, as the
            wish in pixels does.
        pixel_agreement: how well their change agrees with the wish in pixels; None without one.
        change: what it does to the layer; None where it cannot be solved.
        before: the changes of the rules before it.
        problem: why it cannot be solved.

    """

    layer: str
    settings: Settings
    gain: float = 0.0
    agreement: float = 0.0
    side: float = 0.0
    amplitude: float = 0.0
    pixel_agreement: float | None = None
    change: Delta | None = field(default=None, repr=False)
    before: tuple[Delta, ...] = field(default=(), repr=False)
    problem: str | None = None

    @property
    def score(self) -> float:
        """Amplitude times agreement, in pixels where it can be; 0 where one is below 0."""
        agreement = self.agreement if self.pixel_agreement is None else self.pixel_agreement
        return max(self.amplitude, 0.0) * max(agreement, 0.0)


@dataclass(frozen=True)
class Location:
    """All that was tried of a rule.

    Attributes:
        rule: its name.
        layer: where the recipe has it.
        settings: those of the recipe.
        candidates: in the order of the network.
        recommended: the best one; None where none will do.
        reason: why, in a sentence.

    """

    rule: str
    layer: str
    settings: Settings
    candidates: tuple[Candidate, ...]
    recommended: Candidate | None
    reason: str


def locate_rule(
    plan: Plan,
    rule: str,
    *,
    device: str = "auto",
    cache: Cache | None = None,
    progress: Progress | None = None,
    cancel: Event | None = None,
    shared: Shared | None = None,
) -> Location:
    """Try a rule at every layer, with its own settings and with others.

    Args:
        plan: of its recipe.
        rule: its name.
        device: auto, cpu, cuda or cuda:N.
        cache: where statistics are cached.
        progress: called with (what is being done, done, in all).
        cancel: set it to stop.
        shared: a model that is open already; by default it is read from its file.

    Raises:
        PlanError: there is no such rule, it is not one that is solved, or it has too few contexts
            to leave some out.
        CancelledError: ``cancel`` was set.

    """
    found, own = _solvable(plan, rule)
    trial = _Trial(plan, found, device, cache or Cache(), progress, cancel, shared or Shared(MOST))
    layers = plan.base.facts.layer_names()
    tried = list(trial.tried([(layer, own) for layer in layers]))
    best = max(tried, key=lambda each: each.score)
    tried += trial.tried([(best.layer, each) for each in _others(best)])
    order = {layer: place for place, layer in enumerate(layers)}
    tried.sort(key=lambda each: order[each.layer])
    chosen = _choose(tried, own)
    reason = trial.why_not(best.layer, own) if chosen is None else _why(chosen, own, tried)
    return Location(rule, found.layer, own, tuple(tried), chosen, reason)


def _solvable(plan: Plan, name: str) -> tuple[Solved, Settings]:
    """A rule of a plan, and its own settings."""
    step = next((step for step in plan.rules if step.rule.name == name), None)
    if step is None:
        raise PlanError("RD402", f"the recipe has no rule `{name}`", "name one that is on")
    rule = step.rule
    if isinstance(rule, Zero):
        raise PlanError(
            "RD406",
            f"`{rule.name}` is a `zero`, which nothing is solved for",
            "locate a `rule`, an `erase` or an `invert`",
        )
    if step.positions < LEAST:
        raise PlanError(
            "RD407",
            f"`{rule.name}` has {step.positions} contexts, and {LEAST} are needed to leave one out",
            more(searched=bool(step.matches)),
        )
    # `side` chooses a preserve of its own at each layer, which takes long; its default is tried.
    weight = rule.restraint.weight if isinstance(rule.restraint, Preserve) else 0.3
    return rule, Settings(rule.rank, rule.keep, weight)


def _others(best: Candidate) -> list[Settings]:
    """Other settings to try at the best layer: each changed alone, and all relaxed together."""
    own = best.settings
    found = [
        replace(own, rank=own.rank * 2),
        replace(own, rank=max(1, own.rank // 2)),
        replace(own, preserve=float(f"{own.preserve / 3:.2g}")),
        replace(own, keep=own.keep / 2),
    ]
    if best.gain < LOW_GAIN:
        found.append(RELAXED)
    return [each for each in found if each != own]


def _choose(tried: Sequence[Candidate], own: Settings) -> Candidate | None:
    """The best candidate that has a score, and not much more side effect than the rule's own."""
    mine = {each.layer: each for each in tried if each.settings == own}
    best = max(mine.values(), key=lambda each: each.score)
    for each in sorted(tried, key=lambda each: -each.score):
        limit = SIDE * max(mine[each.layer].side, 0.02)
        if each.score > WORTH * best.score and each.side <= limit:
            best = each
            break
    return best if best.score >= LEAST_SCORE else None


def _why(chosen: Candidate, own: Settings, tried: Sequence[Candidate]) -> str:
    in_pixels = chosen.pixel_agreement is not None
    agreement = chosen.pixel_agreement if in_pixels else chosen.agreement
    said = f"left-out contexts follow best at {chosen.layer}: amplitude {chosen.amplitude:.2f}, "
    said += f"agreement {agreement:.2f}{' in pixels' if in_pixels else ''}"
    passed = _passed_over(chosen, own, tried)
    if chosen.settings == own:
        return f"{said}, with the rule's own settings{passed}"
    parts = [
        f"{name} {getattr(chosen.settings, name):g}"
        for name in ("rank", "keep", "preserve")
        if getattr(chosen.settings, name) != getattr(own, name)
    ]
    mine = next(each for each in tried if (each.layer, each.settings) == (chosen.layer, own))
    price = f"side effect {percent(chosen.side)} in place of {percent(mine.side)}"
    better = f"score {chosen.score:.3f} in place of {mine.score:.3f}, {price}"
    return f"{said}, with {' and '.join(parts)} ({better}){passed}"


def _passed_over(chosen: Candidate, own: Settings, tried: Sequence[Candidate]) -> str:
    """Why what has a higher score was not chosen; nothing where there is none."""
    higher = [each for each in tried if each.score > chosen.score]
    mine = {each.layer: each.side for each in tried if each.settings == own}
    wide = sum(each.side > SIDE * max(mine[each.layer], 0.02) for each in higher)
    little = percent(WORTH - 1)
    reasons = [
        f"{count} {'scores' if count == 1 else 'score'} higher but {why}"
        for count, why in (
            (wide, f"with more than {SIDE:g} times the side effect"),
            (
                len(higher) - wide,
                f"by less than {little}, too little for other settings",
            ),
        )
        if count
    ]
    return f"; {' and '.join(reasons)}" if reasons else ""


@dataclass(frozen=True)
class _Trial:
    """What all candidates of a rule have in common."""

    plan: Plan
    rule: Solved
    device: str
    cache: Cache
    progress: Progress | None
    cancel: Event | None
    shared: Shared

    def tried(self, wanted: Sequence[tuple[str, Settings]]) -> Iterator[Candidate]:
        """Each layer and settings, solved with parts of the contexts left out."""
        erase = isinstance(self.rule, Erase)
        plans = [self._plan(layer, settings) for layer, settings in wanted]
        statistics = [step for plan in plans for step in plan.statistics]
        for (layer, settings), plan in zip(wanted, plans, strict=True):
            try:
                session, _, solved = self._solved(plan, statistics)
            except (RunError, PlanError) as error:
                yield Candidate(layer, settings, problem=_only_here(error))
                continue
            left = solved.left_out or LeftOut(0.0, 0.0, 0.0, 0.0, ())
            yield Candidate(
                layer,
                settings,
                left.gain,
                left.agreement or 0.0,
                left.side,
                (left.pixel_amplitude if erase else left.amplitude) or 0.0,
                left.pixel_agreement,
                solved.delta,
                tuple(done.delta for done in session.finished),
            )

    def why_not(self, layer: str, settings: Settings) -> str:
        """Why nothing will do, as far as the goals of the contexts tell."""
        try:
            _, opened, solved = self._solved(self._plan(layer, settings), ())
        except (RunError, PlanError) as error:
            return _only_here(error)
        alike = _likeness(self.shared, opened, solved)
        if alike < ALIKE:
            return (
                "the contexts are unlike each other: what the rule would draw in one of them says "
                f"little of the others (mean correlation {alike:.2f}); mark places that look alike"
            )
        if float(solved.goal.alpha.mean()) > LARGE:
            return "what is copied covers most of the picture; copy less, or use a later layer"
        return "no layer sees what the contexts have in common; mark more of them, more alike"

    def _plan(self, layer: str, settings: Settings) -> Plan:
        restraint = Preserve(weight=settings.preserve)
        update = {"rank": settings.rank, "keep": settings.keep, "restraint": restraint}
        changed = self.rule.model_copy(update={**update, "layer": layer})
        rules = tuple(changed if r is self.rule else r for r in self.plan.recipe.rules)
        recipe = self.plan.recipe.model_copy(update={"rules": rules})
        held = self.plan.lock
        places = None if held is None else still_held(held, self.plan.recipe, recipe)
        return replanned(self.plan, recipe, self.cache, device_name(self.device), places)

    def _solved(
        self, plan: Plan, statistics: Sequence[StatisticsStep]
    ) -> tuple[Session, OpenRule, SolvedRule]:
        session = open_session(
            plan,
            choose_device(self.device),
            self.cache,
            self.progress,
            self.shared,
            cancel=self.cancel,
        )
        step = self._prepared(session, statistics)
        session.progress(f"{self.rule.name} at {step.facts.name}", 0, 1)
        with torch.no_grad():
            opened = opened_rule(session, step)
            drawn = partial(_drawn, session, step, opened)
            return session, opened, left_out_of(session, step, solve_rule(opened), drawn)

    def _prepared(self, session: Session, statistics: Sequence[StatisticsStep]) -> RuleStep:
        """The rule's step, on the network as the rules before it left it."""
        for step in session.plan.steps:
            if isinstance(step, StatisticsStep):
                collect(session, step, statistics)
            elif step.rule.name == self.rule.name:
                return step
            else:
                session.finished.append(solve_step(session, step, evaluate=False))
        raise AssertionError("the rule is in the plan")


def _only_here(error: RunError | PlanError) -> str:
    """What is wrong at one layer; a problem of the whole recipe is raised again."""
    if isinstance(error, PlanError) and error.code != UNLIKE:
        raise error
    return error.message


def _drawn(session: Session, step: RuleStep, opened: OpenRule) -> GoalPictures:
    """The pictures of a rule's goal, with a wish in pixels for an erase too."""
    drawn = goal_pictures(session, step, opened)
    if not isinstance(step.rule, Erase):
        return drawn
    return replace(drawn, pasted=_ordinary(session, step, drawn))


def _ordinary(session: Session, step: RuleStep, drawn: GoalPictures) -> Tensor:
    """The pictures of a goal with what others have there on the mean in the contexts' place."""
    block, marked = session.plan.recipe.latents[0], marked_pictures(step.rule)
    numbers = [n for n in range(block.count) if (block.name, n) not in marked][:ORDINARY]

    def make() -> Tensor:
        generator = session.model.generator
        rows = sampler_of(generator).rows(block, numbers).to(session.device)
        sums = [generator.sample(part).double().sum(0) for part in judged_batches(generator, rows)]
        return torch.stack(sums).sum(0) / len(numbers)

    address = (network_before(session.plan, step), tuple(numbers))
    mean = session.shared.once("ordinary", address, make).to(drawn.present)
    cover = drawn.regions.to(drawn.present)[:, None]
    return drawn.present + cover * (mean - drawn.present)


@torch.no_grad()
def _likeness(shared: Shared, opened: OpenRule, solved: SolvedRule) -> float:
    """Mean correlation of the change that one context asks for with that of the others."""
    layer = opened.layer
    areas = solved.placed.pastes.areas
    drawn = draw_goal(layer.generator, layer.facts.name, solved.goal, areas)
    shared.check()
    return drawn.likeness()
