"""The checker: everything that can be reported about a recipe without opening the model's weights.

``RULES`` is the whole of it, in one visible list. Each rule looks at the context and gives the
problems of one kind; none depends on what another one found, so independent problems are all
reported at once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from redraft_dsl.check.binding import Rule as RuleNode
from redraft_dsl.check.binding import bind, from_outside, seen_by
from redraft_dsl.check.checked import Checked, Imported, Written
from redraft_dsl.check.context import Context, build_context
from redraft_dsl.check.expects import expectations
from redraft_dsl.check.imports import Library, Opened, imported
from redraft_dsl.check.lower import spans_of, to_recipe
from redraft_dsl.check.rules import (
    compat,
    expects,
    fit,
    operations,
    pairs,
    regions,
    reuse,
    statements,
)
from redraft_dsl.check.sweeps import sweeps_of
from redraft_dsl.facts import FileFacts, KnownModels, ModelFacts
from redraft_dsl.report.diagnostics import Diagnostic, error, in_order
from redraft_dsl.source import Source
from redraft_dsl.syntax.editions import SHIPPED, Editions, as_it_is
from redraft_dsl.syntax.tree import ExpectLine, SweepStatement, Tree

__all__ = ["RULES", "Checked", "Imported", "Opened", "Written", "check", "context_of"]

RULES: tuple[Callable[[Context], Iterable[Diagnostic]], ...] = (
    reuse.parameters_hold,
    statements.required_statements,
    statements.single_statements,
    statements.order,
    statements.edition_known,
    statements.spelled_names,
    statements.unique_names,
    statements.version_format,
    statements.model_known,
    statements.model_settings_mean_something,
    statements.unused,
    operations.block_values,
    operations.layer_known,
    operations.images,
    operations.matches,
    operations.restraints,
    operations.targets,
    operations.repeated_context,
    pairs.cause_and_effect,
    operations.mean_rank,
    regions.region_names,
    regions.region_cycles,
    regions.region_sizes,
    regions.geometry,
    regions.mask_files,
    regions.mask_resampling,
    fit.region_reaches_layer,
    fit.copy_fits,
    fit.rank_fits,
    compat.authors_operations,
    compat.nothing_protected,
    compat.contradictions,
    compat.one_paste,
    compat.averaged_masks,
    reuse.names_hide_nothing,
    reuse.recipes_used,
    reuse.rules_included,
    reuse.included_model,
    reuse.included_latents,
    reuse.unused_names,
    expects.expectations,
)
OUTSIDE = SweepStatement | ExpectLine
"""Statements about runs, not of the recipe."""
SWEEP_RULES = (reuse.sweeps_hold,)
"""Rules about what is varied, apart, since the recipe may hold where these do not."""

Opener = Callable[[Path, str], Opened]
"""Reads a recipe that another one uses; the second is the name under which it is reported."""


def check(
    written: Written,
    models: KnownModels,
    *,
    facts: ModelFacts | FileFacts | None = None,
    syntax: Iterable[Diagnostic] = (),
    opener: Opener | None = None,
    editions: Editions = SHIPPED,
) -> Checked:
    """Check a tree and, if it holds, give the recipe that it means.

    Args:
        written: the tree and its text. Its trail may have the file that the text comes from: a
            recipe that uses it again is a cycle.
        models: the model list.
        facts: of a model given by file, or what reads them; for a listed model they are found in
            ``models``.
        syntax: the parser's diagnostics, which are reported together with the checker's own.
        opener: reads the recipes that this one uses. Without it they cannot be read.
        editions: the editions of the language that there are.

    """
    return _Checker(models, facts, opener or _no_files, editions).check(written, syntax)


def context_of(
    written: Written, models: KnownModels, facts: ModelFacts | FileFacts | None, editions: Editions
) -> Context:
    """What the rules look at, without any recipe that this one uses."""
    return _Checker(models, facts, _no_files, editions).context(written)[0]


def _no_files(path: Path, shown: str) -> Opened:
    source = Source(shown, "")
    label = "other recipes cannot be read here"
    problem = error("RD130", f"`{path.name}` cannot be used", None, label, "save the recipe first")
    return Opened(source, Tree(()), (problem,), "")


@dataclass(frozen=True)
class _Checker:
    """What one call of the checker has, which may have to check other recipes on its way."""

    models: KnownModels
    facts: ModelFacts | FileFacts | None
    opener: Opener
    editions: Editions
    seen: dict[Path, tuple[Opened, Checked]] = field(default_factory=dict)

    def check(
        self, written: Written, syntax: Iterable[Diagnostic] = (), *, own_words: bool = True
    ) -> Checked:
        """A recipe's problems and, if there is no error among them, its meaning."""
        context, problems = self.examine(written, own_words=own_words)
        broken = bool(context.broken) or any(problem.is_error for problem in problems)
        swept = [problem for rule in SWEEP_RULES for problem in rule(context)]
        # With values given it is one cell that is checked, and the others are not its business.
        if not broken and not written.given:
            swept += reuse.swept_values(context, self.trial(written))
        problems = tuple(from_outside(p, written.given, written.spans or {}) for p in problems)
        found = in_order([*syntax, *problems, *swept])
        broken = bool(context.broken) or any(problem.is_error for problem in found)
        recipe, off = (None, ()) if broken else to_recipe(context)
        return Checked(
            recipe=recipe,
            diagnostics=found,
            spans=dict(spans_of(context)),
            source=written.source,
            tree=written.tree,
            imports=imported(context.used),
            params=context.bound.params,
            sweeps=sweeps_of(context.all(SweepStatement)),
            expects=()
            if recipe is None
            else expectations(
                context.all(ExpectLine), frozenset(rule.name for rule in recipe.rules)
            ),
            given=written.given,
            off=off,
            facts=context.facts,
        )

    def examine(
        self, written: Written, *, own_words: bool = True
    ) -> tuple[Context, tuple[Diagnostic, ...]]:
        """What there is to know about a tree, and what the rules say of it."""
        context, problems = self.context(written, own_words=own_words)
        found = (problem for rule in RULES for problem in rule(context))
        return context, in_order([*problems, *found])

    def context(
        self, written: Written, *, own_words: bool = True
    ) -> tuple[Context, tuple[Diagnostic, ...]]:
        """What there is to know about a tree, and what is wrong with its edition's words."""
        tree, problems = as_it_is(written.tree)
        if own_words:
            tree, problems = self.editions.of(tree).read(tree)
        language = self.editions.language
        bound = bind(tree, language, written.given, written.spans)
        shown = posixpath.dirname(Path(written.source.path).as_posix())
        library = Library(
            self.opener, self.check_used, language, self.words, written.trail, shown, self.seen
        )
        context = build_context(written, bound, self.models, self.facts, library, self.editions)
        return context, problems

    def check_used(self, written: Written, *, own_words: bool = True) -> Checked:
        """Check a recipe that another one uses."""
        return self.check(written, own_words=own_words)

    def words(self, tree: Tree) -> Tree:
        """A tree in the words that the checker knows."""
        return self.editions.of(tree).read(tree)[0]

    def trial(self, written: Written) -> Callable[[str, str], Diagnostic | None]:
        """The first error of a recipe without errors with one value changed, its sweeps left out.

        Rules that do not see the value are left out too: nothing changes for them.
        """
        nodes = tuple(n for n in written.tree.statements if not isinstance(n, OUTSIDE))
        rules = tuple(node for node in nodes if isinstance(node, RuleNode))

        def problem_with(target: str, value: str) -> Diagnostic | None:
            # Without any rule it would be no recipe.
            seeing = {id(node) for node in tuple(seen_by(target, nodes)) or rules[:1]}
            left = tuple(n for n in nodes if not isinstance(n, RuleNode) or id(n) in seeing)
            tree = replace(written.tree, statements=left)
            _, found = self.examine(replace(written, tree=tree, given=((target, value),)))
            return next((problem for problem in found if problem.is_error), None)

        return problem_with
