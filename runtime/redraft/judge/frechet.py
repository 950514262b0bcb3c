"""Fréchet distance between two sets of pictures, by features of some network. No torch.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017: the squared distance of
two normal distributions with the features' means m and covariances S,

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2).

It depends on the network and on how many pictures there are: values compare only where both are
the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """The distance of two sets of features (N, F) and (M, F), of two or more pictures each.

    Raises:
        ValueError: a set has fewer than two pictures, or the features differ in number.

    """
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"expected two sets of features, not {first.shape} and {second.shape}")
    one, other = first.astype(np.float64), second.astype(np.float64)
    shift = np.square(one.mean(0) - other.mean(0)).sum()
    spread, spread_of_other = np.cov(one.T), np.cov(other.T)
    root = _root(np.atleast_2d(spread))
    # The roots of the product are those of this symmetric matrix, which has real ones.
    both = np.linalg.eigvalsh(root @ np.atleast_2d(spread_of_other) @ root)
    shared = np.sqrt(both.clip(0)).sum()
    return float(shift + np.trace(np.atleast_2d(spread + spread_of_other)) - 2 * shared)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    found: NDArray[np.float64] = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return found
