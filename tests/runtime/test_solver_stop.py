"""When the exact solver stops: not before it is done, on any kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from redraft.memory.keys import orthonormal
from redraft.memory.moments import second_moments
from redraft.models.generator import Generator
from redraft.solve import goals
from redraft.solve.exact.solver import ExactSolver
from redraft.solve.problem import Problem

RANKS, PRESERVES = (1, 3, 6), (0.0, 0.03, 0.3, 3.0)
LAYERS = {
    "dcgan": ("layer3", "layer6"),
    "proggan": ("layer2", "layer3", "layer4"),
    "stylegan2": ("layer2", "layer3", "layer4"),
    "sequential": ("layer3", "layer6", "layer10"),
}
Makers = dict[str, Callable[..., Generator]]


@pytest.fixture(scope="module")
def makers(
    make_generator: Any, make_proggan: Any, make_stylegan2: Any, make_sequential: Any
) -> Makers:
    made = (make_generator, make_proggan, make_stylegan2, make_sequential)
    return dict(zip(LAYERS, made, strict=True))


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def insert(generator: Generator, layer: str, seed: int, count: int, **asked: Any) -> Problem:
    """A patch of one picture, pasted into ``count`` others at a layer of a generator."""
    form, size = generator.form(layer), generator.facts.latent_size
    inputs = generator.inputs(noise(seed + 1, count + 1, size), [layer])[layer]
    values = form.activate(form.response(inputs, form.weight))
    height, width = values.shape[2:]
    cover = torch.zeros(height, width, dtype=torch.float64)
    cover[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = 1.0
    pasted, patch = inputs.select(range(count)), goals.cut(values[count], cover)
    goal = goals.paste(form, pasted, form.weight, patch, [cover] * count)
    moment = second_moments(generator, [noise(seed + 2, 60, size)], [layer])[layer].matrix
    weights = goals.importance(goal, asked.pop("keep"))
    return Problem(form, form.weight, goal, weights, moment, **asked)


@pytest.mark.parametrize("kind", LAYERS)
@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    which=st.integers(0, 2),
    seed=st.integers(0, 1000),
    count=st.integers(1, 4),
    keep=st.sampled_from([0.0, 1.0, 5.0]),
    loss=st.sampled_from(["l1", "l2"]),
)
@torch.no_grad()
def test_the_loss_never_rises_as_preserve_falls_or_the_rank_grows(
    makers: Makers, kind: str, which: int, seed: int, count: int, keep: float, loss: str
) -> None:
    layer = LAYERS[kind][which % len(LAYERS[kind])]
    problem = insert(makers[kind](seed % 7), layer, seed, count, keep=keep, preserve=0.0, loss=loss)
    basis = orthonormal(noise(seed + 3, RANKS[-1], problem.weight.shape[1]).double())
    solver = ExactSolver(iterations=200)
    found = {
        (rank, preserve): solver(replace(problem, preserve=preserve), basis[:rank])
        for rank in RANKS
        for preserve in PRESERVES
    }
    for (rank, preserve), one in found.items():
        for (more, less), other in found.items():
            if more >= rank and less <= preserve:
                assert other.loss_after <= one.loss_after + 0.01 * one.loss_before


@torch.no_grad()
def test_a_channel_that_no_step_has_helped_yet_is_waited_for(makers: Makers) -> None:
    """Half of the channels of a modulated layer reject their first steps at this rank."""
    generator = makers["stylegan2"](3)
    problem = insert(generator, "layer3", 3, 2, keep=0.0, preserve=0.0, loss="l2")
    basis = orthonormal(noise(5, 8, problem.weight.shape[1]).double())
    found = ExactSolver()(problem, basis)
    moved = found.coefficients.flatten(1).abs().amax(1) > 0
    assert moved.all(), "every channel has taken a step"


@torch.no_grad()
def test_why_it_stopped_is_told(makers: Makers) -> None:
    problem = insert(makers["proggan"](0), "layer3", 1, 2, keep=1.0, preserve=0.3, loss="l2")
    basis = orthonormal(noise(5, 3, problem.weight.shape[1]).double())
    few, enough = ExactSolver(2)(problem, basis), ExactSolver(60)(problem, basis)
    assert (few.iterations, few.converged) == (2, False)
    assert enough.iterations < 60
    assert enough.converged
    assert enough.loss_after <= few.loss_after
