"""The checked recipe: frozen data with every default filled in.

This is the contract between the two wings. The language wing produces it, the runtime reads
nothing else. Two texts that mean the same give equal recipes, so the recipe's digest ignores
comments, layout and the order in which defaults were or were not written out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from redraft_dsl.language.language import LANGUAGE, LATEST, Language

DIGEST_ALGORITHM = "redraft-recipe-v1+sha256"
LATER = "later"
"""Marks a field of a setting that is ``later`` (``redraft_dsl.language.rows.Setting``)."""


class Frozen(BaseModel):
    """Base of everything in a checked recipe: immutable, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def omitted(self) -> frozenset[str]:
        """The settings that came later and have their default: digests and locks leave them out."""
        return frozenset(
            name
            for name, field in type(self).model_fields.items()
            if isinstance(field.json_schema_extra, dict) and LATER in field.json_schema_extra
            if getattr(self, name) == field.default
        )


def _row(owner: str, name: str, *, silent: bool = False) -> Any:
    """The field of a setting: its limits and its meaning are those of its row.

    ``silent`` fields have the row's default in the newest edition; any other must be given.
    """
    row = LANGUAGE.block(owner)[name]
    given: dict[str, Any] = {"description": row.meaning}
    if row.numeric:
        given |= {"gt" if row.above else "ge": row.low, "le": row.high}
    if silent or row.later:
        given["default"] = row.default(LATEST)
    if row.later:
        given["json_schema_extra"] = {LATER: True}
    return Field(**given)


def _about(text: str, **limits: Any) -> Any:
    """A field that is not a setting, and what it means."""
    return Field(description=text, **limits)


class Length(Frozen):
    """A coordinate: pixels of the model's image, or per cent of its width (x) or height (y)."""

    value: float = _about("A coordinate, from the top left corner.")
    unit: Literal["px", "%"] = _about(
        "px: pixels of the model's image; %: per cent of its width (x) or height (y).", default="px"
    )

    def pixels(self, extent: int) -> float:
        """The length in pixels; ``extent`` is the image's width (for x) or height (for y)."""
        return self.value if self.unit == "px" else self.value * extent / 100.0


class Box(Frozen):
    """``box(x a..b, y c..d)``: half-open, origin top-left."""

    kind: Literal["box"] = "box"
    x: tuple[Length, Length] = _about("Left and right end; the right one is not included.")
    y: tuple[Length, Length] = _about("Upper and lower end; the lower one is not included.")


class Polygon(Frozen):
    """``polygon(x,y x,y x,y ...)``: the even-odd inside of a closed outline."""

    kind: Literal["polygon"] = "polygon"
    points: tuple[tuple[Length, Length], ...] = _about("Corners, each x and y; three or more.")


class Ellipse(Frozen):
    """``ellipse(x,y radius rx,ry)``."""

    kind: Literal["ellipse"] = "ellipse"
    center: tuple[Length, Length] = _about("x and y.")
    radius: tuple[Length, Length] = _about("Half the width and half the height.")


class Mask(Frozen):
    """``mask("file.png")``: light is inside. ``path`` is relative to the recipe's folder, with /.

    ``sha256`` is of the file's bytes, so that a changed mask is a changed recipe. ``resample`` is
    how it is brought to another size: the average over the area, or, with the word ``bilinear``,
    the way in which the paper's authors resize theirs.
    """

    kind: Literal["mask"] = "mask"
    path: str = _about(
        "The picture file, relative to the recipe's folder, with /. Light is inside."
    )
    sha256: str = _about("Of the file's bytes, 64 hexadecimal digits.")
    resample: Literal["area", "bilinear"] = _about(
        "How it is brought to another size.", default="area"
    )


class All(Frozen):
    """``all``: the whole picture."""

    kind: Literal["all"] = "all"


class Combination(Frozen):
    """Two regions joined: ``plus`` is the union, ``minus`` the rest, ``within`` the overlap."""

    kind: Literal["plus", "minus", "within"] = _about(
        "plus: either; minus: left without right; within: both."
    )
    left: Region
    right: Region


Region = Annotated[Box | Polygon | Ellipse | Mask | All | Combination, Field(discriminator="kind")]


class ListedModel(Frozen):
    """``model faces``: a name from the model list."""

    kind: Literal["listed"] = "listed"
    name: str


