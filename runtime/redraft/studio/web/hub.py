"""What every open tab is sent: each has a box from which it takes what is new."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock


class Box:
    """What waits for one tab. A newer message takes the place of an older one of its key."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: OrderedDict[str, str | bytes] = OrderedDict()
        self._ready = asyncio.Event()
        self._lock = Lock()
        self._count = 0

    def put(self, message: str | bytes, key: str) -> None:
        """Leave a message, from any thread. Without a key none takes its place."""
        with self._lock:
            self._count += 1
            key = key or f"#{self._count}"
            self._waiting.pop(key, None)
            self._waiting[key] = message
        self._loop.call_soon_threadsafe(self._ready.set)

    async def take(self) -> str | bytes:
        """The next message, once there is one."""
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popitem(last=False)[1]
                self._ready.clear()
            await self._ready.wait()


REMEMBERED = frozenset({"status", "placed", "leftout", "records", "matches", "locating"})
"""Keys whose last message a new tab is sent too."""


class Hub:
    """All open tabs."""

    def __init__(self) -> None:
        self._boxes: set[Box] = set()
        self._lock = Lock()
        self._last: dict[str, str] = {}

    def join(self, box: Box) -> None:
        """A tab was opened."""
        with self._lock:
            self._boxes.add(box)
            last = tuple(self._last.items())
        for key, message in last:
            box.put(message, key)

    def forget(self) -> None:
        """What was said is about another recipe."""
        with self._lock:
            self._last.clear()

    def leave(self, box: Box) -> None:
        """A tab was closed."""
        with self._lock:
            self._boxes.discard(box)

    def say(self, message: Mapping[str, object] | bytes, key: str = "") -> None:
        """Send something to every tab."""
        data = message if isinstance(message, bytes) else json.dumps(message)
        with self._lock:
            boxes = tuple(self._boxes)
            if key in REMEMBERED and isinstance(data, str):
                self._last[key] = data
        for box in boxes:
            try:
                box.put(data, key)
            except RuntimeError:  # its loop has ended
                self.leave(box)
