"""Recipes made in Python: what is printed, and what is refused where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.builder import Draft, recipe
from redraft_dsl.builder_values import (
    BuildError,
    Images,
    Region,
    box,
    ellipse,
    everything,
    exact,
    gradient,
    like,
    mask,
    model_file,
    polygon,
    projected_adam,
    region,
    z,
)
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.syntax.editions import format_text

Begin = Callable[..., Draft]
EYES = box(x=(12, 52), y=(24, 38))
PLACES = {"layer": "layer6", "copy": z[116] @ EYES, "context": z[130] @ EYES}


@pytest.fixture
def begin(models: KnownModels, folder: Path) -> Begin:
    """A recipe without rules, in the folder with the masks."""

    def start(**changes: object) -> Draft:
        given: dict[str, object] = {
            "model": "faces",
            "latents": {"z": (1, 2000)},
            "models": models,
            "edition": 2026,
            "folder": folder,
        }
        return recipe("demo", "1.0.0", "Demo", **{**given, **changes})  # type: ignore[arg-type]

    return start


FULL = """# Made in a loop,
# from a list of images.
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }
latents w { seed 2  count 100 }
region bar = box(x 0%..100%, y 92%..100%)
region hat = bar plus (polygon(10,20 50,20 30,2) minus ellipse(31,31 radius 20,8.5))

# the first
rule first at layer6 {
  copy    z[116] hat
  paste   z[130] hat within all
  paste   w[1] hat
  context z[130] hat plus bar minus bar
  context like z[3] bar top 4 among 0..99 except 3, 5
  rank     4
  side     5%
  directions svd
  solver   exact { loss l1 }
}

rule second at layer9 {
  copy    z[1] mask("masks/eyes.png")
  context z[2] mask("masks/eyes.png" bilinear)
  solver   gradient
}

rule third at layer9 {
  copy    z[1] mask("masks/eyes.png" bilinear)
  context z[2] mask("masks/eyes.png" bilinear)
  rank     1
  solver   projected-adam { compat davidbau }
}

erase fourth at layer6 {
  from    each context
  context z[2] bar
  units    12
}

