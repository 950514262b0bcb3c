"""A whole rule with ``compat davidbau``, against the same put together by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from redraft.memory.layer import Layer
from redraft.memory.moments import Whitening, second_moments
from redraft.memory.placed import place_rule
from redraft.memory.places import Marks
from redraft.memory.search import search
from redraft.models import latents
from redraft.models.arch.dcgan import DCGAN
from redraft.models.arch.proggan import ProgGAN
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.generator import Generator, LayerInputs
from redraft.rivals import davidbau
from redraft.rivals.davidbau import Region
from redraft.rivals.davidbau_layer import entering, layer_of
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.runs.rule import SolvedRule, open_rule, solve_rule
from redraft_dsl import KnownModels, loads

Maker = Callable[..., StyleGAN2]
pytestmark = pytest.mark.usefixtures("one_thread")


def one_picture(generator: Generator, layer: str, index: int) -> LayerInputs:
    row = latents.sample(1, index + 1, generator.facts.latent_size)[index:]
    return generator.inputs(row, [layer])[layer]


RULE = """
rule hat at {layer} {{
  copy    z[1] mask("copy.png" bilinear)
  paste   z[9] mask("paste.png" bilinear)
  context z[2] mask("one.png" bilinear)
  context z[3] mask("two.png" bilinear)
  rank 2  {more}  solver projected-adam {{ compat davidbau  steps 12  rate 0.01 }}
}}
"""
BOXES = {"copy": (9, 20, 50, 71), "paste": (40, 62, 30, 52), "one": (3, 40, 8, 60),
         "two": (70, 101, 60, 99)}  # fmt: skip


def solve(generator: Generator, text: str, folder: Path, latent: int) -> SolvedRule:
    for name, (top, bottom, left, right) in BOXES.items():
        pixels = np.zeros((128, 128, 4), np.uint8)
        # Half transparent, as an edge that somebody painted is: it counts in full.
        pixels[top:bottom, left:right] = (255, 255, 255, 128)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    head = 'edition 2026\nrecipe demo 1.0.0 "Demo"\nlatents z { seed 1  count 30 }\n'
    arch = generator.facts.arch
    head += f'model tiny {{ arch {arch}  weights "tiny.pth" }}\n'
    known = KnownModels(listed={}, architectures=(arch,))
    checked = loads(head + text, known, facts=generator.facts, folder=folder)
    assert checked.recipe is not None, checked.errors
    rule = checked.recipe.rules[0]
    facts = generator.facts.layer(rule.layer)
    assert facts is not None
    rows = latents.batches(1, 30, latent, 20)
    found = second_moments(generator, rows, [facts.name])[facts.name].matrix
    marks = Marks(generator.facts, folder)
    here = Layer(generator, facts, checked.recipe.latents, Whitening(found))
    with torch.no_grad():
        placed = place_rule(here, rule, marks, search(here, rule, marks))
    return solve_rule(open_rule(here, placed))


def cover(name: str, size: int) -> Tensor:
    """The mask on a grid: Pillow's bilinear filter on the red channel, in 8 bits."""
    top, bottom, left, right = BOXES[name]
    pixels = np.zeros((128, 128), np.uint8)
    pixels[top:bottom, left:right] = 255
    small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(small, np.float32) / 255)


def by_hand(generator: Generator, layer: str) -> tuple[Tensor, Tensor, davidbau.Target]:
    """Directions, coefficients and the goal, from the parts that are tested above."""
    facts = generator.facts.layer(layer)
    assert facts is not None
    with torch.no_grad():
        size = generator.facts.latent_size
        rows = latents.sample(1, 30, size)
        everything = davidbau.second_moment(generator, rows.chunk(3), layer)
        form = generator.form(layer)

        def place(name: str, index: int, grid: tuple[int, int]) -> Region:
            inputs = entering(generator, rows[index : index + 1], layer)
            return Region(inputs, cover(name, grid[0]))

        around = [place("one", 2, facts.key_size), place("two", 3, facts.key_size)]
        basis = davidbau.whitened_directions(around, everything, 2)
        patch = davidbau.copied(form, place("copy", 1, facts.value_size))
        wanted = davidbau.pasted(form, place("paste", 9, facts.value_size), patch)
        return (
            basis,
            davidbau.insert(ProjectedAdam(12, 0.01, 10), form, wanted, basis).coefficients,
            wanted,
        )


