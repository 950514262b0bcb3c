"""An edit from two checkpoints: what was changed elsewhere, as low-rank changes of layers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor

from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.edit.layout import from_file, to_file
from redraft.errors import ArtifactError
from redraft.models.checkpoint.weights import at_least_single
from redraft.models.generator import Generator
from redraft.models.open import OpenModel
from redraft.models.partners import partner_of
from redraft.solve.delta import Delta


@dataclass(frozen=True)
class ExtractedLayer:
    """What became of one layer that was changed.

    Attributes:
        layer: its canonical name.
        rank: of the change that the edit holds.
        needed: of the change as it is.
        lost: share of the change's sum of squares that the edit does not hold.

    """

    layer: str
    rank: int
    needed: int
    lost: float


@dataclass(frozen=True)
class Extraction:
    """An edit that was extracted.

    Attributes:
        edit: one rule for each layer that was changed.
        layers: what became of each.
        left: tensors that differ and are no layer's weight; the edit does not hold them.
        missing: how many of the model's tensors the other file does not hold.

    """

    edit: Edit
    layers: tuple[ExtractedLayer, ...]
    left: tuple[str, ...]
    missing: int


def extract(model: OpenModel, edited: Mapping[str, Tensor], rank: int) -> Extraction:
    """The change from a model to another file of its weights.

    Args:
        model: the unedited one.
        edited: tensors by their names without prefix; a file may hold some of them only, such as
            the one layer that was edited, and its names may end like the model's.
        rank: at most this many directions for each layer.

    Raises:
        ArtifactError: nothing that is a layer's weight was changed, or a shape is another.

    """
    before = model.state.bare()
    after = _matched(before, edited)
    changed = [name for name in after if not torch.equal(before[name], after[name])]
    generator = model.generator
    weights = {generator.weight_name(name): name for name in generator.facts.layer_names()}
    found = [
        _layer(generator, weights[name], name, before[name], after[name], rank)
        for name in changed
        if name in weights
    ]
    if not found:
        raise ArtifactError(
            "RD688",
            "nothing that a rule can write was changed"
            + (f": only {', '.join(changed[:3])} differ" if changed else ": the weights are equal"),
            "give the unedited model first and the edited one second; `redraft layers` lists what "
            "can be rewritten",
        )
    names = "".join(f"{name} {weight_digest(after[name])}\n" for name in changed)
    facts = EditFacts(
        recipe="extracted",
        version="1.0.0",
        recipe_digest=hashlib.sha256(names.encode()).hexdigest(),
        model=model.base.name,
        arch=generator.facts.arch,
        tensors_digest=model.digest,
        redraft=version("redraft"),
        rules=tuple(rule for rule, _, _ in found),
        weights_set=model.base.header.asked,
    )
    edit = Edit(facts, "", tuple(delta for _, delta, _ in found))
    left = tuple(name for name in changed if name not in weights)
    return Extraction(
        edit, tuple(each for _, _, each in found), left, len(before.keys() - after.keys())
    )


def _matched(before: Mapping[str, Tensor], edited: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other file's tensors under the model's names."""
    found: dict[str, Tensor] = {}
    for name, tensor in edited.items():
        ending = [own for own in before if own == name or own.endswith(f".{name}")]
        longer = [own for own in before if name.endswith(f".{own}")]
        own = name if name in before else next(iter(ending if len(ending) == 1 else longer), None)
        if own is None:
            continue
        if before[own].shape != tensor.shape:
            raise ArtifactError(
                "RD653",
                f"`{name}` has shape {tuple(tensor.shape)}, and the model's {own} "
                f"{tuple(before[own].shape)}",
                "give two files of one model",
            )
        found[own] = tensor
    return found


def _layer(
    generator: Generator, layer: str, name: str, before: Tensor, after: Tensor, rank: int
) -> tuple[RuleFacts, Delta, ExtractedLayer]:
    axes = generator.weight_axes(layer)
    facts = generator.facts.layer(layer)
    assert facts is not None, "it is one of the generator's layers"
    old, new = (from_file(at_least_single(each), axes, facts.kernel) for each in (before, after))
    change = new.double() - old.double()
    out, into, height, width = change.shape
    # A change of rank r is r directions among the inputs, each with its own coefficients.
    left, sizes, right = torch.linalg.svd(
        change.permute(1, 0, 2, 3).reshape(into, -1), full_matrices=False
    )
    held = sizes > sizes[0] * 1e-6
    needed = int(held.sum())
    kept = min(rank, needed)
    coefficients = (sizes[:kept, None] * right[:kept]).reshape(kept, out, height, width)
    delta = Delta(
        layer,
        layer,
        left[:, :kept].T.float().contiguous(),
        coefficients.permute(1, 0, 2, 3).float().contiguous(),
    )
    lost = 1.0 - float(sizes[:kept].square().sum() / sizes.square().sum())
    rule = RuleFacts(
        name=layer,
        layer=layer,
        weight_name=name,
        axes=axes,
        rank=kept,
        weight_before=weight_digest(before),
        weight_after=weight_digest(to_file(delta.added_to(old), axes)),
        partner=partner_of(generator, layer),
    )
    return rule, delta, ExtractedLayer(layer, kept, needed, max(0.0, lost))
