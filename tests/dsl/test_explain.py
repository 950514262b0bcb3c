"""Every code has a page whose wrong recipe shows it and whose fixed one does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import redraft_dsl
from redraft_dsl.check import Checked
from redraft_dsl.report.explain import codes, explain, page, title

# Problems of a file's bytes have no text to show; the golden texts cover them. RD127 is about
# what is given on the command line.
WITHOUT_EXAMPLE = {"RD001", "RD100", "RD002", "RD003", "RD004", "RD127"}


def _codes_in_source() -> set[str]:
    package = Path(redraft_dsl.__file__).parent
    found: set[str] = set()
    for file in package.rglob("*.py"):
        found |= set(re.findall(r'"(RD[0-3]\d\d)"', file.read_text(encoding="utf-8")))
    return found


def test_every_code_has_a_page_and_no_page_is_left_over() -> None:
    assert set(codes()) == _codes_in_source()


@pytest.mark.parametrize("code", sorted(set(codes()) - WITHOUT_EXAMPLE))
def test_the_wrong_recipe_shows_the_code_and_the_fixed_one_is_fine(
    code: str, check_text: Callable[[str], Checked]
) -> None:
    explained = page(code)
    assert explained is not None
    assert explained.wrong is not None
    assert explained.fixed is not None
    assert code in {diagnostic.code for diagnostic in check_text(explained.wrong).diagnostics}
    fixed = check_text(explained.fixed)
    assert {d.code for d in fixed.diagnostics} <= {"RD120", "RD121"} - {code}
    assert fixed.recipe is not None


def test_a_page_begins_with_its_code_and_ends_with_the_remedy() -> None:
    for code in codes():
        text = explain(code)
        assert text is not None
        assert text.startswith(f"# {code}: {title(code)}\n")
        assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("asked", ["rd102", " RD102 "])
def test_case_and_space_do_not_matter(asked: str) -> None:
    assert explain(asked) == explain("RD102")


@pytest.mark.parametrize("asked", ["RD999", "", "../../__init__", "RD1"])
def test_an_unknown_code_has_no_page(asked: str) -> None:
    assert explain(asked) is None
