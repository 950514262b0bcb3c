"""From a file of an annotation tool to a recipe whose regions are the shapes that were drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from redraft.errors import ArtifactError, PlanError
from redraft.share.exchange.annotations import (
    ROLES,
    NotAnAnnotationError,
    Shape,
    places,
    read_annotations,
)
from redraft.share.exchange.importing import ImportResult, model_with_layer, read_bytes, write_draft
from redraft_dsl import format_text
from redraft_dsl.davidbau.to_recipe import Draft
from redraft_dsl.language.language import LATEST
from redraft_dsl.language.spelling import respelled
from redraft_dsl.recipe.as_tree import model_text
from redraft_dsl.recipe.model import Model

COUNT = 2000
KINDS = {"copy": "rule", "from": "erase", "context": "zero"}
"""What a file becomes, by the first of these roles that it has."""


def import_annotations(
    source: Path,
    out: Path,
    *,
    model: str,
    layer: str,
    roles: Mapping[str, str],
    force: bool = False,
) -> ImportResult:
    """Make a recipe of the shapes of an annotation file, check it, and write it.

    Args:
        source: JSON of labelme, or COCO's.
        out: the recipe to write.
        model: a listed name, or a model file in the recipe's folder or below.
        layer: where the rule is written.
        roles: what labels stand for: ``copy``, ``paste``, ``from`` or ``context``.
        force: overwrite.

    Raises:
        ArtifactError: the file cannot be read so, or something would be overwritten.
        ModelError: the model cannot be found or recognised.
        PlanError: no shape has a role, the model has no such layer, or the recipe has errors.

    """
    found, facts = model_with_layer(model, layer, out.parent)
    height, width = facts.image_size
    try:
        shapes = read_annotations(read_bytes(source))
        marked = list(places(shapes, roles, width, height))
    except NotAnAnnotationError as problem:
        raise ArtifactError(
            "RD669", f"{source} cannot be imported: {problem.message}", problem.help
        ) from None
    text = "\n".join(_lines(source.stem, found, layer, _kind(marked, shapes), marked))
    formatted = format_text(text).text
    assert formatted is not None, "what is written here can be read"
    return write_draft(Draft(respelled(source.stem), formatted, {}), facts, out, force=force)


def _kind(marked: list[tuple[str, int, str]], shapes: tuple[Shape, ...]) -> str:
    """Which operation the roles make."""
    given = {role for role, _, _ in marked}
    kind = next((kind for role, kind in KINDS.items() if role in given), None)
    if kind is None or "context" not in given:
        labels = ", ".join(f"`{label[:40]}`" for label in sorted({s.label for s in shapes})[:6])
        raise PlanError(
            "RD668",
            f"no shape of the file says where the rule belongs: its labels are {labels}",
            f"say what a label stands for, as in `--label LABEL=context`; "
            f"roles are {', '.join(ROLES)}",
        )
    return kind


def _lines(
    stem: str, model: Model, layer: str, kind: str, marked: list[tuple[str, int, str]]
) -> Iterator[str]:
    name = respelled(stem)
    takes = {"rule": ("copy", "paste", "context"), "erase": ("from", "context")}
    yield f"edition {LATEST}"
    yield f'recipe {name} 1.0.0 "Places that were marked in an annotation tool"'
    yield from model_text(model).splitlines()
    yield f"latents z {{ seed 1  count {COUNT} }}"
    yield f"{kind} {name} at {layer} {{"
    for role, image, region in marked:
        if role in takes.get(kind, ("context",)):
            yield f"{role} z[{image}] {region}"
    yield "}"
