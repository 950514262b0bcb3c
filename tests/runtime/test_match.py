"""More context by match: the places of other pictures that look most like a marked one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft.errors import PlanError, RunError
from redraft.memory import match
from redraft.memory.layer import Layer
from redraft.memory.marked import matches_of
from redraft.memory.moments import Whitening, second_moments
from redraft.memory.placed import place_rule
from redraft.memory.places import Marks, ResolvedPlace
from redraft.memory.search import ranking, search
from redraft.models.arch.dcgan import DCGAN
from redraft.models.generator import LayerInputs
from redraft_dsl import KnownModels, loads
from redraft_dsl.recipe.model import Insert


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def planted(shifts: list[tuple[int, int]], faint: float = 0.05) -> tuple[Tensor, Tensor]:
    """Noise pictures (N, 4, 8, 8); the patch of the first at (2, 3) is repeated in the others."""
    patch = 2 * noise(4, 2, 3, seed=5)
    maps = faint * noise(len(shifts) + 1, 4, 8, 8)
    for row, (dy, dx) in enumerate([(0, 0), *shifts]):
        maps[row, :, 2 + dy : 4 + dy, 3 + dx : 6 + dx] = patch
    cover = torch.zeros(8, 8, dtype=torch.float64)
    cover[2:4, 3:6] = 1.0
    return maps, cover


def found_in(maps: Tensor, cover: Tensor) -> list[match.Candidate]:
    one = torch.eye(4, dtype=torch.float64)
    wanted = match.build_filter(LayerInputs(maps[:1]), cover, one)
    return match.best_places([([0, 1], maps[:2]), (list(range(2, len(maps))), maps[2:])], wanted)


def test_a_planted_patch_is_found_where_it_lies() -> None:
    shifts = [(0, 0), (-2, -3), (4, 2), (1, -1)]
    found = {place.index: place for place in found_in(*planted(shifts))}
    assert [found[row].shift for row in range(5)] == [(0, 0), *shifts]
    assert all(place.clear for place in found.values())
    assert found[0].score == pytest.approx(1.0, abs=1e-5)
    assert all(place.score == pytest.approx(1.0, abs=0.1) for place in found.values())


def test_places_come_best_first_and_ties_by_number() -> None:
    maps, cover = planted([(0, 0), (1, 1), (0, 0)])
    maps[2] *= 0.5
    maps[3] = maps[1]
    assert [place.index for place in found_in(maps, cover)][-1] == 2
    order = [place.index for place in found_in(maps, cover) if place.index in (1, 3)]
    assert order == [1, 3]


def test_a_picture_without_the_patch_is_not_clear() -> None:
    maps, cover = planted([(0, 0), (0, 0)])
    maps[2] = 0.05 * noise(4, 8, 8, seed=7)
    found = {place.index: place for place in found_in(maps, cover)}
    assert found[1].clear
    assert not found[2].clear


def test_a_channel_that_is_large_everywhere_does_not_decide() -> None:
    maps, cover = planted([(2, 1)])
    loud = 30 * noise(2, 1, 8, 8, seed=8)
    maps = torch.cat([maps, loud], 1)
    second = torch.eye(5, dtype=torch.float64)
    second[4, 4] = 900.0
    wanted = match.build_filter(LayerInputs(maps[:1]), cover, torch.linalg.inv(second))
    found = match.best_places([([1], maps[1:])], wanted)
    assert found[0].shift == (2, 1)


def test_the_score_map_holds_every_placement() -> None:
    maps, cover = planted([(4, 2)])
    one = torch.eye(4, dtype=torch.float64)
    wanted = match.build_filter(LayerInputs(maps[:1]), cover, one)
    scores = match.score_map(maps, wanted)
    assert scores.shape == (2, 7, 6)
    assert scores[1].flatten().argmax() == 6 * 6 + 5
    assert torch.allclose(scores.mean((1, 2)), torch.zeros(2), atol=1e-5)


def test_a_mark_that_is_empty_on_the_grid_is_refused_as_everywhere() -> None:
    maps, cover = planted([])
    with pytest.raises(RunError) as caught:
        match.build_filter(LayerInputs(maps[:1]), 0 * cover, torch.eye(4, dtype=torch.float64))
    assert caught.value.code == "RD506"


def test_a_mark_that_does_not_stand_out_finds_nothing_instead_of_everything() -> None:
    maps, cover = planted([(1, 1)])
    faint = -maps.clone()
    faint[:, :, 2:4, 3:6] = 0.01 * maps[:1, :, 2:4, 3:6]
    faint[:, :, :2] = maps[:1, :, 2:4, 3:6].repeat(1, 1, 1, 2)[..., :1].expand(-1, -1, -1, 8)
    for wrong, region in ((faint, cover), (maps, torch.ones_like(cover))):
        with pytest.raises(PlanError, match="does not stand out of its own picture") as caught:
            found_in(wrong, region)
        assert caught.value.code == "RD422"
        assert caught.value.help


HEAD = """edition 2026
recipe demo 1.0.0 "Demo"
model tiny { arch dcgan  weights "tiny.pth" }
latents z { seed 1  count 60 }
rule plain at layer6 {
  copy    z[59] box(x 9..31, y 17..31)
  rank    1
"""


@dataclass(frozen=True)
class Here:
    """A rule that searches, at its layer."""

    layer: Layer
    rule: Insert
    marks: Marks

    def contexts(self) -> tuple[ResolvedPlace, ...]:
        """Every context, marked or found."""
        found = search(self.layer, self.rule, self.marks)
        return place_rule(self.layer, self.rule, self.marks, found).contexts.each

    def copying(self, index: int) -> Here:
        """The same rule, with a copy from another picture."""
        copy = self.rule.copy_from.model_copy(update={"index": index})
        return replace(self, rule=self.rule.model_copy(update={"copy_from": copy}))

    def ranking(self) -> list[match.Candidate]:
        """Every picture of the range of the first match."""
        wanted = matches_of(self.rule)[0]
        return ranking(self.layer, wanted, self.marks(wanted.like))


def make_rule(generator: DCGAN, contexts: str) -> Here:
    checked = loads(f"{HEAD}{contexts}\n}}", KnownModels(listed={}, architectures=("dcgan",)),
                    facts=generator.facts)  # fmt: skip
    assert checked.recipe is not None, checked.errors
    moment = second_moments(generator, [noise(60, 10)], ["layer6"])["layer6"].matrix
    facts = generator.facts.layer("layer6")
    assert facts is not None
    rule = checked.recipe.rules[0]
    assert isinstance(rule, Insert)
    layer = Layer(generator, facts, checked.recipe.latents, Whitening(moment))
    return Here(layer, rule, Marks(generator.facts, Path()))


LIKE = "  context like z[7] box(x 9..31, y 17..31) top {top} among {first}..{last}"


def test_a_marked_picture_matches_itself_best(make_generator) -> None:  # type: ignore[no-untyped-def]
    here = make_rule(make_generator(), LIKE.format(top=5, first=0, last=40))
    found = here.contexts()
    own = [place for place in found if place.index == 7]
    assert len(own) == 1
    assert own[0].score == pytest.approx(1.0, abs=1e-4)
    assert np.array_equal(own[0].area, here.marks(matches_of(here.rule)[0].like).area)


def test_found_regions_keep_their_offset_inside_the_key_cell(make_generator) -> None:  # type: ignore[no-untyped-def]
    here = make_rule(make_generator(), LIKE.format(top=20, first=0, last=40))
    found = here.contexts()
    boxes = [place.box() for place in found]
    assert len({box[:2] for box in boxes}) > 1, "some moved"
    for x0, y0, x1, y1 in boxes:
        assert ((x0 - 9) % 8, (y0 - 17) % 8) == (0, 0)
        assert (x1 - x0, y1 - y0) == (22, 14)


def test_no_picture_is_found_twice_or_marked_and_found(make_generator) -> None:  # type: ignore[no-untyped-def]
    text = "  context z[3] box(x 9..31, y 17..31)\n" + LIKE.format(top=15, first=0, last=20)
    text += "\n" + LIKE.format(top=12, first=10, last=30)
    here = make_rule(make_generator(), text)
    found = here.copying(5).contexts()
    indices = [place.index for place in found]
    assert len(indices) == len(set(indices))
    assert indices[0] == 3
    assert 5 not in indices
    assert any(index > 20 for index in indices)


def test_the_range_and_its_exceptions_are_kept(make_generator) -> None:  # type: ignore[no-untyped-def]
    text = LIKE.format(top=3, first=12, last=16) + " except 13, 15"
    here = make_rule(make_generator(), text)
    assert {place.index for place in here.ranking()} == {12, 14, 16}


def test_batches_of_the_search_do_not_matter(make_generator, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    here = make_rule(make_generator(), LIKE.format(top=9, first=2, last=33))
    whole = here.ranking()
    monkeypatch.setattr("redraft.memory.search.MATCH_BATCH", 5)
    parts = here.ranking()
    assert [p.index for p in parts] == [p.index for p in whole]
    assert [p.shift for p in parts] == [p.shift for p in whole]
    assert [p.score for p in parts] == pytest.approx([p.score for p in whole], abs=1e-4)


def test_nothing_alike_is_an_error_with_a_remedy(make_generator) -> None:  # type: ignore[no-untyped-def]
    here = make_rule(make_generator(), LIKE.format(top=1, first=20, last=20))
    with pytest.raises(
        PlanError, match=r"no image among 20\.\.20 has a place like z\[7\]"
    ) as caught:
        here.copying(20).contexts()
    assert caught.value.code == "RD421"
    assert caught.value.help


def test_a_mark_of_the_whole_picture_is_refused_by_name(make_generator) -> None:  # type: ignore[no-untyped-def]
    line = "  context like z[7] box(x 0..64, y 0..64) top 3 among 0..40"
    here = make_rule(make_generator(), line)
    with pytest.raises(PlanError, match=r"the place that is marked in z\[7\]") as caught:
        here.contexts()
    assert caught.value.code == "RD422"
