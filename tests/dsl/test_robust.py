"""Nothing that a file can hold makes the language wing raise."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.check import Checked, Written, check
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import decode, loads
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.report.machine import to_github, to_json, to_sarif
from redraft_dsl.report.terminal import render
from redraft_dsl.syntax.editions import format_text
from redraft_dsl.syntax.parse import parse

FRAGMENTS = [
    *("edition 2026", "recipe", "model", "faces", "latents", "region", "rule", "erase", "zero"),
    *("copy", "paste", "context", "from", "each", "like", "top", "among", "except", "at", "all"),
    *("box(", "polygon(", "ellipse(", "mask(", "radius", "plus", "minus", "within", "x", "y"),
    *("rank", "preserve", "side", "solver", "exact", "directions", "z", "z[1]", "layer6", "sweep"),
    *("use", "param", "include", "as", "with", "in", "vary", "of", "over", "int", "n", "."),
    *('"village.redraft"', "2.0.0", "param n: int = 3", "include village.spire", "z[n]", "expect"),
    *("{", "}", "(", ")", "[", "]", "..", ",", "=", ":", ";", '"', "'", "#", "//", "%", "-"),
    *("0", "-1", "4", "12..52", "0.5", "5%", "1e999", "9" * 400, "1.0.0", '"a.png"', '"../a"'),
    *("\n", "\n\n", "\t", "\0", "\ufeff", "é", "漢", "\u202e", "\ud800", "\x1b[31m", "٣", "…"),
]


def survive(text: str, models: KnownModels, folder: Path) -> Checked:
    """Take a text through everything that the wing can do with it."""
    checked = loads(text, models, folder=folder, path="x.redraft")
    assert (checked.recipe is None) == bool(checked.errors)
    for color in (False, True):
        shown = render(checked.diagnostics, checked.source, color=color)
        assert bool(shown) == bool(checked.diagnostics)
        shown.encode()
    for diagnostic in checked.diagnostics:
        assert diagnostic.message
        assert diagnostic.message[0] == diagnostic.message[0].lower()
        if diagnostic.span is not None:
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(checked.source.text)
    report = [(checked.source, checked.diagnostics)]
    assert len(to_github(report).splitlines()) == len(checked.diagnostics)
    assert len(json.loads(to_json(report))) == len(checked.diagnostics)
    json.loads(to_sarif(report, "0"))
    once = format_text(text)
    if once.text is not None:
        assert format_text(once.text).text == once.text
        assert parse(decode("x", once.text.encode())[0]).tree == checked.tree
    if checked.recipe is not None:
        again = loads(print_recipe(checked.recipe), models, folder=folder)
        assert again.recipe == checked.recipe
    return checked


@given(st.binary(max_size=300))
def test_random_bytes(models: KnownModels, data: bytes) -> None:
    source, bad = decode("x", data)
    render(bad, source)
    parsed = parse(source)
    written = Written(parsed.tree, source, Path())
    checked = check(written, models, syntax=[*bad, *parsed.diagnostics])
    render(checked.diagnostics, source)


@given(st.text(max_size=200))
def test_random_text(models: KnownModels, folder: Path, text: str) -> None:
    survive(text, models, folder)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40), st.sampled_from(["", " ", "\n"]))
def test_random_words_of_the_language(
    models: KnownModels, folder: Path, words: list[str], between: str
) -> None:
    survive(between.join(words), models, folder)


@given(st.data())
def test_a_truncated_recipe(
    models: KnownModels, folder: Path, full: str, data: st.DataObject
) -> None:
    survive(full[: data.draw(st.integers(0, len(full)))], models, folder)


@given(st.data())
def test_a_mutated_recipe(
    models: KnownModels, folder: Path, full: str, data: st.DataObject
) -> None:
    text = full
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.sampled_from(["", *FRAGMENTS])) + text[at + length :]
    survive(text, models, folder)


@given(st.data())
def test_a_recipe_with_lines_moved_about(
    models: KnownModels, folder: Path, full: str, data: st.DataObject
) -> None:
    lines = full.splitlines()
    chosen = data.draw(st.lists(st.sampled_from(lines), max_size=40))
    survive("\n".join(chosen), models, folder)
