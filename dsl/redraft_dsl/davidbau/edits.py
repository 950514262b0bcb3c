"""The edit files of the paper's authors (github.com/davidbau/rewriting): JSON with masks inside.

Such a file is an object of up to four fields. ``object`` (what to copy), ``paste`` (where) and
``query`` (what was last searched for) hold one marked picture each, ``key`` (the context) holds a
list of them. A marked picture is ``[number, "data:image/png;base64,..."]``.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from redraft_dsl.geometry.masks import MaskError, mask_of
from redraft_dsl.recipe.json_file import JsonFileError, read_object

FIELDS = ("object", "paste", "key", "query")
MAX_BYTES = 64 * 2**20
MAX_IMAGE = 100_000_000
"""Images are numbered below this, as in a recipe."""
MAX_PICTURES = 5000
"""In one list: as many as a recipe has room for."""
PREFIX = "data:image/png;base64,"
_PNG = b"\x89PNG\r\n\x1a\n"


class NotAnEditError(JsonFileError):
    """A text is not an edit file."""

    expected = (
        "an edit file of the paper's authors is a JSON object of `object`, `paste`, `key` and "
        '`query`, with pictures such as [116, "data:image/png;base64,..."]'
    )


@dataclass(frozen=True)
class MarkedImage:
    """A picture by its number, and the PNG of the mask that was drawn on it."""

    image: int
    png: bytes


@dataclass(frozen=True)
class EditFile:
    """An edit file. What it does not have is None; ``order`` names its fields as they stand."""

    object: MarkedImage | None = None
    paste: MarkedImage | None = None
    key: tuple[MarkedImage, ...] | None = None
    query: MarkedImage | None = None
    order: tuple[str, ...] = FIELDS

    def context(self) -> tuple[MarkedImage, ...]:
        """Where the rule belongs: the key, or the paste where there is no key."""
        return self.key or ((self.paste,) if self.paste is not None else ())


def read_edit(data: bytes) -> EditFile:
    """Read a file's bytes; every mask is decoded once, so that a damaged one is found here.

    Raises ``NotAnEditError`` for anything that could not be written back as it was.
    """
    fields = read_object(data, MAX_BYTES, NotAnEditError)
    _known(fields)
    single = {name: _marked(fields[name], name) for name in fields if name != "key"}
    key = _key(fields["key"]) if "key" in fields else None
    found = EditFile(**single, key=key, order=tuple(fields))
    if not found.context():
        raise NotAnEditError("it has neither `paste` nor `key`, so there is no place in it to edit")
    return found


def write_edit(edit: EditFile) -> str:
    """The file's text, laid out as the authors' own program does; no line end after it."""
    fields: dict[str, Any] = {}
    for name in edit.order:
        value = getattr(edit, name)
        if name == "key" and value is not None:
            fields[name] = [_written(each) for each in value]
        elif value is not None:
            fields[name] = _written(value)
    return json.dumps(fields, indent=1)


def _known(fields: dict[str, Any]) -> None:
    unknown = [name for name in fields if name not in FIELDS]
    if not unknown:
        return
    first = fields[unknown[0]]
    if isinstance(first, dict) and "intervention" in first:
        raise NotAnEditError(
            "it holds the marks of the authors' reflection experiment, which is not an edit",
            "no rule of this language takes them",
        )
    raise NotAnEditError(f"it has a field `{unknown[0][:40]}`, which no edit file has")


def _key(value: Any) -> tuple[MarkedImage, ...]:
    if not (isinstance(value, list) and value):
        raise NotAnEditError("its `key` is not a list of marked pictures")
    if len(value) > MAX_PICTURES:
        message = f"its `key` has {len(value)} pictures, and at most {MAX_PICTURES} are read"
        raise NotAnEditError(message)
    return tuple(_marked(each, f"key[{at}]") for at, each in enumerate(value))


def _marked(value: Any, where: str) -> MarkedImage:
    if not (isinstance(value, list) and len(value) == 2):
        raise NotAnEditError(f"its `{where}` is not a number and a mask")
    image, url = value
    if type(image) is not int or not 0 <= image < MAX_IMAGE:
        raise NotAnEditError(f"the picture of its `{where}` is not a number from 0 up")
    if not (isinstance(url, str) and url.startswith(PREFIX)):
        raise NotAnEditError(f"the mask of its `{where}` is not a data URL of a PNG")
    return MarkedImage(image, _png(url.removeprefix(PREFIX), where))


def _png(text: str, where: str) -> bytes:
    remedy = "take the file afresh from where it came from"
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotAnEditError(f"the mask of its `{where}` is broken base64", remedy) from None
    if base64.b64encode(data).decode() != text:
        raise NotAnEditError(f"the mask of its `{where}` is base64 in an unusual form", remedy)
    if not data.startswith(_PNG):
        raise NotAnEditError(f"the mask of its `{where}` is not a PNG", remedy)
    try:
        _ = mask_of(data, where).coverage
    except MaskError as problem:
        raise NotAnEditError(
            f"the mask of its `{where}` cannot be used: {problem}", remedy
        ) from None
    return data


def _written(marked: MarkedImage) -> list[Any]:
    return [marked.image, PREFIX + base64.b64encode(marked.png).decode()]
