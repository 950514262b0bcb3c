"""The documentation as a site: every page has its place, and the strict build finds no fault."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = "README.md"
SECTIONS = [
    *("Learn", "Make a rule", "Improve it", "Share it"),
    *("Python and editors", "Research", "Reference"),
]


class Loader(yaml.SafeLoader):
    """Reads the settings without making what their tags name."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def nav() -> dict[str, list[str]]:
    """The pages of each section, in order."""
    settings = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)
    sections = (next(iter(each.items())) for each in settings["nav"])
    return {
        title: [page if isinstance(page, str) else next(iter(page.values())) for page in pages]
        for title, pages in sections
    }


def test_the_sections_are_by_purpose_and_hold_every_page() -> None:
    found = nav()
    assert list(found) == SECTIONS
    pages = [page for section in found.values() for page in section]
    assert len(pages) == len(set(pages))
    assert set(pages) == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_the_index_is_in_the_same_order() -> None:
    index = (DOCS / INDEX).read_text("utf-8")
    parts = re.split(r"^\*\*(.+)\*\*$", index, flags=re.M)[1:]
    shown = {
        title: re.findall(r"^- \[[^\]]*\]\(([^)#]+)\)", text, re.M)
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    in_nav = {
        title: [page for page in pages if page != "README.md"] for title, pages in nav().items()
    }
    assert shown == in_nav


@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="`make docs` installs mkdocs"
)
def test_the_site_is_built_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "how-to" / "find-context" / "index.html").is_file()
