"""The checked recipe: frozen data with every default filled in.

This is the contract between the two wings. The language wing produces it, the runtime reads
nothing else. Two texts that mean the same give equal recipes, so the recipe's digest ignores
comments, layout and the order in which defaults were or were not written out.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

DIGEST_ALGORITHM = "redraft-recipe-v1+sha256"


class Frozen(BaseModel):
    """Base of everything in a checked recipe: immutable, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Length(Frozen):
    """A coordinate: pixels of the model's image, or per cent of its width (x) or height (y)."""

    value: float
    unit: Literal["px", "%"] = "px"


class Box(Frozen):
    """``box(x a..b, y c..d)``: half-open, origin top-left."""

    kind: Literal["box"] = "box"
    x: tuple[Length, Length]
    y: tuple[Length, Length]


class Polygon(Frozen):
    """``polygon(x,y x,y x,y ...)``: the even-odd inside of a closed outline."""

    kind: Literal["polygon"] = "polygon"
    points: tuple[tuple[Length, Length], ...]


class Ellipse(Frozen):
    """``ellipse(x,y radius rx,ry)``."""

    kind: Literal["ellipse"] = "ellipse"
    center: tuple[Length, Length]
    radius: tuple[Length, Length]


class Mask(Frozen):
    """``mask("file.png")``: light is inside. ``path`` is relative to the recipe's folder, with /.

    ``sha256`` is of the file's bytes, so that a changed mask is a changed recipe. ``resample`` is
    how it is brought to another size: the average over the area, or, with the word ``bilinear``,
    the way in which the paper's authors resize theirs.
    """

    kind: Literal["mask"] = "mask"
    path: str
    sha256: str
    resample: Literal["area", "bilinear"] = "area"


class All(Frozen):
    """``all``: the whole picture."""

    kind: Literal["all"] = "all"


class Combination(Frozen):
    """Two regions joined: ``plus`` is the union, ``minus`` the rest, ``within`` the overlap."""

    kind: Literal["plus", "minus", "within"]
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
    picture only.
    """

    kind: Literal["file"] = "file"
    name: str
    arch: str
    path: str
    sha256: str | None = None
    truncation: float = Field(default=1.0, ge=0, le=1)


Model = Annotated[ListedModel | FileModel, Field(discriminator="kind")]


class Latents(Frozen):
    """``latents z { seed 1  count 2000 }``: image i is row i of RandomState(seed)."""

    name: str
    seed: int = Field(ge=0, le=2**32 - 1)
    count: int = Field(gt=0)


class Place(Frozen):
    """An image and a region of it: ``z[130] box(x 12..52, y 24..38)``."""

    kind: Literal["place"] = "place"
    latents: str
    index: int = Field(ge=0)
    region: Region


class Match(Frozen):
    """``context like z[130] REGION top 60 among 0..199 except 17, 40``.

    ``first`` and ``last`` are both inside: ``among 0..199`` is 200 images.
    """

    kind: Literal["match"] = "match"
    like: Place
    top: int = Field(gt=0)
    first: int = Field(ge=0)
    last: int = Field(ge=0)
    excluded: tuple[int, ...] = ()


Context = Annotated[Place | Match, Field(discriminator="kind")]

Directions = Literal["goal", "context", "svd", "mean", "units"]


class ExactSolver(Frozen):
    """The exact per-channel solver. ``loss`` is what is minimised: mean absolute or square."""

    kind: Literal["exact"] = "exact"
    loss: Literal["l1", "l2"] = "l2"
    iterations: int = Field(default=20, gt=0, le=10_000)
    goal: Literal["halo", "crop"] = "halo"


class GradientSolver(Frozen):
    """Gradient descent on the coefficients alone, for a layer whose closed form is not known."""

    kind: Literal["gradient"] = "gradient"
    steps: int = Field(default=500, gt=0, le=1_000_000)
    rate: float = Field(default=0.05, gt=0)
    goal: Literal["halo", "crop"] = "halo"


class ProjectedAdamSolver(Frozen):
    """The paper's authors' solver: Adam on the whole weight, projected every ``every`` steps.

    ``compat`` asks for the numerics of the authors' own code, down to its edges and its noise. It
    goes with ``goal`` crop, one paste, directions other than ``goal``, and no preserve, keep or
    contrast; the checker sees to that.
    """

    kind: Literal["projected-adam"] = "projected-adam"
    compat: Literal["davidbau"] | None = None
    steps: int = Field(default=2001, gt=0, le=1_000_000)
    rate: float = Field(default=0.05, gt=0)
    every: int = Field(default=10, gt=0)
    goal: Literal["halo", "crop"] = "halo"


Solver = Annotated[ExactSolver | GradientSolver | ProjectedAdamSolver, Field(discriminator="kind")]


class Preserve(Frozen):
    """``preserve 0.3``: the weight of everything else that the layer remembers."""

    kind: Literal["preserve"] = "preserve"
    weight: float = Field(ge=0)


class Side(Frozen):
    """``side 5%``: the smallest preserve whose left-out side effect stays below this share."""

    kind: Literal["side"] = "side"
    percent: float = Field(gt=0, le=100)


Restraint = Annotated[Preserve | Side, Field(discriminator="kind")]


class Solved(Frozen):
    """What the operations that solve for a goal have in common."""

    name: str
    layer: str
    context: tuple[Context, ...] = Field(min_length=1)
    rank: int = Field(gt=0)
    restraint: Restraint
    keep: float = Field(ge=0)
    contrast: float = Field(ge=0, le=1)
    directions: Directions
    strength: float
    solver: Solver

    @property
    def compat(self) -> Literal["davidbau"] | None:
        """Whose code the rule reproduces; None for this project's own ways."""
        return self.solver.compat if isinstance(self.solver, ProjectedAdamSolver) else None


class Insert(Solved):
    """``rule NAME at LAYER { ... }``: the paper's constrained insert."""

    kind: Literal["rule"] = "rule"
    copy_from: Place
    paste: Literal["each context"] | tuple[Place, ...]


class Erase(Solved):
    """``erase NAME at LAYER { ... }``: silence the units that are unusual inside the context.

    ``source`` is where the goal is set (the word ``from``); ``units`` how many are silenced.
    """

    kind: Literal["erase"] = "erase"
    source: Literal["each context"] | tuple[Place, ...]
    units: int = Field(gt=0)


class Zero(Frozen):
    """``zero NAME at LAYER { ... }``: remove the component of the weight along the directions."""

    kind: Literal["zero"] = "zero"
    name: str
    layer: str
    context: tuple[Context, ...] = Field(min_length=1)
    rank: int = Field(gt=0)
    contrast: float = Field(ge=0, le=1)
    directions: Literal["context", "svd", "mean", "units"]
    strength: float


Rule = Annotated[Insert | Erase | Zero, Field(discriminator="kind")]


class Recipe(Frozen):
    """A whole checked recipe. ``rules`` run in order, each on the network the earlier ones left.

    Statistics are taken over the first entry of ``latents``.
    """

    edition: int
    name: str
    version: str
    title: str
    model: Model
    latents: tuple[Latents, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = Field(min_length=1)

    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON of what the recipe means (``DIGEST_ALGORITHM``)."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def canonical_json(self) -> str:
        """One line of JSON with sorted keys and every default written out."""
        import json

        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

    def rule(self, name: str) -> Rule | None:
        """The rule called ``name``, or None."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def latents_named(self, name: str) -> Latents:
        """The latents called ``name``; the checker has proved that they exist."""
        return next(latents for latents in self.latents if latents.name == name)


Combination.model_rebuild()
