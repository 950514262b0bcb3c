"""``compat davidbau``, ``truncation`` and bilinear masks: what they mean, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.syntax.editions import format_text

CheckText = Callable[[str], Checked]

BOX = "box(x 12..52, y 24..38)"
COPY, PASTE, CONTEXT = f"copy z[116] {BOX}", f"paste z[130] {BOX}", f"context z[131] {BOX}"
COMPAT = "solver projected-adam { compat davidbau }"
MASK = "masks/eyes.png"


def rule(*lines: str) -> str:
    return "rule glasses at layer6 {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def found(checked: Checked) -> list[str]:
    return [diagnostic.code for diagnostic in checked.diagnostics]


def only_rule(checked: Checked) -> r.Rule:
    assert checked.recipe is not None, checked.diagnostics
    return checked.recipe.rules[0]


def test_compat_fills_in_what_the_authors_code_does(check_text: CheckText) -> None:
    insert = only_rule(check_text(rule(COPY, PASTE, CONTEXT, COMPAT)))
    assert isinstance(insert, r.Insert)
    assert insert.compat == "davidbau"
    assert insert.solver == r.ProjectedAdamSolver(
        compat="davidbau", steps=2001, rate=0.05, every=10, goal="crop"
    )
    assert insert.directions == "context"
    assert insert.restraint == r.Preserve(weight=0)
    assert (insert.keep, insert.contrast, insert.strength, insert.rank) == (0, 0, 1, 8)


def test_without_compat_nothing_is_filled_in(check_text: CheckText) -> None:
    insert = only_rule(check_text(rule(COPY, PASTE, CONTEXT, "solver projected-adam")))
    assert isinstance(insert, r.Insert)
    assert insert.compat is None
    assert insert.solver == r.ProjectedAdamSolver(goal="halo")
    assert (insert.directions, insert.keep, insert.contrast) == ("goal", 3, 0.8)


@pytest.mark.parametrize(
    "line",
    ["preserve 0", "keep 0.0", "contrast 0", "directions context", "directions svd", "rank 2"],
)
def test_what_agrees_with_compat_may_be_written(check_text: CheckText, line: str) -> None:
    assert found(check_text(rule(COPY, PASTE, CONTEXT, line, COMPAT))) == []


def test_their_single_direction_goes_with_compat(check_text: CheckText) -> None:
    text = rule(COPY, PASTE, CONTEXT, "rank 1", "directions mean", COMPAT)
    assert found(check_text(text)) == []


@pytest.mark.parametrize(
    ("line", "shown", "remedy"),
    [
        ("preserve 0.3", "preserve 0.3", "write `preserve 0`, or leave it out"),
        ("side 5%", "side 5%", "leave it out"),
        ("keep 1", "keep 1", "write `keep 0`, or leave it out"),
        ("contrast 0.8", "contrast 0.8", "write `contrast 0`, or leave it out"),
        ("directions goal", "directions goal", "write `directions context`, or leave it out"),
        (PASTE, "paste", "keep one `paste`, and give the other pictures as `context`"),
    ],
)
def test_what_contradicts_compat_is_refused(
    check_text: CheckText, line: str, shown: str, remedy: str
) -> None:
    checked = check_text(rule(COPY, PASTE, CONTEXT, line, COMPAT))
    problem = next(d for d in checked.errors if d.code == "RD223")
    assert problem.message == f"`{shown}` contradicts `compat davidbau`"
    assert problem.help == remedy
    assert problem.span is not None
    assert checked.source.text[problem.span.start : problem.span.end] == line
    (note,) = problem.notes
    assert note.span is not None
    assert checked.source.text[note.span.start : note.span.end] == "compat davidbau"


def test_a_halo_contradicts_compat(check_text: CheckText) -> None:
    solver = "solver projected-adam { compat davidbau  goal halo }"
    (problem,) = check_text(rule(COPY, PASTE, CONTEXT, solver)).errors
    assert (problem.code, problem.help) == ("RD223", "write `goal crop`, or leave it out")


def test_every_contradiction_is_reported_at_once(check_text: CheckText) -> None:
    text = rule(COPY, PASTE, CONTEXT, "keep 1", "contrast 1", "directions goal", COMPAT)
    assert found(check_text(text)) == ["RD223"] * 3


def test_the_one_context_is_the_paste_where_there_is_none(check_text: CheckText) -> None:
    implied = only_rule(check_text(rule(COPY, CONTEXT, COMPAT)))
    said = only_rule(check_text(rule(COPY, CONTEXT.replace("context", "paste"), CONTEXT, COMPAT)))
    assert implied == said


@pytest.mark.parametrize(
    "lines",
    [
        (COPY, CONTEXT, f"context z[140] {BOX}"),
        (COPY, f"context like z[130] {BOX} top 9 among 0..99"),
    ],
)
def test_several_contexts_leave_open_where_to_paste(
    check_text: CheckText, lines: tuple[str, ...]
) -> None:
    (problem,) = check_text(rule(*lines, COMPAT)).errors
    assert (problem.code, problem.message) == ("RD223", "`compat davidbau` needs one `paste`")
    assert problem.help == "add a line such as `paste z[130] box(x 12..52, y 24..38)`"


def test_each_context_is_not_one_paste(check_text: CheckText) -> None:
    (problem,) = check_text(rule(COPY, CONTEXT, "paste each context", COMPAT)).errors
    assert problem.help == "name one picture in place of `paste each context`"


def test_erase_takes_compat_too(check_text: CheckText) -> None:
    text = f"erase mark at layer6 {{ from z[1] {BOX} context z[2] {BOX} {COMPAT} }}\n"
    erase = only_rule(check_text(text))
    assert isinstance(erase, r.Erase)
    assert (erase.compat, erase.keep, erase.contrast) == ("davidbau", 0, 0)
    two = text.replace("context z[2]", f"from z[3] {BOX} context z[2]")
    (problem,) = check_text(two).errors
    assert problem.message == "`from` contradicts `compat davidbau`"


def test_nobody_elses_code_is_known(check_text: CheckText) -> None:
    solver = "solver projected-adam { compat davidbow }"
    (problem,) = check_text(rule(COPY, PASTE, CONTEXT, solver)).errors
    assert (problem.code, problem.help) == ("RD116", "did you mean `davidbau`?")


def test_compat_belongs_to_the_authors_solver(check_text: CheckText) -> None:
    (problem,) = check_text(rule(COPY, CONTEXT, "solver exact { compat davidbau }")).errors
    assert problem.code == "RD115"


def test_an_averaged_mask_beside_compat_is_worth_a_word(check_text: CheckText) -> None:
    mask = f'mask("{MASK}")'
    bilinear = f'mask("{MASK}" bilinear)'
    checked = check_text(rule(f"copy z[1] {mask}", f"paste z[2] {bilinear}", CONTEXT, COMPAT))
    (problem,) = checked.warnings
    assert (problem.code, problem.help) == ("RD224", f"write `{bilinear}`")
    assert checked.recipe is not None
    said = check_text(
        rule(f'copy z[1] mask("{MASK}" area)', f"paste z[2] {bilinear}", CONTEXT, COMPAT)
    )
    assert found(said) == []


def test_a_mask_behind_a_name_is_found(check_text: CheckText) -> None:
    names = f'region eyes = mask("{MASK}") within all\nregion both = eyes plus eyes\n'
    checked = check_text(names + rule("copy z[1] both", "paste z[2] both", CONTEXT, COMPAT))
    (problem,) = checked.warnings
    assert problem.code == "RD224"
    assert problem.span is not None
    assert checked.source.position(problem.span.start).line == 5


def test_names_in_a_circle_do_not_hang_the_search(check_text: CheckText) -> None:
    names = "region a = b within all\nregion b = a within all\n"
    assert found(check_text(names + rule("copy z[1] a", PASTE, CONTEXT, COMPAT))) == ["RD303"]


def test_their_code_moves_a_copy_back_into_the_picture(check_text: CheckText) -> None:
    lines = (COPY, "paste z[130] box(x 0..10, y 24..38)", CONTEXT)
    assert found(check_text(rule(*lines))) == ["RD306"]
    assert found(check_text(rule(*lines, COMPAT))) == []


def test_how_a_mask_is_resized_reaches_the_recipe(check_text: CheckText) -> None:
    def mask(text: str) -> r.Region:
        insert = only_rule(check_text(rule(f"copy z[1] {text}", CONTEXT)))
        assert isinstance(insert, r.Insert)
        return insert.copy_from.region

    plain, said = mask(f'mask("{MASK}")'), mask(f'mask("{MASK}" area)')
    bilinear = mask(f'mask("{MASK}" bilinear)')
    assert plain == said
    assert isinstance(plain, r.Mask)
    assert isinstance(bilinear, r.Mask)
    assert (plain.resample, bilinear.resample) == ("area", "bilinear")
    assert bilinear.sha256 == plain.sha256


def test_another_way_of_resizing_is_refused(check_text: CheckText) -> None:
    checked = check_text(rule(f'copy z[1] mask("{MASK}" bilinaer)', CONTEXT))
    (problem,) = checked.errors
    assert (problem.code, problem.help) == ("RD116", "did you mean `bilinear`?")
    assert problem.span is not None
    assert checked.source.text[problem.span.start : problem.span.end] == "bilinaer"


def test_the_word_is_laid_out_after_the_file() -> None:
    written = rule(f'copy z[1] mask ( "{MASK}"   bilinear )', CONTEXT)
    text = format_text(written).text
    assert text is not None
    assert f'z[1] mask("{MASK}" bilinear)\n' in text


@pytest.mark.parametrize("wrong", [f'mask("{MASK}", bilinear)', f'mask(bilinear "{MASK}")'])
def test_the_form_of_a_mask_is_reported(check_text: CheckText, wrong: str) -> None:
    (problem,) = check_text(rule(f"copy z[1] {wrong}", CONTEXT)).errors
    assert problem.code == "RD010"
    assert problem.help is not None
    assert "mask(" in problem.help


MODEL = 'model mine {{\n  arch {arch}\n  weights "m.pt"\n{more}}}\n'


def test_truncation_reaches_the_recipe(check_text: CheckText) -> None:
    for line, value in (("", 1.0), ("  truncation 0.5\n", 0.5), ("  truncation 1\n", 1.0)):
        checked = check_text(MODEL.format(arch="village", more=line) + rule(COPY, CONTEXT))
        assert checked.recipe is not None, checked.diagnostics
        assert isinstance(checked.recipe.model, r.FileModel)
        assert checked.recipe.model.truncation == value


@pytest.mark.parametrize("value", ["1.5", "-0.1", "50%", "strong"])
def test_truncation_is_a_share(check_text: CheckText, value: str) -> None:
    checked = check_text(
        MODEL.format(arch="village", more=f"  truncation {value}\n") + rule(COPY, CONTEXT)
    )
    assert found(checked) in (["RD201"], ["RD202"])


def test_truncation_needs_inner_latents(check_text: CheckText) -> None:
    text = MODEL.format(arch="dcgan", more="  truncation 0.5\n") + rule(COPY, CONTEXT)
    (problem,) = check_text(text).errors
    assert problem.code == "RD222"
    assert problem.help == "leave the line out; truncation is for `village`"


def test_an_unknown_architecture_is_reported_once(check_text: CheckText) -> None:
    text = MODEL.format(arch="vilage", more="  truncation 0.5\n") + rule(COPY, CONTEXT)
    assert found(check_text(text)) == ["RD112"]


def test_where_nothing_can_be_truncated_no_other_is_named(folder: Path) -> None:
    models = KnownModels(listed={}, architectures=("dcgan",))
    text = 'edition 2026\nrecipe a 1.0.0 "A"\nlatents z { seed 1  count 200 }\n' + MODEL.format(
        arch="dcgan", more="  truncation 0.5\n"
    )
    (problem,) = loads(text + rule(COPY, CONTEXT), models, folder=folder).errors
    assert (problem.code, problem.help) == ("RD222", "leave the line out")
