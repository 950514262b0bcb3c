"""A checked recipe printed as text means the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl import recipe as r
from redraft_dsl.facts import KnownModels
from redraft_dsl.format import format_text
from redraft_dsl.reading import loads
from redraft_dsl.to_text import number, print_recipe

SHARES = st.floats(0, 1, allow_subnormal=False)
FACTORS = st.floats(0, 1e6, allow_subnormal=False)
BOXES = st.tuples(st.floats(0, 20), st.floats(44, 64), st.floats(0, 40), st.floats(60, 100)).map(
    lambda e: r.Box(
        x=(r.Length(value=e[0]), r.Length(value=e[1])),
        y=(r.Length(value=e[2], unit="%"), r.Length(value=e[3], unit="%")),
    )
)
ROUND = st.builds(
    r.Ellipse,
    center=st.just((r.Length(value=32), r.Length(value=50, unit="%"))),
    radius=st.tuples(st.floats(8, 30), st.floats(8, 30)).map(
        lambda e: (r.Length(value=e[0]), r.Length(value=e[1]))
    ),
)
CORNERS = st.just(
    r.Polygon(
        points=tuple((r.Length(value=x), r.Length(value=y)) for x, y in ((0, 0), (64, 0), (32, 64)))
    )
)
REGIONS = st.recursive(
    st.one_of(BOXES, ROUND, CORNERS, st.just(r.All())),
    lambda inner: st.builds(r.Combination, kind=st.just("plus"), left=inner, right=inner),
    max_leaves=4,
)
PLACES = st.builds(
    r.Place, latents=st.sampled_from(["z", "w"]), index=st.integers(0, 1999), region=REGIONS
)
MATCHES = st.builds(
    r.Match,
    like=PLACES,
    top=st.integers(1, 50),
    first=st.just(3),
    last=st.integers(60, 1999),
    excluded=st.sampled_from([(), (3,), (4, 17)]),
)
TARGETS = st.one_of(st.just("each context"), st.lists(PLACES, min_size=1, max_size=3).map(tuple))
SOLVERS = st.one_of(
    st.builds(
        r.ExactSolver,
        loss=st.sampled_from(["l1", "l2"]),
        iterations=st.integers(1, 10_000),
        goal=st.sampled_from(["halo", "crop"]),
    ),
    st.builds(r.GradientSolver, steps=st.integers(1, 10**6), rate=st.floats(1e-9, 1000)),
    st.builds(r.ProjectedAdamSolver, rate=st.floats(1e-9, 1000), every=st.integers(1, 10**6)),
)
COMMON = {
    "layer": st.sampled_from(["layer6", "layer9"]),
    "context": st.lists(st.one_of(PLACES, MATCHES), min_size=1, max_size=4).map(tuple),
    "rank": st.integers(1, 4),
    "contrast": SHARES,
    "strength": st.floats(-1000, 1000, allow_subnormal=False).map(lambda value: value + 0.0),
}
SOLVED = {
    **COMMON,
    "restraint": st.one_of(
        st.builds(r.Preserve, weight=FACTORS),
        st.builds(r.Side, percent=st.floats(0.01, 100)),
    ),
    "keep": FACTORS,
    "directions": st.sampled_from(["goal", "context", "svd", "units"]),
    "solver": SOLVERS,
}
RULES = st.one_of(
    st.builds(r.Insert, name=st.just("a"), copy_from=PLACES, paste=TARGETS, **SOLVED),
    st.builds(r.Erase, name=st.just("a"), source=TARGETS, units=st.integers(1, 64), **SOLVED),
    st.builds(
        r.Zero,
        name=st.just("a"),
        directions=st.sampled_from(["context", "svd", "units"]),
        **COMMON,
    ),
)
RECIPES = st.builds(
    r.Recipe,
    edition=st.just(2026),
    name=st.just("demo"),
    version=st.sampled_from(["0.0.1", "12.3.4"]),
    title=st.sampled_from(["", "Every face # wears {glasses}", "漢字 'x'"]),
    model=st.just(r.ListedModel(name="faces")),
    latents=st.just(
        (r.Latents(name="z", seed=1, count=2000), r.Latents(name="w", seed=2**32 - 1, count=2000))
    ),
    rules=RULES.map(lambda rule: (rule,)),
)


@given(RECIPES)
def test_what_is_printed_is_read_back_as_an_equal_recipe(
    models: KnownModels, recipe: r.Recipe
) -> None:
    text = print_recipe(recipe)
    checked = loads(text, models)
    assert checked.recipe == recipe, checked.errors
    assert checked.recipe.digest() == recipe.digest()
    assert format_text(text).text == text


@pytest.mark.parametrize("sha256", [None, "0f" * 32])
def test_a_model_by_file(models: KnownModels, sha256: str | None) -> None:
    pin = f' sha256 "{sha256}"' if sha256 else ""
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        f'model mine {{ arch dcgan weights "w/mine.pth"{pin} }}\n'
        "latents z { seed 1 count 10 }\n"
        "zero a at features.3 { context z[1] all }\n"
    )
    recipe = loads(text, models).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert loads(printed, models).recipe == recipe
    assert format_text(printed).text == printed


def test_the_whole_example(models: KnownModels, folder: Path, full: str) -> None:
    recipe = loads(full, models, folder=folder).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert loads(printed, models, folder=folder).recipe == recipe
    assert format_text(printed).text == printed


def test_what_the_authors_code_needs_is_printed(models: KnownModels, folder: Path) -> None:
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        'model mine { arch village weights "w.pt" truncation 0.7 }\n'
        "latents z { seed 1 count 10 }\n"
        'rule a at b { copy z[1] mask("masks/eyes.png" bilinear) context z[2] all\n'
        "solver projected-adam { compat davidbau } }\n"
    )
    recipe = loads(text, models, folder=folder).recipe
    assert recipe is not None
    printed = print_recipe(recipe)
    assert "  truncation 0.7\n" in printed
    assert '  copy    z[1] mask("masks/eyes.png" bilinear)\n' in printed
    assert "{ compat davidbau  steps 2001  rate 0.05  every 10  goal crop }\n" in printed
    assert loads(printed, models, folder=folder).recipe == recipe
    assert format_text(printed).text == printed


@pytest.mark.parametrize("title", ['a "b"', "a\nb", "a\0b"])
def test_a_title_that_the_language_cannot_hold_is_refused(
    models: KnownModels, folder: Path, full: str, title: str
) -> None:
    recipe = loads(full, models, folder=folder).recipe
    assert recipe is not None
    with pytest.raises(ValueError, match="cannot hold"):
        print_recipe(recipe.model_copy(update={"title": title}))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.3, "0.3"), (-2.5, "-2.5"), (1e-7, "1e-07"), (1e22, "1e+22"), (0.0, "0")],
)
def test_numbers_are_short_and_read_back(value: float, text: str) -> None:
    assert number(value) == text
    assert float(text) == value
