"""A small file of each kind that docs/formats.md lists, as its owner's training writes it."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import random
import sys
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.docs import kind_networks as nets
from torch import Tensor, nn

Draw = Callable[[Tensor], Tensor]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """One kind: its name in the table, a file of it, and what its owner's code draws.

    ``refused`` are words of the message where it is only named; ``settings`` what a recipe says of
    the model; ``taken`` the name of the set of weights.
    """

    name: str
    arch: str
    held: Callable[[], tuple[Any, Draw | None]]
    settings: Mapping[str, Any] | None = None
    taken: str = ""
    refused: str = ""

    def write(self, folder: Path) -> tuple[Path, Draw | None]:
        held, draw = self.held()
        with pytest.MonkeyPatch.context() as patch:
            # A module that is there only while the file is written.
            module = types.ModuleType("someones.training")
            vars(module).update(Config=Config, Options=Options)
            patch.setitem(sys.modules, "someones", types.ModuleType("someones"))
            patch.setitem(sys.modules, "someones.training", module)
            torch.save(held, folder / "model.pth")
        return folder / "model.pth", draw


class Config(OrderedDict[str, Any]):
    """A subclass as training code defines one; no such class is there when the file is read."""


class Options:
    """A plain object among the weights."""

    def __init__(self) -> None:
        self.rate = 0.1


Config.__module__ = Options.__module__ = "someones.training"


def net_file(
    make: Callable[[], nn.Module], wrap: Callable[[dict[str, Tensor]], Any] = dict
) -> Callable[[], tuple[Any, Draw]]:
    def held() -> tuple[Any, Draw]:
        net = nets.settled(make())
        return wrap(net.state_dict()), coloured(net)

    return held


def coloured(net: Draw, low: float = -1.0) -> Draw:
    """What a network draws, as three colours in -1..1; grey and opacity as people see them."""

    def draw(z: Tensor) -> Tensor:
        with torch.no_grad():
            x = net(z)
        x = (x - low) * (2 / (1 - low)) - 1 if low > -1 else x
        if x.shape[1] == 4:
            opaque = (x[:, 3:] + 1) / 2
            return x[:, :3] * opaque + 1 - opaque
        return x.expand(-1, 3, -1, -1)

    return draw


def state_file(
    state: Callable[[], dict[str, Tensor]],
    draw: Callable[[Mapping[str, Tensor], Tensor], Tensor],
    wrap: Callable[[dict[str, Tensor]], Any] = dict,
) -> Callable[[], tuple[Any, Draw]]:
    def held() -> tuple[Any, Draw]:
        tensors = state()
        return wrap(tensors), lambda z: draw(tensors, z)

    return held


def shapes_file(shapes: Shapes) -> Callable[[], tuple[Any, None]]:
    return lambda: (nets.drawn(shapes), None)


def beside(key: str, other: str = "generator") -> Callable[[dict[str, Tensor]], Any]:
    """The smoothed generator under one key, the trained one under another, and a discriminator."""

    def wrap(state: dict[str, Tensor]) -> Any:
        moved = {name: tensor + 1 for name, tensor in state.items()}
        return {other: moved, key: state, "discriminator": {"0.weight": torch.ones(4, 3, 4, 4)}}

    return wrap


def prefixed(state: dict[str, Tensor], word: str) -> dict[str, Tensor]:
    return {f"{word}.{name}": tensor for name, tensor in state.items()}


def lightning(state: dict[str, Tensor]) -> Any:
    judge = {"0.weight": torch.ones(4, 3, 4, 4), "0.bias": torch.ones(4)}
    both = {**prefixed(judge, "discriminator"), **prefixed(state, "generator")}
    return {"state_dict": both, "epoch": 3, "hyper_parameters": {"lr": 0.1}}


def averaged(state: dict[str, Tensor]) -> Any:
    return {"n_averaged": torch.tensor(7), **prefixed(state, "module")}


def wrapped_mean(state: dict[str, Tensor]) -> Any:
    online = {name: tensor + 1 for name, tensor in state.items()}
    counts = {"initted": torch.tensor([True]), "step": torch.tensor([9])}
    return {**prefixed(online, "online_model"), **prefixed(state, "ema_model"), **counts}


def with_numpy(state: dict[str, Tensor]) -> Any:
    return {
        "netG": state,
        "loss": np.float64(0.25),
        "history": np.arange(6.0).reshape(2, 3),
        "best": np.int64(3),
    }


def with_paths(state: dict[str, Tensor]) -> Any:
    when = datetime.datetime(2021, 3, 4, 5, 6, tzinfo=datetime.UTC)
    took = datetime.timedelta(hours=2)
    return {"netG": state, "out": pathlib.PurePosixPath("/tmp/out"), "when": when, "took": took}


def with_tables(state: dict[str, Tensor]) -> Any:
    logs: dict[str, list[float]] = defaultdict(list)
    logs["loss"].append(0.5)
    return {"netG": state, "logs": logs, "config": Config(rate=0.1)}


def with_random(state: dict[str, Tensor]) -> Any:
    return {
        "netG": state,
        "args": argparse.Namespace(rate=0.1, out=pathlib.PurePosixPath("out")),
        "random": random.getstate(),
        "numpy": np.random.RandomState(3).get_state(),
        "generator_state": np.random.RandomState(4),
        "torch": torch.get_rng_state(),
    }


def with_object(state: dict[str, Tensor]) -> Any:
    return {"netG": state, "options": Options()}


def in_dtype(dtype: torch.dtype) -> Callable[[], tuple[Any, Draw]]:
    def held() -> tuple[Any, Draw]:
        net = nets.settled(nets.numbered())
        state = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in net.state_dict().items()
        }
        net.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        return state, coloured(net)

    return held


def sigmoid() -> tuple[Any, Draw]:
    net = nets.settled(nets.numbered(end=nn.Sigmoid()))
    return net.state_dict(), coloured(net, low=0.0)


def linear(into: int, out: int, name: str) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def conv(into: int, out: int, name: str, kernel: int = 3) -> Shapes:
    return {f"{name}.weight": (out, into, kernel, kernel), f"{name}.bias": (out,)}


STYLEGAN3: Shapes = {
    "mapping.fc0.weight": (8, 8),
    "mapping.fc0.bias": (8,),
    "mapping.w_avg": (8,),
    "synthesis.input.weight": (8, 8),
    "synthesis.input.freqs": (8, 2),
    "synthesis.L0_36_8.weight": (8, 8, 3, 3),
    "synthesis.L0_36_8.affine.weight": (8, 8),
    "synthesis.L0_36_8.affine.bias": (8,),
}
DECODER: Shapes = {
    **conv(4, 8, "decoder.conv_in"),
    **conv(8, 8, "decoder.mid_block.resnets.0.conv1"),
    **conv(8, 8, "decoder.up_blocks.0.resnets.0.conv1"),
    **conv(8, 3, "decoder.conv_out"),
}
AUTOENCODER: Shapes = {
    **conv(3, 8, "encoder.conv_in"),
    **DECODER,
    **conv(8, 8, "quant_conv", 1),
    **conv(4, 4, "post_quant_conv", 1),
}
DISCRIMINATOR: Shapes = {
    "main.0.weight": (8, 3, 4, 4),
    "main.2.weight": (16, 8, 4, 4),
    "main.5.weight": (1, 16, 4, 4),
}
RESTORER: Shapes = {
    **conv(3, 8, "1", 7),
    **conv(8, 8, "4"),
    **conv(8, 8, "7"),
    **conv(8, 3, "10", 7),
}
DIFFUSION: Shapes = {
    **linear(8, 16, "time_embedding.linear_1"),
    **conv(4, 8, "conv_in"),
    **conv(8, 8, "down_blocks.0.resnets.0.conv1"),
    **conv(8, 4, "conv_out"),
}
LABELLED: Shapes = {
    "label_emb.weight": (5, 5),
    **linear(15, 128, "l1.0"),
    **conv(8, 8, "conv_blocks.2"),
    **conv(8, 3, "conv_blocks.6"),
}
CLASSIFIER: Shapes = {
    **conv(3, 8, "conv1", 7),
    **conv(8, 8, "layer1.0.conv1"),
    **linear(8, 10, "fc"),
}

SMOOTHED = ("generator_smooth", "Gs", "gen_shadow", "g_running", "ema", "state_dict_ema")

KINDS: tuple[Kind, ...] = (
    *(
        Kind(
            f"smoothed generator under `{key}`",
            "dcgan",
            net_file(nets.numbered, beside(key)),
            taken=key,
        )
        for key in SMOOTHED
    ),
    Kind(
        "mean of weights with a count (`n_averaged`, `module.`)",
        "dcgan",
        net_file(nets.numbered, averaged),
    ),
    Kind(
        "wrapper of a mean (`online_model.`, `ema_model.`)",
        *("dcgan", net_file(nets.numbered, wrapped_mean)),
        taken="ema_model",
    ),
    Kind(
        "networks in one dict (`generator.`, `discriminator.`)",
        *("dcgan", net_file(nets.numbered, lightning)),
        taken="state_dict.generator",
    ),
    Kind(
        "training file with numpy numbers and arrays",
        "dcgan",
        net_file(nets.numbered, with_numpy),
        taken="netG",
    ),
    Kind(
        "training file with paths and times",
        "dcgan",
        net_file(nets.numbered, with_paths),
        taken="netG",
    ),
    Kind(
        "training file with dictionaries of other classes",
        *("dcgan", net_file(nets.numbered, with_tables)),
        taken="netG",
    ),
    Kind(
        "training file with arguments and random states",
        *("dcgan", net_file(nets.numbered, with_random)),
        taken="netG",
    ),
    Kind(
        "training file with an object of the owner's class",
        *("dcgan", net_file(nets.numbered, with_object)),
        taken="netG",
    ),
    Kind(
        "DCGAN with leaky ReLU", "dcgan", net_file(lambda: nets.numbered(slope=0.2)), {"slope": 0.2}
    ),
    Kind(
        "DCGAN with another epsilon",
        "dcgan",
        net_file(lambda: nets.numbered(eps=0.8)),
        {"eps": 0.8},
    ),
    Kind("DCGAN that ends with sigmoid", "dcgan", sigmoid, {"output": "sigmoid"}),
    Kind("DCGAN with named attributes", "dcgan", net_file(nets.Named)),
    Kind("DCGAN with layers between that have no weights", "dcgan", net_file(nets.shifted)),
    Kind("DCGAN in nested blocks", "dcgan", net_file(nets.nested)),
    Kind("DCGAN with spectral norm", "dcgan", net_file(lambda: nets.spectral(new=False))),
    Kind(
        "DCGAN with spectral norm as a parametrization",
        *("dcgan", net_file(lambda: nets.spectral(new=True))),
    ),
    Kind("DCGAN with a linear first layer", "dcgan", net_file(nets.LinearFirst)),
    Kind(
        "DCGAN of up-sampling and convolutions",
        *("dcgan", net_file(nets.Upsampling), {"slope": 0.2, "eps": 0.8}),
    ),
    Kind("DCGAN in grey", "dcgan", net_file(lambda: nets.numbered(1))),
    Kind("DCGAN with opacity", "dcgan", net_file(lambda: nets.numbered(4))),
    Kind("DCGAN of 128 px", "dcgan", net_file(nets.deep)),
    Kind("weights in float16", "dcgan", in_dtype(torch.float16)),
    Kind("weights in bfloat16", "dcgan", in_dtype(torch.bfloat16)),
    Kind("weights in float64", "dcgan", in_dtype(torch.float64)),
    Kind(
        "ProgGAN of pro_gan_pytorch",
        "proggan",
        state_file(
            nets.pro_gan_pytorch,
            nets.draw_pro_gan_pytorch,
            lambda state: {"shadow_generator": {"conf": {"depth": 4}, "state_dict": state}},
        ),
        taken="shadow_generator.state_dict",
    ),
    Kind(
        "ProgGAN of pytorch_GAN_zoo",
        "proggan",
        state_file(
            nets.gan_zoo, nets.draw_gan_zoo, lambda state: {"netG": state, "config": Options()}
        ),
        taken="netG",
    ),
    Kind(
        "StyleGAN of style-based-gan-pytorch",
        "stylegan",
        state_file(nets.style_based, nets.draw_style_based, lambda state: {"g_running": state}),
        taken="g_running",
    ),
    Kind(
        "StyleGAN of lernapparat", "stylegan", state_file(nets.lernapparat, nets.draw_lernapparat)
    ),
    Kind(
        "StyleGAN2 whose constant is not square",
        "stylegan2",
        state_file(nets.oblong, nets.draw_oblong, lambda state: {"g_ema": state}),
        taken="g_ema",
    ),
    Kind("StyleGAN3", "", shapes_file(STYLEGAN3), refused="a StyleGAN3 generator"),
    Kind(
        "decoder of a VAE", "", shapes_file(DECODER), refused="the decoder of an autoencoder (VAE)"
    ),
    Kind("VAE with its encoder", "", shapes_file(AUTOENCODER), refused="an autoencoder (VAE)"),
    Kind("discriminator", "", shapes_file(DISCRIMINATOR), refused="a discriminator"),
    Kind("encoder-decoder", "", shapes_file(RESTORER), refused="an encoder-decoder"),
    Kind(
        "U-Net of a diffusion model", "", shapes_file(DIFFUSION), refused="the U-Net of a diffusion"
    ),
    Kind("classifier", "", shapes_file(CLASSIFIER), refused="a classifier"),
    Kind(
        "generator with an embedding of labels", "", shapes_file(LABELLED), refused="draws by class"
    ),
)
