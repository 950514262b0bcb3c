"""The village's generators as anyone gets them: listed, small, licensed, as good as promised."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from redraft.models import latents
from redraft.models.device import device_name
from redraft.models.listed.download import obtain
from redraft.models.listed.entry import Entry, Shipped
from redraft.models.listed.unpacking import WEIGHTS, shipped_file
from redraft.models.listed.villages import VILLAGES
from redraft.models.locate import locate_named
from redraft.models.open import open_base
from redraft.world import measure
from redraft.world.measure import BARS
from redraft.world.segmenter import shipped_segmenter

EACH = pytest.mark.parametrize("entry", VILLAGES, ids=lambda entry: entry.name)


@EACH
def test_a_village_needs_no_network_and_holds_what_the_list_says(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    base = locate_named(entry.name)
    assert base.facts == entry.facts
    assert base.sha256 == entry.source.sha256_head
    model = open_base(base, torch.device(device_name("cpu")))
    assert model.generator.assumed == ()
    assert {tensor.dtype for tensor in model.state.tensors.values()} == {torch.float32}


@EACH
def test_the_file_is_small(entry: Entry) -> None:
    assert isinstance(entry.source, Shipped)
    assert shipped_file(entry.source).stat().st_size <= 12e6


@EACH
def test_the_judge_agrees_with_the_exact_label_maps(entry: Entry) -> None:
    measured = measure.measure(measure.sampler(entry.name), shipped_segmenter(), 150)
    missed = {name: measured.iou[name] for name, bar in BARS.items() if measured.iou[name] < bar}
    assert missed == {}


@EACH
def test_other_latents_give_other_pictures(entry: Entry) -> None:
    sample = measure.sampler(entry.name)
    first, second = (sample(latents.sample(seed, 2, 28)) for seed in (1, 2))
    assert (first - second).abs().mean() > 0.1
    torch.testing.assert_close(sample(latents.sample(1, 2, 28)), first)


def test_the_licence_lies_beside_the_weights() -> None:
    assert (WEIGHTS / "LICENSE").read_text("utf-8").startswith("MIT License")
    said = (WEIGHTS / "README.md").read_text("utf-8")
    assert all(f"`{file.name}`" in said for file in WEIGHTS.glob("*.safetensors"))
    assert all(obtain(entry).path.is_file() for entry in VILLAGES)
