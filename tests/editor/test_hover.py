"""What is shown over a word."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest

from redraft_dsl.language import words
from redraft_dsl.language.language import LANGUAGE, LATEST

WITHOUT_DEFAULT = {
    *("sha256", "side", "compat", "seed", "count", "class", "arch", "weights"),
    *("weights-set", "slope", "eps", "output"),
}


def shown(editor, text: str, word: str) -> str | None:
    """What is shown over the first letter of a word, or at its ``|``."""
    uri = (editor.folder / "hovered.redraft").as_uri()
    editor.open(uri, text)
    at = text.index(word.replace("|", "")) + max(word.find("|"), 0)
    found = editor.hover(uri, editor.place(text, at))
    return None if found is None else found.contents.value


BODY = """\
rule glasses at layer6 {
  copy    z[116] eyes
  context z[130] ellipse(31,31 radius 20,8) plus eyes
  context like z[131] eyes top 6 among 0..99
  rank     4
  solver   exact { loss l1 }
}
zero gone at layer6 {
  context z[101] box(x 20..44, y 4..20)
  rank     1
}
"""
SHOWN = [
    ("box(x 12", "box: 40 x 14 px; at layer6 (8 x 8 keys): 12 keys, weight 8.75"),
    ("116] |eyes", "region `eyes`: 40 x 14 px; at layer6 (16 x 16 values): 40 values, weight 35"),
    ("ellipse", "ellipse: 40 x 16 px; at layer6 (8 x 8 keys): "),
    ("plus", "joined regions: 41 x 16 px; at layer6 (8 x 8 keys): "),
    ("rank", "Default: `8`. A whole number, 1 to 65536."),
    ("loss", "Default: `l2`. One of `l1`, `l2`."),
    ("count", "Default: required. A whole number, 1 to 100000000."),
    ("exact", "The optimum of each output channel, for the directions of the rule."),
    ("rule", "Makes something appear"),
    ("context", "Where the rule should fire"),
    ("layer6", "8 x 8 keys, 256 -> 128 channels"),
    ("|z[116]", "latents `z`: seed 1, count 2000"),
    ("faces", "dcgan, pictures 64 x 64 px, latents of 100 numbers"),
    ("rule |glasses", "Context: 1 marked and up to 6 by match; "),
    ("rule |glasses", "Rank 4: 64 unknowns (4 x 16 taps) for each of 128 output channels."),
    ("zero |gone", "Nothing has to be solved for."),
]


@pytest.mark.parametrize(("word", "said"), SHOWN)
def test_a_word_is_explained(editor, head, word, said):
    assert said in (shown(editor, head + BODY, word) or "")


def test_nothing_is_shown_where_there_is_nothing_to_say(editor, head):
    assert shown(editor, head + "\n" + BODY, "6 among") is None
    assert shown(editor, head + "\n\n" + BODY, "\n\nrule") is None


def test_a_mask_is_shown_as_a_small_picture(editor, head):
    from PIL import Image

    Image.new("L", (256, 256), 255).save(editor.folder / "white.png")
    text = head + 'rule a at layer6 {\n  copy z[1] mask("white.png")\n  context z[2] eyes\n}\n'
    said = shown(editor, text, "mask")
    assert said.startswith("mask: 64 x 64 px; at layer6 (16 x 16 values): 256 values, weight 256")
    data = said.partition("data:image/png;base64,")[2].rstrip(")")
    picture = Image.open(BytesIO(base64.b64decode(data)))
    assert picture.size == (64, 64)
    assert picture.getextrema() == (255, 255)
    gone = shown(editor, text.replace("white", "missing"), "mask")
    assert "RD311" not in (gone or "")
    assert "mask" in (shown(editor, text.replace("white", "missing"), '"missing') or "")


def test_a_problem_is_shown_with_its_page(editor, head):
    said = shown(editor, head + "rule a at layer66 { context z[1] eyes }\n", "layer66")
    assert said.startswith("**RD102: unknown layer**")
    assert shown(editor, "# see RD219 for this\n" + head, "RD219").startswith("**RD219")
    assert shown(editor, "# see RD999 for this\n" + head, "RD999") is None


def test_parameters_are_put_in_their_places(editor, head):
    text = head + "param wide: int = 20\nregion more = box(x 0..wide, y 0..8)\n"
    text += "rule a at layer6 {\n  copy z[1] more\n  context z[2] more\n}\n"
    assert "region `more`: 20 x 8 px" in shown(editor, text, "z[1] |more")


def test_every_word_of_the_language_has_a_meaning():
    tables = (words.STATEMENTS, words.SHAPES, words.OPERATORS, words.INNER, words.AXES)
    for table in (*tables, words.SOLVERS, LANGUAGE.keywords):
        assert all(meaning.endswith(".") for meaning in table.values())
    assert set(words.SOLVERS) <= LANGUAGE.groups
    for block, rows in LANGUAGE.blocks.items():
        for key, row in rows.items():
            assert row.meaning.endswith("."), (block, key)
            assert (row.default(LATEST) is None) == (key in WITHOUT_DEFAULT), (block, key)


OWN = """\
edition 2026
recipe a 1.0.0 "A"
model mine {
  arch dcgan
  weights "unreadable.pth"
}
latents z { }
region eyes = box(x 12..52, y 24..38)
region none = box(x 5..5, y 5..5) minus lost
rule r at layer6 {
  copy z[1] eyes
  context q[2] eyes
}
"""


def test_without_a_model_only_what_is_known_is_shown(editor):
    (editor.folder / "unreadable.pth").write_bytes(b"no model")
    for weights in ("unreadable.pth", "/absolute.pth"):
        text = OWN.replace("unreadable.pth", weights)
        assert shown(editor, text, "z[1] |eyes") == "region `eyes`"
        assert shown(editor, text, "mine") is None
        assert shown(editor, text, "= |box(x 12") == "box"
        assert shown(editor, text, "latents |z").startswith("latents `z`\n")
        assert shown(editor, text, "lost").startswith("**RD114")
        assert shown(editor, text, "|q[2]").startswith("**RD113")


def test_what_cannot_be_measured_is_reported_as_unclear(editor, head):
    text = head + (
        "rule a at layer6 {\n  copy z[1] eyes\n  context z[2] lost\n"
        "  context z[3] all minus all\n  solver unknown { odd 1 }\n  odd 2\n}\n"
    )
    assert "? key positions" in shown(editor, text, "rule |a")
    assert "0 x 0 px" in shown(editor, text, "minus")
    assert shown(editor, text, "|odd 2").startswith("**RD115")
