"""A plan that obeys its lock, and what a lock says of a plan. No torch."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.disk.cache import Cache
from redraft.disk.digest import tensors_digest
from redraft.explain.words import silent
from redraft.memory.marked import Picture, marked_pictures, masks, matches_of
from redraft.memory.places import Marks, MatchedPlace, Matches, moved
from redraft.models.code.reference import Code, is_module
from redraft.models.latents import digest_of, name_of
from redraft.models.listed.download import Progress
from redraft.models.locate import locate, locate_file
from redraft.plans import lock
from redraft.plans.loading import with_facts
from redraft.plans.lock import Lock, Record
from redraft.plans.lock_compare import Difference, LockDiffersError, differences
from redraft.plans.planner import Plan, StatisticsStep, make_plan
from redraft_dsl import Checked
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.as_tree import number
from redraft_dsl.recipe.model import (
    DIGEST_ALGORITHM,
    FileModel,
    Insert,
    Latents,
    Match,
    Recipe,
    Rule,
    Side,
    Zero,
)

if TYPE_CHECKING:
    from redraft.models.hooked.memory import InMemory

STATISTICS_DTYPE = "float64"
"""In which second moments are summed and kept; see redraft.memory.moments."""
_ELSEWHERE = ("name", "kind", "context", "copy_from", "paste", "source", "restraint", "solver")
"""Fields of a rule that the recipe's digest covers, or that have records of their own form."""


def plan_obeying(
    checked: Checked,
    folder: Path,
    *,
    device: str = "cpu",
    cache: Cache | None = None,
    progress: Progress = silent,
    home: Path | None = None,
    generator: Code | InMemory | None = None,
) -> Plan:
    """Plan a recipe as its lock says, or freely where it has none.

    Args:
        checked: from ``redraft.load``; its lock lies beside the file it came from.
        folder: where the recipe's paths start.
        device: as for :func:`redraft.plans.planner.make_plan`, like the rest.
        cache: where statistics are looked for.
        progress: called with how far a download is.
        home: where the path of a model given by file starts; by default in ``folder``.
        generator: a torch module of somebody's own.

    Raises:
        LockDiffersError: something is not what the lock says; it lists what.
        PlanError: the lock cannot be read.
        RedraftError: as for :func:`redraft.plans.planner.make_plan`.

    """
    path = lock.lock_path(Path(checked.source.path))
    held = lock.read(path)
    plan = make_plan(
        checked, folder, device=device, cache=cache, progress=progress, lock=held, home=home,
        generator=generator,
    )  # fmt: skip
    if held is None:
        return plan
    found = compare(held, plan, checked, str(path))
    if found:
        given = tuple(dict(checked.given).items())
        raise LockDiffersError(
            str(path), checked.source.path, found, held.given, given, plan.base.code
        )
    return plan


def compare(held: Lock, plan: Plan, checked: Checked, path: str) -> tuple[Difference, ...]:
    """What differs between a lock and a plan; weights are read only where the file differs.

    Values that are given count by what they make of the recipe, and not where it means what the
    lock says all the same. Nor do the lock's imports count for a recipe without any that means
    what the lock says: it is a copy with everything written out.
    """
    now = [*records_of(plan, checked), _tensors(held, plan), *_kept(held, plan)]
    if held.by_key().get(("recipe",)) in now:
        counts = {"set"} if checked.imports else {"set", "import"}
        now = [record for record in now if record.kind not in counts]
        now += [record for record in held.records if record.kind in counts]
    found = (*differences(held, now), *_unsearched(held, plan))
    return tuple(_placed(each, checked, path) for each in found)


