"""Figures about regions: how large they are, and what a layer sees of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from redraft_dsl.check.resolve import Regions, images_of, resolve_all
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.geometry.masks import MaskError, MaskFile, png_of, read_mask
from redraft_dsl.geometry.measure import TOUCHED, Measure
from redraft_dsl.recipe import model as r
from redraft_dsl.syntax import tree as s

THUMBNAIL = 64
"""Pixels of the longer side of a mask as it is shown."""

_KINDS = {
    r.Box: "box",
    r.Polygon: "polygon",
    r.Ellipse: "ellipse",
    r.Mask: "mask",
    r.All: "the whole picture",
    r.Combination: "joined regions",
}


@dataclass(frozen=True)
class Figures:
    """The regions of a tree without parameters, on a model's picture if the model is known."""

    tree: s.Tree
    folder: Path
    facts: ModelFacts | None

    @cached_property
    def regions(self) -> Regions:
        """What every name stands for."""
        return resolve_all(self.tree, self.folder)

    def at(self, expr: s.RegionExpr, layer: LayerFacts | None, *, keys: bool) -> str | None:
        """A region, and how much of a layer's keys (or values) it covers."""
        said = self._outline(expr)
        if said is None or layer is None:
            return said
        return f"{said}; {self._share(expr, layer, keys=keys)}" + self._picture(expr)

    def everywhere(self, expr: s.RegionExpr) -> str | None:
        """A region, and what each layer that the recipe rewrites sees of it."""
        said = self._outline(expr)
        if said is None or self.facts is None:
            return said
        named = [n.layer.text for n in self.tree.statements if isinstance(n, s.Operation)]
        layers = [layer for layer in self.facts.layers if set(layer.names) & set(named)]
        rows = [self._share(expr, layer, keys=True) for layer in layers]
        return "; ".join([said, *rows]) + self._picture(expr)

    def positions(self, node: s.Operation, layer: LayerFacts) -> str:
        """How many keys the contexts of a rule cover; a question mark where that is not clear."""
        total = 0
        for item in node.block.items:
            if item.key.text != "context" or not isinstance(item, s.PlaceLine | s.MatchLine):
                continue
            place = s.place_of(item)
            cells = self._cells(place.region, layer.key_size) if place else None
            times = item.top.whole if isinstance(item, s.MatchLine) else self.images(place)
            if cells is None or not times:
                return "?"
            total += cells[0] * times
        return str(total)

    def images(self, place: s.PlaceExpr | None) -> int:
        """How many images a place names."""
        if place is None:
            return 0
        named = place.images
        if isinstance(named, s.Images):
            return len(images_of(named))
        for node in self.tree.statements:
            if isinstance(node, s.ImagesStatement) and node.name.text == named.name.text:
                return len(images_of(node.images))
        return 0

    def _region(self, expr: s.RegionExpr) -> r.Region | None:
        found = self.regions.resolve(expr)
        return None if found is None or found.is_oversized else found.region

    def _outline(self, expr: s.RegionExpr) -> str | None:
        """What kind of region it is, and the size of the smallest box around it."""
        region = self._region(expr)
        if region is None:
            return None
        kind = f"region `{expr.name.text}`" if isinstance(expr, s.Named) else _KINDS[type(region)]
        size = self._extent(region)
        return kind if size is None else f"{kind}: {size[0]:g} x {size[1]:g} px"

    def _extent(self, region: r.Region) -> tuple[float, float] | None:
        """Width and height in pixels."""
        if self.facts is None:
            return None
        height, width = self.facts.image_size
        if isinstance(region, r.Box):
            x, y = ([e.pixels(n) for e in b] for b, n in ((region.x, width), (region.y, height)))
            return round(x[1] - x[0], 2), round(y[1] - y[0], 2)
        try:
            bounds = Measure((height, width), self.folder).bounds(region)
        except MaskError:
            return None
        if bounds is None:
            return 0.0, 0.0
        return bounds.x1 - bounds.x0, bounds.y1 - bounds.y0

    def _share(self, expr: s.RegionExpr, layer: LayerFacts, *, keys: bool) -> str:
        size = layer.key_size if keys else layer.value_size
        what = "keys" if keys else "values"
        cells = self._cells(expr, size)
        grid = f"at {layer.name} ({size[1]} x {size[0]} {what})"
        if cells is None:
            return f"{grid}: not clear"
        return f"{grid}: {cells[0]} {what}, weight {cells[1]:.4g}"

    def _cells(self, expr: s.RegionExpr, size: tuple[int, int]) -> tuple[int, float] | None:
        """How many cells a region touches, and the sum of their shares."""
        region = self._region(expr)
        if region is None or self.facts is None:
            return None
        from redraft_dsl.geometry.regions import on_grid

        try:
            cells = on_grid(region, self.facts.image_size, size, self.folder)
        except MaskError:
            return None
        return int((cells > TOUCHED).sum()), float(cells.sum())

    def _picture(self, expr: s.RegionExpr) -> str:
        """A mask as a small picture in Markdown; nothing for other regions."""
        if not isinstance(expr, s.MaskShape):
            return ""
        try:
            return f"\n\n![the mask]({thumbnail(read_mask(expr.path.text, self.folder))})"
        except MaskError:
            return ""


def thumbnail(mask: MaskFile) -> str:
    """A mask as a ``data:`` address of a small PNG. Raises ``MaskError`` when damaged."""
    from redraft_dsl.geometry.regions import resample

    height, width = mask.size
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    data = png_of(resample(mask.coverage, size))
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
