from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.disk.digest import tensors_digest
from redraft.errors import ArtifactError, ModelError
from redraft.models.checkpoint.header import read_header
from redraft.models.checkpoint.sets import shared_prefix
from redraft.models.checkpoint.weights import State, load_state, write_state

TORCH_FORMATS = ["torch-zip", "torch-legacy"]
DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    *(torch.complex64, torch.complex128),
]
UNREADABLE = [("torch-legacy", torch.float8_e4m3fn), ("safetensors", torch.complex128)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def generator() -> torch.nn.Module:
    return torch.nn.Sequential(
        OrderedDict(
            main=torch.nn.Sequential(
                torch.nn.ConvTranspose2d(5, 4, 4, bias=False),
                torch.nn.BatchNorm2d(4),
                torch.nn.ReLU(),
                torch.nn.ConvTranspose2d(4, 3, 4, 2, 1, bias=False),
            )
        )
    )


def save(path: Path, value: Any, form: str) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=form == "torch-zip")
    return path


def same_bits(a: State, b: State) -> None:
    assert list(a.tensors) == list(b.tensors)
    for name, tensor in a.tensors.items():
        other = b.tensors[name]
        assert tensor.dtype == other.dtype, name
        assert tensors_digest({name: tensor}) == tensors_digest({name: other}), name
    assert a.header.format == b.header.format
    assert a.header.nesting == b.header.nesting
    assert a.header.tensors == b.header.tensors


# ---- reading --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", TORCH_FORMATS)
def test_a_training_checkpoint(tmp_path: Path, form: str) -> None:
    model = generator()
    adam = torch.optim.Adam(model.parameters())
    model(torch.randn(2, 5, 1, 1)).sum().backward()
    adam.step()
    path = save(
        tmp_path / "run.pth",
        {
            "epoch": 7,
            "netD_state_dict": {"conv.weight": torch.randn(2, 2)},
            "netG_state_dict": model.state_dict(),
            "optimizer": adam.state_dict(),
            "loss": [0.5, None, True, 2**70, b"raw"],
            "args": argparse.Namespace(lr=1e-4, names=["a"]),
        },
        form,
    )
    header = read_header(path)
    assert header.format == form
    assert header.nesting == ("netG_state_dict",)
    assert header.prefix == "main."
    assert list(header.tensors) == list(model.state_dict())
    assert header.tensors["main.0.weight"].shape == (5, 4, 4, 4)
    assert header.tensors["main.1.num_batches_tracked"].dtype == "int64"
    assert header.bare("main.0.weight") == "0.weight"
    state = load_state(path)
    assert tensors_digest(state.tensors) == tensors_digest(model.state_dict())
    assert next(iter(state.bare())) == "0.weight"
    assert not any(tensor.requires_grad for tensor in state.tensors.values())


READABLE = [pair for pair in itertools.product(TORCH_FORMATS, DTYPES) if pair not in UNREADABLE]


