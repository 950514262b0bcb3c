"""The page in a real browser: a rule from nothing, bad input, two tabs, the keyboard alone."""

from __future__ import annotations

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
from tests.studio.conftest import SLOW, opened
from tests.studio.screens import SCREENS

import redraft
from redraft.studio.saving import Drafts

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = pytest.mark.browser

EYES = (0.25, 0.375, 0.75, 0.625)

GARBAGE = '}{ rule \u2603 \U0001f4a5 at "\u202e <script>alert(1)</script> 1e999 \\ */ ' * 40


@pytest.mark.faces
def test_from_nothing_to_a_saved_rule(start: StudioMaker, tab: Tab, tmp_path: Path) -> None:
    redraft.Model.open("faces", device="cpu")  # fetched, so that its card shows pictures
    studio, page = start(None, tmp_path / "my-rules", small=False), tab.page
    page.goto(studio.server.address)
    assert "token" not in page.url
    page.wait_for_selector(".card.model canvas")
    drawn = "[...document.querySelectorAll('.card.model canvas')].every((one) => one.width === 64)"
    tab.until(drawn)
    tab.shot("studio-start")
    page.click(".card.model button >> nth=0")
    page.wait_for_selector(".sheet .tile")
    page.fill("#range", "100..131")
    page.press("#range", "Enter")
    page.wait_for_selector('[data-number="116"]')
    tab.paint(116, "1", EYES)
    page.wait_for_selector(".copied")
    page.keyboard.press("Escape")
    tab.paint(102, "2", EYES)
    page.wait_for_selector(".matches li >> nth=3")
    page.click(".matches li:nth-child(1) button")
    page.wait_for_selector(".match[aria-pressed='true']")
    page.click("button:has-text('Add all')")
    page.wait_for_selector(".inspector :text('found')")
    tab.shot("studio-paint")
    page.keyboard.press("Escape")
    tab.settled()
    assert re.search(r"context like z\[102\] box\(x 16\.\.48, y 24\.\.40\) top \d+", tab.text())

    page.click("text=Both")
    tab.look("both")
    page.click("[role=radio]:has-text('After')")
    after = tab.pixels(100)
    page.focus('[data-number="100"]')
    page.keyboard.down("b")
    tab.changes(100, after)  # B shows the original
    page.keyboard.up("b")
    tab.shows(100, after)

    page.focus("#slider-strength")
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".slider .value:has-text('1.4')")
    tab.until("() => document.querySelector('.cm-content').innerText.includes('strength 1.4')")
    tab.changes(100, after)
    tab.settled()

    page.click("[aria-label='More about this rule']")
    page.click(".popup >> text=Duplicate")
    page.wait_for_selector(".link-card:has-text('rule-2')")
    page.focus(".link-card:has-text('rule-2')")
    page.keyboard.press("Alt+ArrowLeft")
    tab.until(
        "() => document.querySelectorAll('.chain button.link-card b')[0].innerText === 'rule-2'"
    )
    page.click("button:has-text('Snapshots')")
    page.click("text=Keep this state")
    page.keyboard.press("Escape")
    tab.settled()
    page.keyboard.press("Control+s")
    page.fill(".popup input", "mine")
    page.keyboard.press("Enter")
    page.wait_for_selector(".top :text('mine.redraft')")
    with studio.client() as client:
        edit = client.get("/share/edit").content
    page.close()
    run = redraft.run(str(studio.folder / "mine.redraft"), tmp_path / "run", device="cpu")
    assert (run.folder / "edit.safetensors").read_bytes() == edit


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


def test_two_tabs_follow_one_another(studio: Studio, tab: Tab) -> None:
    page = tab.page
    page.goto(studio.server.address)
    tab.settled()
    other = page.context.new_page()
    other.goto(studio.base)
    other.wait_for_selector(".tile")
    other.focus("#slider-rank")
    other.keyboard.press("Home")
    page.wait_for_selector(".slider:has(#slider-rank) .value:text-is('1')")
    page.click("[aria-label='Undo']")
    other.wait_for_selector(".slider:has(#slider-rank) .value:text-is('2')")


def focused(page: Any) -> str:
    found: str = page.evaluate(
        "(document.activeElement?.getAttribute('aria-label') ?? '')"
        " + ' ' + (document.activeElement?.innerText ?? '')"
    )
    return found


def tab_to(page: Any, words: str) -> None:
    """Press Tab until something of these words has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if words in focused(page):
            return
    raise AssertionError(f"Tab does not reach {words!r}")


def marked(page: Any, number: int, role: str) -> None:
    """Mark a box in a picture, from the sheet: enlarge, box, role."""
    page.focus("body")
    while page.evaluate("document.activeElement.dataset.number") is None:
        page.keyboard.press("F6")
    page.keyboard.press("Home")
    for _ in range(number):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stage:focus")
    page.keyboard.press("r")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.keyboard.press(role)


def test_a_rule_is_made_and_saved_by_the_keyboard_alone(start: StudioMaker, tab: Tab) -> None:
    studio, page = start(None), tab.page
    page.goto(studio.server.address)
    page.wait_for_selector("button:has-text('small.safetensors')")
    tab_to(page, "small.safetensors")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile")
    page.wait_for_selector(".status:has-text('No rule yet')")
    marked(page, 3, "1")
    page.wait_for_selector(".copied")
    page.keyboard.press("Escape")
    marked(page, 5, "2")
    page.wait_for_selector(".matches li")
    tab_to(page, "Picture")
    tab_to(page, ", match")
    page.keyboard.press("Enter")
    page.wait_for_selector(".match[aria-pressed='true']")
    tab_to(page, "Add all")
    page.keyboard.press("Enter")
    page.wait_for_selector(".inspector :text('found')")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheet")
    tab.settled()
    tab_to(page, "rule-1")
    tab_to(page, "Try every layer")
    tab.until("!document.activeElement.disabled")
    page.keyboard.press("Control+s")
    page.wait_for_selector(".popup input:focus")
    page.keyboard.type("mine")
    page.keyboard.press("Enter")
    page.wait_for_selector(".file:text-is('mine.redraft')")
    text = (studio.folder / "mine.redraft").read_text()
    assert "copy    z[3] box(x 16..48, y 24..40)" in text
    assert "context like z[5] box(x 16..48, y 24..40)" in text


@pytest.mark.parametrize("tab", ["light", "dark"], indirect=True)
def test_nothing_bars_the_way(studio: Studio, tab: Tab, request: pytest.FixtureRequest) -> None:
    """What axe finds on every screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = tab.page
    # A menu that is still fading in has less contrast than it will have.
    page.emulate_media(reduced_motion="reduce", color_scheme=request.node.callspec.params["tab"])
    page.goto(studio.server.address)
    tab.settled()
    found = []
    for name, reach in SCREENS:
        reach(page)
        if name:
            tab.look(f"{name}-{request.node.callspec.params['tab']}")
            found += [f"{name}: {each}" for each in _violations(axe, page)]
    assert found == []


def _violations(axe: Any, page: Any) -> list[str]:
    results = axe.Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]}" for each in results for node in each["nodes"]]
