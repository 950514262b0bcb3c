"""Where things lie that stand elsewhere in every picture: a region moved from place to place.

A region that wanders is drawn once, in the middle of a *frame* as large as a picture. A *spot* is a
picture and how far the frame is moved there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.solve.goals import center_of


@dataclass(frozen=True)
class Spots:
    """P spots in N pictures, any number of them in each.

    Attributes:
        rows: (P,) int64, the picture of each.
        shifts: (P, 2) int64, (dy, dx) pixels by which the frame is moved.

    """

    rows: Tensor
    shifts: Tensor

    def select(self, rows: Sequence[int]) -> Spots:
        """Those in some of the pictures, which are numbered anew."""
        some = torch.as_tensor(list(rows), device=self.rows.device)
        spot, picture = torch.nonzero(self.rows[:, None] == some, as_tuple=True)
        return Spots(picture, self.shifts[spot])

    def part(self, chosen: Tensor) -> Spots:
        """The spots that ``chosen`` (P,) bool names."""
        return Spots(self.rows[chosen], self.shifts[chosen])

    def cut(self, pictures: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """What the pictures show in a region of the frame, spot by spot.

        Args:
            pictures: (N, C, H, W).
            region: (H, W) bool, in the frame.

        Returns:
            (P, C, K) for the K pixels of the region, 0 outside of the picture; and (P, K) bool,
            which of them lie in the picture.

        """
        y, x, valid = self._pixels(region)
        height, width = region.shape
        flat = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        rows = pictures[self.rows].flatten(2)
        found = rows.gather(2, flat[:, None].expand(-1, rows.shape[1], -1))
        return found * valid[:, None], valid

    def covered(self, count: int, region: Tensor) -> Tensor:
        """(N, H, W) bool, the pixels of ``count`` pictures that the region covers at any spot."""
        y, x, valid = self._pixels(region)
        mask = torch.zeros(count, *region.shape, dtype=torch.bool, device=region.device)
        rows = self.rows[:, None].expand_as(y)
        mask[rows[valid], y[valid], x[valid]] = True
        return mask

    def _pixels(self, region: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(P, K) rows and columns of the region's pixels, and whether they are in the picture."""
        height, width = region.shape
        ys, xs = torch.nonzero(region, as_tuple=True)
        y, x = ys + self.shifts[:, :1], xs + self.shifts[:, 1:]
        return y, x, (y >= 0) & (y < height) & (x >= 0) & (x < width)


def spots_of(regions: Tensor) -> Spots:
    """The spot of each of N regions (N, H, W): its centre lies where the frame's centre is moved.

    Raises:
        RunError: a region is empty.

    """
    _, height, width = regions.shape
    centers = torch.tensor([center_of(region) for region in regions])
    shifts = torch.floor(centers - torch.tensor([height / 2, width / 2]) + 0.5).long()
    return Spots(torch.arange(len(regions)), shifts)


def framed(maps: Tensor, spots: Spots) -> Tensor:
    """(P, H, W) maps (N, H, W) as the frame sees them at each spot; 0 outside of the picture."""
    whole = torch.ones(maps.shape[1:], dtype=torch.bool, device=maps.device)
    return spots.cut(maps[:, None], whole)[0].reshape(-1, *maps.shape[1:])
