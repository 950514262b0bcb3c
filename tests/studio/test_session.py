"""Text in, pictures out: what a tab asks, and what all tabs are told."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import redraft

Page = Any
Studio = Any
StudioMaker = Any


def put(key: str, value: str, owner: str = "first") -> dict[str, str]:
    return {"kind": "put", "owner": owner, "key": key, "value": value}


def painted() -> str:
    picture = np.zeros((64, 64), np.uint8)
    picture[20:40, 12:52] = 255
    with io.BytesIO() as stream:
        Image.fromarray(picture).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()


def test_a_change_keeps_comments_and_is_followed_by_pictures(page: Page) -> None:
    before = page.after()
    page.ask(ask="change", changes=[put("strength", "2")])
    page.event("settled", revision=1)
    assert "# Stays where it is." in page.state["text"]
    assert "strength 2" in page.state["text"]
    assert any((before[n] != picture).any() for n, picture in page.after().items())


def test_the_pictures_are_those_of_a_run(studio: Studio, page: Page, tmp_path: Path) -> None:
    page.ask(ask="change", changes=[put("preserve", "0.1")])
    page.event("settled", revision=1)
    page.ask(ask="save", path="")
    path = studio.folder / "small.redraft"
    assert path.read_text() == page.state["text"]
    run = redraft.run(str(path), tmp_path / "run", device="cpu")
    with studio.client() as client:
        assert client.get("/share/edit").content == (run.folder / "edit.safetensors").read_bytes()


def test_many_changes_leave_no_backlog_and_end_in_the_right_picture(page: Page) -> None:
    for number in range(100):
        page.ask(ask="change", changes=[put("strength", f"{number / 100:.2f}")], drag="one")
    page.event("settled", revision=100)
    drawn = [frame for frame in page.frames if frame.head["which"] == "after"]
    assert len(drawn) < 200
    with_all = page.after()
    page.ask(ask="change", changes=[put("strength", "0.5")])
    page.ask(ask="change", changes=[put("strength", "0.99")])
    page.event("settled", revision=page.state["revision"])
    assert all((with_all[n] == picture).all() for n, picture in page.after().items())
    assert page.state["history"]["steps"][1] == "Strength to 0.99"


def test_two_tabs_see_one_state(studio: Studio, page: Page) -> None:
    other = studio.page()
    page.ask(ask="change", changes=[put("rank", "1")])
    assert "rank    1" in other.event("state", revision=1)["text"]
    other.ask(ask="type", base=1, start=0, end=0, insert="# from another tab\n")
    assert page.event("state", revision=2)["text"].startswith("# from another tab\nedition")
    late = page.ask(ask="type", base=0, start=8, end=12, insert="2026")
    assert late["revision"] == 2, "an older revision is carried over to the present text"
    other.socket.close()


def test_a_place_that_another_tab_has_changed_is_not_overwritten(page: Page) -> None:
    start = page.state["text"].index("rank    2") + 8
    page.ask(ask="type", base=0, start=start, end=start + 1, insert="1")
    failed = page.ask(ask="type", base=0, start=start, end=start + 1, insert="4")
    assert failed["failure"]["code"] == "RD805"
    assert "rank    1" in page.state["text"]


def test_undo_and_redo_serve_mouse_and_text_alike(page: Page) -> None:
    first = page.state["text"]
    page.ask(ask="change", changes=[put("rank", "1")])
    page.ask(ask="type", base=1, start=0, end=0, insert="# typed\n")
    history = page.state["history"]
    assert history["steps"] == ["Opened", "Rank 2 to 1", "Typing"]
    page.ask(ask="history", step=0)
    assert page.state["text"] == first
    page.ask(ask="history", step=2)
    assert page.state["text"].startswith("# typed\n")


def test_a_mistake_leaves_the_last_good_pictures_and_offers_its_fix(page: Page) -> None:
    text = page.state["text"]
    at = text.index("layer6")
    page.ask(ask="type", base=0, start=at, end=at + 6, insert="layer66")
    assert page.event("mistake")["revision"] == 1
    problem = page.state["problems"][0]
    assert problem["severity"] == "error"
    page.ask(ask="fix", problem=0, fix=0)
    page.event("settled")
    assert page.state["text"] == text


def test_a_rule_that_cannot_be_solved_is_said_and_the_next_change_goes_on(page: Page) -> None:
    page.ask(ask="change", changes=[put("directions", "units"), put("rank", "60")])
    page.event("failed", "mistake")
    page.ask(ask="change", changes=[put("directions", "goal"), put("rank", "2")])
    page.event("settled", revision=2)


def test_stopping_changes_nothing_and_can_be_taken_back(page: Page) -> None:
    page.ask(ask="change", changes=[put("keep", "1")])
    page.ask(ask="stop")
    page.event("stopped")
    page.ask(ask="again")
    page.event("settled", revision=page.state["revision"])


def test_a_reload_in_the_middle_of_solving_finds_everything(studio: Studio, page: Page) -> None:
    page.ask(ask="change", changes=[put("keep", "2")])
    page.socket.close()
    again = studio.page()
    assert "keep" in again.state["text"]
    again.event("settled", revision=1)
    assert len(again.after()) == 32
    again.socket.close()


def test_from_nothing_to_a_saved_rule(start: StudioMaker, tmp_path: Path) -> None:
    studio = start(None)
    page = studio.page()
    assert page.state["open"] is False
    cards = page.ask(ask="cards")
    assert "small.safetensors" in cards["files"]
    assert "faces" in [model["name"] for model in cards["models"]]
    page.ask(ask="begin", model="small.safetensors")
    page.event("unfinished")
    box = "box(x 16..48, y 16..48)"
    made = page.ask(ask="mark", rule="", word="copy", image=3, region=box)
    for image in (5, 8, 9):
        page.ask(ask="mark", rule=made["rule"], word="context", image=image, region=box)
    page.event("settled", revision=page.state["revision"])
    assert page.ask(ask="save", path="sub/mine.redraft")["path"] == "sub/mine.redraft"


def test_what_is_marked_by_brush_becomes_a_file_beside_the_recipe(
    studio: Studio, page: Page
) -> None:
    mask = painted()
    page.ask(ask="mark", rule="first", word="context", image=12, mask=mask)
    assert 'context z[12] mask("masks/first-12.png")' in page.state["text"]
    page.event("settled", revision=1)
    with Image.open(studio.folder / "masks/first-12.png") as picture:
        assert np.asarray(picture)[30, 30] == 255
    page.ask(ask="mark", rule="first", word="context", image=12, mask=mask,
             target="first.context[1]")  # fmt: skip
    assert [each.name for each in (studio.folder / "masks").iterdir()] == ["first-12.png"]
    grid = page.ask(ask="keys", layer="layer6", mask=mask)["grid"]
    assert np.asarray(grid).shape == (8, 8)
    assert grid[0][0] == 0
    assert grid[3][3] == 1


def test_a_search_ranks_places_like_a_marked_one(page: Page) -> None:
    place = "z[5] box(x 16..48, y 16..48)"
    page.ask(ask="search", layer="layer6", place=place, first=0, last=39)
    found = page.event("matches")
    assert "failure" not in found, found["failure"]
    scores = [each["score"] for each in found["results"]]
    assert found["results"][0]["index"] == 5
    assert scores == sorted(scores, reverse=True)
    page.ask(ask="search", layer="nowhere", place=place, first=0, last=39)
    assert "failure" in page.event("matches")


def test_saving_never_loses_what_another_program_wrote(studio: Studio, page: Page) -> None:
    path = studio.folder / "small.redraft"
    path.write_text("# somebody else\n")
    page.ask(ask="change", changes=[put("rank", "1")])
    assert page.ask(ask="save", path="")["failure"]["code"] == "RD807"
    assert path.read_text() == "# somebody else\n"
    (studio.folder / "there.redraft").write_text("x")
    assert page.ask(ask="save", path="there.redraft")["failure"]["code"] == "RD808"
    assert page.ask(ask="save", path="mine.redraft")["path"] == "mine.redraft"
    assert "rank    1" in (studio.folder / "mine.redraft").read_text()


def test_a_full_disk_at_save_loses_nothing(
    studio: Studio, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = studio.folder / "small.redraft"
    before = path.read_bytes()
    page.ask(ask="change", changes=[put("rank", "1")])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert page.ask(ask="save", path="")["failure"]["code"] == "RD634"
    assert path.read_bytes() == before
    assert page.state["changed"] is True
    assert page.ask(ask="save", path="")["path"] == "small.redraft"


def test_rules_are_switched_moved_copied_and_become_other_kinds(page: Page) -> None:
    page.ask(ask="change", changes=[{"kind": "duplicate", "target": "first"}])
    assert [rule["name"] for rule in page.state["rules"]] == ["first", "first-2"]
    page.ask(ask="change", changes=[{"kind": "move", "target": "first-2", "before": "first"}])
    assert [rule["name"] for rule in page.state["rules"]] == ["first-2", "first"]
    page.ask(ask="kind", rule="first-2", to="erase")
    made = page.state["rules"][0]
    assert made["kind"] == "erase"
    assert all(line["word"] != "copy" for line in made["lines"])
    page.ask(ask="change", changes=[{"kind": "switch", "target": "first-2", "on": False}])
    assert "off erase first-2" in page.state["text"]
    page.event("settled", revision=page.state["revision"])


def test_a_snapshot_is_gone_back_to(page: Page) -> None:
    first = page.state["text"]
    number = page.ask(ask="snapshot")["number"]
    page.ask(ask="change", changes=[put("rank", "1")])
    page.ask(ask="restore", number=number)
    assert page.state["text"] == first
    held = next(frame for frame in page.frames if frame.head["which"] == "snapshot")
    assert len(held.head["numbers"]) == 32
    page.ask(ask="forget", number=number)
    assert page.ask(ask="restore", number=number)["failure"]["code"] == "RD818"


def test_a_sheet_holds_its_recipe_and_opens_it(studio: Studio, page: Page) -> None:
    text = page.state["text"]
    with studio.client() as client:
        sheet = client.get("/share/sheet").content
        page.ask(ask="change", changes=[put("rank", "1")])
        origin = {"Origin": studio.base}
        answer = client.post("/drop?name=sheet.png", content=sheet, headers=origin)
        assert answer.status_code == 200
        page.until(lambda event: event.get("event") == "state" and event["text"] == text)
        bare = io.BytesIO()
        Image.new("RGB", (8, 8)).save(bare, "PNG")
        answer = client.post("/drop?name=bare.png", content=bare.getvalue(), headers=origin)
        assert answer.json()["failure"]["code"] == "RD813"


def test_a_pack_and_an_edit_are_dropped_and_opened(studio: Studio, page: Page) -> None:
    page.event("records")
    with studio.client() as client:
        pack, edit = client.get("/share/pack"), client.get("/share/edit")
        assert pack.status_code == 200, pack.text
        for name, data in (("a.redraftpack", pack.content), ("b.safetensors", edit.content)):
            answer = client.post(
                f"/drop?name={name}", content=data, headers={"Origin": studio.base}
            )
            assert answer.status_code == 200, answer.text
            opened = page.until(lambda event: event.get("event") == "state" and event["open"])
            assert "rule first at layer6" in opened["text"]


def test_other_images_are_shown_and_wrong_ones_are_refused(page: Page) -> None:
    page.ask(ask="look", numbers="0..3, 20..21")
    assert page.state["shown"] == [0, 1, 2, 3, 20, 21]
    for wrong in ("", "z", "3..1", "39..40", "-1"):
        assert page.ask(ask="look", numbers=wrong)["failure"]["code"] == "RD811"


def test_the_editor_is_helped(page: Page) -> None:
    text = page.state["text"]
    at = text.index("rank") + 1
    hover = page.ask(ask="hover", base=0, offset=at)["hover"]
    assert "directions" in hover["markdown"]
    line = text.index("  rank")
    options = page.ask(ask="complete", base=0, offset=line + 2)["options"]
    assert "preserve" in [option["label"] for option in options]


def test_a_run_is_made_of_the_saved_recipe(studio: Studio, page: Page) -> None:
    page.ask(ask="change", changes=[put("rank", "1")])
    assert page.ask(ask="run")["failure"]["code"] == "RD817"
    page.ask(ask="save", path="")
    page.ask(ask="run")
    done = page.event("ran")
    assert (studio.folder / done["folder"] / "edit.safetensors").is_file()


def test_a_model_that_is_not_there_is_said(start: StudioMaker, tmp_path: Path) -> None:
    studio = start()
    page = studio.page()
    text = page.state["text"]
    at = text.index("small.safetensors")
    page.ask(ask="type", base=0, start=at, end=at + 5, insert="gone!")
    failed = page.event("failed")
    assert failed["code"].startswith("RD")
    page.ask(ask="history", step=0)
    page.event("settled")
