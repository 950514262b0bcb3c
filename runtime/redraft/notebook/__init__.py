"""Recipes in notebooks: how runs, plans and edits show themselves, and the ``%%redraft`` cell.

``%load_ext redraft.notebook`` brings the cell magic. Nothing here needs IPython until then.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(ipython: Any) -> None:
    """What ``%load_ext redraft.notebook`` calls."""
    from redraft.notebook.magic import RedraftMagics

    ipython.register_magics(RedraftMagics)
