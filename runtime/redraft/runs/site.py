"""Where a rule works: the network as the earlier rules left it, one layer, and its contexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from redraft.errors import PlanError
from redraft.memory import match
from redraft.memory.moments import inverse_root
from redraft.memory.places import ResolvedPlace, covers, inputs_of, resolve, shifted
from redraft.models import latents
from redraft.models.batches import batch_size
from redraft.models.generator import Generator, LayerForm, LayerInputs
from redraft.plans.lock import LockedPlace
from redraft.runs.memo import Common
from redraft_dsl.facts import LayerFacts
from redraft_dsl.recipe import model as checked
from redraft_dsl.recipe.model import Match, Recipe

MATCH_BATCH = 200


@dataclass(frozen=True)
class Site:
    """One layer of a network, seen by one recipe.

    Attributes:
        generator: with all earlier rules applied.
        recipe: the whole recipe.
        folder: where its mask files lie.
        facts: of the layer.
        moment: (C, C) float64 second moment of the layer's keys.
        locked: the places of each match of the rule, where a lock says them; they are not
            searched.
        common: what other runs that find the same network here have made already.

    """

    generator: Generator
    recipe: Recipe
    folder: Path
    facts: LayerFacts
    moment: Tensor
    locked: tuple[tuple[LockedPlace, ...], ...] = ()
    common: Common = field(default_factory=Common.nothing)

    @property
    def form(self) -> LayerForm:
        """The layer's structure with its present weight."""
        return self.generator.form(self.facts.name)

    def inputs(self, places: Sequence[ResolvedPlace]) -> LayerInputs:
        """What enters the layer for the pictures of some places."""
        return self.common.once(
            "inputs",
            [(place.latents, place.index) for place in places],
            lambda: inputs_of(self.generator, self.recipe, places, self.facts.name),
        )

    def key_cover(self, places: Sequence[ResolvedPlace]) -> Tensor:
        """(N, h, w) float64 coverage of the places at the keys' resolution."""
        return covers(places, self.facts.key_size)

    def value_cover(self, places: Sequence[ResolvedPlace]) -> Tensor:
        """(N, H, W) float64 coverage of the places at the values' resolution."""
        return covers(places, self.facts.value_size)

    def place(self, place: checked.Place) -> ResolvedPlace:
        """A marked place of the recipe."""
        return resolve(place, self.generator.facts, self.folder)

    def contexts(
        self, wanted: Sequence[checked.Context], besides: Sequence[checked.Place] = ()
    ) -> tuple[ResolvedPlace, ...]:
        """Every context place, marked and found, in the order of the recipe.

        Args:
            wanted: the rule's contexts.
            besides: places whose pictures a match must not find, such as the copy: it has
                already what the rule is to draw.

        Raises:
            PlanError: a match finds no clear place at all.

        """
        found = iter(self.found(wanted, besides))
        places: list[ResolvedPlace] = []
        for context in wanted:
            places += next(found) if isinstance(context, Match) else [self.place(context)]
        return tuple(places)

    def found(
        self, wanted: Sequence[checked.Context], besides: Sequence[checked.Place] = ()
    ) -> list[list[ResolvedPlace]]:
        """The places of each match among the contexts, best first; see :meth:`contexts`."""
        matches = [context for context in wanted if isinstance(context, Match)]
        if self.locked:
            pairs = zip(matches, self.locked, strict=True)
            return [locked_places(self, one, places) for one, places in pairs]
        marked = [context for context in wanted if isinstance(context, checked.Place)]
        taken = {(place.latents, place.index) for place in [*marked, *besides]}
        found = []
        for one in matches:
            found.append(find_places(self, one, taken))
            taken |= {(place.latents, place.index) for place in found[-1]}
        return found


def find_places(site: Site, wanted: Match, taken: set[tuple[str, int]]) -> list[ResolvedPlace]:
    """The pictures of a range whose keys look most like the marked place, best first.

    A found region lies as far from its key cell's corner as the marked one does, so only whole
    key cells are moved.

    Raises:
        PlanError: no picture of the range has a clear place.

    """
    ranked = [found for found in ranking(site, wanted) if found.clear]
    model = site.place(wanted.like)
    cell = _cell(site, model)
    places = []
    for found in ranked:
        if (wanted.like.latents, found.index) in taken:
            continue
        shift = (found.shift[0] * cell[0], found.shift[1] * cell[1])
        places.append(shifted(model, found.index, shift, found.score))
        if len(places) == wanted.top:
            break
    if not places:
        raise PlanError(
            "RD421",
            f"no image among {wanted.first}..{wanted.last} has a place like "
            f"{wanted.like.latents}[{wanted.like.index}]",
            "widen the range, or mark a clearer example",
        )
    return places


def locked_places(site: Site, wanted: Match, places: Sequence[LockedPlace]) -> list[ResolvedPlace]:
    """The places that a lock says, each with its score here.

    The score is for the record alone; what is solved does not depend on it.
    """
    model = site.place(wanted.like)
    search = build_match_filter(site, wanted.like)
    moved = [shifted(model, place.index, place.shift, None) for place in places]
    scores = match.score_map(site.inputs(moved).keys, search)
    cell = _cell(site, model)
    return [
        replace(place, score=match.score_at(one, search, _cells(locked.shift, cell)))
        for place, locked, one in zip(moved, places, scores, strict=True)
    ]


def _cell(site: Site, place: ResolvedPlace) -> tuple[int, int]:
    """(height, width) in pixels of a key cell."""
    (height, width), (rows, columns) = place.area.shape, site.facts.key_size
    return height // rows, width // columns


def _cells(shift: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    return shift[0] // cell[0], shift[1] // cell[1]


def ranking(site: Site, wanted: Match) -> list[match.Found]:
    """Every picture of a match's range by its best place, best first; excluded ones left out."""
    return match.best_places(_key_batches(site, wanted), build_match_filter(site, wanted.like))


def build_match_filter(site: Site, like: checked.Place) -> match.Filter:
    """The filter that looks for places like a marked one."""
    marked = site.place(like)
    inverse = inverse_root(site.moment)
    return match.build_filter(site.inputs([marked]), site.key_cover([marked])[0], inverse @ inverse)


def _key_batches(site: Site, wanted: Match) -> Iterator[tuple[list[int], Tensor]]:
    block = site.recipe.latents_named(wanted.like.latents)
    device = site.moment.device
    first = wanted.first
    size = site.generator.facts.latent_size
    count = wanted.last - wanted.first + 1
    batch = batch_size(site.generator.facts, MATCH_BATCH, [site.facts.name])
    for rows in latents.batches(block.seed, count, size, batch, start=wanted.first):
        numbers = list(range(first, first + len(rows)))
        first += len(rows)
        used = [place for place, number in enumerate(numbers) if number not in wanted.excluded]
        if used:
            inputs = site.generator.inputs(rows[used].to(device), [site.facts.name])
            yield [numbers[place] for place in used], inputs[site.facts.name].keys
