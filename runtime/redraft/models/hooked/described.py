"""A generator in memory as its owner describes it: module, latents, labels and range."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from redraft.errors import ModelError, RedraftError
from redraft.explain.failure import out_of_memory
from redraft.explain.words import first_line
from redraft.models.hooked.trace import picture_of

LatentsOf = Callable[[int], Any]
"""Gives the latent of an image by its number: numbers, of any shape that is always the same."""
MOST_CANDIDATES = 4
MOST_NUMBERS = 1 << 26
"""Of one latent."""


@contextlib.contextmanager
def blamed(name: str) -> Iterator[None]:
    """Report what a module raises under its name; ModelError where the block failed."""
    try:
        yield
    except RedraftError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            "RD657",
            f"{name} fails: {type(error).__name__}: {first_line(error)}",
            "repair the module; it needs to draw batches of any size, as often as asked",
        ) from error


@dataclass(frozen=True, eq=False)
class Generator:
    """Any torch module that draws pictures from latents.

    >>> redraft.Generator(net, latents="uniform", labels=10, range=(0, 1))  # doctest: +SKIP

    Attributes:
        module: maps latents (N, ...), and labels (N,) where there are some, to pictures
            (N, 1, 3 or 4, H, W), alone or first among what it gives. It is put into evaluation
            mode; its parameters are the weights that are edited.
        latents: how they are drawn: ``"normal"``, ``"uniform"`` (in -1..1), a tensor (n, ...) or a
            file of them (a bank), or a function from an image's number to its latent.
        labels: the number of classes of a conditional generator; None where there are none. Image
            i is of class ``i mod labels`` where a recipe does not say otherwise.
        range: the numbers that stand for black and for full colour in the module's pictures.
        size: of one latent, a number or a shape; found by trying where it is not given.
        name: as sentences call it.

    """

    module: nn.Module
    latents: str | Path | Tensor | LatentsOf = "normal"
    labels: int | None = None
    range: tuple[float, float] = (-1.0, 1.0)
    size: int | tuple[int, ...] | None = None
    name: str = "generator"

    def __post_init__(self) -> None:
        if not isinstance(self.module, nn.Module):
            raise ModelError(
                "RD644",
                f"`module` is a {type(self.module).__name__}, and a torch.nn.Module is needed",
                "give the network itself, such as `redraft.Generator(net)`",
            )
        if isinstance(self.module, torch.jit.ScriptModule):
            raise ModelError(
                "RD644",
                f"{self.name} is compiled (torch.jit), and its layers cannot be told apart",
                "give the module that it was made of",
            )
        self._check_words()
        with blamed(self.name):
            first = next((each for each in self.module.parameters()), None)
        if first is not None and first.dtype not in (torch.float32, torch.float64):
            raise ModelError(
                "RD629",
                f"{self.name} holds its weights as {str(first.dtype).removeprefix('torch.')}, and "
                "float32 is computed with",
                "give it in float32: `net.float()`",
            )
        known = first is not None and not is_lazy(first)
        if first is not None and known and (first.is_inference() or first.is_meta):
            made = "on the device meta" if first.is_meta else "in torch.inference_mode"
            raise ModelError(
                "RD644",
                f"{self.name} was made {made}, and its weights cannot be changed",
                "make the module outside of it",
            )

    def _check_words(self) -> None:
        """Raise ModelError where something is not of the kind that it has to be."""
        if not isinstance(self.latents, str | Path | Tensor) and not callable(self.latents):
            raise ModelError(
                "RD644",
                f"`latents` is a {type(self.latents).__name__}",
                'give "normal", "uniform", a tensor (n, ...), a file of one, or a function',
            )
        if isinstance(self.latents, Tensor) and self.latents.dim() < 2:
            raise ModelError(
                "RD644",
                f"the latents given are of shape {tuple(self.latents.shape)}",
                "give a tensor (n, ...), a latent a row",
            )
        given: Any = self.range  # what a person writes may be anything
        span = given if isinstance(given, list | tuple) else ()
        if len(span) != 2 or not all(map(_is_number, span)) or not span[0] < span[1]:
            raise ModelError(
                "RD644",
                f"a range of {_listed(self.range)} holds no pictures",
                "give (darkest, brightest), such as range=(0, 1)",
            )
        if self.labels is not None and not (_is_whole(self.labels) and self.labels >= 1):
            raise ModelError(
                "RD644",
                f"{self.labels!r:.60} classes are not possible",
                "give the number of classes, or leave `labels` out",
            )
        size: Any = self.size
        sizes = size if isinstance(size, list | tuple) else (size,)
        whole = all(_is_whole(each) and each >= 1 for each in sizes)
        if self.size is not None and not (whole and sizes and math.prod(sizes) <= MOST_NUMBERS):
            raise ModelError(
                "RD644",
                f"a latent of size {self.size!r:.60} is not possible",
                "give a number or a shape, such as size=(100, 1, 1), or leave `size` out",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(span: object) -> str:
    if isinstance(span, list | tuple) and len(span) == 2 and all(map(_is_number, span)):
        return f"{span[0]:g} to {span[1]:g}"
    return f"{span!r:.60}"


@dataclass(frozen=True)
class Shape:
    """How a module wants what it is called with.

    Attributes:
        latent: of one latent, such as (100,) or (100, 1, 1).
        one_hot: whether labels are rows of 0 and one 1; else whole numbers.

    """

    latent: tuple[int, ...]
    one_hot: bool = False

    @property
    def numbers(self) -> int:
        """Of one latent."""
        return int(torch.Size(self.latent).numel())


def called(module: nn.Module, shape: Shape, labels: int | None, rows: Tensor) -> Any:
    """What a module gives for rows (N, numbers), or (N, numbers + 1) with the class behind."""
    # A copy, for the module may work in place.
    latents = rows[:, : shape.numbers].clone().reshape(len(rows), *shape.latent)
    if labels is None:
        return module(latents)
    classes = rows[:, shape.numbers].round().long()
    if shape.one_hot:
        hot = torch.nn.functional.one_hot(classes, labels).to(rows)
        return module(latents, hot)
    return module(latents, classes)


def as_pictures(output: Tensor, span: tuple[float, float]) -> Tensor:
    """Pictures (N, 3, H, W) in -1..1 of (N, 1, 3 or 4, H, W) in ``span``.

    One channel is grey. The fourth is how opaque a pixel is; what shines through is white.
    """
    low, high = span
    if output.dtype not in (torch.float32, torch.float64):
        output = output.float()
    whole = output if (low, high) == (-1.0, 1.0) else (output - low) * (2 / (high - low)) - 1
    whole = whole.clamp(-1, 1)
    if whole.shape[1] == 1:
        return whole.expand(-1, 3, -1, -1)
    if whole.shape[1] == 4:
        opaque = (whole[:, 3:] + 1) / 2
        return whole[:, :3] * opaque + (1 - opaque)
    return whole


def shape_of(generator: Generator) -> Shape:
    """The shape of a latent and of labels that a module takes.

    Where the owner does not say it, the width of the first layers that have weights is tried, as
    (N, width) and as (N, width, 1, 1).

    Raises:
        ModelError: the module takes none of them.

    """
    tried: list[str] = []
    faults: list[str] = []
    for latent in _candidates(generator):
        for one_hot in (False, True) if generator.labels is not None else (False,):
            shape = Shape(latent, one_hot)
            fault = _fault(generator, shape)
            if fault is None:
                return shape
            tried.append(_said(shape, generator.labels))
            faults.append(f"{tried[-1]}: {fault}")
    raise ModelError(
        "RD645",
        f"{generator.name} draws no pictures: {faults[0] if faults else 'it has no weights'}",
        "give the shape of one latent, such as size=(100, 1, 1), and `labels` where the module "
        f"takes classes{'; also tried: ' if tried[1:] else ''}{', '.join(tried[1:])}",
    )


def _candidates(generator: Generator) -> list[tuple[int, ...]]:
    if generator.size is not None:
        size = generator.size
        return [(size,), (size, 1, 1)] if isinstance(size, int) else [tuple(size)]
    said = generator.latents
    if isinstance(said, Tensor):
        return [tuple(said.shape[1:])]
    widths: list[int] = []
    for part in generator.module.modules():
        width = _width(part)
        if width is not None and width not in widths:
            widths.append(width)
    return [
        shape for width in widths[:MOST_CANDIDATES] for shape in ((width,), (width, 1, 1))
    ]  # fmt: skip


def _width(part: nn.Module) -> int | None:
    if isinstance(part, nn.Linear):
        return part.in_features
    if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
        return part.in_channels
    return None


def _fault(generator: Generator, shape: Shape) -> str | None:
    """Why a module draws no pictures from such latents; None where it does."""
    module = generator.module
    like = next((each for each in module.parameters() if each.is_floating_point()), None)
    rows = torch.zeros(2, shape.numbers + (generator.labels is not None))
    rows = rows if like is None else rows.to(like)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = called(module, shape, generator.labels, rows)
    except Exception as error:
        return f"{type(error).__name__}: {first_line(error)}"
    picture = picture_of(output)
    if picture is None:
        return f"it gives {_shapes(output)}"
    if picture.is_complex():
        return "it gives complex numbers"
    if len(picture) != 2 or picture.shape[1] not in (1, 3, 4) or picture.numel() == 0:
        return f"it gives {tuple(picture.shape)} for two latents"
    return None


def _said(shape: Shape, labels: int | None) -> str:
    latent = ", ".join(map(str, ("N", *shape.latent)))
    if labels is None:
        return f"latents ({latent})"
    return f"latents ({latent}) and labels {'(N, classes)' if shape.one_hot else '(N)'}"


def _shapes(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"{tuple(output.shape)}, and pictures are (N, colours, height, width)"
    if isinstance(output, Sequence):
        return f"{len(output)} things, none of which is (N, colours, height, width)"
    return f"a {type(output).__name__}"
