"""What an editor shows of a text: the completion and the hover of the language server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redraft.models.listed.catalog import known_models
from redraft_dsl import Checked
from redraft_dsl.editor.complete import complete
from redraft_dsl.editor.documents import Document, Examined
from redraft_dsl.editor.hover import hover
from redraft_dsl.editor.positions import Text


def completions(checked: Checked, folder: Path, offset: int) -> list[dict[str, Any]]:
    """What could stand at an offset: text, what it is, and one line about it."""
    examined = _examined(checked, folder)
    found = []
    for item in complete(examined, offset):
        edit = item.text_edit
        start = None
        if edit is not None:
            area = getattr(edit, "range", None) or getattr(edit, "insert", None)
            start = None if area is None else examined.document.text.offset(area.start)
        found.append(
            {
                "label": item.label,
                "insert": edit.new_text if edit is not None else item.insert_text or item.label,
                "detail": item.detail or "",
                "from": start,
            }
        )
    return found


def hovered(checked: Checked, folder: Path, offset: int) -> dict[str, Any] | None:
    """What is known about a place, as Markdown, and how far that place reaches."""
    found = hover(_examined(checked, folder), offset)
    if found is None:
        return None
    return {"markdown": found[0], "from": found[1].start, "to": found[1].end}


def _examined(checked: Checked, folder: Path) -> Examined:
    text = Text(checked.source.text, checked.source.path)
    return Examined(Document("", 0, text, folder), checked, known_models())
