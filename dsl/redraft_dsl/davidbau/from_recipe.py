"""From a recipe to an edit file of the paper's authors, where one can hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from redraft_dsl.davidbau.edits import FIELDS, EditFile, MarkedImage
from redraft_dsl.davidbau.notes import Notes, UnreadableNoteError, read_notes
from redraft_dsl.davidbau.to_recipe import AUTHORS_SEED
from redraft_dsl.geometry.masks import MaskError, png_of, read_mask
from redraft_dsl.geometry.regions import coverage
from redraft_dsl.recipe import model as r

PNG = b"\x89PNG\r\n\x1a\n"
ImageSize = Callable[[], tuple[int, int]]
"""Gives the picture's (height, width); called only for a region that has to be drawn."""


class NotExportableError(Exception):
    """A recipe has no form as an edit file. ``reasons`` are all that stand in the way."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Exported:
    """An edit file, and the pictures whose regions had to be drawn as masks."""

    edit: EditFile
    drawn: tuple[str, ...]


def edit_of(
    recipe: r.Recipe, comments: Iterable[str], folder: Path, image_size: ImageSize
) -> Exported:
    """The edit file that says what ``recipe`` does; ``comments`` are those of its text.

    Raises ``NotExportableError`` when the recipe does more than such a file can say, and passes on
    whatever ``image_size`` raises.
    """
    reasons = tuple(_obstacles(recipe))
    if reasons:
        raise NotExportableError(reasons)
    try:
        notes = read_notes(comments)
    except UnreadableNoteError as problem:
        raise NotExportableError((f"the comment `{problem}` is damaged",)) from None
    drawing = _Drawing(folder, image_size)
    try:
        return Exported(_edit(recipe.rules[0], notes, drawing), tuple(drawing.drawn))
    except MaskError as problem:
        raise NotExportableError((f"a mask cannot be used: {problem}",)) from None


def _obstacles(recipe: r.Recipe) -> Iterable[str]:
    if len(recipe.rules) > 1:
        yield f"it has {len(recipe.rules)} rules, and a file holds one"
    for rule in recipe.rules[:1]:
        if isinstance(rule, r.Insert):
            yield from _targets("paste", rule.paste, len(rule.context))
        elif isinstance(rule, r.Erase):
            yield from _targets("from", rule.source, 1)
        if any(isinstance(context, r.Match) for context in rule.context):
            yield "a context is found by match, and a file holds marked pictures"
        yield from _latents(rule, recipe)


def _targets(key: str, targets: str | tuple[r.Place, ...], contexts: int) -> Iterable[str]:
    if isinstance(targets, str):
        if contexts > 1:
            yield f"`{key}` is every context, and a file holds one `paste`"
    elif len(targets) > 1:
        yield f"it has {len(targets)} `{key}` lines, and a file holds one `paste`"


def _latents(rule: r.Rule, recipe: r.Recipe) -> Iterable[str]:
    names = {place.latents for place in rule.places()}
    for name in sorted(names):
        seed = recipe.latents_named(name).seed
        if seed != AUTHORS_SEED:
            yield f"`{name}` has seed {seed}, and their images are those of seed {AUTHORS_SEED}"


def _edit(rule: r.Rule, notes: Notes, drawing: _Drawing) -> EditFile:
    found = {name: drawing.unused(*note) for name, note in notes.unused.items()}
    context = tuple(drawing.marked(place) for place in rule.context if isinstance(place, r.Place))
    if isinstance(rule, r.Insert):
        found["object"] = drawing.marked(rule.copy_from)
        found["paste"] = (
            context[0] if isinstance(rule.paste, str) else drawing.marked(rule.paste[0])
        )
    elif isinstance(rule, r.Erase) and not isinstance(rule.source, str):
        found["paste"] = drawing.marked(rule.source[0])
    key: tuple[MarkedImage, ...] | None = context
    keyless = notes.fields is not None and "key" not in notes.fields and len(context) == 1
    if keyless and found.setdefault("paste", context[0]) == context[0]:
        key = None  # the file had none: its paste is the context
    there = [name for name in FIELDS if name in found or (name == "key" and key)]
    order = [name for name in notes.fields or () if name in there]
    order += [name for name in there if name not in order]
    return EditFile(**found, key=key, order=tuple(order))


@dataclass(frozen=True)
class _Drawing:
    """Turns places into marked pictures. ``drawn`` collects those without a mask file."""

    folder: Path
    image_size: ImageSize
    drawn: list[str] = field(default_factory=list)

    def unused(self, image: int, path: str) -> MarkedImage:
        """A picture that a note names."""
        return MarkedImage(image, read_mask(path, self.folder).data)

    def marked(self, place: r.Place) -> MarkedImage:
        """A place; its mask is the file's own bytes wherever these mean the same there."""
        region = place.region
        if isinstance(region, r.Mask):
            file = read_mask(region.path, self.folder)
            same = region.resample == "bilinear" or bool(
                (file.coverage == file.resized(file.size)).all()
            )
            if same and file.data.startswith(PNG):
                return MarkedImage(place.index, file.data)
        self.drawn.append(f"{place.latents}[{place.index}]")
        return MarkedImage(place.index, png_of(coverage(region, self.image_size(), self.folder)))
