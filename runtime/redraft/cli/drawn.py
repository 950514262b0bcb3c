"""Which model and which latents a person means who asks for pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from redraft.cli.arguments.generators import named_generator
from redraft.cli.packs import is_picture
from redraft.cli.planning import plan_file, warn_of_cache
from redraft.cli.screen import Reporter
from redraft.models.listed.catalog import TRUNCATING
from redraft.models.locate import Base, locate_named
from redraft.plans.shipped import SUFFIX
from redraft.share.pack import is_pack
from redraft_dsl.recipe.model import Latents


@dataclass(frozen=True)
class Chosen:
    """What was typed beside the model; None for what was not."""

    seed: int | None = None
    truncation: float | None = None
    label: int | None = None
    arch: str | None = None
    weights_set: str | None = None


def is_recipe(name: str) -> bool:
    """Whether a word stands for a recipe and not for a model."""
    return name.endswith(SUFFIX) or is_pack(name) or is_picture(name)


def chosen(model: str, said: Chosen, count: int, reporter: Reporter) -> tuple[Base, Latents]:
    """The model and the latents of which ``count`` are drawn.

    Args:
        model: a listed name, a model file, or a recipe with its model.
        said: what was typed beside it; it goes before what the recipe says.
        count: images from 0 on.
        reporter: of progress.

    Raises:
        RedraftError: the model cannot be had, or the recipe has errors.

    """
    if is_recipe(model):
        if said.arch is not None or said.weights_set is not None:
            raise click.UsageError("a recipe says how its model is read; leave --arch out")
        plan = plan_file(model, "cpu", reporter)
        base, block = plan.base, plan.recipe.latents[0]
    else:
        warn_of_cache()
        base = locate_named(
            model, reporter.download, named_generator(), said.arch, said.weights_set
        )
        block = Latents(name="z", seed=1, count=count)
    if said.truncation is not None:
        base = replace(base, truncation=_possible(base, said.truncation))
    more = {"seed": block.seed if said.seed is None else said.seed}
    more["count"] = max(block.count, count)
    if said.label is not None:
        if said.label >= base.facts.classes:
            raise click.UsageError(
                f"--class {said.label}: the model has {base.facts.classes or 'no'} classes"
            )
        more["label"] = said.label
    return base, block.model_copy(update=more)


def _possible(base: Base, truncation: float) -> float:
    if base.facts.arch not in TRUNCATING:
        able = " and ".join(TRUNCATING)
        raise click.UsageError(f"--truncation is for {able}, not {base.facts.arch}")
    return truncation
