"""Modules that do what a generator should not: named for it, or taken as they are meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import redraft
from redraft.errors import ModelError
from redraft.models.code.loading import described, fill, undisturbed
from redraft.models.code.reference import code_at
from redraft.models.open import OpenModel, open_described

Draw = Callable[["Drawing", Tensor], Any]


class Drawing(nn.Module):
    """A small generator that draws as it is told to."""

    def __init__(self, draw: Draw | None = None, first: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.draw = draw
        self.first = first or nn.Linear(6, 64)
        self.conv, self.colours = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def whole(self, z: Tensor) -> Tensor:
        maps = torch.relu(self.conv(self.first(z).view(-1, 4, 4, 4)))
        return torch.tanh(self.colours(maps))

    def forward(self, z: Tensor) -> Any:
        return self.whole(z) if self.draw is None else self.draw(self, z)


def opened(module: nn.Module, **words: Any) -> OpenModel:
    with torch.random.fork_rng():
        return open_described(redraft.Generator(module, **words))


def drifting(net: Drawing, z: Tensor) -> Tensor:
    net.conv.weight.data.mul_(0.99999)
    return net.whole(z)


def blank(_net: Drawing, _z: Tensor) -> Tensor:
    raise ValueError(" \n ")


FAULTS: dict[str, tuple[Draw, str]] = {
    "not a number": (lambda net, z: net.whole(z) * float("nan"), "numbers that are not finite"),
    "infinite": (lambda net, z: net.whole(z) / 0, "numbers that are not finite"),
    "drifting": (drifting, "changes its own weight `conv.weight` when it draws"),
    "blank": (blank, "ValueError: ValueError"),
    "nothing": (lambda _net, _z: None, "it gives a NoneType"),
    "five axes": (lambda net, z: net.whole(z)[:, :, None], "it gives (2, 3, 1, 4, 4)"),
    "no channel": (lambda net, z: net.whole(z)[:, :0], "it gives (2, 0, 4, 4)"),
    "no pixel": (lambda net, z: net.whole(z)[:, :, :0], "it gives (2, 3, 0, 4)"),
    "complex": (lambda net, z: net.whole(z).to(torch.complex64), "it gives complex numbers"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_module_does_wrong_is_said(case: str) -> None:
    draw, said = FAULTS[case]
    with pytest.raises(ModelError, match=re.escape(said)):
        opened(Drawing(draw))


def failing(*_given: Any, **_words: Any) -> Any:
    raise ValueError("nothing here")


@pytest.mark.parametrize(
    "method",
    ["load_state_dict", "state_dict", "parameters", "named_modules", "__deepcopy__", "eval"],
)
def test_a_module_whose_own_methods_fail_is_named_for_it(method: str) -> None:
    module = type("Broken", (Drawing,), {method: failing})()

    def rewritten() -> None:
        model = redraft.Model.open(redraft.Generator(module), device="cpu")
        model.solve("rule a at conv { copy z[1] all  context z[2, 3] all  rank 1 }")

    with pytest.raises(ModelError, match="generator fails: ValueError: nothing here"):
        rewritten()


def once(net: Drawing, z: Tensor) -> Tensor:
    if len(z) > 2:
        raise RuntimeError("no more than two")
    return net.whole(z)


def test_what_fails_later_is_the_module_s_fault() -> None:
    with pytest.raises(ModelError, match="RuntimeError: no more than two") as raised:
        opened(Drawing(once))
    assert raised.value.code == "RD657"


def scripted() -> nn.Module:
    layers = (nn.Linear(6, 64), nn.Unflatten(1, (4, 4, 4)), nn.Conv2d(4, 3, 1))
    return torch.jit.script(nn.Sequential(*layers))


def tensorless() -> nn.Module:
    return Drawing().to("meta")


@torch.inference_mode()
def inferring() -> nn.Module:
    return Drawing()


MADE = {scripted: "is compiled", tensorless: "the device meta", inferring: "torch.inference_mode"}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("make", MADE)
def test_a_module_that_cannot_be_edited(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(ModelError, match=MADE[make]) as raised:
        redraft.Generator(make())
    assert raised.value.code == "RD644"


@pytest.mark.parametrize("dtype", [torch.float16, torch.uint8])
def test_pictures_of_another_dtype(dtype: torch.dtype) -> None:
    model = opened(Drawing(lambda net, z: (net.whole(z) * 9 + 99).to(dtype)), range=(0, 255))
    assert model.generator.sample(torch.zeros(2, 6)).dtype == torch.float32


def test_a_function_of_latents_that_gives_others_each_time() -> None:
    with pytest.raises(ModelError, match="gives another latent for an image the second time"):
        opened(Drawing(), latents=lambda _number: torch.randn(6))


def test_names_that_no_recipe_can_write() -> None:
    body: nn.Module = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (4, 4, 4)))
    for name in ("layer0", "a b", "a-b", "c\x1b[31m", "3x3"):
        body.add_module(name, nn.Conv2d(4, 4, 1))
    body.add_module("colours", nn.Conv2d(4, 3, 1))
    generator = opened(body).generator
    assert generator.facts.layer_names() == (
        *("layer0", "layer0_2", "a_b", "a-b", "c__31m", "layer3x3"),
    )
    assert generator.weight_name("layer0_2") == "layer0.weight"


WORDS: dict[str, dict[str, Any]] = {
    "array": {"latents": np.zeros((9, 6))},
    "number": {"latents": 3},
    "empty": {"latents": torch.zeros(0, 6)},
    "one axis": {"latents": torch.zeros(6)},
    "no axis": {"latents": torch.tensor(1.0)},
    "not finite": {"latents": torch.full((9, 6), float("nan"))},
    "negative": {"size": -5},
    "huge": {"size": 10**13},
    "text": {"size": "6"},
    "text labels": {"labels": "3"},
    "one end": {"range": (0,)},
    "no range": {"range": None},
    "endless": {"range": (0, float("inf"))},
}


@pytest.mark.parametrize("case", WORDS)
def test_a_description_that_cannot_be(case: str) -> None:
    with pytest.raises(ModelError) as raised:
        opened(Drawing(), **WORDS[case])
    assert raised.value.code in ("RD644", "RD646")


def in_place(net: Drawing, z: Tensor) -> Tensor:
    return net.whole(z.mul_(2))


class Silent(Drawing):
    """Overrides ``train`` and forgets to give itself back, as many do."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)


