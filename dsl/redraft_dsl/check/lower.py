"""From a tree without errors to the checked recipe, with the edition's defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

from redraft_dsl.check.context import Context, compat_of, edition_of, setting_value
from redraft_dsl.editions import Defaults, as_davidbau
from redraft_dsl.recipe import model as r
from redraft_dsl.source import Span
from redraft_dsl.syntax import tree as s


def to_recipe(context: Context) -> r.Recipe:
    """The recipe that a tree means. The checker has found no error in it."""
    edition = edition_of(context.editions)
    header = context.headers[0]
    assert edition is not None  # an edition that is no number is an error
    return r.Recipe(
        edition=edition,
        name=header.name.text,
        version=header.version.text,
        title=header.title.text,
        model=model_of(context.model_statements[0], context.defaults),
        latents=tuple(_latents(statement) for statement in context.latents),
        rules=tuple(_rules(context)),
    )


def _rules(context: Context) -> Iterator[r.Rule]:
    included = {id(each.statement): each.rule for each in context.included}
    for node in context.rules:
        if isinstance(node, s.Operation):
            yield _kept_rule(node, context)
        else:
            rule = included[id(node)]
            assert rule is not None  # what cannot be included is an error
            yield rule


def _kept_rule(node: s.Operation, context: Context) -> r.Rule:
    """What an operation means; what is known already is not worked out again."""
    finding = context.notes.now.get((id(node), "regions")) if context.notes else None
    if finding is None:
        return _rule(node, context)
    if finding.rule is None:
        finding.rule = _rule(node, context)
    return finding.rule


def model_of(statement: s.ModelStatement, defaults: Defaults) -> r.Model:
    """The model that a statement names; there is no error in it."""
    if statement.block is None:
        return r.ListedModel(name=statement.name.text)
    sha256 = setting_value(statement.block, "sha256")
    return r.FileModel(
        name=statement.name.text,
        arch=_text(statement.block, "arch", ""),
        path=_text(statement.block, "weights", ""),
        sha256=sha256.text if sha256 else None,
        truncation=_real(statement.block, "truncation", defaults.truncation),
    )


def _latents(statement: s.LatentsStatement) -> r.Latents:
    block = statement.block
    return r.Latents(
        name=statement.name.text,
        seed=_whole(block, "seed", 0),
        count=_whole(block, "count", 0),
    )


def _rule(operation: s.Operation, context: Context) -> r.Rule:
    match operation.kind.text:
        case "rule":
            return _insert(operation, context)
        case "erase":
            return _erase(operation, context)
        case _:
            return _zero(operation, context)


def _insert(operation: s.Operation, context: Context) -> r.Insert:
    return r.Insert(
        copy_from=_places(operation.block, "copy", context)[0],
        paste=_targets(operation.block, "paste", context),
        **_solved(operation, context),
    )


def _erase(operation: s.Operation, context: Context) -> r.Erase:
    return r.Erase(
        source=_targets(operation.block, "from", context),
        units=_whole(operation.block, "units", context.defaults.units),
        **_solved(operation, context),
    )


def _solved(operation: s.Operation, context: Context) -> dict[str, Any]:
    """The fields that an insert and an erase share."""
    block = operation.block
    defaults = as_davidbau(context.defaults) if compat_of(block) else context.defaults
    return {
        "name": operation.name.text,
        "layer": _layer(operation, context),
        "context": _contexts(block, context),
        "rank": _whole(block, "rank", defaults.rank),
        "restraint": _restraint(block, defaults),
        "keep": _real(block, "keep", defaults.keep),
        "contrast": _real(block, "contrast", defaults.contrast),
        "directions": _text(block, "directions", defaults.directions),
        "strength": _real(block, "strength", defaults.strength),
        "solver": _solver(block, defaults),
    }


def _zero(operation: s.Operation, context: Context) -> r.Zero:
    block, defaults = operation.block, context.defaults
    directions = _text(block, "directions", defaults.zero_directions)
    return r.Zero(
        name=operation.name.text,
        layer=_layer(operation, context),
        context=_contexts(block, context),
        rank=_whole(block, "rank", defaults.rank),
        contrast=_real(block, "contrast", defaults.contrast),
        directions=cast('Literal["context", "svd", "mean", "units"]', directions),
        strength=_real(block, "strength", defaults.strength),
    )


def _layer(operation: s.Operation, context: Context) -> str:
    layer = context.layer(operation)
    return operation.layer.text if layer is None else layer.name


def _places(block: s.Block, key: str, context: Context) -> tuple[r.Place, ...]:
    return tuple(
        _place(item.place, context)
        for item in block.items
        if isinstance(item, s.PlaceLine) and item.key.text == key and item.place is not None
    )


def _targets(
    block: s.Block, key: str, context: Context
) -> Literal["each context"] | tuple[r.Place, ...]:
    """Where the goal is set. The one paste of the authors' code is told, or is the one context."""
    given = _places(block, key, context)
    if not given and compat_of(block):
        given = _places(block, "context", context)
    return given or "each context"


