"""The reference of the language says what the language is: no word, limit or default is missing."""

from __future__ import annotations

import dataclasses
import re
from importlib.resources import files
from pathlib import Path

import pytest

from redraft.models.listed.catalog import ARCHITECTURES
from redraft_dsl.editions import EDITIONS, LATEST
from redraft_dsl.language.settings import BLOCKS, REQUIRED, SOLVERS, Spec
from redraft_dsl.language.words import RESERVED_NAMES, RESERVED_STATEMENTS, SETTINGS

Row = tuple[str, str, str]
NO_DEFAULT = {"side", "sha256", "compat"}
KINDS = {
    "whole": "whole number",
    "number": "number",
    "percent": "per cent",
    "choice": "word",
    "solver": "word",
    "text": "text",
    "word": "word",
}
FREE_TEXT = {"weights": "a path", "sha256": "64 of 0-9, a-f"}
TABLES = {
    "Settings of `model`": BLOCKS["model"],
    "Settings of `latents`": BLOCKS["latents"],
    "Settings of `rule`": BLOCKS["rule"],
    "Settings of `zero`": BLOCKS["zero"],
    "Settings of `erase`": {"units": BLOCKS["erase"]["units"]},
    **{f"Solver `{name}`": specs for name, specs in SOLVERS.items()},
}


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "language.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def grammar() -> str:
    return (files("redraft_dsl.syntax") / "grammar.lark").read_text(encoding="utf-8")


def table(page: str, heading: str) -> dict[str, Row]:
    """The first table under a heading: setting to (value, range, default)."""
    part = page.partition(f"### {heading}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|", part, re.M)
    return {name: (value, limits, default) for name, value, limits, default in rows}


def limits(name: str, spec: Spec) -> str:
    if spec.choices:
        return ", ".join(f"`{choice}`" for choice in spec.choices)
    if name == "arch":
        return ", ".join(f"`{arch}`" for arch in ARCHITECTURES)
    if name in FREE_TEXT:
        return FREE_TEXT[name]
    unit = "%" if spec.kind == "percent" else ""
    return f"{'above ' if spec.above else ''}{spec.low:.12g}{unit} to {spec.high:.12g}{unit}"


def default(heading: str, name: str) -> str:
    """As the edition has it."""
    defaults = EDITIONS[LATEST]
    owner = re.findall(r"`([\w-]+)`", heading)[0]
    if name in REQUIRED.get(owner, ()):
        return "required"
    if name in NO_DEFAULT:
        return "none"
    prefix = {"exact": "exact_", "gradient": "gradient_", "projected-adam": "adam_"}.get(owner, "")
    if prefix and name == "goal":
        prefix = "solver_"
    if (owner, name) == ("zero", "directions"):
        prefix = "zero_"
    value = getattr(defaults, prefix + name)
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


@pytest.mark.parametrize("heading", TABLES)
def test_every_setting_has_its_value_range_and_default(page: str, heading: str) -> None:
    wanted = {
        name: (KINDS[spec.kind], limits(name, spec), default(heading, name))
        for name, spec in TABLES[heading].items()
    }
    assert table(page, heading) == wanted


def test_erase_takes_all_that_rule_takes() -> None:
    assert BLOCKS["erase"].keys() - BLOCKS["rule"].keys() == {"units"}


def test_no_default_of_the_edition_is_left_out(page: str) -> None:
    told = {name for heading in TABLES for name in table(page, heading)}
    for field in dataclasses.fields(EDITIONS[LATEST]):
        bare = re.sub(r"^(zero|exact|gradient|adam|solver)_", "", field.name)
        assert bare in told, field.name
    assert told >= set(SETTINGS)


def test_every_word_of_the_grammar_is_told(page: str, grammar: str) -> None:
    keywords = re.findall(r"^[A-Z]+\.2: /(\w+)\(\?", grammar, re.M)
    assert len(keywords) > 25
    told = page.partition("## Reserved words")[2].partition("\n## ")[0]
    for word in {*keywords, *RESERVED_NAMES, *RESERVED_STATEMENTS}:
        assert f"`{word}`" in told, word
    assert set(re.findall(r"`([\w]+)`", told)) <= {*keywords, *RESERVED_NAMES}


def test_the_grammar_is_the_parsers_own(page: str, grammar: str) -> None:
    shown = re.search(r"```lark\n(.*?)```", page, re.S)
    assert shown is not None
    assert (
        shown[1].strip() == grammar[grammar.index("start:") : grammar.index("EDITION.2:")].strip()
    )
    for token in re.findall(r"^([A-Z_]+)(?:\.\d)?: ", grammar, re.M):
        if re.search(rf"^{token}\.2: ", grammar, re.M) or token in {"COMMENT", "SPACE"}:
            continue
        if not re.search(rf'^{token}: "', grammar, re.M):
            assert f"| `{token}` |" in page, token


def test_editions_and_limits(page: str) -> None:
    from redraft_dsl import reading
    from redraft_dsl.check.resolve import MAX_POINTS, MAX_SHAPES
    from redraft_dsl.check.rules.statements import LONGEST_NAME
    from redraft_dsl.geometry import masks
    from redraft_dsl.syntax.nodes import MAX_JOINS

    told = page.partition("## Limits")[2].partition("\n## ")[0]
    side = round(masks.MAX_PIXELS**0.5)
    for text in (
        f"{reading.MAX_BYTES >> 20} MiB",
        f"{MAX_SHAPES} shapes",
        f"{MAX_JOINS} joins",
        f"{MAX_POINTS:,}",
        f"{masks.MAX_BYTES >> 20} MiB",
        f"{side} x {side}",
    ):
        assert text in told.replace("\n", " "), text
    assert f"at most {LONGEST_NAME} characters" in page
    assert f"edition {LATEST}" in page
