"""Checking: what a recipe means, and everything that can be said before a model is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redraft_dsl.check import RULES, Checked
from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts
from redraft_dsl.reading import load, loads
from redraft_dsl.recipe import model as r

CheckText = Callable[[str], Checked]

BOX = "box(x 12..52, y 24..38)"


def rule(*lines: str, layer: str = "layer6") -> str:
    body = [f"copy z[116] {BOX}", f"context z[130] {BOX}", *lines]
    return f"rule glasses at {layer} {{\n" + "".join(f"  {line}\n" for line in body) + "}\n"


def found(checked: Checked) -> list[str]:
    return [diagnostic.code for diagnostic in checked.diagnostics]


def helps(checked: Checked) -> list[str | None]:
    return [diagnostic.help for diagnostic in checked.diagnostics]


def recipe_of(checked: Checked) -> r.Recipe:
    assert checked.recipe is not None, checked.diagnostics
    return checked.recipe


def test_every_construct_reaches_the_recipe(check_text: CheckText, full: str) -> None:
    checked = check_text(full)
    assert found(checked) == []
    recipe = recipe_of(checked)
    assert (recipe.edition, recipe.name, recipe.version) == (2026, "glasses-for-all", "1.0.0")
    assert recipe.title == "Every face wears glasses"
    assert recipe.model == r.ListedModel(name="faces")
    assert recipe.latents == (r.Latents(name="z", seed=1, count=2000),)
    glasses, watermark, banner, spire, oak = recipe.rules
    assert isinstance(glasses, r.Insert)
    assert len(glasses.paste) == 2
    assert glasses.restraint == r.Side(percent=5)
    assert glasses.solver == r.ProjectedAdamSolver(goal="crop")
    match = glasses.context[1]
    assert isinstance(match, r.Match)
    assert (match.top, match.first, match.last, match.excluded) == (60, 0, 199, (17, 40))
    assert isinstance(watermark, r.Erase)
    assert watermark.source != "each context"
    assert isinstance(banner, r.Zero)
    assert (banner.layer, banner.directions) == ("layer6", "svd")
    assert (spire.name, spire.rank, oak.name) == ("spire", 3, "oak")


def test_the_defaults_of_edition_2026(check_text: CheckText) -> None:
    text = rule() + (
        f"erase mark at layer6 {{ context z[1] {BOX} }}\n"
        f"zero banner at layer6 {{ context z[1] {BOX} }}\n"
    )
    insert, erase, zero = recipe_of(check_text(text)).rules
    place = r.Place(
        latents="z",
        index=1,
        region=r.Box(
            x=(r.Length(value=12), r.Length(value=52)), y=(r.Length(value=24), r.Length(value=38))
        ),
    )
    common = {"layer": "layer6", "rank": 8, "contrast": 0.8, "strength": 1.0}
    solved = {
        "restraint": r.Preserve(weight=0.3),
        "keep": 3.0,
        "directions": "goal",
        "solver": r.ExactSolver(loss="l2", iterations=20, goal="halo"),
    }
    assert insert == r.Insert.model_validate(
        {
            "name": "glasses",
            "copy_from": place.model_copy(update={"index": 116}),
            "paste": "each context",
            "context": (place.model_copy(update={"index": 130}),),
            **common,
            **solved,
        }
    )
    assert erase == r.Erase.model_validate(
        {"name": "mark", "source": "each context", "context": (place,), "units": 30}
        | common
        | solved
    )
    assert zero == r.Zero.model_validate(
        {"name": "banner", "context": (place,), "directions": "context"} | common
    )


@pytest.mark.parametrize(
    ("text", "solver"),
    [
        ("solver exact", r.ExactSolver()),
        ("solver exact { loss l2  goal crop }", r.ExactSolver(loss="l2", goal="crop")),
        ("solver gradient", r.GradientSolver(steps=500, rate=0.05)),
        ("solver gradient { steps 7  rate 1e-3 }", r.GradientSolver(steps=7, rate=1e-3)),
        ("solver projected-adam", r.ProjectedAdamSolver(steps=2001, rate=0.05, every=10)),
        ("solver projected-adam { every 5 }", r.ProjectedAdamSolver(every=5)),
    ],
)
def test_solvers(check_text: CheckText, text: str, solver: r.Solver) -> None:
    insert = recipe_of(check_text(rule(text))).rules[0]
    assert isinstance(insert, r.Insert)
    assert insert.solver == solver


def test_defaults_written_out_give_the_same_digest(check_text: CheckText) -> None:
    spelled = rule(
        "paste each context",
        "rank 8",
        "preserve 0.30",
        "keep 3.0",
        "contrast 8e-1",
        "directions goal",
        "strength 1",
        "solver exact { loss l2  iterations 20  goal halo }",
        layer="main.6",
    )
    plain = recipe_of(check_text(rule()))
    assert recipe_of(check_text("# a comment\n" + spelled)).digest() == plain.digest()
    assert recipe_of(check_text(rule("rank 7"))).digest() != plain.digest()


def test_a_name_and_what_it_stands_for_are_the_same_recipe(check_text: CheckText) -> None:
    named = f"region bar = {BOX}\n" + rule().replace(BOX, "bar")
    assert recipe_of(check_text(named)) == recipe_of(check_text(rule()))


def test_statements_after_the_second_may_stand_in_any_order(
    models: KnownModels, folder: Path
) -> None:
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        + rule().replace(BOX, "bar")
        + f"region bar = edge\nregion edge = {BOX}\n"
        + "latents z { count 2000 seed 1 }\nmodel faces\n"
    )
    assert found(loads(text, models, folder=folder)) == []


def test_a_model_by_file_is_checked_without_facts_and_again_with_them(
    models: KnownModels, check_text: CheckText
) -> None:
    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
        'model mine { arch dcgan weights "w/mine.pth" }\n'
        "latents z { seed 1 count 10 }\n"
        "rule a at main.6 { copy z[1] box(x 0..512, y 0..9) context z[2] all rank 300 }\n"
    )
    unknown = loads(text, models)
    assert recipe_of(unknown).model == r.FileModel(name="mine", arch="dcgan", path="w/mine.pth")
    assert recipe_of(unknown).rules[0].layer == "main.6"
    known = loads(text, models, facts=models.listed["faces"])
    assert found(known) == ["RD302", "RD218"]
    fixed = loads(
        text.replace("512", "64").replace("300", "3"), models, facts=models.listed["faces"]
    )
    assert recipe_of(fixed).rules[0].layer == "layer6"


def test_spans_lead_later_phases_to_the_text(check_text: CheckText, full: str) -> None:
    checked = check_text(full)
    for key, text in (
        ("model", "model faces"),
        ("latents.z", "latents z { seed 1  count 2000 }"),
        ("glasses", "rule glasses at where"),
        ("glasses.layer", "where"),
        ("glasses.rank", "rank     4"),
        ("glasses.copy", "copy    z[face] box(x 12..52, y 24..38)"),
        ("glasses.paste[1]", "paste   z[131] hat"),
        ("watermark.from[0]", "from    z[360] bar"),
        ("banner.context[0]", "context z[390] bar"),
        ("oak", "include village.tree as oak"),
    ):
        start, end, _ = checked.spans[key]
        assert checked.source.text[start:end] == text


def test_independent_problems_are_all_reported_at_once(models: KnownModels, tmp_path: Path) -> None:
    text = """edition 2026
