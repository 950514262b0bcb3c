"""What is shown when the mouse rests on a word of a recipe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from redraft_dsl.check import Written, context_of
from redraft_dsl.check.context import Context
from redraft_dsl.check.resolve import image_count
from redraft_dsl.check.rules.fit import count_positions
from redraft_dsl.editor.about import about_included, about_parameter, about_recipe, kind_of
from redraft_dsl.editor.documents import Examined
from redraft_dsl.editor.figures import Figures
from redraft_dsl.editor.offers import about_layer, layer_line
from redraft_dsl.facts import LayerFacts
from redraft_dsl.language import words
from redraft_dsl.language.words import MEASURES
from redraft_dsl.report.explain import explain
from redraft_dsl.source import Span
from redraft_dsl.syntax import format as layout
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.names import at

_CODE = re.compile(r"RD\d{3}")
_FENCE = re.compile(r"^(```|#)", re.M)


@dataclass(frozen=True)
class Target:
    """Something that can be pointed at, and what to say about it (Markdown, or None)."""

    span: Span
    say: Callable[[], str | None]


def hover(examined: Examined, offset: int) -> tuple[str, Span] | None:
    """What is known about the place (Markdown), and how far that place reaches."""
    texts: list[str] = []
    span: Span | None = None
    for target in sorted(
        _targets(examined, offset), key=lambda each: each.span.end - each.span.start
    ):
        text = target.say()
        if text:
            texts, span = [text], target.span
            break
    for code, place in _codes(examined, offset):
        texts.append(page_of(code))
        span = span or place
    return ("\n\n---\n\n".join(texts), span) if span is not None else None


def _codes(examined: Examined, offset: int) -> Iterator[tuple[str, Span]]:
    """Codes of what is wrong at a place, and a code that is written there, as in a comment."""
    for problem in examined.diagnostics:
        if problem.span is not None and problem.span.start <= offset <= problem.span.end:
            yield problem.code, problem.span
    source = examined.document.source
    start = source.line_starts[source.position(offset).line - 1]
    for match in _CODE.finditer(source.text, start, min(start + 1000, offset + 5)):
        if match.start() <= offset <= match.end() and explain(match[0]):
            yield match[0], Span(*match.span())


def page_of(code: str) -> str:
    """The page of a code up to its first example."""
    text = explain(code) or f"# {code}"
    title, _, rest = text.partition("\n")
    example = _FENCE.search(rest)
    body = rest[: example.start()] if example else rest
    return f"**{title.lstrip('# ')}**\n\n{body.strip()}".strip()


def _targets(examined: Examined, offset: int) -> Iterator[Target]:
    named = at(examined.tree, offset)
    if named is not None and named.kind == "parameter":
        yield Target(named.span, partial(about_parameter, named, examined))
    # Parameters stand in their places, so that regions can be measured; spans stay the same.
    written = Written(examined.tree, examined.document.source, examined.document.folder)
    context = context_of(written, examined.models, examined.facts, examined.editions)
    pointed = _Targets(examined, context, Figures(context))
    for written_node, node in zip(examined.tree.statements, context.tree.statements, strict=True):
        if not node.span.start <= offset <= node.span.end:
            continue
        for target in pointed.targets(written_node if isinstance(node, s.Broken) else node):
            if target.span.start <= offset <= target.span.end:
                yield target


@dataclass(frozen=True)
class _Targets:
    """Everything in one statement that can be pointed at."""

    examined: Examined
    context: Context
    figures: Figures

    def targets(self, node: s.Statement) -> Iterator[Target]:
        """All of them, whole before part."""
        start = node.kind.span.start if isinstance(node, s.Operation) else node.span.start
        keyword = _keyword(self.examined.document.source.text, start)
        if keyword in self.examined.language.statements:
            meaning = self.examined.language.statements[keyword]
            yield Target(Span(start, start + len(keyword)), lambda: meaning)
        match node:
            case s.ModelStatement():
                yield Target(node.name.span, self.model)
                yield from self.settings("model", node.block)
            case s.LatentsStatement():
                yield Target(node.name.span, partial(self.latents, node.name.text))
                yield from self.settings("latents", node.block)
            case s.RegionStatement():
                yield Target(node.name.span, partial(self.figures.everywhere, node.region))
                yield from self.regions(node.region, self.figures.everywhere)
            case s.ImagesStatement():
                yield from self.images(node.images, node.name.span)
            case s.Operation():
                yield from self.operation(node)
            case s.UseLine():
                about = partial(about_recipe, node.name.text, self.examined)
                yield Target(node.path.span.to(node.name.span), about)
            case s.Include():
                yield from self.included(node)
            case s.ExpectLine() if node.measure.text in MEASURES:
                yield Target(node.measure.span, lambda: MEASURES[node.measure.text])

    def included(self, node: s.Include) -> Iterator[Target]:
        """The recipe and the rule that an ``include`` names, and the keys that it gives."""
        about = partial(about_recipe, node.alias.text, self.examined)
        yield Target(node.alias.span, about)
        rule = partial(about_included, node, self.examined)
        yield Target(node.rule.span, rule)
        yield Target(node.name.span, rule)
        kind = kind_of(node, self.examined)
        for item in node.block.items if node.block else ():
            yield self.setting(kind, item.key)

    def operation(self, node: s.Operation) -> Iterator[Target]:
        """A rule's name, layer, lines and settings."""
        layer = self.examined.facts.layer(node.layer.text) if self.examined.facts else None
        if layer is not None:
            yield Target(node.name.span, lambda: self.cost(node, layer))
            about = f"`{layer.name}`: {layer_line(layer)}\n\n{about_layer(layer)}"
            yield Target(node.layer.span, lambda: about)
        yield from self.settings(node.kind.text, node.block)
        for item in node.block.items:
            row = self.examined.language.lines_of(node.kind.text).get(item.key.text)
            if row is not None and isinstance(item, s.PlaceLine | s.MatchLine):
                yield Target(item.key.span, partial(str, row.meaning))
            place = s.place_of(item)
            if place is not None:
                yield from self.images(place.images)
                keys = row is not None and row.grid == "keys"
                measured = partial(self.figures.at, layer=layer, keys=keys)
                yield from self.regions(place.region, measured)

    def images(self, images: s.Images | s.ImagesName, name: Span | None = None) -> Iterator[Target]:
        """The latents of images, or what their name stands for."""
        if isinstance(images, s.ImagesName):
            yield Target(images.span, partial(self.named_images, images.name.text))
            return
        yield Target(images.latents.span, partial(self.latents, images.latents.text))
        if name is not None:
            yield Target(name, partial(self.counted, images))

    def named_images(self, name: str) -> str | None:
        """The images that a name stands for."""
        images = self.context.lists.get(name)
        return self.counted(images) if images else None

    def counted(self, images: s.Images) -> str:
        """A list of images, and how many they are."""
        count = image_count(images)
        return f"`{layout.images(images)}`: {count} image{'s' if count != 1 else ''}"

    def regions(
        self, region: s.RegionExpr, say: Callable[[s.RegionExpr], str | None]
    ) -> Iterator[Target]:
        """A region and what it is joined from."""
        yield Target(region.span, partial(say, region))
        if isinstance(region, s.Joined):
            for part in s.parts(region):
                yield Target(part.span, partial(say, part))

    def settings(self, block: str, node: s.Block | None) -> Iterator[Target]:
        """The settings of a block, and of the blocks in it."""
        for item in node.items if node else ():
            if not isinstance(item, s.Setting):
                continue
            yield self.setting(block, item.key)
            value, row = item.value, self.examined.language.block(block).get(item.key.text)
            if row is not None and row.kind == "group":
                yield Target(value.span, partial(words.SOLVERS.get, value.text))
                yield from self.settings(value.text, item.block)

    def setting(self, block: str, key: s.Word) -> Target:
        """The word of a setting."""
        row = self.examined.language.block(block).get(key.text)
        return Target(key.span, lambda: row.about(self.examined.edition) if row else None)

    def model(self) -> str | None:
        """The model's picture and layers."""
        facts = self.examined.facts
        if facts is None:
            return None
        size = f"{facts.image_size[1]} x {facts.image_size[0]} px"
        rows = "\n".join(f"- `{layer.name}`: {layer_line(layer)}" for layer in facts.layers)
        return f"{facts.arch}, pictures {size}, latents of {facts.latent_size} numbers\n\n{rows}"

    def latents(self, name: str) -> str | None:
        """Where images come from."""
        for node, values in self.context.latents:
            if node.name.text == name:
                given = (f"{key} {item.value.text}" for key, item in values.items.items())
                return (
                    f"latents `{name}`: {', '.join(given)}" if values.items else f"latents `{name}`"
                )
        return None

    def cost(self, node: s.Operation, layer: LayerFacts) -> str:
        """What a rule listens to, and how much has to be solved for."""
        job = next(each for each in self.context.jobs if each.node is node)
        assert self.context.measure is not None, "a layer is known by its model"
        positions = count_positions(job, layer, self.context.measure)
        contexts = job.contexts
        marked = sum(len(line.images) for line in contexts if isinstance(line.item, s.PlaceLine))
        tops = [line.taken or 0 for line in contexts if isinstance(line.item, s.MatchLine)]
        matched = f" and up to {sum(tops)} by match" if tops else ""
        lines = [
            f"`{node.kind.text} {node.name.text}` at `{layer.name}` ({layer_line(layer)})",
            f"Context: {marked} marked{matched}; {positions or '?'} key positions.",
        ]
        taps, rank = layer.kernel[0] * layer.kernel[1], job.values.whole("rank")
        if "solver" not in job.values.rows:
            lines.append("Nothing has to be solved for.")
        elif rank is not None:
            lines.append(
                f"Rank {rank}: {rank * taps} unknowns ({rank} x {taps} taps) for each of "
                f"{layer.out_channels} output channels."
            )
        return "\n\n".join(lines)


def _keyword(text: str, start: int) -> str:
    word = re.compile(r"[a-z]+").match(text, start)
    return word[0] if word else ""
