"""What a rule should do to a picture: its wish, and where in the picture it belongs.

Where the regions of the contexts agree, pictures are aligned, and the wish lives in their mean
region. Where they do not, things stand elsewhere in every picture: the changes are brought to a
common frame first (:mod:`redraft.judge.spots`), and in other pictures the places are found
(:mod:`redraft.judge.finding`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from redraft.judge.chance import moved_region
from redraft.judge.finding import Finder, grown
from redraft.judge.spots import Spots, framed, spots_of
from redraft.models.batches import at_once, draw_values
from redraft.models.generator import Generator
from redraft.solve.goals import Goal

INSIDE = 0.5
"""Pixels that at least this share of the context regions cover make up the region."""
MARGIN = 1 / 8
"""How far the region is grown, as a share of the picture's side, before outside is measured."""
ALIGNED = 0.7
"""Least mean overlap (IoU) of the context regions with their mean region in aligned pictures."""

Layout = Literal["fixed", "placed"]
"""Whether a rule belongs in one region of all pictures, or elsewhere in each."""


@dataclass(frozen=True)
class Wish:
    """What a rule should do to a picture.

    Attributes:
        change: (3 * pixels,) float64, the centred mean change inside the region.
        inside: (H, W) bool, the region; of the frame where places are found.
        outside: (H, W) bool, what lies outside the grown region.
        size: mean length of the context pictures' own centred changes inside the region.
        finder: finds the places in other pictures; None where the region is fixed.
        pixels: as ``change``, when the copy's pixels are put there instead of the layer's values:
            a wish that no layer has a part in. None for a rule that copies nothing.

    """

    change: Tensor
    inside: Tensor
    outside: Tensor
    size: float
    finder: Finder | None = None
    pixels: Tensor | None = None

    @cached_property
    def elsewhere(self) -> Tensor | None:
        """(H, W) bool, the region moved away; see :func:`redraft.judge.chance.moved_region`."""
        return moved_region(self.inside)

    def to(self, device: torch.device) -> Wish:
        """The same on a device."""
        return Wish(
            self.change.to(device),
            self.inside.to(device),
            self.outside.to(device),
            self.size,
            None if self.finder is None else self.finder.to(device),
            None if self.pixels is None else self.pixels.to(device),
        )


@dataclass(frozen=True)
class GoalPictures:
    """The pictures of a goal.

    Attributes:
        present: (N, 3, H, W), as they are.
        wanted: (N, 3, H, W), as they would be if the goal were reached.
        regions: (N, H, W) coverage of the context regions in them.
        layout: of all the contexts of the rule, whichever of them these are.
        pasted: (N, 3, H, W), with the copy's pixels in the regions; None if nothing is copied.

    """

    present: Tensor
    wanted: Tensor
    regions: Tensor
    layout: Layout = "fixed"
    pasted: Tensor | None = None

    @cached_property
    def spots(self) -> Spots | None:
        """Where the regions are; None where they are taken for one."""
        if self.layout == "fixed":
            return None
        found = spots_of(self.regions)
        return Spots(found.rows.to(self.present.device), found.shifts.to(self.present.device))

    def wish(self, finder: Callable[[Wish, GoalPictures], Finder] | None = None) -> Wish:
        """The wish of the rule.

        Args:
            finder: makes what finds its places, if the regions are not taken for one.

        """
        found = wish_between(self.present, self.wanted, self.regions, self.spots)
        if self.pasted is not None:
            there = wish_between(self.present, self.pasted, self.regions, self.spots)
            found = replace(found, pixels=there.change)
        if self.spots is None or finder is None:
            return found
        return replace(found, finder=finder(found, self))

    def likeness(self) -> float:
        """Mean correlation of the change that one picture asks for with that of the others.

        Changes are compared as they lie, or, where the regions are not taken for one, each in its
        own place.
        """
        difference = (self.wanted - self.present).double()
        if self.spots is None:
            changes = difference.flatten(1)
            changes = changes - changes.mean(1, keepdim=True)
        else:
            changes = centred_rows(*self.spots.cut(difference, self.wish().inside))
        others = changes.sum(0) - changes
        lengths = torch.linalg.vector_norm(changes, dim=1) * torch.linalg.vector_norm(others, dim=1)
        return float(((changes * others).sum(1) / lengths.clamp_min(1e-12)).mean())

    def select(self, rows: Sequence[int]) -> GoalPictures:
        """Some of the pictures."""
        some = list(rows)
        pasted = None if self.pasted is None else self.pasted[some]
        return replace(
            self,
            present=self.present[some],
            wanted=self.wanted[some],
            regions=self.regions[some],
            pasted=pasted,
        )


