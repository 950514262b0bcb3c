"""Independent forward passes of the kinds of files: what their owners' code computes.

Each is written from the formulas, with plain functions over a dict of tensors or as a small module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from tests.runtime.conftest import _stylegan2_state as small_stylegan2
from tests.runtime.test_stylegan2 import reference as stylegan2_reference
from torch import Tensor, nn
from torch.nn import functional as f
from torch.nn.utils import parametrizations, spectral_norm

State = Mapping[str, Tensor]
LATENT = 10


def pixel_norm(x: Tensor) -> Tensor:
    return x / torch.sqrt(x.pow(2).mean(1, keepdim=True) + 1e-8)


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int = 3) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}


def faint(state: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """With colours that seldom leave -1..1."""
    return {n: 0.04 * each if n.startswith(start) else each for n, each in state.items()}


def settled(net: nn.Module, seed: int = 5) -> nn.Module:
    """Weights and running statistics of a trained network's spread."""
    source = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=source))
        elif name.endswith(("running_mean", "bias")):
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=source))
        elif tensor.dim() > 1:
            tensor.copy_(0.15 * torch.randn(tensor.shape, generator=source))
    return net.eval()


# ---- DCGANs -----------------------------------------------------------------------------------


def up(into: int, out: int, *, bias: bool = False) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(into, out, 4, 2, 1, bias=bias)


def first(out: int, *, bias: bool = False) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(LATENT, out, 4, 1, 0, bias=bias)


class Flat(nn.Module):
    """A sequence that takes latents (N, Z)."""

    def __init__(self, *steps: nn.Module, name: str = "main") -> None:
        super().__init__()
        self.add_module(name, nn.Sequential(*steps))

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = next(self.children())(z[:, :, None, None])
        return x


def numbered(
    colours: int = 3, slope: float = 0.0, eps: float = 1e-5, end: nn.Module | None = None
) -> Flat:
    act = nn.LeakyReLU(slope) if slope else nn.ReLU()
    return Flat(
        *(first(12), nn.BatchNorm2d(12, eps), act, up(12, 8), nn.BatchNorm2d(8, eps), act),
        *(up(8, colours), end or nn.Tanh()),
    )


def deep(count: int = 6) -> Flat:
    """128 px and more: a layer for each doubling."""
    steps: list[nn.Module] = [first(8), nn.BatchNorm2d(8), nn.ReLU()]
    for _ in range(count - 2):
        steps += [up(8, 8), nn.BatchNorm2d(8), nn.ReLU()]
    return Flat(*steps, up(8, 3), nn.Tanh())


def shifted() -> Flat:
    return Flat(
        *(first(12), nn.BatchNorm2d(12), nn.ReLU(), nn.Dropout(0.3)),
        *(up(12, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), up(8, 3, bias=True), nn.Tanh()),
    )


def block(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(up(into, out), nn.BatchNorm2d(out), nn.ReLU())


def nested() -> Flat:
    start = nn.Sequential(first(12), nn.BatchNorm2d(12), nn.ReLU())
    return Flat(start, block(12, 8), block(8, 8), up(8, 3, bias=True), nn.Tanh(), name="net")


def spectral(*, new: bool) -> Flat:
    norm = parametrizations.spectral_norm if new else spectral_norm
    return Flat(
        *(norm(first(12, bias=True)), nn.BatchNorm2d(12), nn.ReLU()),
        *(norm(up(12, 8, bias=True)), nn.BatchNorm2d(8), nn.ReLU()),
        *(norm(up(8, 3, bias=True)), nn.Tanh()),
    )


class Named(nn.Module):
    """Attributes in place of numbers; batch norms after all convolutions, as often written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = first(12), up(12, 8), up(8, 6)
        self.conv4 = up(6, 3, bias=True)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(width) for width in (12, 8, 6))

    def forward(self, z: Tensor) -> Tensor:
        x = z[:, :, None, None]
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = torch.relu(norm(conv(x)))
        return torch.tanh(self.conv4(x))


class LinearFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bn0 = nn.Linear(LATENT, 8 * 16), nn.BatchNorm1d(8 * 16)
        self.deconv1, self.bn1, self.deconv2 = up(8, 6), nn.BatchNorm2d(6), up(6, 3, bias=True)

    def forward(self, z: Tensor) -> Tensor:
        x = torch.relu(self.bn0(self.fc(z))).view(-1, 8, 4, 4)
        return torch.tanh(self.deconv2(torch.relu(self.bn1(self.deconv1(x)))))


class Upsampling(nn.Module):
    """Nearest up-sampling and convolutions, with an epsilon of 0.8, in grey."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Sequential(nn.Linear(LATENT, 8 * 16))
        self.conv_blocks = nn.Sequential(
            *(nn.BatchNorm2d(8), nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 3, 1, 1)),
            *(nn.BatchNorm2d(8, 0.8), nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(8, 6, 3, 1, 1), nn.BatchNorm2d(6, 0.8), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(6, 1, 3, 1, 1), nn.Tanh()),
        )

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.conv_blocks(self.l1(z).view(-1, 8, 4, 4))
        return x


