"""The checker: everything that can be said about a recipe without opening the model's weights.

``RULES`` is the whole of it, in two visible lists. Each rule looks at the context and gives the
problems of one kind; none depends on what another one found, so independent problems are all
reported at once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from redraft_dsl.check.binding import Bound, bind, seen_by
from redraft_dsl.check.context import Context, build_context
from redraft_dsl.check.imports import Imported, Library, Opened, imported
from redraft_dsl.check.kept import notebook
from redraft_dsl.check.lower import spans_of, to_recipe
from redraft_dsl.check.params import BoundParam, Given
from redraft_dsl.check.parts import Group, about_parts, of_latents, of_regions, of_the_text
from redraft_dsl.check.rules import compat, fit, operations, regions, reuse, settings, statements
from redraft_dsl.check.sweeps import Sweep, sweeps_of
from redraft_dsl.editions import SHIPPED, Editions
from redraft_dsl.facts import KnownModels, ModelFacts
from redraft_dsl.recipe.model import Recipe
from redraft_dsl.report.diagnostics import Diagnostic, error, in_order
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax.tree import Include, Operation, SweepStatement, Tree

Rule = Callable[[Context], Iterable[Diagnostic]]

RECIPE_RULES: tuple[Rule, ...] = (
    reuse.parameters_hold,
    statements.required_statements,
    statements.single_statements,
    statements.order,
    statements.edition_known,
    statements.spelled_names,
    statements.unique_names,
    statements.version_format,
    statements.model_known,
    statements.truncation_means_something,
    statements.unused,
    reuse.names_hide_nothing,
    reuse.recipes_used,
    reuse.rules_included,
    reuse.included_model,
    reuse.included_latents,
    reuse.unused_names,
    reuse.sweeps_hold,
    compat.averaged_masks,
    regions.region_cycles,
)
"""Rules about a recipe as a whole."""

PART_RULES = (
    Group(
        "text",
        of_the_text,
        (
            settings.known_settings,
            settings.settings_once,
            settings.required_settings,
            settings.setting_values,
            operations.layer_known,
            operations.restraints,
            operations.targets,
            operations.repeated_context,
            operations.mean_rank,
            compat.contradictions,
            compat.one_paste,
            regions.geometry,
            regions.mask_resampling,
        ),
    ),
    Group("latents", of_latents, (operations.images, operations.matches)),
    Group(
        "regions",
        of_regions,
        (
            regions.region_names,
            regions.region_sizes,
            regions.mask_files,
            fit.region_reaches_layer,
            fit.copy_fits,
            fit.rank_fits,
        ),
    ),
)
"""Rules about each statement alone: one operation has nothing to do with another. They are sorted
by what they look at besides an operation's own text."""

RULES = (*RECIPE_RULES, *(rule for group in PART_RULES for rule in group.rules))


Opener = Callable[[Path, str], Opened]
"""Reads a recipe that another one uses; the second is the name under which it is reported."""


