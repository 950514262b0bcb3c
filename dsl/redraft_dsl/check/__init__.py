"""The checker: everything that can be said about a recipe without opening the model's weights.

``RULES`` is the whole of it, in one visible list. Each rule looks at the context and gives the
problems of one kind; none depends on what another one found, so independent problems are all
reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from redraft_dsl.check import blocks, compat, fit, operations, shapes, structure
from redraft_dsl.check.context import Context, build_context
from redraft_dsl.convert import spans_of, to_recipe
from redraft_dsl.diagnostics import Diagnostic, in_order
from redraft_dsl.facts import KnownModels, ModelFacts
from redraft_dsl.recipe import Recipe
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax import Tree

Rule = Callable[[Context], Iterable[Diagnostic]]

RULES: tuple[Rule, ...] = (
    structure.required_statements,
    structure.single_statements,
    structure.order,
    structure.edition_known,
    structure.spelled_names,
    structure.unique_names,
    structure.version_format,
    structure.model_known,
    structure.truncation_means_something,
    structure.unused,
    blocks.known_settings,
    blocks.settings_once,
    blocks.required_settings,
    blocks.setting_values,
    operations.layer_known,
    operations.images,
    operations.matches,
    operations.restraints,
    operations.targets,
    operations.repeated_context,
    operations.mean_rank,
    compat.contradictions,
    compat.one_paste,
    compat.averaged_masks,
    shapes.region_names,
    shapes.region_cycles,
    shapes.region_sizes,
    shapes.geometry,
    shapes.mask_files,
    shapes.mask_resampling,
    fit.region_reaches_layer,
    fit.copy_fits,
    fit.rank_fits,
)


@dataclass(frozen=True)
class Checked:
    """What came of checking. ``recipe`` is None when there is an error.

    ``spans`` maps paths such as ``glasses.rank`` to places in ``source``, so that later phases
    can point at the text too.
    """

    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]
    source: Source
    tree: Tree

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that stop the recipe."""
        return tuple(d for d in self.diagnostics if d.is_error)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that the recipe survives."""
        return tuple(d for d in self.diagnostics if not d.is_error)


def check(
    tree: Tree,
    source: Source,
    *,
    folder: Path,
    models: KnownModels,
    facts: ModelFacts | None = None,
    syntax: Iterable[Diagnostic] = (),
) -> Checked:
    """Check a tree and, if it holds, give the recipe that it means.

    ``folder`` is where paths start. ``facts`` describes a model given by file, once its header
    has been read; for a listed model they are found in ``models``. ``syntax`` are the parser's
    diagnostics, which are reported together with the checker's own.
    """
    context = build_context(tree, source, folder, models, facts)
    found = in_order([*syntax, *(problem for rule in RULES for problem in rule(context))])
    broken = bool(context.broken) or any(problem.is_error for problem in found)
    recipe = None if broken else to_recipe(context)
    return Checked(recipe, found, dict(spans_of(context)), source, tree)
