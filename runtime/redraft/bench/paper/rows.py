"""The rows of an experiment: each method at the best of its settings, at equal change elsewhere.

A stronger change of any kind does more of what is asked for and of all else. So a method's strength
is set until its change elsewhere, on the choosing pictures, is that of the rule as its recipe has
it; the setting with the most effect there is then judged on other pictures, also at half of that
change elsewhere and at twice as much. Rows are cached by all that they depend on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from redraft.bench.paper.ground import Figures, Ground, Stand
from redraft.bench.paper.methods import Method, Trial, methods
from redraft.disk.cache import Cache
from redraft.errors import RunError
from redraft.judge.intervals import Interval
from redraft.rivals.changes import Change
from redraft.solve import VERSIONS

VERSION = 1
"""Of what rows hold and of how they come about."""
FACTORS = (0.5, 1.0, 2.0)
"""At which changes elsewhere, in units of the reference's, methods are judged."""
SHOWN = 8
"""Pictures of a row."""
CLEAR = 40
"""Fewest pixels that the right answer changes in a picture of the village that is shown."""
CLOSE = 0.05
"""How near, as a share, a change elsewhere is brought to the one that is asked for."""
ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """What came of one method.

    Attributes:
        method: its name.
        setting: the best of its settings, in words.
        strength: at which it is judged.
        tried: how many settings were tried.
        seconds: for all of it.
        figures: measures on the judged pictures.
        curve: change elsewhere, and effect, at each of ``FACTORS``.
        missing: why there are none; "" where there are.
        pictures: (SHOWN, 3, H, W) in -1..1; None where there are none.

    """

    method: str
    setting: str = ""
    strength: float = 0.0
    tried: int = 0
    seconds: float = 0.0
    figures: dict[str, Any] | None = None
    curve: tuple[tuple[float, float], ...] = ()
    missing: str = ""
    pictures: Tensor | None = None

    @property
    def effect(self) -> float:
        """What rows are compared by; minus infinity where there is none."""
        return self.curve[len(self.curve) // 2][1] if self.curve else -math.inf


@dataclass(frozen=True)
class _Best:
    trial: Trial
    change: Change
    strength: float
    effect: float


def rows_of(
    ground: Ground, cache: Cache, progress: Callable[[str, int, int], None]
) -> Iterator[Row]:
    """Every method of an experiment, the rule first."""
    every = methods(ground)
    reference: float | None = None
    for number, method in enumerate(every):
        progress(f"{ground.experiment.name}: {method.name}", number, len(every))
        fields = _fields(ground, method)
        stored = cache.get("paper", fields)
        if stored is not None:
            row, found = _unpacked(method, stored)
        else:
            row, found = _made(ground, method, reference)
            if not row.missing or method.missing:
                cache.put("paper", fields, _packed(row, found))
        reference = found if reference is None else reference
        yield row


def _fields(ground: Ground, method: Method) -> dict[str, Any]:
    """What a row depends on."""
    return {
        "version": VERSION,
        "solvers": VERSIONS,
        "rule": ground.step.digest,
        "base": ground.session.plan.base.sha256,
        "answer": ground.experiment.answer,
        "clean": ground.experiment.clean,
        "budget": asdict(ground.budget),
        "method": method.name,
        "settings": [trial.setting for trial in method.trials],
        "missing": method.missing,
        "torch": torch.__version__,
    }


def _made(ground: Ground, method: Method, reference: float | None) -> tuple[Row, float]:
    """A row, and its change elsewhere on the choosing pictures."""
    if method.missing:
        return Row(method.name, missing=method.missing), 0.0
    started = time.perf_counter()
    best: _Best | None = None
    reason = "no setting changes anything"
    for trial in method.trials:
        try:
            found = _tried(ground.choosing, trial, reference)
        except RunError as error:
            reason = error.message
            continue
        if found is not None and (best is None or found.effect > best.effect):
            best = found
    if best is None:
        return Row(method.name, missing=reason, tried=len(method.trials)), 0.0
    outside = reference
    if outside is None:
        pictures = best.change(ground.choosing.subject, best.strength)
        outside = ground.choosing.outside(pictures)
    figures, pictures = ground.judged.figures(best.change, best.strength)
    curve = [(ground.judged.outside(pictures), ground.judged.effect(pictures))]
    for factor in FACTORS:
        if factor != 1:
            strength = matched(best.change, ground.choosing, factor * outside, best.strength)
            there = best.change(ground.judged.subject, strength)
            point = (ground.judged.outside(there), ground.judged.effect(there))
            curve.insert(0 if factor < 1 else len(curve), point)
    row = Row(
        method=method.name,
        setting=best.trial.setting,
        strength=best.strength,
        tried=len(method.trials),
        seconds=time.perf_counter() - started,
        figures=_plain(figures),
        curve=tuple(curve),
        pictures=pictures[shown(ground.judged)],
    )
    return row, outside


def _tried(stand: Stand, trial: Trial, outside: float | None) -> _Best | None:
    change = trial.fit()
    strength = 1.0 if outside is None else matched(change, stand, outside)
    if strength == 0:
        return None
    effect = stand.effect(change(stand.subject, strength))
    return None if math.isnan(effect) else _Best(trial, change, strength, effect)


def matched(change: Change, stand: Stand, outside: float, first: float = 1.0) -> float:
    """The strength at which a change alters as much elsewhere; 0 where it alters nothing.

    Found by steps along the curve, on logarithms, since most methods follow a power of strength.
    """
    strength, slope = min(first, change.most), 1.0
    before: tuple[float, float] | None = None
    for _ in range(ROUNDS):
        found = stand.outside(change(stand.subject, strength))
        if not found > 0 or math.isinf(found):
            return 0.0
        miss = math.log(outside / found)
        if abs(miss) <= CLOSE:
            break
        if before is not None and before[0] != math.log(strength):
            slope = (math.log(found) - before[1]) / (math.log(strength) - before[0])
        before = (math.log(strength), math.log(found))
        following = strength * math.exp(miss / min(max(slope, 0.3), 3.0))
        following = min(following, change.most)
        if following == strength:
            break
        strength = following
    return strength


def shown(stand: Stand) -> list[int]:
    """The judged pictures that a row shows: the first in which there is something to change."""
    rows = range(len(stand.subject.before))
    if stand.village is not None:
        counts = stand.village.changed.sum((1, 2))
        return [row for row in rows if counts[row] >= CLEAR][:SHOWN]
    return list(rows)[:SHOWN]


def _plain(figures: Figures) -> dict[str, Any]:
    """Figures as JSON holds them: a number, or a number with both ends of its interval."""
    return {
        name: [each.value, each.low, each.high] if isinstance(each, Interval) else each
        for name, each in figures.items()
    }


def _packed(row: Row, outside: float) -> dict[str, Tensor]:
    fields = {name: value for name, value in vars(row).items() if name != "pictures"}
    text = json.dumps({**fields, "reference": outside}).encode()
    found = {"row": torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    if row.pictures is not None:
        found["pictures"] = ((row.pictures.clamp(-1, 1) + 1) * 127.5).round().byte()
    return found


def _unpacked(method: Method, stored: dict[str, Tensor]) -> tuple[Row, float]:
    fields = json.loads(bytes(stored["row"].tolist()))
    reference = float(fields.pop("reference"))
    pictures = stored["pictures"].float() / 127.5 - 1 if "pictures" in stored else None
    curve = tuple((float(x), float(y)) for x, y in fields.pop("curve"))
    return Row(**{**fields, "method": method.name, "curve": curve}, pictures=pictures), reference
