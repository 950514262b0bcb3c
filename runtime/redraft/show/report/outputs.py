"""Run a plan and leave all that a person looks at: pictures and a report beside the edit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from redraft.disk import files
from redraft.judge.wish import GoalPictures
from redraft.memory import match
from redraft.memory.layer import Layer
from redraft.memory.marked import Picture
from redraft.memory.places import ResolvedPlace
from redraft.memory.search import filter_of
from redraft.models.batches import batch_size, draw_values, inputs_in_parts
from redraft.models.doubt import doubt
from redraft.models.samplers import sampler_of
from redraft.plans.planner import Plan, RuleStep
from redraft.plans.record import RuleRecord
from redraft.plans.run_files import PICTURE, REPORT
from redraft.plans.unseen import judged
from redraft.runs.execute import goal_pictures
from redraft.runs.memo import Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.rule import OpenRule
from redraft.runs.runner import Run, finish, run_plan
from redraft.runs.session import (
    FinishedRule,
    Session,
    apply_delta,
    opened_rule,
    restore_base,
)
from redraft.runs.watch import Progress, phase
from redraft.show.metadata import RECIPE_KEY, RUN_KEY
from redraft.show.pictures import RegionOutline, Role, Tile, placed_scores, png
from redraft.show.report.data import ReportData, RuleView
from redraft.show.report.places import model_words
from redraft.show.report.render import render
from redraft.show.sheets import before_after
from redraft.solve.sources import Silence
from redraft.world.named import answers_for as answers_for  # what the verbs name, too
from redraft_dsl.recipe.model import Erase, Zero

SHOWN_CONTEXTS = 96
SHOWN_UNSEEN = 24
SHOWN_MATCHES = SHOWN_PROTECTED = 12
LIGHT = 0.35
"""Mean brightness, of 0 to 1, below which a picture shows little on a page."""
KEPT_UNSEEN = 8
"""Pictures that a finished run holds for a notebook."""
SHOWN_SIDE = 256
"""Larger pictures are kept at about this side: nothing shows them larger, and there are many."""


def run_about(run: Run) -> str:
    """What a picture's metadata says of its run: what it was made from, and the edit. No times."""
    record = run.record
    said = {
        "recipe": f"{record.recipe} {record.version}",
        "recipe_digest": record.recipe_digest,
        "model": record.model.name,
        "model_sha256": record.model.file_sha256,
        "edit_sha256": record.edit_sha256,
    }
    return json.dumps(said, sort_keys=True)


@dataclass(frozen=True, repr=False)
class ReportedRun(Run):
    """A finished run with its report.

    Attributes:
        pictures: some that no rule saw, before and after the whole edit.

    """

    pictures: tuple[Tile, ...] = ()


def run_and_report(
    plan: Plan,
    *,
    out: Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    progress: Progress | None = None,
    shared: Shared | None = None,
    ranks: Ranks = ALONE,
    force: bool = False,
) -> ReportedRun:
    """Run a plan, then write ``before-after.png``, ``report.html`` and last ``run.json``.

    Of several processes this is for the first one, as :func:`redraft.runs.runner.run_plan`.

    Raises:
        RedraftError: as :func:`redraft.runs.runner.run_plan`; or a file cannot be written.

    """
    run = run_plan(
        plan,
        out=out,
        device=device,
        fresh=fresh,
        progress=progress,
        shared=shared,
        ranks=ranks,
        force=force,
        answers=answers_for(plan),
    )
    with phase(run.session.progress, "drawing the report"):
        with torch.no_grad():
            data = report_data(run)
        unseen = data.whole or data.rules[-1].unseen
        run = _doubting(run, unseen)
        data = replace(data, record=run.record)
        about = {RECIPE_KEY: plan.text, RUN_KEY: run_about(run)}
        files.write_bytes(run.folder / PICTURE, png(before_after(data.bands()), about))
        files.write_text(run.folder / REPORT, render(data))
    finish(run)
    # A single rule is the whole edit, and its pictures are those of the edit.
    parts = {each.name: getattr(run, each.name) for each in fields(run)}
    return ReportedRun(**parts, pictures=unseen[:KEPT_UNSEEN])


def _doubting(run: Run, unseen: Sequence[Tile]) -> Run:
    """The run, with a warning where its model draws as if its file was meant otherwise.

    A file that holds all that its pictures depend on is not doubted, be they dark or faint.
    """
    assumed = run.session.plan.base.assumed
    if not assumed or not unseen:
        return run
    found = doubt(torch.stack([each.before for each in unseen]), assumed)
    warnings = (*run.record.warnings, *found)
    return replace(run, record=run.record.model_copy(update={"warnings": warnings}))


