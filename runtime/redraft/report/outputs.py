"""Run a plan and leave all that a person looks at: pictures and a report beside the edit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from redraft import files, latents, match
from redraft.execute import unseen
from redraft.pictures import RegionOutline, Role, Tile, placed_scores, png
from redraft.places import ResolvedPlace, latents_of
from redraft.planner import Plan, RuleStep
from redraft.report.data import ReportData, RuleView
from redraft.report.render import render
from redraft.runner import Run, finish, run_plan
from redraft.session import (
    FinishedRule,
    Progress,
    Session,
    apply_delta,
    restore_base,
    site_of,
)
from redraft.sheets import before_after
from redraft.site import Site, build_match_filter
from redraft.solving import problem_of, removal_goal
from redraft_dsl.recipe import Erase, Insert, Match, Zero

PICTURE = "before-after.png"
REPORT = "report.html"
SHOWN_CONTEXTS = 48
SHOWN_UNSEEN = 24
SHOWN_MATCHES = 12


def run_and_report(
    plan: Plan,
    *,
    out: Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a plan, then write ``before-after.png``, ``report.html`` and last ``run.json``.

    Raises:
        RedraftError: as :func:`redraft.runner.run_plan`; or a file cannot be written.

    """
    run = run_plan(plan, out=out, device=device, fresh=fresh, progress=progress)
    with torch.no_grad():
        data = report_data(run)
    files.write_bytes(run.folder / PICTURE, png(before_after(data.bands())))
    files.write_text(run.folder / REPORT, render(data))
    finish(run)
    return run


def report_data(run: Run) -> ReportData:
    """Everything the report shows, drawn by applying the rules once more, one by one."""
    session = run.session
    indices = unseen(session.plan.recipe)[-SHOWN_UNSEEN:]
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
    indices = unseen(site.recipe)
    seed, size = site.recipe.latents[0].seed, site.generator.facts.latent_size
    rows = latents.rows(seed, indices, size).to(site.moment.device)
    inputs = site.generator.inputs(rows, [site.facts.name])[site.facts.name]
    change = removal_goal(site, rule, done.contexts)(inputs)
    change -= site.form.activate(site.form.response(inputs, site.form.weight))
    most = change.square().sum((1, 2, 3)).argsort(descending=True)[:SHOWN_UNSEEN]
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
    drawn = site.generator.pictures(step.facts.name, problem.goal.values, problem.goal.inputs)
    return {
        (place.latents, place.index): picture
        for place, picture in zip(pastes, drawn.cpu(), strict=True)
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
    """Pictures (N, 3, H, W) before and after one rule."""
    layer, form = site.facts.name, site.form
    inputs = site.generator.inputs(rows, [layer])[layer]
    before = form.activate(form.response(inputs, form.weight))
    after = form.activate(form.response(inputs, done.delta.added_to(form.weight)))
    return (
        site.generator.pictures(layer, before, inputs).cpu(),
        site.generator.pictures(layer, after, inputs).cpu(),
    )


def _unseen_pictures(session: Session, indices: Sequence[int]) -> Tensor:
    generator = session.model.generator
    seed = session.plan.recipe.latents[0].seed
    rows = latents.rows(seed, indices, generator.facts.latent_size)
    return generator.sample(rows.to(session.device)).cpu()


def _tiles(names: Sequence[str], before: Tensor, after: Tensor) -> tuple[Tile, ...]:
    return tuple(Tile(name, before[row], after[row]) for row, name in enumerate(names))


def _names(session: Session, indices: Sequence[int]) -> list[str]:
    block = session.plan.recipe.latents[0].name
    return [f"{block}[{index}]" for index in indices]


def _name(place: ResolvedPlace) -> str:
    return f"{place.latents}[{place.index}]"
