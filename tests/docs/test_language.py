"""The reference of the language is current. Run this file to write its tables anew."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from redraft.models.arch.families import FAMILIES
from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, LATEST, Language
from redraft_dsl.language.reference import tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"


def grammar_text() -> str:
    return (files("redraft_dsl.syntax") / "grammar.lark").read_text(encoding="utf-8")


def filled(page: str, language: Language = LANGUAGE) -> str:
    """The page with every table and the grammar as they ought to be."""
    for heading, table in tables(language, LATEST).items():
        first = re.compile(
            rf"^(### {re.escape(heading)}\n(?:[^|#\n][^\n]*\n|\n)*)(?:\|[^\n]*\n)+", re.M
        )
        if not first.search(page):  # a new operation or solver comes after the others of its kind
            last = [*re.finditer(rf"^### {heading.split()[0]} .*\n(?:(?!#).*\n)*", page, re.M)][-1]
            page = f"{page[: last.end()]}### {heading}\n\n{table}\n{page[last.end() :]}"
        page = first.sub(lambda found, table=table: found[1] + table, page, count=1)
    later = sorted({*language.keywords} - words.RESERVED_NAMES)
    listed = ", ".join(f"`{word}`" for word in later)
    page = re.sub(r"(?<=came later and are not reserved: )[^.]*", listed, page)
    grammar = grammar_text()
    rules = grammar[grammar.index("start:") : grammar.index("IMAGE.3:")].strip()
    return re.sub(r"```lark\n.*?```", lambda _: f"```lark\n{rules}\n```", page, flags=re.S)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_tables_and_the_grammar_are_current(page: str) -> None:
    assert filled(page) == page, f"run `python {Path(__file__).name}`"


def test_architectures_are_listed(page: str) -> None:
    listed = ", ".join(f"`{family.name}`" for family in FAMILIES)
    assert f"An `arch` is one of {listed}." in page


def test_every_word_of_the_language_is_explained(page: str) -> None:
    reserved = page.partition("## Reserved words")[2].partition("\n## ")[0]
    names = words.RESERVED_NAMES
    for word in {*LANGUAGE.keywords, *names}:
        assert f"`{word}`" in reserved, word
    assert set(re.findall(r"`(\w+)`", reserved)) <= {*LANGUAGE.keywords, *names}


def test_every_token_of_the_grammar_is_explained(page: str) -> None:
    grammar = grammar_text()
    tokens = re.findall(r"^([A-Z_]+)(?:\.\d)?: /", grammar, re.M)
    assert len(tokens) > 8
    for token in {"OPERATION", "LINE", *tokens} - {"COMMENT", "SPACE"}:
        assert f"| `{token}` |" in page, token


def test_editions_and_limits(page: str) -> None:
    from redraft_dsl import reading
    from redraft_dsl.check.resolve import MAX_POINTS, MAX_SHAPES, MOST_IMAGES
    from redraft_dsl.geometry import masks
    from redraft_dsl.language.spelling import LONGEST_NAME
    from redraft_dsl.syntax.nodes import MAX_JOINS

    told = page.partition("## Limits")[2].partition("\n## ")[0]
    side = round(masks.MAX_PIXELS**0.5)
    for text in (
        f"{reading.MAX_BYTES >> 20} MiB",
        f"{MAX_SHAPES} shapes",
        f"{MAX_JOINS} joins",
        f"{MAX_POINTS:,}",
        f"{MOST_IMAGES:,} images",
        f"{masks.MAX_BYTES >> 20} MiB",
        f"{side} x {side}",
    ):
        assert text in told.replace("\n", " "), text
    assert f"at most {LONGEST_NAME} characters" in page
    assert f"edition {LATEST}" in page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
