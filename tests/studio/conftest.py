"""A studio that is running, spoken to over its socket as a page does."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import torch
import websockets.sync.client as sockets
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from redraft.studio.web.serve import Server

SECONDS = 60
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
MUST = bool(os.environ.get("REDRAFT_BROWSER"))
SLOW = 120_000
SHOTS = Path(__file__).resolve().parents[2] / "docs" / "pictures"
RENEW = bool(os.environ.get("RENEW_DOCS"))
LOOK = os.environ.get("REDRAFT_LOOK")
TEXT = """\
edition 2026

recipe small 1.0.0 "A rule in a small model"

model small {
  arch    dcgan
  weights "small.safetensors"
}
latents z { seed 3  count 40 }

# Stays where it is.
rule first at layer6 {
  copy    z[3] box(x 16..48, y 16..48)
  context z[5, 8, 9, 11] box(x 16..48, y 16..48)
  rank    2
}
"""


def small_state(seed: int) -> dict[str, Tensor]:
    """The weights of a small DCGAN of 64 px."""
    source = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for place, (into, out) in enumerate(itertools.pairwise((10, 12, 10, 8, 6, 3))):
        weight = torch.randn(into, out, 4, 4, generator=source)
        state[f"{3 * place}.weight"] = weight / math.sqrt(into * (1 if place == 0 else 4))
        if out == 3:
            break
        name = f"{3 * place + 1}"
        state[f"{name}.weight"] = 0.5 + torch.rand(out, generator=source)
        state[f"{name}.bias"] = 0.3 * torch.randn(out, generator=source)
        state[f"{name}.running_mean"] = 0.1 * torch.randn(out, generator=source)
        state[f"{name}.running_var"] = 0.5 + torch.rand(out, generator=source)
    return state


@dataclass
class Frame:
    """Pictures that came."""

    head: dict[str, Any]
    pixels: np.ndarray


@dataclass
class Page:
    """A tab, as a program."""

    socket: sockets.ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    count: int = 0
    begun: int = 0

    def ask(self, **body: Any) -> dict[str, Any]:
        """Ask, and wait for the answer; what else comes is remembered."""
        self.count += 1
        self.begun = len(self.events)
        self.socket.send(json.dumps({"id": self.count, "body": body}))
        return self.until(lambda event: event.get("reply") == self.count)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted."""
        while True:
            message = self.socket.recv(timeout=SECONDS)
            if isinstance(message, bytes):
                (length,) = struct.unpack("<I", message[:4])
                head = json.loads(message[4 : 4 + length])
                shape = (len(head["numbers"]), head["height"], head["width"], 3)
                data = np.frombuffer(message[4 + length :], np.uint8).reshape(shape)
                self.frames.append(Frame(head, data))
                continue
            event = json.loads(message)
            self.events.append(event)
            if wanted(event):
                return event

    def event(self, *names: str, **values: Any) -> dict[str, Any]:
        """The first event of one of these names, with these values, since the last question."""

        def wanted(event: dict[str, Any]) -> bool:
            fits = all(event.get(key) == value for key, value in values.items())
            return fits and event.get("event") in names

        came = next((each for each in self.events[self.begun :] if wanted(each)), None)
        return came or self.until(wanted)

    @property
    def state(self) -> dict[str, Any]:
        """The last state that came."""
        return next(each for each in reversed(self.events) if each.get("event") == "state")

    def after(self) -> dict[int, np.ndarray]:
        """The settled pictures by number, the last of each."""
        found = {}
        for frame in self.frames:
            if frame.head["which"] == "after" and frame.head["settled"]:
                found |= dict(zip(frame.head["numbers"], frame.pixels, strict=True))
        return found


