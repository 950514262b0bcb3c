"""The one state that all tabs share: a recipe's text, and what has been computed of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from redraft.errors import ModelError, PlanError
from redraft.live.model import Model
from redraft.models.listed.catalog import known_models
from redraft.studio.failing import Left, faulty, said, without
from redraft.studio.follower import Follower, Wanted
from redraft.studio.gallery import Gallery, Sought, listed_models
from redraft.studio.locating import Locator
from redraft.studio.masks import OwnMasks
from redraft.studio.opening import first_text, model_of, open_model
from redraft.studio.saving import Draft, Drafts, bring
from redraft.studio.snapshots import PATIENCE, Snapshots
from redraft.studio.text.document import Document
from redraft.studio.text.numbers import in_short, numbers_in
from redraft.studio.text.view import Scene, is_unfinished, problems_of, rules_of, scene_of
from redraft.studio.text.words import words
from redraft.studio.web.confine import MODELS, RECIPE, files_in, inside
from redraft.studio.web.frames import frame
from redraft.studio.web.hub import Box, Hub
from redraft_dsl import Checked, loads
from redraft_dsl.recipe.model import Latents
from redraft_dsl.recipe.model import Model as RecipeModel

FIRST_SHEET = 32
"""Images on the first sheet."""


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
        self.locator = Locator(self.hub.say)
        self.document: Document | None = None
        self._last: Document | None = None
        self.numbers: tuple[int, ...] = tuple(range(FIRST_SHEET))
        self.snapshots, self.masks = Snapshots(), OwnMasks()
        self.model: Model | None = None
        self.checked: Checked | None = None
        self.scene = Scene(None, None, None)
        self.sought: Sought | None = None
        self.draft: Draft | None = None
        self.drafts = Drafts(self.folder)
        self.known = known_models()
        self._device = device
        self._stale = self._typed = False
        self.halt = threading.Event()  # of the run that was begun last
        self._model_of: RecipeModel | None = None
        self._opening: RecipeModel | None = None
        self._refused: dict[str, Any] | None = None
        self._desk = ThreadPoolExecutor(1, "redraft-desk")
        self._home: Path | None = None

    # ---- working ------------------------------------------------------------------------------

    @property
    def desk(self) -> ThreadPoolExecutor:
        """The thread that everything here runs in."""
        return self._desk

    def close(self) -> None:
        """End everything that is being computed."""
        self._desk.shutdown(wait=False, cancel_futures=True)
        self.drafts.close()
        self.locator.stop()
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
        self._put_away()
        self.document = self._last = document.after(self._last)
        draft = self.drafts.find(document.path)
        self.draft = draft if draft is not None and draft.text != document.text else None
        self.numbers = tuple(range(FIRST_SHEET))
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
        document = self.document
        if document is not None and document.has_work:
            if not drop:
                raise PlanError(
                    "RD817", "the recipe has changes that are not saved", "save it, or leave them"
                )
            self.drafts.drop(document.path)
        self._put_away()
        self.document, self.checked = None, None
        self.say_state()

    def _put_away(self) -> None:
        self.follower.stop()
        self.gallery.stop()
        self.locator.forget()
        self.snapshots, self._refused, self.sought, self.draft = Snapshots(), None, None, None
        self.hub.forget()

    def recover(self, *, bring_back: bool) -> None:
        """Take back what was not saved when studio ended, or drop it."""
        path = self.document.path if self.document is not None else None
        draft = self.draft if self.document is not None else self.drafts.find(None)
        self.draft = None
        if draft is None:
            raise PlanError("RD823", "there is nothing to bring back", "go on with the text")
        if not bring_back:
            self.drafts.drop(path)
            self.say_state()
        elif self.document is None:
            self.open(Document(draft.text))
        else:
            self.take(draft.text, "Bring back what was not saved")
            self.say_state()

    # ---- following the text -------------------------------------------------------------------

    def take(self, text: str, words: str, drag: str = "") -> None:
        """Another text; what it is in words. Changes of one drag become one step."""
        group = f"{words.split()[0]} {drag}" if drag else ""
        if not self.need().change(text, words, group):
            return
        if drag:
            # Once the requests that wait already are done: a slider sends many.
            self._stale = True
            self._desk.submit(self.catch_up)
        else:
            self.refresh()

    def catch_up(self) -> None:
        """Follow the text now, where that was put off."""
        if self._stale and self.document is not None:
            self.refresh()

    def refresh(self, *, typed: bool = False) -> None:
        """The text is another: check it, show it, and follow it with pictures."""
        document = self.need()
        self._stale, self._typed = False, typed
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
        if document.has_work:
            self.drafts.keep(document.path, document.text)
        elif self.draft is None and not document.is_changed:
            self.drafts.drop(document.path)
        self.say_state()
        self.ask()

    def _fit_numbers(self) -> None:
        count = self.scene.latents.count if self.scene.latents else FIRST_SHEET
        fitting = tuple(each for each in self.numbers if each < count)
        self.numbers = fitting or tuple(range(min(FIRST_SHEET, count)))

    def ask(self) -> None:
        """Ask for pictures of the text as it is, without rules that cannot be applied."""
        document, checked = self.need(), self.checked
        if self.model is None or self._opening is not None or checked is None:
            return
        if self._home != self.home:
            self._home = self.home
            self.follower.open(self.model, self.home)
        found = self.solvable()
        if found is not None:
            text, left = found
            self.follower.ask(Wanted(text, self.numbers, document.revision, left, document.text))
            return
        wrong = any(not is_unfinished(each) for each in checked.errors)
        event = "mistake" if wrong else "unfinished"
        plain = not any(not rule["off"] for rule in rules_of(checked, self.scene, self.home))
        if plain and not wrong:
            self.follower.forget()
        self.hub.say(
            {"event": event, "revision": document.revision, "plain": plain and not wrong}, "status"
        )

    def solvable(self) -> tuple[str, tuple[Left, ...]] | None:
        """The text as it can be solved, and the rules that are left out of it."""
        document, checked = self.need(), self.checked
        if checked is None:
            return None
        if checked.recipe is not None:
            return (document.text, ()) if checked.recipe.rules else None
        left = faulty(checked)
        if not left or (self._typed and any(each.message for each in left)):
            return None  # while somebody types, the pictures stay those of the last good text
        text = without(document.text, [each.rule for each in left])
        if text is None:
            return None
        facts = self.model.opened.base.facts if self.model is not None else None
        again = loads(text, self.known, folder=self.home, facts=facts)
        return (text, left) if again.recipe is not None and again.recipe.rules else None

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
            self._refused = said(model)
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
        path, latents, draft = document.path, self.scene.latents, self.draft
        return {
            **about,
            "open": True,
            "opened": document.first,
            "revision": document.revision,
            "text": document.text,
            "path": None if path is None else path.relative_to(self.folder).as_posix(),
            "changed": document.is_changed,
            "unsaved": document.has_work,
            "history": document.history,
            "numbers": in_short(self.numbers),
            "shown": list(self.numbers),
            "rules": rules_of(checked, self.scene, self.home),
            "problems": problems_of(checked),
            "holds": checked.recipe is not None,
            "model": self._about_model(facts),
            "latents": latents and {"name": latents.name, "count": latents.count},
            "snapshots": [{"number": one.number, "text": one.text} for one in self.snapshots.held],
            "refused": self._refused,
            "draft": None if draft is None else draft.when,
        }

    def _about_model(self, facts: Any) -> dict[str, Any]:
        name = self.scene.model.name.text if self.scene.model is not None else ""
        if facts is None:
            return {"name": name, "open": False, "layers": []}
        height, width = facts.image_size
        layers = [{"name": each.name, "keys": list(each.key_size)} for each in facts.layers]
        is_open = self.model is not None and self._opening is None
        return {"name": name, "open": is_open, "height": height, "width": width, "layers": layers}

    def say_state(self) -> None:
        """Send the state to every tab."""
        self.hub.say(self.state(), "state")

    def welcome(self, box: Box) -> None:
        """Send a new tab everything that is known."""
        box.put(json.dumps(words()), "language")
        box.put(json.dumps(self.state()), "state")
        self.hub.join(box)
        self.show_originals()
        shown = self.follower.latest
        if numbers := [each for each in self.numbers if each in shown]:
            pictures = [shown[each] for each in numbers]
            box.put(frame("after", numbers, pictures, {"settled": True}), "after all")
        for each in self.snapshots.held:
            box.put(each.frame(), f"snapshot {each.number}")
        for one in self.locator.last:
            box.put(one if isinstance(one, bytes) else json.dumps(one), "")

    # ---- snapshots and files ------------------------------------------------------------------

    def snapshot(self) -> int:
        """Set text and pictures aside, as they belong together; gives the snapshot's number."""
        self.catch_up()
        originals = self.gallery.held(self.latents().seed, self.numbers)
        text, settled = self.need().text, self.follower.settled(PATIENCE)
        made = self.snapshots.take(text, self.numbers, originals, settled)
        self.hub.say(made.frame(), f"snapshot {made.number}")
        self.say_state()
        return made.number

    def save(self, name: str) -> str:
        """Write the recipe; gives its path. What it names goes with it to another folder."""
        document, before = self.need(), self.home
        path, first = inside(self.folder, name) if name else None, document.path
        if path is not None and self.checked is not None:
            document.refuse(path)
            bring(self.checked, before, path.parent)
        document.save(path)
        assert document.path is not None
        self.drafts.drop(first)
        if self.home != before:
            self.refresh()
        self.say_state()
        return document.path.relative_to(self.folder).as_posix()

    def cards(self) -> dict[str, Any]:
        """The models, and the recipes and model files of the folder."""
        self.gallery.cards()
        draft = self.drafts.find(None)
        return {
            "models": listed_models(),
            "recipes": files_in(self.folder),
            "files": files_in(self.folder, MODELS),
            "draft": None if draft is None else draft.when,
        }

    def later(self, work: Callable[[], dict[str, Any]], event: str) -> None:
        """Do something that takes long in a thread of its own, and tell all tabs how it went."""

        def task() -> None:
            try:
                self.hub.say({"event": event, **work()}, event)
            except Exception as error:
                self.hub.say({"event": event, "failure": said(error)}, event)

        threading.Thread(target=task, name=f"redraft-{event}", daemon=True).start()
