"""Recipes made in Python, for those who want loops.

The checker reads what is printed: each rule as soon as it is added, so that an error stands at the
line of Python that caused it, and the whole when the text is asked for. None of its rules is
repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict, Unpack, cast

from redraft_dsl.builder_values import (
    NOWHERE,
    Block,
    BuildError,
    Like,
    Place,
    Region,
    Value,
    number_of,
    pair_of,
    two,
    value_of,
    word_of,
)
from redraft_dsl.check import Checked, check
from redraft_dsl.facts import KnownModels
from redraft_dsl.language.settings import BLOCKS
from redraft_dsl.recipe.model import Recipe
from redraft_dsl.report.terminal import render
from redraft_dsl.source import Source, normalise
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import format_tree
from redraft_dsl.syntax.parse import parse


class Settings(TypedDict, total=False):
    """What a rule may be told beside its places. The checker knows which of it goes where."""

    rank: Value
    preserve: Value
    side: Value
    keep: Value
    contrast: Value
    directions: Value
    strength: Value
    units: Value
    solver: Value | Block


Context: TypeAlias = Place | Like | Iterable[Place | Like]
Targets: TypeAlias = Place | Iterable[Place] | Literal["each context"] | None


# ---- the recipe -----------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Draft:
    """A recipe under construction. Every method gives a new one and leaves this one as it is."""

    head: tuple[s.Statement, ...]
    models: KnownModels
    folder: Path
    regions: tuple[tuple[str, Region], ...] = ()
    operations: tuple[s.Operation, ...] = ()

    def rule(
        self,
        name: str,
        *,
        layer: str,
        copy: Place,
        context: Context,
        paste: Targets = None,
        comment: str | None = None,
        **settings: Unpack[Settings],
    ) -> Draft:
        """Add ``rule NAME at LAYER``. Only what is given is printed; the rest is the default.

        Raises ``BuildError``, a ``ValueError``, with what the checker says of it.
        """
        lines = (*_lines("copy", copy), *_lines("paste", paste), *_lines("context", context))
        return self._with("rule", name, layer, lines, settings, comment)

    def erase(
        self,
        name: str,
        *,
        layer: str,
        context: Context,
        from_: Targets = None,
        comment: str | None = None,
        **settings: Unpack[Settings],
    ) -> Draft:
        """Add ``erase NAME at LAYER``; otherwise as ``rule``."""
        lines = (*_lines("from", from_), *_lines("context", context))
        return self._with("erase", name, layer, lines, settings, comment)

    def zero(
        self,
        name: str,
        *,
        layer: str,
        context: Context,
        comment: str | None = None,
        **settings: Unpack[Settings],
    ) -> Draft:
        """Add ``zero NAME at LAYER``; otherwise as ``rule``."""
        return self._with("zero", name, layer, tuple(_lines("context", context)), settings, comment)

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

    def _with(
        self,
        kind: str,
        name: str,
        layer: str,
        lines: tuple[tuple[s.Item, Place | None], ...],
        settings: Settings,
        comment: str | None,
    ) -> Draft:
        named = [pair for _, place in lines if place is not None for pair in place.region.named]
        items = (*(item for item, _ in lines), *_settings(kind, dict(settings)))
        block = s.Block(items, NOWHERE)
        head = (word_of(kind), word_of(name), word_of(layer))
        operation = s.Operation(*head, block, NOWHERE, trivia=_above(comment))
        draft = replace(self, regions=tuple(dict.fromkeys((*self.regions, *named))))
        # By itself first: a thousand rules are then checked in a thousand short steps.
        replace(draft, regions=tuple(dict.fromkeys(named)))._check((operation,))
        return replace(draft, operations=(*self.operations, operation))

    def _check(self, operations: tuple[s.Operation, ...]) -> Checked:
        definitions = (
            s.RegionStatement(word_of(name), value.node, NOWHERE) for name, value in self.regions
        )
        tree = s.Tree((*self.head, *definitions, *operations))
        # The name puts the text into its folder, so that a plan finds the folder again.
        source = Source(str(self.folder / "<text>"), normalise(format_tree(tree)))
        parsed = parse(source)
        found = check(
            parsed.tree,
            source,
            folder=self.folder,
            models=self.models,
            syntax=parsed.diagnostics,
        )
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

    """
    apart = s.Trivia(blank_before=True)
    header = s.RecipeLine(word_of(name), word_of(version), s.Text(title, NOWHERE), NOWHERE, apart)
    begin = s.EditionLine(value_of(edition), NOWHERE, _above(comment))
    head: list[s.Statement] = [begin, header, _model(model, apart)]
    for owner, pair in latents.items():
        seed, count = two(pair)
        items = (_setting("latents", "seed", seed), _setting("latents", "count", count))
        head.append(s.LatentsStatement(word_of(owner), s.Block(items, NOWHERE), NOWHERE))
    return Draft(tuple(head), models, Path(folder))


