"""The search of a rule's matches: which pictures, and where in them, a layer's keys look alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from redraft.errors import PlanError
from redraft.memory.layer import Layer
from redraft.memory.marked import Picture, marked_pictures, matches_of
from redraft.memory.match import Candidate, Filter, best_places, build_filter, score_at, score_map
from redraft.memory.places import Marks, MatchedPlace, Matches, ResolvedPlace, moved
from redraft.models.arithmetic import full_float32
from redraft.models.batches import batch_size
from redraft.models.samplers import sampler_of
from redraft_dsl.recipe.model import Match, Rule

MATCH_BATCH = 200


@full_float32()
def search(layer: Layer, rule: Rule, marks: Marks) -> Matches:
    """What each match of a rule finds, best first.

    Pictures that the rule marks or copies from are not found, for they have already what the rule
    is to draw; nor are those that an earlier match of it has found.

    Raises:
        RunError: a marked place is empty at the layer's resolution.
        PlanError: a match finds no clear place at all, or looks for one that is not clear itself.

    """
    taken = marked_pictures(rule)
    found = []
    for match in matches_of(rule):
        ranked = ranking(layer, match, marks(match.like))
        found.append(best_of(layer, match, ranked, taken))
        taken |= {(place.latents, place.index) for place in found[-1]}
    return tuple(found)


def best_of(
    layer: Layer, match: Match, ranked: Sequence[Candidate], taken: set[Picture]
) -> tuple[MatchedPlace, ...]:
    """The first clear candidates, as many as the match asks for.

    A found region lies as far from its key cell's corner as the marked one does, so only whole
    key cells are moved.

    Raises:
        PlanError: no picture of the range has a clear place.

    """
    block, (height, width) = match.like.latents, _cell(layer)
    places = tuple(
        MatchedPlace(block, one.index, (one.shift[0] * height, one.shift[1] * width), one.score)
        for one in ranked
        if one.clear and (block, one.index) not in taken
    )
    if not places:
        raise PlanError(
            "RD421",
            f"no image among {match.first}..{match.last} has a place like "
            f"{block}[{match.like.index}]",
            "widen the range, or mark a clearer example",
        )
    return places[: match.top]


def scored(layer: Layer, rule: Rule, marks: Marks, matches: Matches) -> Matches:
    """The places that a lock says, each with its score here.

    The score is for the record alone; what is solved does not depend on it.
    """
    found = []
    height, width = _cell(layer)
    for match, places in zip(matches_of(rule), matches, strict=True):
        example = marks(match.like)
        pattern = filter_of(layer, example)
        there = layer.places(moved(example, place) for place in places)
        scores = score_map(layer.enter(there).keys, pattern)
        cells = [(place.shift[0] // height, place.shift[1] // width) for place in places]
        found.append(
            tuple(
                replace(place, score=score_at(one, pattern, cell))
                for place, one, cell in zip(places, scores, cells, strict=True)
            )
        )
    return tuple(found)


@full_float32()
def ranking(layer: Layer, match: Match, example: ResolvedPlace) -> list[Candidate]:
    """Every picture of a match's range by its best place, best first; excluded ones left out."""
    return best_places(_key_batches(layer, match), filter_of(layer, example))


def filter_of(layer: Layer, example: ResolvedPlace) -> Filter:
    """The filter that looks for places like a marked one.

    Raises:
        RunError: the place is empty at the layer's resolution.
        PlanError: it does not stand out of its own picture.

    """
    marked = layer.places([example])
    inverse = layer.whitening.inverse_root
    name = f"the place that is marked in {example.latents}[{example.index}]"
    return build_filter(layer.enter(marked), marked.on_keys[0], inverse @ inverse, name)


def _cell(layer: Layer) -> tuple[int, int]:
    """(height, width) in pixels of a key cell."""
    (height, width), (rows, columns) = layer.generator.facts.image_size, layer.facts.key_size
    return height // rows, width // columns


def _key_batches(layer: Layer, match: Match) -> Iterator[tuple[list[int], Tensor]]:
    block = next(block for block in layer.blocks if block.name == match.like.latents)
    facts, name = layer.generator.facts, layer.facts.name
    first, count = match.first, match.last - match.first + 1
    batch = batch_size(facts, MATCH_BATCH, [name])
    for rows in sampler_of(layer.generator).batches(block, count, batch, start=first):
        numbers = list(range(first, first + len(rows)))
        first += len(rows)
        used = [place for place, number in enumerate(numbers) if number not in match.excluded]
        if used:
            inputs = layer.generator.inputs(rows[used].to(layer.device), [name])[name]
            yield [numbers[place] for place in used], inputs.keys
