"""Places of a recipe as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from redraft.disk.files import sha256_file
from redraft.errors import PlanError
from redraft.memory import layer, places
from redraft.memory.moments import Whitening
from redraft.memory.places import ResolvedPlace
from redraft.models import latents
from redraft.models.arch.dcgan import DCGAN
from redraft.models.samplers import Sampler
from redraft_dsl import KnownModels, Recipe, loads
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Box, Combination, Length, Mask, Place


def place(index: int = 0, block: str = "z", y: tuple[int, int] = (24, 38)) -> Place:
    region = Box(x=(Length(value=12), Length(value=52)),
                 y=(Length(value=y[0]), Length(value=y[1])))  # fmt: skip
    return Place(latents=block, index=index, region=region)


@pytest.fixture
def facts(make_generator) -> ModelFacts:  # type: ignore[no-untyped-def]
    generator: DCGAN = make_generator()
    return generator.facts


def test_a_marked_place_covers_its_pixels(facts: ModelFacts, tmp_path: Path) -> None:
    found = places.resolve(place(7), facts, tmp_path)
    assert (found.latents, found.index, found.score) == ("z", 7, None)
    assert found.area.shape == (64, 64)
    assert found.area[24:38, 12:52].all()
    assert found.area.sum() == 14 * 40
    assert found.box() == (12, 24, 52, 38)


@pytest.fixture
def masked(tmp_path: Path) -> Place:
    path = tmp_path / "eyes.png"
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[10:20, 5:9] = 255
    Image.fromarray(mask).save(path)
    eyes = Mask(path="eyes.png", sha256=sha256_file(path))
    region = Combination(kind="minus", left=eyes, right=place(0, y=(0, 12)).region)
    return Place(latents="z", index=0, region=region)


def test_a_mask_covers_what_is_light(facts: ModelFacts, tmp_path: Path, masked: Place) -> None:
    assert places.resolve(masked, facts, tmp_path).box() == (5, 10, 9, 20)


def test_a_mask_that_vanished_is_told(facts: ModelFacts, tmp_path: Path, masked: Place) -> None:
    (tmp_path / "eyes.png").unlink()
    with pytest.raises(PlanError, match=r"the mask eyes\.png cannot be used: there is no such"):
        places.resolve(masked, facts, tmp_path)


def test_a_mask_that_changed_is_told(facts: ModelFacts, tmp_path: Path, masked: Place) -> None:
    Image.new("L", (64, 64), 255).save(tmp_path / "eyes.png")
    with pytest.raises(PlanError, match=r"the mask eyes\.png has changed since"):
        places.resolve(masked, facts, tmp_path)


@given(st.integers(-64, 64), st.integers(-64, 64))
def test_a_shifted_place_moves_and_loses_what_leaves(dy: int, dx: int) -> None:
    area = np.zeros((64, 64))
    area[20:30, 40:50] = np.arange(1, 101).reshape(10, 10) / 100
    moved = places.shifted(ResolvedPlace("z", 1, area), 9, (dy, dx), 0.5)
    assert (moved.index, moved.score) == (9, 0.5)
    for y in range(64):
        for x in range(64):
            inside = 0 <= y - dy < 64 and 0 <= x - dx < 64
            assert moved.area[y, x] == (area[y - dy, x - dx] if inside else 0.0)


def test_covers_are_area_averages() -> None:
    area = np.zeros((64, 64))
    area[0:12, 0:8] = 1.0
    cover = layer.covers([ResolvedPlace("z", 0, area)], (8, 8))
    assert cover.shape == (1, 8, 8)
    assert cover[0, :3, :2].tolist() == [[1.0, 0.0], [0.5, 0.0], [0.0, 0.0]]
    assert float(cover.sum()) * 64 == area.sum()


RECIPE = """edition 2026
recipe demo 1.0.0 "Demo"
model tiny { arch dcgan  weights "tiny.pth" }
latents z { seed 1  count 50 }
latents other { seed 8  count 50 }
rule plain at layer3 {
  copy    other[4] box(x 12..52, y 24..38)
  context z[3] box(x 12..52, y 24..38)
}
"""


@pytest.fixture
def recipe(facts: ModelFacts) -> Recipe:
    checked = loads(RECIPE, KnownModels(listed={}, architectures=("dcgan",)), facts=facts)
    assert checked.recipe is not None
    return checked.recipe


def test_every_place_gets_the_latent_of_its_own_block(recipe: Recipe) -> None:
    wanted = [("z", 5), ("other", 0), ("z", 2), ("other", 5), ("z", 5)]
    rows = layer.latents_of(recipe.latents, wanted, Sampler("normal", 10))
    for row, (block, index) in zip(rows, wanted, strict=True):
        seed = {"z": 1, "other": 8}[block]
        assert torch.equal(row, latents.sample(seed, 50, 10)[index])


def test_inputs_of_places_are_those_of_their_latents(recipe: Recipe, make_generator) -> None:  # type: ignore[no-untyped-def]
    generator: DCGAN = make_generator()
    facts = generator.facts.layer("layer6")
    assert facts is not None
    none = Whitening(torch.zeros(facts.in_channels, facts.in_channels))
    here = layer.Layer(generator, facts, recipe.latents, none)
    found = here.enter(here.places([ResolvedPlace("other", 3, np.ones((64, 64)))]))
    row = latents.sample(8, 4, 10)[3:]
    assert torch.equal(found.keys, generator.inputs(row, ["layer6"])["layer6"].keys)