@pytest.mark.parametrize(("form", "dtype"), READABLE, ids=str)
def test_every_dtype(tmp_path: Path, form: str, dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    path = save(tmp_path / "f", {"w": tensor, "scalar": tensor[0, 1]}, form)
    header = read_header(path)
    assert header.tensors["w"].dtype == str(dtype).removeprefix("torch.")
    assert header.tensors["w"].shape == (2, 3)
    assert header.tensors["scalar"].shape == ()
    write_state(tmp_path / "g", load_state(path).tensors, header)
    same_bits(load_state(path), load_state(tmp_path / "g"))


def test_a_dtype_that_the_older_form_cannot_hold(tmp_path: Path) -> None:
    path = save(tmp_path / "f", {"w": torch.ones(2).to(torch.float8_e4m3fn)}, "torch-legacy")
    with pytest.raises(ModelError, match="float8_e4m3fn tensors in torch's older file form"):
        load_state(path)


@pytest.mark.parametrize("form", TORCH_FORMATS)
def test_parameters_and_views(tmp_path: Path, form: str) -> None:
    base = torch.randn(6, 8)
    weights = {
        "p": torch.nn.Parameter(torch.randn(3)),
        "row": base[2],
        "turned": base.t(),
        "empty": torch.empty(0, 4),
        "images": torch.randn(1, 3, 4, 4).to(memory_format=torch.channels_last),
    }
    path = save(tmp_path / "f", weights, form)
    assert {n: i.shape for n, i in read_header(path).tensors.items()} == {
        name: tuple(tensor.shape) for name, tensor in weights.items()
    }
    assert tensors_digest(load_state(path).tensors) == tensors_digest(weights)


def test_safetensors(tmp_path: Path) -> None:
    weights = {
        "module.b": torch.randn(2, 3),
        "module.a": torch.arange(4),
        "module.c": torch.ones(()),
    }
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(weights, path, {"title": "mine"})
    header = read_header(path)
    assert header.format == "safetensors"
    assert header.nesting == ()
    assert header.tensors.keys() == weights.keys()
    assert header.tensors["module.a"].dtype == "int64"
    assert tensors_digest(load_state(path).tensors) == tensors_digest(weights)


@pytest.mark.parametrize("length", [0x80, int.from_bytes(b"PK", "little")])
def test_safetensors_whose_length_looks_like_another_form(tmp_path: Path, length: int) -> None:
    head = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(length)
    path = tmp_path / "f"
    path.write_bytes(length.to_bytes(8, "little") + head + b"\0\0\x80\x3f")
    assert read_header(path).format == "safetensors"
    assert load_state(path).tensors["w"].tolist() == [1.0]


def test_reading_the_head_needs_no_torch_and_no_weights(tmp_path: Path) -> None:
    path = save(tmp_path / "f", {"w": torch.ones(1000, 1000)}, "torch-zip")
    # Spoil the weights: whoever looked at them would see it.
    data = path.read_bytes().replace(b"\0\0\x80\x3f" * 1_000_000, b"\xff" * 4_000_000)
    path.write_bytes(data)
    program = (
        "import sys; from pathlib import Path\n"
        "from redraft.models.checkpoint.header import read_header\n"
        "print(read_header(Path(sys.argv[1])).tensors['w'].shape, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1000, 1000) False"
    with pytest.raises(ModelError, match="1000000 of 1000000 values that are NaN"):
        load_state(path)


W = {"0.weight": torch.ones(1), "0.bias": torch.ones(1)}


@pytest.mark.parametrize(
    ("value", "nesting"),
    [
        (W, ()),
        ({"g": W, "d": W, "g_ema": W, "latent_avg": torch.ones(3)}, ("g_ema",)),
        ({"state_dict": W, "epoch": 3}, ("state_dict",)),
        ({"epoch": 3, "mine": W}, ("mine",)),
        ({"mine": {"inner": W}}, ("mine", "inner")),
        ({"models": {"netD": W, "netG": W}}, ("models", "netG")),
        ({**W, "epoch": 3, "history": [1.0]}, ()),
        (OrderedDict(W), ()),
    ],
    ids=str,
)
def test_where_the_generator_lies(tmp_path: Path, value: Any, nesting: tuple[str, ...]) -> None:
    path = save(tmp_path / "f", value, "torch-zip")
    assert read_header(path).nesting == nesting
    assert list(load_state(path).tensors) == list(W)


def test_several_sets_and_no_generator(tmp_path: Path) -> None:
    path = save(tmp_path / "f", {"one": W, "two": W | {"2.bias": torch.ones(1)}}, "torch-zip")
    with pytest.raises(ModelError, match=r"several sets of tensors \(one, two\), none named"):
        read_header(path)


@pytest.mark.parametrize("value", [{}, {"epoch": 1}, [torch.ones(1)], torch.ones(2), None, 3])
def test_no_named_tensors(tmp_path: Path, value: Any) -> None:
    path = save(tmp_path / "f", value, "torch-zip")
    with pytest.raises(ModelError, match="holds no named tensors"):
        load_state(path)


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["main.0.weight", "main.1.bias"], "main."),
        (["module.main.0.weight", "module.main.1.bias"], "module.main."),
        (["0.weight", "0.bias"], ""),
        (["layer1.conv.weight", "layer1.conv.bias"], ""),
        (["main.0.weight", "other.1.bias"], ""),
        (["main.weight", "main.bias"], ""),
        (["main.0.weight"], ""),
        ([], ""),
    ],
)
def test_shared_prefix(names: list[str], prefix: str) -> None:
    assert shared_prefix(dict.fromkeys(names)) == prefix


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_weights_that_are_no_numbers(tmp_path: Path, bad: float, dtype: torch.dtype) -> None:
    weights = {"fine": torch.ones(3), "spoilt": torch.tensor([1.0, bad, 2.0], dtype=dtype)}
    path = save(tmp_path / "f", weights, "torch-zip")
    with pytest.raises(ModelError, match=r"1 of 3 values .* in tensor 'spoilt'"):
        load_state(path)


