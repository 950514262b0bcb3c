"""The one state that all tabs share: a recipe's text, and what has been computed of it."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redraft.disk import files
from redraft.errors import ModelError, PlanError
from redraft.explain.failure import failure_of
from redraft.live.model import Model
from redraft.models.listed.catalog import known_models
from redraft.studio.document import Document
from redraft.studio.follower import Follower, Wanted
from redraft.studio.gallery import Gallery, listed_models
from redraft.studio.numbers import in_short, numbers_in
from redraft.studio.opening import first_text, model_of, open_model
from redraft.studio.view import Scene, is_unfinished, problems_of, rules_of, scene_of
from redraft.studio.web.confine import MODELS, RECIPE, files_in, inside
from redraft.studio.web.frames import Pixels, frame
from redraft.studio.web.hub import Box, Hub
from redraft_dsl import Checked, loads
from redraft_dsl.check.resolve import resolve_all
from redraft_dsl.files import path_fault
from redraft_dsl.recipe.model import Latents
from redraft_dsl.recipe.model import Model as RecipeModel
from redraft_dsl.syntax import tree as s

FIRST_SHEET = 32
"""Images on the first sheet."""


@dataclass(frozen=True)
class Snapshot:
    """A text and its pictures, set aside."""

    number: int
    text: str
    numbers: tuple[int, ...]
    pictures: tuple[Pixels, ...]


class Session:
    """Everything that is open. Its methods run in one thread, one after another.

    Args:
        folder: that files are opened and saved in.
        device: to compute on.

    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.folder = folder.resolve()
        self.hub = Hub()
        self.follower = Follower(self.hub.say)
        self.gallery = Gallery(self.hub.say)
        self.document: Document | None = None
        self.numbers: tuple[int, ...] = tuple(range(FIRST_SHEET))
        self.snapshots: list[Snapshot] = []
        self.model: Model | None = None
        self.checked: Checked | None = None
        self.scene = Scene(None, None, None)
        self._device = device
        self.known = known_models()
        self._stale = False
        self._model_of: RecipeModel | None = None
        self._opening: RecipeModel | None = None
        self._refused: dict[str, Any] | None = None
        self._desk = ThreadPoolExecutor(1, "redraft-desk")
        self._home: Path | None = None
        self._count = 0

    # ---- working ------------------------------------------------------------------------------

    @property
    def desk(self) -> ThreadPoolExecutor:
        """The thread that everything here runs in."""
        return self._desk

    def close(self) -> None:
        """End everything that is being computed."""
        self._desk.shutdown(wait=False, cancel_futures=True)
        self.gallery.close()
        self.follower.close()

    @property
    def home(self) -> Path:
        """Where the paths of the recipe start."""
        path = self.document.path if self.document is not None else None
        return self.folder if path is None else path.parent

    def need(self) -> Document:
        """The recipe that is open; raises PlanError where there is none."""
        if self.document is None:
            raise PlanError("RD815", "no recipe is open", "choose a model, or open a recipe")
        return self.document

    def latents(self) -> Latents:
        """The first latents of the text."""
        if self.scene.latents is None:
            raise PlanError("RD816", "the text does not say which images there are",
                            "add `latents z { seed 1  count 2000 }`")  # fmt: skip
        return self.scene.latents

    # ---- opening ------------------------------------------------------------------------------

    def open(self, document: Document) -> None:
        """Work on another recipe."""
        self.follower.stop()
        self.gallery.stop()
        self.document, self.snapshots, self._refused = document, [], None
        self.numbers = tuple(range(FIRST_SHEET))
        self.hub.forget()
        self._home = None
        self.refresh()
        self.show_originals()

    def begin(self, name: str) -> None:
        """Begin a recipe for a model of the list, or for a model file of the folder."""
        path = None
        if name not in self.known.listed:
            path = inside(self.folder, name, MODELS)
            if not path.is_file():
                raise ModelError("RD636", f"there is no file {name}", "check the path")
        self.open(Document(first_text(name, self.folder, path)))

    def leave(self, *, drop: bool) -> None:
        """Back to the choice of a model."""
        if self.document is not None and self.document.is_changed and not drop:
            raise PlanError(
                "RD817", "the recipe has changes that are not saved", "save it, or leave them"
            )
        self.follower.stop()
        self.gallery.stop()
        self.document, self.checked, self.snapshots = None, None, []
        self.hub.forget()
        self.say_state()

    # ---- following the text -------------------------------------------------------------------

    def refresh_soon(self) -> None:
        """The same, once the requests that wait already are done: a slider sends many."""
        self._stale = True
        self._desk.submit(self.catch_up)

    def catch_up(self) -> None:
        """Follow the text now, where that was put off."""
        if self._stale and self.document is not None:
            self.refresh()

    def refresh(self) -> None:
        """The text is another: check it, show it, and follow it with pictures."""
        document = self.need()
        self._stale = False
        facts = self.model.opened.base.facts if self.model is not None else None
        path = document.path or self.folder / f"untitled{RECIPE}"
        self.checked = loads(
            document.text, self.known, folder=self.home, path=path.name, facts=facts
        )
        self.scene = scene_of(self.checked, self.known, facts)
        wanted = model_of(self.checked)
        if wanted is not None and wanted != self._model_of:
            self._open_model(wanted)
        self._fit_numbers()
        self.say_state()
        self.ask()

    def _fit_numbers(self) -> None:
        count = self.scene.latents.count if self.scene.latents else FIRST_SHEET
        fitting = tuple(each for each in self.numbers if each < count)
        self.numbers = fitting or tuple(range(min(FIRST_SHEET, count)))

    def ask(self) -> None:
        """Ask for pictures of the text as it is, where it can be solved."""
        document, checked = self.need(), self.checked
        if self.model is None or self._opening is not None or checked is None:
            return
        if self._home != self.home:
            self._home = self.home
            self.follower.open(self.model, self.home)
        if checked.recipe is not None and checked.recipe.rules:
            self.follower.ask(Wanted(document.text, self.numbers, document.revision))
            return
        wrong = any(not is_unfinished(each) for each in checked.errors)
        event = "mistake" if wrong else "unfinished"
        plain = not any(not rule["off"] for rule in rules_of(checked, self.scene, self.home))
        if plain and not wrong:
            self.follower.forget()
        self.hub.say(
            {"event": event, "revision": document.revision, "plain": plain and not wrong}, "status"
        )

    def _open_model(self, wanted: RecipeModel) -> None:
        """Open a model in a thread of its own; the text can be changed meanwhile."""
        if self._opening == wanted:
            return
        self._opening, home, device = wanted, self.home, self._device
        self.hub.say({"event": "opening", "model": wanted.name}, "status")

        def work() -> None:
            try:
                model: Model | Exception = open_model(wanted, home, device)
            except Exception as error:
                model = error
            self._desk.submit(self._model_is_open, wanted, model)

        threading.Thread(target=work, name="redraft-opening", daemon=True).start()

    def _model_is_open(self, wanted: RecipeModel, model: Model | Exception) -> None:
        if self._opening != wanted or self.document is None:
            return
        self._opening = None
        if isinstance(model, Exception):
            failure = failure_of(model)
            self._refused = {
                "code": failure.code, "message": failure.message, "help": failure.help
            }  # fmt: skip
            self.hub.say({"event": "failed", **self._refused}, "status")
            self._model_of = wanted  # until the text names another one
            self.say_state()
            return
        self.model, self._model_of, self._refused = model, wanted, None
        self.gallery.show(model)
        self._home = None
        self.refresh()
        self.show_originals()

    def show_originals(self) -> None:
        """Send the originals of the sheet."""
        if self.scene.latents is not None and self.model is not None:
            self.gallery.originals(self.scene.latents.seed, self.numbers)

    def look(self, text: str) -> None:
        """Show other images."""
        self.numbers = numbers_in(text, self.latents().count)
        self.say_state()
        self.show_originals()
        self.ask()

    # ---- telling ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What a page shows beside pictures and figures."""
        document, checked = self.document, self.checked
        about: dict[str, Any] = {"event": "state", "folder": self.folder.name or "/"}
        if document is None or checked is None:
            return {**about, "open": False}
        facts = self.model.opened.base.facts if self.model is not None else self.scene.facts
        path = document.path
        return {
            **about,
            "open": True,
            "revision": document.revision,
            "text": document.text,
            "path": None if path is None else path.relative_to(self.folder).as_posix(),
            "changed": document.is_changed,
            "history": document.history,
            "numbers": in_short(self.numbers),
            "shown": list(self.numbers),
            "rules": rules_of(checked, self.scene, self.home),
            "problems": problems_of(checked),
            "holds": checked.recipe is not None,
            "model": self._about_model(facts),
            "latents": None
            if self.scene.latents is None
            else {"name": self.scene.latents.name, "count": self.scene.latents.count},
            "snapshots": [{"number": each.number, "text": each.text} for each in self.snapshots],
            "refused": self._refused,
        }

    def _about_model(self, facts: Any) -> dict[str, Any]:
        name = self.scene.model.name.text if self.scene.model is not None else ""
        if facts is None:
            return {"name": name, "open": False, "layers": []}
        height, width = facts.image_size
        layers = [
            {"name": each.name, "keys": list(each.key_size)}
            for each in facts.layers
        ]  # fmt: skip
        is_open = self.model is not None and self._opening is None
        return {"name": name, "open": is_open, "height": height, "width": width, "layers": layers}

    def say_state(self) -> None:
        """Send the state to every tab."""
        self.hub.say(self.state(), "state")

    def welcome(self, box: Box) -> None:
        """Send a new tab everything that is known."""
        box.put(json.dumps(self.state()), "state")
        self.hub.join(box)
        self.show_originals()
        shown = self.follower.latest
        numbers = [each for each in self.numbers if each in shown]
        if numbers:
            pictures = [shown[each] for each in numbers]
            box.put(frame("after", numbers, pictures, {"settled": True}), "after all")
        for each in self.snapshots:
            box.put(_snapshot_frame(each), f"snapshot {each.number}")

    # ---- snapshots ----------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Set the present text and pictures aside; gives the snapshot's number."""
        document, shown = self.need(), self.follower.latest
        numbers = tuple(each for each in self.numbers if each in shown)
        self._count += 1
        pictures = tuple(copy.copy(shown[each]) for each in numbers)
        made = Snapshot(self._count, document.text, numbers, pictures)
        self.snapshots.append(made)
        self.hub.say(_snapshot_frame(made), f"snapshot {made.number}")
        self.say_state()
        return made.number

    def forget(self, number: int) -> None:
        """Drop a snapshot."""
        self.snapshots = [each for each in self.snapshots if each.number != number]
        self.say_state()

    def snapshot_of(self, number: int) -> Snapshot:
        """A snapshot by its number."""
        for each in self.snapshots:
            if each.number == number:
                return each
        raise PlanError("RD818", f"there is no snapshot {number}", "choose one of the list")

    # ---- files --------------------------------------------------------------------------------

    def save(self, name: str) -> str:
        """Write the recipe; gives its path."""
        document = self.need()
        path = inside(self.folder, name) if name else None
        before = self.home
        if path is not None and self.checked is not None:
            _bring_masks(self.checked, before, path.parent)
        document.save(path)
        assert document.path is not None
        if self.home != before:
            self.refresh()
        self.say_state()
        return document.path.relative_to(self.folder).as_posix()

    def cards(self) -> dict[str, Any]:
        """The models, and the recipes and model files of the folder."""
        self.gallery.cards()
        return {
            "models": listed_models(),
            "recipes": files_in(self.folder),
            "files": files_in(self.folder, MODELS),
        }

    def later(self, work: Callable[[], dict[str, Any]], event: str) -> None:
        """Do something that takes long in a thread of its own, and tell all tabs how it went."""

        def task() -> None:
            try:
                self.hub.say({"event": event, **work()}, event)
            except Exception as error:
                failure = failure_of(error)
                said = {"code": failure.code, "message": failure.message, "help": failure.help}
                self.hub.say({"event": event, "failure": said}, event)

        threading.Thread(target=task, name=f"redraft-{event}", daemon=True).start()


def _snapshot_frame(made: Snapshot) -> bytes:
    return frame("snapshot", made.numbers, made.pictures, {"snapshot": made.number})


def _bring_masks(checked: Checked, before: Path, after: Path) -> None:
    """Copy the masks of a recipe to where it is going to be."""
    if before == after:
        return
    for name in resolve_all(s.walk(checked.tree.statements), before).masks:
        source, target = before / name, after / name
        if path_fault(name) is None and source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write_bytes(target, source.read_bytes())
