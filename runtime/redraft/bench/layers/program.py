"""Say whether ``locate`` finds the layer that comes nearest to the right answer.

python -m redraft.bench.layers recipes/village/*.redraft --model village --model village-proggan
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from redraft.bench.layers.table import COUNT, LocatedRule, locate_and_judge
from redraft.errors import RedraftError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each recipe and model; with ``--format json`` every layer of it."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft.bench.layers",
        description="Compare the recommended layer with the one nearest to the right answer.",
    )
    parser.add_argument("recipes", type=Path, nargs="+", help="recipes of the village")
    parser.add_argument("--model", action="append", help="instead of the recipe's; repeatable")
    parser.add_argument("--count", type=int, default=COUNT, help="unseen pictures")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    if given.count < 1:
        parser.error("--count must be at least 1")
    found = []
    if given.format == "text":
        sys.stdout.write(_line("rule", "model", "recommended", "distance", "best", "distance",
                               "unedited", "seconds", "") + "\n")  # fmt: skip
    try:
        for each in _all(given.recipes, given.model or [None], given.count):
            found.append(each)
            if given.format == "text":
                sys.stdout.write(_said(each) + "\n")
                sys.stdout.flush()
    except (RedraftError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if given.format == "json":
        rows = [{**asdict(each), "best": each.best.layer, "good": each.good} for each in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        good = sum(each.good for each in found)
        sys.stdout.write(f"{good} of {len(found)} are the best layer or within 10 % of it\n")
    return 0


def _all(
    recipes: Sequence[Path], models: Sequence[str | None], count: int
) -> Iterator[LocatedRule]:
    for model in models:
        for path in recipes:
            yield locate_and_judge(path, model, count=count)


def _said(found: LocatedRule) -> str:
    chosen, best = found.chosen, found.best
    return _line(
        found.rule,
        found.model,
        "none" if chosen is None else chosen.layer,
        _figure(None if chosen is None else chosen.distance),
        best.layer,
        _figure(best.distance),
        _figure(found.unedited),
        f"{found.seconds:.0f}",
        "good" if found.good else "NOT good",
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _line(*cells: str) -> str:
    widths = (-22, -16, -12, 9, -8, 9, 9, 8, -8)
    parts = [
        f"{cell:<{-w}}" if w < 0 else f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()
