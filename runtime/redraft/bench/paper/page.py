"""The page of the experiments: Markdown, a table for each, and what the measures mean. No torch.

Whatever the page says in numbers comes from the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redraft.bench.paper.experiments import Budget
    from redraft.bench.paper.rows import Row
    from redraft.bench.paper.running import Result

MARK = "<!-- written by `redraft paper`; what is changed here is lost when it runs again -->"
NOT_MEASURED = "not measured"
RIGHT = ("way", "objects", "false", "distance")
WISH = ("share", "null", "elsewhere", "amplitude", "pixel_share", "pixel_amplitude", "outside")
NETWORK = ("perceptual", "frechet")
DIGITS = {"outside": 4, "perceptual": 4, "frechet": 4, "false": 3, "distance": 3}
"""Digits after the point, where they are not two."""
PLAIN = ("distance", "outside", "elsewhere")
"""Figures whose intervals are left out, to keep tables narrow."""
HEADS = {
    "way": "way",
    "objects": "objects",
    "false": "false changes",
    "distance": "distance",
    "share": "share",
    "null": "null",
    "elsewhere": "elsewhere",
    "amplitude": "amplitude",
    "pixel_share": "pixel share",
    "pixel_amplitude": "pixel amplitude",
    "outside": "outside",
    "perceptual": "perceptual",
    "frechet": "Fréchet",
}


@dataclass(frozen=True)
class Made:
    """How a page was made.

    Attributes:
        command: that made it.
        budget: what was spent.
        machine: in words.
        versions: of what it may depend on.
        seconds: of all rows together, wherever they were computed.

    """

    command: str
    budget: Budget
    machine: str
    versions: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Drawn:
    """Paths, from the page, of an experiment's drawings: its pictures, and its strength curves."""

    pictures: str
    curves: str


def page(results: Sequence[Result], made: Made, drawn: Mapping[str, Drawn]) -> str:
    """The whole page.

    Args:
        results: of the experiments.
        made: how.
        drawn: by the name of an experiment.

    """
    parts = [MARK, "# Rules and their rivals", _intro(made), _summary(results)]
    for result in results:
        parts.append(f"## {_title(result)}")
        parts += _section(result, drawn.get(result.experiment.name))
    parts.append((resources.files(__package__) / "measures.md").read_text("utf-8").strip())
    return "\n\n".join(parts) + "\n"


def _intro(made: Made) -> str:
    budget = made.budget
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    form = (
        "**This is the quick form**: fewer pictures, settings and steps than the full one, so "
        "intervals are wide, and methods that descend by gradient end early. `redraft paper` "
        "gives the full form.\n\n"
        if budget.name == "quick"
        else ""
    )
    return (
        "The experiments of the rewriting paper, in worlds that anybody can repeat: each rule "
        "against other methods that are asked for the same. One command makes this page:\n\n"
        f"```sh\n{made.command}\n```\n\n"
        f"{form}"
        f"Machine: {made.machine}; {versions}. All rows together took "
        f"{lasting(made.seconds)}. Rows are cached by all that they depend on, so a run "
        "that was stopped goes on where it was.\n\n"
        f"Each method has up to {budget.settings} settings, and descents have {budget.steps} steps "
        f"on a layer ({4 * budget.steps} on the paper's small problem) or {budget.network_steps} "
        "through the whole network. A setting, and the strength at which a method changes as much "
        "elsewhere as the rule of the recipe does, are chosen on "
        f"{budget.choosing} unseen pictures, and judged on {budget.judged} others. Rows are sorted "
        "by effect: in the village the [way](#what-the-measures-mean) to the right answer, on "
        "faces the amplitude. Curves go from no strength through half of that change elsewhere, "
        "the same (the dot) and twice as much. Intervals are 95 %, over pictures."
    )


def lasting(seconds: float) -> str:
    """A time in words: ``40 seconds``, ``12 minutes``."""
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _title(result: Result) -> str:
    return f"{result.experiment.title}, in `{result.model}`"


