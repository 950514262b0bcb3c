"""``redraft extract``: an edit from two checkpoints, whatever program changed the second."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tests.cli.conftest import Invoke, tiny_state


def files(changes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The unedited model and another one, in ``base.pth`` and ``edited.pth``."""
    state = tiny_state()
    after = {name: tensor + changes.get(name, 0) for name, tensor in state.items()}
    torch.save({"netG_state_dict": state}, "base.pth")
    torch.save(after, "edited.pth")
    return after


def low_rank(shape: tuple[int, ...], rank: int) -> torch.Tensor:
    """A change of a transposed convolution (C, O, kh, kw) with so many directions of keys."""
    source = torch.Generator().manual_seed(3)
    left = torch.randn(shape[0], rank, generator=source)
    right = torch.randn(rank, *shape[1:], generator=source)
    return 0.05 * torch.tensordot(left, right, 1)


def test_what_was_changed_elsewhere_is_an_edit(invoke: Invoke) -> None:
    after = files({"main.6.weight": low_rank((16, 8, 4, 4), 3)})
    assert invoke("extract", "base.pth", "edited.pth", "-o", "found.safetensors").exit_code == 0
    assert invoke("apply", "base.pth", "found.safetensors", "--out", "again.pth").exit_code == 0
    again = torch.load("again.pth")["netG_state_dict"]
    assert torch.allclose(again["main.6.weight"], after["main.6.weight"], atol=1e-6)
    assert all(torch.equal(again[n], after[n]) for n in after if n != "main.6.weight")
    files({"main.9.weight": low_rank((8, 8, 4, 4), 2)})
    assert invoke("extract", "base.pth", "edited.pth", "-o", "other.safetensors").exit_code == 0
    both = ("combine", "found.safetensors", "other.safetensors", "--model", "base.pth")
    assert invoke(*both, "-o", "both.safetensors").exit_code == 0
    assert invoke("apply", "base.pth", "both.safetensors", "--out", "two.pth").exit_code == 0
    two = torch.load("two.pth")["netG_state_dict"]
    assert torch.equal(two["main.6.weight"], again["main.6.weight"])
    assert not torch.equal(two["main.9.weight"], after["main.9.weight"])


def test_a_lower_rank_says_what_it_loses(invoke: Invoke) -> None:
    files({"main.6.weight": low_rank((16, 8, 4, 4), 3), "main.7.bias": torch.ones(8)})
    words = ("extract", "base.pth", "edited.pth", "--rank", "1", "-o", "found.safetensors")
    result = invoke(*words, "--format", "json")
    (layer,) = json.loads(result.stdout)["layers"]
    assert (layer["layer"], layer["rank"], layer["needed"]) == ("layer6", 1, 3)
    assert 0.2 < layer["lost"] < 0.8
    shown = invoke(*words, "--force")
    assert "layer6: rank 1 loses" in shown.stderr
    assert "also changed, and no layer's weight: 7.bias" in shown.stderr


def test_a_file_may_hold_the_edited_layer_alone(invoke: Invoke) -> None:
    after = files({"main.6.weight": low_rank((16, 8, 4, 4), 2)})
    # More than one tensor of the layer, as a layer's own state dict has.
    torch.save({"6.weight": after["main.6.weight"], "7.weight": after["main.7.weight"]}, "part.pth")
    assert invoke("extract", "base.pth", "part.pth", "-o", "found.safetensors").exit_code == 0
    assert invoke("apply", "base.pth", "found.safetensors", "--out", "again.pth").exit_code == 0
    again = torch.load("again.pth")["netG_state_dict"]["main.6.weight"]
    assert torch.allclose(again, after["main.6.weight"], atol=1e-6)


def test_two_equal_files_and_files_of_two_models(invoke: Invoke) -> None:
    files({})
    result = invoke("extract", "base.pth", "edited.pth", "-o", "found.safetensors")
    assert result.exit_code == 1
    assert "the weights are equal" in result.stderr
    torch.save({"main.6.weight": torch.zeros(3, 3, 4, 4), "main.7.bias": torch.ones(3)}, "o.pth")
    result = invoke("extract", "base.pth", "o.pth", "-o", "found.safetensors")
    assert "RD653" in result.stderr
    assert not Path("found.safetensors").exists()
