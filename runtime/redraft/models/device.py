"""Which device to run on, without loading torch where there can be none but the CPU."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Literal

from redraft.errors import ModelError

DeviceName = Literal["cpu", "cuda"]
_DRIVERS = ("libcuda.so.1", "nvcuda.dll")
_AMD_DRIVER = Path("/dev/kfd")


def device_name(name: str = "auto") -> DeviceName:
    """The device that is meant: with ``auto`` CUDA where there is one.

    Raises:
        ModelError: the device is not there, or is not a device.

    """
    if name not in ("auto", "cpu", "cuda"):
        raise ModelError("RD628", f"`{name}` is not a device", "use auto, cpu or cuda")
    if name == "cpu" or (name == "auto" and not _has_driver()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ModelError("RD628", "there is no CUDA device here", "use `--device cpu`")
    return "cpu"


def _has_driver() -> bool:
    """Whether there is the driver that torch would look for; torch takes a second to ask."""
    return _AMD_DRIVER.exists() or any(map(_can_be_loaded, _DRIVERS))


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
