"""One styled convolution of StyleGAN2, and the closed form of how it answers a change.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 2.2:
weights are scaled by a style on their input channels and divided by the length that each output
channel then has (demodulation). Here the style has been applied to the keys already, which gives
the same, and all pictures share one convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional

from redraft.models.generator import (
    Demodulation,
    LayerInputs,
    Phase,
    Positions,
    Reach,
    Reaches,
)

EPSILON = 1e-8
"""Added to the squared length of a modulated weight."""
ACTIVATION_GAIN = sqrt(2)
"""By what values are multiplied after the leaky ReLU; folded into the response."""
SLOPE = 0.2
_TAPS = tuple((ky, kx) for ky in range(3) for kx in range(3))
PLAIN = Phase(0, 0, 1, _TAPS, tuple((ky - 1, kx - 1) for ky, kx in _TAPS))
"""The positions of a 3 x 3 convolution that keeps the size: one set, with all taps."""


def enlarge(maps: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    """Put zeros between the rows and columns of maps, then blur: twice the size.

    Args:
        maps: (N, C, h, w).
        kernel: (4, 4), the blur times 4.
        padding: what is cut off at each border.

    Returns:
        (N, C, 2 h + 2 - 2 padding, 2 w + 2 - 2 padding). Row Y holds the sum of
        ``kernel[Y + padding - 2 i] * maps[i]``.

    """
    each = kernel.expand(maps.shape[1], 1, -1, -1)
    return functional.conv_transpose2d(maps, each, stride=2, padding=padding, groups=len(each))


def blur(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each map with the kernel, a border of one 0 around it: (N, C, h - 1, w - 1)."""
    each = kernel.flip(0, 1).expand(maps.shape[1], 1, -1, -1)
    return functional.conv2d(maps, each, padding=1, groups=len(each))


@dataclass(frozen=True)
class Enlarged:
    """All positions of a layer that doubles the size: every one is reached by all 9 taps.

    A transposed convolution of stride 2 and the blur after it commute: with ``B`` the keys with
    zeros between them and blurred, output row y is the sum of ``W[ky] B[y - ky]``. So the maps are
    enlarged once and read 9 times.
    """

    kernel: Tensor
    taps: tuple[tuple[int, int], ...] = _TAPS

    @property
    def reach(self) -> Reaches:
        """Key i lands at rows 2 i to 2 i + 2 and is blurred from there over four more."""
        return (Reach(2, 1, -1, 1),) * 2

    def of(self, maps: Tensor) -> Tensor:
        """All positions of (..., H, W) maps, as (..., H * W)."""
        return maps.reshape(*maps.shape[:-2], -1)

    def unfold(self, maps: Tensor) -> Tensor:
        """The design matrix: what each tap reads at each position.

        Args:
            maps: (N, S, h, w) key maps or their projections.

        Returns:
            (N * 4 h w, S * 9), positions picture by picture and row by row; unknown ``s * 9 + t``
            is tap t of map s.

        """
        height, width = 2 * maps.shape[2], 2 * maps.shape[3]
        grown = enlarge(maps, self.kernel.to(maps))
        columns = [
            grown[:, :, 2 - ky : 2 - ky + height, 2 - kx : 2 - kx + width] for ky, kx in self.taps
        ]
        stacked = torch.stack(columns, 2).permute(0, 3, 4, 1, 2)
        return stacked.reshape(-1, maps.shape[1] * len(self.taps))


