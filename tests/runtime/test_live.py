"""A recipe held open: pictures while it changes, and the edit that a run of its text gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

import redraft
from redraft.errors import CancelledError, PlanError, RedraftError
from redraft.live.answer import Answer
from redraft.live.live import Live
from redraft.plans.loading import CheckFailedError
from redraft_dsl.syntax.edit import (
    Add,
    Change,
    Drop,
    Move,
    NoSuchPartError,
    Put,
    Replace,
    Switch,
    edit,
)

StateMaker = Callable[..., dict[str, Tensor]]
pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = """\
edition 2026
recipe two 1.0.0 "Two rules"
model small {{ arch {arch}  weights "{arch}.safetensors" }}
latents z {{ seed 3  count 30 }}
region middle = box(x 25%..75%, y 25%..75%)

rule first at {early} {{
  copy z[3] middle
  context z[5, 8, 9, 11] middle
  rank 2
}}

# The second stands on the first.
rule second at {late} {{
  copy z[4] middle
  context z[6, 7, 10] middle
  rank 1
  strength 0.5
}}
"""
LAYERS = {
    "dcgan": ("layer3", "layer6"),
    "proggan": ("layer3", "layer5"),
    "stylegan2": ("layer2", "layer4"),
}


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory,
    dcgan_state: StateMaker,
    proggan_state: StateMaker,
    stylegan2_state: StateMaker,
) -> Iterator[Path]:
    """A folder with a small network of each architecture, and a cache of its own."""
    folder = tmp_path_factory.mktemp("live")
    for arch, make in zip(LAYERS, (dcgan_state, proggan_state, stylegan2_state), strict=True):
        state = {name: tensor.contiguous() for name, tensor in make(4).items()}
        save_file(state, folder / f"{arch}.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDRAFT_CACHE", str(folder / "cache"))
        yield folder


def text_for(arch: str) -> str:
    early, late = LAYERS[arch]
    return TEXT.format(arch=arch, early=early, late=late)


def alone(folder: Path, text: str) -> bytes:
    """The edit of a recipe that is solved by itself."""
    arch = next(arch for arch in LAYERS if f'"{arch}.safetensors"' in text)
    model = redraft.Model.open(folder / f"{arch}.safetensors", device="cpu")
    return model.solve(text, folder=folder).to_bytes()


def opened(folder: Path, text: str, **options: Any) -> Live:
    return Live(text, folder=folder, device="cpu", numbers=range(6), **options)


@pytest.mark.parametrize("arch", LAYERS)
def test_the_settled_edit_is_that_of_a_run(models: Path, tmp_path: Path, arch: str) -> None:
    text = text_for(arch)
    path = models / f"{arch}.redraft"
    path.write_text(text, encoding="utf-8")
    run = redraft.run(path, tmp_path / "run", device="cpu")
    with Live(path, device="cpu", numbers=range(6)) as live:
        assert live.text == text
        assert live.answer.edit().to_bytes() == (run.folder / "edit.safetensors").read_bytes()
        found = live.answer.left_out()
        for rule in run.record.rules:
            assert rule.left_out is not None
            assert found[rule.name].gain == rule.left_out.gain
            assert found[rule.name].agreement == rule.left_out.agreement


@pytest.mark.parametrize("arch", LAYERS)
def test_previews_come_first_and_look_like_what_follows(models: Path, arch: str) -> None:
    with opened(models, text_for(arch)) as live:
        list(live.answer)
        answer = live.change(Put("first", "preserve", "0.2"))
        shown = list(answer)
    settled = torch.cat([each.pictures for each in shown if each.settled])
    assert [each.settled for each in shown] == sorted(each.settled for each in shown)
    assert sum(len(each.numbers) for each in shown if each.settled) == 6
    rough = [each for each in shown if not each.settled]
    assert rough, "what was not solved before is previewed"
    first = torch.cat([each.pictures for each in rough])[:6]
    assert float((first - settled).abs().mean()) < 0.01
    assert torch.equal(answer.pictures(), settled)


@pytest.mark.parametrize("arch", LAYERS)
def test_settled_pictures_are_those_of_the_edited_model(models: Path, arch: str) -> None:
    with opened(models, text_for(arch)) as live:
        pictures, found = live.answer.pictures(), live.answer.edit()
    model = redraft.Model.open(models / f"{arch}.safetensors", device="cpu")
    wanted = model.sample(6, seed=3, edit=found).tensor
    assert torch.allclose(pictures, wanted, atol=1e-5)


def test_what_is_known_already_is_not_solved_again(models: Path) -> None:
    text = text_for("dcgan")
    with opened(models, text) as live:
        live.answer.left_out()
        shared = live._worker._shared
        made = shared.made["solution"]
        # Strength is a scale, and what was solved before is found.
        live.change(Put("second", "strength", "1.5")).edit()
        assert shared.made["solution"] == made
        live.change(Put("second", "rank", "2")).edit()
        assert shared.made["solution"] == made + 1
        assert live.change(text).edit().to_bytes() == alone(models, text)


def test_a_text_with_errors_says_so_and_the_next_one_is_answered(models: Path) -> None:
    with opened(models, text_for("dcgan")) as live:
        answer = live.change(Put("first", "rank", "0"))
        with pytest.raises(CheckFailedError):
            answer.edit()
        with pytest.raises(CheckFailedError):
            list(answer)
        assert [each.code for each in answer.checked().errors] == ["RD202"]
        assert live.change(Put("first", "rank", "1")).edit().deltas[0].rank == 1
        with pytest.raises(NoSuchPartError):
            live.change(Drop("nothing"))
        assert live.answer.edit().deltas[0].rank == 1, "what cannot be changed changes nothing"


def test_a_rule_that_cannot_be_solved_is_an_error_of_its_answer_alone(models: Path) -> None:
    with opened(models, text_for("dcgan")) as live:
        same = Replace("first.copy", "copy z[5] middle")
        live.change(Put("first", "rank", "40"))
        with pytest.raises(RedraftError):
            live.answer.edit()
        assert len(live.change(edit(text_for("dcgan"), same)).edit().deltas) == 2


def test_a_superseded_answer_is_dropped_at_once(models: Path) -> None:
    with opened(models, text_for("dcgan")) as live:
        answers = [live.change(Put("first", "preserve", f"0.{n}")) for n in range(1, 60)]
        assert answers[-1].edit().to_bytes() == alone(models, live.text)
        for answer in answers[:-1]:
            with pytest.raises(CancelledError):
                answer.left_out()


def test_a_dropped_answer_ends_between_two_modules_of_a_forward_pass(models: Path) -> None:
    run: list[torch.nn.Module] = []
    with opened(models, text_for("dcgan")) as live:
        answer = live.answer

        def drop_while_judging(module: torch.nn.Module, _: Any) -> None:
            if threading.current_thread().name != "redraft-live":
                return
            try:
                answer.edit(0)
            except TimeoutError:  # it is still being solved
                return
            answer.cancelled.set()
            run.append(module)

        hook = torch.nn.modules.module.register_module_forward_pre_hook(drop_while_judging)
        with hook, pytest.raises(CancelledError):
            answer.records(60)
    assert len(run) == 1


def test_closing_stops_what_is_being_computed(models: Path) -> None:
    live = opened(models, text_for("dcgan"))
    live.close()
    with pytest.raises(CancelledError):
        live.answer.left_out(timeout=20)
    live.close()


def test_other_images_are_shown_of_the_same_edit(models: Path) -> None:
    with opened(models, text_for("dcgan")) as live:
        before = live.answer.edit().to_bytes()
        answer = live.see([20, 2])
        shown = [each for each in answer if each.settled]
        assert [number for each in shown for number in each.numbers] == [20, 2]
        assert answer.edit().to_bytes() == before


def test_an_answer_says_where_its_rules_are_and_what_a_run_would_record(
    models: Path, tmp_path: Path
) -> None:
    text = text_for("dcgan").replace("z[5, 8, 9, 11] middle", "like z[5] middle top 4 among 0..20")
    with redraft.Live(text, numbers=(0, 7), folder=models, device="cpu") as live:
        placed, records = live.answer.placed(), live.answer.records()
    assert [place.latents for place in placed["first"].examples] == ["z"]
    assert len(placed["first"].matches[0]) == len(placed["first"].contexts.pictures)
    recipe = models / "recorded.redraft"
    recipe.write_text(text)
    run = redraft.run(str(recipe), tmp_path / "run", device="cpu")
    for ours, theirs in zip(records, run.record.rules, strict=True):
        assert ours.share == theirs.share
        assert ours.warnings == theirs.warnings
        assert ours.delta_digest == theirs.delta_digest


def test_pictures_are_given_from_where_one_was(models: Path) -> None:
    with redraft.Live(text_for("dcgan"), numbers=range(6), folder=models, device="cpu") as live:
        answer = live.answer
        parts: list[Any] = []
        while more := answer.after(len(parts), 60):
            parts += more
        assert [each.settled for each in parts] == [each.settled for each in answer]
        assert answer.after(len(parts), 0) == ()
        broken = live.change(text_for("dcgan").replace("z[3] middle", "z[3] nowhere"))
        with pytest.raises(RedraftError):
            broken.after(0, 60)


def test_an_answer_calls_whoever_listens(models: Path) -> None:
    with redraft.Live(text_for("dcgan"), numbers=range(2), folder=models, device="cpu") as live:
        heard = threading.Event()
        calls: list[bool] = []

        def listener() -> None:
            calls.append(True)
            heard.set()

        live.answer.listen(listener)
        live.answer.edit(60)
        assert heard.wait(60)
        before = len(calls)
        live.answer.records(60)
        assert len(calls) > before


def test_waiting_has_an_end(models: Path) -> None:
    answer = Answer("", ())
    with pytest.raises(TimeoutError):
        answer.edit(timeout=0.01)


def test_the_model_of_the_text_may_change(models: Path) -> None:
    with opened(models, text_for("dcgan")) as live:
        live.answer.edit()
        for arch in ("stylegan2", "dcgan"):
            text = text_for(arch)
            assert live.change(text).edit().to_bytes() == alone(models, text)


# ---- any sequence of changes --------------------------------------------------------------------

RULES = ("first", "second")
changes = st.one_of(
    st.builds(Put, st.sampled_from(RULES), st.just("rank"), st.sampled_from(["1", "2", "3"])),
    st.builds(Put, st.sampled_from(RULES), st.just("preserve"), st.sampled_from(["0.1", "0.5"])),
    st.builds(Put, st.sampled_from(RULES), st.just("strength"), st.sampled_from(["0", "1.5"])),
    st.builds(Put, st.sampled_from(RULES), st.just("keep"), st.sampled_from(["0", "1"])),
    st.builds(Put, st.sampled_from(RULES), st.just("contrast"), st.sampled_from(["0", "0.5"])),
    st.builds(Put, st.sampled_from(RULES), st.just("layer"), st.sampled_from(["early", "late"])),
    st.builds(Put, st.sampled_from(RULES), st.just("directions"), st.sampled_from(["context"])),
    st.builds(Add, st.just("context z[20] middle"), st.sampled_from(RULES)),
    st.builds(Add, st.just("protect z[21, 22] middle"), st.sampled_from(RULES)),
    st.builds(Replace, st.just("first.copy"), st.just("copy z[3] box(x 25%..50%, y 25%..75%)")),
    st.builds(Switch, st.sampled_from(RULES), st.booleans()),
    st.builds(Move, st.just("second"), st.sampled_from(["first", ""])),
    st.just("broken"),
)


def changed(text: str, change: Change | str, arch: str) -> str:
    if isinstance(change, str):
        return text.replace("rank", "rang", 1)
    if isinstance(change, Put) and change.key == "layer":
        change = Put(change.owner, "layer", LAYERS[arch][change.value == "late"])
    try:
        return edit(text, change)
    except NoSuchPartError:  # the text is broken
        return text


@pytest.mark.parametrize("arch", LAYERS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(changes, st.sampled_from([0.0, 0.05, 60.0])), max_size=5))
def test_after_any_changes_the_edit_is_that_of_the_text_alone(
    models: Path, arch: str, steps: list[tuple[Change | str, float]]
) -> None:
    """Some answers are waited for, some are cancelled on their way."""
    with opened(models, text_for(arch)) as live:
        for change, patience in steps:
            answer = live.change(changed(live.text, change, arch))
            if patience > 1:
                outcome(answer.left_out)
            else:
                time.sleep(patience)
        assert outcome(lambda: live.answer.edit().to_bytes()) == outcome(
            lambda: alone(models, live.text)
        )


def outcome(make: Callable[[], object]) -> object:
    """What something gives, or how it fails."""
    try:
        return make()
    except RedraftError as error:
        return error.code, error.message


# ---- a model in memory --------------------------------------------------------------------------


def test_a_model_shows_its_layers_pictures_and_statistics(models: Path) -> None:
    model = redraft.Model.open(models / "dcgan.safetensors", device="cpu")
    assert [layer.name for layer in model.layers] == ["layer3", "layer6", "layer9"]
    pictures = model.sample([5, 2])
    assert pictures.numbers == (5, 2)
    assert pictures.tensor.shape == (2, 3, 64, 64)
    assert torch.equal(pictures.tensor[1], model.sample(3).tensor[2])
    assert pictures.sheet().width > pictures.sheet(columns=1).width
    moment = model.statistics("layer6", count=20)
    assert moment.matrix.shape == (model.layers[1].in_channels,) * 2
    with pytest.raises(RedraftError, match="layer8"):
        model.statistics("layer8")


def test_a_model_finds_what_looks_like_a_place(models: Path) -> None:
    model = redraft.Model.open(models / "dcgan.safetensors", device="cpu")
    found = model.match(
        "z[3] box(x 16..48, y 16..48)", layer="layer6", top=4, among=(5, 25), count=30
    )
    scores = [place.score for place in found]
    assert scores == sorted(scores, reverse=True)
    assert all(5 <= place.index <= 25 for place in found)


def test_rules_alone_are_solved_for_the_model_that_is_open(models: Path) -> None:
    model = redraft.Model.open(models / "dcgan.safetensors", device="cpu")
    rule = "rule patch at layer6 { copy z[3] middle  context z[5, 8, 9] middle  rank 1 }"
    text = f"region middle = box(x 16..48, y 16..48)\n{rule}\n"
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    found = model.solve(text, folder=models)
    assert all(torch.equal(before[name], t) for name, t in model.module.state_dict().items())
    assert found.recipe_text.startswith("edition")
    assert found.to_bytes() == model.solve(found.recipe_text, folder=models).to_bytes()
    with found.applied(model.module):
        edited = model.sample(2).tensor
    assert torch.allclose(edited, model.sample(2, edit=found).tensor, atol=1e-6)
    with model.live(text, folder=models) as live:
        assert live.answer.edit().to_bytes() == found.to_bytes()


def test_a_model_solves_recipes_about_itself_only(models: Path) -> None:
    model = redraft.Model.open(models / "dcgan.safetensors", device="cpu")
    with pytest.raises(PlanError) as caught:
        model.solve(text_for("proggan"), folder=models)
    assert caught.value.code == "RD405"


def test_whatever_takes_long_can_be_cancelled(models: Path) -> None:
    from threading import Event

    model = redraft.Model.open(models / "dcgan.safetensors", device="cpu")
    seen, cancel = [], Event()

    def progress(what: str, done: int, total: int) -> None:
        seen.append((what, done, total))
        cancel.set()

    with pytest.raises(CancelledError):
        model.statistics("layer6", seed=9, count=400, progress=progress, cancel=cancel)
    assert len(seen) == 1
    with pytest.raises(CancelledError):
        model.solve(text_for("dcgan"), folder=models, cancel=cancel)


def test_a_model_that_is_opened_truncated_is_drawn_matched_and_solved_so(models: Path) -> None:
    path = models / "stylegan2.safetensors"
    whole = redraft.Model.open(path, device="cpu")
    half = redraft.Model.open(path, device="cpu", truncation=0.5)
    drawn = [model.sample(3).tensor for model in (whole, half)]
    assert (drawn[0] - drawn[1]).abs().max() > 0.01
    layer = half.layers[1].name
    place = "z[3] box(x 25%..75%, y 25%..75%)"
    found = [model.match(place, layer=layer, count=60, top=5) for model in (whole, half)]
    assert [each.score for each in found[0]] != [each.score for each in found[1]]
    rule = f"rule spot at {layer} {{ copy {place}  context {place.replace('3', '5', 1)}  rank 1 }}"
    recipe = half.solve(rule).recipe_text
    assert "truncation 0.5" in " ".join(recipe.split())


@pytest.mark.parametrize("truncation", [0.5, 2.0])
def test_what_cannot_be_truncated_says_so(models: Path, truncation: float) -> None:
    with pytest.raises(redraft.RedraftError, match="cannot be opened with truncation") as told:
        redraft.Model.open(models / "dcgan.safetensors", device="cpu", truncation=truncation)
    assert told.value.code == "RD684"
