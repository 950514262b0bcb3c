"""``redraft bench solve --arch``: both solvers on networks with seeded random weights, 256 px.

No trained weights are needed, so anyone can repeat it. What is solved says nothing of pictures,
but it has the size of the real thing: the published generators have the same shapes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from redraft.bench.solve import time_solvers
from redraft.explain.words import silent
from redraft.memory import keys
from redraft.memory.boxes import bounding_box
from redraft.memory.moments import Whitening, second_moments
from redraft.models import latents
from redraft.models.arch.families import family_named
from redraft.models.arch.proggan_shapes import PAPER_WIDTHS
from redraft.models.arch.stylegan2.layouts import names_of
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.runs.watch import Progress
from redraft.solve import goals
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem

SIZE = 256
LATENT = 512
RATES = (0.05, 0.01, 0.001)
"""Learning rates tried for the authors' method; the first is their default, and is timed.

A DCGAN's weights are small, and the default throws them far off; the last rate is for it.
"""
POPULATION = 100
"""Latents over which the second moment is taken."""
CONTEXTS = 3
BATCH = 10
REGION = (4 / 16, 12 / 16, 3 / 16, 13 / 16)
"""Top, bottom, left and right of all regions, as shares of the picture."""
DCGAN_WIDTHS = (512, 512, 512, 256, 128, 64)

State = dict[str, Tensor]
Drawn = Callable[..., Tensor]
"""Standard normal numbers of a shape."""


@dataclass(frozen=True)
class Network:
    """One architecture of the bench.

    Attributes:
        layer: that is rewritten, of a size that the paper's authors rewrite.
        layout: how the weights are named.
        weights: makes them.

    """

    layer: str
    layout: str
    weights: Callable[[Drawn, int], State]


@dataclass(frozen=True)
class Seeded:
    """The paper's problem on a random network: one paste, the authors' crop, preserve and keep 0.

    Attributes:
        problem: what is solved.
        context: the keys that directions come from.

    """

    problem: Problem
    context: keys.ContextKeys

    def directions(self, rank: int) -> Tensor:
        """(rank, C), the paper's."""
        return keys.whitened_directions(self.context, Whitening(self.problem.moment), rank)


def bench_architectures(
    names: Sequence[str],
    ranks: Sequence[int],
    *,
    steps: int = 2001,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Time both solvers on each architecture.

    The authors' solver is run at each of :data:`RATES`; its time is that of its default rate, its
    loss the lowest of all. The exact solver's time is the median of three, after one that is not
    counted.

    Returns:
        ``rows``, a list of dictionaries.

    """
    rows = []
    for name in names:
        seeded = seeded_problem(name)
        for number, rank in enumerate(ranks):
            progress(name, number, len(ranks))
            site = (name, NETWORKS[name].layer)
            directions = seeded.directions(rank)
            row, _ = time_solvers(site, seeded.problem, directions, steps, RATES)
            rows.append(row)
    return {"rows": rows}


def seeded_problem(name: str, seed: int = 0) -> Seeded:
    """The problem of one architecture; the same for the same seed on the same machine.

    Args:
        name: one of :data:`NETWORKS`.
        seed: of weights and latents.

    """
    network = NETWORKS[name]
    generator = seeded_generator(name, seed)
    layer = network.layer
    rows = latents.sample(seed + 1, POPULATION, generator.facts.latent_size)
    form = generator.form(layer)
    with torch.no_grad():
        parts = [rows[first : first + BATCH] for first in range(0, POPULATION, BATCH)]
        moments = second_moments(generator, parts, [layer])
        inputs = generator.inputs(rows[: CONTEXTS + 1], [layer])[layer]
        goal = _goal(form, inputs)
        cover = _region(*inputs.keys.shape[2:]).expand(CONTEXTS, -1, -1)
        context = keys.context_keys(inputs.select(range(CONTEXTS)), cover)
    problem = Problem(
        form=form,
        weight=form.weight,
        goal=goal,
        weights=goals.importance(goal, 0.0),
        moment=moments[layer].matrix.double(),
        preserve=0.0,
        loss="l1",
    )
    return Seeded(problem, context)


def seeded_generator(name: str, seed: int = 0) -> Generator:
    """A generator with random weights of the sizes of a fresh network's."""
    build = family_named(name).build
    generator: Generator = build(seeded_weights(name, seed), NETWORKS[name].layout, 1.0)
    return generator


def seeded_weights(name: str, seed: int = 0, size: int = SIZE) -> State:
    """The random weights of :func:`seeded_generator`, as a file holds them.

    Args:
        name: one of :data:`NETWORKS`.
        seed: of the weights.
        size: of the pictures, in pixels; a DCGAN has but one, 256.

    """
    source = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=source)

    return NETWORKS[name].weights(drawn, size)


# ---- the problem ------------------------------------------------------------------------------


