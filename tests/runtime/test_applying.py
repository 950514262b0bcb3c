"""Edits applied to checkpoint files, and taken back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from redraft.disk.digest import tensors_digest
from redraft.edit import apply
from redraft.edit.apply import apply_to_file, revert_file, undo_path
from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.errors import ArtifactError, ModelError, RedraftError
from redraft.models.arch import dcgan
from redraft.models.checkpoint.weights import load_state
from redraft.models.locate import Base, locate_file
from redraft.solve.delta import Delta

StateMaker = Callable[..., dict[str, Tensor]]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def state(dcgan_state: StateMaker) -> dict[str, Tensor]:
    return dcgan_state()


@pytest.fixture
def edit(state: dict[str, Tensor]) -> Edit:
    deltas, facts = [], []
    for name, index in (("hat", 3), ("tie", 9)):
        weight = state[f"{index}.weight"]
        into, out = weight.shape[:2]
        delta = Delta(name, f"layer{index}", noise(2, into, seed=index), noise(out, 2, 4, 4))
        after = delta.added_to(weight.transpose(0, 1)).transpose(0, 1)
        facts.append(
            RuleFacts(name=name, layer=f"layer{index}", weight_name=f"{index}.weight", axes="IO",
                      rank=2, weight_before=weight_digest(weight),
                      weight_after=weight_digest(after))
        )  # fmt: skip
        deltas.append(delta)
    about = EditFacts(
        recipe="demo", version="1.0.0", recipe_digest="0" * 64, model="tiny", arch="dcgan",
        tensors_digest="1" * 64, redraft="0.1.0", rules=tuple(facts),
    )  # fmt: skip
    return Edit(about, "", tuple(deltas))


def write_plain(path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, path)


def write_nested(path: Path, state: dict[str, Tensor]) -> None:
    named = {f"main.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 4, "netG_state_dict": named, "losses": [1.0, 0.5]}, path)


def write_parallel(path: Path, state: dict[str, Tensor]) -> None:
    torch.save({"state_dict": {f"module.main.{n}": t for n, t in state.items()}}, path)


def write_safetensors(path: Path, state: dict[str, Tensor]) -> None:
    save_file({f"main.{n}": t for n, t in state.items()}, path, {"note": "kept"})


FORMS = {
    "plain": (write_plain, "g.pth"),
    "nested": (write_nested, "g.tar"),
    "parallel": (write_parallel, "g.pt"),
    "safetensors": (write_safetensors, "g.safetensors"),
}


@pytest.fixture(params=FORMS)
def base(request: pytest.FixtureRequest, tmp_path: Path, state: dict[str, Tensor]) -> Base:
    write, name = FORMS[request.param]
    write(tmp_path / name, state)
    return locate_file(tmp_path / name, "tiny")


@pytest.fixture
def nested(tmp_path: Path, state: dict[str, Tensor]) -> Base:
    write_nested(tmp_path / "g.tar", state)
    return locate_file(tmp_path / "g.tar", "tiny")


def bare(path: Path) -> dict[str, Tensor]:
    return load_state(path).bare()


def test_a_file_comes_back_bit_for_bit(
    edit: Edit, base: Base, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    data = base.path.read_bytes()
    target = tmp_path / f"edited{base.path.suffix}"
    done = apply_to_file(edit, base, target)
    assert base.path.read_bytes() == data, "the base is only read"
    edited = bare(target)
    for rule in edit.facts.rules:
        assert weight_digest(edited[rule.weight_name]) == rule.weight_after
    moved = {name for name in state if not torch.equal(edited[name], state[name])}
    assert moved == {"3.weight", "9.weight"}
    assert {base.header.bare(name) for name in done.changed} == moved
    assert done.path == target
    back = tmp_path / f"back{base.path.suffix}"
    # The digest is the one that a run records of its base, whatever prefix the file has.
    assert revert_file(target, back) == tensors_digest(state)
    assert done.digest == tensors_digest(edited)
    restored = bare(back)
    assert list(restored) == list(bare(base.path))
    assert all(torch.equal(restored[name], state[name]) for name in state)


def test_the_edited_file_is_of_the_same_kind(edit: Edit, base: Base, tmp_path: Path) -> None:
    target = tmp_path / "edited"
    apply_to_file(edit, base, target)
    found = locate_file(target, "tiny")
    assert found.facts == base.facts
    assert found.header.format == base.header.format
    assert found.header.tensors.keys() == base.header.tensors.keys()


def test_what_else_a_checkpoint_holds_is_kept(edit: Edit, nested: Base, tmp_path: Path) -> None:
    apply_to_file(edit, nested, tmp_path / "edited.tar")
    whole = torch.load(tmp_path / "edited.tar", weights_only=True)
    assert (whole["epoch"], whole["losses"]) == (4, [1.0, 0.5])


def test_an_edited_file_is_a_generator_that_draws_otherwise(
    edit: Edit, nested: Base, tmp_path: Path
) -> None:
    apply_to_file(edit, nested, tmp_path / "edited.tar")
    pictures = [dcgan.build(bare(path)).sample(noise(2, 10)) for path in
                (nested.path, tmp_path / "edited.tar")]  # fmt: skip
    assert not torch.allclose(pictures[0], pictures[1], atol=1e-2)


def test_revert_may_write_over_the_edited_file(
    edit: Edit, nested: Base, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    target = tmp_path / "edited.tar"
    apply_to_file(edit, nested, target)
    revert_file(target, target)
    assert all(torch.equal(tensor, state[name]) for name, tensor in bare(target).items())


def test_some_rules_at_some_strength(
    edit: Edit, nested: Base, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    target = tmp_path / "edited.tar"
    done = apply_to_file(edit, nested, target, ["tie"], -0.5)
    weight = edit.deltas[1].scaled(-0.5).added_to(state["9.weight"].transpose(0, 1))
    assert torch.equal(bare(target)["9.weight"], weight.transpose(0, 1))
    assert done.changed == ("main.9.weight",)


def test_the_unedited_model_is_never_written_over(edit: Edit, nested: Base, tmp_path: Path) -> None:
    data = nested.path.read_bytes()
    link = tmp_path / "link.tar"
    link.symlink_to(nested.path)
    for target in (nested.path, tmp_path / "." / "g.tar", link):
        with pytest.raises(ArtifactError, match="is the unedited model itself") as caught:
            apply_to_file(edit, nested, target)
        assert caught.value.code == "RD670"
    assert nested.path.read_bytes() == data


def test_an_edited_file_is_no_base(edit: Edit, nested: Base, tmp_path: Path) -> None:
    target = tmp_path / "edited.tar"
    apply_to_file(edit, nested, target)
    with pytest.raises(ModelError, match="already holds this edit"):
        apply_to_file(edit, locate_file(target, "tiny"), tmp_path / "twice.tar")
    assert not (tmp_path / "twice.tar").exists()
    assert not undo_path(tmp_path / "twice.tar").exists()


def test_another_model_is_refused_unless_forced(
    edit: Edit, tmp_path: Path, dcgan_state: StateMaker
) -> None:
    write_nested(tmp_path / "other.tar", dcgan_state(3))
    other = locate_file(tmp_path / "other.tar", "other")
    with pytest.raises(ModelError) as caught:
        apply_to_file(edit, other, tmp_path / "edited.tar")
    assert caught.value.code == "RD651"
    assert not (tmp_path / "edited.tar").exists()
    apply_to_file(edit, other, tmp_path / "edited.tar", force=True)
    revert_file(tmp_path / "edited.tar", tmp_path / "back.tar")
    assert all(torch.equal(t, dcgan_state(3)[n]) for n, t in bare(tmp_path / "back.tar").items())


def test_a_file_that_changed_after_the_edit_is_not_reverted(
    edit: Edit, nested: Base, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    target = tmp_path / "edited.tar"
    apply_to_file(edit, nested, target)
    edited = bare(target)
    edited["1.bias"][0] += 1e-6
    write_nested(target, edited)
    data = target.read_bytes()
    with pytest.raises(ArtifactError, match="has changed since the edit was applied"):
        revert_file(target, target)
    assert target.read_bytes() == data


def test_a_missing_undo_file_is_named(edit: Edit, nested: Base, tmp_path: Path) -> None:
    target = tmp_path / "edited.tar"
    done = apply_to_file(edit, nested, target)
    done.undo.unlink()
    with pytest.raises(ArtifactError, match="there is no undo file") as caught:
        revert_file(target, tmp_path / "back.tar")
    assert str(done.undo) in caught.value.message
    assert not (tmp_path / "back.tar").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _other(path: Path) -> None:
    save_file({"3.weight": torch.zeros(3)}, path)


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x40
    path.write_bytes(data)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_cut, _other, _flipped, _folder, lambda p: p.write_bytes(b"")])
def test_a_damaged_undo_file_is_refused(
    edit: Edit, nested: Base, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    target = tmp_path / "edited.tar"
    damage(apply_to_file(edit, nested, target).undo)
    with pytest.raises(ArtifactError) as caught:
        revert_file(target, tmp_path / "back.tar")
    assert caught.value.help
    assert not (tmp_path / "back.tar").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of a folder")
def test_a_folder_that_may_not_be_written_to_is_told(
    edit: Edit, state: dict[str, Tensor], ordinary_user: Path
) -> None:
    write_nested(ordinary_user / "g.tar", state)
    shut = ordinary_user / "shut"
    shut.mkdir()
    shut.chmod(0o500)
    with pytest.raises(ArtifactError, match="may not be written to"):
        apply_to_file(edit, locate_file(ordinary_user / "g.tar", "tiny"), shut / "edited.tar")
    assert not list(shut.iterdir())


def test_a_missing_edited_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RedraftError):
        apply.revert_file(tmp_path / "none.tar", tmp_path / "back.tar")
