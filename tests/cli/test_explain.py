"""``redraft explain``, and a page for every code of the runtime."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import redraft
from redraft.explain.codes import explain, titles
from redraft_dsl.report.explain import codes

Invoke = Callable[..., Result]

CODE = re.compile(r"""["'](RD[4-9]\d\d)["']""")
OWN = codes("redraft.explain")


def raised_codes() -> set[str]:
    """Every code that the runtime's sources name."""
    folder = Path(redraft.__file__).parent
    sources = folder.rglob("*.py")
    return {code for path in sources for code in CODE.findall(path.read_text(encoding="utf-8"))}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert len(raised_codes()) > 60
    assert raised_codes() == set(OWN)


@pytest.mark.parametrize("code", OWN)
def test_a_page_can_be_read(code: str) -> None:
    page = explain(code.lower())
    assert page is not None
    title = titles()[code]
    assert title
    assert title[0].islower() or title.startswith("RD")
    assert not title.endswith(".")
    assert page.startswith(f"# {code}: {title}\n\n")
    assert page.endswith(".\n")
    assert max(map(len, page.splitlines())) <= 100


@pytest.mark.parametrize("written", ["RD620", "rd620", "620", " 620 "])
def test_a_code_of_the_runtime(invoke: Invoke, written: str) -> None:
    shown = invoke("explain", written)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("RD620: no such model in the list\n\n")


def test_a_code_of_the_language(invoke: Invoke) -> None:
    shown = invoke("explain", "rd101")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("RD101: ")
    assert "\n    " in shown.stdout
    assert "```" not in shown.stdout


@pytest.mark.parametrize("code", codes())
def test_every_code_of_the_language(invoke: Invoke, code: str) -> None:
    assert invoke("explain", code).stdout.startswith(f"{code}: ")


def test_a_code_that_is_not_there(invoke: Invoke) -> None:
    shown = invoke("explain", "RD62")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD643]: there is no code `RD62`\n  = help: did you mean")
    assert explain("RD000") is None


def test_all_codes(invoke: Invoke) -> None:
    shown = invoke("explain", "--all")
    assert shown.exit_code == 0
    listed = re.findall(r"^  (RD\d{3})  \S", shown.stdout, re.M)
    assert listed == sorted({*codes(), *OWN})
    for phase in ("Reading and syntax", "Names", "Settings", "Regions", "Planning", "Running"):
        assert f"{phase}\n" in shown.stdout
