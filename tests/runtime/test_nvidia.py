"""NVIDIA's pickled networks: read and written without running the program inside."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from redraft.disk.digest import tensors_digest
from redraft.edit.apply import apply_to_file, revert_file
from redraft.edit.artifact import Edit, EditFacts, RuleFacts, weight_digest
from redraft.errors import ArtifactError, ModelError
from redraft.models.checkpoint.header import read_header
from redraft.models.checkpoint.weights import load_state, write_state
from redraft.models.locate import Base, locate_file
from redraft.models.open import open_base
from redraft.solve.delta import Delta
from redraft_dsl.facts import ModelFacts

# What their files carry as the text of a program; whoever runs or compiles it is found out.
PROGRAM = "open({marker!r}, 'w').close()\n# " + "x" * 5000 + "\nthis does not compile"


class EasyDict(dict):  # type: ignore[type-arg]
    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


EasyDict.__module__ = "dnnlib.util"


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> nn.Module:
    """A stand-in for theirs that makes plain modules of the attributes."""
    assert meta["type"] == "class"
    assert meta["version"] == 6
    assert isinstance(meta["module_src"], str)
    module = nn.Module.__new__(nn.Module)
    module.__dict__.update(meta["state"])
    return module


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent(nn.Module):
    """A module that is pickled as theirs are."""

    program = "import os"

    def __init__(self, class_name: str, **values: Any) -> None:
        super().__init__()
        self.class_name = class_name
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def __reduce__(self) -> Any:
        state = {name: value for name, value in self.__dict__.items() if name != "class_name"}
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.program,
            "class_name": self.class_name,
            "state": state,
        }
        return _reconstruct_persistent_obj, (meta,), None


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules under the names that the pickles use, so that pickle itself can write and load."""
    for name, values in {
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
        "dnnlib": {},
        "dnnlib.util": {"EasyDict": EasyDict},
    }.items():
        module = types.ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


def layer(into: int, out: int, size: int) -> Persistent:
    return Persistent(
        "SynthesisLayer",
        affine=Persistent("FullyConnectedLayer", weight=parameter(into, 8), bias=parameter(into)),
        weight=nn.Parameter(torch.randn(out, into, 3, 3).to(memory_format=torch.channels_last)),
        noise_strength=nn.Parameter(torch.zeros([])),
        bias=parameter(out),
        resample_filter=torch.ones(4, 4) / 16,
        noise_const=torch.randn(size, size),
        weight_gain=1 / np.sqrt(into * 9),
        conv_clamp=256,
        activation="lrelu",
        up=1,
    )


def generator(c_dim: int = 0) -> Persistent:
    blocks = {
        "b4": Persistent("SynthesisBlock", const=parameter(6, 4, 4), conv1=layer(6, 6, 4)),
        "b8": Persistent("SynthesisBlock", conv0=layer(6, 5, 8), conv1=layer(5, 5, 8)),
    }
    mapping = Persistent("MappingNetwork", fc0=layer(8, 8, 2), w_avg=torch.randn(8), embed=None)
    mapping.register_buffer("passing", torch.ones(3), persistent=False)
    mapping.register_parameter("nothing", None)
    made = Persistent(
        "Generator",
        synthesis=Persistent("SynthesisNetwork", **blocks, block_resolutions=[4, 8]),
        mapping=mapping,
        z_dim=8,
        c_dim=c_dim,
        img_resolution=8,
        size=np.broadcast_to(np.asarray(8), [2]).copy(),
        dtype=torch.float32,
    )
    made._init_args = ()  # type: ignore[assignment]
    given = {"z_dim": 8, "c_dim": c_dim, "synthesis_kwargs": EasyDict(conv_clamp=256)}
    made._init_kwargs = EasyDict(given)  # type: ignore[assignment]
    return made.eval().requires_grad_(False)


def snapshot(c_dim: int = 0) -> dict[str, Any]:
    torch.manual_seed(3)
    return {
        "G": generator(c_dim),
        "D": Persistent("Discriminator", b8=layer(3, 4, 8)),
        "G_ema": generator(c_dim),
        "augment_pipe": None,
        "training_set_kwargs": EasyDict(class_name="training.dataset.Folder", xflip=False),
    }


def save(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.fixture
def pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Persistent, "program", PROGRAM.format(marker=str(tmp_path / "marker")))
    return save(tmp_path / "net.pkl", snapshot())


def expected() -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = snapshot()["G_ema"].state_dict()
    return state


