"""What is offered at the cursor."""

from __future__ import annotations

import pytest
from lsprotocol import types

from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, LATEST


def offered(editor, text: str) -> dict[str, types.CompletionItem]:
    """What is offered at the ``|`` of a text."""
    uri = (editor.folder / "completed.redraft").as_uri()
    at = text.index("|")
    editor.open(uri, text.replace("|", "", 1))
    return {item.label: item for item in editor.complete(uri, editor.place(text, at))}


STATEMENTS = [*LANGUAGE.statements, "off"]
RULE_KEYS = [*LANGUAGE.block("rule"), "copy", "paste", "context", "protect"]
COMPLETED = [
    # after the head, at the cursor; what is offered, all of it
    ("|", STATEMENTS),
    ("ru|", STATEMENTS),
    ("rule a at |", ["layer3", "layer6", "layer9"]),
    ("rule a at lay|", ["layer3", "layer6", "layer9"]),
    ("rule a |", ["at"]),
    ("rule a at layer6 {\n  |\n}\n", RULE_KEYS),
    (
        "rule a at layer6 {\n  rank 2\n  |\n  keep 1\n}",
        [k for k in RULE_KEYS if k not in ("rank", "keep")],
    ),
    ("rule a at layer6 {\n  context z[1\n  pre|", RULE_KEYS),
    ("rule a at layer6 {\n  directions |", ["goal", "context", "svd", "mean", "units"]),
    ("rule a at layer6 {\n  solver |", list(words.SOLVERS)),
    ("rule a at layer6 {\n  solver exact { |", ["loss", "iterations", "goal"]),
    ("rule a at layer6 {\n  solver exact { goal |", ["halo", "crop"]),
    ("rule a at layer6 {\n  rank |", ["8"]),
    ("rule a at layer6 {\n  copy |", ["z["]),
    ("rule a at layer6 {\n  context |", ["z[", "like"]),
    ("rule a at layer6 {\n  paste |", ["z[", "each"]),
    ("rule a at layer6 {\n  copy z[1] |", ["eyes", *words.SHAPES]),
    ("rule a at layer6 {\n  copy z[1] all minus |", ["eyes", *words.SHAPES]),
    ("rule a at layer6 {\n  context like z[1] eyes |", [*words.OPERATORS, "top"]),
    ('rule a at layer6 {\n  copy z[1] mask("a.png" |', ["area", "bilinear"]),
    ("erase a at layer6 {\n  |", [*LANGUAGE.block("erase"), "from", "context", "protect"]),
    ("zero a at layer6 {\n  directions |", ["context", "svd", "mean", "units"]),
    ("latents q { |", ["seed", "count", "class"]),
    ("model mine { |", list(LANGUAGE.block("model"))),
    ("model mine { arch |", ["dcgan", "module", "proggan", "stylegan", "stylegan2"]),
    ("region more = |", ["eyes", *words.SHAPES]),
    ("edition |", [str(LATEST)]),
    ("param n: |", list(words.TYPES)),
    ("param n: int = 2\nrule a at layer6 {\n  rank |", ["8", "n"]),
    ("param n: int = 2\nregion more = box(x |", ["n"]),
    ('use "./b.redraft" 1.0.0 as village\ninclude |', ["village"]),
    ("rule a at layer6 { }\nsweep s { vary rank of |", ["a"]),
    ("# ru|", []),
    ('recipe a 1.0.0 "ru|"', []),
]


@pytest.mark.parametrize(("text", "expected"), COMPLETED)
def test_what_fits_is_offered_and_nothing_else(editor, head, text, expected):
    assert sorted(offered(editor, head + text)) == sorted(expected)


def test_listed_models_are_offered_with_what_they_are(editor):
    found = offered(editor, "edition 2026\nmodel |")
    assert found["faces"].detail == "dcgan, 64 x 64 px"


def test_a_layer_is_offered_with_its_resolution_and_channels(editor, head):
    found = offered(editor, head + "rule a at |")
    assert found["layer6"].detail == "8 x 8 keys, 256 -> 128 channels"
    assert [item.label for item in sorted(found.values(), key=lambda item: item.sort_text)] == [
        "layer3",
        "layer6",
        "layer9",
    ]


def test_the_word_before_the_cursor_is_replaced(editor, head):
    found = offered(editor, head + "rule a at layer6 {\n  con|")
    edit = found["context"].text_edit
    assert edit.range == types.Range(types.Position(9, 2), types.Position(9, 5))
    assert edit.new_text == "context"


def test_files_beside_the_recipe_are_offered(editor, head):
    (editor.folder / "masks" / "deep").mkdir(parents=True, exist_ok=True)
    for name in ("masks/eyes.png", "masks/hat.JPG", "masks/notes.txt", "masks/.hidden.png"):
        (editor.folder / name).write_bytes(b"")
    (editor.folder / "net.pth").write_bytes(b"")
    line = head + 'rule a at layer6 {\n  copy z[1] mask("'
    assert "masks/" in offered(editor, line + "|")
    assert "net.pth" not in offered(editor, line + "|")
    found = offered(editor, line + 'masks/|")')
    assert sorted(found) == ["masks/deep/", "masks/eyes.png", "masks/hat.JPG"]
    start = types.Position(9, 18)
    assert found["masks/eyes.png"].text_edit.range.start == start
    assert offered(editor, line + "../|") == {}
    assert offered(editor, line + "nowhere/|") == {}
    assert "net.pth" in offered(editor, head + 'model m { weights "|')
    assert offered(editor, head + 'latents "|') == {}
