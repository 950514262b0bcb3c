"""Fixtures shared by the tests of the runtime."""

from __future__ import annotations

import itertools
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import Tensor, nn

from redraft.memory.moments import second_moments
from redraft.models.arch import dcgan, proggan
from redraft.models.arch.dcgan import DCGAN, TransposedForm
from redraft.models.arch.proggan import ProgGAN
from redraft.models.arch.sequential import SequentialGenerator, Stages
from redraft.models.arch.stylegan2 import generator as stylegan2
from redraft.models.arch.stylegan2.generator import StyleGAN2
from redraft.solve import goals
from redraft.solve.goals import Goal
from redraft.solve.problem import Problem

# A slow machine is not a failure: properties have no deadline here.
settings.register_profile("runtime", deadline=None, derandomize=True)
settings.load_profile("runtime")

CHANNELS = (24, 16, 12, 8)
LATENT = 10

StateMaker = Callable[..., dict[str, Tensor]]
GeneratorMaker = Callable[..., DCGAN]
ProblemMaker = Callable[..., Problem]
Shapes = dict[str, tuple[int, ...]]


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of one's own, and no power to read what permissions forbid (root has it)."""
    folder = Path(tempfile.mkdtemp(prefix="redraft-test-"))
    folder.chmod(0o777)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if privileged:
            os.seteuid(0)
        for inner in folder.rglob("*"):
            inner.chmod(0o700)
        shutil.rmtree(folder)


@pytest.fixture
def limited(uncounted: None) -> Callable[..., str]:
    """Runs a program, with arguments, in a second process that may use 1 GB of memory."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", limit + program, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, and as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dcgan_state() -> StateMaker:
    """Makes the weights of a small DCGAN: 64 px, editable layers layer3, layer6 and layer9."""
    return _state


@pytest.fixture(scope="session")
def make_generator() -> GeneratorMaker:
    """Makes a small DCGAN from a seed; ``dtype`` float64 for tests of exactness."""

    def make(seed: int = 0, dtype: torch.dtype = torch.float32) -> DCGAN:
        generator = dcgan.build(_state(seed))
        generator.module.to(dtype)
        return generator

    return make


@pytest.fixture(scope="session")
def make_sequential() -> Callable[..., SequentialGenerator]:
    """Makes a small sequence of plain modules (16 px) from a seed; linear layers come first."""

    def make(seed: int = 0, dtype: torch.dtype = torch.float32) -> SequentialGenerator:
        module = nn.Sequential(
            *(nn.Linear(LATENT, 9), nn.BatchNorm1d(9), nn.ReLU()),
            *(nn.Linear(9, 6 * 4 * 4), nn.LeakyReLU(0.2), nn.Unflatten(1, (6, 4, 4))),
            *(nn.ConvTranspose2d(6, 5, 4, 2, 1), nn.BatchNorm2d(5), nn.ReLU(inplace=True)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(5, 7, 3, padding=1), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(7, 3, 1), nn.Tanh()),
        )
        source = torch.Generator().manual_seed(seed)
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=source))
            elif tensor.is_floating_point():
                tensor.copy_(0.4 * torch.randn(tensor.shape, generator=source))
        return SequentialGenerator("plain", Stages(module.to(dtype), list(module), LATENT))

    return make


@pytest.fixture(scope="session")
def proggan_state() -> StateMaker:
    """Makes the weights of a small ProgGAN in the authors' naming: 32 px, layer2 to layer8."""
    return _proggan_state


@pytest.fixture(scope="session")
def make_proggan() -> Callable[..., ProgGAN]:
    """Makes a small ProgGAN (32 px, layer2 to layer8) from a seed."""

    def make(seed: int = 0, dtype: torch.dtype = torch.float32) -> ProgGAN:
        generator = proggan.build(_proggan_state(seed))
        generator.module.to(dtype)
        return generator

    return make


@pytest.fixture(scope="session")
def stylegan2_shapes() -> Callable[..., Shapes]:
    """Makes the shapes of a StyleGAN2 file: layout, size, depth, latent, inner, widths by size."""
    return _stylegan2_shapes


@pytest.fixture(scope="session")
def stylegan2_state() -> StateMaker:
    """Makes the weights of a small StyleGAN2: 32 px, layer2 to layer8, in any layout.

    Blur kernels are not symmetric, so that a flipped one shows.
    """
    return _stylegan2_state


