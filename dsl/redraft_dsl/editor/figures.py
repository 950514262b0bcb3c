"""Figures about regions: how large they are, and what a layer sees of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from redraft_dsl.check.context import Context
from redraft_dsl.facts import LayerFacts
from redraft_dsl.geometry.masks import MaskError, MaskFile, png_of
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
    """The regions of a recipe, on its model's picture if the model is known."""

    context: Context

    def at(self, expr: s.RegionExpr, layer: LayerFacts | None, *, keys: bool) -> str | None:
        """A region, and how much of a layer's keys (or values) it covers."""
        outline = self._outline(expr)
        if outline is None or layer is None:
            return outline
        return f"{outline}; {self._share(expr, layer, keys=keys)}" + self._picture(expr)

    def everywhere(self, expr: s.RegionExpr) -> str | None:
        """A region, and what each layer that the recipe rewrites sees of it."""
        outline, facts = self._outline(expr), self.context.facts
        if outline is None or facts is None:
            return outline
        named = {node.layer.text for node in self.context.all(s.Operation)}
        layers = [layer for layer in facts.layers if named.intersection(layer.names)]
        rows = [self._share(expr, layer, keys=True) for layer in layers]
        return "; ".join([outline, *rows]) + self._picture(expr)

    def _region(self, expr: s.RegionExpr) -> r.Region | None:
        found = self.context.regions.resolve(expr)
        return None if found is None or found.is_oversized else found.region

    def _outline(self, expr: s.RegionExpr) -> str | None:
        """What kind of region it is, and the size of the smallest box around it."""
        region, measure = self._region(expr), self.context.measure
        if region is None:
            return None
        kind = f"region `{expr.name.text}`" if isinstance(expr, s.Named) else _KINDS[type(region)]
        if measure is None:
            return kind
        try:
            x0, y0, x1, y1 = measure.bounds(region) or (0, 0, 0, 0)
        except MaskError:
            return kind
        return f"{kind}: {x1 - x0:g} x {y1 - y0:g} px"

    def _share(self, expr: s.RegionExpr, layer: LayerFacts, *, keys: bool) -> str:
        size, what = (layer.key_size, "keys") if keys else (layer.value_size, "values")
        region, measure = self._region(expr), self.context.measure
        grid = f"at {layer.name} ({size[1]} x {size[0]} {what})"
        try:
            cells = measure.cells(region, size) if measure and region else None
        except MaskError:
            cells = None
        if cells is None:
            return f"{grid}: not clear"
        return f"{grid}: {cells.touched} {what}, weight {cells.weight:.4g}"

    def _picture(self, expr: s.RegionExpr) -> str:
        """A mask as a small picture in Markdown; nothing for other regions."""
        mask = (
            self.context.regions.masks.get(expr.path.text)
            if isinstance(expr, s.MaskShape)
            else None
        )
        return f"\n\n![the mask]({thumbnail(mask)})" if isinstance(mask, MaskFile) else ""


def thumbnail(mask: MaskFile) -> str:
    """A mask as a ``data:`` address of a small PNG. Raises ``MaskError`` when damaged."""
    from redraft_dsl.geometry.regions import resample

    height, width = mask.size
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    data = png_of(resample(mask.coverage, size))
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
