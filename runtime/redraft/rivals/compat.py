"""A rule with ``compat davidbau``, from its recipe to its solution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from redraft.memory import keys
from redraft.memory.moments import key_rows
from redraft.memory.places import ResolvedPlace, latents_of
from redraft.models import latents
from redraft.rivals import davidbau
from redraft.rivals.davidbau import AuthorsAdam, Marked, Wanted
from redraft.rivals.davidbau_layer import entering
from redraft.runs.site import Site
from redraft.solve.problem import Solution
from redraft_dsl.recipe.model import Erase, Insert, ProjectedAdamSolver

POPULATION = 1 << 16
"""About how many keys a unit's quantiles are counted over; theirs are estimated from a sample."""


def reproduce(site: Site, rule: Insert | Erase, contexts: Sequence[ResolvedPlace]) -> Solution:
    """Solve a rule as the paper authors' code does; changes nothing in the network.

    Statistics are taken anew: theirs see other noise, and are added up in float32.

    Args:
        site: where the rule works.
        rule: one whose ``compat`` is set; so it has one paste.
        contexts: every context place, as the site gives them.

    Raises:
        RunError: the rule cannot be solved; says why and what to change.

    """
    solver = cast(ProjectedAdamSolver, rule.solver)
    with torch.no_grad():
        marked = [_marked(site, place, site.facts.key_size) for place in contexts]
        moment = _moment(site)
        directions = _directions(site, rule, marked, moment)
        written = rule.paste if isinstance(rule, Insert) else rule.source
        # The checker lets `each context` pass where there is one context.
        place = contexts[0] if isinstance(written, str) else site.place(written[0])
        wanted = _wanted(site, rule, _marked(site, place, site.facts.value_size), marked, moment)
        adam = AuthorsAdam(solver.steps, solver.rate, solver.every)
        return adam(site.form, wanted, directions)


def _wanted(
    site: Site, rule: Insert | Erase, target: Marked, contexts: Sequence[Marked], moment: Tensor
) -> Wanted:
    if isinstance(rule, Erase):
        units = davidbau.unusual_units(contexts, moment, rule.units)
        return davidbau.erased(site.form, target.inputs, units)
    source = _marked(site, site.place(rule.copy_from), site.facts.value_size)
    return davidbau.pasted(site.form, target, davidbau.copied(site.form, source))


def _directions(
    site: Site, rule: Insert | Erase, contexts: Sequence[Marked], moment: Tensor
) -> Tensor:
    match rule.directions:
        case "svd":
            return davidbau.inverted_directions(contexts, moment, rule.rank)
        case "mean":
            return davidbau.mean_direction(contexts, moment)
        case "units":
            inside = keys.ContextKeys(
                torch.cat([key_rows(each.inputs.keys) for each in contexts]).double(),
                torch.cat([each.cover.reshape(-1) for each in contexts]).double(),
            )
            return keys.unit_directions(inside, _population(site), rule.rank)
        case _:
            return davidbau.whitened_directions(contexts, moment, rule.rank)


def _marked(site: Site, place: ResolvedPlace, size: tuple[int, int]) -> Marked:
    """Run alone, since noise goes by a picture's place in its batch."""
    row = latents_of(site.recipe, [place], site.generator.facts.latent_size)
    inputs = entering(site.generator, row.to(site.moment.device), site.facts.name)
    return Marked(inputs, torch.from_numpy(place.on_grid(size)).to(inputs.keys))


def _moment(site: Site) -> Tensor:
    block = site.recipe.latents[0]
    return davidbau.second_moment(site.generator, _batches(site, block.count), site.facts.name)


def _population(site: Site) -> Tensor:
    count, (height, width) = site.recipe.latents[0].count, site.facts.key_size
    # An odd step goes through all columns in turn.
    step = count * height * width // POPULATION | 1
    parts = [
        key_rows(entering(site.generator, batch, site.facts.name).keys)[::step]
        for batch in _batches(site, count)
    ]
    return torch.cat(parts)


def _batches(site: Site, count: int) -> Iterator[Tensor]:
    seed, size = site.recipe.latents[0].seed, site.generator.facts.latent_size
    for batch in latents.batches(seed, count, size, davidbau.BATCH):
        yield batch.to(site.moment.device)