# ---- reading --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_the_smoothed_generator_is_read_by_preference(tmp_path: Path, protocol: int) -> None:
    path = save(tmp_path / "net.pkl", snapshot(), protocol)
    header = read_header(path)
    assert (header.format, header.nesting, header.prefix) == ("nvidia-pickle", ("G_ema",), "")
    assert {name: (info.shape, info.dtype) for name, info in header.tensors.items()} == {
        name: (tuple(tensor.shape), "float32") for name, tensor in expected().items()
    }
    # In the order of their own state dict, and without what it leaves out.
    assert list(header.tensors) == list(expected())
    assert "mapping.w_avg" in header.tensors
    assert "mapping.passing" not in header.tensors
    state = load_state(path)
    assert tensors_digest(state.tensors) == tensors_digest(expected())
    assert not any(tensor.requires_grad for tensor in state.tensors.values())


def test_the_program_inside_is_never_run(pickled: Path) -> None:
    state = load_state(pickled)
    write_state(pickled.with_name("out.pkl"), state.tensors, state)
    assert sorted(path.name for path in pickled.parent.iterdir()) == ["net.pkl", "out.pkl"]


def test_how_the_generator_was_made_is_told(tmp_path: Path) -> None:
    header = read_header(save(tmp_path / "net.pkl", snapshot(c_dim=10)))
    assert header.attributes["class_name"] == "Generator"
    assert header.attributes["c_dim"] == 10
    assert header.attributes["img_resolution"] == 8
    assert header.attributes["_init_kwargs.synthesis_kwargs.conv_clamp"] == 256
    assert header.attributes["synthesis.b4.conv1.conv_clamp"] == 256
    assert header.attributes["synthesis.b4.conv1.activation"] == "lrelu"
    assert header.attributes["mapping.fc0.affine.class_name"] == "FullyConnectedLayer"
    assert not any("module_src" in name for name in header.attributes)


@pytest.mark.parametrize(
    ("value", "nesting"),
    [
        (lambda s: s, ("G_ema",)),
        (lambda s: {"G": s["G"], "D": s["D"]}, ("G",)),
        (lambda s: {"D": s["D"], "net": s["G"], "G_ema": s["G_ema"]}, ("G_ema",)),
        (lambda s: s["G_ema"], ()),
        (lambda s: {"epoch": 3, "state_dict": dict(s["G_ema"].state_dict())}, ("state_dict",)),
        (lambda s: {"G_ema": s["G_ema"], "latent_avg": torch.ones(8)}, ("G_ema",)),
    ],
)
def test_where_the_generator_lies(
    tmp_path: Path, value: Callable[[dict[str, Any]], Any], nesting: tuple[str, ...]
) -> None:
    path = save(tmp_path / "net.pkl", value(snapshot()))
    assert read_header(path).nesting == nesting
    assert load_state(path).tensors.keys() == expected().keys()


def test_the_head_is_read_without_torch_and_without_the_modules(pickled: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from redraft.models.checkpoint.header import read_header\n"
        "print(len(read_header(Path(sys.argv[1])).tensors), 'torch' in sys.modules, "
        "'dnnlib' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(pickled)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(len(expected())), "False", "False"]


DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_view_and_size(tmp_path: Path, dtype: torch.dtype) -> None:
    base = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 1], [0, 0, 1, 0]]).to(dtype)
    weights = {
        "whole": base,
        "turned": base.t(),
        "part": base[1:, 1:3],
        "one": base[1, 2],
        "none": torch.empty(0, 4, dtype=dtype),
    }
    path = save(tmp_path / "net.pkl", {"G_ema": weights})
    state = load_state(path)
    assert tensors_digest(state.tensors) == tensors_digest(weights)
    changed = {name: (tensor == 0).to(dtype) for name, tensor in weights.items()}
    write_state(tmp_path / "out.pkl", changed, state)
    assert tensors_digest(load_state(tmp_path / "out.pkl").tensors) == tensors_digest(changed)
    loaded = pickle.loads((tmp_path / "out.pkl").read_bytes())["G_ema"]
    assert tensors_digest(loaded) == tensors_digest(changed)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    value = snapshot()
    with torch.no_grad():
        value["G_ema"].mapping.w_avg[2] = float("nan")
    path = save(tmp_path / "net.pkl", value)
    with pytest.raises(ModelError, match=r"1 of 8 values .* in tensor 'mapping\.w_avg'"):
        load_state(path)


