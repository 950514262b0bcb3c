"""Pictures that no rule has touched: of the sheet, of searches, of the models to choose from."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redraft.disk.cache import is_there
from redraft.errors import CancelledError
from redraft.live.model import Model
from redraft.models.listed.catalog import CATALOG
from redraft.models.listed.download import own_path
from redraft.models.listed.entry import Entry, Shipped, WheelMember
from redraft.studio.failing import said
from redraft.studio.follower import Say
from redraft.studio.web.frames import Pixels, frame, pixels_of
from redraft_dsl.geometry.regions import Coverage

AT_ONCE = 8
"""Pictures that are drawn between two messages."""
CARD = 18
"""Pictures on the card of a model."""
MOST_BYTES = 256 << 20
TOP = 200
"""Places that a search gives at most."""


@dataclass(frozen=True)
class Sought:
    """What was searched for last, so that what was found can become a line.

    Attributes:
        image: that the place lies in.
        region: as text; empty where it was painted.
        area: the painted mask.
        among: the first and the last image.
        found: the box of the best place in each image, by its number.

    """

    image: int
    region: str
    area: Coverage | None
    among: tuple[int, int]
    found: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)


class Gallery:
    """Draws original pictures, one task after another, and remembers them."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._worker = ThreadPoolExecutor(1, "redraft-gallery")
        self._held: OrderedDict[tuple[int, int, int], Pixels] = OrderedDict()
        self._model: Model | None = None
        self._cards: dict[str, list[Pixels]] = {}
        self._cancel = threading.Event()

    def show(self, model: Model | None) -> None:
        """Draw with this model from now on."""
        self._model = model
        self._held.clear()

    def close(self) -> None:
        """End; what is waiting is dropped."""
        self._cancel.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Drop the search that is going on."""
        self._cancel.set()

    def originals(self, seed: int, numbers: Sequence[int]) -> None:
        """Send the originals of some images, a few at a time."""
        model = self._model
        if model is not None:
            self._task(lambda: self._send(model, seed, tuple(numbers)))

    def drawn(self, model: Model, seed: int, numbers: Sequence[int]) -> list[Pixels]:
        """The originals of some images."""
        missing = [each for each in numbers if (id(model), seed, each) not in self._held]
        if missing:
            drawn = pixels_of(model.sample(missing, seed=seed).tensor)
            for number, pixels in zip(missing, drawn, strict=True):
                self._held[id(model), seed, number] = pixels
        found = [self._held[id(model), seed, each] for each in numbers]
        size = found[0].nbytes if found else 1
        while len(self._held) * size > MOST_BYTES:
            self._held.popitem(last=False)
        return found

    def held(self, seed: int, numbers: Sequence[int]) -> dict[int, Pixels]:
        """The originals of some images, as far as they were drawn."""
        keys = {each: (id(self._model), seed, each) for each in numbers}
        return {each: self._held[key] for each, key in keys.items() if key in self._held}

    def _send(self, model: Model, seed: int, numbers: tuple[int, ...]) -> None:
        for at in range(0, len(numbers), AT_ONCE):
            part = numbers[at : at + AT_ONCE]
            if self._model is not model:
                return
            self._say(frame("before", part, self.drawn(model, seed, part), {}), f"before {part}")

    def search(self, run: Callable[[Model, threading.Event], dict[str, Any]]) -> None:
        """Search with the model, and send what is found; an earlier search is dropped."""
        self._cancel.set()
        cancel = self._cancel = threading.Event()
        model = self._model

        def task() -> None:
            if model is None or cancel.is_set():
                return
            self._say({"event": "searching"}, "matches")
            try:
                self._say({"event": "matches", **run(model, cancel)}, "matches")
            except CancelledError:
                self._say({"event": "matches", "stopped": True}, "matches")
            except Exception as error:
                self._say({"event": "matches", "failure": said(error)}, "matches")

        self._task(task)

    def cards(self) -> None:
        """Send pictures of every listed model that is on this machine, until one is opened."""
        self._cancel = threading.Event()
        for entry in CATALOG:
            if _is_here(entry):
                self._task(partial(self._card, entry, self._cancel))

    def _card(self, entry: Entry, cancel: threading.Event) -> None:
        if cancel.is_set():
            return
        if entry.name not in self._cards:
            model = Model.open(entry.name)
            self._cards[entry.name] = pixels_of(model.sample(CARD).tensor)
        pictures = self._cards[entry.name]
        more = {"model": entry.name}
        self._say(frame("card", range(len(pictures)), pictures, more), f"card {entry.name}")

    def _task(self, task: Callable[[], None]) -> Future[None]:
        def guarded() -> None:
            try:
                task()
            except Exception as error:
                self._say({"event": "trouble", **said(error)}, "trouble")

        return self._worker.submit(guarded)


def listed_models() -> list[dict[str, Any]]:
    """The listed models: what they are, on what terms, and whether they are on this machine."""
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "arch": entry.arch,
            "side": entry.facts.image_size[0],
            "licence": entry.licence,
            "about": entry.description,
            "bytes": _size(entry),
            "here": _is_here(entry),
        }
        for entry in CATALOG
    ]


def _is_here(entry: Entry) -> bool:
    return isinstance(entry.source, Shipped) or is_there(own_path(entry))


def _size(entry: Entry) -> int | None:
    if isinstance(entry.source, WheelMember):
        return entry.source.member_bytes
    path = own_path(entry)
    return path.stat().st_size if is_there(path) else None