# ---- writing --------------------------------------------------------------------------------


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    shapes=st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=5, max_size=5),
    dtypes=st.lists(st.sampled_from(DTYPES), min_size=5, max_size=5),
    form=st.sampled_from([*TORCH_FORMATS, "safetensors"]),
    nested=st.booleans(),
)
def test_unchanged_tensors_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    shapes: list[list[int]],
    dtypes: list[torch.dtype],
    form: str,
    nested: bool,
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    weights = {
        name: torch.randint(0, 2, shape).to(dtype)
        for name, shape, dtype in zip(names, shapes, dtypes, strict=False)
        if (form, dtype) not in UNREADABLE
    }
    if not weights:
        return
    path = folder / "in"
    if form == "safetensors":
        weights.pop("__metadata__", None)
        safetensors.torch.save_file(weights, path)
    else:
        save(path, {"state_dict": weights, "epoch": 1} if nested else weights, form)
    before = load_state(path)
    write_state(folder / "out", before.tensors, before)
    same_bits(before, load_state(folder / "out"))
    # Also when every tensor is a fresh copy, and when none is given.
    write_state(folder / "out", {n: t.clone() for n, t in before.tensors.items()}, before.header)
    same_bits(before, load_state(folder / "out"))
    write_state(folder / "out", {}, before)
    same_bits(before, load_state(folder / "out"))


@pytest.mark.parametrize("form", TORCH_FORMATS)
def test_everything_else_in_the_file_is_kept(tmp_path: Path, form: str) -> None:
    model = generator()
    path = save(
        tmp_path / "in.pth",
        {
            "netG_state_dict": model.state_dict(),
            "netD_state_dict": {"w": torch.randn(3)},
            "args": argparse.Namespace(lr=1e-4),
            "epoch": 7,
        },
        form,
    )
    before = load_state(path)
    edited = dict(before.tensors)
    edited["main.3.weight"] = edited["main.3.weight"] + 1
    write_state(tmp_path / "out.pth", edited, before)
    with torch.serialization.safe_globals([argparse.Namespace]):
        old = torch.load(path, weights_only=True)
        new = torch.load(tmp_path / "out.pth", weights_only=True)
    assert list(new) == list(old)
    assert new["args"] == old["args"]
    assert new["epoch"] == 7
    assert torch.equal(new["netD_state_dict"]["w"], old["netD_state_dict"]["w"])
    assert type(new["netG_state_dict"]) is type(old["netG_state_dict"])
    assert new["netG_state_dict"]._metadata == old["netG_state_dict"]._metadata
    assert list(new["netG_state_dict"]) == list(old["netG_state_dict"])
    for name, tensor in old["netG_state_dict"].items():
        expected = tensor + 1 if name == "main.3.weight" else tensor
        assert torch.equal(new["netG_state_dict"][name], expected), name
    # A program that knows nothing of redraft can use the file.
    model.load_state_dict(new["netG_state_dict"])


def test_safetensors_keep_their_layout_and_notes(tmp_path: Path) -> None:
    path = tmp_path / "in.safetensors"
    weights = {"b": torch.randn(2, 3), "a": torch.arange(4), "c": torch.randn(5).half()}
    safetensors.torch.save_file(weights, path, {"title": "mine"})
    write_state(tmp_path / "out", {"b": torch.zeros(2, 3)}, read_header(path))
    with safetensors.safe_open(tmp_path / "out", "pt") as out:
        assert out.metadata() == {"title": "mine"}
    loaded = safetensors.torch.load_file(tmp_path / "out")
    assert torch.equal(loaded["b"], torch.zeros(2, 3))
    assert torch.equal(loaded["a"], weights["a"])
    assert torch.equal(loaded["c"], weights["c"])
    assert (tmp_path / "out").stat().st_size == path.stat().st_size


def test_the_same_edit_gives_the_same_bytes(tmp_path: Path) -> None:
    state = load_state(save(tmp_path / "in", generator().state_dict(), "torch-zip"))
    edit = {"main.0.weight": torch.zeros(5, 4, 4, 4)}
    write_state(tmp_path / "one.pth", edit, state)
    write_state(tmp_path / "two.pth", edit, state)
    assert (tmp_path / "one.pth").read_bytes() == (tmp_path / "two.pth").read_bytes()


