"""A recipe's text as a page needs it: rules with their settings, places with their outlines.

It is made of the tree, so that a recipe that is not whole yet is shown as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from redraft.show.contours import contours
from redraft_dsl import Checked
from redraft_dsl.check.resolve import Regions, Resolved, images_of, resolve_all
from redraft_dsl.facts import KnownModels, ModelFacts
from redraft_dsl.geometry.masks import MaskError
from redraft_dsl.geometry.regions import coverage
from redraft_dsl.language.language import LANGUAGE
from redraft_dsl.recipe.model import Latents, Region
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.edit import items_of

UNFINISHED = frozenset({"RD108", "RD207"})
"""The recipe has no rule yet, or a rule lacks a line: nothing is wrong, something is to come."""
MOST_IMAGES = 400
"""Images of one line that are listed."""


@dataclass(frozen=True)
class Scene:
    """What a text says of its model and images, whether or not the rest of it holds.

    Attributes:
        model: the statement.
        latents: the first latents.
        facts: of the model, None where they are not known.

    """

    model: s.ModelStatement | None
    latents: Latents | None
    facts: ModelFacts | None


def scene_of(checked: Checked, known: KnownModels, opened: ModelFacts | None) -> Scene:
    """The model and the first latents of a text."""
    statements = checked.tree.statements
    model = next((each for each in statements if isinstance(each, s.ModelStatement)), None)
    block = next((each for each in statements if isinstance(each, s.LatentsStatement)), None)
    facts = opened
    if model is not None and model.block is None:
        facts = known.listed.get(model.name.text, opened)
    return Scene(model, None if block is None else _latents(block), facts)


def _latents(block: s.LatentsStatement) -> Latents | None:
    values = {
        item.key.text: item.value.whole
        for item in block.block.items
        if isinstance(item, s.Setting) and isinstance(item.value, s.Number)
    }
    seed, count = values.get("seed"), values.get("count")
    if seed is None or count is None or not (0 <= seed < 2**32 and 1 <= count <= 10**8):
        return None
    return Latents(name=block.name.text, seed=seed, count=count)


def is_unfinished(problem: Diagnostic) -> bool:
    """Whether something is still to come, rather than wrong."""
    return problem.code in UNFINISHED


def problems_of(checked: Checked) -> list[dict[str, Any]]:
    """Everything that is wrong with a text."""
    return [
        {
            "code": each.code,
            "severity": "hint" if is_unfinished(each) else each.severity,
            "message": each.message,
            "label": each.label,
            "help": each.help,
            "from": each.span.start if each.span else 0,
            "to": each.span.end if each.span else 0,
            "line": checked.source.position(each.span.start).line if each.span else 0,
            "fixes": [fix.title for fix in each.fixes],
        }
        for each in checked.diagnostics
    ]


def rules_of(checked: Checked, scene: Scene, folder: Path) -> list[dict[str, Any]]:
    """Every operation of a text, in its order."""
    drawing = _Drawing(checked, scene, resolve_all(s.walk(checked.tree.statements), folder), folder)
    return [
        drawing.operation(node) if isinstance(node, s.Operation) else drawing.included(node)
        for node in checked.tree.statements
        if isinstance(node, s.Operation | s.Include)
    ]


@dataclass(frozen=True)
class _Drawing:
    checked: Checked
    scene: Scene
    regions: Regions
    folder: Path

    def included(self, node: s.Include) -> dict[str, Any]:
        """A rule of another recipe."""
        return {**self._head(node), "kind": "include", "layer": "", "settings": {}, "lines": []}

    def operation(self, node: s.Operation) -> dict[str, Any]:
        """A rule that is written here."""
        kind, items = node.kind.text, items_of(node)
        given = {each.key.text: each for each in items if isinstance(each, s.Setting)}
        settings = {
            key: {
                "value": self._text(given[key].value) if key in given else None,
                "inner": self._inner(given[key]) if key in given else {},
            }
            for key in LANGUAGE.block(kind)
        }
        layer = node.layer.text
        return {
            **self._head(node),
            "kind": kind,
            "layer": layer,
            "settings": settings,
            "lines": list(self._lines(node)),
        }

    def _inner(self, node: s.Setting) -> dict[str, str]:
        """The settings in the block of a setting."""
        within = (each for each in items_of(node) if isinstance(each, s.Setting))
        return {each.key.text: self._text(each.value) for each in within}

    def _head(self, node: s.Operation | s.Include) -> dict[str, Any]:
        position = self.checked.source.position
        return {
            "name": node.name.text,
            "off": node.off is not None,
            "start": node.span.start,
            "end": node.span.end,
            "first": position(node.span.start).line,
            "last": position(node.span.end).line,
        }

    def _lines(self, node: s.Operation) -> Iterator[dict[str, Any]]:
        counts: dict[str, int] = {}
        for item in items_of(node):
            if not isinstance(item, s.PlaceLine | s.MatchLine):
                continue
            word = item.key.text
            number = counts[word] = counts.get(word, -1) + 1
            address = f"{node.name.text}.{word}[{number}]"
            yield {"address": address, "word": word, **self._line(item)}

    def _line(self, item: s.PlaceLine | s.MatchLine) -> dict[str, Any]:
        place = s.place_of(item)
        if place is None:
            return {"kind": "each", "text": self._text(item)}
        found: dict[str, Any] = {
            "kind": "place",
            "text": self._text(item),
            "place": self._text(place),
            "region": self._text(place.region),
            "images": self._images(place.images),
            **self._outline(self.regions.resolve(place.region)),
        }
        if isinstance(item, s.MatchLine):
            numbers = {"top": item.top.text, "first": item.first.text, "last": item.last.text}
            found |= {"kind": "match", **numbers}
        return found

    def _images(self, images: s.Images | s.ImagesName) -> list[int]:
        found = _listed(self.checked.tree, images)
        return [] if found is None else [each.index for each in images_of(found)[:MOST_IMAGES]]

    def _outline(self, resolved: Resolved | None) -> dict[str, Any]:
        if resolved is None or self.scene.facts is None:
            return {"loops": [], "box": None}
        return outline(resolved.region, self.scene.facts.image_size, self.folder)

    def _text(self, node: Any) -> str:
        return self.checked.source.text[node.span.start : node.span.end]


def _listed(tree: s.Tree, images: s.Images | s.ImagesName) -> s.Images | None:
    """A list of images, also where it is named."""
    if isinstance(images, s.Images):
        return images
    named = (
        each.images
        for each in tree.statements
        if isinstance(each, s.ImagesStatement) and each.name.text == images.name.text
    )
    return next(named, None)


def images_named(tree: s.Tree, place: s.PlaceExpr) -> tuple[str, list[int]] | None:
    """The latents and the numbers of all images of a place; None where they cannot be read."""
    found = _listed(tree, place.images)
    numbers = [] if found is None else [each.index for each in images_of(found)]
    return None if found is None or not numbers else (found.latents.text, numbers)


def outline(region: Region, image_size: tuple[int, int], folder: Path) -> dict[str, Any]:
    """The closed lines around a region, in pixels of the model's image, and its bounding box."""
    try:
        area = coverage(region, image_size, folder)
    except MaskError:
        return {"loops": [], "box": None}
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    if not len(rows):
        return {"loops": [], "box": None}
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    return {"loops": [list(loop) for loop in contours(area)], "box": box}
