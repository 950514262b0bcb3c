"""Which settings every block takes, and what values they may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["whole", "number", "percent", "choice", "solver", "text", "word"]


@dataclass(frozen=True)
class Spec:
    """One setting: the kind of its value and its limits (``above``: the lower one is excluded)."""

    kind: Kind
    low: float | None = None
    high: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()


DIRECTIONS = ("goal", "context", "svd", "mean", "units")
_GOAL = Spec("choice", choices=("halo", "crop"))
_STEPS = Spec("whole", 1, 1_000_000)
_RATE = Spec("number", 0, 1000, above=True)

SOLVERS: Mapping[str, Mapping[str, Spec]] = {
    "exact": {
        "loss": Spec("choice", choices=("l1", "l2")),
        "iterations": Spec("whole", 1, 10_000),
        "goal": _GOAL,
    },
    "gradient": {"steps": _STEPS, "rate": _RATE, "goal": _GOAL},
    "projected-adam": {
        "compat": Spec("choice", choices=("davidbau",)),
        "steps": _STEPS,
        "rate": _RATE,
        "every": _STEPS,
        "goal": _GOAL,
    },
}

_COMMON = {
    "rank": Spec("whole", 1, 65_536),
    "contrast": Spec("number", 0, 1),
    "strength": Spec("number", -1000, 1000),
}
_INSERT = {
    **_COMMON,
    "preserve": Spec("number", 0, 1_000_000),
    "side": Spec("percent", 0, 100, above=True),
    "keep": Spec("number", 0, 1_000_000),
    "directions": Spec("choice", choices=DIRECTIONS),
    "solver": Spec("solver", choices=tuple(SOLVERS)),
}

BLOCKS: Mapping[str, Mapping[str, Spec]] = {
    "model": {
        "arch": Spec("word"),
        "weights": Spec("text"),
        "sha256": Spec("text"),
        "truncation": Spec("number", 0, 1),
    },
    "latents": {"seed": Spec("whole", 0, 2**32 - 1), "count": Spec("whole", 1, 100_000_000)},
    "rule": _INSERT,
    "erase": {**_INSERT, "units": Spec("whole", 1, 65_536)},
    "zero": {**_COMMON, "directions": Spec("choice", choices=DIRECTIONS[1:])},
}

CHOICES = frozenset(
    choice
    for specs in (*BLOCKS.values(), *SOLVERS.values())
    for spec in specs.values()
    for choice in spec.choices
)
"""Every word that is the value of some setting."""

LINES: Mapping[str, tuple[str, ...]] = {
    "rule": ("copy", "paste", "context"),
    "erase": ("from", "context"),
    "zero": ("context",),
    "model": (),
    "latents": (),
}

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "model": ("arch", "weights"),
    "latents": ("seed", "count"),
    "rule": ("copy", "context"),
    "erase": ("context",),
    "zero": ("context",),
}

EXAMPLES: Mapping[str, str] = {
    "arch": "arch dcgan",
    "weights": 'weights "model.pth"',
    "seed": "seed 1",
    "count": "count 2000",
    "copy": "copy z[116] box(x 12..52, y 24..38)",
    "context": "context z[130] box(x 12..52, y 24..38)",
}