@dataclass
class Studio:
    """A studio that is running, and the way into it."""

    server: Server
    folder: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server.keys.port}"

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A browser that was sent the address."""
        with httpx.Client(base_url=self.base, timeout=SECONDS, follow_redirects=True) as client:
            assert client.get(self.server.keys.address).status_code == 200
            yield client

    def cookie(self) -> str:
        return f"{self.server.keys.cookie}={self.server.keys.secret}"

    def page(self) -> Page:
        """A new tab."""
        socket = sockets.connect(
            f"ws://127.0.0.1:{self.server.keys.port}/socket",
            origin=self.base,  # type: ignore[arg-type]
            additional_headers={"Cookie": self.cookie()},
            max_size=None,
            compression=None,
            proxy=None,
            ping_interval=None,
        ).__enter__()
        page = Page(socket)
        page.event("state")
        return page


StudioMaker = Callable[..., Studio]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StudioMaker]:
    """Starts studios in a folder with a small model and a recipe."""
    running: list[tuple[Server, threading.Thread]] = []

    def begin(
        recipe: str | None = "small.redraft", folder: Path = tmp_path, *, small: bool = True
    ) -> Studio:
        folder.mkdir(exist_ok=True)
        if small and not (folder / "small.safetensors").exists():
            save_file(small_state(4), folder / "small.safetensors")
            (folder / "small.redraft").write_text(TEXT, encoding="utf-8")
        server = Server(folder, recipe, device="cpu")
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        return Studio(server, folder)

    yield begin
    for server, thread in running:
        server.stop()
        thread.join(20)


@pytest.fixture
def studio(start: StudioMaker) -> Studio:
    return start()


@pytest.fixture
def page(studio: Studio) -> Iterator[Page]:
    """A tab in which the recipe has been solved."""
    page = studio.page()
    if page.state["model"]["open"] is False or not page.after():
        page.event("settled")
    yield page
    page.socket.close()


# ---- in a browser ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium; as root it needs to be told that it has no sandbox."""
    if CHROMIUM is None and not MUST:
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "install Chromium, or name it in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Tab:
    """A tab, with what a person does in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(SLOW)

    def paint(self, number: int, role: str, area: tuple[float, float, float, float]) -> None:
        """Open a picture, draw a box over a part of it, and say what it is."""
        self.page.click(f'[data-number="{number}"]')
        self.page.wait_for_selector(".stage")
        self.page.keyboard.press("r")
        self.drag(area)
        self.page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
        self.page.keyboard.press(role)

    def enlarge(self, number: int) -> None:
        """Open a picture by the keyboard."""
        self.page.focus(f'[data-number="{number}"]')
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".stage:focus")

    def drag(self, area: tuple[float, float, float, float]) -> None:
        box = self.page.locator(".stage").bounding_box()
        x0, y0, x1, y1 = (
            box["x"] + box["width"] * area[0], box["y"] + box["height"] * area[1],
            box["x"] + box["width"] * area[2], box["y"] + box["height"] * area[3],
        )  # fmt: skip
        self.page.mouse.move(x0, y0)
        self.page.mouse.down()
        self.page.mouse.move(x1, y1, steps=6)
        self.page.mouse.up()

    def until(self, script: str) -> None:
        """Wait until a script is true; the page's own policy lets nothing evaluate in it."""
        end = time.monotonic() + SLOW / 1000
        while not self.page.evaluate(script):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(50)

    def text(self) -> str:
        lines = self.page.locator(".cm-line").all_inner_texts()
        return "\n".join(line.rstrip("\n") for line in lines)

    def settled(self) -> None:
        self.page.wait_for_selector(".status:has-text('Up to date')")

    def shot(self, name: str) -> None:
        if RENEW:
            data = io.BytesIO(self.page.screenshot())
            # Faces compress badly without loss: a PNG of a screen has 650 kB.
            Image.open(data).convert("RGB").save(SHOTS / f"{name}.webp", quality=90, method=6)

    def look(self, name: str) -> None:
        """A picture of a screen for a person's eye, where REDRAFT_LOOK names a folder."""
        if LOOK:
            self.page.screenshot(path=Path(LOOK) / f"{name}.png")

    def changes(self, number: int, before: str) -> None:
        """Wait until a picture is another."""
        end = time.monotonic() + SLOW / 1000
        while self.pixels(number) == before:
            assert time.monotonic() < end, f"picture {number} stays as it was"
            self.page.wait_for_timeout(50)

    def shows(self, number: int, pixels: str) -> None:
        """Wait until a picture is the one that is meant."""
        end = time.monotonic() + SLOW / 1000
        while self.pixels(number) != pixels:
            assert time.monotonic() < end, f"picture {number} is another"
            self.page.wait_for_timeout(50)

    def hears(self, revision: int) -> None:
        """Wait until the page has heard of a revision of the text."""
        state = "import('/page/store.js').then(({ app }) => app.state.revision)"
        self.until(f"{state}.then((one) => one >= {revision})")

    def pixels(self, number: int) -> str:
        found: str = self.page.locator(f'[data-number="{number}"] canvas').first.evaluate(
            "canvas => canvas.toDataURL()"
        )
        return found


def opened(studio: Studio, tab: Tab) -> Any:
    """The page of a studio, open and settled."""
    tab.page.goto(studio.server.address)
    tab.settled()
    return tab.page


@pytest.fixture
def tab(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Tab]:
    scheme = getattr(request, "param", "light")
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    tab = Tab(context.new_page())
    yield tab
    assert tab.errors == []
    context.close()
