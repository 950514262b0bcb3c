"""Models of any size are run in batches that fit, and batches change nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from redraft.judge import leftout
from redraft.judge.wish import wish_between, wish_of
from redraft.memory import keys
from redraft.models import batches, latents
from redraft.models.batches import (
    batch_size,
    draw,
    draw_values,
    inputs_in_parts,
    inputs_of_all,
    together,
)
from redraft.models.generator import Generator
from redraft.models.listed.catalog import FACES, known_models
from redraft.models.listed.published import stylegan2_facts
from redraft.plans.loading import loads
from redraft.plans.planner import make_plan
from redraft.plans.unseen import judged
from redraft.runs.runner import run_plan
from redraft.show.report.outputs import report_data
from redraft.solve.problem import Problem
from redraft_dsl.facts import ModelFacts

Maker = Callable[..., Generator]
MAKERS = ("make_generator", "make_proggan", "make_stylegan2")


def bare(height: int, width: int) -> ModelFacts:
    return ModelFacts(arch="dcgan", image_size=(height, width), latent_size=4, layers=())


@pytest.mark.parametrize(
    ("size", "most", "wanted"),
    [
        ((64, 64), 200, 200),
        ((64, 64), 50, 50),
        ((128, 128), 200, 50),
        ((256, 256), 200, 12),
        ((512, 256), 200, 6),
        ((1024, 1024), 200, 1),
        ((4096, 4096), 200, 1),
    ],
)
def test_larger_pictures_go_in_smaller_batches(
    size: tuple[int, int], most: int, wanted: int
) -> None:
    assert batch_size(bare(*size), most) == wanted


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_no_tensor_of_a_batch_is_larger_than_what_was_laid_down(size: int) -> None:
    facts = stylegan2_facts(size)
    for layer in facts.layers:
        height, width = layer.value_size
        pictures = together(facts, layer.name)
        assert pictures * layer.out_channels * height * width <= batches.ELEMENTS
        height, width = layer.key_size
        found = batch_size(facts, layers=[layer.name])
        assert found >= 1
        assert found * layer.in_channels * height * width <= batches.ELEMENTS
    # The last of several layers decides, in whatever order and by whatever name they are given.
    last = facts.layers[-1]
    assert batch_size(facts, layers=[last.names[1], "layer2"]) == batch_size(
        facts, layers=[last.name]
    )


def test_the_listed_faces_are_computed_in_as_few_batches_as_ever() -> None:
    facts = known_models().listed[FACES.name]
    assert batch_size(facts) == batches.MOST
    for layer in facts.layers:
        assert batch_size(facts, 100, [layer.name]) == 100
        assert together(facts, layer.name) > 400


@pytest.mark.parametrize("maker", MAKERS)
def test_batches_change_nothing(
    maker: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    make: Maker = request.getfixturevalue(maker)
    generator = make()
    rows = latents.sample(1, 7, generator.facts.latent_size)
    whole = generator.sample(rows)
    layer = generator.facts.layers[1].name
    inputs = generator.inputs(rows, [layer])[layer]
    form = generator.form(layer)
    values = form.activate(form.response(inputs, form.weight))
    assert len(list(inputs_in_parts(generator, rows, layer))) == 1
    monkeypatch.setattr(batches, "POSITIONS", 3 * whole.shape[2] * whole.shape[3])
    torch.testing.assert_close(draw(generator, rows), whole)
    torch.testing.assert_close(draw_values(generator, layer, values, inputs), whole)
    monkeypatch.setattr(batches, "ELEMENTS", 3 * max(inputs.keys[0].numel(), values[0].numel()))
    assert len(list(inputs_in_parts(generator, rows, layer))) > 1
    found = inputs_of_all(generator, rows, layer)
    torch.testing.assert_close(found.keys, inputs.keys)
    assert found.carried.keys() == inputs.carried.keys()
    torch.testing.assert_close(form.activate(form.response(found, form.weight)), values)
    torch.testing.assert_close(generator.pictures(layer, values, found), whole)


def test_figures_do_not_depend_on_batches(
    make_generator: Maker, make_problem: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_problem(dtype=torch.float32)
    goal, generator = problem.goal, make_generator()
    regions = torch.zeros(len(goal.inputs), 64, 64)
    regions[:, 20:40, 10:50] = 1
    cover = torch.zeros(len(goal.inputs), *goal.inputs.keys.shape[2:])
    cover[:, 1:3, 1:3] = 1

    def figures() -> tuple[Any, ...]:
        weight = problem.weight + 0.01
        wish = wish_of(generator, "layer3", goal, regions)
        found = leftout.reached(problem, goal, weight)
        elsewhere = keys.elsewhere_moment(goal.inputs, cover)
        between = wish_between(goal.before[:, :3], goal.values[:, :3], regions[:, ::8, ::8])
        per_picture = (wish.change, between.change, found.per_picture, elsewhere)
        return *per_picture, torch.tensor([wish.size, between.size, found.gain, found.side])

    whole = figures()
    monkeypatch.setattr(batches, "ELEMENTS", 2 * goal.values[0].numel())
    for one, other in zip(whole, figures(), strict=True):
        assert float(one.abs().max()) > 0
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("one_thread")
def test_large_pictures_are_kept_reduced(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A report's pictures are held at once, and are shown small."""
    body = "".join(
        f"{head} {{\n{copy}" + "".join(f"  context z[{i}] all\n" for i in (1, 2, 3)) + "rank 2\n}\n"
        for head, copy in (("rule a at layer6", "  copy z[0] all\n"), ("erase b at layer3", ""))
    )
    path = workshop.recipe(body, count=30)
    recipe = loads(path.read_text(), path.parent)
    run = run_plan(make_plan(recipe, path.parent), out=tmp_path / "out", device="cpu")
    whole = report_data(run)
    monkeypatch.setattr("redraft.show.report.outputs.SHOWN_SIDE", 16)
    monkeypatch.setattr(batches, "ELEMENTS", 5 * 16 * 32 * 32)
    small = report_data(run)
    for one, other in zip(whole.rules, small.rules, strict=True):
        tiles = zip((*one.contexts, *one.unseen), (*other.contexts, *other.unseen), strict=True)
        for large, reduced in tiles:
            # The same pictures, chosen and drawn part by part.
            assert large.label == reduced.label
            for name in ("before", "after", "goal"):
                wanted = getattr(large, name)
                if wanted is not None:
                    wanted = torch.nn.functional.avg_pool2d(wanted, 4)
                    torch.testing.assert_close(getattr(reduced, name), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "count"), [(32, 400), (64, 400), (128, 400), (256, 100), (512, 25), (1024, 24)]
)
def test_fewer_large_pictures_are_judged(side: int, count: int) -> None:
    text = """edition 2026
recipe demo 1.0.0 "Demo"
model faces
latents z { seed 1  count 600 }
rule demo at layer6 {
  copy    z[3] all
  context z[5] all
}
"""
    recipe = loads(text).recipe
    assert recipe is not None
    assert judged(recipe, bare(side, side)) == list(range(600, 600 + count))
