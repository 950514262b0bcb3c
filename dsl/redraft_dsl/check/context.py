"""What every rule of the checker looks at: a tree, read and sorted, and what is known around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from redraft_dsl.check.binding import Bound
from redraft_dsl.check.checked import Written
from redraft_dsl.check.imports import Included, Library, Used, include, use
from redraft_dsl.check.resolve import (
    MOST_IMAGES_IN_ALL,
    Image,
    Regions,
    Resolved,
    image_count,
    images_of,
    resolve_all,
)
from redraft_dsl.check.values import Reader, Values
from redraft_dsl.facts import FileFacts, KnownModels, LayerFacts, ModelFacts
from redraft_dsl.files import path_fault
from redraft_dsl.geometry.measure import Measure
from redraft_dsl.language.language import Language
from redraft_dsl.language.rows import Line, Operation
from redraft_dsl.report.diagnostics import Diagnostic
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import Editions, number_of

S = TypeVar("S", bound=s.Statement)


@dataclass(frozen=True)
class MarkedLine:
    """A line of an operation that names a place.

    Attributes:
        row: what the language says of such lines.
        item: the line.
        place: its images and region; None for ``each context``.
        images: the images that it names, one after another.
        region: what its region stands for; None if something is wrong with it.

    """

    row: Line
    item: s.PlaceLine | s.MatchLine
    place: s.PlaceExpr | None
    images: tuple[Image, ...]
    region: Resolved | None

    @property
    def taken(self) -> int | None:
        """How many places it stands for, at most; None where that is not clear."""
        return self.item.top.whole if isinstance(self.item, s.MatchLine) else len(self.images)


@dataclass(frozen=True)
class Job:
    """An operation, read: what its settings say, its lines, and the layer that it works at."""

    node: s.Operation
    row: Operation
    values: Values
    lines: tuple[MarkedLine, ...]
    layer: LayerFacts | None

    @property
    def contexts(self) -> tuple[MarkedLine, ...]:
        """The lines that say where the operation fires, whatever their word is."""
        return tuple(line for line in self.lines if line.row.stored == "context")

    def marked(self, word: str) -> tuple[MarkedLine, ...]:
        """The lines that begin with a word."""
        return tuple(line for line in self.lines if line.item.key.text == word)


@dataclass(frozen=True)
class Context:
    """A recipe under examination.

    ``written`` is what is examined, ``tree`` the same without parameters, and ``nodes`` every node
    of that. ``facts`` is None when the model is given by file or unknown. ``problems`` are those
    that were met while its blocks were read. ``models`` and ``latents`` are the blocks of these
    statements, read.
    """

    written: Written
    bound: Bound
    known: KnownModels
    facts: ModelFacts | None
    editions: Editions
    edition: int
    nodes: tuple[s.Node, ...]
    reader: Reader
    models: tuple[tuple[s.ModelStatement, Values], ...]
    latents: tuple[tuple[s.LatentsStatement, Values], ...]
    regions: Regions
    used: tuple[Used, ...]
    included: tuple[Included, ...]
    _kinds: dict[type, tuple[s.Statement, ...]] = field(default_factory=dict)

    @property
    def tree(self) -> s.Tree:
        """The tree in which no parameter is left."""
        return self.bound.tree

    @property
    def source(self) -> Source:
        """The text."""
        return self.written.source

    @property
    def language(self) -> Language:
        """The words that are known."""
        return self.editions.language

    def all(self, kind: type[S]) -> tuple[S, ...]:
        """The statements of one kind, in order."""
        if kind not in self._kinds:
            self._kinds[kind] = tuple(n for n in self.tree.statements if isinstance(n, kind))
        return self._kinds[kind]  # type: ignore[return-value]

    @property
    def broken(self) -> tuple[s.Broken, ...]:
        """The statements that could not be read; what they may declare counts as declared."""
        return self.all(s.Broken)

    @cached_property
    def rules(self) -> tuple[s.Operation | s.Include, ...]:
        """What is to be done, in order: operations, and rules of other recipes."""
        nodes = self.tree.statements
        return tuple(node for node in nodes if isinstance(node, s.Operation | s.Include))

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Every operation, read."""
        return tuple(map(self._job, self.all(s.Operation)))

    @cached_property
    def problems(self) -> tuple[Diagnostic, ...]:
        """What was wrong in blocks."""
        _ = self.jobs  # read now, if they have not been yet
        return tuple(self.reader.problems)

    @cached_property
    def counts(self) -> Mapping[str, int | None]:
        """How many images there are, by the name of the latents."""
        return {node.name.text: values.whole("count") for node, values in self.latents}

    @cached_property
    def seeds(self) -> Mapping[str, int | None]:
        """The seeds of latents by their names."""
        return {node.name.text: values.whole("seed") for node, values in self.latents}

    @cached_property
    def lists(self) -> Mapping[str, s.Images]:
        """Lists of images by their names."""
        return {node.name.text: node.images for node in reversed(self.all(s.ImagesStatement))}

    @cached_property
    def images(self) -> Mapping[str, tuple[Image, ...]]:
        """The images of each named list."""
        return {name: images_of(node) for name, node in self.lists.items()}

    @cached_property
    def image_count(self) -> int:
        """How many images all places name, counted before any list is written out."""
        named = {name: image_count(node) for name, node in self.lists.items()}
        places = (place.images for node in self.all(s.Operation) for place in s.places(node))
        return sum(
            image_count(each) if isinstance(each, s.Images) else named.get(each.name.text, 0)
            for each in places
        )

    @cached_property
    def measure(self) -> Measure | None:
        """Regions on the model's picture; None when the model is not known."""
        return Measure(self.facts.image_size, self.written.folder) if self.facts else None

    def may_be_declared(self, name: str) -> bool:
        """Whether a statement that could not be read may have declared ``name``."""
        return any(broken.name in (name, None) for broken in self.broken)

    def _job(self, node: s.Operation) -> Job:
        word = node.kind.text
        values = self.reader.read(word, node.block, node.name)
        layer = self.facts.layer(node.layer.text) if self.facts else None
        lines = tuple(self._lines(node, self.language.lines_of(word)))
        return Job(node, self.language.operation(word), values, lines, layer)

    def _lines(self, node: s.Operation, rows: Mapping[str, Line]) -> Iterator[MarkedLine]:
        for item in node.block.items:
            if not isinstance(item, s.PlaceLine | s.MatchLine) or item.key.text not in rows:
                continue
            place = s.place_of(item)
            region = self.regions.resolve(place.region) if place else None
            yield MarkedLine(rows[item.key.text], item, place, self.images_in(place), region)

    def images_in(self, place: s.PlaceExpr | None) -> tuple[Image, ...]:
        """Every image that a place names; an image of a named list stands where the name does."""
        if place is None or self.image_count > MOST_IMAGES_IN_ALL:
            return ()
        if isinstance(place.images, s.Images):
            return images_of(place.images)
        named = self.images.get(place.images.name.text, ())
        return tuple(Image(each.latents, each.index, place.images.span) for each in named)


