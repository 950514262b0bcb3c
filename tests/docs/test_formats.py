"""The page of formats is true: a file of every row is built, recognised, edited and written back.

Files are built from the layouts' own lists of names, small, and with the shapes of real ones.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import sys
import types
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from redraft.errors import ModelError
from redraft.models.arch import families, proggan_shapes
from redraft.models.arch.families import recognise
from redraft.models.arch.stylegan2 import generator as stylegan2
from redraft.models.arch.stylegan2 import layouts as stylegan2_layouts
from redraft.models.arch.stylegan2.layouts import names_of
from redraft.models.checkpoint import header
from redraft.models.checkpoint.weights import load_state, write_state
from redraft.models.listed.published import stylegan2_facts
from redraft.models.locate import locate_file
from redraft.models.open import OpenModel, open_base

Shapes = dict[str, tuple[int, ...]]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
TEXT = PAGE.read_text(encoding="utf-8")
ARCHITECTURES = {"DCGAN": "dcgan", "ProgGAN": "proggan", "StyleGAN2": "stylegan2"}
CONTAINERS = {
    "torch zip": "torch-zip",
    "torch, older form": "torch-legacy",
    "safetensors": "safetensors",
    "pickle": "nvidia-pickle",
    "NVIDIA network": "nvidia-pickle",
}
LIMIT = 0.5
SMALL = {4: 6, 8: 5, 16: 4, 32: 4, 64: 4, 128: 4, 256: 4}
FULL = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}


# ---- the tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row of a table of files."""

    arch: str
    kind: str
    container: str
    clue: str
    read: str
    written: str
    layers: str
    notes: str

    @property
    def layout(self) -> str:
        return self.kind.split("`")[1]

    @property
    def training(self) -> bool:
        return self.kind.endswith(", training")

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.container}".replace("`", "")


def part(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def cells(text: str) -> list[list[str]]:
    """The rows of the first table in a text, without its head."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


ROWS = [
    Row(arch, *line) for heading, arch in ARCHITECTURES.items() for line in cells(part(heading))
]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# ---- what files hold --------------------------------------------------------------------------


def dcgan_shapes() -> Shapes:
    widths = (7, 8, 6, 5, 4, 3)
    shapes: Shapes = {}
    for place, (into, out) in enumerate(pairwise(widths)):
        shapes[f"{3 * place}.weight"] = (into, out, 4, 4)
        if out != 3:
            norm = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"{3 * place + 1}.{name}": (out,) for name in norm}
            shapes[f"{3 * place + 1}.num_batches_tracked"] = ()
    return shapes


def proggan_shapes_of(layout: str, widths: tuple[int, ...] = (8, 6, 4)) -> Shapes:
    first, root = (1, "layer") if layout == "layers" else (0, "features.")
    channels = [7, *(width for width in widths for _ in range(2))]
    shapes: Shapes = {}
    for place, (into, out) in enumerate(pairwise(channels)):
        kernel = 3 if place else 4
        shapes[f"{root}{first + place}.conv.weight"] = (out, into, kernel, kernel)
        shapes[f"{root}{first + place}.wscale.b"] = (out,)
    side = 2 ** (len(widths) + 1)
    output = f"output_{side}x{side}" if layout == "layers" else "output"
    return {**shapes, f"{output}.conv.weight": (3, channels[-1], 1, 1), f"{output}.wscale.b": (3,)}


def stylegan2_shapes_of(
    layout: Any, size: int = 16, depth: int = 8, widths: dict[int, int] = SMALL, inner: int = 7
) -> Shapes:
    names = names_of(layout, depth, size)
    lead = () if names.vendor else (1,)
    shapes: Shapes = dict.fromkeys((*names.kernels, *names.spare), (4, 4))
    for weight, bias in names.mapping:
        shapes |= {weight: (inner, inner), bias: (inner,)}
    into = widths[4]
    shapes |= {names.mean: (inner,), names.constant: (*lead, into, 4, 4)}
    for layer in names.layers:
        out = widths[layer.size]
        shapes |= {layer.style.weight: (into, inner), layer.style.bias: (into,)}
        shapes |= {layer.weight: (*lead, out, into, 3, 3), layer.bias: (out,)}
        shapes |= {layer.strength: lead, layer.noise: (*lead, *lead, layer.size, layer.size)}
        into = out
    for colour in names.colours:
        out = widths[colour.size]
        shapes |= {
            colour.weight: (*lead, 3, out, 1, 1),
            colour.bias: (1, 3, 1, 1) if lead else (3,),
        }
        shapes |= {colour.style.weight: (out, inner), colour.style.bias: (out,)}
    return shapes


def shapes_for(layout: str) -> Shapes:
    if layout == "sequential":
        return dcgan_shapes()
    if layout in get_args(proggan_shapes.Layout):
        return proggan_shapes_of(layout)
    return stylegan2_shapes_of(layout)


def state(layout: str) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(2)
    made = {name: torch.randn(s, generator=source) for name, s in shapes_for(layout).items()}
    for name, tensor in made.items():
        if name.endswith("running_var"):
            tensor.abs_()
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(7)
    return made


# ---- files ------------------------------------------------------------------------------------


def built(row: Row, folder: Path) -> Path:
    """A file as a row tells of it; its ending says nothing."""
    path = folder / "model.bin"
    tensors = state(row.layout)
    if row.container == "NVIDIA network":
        path.write_bytes(network(tensors))
    elif row.container == "pickle":
        path.write_bytes(pickle.dumps(tensors))
    elif row.container == "safetensors":
        prefix = "main." if row.layout == "sequential" else ""
        save_file({prefix + name: tensor for name, tensor in tensors.items()}, path)
    else:
        zipped = row.container == "torch zip"
        torch.save(nested(row, tensors), path, _use_new_zipfile_serialization=zipped)
    return path


def nested(row: Row, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if row.training:
        del tensors["latent_avg"]
        other = {name: tensor + 1 for name, tensor in tensors.items()}
        return {
            "g": other,
            "d": {"convs.0.0.weight": torch.zeros(4, 3, 1, 1)},
            "g_ema": tensors,
            "g_optim": {"state": {0: {"step": 3}}, "param_groups": []},
            "args": argparse.Namespace(size=16, latent=7),
            "ada_aug_p": 0.1,
        }
    if row.layout == "sequential":
        return {"netG_state_dict": {f"main.{n}": t for n, t in tensors.items()}, "epoch": 3}
    if row.layout == "rosinality":
        mean = tensors.pop("latent_avg")
        return {"g_ema": tensors, "latent_avg": mean}
    return {"state_dict": {f"module.{n}": t for n, t in tensors.items()}, "epoch": 3}


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("reading a file must not call what it names")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Described:
    """A module as NVIDIA's pickles describe it: one call with a table of attributes."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        own = {name: tensor for name, tensor in tensors.items() if "." not in name}
        inner: dict[str, dict[str, Tensor]] = {}
        for name in tensors.keys() - own.keys():
            first, _, rest = name.partition(".")
            inner.setdefault(first, {})[rest] = tensors[name]
        fixed = own.keys() & {"noise_const", "resample_filter", "w_avg"}
        self.state = {
            "_parameters": {n: nn.Parameter(t) for n, t in own.items() if n not in fixed},
            "_buffers": {name: own[name] for name in fixed},
            "_modules": {name: Described(each) for name, each in inner.items()},
            "conv_clamp": LIMIT,
        }

    def __reduce__(self) -> Any:
        head = {"type": "class", "version": 6, "module_src": "1 / 0", "class_name": "Module"}
        return _reconstruct_persistent_obj, ({**head, "state": self.state},)


def network(tensors: dict[str, Tensor]) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("torch_utils", "torch_utils.persistence"):
            module = types.ModuleType(name)
            vars(module).update(_reconstruct_persistent_obj=_reconstruct_persistent_obj)
            patch.setitem(sys.modules, name, module)
        return pickle.dumps({"G": None, "D": None, "G_ema": Described(tensors)})


def opened(path: Path, truncation: float = 1.0) -> OpenModel:
    return open_base(replace(locate_file(path, "m"), truncation=truncation), torch.device("cpu"))


def contents(path: Path, form: str) -> Any:
    if form == "safetensors":
        return load_state(path).tensors
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, weights_only=True)


# ---- every row --------------------------------------------------------------------------------


@every_row
def test_a_file_is_recognised_as_the_row_says(row: Row, tmp_path: Path) -> None:
    path = built(row, tmp_path)
    assert row.read == "yes"
    base = locate_file(path, "m")
    assert (base.facts.arch, base.layout) == (row.arch, row.layout)
    assert base.header.format == CONTAINERS[row.container]
    told = re.findall(r"`([^`]+)`, `([^`]+)`", row.layers)
    assert len(told) == 2
    assert [layer.names for layer in base.facts.layers[:2]] == told
    names = {base.header.bare(name) for name in base.header.tensors}
    tensors = {clue for clue in quoted(row.clue) if "." in clue}
    assert tensors
    assert tensors <= names
    for other in {other.layout for other in ROWS} - {row.layout}:
        assert not tensors <= shapes_for(other).keys(), other
    keys = set(quoted(row.clue)) - tensors
    assert keys <= {"g", "d", "g_ema", "G_ema"}
    assert set(base.header.nesting) >= {key for key in keys if key.lower() == "g_ema"}


@every_row
def test_the_container_begins_as_its_table_says(row: Row, tmp_path: Path) -> None:
    start = built(row, tmp_path).read_bytes()[:9]
    (line,) = [line for line in cells(part("How to read the tables")) if line[0] == row.container]
    (mark,) = quoted(line[1])
    wanted = {"PK": start[:2] == b"PK", "{": start[8:] == b"{", "80": start[:1] == b"\x80"}
    assert wanted[mark]


@every_row
def test_a_file_loads_and_draws(row: Row, tmp_path: Path) -> None:
    model = opened(built(row, tmp_path))
    latents = torch.randn(2, 7, generator=torch.Generator().manual_seed(1))
    pictures = model.generator.sample(latents)
    assert pictures.shape == (2, 3, *model.base.facts.image_size)
    assert pictures.isfinite().all()
    assert float(pictures.std()) > 0
    wanted = state(row.layout)
    for name, tensor in model.state.bare().items():
        assert torch.equal(tensor, wanted[name]), name


@every_row
def test_an_edit_is_written_back(row: Row, tmp_path: Path) -> None:
    path, out = built(row, tmp_path), tmp_path / "edited.bin"
    model = opened(path)
    layer = model.base.facts.layers[1].name
    edited = model.state.header.prefix + model.generator.weight_name(layer)
    weight = model.state.tensors[edited].clone()
    weight.view(-1)[3] += 0.5
    write_state(out, {**model.state.tensors, edited: weight}, model.state)
    before, after = model.state, load_state(out)
    for part_of in ("format", "tensors", "nesting", "prefix", "attributes", "beside"):
        assert getattr(after.header, part_of) == getattr(before.header, part_of), part_of
    changed = {n for n in before.tensors if not torch.equal(before.tensors[n], after.tensors[n])}
    assert changed == {edited}
    assert torch.equal(after.tensors[edited], weight)
    assert torch.equal(opened(out).generator.state()[before.header.bare(edited)], weight)
    if row.written == "in place":
        old, new = path.read_bytes(), out.read_bytes()
        assert len(old) == len(new)
        # One number of 4 bytes, and where there are check sums, 4 bytes in two places.
        sums = 0 if row.container == "safetensors" else 8
        assert 0 < sum(a != b for a, b in zip(old, new, strict=True)) <= 4 + sums
    else:
        assert row.written == "saved anew"
        whole = contents(out, before.header.format)
        holder = whole
        for key in before.header.nesting:
            holder = holder[key]
        holder[edited] = before.tensors[edited]
        assert alike(whole, contents(path, before.header.format))


def alike(one: Any, other: Any) -> bool:
    """Whether two contents are the same, tensors bit for bit."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    return bool(one == other)


# ---- what the notes say -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.arch == "stylegan2"], ids=lambda row: row.name
)
def test_the_mean_lies_where_the_note_says(row: Row, tmp_path: Path) -> None:
    generator = opened(built(row, tmp_path), 0.5).generator
    assert isinstance(generator, stylegan2.StyleGAN2)
    mean = generator.module.state_dict()[generator.names.mean]
    if row.notes == "no mean":
        assert generator.mean_estimate is not None
        return
    assert generator.mean_estimate is None
    named = quoted(row.notes)[0]
    assert torch.equal(mean, state(row.layout)[named])
    held = load_state(tmp_path / "model.bin")
    assert (named in held.beside) == ("beside" in row.notes)
    assert (named in held.bare()) == ("beside" not in row.notes)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.layout == "stylegan2-ada"], ids=lambda row: row.name
)
def test_values_are_held_within_the_limit_of_the_note(row: Row, tmp_path: Path) -> None:
    generator = opened(built(row, tmp_path)).generator
    assert isinstance(generator, stylegan2.StyleGAN2)
    said = row.notes.partition("limit ")[2]
    assert generator.limit == (LIMIT if said == "as the file says" else float(said))


def test_what_is_missing_is_filled_in_and_told(tmp_path: Path) -> None:
    told = re.search(r"```json\n(.*?)```", part("What is filled in"), re.S)
    assert told is not None
    for layout in ("rosinality", "authors", "authors-fused"):
        tensors = {
            name: tensor
            for name, tensor in state(layout).items()
            if not name.startswith("noises.") and not name.endswith("latent_avg")
        }
        torch.save(tensors, tmp_path / "bare.pt")
        assert list(opened(tmp_path / "bare.pt", 0.5).generator.assumed) == json.loads(told[1])
        # Without truncation nobody asks for the mean.
        assert list(opened(tmp_path / "bare.pt").generator.assumed) == json.loads(told[1])[:1]


def test_a_proggan_may_have_scales_of_its_own(tmp_path: Path) -> None:
    assert "Each of these may have a `wscale.scale` as well" in " ".join(part("ProgGAN").split())
    for layout in get_args(proggan_shapes.Layout):
        tensors = state(layout)
        scaled = {n.replace("wscale.b", "wscale.scale"): torch.ones(()) for n in tensors}
        scales = {name: tensor for name, tensor in scaled.items() if name.endswith("scale")}
        torch.save({**tensors, **scales}, tmp_path / "scaled.pth")
        assert locate_file(tmp_path / "scaled.pth", "m").layout == layout


# ---- nothing is missing -----------------------------------------------------------------------


def test_no_layout_or_container_is_missing(tmp_path: Path) -> None:
    # The files of the first StyleGAN are rows of the table of kinds, see test_kinds.py.
    own = {*ARCHITECTURES.values(), "stylegan"}
    assert {entry.name for entry in families.FAMILIES} == own
    layouts = {
        "dcgan": ("sequential",),
        "proggan": get_args(proggan_shapes.Layout),
        "stylegan2": get_args(stylegan2_layouts.Layout),
    }
    assert set(CONTAINERS.values()) == set(get_args(header.Format))
    assert [line[0] for line in cells(part("How to read the tables"))] == list(CONTAINERS)
    told = {(row.arch, row.layout, row.container) for row in ROWS if not row.training}
    supported = {
        (arch, layout, container)
        for arch, kinds in layouts.items()
        for layout in kinds
        for container in CONTAINERS
        if container != "NVIDIA network" or layout == "stylegan2-ada"
    }
    assert told == supported
    assert len(told) + sum(row.training for row in ROWS) == len(ROWS)


def test_the_files_built_here_have_the_shapes_of_published_ones() -> None:
    paper = proggan_shapes.PAPER_WIDTHS[256]
    assert len(proggan_shapes_of("layers", paper)) == 30
    wide = {"widths": FULL, "inner": 512}
    for layout, depth, count in (
        ("rosinality", 8, 136),  # with the mean, which their files keep beside
        ("authors", 8, 136),
        ("authors-fused", 8, 136),
        ("stylegan2-ada", 8, 144),
        ("stylegan2-ada", 2, 132),
    ):
        shapes = stylegan2_shapes_of(layout, 256, depth, **wide)  # type: ignore[arg-type]
        assert len(shapes) == count
        facts = recognise(shapes).facts
        published = stylegan2_facts(256)
        assert [layer.name for layer in facts.layers] == [layer.name for layer in published.layers]
        assert [(layer.in_channels, layer.out_channels, layer.value_size) for layer in facts.layers
                ] == [(layer.in_channels, layer.out_channels, layer.value_size)
                      for layer in published.layers]  # fmt: skip


# ---- what is refused --------------------------------------------------------------------------


def by_class(path: Path) -> None:
    extra = {"mapping.embed.weight": torch.zeros(7, 3), "mapping.embed.bias": torch.zeros(7)}
    torch.save({**state("stylegan2-ada"), **extra}, path)


def tensorflow(path: Path) -> None:
    path.write_bytes(b"\x80\x03cdnnlib.tflib.network\nNetwork\n.")


def discriminator(path: Path) -> None:
    torch.save({"0.weight": torch.zeros(8, 3, 4, 4), "2.weight": torch.zeros(8, 8, 4, 4)}, path)


def odd_tensor(path: Path) -> None:
    tensors = state("rosinality")
    torch.save({**tensors, "convs.0.skip.weight": torch.zeros(3)}, path)
    assert refusal(path) == "RD626"
    del tensors["convs.0.activate.bias"]
    torch.save(tensors, path)


def whole_module(path: Path) -> None:
    torch.save(nn.Sequential(nn.ConvTranspose2d(3, 3, 4)), path)


def torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/run.py"):
            archive.writestr(f"model/{name}", b"\x80\x02}.")


def several(path: Path) -> None:
    torch.save({"one": state("sequential"), "two": state("sequential")}, path)


def broken_number(path: Path) -> None:
    tensors = state("sequential")
    tensors["0.weight"][0] = torch.nan
    torch.save(tensors, path)


def cut_short(path: Path) -> None:
    torch.save(state("sequential"), path)
    path.write_bytes(path.read_bytes()[:-500])


REFUSED: dict[str, Callable[[Path], None]] = {
    "a StyleGAN2 that draws by class (`mapping.embed`)": by_class,
    "a network of NVIDIA's TensorFlow code": tensorflow,
    "another network, such as a discriminator": discriminator,
    "a StyleGAN2 with a tensor too few or too many": odd_tensor,
    "a whole module (`torch.save(generator, ...)`)": whole_module,
    "a TorchScript program": torchscript,
    "several sets of tensors, none named as a generator's": several,
    "a weight that is NaN or infinite": broken_number,
    "a file that was cut short": cut_short,
}


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        opened(path)
    assert caught.value.help
    return caught.value.code


def test_what_is_refused_is_refused_so(tmp_path: Path) -> None:
    told = {what: code.strip("`") for what, code, _ in cells(part("What is refused"))}
    found = {}
    for number, (what, make) in enumerate(REFUSED.items()):
        make(tmp_path / f"{number}.pt")
        found[what] = refusal(tmp_path / f"{number}.pt")
    assert found == told
