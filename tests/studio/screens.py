"""Every screen of the page, and how it is reached from the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _menu(name: str) -> Callable[[Any], None]:
    def open_it(page: Any) -> None:
        page.click(f".top .menu > button:has-text('{name}')")
        page.wait_for_selector(".popup")

    return open_it


def _closed(page: Any) -> None:
    page.keyboard.press("Escape")


def _layers(page: Any) -> None:
    page.click("button:has-text('Try every layer')")
    page.wait_for_selector(".tried")
    page.click(".fold")


def _failed(page: Any) -> None:
    page.click("[aria-label='More about this rule']")
    page.wait_for_selector(".popup")
    page.click(".popup >> text=Duplicate")
    page.wait_for_selector(".link-card:has-text('first-2')")
    page.wait_for_selector(".status:has-text('Up to date')")
    page.click("[aria-label='Type Rank']")
    page.fill("[aria-label='Rank, typed']", "60")
    page.press("[aria-label='Rank, typed']", "Enter")
    page.wait_for_selector(".remark:has-text('was not applied')")


def _compared(page: Any) -> None:
    for _ in range(2):
        page.focus("[data-number='0']")
        page.keyboard.press("s")
    _menu("Snapshots")(page)
    page.wait_for_selector(".snap >> nth=1")
    page.click(".snap >> nth=0 >> input")
    page.click(".snap >> nth=1 >> input")
    page.wait_for_selector(".compare")


def _painting(page: Any) -> None:
    page.click("[data-number='7']")
    page.wait_for_selector(".stage")
    page.click(".tools button >> nth=2")
    page.focus(".stage")
    page.keyboard.press("r")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.click(".more >> text=Find more like it")
    page.wait_for_selector(".matches li")


def _help(page: Any) -> None:
    page.click("[aria-label='Keyboard and help']")
    page.wait_for_selector("dialog.help")


def _start(page: Any) -> None:
    page.click(".brand")
    page.wait_for_selector(".popup >> text=Leave without them")
    page.click("text=Leave without them")
    page.wait_for_selector(".start")


def _drawer(page: Any) -> None:
    page.set_viewport_size({"width": 800, "height": 1100})
    page.click(".drawer")


def _wide(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})


SCREENS: tuple[tuple[str, Callable[[Any], None]], ...] = (
    ("sheet", lambda page: None),
    ("history", _menu("History")),
    ("", _closed),
    ("share", _menu("Share")),
    ("", _closed),
    ("help", _help),
    ("", _closed),
    ("tablet", _drawer),
    ("", _wide),
    ("layers", _layers),
    ("failed", _failed),
    ("compare", _compared),
    ("", _closed),
    ("paint", _painting),
    ("", _closed),
    ("start", _start),
)
