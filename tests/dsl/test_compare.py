"""Recipes are compared by what they mean; differences are reported in the language's words."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.recipe.compare import Difference, compare, order_differences
from redraft_dsl.recipe.model import Recipe

Change = tuple[str, str]


@pytest.fixture
def recipe(models: KnownModels, folder: Path) -> Callable[..., Recipe]:
    """The recipe above with some texts replaced by others."""

    def make(*changes: Change) -> Recipe:
        text = BASE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        checked = loads(text, models, folder=folder)
        assert checked.recipe is not None, [each.message for each in checked.diagnostics]
        return checked.recipe

    return make


BASE = """edition 2026

recipe glasses-for-all 1.0.0 "Every face wears glasses"

model faces
latents z { seed 1  count 2000 }
region bar = box(x 0%..100%, y 92%..100%) minus box(x 0..16, y 60..64)
region hat = polygon(10,20 50,20 30,2) plus ellipse(31,31 radius 20,8) within all

rule glasses at layer6 {
  copy    z[116] box(x 12..52, y 24..38)
  paste   z[130] box(x 12..52, y 24..38)
  paste   z[131] hat
  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)
  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40
  rank     4
  side     5%
  solver   projected-adam { steps 2001  rate 0.05  every 10  goal crop }
}

erase watermark at layer6 {
  from    z[360] bar
  context z[992] mask("masks/eyes.png")
  units    30
  rank     2
}

