"""Compare a recipe's first rule with other ways to change its layer.

python -m redraft.bench.rivals recipe.redraft
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from redraft.bench.cases import open_case
from redraft.bench.rivals.table import CHOOSING, FIGURES, JUDGED, compare
from redraft.errors import RedraftError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft.bench.rivals",
        description="Compare a rule with other ways to change its layer.",
    )
    parser.add_argument("recipe", type=Path, help="a recipe whose first rule is an insert")
    parser.add_argument("--judged", type=int, default=JUDGED, help="pictures to judge on")
    parser.add_argument("--choosing", type=int, default=CHOOSING, help="others, to choose on")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    if min(given.judged, given.choosing) < 2:
        parser.error("--judged and --choosing must be at least 2")
    try:
        case = open_case(given.recipe, "cpu")
        rows = compare(case, choosing=given.choosing, judged=given.judged)
    except (RedraftError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if given.format == "json":
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    names = ("strength", *FIGURES)
    heads = " ".join(f"{name:>15}" for name in names)
    sys.stdout.write(f"{'method':31}{'setting':13}{heads}\n")
    for row in rows:
        cells = " ".join(f"{row[name]:15.3f}" if name in row else " " * 15 for name in names)
        sys.stdout.write(f"{row['method']:31}{row['setting']:13}{cells}\n")
    return 0