def build_context(
    written: Written,
    bound: Bound,
    known: KnownModels,
    facts: ModelFacts | FileFacts | None,
    library: Library,
    editions: Editions,
) -> Context:
    """Sort a tree's statements and resolve what does not depend on any rule."""
    tree, folder = bound.tree, written.folder
    nodes = tuple(s.walk(tree.statements))
    edition = editions.number(number_of(tree))
    names = [param.name for param in bound.params]
    reader = Reader(editions.language, edition, written.source.text, names)
    models = tuple(
        (node, reader.read("model", node.block, node.name))
        for node in tree.statements
        if isinstance(node, s.ModelStatement)
    )
    used = tuple(use(n, folder, library) for n in tree.statements if isinstance(n, s.UseLine))
    aliases = {each.line.name.text: each for each in reversed(used)}
    return Context(
        written=written,
        bound=bound,
        known=known,
        facts=_facts(models, known, facts, folder),
        editions=editions,
        edition=edition,
        nodes=nodes,
        reader=reader,
        models=models,
        latents=tuple(
            (node, reader.read("latents", node.block, node.name))
            for node in tree.statements
            if isinstance(node, s.LatentsStatement)
        ),
        regions=resolve_all(nodes, folder),
        used=used,
        included=tuple(
            include(node, aliases, library, written.source)
            for node in tree.statements
            if isinstance(node, s.Include)
        ),
    )


def _facts(
    models: tuple[tuple[s.ModelStatement, Values], ...],
    known: KnownModels,
    given: ModelFacts | FileFacts | None,
    folder: Path,
) -> ModelFacts | None:
    """Those of the one model that a recipe names."""
    if isinstance(given, ModelFacts) or len(models) != 1:
        return given if isinstance(given, ModelFacts) else None
    statement, values = models[0]
    if statement.block is None:
        return known.listed.get(statement.name.text)
    weights, arch = values.given.get("weights"), values.items.get("arch")
    if given is None or not isinstance(weights, str) or path_fault(weights) is not None:
        return None
    chosen = values.given.get("weights-set")
    return given(
        folder / weights,
        arch.value.text if arch else None,
        chosen if isinstance(chosen, str) else None,
    )
