"""The bench on random networks: problems of the published sizes, the same in every run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from redraft.bench import architectures
from redraft.bench.architectures import NETWORKS, bench_architectures, seeded_problem
from redraft.models.arch.families import recognise
from redraft.models.arch.proggan_shapes import facts_for
from redraft.models.listed.published import stylegan2_facts


def empty(*shape: int) -> Tensor:
    """Takes the place of random numbers where only shapes matter, at no cost."""
    return torch.zeros(()).expand(shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_sizes_of_the_published_ones(name: str) -> None:
    state = NETWORKS[name].weights(empty, 256)
    found = recognise({tensor: tuple(value.shape) for tensor, value in state.items()})
    assert (found.facts.arch, found.layout) == (name, NETWORKS[name].layout)
    assert (found.facts.image_size, found.facts.latent_size) == ((256, 256), 512)
    layer = found.facts.layer(NETWORKS[name].layer)
    assert layer is not None
    assert (layer.in_channels, layer.out_channels) == (512, 512)
    published = {"proggan": facts_for(256), "stylegan2": stylegan2_facts(256)}
    assert published.get(name, found.facts) == found.facts


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """DCGANs of a few channels, and latents over a few pictures: what is tested needs no more."""
    monkeypatch.setattr(architectures, "DCGAN_WIDTHS", (16, 16, 12, 8, 6, 4))
    monkeypatch.setattr(architectures, "POPULATION", 20)


@pytest.mark.usefixtures("thin", "one_thread")
def test_the_goal_is_the_authors_crop_and_the_problem_repeats() -> None:
    one, other = seeded_problem("dcgan"), seeded_problem("dcgan")
    goal = one.problem.goal
    assert goal.inputs.keys.shape == (1, 16, 4, 6)
    assert goal.before.shape == goal.values.shape == (1, 12, 8, 12)
    assert torch.all(goal.inside == 1)
    assert torch.equal(goal.values, other.problem.goal.values)
    assert torch.equal(one.directions(3), other.directions(3))
    assert not torch.equal(goal.values, seeded_problem("dcgan", seed=1).problem.goal.values)
    values = one.problem.form.activate(one.problem.form.response(goal.inputs, one.problem.weight))
    assert torch.equal(values, goal.before)
    assert torch.allclose(one.directions(3) @ one.directions(3).T, torch.eye(3).double())


@pytest.mark.usefixtures("thin", "one_thread")
def test_both_solvers_are_timed_at_every_rank() -> None:
    told: list[tuple[str, int, int]] = []
    found = bench_architectures(
        ["dcgan"], [1, 2], steps=20, progress=lambda *step: told.append(step)
    )
    assert [row["rank"] for row in found["rows"]] == [1, 2]
    assert told == [("dcgan", 0, 2), ("dcgan", 1, 2)]
    for row in found["rows"]:
        assert (row["arch"], row["layer"]) == ("dcgan", "layer6")
        assert row["loss_exact"] < row["loss_adam"]
        assert row["loss_exact"] < row["loss_start"]
        assert row["ratio"] == pytest.approx(row["seconds_adam"] / row["seconds_exact"])
        assert row["rate_adam"] in architectures.RATES
