"""Studio without a mouse, and what axe finds on every screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = pytest.mark.browser


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
