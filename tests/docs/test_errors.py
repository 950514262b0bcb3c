"""``docs/errors.md`` lists every code. Run this file to write the page anew."""

from __future__ import annotations

import re
from pathlib import Path

from redraft.explain.codes import titles

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "errors.md"
HEAD = """# All error codes

`redraft explain CODE` tells the story of each: what it means, and what to do. Codes keep their
meaning. How to read an error is told [here](how-to/read-an-error.md).
"""
GROUPS = {
    "0": "Reading and syntax",
    "1": "Names",
    "2": "Settings",
    "3": "Regions",
    "4": "Planning",
    "5": "Running",
    "6": "Files and models",
    "7": "Sharing and exchange",
    "8": "Studio",
}


def written() -> str:
    """The page as it ought to be."""
    parts = [HEAD]
    for digit, name in GROUPS.items():
        rows = [f"| `{c}` | {t} |\n" for c, t in titles().items() if c[2] == digit]
        parts.append(f"\n## RD{digit}xx: {name.lower()}\n\n| Code | Meaning |\n|---|---|\n")
        parts.extend(rows)
    return "".join(parts)


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(), f"run `python {Path(__file__).name}`"


def test_every_code_that_the_source_gives_is_listed() -> None:
    sources = [*(ROOT / "runtime").rglob("*.py"), *(ROOT / "dsl").rglob("*.py")]
    given = {
        code
        for source in sources
        for code in re.findall(r'"(RD\d{3})"', source.read_text(encoding="utf-8"))
    }
    listed = set(re.findall(r"^\| `(RD\d{3})`", PAGE.read_text(encoding="utf-8"), re.M))
    assert len(given) > 100
    assert given - listed == set()
    assert listed - given == set()


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
