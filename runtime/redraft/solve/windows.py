"""Windows of pictures: a layer run on a window and its halo gives what it gives on the whole.

The authors' code runs the target layer on a crop of the keys that has lost its neighbours, and
draws new noise for it. Here a window takes with it the keys that its values read, and the part of
every map that lies there, so nothing inside changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.memory.boxes import bounding_box
from redraft.models.generator import LayerForm, LayerInputs, Reach, Reaches, Span
from redraft.solve.goals import Goal

Box = tuple[int, int, int, int]
"""Top, bottom, left and right of a window in value positions, half-open."""


@dataclass(frozen=True)
class Crop:
    """What enters a layer for windows of N pictures, one of each, all of one size.

    Attributes:
        inputs: the keys that the windows' values read, and the parts of all maps that lie there.
        rows: of each picture's values, those that the layer gives for ``inputs``: the window, and
            around it a border whose values lack their neighbours.
        columns: the same.

    """

    inputs: LayerInputs
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def of(self, maps: Tensor) -> Tensor:
        """The part of (N, ..., H, W) maps of values that the crop's values stand for."""
        spans = zip(maps, self.rows, self.columns, strict=True)
        return torch.stack([each[..., slice(*rows), slice(*cols)] for each, rows, cols in spans])


def reach_of(form: LayerForm) -> Reaches | None:
    """What a layer's values read along rows and columns; None where that is not known."""
    found = [positions.reach for positions in form.phases]
    known = [reach for reach in found if reach is not None]
    if not known or len(known) < len(found):
        return None
    rows, columns = (_joined(along) for along in zip(*known, strict=True))
    return None if rows is None or columns is None else (rows, columns)


def _joined(along: Sequence[Reach]) -> Reach | None:
    """What the values of several sets of positions read, where they step alike."""
    if len({(reach.up, reach.down, reach.lost) for reach in along}) > 1:
        return None
    low, high = min(reach.low for reach in along), max(reach.high for reach in along)
    return replace(along[0], low=low, high=high)


def crop(form: LayerForm, inputs: LayerInputs, boxes: Sequence[Box]) -> Crop | None:
    """What enters a layer for the values of windows, their receptive-field halo included.

    Inside the windows ``form.activate(form.response(found.inputs, weight))`` are the values of the
    whole pictures, but for the order in which a convolution may add up other sizes. What the rest
    of the network carries along stays whole, so pictures cannot be drawn from a crop.

    Args:
        form: the layer.
        inputs: for N pictures.
        boxes: N windows, not empty, within the values.

    Returns:
        None where that is the whole pictures, or the layer's reach is not known.

    """
    reach = reach_of(form)
    if reach is None:
        return None
    height, width = inputs.keys.shape[2:]
    rows = _alike(reach[0], [box[:2] for box in boxes], height)
    columns = _alike(reach[1], [box[2:] for box in boxes], width)
    if {*rows} == {(0, height)} and {*columns} == {(0, width)}:
        return None
    found = Crop(inputs, *(
        tuple(along.values(span) for span in spans)
        for along, spans in zip(reach, (rows, columns), strict=True)
    ))  # fmt: skip
    whole = (reach[0].values((0, height))[1], reach[1].values((0, width))[1])
    # The noise of a crop is the crop of the noise.
    carried = {
        name: found.of(value) if value.ndim == 4 and value.shape[2:] == whole else value
        for name, value in inputs.carried.items()
    }
    keys = Crop(inputs, tuple(rows), tuple(columns)).of(inputs.keys)
    return replace(found, inputs=LayerInputs(keys, carried))


def focus(form: LayerForm, goal: Goal, weights: Tensor) -> tuple[Goal, Tensor]:
    """A goal and its weights (N, H, W), on the windows that have any weight.

    What the layer gives for them, weighed, is what it gives for the whole pictures; positions
    without weight may differ, where they lack neighbours.

    Raises:
        RunError: a picture has no weight at all.

    """
    found = crop(form, goal.inputs, [bounding_box(picture) for picture in weights])
    if found is None:
        return goal, weights
    maps = (goal.before, goal.values, goal.alpha, goal.inside)
    return Goal(found.inputs, *map(found.of, maps)), found.of(weights)


def _alike(reach: Reach, windows: Sequence[Span], count: int) -> list[Span]:
    """The keys of each window along one axis, equally many, within the picture."""
    spans = [reach.keys(window, count) for window in windows]
    if reach.down > 1:
        # Moved by less than a step, values would fall between those of the whole.
        return [(min(first for first, _ in spans), max(last for _, last in spans))] * len(spans)
    size = max(last - first for first, last in spans)
    starts = [min(first, count - size) for first, _ in spans]
    return [(start, start + size) for start in starts]