def test_the_dtype_of_the_file_is_kept(tmp_path: Path) -> None:
    state = load_state(save(tmp_path / "in", {"w": torch.ones(2).half()}, "torch-zip"))
    write_state(tmp_path / "out", {"w": torch.tensor([1.0, 2.5], dtype=torch.float64)}, state)
    written = load_state(tmp_path / "out").tensors["w"]
    assert written.dtype == torch.float16
    assert written.tolist() == [1.0, 2.5]


def test_a_view_does_not_bring_its_base_along(tmp_path: Path) -> None:
    state = load_state(save(tmp_path / "in", {"w": torch.ones(4)}, "torch-zip"))
    write_state(tmp_path / "out", {"w": torch.zeros(1_000_000, 4)[3]}, state)
    assert (tmp_path / "out").stat().st_size < 5_000


def test_a_parameter_stays_one(tmp_path: Path) -> None:
    path = save(tmp_path / "in", {"w": torch.nn.Parameter(torch.ones(2))}, "torch-zip")
    write_state(tmp_path / "out", {"w": torch.zeros(2)}, load_state(path))
    written = torch.load(tmp_path / "out", weights_only=True)["w"]
    assert isinstance(written, torch.nn.Parameter)
    assert written.requires_grad
    assert written.tolist() == [0, 0]


def test_the_original_may_be_replaced(tmp_path: Path) -> None:
    path = save(tmp_path / "f", {"w": torch.ones(2)}, "torch-zip")
    write_state(path, {"w": torch.zeros(2)}, load_state(path))
    assert load_state(path).tensors["w"].tolist() == [0, 0]
    assert names_in(tmp_path) == ["f"]


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"v": torch.ones(2)}, "has no tensor named 'v'"),
        ({"w": torch.ones(3)}, r"'w' has shape \(3,\), the file's has \(2,\)"),
        ({"w": torch.tensor([1.0, float("nan")])}, "1 values of 'w' are NaN or infinite"),
        ({"w": torch.tensor([1.0, 1e6])}, "1 values of 'w' are NaN or infinite as float16"),
    ],
)
def test_tensors_that_do_not_belong(
    tmp_path: Path, tensors: dict[str, torch.Tensor], words: str
) -> None:
    state = load_state(save(tmp_path / "f", {"w": torch.ones(2).half()}, "torch-zip"))
    with pytest.raises(ArtifactError, match=words):
        write_state(tmp_path / "out", tensors, state)
    assert names_in(tmp_path) == ["f"]


@pytest.mark.parametrize("gone", [False, True])
def test_an_original_that_changed_meanwhile(tmp_path: Path, gone: bool) -> None:
    path = save(tmp_path / "f", {"w": torch.ones(2)}, "torch-zip")
    state = load_state(path)
    path.unlink()
    if not gone:
        save(path, {"w": torch.ones(2), "v": torch.ones(200)}, "torch-zip")
    with pytest.raises(ModelError, match="there is no file" if gone else "has changed since"):
        write_state(tmp_path / "out", state.tensors, state)
    assert not (tmp_path / "out").exists()


# ---- digests --------------------------------------------------------------------------------


def test_the_digest_is_the_same_in_every_release() -> None:
    weights = {"b": torch.tensor([[1.0, -2.0]]), "a": torch.tensor(3)}
    assert tensors_digest(weights).startswith("40b9ec5e0d21c0aa")


def test_the_digest_sees_bits_not_layout() -> None:
    base = torch.randn(3, 5)
    assert tensors_digest({"w": base}) == tensors_digest({"w": base.t().contiguous().t()})
    assert tensors_digest({"a": base, "b": base}) == tensors_digest({"b": base, "a": base})
    different = [
        {"w": base},
        {"v": base},
        {"w": base.reshape(5, 3)},
        {"w": base.double()},
        {"w": base.view(torch.int32)},
        {"w": torch.nextafter(base, base + 1)},
        {"w": base, "v": base},
        {},
    ]
    assert len({tensors_digest(weights) for weights in different}) == len(different)
    assert tensors_digest({"w": torch.zeros(1)}) != tensors_digest({"w": -torch.zeros(1)})