@pytest.mark.parametrize("arch", ["proggan", "stylegan2", "dcgan"])
def test_a_rule_is_solved_as_by_hand(
    make_proggan: Callable[..., ProgGAN],
    make_stylegan2: Maker,
    make_generator: Callable[..., DCGAN],
    tmp_path: Path,
    arch: str,
) -> None:
    makers: dict[str, Callable[..., Generator]] = {
        "proggan": make_proggan, "stylegan2": make_stylegan2, "dcgan": make_generator,
    }  # fmt: skip
    generator, layer = makers[arch](), "layer6" if arch == "dcgan" else "layer7"
    before = {name: kept.clone() for name, kept in generator.module.state_dict().items()}
    text = RULE.format(layer=layer, more="")
    solved = solve(generator, text, tmp_path, generator.facts.latent_size)
    basis, coefficients, wanted = by_hand(generator, layer)
    assert torch.equal(solved.delta.directions, basis)
    assert torch.equal(solved.delta.coefficients, coefficients)
    assert solved.loss_after < solved.loss_before
    distance = layer_of(generator.form(layer), wanted.inputs)(generator.form(layer).weight)
    assert solved.loss_before == pytest.approx(float((distance - wanted.values).abs().mean()))
    after = generator.module.state_dict()
    assert all(torch.equal(kept, after[name]) for name, kept in before.items())


@pytest.mark.parametrize("directions", ["svd", "mean", "units"])
def test_other_directions_are_theirs_too(
    make_proggan: Callable[..., ProgGAN], tmp_path: Path, directions: str
) -> None:
    generator = make_proggan()
    text = RULE.format(layer="layer7", more=f"directions {directions}")
    if directions == "mean":
        text = text.replace("rank 2", "rank 1")
    found = solve(generator, text, tmp_path, 10).delta.directions
    rank = 1 if directions == "mean" else 2
    assert torch.allclose(found @ found.T, torch.eye(rank), atol=1e-5)
    assert not torch.allclose(found, by_hand(generator, "layer7")[0][:rank], atol=1e-3)
    if directions == "units":
        assert sorted(found.flatten().tolist()) == [0.0] * 22 + [1.0] * 2


def test_an_erase_is_solved_on_the_whole_picture(
    make_proggan: Callable[..., ProgGAN], tmp_path: Path
) -> None:
    generator = make_proggan()
    text = """
    erase mark at layer7 {
      from    z[9] mask("paste.png" bilinear)
      context z[2] mask("one.png" bilinear)
      units 3  rank 1  solver projected-adam { compat davidbau  steps 12  rate 0.01 }
    }
    """
    solved = solve(generator, text, tmp_path, 10)
    form, inputs = generator.form("layer7"), one_picture(generator, "layer7", 9)
    rows = latents.sample(1, 30, 10)
    everything = davidbau.second_moment(generator, rows.chunk(3), "layer7")
    context = Region(one_picture(generator, "layer7", 2), cover("one", 32))
    units = davidbau.unusual_units([context], everything, 3)
    keys = inputs.keys.clone()
    keys[:, units] = 0
    difference = functional.conv2d(inputs.keys - keys, form.weight, padding=1)
    assert solved.loss_before == pytest.approx(float(difference.abs().mean()), rel=1e-4)
    basis = davidbau.whitened_directions([context], everything, 1)
    wanted = davidbau.insert(
        ProjectedAdam(12, 0.01, 10), form, davidbau.erased(form, inputs, units), basis
    )
    assert torch.equal(solved.delta.coefficients, wanted.coefficients)


def test_the_one_context_is_the_paste_and_found_ones_count(
    make_proggan: Callable[..., ProgGAN], tmp_path: Path
) -> None:
    generator = make_proggan()
    copy = '\n  copy z[1] mask("copy.png" bilinear)\n  '
    solver = "\n  rank 1  solver projected-adam { compat davidbau  steps 12  rate 0.01 }\n}"
    one = 'context z[2] mask("one.png" bilinear)'
    alone = "rule hat at layer7 {" + copy + one + solver
    spelled = alone.replace(one, one + '\n  paste z[2] mask("one.png" bilinear)')
    more = alone.replace(
        one,
        one.replace("context", "paste")
        + "\n"
        + one
        + '\n  context like z[2] mask("one.png" bilinear) top 2 among 0..29',
    )
    found = [solve(generator, text, tmp_path, 10) for text in (alone, spelled, more)]
    assert torch.equal(found[0].delta.coefficients, found[1].delta.coefficients)
    assert not torch.equal(found[1].delta.directions, found[2].delta.directions)
    assert [place.score is None for place in found[2].placed.contexts] == [True, False, False]