zero fifth at layer6 {
  context z[2] bar
  strength 0.5
}
"""


def test_everything_that_can_be_written(begin: Begin, models: KnownModels, folder: Path) -> None:
    bar = region("bar", box(x=("0%", "100%"), y=("92%", "100%")))
    roof = polygon((10, 20), (50, 20), (30, 2)) - ellipse((31, 31), radius=(20, 8.5))
    hat = region("hat", bar | roof)
    eyes = mask(Path("masks/eyes.png"), "bilinear")
    draft = begin(
        latents={"z": (1, 2000), "w": (2, 100)},
        comment="Made in a loop,\nfrom a list of images.",
    )
    draft = draft.rule(
        "first",
        layer="layer6",
        copy=z[116] @ hat,
        paste=[z[130] @ hat & everything, Images("w")[1] @ hat],
        context=[
            z[130] @ ((hat | bar) - bar),
            like(z[3] @ bar, top=4, among=(0, 99), excluded=[3, 5]),
        ],
        rank=4,
        side="5%",
        directions="svd",
        solver=exact(loss="l1"),
        comment="the first",
    )
    draft = draft.rule(
        "second", layer="layer9", copy=z[1] @ mask("masks/eyes.png"), context=z[2] @ eyes,
        solver=gradient(),
    )  # fmt: skip
    draft = draft.rule(
        "third", layer="layer9", copy=z[1] @ eyes, context=z[2] @ eyes, rank=1,
        solver=projected_adam(compat="davidbau"),
    )  # fmt: skip
    draft = draft.erase(
        "fourth", layer="layer6", context=z[2] @ bar, from_="each context", units=12
    )
    draft = draft.zero("fifth", layer="layer6", context=z[2] @ bar, strength=0.5)
    assert draft.text() == str(draft) == FULL
    assert format_text(FULL).text == FULL
    assert loads(FULL, models, folder=folder).recipe == draft.recipe


def test_a_model_in_a_file(begin: Begin) -> None:
    mine = model_file(
        "mine", arch="village", weights=Path("a/b.pt"), sha256="0f" * 32, truncation=0.5
    )
    text = begin(model=mine).rule("a", **PLACES).text()
    assert (
        "model mine {\n"
        "  arch    village\n"
        '  weights "a/b.pt"\n'
        f'  sha256  "{"0f" * 32}"\n'
        "  truncation 0.5\n"
        "}\n"
    ) in text


def test_values_are_frozen_and_drafts_do_not_change(begin: Begin) -> None:
    empty = begin()
    one = empty.rule("a", **PLACES)
    two = one.rule("b", **PLACES)
    assert repr(empty) == "<a recipe without rules>"
    assert repr(two) == "<a recipe with the rules a, b>"
    assert "rule b" not in one.text()
    with pytest.raises(AttributeError):
        one.folder = Path()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (4, "4"),
        (4.0, "4"),
        (np.int64(4), "4"),
        (np.float64(2.0), "2"),
        ("4", "4"),
        ("4e0", "4e0"),
    ],
)
def test_numbers_of_every_kind(begin: Begin, value: object, written: str) -> None:
    text = begin().rule("a", **PLACES, rank=value).text()  # type: ignore[arg-type]
    assert f"  rank     {written}\n" in text


def test_operators_group_as_they_do_in_python() -> None:
    a, b, c = (box(x=(0, n), y=(0, n)) for n in (1, 2, 3))
    assert a | b - c == a | (b - c)
    assert (a | b) - c != a | b - c
    assert z[1] @ a - b | c == z[1] @ ((a - b) | c)
    assert z[1] @ a | b & c == z[1] @ (a | (b & c))


RULE = {"layer": "layer6", "copy": z[116] @ EYES, "context": z[130] @ EYES}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("Glasses", {}, "error[RD118]: `Glasses` cannot be a name"),
        ("a", {"rank": "four"}, "error[RD201]: `rank` takes a whole number, found `four`"),
        ("a", {"rank": True}, "found `True`"),
        ("a", {"keep": float("nan")}, "`keep` takes a number, found `nan`"),
        ("a", {"keep": float("inf")}, "`keep` takes a number, found `inf`"),
        ("a", {"rnak": 4}, "did you mean `rank`?"),
        ("a", {"units": 4}, "error[RD208]: `units` does not apply to `rule`"),
        ("a", {"rank": 5000}, "error[RD218]"),
        ("a", {"layer": "layer66"}, "layer66"),
        ("a", {"copy": z[5000] @ EYES}, "error[RD210]: `z` has no image 5000"),
        ("a", {"copy": Images("v")[1] @ EYES}, "`v`"),
        ("a", {"context": []}, "has no `context`"),
        ("a", {"copy": None}, "has no `copy`"),
        ("a", {"copy": [z[1] @ EYES, z[2] @ EYES]}, "error[RD2"),
        ("a", {"copy": z[1] @ mask("../out.png")}, "error[RD213]"),
        ("a", {"copy": z[1] @ mask("masks/gone.png")}, "masks/gone.png"),
        ("a", {"solver": exact(spell=1)}, "unknown setting `spell` of solver `exact`"),
        ("a", {"copy": z[1] @ box(x=("0 .. 2", 3), y=(1, 2))}, "error[RD010]"),
        (
            "a at layer6 { copy z[1] all context z[2] all } zero b",
            {"copy": None},
            "not the one",
        ),
        ("a # {", {}, "error[RD010]"),
        ("a", {"copy": EYES}, "`copy` takes places such as z[116] @ box"),
        ("a", {"context": "nowhere"}, "`context` takes places"),
        ("a", {"copy": like(z[1] @ EYES, top=1, among=(0, 9))}, "takes a place, not a search"),
        ("a", {"context": like(z[1] @ EYES, top=1, among=7)}, "two numbers are needed"),
        ("a", {"comment": "\0"}, "error[RD002]"),
    ],
)
def test_what_is_wrong_is_reported_where_it_is_added(
    begin: Begin, name: str, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        begin().rule(name, **{**RULE, **changes})  # type: ignore[arg-type]
    assert isinstance(caught.value, BuildError)
    assert said in str(caught.value)
    codes = [problem.code for problem in caught.value.diagnostics]
    assert all(f"[{code}]" in str(caught.value) for code in codes)


def test_what_only_the_whole_shows_is_reported_by_the_text(begin: Begin) -> None:
    twice = begin().rule("a", **PLACES).rule("a", **PLACES)
    with pytest.raises(BuildError, match="the rule `a` is defined twice"):
        twice.text()
    with pytest.raises(BuildError, match="has no rule"):
        begin().checked()
    eyes, other = region("eyes", EYES), region("eyes", everything)
    mixed = begin().rule("a", **{**PLACES, "copy": z[1] @ eyes})
    mixed = mixed.rule("b", **{**PLACES, "copy": z[1] @ other})
    with pytest.raises(BuildError, match="`eyes` is defined twice"):
        mixed.text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "faecs"}, "did you mean `faces`?"),
        ({"latents": {"z": 1}}, r"two numbers are needed, such as \(12, 52\), not 1"),
        ({"latents": {"box": (1, 9)}}, "`box`"),
        ({"edition": 1999}, "unknown edition `1999`"),
    ],
)
def test_a_wrong_head(begin: Begin, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BuildError, match=said):
        begin(**changes).rule("a", **PLACES)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: EYES | z[1],
        lambda: z[1] @ z[2],
        lambda: box(3, 4),  # type: ignore[arg-type]
        lambda: box((1, 2, 3), (1, 2)),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_a_region_at_all(wrong: Callable[[], Region]) -> None:
    with pytest.raises(BuildError):
        wrong()


@given(
    title=st.text(max_size=20),
    comment=st.text(max_size=30),
    images=st.lists(st.integers(0, 1999), min_size=1, max_size=5, unique=True),
    settings=st.fixed_dictionaries(
        {},
        optional={
            "rank": st.integers(-1, 10),
            "preserve": st.floats(allow_nan=True),
            "keep": st.floats(0, 10),
            "directions": st.sampled_from(["goal", "svd", "up", ""]),
            "side": st.sampled_from(["5%", 5, "x"]),
        },
    ),
)
def test_a_draft_prints_canonical_text_or_is_refused(
    models: KnownModels,
    title: str,
    comment: str,
    images: list[int],
    settings: dict[str, object],
) -> None:
    try:
        text = (
            recipe("demo", "1.0.0", title, model="faces", latents={"z": (1, 2000)}, models=models,
                   edition=2026, comment=comment)
            .rule("a", layer="layer6", copy=z[images[0]] @ EYES,
                  context=[z[image] @ EYES for image in images], comment=comment,
                  **settings)  # type: ignore[arg-type]
            .text()
        )  # fmt: skip
    except BuildError as refused:
        text = ""
        message = str(refused)
    else:
        message = "fine"
        assert format_text(text).text == text
        checked = loads(text, models)
        assert checked.recipe is not None
        assert checked.recipe.title == title
    assert message


def test_many_rules_are_built(begin: Begin) -> None:
    draft = begin()
    for number in range(100):
        draft = draft.rule(f"r{number}", **PLACES)
    assert len(draft.recipe.rules) == 100


def test_the_public_module_needs_no_torch() -> None:
    program = (
        "import sys\n"
        "from redraft.dsl import box, recipe, z\n"
        "eyes = box(x=(12, 52), y=(24, 38))\n"
        "draft = recipe('glasses', '1.0.0', 'Glasses', model='faces', latents={'z': (1, 2000)})\n"
        "print(draft.rule('a', layer='layer6', copy=z[116] @ eyes, context=z[130] @ eyes))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "rule a at layer6 {\n  copy    z[116] box(x 12..52, y 24..38)\n" in done.stdout
