"""Plans: which steps a recipe becomes, on what each depends, what is cached."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from redraft import load
from redraft.bench.timing import measure_speeds
from redraft.disk.cache import Cache
from redraft.errors import ModelError, PlanError
from redraft.models import open as opening
from redraft.models.arch import families, plugins
from redraft.models.checkpoint import weights
from redraft.plans.costs import Speeds, gigaflops, nominal, read_speeds, seconds, write_speeds
from redraft.plans.loading import CheckFailedError
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, make_plan
from redraft.runs.runner import run_plan

EYES = "box(x 8..40, y 16..32)"
CHAIN = f"""
rule first at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context z[3] {EYES}
  rank 2
}}
rule early at layer3 {{
  copy    z[4] {EYES}
  context z[5] {EYES}
  rank 2
}}
zero late at layer9 {{ context z[6] {EYES}  rank 2 }}
erase last at layer6 {{ context z[7] {EYES}  rank 2  units 3 }}
"""


def planned(path: Path) -> Plan:
    return make_plan(load(path), path.parent, cache=Cache())


def digests(plan: Plan) -> dict[str, str]:
    return {step.rule.name: step.digest for step in plan.rules}


def changed(before: Plan, after: Plan) -> set[str]:
    one, other = digests(before), digests(after)
    return {name for name in one if one[name] != other[name]}


def test_steps_come_in_order_with_statistics_before_their_rules(workshop: Any) -> None:
    plan = planned(workshop.recipe(CHAIN))
    told = [
        f"statistics {step.layer}" if isinstance(step, StatisticsStep) else step.rule.name
        for step in plan.steps
    ]
    assert told == [
        "statistics layer6",
        "first",
        "statistics layer3",
        "early",
        "statistics layer9",
        "late",
        "statistics layer6",  # again: `early` changed what reaches it
        "last",
    ]
    assert [step.before for step in plan.statistics] == ["first", "early", "late", "last"]
    assert {step.rule.name: step.reads for step in plan.rules} == {
        "first": (),
        "early": (),
        "late": ("first", "early"),
        "last": ("first", "early"),
    }


def test_rules_at_one_layer_share_its_statistics(workshop: Any) -> None:
    later = CHAIN.replace("at layer3", "at layer9")
    plan = planned(workshop.recipe(later))
    assert [step.layer for step in plan.statistics] == ["layer6", "layer9"]
    assert plan.rules[-1].reads == ("first",)


def test_a_plan_reads_no_tensor(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise AssertionError("a tensor was read")

    path = workshop.recipe(CHAIN)
    for module in (weights, opening):
        monkeypatch.setattr(module, "load_state", fail)
    monkeypatch.setattr(torch, "load", fail)
    monkeypatch.setattr(families.Family, "build", fail)
    assert len(planned(path).rules) == 4


def test_comments_layout_and_written_defaults_change_no_digest(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    before = planned(path)
    text = path.read_text().replace("rank 2\n}", "rank 2 # few\n  preserve 0.3\n}")
    path.write_text("# head\n" + text.replace("\n  ", "\n\n       "))
    after = planned(path)
    assert digests(before) == digests(after)
    assert before.digest == after.digest
    assert [s.fields for s in before.statistics] == [s.fields for s in after.statistics]


def test_words_about_the_recipe_change_no_step(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    before = planned(path)
    text = path.read_text().replace("A demonstration", "Another")
    path.write_text(text.replace("1.0.0", "1.1.0"))
    after = planned(path)
    assert digests(before) == digests(after)
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("rule", "seen_by"),
    [
        ("first", {"first", "late", "last"}),
        ("early", {"early", "late", "last"}),
        ("late", {"late"}),
        ("last", {"last"}),
    ],
)
def test_a_changed_rule_changes_those_that_can_see_it(
    workshop: Any, rule: str, seen_by: set[str]
) -> None:
    before = planned(workshop.recipe(CHAIN))
    start = CHAIN.index(f" {rule} at")
    body = CHAIN[:start] + re.sub("rank 2", "rank 3", CHAIN[start:], count=1)
    after = planned(workshop.recipe(body))
    assert changed(before, after) == seen_by


def test_another_version_of_redraft_changes_every_step(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.recipe(CHAIN)
    before = planned(path)
    known = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9" if name == "redraft" else known(name))
    after = planned(path)
    assert changed(before, after) == set(digests(before))
    assert before.digest == after.digest, "the run folder stays"


def test_another_seed_or_model_changes_every_step(workshop: Any, dcgan_state: Any) -> None:
    path = workshop.recipe(CHAIN)
    before = planned(path)
    text = path.read_text()
    path.write_text(text.replace("seed 3", "seed 4"))
    assert changed(before, planned(path)) == set(digests(before))
    path.write_text(text)
    torch.save({f"main.{n}": t for n, t in dcgan_state(6).items()}, workshop.model)
    other = planned(path)
    assert changed(before, other) == set(digests(before))
    assert before.digest != other.digest


def test_a_changed_mask_is_a_changed_rule(workshop: Any) -> None:
    body = CHAIN.replace(f"context z[5] {EYES}", 'context z[5] mask("eyes.png")')
    path = workshop.recipe(body)
    before = planned(path)
    from PIL import Image

    Image.new("L", (64, 64), 255).save(workshop.folder / "eyes.png")
    assert changed(before, planned(path)) == {"early", "late", "last"}


def test_what_is_cached_is_told_and_why_not(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    fresh = planned(path)
    assert [step.cached for step in fresh.statistics] == [False] * 4
    run_plan(fresh, out=workshop.folder / "run", cache=Cache())
    assert [step.cached for step in planned(path).statistics] == [True] * 4
    path.write_text(path.read_text().replace("count 120", "count 60"))
    again = planned(path).statistics[0]
    assert not again.cached
    assert again.reason == "cached for count 120 instead of 60, other latents"


def test_a_layer_that_was_never_collected_is_not_a_changed_one(workshop: Any) -> None:
    body = f"zero one at layer6 {{ context z[1] {EYES}  rank 1 }}\n"
    run_plan(planned(workshop.recipe(body)), out=workshop.folder / "run", cache=Cache())
    other = planned(workshop.recipe(body.replace("layer6", "layer9")))
    assert [step.reason for step in other.statistics] == ["not cached yet"]


def test_another_version_of_a_plug_in_changes_statistics_and_steps(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.recipe(CHAIN)
    built_in = planned(path)
    plans = []
    for version in ("1.0", "1.1"):
        mine = replace(families.FAMILIES[0], name="inky")
        entry = EntryPoint("inky", "inkpot:family", plugins.GROUP)
        found = (plugins.Plugin("inky", f"inkpot {version}", entry),)
        monkeypatch.setattr(plugins, "installed", lambda _taken, found=found: found)
        monkeypatch.setattr(plugins, "imported", lambda _plugin, mine=mine: mine)
        base = replace(built_in.base, facts=built_in.base.facts.model_copy(update={"arch": "inky"}))
        monkeypatch.setattr("redraft.plans.planner.locate", lambda *_, base=base: base)
        plans.append(planned(path))
    for before, after in ((built_in, plans[0]), (plans[0], plans[1])):
        assert changed(before, after) == set(digests(before))
        for one, other in zip(before.statistics, after.statistics, strict=True):
            assert Cache().path("statistics", one.fields) != Cache().path(
                "statistics", other.fields
            )


def test_statistics_of_another_device_are_not_reused(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    plan = planned(path)
    other = make_plan(load(path), path.parent, device="cuda", cache=Cache())
    assert plan.statistics[0].fields != other.statistics[0].fields


def test_costs_are_counted(workshop: Any) -> None:
    body = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  context z[2] {EYES}
  context like z[3] {EYES} top 7 among 0..30
  rank 2
}}
"""
    plan = planned(workshop.recipe(body))
    step = plan.rules[0]
    assert (step.positions, step.matches, step.unknowns) == (8, 7, 32)
    assert step.problems == 4, "the stride is 2 down and across"
    gradient = planned(workshop.recipe(body.replace("rank 2", "rank 2  solver gradient")))
    assert (gradient.rules[0].unknowns, gradient.rules[0].problems) == (32, 1)
    # layer3 alone lies before layer6: 24 to 16 channels, 16 taps, 16 keys, 120 latents
    assert gigaflops(plan, plan.statistics[0]) == pytest.approx(2 * 24 * 16 * 16 * 16 * 120 / 1e9)


