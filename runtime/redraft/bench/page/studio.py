"""How soon studio shows what a slider changed, over the wire: its server is another process."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Origin

from redraft.bench.page.browser import chromium, shown_in, slider_in
from redraft.bench.page.tab import Tab
from redraft.runs.watch import Progress

PICTURES = 16
VALUES = {
    "strength": [f"{0.5 + 0.01 * step:.2f}" for step in range(100)],
    "preserve": [f"{0.1 + 0.01 * step:.2f}" for step in range(100)],
    "rank": ["4", "8", "6", "10", "5", "12", "7", "9"],
}
GOALS = {"strength": 100, "preserve": 160, "rank": 200}
MORE = 100
"""Milliseconds that a browser may add until the last picture is drawn."""
EVENTS, SPAN, AMONG = 200, 2.0, 500


def bench_studio(recipe: Path, repeats: int, *, progress: Progress) -> dict[str, Any]:
    """Time sliders, a burst of them, a search, and the first page.

    Args:
        recipe: with a rule called ``glasses``.
        repeats: of each slider.
        progress: called with how far it is.

    """
    with tempfile.TemporaryDirectory(prefix="redraft-bench-") as name:
        folder = Path(name)
        shutil.copy(recipe, folder / "bench.redraft")
        with _served(folder) as address:
            with _opened(address) as tab:
                first = _first(tab)
                rows = [_slider(tab, key, repeats, progress) for key in VALUES]
                others = [first, _burst(tab), _search(tab)]
            path = chromium()
            if path is not None:
                others.insert(1, _in_chromium(path, address, rows, repeats, progress))
    if path is None:
        others.append(
            _row("in Chromium", None, None, "not measured: needs Chromium and playwright")
        )
    return {"sliders": rows, "others": others}


def _in_chromium(
    path: str, address: str, rows: list[dict[str, Any]], repeats: int, progress: Progress
) -> dict[str, Any]:
    """The same sliders in a browser; adds to their rows how much longer that takes."""
    with shown_in(path, address) as (page, opened):
        for row in rows:
            drawn = slider_in(page, row["setting"], repeats, progress)
            row |= {"chromium_ms": round(drawn), "more_ms": round(drawn - row["shown_ms"])}
            row["more_goal_ms"] = MORE
    return _row("sheet drawn in Chromium after the model is open", opened / 1000, 1500)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "redraft", "studio", "bench.redraft", "--no-open"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise RuntimeError("studio did not start")
            yield found[0]
        finally:
            process.terminate()


@contextmanager
def _opened(address: str) -> Iterator[Tab]:
    base, _, query = address.partition("/?")
    host = base.removeprefix("http://")
    connection = HTTPConnection(host)
    connection.request("GET", f"/?{query}")
    cookie = str(connection.getresponse().headers["set-cookie"]).partition(";")[0]
    connection.close()
    with connect(
        f"ws://{host}/socket",
        origin=Origin(base),
        additional_headers={"Cookie": cookie},
        max_size=None,
        compression=None,
        proxy=None,
        ping_interval=None,
    ) as socket:
        yield Tab(socket)


def _first(tab: Tab) -> dict[str, Any]:
    """From the model being open to all originals of the sheet."""
    tab.until(lambda: bool(tab.last.get("state", {}).get("model", {}).get("open")))
    begun = time.monotonic()
    tab.until(lambda: len(tab.originals) >= len(tab.last["state"]["shown"]))
    row = _row("page usable after the model is open", time.monotonic() - begun, 1500)
    tab.send(ask="look", numbers=f"0..{PICTURES - 1}")
    tab.until(lambda: tab.last["state"]["shown"] == list(range(PICTURES)))
    tab.until(lambda: "records" in tab.last)
    tab.quiet(1.0)
    return row


def _slider(tab: Tab, key: str, repeats: int, progress: Progress) -> dict[str, Any]:
    """From a change to the last of the pictures, each from a state that is wholly settled."""
    shown, settled = [], []
    for number in range(repeats):
        progress(key, number, repeats)
        revision = tab.last["state"]["revision"] + 1
        values = VALUES[key]
        begun = time.monotonic()
        tab.put(key, values[number % len(values)])
        tab.until(lambda revision=revision: tab.shown(revision) >= PICTURES)  # type: ignore[misc]
        shown.append(time.monotonic() - begun)
        tab.until(lambda revision=revision: tab.settled >= revision)  # type: ignore[misc]
        settled.append(time.monotonic() - begun)
        tab.last.pop("leftout", None)
        tab.until(lambda: "leftout" in tab.last)
    return {
        "setting": key,
        "shown_ms": round(1000 * statistics.median(shown)),
        "worst_ms": round(1000 * max(shown)),
        "settled_ms": round(1000 * statistics.median(settled)),
        "goal_ms": GOALS[key],
    }


def _burst(tab: Tab) -> dict[str, Any]:
    """Many changes at once: from the last one to its settled pictures."""
    for step in range(EVENTS):
        tab.put("strength", f"{0.3 + step / EVENTS:.3f}", drag="burst")
        time.sleep(SPAN / EVENTS)
    begun = time.monotonic()
    tab.until(lambda: f"strength {0.3 + (EVENTS - 1) / EVENTS:.3f}" in " ".join(
        tab.last["state"]["text"].split()))  # fmt: skip
    last = tab.last["state"]["revision"]
    tab.until(lambda: tab.settled >= last)
    seconds = time.monotonic() - begun
    tab.until(lambda: tab.shown(last) >= PICTURES)
    tab.quiet(1.0)
    late, ended = tab.settled - last, dict(tab.drawn)
    for value in ("2", f"{0.3 + (EVENTS - 1) / EVENTS:.3f}"):  # away, and there again
        wanted = tab.last["state"]["revision"] + 1
        tab.put("strength", value)
        tab.until(lambda wanted=wanted: tab.settled >= wanted)  # type: ignore[misc]
    right = not late and ended == tab.drawn
    note = "ends in the right pictures" if right else "ENDS IN OTHER PICTURES"
    return _row(f"settled after {EVENTS} changes in {SPAN:g} s", seconds, None, note)


def _search(tab: Tab) -> dict[str, Any]:
    """From a search to the first of its pictures."""
    tab.last.pop("matches", None)
    tab.originals.clear()
    tab.quiet(0.5)
    tab.originals.clear()
    begun = time.monotonic()
    region = "box(x 16..48, y 24..40)"
    tab.send(ask="search", layer="layer6", image=179, region=region, first=0, last=AMONG - 1)
    tab.until(lambda: "results" in tab.last.get("matches", {}) and bool(tab.originals))
    return _row(f"first of more like it among {AMONG}", time.monotonic() - begun, 1000)


def _row(what: str, seconds: float | None, goal: int | None, note: str = "") -> dict[str, Any]:
    ms = "" if seconds is None else round(1000 * seconds)
    return {"what": what, "ms": ms, "goal_ms": "" if goal is None else goal, "note": note}
