"""Studio without a mouse, and what axe finds on every screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.studio.conftest import SLOW

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


def written(studio: Studio, tab: Tab, part: str) -> None:
    """Wait until the recipe holds a part; beside a large picture its text is shut."""
    for _ in range(SLOW // 50):
        if part in studio.server.session.document.text:
            return
        tab.page.wait_for_timeout(50)
    raise AssertionError(studio.server.session.document.text)


def opened(studio: Studio, tab: Tab) -> Any:
    tab.page.goto(studio.server.address)
    tab.settled()
    return tab.page


def test_escape_in_a_number_changes_nothing_and_control_y_redoes(studio: Studio, tab: Tab) -> None:
    page, document = opened(studio, tab), studio.server.session.document
    before = document.text
    for keys in (["Escape"], ["2", ".", "5", "Escape"], ["Enter"]):
        page.click("[aria-label='Type Strength']")
        page.wait_for_selector("[aria-label='Strength, typed']:focus")
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_selector("[aria-label='Type Strength']:focus")
    page.click("[aria-label='Type Rank']")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    written(studio, tab, "rank    3")
    page.wait_for_selector("[aria-label='Type Rank']:focus")
    page.wait_for_selector(".slider:has(#slider-rank) .value:text-is('3')")
    assert document.text == before.replace("rank    2", "rank    3")
    page.keyboard.press("Control+z")
    page.wait_for_selector(".slider:has(#slider-rank) .value:text-is('2')")
    page.keyboard.press("Control+y")
    page.wait_for_selector(".slider:has(#slider-rank) .value:text-is('3')")


FOCUS_AT_ONCE = """async ([selector]) => {
  document.querySelector(selector).click();
  for (let turn = 0; turn < 5; turn++) await null;  // only what was queued already: no new task
  return document.activeElement.getAttribute("aria-label");
}"""


def test_a_field_that_opens_has_the_keys_before_the_next_can_come(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    assert page.evaluate(FOCUS_AT_ONCE, ["[aria-label='Type Rank']"]) == "Rank, typed"


def test_a_box_stops_at_the_edge_and_its_mark_is_moved_not_doubled(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    tab.enlarge(0)
    page.keyboard.press("Enter")  # the box tool is chosen: no R is needed
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("2")
    written(studio, tab, "context z[0] box(x 16..48, y 0..16)")
    page.wait_for_selector("text=Marked: context")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("2")
    written(studio, tab, "context z[0] box(x 32..64, y 8..24)")
    assert studio.server.session.document.text.count("z[0]") == 1


def test_a_mark_out_of_the_picture_comes_back_by_its_own_line(studio: Studio, tab: Tab) -> None:
    path = studio.folder / "small.redraft"
    line = "context z[5, 8, 9, 11] box(x 16..48, y -8..24)"
    path.write_text(
        path.read_text().replace("context z[5, 8, 9, 11] box(x 16..48, y 16..48)", line)
    )
    page = tab.page
    page.goto(studio.server.address)
    page.click(".brand")
    page.click("button:has-text('small.redraft')")
    page.wait_for_selector("[data-number='5']")
    page.focus("[data-number='5']")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=You change the context")
    page.keyboard.press("ArrowDown")
    written(studio, tab, "context z[5] box(x 16..48, y 0..32)")
    tab.drag((0.5, 0.25, 1.5, 0.25))
    page.keyboard.press("v")
    tab.drag((0.5, 0.25, 0.5, -0.5))
    assert studio.server.session.document.text.count("z[5") == 1


def test_the_focus_goes_back_to_the_pictures(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    for typed, chosen in (("7", 7), ("2..9", 7), ("12", 12)):
        page.focus("[data-number][tabindex='0']")
        page.keyboard.press("j")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        page.wait_for_selector(f"[data-number='{chosen}']:focus")
    shown = page.input_value("#range")
    page.keyboard.press("j")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-number='12']:focus")
    page.focus("#range")
    page.keyboard.type("x")
    page.focus("[data-number='12']")
    page.wait_for_selector(".trouble")
    assert page.input_value("#range") == shown
    page.keyboard.press("m")
    page.wait_for_selector(".stage:focus")
    page.keyboard.press("j")
    page.keyboard.type("14")
    page.keyboard.press("Enter")
    page.wait_for_selector("[aria-label='Picture 14, large'] .stage:focus")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[aria-label='Picture 15, large'] .stage:focus")


def test_escape_shuts_what_is_open(start: StudioMaker, tab: Tab) -> None:
    studio, page = start(None), tab.page
    page.goto(studio.server.address)
    page.click("button:has-text('small.safetensors')")
    page.wait_for_selector(".tile")
    chosen = "getSelection().toString() === 'untitled.redraft'"
    for name in ("", "../out"):
        page.keyboard.press("Control+s")
        page.wait_for_selector(".popup input:focus")
        tab.until(chosen)
        if name:
            page.keyboard.type(name)
            page.keyboard.press("Enter")
            page.wait_for_selector(".trouble")
        page.keyboard.press("Escape")
        page.wait_for_selector(".popup, .trouble", state="detached")
    page.set_viewport_size({"width": 820, "height": 700})
    for button in (".top button:has-text('History')", ".chain .dashed"):
        page.click(button)
        page.wait_for_selector(".popup")
        page.keyboard.press("Escape")
        page.wait_for_selector(".popup", state="detached")


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


def test_a_place_is_protected_by_its_key(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.enlarge(0)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.click("button.role:has-text('Protect here')")
    written(studio, tab, "protect z[0] box(")
    page.wait_for_selector("text=Protect in picture 0")
    tab.settled()