def in_modules(state: dict[str, torch.Tensor], **values: Any) -> Persistent:
    """The modules that hold these tensors; ``values`` lie in each of them."""
    inner: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        head, _, rest = name.partition(".")
        inner.setdefault(head, {})[rest] = tensor
    held = {
        name: tensors[""] if "" in tensors else in_modules(tensors, **values)
        for name, tensors in inner.items()
    }
    return Persistent("Module", **held, **values)


@pytest.mark.parametrize("clamp", [None, 256, 0.05])
def test_a_stylegan2_of_theirs_is_opened_with_its_clamp(
    tmp_path: Path, stylegan2_state: Callable[..., dict[str, torch.Tensor]], clamp: float | None
) -> None:
    tensors = stylegan2_state(4, "vendor")
    module = in_modules(tensors, conv_clamp=clamp)
    base = locate_file(save(tmp_path / "net.pkl", {"G_ema": module}), "net")
    assert base.facts.arch == "stylegan2"
    generator = open_base(base, torch.device("cpu")).generator
    latents = torch.randn(2, base.facts.latent_size, generator=torch.Generator().manual_seed(1))
    assert base.header.attributes["synthesis.b8.conv0.conv_clamp"] == clamp
    for name in base.facts.layer_names()[:2]:
        inputs = generator.inputs(latents, [name])[name]
        form = generator.form(name)
        largest = float(form.activate(form.response(inputs, form.weight)).abs().max())
        assert largest == pytest.approx(0.05) if clamp == 0.05 else largest > 0.06


def test_a_stylegan2_by_class_is_refused(
    tmp_path: Path, stylegan2_state: Callable[..., dict[str, torch.Tensor]]
) -> None:
    tensors = stylegan2_state(4, "vendor")
    tensors["mapping.embed.weight"] = torch.ones(7, 10)
    path = save(tmp_path / "net.pkl", {"G_ema": in_modules(tensors, c_dim=10)})
    with pytest.raises(ModelError, match="draws by class"):
        locate_file(path, "net")


# ---- writing --------------------------------------------------------------------------------


def differing(before: bytes, after: bytes) -> list[int]:
    assert len(before) == len(after)
    one, other = np.frombuffer(before, np.uint8), np.frombuffer(after, np.uint8)
    return np.flatnonzero(one != other).tolist()  # type: ignore[no-any-return]


def test_only_the_edited_tensor_s_bytes_change(pickled: Path) -> None:
    state = load_state(pickled)
    name = "synthesis.b8.conv0.weight"
    edited = state.tensors[name] + 1
    write_state(pickled.with_name("out.pkl"), {**state.tensors, name: edited}, state)
    before, after = pickled.read_bytes(), pickled.with_name("out.pkl").read_bytes()
    # Kept in memory as it was trained: channels last.
    old, new = (
        tensor.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
        for tensor in (state.tensors[name], edited)
    )
    assert before.count(old) == 1
    assert after == before.replace(old, new)


def test_the_edited_file_loads_as_the_vendor_loads_it(pickled: Path) -> None:
    state = load_state(pickled)
    edits = {
        "synthesis.b4.conv1.weight": torch.randn(6, 6, 3, 3),
        "mapping.w_avg": torch.zeros(8),
        "synthesis.b8.conv1.noise_strength": torch.tensor(0.25),
    }
    write_state(pickled.with_name("out.pkl"), edits, state)
    loaded = pickle.loads(pickled.with_name("out.pkl").read_bytes())
    original = pickle.loads(pickled.read_bytes())
    assert loaded.keys() == original.keys()
    wanted = {**original["G_ema"].state_dict(), **edits}
    assert tensors_digest(loaded["G_ema"].state_dict()) == tensors_digest(wanted)
    for other in ("G", "D"):
        assert tensors_digest(loaded[other].state_dict()) == tensors_digest(
            original[other].state_dict()
        )
    assert isinstance(loaded["G_ema"].synthesis.b4.conv1.weight, nn.Parameter)


def test_nothing_to_change_gives_the_same_bytes(pickled: Path) -> None:
    state = load_state(pickled)
    copies = {name: tensor.clone().contiguous() for name, tensor in state.tensors.items()}
    write_state(pickled.with_name("out.pkl"), copies, state.header)
    assert pickled.with_name("out.pkl").read_bytes() == pickled.read_bytes()


