"""Each kind of file in docs/formats.md is read as its owner means it, or named for what it is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from tests.docs.kind_files import KINDS, Kind

from redraft.disk.digest import raw_bytes
from redraft.errors import ModelError
from redraft.models.arch.said import Said
from redraft.models.checkpoint.weights import load_state, write_state
from redraft.models.locate import Base, locate_file
from redraft.models.open import open_base

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
READ = [kind for kind in KINDS if not kind.refused]
NAMED = [kind for kind in KINDS if kind.refused]
each_read = pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.name)
CLOSE = 5e-5
"""Of pictures whose weights are scaled before a convolution here and after it there."""


def located(path: Path, kind: Kind) -> Base:
    return locate_file(path, "m", kind.arch, Said(**(kind.settings or {})))


def rows() -> list[tuple[str, str]]:
    text = PAGE.read_text(encoding="utf-8").partition("\n## Kinds of files\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return [(cell[0], cell[1]) for cell in cells]


def test_the_table_has_a_row_for_each_kind() -> None:
    assert rows() == [(kind.name, kind.arch or "named") for kind in KINDS]
    assert len(KINDS) >= 20


@each_read
def test_it_draws_what_its_owner_s_code_draws(kind: Kind, tmp_path: Path) -> None:
    path, draw = kind.write(tmp_path)
    assert draw is not None
    base = located(path, kind)
    generator = open_base(base, torch.device("cpu")).generator
    latents = torch.randn(5, base.facts.latent_size, generator=torch.Generator().manual_seed(1))
    expected = draw(latents)
    assert expected.std() > 0.02
    assert torch.allclose(generator.sample(latents), expected, rtol=0, atol=CLOSE)
    assert base.facts.arch == kind.arch
    assert base.header.taken == kind.taken


@each_read
def test_its_layers_are_known_from_the_head_of_the_file(kind: Kind, tmp_path: Path) -> None:
    path, _ = kind.write(tmp_path)
    base = located(path, kind)
    generator = open_base(base, torch.device("cpu")).generator
    plain = {"behind": None, "joined": False}
    found = [layer.model_copy(update=plain) for layer in generator.facts.layers]
    assert found == list(base.facts.layers)
    assert generator.facts.image_size == base.facts.image_size


@each_read
def test_an_edited_copy_keeps_all_else(kind: Kind, tmp_path: Path) -> None:
    path, _ = kind.write(tmp_path)
    state = load_state(path)
    base = located(path, kind)
    name = open_base(base, torch.device("cpu")).generator.weight_name(base.facts.layer_names()[0])
    full = next(each for each in state.tensors if state.header.bare(each) == name)
    # Twice is exact in every precision.
    write_state(tmp_path / "edited.pth", {full: 2 * state.tensors[full]}, state)
    after = load_state(tmp_path / "edited.pth")
    assert after.header.taken == state.header.taken
    assert list(after.tensors) == list(state.tensors)
    for each, tensor in state.tensors.items():
        expected = 2 * tensor if each == full else tensor
        assert raw_bytes(after.tensors[each]) == raw_bytes(expected)
        assert after.tensors[each].dtype == tensor.dtype
    if state.header.foreign:
        assert pickles(tmp_path / "edited.pth") == pickles(path)


def pickles(path: Path) -> bytes:
    """What lies beside the tensors, byte for byte."""
    with zipfile.ZipFile(path) as archive:
        return next(archive.read(n) for n in archive.namelist() if n.endswith("data.pkl"))


@pytest.mark.parametrize("kind", NAMED, ids=lambda kind: kind.name)
def test_what_is_not_read_is_named(kind: Kind, tmp_path: Path) -> None:
    path, _ = kind.write(tmp_path)
    with pytest.raises(ModelError) as caught:
        locate_file(path, "m")
    assert caught.value.code == "RD626"
    assert kind.refused in caught.value.message
    assert caught.value.help
    for words in ("0 px", "whole and as it was saved", "0 transposed convolutions"):
        assert words not in str(caught.value)


def test_the_other_weights_of_a_file_are_a_setting_away(tmp_path: Path) -> None:
    kind = next(each for each in KINDS if each.taken == "generator_smooth")
    path, _ = kind.write(tmp_path)
    smooth, trained = load_state(path), load_state(path, "generator")
    assert (smooth.header.others, trained.header.others) == (
        ("generator",),
        ("generator_smooth",),
    )
    name = next(iter(smooth.tensors))
    assert torch.equal(smooth.tensors[name] + 1, trained.tensors[name])
    with pytest.raises(ModelError, match="has no set of weights `generater`") as caught:
        load_state(path, "generater")
    assert "`generator_smooth`" in str(caught.value.help)


def test_what_no_file_holds_is_said(tmp_path: Path) -> None:
    kind = next(each for each in KINDS if each.name == "DCGAN with leaky ReLU")
    path, _ = kind.write(tmp_path)
    assert located(path, kind).assumed == (
        "leaky ReLU 0.2 behind its layers",
        "batch norm with eps 1e-05",
        "tanh at its end",
        "all of its 10 input numbers are noise",
    )
    assert located(path, kind).identity != locate_file(path, "m").identity


def test_a_safetensors_file_sorts_its_names_and_is_read_all_the_same(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for kind in READ:
        path, draw = kind.write(tmp_path)
        assert draw is not None
        tensors = {name: each.contiguous() for name, each in load_state(path).tensors.items()}
        save_file(tensors, tmp_path / "model.safetensors")
        base = located(tmp_path / "model.safetensors", kind)
        generator = open_base(base, torch.device("cpu")).generator
        latents = torch.randn(2, base.facts.latent_size)
        assert torch.allclose(generator.sample(latents), draw(latents), rtol=0, atol=CLOSE)
