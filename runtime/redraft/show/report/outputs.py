"""Run a plan and leave all that a person looks at: pictures and a report beside the edit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from redraft.disk import files
from redraft.memory import match
from redraft.memory.places import ResolvedPlace, latents_of
from redraft.models import latents
from redraft.models.batches import batch_size, draw_values, inputs_in_parts
from redraft.plans.planner import Plan, RuleStep
from redraft.plans.run_files import PICTURE, REPORT
from redraft.plans.unseen import judged
from redraft.runs.memo import Shared
from redraft.runs.processes import ALONE, Ranks
from redraft.runs.runner import Run, finish, run_plan
from redraft.runs.session import FinishedRule, Progress, Session, apply_delta, restore_base, site_of
from redraft.runs.site import Site, build_match_filter
from redraft.runs.solving import problem_of, removal_goal
from redraft.show.pictures import RegionOutline, Role, Tile, placed_scores, png
from redraft.show.report.data import ReportData, RuleView
from redraft.show.report.render import render
from redraft.show.sheets import before_after
from redraft_dsl.recipe.model import Erase, Insert, Match, Zero

SHOWN_CONTEXTS = 48
SHOWN_UNSEEN = 24
SHOWN_MATCHES = 12
KEPT_UNSEEN = 8
"""Pictures that a finished run holds for a notebook."""
SHOWN_SIDE = 256
"""Larger pictures are kept at about this side: nothing shows them larger, and there are many."""


@dataclass(frozen=True)
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
    )
    with torch.no_grad():
        data = report_data(run)
    files.write_bytes(run.folder / PICTURE, png(before_after(data.bands())))
    files.write_text(run.folder / REPORT, render(data))
    finish(run)
    # A single rule is the whole edit, and its pictures are those of the edit.
    unseen = data.whole or data.rules[-1].unseen
    parts = {each.name: getattr(run, each.name) for each in fields(run)}
    return ReportedRun(**parts, pictures=unseen[:KEPT_UNSEEN])


def report_data(run: Run) -> ReportData:
    """Everything the report shows, drawn by applying the rules once more, one by one."""
    session = run.session
    indices = judged(session.plan.recipe, session.plan.base.facts)[-SHOWN_UNSEEN:]
    final = _unseen_pictures(session, indices)
    restore_base(session)
    original = _unseen_pictures(session, indices)
    views = tuple(_view(session, step, done, indices) for step, done in _replayed(session))
    return ReportData(
        record=run.record,
        recipe_text=session.plan.text,
        rules=views,
        whole=_tiles(_names(session, indices), original, final) if len(views) > 1 else (),
        run_folder=str(run.folder),
    )


def _replayed(session: Session) -> Iterator[tuple[RuleStep, FinishedRule]]:
    """Each rule, with the session's model as it was just before it; all applied at the end."""
    for step, done in zip(session.plan.rules, session.finished, strict=True):
        yield step, done
        apply_delta(session, step, done.delta)


def _view(session: Session, step: RuleStep, done: FinishedRule, indices: Sequence[int]) -> RuleView:
    site = site_of(session, step)
    if isinstance(step.rule, Erase):
        indices = _holding(site, step.rule, done)
    contexts = done.contexts[:SHOWN_CONTEXTS] + _weakest(done)
    tiles = _context_tiles(site, step, done, contexts)
    copy = _copy_tile(site, done, step)
    rows = latents.rows(
        session.plan.recipe.latents[0].seed, indices, site.generator.facts.latent_size
    )
    before, after = _both(site, done, rows.to(session.device))
    return RuleView(
        record=done.record,
        copy=copy,
        contexts=tiles,
        unseen=_tiles(_names(session, indices), before, after),
        best_matches=_matches(site, step, done, tiles),
    )


def _holding(site: Site, rule: Erase, done: FinishedRule) -> list[int]:
    """The unseen pictures that hold most of what an erase removes, in order of number.

    Most pictures hold nothing of it, and would show nothing.
    """
    indices = judged(site.recipe, site.generator.facts)
    seed, size = site.recipe.latents[0].seed, site.generator.facts.latent_size
    rows = latents.rows(seed, indices, size).to(site.moment.device)
    form, wanted = site.form, removal_goal(site, rule, done.contexts)
    held = []
    for inputs in inputs_in_parts(site.generator, rows, site.facts.name):
        change = wanted(inputs)
        change -= form.activate(form.response(inputs, form.weight))
        held.append(change.square().sum((1, 2, 3)))
    most = torch.cat(held).argsort(descending=True)[:SHOWN_UNSEEN]
    return sorted(indices[row] for row in most.tolist())


