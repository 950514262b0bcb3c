"""How what a layer computes lies in memory, and how it is seen as maps (N, O, H, W)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Kind = Literal["maps", "vectors", "tokens"]


@dataclass(frozen=True)
class Layout:
    """The result of a layer's own operation.

    Attributes:
        kind: ``maps`` (N, O, H, W); ``vectors`` (N, O * H * W), one for each picture, which are
            laid out to a grid or have one position; ``tokens`` (N * H * W, O) or (N, H * W, O).
        channels: O.
        size: (H, W).

    """

    kind: Kind
    channels: int
    size: tuple[int, int]

    @property
    def positions(self) -> int:
        """H * W."""
        return self.size[0] * self.size[1]

    def maps(self, result: Tensor) -> Tensor:
        """The result as (N, O, H, W)."""
        if self.kind == "tokens" and result.dim() < 4:
            rows = result.reshape(-1, self.positions, self.channels).transpose(1, 2)
            return rows.reshape(len(rows), self.channels, *self.size)
        return result.reshape(len(result), self.channels, *self.size)

    def like(self, values: Tensor, result: Tensor) -> Tensor:
        """Maps (N, O, H, W) as a result lies."""
        if self.kind == "tokens" and result.dim() < 4:
            return values.flatten(2).transpose(1, 2).reshape(result.shape)
        return values.reshape(result.shape)

    def accepts(self, tensor: Tensor, count: int) -> bool:
        """Whether a tensor lies as the values of ``count`` pictures do, in their order."""
        shape, flat = tuple(tensor.shape), count * self.positions
        if self.kind == "tokens":
            known = {(flat, self.channels), (count, self.positions, self.channels)}
            if shape in known:
                return tensor.is_contiguous()
            # Laid out to maps again, as they are or in a copy.
            return shape == (count, self.channels, *self.size)
        known = {(count, self.channels, *self.size)}
        if self.kind == "vectors":
            known.add((count, self.channels * self.positions))
            return shape in known and tensor.is_contiguous()
        return shape in known and (tensor.is_contiguous() or _channels_last(tensor))

    def operand(self, value: Tensor, beside: Tensor) -> Tensor:
        """What broadcasts against ``beside``, which lies as the values do, as maps.

        Gives (N or 1, O or 1, H or 1, W or 1).
        """
        value = value.reshape(*[1] * (beside.dim() - value.dim()), *value.shape)
        if beside.dim() == 4:
            return value
        if self.kind == "tokens":
            if beside.dim() == 2:
                value = value.reshape(-1, self.positions if len(value) > 1 else 1, value.shape[1])
            value = value.transpose(1, 2)
            size = self.size if value.shape[2] > 1 else (1, 1)
            return value.reshape(*value.shape[:2], *size)
        if value.shape[1] == 1:
            return value[:, :, None, None]
        return value.reshape(len(value), self.channels, *self.size)


def _channels_last(tensor: Tensor) -> bool:
    _, channels, height, width = tensor.shape
    return tensor.stride() == (height * width * channels, 1, width * channels, channels)
