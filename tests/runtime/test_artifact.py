"""Edits: their file, and how they go into a module and out again."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.edit.layout import to_file
from redraft.errors import ArtifactError, ModelError
from redraft.models.arch.dcgan import DCGAN
from redraft.solve.delta import Delta

GeneratorMaker = Callable[..., DCGAN]
RULES = (("glasses", "layer6", 2), ("hat", "layer6", 3), ("tie", "layer9", 1))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_edit(generator: DCGAN) -> Edit:
    """Three rules, two of them at one layer."""
    weights = {layer: generator.form(layer).weight for _, layer, _ in RULES}
    facts, deltas = [], []
    for number, (name, layer, rank) in enumerate(RULES):
        before = weights[layer]
        rows = torch.linalg.qr(noise(before.shape[1], rank, seed=number))[0].T.contiguous()
        coefficients = 0.1 * noise(before.shape[0], rank, 4, 4, seed=number + 9)
        delta = Delta(name, layer, rows, coefficients)
        weights[layer] = delta.added_to(before)
        facts.append(
            RuleFacts(
                name=name,
                layer=layer,
                weight_name=f"{layer.removeprefix('layer')}.weight",
                axes="IO",
                rank=rank,
                weight_before=weight_digest(to_file(before, "IO")),
                weight_after=weight_digest(to_file(weights[layer], "IO")),
            )
        )
        deltas.append(delta)
    about = EditFacts(
        recipe="demo",
        version="1.0.0",
        recipe_digest="0" * 64,
        model="tiny",
        arch="dcgan",
        tensors_digest="1" * 64,
        redraft="0.1.0",
        rules=tuple(facts),
    )
    return Edit(about, 'recipe demo 1.0.0 "Ünïcode"\n', tuple(deltas))


@pytest.fixture
def generator(make_generator: GeneratorMaker) -> DCGAN:
    return make_generator()


@pytest.fixture
def edit(generator: DCGAN) -> Edit:
    return make_edit(generator)


@pytest.fixture
def saved(edit: Edit, tmp_path: Path) -> Path:
    path = tmp_path / "edit.safetensors"
    edit.save(path)
    return path


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(module: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_what_is_saved_is_loaded_bit_for_bit(edit: Edit, saved: Path) -> None:
    found = Edit.load(saved)
    assert found.facts == edit.facts
    assert found.recipe_text == edit.recipe_text
    for one, other in zip(found.deltas, edit.deltas, strict=True):
        assert (one.rule, one.layer) == (other.rule, other.layer)
        assert torch.equal(one.directions, other.directions)
        assert torch.equal(one.coefficients, other.coefficients)


def test_equal_edits_are_equal_bytes(edit: Edit, saved: Path, generator: DCGAN) -> None:
    assert saved.read_bytes() == make_edit(generator).to_bytes()
    assert all(Edit.load(saved).to_bytes() == saved.read_bytes() for _ in range(5))
    turned = Delta("glasses", "layer6", edit.deltas[0].directions.T.contiguous().T,
                   edit.deltas[0].coefficients)  # fmt: skip
    assert Edit(edit.facts, edit.recipe_text, (turned, *edit.deltas[1:])).to_bytes() == (
        saved.read_bytes()
    )


def test_a_loaded_edit_does_not_follow_its_file(edit: Edit, saved: Path) -> None:
    found = Edit.load(saved)
    with saved.open("r+b") as file:
        file.write(bytes(saved.stat().st_size))
    assert torch.equal(found.deltas[0].coefficients, edit.deltas[0].coefficients)


def rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], object]) -> None:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def _facts(metadata: dict[str, str], **changes: object) -> None:
    metadata["edit"] = json.dumps({**json.loads(metadata["edit"]), **changes})


def _rule(metadata: dict[str, str], **changes: object) -> None:
    about = json.loads(metadata["edit"])
    about["rules"][0].update(changes)
    metadata["edit"] = json.dumps(about)


WRONG: dict[str, tuple[Callable[[dict[str, Tensor], dict[str, str]], object], str, str]] = {
    "newer": (lambda t, m: m.update(format="redraft-edit-2"), "RD655", "redraft-edit-2"),
    "no format": (lambda t, m: m.pop("format"), "RD656", "does not say that it is"),
    "other format": (lambda t, m: m.update(format="pt"), "RD656", "does not say that it is"),
    "no facts": (lambda t, m: m.pop("edit"), "RD656", "description cannot be read"),
    "facts cut": (lambda t, m: m.update(edit=m["edit"][:-9]), "RD656", "description"),
    "facts list": (lambda t, m: m.update(edit="[1]"), "RD656", "description"),
    "unknown fact": (lambda t, m: _facts(m, code="x"), "RD656", "description"),
    "axes": (lambda t, m: _rule(m, axes="up"), "RD656", "description"),
    "rank 0": (lambda t, m: _rule(m, rank=0), "RD656", "description"),
    "rank": (lambda t, m: _rule(m, rank=3), "RD656", "`glasses` is not of rank 3"),
    "missing": (lambda t, m: t.pop("1.coefficients"), "RD656", "`1.coefficients` is missing"),
    "nan": (
        lambda t, m: t["0.coefficients"].view(-1)[5].fill_(float("nan")),
        "RD656",
        "`0.coefficients` holds NaN",
    ),
    "infinite": (
        lambda t, m: t["2.directions"].view(-1)[0].fill_(float("-inf")),
        "RD656",
        "`2.directions` holds NaN or infinite",
    ),
    "half": (
        lambda t, m: t.update({"0.directions": t["0.directions"].half()}),
        "RD656",
        "`0.directions` is not a float32 tensor with 2 axes",
    ),
    "double": (
        lambda t, m: t.update({"0.coefficients": t["0.coefficients"].double()}),
        "RD656",
        "`0.coefficients` is not a float32",
    ),
    "flat": (
        lambda t, m: t.update({"0.coefficients": t["0.coefficients"].flatten()}),
        "RD656",
        "with 4 axes",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_not_right_is_refused_with_the_reason(saved: Path, case: str) -> None:
    change, code, words = WRONG[case]
    rewrite(saved, change)
    with pytest.raises(ArtifactError) as caught:
        Edit.load(saved)
    assert caught.value.code == code
    assert words in caught.value.message
    assert str(saved) in caught.value.message
    assert caught.value.help


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no file"):
        Edit.load(tmp_path / "edit.safetensors")
    with pytest.raises(ArtifactError, match="is a folder"):
        Edit.load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of a file")
def test_a_file_that_may_not_be_read_is_refused(edit: Edit, ordinary_user: Path) -> None:
    path = ordinary_user / "edit.safetensors"
    edit.save(path)
    path.chmod(0)
    with pytest.raises(ArtifactError):
        Edit.load(path)


@settings(max_examples=60)
@given(st.data())
def test_a_cut_or_changed_file_never_ends_in_a_traceback(
    make_generator: GeneratorMaker, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = make_edit(make_generator()).to_bytes()
    path = tmp_path_factory.mktemp("hostile") / "edit.safetensors"
    if data.draw(st.booleans(), "cut"):
        changed = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, 2000))
        changed = whole[:place] + data.draw(st.binary(min_size=1, max_size=9)) + whole[place + 1 :]
    path.write_bytes(changed)
    try:
        found = Edit.load(path)
    except ArtifactError as error:
        told = error.help
    else:
        # A change of a letter or a digit can leave a sound file; what was cut cannot.
        told = found.facts.recipe if len(changed) >= len(whole) - 1 else None
    assert told


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E8M0", "F4", "U64", "BF16", "NONE", "F32"])
def test_unusual_number_formats_are_refused(saved: Path, dtype: str) -> None:
    data = saved.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    head["0.directions"]["dtype"] = dtype
    if dtype == "F32":
        head["0.directions"]["shape"] = [2**40, 2**40]
    text = json.dumps(head).encode()
    saved.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    with pytest.raises(ArtifactError):
        Edit.load(saved)


def test_apply_and_revert_restore_every_bit(edit: Edit, generator: DCGAN) -> None:
    before = snapshot(generator.module)
    handle = edit.apply(generator.module)
    after = snapshot(generator.module)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"6.weight", "9.weight"}
    assert {weight_digest(after[name]) for name in moved} == {
        edit.facts.rules[1].weight_after, edit.facts.rules[2].weight_after
    }  # fmt: skip
    handle.revert()
    assert same(generator.module, before)
    handle.revert()
    assert same(generator.module, before)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module, name: str) -> None:
        super().__init__()
        self.add_module(name, inner)


@pytest.mark.parametrize("names", [["main"], ["module"], ["main", "module"], ["G", "net", "x1"]])
def test_a_module_that_holds_the_generator_is_edited(
    edit: Edit, generator: DCGAN, make_generator: GeneratorMaker, names: list[str]
) -> None:
    wanted = make_generator()
    edit.apply(wanted.module)
    outer: nn.Module = generator.module
    for name in names:
        outer = Wrapped(outer, name)
    before = snapshot(outer)
    handle = edit.apply(outer)
    assert same(generator.module, snapshot(wanted.module))
    handle.revert()
    assert same(outer, before)


def test_a_module_in_training_keeps_its_parameters_themselves(edit: Edit, generator: DCGAN) -> None:
    generator.module.requires_grad_(True).train()
    parameter = generator.module[6].weight
    with edit.applied(generator.module):
        assert generator.module[6].weight is parameter
        assert parameter.requires_grad
        assert parameter.is_leaf
    assert generator.module.training


def spoil(edit: Edit, generator: DCGAN) -> None:
    before = snapshot(generator.module)
    with edit.applied(generator.module) as module:
        assert module is generator.module
        assert not same(module, before)
        module[6].weight.zero_()
        raise KeyboardInterrupt


def test_the_block_restores_whatever_happens_inside(edit: Edit, generator: DCGAN) -> None:
    before = snapshot(generator.module)
    with pytest.raises(KeyboardInterrupt):
        spoil(edit, generator)
    assert same(generator.module, before)


def test_another_base_is_refused_and_left_alone(edit: Edit, make_generator: GeneratorMaker) -> None:
    other = make_generator(7)
    before = snapshot(other.module)
    with pytest.raises(ModelError, match="is not the one of `tiny`") as caught:
        edit.apply(other.module)
    assert caught.value.code == "RD651"
    assert same(other.module, before)
    weight = other.form("layer9").weight
    edit.apply(other.module, force=True)
    assert torch.equal(other.form("layer9").weight, edit.deltas[2].added_to(weight))


def test_applying_twice_is_refused(edit: Edit, generator: DCGAN) -> None:
    edit.apply(generator.module)
    after = snapshot(generator.module)
    for rules in (None, ["hat"], ["glasses"]):
        with pytest.raises(ModelError, match="already holds this edit") as caught:
            edit.apply(generator.module, rules)
        assert caught.value.code == "RD651"
    assert same(generator.module, after)


def test_some_of_the_rules_at_some_strength(edit: Edit, generator: DCGAN) -> None:
    start = generator.form("layer6").weight
    with edit.applied(generator.module, ["glasses"], 0.5):
        wanted = edit.deltas[0].scaled(0.5).added_to(start)
        assert torch.equal(generator.form("layer6").weight, wanted)
    assert torch.equal(generator.form("layer6").weight, start)
    with edit.applied(generator.module, strength=0.0):
        assert torch.equal(generator.form("layer6").weight, start)


def test_a_later_rule_goes_on_without_the_earlier_one_and_after_it(
    edit: Edit, generator: DCGAN, make_generator: GeneratorMaker
) -> None:
    start = generator.form("layer6").weight
    with edit.applied(generator.module, ["hat"]):
        assert torch.equal(generator.form("layer6").weight, edit.deltas[1].added_to(start))
    whole = make_generator()
    edit.apply(whole.module, ["glasses", "hat"])
    edit.apply(generator.module, ["glasses"])
    edit.apply(generator.module, ["hat"])
    assert same(generator.module, snapshot(whole.module))


def test_an_unknown_rule_is_refused_with_the_known_ones(edit: Edit, generator: DCGAN) -> None:
    with pytest.raises(ArtifactError, match=r"no rule `cap` \(its rules are glasses, hat, tie\)"):
        edit.apply(generator.module, ["cap"])


def test_modules_of_another_make_are_refused(edit: Edit, generator: DCGAN) -> None:
    with pytest.raises(ModelError, match=r"`6.weight` is not there") as caught:
        edit.apply(nn.Sequential(nn.Linear(3, 3)))
    assert caught.value.code == "RD652"
    pair = nn.ModuleDict({"a": generator.module, "b": make_copy(generator)})
    with pytest.raises(ModelError, match="there more than once"):
        edit.apply(pair)


def make_copy(generator: DCGAN) -> nn.Module:
    import copy

    return copy.deepcopy(generator.module)


@pytest.mark.parametrize("shape", [(15, 12, 4, 4), (16, 12, 3, 3), (12, 16, 4, 4), (16,)])
def test_wrong_shapes_are_refused_even_by_force(
    edit: Edit, generator: DCGAN, shape: tuple[int, ...]
) -> None:
    tensors = dict(generator.module.state_dict())
    tensors["6.weight"] = torch.zeros(shape)
    with pytest.raises(ModelError, match="was made for") as caught:
        edit.edited(tensors, force=True)
    assert caught.value.code == "RD653"


def test_a_mapping_of_weights_is_left_alone(edit: Edit, generator: DCGAN) -> None:
    tensors = {f"G.main.{name}": t for name, t in snapshot(generator.module).items()}
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    changed = edit.edited(tensors)
    assert set(changed) == {"G.main.6.weight", "G.main.9.weight"}
    assert all(torch.equal(tensors[name], kept[name]) for name in kept)
    assert changed["G.main.6.weight"].is_contiguous()
