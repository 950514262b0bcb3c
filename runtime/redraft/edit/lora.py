"""An edit as a LoRA: the usual pair of matrices for each weight, for tools that know no edits.

The pair is laid out for the weight as it lies in its file, whatever its axes are, so that one
line merges every layer::

    weight += alpha / rank * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)

That is the form of kohya's scripts: ``up`` (A, r, 1, 1) and ``down`` (r, B, kh, kw) for a
convolution, (A, r) and (r, B) for a linear layer, where A and B are the first two channel axes
of the file. A change is ``Lambda D`` with Lambda (O, S, kh, kw) and D (S, C), so

- where input channels come first (IO), ``up`` is D and ``down`` is Lambda: rank S;
- where output channels come first (OI, 1OI, linear), every tap of Lambda is a column of ``up``, and
  ``down`` holds D at that tap alone: rank S * kh * kw. No number is computed, only placed.

The other form, ``up`` = Lambda and ``down`` = D with rank S everywhere, is smaller and is what no
tool merges. A rank that reaches A is cut to A: then ``down`` is the change itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from redraft.disk import files
from redraft.edit.artifact import Edit, RuleFacts, in_order
from redraft.edit.layout import to_file
from redraft.errors import ArtifactError, ModelError
from redraft.solve.delta import Delta

LORA_FORMAT = "redraft-lora-1"
MERGE = "weight += alpha / rank * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)"


@dataclass(frozen=True)
class LoraLayer:
    """The change of one weight.

    Attributes:
        weight: the weight's name in the file that it is for.
        rules: the rules that change it, in order.
        shape: of the weight in the file.
        up: (A, r, 1, 1) float32, or (A, r) for a linear layer.
        down: (r, B, kh, kw) float32, or (r, B).

    """

    weight: str
    rules: tuple[RuleFacts, ...]
    shape: tuple[int, ...]
    up: Tensor
    down: Tensor

    @property
    def name(self) -> str:
        """The weight's name without its last word `weight`, as LoRA files have it."""
        return self.weight.removesuffix(".weight")

    @property
    def rank(self) -> int:
        """The number of rows of ``down``; also its ``alpha``, so that scale 1 is exact."""
        return int(self.down.shape[0])

    @property
    def origin(self) -> str:
        """Where the rank comes from, where it is not that of the rules; else nothing."""
        own = sum(rule.rank for rule in self.rules)
        if self.rank == own:
            return ""
        if self.rank == len(self.up):
            return "all that the weight has"
        return f"rank {own} at each of the {self.rank // own} taps of the kernel"

    def change(self) -> Tensor:
        """The change of the weight, in the file's layout, float64."""
        product = self.up.double().flatten(1) @ self.down.double().flatten(1)
        return product.reshape(self.shape)


def lora_layers(edit: Edit, names: Mapping[str, str] | None = None) -> tuple[LoraLayer, ...]:
    """One layer for each weight that the edit changes, in the order of its rules.

    Args:
        edit: whose changes are laid out; rules of one weight are joined by their ranks.
        names: the weights' names in the file, by rule; by default those that the edit has.

    """
    rows: dict[str, list[int]] = {}
    for row, rule in enumerate(edit.facts.rules):
        rows.setdefault((names or {}).get(rule.name, rule.weight_name), []).append(row)
    return tuple(_layer(edit, name, found) for name, found in rows.items())


