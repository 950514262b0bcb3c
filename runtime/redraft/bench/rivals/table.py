"""Each rival at the best of its settings, and at the change elsewhere that the rule has.

A stronger edit of any kind has more effect and changes more elsewhere, so effects are compared at
equal change elsewhere: a rival's change is scaled until its ``outside`` is the rule's. The setting
is chosen by amplitude on other pictures than it is judged on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from redraft.bench.cases import Case, Row, case_effect, judged_latents
from redraft.explain.words import silent
from redraft.judge.wish import Wish
from redraft.rivals.freely import Ablation, ProjectedGradient, Unranked
from redraft.rivals.projected_adam import ProjectedAdam
from redraft.runs.execute import wish_of_opened
from redraft.runs.rule import OpenRule, solve_rule
from redraft.runs.watch import Progress
from redraft.solve.delta import Delta
from redraft.solve.problem import Solver

CHOOSING, JUDGED = 100, 400
"""Pictures by which a setting is chosen, and others by which it is judged."""
STRENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Where the curve of the change elsewhere over strength is sampled."""
FIGURES = ("share", "amplitude", "outside", "pixel_share", "pixel_amplitude")


@dataclass(frozen=True)
class Pictures:
    """The yardstick of a rule: what it should do, on which pictures.

    Attributes:
        case: the rule.
        wish: what it should do.
        choosing: (N, latent_size) of the pictures by which settings are chosen.
        judged: (N, latent_size) of others, by which they are judged.

    """

    case: Case
    wish: Wish
    choosing: Tensor
    judged: Tensor

    @classmethod
    def of(cls, case: Case, choosing: int = CHOOSING, judged: int = JUDGED) -> Pictures:
        """The yardstick of a case."""
        rows = judged_latents(case, judged + choosing)
        everywhere = case.rule.model_copy(update={"paste": "each context"})
        with torch.no_grad():
            wish = wish_of_opened(case.session.model.generator, case.opened(everywhere))
        return cls(case, wish, rows[judged:], rows[:judged])

    def figures(self, delta: Delta, rows: Tensor) -> Row:
        """Share, amplitude and outside on some pictures; by the wish in pixels too, if known."""
        with torch.no_grad():
            effect = case_effect(self.case, delta, rows, self.wish)
        measured = {name: getattr(effect, name) for name in FIGURES}
        return {name: each.value for name, each in measured.items() if each is not None}

    def at_outside(self, delta: Delta, outside: float) -> float:
        """The strength at which a change alters as much elsewhere, on the choosing pictures.

        Between the strengths of a curve it is interpolated, beyond them it is extrapolated by the
        nearest.
        """
        curve = [
            (float(self.figures(delta.scaled(each), self.choosing)["outside"]), each)
            for each in STRENGTHS
        ]
        for (low, weak), (high, strong) in pairwise(curve):
            if low <= outside <= high and high > low:
                return weak + (strong - weak) * (outside - low) / (high - low)
        found, strength = curve[0] if outside < curve[0][0] else curve[-1]
        return strength * outside / max(found, 1e-12)


def settings_of(opened: OpenRule) -> Iterator[tuple[str, str, Solver]]:
    """Every rival, with six settings each: its name, the setting in words, and the method."""
    rates = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    for rate in rates:
        yield "one layer, no rank constraint", f"rate {rate:g}", Unranked(200, rate)
    for rate in rates:
        yield "projected Adam", f"rate {rate:g}", ProjectedAdam(200, rate)
    for rate in rates:
        yield "projected gradient only", f"rate {rate:g}", ProjectedGradient(200, rate)
    channels = opened.stages.setup.form.weight.shape[1]
    coverage = opened.placed.pastes.on_keys
    for units in (5, 10, 20, 30, 60, 90):
        if units < channels:
            yield "unit ablation", f"{units} units", Ablation(units, coverage)


def compare(
    case: Case,
    progress: Progress = silent,
    *,
    choosing: int = CHOOSING,
    judged: int = JUDGED,
) -> list[Row]:
    """The rule first, at its own settings; then each rival at its best, at the rule's outside.

    Rows have ``method``, ``setting``, ``strength`` and the figures.
    """
    pictures, opened = Pictures.of(case, choosing, judged), case.opened(case.rule)
    ours = solve_rule(opened).delta
    outside = float(pictures.figures(ours, pictures.choosing)["outside"])
    rows = [{"method": "the rule", "setting": "its own", "strength": 1.0,
             **pictures.figures(ours, pictures.judged)}]  # fmt: skip
    best: dict[str, tuple[float, str, float, Delta]] = {}
    tried = list(settings_of(opened))
    with torch.no_grad():
        problem, directions = opened.stages.problem, opened.stages.directions
    for number, (name, setting, method) in enumerate(tried):
        progress(f"{name}, {setting}", number, len(tried))
        with torch.no_grad():
            delta = case.delta(method(problem, directions))
        if delta.norm() == 0:
            continue
        strength = pictures.at_outside(delta, outside)
        found = pictures.figures(delta.scaled(strength), pictures.choosing)["amplitude"]
        if name not in best or found > best[name][0]:
            best[name] = (found, setting, strength, delta)
    for name, (_, setting, strength, delta) in best.items():
        figures = pictures.figures(delta.scaled(strength), pictures.judged)
        rows.append({"method": name, "setting": setting, "strength": strength, **figures})
    return rows
