"""What comes by itself, such as figures and remarks, moves nothing that is about to be clicked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.studio.conftest import Studio, Tab
from tests.studio.test_browser_access import opened

pytestmark = [pytest.mark.browser, pytest.mark.parts]

# Where parts of the panel stood, what was said and how much was found, at every change.
RECORD = """() => {
  const places = [".figures", ".leftout", ".tray", ".two", ".layer-part", "#slider-strength"];
  const topOf = (each) => document.querySelector(each)?.getBoundingClientRect().top;
  window.stood = new Set(); window.said = new Set(); window.found = new Set();
  const look = () => {
    const items = document.querySelectorAll(".tray li").length;
    window.stood.add(JSON.stringify([items, ...places.map(topOf)]));
    window.found.add(document.querySelectorAll(".tray .found").length);
    for (const each of document.querySelectorAll(".figures, .said .remark, .status"))
      window.said.add(each.innerText);
  };
  look();
  new MutationObserver(look).observe(document.body,
    { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def measured(page: Any) -> None:
    """Wait until everything is known of the text as it is."""
    page.wait_for_selector(".tray:not(.waiting)")
    page.wait_for_selector("text=/^Up to date [\\d.]+ m?s$/")


def strengthened(tab: Tab) -> None:
    """Make the rule stronger, and wait for its figures."""
    tab.page.keyboard.press("End")
    tab.until("document.querySelector('.cm-content').innerText.includes('strength 3')")
    measured(tab.page)


def said(page: Any) -> str:
    found: str = page.evaluate("[...window.said].join('\\n')")
    return found


@pytest.mark.parametrize("width", [1280, 1024])
def test_nothing_moves_when_figures_and_remarks_come(studio: Studio, tab: Tab, width: int) -> None:
    page = tab.page
    page.set_viewport_size({"width": width, "height": 800})
    opened(studio, tab)
    measured(page)
    assert "contexts" in page.inner_text(".said .remark")
    page.focus("#slider-strength")
    page.evaluate(RECORD)
    strengthened(tab)
    for words in ("Left-out figures follow", "measuring", "of new pictures"):
        assert words in said(page)
    assert len(page.evaluate("[...window.stood]")) == 1


def test_a_click_beside_figures_that_come_lands_where_it_was_aimed(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    page.hover(".tray [aria-label='Picture 11, marked']")
    aimed = page.locator("[aria-label='Remove picture 11 from the context']").bounding_box()
    measured(page)
    page.wait_for_selector(".inspector .remark")
    page.mouse.click(aimed["x"] + aimed["width"] / 2, aimed["y"] + aimed["height"] / 2)
    page.wait_for_selector(".tray [aria-label='Picture 11, marked']", state="detached")


def test_what_a_search_finds_has_its_room_before_and_stays_until_it_is_found_anew(
    studio: Studio, tab: Tab
) -> None:
    page, session = opened(studio, tab), studio.server.session
    measured(page)
    line = "  context like z[5] box(x 16..48, y 16..48) top 6 among 0..30\n  rank"
    text = session.need().text.replace("  rank", line, 1)
    page.evaluate(RECORD)
    session.desk.submit(session.take, text, "Type").result(10)
    page.wait_for_selector(".tray .found")
    measured(page)
    assert len(page.evaluate("[...window.stood].filter((one) => one.startsWith('[10,'))")) == 1
    assert page.locator(".tray li").count() == 10, "as many as are searched for"
    assert 0 in page.evaluate("[...window.found]")
    assert "Up to date finding places" in said(page)
    page.focus("#slider-strength")
    page.evaluate(RECORD)
    strengthened(tab)
    assert page.evaluate("[...window.found]") == [page.locator(".tray .found").count()]


def test_the_status_says_what_is_still_to_come(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    measured(page)
    page.focus("#slider-strength")
    page.evaluate(RECORD)
    strengthened(tab)
    for words in ("Up to date finding places", "Up to date measuring"):
        assert words in said(page)
    assert page.locator(".figures :text('measuring')").count() == 0
