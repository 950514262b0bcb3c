"""What the rules of a checked recipe mark: their places, pictures and mask files. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from redraft_dsl.geometry.masks import MaskError, read_mask
from redraft_dsl.recipe.model import (
    Combination,
    Insert,
    Invert,
    Mask,
    Match,
    Place,
    Region,
    Rule,
    Zero,
)

Picture = tuple[str, int]
"""The name of a latents block, and the number of an image in it."""


def goal_places(rule: Rule) -> tuple[Place, ...] | None:
    """The places that a rule names for its goal; None where that is each of its contexts."""
    if isinstance(rule, Zero | Invert):
        return None
    written = rule.paste if isinstance(rule, Insert) else rule.source
    return None if isinstance(written, str) else written


def matches_of(rule: Rule) -> tuple[Match, ...]:
    """The ``context like`` lines of a rule, in order."""
    return tuple(context for context in rule.context if isinstance(context, Match))


def marked_pictures(rule: Rule) -> set[Picture]:
    """The pictures that a rule marks as context or copies from; its matches do not find them."""
    marked = [context for context in rule.context if isinstance(context, Place)]
    marked += [rule.copy_from] if isinstance(rule, Insert) else []
    return {(place.latents, place.index) for place in marked}


def masks_of(region: Region) -> tuple[Mask, ...]:
    """Every mask in a region."""
    if isinstance(region, Combination):
        return masks_of(region.left) + masks_of(region.right)
    return (region,) if isinstance(region, Mask) else ()


def masks(rules: Iterable[Rule]) -> dict[str, Mask]:
    """Every mask that rules name, by its path relative to the recipe's folder."""
    named = (place.region for rule in rules for place in rule.places())
    return {mask.path: mask for region in named for mask in masks_of(region)}


def mask_bytes(
    rules: Iterable[Rule], folder: Path, lost: Callable[[str, str], Exception]
) -> dict[str, bytes]:
    """The content of every mask file that rules name, by its path.

    Args:
        rules: of a recipe as checked; of one that goes elsewhere, those that are off as well.
        folder: where its paths start.
        lost: makes the error to raise for a mask that is missing, or is not the one that was
            checked; is given the path and the reason.

    """
    found = {}
    for path, mask in sorted(masks(rules).items()):
        try:
            file = read_mask(path, folder)
        except MaskError as error:
            raise lost(path, error.message) from error
        if file.sha256 != mask.sha256:
            raise lost(path, "it is another picture now")
        found[path] = file.data
    return found