@dataclass(frozen=True)
class Checked:
    """What came of checking. ``recipe`` is None when there is an error.

    ``spans`` maps paths such as ``glasses.rank`` to places in ``source``, so that later phases
    can point at the text too. ``tree`` is the recipe as written; ``imports``, ``params``,
    ``sweeps`` and ``given`` say what the recipe was made from besides its text.
    """

    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]
    source: Source
    tree: Tree
    imports: tuple[Imported, ...] = ()
    params: tuple[BoundParam, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    given: Given = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that stop the recipe."""
        return tuple(d for d in self.diagnostics if d.is_error)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that the recipe survives."""
        return tuple(d for d in self.diagnostics if not d.is_error)

    @property
    def stands_alone(self) -> bool:
        """Whether the text says everything: nothing is imported, and nothing was given to it."""
        return not self.imports and not self.given

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from redraft_dsl.report.html import checked_html

        return checked_html(self)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """The same, and a few lines for where HTML cannot be shown."""
        from redraft_dsl.report.html import checked_bundle

        return checked_bundle(self)


def check(
    tree: Tree,
    source: Source,
    *,
    folder: Path,
    models: KnownModels,
    facts: ModelFacts | None = None,
    syntax: Iterable[Diagnostic] = (),
    given: Given = (),
    file: Path | None = None,
    opener: Opener | None = None,
    editions: Editions = SHIPPED,
) -> Checked:
    """Check a tree and, if it holds, give the recipe that it means.

    Args:
        tree: as parsed.
        source: its text.
        folder: where paths start.
        models: the model list.
        facts: of a model given by file, once its header has been read; for a listed model they
            are found in ``models``.
        syntax: the parser's diagnostics, which are reported together with the checker's own.
        given: values from outside for parameters, and for ``RULE.SETTING``.
        file: where the text comes from; a recipe that uses it again is a cycle.
        opener: reads the recipes that this one uses. Without it they cannot be read.
        editions: the editions of the language that there are.

    """
    job = _Job(models, facts, opener or _no_files, editions)
    trail = () if file is None else (file,)
    return job.check(tree, source, folder, trail, given, {}, tuple(syntax))


def _no_files(path: Path, shown: str) -> Opened:
    source = Source(shown, "")
    label = "other recipes cannot be read here"
    problem = error("RD130", f"`{path.name}` cannot be used", None, label, "save the recipe first")
    return Opened(source, Tree(()), (problem,), "")


@dataclass(frozen=True)
class _Job:
    """One call of the checker, which may have to check other recipes on its way."""

    models: KnownModels
    facts: ModelFacts | None
    opener: Opener
    editions: Editions
    seen: dict[Path, tuple[Opened, Checked]] = field(default_factory=dict)

    def check(
        self,
        tree: Tree,
        source: Source,
        folder: Path,
        trail: tuple[Path, ...],
        given: Given,
        spans: Mapping[str, Span],
        syntax: tuple[Diagnostic, ...] = (),
        *,
        written: bool = True,
    ) -> Checked:
        context, found, bound = self._examine(
            tree, source, folder, trail, given, spans, syntax, written=written
        )
        # With values given it is one cell that is checked, and the others are not its business.
        sound = not context.broken and not any(p.is_error for p in found)
        if context.sweeps and sound and not given:
            problem_with = self._trial(tree, source, folder, trail)
            found = in_order([*found, *reuse.swept_values(context, problem_with)])
        broken = bool(context.broken) or any(problem.is_error for problem in found)
        return Checked(
            recipe=None if broken else to_recipe(context),
            diagnostics=found,
            spans=dict(spans_of(context)),
            source=source,
            tree=tree,
            imports=imported(context.used),
            params=bound.params,
            sweeps=sweeps_of(context.sweeps),
            given=given,
        )

    def _examine(
        self,
        tree: Tree,
        source: Source,
        folder: Path,
        trail: tuple[Path, ...],
        given: Given,
        spans: Mapping[str, Span],
        syntax: tuple[Diagnostic, ...] = (),
        *,
        written: bool = True,
    ) -> tuple[Context, tuple[Diagnostic, ...], Bound]:
        """What there is to know about a tree, and what the rules say of it."""
        known_words, said = self.editions.of(tree).read(tree) if written else (tree, ())
        notes = notebook(source.text) if written and known_words is tree else None
        bound = bind(known_words, given, spans, notes.mentions if notes else None)
        shown = posixpath.dirname(Path(source.path).as_posix())
        library = Library(
            self.opener, self.check, trail, shown, self.seen, self._around, self._words
        )
        context = build_context(
            bound, source, folder, self.models, self.facts, library, self.editions, notes
        )
        whole = (problem for rule in RECIPE_RULES for problem in rule(context))
        found = in_order([*syntax, *said, *whole, *about_parts(context, PART_RULES)])
        return context, found, bound

    @property
    def _around(self) -> tuple[object, ...]:
        """What the checks of used recipes depend on, besides their files."""
        return self.models, self.facts, self.editions

    def _words(self, tree: Tree) -> Tree:
        return self.editions.of(tree).read(tree)[0]

    def _trial(
        self, tree: Tree, source: Source, folder: Path, trail: tuple[Path, ...]
    ) -> Callable[[str, str], Diagnostic | None]:
        """The first error of a recipe without errors with one value changed, its sweeps left out.

        Rules that do not see the value are left out too: nothing changes for them.
        """
        nodes = tuple(node for node in tree.statements if not isinstance(node, SweepStatement))
        rules = tuple(node for node in nodes if isinstance(node, Operation | Include))

        def problem_with(target: str, value: str) -> Diagnostic | None:
            # Without any rule it would be no recipe.
            seeing = {id(node) for node in tuple(seen_by(target, nodes)) or rules[:1]}
            left = tuple(
                node
                for node in nodes
                if not isinstance(node, Operation | Include) or id(node) in seeing
            )
            bare = replace(tree, statements=left)
            _, found, _ = self._examine(bare, source, folder, trail, ((target, value),), {})
            return next((problem for problem in found if problem.is_error), None)

        return problem_with
