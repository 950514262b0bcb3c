"""The exact solver's model of a modulated layer: gains that depend on the coefficients.

StyleGAN2's weight demodulation divides what picture i sees of channel o by the norm of its own
scaled weights. With coefficients l of that channel the convolution gives ``c = base + A l``, and
the pre-activation is ``g(l) c + shift`` with ``g = factor (constant + 2 linear . l + l^T quadratic
l)^-1/2``. Its derivative ``g A + c dg`` is the plain one with a second part that has rank one in
each picture, so the normal matrices still come from the column products that channels share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.models.generator import Demodulation
from redraft.solve.exact.products import Normal, Products
from redraft.solve.positions import Thinned, spread


@dataclass(frozen=True)
class Gains:
    """The gains of O channels in N pictures, and their slopes, at some coefficients.

    Attributes:
        value: (O, N).
        slope: (O, N, n), by the coefficients.

    """

    value: Tensor
    slope: Tensor


def gains_at(demodulation: Demodulation, unknowns: Tensor) -> Gains:
    """Gains and slopes at coefficients (O, n)."""
    pull = torch.einsum("imk,ok->oim", demodulation.quadratic, unknowns)
    linear = demodulation.linear.transpose(0, 1)
    constant = demodulation.constant.T
    along = torch.einsum("oim,om->oi", 2 * linear + pull, unknowns)
    # A sum of squares; rounding may take it below 0 where an edit all but cancels the weight.
    norm = (constant + along).clamp_min(1e-9 * constant)
    value = demodulation.factor * norm.rsqrt()
    return Gains(value, -(value / norm)[:, :, None] * (linear + pull))


def convolution(
    response: Tensor, shift: Tensor, demodulation: Demodulation, counts: list[int]
) -> Tensor:
    """(1, O, P), what the unedited layer's gains multiply, from its pre-activations."""
    gain = demodulation.factor * demodulation.constant.rsqrt().T
    return (response - shift) / spread(gain, counts)


@dataclass(frozen=True)
class DemodulatedGroup:
    """All channels of a modulated layer: one set of P positions (F = 1), n = S T unknowns.

    Attributes:
        counts: how many of the positions each picture has.
        design: (1, P, n).
        base: (1, O, P), the convolution before the edit.
        shift: (1, O, P), what is added after the gain.
        demodulation: how gains depend on the coefficients.
        thinned: which positions the normal matrices are summed over.
        products: of the design's columns there.

    """

    counts: list[int]
    design: Tensor
    base: Tensor
    shift: Tensor
    demodulation: Demodulation
    thinned: Thinned
    products: Products

    def channels(self, some: slice) -> DemodulatedGroup:
        """The same for some of the channels."""
        demodulation = replace(
            self.demodulation,
            constant=self.demodulation.constant[:, some],
            linear=self.demodulation.linear[:, some],
        )
        return replace(
            self,
            base=self.base[:, some],
            shift=self.shift[:, some],
            demodulation=demodulation,
        )

    def response(self, unknowns: Tensor) -> Tensor:
        """Pre-activations (1, O, P) at (1, O, n) unknowns."""
        gain = gains_at(self.demodulation, unknowns[0])
        convolved = torch.baddbmm(self.base, unknowns, self.design.transpose(1, 2))
        return torch.addcmul(self.shift, convolved, spread(gain.value, self.counts))

    def equations(
        self,
        unknowns: Tensor,
        response: Tensor,
        difference: Tensor,
        slopes: Tensor,
        curvature: Tensor,
    ) -> tuple[Normal, Tensor]:
        """See :meth:`redraft.solve.levenberg.Group.equations`."""
        gain = gains_at(self.demodulation, unknowns[0])
        value = spread(gain.value, self.counts)
        pull = curvature * slopes * difference
        gradient = (pull * value) @ self.design
        # The convolution is the response less its shift, over the gain.
        along = _sums(pull * (response - self.shift), self.counts) / gain.value
        gradient += torch.einsum("oi,oin->on", along, gain.slope)
        return self._matrices(gain, response, slopes, curvature), gradient

    def _matrices(self, gain: Gains, response: Tensor, slopes: Tensor, curvature: Tensor) -> Normal:
        few = self.thinned
        weights = few.weights(curvature) * few.of(slopes).square()
        added = few.of(response) - few.of(self.shift)
        normal = self.products.weighted(weights * spread(gain.value, few.counts).square())
        pulled = weights * added
        crossed = _projected(pulled, self.design[0, :: few.stride], few.counts)
        squares = _sums(pulled * added, few.counts) / gain.value.square()
        # v u^T + u v^T + s u u^T for each picture, as one half and its transpose.
        half = crossed + squares[:, :, None] / 2 * gain.slope
        return replace(normal, left=half[None], right=gain.slope[None])


def _sums(values: Tensor, counts: list[int]) -> Tensor:
    """(O, N), sums of (1, O, P) over each picture."""
    return torch.stack([part.sum(1) for part in torch.split(values[0], counts, 1)], 1)


def _projected(values: Tensor, design: Tensor, counts: list[int]) -> Tensor:
    """(O, N, n), ``A_i^T v`` for each picture of (1, O, P) and (P, n)."""
    pairs = zip(torch.split(values[0], counts, 1), torch.split(design, counts), strict=True)
    return torch.stack([part @ rows for part, rows in pairs], 1)
