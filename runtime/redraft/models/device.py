"""Which device to run on, without loading torch where there can be none but the CPU."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.errors import ModelError

if TYPE_CHECKING:
    import torch

MOST_THREADS = 1024
"""Threads that a user, or a record that somebody sent, can ask for."""
_DRIVERS = ("libcuda.so.1", "nvcuda.dll")
_AMD_DRIVER = Path("/dev/kfd")
_CUDA = re.compile(r"cuda(?::([0-9]{1,3}))?")


def device_name(device: str | torch.device = "auto") -> str:
    """The device that is meant, as torch names it; with ``auto`` CUDA where there is one.

    Args:
        device: auto, cpu, cuda or cuda:N, or a device of torch.

    Raises:
        ModelError: the device is not there, or is not a device.

    """
    name = str(device)
    cuda = _CUDA.fullmatch(name)
    if name == "cpu" or (name == "auto" and not _has_driver()):
        return "cpu"
    if name != "auto" and cuda is None:
        raise ModelError("RD628", *_unknown(name))
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cuda is None:
        return "cuda" if count else "cpu"
    if not count:
        raise ModelError("RD628", "there is no CUDA device here", "use `--device cpu`")
    if cuda[1] is not None and int(cuda[1]) >= count:
        raise ModelError(
            "RD628",
            f"there is no device `{name}` here",
            f"the last one is `cuda:{count - 1}`",
        )
    return name


def _unknown(name: str) -> tuple[str, str]:
    """What is wrong with a name, and what to do."""
    if name.partition(":")[0] == "mps":
        return "`mps` has no float64, which rules are solved in", "use cpu"
    return f"`{name}` is not a device", "use auto, cpu, cuda or cuda:N"


def _has_driver() -> bool:
    """Whether there is the driver that torch would look for; torch takes a second to ask."""
    return _AMD_DRIVER.exists() or any(map(_can_be_loaded, _DRIVERS))


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
