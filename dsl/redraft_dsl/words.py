"""The words of edition 2026, in one place: statements, lines, settings, and what is reserved."""

from __future__ import annotations

STATEMENTS = ("edition", "recipe", "model", "latents", "region", "rule", "erase", "zero")

RESERVED_STATEMENTS = {
    "use": "naming another recipe",
    "param": "parameters",
    "include": "including rules of another recipe",
    "sweep": "running over several values",
    "expect": "checking results after a run",
    "invert": "inverting a rule",
}

LINES = ("copy", "paste", "from", "context")
SHAPES = ("box", "polygon", "ellipse", "mask", "all")
OPERATORS = ("plus", "minus", "within")
INNER = ("at", "each", "like", "top", "among", "except", "radius")

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
