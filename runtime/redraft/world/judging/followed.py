"""What became of a rule's things in the village, by the judging segmenter and the right answer.

With ``b`` the segmenter's labels of pictures before an edit, and ``a`` those after it:

- *became*: the share of the source class's pixels that have the target class afterwards,
  ``mean [a = target | b = source]``.
- *objects*: the share of source things, as the drawing has them, where the segmenter then agrees
  with the target thing of the drawn answer: IoU at least .5 within the building's half of the
  picture. A spire does not cover the corners of a dome, so ``became`` is below 1 even for the
  drawing, and ``objects`` is what says how many follow. Of a removal it is the share of source
  things that keep less than half of their pixels; of an inversion, the share of the halves with new
  reflections in the answer that show them (IoU at least .5).
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

from redraft.judge.intervals import Interval, ratio, wilson
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
class Tally:
    """What is added up in each of N pictures, and how many things or pixels that are: (N,) each."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @property
    def value(self) -> float:
        """Of all pictures together; NaN where nothing of the kind is there."""
        every = float(self.counts.sum())
        return float(self.sums.sum()) / every if every else float("nan")

    def interval(self, *, share: bool = False, seed: int = 0) -> Interval:
        """The same with its 95 % interval: by bootstrap over pictures, or of a share by Wilson."""
        if share and self.counts.any():
            return wilson(int(self.sums.sum()), int(self.counts.sum()))
        return ratio(self.sums, self.counts, seed)


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

    def tallies(self, pictures: Tensor) -> dict[str, Tally]:
        """What is counted in edited pictures (N, 3, 64, 64) of the same latents, by measure."""
        task, after = self.task, self.judge.labels(pictures).numpy()
        source = self.labels == LABELS.index(task.source)
        target = None if task.target is None else LABELS.index(task.target)
        wanted = after == target if target is not None else after != LABELS.index(task.source)
        others = np.isin(self.labels, [LABELS.index(name) for name in task.bystanders])
        off = np.abs(pictures.numpy() - self.answer.pictures).mean(1)
        return {
            "became": _tally(np.asarray(wanted), source),
            "objects": _objects(after, self.drawn.labels, self.answer.labels, task),
            "false": _tally(after != self.labels, others),
            "distance": _tally(off, self.changed),
            "outside": self.outside(pictures),
        }

    @property
    def changed(self) -> NDArray[np.bool_]:
        """(N, 64, 64), where the answer changes the label."""
        found: NDArray[np.bool_] = self.answer.labels != self.drawn.labels
        return found

    def outside(self, pictures: Tensor) -> Tally:
        """The change of pictures where the answer has none; needs no segmenter."""
        moved = (pictures - self.before).abs().mean(1).numpy()
        return _tally(moved, ~self.changed)

    def way(self, pictures: Tensor) -> float:
        """How much of the way to the right answer pictures have gone; needs no segmenter."""
        rules, rows = ANSWERS[self.task.answer], self.latents.numpy()
        return 1 - distance(pictures.numpy(), rows, rules) / self.unedited

    def measure(self, pictures: Tensor) -> Followed:
        """The measures of edited pictures (N, 3, 64, 64) of the same latents."""
        found = {name: tally.value for name, tally in self.tallies(pictures).items()}
        # Added up as the unedited one, so that the unedited pictures have gone no way at all.
        rules, rows = ANSWERS[self.task.answer], self.latents.numpy()
        found["distance"] = distance(pictures.numpy(), rows, rules)
        return Followed(**found, unedited=self.unedited, floor=self.floor)


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


def _objects(after: Labels, exact: Labels, answer: Labels, task: Task) -> Tally:
    """The source things that followed, one in each half of a picture."""
    source = LABELS.index(task.source)
    target = source if task.target is None else LABELS.index(task.target)
    followed, things = np.zeros(len(after)), np.zeros(len(after))
    for half in (slice(0, SIDE // 2), slice(SIDE // 2, SIDE)):
        # Only where the answer differs: trees that stand beside a tower are no answer.
        new = answer[:, :, half] != exact[:, :, half]
        wanted = (answer[:, :, half] == target) & new
        there = (exact[:, :, half] == source).sum((1, 2)) >= VISIBLE
        appears = wanted.sum((1, 2)) >= VISIBLE
        if task.target is not None:
            counts, follows = there & appears, _agree(after[:, :, half] == target, wanted)
        elif wanted.any():
            counts, follows = appears, _agree(after[:, :, half] == target, wanted)
        else:
            was = exact[:, :, half] == source
            stays = (was & (after[:, :, half] == source)).sum((1, 2))
            counts, follows = there, stays < AGREES * was.sum((1, 2))
        things += counts
        followed += counts & follows
    return Tally(followed, things)


def _agree(got: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,), whether a thing (N, h, w) lies where it is wanted."""
    got = got & _near(wanted)
    both, either = (wanted & got).sum((1, 2)), (wanted | got).sum((1, 2))
    found: NDArray[np.bool_] = both >= AGREES * either
    return found


def _near(wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows and columns of each picture's wanted pixels: what else has the label is far off."""
    rows, columns = wanted.any(2, keepdims=True), wanted.any(1, keepdims=True)
    return np.logical_and(rows, columns)


def _tally(values: NDArray[np.generic], where: NDArray[np.bool_]) -> Tally:
    return Tally(
        np.where(where, values, 0).sum((1, 2), dtype=np.float64),
        where.sum((1, 2)).astype(np.float64),
    )