def _weakest(done: FinishedRule) -> tuple[ResolvedPlace, ...]:
    """The context that follows least, when it is not among the first ones shown."""
    rest = [
        (record.gain, place)
        for record, place in zip(done.record.contexts, done.contexts, strict=True)
        if record.gain is not None
    ][SHOWN_CONTEXTS:]
    return (min(rest, key=lambda each: each[0] or 0.0)[1],) if rest else ()


def _context_tiles(
    site: Site, step: RuleStep, done: FinishedRule, contexts: tuple[ResolvedPlace, ...]
) -> tuple[Tile, ...]:
    rows = latents_of(site.recipe, contexts, site.generator.facts.latent_size)
    before, after = _both(site, done, rows.to(site.moment.device))
    goals = _goal_pictures(site, step, done)
    pasted = {(place.latents, place.index) for place in done.pastes}
    tiles = []
    for row, place in enumerate(contexts):
        key = (place.latents, place.index)
        role: Role = "found" if place.score is not None else "context"
        if key in pasted and not _pasted_everywhere(done):
            role = "paste"
        outline = RegionOutline(place.area, role)
        tiles.append(Tile(_name(place), before[row], after[row], goals.get(key), (outline,)))
    return tuple(tiles)


def _pasted_everywhere(done: FinishedRule) -> bool:
    return [(p.latents, p.index) for p in done.pastes] == [
        (p.latents, p.index) for p in done.contexts
    ]


def _goal_pictures(site: Site, step: RuleStep, done: FinishedRule) -> dict[tuple[str, int], Tensor]:
    """The pictures that the goals would give, by picture; none for zero or a cropped goal."""
    rule = step.rule
    if isinstance(rule, Zero) or rule.solver.goal == "crop":
        return {}
    problem, pastes = problem_of(site, rule, done.contexts)
    drawn = draw_values(site.generator, step.facts.name, problem.goal.values, problem.goal.inputs)
    return {
        (place.latents, place.index): picture
        for place, picture in zip(pastes, _shown(drawn), strict=True)
    }


def _copy_tile(site: Site, done: FinishedRule, step: RuleStep) -> Tile | None:
    if not isinstance(step.rule, Insert):
        return None
    place = site.place(step.rule.copy_from)
    rows = latents_of(site.recipe, [place], site.generator.facts.latent_size)
    before, after = _both(site, done, rows.to(site.moment.device))
    outline = RegionOutline(place.area, "copy")
    return Tile(_name(place), before[0], after[0], outlines=(outline,))


def _matches(
    site: Site, step: RuleStep, done: FinishedRule, tiles: Sequence[Tile]
) -> tuple[Tile, ...]:
    """The best found places with their heat maps."""
    wanted = next((c for c in step.rule.context if isinstance(c, Match)), None)
    found = [
        (place, tile)
        for place, tile in zip(done.contexts, tiles, strict=False)
        if place.score is not None
    ][:SHOWN_MATCHES]
    if wanted is None or not found:
        return ()
    search = build_match_filter(site, wanted.like)
    inputs = site.inputs([place for place, _ in found])
    scores = match.score_map(inputs.keys, search)
    cells = (int(search.patch.shape[1]), int(search.patch.shape[2]))
    return tuple(
        Tile(
            tile.label,
            tile.before,
            tile.after,
            tile.goal,
            tile.outlines,
            placed_scores(scores[row], cells, site.generator.facts.image_size),
        )
        for row, (_, tile) in enumerate(found)
    )


def _both(site: Site, done: FinishedRule, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, H, W) before and after one rule, as they are shown."""
    layer, form = site.facts.name, site.form
    weights = (form.weight, done.delta.added_to(form.weight))
    drawn: tuple[list[Tensor], list[Tensor]] = ([], [])
    for inputs in inputs_in_parts(site.generator, rows, layer):
        for weight, pictures in zip(weights, drawn, strict=True):
            values = form.activate(form.response(inputs, weight))
            pictures.append(_shown(draw_values(site.generator, layer, values, inputs)))
    return torch.cat(drawn[0]), torch.cat(drawn[1])


def _unseen_pictures(session: Session, indices: Sequence[int]) -> Tensor:
    generator = session.model.generator
    seed = session.plan.recipe.latents[0].seed
    rows = latents.rows(seed, indices, generator.facts.latent_size)
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