recipe Demo 1.0 "Demo"
model facs
latents z { seed 1.5  count 2000  sed 4 }
region bar = box(x 9..3, y 0..8) plus barr
rule glasses at layer6 {
  copy z[2000] mask("gone.png")
  context q[1] bar
  rank 0
  preserve 1
  side 5
  directions gaol
}
zero sweep at layer6 { copy z[1] all }
"""
    assert found(loads(text, models, folder=tmp_path)) == [
        *("RD118", "RD211", "RD111", "RD203", "RD115", "RD301", "RD114", "RD210", "RD311"),
        *("RD113", "RD202", "RD206", "RD201", "RD116", "RD207", "RD208"),
    ]


def test_problems_beside_a_syntax_error_are_reported_but_not_what_follows_from_it(
    models: KnownModels,
) -> None:
    text = """edition 2026
recipe demo 1.0.0 "Demo"
model faces
latents z ( seed 1 )
region bar = box(x 1:2, y 3..4)
rule glasses at layer66 { copy z[1] bar  context z[2] bart }
"""
    assert found(loads(text, models)) == ["RD010", "RD010", "RD102", "RD114"]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (rule(layer="layr6"), "layer6"),
        (rule(layer="LAYER6"), "layer6"),
        (rule(layer="main6"), "main.6"),
        (rule("rnk 4"), "rank"),
        (rule("presreve 4"), "preserve"),
        (rule("context_ 4"), "context"),
        (rule("directions Goal"), "goal"),
        (rule("directions unit"), "units"),
        (rule("solver projected_adam"), "projected-adam"),
        (rule("solver exact { itertions 3 }"), "iterations"),
        (rule("solver exact { loss L1 }"), "l1"),
        ("model face\n", "faces"),
        ('model m { arch dgan weights "a" }\n', "dcgan"),
        ("latents zed { seed 1 count 200 }\n" + rule().replace("z[", "zde["), "zed"),
        (f"region eyes = {BOX}\n" + rule().replace(BOX, "eye"), "eyes"),
        ("latents z { seeds 1 seed 1 count 2000 }\n", "seed"),
    ],
)
def test_did_you_mean(check_text: CheckText, text: str, near: str) -> None:
    said = [text for text in helps(check_text(text)) if text]
    assert any(f"did you mean `{near}`?" in text for text in said), said


def test_without_a_near_word_the_known_ones_are_listed(check_text: CheckText) -> None:
    assert helps(check_text(rule(layer="head")))[0] == (
        "layers of this model: `layer3`, `layer6`, `layer9`"
    )


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("rank 1", []),
        ("rank 0", ["RD202"]),
        ("rank -1", ["RD202"]),
        ("rank 1.5", ["RD203"]),
        ("rank 5%", ["RD201"]),
        ('rank "4"', ["RD201"]),
        ("rank nan", ["RD201"]),
        ("rank 1e0", []),
        ("rank 256", ["RD219"]),
        ("rank 257", ["RD218"]),
        ("rank 1e99", ["RD204"]),
        ("preserve 0", []),
        ("preserve -0.1", ["RD202"]),
        ("preserve inf", ["RD201"]),
        ("keep 1e7", ["RD202"]),
        ("contrast 0", []),
        ("contrast 1", []),
        ("contrast 1.01", ["RD202"]),
        ("strength -1", []),
        ("strength 1e400", ["RD204"]),
        ("side 100%", []),
        ("side 0%", ["RD202"]),
        ("side 101%", ["RD202"]),
        ("side 5", ["RD201"]),
        ("directions units", []),
        ("directions 4", ["RD201"]),
        ("directions mean", ["RD220"]),
        ("units 4", ["RD208"]),
        ("from each context", ["RD208"]),
        ("solver gradient { rate 0 }", ["RD202"]),
        ("solver gradient { steps 0 }", ["RD202"]),
        ("solver gradient { every 3 }", ["RD115"]),
        ("solver exact { copy z[1] all }", ["RD115"]),
        ("solver exact { loss l1 loss l2 }", ["RD205"]),
        ("solver exact { loss l1 { a 1 } }", ["RD209"]),
        (f"copy z[117] {BOX}", ["RD205"]),
        ("paste each context paste each context", ["RD221"]),
        (f"context like z[1] {BOX} top 1 among 5..5", []),
        (f"context like z[1] {BOX} top 0 among 5..5", ["RD202"]),
        (f"context like z[1] {BOX} top 2 among 5..5", ["RD214"]),
        (f"context like z[1] {BOX} top 1 among 5..6 except 5, 5, 6", ["RD214"]),
        (f"context like z[1] {BOX} top 1 among 6..5", ["RD215"]),
        (f"context like z[1] {BOX} top 1 among -1..5", ["RD215"]),
        (f"context like z[1] {BOX} top 1 among 0..2000", ["RD215"]),
        (f"context like z[1] {BOX} top 1.5 among 0..5", ["RD203"]),
        (f"context like z[1] {BOX} top 1 among 0..5%", ["RD201"]),
        ("context z[-1] all", ["RD210"]),
        ("context z[1.5] all", ["RD203"]),
        ("context z[1%] all", ["RD201"]),
        ("context z[1e30] all", ["RD204"]),
    ],
)
def test_settings(check_text: CheckText, line: str, codes: list[str]) -> None:
    checked = check_text(rule(line))
    assert found(checked) == codes
    assert (checked.recipe is None) == bool(codes)


@pytest.mark.parametrize(
    ("region", "codes"),
    [
        ("box(x 0..64, y 0..64)", []),
        ("box(x 0%..100%, y 0%..100%)", []),
        ("box(x 50%..64, y 0..64)", []),
        ("box(x 0..64.5, y 0..64)", ["RD302"]),
        ("box(x -1..64, y 0..64)", ["RD302"]),
        ("box(x 0..101%, y 0..64)", ["RD302"]),
        ("box(x 9..9, y 0..64)", ["RD301"]),
        ("box(x 50%..32, y 0..64)", ["RD301"]),
        ("box(x 1e99..32, y 0..64)", ["RD204"]),
        ("polygon(0,0 64,0 64,64)", []),
        ("polygon(0,0 65,0 64,64)", ["RD302"]),
        ("polygon(0,0 64,64)", ["RD307"]),
        ("polygon(" + "0,0 64,0 64,64 0,64 " * 250 + ")", ["RD305"]),
        ("polygon(" + "0,0 64,0 64,64 0,64 " * 251 + ")", ["RD307"]),
        ("polygon(0,0 32,32 64,64)", ["RD305"]),
        ("ellipse(32,32 radius 8,8)", []),
        ("ellipse(2,2 radius 8,8)", []),
        ("ellipse(70,2 radius 8,8)", ["RD302"]),
        ("ellipse(32,32 radius 0,8)", ["RD308"]),
        ("ellipse(32,32 radius -1,1e99)", ["RD308", "RD204"]),
        ('mask("masks/eyes.png")', []),
        ('mask("masks/double.png")', []),
        ('mask("masks/./../masks/eyes.png")', []),
        ('mask("masks/black.png")', ["RD317"]),
        ('mask("masks/faint.png")', ["RD318"]),
        ('mask("masks/cut.png")', ["RD312"]),
        ('mask("masks/wide.png")', ["RD314"]),
        ('mask("../outside.png")', ["RD213"]),
        ('mask("masks\\eyes.png")', ["RD213"]),
        ('mask("C:/eyes.png")', ["RD213"]),
        ('mask("")', ["RD213"]),
        ("all minus all", ["RD305"]),
        ("all within box(x 0..8, y 0..8)", []),
        ("box(x 0..8, y 0..8) within box(x 8..16, y 0..8)", ["RD305"]),
    ],
)
def test_regions(check_text: CheckText, region: str, codes: list[str]) -> None:
    text = f"zero a at layer6 {{ context z[1] {region}  rank 1 }}\n"
    assert found(check_text(text)) == codes


@pytest.mark.parametrize(
    ("line", "layer", "label"),
    [
        # one cell of the keys is 8x8 pixels, one of the values 4x4
        ("context z[1] box(x 8..9, y 8..9)", "layer6", "covers at most 1.6% of a cell"),
        ("context z[1] box(x 8..10, y 8..9.7)", "layer6", None),
        ("copy z[1] box(x 8..9, y 8..8.7)", "layer6", "covers at most 4.4% of a cell"),
        ("copy z[1] box(x 8..9, y 8..9)", "layer6", None),
        ("context like z[1] box(x 0..2, y 0..6) top 2 among 0..9", "layer3", "covers at most 4.7%"),
    ],
)
def test_a_region_has_to_reach_its_layer(
    check_text: CheckText, line: str, layer: str, label: str | None
) -> None:
    other = "context z[9] all" if line.startswith("copy") else "copy z[9] box(x 0..8, y 0..8)"
    checked = check_text(f"rule a at {layer} {{ {line} {other} context z[7] all }}\n")
    labels = [d.label for d in checked.diagnostics if d.code == "RD305"]
    assert len(labels) == (label is not None)
    assert all(label is None or said.startswith(label) for said in labels)


@pytest.mark.parametrize(
    ("context", "positions"),
    [
        ("context z[1] box(x 0..8, y 0..8)", 1),
        ("context z[1] box(x 4..12, y 0..8)", 2),
        ("context z[1] box(x 0..8, y 0..8) context z[2] box(x 0..16, y 0..8)", 3),
        ("context like z[1] box(x 0..16, y 0..8) top 3 among 0..9", 6),
        ("context z[1] box(x 0..16, y 0..16) minus box(x 0..8, y 0..8)", 3),
    ],
)
def test_the_rank_is_at_most_the_number_of_context_positions(
    check_text: CheckText, context: str, positions: int
) -> None:
    text = f"zero a at layer6 {{ {context} rank {{}} }}\n".replace("{}", "%d")
    assert found(check_text(text % positions)) == []
    refused = check_text(text % (positions + 1))
    assert found(refused) == ["RD219"]
    assert f"covers {positions} positions" in refused.diagnostics[0].label


def test_the_default_rank_is_checked_too(check_text: CheckText) -> None:
    checked = check_text("zero a at layer6 { context z[1] box(x 0..8, y 0..8) }\n")
    assert found(checked) == ["RD219"]
    assert "the default rank is 8" in checked.diagnostics[0].label


def test_warnings_do_not_stop_a_recipe(check_text: CheckText) -> None:
    checked = check_text(
        "region bar = all\nlatents z { seed 1 count 200 }\nlatents w { seed 2 "
        "count 9 }\n" + rule(f"context z[130] {BOX}")
    )
    assert found(checked) == ["RD120", "RD121", "RD217"]
    assert checked.errors == ()
    assert len(checked.warnings) == 3
    assert checked.recipe is not None


@pytest.mark.parametrize(
    ("paste", "codes"),
    [
        ("paste z[1] box(x 12..52, y 24..38)", []),
        ("paste z[1] box(x 0..40, y 0..14)", []),
        ("paste z[1] box(x 0..38, y 0..14)", ["RD306"]),
        ("paste z[1] box(x 12..52, y 60..64)", ["RD306"]),
        ("paste z[1] ellipse(32,32 radius 2,2) minus ellipse(32,32 radius 1,1)", []),
        ("paste z[1] ellipse(4,32 radius 2,2)", ["RD306"]),
        ("paste each context", []),
    ],
)
def test_a_copy_that_hangs_over_the_edge(
    check_text: CheckText, paste: str, codes: list[str]
) -> None:
    assert found(check_text(rule(paste))) == codes


def test_regions_that_multiply_are_stopped(check_text: CheckText) -> None:
    text = "region r0 = all\n" + "".join(
        f"region r{n} = r{n - 1} plus r{n - 1}\n" for n in range(1, 60)
    )
    codes = found(check_text(text + rule().replace(BOX, "r59")))
    assert codes.count("RD304") == 1
    assert set(codes) == {"RD304"}


@pytest.mark.parametrize(
    ("edition", "codes"),
    [("2026", []), ("2025", ["RD103"]), ("2026.5", ["RD103"]), ('"2026"', ["RD201"])],
)
def test_editions(check_text: CheckText, edition: str, codes: list[str]) -> None:
    text = f'edition {edition}\nrecipe demo 1.0.0 "Demo"\nmodel faces\n'
    assert found(check_text(text + "latents z { seed 1 count 2000 }\n" + rule())) == codes


def test_an_empty_text_lacks_everything(check_text: CheckText) -> None:
    assert found(check_text('# edition 2026\nrecipe d 1.0.0 ""')) == [
        *("RD101", "RD105", "RD107", "RD108"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "region rank = all\n" + rule().replace(BOX, "rank"),
        "region plus = all\n" + rule(),
        "latents copy { seed 1 count 200 }\n" + rule().replace("z[", "copy["),
        "latents z { seed 1 count 200 }\nlatents each { seed 1 count 200 }\n" + rule(),
    ],
)
def test_reserved_words_are_not_names(check_text: CheckText, text: str) -> None:
    assert [d.code for d in check_text(text).errors] == ["RD119"]


@pytest.mark.parametrize("name", ["mask", "context", "rule", "sweep", "box", "at"])
def test_a_rule_may_be_called_anything(check_text: CheckText, name: str) -> None:
    checked = check_text("latents z { seed 1 count 2000 }\n" + rule().replace("glasses", name))
    assert checked.errors == ()
    assert checked.recipe is not None
    assert checked.recipe.rules[0].name == name


def test_a_long_chain_of_names_is_fine(check_text: CheckText) -> None:
    chain = "".join(f"region r{n} = r{n + 1}\n" for n in range(3000))
    text = chain + f"region r3000 = {BOX}\n" + rule().replace(BOX, "r0")
    assert recipe_of(check_text(text)).rules == recipe_of(check_text(rule())).rules


def test_the_deepest_region_goes_through_every_step(check_text: CheckText) -> None:
    deep = " minus ".join(["all", *["box(x 0..1, y 0..1)"] * 128])
    recipe = recipe_of(check_text(rule().replace(BOX, deep)))
    assert r.Recipe.model_validate_json(recipe.canonical_json()) == recipe
    assert found(check_text(rule().replace(BOX, deep + " minus all"))) == ["RD016"] * 2


@pytest.mark.parametrize("length", [1, 2, 3, 500])
def test_a_cycle_of_regions_is_reported_once(check_text: CheckText, length: int) -> None:
    cycle = "".join(f"region r{n} = r{(n + 1) % length}\n" for n in range(length))
    codes = found(check_text(cycle + rule().replace(BOX, "r0")))
    assert codes == ["RD303"]


def test_an_unreadable_recipe_is_reported(models: KnownModels, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.redraft", "\0", Path("/dev/null/x")):
        assert found(load(path, models)) == ["RD003"]


def test_paths_start_at_the_recipe(models: KnownModels, folder: Path, full: str) -> None:
    path = folder / "full.redraft"
    path.write_text(full, encoding="utf-8")
    assert found(load(path, models)) == []
    assert found(loads(full, models, folder=folder / "masks")) == ["RD130", "RD311"]


def test_a_changed_mask_is_a_changed_recipe(models: KnownModels, tmp_path: Path) -> None:
    from PIL import Image

    text = (
        'edition 2026\nrecipe demo 1.0.0 "Demo"\nmodel faces\nlatents z { seed 1 count 9 }\n'
        'zero a at layer6 { context z[1] mask("m.png") rank 1 }\n'
    )
    digests = set()
    for shade in (255, 200):
        Image.new("L", (64, 64), shade).save(tmp_path / "m.png")
        digests.add(recipe_of(loads(text, models, folder=tmp_path)).digest())
    assert len(digests) == 2


def test_every_rule_says_what_it_checks() -> None:
    assert all(rule.__doc__ for rule in RULES)  # type: ignore[attr-defined]
    assert len(set(RULES)) == len(RULES)


@pytest.mark.parametrize(
    ("broken", "codes"),
    [
        ("rule a at layer66 {\n  contxt z[130] all\n}\n", ["RD102", "RD010"]),
        ("erase a at layer66 {\n  units\n}\n", ["RD102", "RD010"]),
        ("zero a at layer66 {\n  context z[1] all\n", ["RD102", "RD011"]),
        ("rule a at layer6 {\n  contxt z[130] all\n}\n", ["RD010"]),
        ("rule a at layer66 rank {\n}\n", ["RD010"]),
    ],
)
def test_a_layer_is_looked_at_though_the_block_is_not_read(
    models: KnownModels, broken: str, codes: list[str]
) -> None:
    text = 'edition 2026\nrecipe a 1.0.0 "A"\nmodel faces\nlatents z { seed 1 count 2000 }\n'
    checked = loads(text + broken, models)
    assert found(checked)[:2] == codes
    for problem in checked.diagnostics:
        if problem.code == "RD102":
            assert problem.span is not None
            assert checked.source.text[slice(*problem.span)] == "layer66"


@pytest.mark.parametrize(("count", "listed"), [(1, True), (8, True), (9, False)])
def test_a_few_layers_are_all_listed(count: int, listed: bool) -> None:
    layers = tuple(
        LayerFacts(
            names=(f"conv{number}", f"main.{number}"),
            kind="conv",
            in_channels=8,
            out_channels=8,
            kernel=(3, 3),
            key_size=(64, 64),
            value_size=(64, 64),
        )
        for number in range(count)
    )
    facts = ModelFacts(arch="dcgan", image_size=(64, 64), latent_size=9, layers=layers)
    models = KnownModels(listed={"mine": facts}, architectures=("dcgan",))
    head = 'edition 2026\nrecipe a 1.0.0 "A"\nmodel mine\nlatents z { seed 1 count 2000 }\n'

    def help_for(layer: str) -> str:
        (help_text,) = helps(loads(head + rule("rank 1", layer=layer), models))
        assert help_text is not None
        return help_text

    every = "layers of this model: " + ", ".join(f"`conv{number}`" for number in range(count))
    assert help_for("conv_0") == "did you mean `conv0`?" + (f" {every}" if listed else "")
    assert help_for("main_0").startswith("did you mean `main.0`?")
    assert help_for("zzz") == every
