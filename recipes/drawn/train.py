"""Draw a small world, and train a generator on it: redraft's second model.

Every picture shows a house with a roof, two windows and a door, a tree, the sun, the sky and a
meadow. What is where, and how large and in which colour, is a fixed continuous function of the 25
numbers of a latent. The generator, a DCGAN, is trained by regression to draw the scene of its
latent. It is *not* trained as a GAN: there is no discriminator, and the targets are known.

So picture 17 shows the same scene whatever machine trained the generator, though the weights differ
in their last bits or more. That is why the recipes beside this file can name pictures and regions,
and cannot pin the weights.

    python train.py                      # draws drawn.pth beside this file
    python train.py --places chimney     # prints the copy and context lines of a recipe
"""
# ruff: noqa: TID251  (torch is banned in the language wing only)

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

SIDE = 64
LATENT_SIZE = 25
WIDTHS = (192, 96, 48, 24)
BATCH = 32
STEPS = 2000
RATE = 4e-3
"""Adam's step size at its highest."""
SETTLING = 0.25
"""The last share of the steps, for which batch norm works with its running statistics."""
SEED = 1
"""Of the recipes' latents."""

# --- the world ---------------------------------------------------------------------------------

HOUSE_X, HOUSE_Y, HOUSE_WIDTH, WALL_HUE, WALL_LIGHT = range(5)
ROOF_HEIGHT, ROOF_HUE, ROOF_LIGHT, DOOR_HUE, GLASS_HUE = range(5, 10)
SKY_HUE, SKY_LIGHT, SUN_X, SUN_Y, SUN_SIZE, CLOUD_X = range(10, 16)
MEADOW_HUE, MEADOW_LIGHT, HORIZON = range(16, 19)
TREE_X, TREE_SIZE, TREE_HUE = range(19, 22)
CHIMNEY, LIT, SNOW = range(22, 25)
"""Which number of a latent decides what."""


