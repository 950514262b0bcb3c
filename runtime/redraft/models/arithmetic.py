"""How torch computes: on how many threads, and how precisely. Bits depend on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Torch on so many threads, and afterwards on as many as before; None leaves it as it is."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


@contextmanager
def full_float32() -> Iterator[None]:
    """Products of float32 numbers in float32, and afterwards as before.

    By default a GPU may round the factors of a convolution to TF32, which has 10 bits of mantissa.
    Also serves as a decorator.
    """
    before = [(where, name, getattr(where, name)) for where, name, _ in _switches()]
    for where, name, value in _switches():
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)


def _switches() -> tuple[tuple[Any, str, object], ...]:
    """What allows TF32 (and on some processors bfloat16): where, its name, the value that forbids.

    From torch 2.9 on there are others than before, and it is an error to mix the two.
    """
    cuda = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    cpu: Any = torch.backends.mkldnn
    if not hasattr(cuda, "fp32_precision"):
        return (cuda, "allow_tf32", False), (cudnn, "allow_tf32", False)
    units = (cuda, cudnn.conv, cpu.matmul, cpu.conv)
    return tuple((unit, "fp32_precision", "ieee") for unit in units)
