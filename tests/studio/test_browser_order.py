"""One thing after another in a real browser: names, undo, mistakes, and what goes on meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]
NAME = "[aria-label='Name of the rule']"
BOX = (0.25, 0.25, 0.75, 0.75)


def opened(studio: Studio, tab: Tab) -> Any:
    tab.page.goto(studio.server.address)
    tab.settled()
    return tab.page


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