@dataclass(frozen=True)
class ModulatedForm:
    """A styled convolution: keys that carry the style, demodulation, noise, bias, leaky ReLU.

    With style s (the inputs' ``style``), scale c and noise map z (the inputs' ``noise``):
    ``q_o = sum (c W_o s)^2 + 1e-8``, ``gain_o = sqrt(2) c q_o^-1/2``,
    ``shift = sqrt(2) (strength z + bias)``, ``values = leaky(gain (W * K) + shift)``. The leaky
    ReLU is positively homogeneous, so the sqrt(2) that follows it may stand before it.

    Attributes:
        weight: (O, C, 3, 3), as it lies in the file.
        scale: c, 1 / sqrt(9 C) where training kept weights at unit size, else 1.
        strength: of the noise, one number.
        bias: (O,).
        kernel: (4, 4), the blur after the transposed convolution, times 4; None without.
        limit: values are held within -limit..limit; None for no limit.
        negative_slope: of the leaky ReLU.

    """

    weight: Tensor
    scale: float
    strength: Tensor
    bias: Tensor
    kernel: Tensor | None = None
    limit: float | None = None
    negative_slope: float = SLOPE

    @property
    def phases(self) -> tuple[Positions, ...]:
        """One set of positions: the blur couples what the stride had set apart."""
        return (PLAIN,) if self.kernel is None else (Enlarged(self.kernel),)

    def convolved(self, keys: Tensor, weight: Tensor) -> Tensor:
        """(N, O, H, W), keys (N, C, h, w) convolved with ``weight`` (O, C, 3, 3); no scale yet."""
        if self.kernel is None:
            return functional.conv2d(keys, weight, padding=1)
        grown = functional.conv_transpose2d(keys, weight.transpose(0, 1), stride=2)
        return blur(grown, self.kernel)

    def response(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """Pre-activations (N, O, H, W) for ``weight`` (O, C, 3, 3)."""
        gains = self.gains(inputs, weight)[:, :, None, None]
        # Noise and bias one after another: their sum would be one more tensor of this size.
        noise, bias = self._shifts(inputs)
        return torch.addcmul(noise, self.convolved(inputs.keys, weight), gains).add_(bias)

    def gains(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """(N, O), what multiplies the convolution with the unscaled weight."""
        return ACTIVATION_GAIN * self.scale * self._squared_length(inputs, weight).rsqrt()

    def shift(self, inputs: LayerInputs) -> Tensor:
        """(N, O, H, W), noise and bias, times sqrt(2)."""
        noise, bias = self._shifts(inputs)
        return noise + bias

    def demodulation(self, inputs: LayerInputs, weight: Tensor, directions: Tensor) -> Demodulation:
        """How the gains depend on the coefficients of ``directions`` (S, C), in closed form.

        For ``W_o + l D``: ``q_o = q0_o + 2 b_o . l + l^T G l`` with
        ``b_o[s, tap] = c^2 sum_i W[o, i, tap] s_i^2 D[s, i]`` and
        ``G = c^2 (D diag(s^2) D^T) kron I``.
        """
        basis = directions.to(weight)
        rank, taps = len(basis), len(_TAPS)
        energy = self.scale**2 * self._style(inputs).square()
        weighed = energy[:, None] * basis
        by_tap = weight.flatten(2)
        linear = torch.einsum("nsi,oit->nost", weighed, by_tap)
        same = torch.eye(taps, dtype=basis.dtype, device=basis.device)
        quadratic = torch.einsum("nsi,ri,tu->nstru", weighed, basis, same)
        return Demodulation(
            factor=ACTIVATION_GAIN * self.scale,
            constant=self._squared_length(inputs, weight),
            linear=linear.flatten(2),
            quadratic=quadratic.reshape(-1, rank * taps, rank * taps),
        )

    def activate(self, response: Tensor) -> Tensor:
        """Values (N, O, H, W): leaky ReLU, held within the limit."""
        values = functional.leaky_relu(response, self.negative_slope)
        return values if self.limit is None else values.clamp(-self.limit, self.limit)

    def _shifts(self, inputs: LayerInputs) -> tuple[Tensor, Tensor]:
        """(N, 1, H, W) from the noise, and (O, 1, 1) from the bias."""
        noise = inputs.carried["noise"]
        # One map for all pictures is multiplied once.
        first = noise[:1] if noise.stride(0) == 0 else noise
        scaled = ACTIVATION_GAIN * self.strength * first
        return scaled.expand(len(noise), -1, -1, -1), ACTIVATION_GAIN * self.bias[:, None, None]

    def _squared_length(self, inputs: LayerInputs, weight: Tensor) -> Tensor:
        """(N, O), of each output channel's modulated weights."""
        energy = (self.scale * self._style(inputs)).square()
        return energy @ weight.square().sum((2, 3)).T + EPSILON

    def _style(self, inputs: LayerInputs) -> Tensor:
        return inputs.carried["style"]
