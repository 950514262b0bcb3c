"""Parts of the page in a real browser: layers, settings, painting, snapshots, files that come."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from tests.studio.conftest import opened

Studio = Any
StudioMaker = Any
Tab = Any
pytestmark = [pytest.mark.browser, pytest.mark.parts]
BOX = (0.25, 0.25, 0.75, 0.75)


def says(tab: Tab, part: str) -> None:
    """Wait until the text holds a part; beside a large picture it is opened first."""
    if tab.page.locator(".cm-content").count() == 0:
        tab.page.click(".text header button")
        tab.page.wait_for_selector(".cm-content")
        if tab.page.locator(".stage").count():
            tab.page.focus(".stage")
    tab.until(f"document.querySelector('.cm-content').innerText.includes({json.dumps(part)})")


def test_layers_are_tried_and_one_is_taken_by_its_picture(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("button:has-text('Try every layer')")
    page.wait_for_selector(".tried")
    names = page.locator(".tried b").all_inner_texts()
    assert names == [each.name for each in studio.server.session.model.layers]
    drawn = page.locator(".tried canvas").evaluate_all("all => all.map(one => one.toDataURL())")
    assert len(set(drawn)) == len(names)
    page.click(".tried button:has-text('layer3')")
    says(tab, "rule first at layer3 {")
    page.wait_for_selector(".tried button[aria-checked='true']:has-text('layer3')")
    page.hover(".tray [aria-label='Picture 11, marked']")
    page.click("[aria-label='Remove picture 11 from the context']")
    page.wait_for_selector("text=tried before the rule was changed")
    page.reload()
    page.wait_for_selector(".tried")


def test_a_rule_with_too_few_contexts_says_what_trying_layers_needs(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    for number in (5, 8, 9):
        page.hover(f".tray [aria-label^='Picture {number},']")
    page.click(".cm-line:has-text('context')")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text("  context z[5] box(x 16..48, y 16..48)")
    page.wait_for_selector(".tray li:nth-child(1):last-child")
    page.click("button:has-text('Try every layer')")
    page.wait_for_selector(".layer-part .remark:has-text('contexts')")


def test_every_setting_of_the_language_has_a_control(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("text=side instead")
    says(tab, "side")
    page.wait_for_selector("#slider-side")
    assert page.locator("#slider-preserve").count() == 0
    page.click("text=preserve instead")
    page.wait_for_selector("#slider-preserve")
    page.click(".fold")
    page.select_option(".choice:has-text('Directions') select", "context")
    says(tab, "directions context")
    page.select_option(".choice:has-text('Solver') select", "gradient")
    says(tab, "solver   gradient")
    page.focus("#slider-solver-steps")
    page.keyboard.press("Home")
    says(tab, "steps 1 }")
    page.select_option(".choice:has-text('Solver') select", "exact")
    tab.until("!document.querySelector('.cm-content').innerText.includes('solver')")
    page.click("[aria-label='Type Keep']")
    page.fill("[aria-label='Keep, typed']", "7")
    page.press("[aria-label='Keep, typed']", "Enter")
    says(tab, "keep     7")
    page.click("[aria-label='Keep back to the standard, 3']")
    tab.until("!document.querySelector('.cm-content').innerText.includes('keep')")
    kinds = page.locator(".head option").evaluate_all("all => all.map(one => one.value)")
    page.select_option(".head select", "erase")
    page.wait_for_selector("#slider-units")
    assert {"rule", "erase", "zero"} <= set(kinds)


def test_the_paste_is_moved_by_the_mouse_and_the_pictures_follow(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    tab.paint(9, "3", BOX)
    says(tab, "paste   z[9] box(x 16..48, y 16..48)")
    page.keyboard.press("Escape")
    page.click(".place-line >> text=Move")
    page.wait_for_selector("button[aria-label='Move (V)'][aria-pressed='true']")
    before = page.locator(".strip canvas").first.evaluate("one => one.toDataURL()")
    box = page.locator(".stage").bounding_box()
    key = box["width"] / 8
    x, y = box["x"] + 4 * key, box["y"] + 4 * key
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + key, y, steps=4)
    says(tab, "paste   z[9] box(x 24..56, y 16..48)")  # the hand is still down
    page.mouse.move(x + key, y + key, steps=4)
    page.mouse.up()
    says(tab, "paste   z[9] box(x 24..56, y 24..56)")
    tab.until("document.querySelector('.status').innerText.includes('Up to date')")
    assert page.locator(".strip canvas").first.evaluate("one => one.toDataURL()") != before
    page.keyboard.press("Escape")
    page.click("text=History")
    steps = page.locator(".steps button").all_inner_texts()
    assert steps == ["Mark paste in 9", "Mark paste in 9", "Opened"]


def test_a_move_is_taken_back_in_one_step_and_the_outline_goes_back_too(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='Picture 5, marked']")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    pixels = "document.querySelector('canvas.over').getContext('2d').getImageData(0, 0, 1024, 1024)"
    outline = f"{pixels}.data.reduce((sum, one, at) => (sum * 31 + one + at) % 1e9, 7)"
    before = page.evaluate(outline)
    page.keyboard.press("v")
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] / 8, y, steps=3)
    page.mouse.up()
    says(tab, "context z[5] box(x 24..56, y 16..48)")
    page.keyboard.press("Control+z")
    says(tab, "context z[5, 8, 9, 11] box(x 16..48, y 16..48)")
    tab.until(f"{outline} === {before}")


def test_a_polygon_is_closed_by_enter_and_loses_corners_by_escape(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click('[data-number="6"]')
    page.keyboard.press("g")
    box = page.locator(".stage").bounding_box()
    for x, y in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.1, 0.9)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    assert "Enter" in page.inner_text(".side")
    page.focus(".stage")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    says(tab, "context z[6] polygon(16,16 48,16 48,48)")


def test_both_is_left_again(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click("[role=radio]:has-text('Both')")
    page.wait_for_selector(".tile .half >> nth=0", state="visible")
    page.click("[role=radio]:has-text('After')")
    page.wait_for_selector(".tile .half >> nth=0", state="hidden")


def test_a_number_is_gone_to_and_a_rule_is_renamed(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    count = page.locator(".tile").count()
    page.focus('[data-number="0"]')
    page.keyboard.press("j")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-number="7"]')
    assert page.locator(".tile").count() == count
    page.fill("[aria-label='Name of the rule']", "beard")
    page.keyboard.press("Enter")
    says(tab, "rule beard at layer6")
    page.wait_for_selector("[aria-label^='Rule beard']")
    page.fill("[aria-label='Name of the rule']", "no name")
    page.keyboard.press("Enter")
    page.wait_for_selector(".trouble:has-text('cannot be a name')")
    assert page.input_value("[aria-label='Name of the rule']") == "no name"  # to be mended
    page.keyboard.press("Escape")
    assert page.input_value("[aria-label='Name of the rule']") == "beard"


def test_what_is_painted_by_brush_is_no_file_before_it_is_used(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click('[data-number="6"]')
    page.keyboard.press("p")
    tab.drag((0.3, 0.3, 0.7, 0.6))
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    tab.drag((0.3, 0.7, 0.7, 0.7))
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.click(".more >> text=Find more like it")
    page.wait_for_selector(".matches li")
    assert not list(studio.folder.rglob("*.png"))
    page.keyboard.press("2")
    says(tab, 'context z[6] mask("masks/first-6.png")')
    page.wait_for_selector(".matches li")
    page.click("button:has-text('Add all')")
    says(tab, 'context like z[6] mask("masks/first-6.png") top')
    assert [each.name for each in studio.folder.rglob("*.png")] == ["first-6.png"]


def test_a_named_region_stays_a_name_when_it_is_searched_with(studio: Studio, tab: Tab) -> None:
    path = studio.folder / "small.redraft"
    text = path.read_text().replace("box(x 16..48, y 16..48)", "middle")
    region = "region middle = ellipse(32,32 radius 16,12) minus box(x 30..34, y 30..34)\n\n#"
    path.write_text(text.replace("#", region, 1))
    page = tab.page
    page.goto(studio.server.address)
    page.click(".brand")
    page.click("button:has-text('small.redraft')")
    tab.settled()
    page.click("button:has-text('Find more like it')")
    page.wait_for_selector(".matches li")
    page.click("button:has-text('Add all')")
    says(tab, "context like z[5] middle top")


def test_two_snapshots_stand_side_by_side(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.focus('[data-number="0"]')
    page.keyboard.press("s")
    page.wait_for_selector(".top button:has-text('Snapshots') .soft:text-is('1')")
    before = tab.pixels(0)
    page.focus("#slider-strength")
    page.keyboard.press("End")
    says(tab, "strength 3")
    tab.changes(0, before)
    tab.settled()
    page.focus('[data-number="0"]')
    page.keyboard.press("s")
    page.click("button:has-text('Snapshots')")
    page.wait_for_selector(".snap >> nth=1")
    page.click(".snap >> nth=0 >> input")
    page.click(".snap >> nth=1 >> input")
    page.wait_for_selector(".compare")
    for pane in (0, 1):
        assert page.locator(f".panes > div >> nth={pane} >> canvas").count() == 32
    first, second = (
        page.locator(f".panes > div >> nth={pane} >> canvas").first.evaluate(
            "one => one.toDataURL()"
        )
        for pane in (0, 1)
    )
    assert first != second
    assert "strength 3" in page.locator(".difference ins").inner_text()
    page.click(".panes > div >> nth=0 >> text=Go back to it")
    tab.until("!document.querySelector('.cm-content').innerText.includes('strength')")


DROP = """
([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
}
"""


def dropped(page: Any, name: str, data: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])


def authors_edit() -> bytes:
    """An edit file as the authors' program saves it."""
    mask = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(mask).ellipse((12, 20, 50, 44), fill="white")
    stored = io.BytesIO()
    mask.save(stored, "PNG")
    url = "data:image/png;base64," + base64.b64encode(stored.getvalue()).decode()
    return json.dumps({"object": [3, url], "paste": [9, url], "key": [[5, url]]}).encode()


def test_sheets_packs_edits_and_the_authors_files_are_opened(
    studio: Studio, tab: Tab, tmp_path: Path
) -> None:
    page = opened(studio, tab)
    page.click("button:has-text('Share')")
    with page.expect_download() as download:
        page.click("text=Sheet as PNG")
    sheet = Path(download.value.path()).read_bytes()
    files = {}
    for place, name in ((1, "b.safetensors"), (2, "a.redraftpack")):
        page.click("button:has-text('Share')")
        with page.expect_download() as download:
            page.locator(".popup .row").nth(place).click()
        files[name] = Path(download.value.path()).read_bytes()
    page.focus("#slider-strength")
    page.keyboard.press("End")
    says(tab, "strength 3")
    dropped(page, "sheet.png", sheet)
    page.wait_for_selector(".trouble:has-text('not saved')")  # nothing is lost by a drop
    page.click("[aria-label='Close']")
    page.keyboard.press("Control+s")
    page.wait_for_selector(".hint:text-is('saved')")
    dropped(page, "sheet.png", sheet)
    page.wait_for_selector(".file:text-is('untitled.redraft')")
    tab.until("!document.querySelector('.cm-content').innerText.includes('strength')")
    tab.settled()
    for name, data in files.items():
        page.click(".brand")
        page.wait_for_selector(".dropzone")  # nothing was changed, so nothing is asked
        page.set_input_files(
            "input[type=file]",
            {"name": name, "mimeType": "application/octet-stream", "buffer": data},
        )
        page.wait_for_selector(".link-card:has-text('first')")
        tab.settled()
    dropped(page, "mine.json", authors_edit())
    says(tab, "mask(")
    assert (studio.folder / "mine.redraft").is_file()


def test_what_is_being_typed_stays_while_another_tab_changes_the_recipe(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='Type Rank']")
    page.fill("[aria-label='Rank, typed']", "3")
    other = page.context.new_page()
    other.goto(studio.server.address)
    other.focus("#slider-strength")
    other.keyboard.press("End")
    says(tab, "strength 3")
    assert page.input_value("[aria-label='Rank, typed']") == "3"
    page.press("[aria-label='Rank, typed']", "Enter")
    says(tab, "rank    3")


def test_a_rule_that_cannot_be_applied_says_so_and_offers_its_remedy(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='More about this rule']")
    page.click(".popup >> text=Duplicate")
    page.wait_for_selector(".link-card:has-text('first-2')")
    tab.settled()
    page.click("[aria-label='Type Rank']")
    page.fill("[aria-label='Rank, typed']", "60")
    page.press("[aria-label='Rank, typed']", "Enter")
    page.wait_for_selector(".remark:has-text('first was not applied')")
    page.wait_for_selector(".link-card:has-text('not applied')")
    before = tab.pixels(0)
    page.click(".link-card:has-text('first-2')")
    page.focus("#slider-strength")
    page.keyboard.press("End")
    tab.changes(0, before)
    page.click(".left > .remark .link")
    page.wait_for_selector(".remark:has-text('not applied')", state="detached")


def mask_png(size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask as a paint program saves it: white on black, a square in the middle."""
    picture, stored = Image.new("RGB", size), io.BytesIO()
    ImageDraw.Draw(picture).rectangle((16, 16, 47, 47), fill="white")
    picture.save(stored, "PNG")
    return stored.getvalue()


def test_a_mask_that_is_dropped_on_a_picture_is_painted_there(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    dropped(page, "eyes.png", mask_png())
    page.wait_for_selector(".trouble:has-text('no recipe in eyes.png')")
    assert "open the picture it is for" in page.inner_text(".trouble")
    tab.enlarge(6)
    dropped(page, "flat.png", mask_png((64, 48)))
    page.wait_for_selector(".trouble:has-text('flat.png has 64x48 pixels, and the picture 64x64')")
    dropped(page, "eyes.png", mask_png())
    page.wait_for_selector("text=takes 16 of 64 keys")
    page.wait_for_selector(".trouble", state="detached")
    assert not list(studio.folder.rglob("*.png"))
    page.keyboard.press("2")
    says(tab, 'context z[6] mask("masks/first-6.png")')
    with Image.open(studio.folder / "masks" / "first-6.png") as stored:
        inside = stored.convert("L").resize((64, 64)).point(lambda value: value > 127)
        assert inside.getbbox() == (16, 16, 48, 48)


def test_a_mask_that_is_dropped_takes_the_place_of_the_mark_that_is_changed(
    studio: Studio, tab: Tab
) -> None:
    page = opened(studio, tab)
    page.click("[aria-label='Picture 5, marked']")
    page.wait_for_selector("text=/takes [1-9]\\d* of 64 keys/")
    dropped(page, "eyes.png", mask_png((128, 128)))
    says(tab, 'context z[5] mask("masks/first-5.png")')
    page.keyboard.press("Control+z")
    says(tab, "context z[5, 8, 9, 11] box(x 16..48, y 16..48)")


def test_the_text_opens_where_it_was_shut(studio: Studio, tab: Tab) -> None:
    page = opened(studio, tab)
    page.click(".cm-line:has-text('rank')")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowRight")
    top = "Math.round(document.querySelector('.cm-scroller').scrollTop)"
    tab.until(f"{top} === 0")
    for _ in range(2):
        page.keyboard.press("Escape")
        page.keyboard.press("t")
        page.wait_for_selector(".cm-content", state="detached")
        page.keyboard.press("t")
        page.wait_for_selector(".cm-content:focus")
        tab.until(f"{top} === 0")
    page.keyboard.type("# ")
    tab.until("document.querySelector('.cm-line').innerText === 'e# dition 2026'")
