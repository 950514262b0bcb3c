"""Nothing of another origin is replaced unless that was asked for. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from redraft.errors import ArtifactError


def refuse_overwriting(paths: Iterable[Path], *, force: bool) -> None:
    """Raise ArtifactError when one of the files is there already, unless ``force`` is given."""
    there = [path for path in paths if os.path.lexists(path)]
    if there and not force:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise ArtifactError(
            "RD681",
            f"{there[0]} is there already{more}, so nothing was written",
            "give another name, or overwrite with `--force`",
        )
