"""What a mistake, or a change just made, does to the page."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from tests.studio.conftest import Studio, Tab
from tests.studio.test_browser_access import opened

pytestmark = [pytest.mark.browser, pytest.mark.parts]


def typed(studio: Studio, tab: Tab, old: str, new: str) -> None:
    """Put another text in place of the recipe's, as another tab does in which somebody types."""
    session = studio.server.session
    text = session.document.text.replace(old, new, 1)
    assert text != session.document.text
    session.desk.submit(session.take, text, "Type").result(10)
    tab.hears(session.document.revision)


@pytest.mark.parametrize("large", [False, True])
def test_a_mistake_in_the_latents_leaves_the_pictures(
    studio: Studio, tab: Tab, *, large: bool
) -> None:
    page = opened(studio, tab)
    if large:
        tab.enlarge(0)
        page.keyboard.press("t")
    typed(studio, tab, "latents z", "latnts z")
    page.wait_for_selector("text=/Replace with latents/")
    if not large:
        page.focus('[data-number="3"]')
        page.keyboard.press("Enter")
    page.wait_for_selector(".stage")
    assert page.locator(".paint h2").inner_text().startswith("Picture")
    typed(studio, tab, "latnts z", "latents z")
    if large:
        page.keyboard.press("Escape")  # T has given the keys to the text: back to the picture
    page.keyboard.press("Escape")
    tab.settled()
    assert tab.errors == []


def test_a_rule_that_cannot_be_read_gives_its_place_to_no_other(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.keyboard.press("n")
    page.wait_for_selector(".link-card >> nth=1")
    page.click(".link-card:has-text('first')")
    typed(studio, tab, "context z[5", "contxt z[5")
    page.wait_for_selector("text=There is a mistake in its text")
    assert page.locator("#slider-strength").count() == 0
    page.click("button.link:has-text('Replace with context')")
    page.wait_for_selector(".link-card.chosen:has-text('first')")
    page.wait_for_selector("#slider-strength")


def test_a_mark_that_is_too_small_offers_its_remedy_beside_it(studio: Studio, tab: Tab) -> None:
    page, document = opened(studio, tab), studio.server.session.document
    typed(studio, tab, "  context z[5, 8, 9, 11] box(x 16..48, y 16..48)\n  rank    2\n", "")
    tab.enlarge(5)
    tab.drag((0.4, 0.4, 0.6, 0.6))
    page.wait_for_selector("text=/takes [1-9] of 64 keys/")
    page.keyboard.press("2")
    page.wait_for_selector(".side .remark:has-text('more than this context can fill')")
    page.click(".side .remark button:has-text('Add rank')")
    page.wait_for_selector(".side .remark", state="detached")
    assert "rank" in document.text or "rank" in studio.server.session.document.text


def test_f_searches_for_what_was_just_drawn(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.enlarge(7)
    tab.drag((0.2, 0.2, 0.7, 0.7))
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    page.keyboard.press("f")
    page.wait_for_selector(".matches .match")
    assert studio.server.session.sought.image == 7
    assert page.locator("input[aria-label='Number of the picture']").input_value() == "7"


def test_a_sheet_that_is_shared_at_once_shows_its_own_text(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.settled()

    def shared() -> Image.Image:
        page.click("button:has-text('Share')")
        with page.expect_download() as waited:
            page.click("button:has-text('Sheet as PNG')")
        picture = Image.open(io.BytesIO(waited.value.path().read_bytes()))
        picture.load()
        return picture

    typed(studio, tab, "rank    2", "rank    2\n  strength 0")
    early = shared()
    tab.settled()
    late = shared()
    assert early.tobytes() == late.tobytes()
    assert early.info == late.info
    assert any("strength 0" in str(value) for value in early.info.values())


def test_the_difference_of_two_snapshots_has_a_line_for_each_change(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    tab.settled()
    page.keyboard.press("s")
    page.wait_for_selector("button:has-text('Snapshots 1')")
    typed(studio, tab, "rank    2", "rank    3\n  strength 0.5")
    tab.settled()
    page.keyboard.press("s")
    page.wait_for_selector("button:has-text('Snapshots 2')")
    page.click("button:has-text('Snapshots 2')")
    for number in (1, 2):
        page.click(f"label:has-text('Snapshot {number}') input")
    shown = page.wait_for_selector(".difference").inner_text()
    assert shown.splitlines() == ["-   rank    2", "+   rank    3", "+   strength 0.5"]


def test_a_rule_may_be_renamed_while_its_layers_are_tried(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.settled()
    page.click("button:has-text('Try every layer')")
    page.fill("input[aria-label='Name of the rule']", "other")
    page.keyboard.press("Enter")
    page.wait_for_selector(".link-card.chosen:has-text('other')")
    page.wait_for_selector(".layer-part small:has-text('each tried with this rule')")


def test_after_a_jump_the_keys_are_the_pictures_and_a_wrong_number_may_be_mended(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    tab.settled()
    page.keyboard.press("j")
    page.keyboard.type("nowhere")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=is not a list of images")
    page.wait_for_selector("#range:focus")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-number='12']:focus")