@pytest.fixture(scope="session")
def make_stylegan2() -> Callable[..., StyleGAN2]:
    """Makes a small StyleGAN2 (32 px, layer2 to layer8) from a seed, truncated to 0.7."""

    def make(
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        layout: str = "rosinality",
        truncation: float = 0.7,
    ) -> StyleGAN2:
        generator = stylegan2.build(_stylegan2_state(seed, layout), layout, truncation)
        generator.module.to(dtype)
        return generator

    return make


@pytest.fixture(scope="session")
def make_problem(make_generator: GeneratorMaker) -> ProblemMaker:
    """Makes a small insert problem: a patch of one picture pasted into some others.

    ``linear`` gives the layer no activation, ``silent`` lists key channels that are always 0.
    """

    def make(
        *,
        seed: int = 0,
        count: int = 4,
        layer: str = "layer3",
        dtype: torch.dtype = torch.float64,
        preserve: float = 0.3,
        keep: float = 1.0,
        loss: str = "l1",
        linear: bool = False,
        silent: tuple[int, ...] = (),
    ) -> Problem:
        generator = make_generator(seed, dtype)
        form: TransposedForm = generator.form(layer)
        if linear:
            form = LinearForm(**{**vars(form), "negative_slope": 1.0})
        rows = _normal(seed + 1, count + 1, LATENT).to(dtype)
        inputs = generator.inputs(rows, [layer])[layer]
        inputs.keys[:, list(silent)] = 0
        values = form.activate(form.response(inputs, form.weight))
        cover = torch.zeros(values.shape[2:], dtype=torch.float64)
        cover[2:6, 1:6] = 1.0
        patch = goals.cut(values[count], cover)
        pasted = inputs.select(range(count))
        goal: Goal = goals.paste(form, pasted, form.weight, patch, [cover] * count)
        moment = second_moments(generator, [_normal(seed + 2, 60, LATENT).to(dtype)], [layer])[
            layer
        ].matrix.double()
        moment[list(silent)] = 0
        moment[:, list(silent)] = 0
        return Problem(
            form=form,
            weight=form.weight,
            goal=goal,
            weights=goals.importance(goal, keep),
            moment=moment,
            preserve=preserve,
            loss=loss,  # type: ignore[arg-type]
        )

    return make


@dataclass(frozen=True)
class LinearForm(TransposedForm):
    """A transposed convolution and batch norm without activation."""

    def activate(self, response: Tensor) -> Tensor:
        return response


CHAIN = """
rule glasses at layer6 {
  copy    z[1] mask("eyes.png") within box(x 8..40, y 16..32)
  context z[2] box(x 8..40, y 16..32)
  context z[3] polygon(8,16 40,16 24,36)
  context like z[2] box(x 8..40, y 16..32) top 4 among 10..40 except 12
  rank 3
}
erase noise at layer3 {
  context z[5] ellipse(30,30 radius 20,12)
  context z[6] box(x 8..40, y 16..32)
  context z[7] box(x 8..40, y 16..32)
  rank 2  units 4  strength 0.5
}
zero stripe at layer6 { context z[8] mask("eyes.png")  rank 1  strength 0.4 }
"""


@dataclass(frozen=True)
class Workshop:
    """A folder with a small model in it, and what recipes need."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "tiny.pth"

    @property
    def chain(self) -> str:
        """A rule of each kind, with a mask, marks of all shapes and a search."""
        return CHAIN

    def recipe(self, body: str, name: str = "demo", count: int = 120, header: str = "") -> Path:
        """Write a recipe with these rules; returns its path."""
        path = self.folder / f"{name}.redraft"
        path.write_text(
            "edition 2026\n"
            f'recipe {name} 1.0.0 "A demonstration"\n{header}'
            'model tiny { arch dcgan  weights "tiny.pth" }\n'
            f"latents z {{ seed 3  count {count} }}\n{body}"
        )
        return path


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A folder with ``tiny.pth`` and ``eyes.png``, and a cache of its own."""
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    named = {f"main.{name}": tensor for name, tensor in _state(5).items()}
    torch.save({"netG_state_dict": named, "epoch": 3}, folder / "tiny.pth")
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[20:40, 16:48] = 255
    Image.fromarray(mask).save(folder / "eyes.png")
    return Workshop(folder)


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _state(seed: int = 0, latent: int = LATENT) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    widths = (latent, *CHANNELS, 3)
    for place, (into, out) in enumerate(itertools.pairwise(widths)):
        index = 3 * place
        fan = into * (1 if place == 0 else 4)
        weight = torch.randn(into, out, 4, 4, generator=source) / math.sqrt(fan)
        state[f"{index}.weight"] = weight
        if out == 3:
            break
        state[f"{index + 1}.weight"] = 0.5 + torch.rand(out, generator=source)
        state[f"{index + 1}.bias"] = 0.3 * torch.randn(out, generator=source)
        state[f"{index + 1}.running_mean"] = 0.1 * torch.randn(out, generator=source)
        state[f"{index + 1}.running_var"] = 0.5 + torch.rand(out, generator=source)
        state[f"{index + 1}.num_batches_tracked"] = torch.tensor(7)
    return state


