"""What a recipe takes from other recipes: the files that it uses, and the rules that it includes.

Everything here happens before the checker's rules look at the recipe; problems are held beside
the result, and reported by ``check.rules.reuse``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from redraft_dsl.check.binding import LAYER, Rule, overridden
from redraft_dsl.check.checked import Checked, Imported, Written
from redraft_dsl.check.parameters import BoundParam
from redraft_dsl.files import inside, path_fault
from redraft_dsl.language.language import Language
from redraft_dsl.language.spelling import NAME
from redraft_dsl.recipe import model as r
from redraft_dsl.report.diagnostics import Diagnostic, Note, error, unknown
from redraft_dsl.source import Source, Span
from redraft_dsl.syntax import tree as s

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

    def __call__(self, written: Written, *, own_words: bool = True) -> Checked:
        """Check a recipe of another file.

        One without ``own_words`` has the checker's words already, and not those of its edition.
        """
        ...


@dataclass(frozen=True)
class Library:
    """How other recipes are opened and checked.

    ``trail`` are the files that led here, the recipe itself last: none of them may be used again.
    ``shown`` is the folder that paths start in, as it is named in messages. ``seen`` has every
    recipe that was checked as it stands, so that each is checked once. ``words`` gives a tree in
    the words that the checker knows, whatever its edition.
    """

    open: Callable[[Path, str], Opened]
    check: Check
    language: Language
    words: Callable[[s.Tree], s.Tree]
    trail: tuple[Path, ...] = ()
    shown: str = ""
    seen: dict[Path, tuple[Opened, Checked]] = field(default_factory=dict)

    def get(self, file: Path, path: str) -> tuple[Opened, Checked]:
        """A recipe as it stands, with the defaults of its parameters; ``path`` as it is written."""
        if file not in self.seen:
            opened = self.open(file, posixpath.normpath(posixpath.join(self.shown, path)))
            trail = (*self.trail, file)
            checked = self.check(Written(opened.tree, opened.source, file.parent, trail))
            checked = replace(checked, diagnostics=(*opened.problems, *checked.diagnostics))
            # A rule of it is given values in the checker's words, whatever the two editions say.
            self.seen[file] = replace(opened, tree=self.words(opened.tree)), checked
        return self.seen[file]


@dataclass(frozen=True)
class Used:
    """A ``use`` line and its recipe; ``checked`` is None when the file cannot be used."""

    line: s.UseLine
    file: Path
    opened: Opened | None = None
    checked: Checked | None = None
    problem: Diagnostic | None = None

    @property
    def folder(self) -> str:
        """Where the paths of the used recipe start, seen from the recipe that uses it."""
        return posixpath.normpath(posixpath.dirname(self.line.path.text) or ".")

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """The rules of the used recipe by their names."""
        nodes = self.opened.tree.statements if self.opened else ()
        return {node.name.text: node for node in nodes if isinstance(node, Rule)}

    @cached_property
    def params(self) -> Mapping[str, BoundParam]:
        """The parameters of the used recipe by their names."""
        return {param.name: param for param in self.checked.params} if self.checked else {}


@dataclass(frozen=True)
class Included:
    """An ``include`` and the rule that it stands for; None when there is a problem with it."""

    statement: s.Include
    rule: r.Rule | None
    problems: tuple[Diagnostic, ...] = ()
    used: Used | None = None


def use(line: s.UseLine, folder: Path, library: Library) -> Used:
    """Open and check the recipe of a ``use`` line."""
    if path_fault(line.path.text) is not None:
        return Used(line, folder)  # reported together with all other paths
    file = inside(folder, line.path.text)
    if file is None:
        message = f"the recipe `{line.path.text}` is outside this recipe's folder"
        help_text = "a link may lead out of it; copy the file into the folder"
        problem = error("RD130", message, line.path.span, "not in the folder", help_text)
        return Used(line, folder, problem=problem)
    if file in library.trail or len(library.trail) > DEEPEST:
        return Used(line, file, problem=_cycle(line, file, library.trail))
    opened, checked = library.get(file, line.path.text)
    if checked.recipe is None:
        return Used(line, file, opened, problem=_faulty(line, checked))
    if checked.recipe.version != line.version.text:
        return Used(line, file, opened, checked, _other_version(line, checked))
    return Used(line, file, opened, checked)


def _cycle(line: s.UseLine, file: Path, trail: tuple[Path, ...]) -> Diagnostic:
    if file not in trail:
        message = "too many recipes use one another in a row"
        return error("RD132", message, line.path.span, f"{len(trail)} deep", "use fewer levels")
    names = [path.name for path in (*trail[trail.index(file) :], file)]
    message = f"`{line.path.text}` leads back to itself"
    return error(
        "RD132",
        message,
        line.path.span,
        " -> ".join(names),
        "take one of these `use` lines out; what both need belongs into a third recipe",
    )


def _from_a_copy(name: str) -> str:
    """What helps where a recipe is used by its name, as commands take those of redraft."""
    return (
        f"name its file; of a recipe that comes with redraft write one: "
        f'`redraft flatten {name} > {name}.redraft`, then `use "{name}.redraft"`'
    )


def _faulty(line: s.UseLine, checked: Checked) -> Diagnostic:
    """The used recipe has errors; the first of them is shown."""
    first = next((d for d in checked.diagnostics if d.is_error), None)
    path = line.path.text
    if first is None:
        return error("RD130", f"`{path}` cannot be used", line.path.span, "", "check it")
    if first.span is None:
        help_text = _from_a_copy(path) if NAME.fullmatch(path) else first.help
        return error("RD130", first.message, line.path.span, first.label, help_text)
    count = len(checked.errors)
    errors = f"{count} error{'s' if count > 1 else ''}"
    code = first.code if first.code == "RD132" else "RD130"
    note = Note(f"{first.message} [{first.code}]", first.span.of(checked.source))
    help_text = f"run `redraft check {checked.source.path}`"
    message = f"the recipe `{path}` has {errors}"
    label = first.label if code == "RD132" else "it cannot be used as it is"
    return error(code, message, line.path.span, label, help_text, (note,))


def _other_version(line: s.UseLine, checked: Checked) -> Diagnostic:
    assert checked.recipe is not None, "a recipe with errors has been reported"
    there = checked.recipe.version
    return error(
        "RD131",
        f"`{line.path.text}` is version {there}, not {line.version.text}",
        line.version.span,
        "this version is not there",
        f"write `{there}` once you have seen what changed, or get version {line.version.text}",
        (Note("its version is given here", checked.spans["recipe"].of(checked.source)),),
    )


# ---- including a rule -------------------------------------------------------------------------


def include(
    statement: s.Include, used: Mapping[str, Used], library: Library, here: Source
) -> Included:
    """The rule that an ``include`` in the text ``here`` stands for, checked with its overrides."""
    source = used.get(statement.alias.text)
    if source is None:
        return Included(statement, None, (_unknown_alias(statement, used),))
    if source.opened is None or source.checked is None:
        return Included(statement, None)  # the `use` line has reported it
    rule = source.rules.get(statement.rule.text)
    if rule is None:
        return Included(statement, None, (_unknown_rule(statement, source),))
    items = statement.block.items if statement.block else ()
    overrides = [item for item in items if isinstance(item, s.Override)]
    problems = tuple(_unknown_keys(statement, overrides, rule, source.params, library.language))
    if problems:
        return Included(statement, None, problems)
    written = _instance(source, source.opened, rule, overrides, library, here)
    result = library.check(written, own_words=False)
    if result.recipe is None:
        problems = tuple(
            _at_include(statement, each, here, written.source) for each in result.errors
        )
        return Included(statement, None, problems, source)
    found = (*result.recipe.rules, *result.off)[0]
    found = rebased(found.model_copy(update={"name": statement.name.text}), source.folder)
    return Included(statement, found, (), source)


def _instance(
    source: Used,
    opened: Opened,
    rule: Rule,
    overrides: list[s.Override],
    library: Library,
    here: Source,
) -> Written:
    """The used recipe with one rule, in which what an ``include`` overrides is replaced."""
    given: list[tuple[str, str]] = []
    spans: dict[str, Span] = {}
    changed = rule
    for item in overrides:
        value = replace(item.value, span=item.value.span.of(here))
        if item.key.text in source.params:
            given.append((item.key.text, value.text))
            spans[item.key.text] = value.span
        else:
            key = s.Word(item.key.text, span=item.key.span.of(here))
            changed = overridden(changed, key, value, library.language)
    left = tuple(
        changed if node is rule else node
        for node in opened.tree.statements
        if node is rule or not isinstance(node, Rule | s.SweepStatement | s.ExpectLine)
    )
    tree = replace(opened.tree, statements=left)
    trail = (*library.trail, source.file)
    return Written(tree, opened.source, source.file.parent, trail, tuple(given), spans)


def _at_include(
    statement: s.Include, problem: Diagnostic, here: Source, other: Source
) -> Diagnostic:
    """A problem of a rule as it is included, at the place in this recipe that it comes from."""
    notes = tuple(
        replace(note, span=note.span.of(other).within(here)) if note.span else note
        for note in problem.notes
    )
    span = problem.span
    if span is not None and span.source is not None:
        fixes = tuple(each.within(here) for each in problem.fixes)
        return replace(problem, span=span.within(here), notes=notes, fixes=fixes)
    there = Note("this is what does not hold there", span.of(other)) if span else None
    return replace(
        problem,
        code="RD136",
        message=f"`{statement.rule.text}` does not hold as it is included: {problem.message}",
        span=statement.span,
        notes=(there, *notes) if there else notes,
        fixes=(),
    )


def _unknown_alias(statement: s.Include, used: Mapping[str, Used]) -> Diagnostic:
    name, label = statement.alias.text, "not the name of a `use` line"
    message = f"no recipe is used as `{name}`"
    if used:
        return unknown("RD133", message, statement.alias, label, used, "recipes that are used here")
    return error(
        "RD133",
        message,
        statement.alias.span,
        label,
        f'begin with a line such as `use "./{name}.redraft" 1.0.0 as {name}`',
    )


def _unknown_rule(statement: s.Include, source: Used) -> Diagnostic:
    message = f"`{source.line.path.text}` has no rule `{statement.rule.text}`"
    found = unknown(
        "RD134", message, statement.rule, "no such rule there", source.rules, "its rules"
    )
    return replace(found, notes=(Note("it is used here", source.line.span),))


def _unknown_keys(
    statement: s.Include,
    overrides: list[s.Override],
    rule: Rule,
    params: Mapping[str, object],
    language: Language,
) -> Iterator[Diagnostic]:
    first: dict[str, s.Override] = {}
    settings = None
    if isinstance(rule, s.Operation):
        settings = [*language.block(rule.kind.text), LAYER]
    for item in overrides:
        key = item.key
        if key.text in first:
            note = Note(f"`{key.text}` is given here first", first[key.text].span)
            message = f"`{key.text}` is given twice"
            yield error("RD205", message, item.span, "given again", "keep one of them", (note,))
        first.setdefault(key.text, item)
        if settings is not None and key.text not in (*settings, *params):
            name = statement.rule.text
            message = f"`{name}` has nothing called `{key.text}` to give a value to"
            yield unknown(
                "RD135",
                message,
                key,
                "neither a setting of the rule nor a parameter of its recipe",
                [*params, *settings],
                "what can be given",
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
            each.line.name.text, path, recipe.name, recipe.version, recipe.digest(),
            each.opened.sha256,
        )  # fmt: skip
        found.setdefault(path, own)
        for inner in each.checked.imports:
            further = posixpath.normpath(f"{each.folder}/{inner.path}")
            found.setdefault(further, replace(inner, path=further))
    return tuple(found.values())