def report_data(run: Run) -> ReportData:
    """Everything the report shows, drawn by applying the rules once more, one by one."""
    session = run.session
    indices = judged(session.plan.recipe, session.plan.base.facts)[-SHOWN_UNSEEN:]
    shown = [_clearest(session, done.record) for done in session.finished]
    indices = _first(shown[0], indices)
    # The whole edit of one rule is that rule, which is shown anyway.
    several = len(session.plan.rules) > 1
    final = _unseen_pictures(session, indices) if several else None
    restore_base(session)
    original = _unseen_pictures(session, indices) if several else None
    views = tuple(
        _view(session, step, done, indices, first)
        for (step, done), first in zip(_replayed(session), shown, strict=True)
    )
    whole: tuple[Tile, ...] = ()
    if original is not None and final is not None:
        whole = _tiles(_names(session, indices), original, final)
    model, code = model_words(session.plan)
    return ReportData(
        record=run.record,
        recipe_text=session.plan.text,
        rules=views,
        whole=whole,
        run_folder=str(run.folder),
        model=model,
        code=code,
    )


def _clearest(session: Session, record: RuleRecord) -> int | None:
    """The first picture that a rule takes effect on as on most and that is not dark."""
    if not record.typical:
        return None
    light = (1 + _unseen_pictures(session, record.typical).mean((1, 2, 3))) / 2
    bright = [row for row, each in enumerate(light.tolist()) if each >= LIGHT]
    return record.typical[bright[0] if bright else int(light.argmax())]


def _first(first: int | None, indices: Sequence[int]) -> list[int]:
    """The pictures, led by ``first``; as many as before."""
    if first is None:
        return list(indices)
    rest = [index for index in indices if index != first]
    return [first, *rest[len(rest) - len(indices) + 1 :]] if indices else []


def _replayed(session: Session) -> Iterator[tuple[RuleStep, FinishedRule]]:
    """Each rule, with the session's model as it was just before it; all applied at the end."""
    for step, done in zip(session.plan.rules, session.finished, strict=True):
        yield step, done
        apply_delta(session, step, done.delta)


def _view(
    session: Session,
    step: RuleStep,
    done: FinishedRule,
    indices: Sequence[int],
    first: int | None,
) -> RuleView:
    opened = opened_rule(session, step)
    if isinstance(step.rule, Erase):
        indices = _first(first, _holding(session, opened))
    else:
        indices = _first(first, sorted(indices))
    goals = goal_pictures(session, step, opened)
    tiles = _context_tiles(opened, done, goals)
    copy = _copy_tile(opened, done)
    names = _names(session, (*indices, *done.record.least))
    rows = sampler_of(opened.layer.generator).rows(
        session.plan.recipe.latents[0], (*indices, *done.record.least)
    )
    unseen = _tiles(names, *_both(opened.layer, done, rows))
    return RuleView(
        record=done.record,
        copy=copy,
        contexts=tiles,
        protected=_protected_tiles(opened, done),
        unseen=unseen[: len(indices)],
        least=unseen[len(indices) :],
        best_matches=_matches(opened, tiles),
    )


def _holding(session: Session, opened: OpenRule) -> list[int]:
    """The unseen pictures that hold most of what an erase removes, in order of number.

    Most pictures hold nothing of it, and would show nothing.
    """
    plan, stages, layer = session.plan, opened.stages, opened.layer
    assert isinstance(stages.setup.source, Silence), "an erase silences units"
    indices = judged(plan.recipe, plan.base.facts)
    rows = sampler_of(layer.generator).rows(plan.recipe.latents[0], indices)
    form, silent_values = stages.setup.form, stages.setup.source.anywhere(stages)
    held = []
    for inputs in inputs_in_parts(layer.generator, rows.to(layer.device), layer.facts.name):
        change = silent_values(rows, inputs, None)
        change -= form.activate(form.response(inputs, form.weight))
        held.append(change.square().sum((1, 2, 3)))
    most = torch.cat(held).argsort(descending=True)[:SHOWN_UNSEEN]
    return sorted(indices[row] for row in most.tolist())


def _weakest(done: FinishedRule) -> list[int]:
    """Row of the context that follows least, when it is not among the first ones shown."""
    rest = [
        (record.gain, row)
        for row, record in enumerate(done.record.contexts)
        if record.gain is not None
    ][SHOWN_CONTEXTS:]
    return [min(rest, key=lambda each: each[0] or 0.0)[1]] if rest else []


def _context_tiles(opened: OpenRule, done: FinishedRule, drawn: GoalPictures) -> tuple[Tile, ...]:
    placed = opened.placed
    if placed.drive is not None:
        return _driven_tiles(opened, done, drawn)
    first = range(min(SHOWN_CONTEXTS, len(placed.contexts)))
    rows = [*first, *_weakest(done)]
    contexts = placed.contexts.part(rows)
    if placed.pasted_everywhere:
        before = _shown(drawn.present[rows])
        after = _after(opened.layer, done, contexts.latents)
    else:
        before, after = _both(opened.layer, done, contexts.latents)
    goals = _goals(opened, drawn)
    everywhere = placed.pastes.pictures == placed.contexts.pictures
    tiles = []
    for row, place in enumerate(contexts):
        role: Role = "found" if place.score is not None else "context"
        if place.picture in placed.pastes.pictures and not everywhere:
            role = "paste"
        outline = RegionOutline(place.area, role)
        goal = goals.get(place.picture)
        tiles.append(Tile(_name(place), before[row], after[row], goal, (outline,)))
    return tuple(tiles)