def _proggan_state(seed: int = 0, widths: tuple[int, ...] = (16, 16, 12, 8)) -> dict[str, Tensor]:
    """Weights that are scaled as the network takes them; ``widths`` are those at 4, 8, ... px."""
    source = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    channels = (LATENT, *(width for width in widths for _ in range(2)))
    for number, (into, out) in enumerate(itertools.pairwise(channels), 1):
        kernel = 4 if number == 1 else 3
        state[f"layer{number}.conv.weight"] = torch.randn(
            out, into, kernel, kernel, generator=source
        )
        state[f"layer{number}.wscale.b"] = 0.3 * torch.randn(out, generator=source)
    output = f"output_{2 ** (len(widths) + 1)}x{2 ** (len(widths) + 1)}"
    state[f"{output}.conv.weight"] = 0.4 * torch.randn(3, channels[-1], 1, 1, generator=source)
    state[f"{output}.wscale.b"] = 0.1 * torch.randn(3, generator=source)
    return state


WIDTHS = {4: 10, 8: 9, 16: 8, 32: 6, 64: 5}


def _stylegan2_shapes(
    layout: str = "rosinality",
    size: int = 32,
    depth: int = 8,
    latent: int = 12,
    inner: int = 7,
    widths: dict[int, int] | None = None,
) -> Shapes:
    """The tensors of a file as `checkpoints` of the layout's own tools hold them."""
    widths = widths or WIDTHS
    shapes: Shapes = {}
    for place in range(1, depth + 1):
        shapes[f"style.{place}.weight"] = (inner, latent if place == 1 else inner)
        shapes[f"style.{place}.bias"] = (inner,)
    shapes["input.input"] = (1, widths[4], 4, 4)
    sides = [4 << place for place in range(int(math.log2(size)) - 1)]
    into, place, noise = widths[4], 0, 0
    for side in sides:
        for up in (False,) if side == 4 else (True, False):
            root = "conv1" if side == 4 else f"convs.{place}"
            place += side > 4
            out = widths[side]
            shapes[f"{root}.conv.weight"] = (1, out, into, 3, 3)
            if up:
                shapes[f"{root}.conv.blur.kernel"] = (4, 4)
            shapes[f"{root}.conv.modulation.weight"] = (into, inner)
            shapes[f"{root}.conv.modulation.bias"] = (into,)
            shapes[f"{root}.noise.weight"] = (1,)
            shapes[f"{root}.activate.bias"] = (out,)
            shapes[f"noises.noise_{noise}"] = (1, 1, side, side)
            noise += 1
            into = out
        root = "to_rgb1" if side == 4 else f"to_rgbs.{sides.index(side) - 1}"
        shapes[f"{root}.bias"] = (1, 3, 1, 1)
        if side > 4:
            shapes[f"{root}.upsample.kernel"] = (4, 4)
        shapes[f"{root}.conv.weight"] = (1, 3, into, 1, 1)
        shapes[f"{root}.conv.modulation.weight"] = (into, inner)
        shapes[f"{root}.conv.modulation.bias"] = (into,)
    if layout == "rosinality":
        return shapes
    if layout.startswith("authors"):
        named = {_authors_name(name, layout): shape for name, shape in shapes.items()}
        return {**named, "latents.latent_avg": (inner,)}
    vendor = {_vendor_name(name): _vendor_shape(name, shape) for name, shape in shapes.items()}
    vendor["mapping.w_avg"] = (inner,)
    for side in sides:
        vendor[f"synthesis.b{side}.conv1.resample_filter"] = (4, 4)
    return {**vendor, "synthesis.b4.resample_filter": (4, 4)}


