"""StyleGAN2 from files as people have them: what lies where, and edits through a whole run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from redraft import loads
from redraft.edit.artifact import Edit
from redraft.errors import ModelError
from redraft.models.arch.stylegan2 import generator as stylegan2
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.models.checkpoint.header import read_header
from redraft.models.checkpoint.weights import load_state, write_state
from redraft.models.locate import locate_file
from redraft.models.open import OpenModel, open_base
from redraft.plans.planner import Plan, make_plan
from redraft.show.report.outputs import run_and_report
from redraft.solve import goals

StateMaker = Callable[..., dict[str, Tensor]]
CPU = torch.device("cpu")


def rows(count: int = 2) -> Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(1))


def opened(path: Path, truncation: float = 1.0) -> OpenModel:
    return open_base(replace(locate_file(path, "m"), truncation=truncation), CPU)


@pytest.fixture
def converted(tmp_path: Path, stylegan2_state: StateMaker) -> Path:
    """What the port's converter writes: the mean lies beside the generator."""
    state = stylegan2_state(4)
    mean = state.pop("latent_avg")
    torch.save({"g_ema": state, "latent_avg": mean}, tmp_path / "converted.pt")
    return tmp_path / "converted.pt"


def test_the_mean_beside_the_generator_is_used(
    converted: Path, stylegan2_state: StateMaker
) -> None:
    model = opened(converted, 0.5)
    assert model.base.layout == "rosinality"
    assert isinstance(model.generator, StyleGAN2)
    assert model.generator.mean_estimate is None
    expected = stylegan2.build(stylegan2_state(4), truncation=0.5).sample(rows())
    assert torch.equal(model.generator.sample(rows()), expected)
    header = model.base.header
    assert {name: info.shape for name, info in header.beside.items()} == {"latent_avg": (7,)}
    assert "latent_avg" not in header.tensors


def test_an_edited_copy_keeps_the_mean(converted: Path, tmp_path: Path) -> None:
    state = load_state(converted)
    name = "convs.2.conv.weight"
    write_state(tmp_path / "new.pt", {**state.tensors, name: state.tensors[name] + 1}, state)
    after = load_state(tmp_path / "new.pt")
    assert torch.equal(after.beside["latent_avg"], state.beside["latent_avg"])
    assert torch.equal(after.tensors[name], state.tensors[name] + 1)


def test_a_mean_of_nan_is_refused(tmp_path: Path, stylegan2_state: StateMaker) -> None:
    state = stylegan2_state(4)
    mean = state.pop("latent_avg") * torch.nan
    torch.save({"g_ema": state, "latent_avg": mean}, tmp_path / "broken.pt")
    with pytest.raises(ModelError, match="latent_avg"):
        load_state(tmp_path / "broken.pt")


def test_a_mean_of_another_models_size_is_refused(
    tmp_path: Path, stylegan2_state: StateMaker
) -> None:
    state = stylegan2_state(4)
    del state["latent_avg"]
    torch.save({"g_ema": state, "latent_avg": torch.zeros(9)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"`latent_avg` has shape \(9,\), and \(7,\) belongs"):
        opened(tmp_path / "other.pt")


def test_a_training_file_without_a_mean_is_read(
    tmp_path: Path, stylegan2_state: StateMaker
) -> None:
    state = stylegan2_state(4)
    del state["latent_avg"]
    path = tmp_path / "100000.pt"
    torch.save(
        {
            "g": stylegan2_state(5),
            "d": {"convs.0.0.weight": torch.zeros(4, 3, 1, 1)},
            "g_ema": state,
            "g_optim": {"state": {0: {"step": 3}}, "param_groups": []},
            "args": argparse.Namespace(size=32, latent=12),
            "ada_aug_p": 0.1,
        },
        path,
    )
    model = opened(path, 0.5)
    assert model.base.header.nesting == ("g_ema",)
    assert isinstance(model.generator, StyleGAN2)
    assert model.generator.mean_estimate == stylegan2.MeanEstimate(0, 10_000)
    expected = stylegan2.build(state, truncation=0.5).sample(rows())
    assert torch.equal(model.generator.sample(rows()), expected)


@pytest.mark.parametrize("layout", ["rosinality", "authors", "authors-fused", "stylegan2-ada"])
def test_plain_files_of_every_layout_are_read(
    tmp_path: Path, stylegan2_state: StateMaker, layout: str
) -> None:
    state = stylegan2_state(4, layout)
    state.pop("latent_avg", None)  # the port's files have it in no module
    expected = stylegan2.build(state, layout, 0.5).sample(rows())
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"state_dict": {f"module.{n}": t for n, t in state.items()}}, tmp_path / "in.pt")
    save_file(state, tmp_path / "flat.safetensors")
    for name in ("plain.pt", "in.pt", "flat.safetensors"):
        model = opened(tmp_path / name, 0.5)
        assert model.base.layout == layout
        assert torch.equal(model.generator.sample(rows()), expected), name
        # What is restored after a run is what the file held.
        model.generator.set_weight("layer5", model.generator.form("layer5").weight + 1)
        model.generator.restore(model.state.bare())
        assert torch.equal(model.generator.sample(rows()), expected), name


