"""No link of the documentation leads nowhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def links(page: Path) -> list[str]:
    found = LINK.findall(prose(page))
    return [link for link in found if not link.startswith(("https://", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """Where GitHub lets a link jump to."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    bare = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in bare}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert pages - linked - {index} == set()


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in links(page)
        if link.endswith((".png", ".svg", ".webp"))
    }
    there = set((ROOT / "docs" / "pictures").glob("*"))
    assert shown == there


def test_every_page_has_one_title() -> None:
    for page in PAGES:
        assert len(re.findall(r"^# ", prose(page), re.M)) == 1, page


def test_formulas_are_such_as_github_shows() -> None:
    """Markdown eats a backslash before punctuation, and takes a star or a dash for its own."""
    for page in PAGES:
        text = re.sub(r"`[^`]*`", "", prose(page))
        for formula in re.findall(r"\$\$.*?\$\$|\$[^$]+\$", text, re.S):
            wrong = re.search(r"\\[^A-Za-z\s]|\*|^\s*[-+] ", formula, re.M)
            assert wrong is None, f"{page}: {formula}"
