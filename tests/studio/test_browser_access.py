"""Studio without a mouse, and what axe finds on every screen."""

from __future__ import annotations

from typing import Any

import pytest
from tests.studio.conftest import SLOW, opened

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]


def written(studio: Studio, tab: Tab, part: str) -> None:
    """Wait until the recipe holds a part; beside a large picture its text is shut."""
    for _ in range(SLOW // 50):
        if part in studio.server.session.document.text:
            return
        tab.page.wait_for_timeout(50)
    raise AssertionError(studio.server.session.document.text)


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


def test_a_place_is_protected_by_its_key(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.enlarge(0)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.click("button.role:has-text('Protect here')")
    written(studio, tab, "protect z[0] box(")
    page.wait_for_selector("text=Protect in picture 0")
    tab.settled()


def test_escape_leaves_the_name_of_a_rule_as_it_was(studio: Studio, tab: Tab) -> None:
    page, field = opened(studio, tab), "[aria-label='Name of the rule']"
    before = studio.server.session.document.text
    for typed in ("", "another", "no name"):
        page.click(field)
        page.keyboard.type(typed)
        if " " in typed:
            page.keyboard.press("Enter")
            page.wait_for_selector(".trouble code, .trouble:has-text('cannot be a name')")
            assert "`" not in page.inner_text(".trouble")
        page.keyboard.press("Escape")
        page.wait_for_selector(".link-card.chosen:focus")
        page.wait_for_selector(".trouble", state="detached")
        assert page.input_value(field) == "first"
    assert studio.server.session.document.text == before
    page.click(field)
    page.keyboard.press("Control+a")
    page.keyboard.type("beard")
    page.keyboard.press("Enter")
    page.wait_for_selector(".link-card.chosen:focus:has-text('beard')")


def test_f6_reaches_every_region_beside_a_large_picture(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.enlarge(5)
    here = (
        "document.activeElement.closest('.top, .bar, .stage, .side, .text, .inspector').className"
    )
    regions = []
    for _ in range(6):
        page.keyboard.press("F6")
        regions.append(page.evaluate(here).split()[0])
    assert regions == ["side", "text", "inspector", "top", "bar", "stage"]
