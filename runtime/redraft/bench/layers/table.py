"""A rule of the village located, and then judged at every layer by the right answer.

The locating never sees an answer. A layer is *good* if its distance to the right answer is the
smallest of all layers', or within :data:`NEAR` of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from redraft.disk.cache import Cache
from redraft.errors import ModelError
from redraft.live.canvas import Canvas
from redraft.models.open import choose_device, open_base
from redraft.models.samplers import sampler_of
from redraft.plans.loading import load, loads
from redraft.plans.planner import Plan, make_plan
from redraft.plans.unseen import unseen
from redraft.runs.locate import Candidate, locate_rule
from redraft.runs.session import Distance
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta
from redraft.world.named import answers_for
from redraft_dsl import print_recipe
from redraft_dsl.recipe.model import ListedModel

NEAR = 0.1
"""By what share a layer's distance may be above the smallest for the layer to be good."""
COUNT = 150


@dataclass(frozen=True)
class LayerRow:
    """A layer with the rule's own settings.

    Attributes:
        layer: its name.
        score: by which it is compared with others; see :class:`redraft.runs.locate.Candidate`.
        gain: of left-out contexts.
        agreement: of left-out contexts.
        side: of left-out contexts.
        amplitude: of left-out contexts.
        pixel_agreement: of left-out contexts; None without a wish in pixels.
        distance: of unseen pictures to the right answer; None where it cannot be solved.

    """

    layer: str
    score: float
    gain: float
    agreement: float
    side: float
    amplitude: float
    pixel_agreement: float | None
    distance: float | None


@dataclass(frozen=True)
class LocatedRule:
    """What was recommended for a rule, and what would have been best.

    Attributes:
        rule: its name, which is that of its answer.
        model: its model.
        unedited: distance of the pictures without the rule.
        layers: every layer, in the order of the network.
        recommended: the layer; None where none was.
        seconds: that locating took, after the model was open.

    """

    rule: str
    model: str
    unedited: float
    layers: tuple[LayerRow, ...]
    recommended: str | None
    seconds: float

    @property
    def best(self) -> LayerRow:
        """The layer with the smallest distance."""
        return min(self.layers, key=_distance)

    @property
    def chosen(self) -> LayerRow | None:
        """The recommended layer with the rule's own settings."""
        return next((row for row in self.layers if row.layer == self.recommended), None)

    @property
    def good(self) -> bool:
        """Whether the recommended layer is the best, or near enough."""
        return self.chosen is not None and _distance(self.chosen) <= (1 + NEAR) * _distance(
            self.best
        )


def _distance(row: LayerRow) -> float:
    return float("inf") if row.distance is None else row.distance


def locate_and_judge(
    path: Path,
    model: str | None = None,
    *,
    count: int = COUNT,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> LocatedRule:
    """Locate a recipe's first rule, and take the distance to the right answer at every layer.

    Args:
        path: of the recipe; its first rule is named after an answer, as ``domes-to-spires``.
        model: another model of the list than the recipe's own.
        count: how many unseen pictures.
        cache: where statistics are cached.
        progress: called with how far it is.

    Raises:
        ModelError: there is no answer of the rule's name.
        PlanError: it cannot be located.

    """
    plan = _plan(path, model)
    name = plan.rules[0].rule.name
    answer = answers_for(plan).get(name)
    if answer is None:
        raise ModelError(
            "RD698",
            f"no right answer to `{name}` is known",
            "name the rule after an answer of the village, such as `domes-to-spires`",
        )
    started = time.perf_counter()
    found = locate_rule(plan, name, device="cpu", cache=cache, progress=progress)
    seconds = time.perf_counter() - started
    own = [each for each in found.candidates if each.settings == found.settings]
    pictures = _Pictures.of(plan, answer, count)
    return LocatedRule(
        rule=name,
        model=plan.base.name,
        unedited=pictures.distance(()),
        layers=tuple(_row(each, pictures) for each in own),
        recommended=None if found.recommended is None else found.recommended.layer,
        seconds=seconds,
    )


def _plan(path: Path, model: str | None) -> Plan:
    checked = load(path)
    if model is not None and checked.recipe is not None:
        recipe = checked.recipe.model_copy(update={"model": ListedModel(name=model)})
        checked = loads(print_recipe(recipe), folder=path.parent)
    return make_plan(checked, path.parent, device="cpu")


@dataclass(frozen=True)
class _Pictures:
    """Unseen pictures, and what they should be."""

    canvas: Canvas
    plan: Plan
    numbers: tuple[int, ...]
    answer: Distance

    @classmethod
    def of(cls, plan: Plan, answer: Distance, count: int) -> _Pictures:
        canvas = Canvas.of(open_base(plan.base, choose_device("cpu")).generator)
        return cls(canvas, plan, tuple(unseen(plan.recipe, count)), answer)

    def distance(self, changes: Sequence[Delta]) -> float:
        """Of the pictures with some changes to the right answer."""
        block = self.plan.recipe.latents[0]
        drawn = self.canvas.draw(block, list(self.numbers), changes)
        pictures = torch.cat([part.pictures for part in drawn]).cpu().numpy()
        rows = sampler_of(self.canvas.generator).rows(block, list(self.numbers)).numpy()
        return self.answer(pictures, rows)


def _row(each: Candidate, pictures: _Pictures) -> LayerRow:
    far = None
    if each.change is not None:
        far = pictures.distance((*each.before, each.change))
    return LayerRow(
        layer=each.layer,
        score=each.score,
        gain=each.gain,
        agreement=each.agreement,
        side=each.side,
        amplitude=each.amplitude,
        pixel_agreement=each.pixel_agreement,
        distance=far,
    )
