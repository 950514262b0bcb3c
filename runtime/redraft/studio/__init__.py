"""A local page on which a recipe is made by hand and eye: text in, pictures out.

In a notebook, ``from redraft.studio import Studio`` and ``Studio("glasses.redraft")`` show it below
the cell.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from redraft.errors import RedraftError

__all__ = ["Studio"]


def __getattr__(name: str) -> Any:
    """``Studio``, which loads torch and the server, once somebody asks for it."""
    if name not in __all__:
        raise AttributeError(f"module `redraft.studio` has no attribute `{name}`")
    try:
        return getattr(import_module("redraft.studio.web.inline"), name)
    except ModuleNotFoundError as error:
        raise RedraftError(
            "RD822",
            f"studio needs {error.name}, which is not installed",
            'install it with `pip install starlette uvicorn websockets "pygls>=2"`',
        ) from None