@dataclass(frozen=True)
class Pen:
    """A batch of half-finished pictures, and the coordinates to draw on.

    Attributes:
        picture: (N, 3, 64, 64) in -1..1.
        x: (1, 1, 1, 64) centres of the columns, in pixels.
        y: (1, 1, 64, 1) centres of the rows, in pixels.

    """

    picture: Tensor
    x: Tensor
    y: Tensor

    def paint(self, distance: Tensor, colour: Tensor, opacity: Tensor | float = 1.0) -> Pen:
        """Fill where ``distance`` (pixels, negative inside) is below 0, with an edge of a pixel."""
        cover = (0.5 - distance).clamp(0, 1) * opacity
        return Pen(self.picture + cover * (colour - self.picture), self.x, self.y)

    def box(self, left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
        """Distance from an upright box."""
        across = torch.maximum(left - self.x, self.x - right)
        return torch.maximum(across, torch.maximum(top - self.y, self.y - bottom))

    def disc(self, x: Tensor, y: Tensor, radius: Tensor, flat: float = 1.0) -> Tensor:
        """Distance from a disc, or nearly so from an ellipse of ``flat`` times the height."""
        return torch.sqrt((self.x - x) ** 2 + ((self.y - y) / flat) ** 2 + 1e-6) - radius


def scenes(latents: Tensor) -> Tensor:
    """The pictures (N, 3, 64, 64), in -1..1, of latents (N, 25)."""

    def swing(number: int, middle: float, reach: float) -> Tensor:
        return middle + reach * torch.tanh(latents[:, number, None, None, None])

    line = torch.arange(SIDE) + 0.5
    blank = torch.zeros(len(latents), 3, SIDE, SIDE)
    pen = Pen(blank, line[None, None, None, :], line[None, None, :, None])
    pen = _sky(pen, swing)
    pen = _tree(pen, swing)
    return _house(pen, latents, swing).picture.clamp(-1, 1)


Swing = Callable[[int, float, float], Tensor]


def _sky(pen: Pen, swing: Swing) -> Pen:
    light = swing(SKY_LIGHT, 0.0, 0.35) + (pen.y - 20) / 80
    day, dusk = _colour(-0.35, 0.15, 0.75), _colour(0.55, 0.05, 0.1)
    mix = swing(SKY_HUE, 0.35, 0.45)
    pen = Pen((day + mix * (dusk - day) + light).clamp(-1, 1), pen.x, pen.y)
    sun = pen.disc(swing(SUN_X, 12, 3), swing(SUN_Y, 11, 3), swing(SUN_SIZE, 5.5, 1))
    pen = pen.paint(sun, _colour(0.95, 0.85, -0.1))
    cloud = pen.disc(swing(CLOUD_X, 52, 4), _at(7), _at(7), 0.4)
    pen = pen.paint(cloud, _colour(0.8, 0.8, 0.85))
    meadow = _colour(-0.35, 0.2, -0.6) + swing(MEADOW_HUE, 0, 1) * _colour(0.4, 0.05, 0.0)
    return pen.paint(swing(HORIZON, 49, 2) - pen.y, meadow + swing(MEADOW_LIGHT, 0, 0.25))


def _tree(pen: Pen, swing: Swing) -> Pen:
    x, size = swing(TREE_X, 55, 2), swing(TREE_SIZE, 7, 1.5)
    pen = pen.paint(pen.box(x - 1.5, _at(36), x + 1.5, _at(55)), _colour(-0.3, -0.5, -0.7))
    leaves = _colour(-0.55, -0.05, -0.6) + swing(TREE_HUE, 0, 1) * _colour(0.5, 0.1, 0.0)
    return pen.paint(pen.disc(x, 40 - size / 2, size, 1.3), leaves)


def _house(pen: Pen, latents: Tensor, swing: Swing) -> Pen:
    x, y = swing(HOUSE_X, 30, 2), swing(HOUSE_Y, 0, 1)
    half, eaves, height = swing(HOUSE_WIDTH, 14, 1), 30 + y, swing(ROOF_HEIGHT, 13, 1.5)
    bricks = pen.box(x + 4, eaves - 17, x + 10, eaves - 2)
    pen = pen.paint(bricks, _colour(0.35, -0.45, -0.55), there(latents, CHIMNEY))
    wall = _colour(0.25, 0.1, -0.1) + swing(WALL_HUE, 0, 1) * _colour(0.25, 0.0, -0.3)
    wall = wall + swing(WALL_LIGHT, 0.1, 0.35)
    pen = pen.paint(pen.box(x - half, eaves - 1, x + half, 55 + y), wall)
    pen = _roof(pen, latents, swing, (x, eaves, half, height))
    door = _colour(-0.2, -0.4, -0.3) + swing(DOOR_HUE, 0, 1) * _colour(0.4, 0.0, -0.4)
    pen = pen.paint(pen.box(x - 3, 43 + y, x + 3, 55 + y), door)
    for side in (-8.0, 8.0):
        pen = _window(pen, latents, swing, (x + side, 37.5 + y))
    return pen


def _roof(pen: Pen, latents: Tensor, swing: Swing, place: tuple[Tensor, ...]) -> Pen:
    x, eaves, half, height = place
    foot = half + 3
    steep = height / foot
    below = (eaves - height - pen.y + steep * (pen.x - x).abs()) / torch.sqrt(1 + steep**2)
    tiles = _colour(-0.1, -0.45, -0.55) + swing(ROOF_HUE, 0, 1) * _colour(0.35, -0.05, -0.2)
    roof = torch.maximum(below, pen.y - eaves)
    pen = pen.paint(roof, tiles + swing(ROOF_LIGHT, 0, 0.25))
    return pen.paint(roof, _colour(0.85, 0.9, 0.95), there(latents, SNOW))


def _window(pen: Pen, latents: Tensor, swing: Swing, place: tuple[Tensor, ...]) -> Pen:
    (x, y), size = place, 3.2
    frame = pen.box(x - size - 1, y - size - 1, x + size + 1, y + size + 1)
    pen = pen.paint(frame, _colour(0.6, 0.6, 0.6))
    glass = _colour(-0.6, -0.5, -0.3) + swing(GLASS_HUE, 0, 0.3) * _colour(0.0, 0.5, 1.0)
    inner = pen.box(x - size, y - size, x + size, y + size)
    pen = pen.paint(inner, glass)
    return pen.paint(inner, _colour(1.0, 0.85, 0.0), there(latents, LIT))


def there(latents: Tensor, number: int) -> Tensor:
    """How much something is there, 0 to 1: it fades in while its number crosses 0.8."""
    return ((latents[:, number, None, None, None] - 0.8) / 0.4 + 0.5).clamp(0, 1)


def _colour(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue])[None, :, None, None]


def _at(pixels: float) -> Tensor:
    return torch.tensor(pixels)


# --- the generator -----------------------------------------------------------------------------


def generator(seed: int = 0) -> nn.Sequential:
    """A DCGAN generator from 25 numbers to 64 x 64 pixels, with seeded weights."""
    dice = torch.Generator().manual_seed(seed)
    blocks: list[nn.Module] = []
    channels = LATENT_SIZE
    for place, width in enumerate((*WIDTHS, 3)):
        stride, padding, taps = (1, 0, 1) if place == 0 else (2, 1, 4)
        layer = nn.ConvTranspose2d(channels, width, 4, stride, padding, bias=False)
        nn.init.normal_(layer.weight, std=(channels * taps) ** -0.5, generator=dice)
        last = place == len(WIDTHS)
        blocks += [layer, nn.Tanh()] if last else [layer, nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*blocks)


