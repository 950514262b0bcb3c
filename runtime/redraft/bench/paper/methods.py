"""The methods that compete, each with its sweep of settings. The rule itself has one, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from redraft.bench.paper.ground import Ground
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.samplers import sampler_of
from redraft.rivals.changes import Change, LayerChange
from redraft.rivals.freely import Ablation, ProjectedGradient, Unranked
from redraft.rivals.pixels import Blend, EditTransfer, manners
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.rivals.tuning import fine_tuned, latent_direction, style_channels
from redraft.runs.rule import open_rule, solve_rule
from redraft.solve.problem import Solver
from redraft.solve.stages import Stages
from redraft_dsl.recipe.model import Erase, Insert, Invert, Place

OURS, CHOSEN = "redraft, as the recipe has it", "redraft, best of its sweep"
RATES = (3e-4, 1e-3, 3e-3, 1e-4, 1e-2, 3e-5)
"""Rates for descents on weights. A quick run takes the first few of any sweep."""
NETWORK_RATES = (1e-3, 3e-4, 3e-3, 1e-4, 1e-2, 3e-5)
LATENT_RATES = (0.03, 0.1, 0.01, 0.3, 0.003, 1.0)
UNITS = (30, 60, 10, 20, 5, 90)
PAPER_UNITS = (30, 60)
"""The numbers of units that the paper compares the removal of watermarks with."""
PAPER_SETTINGS = ((1, 3e-3), (4, 1e-3), (8, 3e-4), (1, 1e-2), (4, 3e-3), (8, 1e-3))
"""Rank and rate of projected Adam on the paper's own objective."""
SWEEP: tuple[dict[str, float], ...] = (
    {},
    {"keep": 20.0},
    {"rank": 16, "preserve": 1.0},
    {"rank": 16, "keep": 20.0},
    {"preserve": 0.1},
    {"rank": 16, "keep": 0.5, "preserve": 0.03},
)
"""The rule's own sweep; the first is the recipe as it stands."""


@dataclass(frozen=True)
class Trial:
    """One setting of a method.

    Attributes:
        setting: in words.
        fit: makes the change.

    """

    setting: str
    fit: Callable[[], Change]


@dataclass(frozen=True)
class Method:
    """A method and its sweep.

    Attributes:
        name: what the page calls it.
        trials: its settings.
        missing: why it cannot be tried here; "" where it can.
        matched: whether its strength is set to the reference's change elsewhere; the reference
            itself has its own.

    """

    name: str
    trials: tuple[Trial, ...] = ()
    missing: str = ""
    matched: bool = True


def methods(ground: Ground) -> tuple[Method, ...]:
    """The rule first, at its own strength, and then everything at equal change elsewhere."""
    most = ground.budget.settings
    found = [_ours(ground), *_on_the_layer(ground), *_on_the_network(ground), *_on_pixels(ground)]
    return (
        Method(OURS, found[0].trials[:1], matched=False),
        *(Method(each.name, each.trials[:most], each.missing, each.matched) for each in found),
    )


def _ours(ground: Ground) -> Method:
    stages = ground.opened.stages

    def fit(settings: dict[str, float]) -> Change:
        if not settings:
            return LayerChange(solve_rule(ground.opened).delta)
        return _solved(ground, stages.changed(**settings))

    trials = [Trial(_words(settings), partial(fit, settings)) for settings in SWEEP]
    return Method(CHOSEN, tuple(trials))


def _words(settings: dict[str, float]) -> str:
    said = ", ".join(f"{name} {value:g}" for name, value in settings.items())
    return said or "as the recipe has it"


@torch.no_grad()
def _solved(ground: Ground, stages: Stages) -> LayerChange:
    rule, layer = ground.step.rule, ground.step.facts.name
    return LayerChange(stages.solution.delta(rule.name, layer).scaled(rule.strength))


def _on_the_layer(ground: Ground) -> Iterator[Method]:
    steps, stages = ground.budget.steps, ground.opened.stages
    sweeps: dict[str, list[tuple[str, Solver]]] = {
        "one layer without the rank constraint": [
            (f"rate {rate:g}", Unranked(steps, rate)) for rate in RATES
        ],
        "projected gradient only": [
            (f"rate {rate:g}", ProjectedGradient(steps, rate)) for rate in RATES
        ],
        "the authors' projected Adam, our goal": [
            (f"rate {rate:g}", ProjectedAdam(steps, rate)) for rate in RATES
        ],
    }
    for name, solvers in sweeps.items():
        trials = [Trial(said, partial(_fitted, ground, each, stages)) for said, each in solvers]
        yield Method(name, tuple(trials))
    name = "the authors' projected Adam, their goal"
    if isinstance(ground.step.rule, Insert):
        yield Method(name, tuple(_papers(ground)))
    else:
        yield Method(name, missing="the rule copies nothing")
    yield from _ablations(ground)


