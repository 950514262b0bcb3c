"""The words of the language beside settings, lines and operations, and what each means."""

from __future__ import annotations

from collections.abc import Mapping

STATEMENTS: Mapping[str, str] = {
    "edition": "Which grammar and which defaults hold. The first line of a recipe.",
    "recipe": "The recipe's name, its version `x.y.z`, and its title in double quotes.",
    "use": "Another recipe, at exactly this version, and its name here.",
    "model": "The model: one of the list, or a file of your own in a block.",
    "latents": "A row of images. `z[116]` is image 116 of the latents called `z`.",
    "param": "A value that can be given from outside. It may stand for a number or a word.",
    "region": "A name for a region of the picture.",
    "images": "A name for several images, such as `images plain = z[5, 7, 26..34]`.",
    "include": "A rule of a used recipe, run at this place.",
    "sweep": "Runs the recipe with several values.",
    "expect": "Checked after the run, which fails where it does not hold: "
    "`expect share(glasses) >= 0.60`.",
}
"""Statements that are not operations."""

SHAPES: Mapping[str, str] = {
    "box": "`box(x 12..52, y 24..38)`: columns 12 to 51 and rows 24 to 37; the end is not "
    "included. Pixels of the model's picture, or per cent.",
    "polygon": "`polygon(10,20 50,20 30,2)`: the inside of a closed outline, three points or more.",
    "ellipse": "`ellipse(31,31 radius 20,8)`: its centre, then half its width and half its height.",
    "mask": '`mask("eyes.png")`: the light parts of a picture file beside the recipe. `bilinear` '
    "after the file resizes it as the authors' code does.",
    "all": "The whole picture.",
}
FORMS: Mapping[str, str] = {
    "box": "box(x 12..52, y 24..38)",
    "polygon": "polygon(10,10 50,10 30,40)",
    "ellipse": "ellipse(31,31 radius 20,8)",
    "mask": 'mask("file.png")',
    "all": "all",
}
"""How each shape is written."""

OPERATORS: Mapping[str, str] = {
    "plus": "Either region: the larger coverage of the two.",
    "minus": "The first region without the second.",
    "within": "What both regions cover.",
}

INNER: Mapping[str, str] = {
    "at": "The layer that is rewritten follows.",
    "each": "`each context`: the goal is set in every context. This is the default.",
    "like": "`context like z[130] REGION top 60 among 0..199`: contexts found by match.",
    "top": "How many matches are taken at most.",
    "among": "The images to search, both ends included.",
    "except": "Images to leave out.",
    "radius": "Half the width, then half the height.",
    "as": "Its name here.",
    "with": "Values in place of the rule's own.",
    "in": "The limits of the value.",
    "vary": "`vary rank of glasses over 1, 4, 10`: the values to run with.",
    "of": "The rule whose setting varies.",
    "over": "The values to run with.",
    "off": "`off rule ...`: the rule stays in the text and out of the run.",
}
AXES: Mapping[str, str] = {"x": "From left to right.", "y": "From top to bottom."}

SOLVERS: Mapping[str, str] = {
    "exact": "The optimum of each output channel, for the directions of the rule.",
    "gradient": "Adam on the same few unknowns, for comparison.",
    "projected-adam": "The paper authors' solver: Adam on the whole weight, projected at times.",
}

TYPES = ("int", "float", "percent", "word")
"""What a parameter can be."""

RESAMPLINGS = ("area", "bilinear")
"""How a mask is brought to another size; the first is meant where a mask says nothing."""

MEASURES: Mapping[str, str] = {
    "share": "The part of the pictures that no rule saw on which the rule takes effect, 0 to 1.",
    "amplitude": "How strongly, on the mean: 1 is the whole of what was wished for.",
    "outside": "Mean absolute change outside the region, pictures in -1..1.",
    "side": "Left-out change elsewhere, as a share of what the goal asks for.",
    "rank": "How many directions the change has.",
    "distance": "How far new pictures are from the right answer, where the world knows it.",
}
"""What may be expected of a rule, by the names that `run.json` and the report use."""
SHARES = frozenset(["share", "side"])
"""Those that may be given per cent."""

RESERVED_NAMES = frozenset(
    [
        "edition",
        "recipe",
        "use",
        "model",
        "latents",
        "param",
        "region",
        "rule",
        "erase",
        "zero",
        "include",
        "sweep",
        "expect",
        "invert",
        "copy",
        "paste",
        "from",
        "context",
        "box",
        "polygon",
        "ellipse",
        "mask",
        "all",
        "plus",
        "minus",
        "within",
        "at",
        "each",
        "like",
        "top",
        "among",
        "except",
        "radius",
        "as",
        "with",
        "in",
        "vary",
        "of",
        "over",
        "rank",
        "preserve",
        "side",
        "keep",
        "contrast",
        "directions",
        "strength",
        "solver",
        "units",
        "x",
        "y",
    ]
)
"""Words that latents, regions and parameters cannot be called by.

They are those of the first edition. A word that came later is none of them: whatever a recipe
called something before stays valid.
"""

RESERVED_VALUES = frozenset(
    [
        "goal",
        "context",
        "svd",
        "mean",
        "units",
        "exact",
        "gradient",
        "projected-adam",
        "l1",
        "l2",
        "davidbau",
        "halo",
        "crop",
    ]
)
"""Words that settings chose from in the first edition: parameters cannot be called by them."""
