"""Shared by the tests of what editors and other programs read: lexers, grammars, hooks."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from redraft_dsl.syntax.parse import grammar_text

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def recipes() -> dict[str, str]:
    """The text of every recipe in the repository, by its path."""
    found = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "recipes").rglob("*.redraft"))
    }
    assert len(found) > 10
    return found


@pytest.fixture(scope="session")
def keywords() -> tuple[str, ...]:
    """Every word that the grammar has a terminal for."""
    found = re.findall(r"^(?:OPERATION|LINE|[A-Z]+)(?:\.\d+)?: /(\S+?)\(\?!", grammar_text(), re.M)
    words = {word for each in found for word in each.removeprefix("(?:").rstrip(")").split("|")}
    assert len(words) > 30
    return tuple(sorted(words))


@pytest.fixture(scope="session")
def tiny() -> bytes:
    """The checkpoint of a small DCGAN (64 px), always the same."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for place, (inner, outer) in enumerate(pairwise((16, 32, 16, 8, 8, 3))):
        weight = torch.randn((inner, outer, 4, 4), generator=random) / inner**0.5
        state[f"main.{3 * place}.weight"] = weight
        if outer != 3:
            norm = torch.nn.BatchNorm2d(outer).state_dict()
            state |= {f"main.{3 * place + 1}.{name}": value for name, value in norm.items()}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()
