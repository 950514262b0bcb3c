"""What every word of the language means, in one or two sentences, for hovers and completions."""

from __future__ import annotations

from collections.abc import Mapping

from redraft_dsl.editions import Defaults
from redraft_dsl.language.settings import BLOCKS, REQUIRED, SOLVERS, Spec

STATEMENTS: Mapping[str, str] = {
    "edition": "Which grammar and which defaults hold. The first line of a recipe.",
    "recipe": "The recipe's name, its version `x.y.z`, and its title in double quotes.",
    "use": "Another recipe, at exactly this version, and the name that it goes by here.",
    "model": "The model: one of the list, or a file of your own in a block.",
    "latents": "A row of images. `z[116]` is image 116 of the latents called `z`.",
    "param": "A value that can be given from outside. It may stand for a number or a word.",
    "region": "A name for a region of the picture.",
    "rule": "Makes something appear: what `copy` shows is drawn wherever `context` is recognised.",
    "erase": "Makes something go: the change silences what stands out in the context.",
    "zero": "Removes what a layer does in the context.",
    "include": "A rule of a used recipe, run at this place.",
    "sweep": "Runs the recipe with several values.",
}

LINES: Mapping[str, str] = {
    "copy": "What to draw: the layer's values in this region. Once in a rule.",
    "paste": "Where the goal is set: the copy is put there, centre on centre. "
    "Without it, in every context.",
    "from": "Where the goal of the erase is set. Without it, in every context.",
    "context": "Where the rule should fire: the layer's keys in this region. One or more.",
}

WORDS: Mapping[str, str] = {
    "box": "`box(x 12..52, y 24..38)`: columns 12 to 51 and rows 24 to 37; the end is not "
    "included. Pixels of the model's picture, or per cent.",
    "polygon": "`polygon(10,20 50,20 30,2)`: the inside of a closed outline, three points or more.",
    "ellipse": "`ellipse(31,31 radius 20,8)`: its centre, then half its width and half its height.",
    "mask": '`mask("eyes.png")`: the light parts of a picture file beside the recipe. `bilinear` '
    "after the file resizes it as the authors' code does.",
    "all": "The whole picture.",
    "plus": "Either region: the larger coverage of the two.",
    "minus": "The first region without the second.",
    "within": "What both regions cover.",
    "at": "The layer that is rewritten follows.",
    "each": "`each context`: the goal is set in every context. This is the default.",
    "like": "`context like z[130] REGION top 60 among 0..199`: contexts found by match.",
    "top": "How many matches are taken at most.",
    "among": "The images to search, both ends included.",
    "except": "Images to leave out.",
    "radius": "Half the width, then half the height.",
    "x": "From left to right.",
    "y": "From top to bottom.",
    "as": "The name that it goes by here.",
    "with": "Values in place of the rule's own.",
    "in": "The limits of the value.",
    "vary": "`vary rank of glasses over 1, 4, 10`: the values to run with.",
    "of": "The rule whose setting varies.",
    "over": "The values to run with.",
}

_COMMON = {
    "rank": "How many directions the change has. Higher: more detailed, stronger, on more kinds "
    "of pictures, and slower; lower: simpler and cleaner.",
    "contrast": "Higher: the rule listens more to what sets the context apart from the rest of "
    "its pictures.",
    "strength": "Scales the finished change: 0.5 is half of it, -1 the opposite.",
    "directions": "Which keys the rule listens to.",
}
_INSERT = {
    **_COMMON,
    "preserve": "Higher: fainter, and less changes elsewhere; 0: the goal is fitted at any price.",
    "side": "In place of `preserve`: the smallest preserve that keeps the change elsewhere below "
    "this share of the goal.",
    "keep": "Higher: the rest of the context pictures stays closer to what it was, and the change "
    "is fainter.",
    "solver": "How the change is computed.",
}
_GOAL = "`crop`: the goal on a cut-out that has lost its neighbours, as in the authors' code."

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "model": {
        "arch": "How the file is to be read.",
        "weights": "The model's file, seen from the recipe.",
        "sha256": "Pins the file: another one under this name is an error.",
        "truncation": "Lower: pictures closer to the mean picture, less odd and less varied; "
        "1: as they are.",
    },
    "latents": {
        "seed": "Another seed gives other images altogether.",
        "count": "How many images there are, to choose from and to take statistics over.",
    },
    "rule": _INSERT,
    "erase": {
        **_INSERT,
        "units": "How many input channels are silenced in the goal: too few leave a trace, too "
        "many dull the neighbourhood.",
    },
    "zero": {**_COMMON, "rank": "Higher: more is removed, and more else goes with it."},
    "exact": {
        "loss": "`l1`: mean absolute difference, the paper's; `l2`: mean square, quicker.",
        "iterations": "Most steps; it usually stops earlier.",
        "goal": _GOAL,
    },
    "gradient": {
        "steps": "More: closer to the optimum, slower.",
        "rate": "Step size; too high diverges.",
        "goal": _GOAL,
    },
    "projected-adam": {
        "compat": "`davidbau` reproduces what the authors' own code computes.",
        "steps": "More: closer to the goal, slower.",
        "rate": "Step size.",
        "every": "Steps between projections.",
        "goal": _GOAL,
    },
}

SOLVER_MEANINGS: Mapping[str, str] = {
    "exact": "The optimum of each output channel.",
    "gradient": "Adam on the same few unknowns, for comparison.",
    "projected-adam": "The paper authors' solver: Adam on the whole weight, projected at times.",
}

_OWN_DEFAULT: Mapping[tuple[str, str], str] = {
    ("zero", "directions"): "zero_directions",
    ("exact", "loss"): "exact_loss",
    ("exact", "iterations"): "exact_iterations",
    ("gradient", "steps"): "gradient_steps",
    ("gradient", "rate"): "gradient_rate",
    ("projected-adam", "steps"): "adam_steps",
    ("projected-adam", "rate"): "adam_rate",
    ("projected-adam", "every"): "adam_every",
}


def spec_of(block: str, key: str) -> Spec | None:
    """What values a setting takes; ``block`` is a block's keyword or a solver's name."""
    return {**BLOCKS, **SOLVERS}.get(block, {}).get(key)


def default_of(block: str, key: str, defaults: Defaults) -> str | None:
    """A setting's default as it would be written; None where it has none."""
    name = _OWN_DEFAULT.get((block, key), "solver_goal" if key == "goal" else key)
    value = getattr(defaults, name, None)
    return f"{value:g}" if isinstance(value, float) else None if value is None else str(value)


def about_setting(block: str, key: str, defaults: Defaults) -> str | None:
    """A setting: what it means, its default, and what it takes."""
    spec = spec_of(block, key)
    if spec is None:
        return None
    default = default_of(block, key, defaults)
    if default is None:
        default_text = "required" if key in REQUIRED.get(block, ()) else "none"
    else:
        default_text = f"`{default}`"
    meaning = SETTINGS[block][key]
    return f"{meaning}\n\nDefault: {default_text}. {takes(spec)}".rstrip()


def takes(spec: Spec) -> str:
    """What values a setting takes, as a sentence."""
    if spec.choices:
        return f"One of {', '.join(f'`{choice}`' for choice in spec.choices)}."
    if spec.low is None or spec.high is None:
        return ""
    unit = "%" if spec.kind == "percent" else ""
    above = "above " if spec.above else ""
    whole = "A whole number, " if spec.kind == "whole" else ""
    text = f"{whole}{above}{spec.low:.12g}{unit} to {spec.high:.12g}{unit}."
    return text[0].upper() + text[1:]
