"""A recipe held open: a change of its text is answered by a preview, and then by the edit itself.

The text is the truth: a change is a change of the text, and an answer depends on the text alone. A
preview may begin at the last solution and stop early. The settled edit may not: it is made by the
stages that a run goes through, from the same things, so its bits are those of a run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType

import torch

from redraft.disk.cache import Cache
from redraft.edit.artifact import Edit
from redraft.errors import CancelledError
from redraft.judge.leftout import LeftOut
from redraft.live.answer import Answer, Shown
from redraft.live.canvas import Canvas
from redraft.live.preview import preview
from redraft.models.code.given import given
from redraft.models.code.reference import Code
from redraft.models.device import device_name
from redraft.models.generator import Generator
from redraft.models.hooked.described import Generator as Described
from redraft.models.hooked.memory import InMemory
from redraft.models.listed.catalog import known_models
from redraft.models.locate import Base, locate
from redraft.models.open import OpenModel, choose_device
from redraft.plans.loading import recipe_of
from redraft.plans.planner import Plan, RuleStep, StatisticsStep, make_plan
from redraft.plans.record import RuleRecord
from redraft.runs.execute import edit_of, goal_pictures, left_out_of, solve_step
from redraft.runs.memo import MOST, Shared
from redraft.runs.rule import solve_rule
from redraft.runs.session import (
    Session,
    apply_delta,
    collect,
    open_session,
    opened_rule,
    restore_base,
)
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta
from redraft_dsl import Checked, loads
from redraft_dsl.recipe.model import Model as RecipeModel
from redraft_dsl.syntax.edit import Change
from redraft_dsl.syntax.edit import edit as edited


class Live:
    """A recipe held open in memory. Use it in a ``with`` block, or close it.

    Args:
        recipe: the text of a recipe, or the path of one.
        numbers: the images of the recipe's first latents that are shown.
        device: auto, cpu, cuda or cuda:N, or a device of torch.
        folder: where the paths of a text start; those of a file start beside it.
        cache: where statistics are cached.
        progress: called with how far statistics are.
        opened: the recipe's model, where it is open already; a copy of it is edited.
        generator: for a model of `arch module`, a ``redraft.Generator``, or ``FILE.py:NAME``, which
            is then run.

    Raises:
        ModelError: the device is not there.
        OSError: the file cannot be read.

    """

    def __init__(
        self,
        recipe: str | Path,
        *,
        numbers: Iterable[int] = range(16),
        device: str | torch.device = "auto",
        folder: str | Path = ".",
        cache: Cache | None = None,
        progress: Progress | None = None,
        opened: OpenModel | None = None,
        generator: str | Described | Code | InMemory | None = None,
    ) -> None:
        is_text = isinstance(recipe, str) and "\n" in recipe
        self.path = None if is_text else Path(recipe)
        text = str(recipe) if self.path is None else self.path.read_text("utf-8")
        self._folder = Path(folder) if self.path is None else self.path.parent
        # A module in memory stays as it is: what is shown is a copy.
        known = given(generator)
        named = known.copied() if isinstance(known, InMemory) else known
        self._worker = _Worker(
            self._folder, device_name(device), cache or Cache(), progress, _lent(opened), named
        )
        self._numbers = tuple(numbers)
        self._answer = Answer(text, self._numbers)
        self._worker.ask(self._answer)

    @property
    def text(self) -> str:
        """The recipe's text."""
        return self._answer.text

    @property
    def answer(self) -> Answer:
        """The answer to the present text."""
        return self._answer

    def change(self, change: Change | str) -> Answer:
        """Change the text, by one of the changes of ``redraft_dsl.syntax.edit`` or wholly.

        The answer to the text before is dropped, wherever it was.

        Raises:
            NoSuchPartError: the text has no such part.

        """
        text = change if isinstance(change, str) else edited(self.text, change)
        return self._ask(text, self._numbers)

    def see(self, numbers: Iterable[int]) -> Answer:
        """Show other images."""
        return self._ask(self.text, tuple(numbers))

    def canvas(self) -> Canvas:
        """What pictures are drawn with, once the model is open. Read it, and no more.

        Raises:
            LookupError: no model is open yet.

        """
        return self._worker.canvas()

    def close(self) -> None:
        """Stop whatever is being computed, and give the memory back."""
        self._answer.cancelled.set()
        self._worker.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, text: str, numbers: tuple[int, ...]) -> Answer:
        before, self._numbers = self._answer, numbers
        self._answer = Answer(text, numbers)
        before.cancelled.set()
        self._worker.ask(self._answer)
        return self._answer


@dataclass(frozen=True)
class _Scene:
    """A model that is open, and the canvas that it is drawn on."""

    model: RecipeModel
    base: Base
    opened: OpenModel
    canvas: Canvas


