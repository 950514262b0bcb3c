"""A chain of maps in the shapes of weights: what DCGANs of any naming have in common. No torch.

A file names its tensors as its author wrote the network: numbered, by attributes, in blocks. What
they share is the chain: each map takes the channels that the one before gives. Numbers that are
missing between modules of one sequence are layers without weights, and say a little about them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Literal

Shapes = Mapping[str, tuple[int, ...]]
Kind = Literal["linear", "transposed", "conv"]

STRIDES = {4: (2, 1, 0), 2: (2, 0, 0), 5: (2, 2, 1), 6: (2, 2, 0), 8: (4, 2, 0)}
"""By the kernel of a transposed convolution: the stride, padding and output padding assumed."""
COLOURS = (1, 3, 4)
_WEIGHTS = ("weight", "weight_orig", "parametrizations.weight.original")
_SPECTRAL = {
    "weight_orig": ("weight_u", "weight_v"),
    "parametrizations.weight.original": (
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    ),
}
_PARAMETRIZED = re.compile(r"(.*?)\.?(parametrizations\.weight\.(?:original|0\._u|0\._v))")
_NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
MOST_MODULES = 400


@dataclass(frozen=True)
class Link:
    """One map of a chain, with the batch norm behind it.

    Attributes:
        path: of the map in the file.
        kind: what it is.
        shape: (out, in, height, width) of its weight; a linear map's ends in 1, 1.
        tensor: what its weight is called behind ``path``.
        bias: whether it has one.
        norm: the path of the batch norm behind it; None for none.
        affine: whether that has a weight and a bias.
        flat: whether a linear map's norm comes before the numbers are laid out as a grid.
        activated: whether an activation follows.
        early: whether the activation comes before the norm.
        up: how many times larger what enters a convolution is made first.
        grid: side of the grid that a linear map's numbers are laid out as.
        keys: side of what enters it.
        values: side of what leaves it.

    """

    path: str
    kind: Kind
    shape: tuple[int, int, int, int]
    tensor: str
    bias: bool
    norm: str | None = None
    affine: bool = True
    flat: bool = False
    activated: bool = True
    early: bool = False
    up: int = 1
    grid: int = 1
    keys: int = 1
    values: int = 1

    @property
    def steps(self) -> tuple[int, int, int]:
        """Stride, padding and output padding of a transposed convolution."""
        return (1, 0, 0) if self.keys == 1 else STRIDES[self.shape[2]]

    @property
    def spectral(self) -> bool:
        """Whether its weight is divided by its largest singular value."""
        return self.tensor != "weight"

    @property
    def opening(self) -> bool:
        """Whether it lays the latent out for up-sampling: with a norm, and no activation.

        Those who give the norms of such a network another epsilon leave this one's as it is.
        """
        return self.kind == "linear" and self.norm is not None and not self.activated

    @property
    def channels(self) -> int:
        """Channels of what leaves it, on its grid."""
        return self.shape[0] // (self.grid * self.grid)


@dataclass(frozen=True)
class Part:
    """A module of the file: its path and its tensors by their names in it."""

    path: str
    tensors: Mapping[str, tuple[int, ...]]

    @property
    def is_norm(self) -> bool:
        """Whether it is a batch norm."""
        named = {"running_mean", "running_var"} <= self.tensors.keys() <= _NORM
        return named and len(self.tensors["running_mean"]) == 1

    @property
    def tensor(self) -> str | None:
        """The name of its weight, where it is a map."""
        for name in _WEIGHTS:
            shape = self.tensors.get(name, ())
            if len(shape) in (2, 4) and all(shape):
                known = {name, "bias", *_SPECTRAL.get(name, ())}
                return name if self.tensors.keys() <= known else None
        return None


def chain_of(shapes: Shapes) -> tuple[Link, ...] | None:
    """The chain that some shapes make up; None where they make up none."""
    parts = _parts(shapes)
    if len(parts) > MOST_MODULES:
        return None
    for ordered in (parts, sorted(parts, key=_order)):
        maps = [part for part in ordered if part.tensor is not None]
        norms = [part for part in ordered if part.is_norm]
        if len(maps) + len(norms) != len(parts) or len(maps) < 3:
            return None
        links = _directed(maps)
        if links is None:
            continue
        for paired in (_beside(links, ordered), _in_turn(links, norms)):
            found = None if paired is None else _measured(paired)
            if found is not None:
                return found
    return None


def _parts(shapes: Shapes) -> list[Part]:
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        special = _PARAMETRIZED.fullmatch(name)
        path, _, own = name.rpartition(".")
        if special is not None:
            path, own = special[1], special[2]
        found.setdefault(path, {})[own] = shape
    return [Part(path, tensors) for path, tensors in found.items()]


def _order(part: Part) -> tuple[bool, tuple[tuple[int, int, str], ...]]:
    """A key that sorts modules as they may follow each other: linear maps first, then by name."""
    words = tuple(
        (0, int(word[:9]), "") if word.isdecimal() else (1, 0, word)
        for word in re.split(r"(\d+)|\.", part.path)
        if word
    )
    return len(part.tensors.get(part.tensor or "", ())) != 2, words


def _directed(maps: Sequence[Part]) -> list[Link] | None:
    """The maps with their inputs and outputs set apart, each taking what the one before gives."""
    for kind in ("transposed", "conv"):
        links: list[Link] = []
        for part in maps:
            link = _link(part, kind, links[-1] if links else None)
            if link is None:
                break
            links.append(link)
        else:
            if links[-1].shape[0] in COLOURS and links[-1].kind != "linear":
                return links
    return None


def _link(part: Part, kind: str, before: Link | None) -> Link | None:
    tensor = part.tensor
    assert tensor is not None, "only maps are asked"
    shape, bias = part.tensors[tensor], "bias" in part.tensors
    if len(shape) == 2:
        if before is not None and (before.kind != "linear" or before.shape[0] != shape[1]):
            return None
        return Link(part.path, "linear", (shape[0], shape[1], 1, 1), tensor, bias)
    first, second, height, width = shape
    out, into = (second, first) if kind == "transposed" else (first, second)
    grid, whole = 1, height == width
    if before is not None:
        if before.kind == "linear":
            grid = isqrt(before.shape[0] // into) if before.shape[0] % into == 0 else 0
            whole = whole and grid * grid * into == before.shape[0]
        elif before.shape[0] != into:
            return None
    if not whole or (bias and part.tensors["bias"] != (out,)):
        return None
    made: Kind = "transposed" if kind == "transposed" else "conv"
    return Link(part.path, made, (out, into, height, width), tensor, bias, grid=grid)


def _beside(links: list[Link], ordered: Sequence[Part]) -> list[Link] | None:
    """The norms, each that of the map right before it in the file; None where they do not fit."""
    found = list(links)
    place = -1
    for part in ordered:
        if not part.is_norm:
            place += 1
        elif place < 0 or found[place].norm is not None:
            return None
        else:
            following = found[place + 1] if place + 1 < len(found) else None
            normed = _normed(found[place], part, following)
            if normed is None:
                return None
            found[place] = normed
    return found


def _in_turn(links: list[Link], norms: Sequence[Part]) -> list[Link] | None:
    """The norms, each that of the next map whose channels it has; None where one is left over."""
    found, place = list(links), 0
    for part in norms:
        while place < len(found) - 1:
            normed = _normed(found[place], part, found[place + 1])
            place += 1
            if normed is not None:
                found[place - 1] = normed
                break
        else:
            return None
    return found


def _normed(link: Link, part: Part, following: Link | None) -> Link | None:
    (width,) = part.tensors["running_mean"]
    fits = [width == link.shape[0]]
    if link.kind == "linear" and following is not None and following.kind != "linear":
        fits.append(width == following.shape[1])
    numbers = (shape for name, shape in part.tensors.items() if name != "num_batches_tracked")
    if not any(fits) or any(shape != (width,) for shape in numbers):
        return None
    return replace(
        link,
        norm=part.path,
        affine="weight" in part.tensors,
        flat=link.kind == "linear" and fits[0],
    )


def _measured(links: Sequence[Link]) -> tuple[Link, ...] | None:
    """The chain with the sizes of its maps and what its numbers say; None where they do not fit."""
    found: list[Link] = []
    side = 1
    for place, link in enumerate(links):
        following = links[place + 1] if place + 1 < len(links) else None
        missing = None if following is None else _missing(link, following)
        own = link
        if following is not None and link.kind == "linear" and following.kind != "linear":
            own = replace(own, grid=following.grid)
            if missing is not None:
                # The reshape counts where it is a layer of the sequence, and so does up-sampling.
                bare = following.kind == "conv" and own.norm is not None and missing < 2
                missing = 0 if bare else 1
        elif link.kind != "linear":
            own = replace(own, grid=1)
        if missing == 0:
            early = own.norm is not None and (_between(own.path, own.norm) or 0) > 0
            own = replace(own, activated=early, early=early)
        up = _enlarged(links, place)
        if up is None:
            return None
        own = replace(own, up=up, keys=side * up, values=_values(own, side * up))
        if own.values == 0:
            return None
        found.append(own)
        side = own.values
    shown = [link for link in found if link.kind != "linear"]
    return tuple(found) if len(shown) >= 2 and found[-1].norm is None and side >= 8 else None


def _values(link: Link, keys: int) -> int:
    """Side of what leaves a map; 0 where that is not known."""
    kernel = link.shape[2]
    if link.kind == "linear":
        return link.grid if keys == 1 else 0
    if link.kind == "conv":
        return keys if kernel % 2 else 0
    if keys == 1:
        return kernel
    return keys * STRIDES[kernel][0] if kernel in STRIDES else 0


def _enlarged(links: Sequence[Link], place: int) -> int | None:
    """How many times larger what enters a convolution is made; None where the names do not say.

    In a sequence one missing number is the activation, or up-sampling behind a norm right at the
    start; two are both.
    """
    link = links[place]
    if link.kind != "conv":
        return 1
    if place == 0:
        return None
    before = links[place - 1]
    missing = _missing(before, link)
    if missing is None or missing > 2:
        return None
    if before.kind == "linear":
        return 2 if missing >= 1 and before.norm is not None and not before.flat else None
    return 2 if missing == 2 else 1


def _missing(link: Link, following: Link) -> int | None:
    """Numbers between two maps of one sequence; None where they are of two."""
    return _between(link.norm or link.path, following.path)


def _between(first: str, second: str) -> int | None:
    """Numbers between two modules of one sequence; None where they are of two."""
    here, there = first.rpartition("."), second.rpartition(".")
    if here[0] != there[0] or not (here[2].isdecimal() and there[2].isdecimal()):
        return None
    return int(there[2][:9]) - int(here[2][:9]) - 1