def _goal(form: LayerForm, inputs: LayerInputs) -> Goal:
    """The last picture's values pasted into the first, on the authors' crop of the keys."""
    values = form.activate(form.response(inputs, form.weight))
    cover = _region(*values.shape[2:])
    first = inputs.select([0])
    goal = goals.paste(form, first, form.weight, goals.cut(values[-1], cover), [cover])
    window = _Window(*bounding_box(goal.inside[0]))
    cropped = _cropped(first, values.shape[2:], window)
    return replace(
        goal,
        inputs=cropped,
        before=form.activate(form.response(cropped, form.weight)),
        values=window.of(goal.values),
        alpha=window.of(goal.alpha),
        inside=window.of(goal.inside),
    )


@dataclass(frozen=True)
class _Window:
    """A part of all maps of one grid, half-open."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, maps: Tensor, step: int = 1) -> Tensor:
        """That part of maps whose positions stand for ``step`` of the grid along each axis."""
        part = maps[..., self.top // step : self.bottom // step, :]
        return part[..., self.left // step : self.right // step].contiguous()


def _cropped(inputs: LayerInputs, size: Sequence[int], window: _Window) -> LayerInputs:
    """The part of the keys, and of every carried map on the grid of the values."""
    carried: Mapping[str, Tensor] = {
        name: window.of(value) if value.shape[-2:] == tuple(size) else value
        for name, value in inputs.carried.items()
    }
    return LayerInputs(window.of(inputs.keys, size[0] // inputs.keys.shape[2]), carried)


def _region(height: int, width: int) -> Tensor:
    """(h, w), 1 inside the region that everything is about."""
    top, bottom, left, right = REGION
    cover = torch.zeros(height, width, dtype=torch.float64)
    # Outwards to even positions, so that a layer that doubles its keys is cropped at whole keys.
    rows = slice(2 * math.floor(top * height / 2), 2 * math.ceil(bottom * height / 2))
    columns = slice(2 * math.floor(left * width / 2), 2 * math.ceil(right * width / 2))
    cover[rows, columns] = 1.0
    return cover


# ---- the networks -----------------------------------------------------------------------------


def _dcgan(drawn: Drawn, _size: int) -> State:
    state: State = {}
    channels = (LATENT, *DCGAN_WIDTHS, 3)
    for place, (into, out) in enumerate(itertools.pairwise(channels)):
        # Of the 16 taps of a later layer, four reach each position.
        fan = into if place == 0 else 4 * into
        state[f"{3 * place}.weight"] = drawn(into, out, 4, 4) * math.sqrt(2 / fan)
        if out == 3:
            break
        state[f"{3 * place + 1}.weight"] = 1 + 0.1 * drawn(out)
        state[f"{3 * place + 1}.bias"] = 0.1 * drawn(out)
        state[f"{3 * place + 1}.running_mean"] = torch.zeros(out)
        state[f"{3 * place + 1}.running_var"] = torch.ones(out)
        state[f"{3 * place + 1}.num_batches_tracked"] = torch.tensor(0)
    return state


def _proggan(drawn: Drawn, size: int) -> State:
    state: State = {}
    channels = (LATENT, *(width for width in PAPER_WIDTHS[size] for _ in range(2)))
    for number, (into, out) in enumerate(itertools.pairwise(channels), 1):
        kernel = 4 if number == 1 else 3
        state[f"layer{number}.conv.weight"] = drawn(out, into, kernel, kernel)
        state[f"layer{number}.wscale.b"] = 0.1 * drawn(out)
    state[f"output_{size}x{size}.conv.weight"] = drawn(3, channels[-1], 1, 1)
    state[f"output_{size}x{size}.wscale.b"] = torch.zeros(3)
    return state


def _stylegan2(drawn: Drawn, size: int) -> State:
    names = names_of("rosinality", 8, size)
    state: State = {}
    for weight, bias in names.mapping:
        state[weight] = 100 * drawn(LATENT, LATENT)
        state[bias] = torch.zeros(LATENT)
    state[names.constant] = drawn(1, _width(4), 4, 4)
    state[names.mean] = torch.zeros(LATENT)
    into = _width(4)
    for layer in names.layers:
        out = _width(layer.size)
        state[layer.weight] = drawn(1, out, into, 3, 3)
        state[layer.style.weight] = drawn(into, LATENT)
        state[layer.style.bias] = torch.ones(into)
        state[layer.strength] = 0.1 * drawn(1)
        state[layer.noise] = drawn(1, 1, layer.size, layer.size)
        state[layer.bias] = 0.1 * drawn(out)
        if layer.kernel is not None:
            state[layer.kernel] = _blur()
        into = out
    for colour in names.colours:
        width = _width(colour.size)
        state[colour.weight] = drawn(1, 3, width, 1, 1)
        state[colour.style.weight] = drawn(width, LATENT)
        state[colour.style.bias] = torch.ones(width)
        state[colour.bias] = torch.zeros(1, 3, 1, 1)
        if colour.kernel is not None:
            state[colour.kernel] = _blur()
    return state


def _width(size: int) -> int:
    return min(512, 32768 // size)


def _blur() -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return 4 * torch.outer(taps, taps) / 64


NETWORKS: Mapping[str, Network] = {
    "dcgan": Network("layer6", "sequential", _dcgan),
    "proggan": Network("layer6", "layers", _proggan),
    "stylegan2": Network("layer8", "rosinality", _stylegan2),
}
