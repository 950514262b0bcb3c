"""A block read in one pass: each setting's value in the language's types, or what is wrong.

Nothing reads a number or a word of a setting a second time: rules and the recipe take the values
from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from redraft_dsl.language.language import Language
from redraft_dsl.language.rows import Line, Scalar, Setting
from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    Note,
    alternatives,
    closest,
    error,
    replacement,
    unknown,
)
from redraft_dsl.source import Edit
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.edit import added_line, deleted
from redraft_dsl.syntax.format import value as written

_EXPECTED = {
    "whole": "a whole number",
    "number": "a number",
    "percent": "per cent, such as `5%`",
    "choice": "a word",
    "group": "a solver's name",
    "text": "text in double quotes",
    "word": "a name",
}


@dataclass(frozen=True)
class Values:
    """What a block says.

    Attributes:
        rows: of the settings that it takes.
        edition: whose defaults hold.
        items: the settings that it has, each where it is given first.
        given: their values, those that are of the right kind and within their limits.
        groups: what the blocks of its settings say.

    """

    rows: Mapping[str, Setting]
    edition: int
    items: Mapping[str, s.Setting] = field(default_factory=dict)
    given: Mapping[str, Scalar] = field(default_factory=dict)
    groups: Mapping[str, Values] = field(default_factory=dict)

    @property
    def compat(self) -> s.Setting | None:
        """The setting that asks for the numerics of the authors' code, if one does."""
        for group in (self, *self.groups.values()):
            if group.given.get("compat") == "davidbau":
                return group.items["compat"]
        return None

    def value(self, key: str) -> Scalar | None:
        """The value of a setting, or what holds where it is not given; None where nothing does."""
        if key in self.given:
            return self.given[key]
        if key in self.items:
            return None
        return self.default(key, davidbau=self.compat is not None)

    def default(self, key: str, *, davidbau: bool) -> Scalar | None:
        """What holds where a setting is not given; None for one that does not belong there."""
        row = self.rows.get(key)
        if row is None:
            return None
        authors = row.davidbau if davidbau else None
        return row.default(self.edition) if authors is None else authors

    def whole(self, key: str) -> int | None:
        """The value of a setting that takes whole numbers."""
        found = self.value(key) if key in self.rows else None
        return found if isinstance(found, int) else None

    def stored(self, *, davidbau: bool | None = None) -> dict[str, object]:
        """The values as the fields of the checked recipe, with every default written out."""
        authors = self.compat is not None if davidbau is None else davidbau
        fields: dict[str, object] = {}
        for row in self.rows.values():
            replaced = any(other in self.given for other in self._instead_of(row))
            found = self.given.get(row.name, self.default(row.name, davidbau=authors))
            if found is None or (replaced and row.name not in self.given):
                continue
            holder, _, inner = (row.stored or row.name).partition(".")
            if row.kind == "group":
                fields[holder] = {"kind": found, **self._group(row, authors)}
            else:
                fields[holder] = {"kind": row.name, inner: found} if inner else found
        return fields

    def _group(self, row: Setting, authors: bool) -> Mapping[str, object]:
        group = self.groups.get(row.name)
        return {} if group is None else group.stored(davidbau=authors)

    def _instead_of(self, row: Setting) -> Iterator[str]:
        return (other.name for other in self.rows.values() if other.instead_of == row.name)