def lora_bytes(edit: Edit, names: Mapping[str, str] | None = None) -> bytes:
    """The LoRA as a safetensors file; equal edits give equal bytes."""
    layers = lora_layers(edit, names)
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        tensors[f"{layer.name}.alpha"] = torch.tensor(float(layer.rank))
        tensors[f"{layer.name}.lora_down.weight"] = layer.down
        tensors[f"{layer.name}.lora_up.weight"] = layer.up
    facts = edit.facts
    metadata = {
        "format": LORA_FORMAT,
        "merge": f"{MERGE}  # rank = len(down)",
        "layers": json.dumps([_told(layer) for layer in layers]),
        "model": facts.model,
        "arch": facts.arch,
        "base_tensors_digest": facts.tensors_digest,
        "recipe": f"{facts.recipe} {facts.version}",
        "recipe_digest": facts.recipe_digest,
        "redraft": facts.redraft,
    }
    return in_order(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def write_lora(
    edit: Edit, path: Path, tensors: Mapping[str, Tensor] | None = None
) -> tuple[LoraLayer, ...]:
    """Write an edit as a LoRA file; returns its layers.

    Args:
        edit: what to write.
        path: the file.
        tensors: a checkpoint's tensors, whose names the LoRA is to use.

    Raises:
        ModelError: the checkpoint lacks a weight of the edit, or has it in another shape.
        ArtifactError: the file cannot be written.

    """
    names = None if tensors is None else names_in(edit, tensors)
    files.write_bytes(path, lora_bytes(edit, names))
    return lora_layers(edit, names)


def names_in(edit: Edit, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The name in a checkpoint of the weight that each rule changes, by rule.

    Raises:
        ModelError: a weight is missing, or of another shape.

    """
    found = {}
    for rule in edit.facts.rules:
        # The edit itself knows how to find its weights behind any prefix.
        (name,) = edit.choose([rule.name]).edited(tensors, force=True)
        found[rule.name] = name
    return found


def made_for(edit: Edit, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the edit was made for these weights."""
    try:
        edit.edited(tensors)
    except ModelError:
        return False
    return True


def _layer(edit: Edit, name: str, rows: list[int]) -> LoraLayer:
    rules = tuple(edit.facts.rules[row] for row in rows)
    deltas = [edit.deltas[row] for row in rows]
    if len({_size(delta) for delta in deltas}) > 1 or len({rule.axes for rule in rules}) > 1:
        raise ArtifactError(
            "RD690",
            f"the rules {', '.join(rule.name for rule in rules)} change `{name}` in different "
            "shapes",
            "take an `edit.safetensors` as `redraft run` or `redraft combine` wrote it",
        )
    axes = rules[0].axes
    out, channels, height, width = _size(deltas[0])
    shape = tuple(to_file(torch.empty(out, channels, height, width), axes).shape)
    pairs = [_input_first(d) if axes == "IO" else _output_first(d) for d in deltas]
    up = torch.cat([up for up, _ in pairs], dim=1)
    down = torch.cat([down for _, down in pairs], dim=0)
    if up.shape[1] >= up.shape[0]:
        change = sum((delta.change() for delta in deltas), start=torch.zeros(()).double())
        down = (change.transpose(0, 1) if axes == "IO" else change).float()
        up = torch.eye(len(down))
    if axes == "linear":
        return LoraLayer(name, rules, shape, up, down[:, :, 0, 0].contiguous())
    return LoraLayer(name, rules, shape, up[:, :, None, None], down.contiguous())


def _size(delta: Delta) -> tuple[int, int, int, int]:
    out, _, height, width = delta.coefficients.shape
    return int(out), int(delta.directions.shape[1]), int(height), int(width)


def _input_first(delta: Delta) -> tuple[Tensor, Tensor]:
    """Up (C, S) and down (S, O, kh, kw)."""
    return delta.directions.cpu().T, delta.coefficients.cpu().transpose(0, 1)


def _output_first(delta: Delta) -> tuple[Tensor, Tensor]:
    """Up (O, S * kh * kw) and down (S * kh * kw, C, kh, kw)."""
    coefficients, directions = delta.coefficients.cpu(), delta.directions.cpu()
    _, channels, height, width = _size(delta)
    taps = height * width
    down = torch.zeros(delta.rank, taps, channels, taps)
    for tap in range(taps):
        down[:, tap, :, tap] = directions
    return coefficients.flatten(1), down.reshape(-1, channels, height, width)


def _told(layer: LoraLayer) -> dict[str, object]:
    return {
        "name": layer.name,
        "weight": layer.weight,
        "layer": layer.rules[0].layer,
        "axes": layer.rules[0].axes,
        "shape": list(layer.shape),
        "rank": layer.rank,
        "rules": [rule.name for rule in layer.rules],
    }
