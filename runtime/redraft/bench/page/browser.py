"""The same in Chromium: from the slider that a person moves until the last picture is there."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from redraft.runs.watch import Progress

NAMES = ("chromium", "chromium-browser", "google-chrome")
READY = """
() => new Promise((good) => {
  const look = () => {
    const tiles = [...document.querySelectorAll(".tile .pic")];
    const all = tiles.length && tiles.every((one) => !one.classList.contains("none"));
    if (all) good(performance.now()); else requestAnimationFrame(look);
  };
  look();
})
"""
"""Milliseconds from the beginning of the page to the last picture of its sheet."""
MOVE = """
async ([key, up]) => {
  const { app, watch } = await import("/page/store.js");
  const slider = document.getElementById(`slider-${key}`), numbers = app.state.shown;
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const middle = low + 0.55 * (high - low), revision = app.state.revision;
  let shown = 0;
  const seen = new Set(), begun = performance.now();
  // The page's own watchers come first: by now the picture is drawn.
  const ends = numbers.map((number) => watch(number, () => {
    seen.add(number);
    if (seen.size === numbers.length && !shown) shown = performance.now() - begun;
  }));
  slider.value = middle + up * (high - low) / 12;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  slider.dispatchEvent(new Event("change", { bubbles: true }));
  const over = () => app.state.revision > revision && app.status.event === "settled"
    && app.status.revision === app.state.revision && Object.keys(app.leftout).length > 0;
  const most = performance.now() + 120000;
  while (!(shown && over()) && performance.now() < most) {
    await new Promise((on) => setTimeout(on, 5));
  }
  ends.forEach((end) => end());
  return shown;
}
"""
"""Milliseconds from a slider's move to the last picture; it ends once everything is settled."""


def chromium() -> str | None:
    """The path of a Chromium that can be driven; None where there is none, or no playwright."""
    if find_spec("playwright") is None:
        return None
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def shown_in(path: str, address: str) -> Iterator[tuple[Any, float]]:
    """A page of studio in Chromium, and the milliseconds until its sheet was there."""
    playwright = import_module("playwright.sync_api")
    # As root Chromium needs to be told that it has no sandbox; nothing but studio is opened in it.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*root, "--disable-gpu"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(address)
            yield page, float(page.evaluate(READY))
        finally:
            browser.close()


def slider_in(page: Any, key: str, repeats: int, progress: Progress) -> float:
    """The median of the milliseconds from a slider's move to the last picture."""
    found = []
    for number in range(repeats):
        progress(f"{key} in Chromium", number, repeats)
        found.append(float(page.evaluate(MOVE, [key, number % 3 - 1])))
    return statistics.median(found)
