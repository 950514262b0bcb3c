"""An experiment made ready: the rule, what it asks for, and the pictures methods are judged by.

Settings and strengths are chosen on one set of unseen pictures, and judged on another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.bench.paper.experiments import Budget, Experiment
from redraft.disk.cache import Cache
from redraft.judge.chance import DRAWS, random_edit
from redraft.judge.effect import draw_unchanged, summarise
from redraft.judge.frechet import frechet
from redraft.judge.intervals import Interval, bootstrap, null_of
from redraft.judge.scores import PictureScores, score_pictures
from redraft.judge.wish import GoalPictures, Wish
from redraft.models import latents as sampling
from redraft.models.batches import draw
from redraft.models.open import choose_device
from redraft.models.samplers import sampler_of
from redraft.plans.loading import load
from redraft.plans.planner import RuleStep, make_plan
from redraft.plans.unseen import unseen
from redraft.rivals.changes import Change, LayerChange, Subject
from redraft.rivals.tuning import Example
from redraft.runs.execute import goal_pictures, wish_of_rule
from redraft.runs.rule import OpenRule
from redraft.runs.session import Session, collect, open_session, opened_rule
from redraft.runs.watch import Progress
from redraft.world.answers import ANSWERS
from redraft.world.drawing import draw as drawn_villages
from redraft.world.judging.features import perceptual, pooled
from redraft.world.judging.followed import TASKS, Bench, bench_of
from redraft.world.scene import LATENT_SIZE
from redraft.world.segmenter import Segmenter, shipped_segmenter

REFERENCE_SEED, REFERENCE_COUNT = 700, 1000
"""Villages drawn under the changed rule, from latents that nothing else uses."""
Figures = dict[str, Interval | float | None]


@dataclass(frozen=True, eq=False)
class Stand:
    """Some pictures, and what is measured on them.

    Attributes:
        subject: the pictures without a change.
        wish: of the rule.
        wanted: (N, 3, H, W), each picture's own goal; None where all have one wish.
        village: by the right answer and the segmenter; None outside of the village.
        reference: (M, 64) features of drawn answers; None outside of the village.

    """

    subject: Subject
    wish: Wish
    wanted: Tensor | None
    village: Bench | None
    reference: NDArray[np.float64] | None

    def outside(self, pictures: Tensor) -> float:
        """The change elsewhere at which methods are compared."""
        if self.village is not None:
            return self.village.outside(pictures).value
        return float(self.scores(pictures).outside.mean())

    def effect(self, pictures: Tensor) -> float:
        """What methods are compared by: the way to the right answer, or the amplitude."""
        if self.village is not None:
            return self.village.way(pictures)
        scores = self.scores(pictures)
        return float(scores.amplitude[scores.counts].mean())

    def scores(self, pictures: Tensor) -> PictureScores:
        """Of each picture, by the rule's wish."""
        subject = self.subject
        return score_pictures(subject.before, pictures, self.wish, self.wanted, subject.spots)

    def figures(self, change: Change, strength: float) -> tuple[Figures, Tensor]:
        """All measures of a change, and its pictures."""
        pictures = change(self.subject, strength)
        scores = self.scores(pictures)
        found = summarise(scores)
        figures: Figures = {
            "share": found.share,
            "null": self.null(change, strength, scores),
            "elsewhere": found.elsewhere,
            "amplitude": found.amplitude,
            "pixel_share": found.pixel_share,
            "pixel_amplitude": found.pixel_amplitude,
            "outside": found.outside,
        }
        if self.village is not None:
            figures |= self._in_village(self.village, pictures)
        return figures, pictures

    def null(self, change: Change, strength: float, scores: PictureScores) -> Interval | None:
        """The share of random changes of the layer with the same size; None of other changes."""
        if not isinstance(change, LayerChange):
            return None
        found = torch.zeros_like(scores.correlation)
        for number in range(DRAWS):
            random = LayerChange(random_edit(change.delta.scaled(strength), number))
            rows = torch.arange(number, len(found), DRAWS)
            part = select(self, rows)
            found[rows] = part.scores(random(part.subject, 1.0)).correlation
        return null_of(found, scores.counts.numpy())

    def _in_village(self, village: Bench, pictures: Tensor) -> Figures:
        tallies = village.tallies(pictures)
        found: Figures = {
            name: tally.interval(share=name == "objects") for name, tally in tallies.items()
        }
        found["outside_wish"] = found.pop("outside")
        distance = tallies["distance"].interval()
        found["way"] = Interval(
            *(1 - each / village.unedited for each in (distance.value, distance.high, distance.low))
        )
        moved = perceptual(village.judge, village.before, pictures, village.changed)
        found["perceptual"] = bootstrap(moved, 0)
        assert self.reference is not None
        found["frechet"] = frechet(pooled(village.judge, pictures), self.reference)
        return found


