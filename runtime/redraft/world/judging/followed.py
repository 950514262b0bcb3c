"""What became of a rule's things in the village, by the judging segmenter and the right answer.

With ``b`` the segmenter's labels of pictures before an edit, and ``a`` those after it:

- *became*: the share of the source class's pixels that have the target class afterwards,
  ``mean [a = target | b = source]``.
- *objects*: the share of source things, as the drawing has them, where the segmenter then agrees
  with the target thing of the drawn answer: IoU at least .5 within the building's half of the
  picture. A spire does not cover the corners of a dome, so ``became`` is below 1 even for the
  drawing, and ``objects`` is what says how many follow.
- *false*: the share of some other classes' pixels whose label changes, ``mean [a != b | b in C]``.
- *distance* to the right answer, with that of the unedited pictures and the floor beside it; see
  :mod:`redraft.world.answers`. *way* is how much of the unedited distance is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.world.answers import ANSWERS, answering_latents, distance
from redraft.world.drawing import LABELS, SIDE, Drawn, Labels, draw
from redraft.world.segmenter import Segmenter

AGREES = 0.5
"""IoU from which a thing is the target."""
VISIBLE = 30
"""Fewest pixels of a thing in the drawing and in the answer: most of others is hidden."""


@dataclass(frozen=True)
class Task:
    """A rule edit of the world, and the classes by which it is measured.

    Attributes:
        answer: its name in ``ANSWERS``.
        source: the label that is to go.
        target: what it is to become; None for whatever else.
        bystanders: labels that are to stay.

    """

    answer: str
    source: str
    target: str | None
    bystanders: tuple[str, ...]


_TOWERS = ("spire", "battlements")
TASKS: dict[str, Task] = {
    each.answer: each
    for each in (
        Task("domes to spires", "dome", "spire", _TOWERS),
        Task("domes to trees", "dome", "tree", _TOWERS),
        Task("domes to battlements", "dome", "battlements", _TOWERS),
        Task("spires to domes", "spire", "dome", ("dome", "battlements")),
        Task("battlements to spires", "battlements", "spire", ("dome", "spire")),
        Task("watermark removed", "watermark", None, ("cloud", "sun", "dome", *_TOWERS)),
        Task("reflections inverted", "reflection", None, ("lit window", "dark window")),
        Task("reflections removed", "reflection", None, ("lit window", "dark window")),
        Task("trees removed", "tree", None, ("dome", *_TOWERS)),
    )
}


@dataclass(frozen=True)
class Followed:
    """The measures of some pictures; see above. NaN where nothing of the kind is there."""

    became: float
    objects: float
    false: float
    distance: float
    unedited: float
    floor: float | None
    outside: float

    @property
    def way(self) -> float:
        """How much of the way from the unedited pictures to the right answer is gone."""
        return (self.unedited - self.distance) / self.unedited


@dataclass(frozen=True, eq=False)
class Bench:
    """Pictures of a generator of the village, ready to be compared with edited ones.

    Attributes:
        task: what is edited.
        judge: labels pictures.
        latents: (N, 28) of the pictures.
        before: (N, 3, 64, 64), without an edit.
        labels: (N, 64, 64), theirs by the judge.
        drawn: the drawings of the latents.
        answer: the drawn answers.
        unedited: distance of ``before``.
        floor: distance of the generator's pictures of the answering latents; None without any.

    """

    task: Task
    judge: Segmenter
    latents: Tensor
    before: Tensor
    labels: Labels
    drawn: Drawn
    answer: Drawn
    unedited: float
    floor: float | None

    def measure(self, pictures: Tensor) -> Followed:
        """The measures of edited pictures (N, 3, 64, 64) of the same latents."""
        task, after = self.task, self.judge.labels(pictures).numpy()
        source = self.labels == LABELS.index(task.source)
        target = None if task.target is None else LABELS.index(task.target)
        wanted = after == target if target is not None else after != LABELS.index(task.source)
        others = np.isin(self.labels, [LABELS.index(name) for name in task.bystanders])
        changed = self.answer.labels != self.drawn.labels
        moved = (pictures - self.before).abs().mean(1).numpy()
        return Followed(
            became=_mean(np.asarray(wanted), source),
            objects=_objects(after, self.drawn.labels, self.answer.labels, task),
            false=_mean(after != self.labels, others),
            distance=distance(pictures.numpy(), self.latents.numpy(), ANSWERS[task.answer]),
            unedited=self.unedited,
            floor=self.floor,
            outside=_mean(moved, ~changed),
        )


def bench_of(
    task: Task, sample: Callable[[Tensor], Tensor], latents: Tensor, judge: Segmenter
) -> Bench:
    """What edited pictures are compared with.

    Args:
        task: what is edited.
        sample: gives the generator's pictures (N, 3, 64, 64) of latents, without an edit.
        latents: (N, 28).
        judge: labels pictures.

    """
    rules, rows = ANSWERS[task.answer], latents.numpy()
    with torch.no_grad():
        before = sample(latents)
        asked = answering_latents(rows, rules)
        floor = None
        if asked is not None:
            floor = distance(sample(torch.from_numpy(asked)).numpy(), rows, rules)
    return Bench(
        task=task,
        judge=judge,
        latents=latents,
        before=before,
        labels=judge.labels(before).numpy(),
        drawn=draw(rows),
        answer=draw(rows, rules),
        unedited=distance(before.numpy(), rows, rules),
        floor=floor,
    )


def _objects(after: Labels, exact: Labels, answer: Labels, task: Task) -> float:
    """The share of source things that became target things, one in each half of a picture."""
    if task.target is None:
        return float("nan")
    source, target = LABELS.index(task.source), LABELS.index(task.target)
    found: list[bool] = []
    for half in (slice(0, SIDE // 2), slice(SIDE // 2, SIDE)):
        there = (exact[:, :, half] == source).sum((1, 2)) >= VISIBLE
        # Only where the answer differs: trees that stand beside a tower are no answer.
        new = answer[:, :, half] != exact[:, :, half]
        wanted = (answer[:, :, half] == target) & new
        got = (after[:, :, half] == target) & _near(wanted)
        both, either = (wanted & got).sum((1, 2)), (wanted | got).sum((1, 2))
        seen = there & (wanted.sum((1, 2)) >= VISIBLE)
        found += (both[seen] >= AGREES * either[seen]).tolist()
    return float(np.mean(found)) if found else float("nan")


def _near(wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows and columns of each picture's wanted pixels: what else has the label is far off."""
    rows, columns = wanted.any(2, keepdims=True), wanted.any(1, keepdims=True)
    return np.logical_and(rows, columns)


def _mean(values: NDArray[np.generic], where: NDArray[np.bool_]) -> float:
    return float(values[where].mean()) if where.any() else float("nan")
