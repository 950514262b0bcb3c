"""Bad input everywhere, in a real browser: nothing is lost, and the page goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.studio.conftest import SLOW

from redraft.studio.saving import Drafts

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = pytest.mark.browser
GARBAGE = '}{ rule \u2603 \U0001f4a5 at "\u202e <script>alert(1)</script> 1e999 \\ */ ' * 40


def opened(studio: Studio, tab: Tab) -> Any:
    tab.page.goto(studio.server.address)
    tab.settled()
    return tab.page


def test_garbage_in_the_text_is_marked_and_taken_back(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    before, text = tab.pixels(0), studio.server.session.document.text
    page.click(".cm-line:has-text('copy')")
    page.keyboard.insert_text(GARBAGE)
    page.wait_for_selector(".remark.bad")
    assert page.locator(".status").inner_text().startswith("The text has a mistake")
    assert tab.pixels(0) == before, "the pictures are those of the last good text"
    page.click("[aria-label='Undo']")
    page.wait_for_selector(".remark.bad", state="detached")
    tab.settled()
    assert studio.server.session.document.text == text


def test_the_page_is_for_nobody_without_the_token(studio: Studio, tab: Tab) -> None:
    answer = tab.page.goto(studio.base)
    assert answer.status == 403
    assert "token" in tab.page.inner_text("body")
    assert tab.page.goto(f"{studio.base}/?token=guess").status == 403


FOREIGN = """<!doctype html><title>foreign</title><iframe src="BASE/"></iframe><script>
const say = (what) => { document.title += " " + what; };
const socket = new WebSocket("BASE/socket".replace("http", "ws"));
socket.onopen = () => say("socket-open");
socket.onclose = () => say("socket-closed");
fetch("BASE/drop?name=a.redraft", { method: "POST", body: "edition 2026", credentials: "include" })
  .then(() => say("dropped"), () => say("refused"));