def _summary(results: Sequence[Result]) -> str:
    head = ("experiment", "model", "redraft", "best other change of the network",
            "best edit transfer", "ahead of")  # fmt: skip
    rows = []
    for result in results:
        ranked = [row for row in result.rivals if row.curve]
        painted = [row for row in ranked if row.method.startswith("edit transfer")]
        changed = [row for row in ranked if row not in painted]
        behind = sum(row.effect < result.ours.effect for row in ranked)
        rows.append(
            [
                result.experiment.title,
                f"`{result.model}`",
                f"**{_number(result.ours.effect)}**",
                *(_best(some) for some in (changed, painted)),
                f"{behind} of {len(ranked)}",
            ]
        )
    return (
        "## In short\n\nEffect at equal change elsewhere. *redraft* is the better of the recipe as "
        "it stands and of its own sweep. An edit transfer paints over one picture after another: "
        "no generator comes of it, it changes nothing outside of what it copies, and on faces no "
        "measure says how real its pictures look.\n\n" + _table(head, rows, left=2)
    )


def _best(rows: Sequence[Row]) -> str:
    return f"{_number(rows[0].effect)} {rows[0].method}" if rows else "-"


def _section(result: Result, drawn: Drawn | None) -> Iterator[str]:
    yield _about(result)
    if drawn is not None:
        yield f"![{_title(result)}: the same pictures by every method]({drawn.pictures})"
        yield f"![{_title(result)}: effect over change elsewhere, by strength]({drawn.curves})"
    village = bool(result.beside)
    ranked = sorted((row for row in result.rows if row.curve), key=lambda row: -row.effect)
    names: tuple[str, ...] = RIGHT if village else ("amplitude", "share")
    head = ["method", "setting", *(HEADS[name] for name in names), "outside", "at half", "at twice"]
    yield _table(head, [_compared(row, names) for row in ranked], left=2)
    missing = [f"{row.method}: {row.missing}" for row in result.rows if row.missing]
    if missing:
        yield f"Not here: {'; '.join(missing)}."
    yield "The same changes by the rule's wish:"
    more = (*WISH, *NETWORK)
    yield _table(["method", *(HEADS[n] for n in more)], [_wished(row, more) for row in ranked])


def _about(result: Result) -> str:
    recipe = result.experiment.recipe
    text = (
        f"The rule is an `{result.kind}` at {result.layer} from {result.contexts} contexts: "
        f"[{recipe}](../recipes/{recipe})."
    ).replace("an `rule`", "a `rule`")
    beside = result.beside
    if not beside:
        return text
    floor = beside["floor"]
    asked = (
        "no latent asks for the answer"
        if floor is None
        else f"that of the generator asked for the answer {_number(floor)}"
    )
    return (
        f"{text} The unedited pictures are {_number(beside['unedited'])} from the right answer; "
        f"{asked}. Fréchet distance of the unedited pictures "
        f"{_number(beside['frechet_unedited'], 4)}, of the drawn answers of the same latents "
        f"{_number(beside['frechet_drawn'], 4)}."
    )


def _compared(row: Row, names: Sequence[str]) -> list[str]:
    figures = row.figures or {}
    middle = len(row.curve) // 2
    ends = (row.curve[0], row.curve[-1])
    return [
        _name(row),
        row.setting,
        *(_cell(figures, name) for name in names),
        f"{row.curve[middle][0]:.4f}",
        *(_number(effect) for _, effect in ends),
    ]


def _wished(row: Row, names: Sequence[str]) -> list[str]:
    figures = row.figures or {}
    return [_name(row), *(_cell(figures, name) for name in names)]


def _name(row: Row) -> str:
    return f"**{row.method}**" if row.method.startswith("redraft") else row.method


def _cell(figures: Mapping[str, Any], name: str) -> str:
    """A figure with its interval; of distances the figure alone, since the way has one."""
    value, digits = figures.get(name), DIGITS.get(name, 2)
    middle, *ends = value if isinstance(value, list) else [value]
    if middle is None or math.isnan(middle):
        return NOT_MEASURED if name in NETWORK else "-"
    if not ends or name in PLAIN:
        return _number(middle, digits)
    return f"{_number(middle, digits)} [{', '.join(_number(end, digits) for end in ends)}]"


def _number(value: float | None, digits: int = 2) -> str:
    if value is None or math.isnan(value) or math.isinf(value):
        return "-"
    return f"{value:.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    marks = ["---" if place < left else "---:" for place in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
