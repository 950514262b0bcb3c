"""Text in, pictures out: what a tab asks, and what all tabs are told."""

from __future__ import annotations

import base64
import io
import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import redraft
from redraft_dsl.language.language import LANGUAGE

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
    # A recipe that nobody has named has the name of its file from then on.
    written = (tmp_path / "sub/mine.redraft").read_text(encoding="utf-8")
    assert 'recipe mine 1.0.0 "Mine"' in written
    assert page.state["changed"] is False


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


BOX = "box(x 16..48, y 16..48)"


def names_in(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")}


def test_a_search_ranks_places_like_a_marked_one(page: Page) -> None:
    page.ask(ask="search", layer="layer6", image=5, region=BOX, first=0, last=39)
    found = page.event("matches")
    assert "failure" not in found, found["failure"]
    scores = [each["score"] for each in found["results"]]
    assert found["results"][0]["index"] == 5
    assert scores == sorted(scores, reverse=True)
    page.ask(ask="search", layer="nowhere", image=5, region=BOX, first=0, last=39)
    assert "failure" in page.event("matches")


def test_what_a_search_finds_becomes_lines(page: Page) -> None:
    assert page.ask(ask="gather", rule="first", top=3)["failure"]["code"] == "RD824"
    page.ask(ask="search", layer="layer6", image=5, region=BOX, first=0, last=39)
    found = page.event("matches")["results"][1]
    page.ask(ask="gather", rule="first", index=found["index"])
    x0, y0, x1, y1 = found["box"]
    assert f"context z[{found['index']}] box(x {x0}..{x1}, y {y0}..{y1})" in page.state["text"]
    page.ask(ask="gather", rule="first", top=6)
    assert f"context like z[5] {BOX} top 6 among 0..39" in page.state["text"]
    page.ask(ask="gather", rule="first", top=2)
    assert f"context like z[5] {BOX} top 8 among 0..39" in page.state["text"]
    assert page.state["text"].count("context like") == 1
    assert page.ask(ask="gather", rule="first", index=4000)["failure"]["code"] == "RD811"
    page.event("settled", revision=page.state["revision"])


def test_a_painted_place_is_no_file_before_it_is_in_a_rule(studio: Studio, page: Page) -> None:
    before = names_in(studio.folder)
    page.ask(ask="search", layer="layer6", image=5, mask=painted(), first=0, last=39)
    found = page.event("matches")
    assert "failure" not in found, found["failure"]
    assert names_in(studio.folder) == before
    page.ask(ask="gather", rule="first", top=4)
    line = 'context like z[5] mask("masks/first-5.png") top 4 among 0..39'
    assert line in page.state["text"]
    assert (studio.folder / "masks/first-5.png").is_file()
    page.event("settled", revision=page.state["revision"])
    others = [each["index"] for each in found["results"] if each["index"] not in (3, 5, 8, 9, 11)]
    placed = page.event("placed")["rules"]["first"]["found"]
    assert sorted(others[:4]) == sorted(each["index"] for each in placed), "what was shown is found"


def test_what_a_killed_search_left_is_removed(start: StudioMaker, tmp_path: Path) -> None:
    old, young = tmp_path / ".redraft-search-old", tmp_path / ".redraft-search-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "search.png").write_bytes(b"")
    os.utime(old, (0, 0))
    start()
    assert not old.exists()
    assert young.exists()


def test_a_recipe_that_is_saved_elsewhere_finds_what_it_names(studio: Studio, page: Page) -> None:
    page.ask(ask="mark", rule="first", word="context", image=12, mask=painted())
    page.event("settled", revision=1)
    pictures = page.after()
    page.ask(ask="save", path="sub/mine.redraft")
    page.event("settled")
    assert all((pictures[n] == picture).all() for n, picture in page.after().items())
    assert redraft.plan(studio.folder / "sub/mine.redraft").recipe.rules
    (studio.folder / "other").mkdir()
    (studio.folder / "other/small.safetensors").write_bytes(b"another model")
    failed = page.ask(ask="save", path="other/mine.redraft")["failure"]
    assert (failed["code"], names_in(studio.folder / "other")) == ("RD808", {"small.safetensors"})


SECOND = """
rule second at layer3 {
  copy    z[7] box(x 0..32, y 0..32)
  context z[1, 2, 4] box(x 0..32, y 0..32)
  rank    1
}
"""


def with_second(page: Page) -> None:
    text = page.state["text"]
    page.ask(ask="type", base=0, start=len(text), end=len(text), insert=SECOND)
    page.event("settled", revision=1)


def test_a_rule_that_cannot_be_solved_leaves_the_others_live(page: Page) -> None:
    with_second(page)
    both = page.after()
    page.ask(ask="change", changes=[put("rank", "60")])
    settled = page.event("settled", revision=2)
    assert [(each["rule"], bool(each["message"])) for each in settled["left"]] == [("first", True)]
    alone = page.after()
    assert any((both[n] != picture).any() for n, picture in alone.items())
    page.ask(ask="change", changes=[put("strength", "2", "second")])
    assert page.event("settled", revision=3)["left"][0]["rule"] == "first"
    assert any((alone[n] != picture).any() for n, picture in page.after().items())
    page.ask(ask="history", step=1)
    assert page.event("settled", revision=4)["left"] == []
    assert all((both[n] == picture).all() for n, picture in page.after().items())


def test_a_rule_that_fails_while_it_is_solved_is_named_and_left_out(page: Page) -> None:
    with_second(page)
    diverging = "gradient { steps 30  rate 1000 }"
    page.ask(ask="change", changes=[put("solver", diverging), put("strength", "2", "second")])
    settled = page.event("settled", revision=2)
    assert [each["rule"] for each in settled["left"]] == ["first"]
    assert "first" in settled["left"][0]["message"] or settled["left"][0]["help"]


def test_a_new_rule_that_is_not_whole_leaves_the_others_live(page: Page) -> None:
    page.ask(ask="change", changes=[{"kind": "add", "text": "rule more at layer6 {\n}"}])
    settled = page.event("settled", revision=1)
    assert [(each["rule"], each["message"]) for each in settled["left"]] == [("more", "")]
    page.ask(ask="change", changes=[put("strength", "2")])
    page.event("settled", revision=2)


def test_while_somebody_types_the_pictures_stay_those_of_the_last_good_text(page: Page) -> None:
    with_second(page)
    at = page.state["text"].index("rank    2") + 8
    page.ask(ask="type", base=1, start=at, end=at + 1, insert="60")
    assert page.event("mistake", revision=2)


def test_what_was_not_saved_is_offered_after_a_kill(start: StudioMaker, tmp_path: Path) -> None:
    page = start().page()
    page.event("settled")
    page.ask(ask="change", changes=[put("rank", "1")])
    text = page.state["text"]
    time.sleep(1.0)  # and then it is killed: another server knows nothing of the first one
    again = start().page()
    assert "rank    2" in again.state["text"]
    assert again.state["draft"] is not None
    again.ask(ask="recover", bring_back=True)
    assert again.state["text"] == text
    assert again.state["draft"] is None
    again.event("settled", revision=1)
    again.ask(ask="save", path="")
    assert start().page().state["draft"] is None


def test_a_recipe_without_a_file_is_offered_too_and_can_be_dropped(
    start: StudioMaker, tmp_path: Path
) -> None:
    page = start(None).page()
    page.ask(ask="begin", model="small.safetensors")
    page.event("unfinished")
    page.ask(ask="mark", rule="", word="copy", image=3, region=BOX)
    text = page.state["text"]
    time.sleep(1.0)
    again = start(None).page()
    assert again.ask(ask="cards")["draft"] is not None
    again.ask(ask="recover", bring_back=True)
    assert again.state["text"] == text
    last = start(None).page()
    last.ask(ask="recover", bring_back=False)
    assert last.ask(ask="cards")["draft"] is None
    assert last.ask(ask="recover", bring_back=True)["failure"]["code"] == "RD823"


def test_a_dragged_paste_is_one_step_and_the_pictures_follow(page: Page) -> None:
    page.ask(ask="mark", rule="first", word="paste", image=9, region="box(x 8..40, y 16..48)")
    for left in (9, 11, 14, 20):
        page.ask(ask="mark", rule="first", word="paste", image=9, target="first.paste[0]",
                 region=f"box(x {left}..{left + 32}, y 16..48)", drag="hand")  # fmt: skip
    page.event("settled", revision=5)
    steps = page.state["history"]["steps"]
    assert steps == ["Opened", "Mark paste in 9", "Mark paste in 9"]
    assert "paste   z[9] box(x 20..52, y 16..48)" in page.state["text"]


def test_one_of_several_images_is_changed_or_removed_alone(page: Page) -> None:
    page.ask(ask="unmark", target="first.context[0]", image=9)
    assert f"context z[5, 8, 11] {BOX}" in page.state["text"]
    made = page.ask(ask="mark", rule="first", word="context", image=8, target="first.context[0]",
                    region="box(x 0..32, y 16..48)")  # fmt: skip
    assert made["target"] == "first.context[1]"
    lines = [line["text"] for line in page.state["rules"][0]["lines"]]
    assert lines[1:] == [f"context z[5, 11] {BOX}", "context z[8] box(x 0..32, y 16..48)"]
    assert "failure" in page.ask(ask="unmark", target="first.context[1]", image=5)
    page.ask(ask="unmark", target="first.context[1]", image=8)
    page.ask(ask="mark", rule="first", word="copy", image=4, region=BOX)
    lines = [line["text"] for line in page.state["rules"][0]["lines"]]
    assert lines == [f"copy    z[4] {BOX}", f"context z[5, 11] {BOX}"]


def test_an_operation_without_a_context_is_made_of_its_own_lines(page: Page) -> None:
    page.ask(ask="kind", rule="first", to="invert")
    page.event("unfinished")
    for word, region in (("cause", BOX), ("effect", "box(x 0..16, y 48..64)")):
        for image in (5, 8, 9):
            made = page.ask(ask="mark", rule="first", word=word, image=image, region=region)
            assert "failure" not in made, made
    text = page.state["text"]
    assert text.index("cause") < text.index("effect")
    page.event("settled", revision=page.state["revision"])
    page.ask(ask="search", layer="layer6", image=5, region=BOX, first=0, last=39)
    page.event("matches")
    assert page.ask(ask="gather", rule="first", top=2)["failure"]["code"] == "RD812"


def test_typing_into_a_recipe_that_is_no_longer_open_changes_nothing(page: Page) -> None:
    page.ask(ask="change", changes=[put("rank", "1")])
    page.ask(ask="save", path="")
    page.ask(ask="open", path="small.redraft")
    text = page.state["text"]
    late = page.ask(ask="type", base=1, start=0, end=0, insert="garbage")
    assert late["failure"]["code"] == "RD805"
    assert page.state["text"] == text


def test_the_controls_are_made_of_the_rows_of_the_language(studio: Studio) -> None:
    page = studio.page()
    said = next(each for each in page.events if each.get("event") == "language")
    rule = next(each for each in said["operations"] if each["word"] == "rule")
    assert [row["name"] for row in rule["settings"]] == list(LANGUAGE.block("rule"))
    assert [line["word"] for line in rule["lines"]] == ["copy", "paste", "context", "protect"]
    for row in LANGUAGE.operations:
        assert "failure" not in page.ask(ask="kind", rule="first", to=row.word)
    assert page.ask(ask="kind", rule="first", to="nonsense")["failure"]["code"] == "RD812"
    wrong = page.ask(ask="mark", rule="first", word="rank", image=1, region=BOX)
    assert wrong["failure"]["code"] == "RD812"


def test_every_layer_is_tried_and_shown(page: Page) -> None:
    page.ask(ask="locate", rule="first", image=5)
    page.until(lambda each: each.get("event") == "located" and not each.get("busy"))
    found = page.events[-1]
    assert [each["layer"] for each in found["layers"]] == [
        each["name"] for each in page.state["model"]["layers"]
    ]
    shown = next(each for each in page.frames if each.head["which"] == "layer")
    assert shown.head["layers"] == [each["layer"] for each in found["layers"]]
    assert len({picture.tobytes() for picture in shown.pixels}) > 1
    assert page.ask(ask="locate", rule="nobody", image=5)["failure"]["code"] == "RD812"


def test_trying_layers_can_be_stopped_and_nothing_else_is(page: Page) -> None:
    page.ask(ask="locate", rule="first", image=5)
    page.ask(ask="stop", what="locate")
    page.until(lambda each: each.get("event") == "located" and each.get("stopped"))
    page.ask(ask="change", changes=[put("rank", "1")])
    page.event("settled", revision=1)


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


def test_a_rule_is_renamed_wherever_it_is_named(page: Page) -> None:
    end, more = len(page.state["text"]), "\nexpect share(first) >= 0.1\n"
    page.ask(ask="type", base=page.state["revision"], start=end, end=end, insert=more)
    page.ask(ask="change", changes=[{"kind": "rename", "target": "first", "name": "hat"}])
    assert "rule hat at layer6" in page.state["text"]
    assert "expect share(hat) >= 0.1" in page.state["text"]
    for name in ("a b", "", "Hat"):
        asked = [{"kind": "rename", "target": "hat", "name": name}]
        assert page.ask(ask="change", changes=asked)["failure"]["code"] == "RD812"
    asked = [{"kind": "rename", "target": "nobody", "name": "cap"}]
    assert page.ask(ask="change", changes=asked)["failure"]["code"] == "RD812"
    assert "rule hat at layer6" in page.state["text"]


def test_a_pack_has_its_run_whether_it_was_run_or_not(studio: Studio, page: Page) -> None:
    page.event("records")
    with studio.client() as client:
        for strength in (None, "1.5"):
            if strength is not None:
                change = {"kind": "put", "owner": "first", "key": "strength", "value": strength}
                page.ask(ask="change", changes=[change])
                page.ask(ask="save", path="")
            answer = client.get("/share/pack")
            assert answer.status_code == 200, answer.text
            with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
                record = json.loads(pack.read("run.json"))
                text = pack.read("recipe.redraft").decode()
            assert (record["rules"][0]["strength"] == 1.5) == (strength is not None)
            assert ("strength 1.5" in " ".join(text.split())) == (strength is not None)


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


def test_a_snapshot_in_the_middle_of_solving_has_its_own_pictures(page: Page) -> None:
    page.event("settled", revision=0)
    before = page.after()
    page.ask(ask="change", changes=[put("rank", "4"), put("strength", "3")])
    page.ask(ask="snapshot")
    text = page.state["text"]
    page.event("settled", revision=1)
    held = next(frame for frame in page.frames if frame.head["which"] == "snapshot")
    assert page.state["snapshots"] == [{"number": 1, "text": text}]
    now = page.after()
    assert any((before[number] != now[number]).any() for number in now)
    for number, picture in zip(held.head["numbers"], held.pixels, strict=True):
        np.testing.assert_array_equal(picture, now[number])


def test_a_snapshot_of_a_text_with_a_mistake_is_of_the_last_good_one(page: Page) -> None:
    page.event("settled", revision=0)
    text = page.state["text"]
    page.ask(ask="change", changes=[put("rank", "0")])
    page.ask(ask="snapshot")
    assert "rank 0" in " ".join(page.state["text"].split())
    assert page.state["snapshots"][0]["text"] == text


def test_masks_that_nothing_names_any_more_are_removed(studio: Studio, page: Page) -> None:
    def brush(left: int, **more: str) -> None:
        picture = np.zeros((64, 64), np.uint8)
        picture[20:40, left : left + 20] = 255
        with io.BytesIO() as stream:
            Image.fromarray(picture).save(stream, "PNG")
            mask = base64.b64encode(stream.getvalue()).decode()
        page.ask(ask="mark", rule="first", word="context", image=12, mask=mask, **more)

    folder = studio.folder / "masks"
    folder.mkdir(exist_ok=True)
    (folder / "mine.png").write_bytes(b"somebody's own")
    brush(4)
    page.ask(ask="snapshot")
    for left in (5, 6, 7, 8):
        brush(left, target="first.context[1]", drag="hand")
    page.event("settled", revision=5)
    page.ask(ask="save", path="")
    texts = page.state["text"] + page.state["snapshots"][0]["text"]
    there = {each.name for each in folder.iterdir()}
    # The first is in the history and in the snapshot; of the drag the last one is left.
    assert len(there) == 3
    assert "mine.png" in there
    assert all(f"masks/{name}" in texts for name in there - {"mine.png"})
    page.ask(ask="history", step=1)
    assert 'mask("masks/first-12.png")' in page.state["text"]
    assert all(each["severity"] == "warning" for each in page.state["problems"])


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


def test_a_picture_that_is_dropped_is_read_like_a_mask_file(studio: Studio, page: Page) -> None:
    def stored(picture: Image.Image) -> bytes:
        with io.BytesIO() as stream:
            picture.save(stream, "PNG")
            return stream.getvalue()

    # Dark strokes on white: what is painted is inside, as for a mask that a recipe names.
    strokes = Image.new("RGB", (128, 128), "white")
    strokes.paste((120, 0, 0), (32, 32, 96, 96))
    with studio.client() as client:

        def asked(data: bytes) -> Any:
            return client.post("/mask?name=m.png", content=data, headers={"Origin": studio.base})

        with Image.open(io.BytesIO(asked(stored(strokes)).content)) as mask:
            assert mask.mode == "L"
            assert mask.point(lambda value: value > 127).getbbox() == (32, 32, 96, 96)
        assert asked(client.get("/share/sheet").content).status_code == 204
        for wrong, words in (
            (
                stored(Image.new("L", (64, 48), 255)),
                "m.png has 64x48 pixels, and the picture 64x64",
            ),
            (stored(Image.new("L", (64, 64), 0)), "nothing in m.png is inside"),
            (b"no picture", "not a picture that can be read"),
        ):
            failure = asked(wrong).json()["failure"]
            assert failure["code"] == "RD809"
            assert words in failure["message"]
            assert failure["help"]
    assert page.state["text"] == studio.server.session.need().text


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
            page.event("settled", revision=opened["revision"])


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
