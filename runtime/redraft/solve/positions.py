"""Which output positions a solver looks at, and what they hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.models.generator import Positions
from redraft.solve.problem import Problem

AT_ONCE = 1 << 22
"""Elements up to which maps are laid out all at once (16 MiB of float32), not one by one."""


@dataclass(frozen=True)
class Chosen:
    """The positions that count, of F sets which have equally many and are chosen alike.

    Attributes:
        rows: for each picture the chosen ones of its positions, (Q_i,) in rising order.
        share: (F, 1, P), each one's share in the loss; P is the sum of all Q_i.
        among: how many positions a picture has in each set, chosen or not.

    """

    rows: tuple[Tensor, ...]
    share: Tensor
    among: int

    @property
    def counts(self) -> list[int]:
        """How many positions each picture has."""
        return [len(rows) for rows in self.rows]

    def where(self, wanted: Tensor) -> Chosen:
        """Those of them for which ``wanted`` (P,) is true."""
        parts = torch.split(wanted, self.counts)
        some = tuple(rows[part] for rows, part in zip(self.rows, parts, strict=True))
        return Chosen(some, self.share[:, :, wanted], self.among)

    def by_channel(self, phases: Sequence[Positions], pictures: Iterable[Tensor]) -> Tensor:
        """The chosen positions of N maps (O, H, W), as (F, O, P)."""
        if isinstance(pictures, Tensor) and self._at_once(pictures.numel()):
            return torch.stack([phase.of(pictures).transpose(0, 1) for phase in phases]).flatten(2)
        return _filled(
            ([_some(phase.of(values), rows, 1) for phase in phases]
             for values, rows in zip(pictures, self.rows, strict=True)),
            self.counts,
            1,
        )  # fmt: skip

    def design(self, phases: Sequence[Positions], maps: Iterable[Tensor]) -> Tensor:
        """What each tap reads there, (F, P, S * T), of N projected keys (S, h, w)."""
        if isinstance(maps, Tensor) and self._at_once(maps.numel() * len(phases[0].taps)):
            return torch.stack([phase.unfold(maps) for phase in phases])
        return _filled(
            ([_some(phase.unfold(picture[None]), rows, 0) for phase in phases]
             for picture, rows in zip(maps, self.rows, strict=True)),
            self.counts,
            0,
        )  # fmt: skip

    def _at_once(self, elements: int) -> bool:
        """Whether maps of so many are small, and every position is chosen, so none is looked up."""
        return elements <= AT_ONCE and all(count == self.among for count in self.counts)


def choose(phases: Sequence[Positions], problem: Problem, most: int) -> Chosen:
    """The positions that have a share in the loss, in any of the sets.

    Where there are more than ``most``, those in which nothing was put are thinned evenly, and
    those that stay stand for the others too; if what was put takes more than half of ``most``, it
    is thinned as well. Nothing is left to chance.

    Args:
        phases: sets of equally many positions.
        problem: its weights say which count, and its goal where something was put.
        most: how many may be chosen, roughly.

    """
    share = torch.stack([phase.of(problem.weights) for phase in phases])
    used = (share > 0).any(0)
    if int(used.sum()) > most:
        inside = torch.stack([phase.of(problem.goal.inside) for phase in phases]).gt(0).any(0)
        share = share * _standing(used & inside, most // 2).to(share)
        rest = most - min(most // 2, int((used & inside).sum()))
        share = share * _standing(used & ~inside, rest).to(share)
        used = (share > 0).any(0)
    if bool(used.all()):
        every = torch.arange(used.shape[1], device=used.device)
        return Chosen((every,) * len(used), share.flatten(1)[:, None], len(every))
    rows = tuple(torch.nonzero(picture)[:, 0] for picture in used)
    some = torch.cat([share[:, number, chosen] for number, chosen in enumerate(rows)], 1)
    return Chosen(rows, some[:, None], used.shape[1])


def _filled(pictures: Iterable[list[Tensor]], counts: Sequence[int], axis: int) -> Tensor:
    """F tensors for each picture, laid one after another along an axis: (F, ...).

    Written to their place at once: all parts beside their whole would take the memory twice.
    """
    found: Tensor | None = None
    first = 0
    for parts, count in zip(pictures, counts, strict=True):
        if found is None:
            shape = list(parts[0].shape)
            shape[axis] = sum(counts)
            found = parts[0].new_empty(len(parts), *shape)
        for whole, part in zip(found, parts, strict=True):
            whole.narrow(axis, first, count).copy_(part)
        first += count
    assert found is not None
    return found


def _some(values: Tensor, rows: Tensor, axis: int) -> Tensor:
    """``values`` at some rows in rising order; without a copy where that is all of them."""
    return values if len(rows) == values.shape[axis] else values.index_select(axis, rows)


def _standing(part: Tensor, most: int) -> Tensor:
    """(N, P) how many each position stands for: 1 outside of ``part``; in it most stand for none.

    Those that stay are spread evenly. Their number is odd, so that their steps are no even number
    of positions: rows are mostly a power of two long, and some columns would never be looked at.
    """
    count = int(part.sum())
    left = count if count <= most else max(1, most - 1 + most % 2)
    times = torch.zeros(count, dtype=torch.float64, device=part.device)
    times[torch.arange(left, device=part.device) * count // max(1, left)] = count / max(1, left)
    standing = torch.ones(part.shape, dtype=torch.float64, device=part.device)
    standing[part] = times
    return standing


def odd_stride(count: int, most: int) -> int:
    """The least odd stride that leaves at most ``most`` of ``count``.

    Odd, since rows are mostly a power of two long: an even stride would look at some columns only.
    """
    stride = math.ceil(count / max(1, most))
    return stride + 1 - stride % 2


@dataclass(frozen=True)
class Thinned:
    """Every so many-th of P positions, for sums that need not be exact.

    Attributes:
        stride: 1 for all of them.
        counts: how many of them each picture has.
        times: how many each one stands for.

    """

    stride: int
    counts: list[int]
    times: float

    @classmethod
    def of_counts(cls, counts: Sequence[int], most: int) -> Thinned:
        """At most ``most`` positions of pictures that have ``counts``."""
        stride = odd_stride(sum(counts), most)
        ends = [0]
        for count in counts:
            ends.append(ends[-1] + count)
        left = [-(-end // stride) for end in ends]
        return cls(
            stride,
            [last - first for first, last in itertools.pairwise(left)],
            sum(counts) / max(1, left[-1]),
        )

    def of(self, values: Tensor) -> Tensor:
        """Those of (..., P) values."""
        return values if self.stride == 1 else values[..., :: self.stride]

    def weights(self, values: Tensor) -> Tensor:
        """Weights of (..., P) there, raised so that their sum stays about the same."""
        return values if self.stride == 1 else values[..., :: self.stride] * self.times


def spread(per_picture: Tensor, counts: Sequence[int]) -> Tensor:
    """(O, N) as (O, P): each picture's number at each of its positions."""
    if len(set(counts)) == 1:
        return per_picture[:, :, None].expand(-1, -1, counts[0]).reshape(len(per_picture), -1)
    times = torch.tensor(counts, device=per_picture.device)
    return per_picture.repeat_interleave(times, 1, output_size=sum(counts))
