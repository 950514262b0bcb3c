"""The page on each code: what it means, a wrong recipe and its corrected form."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_CODE = re.compile(r"RD\d{3}")
_FENCE = re.compile(r"```redraft\n(.*?)```", re.S)
_OWN = "redraft_dsl.report"
"""The package whose folder ``pages`` has the codes of the language."""


class Page(NamedTuple):
    """``wrong`` and ``fixed`` are recipe texts, or parts of one; None where none can be shown."""

    code: str
    title: str
    text: str
    wrong: str | None
    fixed: str | None


@cache
def codes(package: str = _OWN) -> tuple[str, ...]:
    """Every code that has a page in ``package``, sorted."""
    names = (entry.name for entry in (files(package) / "pages").iterdir())
    return tuple(sorted(name[:-3] for name in names if name.endswith(".md")))


def explain(code: str, package: str = _OWN) -> str | None:
    """The page of a code as Markdown, or None if there is no such code. Case does not count."""
    code = code.strip().upper()
    if not _CODE.fullmatch(code):
        return None
    entry = files(package) / "pages" / f"{code}.md"
    return entry.read_text(encoding="utf-8") if entry.is_file() else None


def title(code: str, package: str = _OWN) -> str:
    """One line on what a code means."""
    text = explain(code, package) or f"# {code}: no page"
    return text.partition("\n")[0].partition(": ")[2]


def page(code: str) -> Page | None:
    """A page of the language taken apart."""
    text = explain(code)
    if text is None:
        return None
    examples = [*_FENCE.findall(text), None, None]
    return Page(code.upper(), title(code), text, examples[0], examples[1])
