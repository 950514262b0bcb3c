"""What the judging segmenter's features say of pictures: how alike two are, and two sets of them.

- *perceptual*: at each of the four sizes of its maps, features are scaled to length 1 at every
  position, as LPIPS does (Zhang et al. 2018), without its trained weights. A picture's value is
  the squared difference, meaned over the positions that lie wholly where the right answer changes
  no label, and over the sizes. 0 is no change, 4 the most.
- *pooled*: the 64 deepest features, meaned over the picture, for the Fréchet distance.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from redraft.world.segmenter import Segmenter

_BATCH = 100


def pooled(judge: Segmenter, pictures: Tensor) -> NDArray[np.float64]:
    """(N, 64), the deepest features of pictures (N, 3, 64, 64)."""
    with torch.no_grad():
        parts = [judge.features(part)[-1].mean((2, 3)) for part in torch.split(pictures, _BATCH)]
    return torch.cat(parts).double().numpy()


def perceptual(
    judge: Segmenter, before: Tensor, after: Tensor, changed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N,), how much each picture changes where ``changed`` (N, 64, 64) is false."""
    covered = torch.from_numpy(changed)[:, None].float()
    found = []
    with torch.no_grad():
        for rows in torch.split(torch.arange(len(before)), _BATCH):
            sizes = []
            pairs = zip(judge.features(before[rows]), judge.features(after[rows]), strict=True)
            for one, other in pairs:
                step = 64 // one.shape[2]
                outside = 1 - functional.max_pool2d(covered[rows], step)
                moved = (functional.normalize(one) - functional.normalize(other)).square()
                whole = outside.sum((1, 2, 3)).clamp_min(1)
                sizes.append((moved.sum(1, keepdim=True) * outside).sum((1, 2, 3)) / whole)
            found.append(torch.stack(sizes).mean(0))
    return torch.cat(found).double().numpy()