def test_what_a_vendors_file_says_of_its_limit_is_heard(
    tmp_path: Path, stylegan2_state: StateMaker
) -> None:
    torch.save(stylegan2_state(4, "stylegan2-ada"), tmp_path / "ada.pt")
    base = locate_file(tmp_path / "ada.pt", "m")
    told = replace(base.header, attributes={"synthesis.b4.conv1.conv_clamp": 1.5})
    for header, limit in ((base.header, 256.0), (told, 1.5)):
        generator = open_base(replace(base, header=header), CPU).generator
        assert isinstance(generator, StyleGAN2)
        assert generator.limit == limit


def test_nothing_lies_beside_the_generator_of_a_flat_file(
    tmp_path: Path, stylegan2_state: StateMaker
) -> None:
    torch.save(stylegan2_state(4), tmp_path / "flat.pt")
    assert read_header(tmp_path / "flat.pt").beside == {}
    nested = {"a": {"g_ema": stylegan2_state(4), "mean": torch.zeros(3)}, "other": torch.zeros(1)}
    torch.save(nested, tmp_path / "deep.pt")
    assert list(read_header(tmp_path / "deep.pt").beside) == ["mean"]


@pytest.mark.parametrize("layer", ["layer6", "layer7"])
def test_a_crop_takes_its_own_part_of_the_noise(
    make_stylegan2: Callable[..., StyleGAN2], layer: str
) -> None:
    generator = make_stylegan2(dtype=torch.float64)
    inputs = generator.inputs(rows(2).double(), [layer])[layer]
    form = generator.form(layer)
    values = form.activate(form.response(inputs, form.weight))
    side = values.shape[2]
    step = side // inputs.keys.shape[2]
    cover = torch.zeros(side, side, dtype=torch.float64)
    cover[6:14, 4:12] = 1
    patch = goals.cut(values[1], cover)
    goal = goals.paste(form, inputs.select([0]), form.weight, patch, [cover])
    cut = goals.crop(form, goal, form.weight, torch.zeros(inputs.keys.shape[2:]))
    assert cut.values.shape[2:] == (8, 8)
    # Two positions from the border no key is missed, so the crop's values are the picture's.
    inner = slice(2 * step, 8 - 2 * step) if step == 1 else slice(3, 5)
    whole = goal.before[:, :, 6:14, 4:12]
    assert torch.allclose(cut.before[:, :, inner, inner], whole[:, :, inner, inner], atol=1e-12)
    assert not torch.allclose(cut.before, whole, atol=1e-3)


def test_a_recipe_rewrites_a_layer_that_doubles_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, converted: Path
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    text = (
        'edition 2026\nrecipe demo 1.0.0 "A demonstration"\n'
        'model m { arch stylegan2  weights "converted.pt" }\n'
        "latents z { seed 3  count 60 }\n"
        + "".join(
            f"rule {name} at {layer} {{\n  copy z[0] box(x 8..20, y 8..20)\n"
            "  context z[1] box(x 8..20, y 8..20)\n  context z[2] box(x 8..20, y 8..20)\n"
            "  context z[3] box(x 8..20, y 8..20)\n  rank 2\n}\n"
            for name, layer in (("plain", "layer6"), ("doubling", "convs.4"))
        )
    )
    checked = loads(text, tmp_path)
    run = run_and_report(make_plan(checked, tmp_path), out=tmp_path / "out", device="cpu")
    first, second = run.record.rules
    assert (first.weight_name, second.weight_name) == ("convs.3.conv.weight", "convs.4.conv.weight")
    assert first.loss_after < first.loss_before
    assert second.loss_after < second.loss_before
    # The edit goes on the file, and what it makes is what the run measured.
    edit = Edit.load(tmp_path / "out" / "edit.safetensors")
    model = opened(converted)
    before = model.generator.sample(rows())
    with edit.applied(model.generator.module):
        assert not torch.equal(model.generator.sample(rows()), before)
    assert torch.equal(model.generator.sample(rows()), before)


def test_a_recipes_truncation_reaches_the_network_and_its_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, converted: Path
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))

    def plan(truncation: str) -> Plan:
        text = (
            'edition 2026\nrecipe demo 1.0.0 "A demonstration"\n'
            f'model m {{ arch stylegan2  weights "converted.pt"  truncation {truncation} }}\n'
            "latents z { seed 3  count 60 }\n"
            "rule it at layer6 {\n  copy z[0] box(x 8..20, y 8..20)\n"
            "  context z[1] box(x 8..20, y 8..20)\n}\n"
        )
        return make_plan(loads(text, tmp_path), tmp_path)

    half, whole = plan("0.5"), plan("1")
    generators = [open_base(each.base, CPU).generator for each in (half, whole)]
    assert torch.equal(
        generators[0].sample(rows()), opened(converted, 0.5).generator.sample(rows())
    )
    assert not torch.equal(generators[0].sample(rows()), generators[1].sample(rows()))
    # What was collected of the one may not serve the other.
    assert half.statistics[0].fields != whole.statistics[0].fields
    assert half.rules[0].digest != whole.rules[0].digest