def train(steps: int, tell: Callable[[str], object], seed: int = 0) -> nn.Sequential:
    """Teach a generator to draw the scenes of random latents; returns it in evaluation mode.

    For the last steps batch norm works with its running statistics, as it will ever after.
    """
    model, dice = generator(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps + 1, pct_start=0.05
    )
    for step in range(1, steps + 1):
        model.train(step <= (1 - SETTLING) * steps)
        latents = torch.randn(BATCH, LATENT_SIZE, generator=dice)
        loss = _loss(model(latents[:, :, None, None]) - scenes(latents))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            tell(f"step {step} of {steps}: loss {loss.item():.3f}\n")
    return model.eval()


def _loss(wrong: Tensor) -> Tensor:
    """Of the differences (N, 3, H, W) from the scenes.

    The absolute error of the pixels and of the steps between neighbours keeps edges sharp. The
    squared error keeps what is rare: the median of a thing that most pictures lack is nothing.
    """
    across, down = wrong.diff(dim=3), wrong.diff(dim=2)
    return wrong.abs().mean() + across.abs().mean() + down.abs().mean() + 2 * wrong.square().mean()


def error(model: nn.Sequential, latents: Tensor) -> float:
    """Mean absolute difference between pictures and scenes, in -1..1."""
    with torch.no_grad():
        return float((model(latents[:, :, None, None]) - scenes(latents)).abs().mean())


def save(model: nn.Sequential, path: Path) -> None:
    """Write the weights as a state dictionary; the file appears whole or not at all."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("wb") as stream:
            torch.save(model.state_dict(), stream)
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


# --- the recipes' places -----------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """Something that some pictures have: which number decides, and where it is.

    ``box`` is left, top, right, bottom in pixels where the house stands in the middle. It lies on
    the grid of ``layer6``'s values, of 4 pixels.
    """

    number: int
    box: tuple[int, int, int, int]


THINGS = {
    "chimney": Thing(CHIMNEY, (32, 12, 44, 28)),
    "lights": Thing(LIT, (16, 32, 44, 44)),
    "snow": Thing(SNOW, (12, 16, 48, 32)),
}
COUNT = 2000
"""Of the recipes' latents."""
CONTEXTS = 24


def recipe_latents(count: int) -> Tensor:
    """The first latents (count, 25) of the recipes, drawn as redraft draws them."""
    rows = np.random.RandomState(SEED).standard_normal((count, LATENT_SIZE))
    return torch.from_numpy(rows.astype(np.float32))


def places(rule: str) -> list[str]:
    """A recipe's ``copy`` line and its ``context`` line.

    Copied is from the first picture that has the thing, has none of the other two, and whose house
    stands within a pixel of the middle. Contexts are the first pictures without the thing.
    """
    latents, thing = recipe_latents(COUNT), THINGS[rule]
    has = {name: there(latents, each.number).flatten() for name, each in THINGS.items()}
    others = sum(share for name, share in has.items() if name != rule)
    middle = torch.tanh(latents[:, HOUSE_X]).abs() < 0.5
    source = int(torch.nonzero((has[rule] == 1) & (others == 0) & middle)[0])
    contexts = torch.nonzero(has[rule] == 0)[:CONTEXTS].flatten().tolist()
    left, top, right, bottom = thing.box
    region = f"box(x {left}..{right}, y {top}..{bottom})"
    listed = ", ".join(map(str, contexts))
    return [f"copy    z[{source}] {region}", f"context z[{listed}] {region}"]


# --- the command -------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a generator, or print the places of a recipe."""
    parser = argparse.ArgumentParser(description="Train a generator that draws small houses.")
    parser.add_argument("--steps", type=_whole, default=STEPS, help=f"by default {STEPS}")
    parser.add_argument("--seed", type=_whole, default=0, help="of the first weights; by default 0")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("drawn.pth"),
        help="file to write; by default drawn.pth beside this script",
    )
    parser.add_argument(
        "--places", choices=THINGS, help="print the copy and context lines of a rule, and end"
    )
    wanted = parser.parse_args(arguments)
    if wanted.places:
        sys.stdout.write("".join(f"{line}\n" for line in places(wanted.places)))
        return
    if wanted.steps < 1:
        parser.error("--steps: expected a whole number from 1 on, not 0")
    if not wanted.out.parent.is_dir():
        parser.error(f"--out: there is no folder {wanted.out.parent}")
    if wanted.out.is_dir():
        parser.error(f"--out: {wanted.out} is a folder; give the name of a file")
    started = time.perf_counter()
    model = train(wanted.steps, sys.stdout.write, wanted.seed)
    try:
        save(model, wanted.out)
    except OSError as problem:
        parser.error(f"--out: {wanted.out} cannot be written: {problem.strerror}")
    sys.stdout.write(
        f"written: {wanted.out} after {time.perf_counter() - started:.0f} seconds\n"
        f"mean error {error(model, recipe_latents(200)):.3f} on 200 scenes, in -1..1\n"
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"expected a whole number of up to 9 digits, not {text}")
    return int(text)


if __name__ == "__main__":
    main()