@dataclass(frozen=True)
class Reader:
    """Reads the blocks of one text.

    Attributes:
        language: its settings.
        edition: whose defaults hold.
        text: of the recipe, for the fixes.
        parameters: names that may stand for a value; where one is misspelt, it is suggested.
        problems: what was wrong; grows while blocks are read.
        misspelt: parameters that were probably meant by a word that is none.

    """

    language: Language
    edition: int
    text: str
    parameters: Sequence[str] = ()
    problems: list[Diagnostic] = field(default_factory=list)
    misspelt: set[str] = field(default_factory=set)

    def read(self, owner: str, block: s.Block | None, name: s.Word) -> Values:
        """The settings of an operation, a model or latents; ``name`` heads the block."""
        for item in block.items if block else ():
            if not isinstance(item, s.Setting) and item.key.text not in self.language.lines_of(
                owner
            ):
                self.problems.append(self._misplaced(item, owner))
        if block is not None:
            self._required(owner, block, name)
        return self._settings(owner, block, "unknown setting `{}`")

    def _settings(self, owner: str, block: s.Block | None, message: str) -> Values:
        """Every setting of a block, each checked once."""
        rows = self.language.block(owner)
        items: dict[str, s.Setting] = {}
        given: dict[str, Scalar] = {}
        groups: dict[str, Values] = {}
        first: dict[str, s.Item] = {}
        for item in block.items if block else ():
            key = item.key.text
            if isinstance(item, s.Setting) or self._single(owner, key):
                self._once(item, first)
            if not isinstance(item, s.Setting) and owner not in self.language.groups:
                continue
            if not isinstance(item, s.Setting) or key not in rows:
                self.problems.append(self._unknown(item, owner, rows, message))
                continue
            row = rows[key]
            problem = self.problem(item.value, row)
            if problem is not None:
                self.problems.append(problem)
            elif key not in items:
                given[key] = typed(item.value, row)
            items.setdefault(key, item)
            if row.kind == "group" and isinstance(item.value, s.Word):
                groups.setdefault(key, self._group(item))
            elif item.block is not None:
                self.problems.append(self._no_block(item))
        groups |= {
            row.name: Values(self.language.block(str(row.default(self.edition))), self.edition)
            for row in rows.values()
            if row.kind == "group" and row.name not in items
        }
        return Values(rows, self.edition, items, given, groups)

    def _group(self, item: s.Setting) -> Values:
        word = item.value.text
        if word not in self.language.groups:
            return Values({}, self.edition)
        return self._settings(word, item.block, f"unknown setting `{{}}` of solver `{word}`")

    def _single(self, owner: str, key: str) -> bool:
        line = self.language.lines_of(owner).get(key)
        return line is not None and line.single

    # ---- what a block may hold ----------------------------------------------------------------

    def _unknown(
        self, item: s.Item, owner: str, rows: Mapping[str, Setting], message: str
    ) -> Diagnostic:
        key = item.key
        if owner not in self.language.groups and any(key.text in b for b in self._homes()):
            return self._misplaced(item, owner)
        known = [*rows, *self.language.lines_of(owner)]
        label, what = f"`{owner}` has no such setting", f"settings of `{owner}`"
        return unknown("RD115", message.format(key.text), key, label, known, what)

    def _homes(self) -> Iterator[Mapping[str, object]]:
        """The words of every statement and operation."""
        for owner, rows in self.language.blocks.items():
            if owner not in self.language.groups:
                yield {**rows, **self.language.lines_of(owner)}

    def _misplaced(self, item: s.Item, owner: str) -> Diagnostic:
        homes = [
            home
            for home, rows in self.language.blocks.items()
            if home not in self.language.groups
            and (item.key.text in rows or item.key.text in self.language.lines_of(home))
        ]
        return error(
            "RD208",
            f"`{item.key.text}` does not apply to `{owner}`",
            item.key.span,
            f"no effect in `{owner}`",
            f"it belongs to {alternatives(f'`{home}`' for home in homes)}; leave it out here",
            fixes=(self.removal(item),),
        )

    def _no_block(self, item: s.Setting) -> Diagnostic:
        assert item.block is not None, "asked for only where there is one"
        example = f"{item.key.text} {written(item.value)}"
        return error(
            "RD209",
            f"`{item.key.text}` takes no block",
            item.block.span,
            "unexpected block",
            f"write the value alone, as in `{example}`",
            fixes=(Fix("Remove the block", (deleted(self.text, item.block.span),), False),),
        )

    def _once(self, item: s.Item, first: dict[str, s.Item]) -> None:
        key = item.key.text
        if key in first:
            note = Note(f"`{key}` is given here first", first[key].span)
            self.problems.append(
                error(
                    "RD205",
                    f"`{key}` is given twice",
                    item.span,
                    "given again",
                    "keep one of them",
                    (note,),
                    fixes=(self.removal(item),),
                )
            )
        first.setdefault(key, item)

    def removal(self, item: s.WithTrivia) -> Fix:
        """The fix that takes a line or a statement out."""
        line = " ".join(self.text[item.span.start : item.span.end].split())
        shown = line if len(line) <= 40 else f"{line[:39]}…"
        return Fix(f"Remove `{shown}`", (deleted(self.text, item.span),), False)

    def _required(self, owner: str, block: s.Block, name: s.Word) -> None:
        """What has no default has to be there."""
        present = {item.key.text for item in block.items}
        rows: dict[str, Line | Setting] = {**self.language.lines_of(owner)}
        for key, row in (rows | dict(self.language.block(owner))).items():
            if not row.required or key in present:
                continue
            fix = Fix(f"Add `{row.example}`", (added_line(self.text, block, row.example),), False)
            self.problems.append(
                error(
                    "RD207",
                    f"`{owner} {name.text}` has no `{key}`",
                    name.span,
                    f"`{key}` is missing",
                    f"add a line such as `{row.example}`",
                    fixes=(fix,),
                )
            )

    # ---- values -------------------------------------------------------------------------------

    def problem(self, value: s.Value, row: Setting) -> Diagnostic | None:
        """What is wrong with a value, if anything."""
        if row.numeric:
            return self._numeric(value, row)
        if row.kind in ("choice", "group"):
            return self._choice(value, row)
        right = s.Text if row.kind == "text" else s.Word
        return None if isinstance(value, right) else self._wrong_kind(value, row)

    def _choice(self, value: s.Value, row: Setting) -> Diagnostic | None:
        if not isinstance(value, s.Word):
            return self._wrong_kind(value, row)
        if value.text in row.choices:
            return None
        known = [*row.choices, *self._parameter_like(value.text)]
        if row.kind == "group":
            message, label = f"unknown solver `{value.text}`", "there is no such solver"
            return unknown("RD117", message, value, label, known, "solvers")
        message = f"`{row.name}` cannot be `{value.text}`"
        what = f"values of `{row.name}`"
        return unknown("RD116", message, value, "not one of its values", known, what)

    def _parameter_like(self, word: str) -> tuple[str, ...]:
        """The parameter that a word was probably meant to be."""
        near = closest(word, self.parameters)
        if near is None:
            return ()
        self.misspelt.add(near)
        return (near,)

    def _wrong_kind(self, value: s.Value, row: Setting) -> Diagnostic:
        expected = _EXPECTED[row.kind]
        help_text, new = f"write `{row.example}`" if row.example else None, None
        if isinstance(value, s.Word) and (near := self._parameter_like(value.text)):
            help_text, new = f"did you mean `{near[0]}`?", near[0]
        elif isinstance(value, s.Word) and row.kind == "text":
            help_text, new = f'write `{row.name} "{value.text}"`', f'"{value.text}"'
        elif isinstance(value, s.Text) and row.kind != "text":
            bare = value.text.strip()
            help_text = f"leave out the quotes: `{row.name} {bare or '...'}`"
            new = bare or None
        elif isinstance(value, s.Number) and row.kind == "percent":
            help_text, new = f"write `{row.name} {value.text}%`", f"{value.text}%"
        elif isinstance(value, s.Number) and value.percent and row.kind == "whole":
            new = value.text.removesuffix("%")
            help_text = f"write `{row.name} {new}`, without `%`"
        elif isinstance(value, s.Number) and value.percent:
            new = f"{value.value / 100:g}"
            help_text = f"write it as a plain number: `{new}`"
        message = f"`{row.name}` takes {expected}, found `{written(value)}`"
        fixes = () if new is None else (replacement(value.span, new),)
        return error("RD201", message, value.span, f"expected {expected}", help_text, fixes=fixes)

    def _numeric(self, value: s.Value, row: Setting) -> Diagnostic | None:
        if not isinstance(value, s.Number) or value.percent != (row.kind == "percent"):
            return self._wrong_kind(value, row)
        number = value.value
        if not value.is_reasonable and not (row.high and abs(number) <= row.high):
            return too_large(value)
        if row.kind == "whole" and number != int(number):
            return not_whole(f"`{row.name}`", value)
        low, high = row.low, row.high
        if (low is not None and (number < low or (row.above and number == low))) or (
            high is not None and number > high
        ):
            return _out_of_range(value, row)
        return None