def records_of(plan: Plan, checked: Checked) -> Iterator[Record]:
    """Every record but those of the tensors and of the matches, which need the weights."""
    recipe = plan.recipe
    yield Record("recipe", f"{recipe.name} {recipe.version} {DIGEST_ALGORITHM} {recipe.digest()}")
    for one in checked.imports:
        yield Record(
            "import",
            f'"{one.path}" as {one.alias} {one.name} {one.version} {DIGEST_ALGORITHM} {one.digest}',
        )
    for name, value in dict(checked.given).items():
        yield Record("set", f"{name} {value}")
    yield _file(plan)
    if plan.base.code is not None:
        yield Record("model", f"{plan.base.name} code sha256 {plan.base.code.sha256}")
    for block in recipe.latents:
        yield _latents(block, plan.base.facts)
    for path, mask in masks(recipe.rules).items():
        yield Record("mask", f'"{path}" sha256 {mask.sha256}')
    for step in plan.statistics:
        yield _statistics(step)
    for rule in recipe.rules:
        yield from _settings(rule)


def lock_of(plan: Plan, checked: Checked, held: Lock) -> Lock:
    """The lock of a plan whose model is that of ``held``, with the places that the plan was given.

    Nothing is searched and no weights are read; a rule that is yet to search has no places in it.
    """
    places = (each for step in plan.rules for each in match_records(step.rule.name, step.locked))
    return lock.make([*records_of(plan, checked), _tensors(held, plan), *places])


def still_held(held: Lock, locked: Recipe, now: Recipe) -> Lock:
    """What a lock still says of a recipe that differs from the locked one: places that were found.

    Those of each rule whose search is the one that was locked: the same marked places and
    ``context like`` lines, at the same layer; also where an earlier rule differs.
    """

    def holds(record: Record) -> bool:
        if record.kind != "match":
            return False
        before, after = (_search(each, record.fields["rule"]) for each in (locked, now))
        return before is not None and before == after

    return Lock(tuple(filter(holds, held.records)))


def _search(recipe: Recipe, name: str) -> tuple[object, ...] | None:
    """What decides what a rule's searches find, but for the network that earlier rules left."""
    rule = next((rule for rule in recipe.rules if rule.name == name), None)
    if rule is None:
        return None
    copied = rule.copy_from if isinstance(rule, Insert) else None
    return (recipe.model, recipe.latents, rule.layer, rule.context, copied)


def match_records(rule: str, found: Matches) -> Iterator[Record]:
    """The records of a rule's matches, the places of each best first."""
    for line, places in enumerate(found, 1):
        for row, place in enumerate(places, 1):
            yield _match_record(rule, line, row, place)


def _match_record(rule: str, line: int, row: int, place: MatchedPlace) -> Record:
    dy, dx = (f"{shift:+d}" if shift else "0" for shift in place.shift)
    where = f"{place.latents}[{place.index}] x {dx} y {dy}"
    return Record("match", f"{rule} line {line} place {row} {where}")


def _kept(held: Lock, plan: Plan) -> Iterator[Record]:
    """The lock's places that the recipe's matches can have found; they are not searched again."""
    marks = Marks(plan.base.facts, plan.folder)
    for step in plan.rules:
        used = marked_pictures(step.rule)
        for line, match in enumerate(matches_of(step.rule), 1):
            for row, place in enumerate(held.places(step.rule.name).get(line, ()), 1):
                if row <= match.top and _possible(marks, match, place, used):
                    used.add((place.latents, place.index))
                    yield _match_record(step.rule.name, line, row, place)


def _possible(marks: Marks, match: Match, place: MatchedPlace, used: set[Picture]) -> bool:
    if place.latents != match.like.latents or (place.latents, place.index) in used:
        return False
    if not match.first <= place.index <= match.last or place.index in match.excluded:
        return False
    marked = marks(match.like)
    sizes = zip(place.shift, marked.area.shape, strict=True)
    inside = all(abs(shift) < size for shift, size in sizes)
    return inside and bool(moved(marked, place).area.any())


def _unsearched(held: Lock, plan: Plan) -> Iterator[Difference]:
    """The matches of the recipe of which the lock has no place."""
    for step in plan.rules:
        for line, match in enumerate(matches_of(step.rule), 1):
            if line not in held.places(step.rule.name):
                like = f"{match.like.latents}[{match.like.index}]"
                search = f"a search like {like} among {match.first}..{match.last}"
                what = f"match {step.rule.name} line {line}"
                yield Difference("match", what, None, search, "take the line out of the recipe")


