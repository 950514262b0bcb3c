"""Parameters, used recipes, included rules and sweeps: their meaning, and mistakes in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.check import Checked
from redraft_dsl.check.parameters import Given
from redraft_dsl.facts import KnownModels
from redraft_dsl.flatten import flatten
from redraft_dsl.reading import load, loads
from redraft_dsl.recipe import model as r
from redraft_dsl.report.terminal import render
from redraft_dsl.syntax.editions import format_text

CheckText = Callable[[str], Checked]
HEAD = 'edition 2026\nrecipe {} 1.0.0 "Test"\n'
BASE = "model faces\nlatents z { seed 1  count 2000 }\n"
HEADER_AND_MODEL = HEAD.format("a") + BASE
BOX = "box(x 12..52, y 24..38)"
USE = 'use "./village.redraft" 2.0.0 as village\n'


def rule(*lines: str, name: str = "glasses", layer: str = "layer6", copy: str = BOX) -> str:
    body = [f"copy z[116] {copy}", f"context z[130] {BOX}", *lines]
    return f"rule {name} at {layer} {{\n" + "".join(f"  {line}\n" for line in body) + "}\n"


def recipe_of(checked: Checked) -> r.Recipe:
    assert checked.recipe is not None, checked.diagnostics
    return checked.recipe


def codes(checked: Checked) -> list[str]:
    return [diagnostic.code for diagnostic in checked.diagnostics]


@pytest.fixture
def write(tmp_path: Path, models: KnownModels) -> Callable[..., Checked]:
    """Writes recipes into a folder and checks the first one."""

    def run(files: dict[str, str], given: Given = ()) -> Checked:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return load(tmp_path / next(iter(files)), models, given=given)

    return run


# ---- parameters -------------------------------------------------------------------------------

DECLARED = """param n: int = {n}
param half: float = {half}
param part: percent = {part}
param way: word = {way}
param where: word = {where}
"""
EVERYWHERE = """latents w {{ seed {n}  count 500 }}
region a = polygon(1,1 40,{n} 3,30) plus ellipse(31,{half} radius 20,{part})
rule one at {where} {{
  copy    z[{n}] box(x {n}..52, y {part}..100%)
  paste   w[{n}] a
  context like z[130] a top {n} among {n}..199 except {n}, 199
  context z[130] a
  rank {n}
  keep {half}
  side {part}
  directions {way}
  solver  exact {{ iterations {n} }}
}}
"""


@given(
    n=st.integers(2, 20),
    half=st.floats(0.5, 9).map(lambda value: round(value, 3)),
    part=st.integers(10, 60),
    way=st.sampled_from(["goal", "context", "svd"]),
    where=st.sampled_from(["layer6", "main.9"]),
)
def test_a_parameter_means_its_value_wherever_it_stands(
    models: KnownModels, n: int, half: float, part: int, way: str, where: str
) -> None:
    values = {"n": n, "half": half, "part": f"{part}%", "way": way, "where": where}
    others = {"n": 3, "half": 1, "part": "20%", "way": "mean", "where": "layer6"}
    head, named = HEADER_AND_MODEL, EVERYWHERE.format(**{name: name for name in values})
    literal = head + EVERYWHERE.format(**values)
    text = head + DECLARED.format(**values) + named
    other = head + DECLARED.format(**others) + named
    wanted = recipe_of(loads(literal, models))
    assert recipe_of(loads(text, models)) == wanted
    given_values = tuple((name, str(value)) for name, value in values.items())
    assert recipe_of(loads(other, models, given=given_values)) == wanted


def test_what_parameters_stand_for_is_reported(check_text: CheckText) -> None:
    checked = check_text("param size: int = 4 in 1..8\n" + rule("rank size"))
    (param,) = checked.params
    assert (param.name, param.type, param.value, param.default, param.given) == (
        *("size", "int", "4", "4"),
        False,
    )


@pytest.mark.parametrize(
    ("declared", "value", "label"),
    [
        ("int = 4 in 1..8", "9", "must be 1 to 8"),
        ("int = 4 in 1..8", "0", "must be 1 to 8"),
        ("int = 4", "4.5", "expected a whole number"),
        ("int = 4", "5%", "expected a whole number"),
        ("int = 4", "four", "expected a whole number"),
        ("int = 4", "1e99", "expected a whole number"),
        ("int = 4", "", "expected a whole number"),
        ("int = 4", '"4"', "expected a whole number"),
        ("float = 4", "5%", "expected a plain number"),
    ],
)
def test_a_value_from_outside_has_to_fit(
    models: KnownModels, declared: str, value: str, label: str
) -> None:
    text = HEAD.format("a") + BASE + f"param size: {declared}\n" + rule("rank size")
    checked = loads(text, models, given=(("size", value),))
    assert codes(checked) == ["RD124"]
    assert checked.diagnostics[0].label == label
    assert checked.recipe is None


@pytest.mark.parametrize(
    ("given_value", "code", "message"),
    [
        (("sise", "3"), "RD127", "the recipe has no parameter `sise`"),
        (("glases.rank", "3"), "RD127", "the recipe has no rule `glases`"),
        (("glasses.rnk", "3"), "RD115", "unknown setting `rnk`"),
        (("glasses.rank", "0"), "RD202", "out of range"),
        (("glasses.layer", "layer5"), "RD102", "unknown layer `layer5`"),
        (("glasses.directions", "gaol"), "RD116", "cannot be `gaol`"),
    ],
)
def test_a_value_for_what_is_not_there(
    models: KnownModels, given_value: tuple[str, str], code: str, message: str
) -> None:
    text = HEAD.format("a") + BASE + "param size: int = 4\n" + rule("rank size")
    checked = loads(text, models, given=(given_value,))
    assert codes(checked) == [code]
    assert message in checked.diagnostics[0].message
    assert render(checked.diagnostics, checked.source)


def test_a_setting_without_its_rule_is_told_the_rule(models: KnownModels) -> None:
    text = HEAD.format("a") + BASE + "param size: int = 4\n" + rule("rank size")
    checked = loads(text, models, given=(("rank", "3"),))
    assert codes(checked) == ["RD127"]
    assert "write `glasses.rank`" in (checked.diagnostics[0].help or "")


def test_a_setting_from_outside_takes_the_place_of_its_opposite(models: KnownModels) -> None:
    text = HEAD.format("a") + BASE + rule("side 5%", "rank 3")
    checked = loads(text, models, given=(("glasses.preserve", "2"), ("glasses.layer", "layer9")))
    wanted = recipe_of(loads(HEAD.format("a") + BASE + rule("preserve 2", "rank 3", layer="layer9"),
                             models))  # fmt: skip
    assert recipe_of(checked) == wanted
    assert checked.given == (("glasses.preserve", "2"), ("glasses.layer", "layer9"))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("param size: number = 4\n" + rule("rank size"), "RD123", "unknown type"),
        ("param size: int = 4 in goal, svd\n" + rule("rank size"), "RD125", "not limits"),
        ("param way: word = goal in 1..2\n" + rule("directions way"), "RD125", "not limits"),
        ("param part: percent = 5% in 1..9\n" + rule("side part"), "RD125", "not limits"),
        ("param size: int = 4 in 9..1\n" + rule("rank size"), "RD125", "is empty"),
        ("param size: int = big\n" + rule("rank size"), "RD124", "cannot be `big`"),
        ("param size: word = goal\n" + rule(copy="box(x size..52, y 24..38)"), "RD122", "a word"),
        (rule(copy="box(x left..52, y 24..38)"), "RD122", "unknown parameter `left`"),
        ("region a = ellipse(cx,31 radius 2,3)\n" + rule(copy="a"), "RD122", "`cx`"),
        ("param rank: int = 4\n" + rule("rank rank"), "RD126", "a word of the language"),
        ("param z: int = 4\n" + rule("rank z"), "RD126", "hides latents"),
        ("region eyes = all\nparam eyes: int = 4\n" + rule("rank eyes", copy="eyes"),
         "RD126", "hides a region"),
        ("param a: int = 1\nparam a: int = 2\n" + rule("rank a"), "RD110", "defined twice"),
        ("param Size: int = 1\n" + rule("rank Size"), "RD118", "cannot be a name"),
    ],
)  # fmt: skip
def test_mistakes_with_parameters(
    check_text: CheckText, text: str, code: str, message: str
) -> None:
    checked = check_text(text)
    assert code in codes(checked)
    said = [d.message for d in checked.diagnostics if d.code == code]
    assert any(message in each for each in said)
    assert checked.recipe is None


# ---- recipes that use others ------------------------------------------------------------------


def test_an_included_rule_is_the_rule_of_its_recipe(check_text: CheckText, folder: Path,
                                                    models: KnownModels) -> None:  # fmt: skip
    checked = check_text(USE + "include village.spire\ninclude village.tree as oak\n")
    theirs = recipe_of(load(folder / "village.redraft", models))
    ours = recipe_of(checked)
    assert ours.rules[0] == theirs.rules[0]
    assert ours.rules[1] == theirs.rules[1].model_copy(update={"name": "oak"})
    (used,) = checked.imports
    assert (used.alias, used.path, used.name, used.version) == (
        *("village", "village.redraft", "village"),
        "2.0.0",
    )
    assert used.digest == theirs.digest()


def test_values_are_given_to_settings_and_to_parameters(check_text: CheckText) -> None:
    changed = "include village.spire with { size = n  left = 20  preserve = 2  layer = layer9 }\n"
    (spire,) = recipe_of(check_text("param n: int = 3\n" + USE + changed)).rules
    assert isinstance(spire, r.Insert)
    assert isinstance(spire.copy_from.region, r.Box)
    assert (spire.rank, spire.copy_from.region.x[0].value, spire.layer) == (3, 20, "layer9")
    assert spire.restraint == r.Preserve(weight=2)


def test_included_rules_stand_in_order_and_comments_mean_nothing(check_text: CheckText) -> None:
    one = check_text(USE + rule() + "include village.spire\n" + rule(name="last"))
    assert [each.name for each in recipe_of(one).rules] == ["glasses", "spire", "last"]
    two = check_text(USE + "# hello\n" + rule() + "include village.spire  # there\n"
                     + rule(name="last"))  # fmt: skip
    assert recipe_of(one).digest() == recipe_of(two).digest()


def test_recipes_in_folders_that_use_one_another(
    write: Callable[..., Checked], folder: Path
) -> None:
    (eyes,) = [(folder / "masks" / "eyes.png").read_bytes()]
    deep = HEAD.format("deep") + BASE + rule("rank 2", copy='mask("masks/eyes.png")')
    middle = (
        HEAD.format("middle") + BASE + 'use "./deep/deep.redraft" 1.0.0 as deep\n'
        "include deep.glasses as spectacles with { rank = 3 }\n"
    )
    top = (
        HEAD.format("top") + BASE + 'use "./lib/middle.redraft" 1.0.0 as middle\n'
        "include middle.spectacles with { keep = 1 }\n"
    )
    files = {"top.redraft": top, "lib/middle.redraft": middle, "lib/deep/deep.redraft": deep}
    checked = write(files)  # the mask is not there yet
    assert codes(checked) == ["RD130"]
    assert checked.diagnostics[0].notes[0].span.source is not None
    path = Path(checked.source.path).parent / "lib/deep/masks/eyes.png"
    path.parent.mkdir()
    path.write_bytes(eyes)
    checked = write(files)
    (found,) = recipe_of(checked).rules
    assert isinstance(found, r.Insert)
    assert (found.name, found.rank, found.keep) == ("spectacles", 3, 1)
    assert isinstance(found.copy_from.region, r.Mask)
    assert found.copy_from.region.path == "lib/deep/masks/eyes.png"
    assert [each.path for each in checked.imports] == [
        "lib/middle.redraft",
        "lib/deep/deep.redraft",
    ]


def test_a_flattened_recipe_stands_alone_and_means_the_same(
    check_text: CheckText, full: str, folder: Path, models: KnownModels
) -> None:
    checked = check_text(full)
    text = flatten(checked)
    alone = loads(text, models, folder=folder)
    assert alone.recipe == recipe_of(checked)
    assert alone.stands_alone
    assert not checked.stands_alone
    assert format_text(text).text == text
    assert "village.redraft 2.0.0" in text.splitlines()[1]


def chain(length: int) -> dict[str, str]:
    files = {}
    for number in range(length):
        use = f'use "./r{number + 1}.redraft" 1.0.0 as next\n' if number < length - 1 else ""
        does = "include next.glasses\n" if use else rule()
        files[f"r{number}.redraft"] = HEAD.format(f"r{number}") + BASE + use + does
    return files


def test_a_long_chain_of_recipes_ends(write: Callable[..., Checked]) -> None:
    assert recipe_of(write(chain(10))).rules[0].name == "glasses"
    assert codes(write(chain(40))) == ["RD132"]


def test_a_recipe_that_uses_itself(write: Callable[..., Checked]) -> None:
    text = HEAD.format("a") + BASE + 'use "./a.redraft" 1.0.0 as me\ninclude me.glasses as b\n'
    checked = write({"a.redraft": text + rule()})
    assert codes(checked) == ["RD132"]
    assert checked.diagnostics[0].label == "a.redraft -> a.redraft"


def test_two_ways_to_one_recipe_are_not_a_cycle(write: Callable[..., Checked]) -> None:
    use_d = 'use "./d.redraft" 1.0.0 as d\ninclude d.glasses\n'
    top = (
        HEAD.format("a") + BASE + 'use "./b.redraft" 1.0.0 as b\nuse "./c.redraft" 1.0.0 as c\n'
        "include b.glasses\ninclude c.glasses as more\n"
    )
    checked = write(
        {
            "a.redraft": top,
            "b.redraft": HEAD.format("b") + BASE + use_d,
            "c.redraft": HEAD.format("c") + BASE + use_d,
            "d.redraft": HEAD.format("d") + BASE + rule(),
        }
    )
    assert [each.name for each in recipe_of(checked).rules] == ["glasses", "more"]
    assert [each.path for each in checked.imports] == ["b.redraft", "d.redraft", "c.redraft"]


@pytest.mark.parametrize(
    ("path", "code", "label"),
    [
        ("./gone.redraft", "RD130", ""),
        ("../other.redraft", "RD213", "it leaves the recipe's folder"),
        ("/etc/passwd", "RD213", "it is absolute"),
        ("./masks", "RD130", ""),
        ("./masks/notes.txt", "RD130", "it cannot be used as it is"),
        ("./masks/link.png", "RD130", "not in the folder"),
    ],
)
def test_files_that_cannot_be_used(check_text: CheckText, path: str, code: str, label: str) -> None:
    checked = check_text(f'use "{path}" 1.0.0 as other\ninclude other.spire\n')
    assert codes(checked) == [code]
    assert checked.diagnostics[0].label == label


def test_a_problem_that_an_override_makes_is_shown_at_the_override(check_text: CheckText) -> None:
    text = USE + "include village.spire with { size = 9 }\n"
    checked = check_text(text)
    (problem,) = checked.errors
    assert problem.code == "RD124"
    assert problem.span is not None
    assert checked.source.text[problem.span.start : problem.span.end] == "9"
    assert problem.notes[0].span.source is not None
    assert problem.notes[0].span.source.path == "village.redraft"
    checked = check_text(USE + "include village.spire with { rank = 999 }\n")
    (problem,) = checked.errors
    assert problem.span is not None
    assert checked.source.text[problem.span.start : problem.span.end] == "999"


def test_more_images_than_the_recipe_has(check_text: CheckText) -> None:
    text = "latents z { seed 1  count 100 }\n" + USE + "include village.spire\n"
    checked = check_text(text)
    assert codes(checked) == ["RD138"]
    assert checked.diagnostics[0].help == "write `count 2000`"


# ---- sweeps -----------------------------------------------------------------------------------


def test_a_sweep_is_every_combination_and_no_part_of_the_recipe(
    check_text: CheckText, models: KnownModels
) -> None:
    plain = "param face: int = 116\n" + rule("rank 4", "directions context")
    swept = plain.replace("z[116]", "z[face]")
    checked = check_text(
        swept + "sweep all-of-it {\n  vary rank of glasses over 1, 4\n  vary face over 116, 117\n"
        "  vary layer of glasses over layer6, layer9\n}\n"
    )
    assert recipe_of(checked) == recipe_of(check_text(swept))
    (sweep,) = checked.sweeps
    cells = list(sweep.cells())
    assert len(cells) == 8
    assert cells[1] == (("glasses.rank", "1"), ("face", "116"), ("glasses.layer", "layer9"))
    held = [loads(checked.source.text, models, given=cell) for cell in cells]
    assert len({recipe_of(each).digest() for each in held}) == 8


def test_a_cell_is_not_checked_with_the_values_of_others(models: KnownModels) -> None:
    text = HEADER_AND_MODEL + "param first: int = 12\n" + rule(copy="box(x first..52, y 24..38)")
    text += "sweep a { vary first over 12, 60 }\n"
    assert codes(loads(text, models)) == ["RD141"]
    assert codes(loads(text, models, given=(("first", "20"),))) == []


@pytest.mark.parametrize(
    ("lines", "code", "message"),
    [
        ("", "RD140", "varies nothing"),
        ("vary rank of glases over 1", "RD140", "unknown rule"),
        ("vary size over 1", "RD140", "unknown parameter"),
        ("vary rnk of glasses over 1", "RD141", "unknown setting"),
        ("vary rank of glasses over 1, 0", "RD141", "out of range"),
        ("vary layer of glasses over layer6, layer5", "RD141", "unknown layer"),
        ("vary rank of glasses over 1  vary rank of glasses over 2", "RD205", "varied twice"),
    ],
)
def test_mistakes_in_sweeps(check_text: CheckText, lines: str, code: str, message: str) -> None:
    checked = check_text(rule() + f"sweep a {{ {lines} }}\n")
    assert codes(checked) == [code]
    assert message in checked.diagnostics[0].message
