"""Networks that are a chain of maps, by the shapes in their files."""

from __future__ import annotations

import pytest

from redraft.models.arch.chain import chain_of

SHAPES: dict[str, tuple[int, ...]] = {
    "net.0.weight": (16, 32, 4, 4),
    **{f"net.1.{name}": (32,) for name in ("weight", "bias", "running_mean", "running_var")},
    "net.3.weight": (32, 16, 4, 4),
    **{f"net.4.{name}": (16,) for name in ("weight", "bias", "running_mean", "running_var")},
    "net.6.weight": (16, 3, 4, 4),
}


def test_a_chain_is_read_from_its_shapes() -> None:
    links = chain_of(SHAPES)
    assert links is not None
    assert [link.shape[:2] for link in links] == [(32, 16), (16, 32), (3, 16)]
    assert [link.norm for link in links] == ["net.1", "net.4", None]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 0), (0, 32, 4, 4), (16, 0, 4, 4), (1,) * 5])
def test_a_damaged_shape_makes_no_chain(name: str, shape: tuple[int, ...]) -> None:
    assert chain_of({**SHAPES, name: shape}) is None
