"""Two runs as a page: what differs, what is seen of each, and their pictures side by side."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from redraft.plans.record import RunRecord
from redraft.plans.run_files import PICTURE
from redraft.plans.run_folder import read_run
from redraft.show.compare import RunComparison
from redraft.show.numbers import headline
from redraft.show.report.render import environment, page_style

MOST_BYTES = 32 << 20
"""A larger picture is no picture of a run, and would make the page too heavy."""


@dataclass(frozen=True)
class Side:
    """One of the runs: its folder, its record, what is seen of each rule, its picture."""

    folder: str
    record: RunRecord
    seen: tuple[tuple[str, str, str], ...]
    picture: str


def comparison_page(first: Path, second: Path, found: RunComparison) -> str:
    """The page as HTML text, which needs nothing else.

    Args:
        first: a run folder, or the record in it.
        second: another one.
        found: how they differ.

    Raises:
        ArtifactError: one of them is no finished run.

    """
    return (
        environment()
        .get_template("comparison.html")
        .render(
            found=found,
            sides=(_side(first), _side(second)),
            recipe=[each.sentence() for each in found.recipe],
            model=[each.sentence() for each in found.model],
            css=Markup(page_style()),
        )
    )


def _side(path: Path) -> Side:
    run = read_run(path)
    seen = tuple(
        (rule.name, rule.judgement.tone, headline(rule, "\N{NO-BREAK SPACE}"))
        for rule in run.record.rules
    )
    return Side(str(run.folder), run.record, seen, _picture(run.folder / PICTURE))


def _picture(path: Path) -> str:
    """A PNG as a data URL; nothing where there is none."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return ""
        data = path.read_bytes()
    except OSError:
        return ""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