def _model(model: str | Block, apart: s.Trivia) -> s.ModelStatement:
    if isinstance(model, Block):
        block = s.Block(tuple(_settings("model", dict(model.settings))), NOWHERE)
        return s.ModelStatement(word_of(model.head), block, NOWHERE, apart)
    return s.ModelStatement(word_of(model), None, NOWHERE, apart)


def _lines(key: str, given: Context | Targets) -> Iterator[tuple[s.Item, Place | None]]:
    """Lines of a rule, each with the place whose region it names."""
    if given is None:
        return
    if given == "each context":
        yield s.PlaceLine(word_of(key), None, NOWHERE), None
        return
    several = isinstance(given, Iterable) and not isinstance(given, Place | Like)
    for each in cast("Iterable[object]", given if several else (given,)):
        match each:
            case Place():
                yield s.PlaceLine(word_of(key), _place(each), NOWHERE), each
            case Like():
                yield _match(key, each), each.place
            case _:
                raise BuildError(
                    f"`{key}` takes places such as z[116] @ box(x=(12, 52), y=(24, 38)), "
                    f"not {each!r}"
                )


def _match(key: str, found: Like) -> s.MatchLine:
    if key != "context":
        raise BuildError(f"`{key}` takes a place, not a search")
    top, excluded = number_of(found.top), tuple(map(number_of, found.excluded))
    place = _place(found.place)
    return s.MatchLine(word_of(key), place, top, *pair_of(found.among), excluded, NOWHERE)


def _place(place: Place) -> s.PlaceExpr:
    image = place.image
    return s.PlaceExpr(word_of(image.latents), number_of(image.index), place.region.node, NOWHERE)


def _settings(kind: str, given: Mapping[str, object]) -> Iterator[s.Setting]:
    return (_setting(kind, key, value) for key, value in given.items())


def _setting(kind: str, key: str, value: object) -> s.Setting:
    if isinstance(value, Block):
        inner = tuple(_settings(kind, dict(value.settings)))
        block = s.Block(inner, NOWHERE) if inner else None
        return s.Setting(word_of(key), word_of(value.head), block, NOWHERE)
    spec = BLOCKS[kind].get(key)
    if spec is not None and spec.kind == "text":
        written = value.as_posix() if isinstance(value, Path) else str(value)
        return s.Setting(word_of(key), s.Text(written, NOWHERE), None, NOWHERE)
    return s.Setting(word_of(key), value_of(value), None, NOWHERE)


def _above(comment: str | None) -> s.Trivia:
    lines = [] if comment is None else comment.splitlines()
    texts = (f"# {line}".rstrip() for line in lines)
    leading = tuple(s.Comment(NOWHERE, text) for text in texts)
    return s.Trivia(leading=leading)


def _texts(tree: s.Tree) -> list[str]:
    return [comment.text for comment in s.comments_of(tree)]
