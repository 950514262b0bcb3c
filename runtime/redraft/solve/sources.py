"""Kinds of goals: what is put into the values of a layer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from redraft.memory import keys
from redraft.memory.drive import Drive
from redraft.memory.layer import Places
from redraft.models.generator import LayerInputs
from redraft.solve import goals
from redraft.solve.delta import zeroing
from redraft.solve.goals import Goal, OwnGoal, Patch
from redraft.solve.setup import Source, Staged


@dataclass(frozen=True, eq=False)
class Copy(Source):
    """The values of one picture's region, put into every picture (copy and paste).

    Attributes:
        region: the picture and its region.

    """

    region: Places

    def content(self, stages: Staged) -> Hashable:  # noqa: ARG002
        """The picture and the region."""
        return "copy", self.region.content

    def outline(self, stages: Staged) -> Hashable:
        """The shape of what is copied, wherever it comes from."""
        patch = self.patch(stages)
        return patch.alpha.cpu().numpy().tobytes(), patch.alpha.shape, patch.center

    def goal(self, stages: Staged, places: Places) -> Goal:
        """The patch, put by its centre where each region has its own."""
        form, patch = stages.setup.form, self.patch(stages)
        where = list(places.on_values.to(patch.values))
        return goals.paste(form, stages.inputs(places), form.weight, patch, where)

    def patch(self, stages: Staged) -> Patch:
        """The values that are copied."""

        def make() -> Patch:
            form = stages.setup.form
            values = form.activate(form.response(stages.inputs(self.region), form.weight))[0]
            return goals.cut(values, self.region.on_values[0].to(values))

        return stages.stage("patch", self.region.content, make)


@dataclass(frozen=True)
class Silence(Source):
    """The layer's output without the units that are unusual in the contexts (erase).

    Attributes:
        count: how many units are silenced.

    """

    count: int

    def content(self, stages: Staged) -> Hashable:
        """How many units, and the contexts that decide which."""
        return "silence", self.count, stages.setup.contexts.content

    def goal(self, stages: Staged, places: Places) -> Goal:
        """Without the units inside the regions, as it is outside."""
        form = stages.setup.form
        return goals.silence(
            form, stages.inputs(places), form.weight, self.units(stages), places.on_values
        )

    def units(self, stages: Staged) -> Tensor:
        """(count,) numbers of the channels that are silenced."""
        contexts = stages.setup.contexts
        inside = keys.context_keys(stages.inputs(contexts), contexts.on_keys)
        return keys.unusual_units(inside, stages.setup.whitening.moment, self.count)

    def anywhere(self, stages: Staged) -> OwnGoal:
        """What the rule wants of any pictures: values (N, O, H, W) with the units silenced.

        They are silenced in the pictures' own places (N, height, width), or else where most of the
        contexts have their region.
        """
        form, units = stages.setup.form, self.units(stages)
        region = _usual(stages.setup.contexts)

        def values(latents: Tensor, inputs: LayerInputs, places: Tensor | None) -> Tensor:  # noqa: ARG001
            regions = _regions(region, len(inputs), places)
            return goals.silence(form, inputs, form.weight, units, regions).values

        return values


@dataclass(frozen=True, eq=False)
class Swapped(Source):
    """In each picture the effect of the same picture with the cause the other way (invert).

    The places of its goal are those of N pictures with the cause high, and then of the same with
    the cause low, see :func:`redraft.memory.placed.swapped`.

    Attributes:
        drive: what drives the cause.
        enter: gives what enters the layer for latents (N, width).

    """

    drive: Drive
    enter: Callable[[Tensor], LayerInputs]

    def content(self, stages: Staged) -> Hashable:  # noqa: ARG002
        """What drives the cause."""
        return "swap", self.drive.content

    def goal(self, stages: Staged, places: Places) -> Goal:
        """The values of the other half inside the regions, and their own outside."""
        form, half = stages.setup.form, len(places) // 2
        assert len(places) == 2 * half, "each picture is there twice"
        inputs = stages.inputs(places)
        before = form.activate(form.response(inputs, form.weight))
        other = torch.cat([before[half:], before[:half]])
        return goals.replaced(inputs, before, other, places.on_values)

    def anywhere(self, stages: Staged) -> OwnGoal:
        """What the rule wants of any pictures: the effect that they have the other way round.

        It lies where most of the contexts have it. How far a picture lies from the middle it lies
        on the other side.
        """
        form, region = stages.setup.form, _usual(stages.setup.contexts)

        def values(latents: Tensor, inputs: LayerInputs, places: Tensor | None) -> Tensor:
            before = form.activate(form.response(inputs, form.weight))
            turned = self.enter(self.drive.mirrored(latents.cpu()))
            other = form.activate(form.response(turned, form.weight))
            regions = _regions(region, len(inputs), places)
            return goals.replaced(inputs, before, other, regions).values

        return values


def _usual(places: Places) -> Tensor:
    """(H, W) float64, 1 where most of the places have their region, at the values' resolution."""
    mean = places.on_values.mean(0)
    return (mean >= 0.5 * mean.max()).to(mean.dtype)


def _regions(usual: Tensor, count: int, places: Tensor | None) -> Tensor:
    """(count, H, W) coverage: the pictures' own places, or else the usual one in all of them."""
    if places is None:
        return usual.expand(count, *usual.shape)
    height, width = usual.shape
    return functional.adaptive_avg_pool2d(places.to(usual.dtype), (height, width))


@dataclass(frozen=True)
class Zeroed(Source):
    """What the layer gives without the part of its weight along the directions (zero).

    Attributes:
        strength: how much of that part goes.

    """

    strength: float

    def content(self, stages: Staged) -> Hashable:
        """The strength, and what decides on the directions."""
        setup = stages.setup
        return ("zero", self.strength, setup.rank, setup.directions, setup.contrast,
                setup.contexts.content)  # fmt: skip

    def goal(self, stages: Staged, places: Places) -> Goal:
        """What the change gives: there is nothing else to reach."""
        form, inputs = stages.setup.form, stages.inputs(places)
        delta = zeroing("", "", form.weight, stages.directions, self.strength)
        before = form.activate(form.response(inputs, form.weight))
        after = form.activate(form.response(inputs, delta.added_to(form.weight)))
        cover = places.on_values.to(before)
        return Goal(inputs, before, after, cover, torch.stack([goals.box_mask(c) for c in cover]))
