"""A checked recipe as canonical text, with every default written out.

Reading the text back gives an equal recipe. Regions have no names any more, so each stands where
it is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from redraft_dsl import recipe as r
from redraft_dsl.format import INDENT, PLACE_COLUMN, SETTING_COLUMN


def print_recipe(recipe: r.Recipe) -> str:
    """Canonical recipe text; ends with a line end.

    Raises ``ValueError`` for a recipe made by hand whose title or path has a character that the
    language cannot hold; a checked recipe never has one.
    """
    head = [
        f"edition {recipe.edition}",
        f"recipe {recipe.name} {recipe.version} {_quoted(recipe.title)}",
    ]
    declared = [*_model(recipe.model), *(_latents(latents) for latents in recipe.latents)]
    blocks = [head, declared, *(list(_rule(rule)) for rule in recipe.rules)]
    if isinstance(recipe.model, r.FileModel):
        size = len(_model(recipe.model))
        blocks[1:2] = [declared[:size], declared[size:]]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _model(model: r.Model) -> list[str]:
    if isinstance(model, r.ListedModel):
        return [f"model {model.name}"]
    lines = [f"model {model.name} {{", f"{INDENT}arch    {model.arch}"]
    lines.append(f"{INDENT}weights {_quoted(model.path)}")
    if model.sha256 is not None:
        lines.append(f'{INDENT}sha256  "{model.sha256}"')
    return [*lines, "}"]


def _latents(latents: r.Latents) -> str:
    return f"latents {latents.name} {{ seed {latents.seed}  count {latents.count} }}"


def _rule(rule: r.Rule) -> Iterator[str]:
    yield f"{rule.kind} {rule.name} at {rule.layer} {{"
    for key, text in _lines(rule):
        column = PLACE_COLUMN if key in ("copy", "paste", "from", "context") else SETTING_COLUMN
        yield f"{INDENT}{key:<{column - 1}} {text}"
    yield "}"


def _lines(rule: r.Rule) -> Iterator[tuple[str, str]]:
    if isinstance(rule, r.Insert):
        yield "copy", _place(rule.copy_from)
        yield from (("paste", text) for text in _targets(rule.paste))
    elif isinstance(rule, r.Erase):
        yield from (("from", text) for text in _targets(rule.source))
    for context in rule.context:
        yield "context", _match(context) if isinstance(context, r.Match) else _place(context)
    if isinstance(rule, r.Erase):
        yield "units", str(rule.units)
    yield "rank", str(rule.rank)
    if not isinstance(rule, r.Zero):
        yield _restraint(rule.restraint)
        yield "keep", number(rule.keep)
    yield "contrast", number(rule.contrast)
    yield "directions", rule.directions
    yield "strength", number(rule.strength)
    if not isinstance(rule, r.Zero):
        yield "solver", _solver(rule.solver)


def _targets(targets: str | tuple[r.Place, ...]) -> list[str]:
    return [targets] if isinstance(targets, str) else [_place(place) for place in targets]


def _restraint(restraint: r.Restraint) -> tuple[str, str]:
    if isinstance(restraint, r.Side):
        return "side", f"{number(restraint.percent)}%"
    return "preserve", number(restraint.weight)


def _solver(solver: r.Solver) -> str:
    match solver:
        case r.ExactSolver():
            inner = f"loss {solver.loss}  iterations {solver.iterations}"
        case r.GradientSolver():
            inner = f"steps {solver.steps}  rate {number(solver.rate)}"
        case r.ProjectedAdamSolver():
            inner = f"steps {solver.steps}  rate {number(solver.rate)}  every {solver.every}"
    return f"{solver.kind} {{ {inner}  goal {solver.goal} }}"


def _place(place: r.Place) -> str:
    return f"{place.latents}[{place.index}] {region_text(place.region)}"


def _match(match: r.Match) -> str:
    text = f"like {_place(match.like)} top {match.top} among {match.first}..{match.last}"
    if match.excluded:
        text += f" except {', '.join(map(str, match.excluded))}"
    return text


def region_text(region: r.Region) -> str:
    """A region in the language's own words."""
    match region:
        case r.Box():
            x, y = (f"{_length(low)}..{_length(high)}" for low, high in (region.x, region.y))
            return f"box(x {x}, y {y})"
        case r.Polygon():
            return f"polygon({' '.join(map(_pair, region.points))})"
        case r.Ellipse():
            return f"ellipse({_pair(region.center)} radius {_pair(region.radius)})"
        case r.Mask():
            return f"mask({_quoted(region.path)})"
        case r.All():
            return "all"
        case r.Combination():
            right = region_text(region.right)
            if isinstance(region.right, r.Combination):
                right = f"({right})"
            return f"{region_text(region.left)} {region.kind} {right}"


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text or "\r" in text or "\0" in text:
        raise ValueError(f"text in a recipe cannot hold quotes or line ends: {text!r}")
    return f'"{text}"'


def _pair(pair: tuple[r.Length, r.Length]) -> str:
    return f"{_length(pair[0])},{_length(pair[1])}"


def _length(length: r.Length) -> str:
    return number(length.value) + ("%" if length.unit == "%" else "")


def number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
