"""A recipe on its way through the checker: as it was written, and as it was checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redraft_dsl.check.expects import Expectation
from redraft_dsl.check.parameters import BoundParam, Given
from redraft_dsl.check.sweeps import Sweep
from redraft_dsl.facts import ModelFacts
from redraft_dsl.recipe.model import Recipe, Rule
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.report.terminal import summary
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax.tree import Tree


@dataclass(frozen=True)
class Written:
    """A recipe as it was written.

    Attributes:
        tree: as parsed.
        source: its text.
        folder: where its paths start.
        trail: the files that led here, its own last; none of them may be used again.
        given: values from outside.
        spans: for values from outside, where they are written.

    """

    tree: Tree
    source: Source
    folder: Path
    trail: tuple[Path, ...] = ()
    given: Given = ()
    spans: Mapping[str, Span] | None = None


@dataclass(frozen=True)
class Imported:
    """A recipe that another one uses.

    ``path`` starts in the folder of the recipe that was asked for. ``digest`` is that of what the
    recipe means, ``sha256`` of the file's bytes.
    """

    alias: str
    path: str
    name: str
    version: str
    digest: str
    sha256: str


@dataclass(frozen=True)
class Checked:
    """The result of checking. ``recipe`` is None when there is an error.

    ``spans`` maps paths such as ``glasses.rank`` to places in ``source``, so that later phases
    can point at the text too. ``tree`` is the recipe as written; ``imports``, ``params``,
    ``sweeps`` and ``given`` say what the recipe was made from besides its text, ``expects`` what
    must come of a run. ``off`` are rules that stay out of the run, ``facts`` those of the model
    where they are known.
    """

    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]
    source: Source
    tree: Tree
    imports: tuple[Imported, ...] = ()
    params: tuple[BoundParam, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    expects: tuple[Expectation, ...] = ()
    given: Given = ()
    off: tuple[Rule, ...] = ()
    facts: ModelFacts | None = None

    def __repr__(self) -> str:
        """One line: the recipe, and how many problems it has."""
        recipe = self.recipe
        name = self.source.path if recipe is None else f"{recipe.name} {recipe.version}"
        return f"<Checked {name}: {summary(self.diagnostics)}>"

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
