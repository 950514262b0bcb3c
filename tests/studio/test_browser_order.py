"""One thing after another in a real browser: names, undo, mistakes, and what goes on meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.studio.conftest import opened

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]
NAME = "[aria-label='Name of the rule']"
BOX = (0.25, 0.25, 0.75, 0.75)


def says(tab: Tab, part: str) -> None:
    tab.until(f"document.querySelector('.cm-content').innerText.includes({json.dumps(part)})")


def test_what_is_changed_while_a_rule_gets_its_name_is_changed(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='More about this rule']")
    page.click(".popup >> text=Duplicate")
    page.click(".link-card:has-text('first-2')")
    page.fill(NAME, "beard")
    page.evaluate(
        """() => {
          const slider = document.querySelector("#slider-strength");
          slider.focus();
          slider.value = 2;
          slider.dispatchEvent(new Event("input", { bubbles: true }));
          slider.dispatchEvent(new Event("change", { bubbles: true }));
        }"""
    )
    says(tab, "rule beard")
    says(tab, "strength 2")
    assert page.locator(".trouble").count() == 0
    page.fill(NAME, "goatee")
    slider = page.locator("#slider-strength")
    slider.evaluate("one => one.scrollIntoView({ block: 'center' })")
    box = slider.bounding_box()
    x, y = box["x"], box["y"] + box["height"] / 2
    page.mouse.move(x + box["width"] * 0.8, y)
    page.mouse.down()
    says(tab, "rule goatee")
    page.mouse.move(x + box["width"] - 1, y, steps=3)  # the slider is in the hand yet
    page.mouse.up()
    says(tab, "strength 3")
    assert tab.text().count("strength") == 1
    assert page.input_value(NAME) == "goatee"


def test_what_is_refused_leaves_by_itself(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.fill(NAME, "no name")
    page.keyboard.press("Enter")
    page.wait_for_selector(".trouble:has-text('cannot be a name')")
    page.wait_for_selector(".trouble", state="detached")


def test_figures_stay_with_a_rule_that_gets_another_name(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    measured = "document.querySelector('.link-card.chosen').innerText.includes('elsewhere')"
    tab.until(measured)
    figures = page.inner_text(".figures")
    page.evaluate(
        """() => {
          window.seen = new Set();
          const look = () => window.seen.add(document.querySelector(".figures").innerText);
          const all = { childList: true, subtree: true, characterData: true };
          new MutationObserver(look).observe(document.body, all);
        }"""
    )
    page.fill(NAME, "beard")
    page.keyboard.press("Enter")
    page.wait_for_selector(".link-card.chosen:has-text('beard')")
    revision = studio.server.session.document.revision
    status = "import('/page/store.js').then(({ app }) => app.status.revision)"
    tab.until(f"{status}.then((one) => one === {revision})")
    tab.settled()
    page.wait_for_selector("text=/^Up to date [\\d.]+ m?s$/")
    assert page.evaluate("[...window.seen]") == [figures]


def test_what_was_done_last_is_undone_first_beside_a_picture(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    keys = "text=takes 16 of 64 keys"
    page.click('[data-number="6"]')
    page.click("[aria-label='Box (R)']")
    tab.drag(BOX)
    page.wait_for_selector(keys)
    page.keyboard.press("2")
    page.wait_for_selector("text=Marked: context.")
    page.click(".text header button")
    says(tab, "context z[6] box")
    page.focus(".stage")
    drawn = "document.querySelector('canvas.over').toDataURL()"
    outline = page.evaluate(drawn)
    page.keyboard.press("Control+z")
    tab.until("!document.querySelector('.cm-content').innerText.includes('z[6]')")
    page.wait_for_selector("text=Marked: context.", state="detached")
    assert page.evaluate(drawn) == outline  # the stroke was made before
    page.keyboard.press("Control+z")
    page.wait_for_selector("text=paint it on the picture")
    page.keyboard.press("Control+y")
    page.wait_for_selector(keys)
    assert "z[6]" not in tab.text()
    page.keyboard.press("Control+y")
    says(tab, "context z[6] box")
    page.wait_for_selector("text=Marked: context.")
    tab.drag((0.26, 0.26, 0.49, 0.49))
    page.wait_for_selector("text=takes 4 of 64 keys")
    page.keyboard.press("Control+z")
    page.wait_for_selector(keys)
    assert "z[6]" in tab.text()
    page.keyboard.press("Control+z")
    tab.until("!document.querySelector('.cm-content').innerText.includes('z[6]')")


def test_b_shows_the_sheet_before_and_leaves_the_small_pictures(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.focus("#slider-strength")
    page.keyboard.press("End")
    says(tab, "strength 3")
    page.wait_for_selector("text=/^Up to date [\\d.]+ m?s$/")
    after = tab.pixels(5)
    marked = page.locator("[aria-label='Picture 5, marked'] canvas").first
    small = marked.evaluate("one => one.toDataURL()")
    page.focus('[data-number="5"]')
    page.keyboard.down("b")
    tab.changes(5, after)
    assert page.inner_text(".bar [role=radio][aria-checked='true']") == "Before"
    assert marked.evaluate("one => one.toDataURL()") == small
    page.keyboard.up("b")
    tab.shows(5, after)
    assert page.inner_text(".bar [role=radio][aria-checked='true']") == "After"


def test_a_rule_with_a_mistake_keeps_its_card(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='More about this rule']")
    page.click(".popup >> text=Duplicate")
    page.wait_for_selector(".link-card:has-text('first-2')")
    tab.settled()
    page.click(".cm-line:has-text('rule first at')")
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    page.wait_for_selector(".link-card.unread:has-text('a mistake in its text')")
    names = page.locator("nav.chain button.link-card > span > b").all_inner_texts()
    assert names == ["first", "first-2"]
    page.keyboard.type("{")
    page.wait_for_selector(".link-card.unread", state="detached")


def test_a_search_that_finds_less_than_it_may_says_so(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click(".cm-line:has-text('context')")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.insert_text("context like z[5] box(x 16..48, y 16..48) top 40 among 0..39")
    page.wait_for_selector("text=/4 marked, [1-3]?\\d of 40 found: no more match at layer6/")


def test_the_panel_and_the_report_say_the_same_strength(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.wait_for_selector(".figures dd.tone:has-text('full strength')")
    record = "import('/page/store.js').then(({ app }) => app.records.first)"
    shown = page.evaluate(record)
    strength = shown["strength"]
    assert page.inner_text(".figures dd.tone").endswith(f", at {strength}")
    assert strength.replace("\xa0", " ") in page.inner_text(".said .remark")


def test_a_pack_says_how_far_it_is_and_is_stopped(studio: Studio, tab: Tab) -> None:
    path = studio.folder / "small.redraft"
    path.write_text(path.read_text().replace("count 40 ", "count 40000 "))
    page = tab.page
    page.goto(studio.server.address)
    page.click(".brand")
    page.click("button:has-text('small.redraft')")
    page.wait_for_selector(".count:has-text('40,000')")
    page.click("button:has-text('Share')")
    page.click(".popup >> text=Pack")
    page.wait_for_selector("text=/Running: .*, \\d+ of \\d+/")
    page.click(".remark:has-text('Running') >> text=Stop")
    page.wait_for_selector(".remark:has-text('Stopped: no run and no pack was made')")
    assert not list(studio.folder.glob("*.redraftpack"))
    assert not list(studio.folder.glob("runs/*"))


def test_the_sheet_stands_where_it_was_left(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    top = "Math.round(document.querySelector('.sheet').scrollTop)"
    page.locator("[aria-label='Size of the pictures']").fill("16")
    page.locator('[data-number="11"]').scroll_into_view_if_needed()
    page.locator('[data-number="11"]').evaluate("one => one.scrollIntoView({ block: 'center' })")
    stood = page.evaluate(top)
    assert stood > 0
    page.click('[data-number="11"]')
    page.wait_for_selector(".stage")
    page.keyboard.press("Escape")
    page.wait_for_selector(".sheet")
    tab.until(f"{top} === {stood}")


def test_what_is_downloaded_says_what_it_is_for(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("button:has-text('Share')")
    with page.expect_download():
        page.click("text=Sheet as PNG")
    page.wait_for_selector(".remark:has-text('small.png'):has-text('The recipe is inside')")
    page.click("button:has-text('Share')")
    with page.expect_download():
        page.click(".popup >> text=Pack")
    page.wait_for_selector(".remark:has-text('redraft unpack small.redraftpack')")


def test_a_studio_that_has_ended_is_not_up_to_date(start: StudioMaker, tab: Tab) -> None:
    studio = start()
    page = opened(studio, tab)
    studio.server.stop()
    page.wait_for_selector(".status:has-text('Not connected')")
    assert page.locator(".status .good").count() == 0