def typed(value: s.Value, row: Setting) -> Scalar:
    """A value that fits its row, in the language's types."""
    if not isinstance(value, s.Number):
        return value.text
    # Adding 0.0 turns -0.0 into 0.0, so that both spellings give the same recipe.
    return int(value.value) if row.kind == "whole" else value.value + 0.0


def _out_of_range(value: s.Number, row: Setting) -> Diagnostic:
    low, high, unit = f"{row.low:.12g}", f"{row.high:.12g}", row.unit
    limits = f"{low}{unit} to {high}{unit}"
    fixes: tuple[Fix, ...] = ()
    if row.above:
        limits = f"above {low}{unit} and at most {high}{unit}"
    help_text = f"use {limits}"
    if row.high is not None and value.value > row.high:
        help_text = f"the largest is `{row.name} {high}{unit}`"
        fixes = (replacement(value.span, f"{high}{unit}", preferred=False),)
    elif not row.above:
        help_text = f"the smallest is `{row.name} {low}`"
        fixes = (replacement(value.span, low, preferred=False),)
    message = f"`{row.name}` is out of range"
    return error("RD202", message, value.span, f"must be {limits}", help_text, fixes=fixes)


def too_large(value: s.Number) -> Diagnostic:
    """A number beyond any that a recipe needs."""
    return error(
        "RD204",
        f"the number `{value.text[:40]}` is too large",
        value.span,
        "beyond 1000000000",
        "no number in a recipe needs to be that large",
    )


def not_whole(what: str, value: s.Number) -> Diagnostic:
    """A whole number was expected. ``what`` names what it is for."""
    whole = f"{round(value.value)}" if value.is_reasonable else "1"
    message, label = f"{what} must be a whole number", "not a whole number"
    fixes = (replacement(value.span, whole),)
    return error("RD203", message, value.span, label, f"write `{whole}`", fixes=fixes)


def not_an_index(value: s.Number) -> Diagnostic:
    """Something that cannot be the number of an image."""
    if value.percent:
        message = "an image's number is not in per cent"
        fixes = (Fix("Remove the `%`", (Edit(value.span, value.text.removesuffix("%")),)),)
        label, help_text = "expected a whole number", "remove the `%`"
        return error("RD201", message, value.span, label, help_text, fixes=fixes)
    return not_whole("an image's number", value) if value.is_reasonable else too_large(value)