zero banner at main.6 {
  context z[390] bar
  rank     2
  directions svd
}
"""
BANNER = "zero banner at main.6 {\n  context z[390] bar\n  rank     2\n  directions svd\n}\n"

CASES: dict[str, tuple[list[Change], list[str]]] = {
    "title": (
        [("Every face wears glasses", "Glasses")],
        ["changed  the recipe's title: Every face wears glasses -> Glasses"],
    ),
    "name and version": (
        [("glasses-for-all 1.0.0", "spectacles 1.1.0")],
        [
            "changed  the recipe's name: glasses-for-all -> spectacles",
            "changed  the recipe's version: 1.0.0 -> 1.1.0",
        ],
    ),
    "seed": ([("seed 1  count", "seed 2  count")], ["changed  seed of latents z: 1 -> 2"]),
    "count": ([("count 2000", "count 2500")], ["changed  count of latents z: 2000 -> 2500"]),
    "more latents": (
        [("count 2000 }", "count 2000 }\nlatents w { seed 4  count 9 }")],
        ["added    latents w: seed 4, count 9"],
    ),
    "rank": ([("rank     4", "rank     6")], ["changed  rank of glasses: 4 -> 6"]),
    "side to preserve": (
        [("side     5%", "preserve 0.2")],
        ["removed  side of glasses: 5%", "added    preserve of glasses: 0.2"],
    ),
    "a default that is given another value": (
        [("rank     4", "rank     4\n  strength 0.5")],
        ["changed  strength of glasses: 1 -> 0.5"],
    ),
    "a setting of the solver": (
        [("steps 2001", "steps 900")],
        ["changed  steps of solver of glasses: 2001 -> 900"],
    ),
    "another solver": (
        [("solver   projected-adam { steps 2001  rate 0.05  every 10  goal crop }",
          "solver   exact { loss l1  goal crop }")],
        ["changed  solver of glasses: projected-adam -> exact",
         "removed  steps of solver of glasses: 2001",
         "removed  rate of solver of glasses: 0.05",
         "removed  every of solver of glasses: 10",
         "added    loss of solver of glasses: l1",
         "added    iterations of solver of glasses: 20"],
    ),
    "where it copies from": (
        [("copy    z[116]", "copy    z[117]")],
        ["changed  copy of glasses: z[116] box(x 12..52, y 24..38) -> "
         "z[117] box(x 12..52, y 24..38)"],
    ),
    "a context less": (
        [("  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40\n", "")],
        ["removed  context of glasses: like z[130] box(x 14..54, y 34..62) top 60 among 0..199 "
         "except 17, 40"],
    ),
    "contexts in another order": (
        [("  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40\n", ""),
         ("  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)\n",
          "  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40\n"
          "  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)\n")],
        ["moved    context of glasses: "],
    ),
    "pastes into each context": (
        [("  paste   z[130] box(x 12..52, y 24..38)\n  paste   z[131] hat\n",
          "  paste   each context\n")],
        ["removed  paste of glasses: z[130] box(x 12..52, y 24..38)",
         "removed  paste of glasses: z[131] polygon(",
         "added    paste of glasses: each context"],
    ),
    "layer": (
        [("glasses at layer6", "glasses at layer9")],
        ["changed  layer of glasses: layer6 -> layer9"]
    ),
    "another layer by another name": (
        [("glasses at layer6", "glasses at main.3")],
        ["changed  layer of glasses: layer6 -> layer3"]
    ),
    "kind": (
        [("zero banner", "erase banner"), ("bar\n  rank     2\n  directions svd",
          "bar\n  from    z[390] bar\n  rank     2\n  directions svd")],
        ["changed  kind of banner: zero -> erase"],
    ),
    "renamed": (
        [("erase watermark", "erase stamp")], ["renamed  erase watermark: watermark -> stamp"]
    ),
    "renamed and changed": (
        [("erase watermark", "erase stamp"), ("units    30", "units    20")],
        ["removed  erase watermark: at layer6", "added    erase stamp: at layer6"],
    ),
    "removed": (
        [(BANNER, "")],
        ["removed  zero banner: at layer6"],
    ),
    "moved": (
        [(BANNER, ""), ("rule glasses at", f"{BANNER}rule glasses at")],
        ["moved    rule banner: place 3 of 3 -> place 1 of 3"],
    ),
    "the way a mask is resized": (
        [('mask("masks/eyes.png")', 'mask("masks/eyes.png" bilinear)')],
        ['changed  context of watermark: z[992] mask("masks/eyes.png") -> '
         'z[992] mask("masks/eyes.png" bilinear)'],
    ),
    "another model": (
        [("model faces", 'model mine { arch village  weights "w.pt"  truncation 0.5 }')],
        ["changed  name of the model: faces -> mine",
         "added    arch of the model: village",
         'added    weights of the model: "w.pt"',
         "added    truncation of the model: 0.5"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_reported_in_the_words_of_the_language(
    recipe: Callable[..., Recipe], case: str
) -> None:
    changes, wanted = CASES[case]
    reported = [each.sentence() for each in compare(recipe(), recipe(*changes))]
    assert all(any(line.startswith(part) for line in reported) for part in wanted), reported
    if case not in ("kind", "another model"):
        assert len(reported) == len(wanted), reported


@pytest.mark.parametrize("case", CASES)
def test_the_way_back_is_reported_as_well(recipe: Callable[..., Recipe], case: str) -> None:
    one, other = recipe(), recipe(*CASES[case][0])
    there, back = compare(one, other), compare(other, one)
    turn = {"added": "removed", "removed": "added"}
    kinds = sorted(turn.get(each.kind, each.kind) for each in there)
    assert kinds == sorted(each.kind for each in back)


def test_layout_names_and_written_defaults_make_no_difference(
    models: KnownModels, folder: Path
) -> None:
    one = loads(BASE, models, folder=folder).recipe
    assert one is not None
    flat = print_recipe(one)
    assert flat != BASE
    other = loads("# a remark\n" + flat.replace("  rank     4", "    rank   4"), models,
                  folder=folder).recipe  # fmt: skip
    assert other is not None
    assert compare(one, other) == ()


def test_a_mask_with_another_picture_is_reported(recipe: Callable[..., Recipe]) -> None:
    one = recipe()
    sha = one.rules[1].context[0].region.sha256  # type: ignore[union-attr]
    other = Recipe.model_validate_json(one.model_dump_json().replace(sha, "e" * 64))
    (found,) = compare(one, other)
    assert found.what == 'the picture of mask("masks/eyes.png")'
    assert (found.before, found.after) == (f"sha256 {sha[:12]}", "sha256 eeeeeeeeeeee")


@given(st.permutations(list(CASES)), st.integers(0, 2), st.integers(0, 2))
def test_two_recipes_are_equal_exactly_when_they_are(
    models: KnownModels, folder: Path, order: list[str], first: int, second: int
) -> None:
    def made(names: list[str]) -> Recipe | None:
        text = BASE
        for name in names:
            for old, new in CASES[name][0]:
                text = text.replace(old, new, 1)
        return loads(text, models, folder=folder).recipe

    one, other = made(order[:first]), made(order[2 - second : 2])
    if one is not None and other is not None:
        assert (compare(one, other) == ()) == (one == other)


@given(st.integers(0, 8), st.randoms(use_true_random=False))
def test_as_few_rules_as_can_be_are_called_moved(count: int, chance: random.Random) -> None:
    before = [f"r{number}" for number in range(count)]
    after = chance.sample(before, count)
    moved = [each.what.removeprefix("rule ") for each in order_differences("rule", before, after)]
    stay = [name for name in after if name not in moved]
    assert stay == [name for name in before if name not in moved]
    if count > 1:
        assert len(moved) < count
    assert (moved == []) == (before == after)


def test_one_rule_taken_to_the_front_is_one_move() -> None:
    found = list(order_differences("rule", ["a", "b", "c", "d"], ["d", "a", "b", "c"]))
    assert found == [Difference("moved", "rule d", "place 4 of 4", "place 1 of 4")]


def test_context_in_another_order_is_reported_beside_what_is_new(
    recipe: Callable[..., Recipe],
) -> None:
    place = "  context z[147] box(x 12..52, y 24..38) minus (hat plus bar)\n"
    found = "  context like z[130] box(x 14..54, y 34..62) top 60 among 0..199 except 17, 40\n"
    new = "  context z[7] bar\n"
    reported = compare(recipe(), recipe((place, ""), (found, found + new + place)))
    assert [each.kind for each in reported] == ["added", "moved"]
    assert reported[1].what == "context of glasses"
