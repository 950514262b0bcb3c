"""From a checked recipe to frozen steps: what will run, on what it depends, what is cached.

No tensor is touched: a plan needs the recipe, the model file's header and the cache's headers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.disk.cache import Cache, Hit
from redraft.errors import PlanError
from redraft.explain.words import silent
from redraft.memory import ESTIMATOR
from redraft.memory.overlap import Overlap, overlaps_of
from redraft.memory.places import Matches
from redraft.models.arch.families import provenance
from redraft.models.code.reference import Code
from redraft.models.latents import check_classes, digest_of
from redraft.models.listed.download import Progress
from redraft.models.locate import Base, locate
from redraft.plans.loading import recipe_of, with_facts
from redraft.plans.lock import Lock
from redraft.solve import VERSIONS
from redraft_dsl import Checked
from redraft_dsl.check import Imported
from redraft_dsl.check.expects import Expectation
from redraft_dsl.check.parameters import Given
from redraft_dsl.facts import LayerFacts, ModelFacts
from redraft_dsl.flatten import standing_alone
from redraft_dsl.recipe.model import (
    ExactSolver,
    Latents,
    Match,
    Place,
    Recipe,
    Rule,
    Zero,
)

if TYPE_CHECKING:
    from redraft.models.hooked.memory import InMemory

FIELD_WORDS = {
    **{name: name for name in ("truncation", "count", "estimator", "device", "torch")},
    **{"arch": "architecture", "edits": "rules before it", "sampler": "latents"},
}
"""What the reason of a miss may name. Statistics of another layer or file are just others."""


@dataclass(frozen=True)
class StatisticsStep:
    """Collect the second moment of one layer's keys.

    Attributes:
        layer: canonical name.
        latents: the block of the recipe that is sampled.
        fields: what the result depends on; its address in the cache.
        cached: whether it is there already.
        reason: why not, or where it lies.
        before: name of the rule before which it is collected.

    """

    layer: str
    latents: Latents
    fields: dict[str, Any]
    cached: bool
    reason: str
    before: str


@dataclass(frozen=True)
class RuleStep:
    """Solve one rule and apply it.

    Attributes:
        rule: as checked.
        facts: of its layer.
        digest: sha256 of all that the result depends on; names the finished step.
        reads: earlier rules whose change this step sees.
        positions: context keys the rule has at least (matches counted at their full number).
        unknowns: coefficients for each output channel.
        problems: into how many independent problems the solver splits those of a channel.
        matches: how many contexts are to be found by match.
        locked: the places of each match, where a lock says them.

    """

    rule: Rule
    facts: LayerFacts
    digest: str
    reads: tuple[str, ...]
    positions: int
    unknowns: int
    problems: int
    matches: int
    locked: Matches = ()


Step = StatisticsStep | RuleStep


@dataclass(frozen=True, repr=False)
class Plan:
    """A recipe made ready to run on a base.

    Attributes:
        recipe: checked.
        text: the recipe's text; where that uses other recipes or was given values, the text that
            stands alone.
        path: the recipe's file, or a name for a text without one.
        folder: where its paths start.
        base: the model's file.
        steps: in order.
        overlaps: between rules at one layer.
        digest: sha256 over recipe and base; names the run folder.
        lock: what the plan obeys, or None.
        given: values from outside, as in ``--set``.
        imports: the recipes that were used.
        off: the rules that are switched off.
        expects: what is expected of the run's figures.

    """

    recipe: Recipe
    text: str
    path: str
    folder: Path
    base: Base
    steps: tuple[Step, ...]
    overlaps: tuple[Overlap, ...]
    digest: str
    lock: Lock | None = None
    given: Given = ()
    imports: tuple[Imported, ...] = ()
    off: tuple[Rule, ...] = ()
    expects: tuple[Expectation, ...] = ()

    @property
    def run_name(self) -> str:
        """What its run folder is called: one name for each recipe and base."""
        return f"{self.recipe.name}-{self.recipe.version}-{self.digest[:8]}"

    @property
    def lock_digest(self) -> str | None:
        """The sha256 of the lock that it obeys; None without one."""
        return None if self.lock is None else self.lock.sha256

    @property
    def rules(self) -> tuple[RuleStep, ...]:
        """The steps that solve a rule."""
        return tuple(step for step in self.steps if isinstance(step, RuleStep))

    @property
    def statistics(self) -> tuple[StatisticsStep, ...]:
        """The steps that collect statistics."""
        return tuple(step for step in self.steps if isinstance(step, StatisticsStep))


def make_plan(
    checked: Checked,
    folder: Path,
    *,
    device: str = "cpu",
    cache: Cache | None = None,
    progress: Progress = silent,
    lock: Lock | None = None,
    home: Path | None = None,
    base: Base | None = None,
    generator: Code | InMemory | None = None,
) -> Plan:
    """Plan a checked recipe.

    Args:
        checked: from ``redraft.load``.
        folder: where the recipe's paths start.
        device: where it will run; statistics of another device are not reused.
        cache: where statistics are looked for.
        progress: called with how far a download is.
        lock: says the places of matches; the rest of it is not compared here.
        home: where the path of a model given by file starts; by default in ``folder``.
        base: the recipe's model, where it has been located already.
        generator: a torch module of somebody's own, for a model of `arch module`.

    Raises:
        CheckFailedError: the recipe has errors, or does not fit the model once its header is read.
        ModelError: the model cannot be found, fetched or recognised.
        PlanError: every rule is switched off.

    """
    base = base or locate(recipe_of(checked).model, home or folder, progress, generator)
    checked = with_facts(checked, base.facts, folder)
    recipe = _with_rules(recipe_of(checked, by_model=True))
    check_classes(recipe.latents, base.facts)
    return Plan(
        recipe=recipe,
        text=standing_alone(checked),
        path=checked.source.path,
        folder=folder,
        base=base,
        steps=tuple(_steps(recipe, base, device, cache or Cache(), lock)),
        overlaps=overlaps_of(recipe, base.facts, folder),
        digest=_digest({"recipe": recipe.digest(), "model": base.identity}),
        lock=lock,
        given=checked.given,
        imports=checked.imports,
        off=checked.off,
        expects=checked.expects,
    )


def replanned(
    plan: Plan, recipe: Recipe, cache: Cache, device: str, places: Lock | None = None
) -> Plan:
    """A plan for a changed recipe on the same base. Its text stays that of the first recipe.

    ``places`` says what of the first plan's lock the changed recipe still takes.
    """
    return replace(
        plan,
        recipe=recipe,
        steps=tuple(_steps(recipe, plan.base, device, cache, places)),
        digest=_digest({"recipe": recipe.digest(), "model": plan.base.identity}),
        lock=None,
    )


def _with_rules(recipe: Recipe) -> Recipe:
    """The recipe, where any of its rules is to run; raises PlanError where none is."""
    if not recipe.rules:
        problem = f"every rule of {recipe.name} is switched off"
        raise PlanError("RD404", problem, "take the word `off` away from one of them")
    return recipe


def _steps(recipe: Recipe, base: Base, device: str, cache: Cache, lock: Lock | None) -> list[Step]:
    steps: list[Step] = []
    seen: set[str] = set()
    earlier: list[RuleStep] = []
    for rule in recipe.rules:
        facts = _layer(base.facts, rule.layer)
        statistics = _statistics(recipe, base, facts, earlier, device, cache, rule.name)
        address = _digest(statistics.fields)
        if address not in seen:
            seen.add(address)
            steps.append(statistics)
        step = _rule_step(rule, facts, recipe, base, earlier, address, _locked(rule, lock))
        steps.append(step)
        earlier.append(step)
    return steps


def _statistics(
    recipe: Recipe,
    base: Base,
    facts: LayerFacts,
    earlier: list[RuleStep],
    device: str,
    cache: Cache,
    before: str,
) -> StatisticsStep:
    block = recipe.latents[0]
    upstream = [step.digest for step in earlier if _order(base, step.facts) < _order(base, facts)]
    fields = {
        "model": base.identity,
        "arch": provenance(base.facts.arch),
        "truncation": base.truncation,
        "edits": upstream,
        "layer": facts.name,
        "sampler": digest_of(block, base.facts),
        "count": block.count,
        "estimator": ESTIMATOR,
        # Devices of one kind give the same statistics.
        "device": device.partition(":")[0],
        "torch": _version("torch"),
    }
    found = cache.lookup("statistics", fields, FIELD_WORDS)
    cached = isinstance(found, Hit)
    reason = str(found.path.name) if isinstance(found, Hit) else found.reason
    return StatisticsStep(facts.name, block, fields, cached, reason, before)


def _rule_step(
    rule: Rule,
    facts: LayerFacts,
    recipe: Recipe,
    base: Base,
    earlier: list[RuleStep],
    statistics: str,
    locked: Matches,
) -> RuleStep:
    # A rule sees the keys that earlier layers give and the weight of its own; later layers,
    # changed or not, cannot reach it, but where what they give is added to what it gives.
    reads = [
        step for step in earlier if facts.joined or _order(base, step.facts) <= _order(base, facts)
    ]
    depends: dict[str, Any] = {
        "rule": rule.model_dump(mode="json"),
        "latents": [block.model_dump(mode="json") for block in recipe.latents],
        "model": base.identity,
        "arch": provenance(base.facts.arch),
        "statistics": statistics,
        "reads": [step.digest for step in reads],
        # A run that goes on after an upgrade must not mix what two versions solved.
        "redraft": _version("redraft"),
        "solver": None if isinstance(rule, Zero) else VERSIONS[rule.solver.kind],
    }
    if locked:
        # Another search may have found other places.
        depends["locked"] = [[[p.latents, p.index, *p.shift] for p in line] for line in locked]
    matches = sum(map(len, locked)) or sum(
        context.top for context in rule.context if isinstance(context, Match)
    )
    marked = sum(isinstance(context, Place) for context in rule.context)
    taps = facts.kernel[0] * facts.kernel[1]
    return RuleStep(
        rule=rule,
        facts=facts,
        digest=_digest(depends),
        reads=tuple(step.rule.name for step in reads),
        positions=marked + matches,
        unknowns=0 if isinstance(rule, Zero) else rule.rank * taps,
        problems=_problems(rule, facts),
        matches=matches,
        locked=locked,
    )


def _locked(rule: Rule, lock: Lock | None) -> Matches:
    """The places of each match of a rule; empty where the lock has not all of them."""
    matches = sum(isinstance(context, Match) for context in rule.context)
    found = {} if lock is None else lock.places(rule.name)
    every = set(found) == set(range(1, matches + 1))
    return tuple(found[line] for line in sorted(found)) if every else ()


def _problems(rule: Rule, facts: LayerFacts) -> int:
    """How many problems an output channel falls into, none sharing an unknown with another.

    Values whose places differ by a multiple of the stride meet the same taps of the kernel, and
    values of another remainder meet other taps. Solvers that descend take them all at once.
    """
    if isinstance(rule, Zero):
        return 0
    if not isinstance(rule.solver, ExactSolver):
        return 1
    if facts.kind == "modulated-conv-up":
        return 1  # its blur couples the positions of every remainder
    down, across = (min(pair) for pair in zip(facts.kernel, facts.strides, strict=True))
    return down * across


def _layer(facts: ModelFacts, name: str) -> LayerFacts:
    found = facts.layer(name)
    if found is None:
        raise PlanError(
            "RD401",
            f"the model has no layer `{name}`",
            f"its layers are {', '.join(facts.layer_names())}",
        )
    return found


def _order(base: Base, layer: LayerFacts) -> int:
    return base.facts.layers.index(layer)


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _digest(fields: dict[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