class _Worker:
    """One thread that answers the latest request, and drops all others."""

    def __init__(
        self,
        folder: Path,
        device: str,
        cache: Cache,
        progress: Progress | None,
        shared: Shared,
        generator: Code | InMemory | None,
    ) -> None:
        self._folder = folder
        self._generator = generator
        self._device = device
        self._cache = cache
        self._progress = progress
        self._known = known_models()
        self._shared = shared
        self._scene: _Scene | None = None
        self._last: dict[str, Delta] = {}
        self._condition = Condition()
        self._next: Answer | None = None
        self._answering: Answer | None = None
        self._closed = False
        self._thread = Thread(target=self._work, name="redraft-live", daemon=True)
        self._thread.start()

    def ask(self, answer: Answer) -> None:
        """Answer this one next."""
        with self._condition:
            if self._next is not None:
                self._next.fail(_superseded())
            self._next = answer
            self._condition.notify()

    def canvas(self) -> Canvas:
        """Of the model that is open."""
        if self._scene is None:
            raise LookupError("no model is open yet")
        return self._scene.canvas

    def close(self) -> None:
        """Finish; what is being computed is dropped."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._next is not None)
                answer, self._next = self._next, None
                if self._closed:
                    if answer is not None:
                        answer.fail(_superseded())
                    return
            assert answer is not None
            self._answering = answer
            try:
                self._respond(answer)
            except CancelledError:
                answer.fail(_superseded())
            except Exception as error:
                answer.fail(error)

    # ---- answering ------------------------------------------------------------------------------

    def _respond(self, answer: Answer) -> None:
        checked = loads(answer.text, self._known, folder=self._folder)
        answer.check(checked)
        session, canvas = self._session(answer, checked)
        edit = self._solve(answer, session, canvas)
        answer.settle(edit, session.placed)
        answer.judge(_figures(session))
        answer.measure(_records(session))

    def _session(self, answer: Answer, checked: Checked) -> tuple[Session, Canvas]:
        model = recipe_of(checked).model
        scene = self._scene
        base = scene.base if scene is not None and scene.model == model else None
        base = base or locate(model, self._folder, generator=self._generator)
        plan = make_plan(checked, self._folder, device=self._device, cache=self._cache, base=base)
        session = open_session(
            plan,
            choose_device(self._device),
            self._cache,
            self._progress,
            self._shared,
            cancel=answer.cancelled,
        )
        if scene is None or scene.opened is not session.model:
            self._last = {}
            canvas = Canvas.of(session.model.generator)
            self._interrupt(session.model.generator)
            self._scene = scene = _Scene(model, base, session.model, canvas)
        return session, scene.canvas

    def _interrupt(self, generator: Generator) -> None:
        """Have a forward pass end between two modules once its answer is dropped.

        Judging draws hundreds of pictures at once; a moving slider would wait for all of them.
        """

        def check(*_: object) -> None:
            if self._answering is not None and self._answering.cancelled.is_set():
                raise _superseded()

        for module in generator.module.modules():
            module.register_forward_pre_hook(check)

    def _solve(self, answer: Answer, session: Session, canvas: Canvas) -> Edit:
        """Solve every rule; show what it will look like wherever one was not solved before."""
        for step in session.plan.steps:
            if isinstance(step, StatisticsStep):
                collect(session, step)
                continue
            answer.rule = step.rule.name
            rough = self._preview(session, step)
            if rough is not None:
                _show(answer, session.plan, canvas, rough, settled=False)
            if step is session.plan.rules[-1]:
                # What will be the edit is drawn before anything is recorded of it.
                solved = solve_rule(opened_rule(session, step))
                changes = [*(done.delta for done in session.finished), solved.delta]
                _show(answer, session.plan, canvas, changes, settled=True)
            done = solve_step(session, step, evaluate=False)
            session.finished.append(done)
            strength = step.rule.strength
            if strength:
                self._last[step.rule.name] = done.delta.scaled(1 / strength)
        answer.rule = None
        return edit_of(session)

    def _preview(self, session: Session, step: RuleStep) -> list[Delta] | None:
        """All changes as they are known now; None where this rule's is known exactly."""
        opened = opened_rule(session, step)
        if opened.stages.holds("solution"):
            return None
        known = self._last.get(step.rule.name)
        # What was solved at another layer is of other keys and values: no start for this one.
        here = known is not None and known.layer == step.facts.name
        rule = preview(opened, known if here else None)
        if rule is None:
            return None
        changes = [*(done.delta for done in session.finished), rule]
        for later in session.plan.rules[len(changes) :]:
            last = self._last.get(later.rule.name)
            if last is not None and last.layer == later.facts.name:
                changes.append(last.scaled(later.rule.strength))
        return changes


def _show(
    answer: Answer, plan: Plan, canvas: Canvas, changes: Iterable[Delta], *, settled: bool
) -> None:
    block = plan.recipe.latents[0]
    for drawn in canvas.draw(block, answer.numbers, tuple(changes)):
        numbers = tuple(answer.numbers[row] for row in drawn.rows)
        answer.show(Shown(numbers, drawn.pictures, settled))
        if answer.cancelled.is_set():
            raise _superseded()


def _figures(session: Session) -> dict[str, LeftOut | None]:
    """The left-out figures of every rule, each on the network that it was solved on."""
    restore_base(session)
    found: dict[str, LeftOut | None] = {}
    for step, done in zip(session.plan.rules, session.finished, strict=True):
        opened = opened_rule(session, step)
        drawn = partial(goal_pictures, session, step, opened)
        found[step.rule.name] = left_out_of(session, step, solve_rule(opened), drawn).left_out
        apply_delta(session, step, done.delta)
    return found


def _records(session: Session) -> tuple[RuleRecord, ...]:
    """What a run records of every rule, its effect on new pictures included."""
    restore_base(session)
    session.finished.clear()
    for step in session.plan.rules:
        session.finished.append(solve_step(session, step))
    return tuple(done.record for done in session.finished)


def _lent(opened: OpenModel | None) -> Shared:
    """What all answers share, with a copy of a model that is open already."""
    if opened is None:
        return Shared(MOST)
    generator = copy.deepcopy(opened.generator)
    generator.restore(opened.state.bare())
    return Shared.of(replace(opened, generator=generator), MOST)


def _superseded() -> CancelledError:
    return CancelledError("another change took the place of this one")
