"""Which positions a solver looks at: laid out at once or picture by picture, they are the same."""

from __future__ import annotations

import pytest
import torch

from redraft.models.generator import Phase, Positions
from redraft.solve import positions
from redraft.solve.positions import Chosen

FIRST = ((0, 0), (0, -1), (-1, 0), (-1, -1))
LAST = ((0, 0), (0, 1), (1, 0), (1, 1))
TAPS = ((1, 1), (1, 3), (3, 1), (3, 3))
PHASES: tuple[Positions, ...] = (Phase(0, 0, 2, TAPS, FIRST), Phase(1, 1, 2, TAPS, LAST))


@pytest.mark.parametrize("left_out", [0, 5])
def test_maps_are_laid_out_at_once_as_one_by_one(
    monkeypatch: pytest.MonkeyPatch, left_out: int
) -> None:
    chance = torch.Generator().manual_seed(left_out)
    values = torch.randn(3, 4, 8, 6, generator=chance)
    keys = torch.randn(3, 5, 4, 3, generator=chance)
    rows = (torch.arange(12), torch.arange(12), torch.arange(left_out, 12))
    chosen = Chosen(rows, torch.ones(2, 1, 36 - left_out), 12)
    found = chosen.by_channel(PHASES, values), chosen.design(PHASES, keys)
    assert found[0].shape == (2, 4, 36 - left_out)
    assert found[1].shape == (2, 36 - left_out, 20)
    monkeypatch.setattr(positions, "AT_ONCE", 0)
    for maps in (values, list(values), iter(values)):
        assert torch.equal(chosen.by_channel(PHASES, maps), found[0])
    for maps in (keys, list(keys), iter(keys)):
        assert torch.equal(chosen.design(PHASES, maps), found[1])