def _tensors(held: Lock, plan: Plan) -> Record:
    """The record of the weights: the lock's own where the file is the same, else as they are."""
    name = plan.base.name
    said = held.by_key()
    file, tensors = said.get(("model", name, "file")), said.get(("model", name, "tensors"))
    if file == _file(plan) and tensors is not None:
        return tensors
    from redraft.models.checkpoint.weights import load_state

    digest = tensors_digest(load_state(plan.base.path, plan.base.header.asked).bare())
    return Record("model", f"{name} tensors sha256 {digest}")


def _file(plan: Plan) -> Record:
    return Record("model", f"{plan.base.name} file sha256 {plan.base.sha256}")


def _latents(block: Latents, facts: ModelFacts) -> Record:
    return Record(
        "latents",
        f"{block.name} seed {block.seed} count {block.count} size {facts.latent_size} "
        f"sampler {name_of(block, facts)} {digest_of(block, facts)}",
    )


def _statistics(step: StatisticsStep) -> Record:
    block = step.latents
    return Record(
        "statistics",
        f"{step.layer} before {step.before} latents {block.name} count {block.count} "
        f"dtype {STATISTICS_DTYPE} estimator {step.fields['estimator']}",
    )


def _settings(rule: Rule) -> Iterator[Record]:
    """A record for each setting of a rule, every default written out."""
    for setting, value in _values(rule):
        yield Record("rule", f"{rule.name} {setting} {value}")


def _values(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "kind", rule.kind
    for setting, value in rule:
        if setting in _ELSEWHERE or setting in rule.omitted():
            continue
        yield setting, _word(value)
    if isinstance(rule, Zero):
        return
    restraint = rule.restraint
    if isinstance(restraint, Side):
        yield "side", f"{number(restraint.percent)}%"
    else:
        yield "preserve", number(restraint.weight)
    yield "solver", rule.solver.kind
    for setting, value in rule.solver:
        if setting != "kind" and value is not None:
            yield f"solver.{setting}", _word(value)


def _word(value: object) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def _placed(each: Difference, checked: Checked, path: str) -> Difference:
    """The difference with the places to look at: the lock's line, and the recipe's `use` line."""
    places = tuple(f"{path}:{place.removeprefix('line ')}" for place in each.places)
    if each.kind == "import":
        places = (*_use_line(checked, each.what), *places)
    return replace(each, places=places)


def _use_line(checked: Checked, what: str) -> Iterator[str]:
    """Where the recipe names an import; nothing for one that only another import names."""
    for row, line in enumerate(checked.source.text.splitlines(), 1):
        found = re.match(r'\s*use\s+"([^"]+)"', line)
        if found and what == f'import "{posixpath.normpath(found[1])}"':
            yield f"{checked.source.path}:{row}"


def with_module(
    checked: Checked, folder: Path, code: Code | InMemory | None, home: Path | None = None
) -> Checked:
    """A recipe checked once more with what was seen of somebody's own generator.

    Raises ModelError where nobody has looked at the generator yet; code is not run. The path of
    the model starts in ``home``, by default in ``folder``.
    """
    recipe = checked.recipe
    if code is None or recipe is None or not isinstance(recipe.model, FileModel):
        return checked
    base = locate(recipe.model, home or folder, generator=code)
    return with_facts(checked, base.facts, folder)


def with_head(checked: Checked, folder: Path) -> Checked:
    """A recipe checked once more with what the head of its model's file says, if it is there.

    Raises ModelError where the file is no model that can be read; its tensors are not.
    """
    model = None if checked.recipe is None else checked.recipe.model
    if not isinstance(model, FileModel) or is_module(model):
        return checked
    path = folder / model.path
    if not path.is_file():
        return checked
    return with_facts(checked, locate_file(path, model.name, model.arch).facts, folder)
