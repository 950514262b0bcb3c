"""Bad input everywhere, in a real browser: nothing is lost, and the page goes on."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.studio.conftest import opened

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]


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