def _contexts(block: s.Block, context: Context) -> tuple[r.Context, ...]:
    found: list[r.Context] = []
    for item in block.items:
        if isinstance(item, s.MatchLine):
            found.append(_match(item, context))
        elif isinstance(item, s.PlaceLine) and item.key.text == "context" and item.place:
            found.append(_place(item.place, context))
    return tuple(found)


def _place(place: s.PlaceExpr, context: Context) -> r.Place:
    region = context.regions.resolve(place.region)
    assert region is not None  # what cannot be resolved is an error
    return r.Place(latents=place.latents.text, index=int(place.index.value), region=region)


def _match(item: s.MatchLine, context: Context) -> r.Match:
    return r.Match(
        like=_place(item.like, context),
        top=int(item.top.value),
        first=int(item.first.value),
        last=int(item.last.value),
        excluded=tuple(sorted({int(value.value) for value in item.excluded})),
    )


def _restraint(block: s.Block, defaults: Defaults) -> r.Restraint:
    side = setting_value(block, "side")
    if isinstance(side, s.Number):
        return r.Side(percent=side.value)
    return r.Preserve(weight=_real(block, "preserve", defaults.preserve))


def _solver(block: s.Block, defaults: Defaults) -> r.Solver:
    given = next(
        (item for item in block.items if isinstance(item, s.Setting) and item.key.text == "solver"),
        None,
    )
    kind = given.value.text if given else defaults.solver
    inner = given.block if given else None
    goal = cast('Literal["halo", "crop"]', _text(inner, "goal", defaults.solver_goal))
    match kind:
        case "gradient":
            return r.GradientSolver(
                steps=_whole(inner, "steps", defaults.gradient_steps),
                rate=_real(inner, "rate", defaults.gradient_rate),
                goal=goal,
            )
        case "projected-adam":
            return r.ProjectedAdamSolver(
                compat="davidbau" if compat_of(block) else None,
                steps=_whole(inner, "steps", defaults.adam_steps),
                rate=_real(inner, "rate", defaults.adam_rate),
                every=_whole(inner, "every", defaults.adam_every),
                goal=goal,
            )
        case _:
            return r.ExactSolver(
                loss=cast('Literal["l1", "l2"]', _text(inner, "loss", defaults.exact_loss)),
                iterations=_whole(inner, "iterations", defaults.exact_iterations),
                goal=goal,
            )


def _whole(block: s.Block | None, key: str, default: int) -> int:
    value = setting_value(block, key)
    return int(value.value) if isinstance(value, s.Number) else default


def _real(block: s.Block | None, key: str, default: float) -> float:
    value = setting_value(block, key)
    return value.value + 0.0 if isinstance(value, s.Number) else default


def _text(block: s.Block | None, key: str, default: str) -> str:
    value = setting_value(block, key)
    return value.text if value is not None else default


def spans_of(context: Context) -> Iterator[tuple[str, Span]]:
    """Where things stand, so that phases after the checker can point at the text.

    Keys are ``model``, ``glasses``, ``glasses.layer``, ``glasses.rank``, ``glasses.copy``,
    ``glasses.context[0]`` and so on.
    """
    for edition in context.editions[:1]:
        yield "edition", edition.span
    for header in context.headers[:1]:
        yield "recipe", header.span
    for model in context.model_statements[:1]:
        yield "model", model.span
        for item in model.block.items if model.block else ():
            yield f"model.{item.key.text}", item.span
    for latents in context.latents:
        yield f"latents.{latents.name.text}", latents.span
    for node in context.rules:
        if isinstance(node, s.Operation):
            yield from _operation_spans(node)
        else:
            yield node.name.text, node.span


def _operation_spans(operation: s.Operation) -> Iterator[tuple[str, Span]]:
    name = operation.name.text
    yield name, operation.kind.span.to(operation.layer.span)
    yield f"{name}.layer", operation.layer.span
    seen: dict[str, int] = {}
    for item in operation.block.items:
        key = item.key.text
        if isinstance(item, s.Setting) or key == "copy":
            yield f"{name}.{key}", item.span
        else:
            yield f"{name}.{key}[{seen.get(key, 0)}]", item.span
            seen[key] = seen.get(key, 0) + 1
