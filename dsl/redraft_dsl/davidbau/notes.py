"""Comments that hold what an edit file of the paper's authors has and a recipe has no place for.

``# davidbau: fields object, query, paste`` names the file's fields in their order;
``# davidbau: query z[12] mask("masks/x/query-12.png" bilinear)`` preserves one that no rule uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redraft_dsl.davidbau.edits import FIELDS

MARK = "# davidbau:"
_NOTE = re.compile(r'(object|paste|query) \w[\w-]*\[(\d{1,9})\] mask\("([^"]+)" bilinear\)')


@dataclass(frozen=True)
class Notes:
    """What the comments say. ``fields`` is None without such a comment."""

    fields: tuple[str, ...] | None = None
    unused: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By field: the picture's number and the path of its mask."""


class UnreadableNoteError(Exception):
    """A comment begins as a note does, and is not one; it is the message."""


def fields_note(fields: Iterable[str]) -> str:
    """The comment that preserves the order of the fields."""
    return f"{MARK} fields {', '.join(fields)}"


def unused_note(name: str, image: int, path: str) -> str:
    """The comment that preserves a field."""
    return f'{MARK} {name} z[{image}] mask("{path}" bilinear)'


def read_notes(comments: Iterable[str]) -> Notes:
    """The notes among a recipe's comments.

    Raises ``UnreadableNoteError`` for one that was damaged by hand.
    """
    fields: tuple[str, ...] | None = None
    unused: dict[str, tuple[int, str]] = {}
    for comment in comments:
        if not comment.startswith(MARK):
            continue
        text = comment.removeprefix(MARK).strip()
        names = tuple(text.removeprefix("fields ").split(", "))
        note = _NOTE.fullmatch(text)
        if note is not None:
            unused[note[1]] = (int(note[2]), note[3])
        elif text.startswith("fields ") and set(names) <= set(FIELDS):
            fields = names
        else:
            raise UnreadableNoteError(comment)
    return Notes(fields, unused)