def select(stand: Stand, rows: Tensor) -> Stand:
    """A few of the pictures, for measures by the wish alone."""
    subject, some = stand.subject, rows.tolist()
    part = Subject(
        generator=subject.generator,
        layer=subject.layer,
        latents=subject.latents[rows],
        inputs=subject.inputs.select(rows),
        before=subject.before[rows],
        spots=None if subject.spots is None else subject.spots.select(some),
        holding=None if subject.holding is None else subject.holding[rows],
    )
    wanted = None if stand.wanted is None else stand.wanted[rows]
    return Stand(part, stand.wish, wanted, None, None)


@dataclass(frozen=True, eq=False)
class Ground:
    """An experiment, ready for any method.

    Attributes:
        experiment: which.
        budget: what is spent.
        session: the unedited model, statistics collected.
        step: of the rule.
        opened: the rule, ready to be solved.
        goal: its goal in pictures.
        choosing: pictures by which settings are chosen.
        judged: others, by which they are judged.

    """

    experiment: Experiment
    budget: Budget
    session: Session
    step: RuleStep
    opened: OpenRule
    goal: GoalPictures
    choosing: Stand
    judged: Stand

    @property
    def example(self) -> Example:
        """What the rule asks for, as pictures of its contexts."""
        return Example(self.opened.placed.pastes.latents, self.goal.wanted)


def prepare(
    experiment: Experiment, recipes: Path, budget: Budget, progress: Progress | None = None
) -> Ground:
    """Open an experiment: its model is left unedited, and its rule is not solved yet."""
    path = recipes / experiment.recipe
    plan = make_plan(load(path), path.parent, device="cpu")
    session = open_session(plan, choose_device("cpu"), Cache(), progress)
    step = plan.rules[0]
    with torch.no_grad():
        collect(session, plan.statistics[0])
        opened = opened_rule(session, step)
        goal, wish = goal_pictures(session, step, opened), wish_of_rule(session, step, opened)
        rows = sampler_of(session.model.generator).rows(
            plan.recipe.latents[0], unseen(plan.recipe, budget.choosing + budget.judged)
        )
        village = _Village.of(experiment)
        stands = [
            _stand(session, step, opened, wish, part, village)
            for part in (rows[budget.judged :], rows[: budget.judged])
        ]
    return Ground(experiment, budget, session, step, opened, goal, *stands)


@dataclass(frozen=True, eq=False)
class _Village:
    """What is the same for all pictures of an experiment in the village."""

    answer: str
    judge: Segmenter
    reference: NDArray[np.float64]

    @classmethod
    def of(cls, experiment: Experiment) -> _Village | None:
        if experiment.answer is None:
            return None
        judge = shipped_segmenter()
        rows = sampling.sample(REFERENCE_SEED, REFERENCE_COUNT, LATENT_SIZE).numpy()
        right = drawn_villages(rows, ANSWERS[experiment.answer]).pictures
        return cls(experiment.answer, judge, pooled(judge, torch.from_numpy(right)))


def _stand(
    session: Session, step: RuleStep, opened: OpenRule, wish: Wish, rows: Tensor,
    village: _Village | None,
) -> Stand:  # fmt: skip
    generator, layer = session.model.generator, step.facts.name
    own = opened.stages.setup.source.anywhere(opened.stages)
    drawn = draw_unchanged(generator, layer, rows, wish, own)
    holding = None
    if drawn.wanted is not None:
        scores = score_pictures(drawn.before, drawn.wanted, wish, drawn.wanted, drawn.spots)
        holding = scores.counts
    subject = Subject(generator, layer, rows, drawn.inputs, drawn.before, drawn.spots, holding)
    bench = None
    if village is not None:
        task = TASKS[village.answer]
        bench = bench_of(task, lambda some: draw(generator, some), rows, village.judge)
    return Stand(subject, wish, drawn.wanted, bench, None if village is None else village.reference)
