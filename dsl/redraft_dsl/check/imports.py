"""What a recipe takes from other recipes: the files that it uses, and the rules that it includes.

Everything here happens before the checker's rules look at the recipe; what goes wrong is kept
beside what came of it, and told by ``check.reuse``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from redraft_dsl.check.kept import kept_again, kept_file, kept_made
from redraft_dsl.check.overriding import LAYER, overridden
from redraft_dsl.check.params import BoundParam, Given
from redraft_dsl.geometry.masks import path_fault
from redraft_dsl.language.settings import BLOCKS
from redraft_dsl.recipe import model as r
from redraft_dsl.report.diagnostics import Diagnostic, Note, did_you_mean, error
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.nodes import shifted

if TYPE_CHECKING:
    from redraft_dsl.check import Checked

DEEPEST = 16
"""Recipes that use one another in a row."""


@dataclass(frozen=True)
class Opened:
    """A recipe file as it was read; ``problems`` are those of reading and of syntax."""

    source: Source
    tree: s.Tree
    problems: tuple[Diagnostic, ...]
    sha256: str


class Check(Protocol):
    """The checker, as a library calls it for the recipes in it."""

    def __call__(
        self,
        tree: s.Tree,
        source: Source,
        folder: Path,
        trail: tuple[Path, ...],
        given: Given,
        spans: Mapping[str, Span],
        *,
        written: bool = True,
    ) -> Checked:
        """Check a tree of another file; ``written`` says that it is as it was read.

        One that is not has the checker's words already, and not those of its edition.
        """
        ...


@dataclass(frozen=True)
class Library:
    """How other recipes are opened and checked.

    ``trail`` are the files that led here, the recipe itself last: none of them may be used again.
    ``shown`` is the folder that paths start in, as it is named in what is told. ``seen`` keeps
    every recipe that was checked as it stands, so that each is checked once. ``around`` is what
    else the checks depend on. ``words`` gives a tree in the words that the checker knows, whatever
    its edition.
    """

    open: Callable[[Path, str], Opened]
    check: Check
    trail: tuple[Path, ...] = ()
    shown: str = ""
    seen: dict[Path, tuple[Opened, Checked]] = field(default_factory=dict)
    around: tuple[object, ...] = ()
    words: Callable[[s.Tree], s.Tree] = lambda tree: tree

    def get(self, file: Path, path: str) -> tuple[Opened, Checked]:
        """A recipe as it stands, with the defaults of its parameters; ``path`` as it is written."""
        shown = posixpath.normpath(posixpath.join(self.shown, path))
        key = "recipe", file, self.trail[:1]
        if file in self.seen:
            kept_again(key)
        else:
            trail = (*self.trail, file)
            made_from = (*self.around, shown, trail)
            self.seen[file] = kept_made(key, made_from, lambda: self._checked(file, shown, trail))
        return self.seen[file]

    def _checked(self, file: Path, shown: str, trail: tuple[Path, ...]) -> tuple[Opened, Checked]:
        kept_file(file)
        opened = self.open(file, shown)
        checked = self.check(opened.tree, opened.source, file.parent, trail, (), {})
        checked = replace(checked, diagnostics=(*opened.problems, *checked.diagnostics))
        # A rule of it is given values in the checker's words, whatever the two editions say.
        return replace(opened, tree=self.words(opened.tree)), checked


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
class Used:
    """A ``use`` line and what came of it; ``checked`` is None when the file cannot be used."""

    line: s.UseLine
    file: Path
    opened: Opened | None
    checked: Checked | None
    problem: Diagnostic | None

    @property
    def folder(self) -> str:
        """Where the paths of the used recipe start, seen from the recipe that uses it."""
        return posixpath.normpath(posixpath.dirname(self.line.path.text) or ".")

    @cached_property
    def rules(self) -> Mapping[str, s.Operation | s.Include]:
        """The rules of the used recipe by their names."""
        return _rules(self.opened.tree) if self.opened else {}

    @cached_property
    def params(self) -> Mapping[str, BoundParam]:
        """The parameters of the used recipe by their names."""
        return {param.name: param for param in self.checked.params} if self.checked else {}

    def digest(self) -> str:
        """The digest of a used recipe that can be used."""
        checked = self.checked
        assert checked is not None  # told by the `use` line
        assert checked.recipe is not None  # as above
        return kept_made(("digest", self.file), (checked,), checked.recipe.digest)


@dataclass(frozen=True)
class Included:
    """An ``include`` and the rule that it stands for; None when there is a problem with it.

    ``latents`` and ``model`` are those of the recipe that the rule comes from.
    """

    statement: s.Include
    rule: r.Rule | None
    problems: tuple[Diagnostic, ...] = ()
    used: Used | None = None


def use(line: s.UseLine, folder: Path, library: Library) -> Used:
    """Open and check the recipe of a ``use`` line."""
    file = folder / line.path.text
    if path_fault(line.path.text) is not None:
        return Used(line, file, None, None, None)  # told together with all other paths
    try:
        file = file.resolve()
        outside = not file.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        outside = True
    if outside:
        message = f"the recipe `{line.path.text}` lies outside this recipe's folder"
        help_text = "a link may lead out of it; copy the file into the folder"
        problem = error("RD130", message, line.path.span, "not in the folder", help_text)
        return Used(line, file, None, None, problem)
    if file in library.trail or len(library.trail) > DEEPEST:
        return Used(line, file, None, None, _cycle(line, file, library.trail))
    opened, checked = library.get(file, line.path.text)
    if checked.recipe is None:
        return Used(line, file, opened, None, _faulty(line, checked))
    if checked.recipe.version != line.version.text:
        return Used(line, file, opened, checked, _other_version(line, checked))
    return Used(line, file, opened, checked, None)


def _cycle(line: s.UseLine, file: Path, trail: tuple[Path, ...]) -> Diagnostic:
    if file not in trail:
        message = "too many recipes use one another in a row"
        return error("RD132", message, line.path.span, f"{len(trail)} deep", "use fewer levels")
    names = [path.name for path in (*trail[trail.index(file) :], file)]
    message = f"`{line.path.text}` leads back to itself"
    chain = " -> ".join(names)
    help_text = "take one of these `use` lines out; what both need belongs into a third recipe"
    return error("RD132", message, line.path.span, chain, help_text)


def _faulty(line: s.UseLine, checked: Checked) -> Diagnostic:
    """The used recipe has errors; the first of them is shown."""
    first = next((d for d in checked.diagnostics if d.is_error), None)
    path = line.path.text
    if first is None:
        return error("RD130", f"`{path}` cannot be used", line.path.span, "", "check it")
    if first.span is None:
        return error("RD130", first.message, line.path.span, first.label, first.help)
    count = len(checked.errors)
    errors = f"{count} error{'s' if count > 1 else ''}"
    code = first.code if first.code == "RD132" else "RD130"
    note = Note(f"{first.message} [{first.code}]", first.span, checked.source)
    help_text = f"run `redraft check {checked.source.path}`"
    message = f"the recipe `{path}` has {errors}"
    label = first.label if code == "RD132" else "it cannot be used as it is"
    return error(code, message, line.path.span, label, help_text, (note,))


def _other_version(line: s.UseLine, checked: Checked) -> Diagnostic:
    assert checked.recipe is not None  # a recipe with errors has been told
    there = checked.recipe.version
    return error(
        "RD131",
        f"`{line.path.text}` is version {there}, not {line.version.text}",
        line.version.span,
        "this version is not there",
        f"write `{there}` once you have seen what changed, or get version {line.version.text}",
        (Note("its version is given here", checked.spans.get("recipe"), checked.source),),
    )


# ---- including a rule -------------------------------------------------------------------------


def include(
    statement: s.Include, used: Mapping[str, Used], library: Library, text: str | None = None
) -> Included:
    """The rule that an ``include`` stands for, checked with everything that it overrides.

    ``text`` is the statement's, where it stands as it was written.
    """
    source = used.get(statement.alias.text)
    if source is None:
        return Included(statement, None, (_unknown_alias(statement, used),))
    if source.opened is None or source.checked is None:
        return Included(statement, None)  # the `use` line has told it
    rules = source.rules
    rule = rules.get(statement.rule.text)
    if rule is None:
        return Included(statement, None, (_unknown_rule(statement, source, rules),))
    params = source.params
    overrides = _overrides(statement)
    unknown = tuple(_unknown_keys(statement, overrides, rule, params))
    if unknown:
        return Included(statement, None, unknown)

    def make() -> Included:
        return _instance(statement, source, rule, overrides, params, library)

    if text is None:
        return make()
    # A rule with the same values from the same recipe is the same, wherever it is included.
    values = tuple((item.key.text, item.value) for item in overrides)
    at = statement.span.start
    start, made = kept_made(
        ("include", source.file, text),
        (source.checked, source.folder, values),
        lambda: (at, make()),
    )
    problems = tuple(_moved(problem, at - start) for problem in made.problems)
    return Included(statement, made.rule, problems, source)


def _moved(problem: Diagnostic, by: int) -> Diagnostic:
    """A problem of this recipe, in which places in other recipes stay."""
    if by == 0:
        return problem
    notes = tuple(note if note.source else shifted(note, by) for note in problem.notes)
    return replace(problem, span=shifted(problem.span, by), notes=notes)


def _instance(
    statement: s.Include,
    source: Used,
    rule: s.Operation | s.Include,
    overrides: list[s.Override],
    params: Mapping[str, object],
    library: Library,
) -> Included:
    assert source.opened is not None  # it was used
    opened = source.opened
    # Places in this recipe are moved behind the end of the other text, to be told apart later.
    beyond = len(opened.source.text) + 1
    given: list[tuple[str, str]] = []
    spans: dict[str, Span] = {}
    changed: s.Operation | s.Include = rule
    for item in overrides:
        moved: s.Override = shifted(item, beyond)
        if item.key.text in params:
            given.append((item.key.text, item.value.text))
            spans[item.key.text] = moved.value.span
        else:
            changed = overridden(changed, moved.key, moved.value)
    left = tuple(
        changed if node is rule else node
        for node in opened.tree.statements
        if node is rule or not isinstance(node, s.Operation | s.Include | s.SweepStatement)
    )
    tree = replace(opened.tree, statements=left)
    trail = (*library.trail, source.file)
    result = library.check(
        tree, opened.source, source.file.parent, trail, tuple(given), spans, written=False
    )
    if result.recipe is None:
        problems = tuple(_at_include(statement, d, beyond, opened.source) for d in result.errors)
        return Included(statement, None, problems, source)
    found = result.recipe.rules[0]
    found = rebased(found.model_copy(update={"name": statement.name.text}), source.folder)
    return Included(statement, found, (), source)


def _at_include(
    statement: s.Include, problem: Diagnostic, beyond: int, other: Source
) -> Diagnostic:
    """A problem of a rule as it is included, at the place in this recipe that it comes from."""
    notes = tuple(_note_at(note, beyond, other) for note in problem.notes)
    span = problem.span
    if span is not None and span.start >= beyond:
        return replace(problem, span=Span(span.start - beyond, span.end - beyond), notes=notes)
    here = Note("this is what does not hold there", span, other) if span else None
    return replace(
        problem,
        code="RD136",
        message=f"`{statement.rule.text}` does not hold as it is included: {problem.message}",
        span=statement.span,
        notes=(here, *notes) if here else notes,
    )


def _note_at(note: Note, beyond: int, other: Source) -> Note:
    if note.span is None or note.source is not None:
        return note
    if note.span.start >= beyond:
        return replace(note, span=Span(note.span.start - beyond, note.span.end - beyond))
    return replace(note, source=other)


def _rules(tree: s.Tree) -> dict[str, s.Operation | s.Include]:
    nodes = [node for node in tree.statements if isinstance(node, s.Operation | s.Include)]
    return {node.name.text: node for node in nodes}


def _overrides(statement: s.Include) -> list[s.Override]:
    items = statement.block.items if statement.block else ()
    return [item for item in items if isinstance(item, s.Override)]


def _unknown_alias(statement: s.Include, used: Mapping[str, Used]) -> Diagnostic:
    name = statement.alias.text
    help_text = did_you_mean(name, used, "recipes that are used here")
    if not used:
        help_text = f'begin with a line such as `use "./{name}.redraft" 1.0.0 as {name}`'
    message, span = f"no recipe is used as `{name}`", statement.alias.span
    return error("RD133", message, span, "not the name of a `use` line", help_text)


def _unknown_rule(
    statement: s.Include, source: Used, rules: Mapping[str, s.Operation | s.Include]
) -> Diagnostic:
    name = statement.rule.text
    return error(
        "RD134",
        f"`{source.line.path.text}` has no rule `{name}`",
        statement.rule.span,
        "no such rule there",
        did_you_mean(name, rules, "its rules"),
        (Note("it is used here", source.line.span),),
    )


def _unknown_keys(
    statement: s.Include,
    overrides: list[s.Override],
    rule: s.Operation | s.Include,
    params: Mapping[str, object],
) -> Iterator[Diagnostic]:
    first: dict[str, s.Override] = {}
    settings = [*BLOCKS[rule.kind.text], LAYER] if isinstance(rule, s.Operation) else None
    for item in overrides:
        key = item.key
        if key.text in first:
            note = Note(f"`{key.text}` is given here first", first[key.text].span)
            message = f"`{key.text}` is given twice"
            yield error("RD205", message, item.span, "given again", "keep one of them", (note,))
        first.setdefault(key.text, item)
        if settings is not None and key.text not in (*settings, *params):
            yield error(
                "RD135",
                f"`{statement.rule.text}` has nothing called `{key.text}` to give a value to",
                key.span,
                "neither a setting of the rule nor a parameter of its recipe",
                did_you_mean(key.text, [*params, *settings], "what can be given"),
            )


# ---- paths ------------------------------------------------------------------------------------

Part = TypeVar("Part", bound=r.Frozen)


def rebased(part: Part, folder: str) -> Part:
    """A rule or a piece of it with its masks' paths starting one recipe further up.

    Args:
        part: of a checked recipe.
        folder: where its paths start, seen from where they shall start.

    """
    if folder == ".":
        return part
    if isinstance(part, r.Mask):
        return part.model_copy(update={"path": posixpath.normpath(f"{folder}/{part.path}")})
    update: dict[str, object] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, r.Frozen):
            update[name] = rebased(value, folder)
        elif isinstance(value, tuple) and any(isinstance(each, r.Frozen) for each in value):
            update[name] = tuple(rebased(each, folder) for each in value)
    return part.model_copy(update=update)


def imported(used: tuple[Used, ...]) -> tuple[Imported, ...]:
    """Every recipe that is used, those that they use in turn included, each once."""
    found: dict[str, Imported] = {}
    for each in used:
        if each.opened is None or each.checked is None or each.checked.recipe is None:
            continue
        recipe, path = each.checked.recipe, posixpath.normpath(each.line.path.text)
        own = Imported(
            each.line.name.text, path, recipe.name, recipe.version, each.digest(),
            each.opened.sha256,
        )  # fmt: skip
        found.setdefault(path, own)
        for inner in each.checked.imports:
            further = posixpath.normpath(f"{each.folder}/{inner.path}")
            found.setdefault(further, replace(inner, path=further))
    return tuple(found.values())
