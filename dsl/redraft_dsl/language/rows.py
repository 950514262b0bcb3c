"""What one row of the language says: of a setting, of a line, of an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Kind = Literal["whole", "number", "percent", "choice", "group", "text", "word"]
"""What a setting takes. A group is a choice between words that have settings of their own."""

Scalar: TypeAlias = int | float | str

FIRST_EDITION = 2026


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: the word in a recipe.
        kind: what it takes.
        meaning: one sentence for hovers, completions, the JSON Schema and the reference.
        of: the operations, statements and solvers that take it.
        defaults: by edition, what holds from that edition on where a recipe says nothing.
        low: least number.
        high: largest number.
        above: whether the least number itself is excluded.
        choices: the words that it takes.
        required: whether a block must have it.
        example: a line that shows it, where it has no default to show.
        limits: what it takes, in words, where that is more than kind and limits say.
        stored: the field of the checked recipe that holds it, by default its own name. In
            ``restraint.weight`` the first part is a union whose ``kind`` is the setting's name.
        instead_of: the setting in whose place it stands; a block has one of the two.
        quiet: whether it is printed only where it is not the default.
        davidbau: what ``compat davidbau`` means where a rule says nothing.
        later: whether it came after the first recipes of its edition. Such a setting of operations,
            latents and models takes no part in a recipe's digest where it has its default, and a
            recipe in JSON may leave it out, so that what was written before it stays as it is.
        but: by operation, statement or solver, what is otherwise there.

    """

    name: str
    kind: Kind
    meaning: str
    of: tuple[str, ...]
    defaults: Mapping[int, Scalar] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    required: bool = False
    example: str = ""
    limits: str = ""
    stored: str = ""
    instead_of: str = ""
    quiet: bool = False
    davidbau: Scalar | None = None
    later: bool = False
    but: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def default(self, edition: int) -> Scalar | None:
        """What holds where a recipe of an edition says nothing; None where nothing does."""
        since = max((number for number in self.defaults if number <= edition), default=None)
        return None if since is None else self.defaults[since]

    def within(self, block: str) -> Setting:
        """The row as it holds in one block."""
        own = self.but.get(block)
        return replace(self, **own) if own else self

    @property
    def numeric(self) -> bool:
        """Whether it takes a number."""
        return self.kind in ("whole", "number", "percent")

    @property
    def unit(self) -> str:
        """What follows its numbers."""
        return "%" if self.kind == "percent" else ""

    @property
    def range(self) -> str:
        """What values it takes, in a few words; empty where that is not limited."""
        if self.limits or self.low is None or self.high is None:
            return self.limits or ", ".join(f"`{choice}`" for choice in self.choices)
        above = "above " if self.above else ""
        return f"{above}{self.low:.12g}{self.unit} to {self.high:.12g}{self.unit}"

    def takes(self) -> str:
        """What values it takes, as a sentence; empty where that is not limited."""
        if not self.range:
            return ""
        before = {"choice": "one of ", "group": "one of ", "whole": "a whole number, "}
        text = f"{before.get(self.kind, '')}{self.range}."
        return text[0].upper() + text[1:]

    def default_text(self, edition: int) -> str | None:
        """The default as it would be written; None where there is none."""
        value = self.default(edition)
        if value is None:
            return None
        return f"{value}" if isinstance(value, str) else f"{value:g}{self.unit}"

    def about(self, edition: int) -> str:
        """What it means, its default, and what it takes."""
        default = self.default_text(edition)
        absent = "required" if self.required else "none"
        shown = absent if default is None else f"`{default}`"
        return f"{self.meaning}\n\nDefault: {shown}. {self.takes()}".rstrip()


@dataclass(frozen=True)
class Line:
    """One kind of line of an operation: a word, images, and a region in them.

    Attributes:
        word: what the line begins with.
        meaning: one sentence for hovers and completions.
        stored: the field of the checked recipe that holds its places.
        required: whether an operation must have it.
        single: whether it stands once and names one image.
        each: whether ``each context`` may stand in the place of images, which is then the default.
        found: whether it may be a search, ``like ... top N among A..B``.
        grid: whether its region is read at the layer's keys or at its values.

    """

    word: str
    meaning: str
    stored: str
    required: bool = False
    single: bool = False
    each: bool = False
    found: bool = False
    grid: Literal["keys", "values"] = "values"

    @property
    def example(self) -> str:
        """A line that shows it."""
        return f"{self.word} z[{116 if self.single else 130}] box(x 12..52, y 24..38)"


@dataclass(frozen=True)
class Operation:
    """One operation: what a statement ``WORD NAME at LAYER { ... }`` does.

    Attributes:
        word: what the statement begins with, and the ``kind`` of its class in the checked recipe.
        meaning: one sentence for hovers and completions.
        lines: the lines that it takes.

    """

    word: str
    meaning: str
    lines: tuple[Line, ...]

    def line(self, word: str) -> Line | None:
        """The line that begins with a word."""
        return next((line for line in self.lines if line.word == word), None)
