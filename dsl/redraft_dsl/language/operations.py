"""The operations of edition 2026, and the lines that they take, one row each."""

from __future__ import annotations

from redraft_dsl.language.rows import Line, Operation

COPY = Line(
    "copy",
    "What to draw: the layer's values in this region. Once in a rule.",
    "copy_from",
    required=True,
    single=True,
)
PASTE = Line(
    "paste",
    "Where the goal is set: the copy is put there, centre on centre. Without it, in every context.",
    "paste",
    each=True,
)
FROM = Line(
    "from",
    "Where the goal of the erase is set. Without it, in every context.",
    "source",
    each=True,
)
CONTEXT = Line(
    "context",
    "Where the rule should fire: the layer's keys in this region. One or more.",
    "context",
    required=True,
    found=True,
    grid="keys",
)
CAUSE = Line(
    "cause",
    "What the effect goes with, in the same images as `effect`: mark images that show it.",
    "cause",
    required=True,
)
EFFECT = Line(
    "effect",
    "Where the goal is set, in the same images as `cause`: what is here with the cause, and what "
    "is here without it, change places.",
    "context",
    required=True,
    grid="keys",
)
PROTECT = Line(
    "protect",
    "What must stay as it is: the layer's values in this region.",
    "protect",
)

OPERATIONS = (
    Operation(
        "rule",
        "Makes something appear: what `copy` shows is drawn wherever `context` is recognised.",
        (COPY, PASTE, CONTEXT, PROTECT),
    ),
    Operation(
        "erase",
        "Makes something go: the change silences what stands out in the context.",
        (FROM, CONTEXT, PROTECT),
    ),
    Operation("zero", "Removes what a layer does in the context.", (CONTEXT,)),
    Operation(
        "invert",
        "Turns a rule round: with the cause the effect is what it was without it, and the other "
        "way round.",
        (CAUSE, EFFECT, PROTECT),
    ),
)
