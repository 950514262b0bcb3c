"""One digest for a set of tensors, the same on every platform."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the tensors in order of name: name, dtype, shape and raw bytes of each.

    Bytes are taken little-endian and in row-major order, whatever the machine, the strides or
    the device, so equal weights have equal digests. The order of the mapping does not matter.

    Args:
        tensors: any shapes, any dtypes.

    Returns:
        64 hexadecimal digits.

    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        head = [name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        # A JSON line ends at its line end, so no two different sets run into the same bytes.
        digest.update(json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n")
        digest.update(raw_bytes(tensor))
    return digest.hexdigest()


def raw_bytes(tensor: Tensor) -> memoryview:
    """The elements of a tensor, little-endian and in row-major order."""
    import torch

    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    octets = flat.view(torch.uint8)
    if sys.byteorder == "big":
        octets = octets.reshape(-1, flat.element_size()).flip(1).reshape(-1)
    octets_array: Any = octets.numpy()
    return memoryview(octets_array)
