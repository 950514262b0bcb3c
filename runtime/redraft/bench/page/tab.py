"""A tab as a program: what a page of studio sends, and when what it needs has come."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.sync.client import ClientConnection

from redraft.errors import RedraftError

SECONDS = 300
FAILURES = ("mistake", "failed", "trouble")


@dataclass
class Tab:
    """A socket of studio.

    Attributes:
        socket: that is open.
        pictures: numbers of the pictures that came for each revision of the text.
        originals: numbers of the unedited ones.
        drawn: the settled pictures that came last, as bytes.

    """

    socket: ClientConnection
    pictures: dict[int, set[int]] = field(default_factory=dict)
    originals: set[int] = field(default_factory=set)
    drawn: dict[int, bytes] = field(default_factory=dict)
    settled: int = -1
    last: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    def send(self, **body: Any) -> None:
        """Ask, without waiting for the answer."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "body": body}))

    def put(self, key: str, value: str, drag: str = "") -> None:
        """Change a setting of the rule, as a slider does."""
        change = {"kind": "put", "owner": "glasses", "key": key, "value": value}
        self.send(ask="change", changes=[change], drag=drag)

    def until(self, ready: Callable[[], bool]) -> None:
        """Read what comes until something is there."""
        while not ready():
            self.read(SECONDS)

    def read(self, seconds: float) -> None:
        """Read one message."""
        message = self.socket.recv(timeout=seconds)
        if isinstance(message, str):
            event = json.loads(message)
            self.last[str(event.get("event", "reply"))] = event
            if event.get("event") == "settled":
                self.settled = event["revision"]
            self._refuse(event)
            return
        (length,) = struct.unpack("<I", message[:4])
        head = json.loads(message[4 : 4 + length])
        if head["which"] == "before":
            self.originals |= set(head["numbers"])
        elif head["which"] == "after":
            self.pictures.setdefault(head.get("revision", -1), set()).update(head["numbers"])
            if head["settled"]:
                data, size = message[4 + length :], 3 * head["height"] * head["width"]
                for at, number in enumerate(head["numbers"]):
                    self.drawn[number] = data[at * size : (at + 1) * size]

    @staticmethod
    def _refuse(event: dict[str, Any]) -> None:
        """An error where studio says that it does not do what was asked, or cannot."""
        failed = event.get("failure") or (event if event.get("event") in FAILURES else None)
        if failed is not None:
            raise RedraftError(
                "RD813",
                f"studio cannot show the recipe: {failed.get('message', 'it has a mistake')}",
                "take a recipe of a listed model that `redraft check` finds nothing in",
            )

    def shown(self, revision: int) -> int:
        """How many pictures of a revision there are, be they previews or settled."""
        return len(self.pictures.get(revision, ()))

    def quiet(self, seconds: float) -> None:
        """Read until nothing comes any more for a moment."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                self.read(seconds)
            except TimeoutError:
                return
