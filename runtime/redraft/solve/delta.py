"""A low-rank change of one layer: directions and coefficients, applied bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Delta:
    """``Lambda D``: what one rule adds to one weight.

    Attributes:
        rule: the rule's name.
        layer: the layer's canonical name.
        directions: (S, C) float32, orthonormal rows.
        coefficients: (O, S, kh, kw) float32.

    """

    rule: str
    layer: str
    directions: Tensor
    coefficients: Tensor

    @property
    def rank(self) -> int:
        """The number of directions."""
        return int(self.directions.shape[0])

    def scaled(self, strength: float) -> Delta:
        """The same change, ``strength`` times as strong."""
        if strength == 1:
            return self
        return replace(self, coefficients=self.coefficients * strength)

    def change(self) -> Tensor:
        """The weight change (O, C, kh, kw) float64.

        Summed direction by direction with separate multiplications and additions, in this order:
        IEEE arithmetic then gives the same bits on every machine, which a matrix product does not.
        """
        directions = self.directions.cpu().double()
        coefficients = self.coefficients.cpu().double()
        out, _, height, width = coefficients.shape
        total = torch.zeros(out, directions.shape[1], height, width, dtype=torch.float64)
        for s in range(directions.shape[0]):
            product = coefficients[:, s, None] * directions[s][None, :, None, None]
            total += product
        return total

    def added_to(self, weight: Tensor) -> Tensor:
        """``weight + Lambda D`` (O, C, kh, kw), in the weight's dtype and on its device."""
        edited = weight.detach().cpu().double() + self.change()
        return edited.to(weight.dtype).to(weight.device)

    def singular_values(self) -> Tensor:
        """(S,) float64 singular values of the change, taken as a matrix (O * kh * kw, C)."""
        rows = self.coefficients.double().permute(0, 2, 3, 1).reshape(-1, self.rank)
        # The directions are orthonormal, so the change has the singular values of Lambda.
        values: Tensor = torch.linalg.svdvals(rows)
        return values

    def same_bits(self, other: Delta) -> bool:
        """Whether directions and coefficients are those of another change, wherever these lie."""
        return torch.equal(self.directions.cpu(), other.directions.cpu()) and torch.equal(
            self.coefficients.cpu(), other.coefficients.cpu()
        )

    def norm(self) -> float:
        """Frobenius norm of the change."""
        return float(torch.linalg.vector_norm(self.coefficients.double()))


def principal_angles(first: Tensor, second: Tensor) -> tuple[float, ...]:
    """Angles in radians, smallest first, between the spans of rows (S, C) and (T, C)."""
    one, other = (_orthonormal(rows.double()) for rows in (first, second))
    if len(one) < len(other):
        one, other = other, one
    cosines = torch.linalg.svdvals(other @ one.T)
    # The sines as well: the cosine of a small angle has lost its digits.
    sines = torch.linalg.svdvals(other - (other @ one.T) @ one).flip(0)
    return tuple(torch.atan2(sines, cosines).tolist())


def _orthonormal(rows: Tensor) -> Tensor:
    found: Tensor = torch.linalg.qr(rows.T)[0].T
    return found


def zeroing(rule: str, layer: str, weight: Tensor, directions: Tensor, strength: float) -> Delta:
    """The delta that removes the part of W along the directions: ``W - strength W D^T D``.

    Bau et al. 2020 (supplement), the authors' ``zero``; no goal is needed.
    """
    coefficients = -strength * torch.einsum(
        "ocyx,sc->osyx", weight.double(), directions.to(weight.device, torch.float64)
    )
    return Delta(rule, layer, directions.float(), coefficients.float())


def interference(first: Delta, second: Delta, moment: Tensor) -> float:
    """How much two rules at one layer meet: the largest cosine between them, 0 to 1.

    The largest singular value of ``D_a C D_b^T`` with each side made orthonormal under C; 1 means
    that the two read a common direction of what the layer sees.
    """
    sides = [_orthonormal_under(delta.directions.double(), moment.double()) for delta in
             (first, second)]  # fmt: skip
    cosines = torch.linalg.svdvals(sides[0] @ moment.double() @ sides[1].T)
    return float(cosines[0].clamp(0.0, 1.0))


def _orthonormal_under(directions: Tensor, moment: Tensor) -> Tensor:
    """Rows spanning the same space with ``D C D^T = I``."""
    gram = directions @ moment @ directions.T
    values, vectors = torch.linalg.eigh(gram)
    large = values > values[-1] * 1e-10
    scaled: Tensor = (vectors[:, large] * values[large].rsqrt()).T
    return scaled @ directions