def _driven_tiles(opened: OpenRule, done: FinishedRule, drawn: GoalPictures) -> tuple[Tile, ...]:
    """The contexts of an invert, each with its cause high and then low."""
    pastes = opened.placed.pastes
    half = len(pastes) // 2
    rows = [row for first in range(min(SHOWN_CONTEXTS // 2, half)) for row in (first, first + half)]
    some = pastes.part(rows)
    before, wanted = _shown(drawn.present[rows]), _shown(drawn.wanted[rows])
    after = _after(opened.layer, done, some.latents)
    return tuple(
        Tile(
            f"{_name(place)}, cause {'high' if row < half else 'low'}",
            before[number],
            after[number],
            wanted[number],
            (RegionOutline(place.area, "context"),),
        )
        for number, (row, place) in enumerate(zip(rows, some, strict=True))
    )


def _goals(opened: OpenRule, drawn: GoalPictures) -> dict[Picture, Tensor]:
    """The pictures that the goals would give, by picture; none for zero or a cropped goal."""
    if isinstance(opened.placed.rule, Zero) or opened.stages.setup.crop:
        return {}
    return dict(zip(opened.placed.pastes.pictures, _shown(drawn.wanted), strict=True))


def _copy_tile(opened: OpenRule, done: FinishedRule) -> Tile | None:
    copy = opened.placed.copy
    if copy is None:
        return None
    before, after = _both(opened.layer, done, copy.latents)
    (place,) = copy
    return Tile(_name(place), before[0], after[0], outlines=(RegionOutline(place.area, "copy"),))


def _protected_tiles(opened: OpenRule, done: FinishedRule) -> tuple[Tile, ...]:
    """What the rule must leave alone, before and after it."""
    places = opened.placed.protected
    if places is None:
        return ()
    some = places.part(range(min(SHOWN_PROTECTED, len(places))))
    pairs = zip(some, *_both(opened.layer, done, some.latents), strict=True)
    return tuple(
        Tile(_name(place), before, after, outlines=(RegionOutline(place.area, "protect"),))
        for place, before, after in pairs
    )


def _matches(opened: OpenRule, tiles: Sequence[Tile]) -> tuple[Tile, ...]:
    """The best found places with their heat maps."""
    layer, contexts = opened.layer, opened.placed.contexts
    found = [row for row, place in enumerate(contexts) if place.score is not None]
    found = [row for row in found if row < len(tiles)][:SHOWN_MATCHES]
    if not found:
        return ()
    pattern = filter_of(layer, opened.placed.examples[0])
    scores = match.score_map(layer.enter(contexts.part(found)).keys, pattern)
    cells = (int(pattern.patch.shape[1]), int(pattern.patch.shape[2]))
    size = layer.generator.facts.image_size
    return tuple(
        replace(tiles[row], heat=placed_scores(one, cells, size))
        for row, one in zip(found, scores, strict=True)
    )


def _both(layer: Layer, done: FinishedRule, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) before and after one rule, as they are shown."""
    weight = layer.form.weight
    before, after = _with(layer, (weight, done.delta.added_to(weight)), rows)
    return before, after


def _after(layer: Layer, done: FinishedRule, rows: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) after one rule, as they are shown."""
    return _with(layer, (done.delta.added_to(layer.form.weight),), rows)[0]


def _with(layer: Layer, weights: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
    """The pictures (N, 3, H, W) that each of some weights of the layer gives, as they are shown."""
    generator, name, form = layer.generator, layer.facts.name, layer.form
    drawn: list[list[Tensor]] = [[] for _ in weights]
    for inputs in inputs_in_parts(generator, rows.to(layer.device), name):
        for weight, pictures in zip(weights, drawn, strict=True):
            values = form.activate(form.response(inputs, weight))
            pictures.append(_shown(draw_values(generator, name, values, inputs)))
    return [torch.cat(pictures) for pictures in drawn]


def _unseen_pictures(session: Session, indices: Sequence[int]) -> Tensor:
    generator = session.model.generator
    rows = sampler_of(generator).rows(session.plan.recipe.latents[0], indices)
    parts = torch.split(rows.to(session.device), batch_size(generator.facts))
    return torch.cat([_shown(generator.sample(part)) for part in parts])


def _shown(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) on the CPU; large ones reduced, each pixel the mean of a square."""
    step = max(pictures.shape[2:]) // SHOWN_SIDE
    return (functional.avg_pool2d(pictures, step) if step > 1 else pictures).cpu()


def _tiles(names: Sequence[str], before: Tensor, after: Tensor) -> tuple[Tile, ...]:
    return tuple(Tile(name, before[row], after[row]) for row, name in enumerate(names))


def _names(session: Session, indices: Sequence[int]) -> list[str]:
    block = session.plan.recipe.latents[0].name
    return [f"{block}[{index}]" for index in indices]


def _name(place: ResolvedPlace) -> str:
    return f"{place.latents}[{place.index}]"