class Remembering(Drawing):
    """Keeps something that is no tensor in its state."""

    def get_extra_state(self) -> Any:
        return {"seen": 3}

    def set_extra_state(self, state: Any) -> None:
        pass


FINE: dict[str, Callable[[], tuple[nn.Module, dict[str, Any]]]] = {
    "in place": lambda: (Drawing(in_place), {}),
    "silent": lambda: (Silent(), {}),
    "remembering": lambda: (Remembering(), {}),
    "lazy": lambda: (Drawing(first=nn.LazyLinear(64)), {"size": 6}),
    "one latent": lambda: (Drawing(), {"latents": torch.ones(1, 6)}),
    "named": lambda: (Drawing(lambda net, z: {"image": net.whole(z)}), {}),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_unusual_and_no_fault(case: str) -> None:
    module, words = FINE[case]()
    model = opened(module, **words)
    generator = model.generator
    assert "conv" in generator.facts.layer_names()
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    before = rows.clone()
    first = generator.sample(rows)
    assert torch.equal(rows, before)
    inputs = generator.inputs(rows, ["conv"])["conv"]
    form = generator.form("conv")
    values = form.activate(form.response(inputs, form.weight))
    torch.testing.assert_close(generator.pictures("conv", values, inputs), first)
    state = {name: tensor.clone() for name, tensor in generator.state().items()}
    generator.restore(state)
    assert torch.equal(generator.sample(rows), first)


class Tied(Drawing):
    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.again.weight = self.conv.weight

    def forward(self, z: Tensor) -> Tensor:
        maps = self.again(torch.relu(self.conv(self.first(z).view(-1, 4, 4, 4))))
        return torch.tanh(self.colours(torch.relu(maps)))


def test_a_weight_of_two_layers_belongs_to_neither() -> None:
    # An edit of one of them would be lost when the file, which holds it twice, is read.
    generator = opened(Tied()).generator
    refused = {each.part: each.reason for each in generator.refused}  # type: ignore[attr-defined]
    assert refused["conv"] == "its weight is also that of `again.weight`"
    assert refused["again"] == "its weight is also that of `conv.weight`"
    assert generator.facts.layer_names() == ("first",)


MAKE = """
from torch import nn
from {module} import WIDTH

def make():
    return nn.Sequential(nn.Linear(6, WIDTH))
"""


def test_files_beside_a_generator_are_its_own(tmp_path: Path) -> None:
    codes = []
    for number, name in enumerate(("one", "two"), 1):
        folder = tmp_path / name
        (folder / "pkg").mkdir(parents=True)
        (folder / "gen.py").write_text(MAKE.format(module="pkg"))
        (folder / "pkg" / "__init__.py").write_text("from .parts import WIDTH")
        (folder / "pkg" / "parts.py").write_text(f"WIDTH = {number}")
        codes.append(f"{folder / 'gen.py'}:make")
    for code, width in zip((*codes, codes[0]), (1, 2, 1), strict=True):
        made = described(code_at(code)).module
        assert made.get_parameter("0.weight").shape == (width, 6)
    before = code_at(codes[0]).sha256
    # Of the same length and in the same second, as an editor may save it.
    (tmp_path / "one" / "pkg" / "parts.py").write_text("WIDTH = 7")
    assert code_at(codes[0]).sha256 != before
    assert described(code_at(codes[0])).module.get_parameter("0.weight").shape == (7, 6)


def test_the_device_that_code_sets_is_set_back() -> None:
    warnings: list[str] = []
    with undisturbed(warnings):
        torch.set_default_device("meta")
    assert torch.zeros(1).device.type == "cpu"
    assert warnings == ["it changes the default device to meta, which is set back"]


def test_layers_without_a_shape_take_that_of_the_file() -> None:
    made = redraft.Generator(Drawing(first=nn.LazyLinear(64)), size=6)
    source = Drawing().state_dict()
    fill(made, source, "the file")
    assert torch.equal(made.module.get_parameter("first.weight"), source["first.weight"])


@pytest.mark.parametrize("text", ["(" * 5000, "x = " + "-" * 200_000 + "1", "from ...... import x"])
def test_code_that_cannot_be_read_is_still_known_by_its_hash(text: str, tmp_path: Path) -> None:
    (tmp_path / "gen.py").write_text(text)
    assert len(code_at(f"{tmp_path / 'gen.py'}:make").sha256) == 64


def test_what_is_no_file_is_not_read_for_ever() -> None:
    with pytest.raises(ModelError, match="/dev/zero cannot be read: it is no file"):
        code_at("/dev/zero:make")