class FileModel(Frozen):
    """``model NAME { arch stylegan2  weights "file"  sha256 "..."  truncation 0.5 }``.

    ``path`` is relative to the recipe's folder. ``sha256`` is None when the recipe does not pin it.
    ``truncation`` draws the inner latents towards their mean: 1 leaves them alone, 0 gives the mean
    picture only. ``weights_set`` chooses among the weights of the file; ``slope``, ``eps`` and
    ``output`` are what no file of weights holds.
    """

    kind: Literal["file"] = "file"
    name: str
    arch: str = _row("model", "arch")
    path: str = _row("model", "weights")
    sha256: str | None = _row("model", "sha256", silent=True)
    truncation: float = _row("model", "truncation", silent=True)
    weights_set: str | None = _row("model", "weights-set")
    slope: float | None = _row("model", "slope")
    eps: float | None = _row("model", "eps")
    output: Literal["tanh", "sigmoid", "none"] | None = _row("model", "output")


Model = Annotated[ListedModel | FileModel, Field(discriminator="kind")]


class Latents(Frozen):
    """``latents z { seed 1  count 2000  class 3 }``: image i is row i of RandomState(seed).

    ``label`` is the class of all its images; where it is None, image i of a generator of n classes
    is of class ``i mod n``.
    """

    name: str
    seed: int = _row("latents", "seed")
    count: int = _row("latents", "count")
    label: int | None = _row("latents", "class")


class Place(Frozen):
    """An image and a region of it: ``z[130] box(x 12..52, y 24..38)``."""

    kind: Literal["place"] = "place"
    latents: str = _about("The name of the latents.")
    index: int = _about("The image's number, from 0.", ge=0)
    region: Region = _about("The marked part of the image.")


class Match(Frozen):
    """``context like z[130] REGION top 60 among 0..199 except 17, 40``.

    ``first`` and ``last`` are both inside: ``among 0..199`` is 200 images.
    """

    kind: Literal["match"] = "match"
    like: Place = _about("The place whose keys are searched for.")
    top: int = _about("At most this many places are taken.", gt=0)
    first: int = _about("The first image that is searched.", ge=0)
    last: int = _about("The last image that is searched; it is included.", ge=0)
    excluded: tuple[int, ...] = _about("Images that are left out, sorted.", default=())


Context = Annotated[Place | Match, Field(discriminator="kind")]

Directions = Literal["goal", "context", "svd", "mean", "units"]
Goal = Literal["halo", "crop"]


class ExactSolver(Frozen):
    """The exact per-channel solver. ``loss`` is what is minimised: mean absolute or square."""

    kind: Literal["exact"] = "exact"
    loss: Literal["l1", "l2"] = _row("exact", "loss", silent=True)
    iterations: int = _row("exact", "iterations", silent=True)
    goal: Goal = _row("exact", "goal", silent=True)


class GradientSolver(Frozen):
    """Gradient descent on the coefficients alone, for a layer whose closed form is not known."""

    kind: Literal["gradient"] = "gradient"
    steps: int = _row("gradient", "steps", silent=True)
    rate: float = _row("gradient", "rate", silent=True)
    goal: Goal = _row("gradient", "goal", silent=True)


class ProjectedAdamSolver(Frozen):
    """The paper's authors' solver: Adam on the whole weight, projected every ``every`` steps.

    ``compat`` asks for the numerics of the authors' own code, down to its edges and its noise. It
    goes with ``goal`` crop, one paste, directions other than ``goal``, and no preserve, keep or
    contrast; the checker sees to that.
    """

    kind: Literal["projected-adam"] = "projected-adam"
    compat: Literal["davidbau"] | None = _row("projected-adam", "compat", silent=True)
    steps: int = _row("projected-adam", "steps", silent=True)
    rate: float = _row("projected-adam", "rate", silent=True)
    every: int = _row("projected-adam", "every", silent=True)
    goal: Goal = _row("projected-adam", "goal", silent=True)


Solver = Annotated[ExactSolver | GradientSolver | ProjectedAdamSolver, Field(discriminator="kind")]


class Preserve(Frozen):
    """``preserve 0.3``: the weight of everything else that the layer remembers."""

    kind: Literal["preserve"] = "preserve"
    weight: float = _row("rule", "preserve")


class Side(Frozen):
    """``side 5%``: the smallest preserve whose left-out side effect stays below this share."""

    kind: Literal["side"] = "side"
    percent: float = _row("rule", "side")


Restraint = Annotated[Preserve | Side, Field(discriminator="kind")]

Targets = Literal["each context"] | tuple[Place, ...]
_TARGETS = "Where the goal is set: places, or the words `each context`."


