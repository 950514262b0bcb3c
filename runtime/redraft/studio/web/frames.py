"""Pictures on the wire: a head in JSON, then bytes as they are drawn, without any packing.

Over the loopback, packing and unpacking a sheet takes longer than its bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]
"""(H, W, 3)."""


def pixels_of(pictures: Tensor) -> list[Pixels]:
    """(N, 3, H, W) values in -1..1 as N pictures, as ``show.pictures.to_picture`` rounds them."""
    values = pictures.detach().cpu().nan_to_num(nan=-1.0).clamp(-1, 1)
    levels = ((values + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    return [np.ascontiguousarray(each) for each in levels.numpy()]


def frame(
    which: str, numbers: Sequence[int], pictures: Sequence[Pixels], more: Mapping[str, object]
) -> bytes:
    """A binary message: length of the head (4 bytes, little endian), head, RGB pixels."""
    height, width = pictures[0].shape[:2] if pictures else (0, 0)
    about = {"which": which, "numbers": list(numbers), "height": height, "width": width, **more}
    head = json.dumps(about).encode()
    return b"".join([struct.pack("<I", len(head)), head, *(each.tobytes() for each in pictures)])
