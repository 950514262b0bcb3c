"""The trainings of the village's networks: what one step of each is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from redraft.world.code import encode
from redraft.world.course import (
    Course,
    latents_of,
    loss,
    pixel_weights,
    read_state,
    write_half,
    write_state,
)
from redraft.world.drawing import draw
from redraft.world.networks import SHAPES, Network
from redraft.world.segmenter import Segmenter

SEGMENTER = "segmenter"
Tell = Callable[[str], object]
_BETAS = (0.9, 0.99)
_CODE_SEED = 1_000_000
"""Added to the seed where the code is fitted, so that no latent comes twice."""
_CODE_BATCH = 256


class Training(Protocol):
    """One network on its course."""

    course: Course
    optimizer: torch.optim.Adam

    def begin(self, tell: Tell) -> None:
        """What comes before the first step of a new training."""

    def learn(self, step: int, done: int) -> float:
        """Learn from a batch; ``done`` pictures came before. Returns the loss."""

    def trained(self) -> Mapping[str, Tensor]:
        """All that is trained, by name."""

    def weights(self) -> Mapping[str, Tensor]:
        """What goes into the file of weights."""

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from the weights of a file."""


class GeneratorTraining:
    """A generator learns to draw the village of its latent; the targets are known."""

    def __init__(self, model: str, course: Course) -> None:
        self.course = course
        self.network: Network = SHAPES[model](torch.Generator().manual_seed(course.seed))
        network = self.network
        names = set(network.early())
        early = [tensor for name, tensor in network.tensors.items() if name in names]
        late = [tensor for name, tensor in network.tensors.items() if name not in names]
        late += network.helpers.values()
        for tensor in (*early, *late):
            tensor.requires_grad_(True)
        groups = [{"params": late}, {"params": early}]
        self.optimizer = torch.optim.Adam(groups, course.rate, betas=_BETAS, fused=True)
        self._compiled = torch.compile(network.pictures) if course.compiled else network.pictures

    def begin(self, tell: Tell) -> None:
        """Fit the first layers to the code."""
        course, network, started = self.course, self.network, time.perf_counter()
        tensors = [network.tensors[name] for name in network.early()]
        tensors += [tensor for name, tensor in network.helpers.items() if name.startswith("code")]
        optimizer = torch.optim.Adam(tensors, betas=_BETAS, fused=True)
        for step in range(course.code_steps):
            left = 1 - step / course.code_steps
            optimizer.param_groups[0]["lr"] = network.code_rate * min(1.0, 2 * left)
            latents = latents_of(course.seed + _CODE_SEED, step, _CODE_BATCH)
            wrong = network.coded(torch.from_numpy(latents)) - torch.from_numpy(encode(latents))
            error = wrong.square().mean()
            optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 500 == 499:
                took = time.perf_counter() - started
                tell(
                    f"code, step {step + 1} of {course.code_steps}: error {error:.5f}, {took:.0f} s"
                )
        for tensor in tensors:
            tensor.grad = None

    def learn(self, step: int, done: int) -> float:
        """Learn from a batch; ``done`` pictures came before. Returns the loss."""
        course, side = self.course, self.course.side(done)
        latents = latents_of(course.seed, step, course.batch)
        drawn = draw(latents)
        target = torch.from_numpy(drawn.pictures)
        weights = pixel_weights(torch.from_numpy(drawn.labels))
        if side < target.shape[-1]:
            target = functional.avg_pool2d(target, target.shape[-1] // side)
            weights = functional.avg_pool2d(weights, weights.shape[-1] // side)
        rate = course.rate_at(done)
        late, early = self.optimizer.param_groups
        late["lr"], early["lr"] = rate, rate * self.network.early_share
        whole = side == drawn.pictures.shape[-1]
        forward = self._compiled if whole else self.network.pictures
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=course.half_at(done)):
            made = forward(torch.from_numpy(latents), side)
        error = loss(made.float() - target, weights)
        self.optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return error.item()

    def trained(self) -> Mapping[str, Tensor]:
        """All that is trained, by name."""
        helpers = {f"help.{name}": tensor for name, tensor in self.network.helpers.items()}
        return {**self.network.tensors, **helpers}

    def weights(self) -> Mapping[str, Tensor]:
        """The generator as its file holds it."""
        return self.network.file_tensors()

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from the weights of a file."""
        with torch.no_grad():
            for name, tensor in self.network.from_file(weights).items():
                self.network.tensors[name].copy_(tensor)


class SegmenterTraining:
    """The segmenter learns the labels of drawings, some of them blurred and grainy.

    No picture of a generator is seen.
    """

    def __init__(self, course: Course) -> None:
        self.course = course
        with torch.random.fork_rng():
            torch.manual_seed(course.seed)
            self.network = Segmenter()
        parameters = self.network.parameters()
        self.optimizer = torch.optim.Adam(parameters, course.rate, betas=_BETAS, fused=True)

    def begin(self, tell: Tell) -> None:
        """Nothing comes first."""

    def learn(self, step: int, done: int) -> float:
        """Learn from a batch; ``done`` pictures came before. Returns the loss."""
        course = self.course
        drawn = draw(latents_of(course.seed, step, course.batch))
        dice = torch.Generator().manual_seed(step)
        pictures = spoilt(torch.from_numpy(drawn.pictures), dice)
        self.optimizer.param_groups[0]["lr"] = course.rate_at(done)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=course.half_at(done)):
            scores = self.network(pictures)
        labels = torch.from_numpy(drawn.labels).long()
        error = functional.cross_entropy(scores.float(), labels)
        self.optimizer.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return error.item()

    def trained(self) -> Mapping[str, Tensor]:
        """All that is trained, by name."""
        return dict(self.network.named_parameters())

    def weights(self) -> Mapping[str, Tensor]:
        """The segmenter's weights."""
        return self.network.state_dict()

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from the weights of a file."""
        self.network.load_state_dict({name: each.float() for name, each in weights.items()})


def spoilt(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Pictures (N, 3, H, W): half of them a little blurred, and all grainy to some degree."""
    count = len(pictures)
    share = 0.8 * torch.rand(count, 1, 1, 1, generator=dice)
    share = share * (torch.rand(count, 1, 1, 1, generator=dice) < 0.5)
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (torch.outer(kernel, kernel) / 16).expand(3, 1, 3, 3)
    padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    blurred = functional.conv2d(padded, kernel, groups=3)
    grain = 0.08 * torch.rand(count, 1, 1, 1, generator=dice)
    noise = torch.randn(pictures.shape, generator=dice)
    return torch.lerp(pictures, blurred, share) + grain * noise


def training_of(model: str, course: Course) -> Training:
    """The training of a generator, or of the segmenter, by its name."""
    return SegmenterTraining(course) if model == SEGMENTER else GeneratorTraining(model, course)


def carry_out(
    model: str, course: Course, folder: Path, tell: Tell, start: Mapping[str, Tensor] | None = None
) -> Path:
    """Train to the end of the course, or go on where the folder's last state lies.

    The state is written every five minutes, and the weights with it.

    Args:
        model: a generator's name, or :data:`SEGMENTER`.
        course: may be longer or shorter than when the run rested.
        folder: of the run; made if missing.
        tell: called with a line now and then.
        start: weights of a file from which a new run starts.

    Returns:
        the file of weights, in half precision.

    Raises:
        ModelError: the state in the folder is another training's.

    """
    folder.mkdir(parents=True, exist_ok=True)
    training, state = training_of(model, course), folder / STATE
    counts = {"step": 0, "done": 0}
    if state.exists():
        counts = read_state(state, training.trained(), training.optimizer)
        tell(f"going on after {counts['done']} pictures")
    elif start is not None:
        training.take(start)
    else:
        training.begin(tell)
    weights = folder / f"{model}.safetensors"

    def keep() -> None:
        write_state(state, training.trained(), training.optimizer, counts)
        write_half(weights, training.weights(), counts)

    keep()
    _steps(training, counts, tell, keep)
    keep()
    return weights


STATE = "state.safetensors"
SAVE_S, TELL_S = 300.0, 30.0


def _steps(
    training: Training, counts: dict[str, int], tell: Tell, keep: Callable[[], None]
) -> None:
    shown = kept = time.perf_counter()
    errors: list[float] = []
    while counts["done"] < training.course.pictures:
        errors.append(training.learn(counts["step"], counts["done"]))
        counts["step"] += 1
        counts["done"] += training.course.batch
        now = time.perf_counter()
        if now - shown >= TELL_S:
            pace = len(errors) * training.course.batch / (now - shown)
            mean = sum(errors) / len(errors)
            tell(f"{counts['done']} pictures: loss {mean:.5f}, {pace:.0f} a second")
            shown, errors = now, []
        if now - kept >= SAVE_S:
            keep()
            kept = now
