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
MOVES = """
async ([key, ups]) => {
  const { app, onChange, watch } = await import("/page/store.js");
  const slider = document.getElementById(`slider-${key}`), numbers = app.state.shown;
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const middle = low + 0.55 * (high - low);
  const move = (up) => new Promise((done) => {
    const { revision } = app.state, folds = app.leftout, seen = new Set(), ends = [];
    let shown = 0;
    const begun = performance.now();
    const over = () => {
      const settled = app.status.event === "settled" && app.status.revision === app.state.revision;
      // The folds of this change: those of the one before stay on the page until then.
      const left = app.leftout !== folds && Object.keys(app.leftout).length > 0;
      if (!shown || app.state.revision === revision || !settled || !left) return;
      ends.forEach((end) => end());
      setTimeout(() => done(shown));
    };
    // The page's own watchers come first: by now the picture is drawn.
    for (const number of numbers) {
      ends.push(watch(number, () => {
        seen.add(number);
        if (seen.size === numbers.length && !shown) shown = performance.now() - begun;
        over();
      }));
    }
    ends.push(onChange(over));
    setTimeout(() => { ends.forEach((end) => end()); done(shown); }, 120000);
    slider.value = middle + up * (high - low) / 12;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    slider.dispatchEvent(new Event("change", { bubbles: true }));
  });
  const found = [];
  for (const up of ups) found.push(await move(up));
  return found;
}
"""
"""Milliseconds from each move of a slider to the last picture; a move begins as soon as all that
the one before asked for is there, as over the wire, where nothing of a page is between them.
"""
AT_ONCE = 10
"""Moves between two words of progress."""


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
    ups = [number % 3 - 1 for number in range(repeats)]
    found: list[float] = []
    for first in range(0, repeats, AT_ONCE):
        progress(f"{key} in Chromium", first, repeats)
        found += page.evaluate(MOVES, [key, ups[first : first + AT_ONCE]])
    return statistics.median(found)