def layout_of(regions: Tensor) -> Layout:
    """Whether regions (N, H, W) lie in one place, by their overlap with the mean region."""
    inside = _mean_region(regions.double().mean(0))
    covered = regions > 0
    both = (covered & inside).sum((1, 2)).double()
    either = (covered | inside).sum((1, 2)).clamp_min(1)
    return "fixed" if float((both / either).mean()) >= ALIGNED else "placed"


def draw_goal(
    generator: Generator,
    layer: str,
    goal: Goal,
    regions: Tensor,
    layout: Layout | None = None,
) -> GoalPictures:
    """The pictures of a goal.

    Args:
        generator: the network before the rule.
        layer: the rule's layer.
        goal: its goal on the context pictures.
        regions: (N, H, W) coverage of the context regions in the picture.
        layout: by default as the regions agree.

    """
    return GoalPictures(
        present=draw_values(generator, layer, goal.before, goal.inputs),
        wanted=draw_values(generator, layer, goal.values, goal.inputs),
        regions=regions,
        layout=layout or layout_of(regions),
    )


def wish_of(generator: Generator, layer: str, goal: Goal, regions: Tensor) -> Wish:
    """The wish of a rule in a fixed region, see :func:`draw_goal`."""
    return draw_goal(generator, layer, goal, regions, "fixed").wish()


def wish_between(
    present: Tensor, wanted: Tensor, regions: Tensor, spots: Spots | None = None
) -> Wish:
    """The wish that turns pictures (N, 3, H, W) into wanted ones, see :class:`GoalPictures`.

    Args:
        present: as they are.
        wanted: as they would be.
        regions: (N, H, W) coverage of the context regions.
        spots: where these are; None if they are taken for one.

    """
    if spots is not None:
        regions = framed(regions.to(present.device), spots)
    mean = regions.double().mean(0)
    inside = _mean_region(mean)
    side = max(inside.shape)
    reach = round(MARGIN * side)
    margin = grown(inside, reach)
    inside = inside.to(wanted.device)
    size = at_once(wanted[0].numel())
    if spots is not None:
        cut = spots.cut((wanted - present).double(), inside)
        changes = centred_rows(*cut)
    else:
        parts = zip(torch.split(present, size), torch.split(wanted, size), strict=True)
        changes = torch.cat([centred((after - before).double(), inside) for before, after in parts])
    length = float(torch.linalg.vector_norm(changes, dim=1).mean())
    return Wish(changes.mean(0), inside, ~margin.to(wanted.device), length)


def centred(changes: Tensor, inside: Tensor) -> Tensor:
    """(N, 3 * pixels) changes inside the region, less each picture's own mean."""
    rows = changes[:, :, inside].flatten(1)
    return rows - rows.mean(1, keepdim=True)


def centred_rows(changes: Tensor, valid: Tensor) -> Tensor:
    """(P, 3 * K) of changes (P, 3, K), less their mean over what ``valid`` (P, K) says is there."""
    there = valid[:, None].expand_as(changes).flatten(1)
    rows = changes.flatten(1) * there
    mean = rows.sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp_min(1)
    return (rows - mean) * there


def _mean_region(mean: Tensor) -> Tensor:
    inside: Tensor = mean >= min(INSIDE, float(mean.max()))
    return inside
