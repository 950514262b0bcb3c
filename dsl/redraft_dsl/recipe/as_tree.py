"""A checked recipe as canonical text, with every default written out.

The recipe is turned back into a syntax tree, which the formatter prints: there is one layout.
Reading the text back gives an equal recipe. Regions have no names any more, so each stands where
it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redraft_dsl.recipe import model as r
from redraft_dsl.source import Span
from redraft_dsl.syntax import format as layout
from redraft_dsl.syntax import tree as s

NOWHERE = Span(0, 0)


def print_recipe(recipe: r.Recipe) -> str:
    """Canonical recipe text; ends with a line end.

    Raises ``ValueError`` for a recipe made by hand whose title or path has a character that the
    language cannot hold; a checked recipe never has one.
    """
    return layout.format_tree(tree_of(recipe))


def number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def tree_of(recipe: r.Recipe) -> s.Tree:
    """The tree of a text that means this recipe. Its spans point nowhere.

    Raises ``ValueError`` as ``print_recipe`` does.
    """
    apart = s.Trivia(blank_before=True)
    title = _text(recipe.title)
    name, version = _word(recipe.name), _word(recipe.version)
    return s.Tree(
        (
            s.EditionLine(_whole(recipe.edition), NOWHERE),
            s.RecipeLine(name, version, title, NOWHERE),
            _model(recipe.model, apart),
            *(_latents(latents) for latents in recipe.latents),
            *(_operation(rule) for rule in recipe.rules),
        )
    )


def _model(model: r.Model, apart: s.Trivia) -> s.ModelStatement:
    if isinstance(model, r.ListedModel):
        return s.ModelStatement(_word(model.name), None, NOWHERE, apart)
    items = [_setting("arch", _word(model.arch)), _setting("weights", _text(model.path))]
    if model.sha256 is not None:
        items.append(_setting("sha256", _text(model.sha256)))
    if model.truncation != 1.0:  # not every architecture takes the word
        items.append(_setting("truncation", _number(model.truncation)))
    return s.ModelStatement(_word(model.name), _block(items), NOWHERE, apart)


def _latents(latents: r.Latents) -> s.LatentsStatement:
    items = [_setting("seed", _whole(latents.seed)), _setting("count", _whole(latents.count))]
    return s.LatentsStatement(_word(latents.name), _block(items), NOWHERE)


def _operation(rule: r.Rule) -> s.Operation:
    kind, name, layer = map(_word, (rule.kind, rule.name, rule.layer))
    return s.Operation(kind, name, layer, _block(tuple(_items(rule))), NOWHERE)


def _items(rule: r.Rule) -> Iterator[s.Item]:
    if isinstance(rule, r.Insert):
        yield _line("copy", rule.copy_from)
        yield from _targets("paste", rule.paste)
    elif isinstance(rule, r.Erase):
        yield from _targets("from", rule.source)
    for context in rule.context:
        yield _match(context) if isinstance(context, r.Match) else _line("context", context)
    if isinstance(rule, r.Erase):
        yield _setting("units", _whole(rule.units))
    yield _setting("rank", _whole(rule.rank))
    if not isinstance(rule, r.Zero):
        yield _restraint(rule.restraint)
        yield _setting("keep", _number(rule.keep))
    yield _setting("contrast", _number(rule.contrast))
    yield _setting("directions", _word(rule.directions))
    yield _setting("strength", _number(rule.strength))
    if not isinstance(rule, r.Zero):
        yield _setting("solver", _word(rule.solver.kind), _block(tuple(_solver(rule.solver))))


def _targets(key: str, targets: str | tuple[r.Place, ...]) -> Iterator[s.PlaceLine]:
    if isinstance(targets, str):
        yield s.PlaceLine(_word(key), None, NOWHERE)
    else:
        yield from (_line(key, place) for place in targets)


def _restraint(restraint: r.Restraint) -> s.Setting:
    if isinstance(restraint, r.Side):
        return _setting("side", s.Number(f"{number(restraint.percent)}%", NOWHERE))
    return _setting("preserve", _number(restraint.weight))


def _solver(solver: r.Solver) -> Iterator[s.Item]:
    match solver:
        case r.ExactSolver():
            yield _setting("loss", _word(solver.loss))
            yield _setting("iterations", _whole(solver.iterations))
        case r.GradientSolver():
            yield _setting("steps", _whole(solver.steps))
            yield _setting("rate", _number(solver.rate))
        case r.ProjectedAdamSolver():
            if solver.compat is not None:
                yield _setting("compat", _word(solver.compat))
            yield _setting("steps", _whole(solver.steps))
            yield _setting("rate", _number(solver.rate))
            yield _setting("every", _whole(solver.every))
    yield _setting("goal", _word(solver.goal))


def _line(key: str, place: r.Place) -> s.PlaceLine:
    return s.PlaceLine(_word(key), _place(place), NOWHERE)


def _match(match: r.Match) -> s.MatchLine:
    top, first, last = map(_whole, (match.top, match.first, match.last))
    excluded = tuple(map(_whole, match.excluded))
    return s.MatchLine(_word("context"), _place(match.like), top, first, last, excluded, NOWHERE)


def _place(place: r.Place) -> s.PlaceExpr:
    return s.PlaceExpr(_word(place.latents), _whole(place.index), _region(place.region), NOWHERE)


def _region(region: r.Region) -> s.RegionExpr:
    match region:
        case r.Box():
            return s.BoxShape(_pair(region.x), _pair(region.y), NOWHERE)
        case r.Polygon():
            return s.PolygonShape(tuple(map(_pair, region.points)), NOWHERE)
        case r.Ellipse():
            return s.EllipseShape(_pair(region.center), _pair(region.radius), NOWHERE)
        case r.Mask():
            how = None if region.resample == "area" else _word(region.resample)
            return s.MaskShape(_text(region.path), NOWHERE, how)
        case r.All():
            return s.Everything(NOWHERE)
        case r.Combination():
            left, right = _region(region.left), _region(region.right)
            return s.Joined(region.kind, left, right, NOWHERE, 0)


def _setting(key: str, value: s.Value, block: s.Block | None = None) -> s.Setting:
    return s.Setting(_word(key), value, block, NOWHERE)


def _block(items: Sequence[s.Item]) -> s.Block:
    return s.Block(tuple(items), NOWHERE)


def _word(text: str) -> s.Word:
    return s.Word(text, NOWHERE)


def _whole(value: int) -> s.Number:
    return s.Number(str(value), NOWHERE)


def _number(value: float) -> s.Number:
    return s.Number(number(value), NOWHERE)


def _text(text: str) -> s.Text:
    if '"' in text or "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"text in a recipe cannot hold quotes or line ends: {text!r}")
    return s.Text(text, NOWHERE)


def _pair(pair: tuple[r.Length, r.Length]) -> tuple[s.Number, s.Number]:
    return _length(pair[0]), _length(pair[1])


def _length(length: r.Length) -> s.Number:
    return s.Number(number(length.value) + ("%" if length.unit == "%" else ""), NOWHERE)
