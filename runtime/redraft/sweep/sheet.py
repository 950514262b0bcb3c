"""The same few pictures after every cell's edit, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from redraft.edit.artifact import Edit
from redraft.memory.places import Marks
from redraft.models.batches import draw
from redraft.models.open import OpenModel
from redraft.models.samplers import sampler_of
from redraft.plans.planner import Plan
from redraft.plans.run_files import EDIT
from redraft.plans.unseen import judged
from redraft.runs.memo import Shared
from redraft.show.pictures import Picture, RegionOutline, Tile
from redraft.show.sheets import comparison
from redraft_dsl.recipe.model import Erase, Insert

COLUMNS = 8
MOST_ROWS = 60
"""Cells on one sheet; further ones are only in the table."""
SEARCHED = 96
"""Pictures among which those are sought that a removal changes."""


@dataclass(frozen=True)
class SheetRow:
    """A cell that has a run: its label, the plan of the run and its folder."""

    label: str
    plan: Plan
    folder: Path


@dataclass(frozen=True)
class Sheet:
    """The same pictures in rows.

    Attributes:
        rows: a label and pictures (3, H, W) in -1..1 of each: the originals, and then the cells.
        indices: the numbers of the pictures.
        cells: how many there are; those beyond ``MOST_ROWS`` have no row.
        copied: what the first rule copies.

    """

    rows: tuple[tuple[str, tuple[Tensor, ...]], ...]
    indices: tuple[int, ...]
    cells: int
    copied: Tile | None

    def picture(self) -> Picture:
        """All rows on one sheet."""
        rows, more = list(self.rows), self.cells - MOST_ROWS
        if more > 0:
            label, last = rows[-1]
            rows[-1] = (f"{label} (and {more} more cells that are not shown)", last)
        return comparison(rows)


def draw_sheet(cells: Sequence[SheetRow], device: torch.device, shared: Shared) -> Sheet:
    """The originals, then a row for every cell.

    The pictures are the last ones that no rule of any cell has seen. A removal changes few of them,
    so there they are the ones that the first cell's edit changes most.
    """
    with torch.no_grad():
        first = cells[0]
        indices = _unseen(cells)
        if any(isinstance(rule, Erase) for rule in first.plan.recipe.rules):
            indices = _most_changed(first, indices[-SEARCHED:], device, shared)
        indices = indices[-COLUMNS:]
        model = shared.model(first.plan.base, device)
        rows: list[tuple[str, Tensor]] = [("original", _pictures(model, first.plan, indices))]
        for cell in cells[:MOST_ROWS]:
            rows.append((cell.label, _edited(cell, indices, device, shared)))
        return Sheet(
            tuple((label, tuple(pictures)) for label, pictures in rows),
            tuple(indices),
            len(cells),
            _copied(first, device, shared),
        )


def _copied(cell: SheetRow, device: torch.device, shared: Shared) -> Tile | None:
    """What the first rule copies, on its picture; None where it copies nothing."""
    plan, rule = cell.plan, cell.plan.recipe.rules[0]
    if not isinstance(rule, Insert):
        return None
    place = Marks(plan.base.facts, plan.folder)(rule.copy_from)
    model = shared.model(plan.base, device)
    model.generator.restore(model.state.bare())
    block = plan.recipe.latents_named(place.latents)
    rows = sampler_of(model.generator).rows(block, [place.index])
    (picture,) = draw(model.generator, rows)
    outline = RegionOutline(place.area, "copy")
    return Tile(f"{place.latents}[{place.index}]", picture, picture, outlines=(outline,))


def _unseen(cells: Sequence[SheetRow]) -> list[int]:
    """Pictures that no rule of any cell uses; if there are none, the first ones."""
    lists = [judged(cell.plan.recipe, cell.plan.base.facts) for cell in cells]
    common = set(lists[0]).intersection(*lists[1:])
    count = min(cell.plan.recipe.latents[0].count for cell in cells)
    return [index for index in lists[0] if index in common] or list(range(min(count, COLUMNS)))


def _most_changed(
    cell: SheetRow, indices: list[int], device: torch.device, shared: Shared
) -> list[int]:
    """Some of the pictures, those that a cell's edit changes most, in order of number."""
    after = _edited(cell, indices, device, shared)
    before = _pictures(shared.model(cell.plan.base, device), cell.plan, indices)
    change = (after - before).abs().mean((1, 2, 3))
    return sorted(indices[row] for row in change.argsort(descending=True)[:COLUMNS].tolist())


def _edited(cell: SheetRow, indices: list[int], device: torch.device, shared: Shared) -> Tensor:
    model = shared.model(cell.plan.base, device)
    base = model.state.bare()
    model.generator.restore({**base, **Edit.load(cell.folder / EDIT).edited(base)})
    return _pictures(model, cell.plan, indices)


def _pictures(model: OpenModel, plan: Plan, indices: list[int]) -> Tensor:
    """(N, 3, H, W) of the model as it is."""
    rows = sampler_of(model.generator).rows(plan.recipe.latents[0], indices)
    return draw(model.generator, rows)