def test_a_machine_is_measured_once_and_remembered(workshop: Any, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    plan = planned(workshop.recipe(CHAIN))
    assert read_speeds(plan, "cpu", cache) is None
    found = measure_speeds(plan, "cpu")
    assert 0 < found.to_layer["layer6"] < found.picture * 2
    write_speeds(plan, "cpu", cache, found)
    assert read_speeds(plan, "cpu", cache) == found
    assert read_speeds(plan, "cuda", cache) is None
    (kept,) = (tmp_path / "cache" / "speeds").iterdir()
    kept.write_text('{"picture": "fast"}')
    assert read_speeds(plan, "cpu", cache) is None


def test_twice_as_slow_a_machine_takes_twice_as_long(workshop: Any) -> None:
    plan = planned(workshop.recipe(CHAIN))
    fast = nominal(plan.base.facts)
    slow = Speeds(2 * fast.picture, {n: 2 * s for n, s in fast.to_layer.items()}, fast.gflops / 2)
    for step in plan.steps:
        assert seconds(plan, step, slow) == pytest.approx(2 * seconds(plan, step, fast))
    assert all(seconds(plan, step, fast) > 0 for step in plan.rules)


def test_rules_of_one_layer_that_listen_to_one_place_are_told(workshop: Any) -> None:
    body = f"""
zero one at layer6 {{ context z[1] box(x 0..32, y 0..32)  rank 1 }}
zero two at layer6 {{ context z[2] box(x 16..64, y 0..32)  rank 1 }}
zero three at layer6 {{ context z[3] box(x 0..32, y 40..64)  rank 1 }}
zero four at layer9 {{ context z[3] {EYES}  rank 1 }}
"""
    plan = planned(workshop.recipe(body))
    shares = {(o.first, o.second): o.share for o in plan.overlaps}
    assert shares == {
        ("one", "two"): pytest.approx(0.5),
        ("one", "three"): 0.0,
        ("two", "three"): 0.0,
    }


def test_a_recipe_with_errors_is_not_planned(workshop: Any) -> None:
    with pytest.raises(CheckFailedError, match="the recipe has 1 error ") as caught:
        planned(workshop.recipe(CHAIN.replace("at layer3", "at layer4")))
    assert "layer4" in caught.value.checked.errors[0].message
    path = workshop.recipe(CHAIN)
    path.write_text(path.read_text().replace("edition 2026", "edition 1999"))
    with pytest.raises(PlanError):
        planned(path)


def test_a_missing_or_pinned_model_is_told(workshop: Any) -> None:
    path = workshop.recipe(CHAIN)
    path.write_text(path.read_text().replace('"tiny.pth"', f'"tiny.pth" sha256 "{"0" * 64}"'))
    with pytest.raises((ModelError, PlanError), match="pins"):
        planned(path)
    path.write_text(path.read_text().replace("tiny.pth", "none.pth"))
    with pytest.raises(ModelError, match=r"none\.pth"):
        planned(path)


def test_a_plan_runs_from_any_working_folder(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workshop.recipe(CHAIN)
    here = digests(planned(path))
    monkeypatch.chdir(tmp_path)
    assert digests(planned(path)) == here
    assert all(isinstance(step, RuleStep) for step in planned(path).rules)