def _authors_name(name: str, layout: str) -> str:
    conv = "mconv.dconv." if layout == "authors" else "mconv."
    for pattern, wanted in (
        (r"^conv1\.conv\.weight", f"layer2.conv.{conv}weight"),
        (r"^conv1\.conv\.", "layer2.conv.mconv."),
        (r"^conv1\.", "layer2.conv."),
        (r"^convs\.(\d+)\.conv\.weight", f"layer{{0}}.sconv.{conv}weight"),
        (r"^convs\.(\d+)\.conv\.", "layer{0}.sconv.mconv."),
        (r"^convs\.(\d+)\.", "layer{0}.sconv."),
        (r"^to_rgb1\.", "to_rgb1.rgb."),
        (r"^to_rgbs\.(\d+)\.upsample\.", "up_rgb{1}."),
        (r"^to_rgbs\.(\d+)\.", "to_rgb{2}.rgb."),
    ):
        found = re.match(pattern, name)
        if found:
            number = int(found[1]) if found.groups() else 0
            return wanted.format(number + 3, number + 1, number + 2) + name[found.end() :]
    return name


def _vendor_name(name: str) -> str:
    words = name.split(".")
    if words[0] == "style":
        return f"mapping.fc{int(words[1]) - 1}.{words[2]}"
    if words[0] == "input":
        return "synthesis.b4.const"
    if words[0] == "noises":
        number = int(words[1].removeprefix("noise_"))
        root = "b4.conv1" if number == 0 else _vendor_root(number - 1)
        return f"synthesis.{root}.noise_const"
    if words[0].startswith("to_rgb"):
        side = 4 if words[0] == "to_rgb1" else 8 << int(words[1])
        rest = ".".join(words[1 if side == 4 else 2 :])
        endings = {"upsample.kernel": "resample_filter", "bias": "torgb.bias"}
        ending = endings.get(rest, rest.replace("conv.", "torgb.").replace("modulation", "affine"))
        return f"synthesis.b{side}.{ending}"
    root = "b4.conv1" if words[0] == "conv1" else _vendor_root(int(words[1]))
    rest = ".".join(words[1 if words[0] == "conv1" else 2 :])
    ending = {
        "noise.weight": "noise_strength",
        "activate.bias": "bias",
        "conv.weight": "weight",
        "conv.blur.kernel": "resample_filter",
    }.get(rest, rest.replace("conv.modulation", "affine"))
    return f"synthesis.{root}.{ending}"


def _vendor_root(number: int) -> str:
    return f"b{8 << number // 2}.conv{number % 2}"


def _vendor_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if name.endswith(".noise.weight"):
        return ()
    if name.startswith("noises."):
        return shape[2:]
    if len(shape) == 4 and name.endswith("bias"):
        return (3,)
    return shape[1:] if shape[0] == 1 else shape


def _stylegan2_state(seed: int = 0, layout: str = "rosinality", **sizes: int) -> dict[str, Tensor]:
    """Weights as large as a fresh network's, and everything else different from 0.

    All layouts of one seed hold the same numbers, so far as they hold the same tensors.
    """
    source = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in _stylegan2_shapes("rosinality", **sizes).items():
        drawn = torch.randn(shape, generator=source)
        if name.startswith("style."):
            drawn *= 100 if name.endswith("weight") else 10
        elif "kernel" in name:
            drawn = 4 * (drawn.abs() + 0.2) / (drawn.abs() + 0.2).sum()
        elif name.endswith(("modulation.bias", "noise.weight")):
            drawn = 1 + 0.3 * drawn
        elif name.startswith("to_rgb") and name.endswith((".conv.weight", "bias")):
            drawn *= 0.15  # most of the picture within -1..1
        elif name.endswith("bias"):
            drawn *= 0.3
        state[name] = drawn
    mean = 0.3 * torch.randn(sizes.get("inner", 7), generator=source)
    shapes = _stylegan2_shapes(layout, **sizes)
    if layout == "rosinality":
        return {**state, "latent_avg": mean}
    if layout.startswith("authors"):
        named = {_authors_name(name, layout): tensor for name, tensor in state.items()}
        return {**named, "latents.latent_avg": mean}
    vendor = {
        _vendor_name(name): tensor.reshape(shapes[_vendor_name(name)])
        / (4 if "kernel" in name else 1)
        for name, tensor in state.items()
    }
    idle = {name: torch.ones(4, 4) / 16 for name in shapes if name not in vendor}
    return {**vendor, **idle, "mapping.w_avg": mean}
