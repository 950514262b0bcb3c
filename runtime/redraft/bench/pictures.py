"""Sheets that show what the benches measure: the same unseen pictures under several changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from redraft.bench.cases import Case, case_pictures, judged_latents
from redraft.bench.effect import JUDGED
from redraft.disk.cache import make_folder
from redraft.disk.files import write_bytes
from redraft.show.pictures import png
from redraft.show.sheets import comparison
from redraft.solve.delta import Delta

COLUMNS = 12


def save_comparison(path: Path, shown: Sequence[tuple[Case, str, Delta]]) -> None:
    """Write one sheet: the last unseen pictures as they are, and a row for each change.

    Args:
        path: a PNG file; its folder is made.
        shown: cases of one model, with a name and a change each.

    """
    first = shown[0][0]
    # Every case leaves out other pictures; those of the first are shown for all.
    latents = judged_latents(first, first.plan.recipe, *JUDGED)[-COLUMNS:]
    rows = [("as the model draws them", tuple(case_pictures(first, None, latents)))]
    for case, name, delta in shown:
        rows.append((name, tuple(case_pictures(case, delta, latents))))
    make_folder(path.parent)
    write_bytes(path, png(comparison(rows)))
