"""Rules about lines that go together: what one names, the other names too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from redraft_dsl.check.context import Context, Job, MarkedLine
from redraft_dsl.report.diagnostics import Diagnostic, Note, error
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s

Marks = dict[tuple[str, int], Span]
"""Where each image is marked first."""


def cause_and_effect(context: Context) -> Iterable[Diagnostic]:
    """An image has one cause and one effect."""
    for job in context.jobs:
        causes, effects = job.marked("cause"), job.marked("effect")
        if not causes or not effects or _unclear((*causes, *effects)):
            continue  # what is missing or wrong is reported by itself
        yield from _twice(causes, "cause")
        yield from _alone(job, _marks(effects), _marks(causes), "effect", "cause")
        yield from _alone(job, _marks(causes), _marks(effects), "cause", "effect")


def _unclear(lines: tuple[MarkedLine, ...]) -> bool:
    return any(not line.images or isinstance(line.item, s.MatchLine) for line in lines)


def _marks(lines: tuple[MarkedLine, ...]) -> Marks:
    found: Marks = {}
    for line in lines:
        for image in line.images:
            found.setdefault((image.latents, image.index), image.span)
    return found


def _alone(job: Job, marks: Marks, others: Marks, word: str, other: str) -> Iterator[Diagnostic]:
    """The first image that has one of the two and lacks the other."""
    for (latents, index), span in marks.items():
        if (latents, index) not in others:
            yield error(
                "RD228",
                f"image {latents}[{index}] has {_one(word)} and no `{other}`",
                span,
                f"`{job.node.name.text}` does not mark its {other}",
                "name the same images in `cause` and in `effect`",
            )
            return


def _one(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} `{word}`"


def _twice(lines: tuple[MarkedLine, ...], word: str) -> Iterator[Diagnostic]:
    """The first image that is marked twice. Of effects the rule about contexts says so."""
    first: Marks = {}
    for line in lines:
        for image in line.images:
            key = image.latents, image.index
            if key in first:
                yield error(
                    "RD225",
                    f"image {image.latents}[{image.index}] has two `{word}` lines",
                    image.span,
                    "marked again",
                    "join the two regions with `plus`",
                    (Note("it is marked here first", first[key]),),
                )
                return
            first[key] = image.span
