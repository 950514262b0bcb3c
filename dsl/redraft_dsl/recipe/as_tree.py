"""A checked recipe as canonical text, with every default written out.

The recipe is turned back into a syntax tree, which the formatter prints: there is one layout.
Reading the text back gives an equal recipe. Regions have no names any more, so each stands where
it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redraft_dsl.language.language import LANGUAGE, LATEST, Language
from redraft_dsl.language.rows import Line, Setting
from redraft_dsl.recipe import model as r
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.format import format_tree

LONGEST_LIST = 1000
"""Images that are written in one list."""


def print_recipe(recipe: r.Recipe, language: Language = LANGUAGE) -> str:
    """Canonical recipe text; ends with a line end.

    Raises ``ValueError`` for a recipe made by hand whose title or path has a character that the
    language cannot hold; a checked recipe never has one.
    """
    return format_tree(tree_of(recipe, language, listed=True))


def model_text(model: r.Model) -> str:
    """The statement that names a model; raises as ``print_recipe`` does."""
    return format_tree(s.Tree((_Writer(LANGUAGE, listed=False).model(model),)))


def number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def tree_of(recipe: r.Recipe, language: Language = LANGUAGE, *, listed: bool = False) -> s.Tree:
    """The tree of a text that means this recipe. Its spans point nowhere.

    With ``listed``, images that have one region in a row stand in one list.

    Raises ``ValueError`` as ``print_recipe`` does.
    """
    writer = _Writer(language, listed)
    return s.Tree(
        (
            s.EditionLine(_number(recipe.edition)),
            s.RecipeLine(s.Word(recipe.name), s.Word(recipe.version), _text(recipe.title)),
            writer.model(recipe.model),
            *map(writer.latents, recipe.latents),
            *map(writer.operation, recipe.rules),
        )
    )


class _Writer:
    """Writes blocks by the rows of a language."""

    def __init__(self, language: Language, listed: bool) -> None:
        self.language = language
        self.listed = listed

    def model(self, model: r.Model) -> s.ModelStatement:
        apart = s.Trivia(blank_before=True)
        if isinstance(model, r.ListedModel):
            return s.ModelStatement(s.Word(model.name), None, trivia=apart)
        block = self.block(self.language.block("model"), model)
        return s.ModelStatement(s.Word(model.name), block, trivia=apart)

    def latents(self, latents: r.Latents) -> s.LatentsStatement:
        block = self.block(self.language.block("latents"), latents)
        return s.LatentsStatement(s.Word(latents.name), block)

    def operation(self, rule: r.Rewriting) -> s.Operation:
        word: str = rule.kind  # type: ignore[attr-defined]
        kind, name, layer = map(s.Word, (word, rule.name, rule.layer))
        rows = self.language.operation(word).lines
        lines = (item for row in rows for item in _lines(row, rule, self.listed))
        block = self.block(self.language.block(word), rule, *lines)
        return s.Operation(kind, name, layer, block)

    def block(self, rows: Mapping[str, Setting], owner: object, *before: s.Item) -> s.Block:
        """The settings of something, after what else its block holds."""
        return s.Block((*before, *self.settings(rows, owner)))

    def settings(self, rows: Mapping[str, Setting], owner: Any) -> Iterator[s.Setting]:
        for row in rows.values():
            holder, _, inner = (row.stored or row.name).partition(".")
            found = getattr(owner, holder)
            if inner:
                found = getattr(found, inner) if found.kind == row.name else None
            if found is None or (row.quiet and found == row.default(LATEST)):
                continue
            if row.kind == "group":
                block = self.block(self.language.block(found.kind), found)
                yield s.Setting(s.Word(row.name), s.Word(found.kind), block)
            else:
                yield setting_of(row, found)


def setting_of(row: Setting, value: Any) -> s.Setting:
    """The line of a setting that is not a group."""
    written: s.Value = _text(value) if row.kind == "text" else s.Word(value)
    if row.numeric:
        written = s.Number(f"{number(value)}{row.unit}")
    return s.Setting(s.Word(row.name), written, None)


def _lines(row: Line, rule: r.Rewriting, listed: bool) -> Iterator[s.Item]:
    found = getattr(rule, row.stored)
    if isinstance(found, str):
        yield s.PlaceLine(s.Word(row.word), None)
        return
    together: list[r.Place] = []
    for each in (*(found if isinstance(found, tuple) else (found,)), None):
        if together and not (listed and each and _goes_with(each, together)):
            yield s.PlaceLine(s.Word(row.word), _place(*together))
            together.clear()
        if isinstance(each, r.Match):
            yield _match(row, each)
        elif each is not None:
            together.append(each)


def _goes_with(place: r.Place | r.Match, others: Sequence[r.Place]) -> bool:
    """Whether a place can stand in one list with others: each image stands in it once."""
    if isinstance(place, r.Match) or len(others) >= LONGEST_LIST:
        return False
    if any(place.index == other.index for other in others):
        return False
    return (place.latents, place.region) == (others[0].latents, others[0].region)


def _match(row: Line, match: r.Match) -> s.MatchLine:
    top, first, last = map(_number, (match.top, match.first, match.last))
    excluded = tuple(map(_number, match.excluded))
    return s.MatchLine(s.Word(row.word), _place(match.like), top, first, last, excluded)


def _place(place: r.Place, *others: r.Place) -> s.PlaceExpr:
    numbers = tuple(_number(each.index) for each in (place, *others))
    images = s.Images(s.Word(place.latents), numbers)
    return s.PlaceExpr(images, _region(place.region))


def _region(region: r.Region) -> s.RegionExpr:
    match region:
        case r.Box():
            return s.BoxShape(_pair(region.x), _pair(region.y))
        case r.Polygon():
            return s.PolygonShape(tuple(map(_pair, region.points)))
        case r.Ellipse():
            return s.EllipseShape(_pair(region.center), _pair(region.radius))
        case r.Mask():
            how = None if region.resample == "area" else s.Word(region.resample)
            return s.MaskShape(_text(region.path), how)
        case r.All():
            return s.Everything()
        case r.Combination():
            left, right = _region(region.left), _region(region.right)
            return s.Joined(region.kind, left, right)


def _number(value: int) -> s.Number:
    return s.Number(str(value))


def _text(text: str) -> s.Text:
    if '"' in text or "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"text in a recipe cannot hold quotes or line ends: {text!r}")
    return s.Text(text)


def _pair(pair: tuple[r.Length, r.Length]) -> tuple[s.Number, s.Number]:
    return _length(pair[0]), _length(pair[1])


def _length(length: r.Length) -> s.Number:
    return s.Number(number(length.value) + ("%" if length.unit == "%" else ""))
