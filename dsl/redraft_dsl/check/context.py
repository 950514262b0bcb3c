"""What every rule of the checker looks at: the tree, sorted, and what is known around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from redraft_dsl.check.binding import Bound
from redraft_dsl.check.imports import Included, Library, Used, include, use
from redraft_dsl.check.kept import Notebook, kept_measure
from redraft_dsl.check.measure import Sizes
from redraft_dsl.check.resolve import Regions, resolve_all
from redraft_dsl.editions import Defaults, Editions
from redraft_dsl.facts import KnownModels, LayerFacts, ModelFacts
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s

S = TypeVar("S", bound=s.Statement)


@dataclass(frozen=True)
class Context:
    """A recipe under examination.

    ``tree`` is the bound tree, in which no parameter is left. ``facts`` is None when the model is
    given by file or unknown. ``broken`` are the statements that could not be read; what they may
    declare counts as declared. ``named`` are the parameters that the recipe mentions. ``known`` are
    the editions that there are, ``defaults`` those of the recipe's. ``values`` are what parameters
    stand for, ``changed`` the rules with values from outside, and ``notes`` what is kept about
    operations, where that can be used.
    """

    tree: s.Tree
    source: Source
    folder: Path
    models: KnownModels
    facts: ModelFacts | None
    known: Editions
    defaults: Defaults
    editions: tuple[s.EditionLine, ...]
    headers: tuple[s.RecipeLine, ...]
    model_statements: tuple[s.ModelStatement, ...]
    latents: tuple[s.LatentsStatement, ...]
    definitions: tuple[s.RegionStatement, ...]
    operations: tuple[s.Operation, ...]
    params: tuple[s.ParamLine, ...]
    sweeps: tuple[s.SweepStatement, ...]
    used: tuple[Used, ...]
    included: tuple[Included, ...]
    binding_problems: tuple[Diagnostic, ...]
    named: frozenset[str]
    values: Mapping[str, s.Value]
    changed: frozenset[str]
    broken: tuple[s.Broken, ...]
    counts: Mapping[str, int | None]
    seeds: Mapping[str, int | None]
    regions: Regions
    notes: Notebook | None

    @cached_property
    def sizes(self) -> Sizes | None:
        """Regions on the model's picture; None when the model is not known."""
        if self.facts is None:
            return None
        return Sizes(kept_measure(self.facts.image_size, self.folder))

    @property
    def rules(self) -> tuple[s.Operation | s.Include, ...]:
        """What is to be done, in order: operations, and rules of other recipes."""
        nodes = self.tree.statements
        return tuple(node for node in nodes if isinstance(node, s.Operation | s.Include))

    def excused(self, name: str) -> bool:
        """Whether a statement that could not be read may have declared ``name``."""
        return any(broken.name in (name, None) for broken in self.broken)

    def layer(self, operation: s.Operation) -> LayerFacts | None:
        """The layer that an operation works at, if the model is known and has it."""
        return None if self.facts is None else self.facts.layer(operation.layer.text)


def build_context(
    bound: Bound,
    source: Source,
    folder: Path,
    models: KnownModels,
    facts: ModelFacts | None,
    library: Library,
    known: Editions,
    notes: Notebook | None,
) -> Context:
    """Sort a tree's statements and resolve what does not depend on any rule."""
    tree = bound.tree
    editions = _all(tree, s.EditionLine)
    model_statements = _all(tree, s.ModelStatement)
    latents = _all(tree, s.LatentsStatement)
    definitions = _all(tree, s.RegionStatement)
    used = tuple(use(line, folder, library) for line in _all(tree, s.UseLine))
    aliases = {each.line.name.text: each for each in reversed(used)}
    return Context(
        tree=tree,
        source=source,
        folder=folder,
        models=models,
        facts=facts or _listed_facts(model_statements, models),
        known=known,
        defaults=known.get(edition_of(editions)).defaults,
        editions=editions,
        headers=_all(tree, s.RecipeLine),
        model_statements=model_statements,
        latents=latents,
        definitions=definitions,
        operations=_all(tree, s.Operation),
        params=_all(tree, s.ParamLine),
        sweeps=_all(tree, s.SweepStatement),
        used=used,
        included=tuple(
            include(node, aliases, library, _written(node, bound, notes))
            for node in _all(tree, s.Include)
        ),
        binding_problems=bound.diagnostics,
        named=bound.used,
        values=bound.values,
        changed=bound.changed,
        broken=_all(tree, s.Broken),
        counts={item.name.text: whole(setting_value(item.block, "count")) for item in latents},
        seeds={item.name.text: whole(setting_value(item.block, "seed")) for item in latents},
        regions=resolve_all(definitions, tree, folder, notes),
        notes=notes,
    )


def _written(node: s.Include, bound: Bound, notes: Notebook | None) -> str | None:
    """The text of a statement that has no values from outside, where anything is kept."""
    return None if notes is None or node.name.text in bound.changed else notes.written(node)


def _all(tree: s.Tree, kind: type[S]) -> tuple[S, ...]:
    return tuple(node for node in tree.statements if isinstance(node, kind))


def _listed_facts(
    statements: tuple[s.ModelStatement, ...], models: KnownModels
) -> ModelFacts | None:
    if len(statements) != 1 or statements[0].block is not None:
        return None
    return models.listed.get(statements[0].name.text)


def edition_of(editions: tuple[s.EditionLine, ...]) -> int | None:
    """The edition that a recipe names, if it names one."""
    return whole(editions[0].value) if editions else None


def settings(block: s.Block | None, key: str) -> tuple[s.Setting, ...]:
    """Every setting of a block with this key."""
    items = block.items if block else ()
    return tuple(item for item in items if isinstance(item, s.Setting) and item.key.text == key)


def setting_value(block: s.Block | None, key: str) -> s.Value | None:
    """The value of a setting, the first if it is given twice, or None."""
    found = settings(block, key)
    return found[0].value if found else None


def compat_of(block: s.Block) -> s.Setting | None:
    """The setting by which an operation asks for the numerics of the authors' code, if it does."""
    for solver in settings(block, "solver")[:1]:
        if solver.value.text == "projected-adam":
            found = settings(solver.block, "compat")
            return next((item for item in found if item.value.text == "davidbau"), None)
    return None


def whole(value: s.Value | None) -> int | None:
    """A value as a whole number, or None."""
    if not isinstance(value, s.Number) or value.percent:
        return None
    number = value.value
    return int(number) if abs(number) < 2**53 and number == int(number) else None
