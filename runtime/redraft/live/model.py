"""A generator that is open: its layers, its pictures, and rules solved in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import torch
from torch import Tensor, nn

from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit
from redraft.errors import PlanError
from redraft.live.live import Live
from redraft.live.samples import Pictures
from redraft.live.texts import is_text, with_head
from redraft.memory.moments import Moment
from redraft.memory.places import ResolvedPlace
from redraft.models.batches import draw
from redraft.models.code.reference import TIMEOUT, code_at
from redraft.models.device import device_name
from redraft.models.hooked.described import Generator
from redraft.models.listed.catalog import TRUNCATING, known_models
from redraft.models.locate import Base, locate_named
from redraft.models.open import OpenModel, choose_device, open_base, open_described
from redraft.models.samplers import sampler_of
from redraft.plans.loading import recipe_of
from redraft.plans.planner import Plan, make_plan
from redraft.runs.execute import edit_of, solve_all
from redraft.runs.locate import Location, locate_rule
from redraft.runs.memo import MOST, Shared
from redraft.runs.session import Session, collect, moment_of, open_session, placed_rule
from redraft.runs.watch import Progress
from redraft_dsl import Checked, load, loads
from redraft_dsl.facts import LayerFacts
from redraft_dsl.recipe.model import Latents

SEED, COUNT = 1, 2000
"""The latents of a rule that is written without a recipe around it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A generator that is open. Make it with :meth:`open`.

    Rules are solved on a copy: ``module`` changes only where you apply an edit to it.

    Attributes:
        opened: the generator, and the file that it came from.
        cache: where statistics are cached.

    """

    opened: OpenModel
    cache: Cache

    def __repr__(self) -> str:
        facts = self.opened.base.facts
        height, width = facts.image_size
        layers = ", ".join(layer.name for layer in facts.layers)
        return f"<Model {self.name}: {facts.arch}, {width} x {height}, layers {layers}>"

    @classmethod
    def open(
        cls,
        source: str | Path | Generator,
        *,
        device: str | torch.device = "auto",
        generator: str | None = None,
        arch: str | None = None,
        weights_set: str | None = None,
        truncation: float = 1.0,
    ) -> Model:
        """Open a generator.

        Args:
            source: the name of a listed model, a checkpoint file, or a ``redraft.Generator``,
                which stays where it lies.
            device: auto, cpu, cuda or cuda:N, or a device of torch.
            generator: ``FILE.py:NAME``, the code that makes the module whose weights a file holds.
                It is run.
            arch: of a file that several architectures fit.
            weights_set: of a file that holds several, as ``weights-set`` in a recipe.
            truncation: of a model file, as in a recipe; 1 for none.

        Raises:
            ModelError: it cannot be found, fetched or recognised.
            PlanError: it has no truncation, or is a listed model, whose list says it.

        """
        if isinstance(source, Generator):
            return cls(open_described(source), Cache())
        chosen = choose_device(device_name(device))
        code = None if generator is None else code_at(generator, TIMEOUT)
        base = locate_named(str(source), generator=code, arch=arch, weights_set=weights_set)
        return cls(open_base(_truncated(base, truncation), chosen), Cache())

    @property
    def name(self) -> str:
        """As a recipe calls it."""
        return self.opened.base.name

    @property
    def module(self) -> nn.Module:
        """The generator itself, in evaluation mode."""
        return self.opened.generator.module

    @property
    def layers(self) -> tuple[LayerFacts, ...]:
        """The layers that can be edited, in the order of the network."""
        return self.opened.base.facts.layers

    def sample(
        self,
        numbers: int | Iterable[int] = 16,
        *,
        seed: int = SEED,
        edit: Edit | None = None,
        strength: float = 1.0,
    ) -> Pictures:
        """Pictures of the model as it is.

        Args:
            numbers: the images: a number of them, or which.
            seed: as in ``latents z { seed 1  count 2000 }``.
            edit: draw them with an edit, beside the originals.
            strength: of the edit.

        Raises:
            ModelError: the edit was not made for this model.

        """
        which = tuple(range(numbers) if isinstance(numbers, int) else numbers)
        block = Latents(name="z", seed=seed, count=max(which, default=0) + 1)
        rows = sampler_of(self.opened.generator).rows(block, which)
        drawn = self._draw(rows)
        if edit is None:
            return Pictures(drawn, which)
        generator = self.opened.generator
        present = {name: tensor.clone() for name, tensor in generator.state().items()}
        # The module's own names are not always those of the file, which an edit goes by.
        generator.restore({**present, **edit.choose(None, strength).edited(present)})
        try:
            return Pictures(self._draw(rows), which, drawn)
        finally:
            generator.restore(present)

    def statistics(
        self,
        layer: str,
        *,
        seed: int = SEED,
        count: int = COUNT,
        progress: Progress | None = None,
        cancel: Event | None = None,
    ) -> Moment:
        """The second moment of a layer's keys, from the cache if it is there.

        Args:
            layer: its name.
            seed: of the latents.
            count: how many images.
            progress: called with (what is being done, done, in all).
            cancel: set it to stop.

        Raises:
            PlanError: the model has no such layer.
            CancelledError: ``cancel`` was set.

        """
        text = f"zero counted at {layer} {{ context z[0] all }}"
        session = self._session(self._plan(text, None, seed, count), progress, cancel)
        with torch.no_grad():
            for step in session.plan.statistics:
                collect(session, step)
        return moment_of(session, session.plan.rules[0])

    def match(
        self,
        place: str,
        *,
        layer: str,
        top: int = 12,
        among: Sequence[int] | None = None,
        seed: int = SEED,
        count: int = COUNT,
        folder: str | Path | None = None,
        head: str = "",
        progress: Progress | None = None,
        cancel: Event | None = None,
    ) -> tuple[ResolvedPlace, ...]:
        """The images in which a layer sees most of what it sees in a marked place.

        Args:
            place: as in a recipe: ``"z[130] box(x 12..52, y 24..38)"``.
            layer: where keys are compared.
            top: how many images.
            among: the first and the last image to look at; by default all.
            seed: of the latents.
            count: how many images there are.
            folder: where the mask files of the place start; as in :meth:`solve`.
            head: lines that define regions which the place names.
            progress: called with (what is being done, done, in all).
            cancel: set it to stop.

        Returns:
            The best place of each image, best first; ``index``, ``score`` and ``box()`` of it.

        Raises:
            PlanError: the place or the layer is not there, or no image has a clear place.
            CancelledError: ``cancel`` was set.

        """
        first, last = (0, count - 1) if among is None else (among[0], among[-1])
        line = f"context like {place} top {top} among {first}..{last}"
        text = f"{head}zero found at {layer} {{ {line} }}"
        session = self._session(self._plan(text, folder, seed, count), progress, cancel)
        with torch.no_grad():
            for step in session.plan.statistics:
                collect(session, step)
            placed = placed_rule(session, session.plan.rules[0])
        by_score = sorted(placed.contexts, key=lambda each: -(each.score or 0.0))
        return tuple(by_score)

    def locate(
        self,
        recipe: str | Path | Checked,
        rule: str,
        *,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        cancel: Event | None = None,
    ) -> Location:
        """Try a rule at every layer of the model, with its own settings and with others.

        Args:
            recipe: as in :meth:`solve`.
            rule: the name of one of its rules.
            folder: where the paths of a text start; as in :meth:`solve`.
            progress: called with (what is being done, done, in all).
            cancel: set it to stop.

        Returns:
            All that was tried, with gain, agreement and side effect on contexts that were left
            out, and what is recommended.

        Raises:
            CheckFailedError: the recipe has errors, or is about another model.
            PlanError: there is no such rule, it is not one that is solved, or has too few contexts.
            CancelledError: ``cancel`` was set.

        """
        plan = self._plan(recipe, folder)
        generator = copy.deepcopy(self.opened.generator)
        generator.restore(self.opened.state.bare())
        shared = Shared.of(replace(self.opened, base=plan.base, generator=generator), MOST)
        return locate_rule(
            plan,
            rule,
            device=str(self.opened.device),
            cache=self.cache,
            progress=progress,
            cancel=cancel,
            shared=shared,
        )

    def solve(
        self,
        recipe: str | Path | Checked,
        *,
        folder: str | Path | None = None,
        progress: Progress | None = None,
        cancel: Event | None = None,
    ) -> Edit:
        """Solve a recipe, or rules alone, in memory; nothing is written but statistics.

        The edit is that of a run, bit for bit. Left-out figures and the effect on new pictures are
        measured by :func:`redraft.run` alone.

        Args:
            recipe: the text or the file of a recipe, or rules without the lines above them.
            folder: where the paths of a text start; by default beside the model's file, or here
                for a listed model.
            progress: called with (what is being done, done, in all).
            cancel: set it to stop.

        Raises:
            CheckFailedError: the recipe has errors, or is about another model.
            RunError: a rule cannot be solved.
            CancelledError: ``cancel`` was set.

        """
        session = self._session(self._plan(recipe, folder), progress, cancel)
        solve_all(session, evaluate=False)
        return edit_of(session)

    def live(
        self,
        recipe: str | Path,
        *,
        numbers: Iterable[int] = range(16),
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Live:
        """Hold a recipe, or rules alone, open; the arguments are those of ``redraft.Live``."""
        where = self._folder(folder)
        if is_text(recipe):
            recipe = with_head(str(recipe), self.opened.base, where, SEED, COUNT)
        return Live(
            recipe,
            numbers=numbers,
            device=self.opened.device,
            folder=where,
            cache=self.cache,
            progress=progress,
            opened=self.opened,
            generator=self.opened.base.given or self.opened.base.code,
        )

    def _draw(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return draw(self.opened.generator, rows)

    def _plan(
        self,
        recipe: str | Path | Checked,
        folder: str | Path | None,
        seed: int = SEED,
        count: int = COUNT,
    ) -> Plan:
        known, where = known_models(), self._folder(folder)
        if isinstance(recipe, Checked):
            checked, where = recipe, Path(recipe.source.path).parent
        elif is_text(recipe):
            text = with_head(str(recipe), self.opened.base, where, seed, count)
            checked = loads(text, known, folder=where)
        else:
            checked, where = load(recipe, known), Path(recipe).parent
        device = str(self.opened.device)
        base = self.opened.base
        plan = make_plan(
            checked, where, device=device, cache=self.cache, generator=base.given or base.code
        )
        if plan.base.identity != base.identity:
            raise PlanError(
                "RD405",
                f"the recipe is about the model `{recipe_of(checked).model.name}`, "
                f"and this one is `{self.name}`",
                "open that model, or name this one in the recipe",
            )
        return plan

    def _folder(self, folder: str | Path | None) -> Path:
        if folder is not None:
            return Path(folder)
        base = self.opened.base
        return Path() if base.name in known_models().listed else base.path.parent

    def _session(self, plan: Plan, progress: Progress | None, cancel: Event | None) -> Session:
        generator = copy.deepcopy(self.opened.generator)
        generator.restore(self.opened.state.bare())
        lent = Shared.of(replace(self.opened, base=plan.base, generator=generator))
        return open_session(plan, self.opened.device, self.cache, progress, lent, cancel=cancel)


def _truncated(base: Base, truncation: float) -> Base:
    """A model file with a truncation.

    Raises:
        PlanError: it cannot have this one.

    """
    if truncation == 1:
        return base
    listed = base.name in known_models().listed
    if listed or base.facts.arch not in TRUNCATING or not 0 <= truncation <= 1:
        able = " and ".join(TRUNCATING)
        raise PlanError(
            "RD684",
            f"`{base.name}` cannot be opened with truncation {truncation:g}",
            f"truncation is from 0 to 1, for model files of {able}",
        )
    return replace(base, truncation=truncation)
