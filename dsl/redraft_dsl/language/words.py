"""The words of edition 2026, in one place: statements, lines, settings, and what is reserved."""

from __future__ import annotations

STATEMENTS = (
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
)

RESERVED_STATEMENTS = {
    "expect": "checking results after a run",
    "invert": "inverting a rule",
}

LINES = ("copy", "paste", "from", "context")
SHAPES = ("box", "polygon", "ellipse", "mask", "all")
OPERATORS = ("plus", "minus", "within")
INNER = (
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
)
TYPES = ("int", "float", "percent", "word")
"""What a parameter can be."""

SETTINGS = (
    "rank",
    "preserve",
    "side",
    "keep",
    "contrast",
    "directions",
    "strength",
    "solver",
    "units",
)
AXES = ("x", "y")

RESERVED_NAMES = frozenset(
    (*STATEMENTS, *RESERVED_STATEMENTS, *LINES, *SHAPES, *OPERATORS, *INNER, *SETTINGS, *AXES)
)