def edit_of(name: str, weight: torch.Tensor) -> Edit:
    change = Delta("hat", "layer4", torch.eye(2, weight.shape[1]), torch.ones(5, 2, 3, 3))
    facts = RuleFacts(
        name="hat",
        layer="layer4",
        weight_name=name,
        axes="OI",
        rank=2,
        weight_before=weight_digest(weight),
        weight_after=weight_digest(change.added_to(weight)),
    )
    about = EditFacts(
        recipe="demo",
        version="1.0.0",
        recipe_digest="0" * 64,
        model="net",
        arch="stylegan2",
        tensors_digest="1" * 64,
        redraft="0.1.0",
        rules=(facts,),
    )
    return Edit(about, "", (change,))


def test_applying_and_reverting_an_edit(pickled: Path) -> None:
    name = "synthesis.b8.conv0.weight"
    weight = load_state(pickled).tensors[name]
    facts = ModelFacts(arch="stylegan2", image_size=(8, 8), latent_size=8, layers=())
    base = Base("net", pickled, read_header(pickled), facts, "0" * 64, "nvidia")
    target = pickled.with_name("hat.pkl")
    done = apply_to_file(edit_of(name, weight), base, target)
    assert done.changed == (name,)
    loaded = pickle.loads(target.read_bytes())["G_ema"].synthesis.b8.conv0.weight
    assert torch.equal(loaded[:, :2], weight[:, :2] + 1)
    assert torch.equal(loaded[:, 2:], weight[:, 2:])
    revert_file(target, pickled.with_name("back.pkl"))
    assert pickled.with_name("back.pkl").read_bytes() == pickled.read_bytes()
    # Nothing ran the program, whichever way the file went.
    assert not pickled.with_name("marker").exists()


def test_two_names_for_one_tensor(tmp_path: Path) -> None:
    shared = parameter(2, 2)
    inner = {"a": Persistent("Layer", weight=shared), "b": Persistent("Layer", weight=shared)}
    path = save(tmp_path / "net.pkl", {"G_ema": Persistent("Generator", **inner)})
    state = load_state(path)
    both = {"a.weight": torch.ones(2, 2), "b.weight": torch.ones(2, 2)}
    write_state(tmp_path / "out.pkl", both, state)
    assert torch.equal(load_state(tmp_path / "out.pkl").tensors["b.weight"], torch.ones(2, 2))
    with pytest.raises(ArtifactError, match=r"'b\.weight' shares its bytes with another tensor"):
        write_state(tmp_path / "new.pkl", {**state.tensors, "a.weight": torch.ones(2, 2)}, state)
    assert not (tmp_path / "new.pkl").exists()


def in_archives(value: Any, archive: Callable[[bytes], bytes]) -> bytes:
    """The pickle of ``value`` with its tensors' bytes as archives, in which check sums stand."""

    class Archiver(pickle.Pickler):
        def reducer_override(self, thing: Any) -> Any:
            if not isinstance(thing, torch.storage.TypedStorage):
                return NotImplemented
            buffer = io.BytesIO()
            torch.save(thing, buffer)
            return torch.storage._load_from_bytes, (archive(buffer.getvalue()),)  # type: ignore[attr-defined]

    out = io.BytesIO()
    Archiver(out, 4).dump(value)
    return out.getvalue()


def plain_archive(data: bytes) -> bytes:
    """The same archive as other programs write it: check sums before the bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry.filename))
    return out.getvalue()


@pytest.mark.parametrize("archive", [bytes, plain_archive])
def test_check_sums_of_archives_are_renewed(
    tmp_path: Path, archive: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(in_archives(snapshot(), archive))
    state = load_state(path)
    assert tensors_digest(state.tensors) == tensors_digest(expected())
    edit = {"mapping.w_avg": torch.full((8,), 0.5)}
    write_state(tmp_path / "out.pkl", edit, state)
    loaded = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert torch.equal(loaded["G_ema"].mapping.w_avg, edit["mapping.w_avg"])
    changed = differing(path.read_bytes(), (tmp_path / "out.pkl").read_bytes())
    assert 0 < len(changed) <= 8 * 4 + 2 * 4
    begin = (tmp_path / "out.pkl").read_bytes().rindex(b"PK\x03\x04", 0, changed[0])
    first = (tmp_path / "out.pkl").read_bytes().rindex(b"archive/data.pkl", 0, begin) - 30
    blob = (tmp_path / "out.pkl").read_bytes()[first : changed[-1] + 4096]
    end = blob.index(b"PK\x05\x06") + 22
    with zipfile.ZipFile(io.BytesIO(blob[:end])) as opened:
        assert opened.testzip() is None
