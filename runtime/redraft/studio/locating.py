"""Every layer tried with a rule: figures of each, and a picture that shows it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from redraft.errors import CancelledError
from redraft.live.canvas import Canvas
from redraft.live.model import Model
from redraft.runs.locate import Candidate, Location
from redraft.studio.failing import said
from redraft.studio.follower import Say
from redraft.studio.web.frames import Pixels, frame, pixels_of
from redraft_dsl.recipe.model import Latents

SETTINGS = ("rank", "keep", "preserve")
OTHERS = 4
"""Other settings that are tried at the best layer, or one more."""


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        model: that is open.
        text: of the recipe, whole.
        rule: its name.
        folder: where the paths of the text start.
        latents: that the picture is of.
        image: which one is shown.
        lines: of the rule, by which it is known whether the rule has changed since.

    """

    model: Model
    text: str
    rule: str
    folder: Path
    latents: Latents
    image: int
    lines: tuple[str, ...]


class Locator:
    """Tries one rule at a time; the last result is sent to new tabs as well."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._cancel = threading.Event()
        self._lock = threading.Lock()
        self.last: list[dict[str, Any] | bytes] = []

    def stop(self) -> None:
        """Drop what is being tried."""
        self._cancel.set()

    def forget(self) -> None:
        """Another recipe is open."""
        self.stop()
        self.last = []

    def start(self, trial: Trial) -> None:
        """Try a rule at every layer, in a thread of its own; an earlier trial is dropped."""
        self._cancel.set()
        cancel = self._cancel = threading.Event()

        def task() -> None:
            with self._lock:  # the earlier one ends first
                self._work(trial, cancel)

        threading.Thread(target=task, name="redraft-locate", daemon=True).start()

    def _work(self, trial: Trial, cancel: threading.Event) -> None:
        about = {"event": "located", "rule": trial.rule, "lines": list(trial.lines)}

        # Every layer once, and then some other settings at the best of them.
        begun, most = 0, len(trial.model.layers) + OTHERS

        def progress(what: str, done: int, _: int) -> None:
            nonlocal begun
            begun += done == 0 and what.startswith(f"{trial.rule} at ")
            how = {"what": what.removeprefix(f"{trial.rule} at "), "done": begun, "total": most}
            self._say({**about, "busy": True, **how}, "locating")

        try:
            how = {"what": "every layer", "done": 0, "total": most}
            self._say({**about, "busy": True, **how}, "locating")
            found = trial.model.locate(
                trial.text, trial.rule, folder=trial.folder, progress=progress, cancel=cancel
            )
            best = _best(found)
            pictures = _pictures(trial, best)
        except CancelledError:
            self._say({**about, "stopped": True}, "locating")
        except Exception as error:
            self._say({**about, "failure": said(error)}, "locating")
        else:
            if not cancel.is_set():
                names = [each.layer for each in best]
                event = {**about, **_said(found, best), "image": trial.image}
                data = frame("layer", range(len(names)), pictures, {"layers": names})
                self.last = [data, event]
                self._say(data, "layers")
                self._say(event, "locating")


def _best(found: Location) -> list[Candidate]:
    """The best of each layer, in the order of the network."""
    layers = dict.fromkeys(each.layer for each in found.candidates)
    return [
        max((c for c in found.candidates if c.layer == layer), key=lambda c: c.score)
        for layer in layers
    ]


def _pictures(trial: Trial, best: Sequence[Candidate]) -> list[Pixels]:
    """The picture that is shown, with each of the candidates."""
    canvas = Canvas.of(trial.model.opened.generator)
    found = []
    for each in best:
        changes = () if each.change is None else (*each.before, each.change)
        parts = canvas.draw(trial.latents, [trial.image], changes)
        found += pixels_of(torch.cat([part.pictures for part in parts]))
    return found


def _said(found: Location, best: Sequence[Candidate]) -> dict[str, Any]:
    chosen = found.recommended
    return {
        "layers": [_candidate(each, found) for each in best],
        "recommended": None if chosen is None else _candidate(chosen, found),
        "reason": found.reason,
    }


def _candidate(each: Candidate, found: Location) -> dict[str, Any]:
    """A candidate: its figures, and the settings that are not the rule's own."""
    other = {
        name: f"{getattr(each.settings, name):g}"
        for name in SETTINGS
        if getattr(each.settings, name) != getattr(found.settings, name)
    }
    figures = {"gain": each.gain, "agreement": each.agreement, "side": each.side}
    about = {"layer": each.layer, "score": each.score, "problem": each.problem}
    return {**about, **figures, "settings": other}
