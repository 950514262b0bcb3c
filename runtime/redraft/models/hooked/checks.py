"""What a generator has to promise before it can be edited, and which part of a module breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from redraft.errors import ModelError
from redraft.models.hooked.hooked import HookedGenerator
from redraft.models.hooked.passes import tensors_in
from redraft.models.hooked.trace import picture_of, same_places

CLOSE = 1e-4
"""Of the range of the pictures, what a picture may differ by between batches."""
SEEN = 4
EMPTY = 0.02
"""Share of the range below which pictures hardly fill it."""
FULL = 0.5
"""Share of the numbers at an end of the range from which on pictures are saturated."""

Outputs = list[tuple[str, str, list[Tensor]]]
"""Of each part in the order in which they end: its name, its class, what it gave."""


def check(generator: HookedGenerator, rows: Tensor) -> list[str]:
    """Check what can be checked of a generator.

    Args:
        generator: freshly opened.
        rows: a few latents.

    Returns:
        Warnings.

    Raises:
        ModelError: the pictures hold numbers that are not finite, the same latents give other
            pictures a second time, or in another batch, or the cut network gives others than the
            module does; says which part is at fault.

    """
    held = {name: each.detach().clone() for name, each in generator.module.named_parameters()}
    first, again = (_outputs(generator, rows) for _ in range(2))
    _check_numbers(first)
    _check_kept(generator, held)
    culprit = _differing(first, again, slice(None), slice(None))
    if culprit is not None:
        raise ModelError(
            "RD676",
            f"the same latents give other pictures the second time: {_named(*culprit)} gives other "
            "numbers for the same input",
            "let it draw no random numbers when it is evaluated, or keep them (register_buffer)",
        )
    alone = _outputs(generator, rows[:1])
    culprit = _differing(first, alone, slice(0, 1), slice(0, 1))
    if culprit is not None:
        raise ModelError(
            "RD676",
            f"a picture depends on the others of its batch: {_named(*culprit)} gives other numbers "
            "for the same input alone",
            "let it use no statistics of the batch when it is evaluated",
        )
    _check_operations(generator, rows)
    _check_cuts(generator, rows)
    return [*_warnings(generator, rows)]


def _named(part: str, kind: str) -> str:
    return f"`{part}` ({kind})" if part else f"the module itself ({kind})"


def _outputs(generator: HookedGenerator, rows: Tensor) -> Outputs:
    found: Outputs = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(part: nn.Module, _given: Any, shown: Any) -> None:
            tensors = [each.detach().clone() for each in tensors_in(shown)]
            found.append((name, type(part).__name__, tensors))

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name, part in generator.module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):
                hooks.callback(part.register_forward_hook(note(name)).remove)
        generator.call(rows)
    return found


def _differing(one: Outputs, other: Outputs, first: slice, second: slice) -> tuple[str, str] | None:
    """The first part to end whose outputs differ; None where the pictures do not."""
    if not _unlike(one[-1][2], other[-1][2], first, second):
        return None
    for (part, kind, left), (_, _, right) in zip(one, other, strict=False):
        if _unlike(left, right, first, second):
            return part, kind
    return one[-1][0], one[-1][1]


def _unlike(left: list[Tensor], right: list[Tensor], first: slice, second: slice) -> bool:
    for one, other in zip(left, right, strict=False):
        if one.dim() == 0 or not one.is_floating_point():
            continue
        here, there = one[first], other[second]
        if here.shape != there.shape:
            continue  # not one row a picture
        if not bool((here - there).abs().max() <= CLOSE * here.abs().max().clamp_min(1e-6)):
            return True
    return False


def _check_numbers(outputs: Outputs) -> None:
    if _finite(outputs[-1][2]):
        return
    culprit = next(each for each in outputs if not _finite(each[2]))
    raise ModelError(
        "RD676",
        f"the pictures hold numbers that are not finite: {_named(*culprit[:2])} is the first to "
        "give them",
        "check the weights, and the shape of the latents",
    )


def _finite(tensors: list[Tensor]) -> bool:
    return all(bool(torch.isfinite(each).all()) for each in tensors)


def _check_kept(generator: HookedGenerator, held: Mapping[str, Tensor]) -> None:
    for name, tensor in generator.module.named_parameters():
        if not torch.equal(tensor, held[name]):
            raise ModelError(
                "RD676",
                f"the module changes its own weight `{name}` when it draws",
                "let `forward` compute with a changed copy, and leave the weight as it is",
            )


def _check_operations(generator: HookedGenerator, rows: Tensor) -> None:
    traces = [generator.trace(rows[:count]) for count in (1, 2, 3)]
    place = same_places(traces)
    if place is not None:
        raise ModelError(
            "RD676",
            f"batches of other sizes are computed otherwise, from {place} on",
            "a generator needs to do the same operations for every picture and in every batch",
        )


def _check_cuts(generator: HookedGenerator, rows: Tensor) -> None:
    names = generator.facts.layer_names()
    if not names:
        reasons = "; ".join(f"{each.part}: {each.reason}" for each in generator.refused[:4])
        raise ModelError(
            "RD678",
            f"{generator.described.name} has no layer that can be rewritten",
            "a layer is a Conv2d, ConvTranspose2d or Linear, or a subclass of one, that runs once "
            f"a picture ({reasons or 'there is none'})",
        )
    expected = generator.sample(rows)
    for name, inputs in generator.inputs(rows, names).items():
        form = generator.form(name)
        drawn = generator.pictures(name, form.activate(form.response(inputs, form.weight)), inputs)
        if not bool((drawn - expected).abs().max() <= 2 * CLOSE):
            raise ModelError(
                "RD676",
                f"cut at `{name}`, the module gives other pictures than in one go",
                "this is a defect of redraft; please report it with the module",
            )


def _warnings(generator: HookedGenerator, rows: Tensor) -> Iterator[str]:
    with torch.no_grad():
        picture = picture_of(generator.call(rows))
    assert picture is not None, "it gave pictures before"
    low, high = generator.described.range
    least, most = float(picture.min()), float(picture.max())
    said = f"its pictures hold {least:.3g} to {most:.3g}, and its range is {low:g} to {high:g}"
    if least < low - 0.01 * (high - low) or most > high + 0.01 * (high - low):
        yield f"{said}: what lies outside is cut off; say `range=`"
    elif most - least < EMPTY * (high - low):
        yield f"{said}: they hardly fill it; say `range=`, or check that the weights fit"
    elif float(((picture <= low) | (picture >= high)).float().mean()) > FULL:
        yield f"{said}: most of them lie at its ends; check that the weights fit"