fetch("BASE/share/edit", { credentials: "include" }).then(() => say("read"), () => say("unread"));
</script>"""


class Foreign(BaseHTTPRequestHandler):
    """A page of somebody else, on this machine: the browser sends it our cookie as well."""

    def __init__(self, page: str, *more: Any) -> None:
        self.shown = page
        super().__init__(*more)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(self.shown.encode())

    def log_message(self, *_: Any) -> None:
        pass


def test_a_page_of_another_origin_reaches_nothing(studio: Studio, tab: Tab) -> None:
    opened(studio, tab)
    text = studio.server.session.document.text
    shown = FOREIGN.replace("BASE", studio.base)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Foreign, shown)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other = tab.page.context.new_page()
        other.goto(f"http://127.0.0.1:{server.server_port}/")
        for said in ("socket-closed", "refused", "unread"):
            other.wait_for_function(f"document.title.includes('{said}')")
        assert "socket-open" not in other.title()
        other.close()
        server.shutdown()
    assert studio.server.session.document.text == text


@pytest.mark.parametrize("name", ["../out", "/tmp/out", ".hidden", "a/../../out"])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    studio: Studio, tab: Tab, name: str
) -> None:
    page = opened(studio, tab)
    page.click(".brand")
    page.click("button:has-text('small.safetensors')")
    page.wait_for_selector(".tile")
    before = sorted(studio.folder.parent.rglob("*"))
    page.keyboard.press("Control+s")
    page.fill(".popup input", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".trouble:has-text('outside of the folder')")
    assert sorted(studio.folder.parent.rglob("*")) == before
    page.fill(".popup input", "sub/mine")
    page.keyboard.press("Enter")
    page.wait_for_selector(".file:text-is('mine.redraft')")
    assert (studio.folder / "sub/mine.redraft").is_file()


def test_a_mask_of_100_mb_harms_nobody(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.evaluate(
        """() => {
          const socket = new WebSocket(`ws://${location.host}/socket`);
          socket.onclose = () => { document.title = "closed"; };
          const body = { ask: "mark", rule: "first", word: "context", image: 1 };
          socket.onopen = () => socket.send(
            JSON.stringify({ id: 1, body: { ...body, mask: "A".repeat(1e8) } }));
        }"""
    )
    tab.until("document.title === 'closed'")
    page.focus("#slider-rank")
    page.keyboard.press("Home")
    page.wait_for_selector(".slider:has(#slider-rank) .value:text-is('1')")
    tab.settled()
    assert not list(studio.folder.rglob("*.png"))


def test_a_full_disk_at_save_is_said_and_nothing_is_lost(
    studio: Studio, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(studio, tab)
    path = studio.folder / "small.redraft"
    before = path.read_bytes()
    page.focus("#slider-rank")
    page.keyboard.press("Home")
    page.wait_for_selector(".hint:text-is('changed since saving')")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        page.keyboard.press("Control+s")
        page.wait_for_selector(".trouble:has-text('full')")
    assert path.read_bytes() == before
    assert page.locator(".hint:text-is('changed since saving')").count() == 1
    page.keyboard.press("Control+s")
    page.wait_for_selector(".hint:text-is('saved')")
    assert "rank    1" in path.read_text()


def test_a_file_that_another_program_has_changed_is_not_overwritten(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    path = studio.folder / "small.redraft"
    path.write_text("# somebody else\n")
    page.focus("#slider-rank")
    page.keyboard.press("Home")
    page.wait_for_selector(".hint:text-is('changed since saving')")
    page.keyboard.press("Control+s")
    page.wait_for_selector(".trouble:has-text('another program')")
    page.fill(".popup input", "mine")
    page.keyboard.press("Enter")
    page.wait_for_selector(".file:text-is('mine.redraft')")
    assert path.read_text() == "# somebody else\n"


def test_a_reload_in_the_middle_of_solving_shows_it_all(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    before = tab.pixels(0)
    page.focus("#slider-strength")
    page.keyboard.press("End")
    tab.until("document.querySelector('.cm-content').innerText.includes('strength 3')")
    page.reload()
    tab.settled()
    tab.until("document.querySelector('.cm-content').innerText.includes('strength 3')")
    tab.changes(0, before)


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Studio as a program of its own, which can be killed."""
    command = [sys.executable, "-m", "redraft", "studio", "small.redraft", "--no-open"]
    command += ["--device", "cpu"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            found = re.search(r"http://\S+", running.stdout.readline())
            assert found is not None
            yield running, found[0]
        finally:
            running.kill()


def kept(page: Any, folder: Path) -> None:
    """Wait until what was changed is kept, should studio be killed."""
    end = time.monotonic() + SLOW / 1000
    while (draft := Drafts(folder).find(folder / "small.redraft")) is None or (
        "rank    1" not in draft.text
    ):
        assert time.monotonic() < end, draft
        page.wait_for_timeout(50)


def test_a_killed_studio_offers_what_was_not_saved(start: StudioMaker, tab: Tab) -> None:
    folder = start(None).folder
    page = tab.page
    with process(folder) as (running, address):
        page.goto(address)
        tab.settled()
        page.focus("#slider-rank")
        page.keyboard.press("Home")
        page.wait_for_selector(".hint:text-is('changed since saving')")
        tab.settled()
        kept(page, folder)
        running.send_signal(signal.SIGKILL)
        page.wait_for_selector(".lost:has-text('Studio is not running')")
        assert "rank    1" in tab.text(), "the text is safe in the tab"
    with process(folder) as (_, address):
        page.goto(address)
        page.click("text=Bring them back")
        tab.until("document.querySelector('.cm-content').innerText.includes('rank    1')")
        tab.settled()
        page.keyboard.press("Control+s")
        page.wait_for_selector(".hint:text-is('saved')")
    assert "rank    1" in (folder / "small.redraft").read_text()
