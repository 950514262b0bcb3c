"""The sheet in a real browser: its figures, its text beside it, and every width."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]


@pytest.mark.faces
@pytest.mark.parametrize("tab", ["light", "dark"], indirect=True)
def test_the_sheet_with_its_figures(
    start: StudioMaker, tab: Tab, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe = Path(__file__).resolve().parents[2] / "recipes" / "glasses-from-one.redraft"
    shutil.copy(recipe, tmp_path)
    studio, page = start("glasses-from-one.redraft"), tab.page
    page.goto(studio.server.address)
    page.wait_for_selector(".tile")
    page.fill("#range", "100..131")
    page.press("#range", "Enter")
    page.wait_for_selector(".figures dd.tone:has-text('widely')")
    assert page.locator(".figures b").first.inner_text().startswith("9")
    page.wait_for_selector("text=/^Up to date [\\d.]+ m?s$/")
    first = page.inner_text(".status")
    page.fill("#range", "100..130, 131")  # the same pictures, of a rule that is solved
    page.press("#range", "Enter")
    tab.until(f"document.querySelector('.status').innerText !== {json.dumps(first)}")
    page.wait_for_selector("text=/^Up to date [\\d.]+ m?s$/")
    page.wait_for_selector(".figures dd.tone:has-text('widely')")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 1280, "nothing scrolls sideways"
    page.focus('[data-number="102"]')
    scheme = request.node.callspec.params["tab"]
    tab.shot(f"studio-{scheme}")


def test_a_drawn_box_is_moved_and_sized_by_the_keyboard_alone(studio: Studio, tab: Tab) -> None:
    page = tab.page
    page.goto(studio.server.address)
    tab.settled()
    page.keyboard.press("F6")
    while page.evaluate("document.activeElement.dataset.number") is None:
        page.keyboard.press("F6")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stage")
    page.keyboard.press("m")
    tab.until("document.activeElement.classList.contains('stage')")
    page.keyboard.press("r")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("2")
    tab.until("document.querySelectorAll('.tray li').length > 4")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheet")
    assert "context z[1] box(x 24..56, y 24..48)" in tab.text()
    page.keyboard.press("Control+z")
    tab.until("() => !document.querySelector('.cm-content').innerText.includes('z[1]')")
    page.keyboard.press("x")
    page.wait_for_selector(".switch[aria-checked='false']")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.help")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.help", state="detached")


def test_typing_and_the_mouse_change_one_text(studio: Studio, tab: Tab) -> None:
    page = tab.page
    page.goto(studio.server.address)
    tab.settled()
    page.click(".cm-line:has-text('rank')")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.type("  strength 0.5")
    page.wait_for_selector(".slider .value:has-text('0.5')")
    page.focus("#slider-strength")
    page.keyboard.press("ArrowRight")
    tab.until("() => document.querySelector('.cm-content').innerText.includes('strength 0.55')")
    assert "# Stays where it is." in tab.text()
    page.click(".cm-line:has-text('layer6')")
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    page.wait_for_selector(".remark.bad")
    page.keyboard.press("Control+z")
    page.wait_for_selector(".remark.bad", state="detached")


def test_a_stopped_server_is_said_and_the_text_is_safe(start: StudioMaker, tab: Tab) -> None:
    studio, page = start(), tab.page
    page.goto(studio.server.address)
    tab.settled()
    studio.server.stop()
    page.wait_for_selector(".lost")
    assert "rule first" in tab.text()


@pytest.mark.parametrize("width", [1280, 1024, 800])
def test_nothing_scrolls_sideways_at_any_width(studio: Studio, tab: Tab, width: int) -> None:
    page = tab.page
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(studio.server.address)
    tab.settled()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click('[data-number="5"]')
    page.wait_for_selector(".stage")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