class Rewriting(Frozen):
    """What all operations have in common."""

    name: str
    layer: str = _about("The layer that is rewritten, by its first name in `redraft layers`.")
    context: tuple[Context, ...] = _about("Where the rule should fire; at least one.", min_length=1)
    rank: int = _row("rule", "rank")
    contrast: float = _row("rule", "contrast")
    strength: float = _row("rule", "strength")

    def places(self) -> Iterator[Place]:
        """Every place that the rule marks; of a match, the one that it searches by."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Place):
                    yield each
                elif isinstance(each, Match):
                    yield each.like


class Solved(Rewriting):
    """What the operations that solve for a goal have in common."""

    restraint: Restraint = _about(
        "How everything else is preserved: by a weight, or by a share that may change."
    )
    keep: float = _row("rule", "keep")
    protect: tuple[Place, ...] = _about(
        "Where values must stay as they are.", default=(), json_schema_extra={LATER: True}
    )
    directions: Directions = _row("rule", "directions")
    solver: Solver = _row("rule", "solver")

    @property
    def compat(self) -> Literal["davidbau"] | None:
        """Whose code the rule reproduces; None for this project's own ways."""
        return self.solver.compat if isinstance(self.solver, ProjectedAdamSolver) else None


class Insert(Solved):
    """``rule NAME at LAYER { ... }``: the paper's constrained insert."""

    kind: Literal["rule"] = "rule"
    copy_from: Place = _about("What to draw.")
    paste: Targets = _about(_TARGETS)


class Erase(Solved):
    """``erase NAME at LAYER { ... }``: silence the units that are unusual inside the context.

    ``source`` is where the goal is set (the word ``from``); ``units`` how many are silenced.
    """

    kind: Literal["erase"] = "erase"
    source: Targets = _about(_TARGETS)
    units: int = _row("erase", "units")


class Zero(Rewriting):
    """``zero NAME at LAYER { ... }``: remove the component of the weight along the directions."""

    kind: Literal["zero"] = "zero"
    rank: int = _row("zero", "rank")
    directions: Literal["context", "svd", "mean", "units"] = _row("zero", "directions")


class Invert(Solved):
    """``invert NAME at LAYER { ... }``; cause and context (``effect``) are of the same images."""

    kind: Literal["invert"] = "invert"
    cause: tuple[Place, ...] = _about("What the effect goes with; at least one.", min_length=1)
    context: tuple[Place, ...] = _about("Where the effect is; at least one.", min_length=1)
    units: int = _row("invert", "units")


Rule = Annotated[Insert | Erase | Zero | Invert, Field(discriminator="kind")]


class Recipe(Frozen):
    """A whole checked recipe. ``rules`` run in order, each on the network the earlier ones left.

    Statistics are taken over the first entry of ``latents``.
    """

    edition: int = _about("The edition of the language that the recipe is written in.")
    name: str
    version: str = _about("The recipe's own version, x.y.z.")
    title: str = _about("One line for readers.")
    model: Model = _about("The model that is rewritten: one of the list, or a file.")
    latents: tuple[Latents, ...] = _about(
        "Which images there are. Statistics are taken over the first entry.", min_length=1
    )
    rules: tuple[Rule, ...] = _about("Run in this order, each on what the earlier ones left.")

    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON of what the recipe means (``DIGEST_ALGORITHM``)."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def canonical_json(self) -> str:
        """One line of JSON with sorted keys, of what ``meaning`` gives."""
        import json

        return json.dumps(self.meaning(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def meaning(self) -> dict[str, Any]:
        """Plain data with every default written out, but for those of settings that came later."""
        data = self.model_dump(mode="json")
        parts = (self.model, *self.latents, *self.rules)
        dumped = (data["model"], *data["latents"], *data["rules"])
        for part, fields in zip(parts, dumped, strict=True):
            for name in part.omitted():
                del fields[name]
        return data

    def rule(self, name: str) -> Rule | None:
        """The rule called ``name``, or None."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def latents_named(self, name: str) -> Latents:
        """The latents called ``name``; the checker has proved that they exist."""
        return next(latents for latents in self.latents if latents.name == name)


Combination.model_rebuild()


def recipe_class(language: Language) -> type[Recipe]:
    """The class of checked recipes of a language."""
    return language.recipe or Recipe


@cache
def operations_of(recipe: type[Recipe]) -> Mapping[str, type[Rewriting]]:
    """The class of each operation that a recipe may hold, by its word."""
    (union, *_) = get_args(recipe.model_fields["rules"].annotation)
    classes = get_args(get_args(union)[0])
    return {each.model_fields["kind"].default: each for each in classes}
