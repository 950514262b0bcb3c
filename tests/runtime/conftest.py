"""Fixtures shared by the tests of the runtime."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from torch import Tensor

from redraft import goals
from redraft.goals import Goal
from redraft.models import dcgan
from redraft.models.dcgan import DCGAN, TransposedForm
from redraft.solve.problem import Problem
from redraft.statistics import second_moments

# A slow machine is not a failure: properties have no deadline here.
settings.register_profile("runtime", deadline=None, derandomize=True)
settings.load_profile("runtime")

CHANNELS = (24, 16, 12, 8)
LATENT = 10

StateMaker = Callable[..., dict[str, Tensor]]
GeneratorMaker = Callable[..., DCGAN]
ProblemMaker = Callable[..., Problem]


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


@dataclass(frozen=True)
class Workshop:
    """A folder with a small model in it, and what recipes need."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "tiny.pth"

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
