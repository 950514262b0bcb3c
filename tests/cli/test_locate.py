"""``redraft locate``: every layer tried, one recommended or none, and written if asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from redraft.explain.words import percent
from redraft.runs import locate

MARKED = """# Mine.
edition 2026
recipe demo 1.0.0 "A demonstration"
model tiny { arch dcgan  weights "tiny.pth" }
latents z { seed 1  count 60 }

rule dot at layer3 {  # the first layer that came to mind
  copy    z[3] box(x 8..40, y 8..40)
  context z[5, 8, 9, 11, 12, 14] box(x 8..40, y 8..40)
  rank 2  # few
}
zero gone at layer9 { context z[1] all }
"""


@pytest.fixture
def marked(recipe: Path) -> Path:
    """A recipe with six marked contexts."""
    path = recipe.with_name("marked.redraft")
    path.write_text(MARKED, encoding="utf-8")
    return path


def shown(invoke, *words: object) -> str:
    done = invoke("locate", *map(str, words))
    assert done.exit_code == 0, done.output
    return done.stdout


def located(invoke, *words: object):
    return json.loads(shown(invoke, *words, "--format", "json"))


def failed(invoke, *words: object) -> str:
    done = invoke("locate", *map(str, words))
    assert done.exit_code == 1, done.output
    return done.stderr


def test_every_layer_is_tried_and_scored_by_the_wish_in_pixels(invoke, marked: Path) -> None:
    found = located(invoke, marked, "dot")
    assert {each["layer"] for each in found["candidates"]} == {"layer3", "layer6", "layer9"}
    for each in found["candidates"]:
        score = max(each["amplitude"], 0) * max(each["pixel_agreement"], 0)
        assert each["score"] == pytest.approx(score)
        assert -1 <= each["agreement"] <= 1
    best = max(found["candidates"], key=lambda each: each["score"])
    others = [each for each in found["candidates"] if each["layer"] == best["layer"]]
    assert len(others) > 3, "other settings are tried at the best layer"
    if found["recommended"] is not None:
        assert found["recommended"]["score"] >= locate.LEAST_SCORE
        assert found["recommended"]["layer"] in found["reason"]


def test_the_table_shows_what_is_recommended_and_the_sheet_each_layer(
    invoke, marked: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "layers.png"
    text = shown(invoke, marked, "--sheet", sheet)
    assert "dot, now at layer3" in text
    assert "recommended" in text
    with Image.open(sheet) as picture:
        assert picture.height > 4 * 64, "a row for the model, and one for each layer"


def test_writing_changes_layer_and_settings_and_nothing_else(
    invoke, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "LEAST_SCORE", -1.0)
    found = located(invoke, marked, "dot", "--write")["recommended"]
    lines = marked.read_text(encoding="utf-8").splitlines()
    before = MARKED.splitlines()
    kept = [line for line in before if "layer3" not in line and "rank 2" not in line]
    assert [line for line in lines if line in kept] == kept
    assert f"rule dot at {found['layer']} {{  # the first layer that came to mind" in lines
    assert any(line.startswith(f"  rank {found['rank']}") and "# few" in line for line in lines)
    again = located(invoke, marked, "dot")
    own = next(each for each in again["candidates"] if each["layer"] == found["layer"])
    assert own["score"] == pytest.approx(found["score"], rel=1e-6)


def test_nothing_is_written_where_nothing_is_recommended(
    invoke, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "LEAST_SCORE", 9.0)
    assert "nothing is recommended" in shown(invoke, marked, "--write")
    assert marked.read_text(encoding="utf-8") == MARKED


def test_other_settings_are_recommended_with_what_they_bring_and_cost(
    invoke, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "LEAST_SCORE", -1.0)
    monkeypatch.setattr(locate, "WORTH", 0.0)
    monkeypatch.setattr(locate, "SIDE", 1000.0)
    found = located(invoke, marked, "dot", "--set", "dot.rank=1")
    best = found["recommended"]
    own = next(
        each
        for each in found["candidates"]
        if (each["layer"], each["rank"], each["keep"]) == (best["layer"], 1, 3)
        and each["preserve"] == 0.3
    )
    assert own != best, "another setting scores higher"
    assert f"score {best['score']:.3f} in place of {own['score']:.3f}" in found["reason"]
    told = f"side effect {percent(best['side'])} in place of {percent(own['side'])}"
    assert told in found["reason"]
    refused = invoke("locate", str(marked), "--write", "--set", "dot.rank=1")
    assert refused.exit_code == 2
    assert "--write goes without --set" in refused.stderr


def test_an_invert_is_located_and_written(
    invoke, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "LEAST_SCORE", -1.0)
    images = "z[5, 8, 9, 11, 12, 14]"
    regions = f"cause {images} box(x 8..40, y 8..28)  effect {images} box(x 8..56, y 40..60)"
    head, _, _ = MARKED.partition("rule dot")
    marked.write_text(f"{head}invert glow at layer9 {{ {regions}  units 6 }}\n", encoding="utf-8")
    found = located(invoke, marked, "--write")
    assert {each["layer"] for each in found["candidates"]} == {"layer3", "layer6", "layer9"}
    assert any(each["gain"] != 0 for each in found["candidates"])
    for each in found["candidates"]:
        # Nothing is copied, and so there is no wish in pixels: its own goal is what counts.
        assert each["pixel_agreement"] is None
        score = max(each["amplitude"], 0) * max(each["agreement"], 0)
        assert each["score"] == pytest.approx(score)
    best = found["recommended"]
    text = marked.read_text(encoding="utf-8")
    assert f"invert glow at {best['layer']} {{" in text
    assert regions.split("  effect")[0] in text
    assert located(invoke, marked)["layer"] == best["layer"]


def test_an_erase_is_scored_by_what_other_pictures_have_there(invoke, marked: Path) -> None:
    head, _, _ = MARKED.partition("rule dot")
    lines = "context z[5, 8, 9, 11, 12, 14] box(x 8..40, y 8..28)  units 4  rank 2"
    marked.write_text(f"{head}erase bar at layer6 {{ {lines} }}\n", encoding="utf-8")
    for each in located(invoke, marked)["candidates"]:
        assert each["problem"] is None
        score = max(each["amplitude"], 0) * max(each["pixel_agreement"], 0)
        assert each["score"] == pytest.approx(score)


def test_a_layer_at_which_a_match_stands_out_of_nothing_is_passed_over(
    invoke, marked: Path
) -> None:
    # At layer3 the place covers the whole grid of keys, and at layer9 it does not.
    like = "  context like z[5] box(x 0..52, y 0..52) top 3 among 0..20\n"
    marked.write_text(marked.read_text(encoding="utf-8").replace("  rank 2", f"{like}  rank 2"))
    found = located(invoke, marked, "dot")
    problems = {each["layer"]: each["problem"] for each in found["candidates"] if each["problem"]}
    assert "layer9" not in problems
    assert "does not stand out of its own picture" in problems["layer3"]
    assert found["recommended"] is None or found["recommended"]["layer"] != "layer3"


@pytest.mark.parametrize(
    ("rule", "code", "text"),
    [
        ("gone", "RD406", "nothing is solved for"),
        ("dots", "RD402", "did you mean `dot`?"),
    ],
)
def test_what_cannot_be_located_is_named(
    invoke, marked: Path, rule: str, code: str, text: str
) -> None:
    said = failed(invoke, marked, rule)
    assert code in said
    assert text in said


def test_too_few_contexts_are_an_error(invoke, marked: Path) -> None:
    marked.write_text(MARKED.replace("[5, 8, 9, 11, 12, 14]", "[5, 8]"), encoding="utf-8")
    assert "RD407" in failed(invoke, marked)


def test_a_rule_of_another_recipe_is_changed_where_it_is_included(
    invoke, marked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "LEAST_SCORE", -1.0)
    head = MARKED[: MARKED.index("rule dot")]
    using = head.replace("recipe demo", "recipe user", 1).replace(
        "model tiny", 'use "./marked.redraft" 1.0.0 as base\nmodel tiny', 1
    )
    path = marked.with_name("user.redraft")
    path.write_text(using + "include base.dot with { layer = layer9 }\n", encoding="utf-8")
    best = located(invoke, path, "--write")["recommended"]
    assert best["layer"] != "layer9"
    assert f"layer = {best['layer']}" in path.read_text(encoding="utf-8")
    assert marked.read_text(encoding="utf-8") == MARKED
