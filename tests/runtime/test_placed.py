"""A rule is placed once, and its places go through all of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from redraft import load
from redraft.disk.cache import Cache
from redraft.memory import places, search
from redraft.memory.layer import Layer, Places
from redraft.memory.moments import Whitening
from redraft.memory.placed import place_rule
from redraft.memory.places import Marks, MatchedPlace, ResolvedPlace
from redraft.models.open import open_base
from redraft.plans.planner import Plan, make_plan
from redraft.runs.memo import MOST, Shared
from redraft.runs.runner import Run, run_plan
from redraft.show.report.outputs import report_data
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.recipe.model import Place

EYES = "box(x 8..40, y 16..32)"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each place was resolved."""
    seen: Counter[str] = Counter()
    resolve = places.resolve

    def watched(place: Place, facts: ModelFacts, folder: Path) -> ResolvedPlace:
        seen[place.model_dump_json()] += 1
        return resolve(place, facts, folder)

    monkeypatch.setattr(places, "resolve", watched)
    return seen


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each search looked at."""
    seen: list[int] = []
    best_places = search.best_places

    def watched(*arguments: Any) -> Any:
        found = best_places(*arguments)
        seen.append(len(found))
        return found

    monkeypatch.setattr(search, "best_places", watched)
    return seen


def planned(path: Path) -> Plan:
    return make_plan(load(path), path.parent, cache=Cache())


def ran(path: Path, out: Path, shared: Shared | None = None) -> Run:
    run = run_plan(planned(path), out=out, device="cpu", cache=Cache(), shared=shared)
    with torch.no_grad():
        report_data(run)
    return run


def test_every_place_is_resolved_once_in_a_run(
    workshop: Any, tmp_path: Path, resolved: Counter[str], searched: list[int]
) -> None:
    """Solving, left-out folds, judging, recording and the report have the places of one placing."""
    run = ran(workshop.recipe(workshop.chain), tmp_path / "out")
    rules = run.session.plan.recipe.rules
    assert resolved == Counter(
        {each.model_dump_json(): 1 for rule in rules for each in rule.places()}
    )
    assert len(searched) == 1
    for done in run.session.finished:
        assert run.session.placed[done.record.name] is done.placed
        assert done.record.contexts[0].box == done.placed.contexts.each[0].box()


def test_cells_of_a_sweep_share_the_places(
    workshop: Any, tmp_path: Path, resolved: Counter[str], searched: list[int]
) -> None:
    shared = Shared(MOST)
    for strength in (1, 2):
        body = workshop.chain.replace("rank 3", f"rank 3  strength {strength}")
        ran(workshop.recipe(body), tmp_path / f"out{strength}", shared)
    # Only the third rule finds a layer that the first one changed, and is placed in each cell.
    assert shared.made["placed"] == 4
    assert len(searched) == 1
    assert sorted(resolved.values()) == [1] * (len(resolved) - 1) + [2]


def test_a_rule_that_was_finished_before_is_placed_and_not_searched(
    workshop: Any, tmp_path: Path, resolved: Counter[str], searched: list[int]
) -> None:
    path, out = workshop.recipe(workshop.chain), tmp_path / "out"

    class StoppedError(Exception):
        pass

    def stop(what: str, _done: int, _total: int) -> None:
        if what == "rule noise":
            raise StoppedError

    with pytest.raises(StoppedError):
        run_plan(planned(path), out=out, device="cpu", cache=Cache(), progress=stop)
    assert len(searched) == 1
    resolved.clear()
    resumed = ran(path, out)
    assert resumed.resumed == ("glasses",)
    assert len(searched) == 1
    assert set(resolved.values()) == {1}
    whole = ran(path, tmp_path / "whole")
    for one, other in zip(resumed.session.finished, whole.session.finished, strict=True):
        assert one.placed.matches == other.placed.matches
        assert one.placed.contexts.content == other.placed.contexts.content
        assert [place.score for place in one.placed.contexts] == [
            place.score for place in other.placed.contexts
        ]
        assert one.record.contexts == other.record.contexts


def test_places_come_in_the_order_of_the_recipe(workshop: Any) -> None:
    body = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  context like z[2] {EYES} top 2 among 10..40
  context z[3] {EYES}
  context like z[3] {EYES} top 1 among 50..60
  rank 1
}}
"""
    plan = planned(workshop.recipe(body))
    step = plan.rules[0]
    moment = torch.eye(step.facts.in_channels, dtype=torch.float64)
    generator = open_base(plan.base, torch.device("cpu")).generator
    layer = Layer(generator, step.facts, plan.recipe.latents, Whitening(moment))
    found = (
        (MatchedPlace("z", 12, (8, 0), 0.9), MatchedPlace("z", 11, (0, -8), 0.8)),
        (MatchedPlace("z", 55, (0, 0), None),),
    )
    placed = place_rule(layer, step.rule, Marks(plan.base.facts, plan.folder), found)
    assert placed.contexts.pictures == (("z", 12), ("z", 11), ("z", 3), ("z", 55))
    assert [place.box() for place in placed.contexts] == [
        (8, 24, 40, 40), (0, 16, 32, 32), (8, 16, 40, 32), (8, 16, 40, 32),
    ]  # fmt: skip
    assert [place.score for place in placed.contexts] == [0.9, 0.8, None, None]
    assert placed.pasted_everywhere
    assert placed.copy is not None
    assert placed.copy.pictures == (("z", 1),)
    assert placed.matches == found
    rows = [placed.contexts.latents[row] for row in (0, 3)]
    inputs = layer.enter(placed.contexts.part([0, 3]))
    assert torch.equal(inputs.keys, generator.inputs(torch.stack(rows), ["layer6"])["layer6"].keys)


def test_a_part_of_places_has_their_coverage() -> None:
    facts = LayerFacts(names=("a",), kind="b", in_channels=1, out_channels=1, kernel=(1, 1),
                       key_size=(4, 4), value_size=(8, 8))  # fmt: skip
    areas = np.random.default_rng(1).random((3, 16, 16))
    each = tuple(ResolvedPlace("z", row, area) for row, area in enumerate(areas))
    whole = Places(each, torch.arange(6.0).reshape(3, 2), facts)
    assert torch.equal(whole.part([2, 0]).on_keys, whole.on_keys[[2, 0]])
    assert torch.equal(whole.part([2, 0]).on_values, whole.on_values[[2, 0]])
    assert whole.part([2]).latents.tolist() == [[4.0, 5.0]]
    assert whole.part([0, 1, 2]).content == whole.content
    moved = each[0].area.copy()
    moved[3, 3] += 1e-9
    others = (
        ResolvedPlace("y", 0, areas[0]),
        ResolvedPlace("z", 1, areas[0]),
        ResolvedPlace("z", 0, moved),
    )
    assert len({each[0].content, *(place.content for place in others)}) == 4
    assert ResolvedPlace("z", 0, areas[0].copy(), score=0.3).content == each[0].content