# ---- ProgGANs of two ports --------------------------------------------------------------------


def pro_gan_pytorch(widths: tuple[int, ...] = (6, 5, 4)) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for place, out in enumerate(widths):
        into = widths[place - 1] if place else LATENT
        shapes |= {
            f"layers.{place}.conv_1.weight": (out, into, 3, 3) if place else (into, out, 4, 4),
            f"layers.{place}.conv_1.bias": (out,),
            f"layers.{place}.conv_2.weight": (out, out, 3, 3),
            f"layers.{place}.conv_2.bias": (out,),
            f"rgb_converters.{place}.weight": (3, out, 1, 1),
            f"rgb_converters.{place}.bias": (3,),
        }
    return drawn(shapes)


def equalised(x: Tensor, state: State, name: str) -> Tensor:
    weight = state[f"{name}.weight"]
    scale = math.sqrt(2 / weight[0].numel())
    return f.conv2d(x, weight * scale, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def draw_pro_gan_pytorch(state: State, z: Tensor) -> Tensor:
    weight = state["layers.0.conv_1.weight"]
    scaled = weight * math.sqrt(2 / weight.shape[0])
    x = f.conv_transpose2d(pixel_norm(z)[:, :, None, None], scaled, state["layers.0.conv_1.bias"])
    x = f.leaky_relu(x, 0.2)
    x = pixel_norm(f.leaky_relu(equalised(x, state, "layers.0.conv_2"), 0.2))
    for place in (1, 2):
        x = f.interpolate(x, scale_factor=2)
        for half in (1, 2):
            x = equalised(x, state, f"layers.{place}.conv_{half}")
            x = pixel_norm(f.leaky_relu(x, 0.2))
    return equalised(x, state, "rgb_converters.2").clamp(-1, 1)


def gan_zoo(widths: tuple[int, ...] = (6, 5, 4)) -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {
        "formatLayer.weight": (16 * widths[0], LATENT),
        "formatLayer.bias": (16 * widths[0],),
        "groupScale0.0.weight": (widths[0], widths[0], 3, 3),
        "groupScale0.0.bias": (widths[0],),
    }
    for place, out in enumerate(widths):
        shapes |= {f"toRGBLayers.{place}.weight": (3, out, 1, 1), f"toRGBLayers.{place}.bias": (3,)}
        for half in (0, 1) if place else ():
            root = f"scaleLayers.{place - 1}.{half}"
            shapes |= {
                f"{root}.weight": (out, widths[place - 1 + half], 3, 3),
                f"{root}.bias": (out,),
            }
    return drawn(shapes)


def draw_gan_zoo(state: State, z: Tensor) -> Tensor:
    def layer(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        plain = (
            f.linear(x, weight, bias)
            if weight.dim() == 2
            else f.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        )
        return plain * math.sqrt(2 / weight[0].numel())

    x = f.leaky_relu(layer(pixel_norm(z), "formatLayer"), 0.2)
    x = pixel_norm(x.view(len(z), -1, 4, 4))
    x = pixel_norm(f.leaky_relu(layer(x, "groupScale0.0"), 0.2))
    for scale in (0, 1):
        x = f.interpolate(x, scale_factor=2)
        for half in (0, 1):
            x = pixel_norm(f.leaky_relu(layer(x, f"scaleLayers.{scale}.{half}"), 0.2))
    return layer(x, "toRGBLayers.2").clamp(-1, 1)


# ---- StyleGAN in two ports --------------------------------------------------------------------

WIDTHS = (6, 6, 5, 4, 4, 4)
INNER = 7


def oblong() -> dict[str, Tensor]:
    """Half as wide again as high: so is the constant, and with it all noise maps."""
    source = torch.Generator().manual_seed(4)
    return {
        name: torch.randn(*each.shape[:-1], each.shape[-1] * 3 // 2, generator=source)
        if name == "input.input" or name.startswith("noises.")
        else each
        for name, each in small_stylegan2(3).items()
    }


def draw_oblong(state: Mapping[str, Tensor], z: Tensor) -> Tensor:
    exact = {name: each.double() for name, each in state.items()}
    pictures = [stylegan2_reference(exact, row.double(), 1.0)[0] for row in z]
    return torch.stack(pictures).float().clamp(-1, 1)


def noises() -> list[Tensor]:
    """A fixed map for each layer: seed 1, two for each size."""
    source = torch.Generator().manual_seed(1)
    sides = [4 << (number // 2) for number in range(2 * len(WIDTHS))]
    return [torch.randn(1, 1, side, side, generator=source) for side in sides]


def blurred(x: Tensor) -> Tensor:
    line = torch.tensor([1.0, 2.0, 1.0])
    kernel = (line[:, None] * line / 16).expand(x.shape[1], 1, 3, 3)
    return f.conv2d(x, kernel, padding=1, groups=x.shape[1])


def summed(weight: Tensor) -> Tensor:
    """The four shifts of (I, O, 3, 3), added up: (I, O, 4, 4)."""
    wide = f.pad(weight, (1, 1, 1, 1))
    return wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]


def he(weight: Tensor, gain: float = math.sqrt(2)) -> Tensor:
    return weight * gain / math.sqrt(weight[0].numel())


def style_based() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in (1, 3):
        into = LATENT if number == 1 else INNER
        shapes |= {f"style.{number}.linear.weight_orig": (INNER, into)}
        shapes |= {f"style.{number}.linear.bias": (INNER,)}
    for place, out in enumerate(WIDTHS):
        root, into = f"generator.progression.{place}", WIDTHS[place - 1]
        if place == 0:
            shapes[f"{root}.conv1.input"] = (1, out, 4, 4)
        elif 4 << place < 128:
            shapes |= {f"{root}.conv1.1.conv.weight_orig": (out, into, 3, 3)}
            shapes |= {f"{root}.conv1.1.conv.bias": (out,)}
            shapes |= {f"{root}.conv1.2.weight": (out, 1, 3, 3)}
            shapes |= {f"{root}.conv1.2.weight_flip": (out, 1, 3, 3)}
        else:
            shapes |= {f"{root}.conv1.0.weight": (into, out, 3, 3), f"{root}.conv1.0.bias": (out,)}
            shapes |= {f"{root}.conv1.1.weight": (out, 1, 3, 3)}
            shapes |= {f"{root}.conv1.1.weight_flip": (out, 1, 3, 3)}
        shapes |= {f"{root}.conv2.conv.weight_orig": (out, out, 3, 3)}
        shapes |= {f"{root}.conv2.conv.bias": (out,)}
        for half in (1, 2):
            shapes |= {f"{root}.noise{half}.weight_orig": (1, out, 1, 1)}
            shapes |= {f"{root}.adain{half}.style.linear.weight_orig": (2 * out, INNER)}
            shapes |= {f"{root}.adain{half}.style.linear.bias": (2 * out,)}
        shapes |= {f"generator.to_rgb.{place}.conv.weight_orig": (3, out, 1, 1)}
        shapes |= {f"generator.to_rgb.{place}.conv.bias": (3,)}
    return faint(drawn(shapes), "generator.to_rgb")


def draw_style_based(state: State, z: Tensor) -> Tensor:
    def layer(x: Tensor, name: str) -> Tensor:
        weight, bias = he(state[f"{name}.weight_orig"]), state[f"{name}.bias"]
        if weight.dim() == 2:
            return f.linear(x, weight, bias)
        return f.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    inner, noise = pixel_norm(z), noises()
    for number in (1, 3):
        inner = f.leaky_relu(layer(inner, f"style.{number}.linear"), 0.2)
    x = state["generator.progression.0.conv1.input"].repeat(len(z), 1, 1, 1)
    for place in range(len(WIDTHS)):
        root = f"generator.progression.{place}"
        if f"{root}.conv1.1.conv.bias" in state:
            x = blurred(layer(f.interpolate(x, scale_factor=2), f"{root}.conv1.1.conv"))
        elif place:
            weight = state[f"{root}.conv1.0.weight"]
            weight = summed(weight * math.sqrt(2 / (weight.shape[0] * 9))) / 4
            bias = state[f"{root}.conv1.0.bias"]
            x = blurred(f.conv_transpose2d(x, weight, bias, stride=2, padding=1))
        for half in (1, 2):
            x = layer(x, f"{root}.conv2.conv") if half == 2 else x
            strength = he(state[f"{root}.noise{half}.weight_orig"])
            x = f.leaky_relu(x + strength * noise[2 * place + half - 1], 0.2)
            style = layer(inner, f"{root}.adain{half}.style.linear")[:, :, None, None]
            gain, shift = style.chunk(2, 1)
            x = gain * f.instance_norm(x) + shift
    return layer(x, f"generator.to_rgb.{len(WIDTHS) - 1}.conv").clamp(-1, 1)


def lernapparat() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in (0, 1):
        shapes |= {f"g_mapping.dense{number}.weight": (INNER, INNER if number else LATENT)}
        shapes |= {f"g_mapping.dense{number}.bias": (INNER,)}
    for place, out in enumerate(WIDTHS):
        root, into = f"g_synthesis.blocks.{4 << place}x{4 << place}", WIDTHS[place - 1]
        if place == 0:
            shapes |= {f"{root}.const": (1, out, 4, 4), f"{root}.bias": (out,)}
        else:
            shapes |= {
                f"{root}.conv0_up.weight": (out, into, 3, 3),
                f"{root}.conv0_up.bias": (out,),
            }
            shapes |= {f"{root}.conv0_up.intermediate.kernel": (1, 1, 3, 3)}
        own = f"{root}.conv1" if place else f"{root}.conv"
        shapes |= {f"{own}.weight": (out, out, 3, 3), f"{own}.bias": (out,)}
        for half in (1, 2):
            shapes |= {f"{root}.epi{half}.top_epi.noise.weight": (out,)}
            shapes |= {f"{root}.epi{half}.style_mod.lin.weight": (2 * out, INNER)}
            shapes |= {f"{root}.epi{half}.style_mod.lin.bias": (2 * out,)}
    shapes |= {"g_synthesis.torgb.weight": (3, WIDTHS[-1], 1, 1), "g_synthesis.torgb.bias": (3,)}
    return faint(drawn(shapes), "g_synthesis.torgb")


def draw_lernapparat(state: State, z: Tensor) -> Tensor:
    inner, noise = pixel_norm(z), noises()
    for number in (0, 1):
        weight, bias = (state[f"g_mapping.dense{number}.{each}"] for each in ("weight", "bias"))
        inner = f.leaky_relu(f.linear(inner, he(weight) * 0.01, bias * 0.01), 0.2)
    x = state["g_synthesis.blocks.4x4.const"].expand(len(z), -1, -1, -1)
    x = x + state["g_synthesis.blocks.4x4.bias"][:, None, None]
    for place in range(len(WIDTHS)):
        root = f"g_synthesis.blocks.{4 << place}x{4 << place}"
        if place:
            weight = he(state[f"{root}.conv0_up.weight"])
            if 4 << place < 128:
                x = f.conv2d(f.interpolate(x, scale_factor=2), weight, padding=1)
            else:
                x = f.conv_transpose2d(x, summed(weight.transpose(0, 1)), stride=2, padding=1)
            x = blurred(x) + state[f"{root}.conv0_up.bias"][:, None, None]
        for half in (1, 2):
            if half == 2:
                own = f"{root}.conv1" if place else f"{root}.conv"
                x = f.conv2d(x, he(state[f"{own}.weight"]), state[f"{own}.bias"], padding=1)
            strength = state[f"{root}.epi{half}.top_epi.noise.weight"][:, None, None]
            x = f.leaky_relu(x + strength * noise[2 * place + half - 1], 0.2)
            own = f"{root}.epi{half}.style_mod.lin"
            style = f.linear(inner, he(state[f"{own}.weight"], 1.0), state[f"{own}.bias"])
            gain, shift = style[:, :, None, None].chunk(2, 1)
            x = f.instance_norm(x) * (gain + 1) + shift
    weight = he(state["g_synthesis.torgb.weight"], 1.0)
    return f.conv2d(x, weight, state["g_synthesis.torgb.bias"]).clamp(-1, 1)
