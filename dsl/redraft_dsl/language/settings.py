"""The settings of edition 2026, one row each."""

from __future__ import annotations

from redraft_dsl.language.rows import FIRST_EDITION, Scalar, Setting

SOLVED = ("rule", "erase", "invert")
"""Operations that solve for a goal."""
EVERY = (*SOLVED, "zero")
SOLVERS = ("exact", "gradient", "projected-adam")


def _since_first(value: Scalar) -> dict[int, Scalar]:
    return {FIRST_EDITION: value}


MODEL = (
    Setting(
        "arch",
        "word",
        "How the file is to be read.",
        ("model",),
        required=True,
        example="arch dcgan",
        limits="an architecture",
    ),
    Setting(
        "weights",
        "text",
        "The model's file, relative to the recipe's folder, with /.",
        ("model",),
        required=True,
        example='weights "model.pth"',
        limits="a path",
        stored="path",
    ),
    Setting(
        "sha256",
        "text",
        "Pins the file: another one under this name is an error.",
        ("model",),
        limits="64 of 0-9, a-f",
    ),
    Setting(
        "truncation",
        "number",
        "Lower: pictures closer to the mean picture, less unusual and less varied; 1: as they are.",
        ("model",),
        _since_first(1.0),
        low=0,
        high=1,
        quiet=True,
    ),
    Setting(
        "weights-set",
        "text",
        "Which weights of a file that holds several, such as `g_ema` or `generator`.",
        ("model",),
        limits="a name that `redraft layers` shows",
        stored="weights_set",
        later=True,
    ),
    Setting(
        "slope",
        "number",
        "Of the activations below 0, which no file of weights holds: 0 is ReLU, 0.2 the usual "
        "leaky ReLU.",
        ("model",),
        low=0,
        high=1,
        later=True,
    ),
    Setting(
        "eps",
        "number",
        "Of batch norm, which no file of weights holds. Left out: 0.00001.",
        ("model",),
        low=0,
        high=1,
        above=True,
        later=True,
    ),
    Setting(
        "output",
        "choice",
        "What the network ends with, which no file of weights holds. Left out: `tanh`.",
        ("model",),
        choices=("tanh", "sigmoid", "none"),
        later=True,
    ),
)

LATENTS = (
    Setting(
        "seed",
        "whole",
        "Of numpy's RandomState: another seed gives other images altogether.",
        ("latents",),
        low=0,
        high=2**32 - 1,
        required=True,
        example="seed 1",
    ),
    Setting(
        "count",
        "whole",
        "How many images there are, to choose from and to take statistics over.",
        ("latents",),
        low=1,
        high=100_000_000,
        required=True,
        example="count 2000",
    ),
    Setting(
        "class",
        "whole",
        "Of a generator with classes: that of all images. Left out: every class in turn.",
        ("latents",),
        low=0,
        high=1_000_000,
        stored="label",
        later=True,
    ),
)

RULES = (
    Setting(
        "units",
        "whole",
        "How many input channels are silenced in the goal: too few leave a trace, too many dull "
        "the neighbourhood.",
        ("erase", "invert"),
        _since_first(30),
        low=1,
        high=65_536,
        but={
            "invert": {
                "meaning": "By how many input channels the cause is known: those that differ most "
                "there from other pictures."
            }
        },
    ),
    Setting(
        "rank",
        "whole",
        "How many directions the change has. Higher: more detailed, stronger, on more kinds of "
        "pictures, and slower; lower: simpler and cleaner.",
        EVERY,
        _since_first(8),
        low=1,
        high=65_536,
        but={"zero": {"meaning": "Higher: more is removed, and more else goes with it."}},
    ),
    Setting(
        "preserve",
        "number",
        "Higher: fainter, and less changes elsewhere; 0: the goal is fitted at any price.",
        SOLVED,
        _since_first(0.3),
        low=0,
        high=1_000_000,
        stored="restraint.weight",
        davidbau=0.0,
        but={"invert": {"defaults": _since_first(0.1)}},
    ),
    Setting(
        "side",
        "percent",
        "In place of `preserve`: the smallest preserve that keeps the change elsewhere below this "
        "share of the goal.",
        SOLVED,
        low=0,
        high=100,
        above=True,
        stored="restraint.percent",
        instead_of="preserve",
    ),
    Setting(
        "keep",
        "number",
        "Higher: the rest of the context pictures stays closer to what it was, and the change is "
        "fainter.",
        SOLVED,
        _since_first(3.0),
        low=0,
        high=1_000_000,
        davidbau=0.0,
        but={"invert": {"defaults": _since_first(1.0)}},
    ),
    Setting(
        "contrast",
        "number",
        "Higher: the rule listens more to what sets the context apart from the rest of its "
        "pictures.",
        EVERY,
        _since_first(0.8),
        low=0,
        high=1,
        davidbau=0.0,
    ),
    Setting(
        "directions",
        "choice",
        "Which keys the rule listens to: where its directions are taken from.",
        EVERY,
        _since_first("goal"),
        choices=("goal", "context", "svd", "mean", "units"),
        davidbau="context",
        but={
            "zero": {
                "choices": ("context", "svd", "mean", "units"),
                "defaults": _since_first("context"),
            }
        },
    ),
    Setting(
        "strength",
        "number",
        "Scales the finished change: 0.5 is half of it, -1 the opposite.",
        EVERY,
        _since_first(1.0),
        low=-1000,
        high=1000,
    ),
    Setting(
        "solver",
        "group",
        "How the change is computed.",
        SOLVED,
        _since_first("exact"),
        choices=SOLVERS,
    ),
)

SOLVER = (
    Setting(
        "loss",
        "choice",
        "`l1`: mean absolute difference, the paper's; `l2`: mean square, quicker.",
        ("exact",),
        _since_first("l2"),
        choices=("l1", "l2"),
    ),
    Setting(
        "iterations",
        "whole",
        "Most steps; it usually stops earlier.",
        ("exact",),
        _since_first(20),
        low=1,
        high=10_000,
    ),
    Setting(
        "compat",
        "choice",
        "`davidbau` reproduces what the authors' own code computes.",
        ("projected-adam",),
        choices=("davidbau",),
    ),
    Setting(
        "steps",
        "whole",
        "More: closer to the optimum, slower.",
        ("gradient", "projected-adam"),
        _since_first(500),
        low=1,
        high=1_000_000,
        but={"projected-adam": {"defaults": _since_first(2001)}},
    ),
    Setting(
        "rate",
        "number",
        "Step size; too high diverges.",
        ("gradient", "projected-adam"),
        _since_first(0.05),
        low=0,
        high=1000,
        above=True,
    ),
    Setting(
        "every",
        "whole",
        "Steps between projections.",
        ("projected-adam",),
        _since_first(10),
        low=1,
        high=1_000_000,
    ),
    Setting(
        "goal",
        "choice",
        "`halo`: the goal with its surroundings; `crop`: on a cut-out that has lost its "
        "neighbours, as in the authors' code, for one paste only.",
        SOLVERS,
        _since_first("halo"),
        choices=("halo", "crop"),
        davidbau="crop",
    ),
)

SETTINGS = (*MODEL, *LATENTS, *RULES, *SOLVER)