def _ablations(ground: Ground) -> Iterator[Method]:
    stages, name = ground.opened.stages, "unit ablation"
    if isinstance(ground.step.rule, Invert):
        yield Method(name, missing="it removes, and this rule swaps")
        return
    channels, coverage = stages.setup.form.weight.shape[1], ground.opened.placed.pastes.on_keys
    trials = {
        units: Trial(f"{units} units", partial(_fitted, ground, Ablation(units, coverage), stages))
        for units in UNITS
        if units < channels
    }
    yield Method(name, tuple(trials.values()))
    if isinstance(ground.step.rule, Erase):
        yield from (Method(f"{name}, the paper's {n}", (trials[n],)) for n in PAPER_UNITS)


@torch.no_grad()
def _fitted(ground: Ground, solver: Solver, stages: Stages) -> LayerChange:
    solution = solver(stages.problem, stages.directions)
    return LayerChange(solution.delta(ground.step.rule.name, ground.step.facts.name))


def _papers(ground: Ground) -> Iterator[Trial]:
    """Projected Adam on the paper's objective: one paste, the contexts' directions, no keep."""
    placed, layer = ground.opened.placed, ground.opened.layer
    assert isinstance(placed.rule, Insert)
    marked = [context for context in placed.rule.context if isinstance(context, Place)]
    for rank, rate in PAPER_SETTINGS:
        settings = {"rank": rank, "keep": 0.0, "contrast": 0.0, "directions": "context"}
        rule = placed.rule.model_copy(update={**settings, "paste": (marked[0],)})

        def fit(rule: Insert = rule, rate: float = rate) -> Change:
            there = replace(placed, rule=rule, pastes=placed.contexts.part([0]))
            stages = open_rule(layer, there).stages.changed(preserve=0.0, loss="l1")
            return _fitted(ground, ProjectedAdam(ground.budget.steps * 4, rate), stages)

        yield Trial(f"rank {rank}, rate {rate:g}", fit)


def _on_the_network(ground: Ground) -> Iterator[Method]:
    generator, example = ground.session.model.generator, ground.example
    steps = ground.budget.network_steps
    yield Method(
        "all weights fine-tuned",
        tuple(
            Trial(f"rate {rate:g}", partial(fine_tuned, generator, example, rate, steps))
            for rate in NETWORK_RATES
        ),
    )
    yield Method(
        "a latent direction",
        tuple(
            Trial(f"rate {rate:g}", partial(latent_direction, generator, example, rate, steps))
            for rate in LATENT_RATES
        ),
    )
    name = "a single style channel"
    if not isinstance(generator, StyleGAN2):
        yield Method(name, missing="only StyleGAN2 has styles")
        return
    count = len(LATENT_RATES)
    channels = style_channels(generator, example, count)
    trials = (Trial(f"the channel ranked {n}", partial(_given, each))
              for n, each in enumerate(channels, 1))  # fmt: skip
    yield Method(name, tuple(trials))


def _given(change: Change) -> Change:
    return change


PIXELS: tuple[tuple[str, Literal["copy", "laplacian", "poisson"]], ...] = (
    ("edit transfer, pixels copied", "copy"),
    ("edit transfer, Laplacian blend", "laplacian"),
    ("edit transfer, Poisson blend", "poisson"),
)


def _on_pixels(ground: Ground) -> Iterator[Method]:
    source = _source(ground)
    for name, blend in PIXELS:
        if source is None:
            yield Method(name, missing="there is no one thing to copy")
        else:
            yield Method(name, tuple(_transfers(ground, blend, *source)))


def _source(ground: Ground) -> tuple[Tensor, Tensor] | None:
    """The picture (3, H, W) and the region (H, W) that pixels are copied from."""
    generator, placed = ground.session.model.generator, ground.opened.placed
    if placed.copy is not None:
        return generator.sample(placed.copy.latents)[0], placed.copy.areas[0]
    if ground.experiment.clean is None:
        return None
    block = ground.session.plan.recipe.latents[0]
    clean = sampler_of(generator).rows(block, [ground.experiment.clean])
    return generator.sample(clean)[0], placed.contexts.areas[0]


def _transfers(ground: Ground, blend: Blend, picture: Tensor, region: Tensor) -> Iterator[Trial]:
    inside = ground.judged.wish.inside
    for manner in manners(blend):
        change = EditTransfer(picture, region, inside, manner)
        yield Trial(str(manner), partial(_given, change))
