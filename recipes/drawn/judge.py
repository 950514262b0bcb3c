"""Compare an edit of the drawn generator with the right answer, which is known here.

One number of a latent decides whether a house has the thing that a recipe is about. So for each
unseen house without it there is a true picture: the one that the unedited generator draws with that
number raised. No face has such a picture; redraft's own measures must do without one.

    python judge.py runs/chimney/edit.safetensors chimney
"""
# ruff: noqa: TID251  (torch is banned in the language wing only)

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from train import COUNT, SIDE, THINGS, Thing, generator, recipe_latents, there

from redraft import Edit, RedraftError
from redraft.models.checkpoint.weights import load_state

UNSEEN = 400
"""How many of the recipe's latents are judged: the last ones, which no rule uses."""
RAISED = 2.0
"""The value of the deciding number in the true picture; from 1 on the thing is wholly there."""


@dataclass(frozen=True)
class Judgement:
    """Means over the pictures; changes are in -1..1.

    Attributes:
        pictures: how many unseen pictures lack the thing.
        share: those whose change in the box correlates above 0.3 with the true one.
        correlation: mean correlation of the two changes in the box.
        amplitude: how far the change goes along the true one.
        outside: mean absolute change outside the box.
        true_outside: the same of the true change.

    """

    pictures: int
    share: float
    correlation: float
    amplitude: float
    outside: float
    true_outside: float


def judge(model: nn.Sequential, edit: Edit, thing: Thing) -> Judgement:
    """Judge an edit on unseen pictures without the thing."""
    latents = recipe_latents(COUNT)[-UNSEEN:]
    bare = latents[there(latents, thing.number).flatten() == 0]
    raised = bare.clone()
    raised[:, thing.number] = RAISED
    with torch.no_grad():
        before, true = _draw(model, bare), _draw(model, raised)
        with edit.applied(model):
            after = _draw(model, bare)
    left, top, right, bottom = thing.box
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    change, wish = ((each - before)[:, :, inside].flatten(1) for each in (after, true))
    along = functional.cosine_similarity(_centred(change), _centred(wish))
    return Judgement(
        len(bare),
        float((along > 0.3).float().mean()),
        float(along.mean()),
        float(((change * wish).sum(1) / wish.square().sum(1)).mean()),
        float((after - before)[:, :, ~inside].abs().mean()),
        float((true - before)[:, :, ~inside].abs().mean()),
    )


def _draw(model: nn.Sequential, latents: Tensor) -> Tensor:
    pictures: Tensor = model(latents[:, :, None, None])
    return pictures


def _centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the judgement of an edit."""
    parser = argparse.ArgumentParser(description="Compare an edit with the true pictures.")
    parser.add_argument("edit", type=Path, help="the edit.safetensors of a run")
    parser.add_argument("thing", choices=THINGS, help="what the edit is to add")
    parser.add_argument("--weights", type=Path, default=Path(__file__).with_name("drawn.pth"))
    wanted = parser.parse_args(arguments)
    model = generator().eval()
    try:
        model.load_state_dict(load_state(wanted.weights).bare())
        found = judge(model, Edit.load(wanted.edit), THINGS[wanted.thing])
    except (RuntimeError, RedraftError) as problem:
        parser.error(str(problem).splitlines()[0])
    sys.stdout.write(
        f"{found.pictures} unseen pictures without {wanted.thing}, against the true pictures:\n"
        f"share {found.share:.2f}, correlation {found.correlation:.2f}, "
        f"amplitude {found.amplitude:.2f}\n"
        f"outside {found.outside:.3f}, of the true change {found.true_outside:.3f}\n"
    )


if __name__ == "__main__":
    main()
