"""Recipes made in Python, for those who want loops.

The checker reads what is printed: each rule as soon as it is added, so that an error stands at the
line of Python that caused it, and the whole when the text is asked for. None of its rules is
repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, cast

from redraft_dsl.builder_values import (
    Block,
    BuildError,
    Like,
    Place,
    Region,
    Value,
    image_of,
    number_of,
    pair_of,
    two,
    value_of,
    word_of,
)
from redraft_dsl.check import Checked, Written, check
from redraft_dsl.facts import KnownModels
from redraft_dsl.recipe.model import Recipe
from redraft_dsl.report.terminal import render
from redraft_dsl.source import Source, normalise
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import SHIPPED, Editions
from redraft_dsl.syntax.format import format_tree
from redraft_dsl.syntax.parse import parse

Places: TypeAlias = Place | Like | Iterable[Place | Like] | Literal["each context"] | None


# ---- the recipe -----------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Draft:
    """A recipe under construction. Every method gives a new one and leaves this one as it is.

    Each operation of the language is a method: ``rule``, ``erase``, ``zero``. Its arguments are a
    name, ``layer``, the operation's lines (``copy``, ``paste``, ``context``; ``from_`` for
    ``from``), its settings, and ``comment``, which is written above it. Only what is given is
    printed; the rest is the default. What does not hold is a ``BuildError``, a ``ValueError``, with
    what the checker says of it.
    """

    head: tuple[s.Statement, ...]
    models: KnownModels
    folder: Path
    editions: Editions = SHIPPED
    regions: tuple[tuple[str, Region], ...] = ()
    operations: tuple[s.Operation, ...] = ()

    def __getattr__(self, word: str) -> Callable[..., Draft]:
        if word not in self.editions.language.operation_words:
            raise AttributeError(f"a recipe has no operation `{word}`")
        return partial(self.add, word)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.editions.language.operation_words]

    def add(
        self, word: str, name: str, *, layer: str, comment: str | None = None, **given: object
    ) -> Draft:
        """Add ``WORD NAME at LAYER``, an operation of the language.

        Raises ``BuildError``, a ``ValueError``, with what the checker says of it.
        """
        language = self.editions.language
        lines: list[tuple[s.Item, Place | None]] = []
        for line in language.lines_of(word):
            lines += _lines(line, cast("Places", given.pop(_argument(line), None)))
        named = [pair for _, place in lines if place is not None for pair in place.region.named]
        items = (*(item for item, _ in lines), *_settings(self.editions, word, given))
        head = (word_of(word), word_of(name), word_of(layer))
        operation = s.Operation(*head, s.Block(items), trivia=_above(comment))
        draft = replace(self, regions=tuple(dict.fromkeys((*self.regions, *named))))
        # By itself first: a thousand rules are then checked in a thousand short steps.
        replace(draft, regions=tuple(dict.fromkeys(named)))._check((operation,))
        return replace(draft, operations=(*self.operations, operation))

    def text(self) -> str:
        """The recipe in its canonical layout.

        Raises ``BuildError``, a ``ValueError``, with what the checker says of the whole.
        """
        return self.checked().source.text

    def checked(self) -> Checked:
        """The recipe as ``redraft.load`` would give it; ``redraft.run`` takes it.

        Raises ``BuildError`` as ``text`` does.
        """
        return self._check(self.operations)

    @property
    def recipe(self) -> Recipe:
        """The checked recipe.

        Raises ``BuildError`` as ``text`` does.
        """
        made = self.checked().recipe
        assert made is not None  # an error has been raised
        return made

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        names = ", ".join(operation.name.text for operation in self.operations)
        return f"<a recipe with the rules {names}>" if names else "<a recipe without rules>"

    def _check(self, operations: tuple[s.Operation, ...]) -> Checked:
        definitions = (s.RegionStatement(word_of(name), value.node) for name, value in self.regions)
        tree = s.Tree((*self.head, *definitions, *operations))
        # The name puts the text into its folder, so that a plan finds the folder again.
        source = Source(str(self.folder / "<text>"), normalise(format_tree(tree)))
        parsed = parse(source, self.editions.language)
        written = Written(parsed.tree, source, self.folder)
        found = check(written, self.models, syntax=parsed.diagnostics, editions=self.editions)
        if found.errors:
            raise BuildError(render(found.errors, source), found.errors)
        if parsed.tree != tree or _texts(parsed.tree) != _texts(tree):
            raise BuildError(
                "something here is not the one word, number or text that it should be; this is "
                f"what it would read as:\n{source.text}"
            )
        return found


def recipe(
    name: str,
    version: str,
    title: str,
    *,
    model: str | Block,
    latents: Mapping[str, tuple[Value, Value]],
    models: KnownModels,
    edition: Value,
    folder: str | Path = ".",
    comment: str | None = None,
    editions: Editions = SHIPPED,
) -> Draft:
    """Begin a recipe.

    Args:
        name: of the recipe.
        version: as ``1.0.0``.
        title: one line for readers.
        model: a name of the list, or ``model_file(...)``.
        latents: seed and count by name.
        models: the models that are known.
        edition: of the language.
        folder: where the recipe will lie, for its masks.
        comment: lines that are written on top.
        editions: the editions of the language that there are.

    """
    apart = s.Trivia(blank_before=True)
    header = s.RecipeLine(word_of(name), word_of(version), s.Text(title), trivia=apart)
    begin = s.EditionLine(value_of(edition), trivia=_above(comment))
    head: list[s.Statement] = [begin, header, _model(editions, model, apart)]
    for owner, pair in latents.items():
        seed, count = two(pair)
        items = _settings(editions, "latents", {"seed": seed, "count": count})
        head.append(s.LatentsStatement(word_of(owner), s.Block(tuple(items))))
    return Draft(tuple(head), models, Path(folder), editions)


def _argument(line: str) -> str:
    """The name of a line as an argument: ``from`` is a word of Python."""
    return "from_" if line == "from" else line


def _model(editions: Editions, model: str | Block, apart: s.Trivia) -> s.ModelStatement:
    if isinstance(model, Block):
        block = s.Block(tuple(_settings(editions, "model", dict(model.settings))))
        return s.ModelStatement(word_of(model.head), block, trivia=apart)
    return s.ModelStatement(word_of(model), None, trivia=apart)


def _lines(key: str, given: Places) -> Iterator[tuple[s.Item, Place | None]]:
    """Lines of a rule, each with the place whose region it names."""
    if given is None:
        return
    if given == "each context":
        yield s.PlaceLine(word_of(key), None), None
        return
    several = isinstance(given, Iterable) and not isinstance(given, Place | Like)
    for each in cast("Iterable[object]", given if several else (given,)):
        match each:
            case Place():
                yield s.PlaceLine(word_of(key), _place(each)), each
            case Like():
                yield _match(key, each), each.place
            case _:
                raise BuildError(
                    f"`{key}` takes places such as z[116] @ box(x=(12, 52), y=(24, 38)), "
                    f"not {each!r}"
                )


def _match(key: str, found: Like) -> s.MatchLine:
    top, excluded = number_of(found.top), tuple(map(number_of, found.excluded))
    place = _place(found.place)
    return s.MatchLine(word_of(key), place, top, *pair_of(found.among), excluded)


def _place(place: Place) -> s.PlaceExpr:
    return s.PlaceExpr(image_of(place.image), place.region.node)


def _settings(editions: Editions, owner: str, given: Mapping[str, object]) -> Iterator[s.Setting]:
    rows = editions.language.block(owner)
    for key, value in given.items():
        if isinstance(value, Block):
            inner = tuple(_settings(editions, value.head, dict(value.settings)))
            block = s.Block(inner) if inner else None
            yield s.Setting(word_of(key), word_of(value.head), block)
        elif key in rows and rows[key].kind == "text":
            written = value.as_posix() if isinstance(value, Path) else str(value)
            yield s.Setting(word_of(key), s.Text(written), None)
        else:
            yield s.Setting(word_of(key), value_of(value), None)


def _above(comment: str | None) -> s.Trivia:
    lines = [] if comment is None else comment.splitlines()
    texts = (f"# {line}".rstrip() for line in lines)
    leading = tuple(s.Comment(text) for text in texts)
    return s.Trivia(leading=leading)


def _texts(tree: s.Tree) -> list[str]:
    return [comment.text for comment in s.comments_of(tree)]
