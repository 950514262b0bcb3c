"""Recipes that use others, in the editor: what is offered, shown, followed and renamed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

VILLAGE = """\
edition 2026
recipe village 2.0.0 "A village"
model faces
latents z { seed 1  count 2000 }
param power: int = 2 in 1..8
param how: word = goal in goal, svd
rule spire at layer6 {
  copy z[1] box(x 12..52, y 24..38)
  context z[2] box(x 12..52, y 24..38)
  rank power
  directions how
}
zero dome at layer9 {
  context z[2] box(x 12..52, y 24..38)
  rank 1
}
"""
TOWN = """\
edition 2026
recipe town 1.0.0 "A town"
use "./village.redraft" 2.0.0 as v
model faces
latents z { seed 1  count 2000 }
include v.spire as steeple
"""
USING = """\
use "./village.redraft" 2.0.0 as village
param n: int = 4 in 1..9
include village.spire as oak with { rank = n  power = 3 }
include village.dome
sweep s { vary rank of oak over 1, 2  vary strength of dome over 1, 2  vary n over 1, 2 }
"""


@pytest.fixture(autouse=True)
def others(editor) -> Path:
    (editor.folder / "village.redraft").write_text(VILLAGE)
    (editor.folder / "town.redraft").write_text(TOWN)
    return editor.folder


@pytest.fixture
def head(head) -> str:
    """Without the region, which nothing here uses."""
    return re.sub("region.*", "", head)


@pytest.fixture
def uri(editor) -> str:
    return (editor.folder / "using.redraft").as_uri()


def offered(editor, uri, text: str) -> dict[str, types.CompletionItem]:
    at = text.index("|")
    editor.open(uri, text.replace("|", "", 1))
    return {item.label: item for item in editor.complete(uri, editor.place(text, at))}


USE = 'use "./village.redraft" 2.0.0 as village\n'
ZERO = ["rank", "contrast", "strength", "directions", "layer", "power", "how"]
OFFERED = [
    ("include village.|", ["spire", "dome"]),
    ("include village.sp|", ["spire", "dome"]),
    ("include village.sp|\n\nrule a at layer6 { }\n", ["spire", "dome"]),
    ("include nowhere.|", []),
    ("include village.dome with { |", [*ZERO, "}"]),
    ("include village.dome as d with {\n  rank = 2\n  |\n}", [k for k in ZERO if k != "rank"]),
    ("include village.dome with { power |", []),
    ("include village.dome with { power = |", ["2", "n"]),
    ("include village.dome with { how = |", ["goal", "svd", "n"]),
    ("include village.dome with { directions = |", ["context", "svd", "mean", "units", "n"]),
    ("include village.spire with { solver = |", ["exact", "gradient", "projected-adam", "n"]),
    ("include village.dome with { rank = |", ["1", "n"]),
    ("include village.dome with { layer = |", ["layer3", "layer6", "layer9", "n"]),
    ("include village.dome with { nothing = |", ["n"]),
    ("include village.missing with { |", ["power", "how"]),
    ("include nowhere.dome with { |", []),
    ('use "./village.redraft" |', ["2.0.0"]),
    ('use "./village.redraft" 2.|', ["2.0.0"]),
    ('use "./missing.redraft" |', []),
    ('use "../village.redraft" |', []),
]


@pytest.mark.parametrize(("text", "expected"), OFFERED)
def test_what_another_recipe_has_is_offered(editor, head, uri, text, expected):
    found = offered(editor, uri, f"{head}{USE}param n: int = 4 in 1..9\n{text}")
    assert sorted(found) == sorted(word for word in expected if word != "}")


def test_a_rule_is_offered_with_its_operation_and_layer(editor, head, uri):
    found = offered(editor, uri, f"{head}{USE}include village.sp|")
    assert found["spire"].detail == "rule at layer6"
    assert found["dome"].detail == "zero at layer9"
    assert "rank     2" in found["spire"].documentation.value
    edit = found["spire"].text_edit
    assert edit.new_text == "spire"
    assert edit.range == types.Range(types.Position(9, 16), types.Position(9, 18))


def test_a_rule_that_is_included_there_is_offered_too(editor, head, uri):
    use = 'use "./town.redraft" 1.0.0 as town\n'
    found = offered(editor, uri, f"{head}{use}include town.|")
    assert found["steeple"].detail == "include v.spire"


def test_a_version_replaces_what_is_written_of_it(editor, head, uri):
    found = offered(editor, uri, head + 'use "./village.redraft" 1.0|')
    edit = found["2.0.0"].text_edit
    assert edit.range == types.Range(types.Position(8, 24), types.Position(8, 27))
    assert found["2.0.0"].documentation.value == "A village"


def test_recipes_nearby_are_offered(editor, head, uri):
    found = offered(editor, uri, head + 'use "./|')
    assert {"./village.redraft", "./town.redraft"} <= set(found)


def test_what_another_recipe_takes_is_offered_with_what_it_is_there(editor, head, uri):
    found = offered(editor, uri, f"{head}{USE}include village.spire with {{ |")
    assert found["power"].detail == "2 there"
    assert "param power: int = 2 in 1..8" in found["power"].documentation.value
    assert found["preserve"].detail == "0.3 there"
    assert found["layer"].detail == "layer6 there"


FOLLOWED = [
    # at this place of the recipe; to this place of the other, or to the beginning of its name
    ("|spire as", "spire at"),
    ("|dome\n", "dome at"),
    ("|dome over", "dome at"),
    ("|power = 3", "power:"),
    ("|village.spire", "village 2"),
    ("|village\n", "village 2"),
    ('"./vil|lage', "village 2"),
]


@pytest.mark.parametrize(("at", "there"), FOLLOWED)
def test_a_name_leads_into_the_recipe_that_declares_it(editor, head, uri, at, there):
    text = head + USING
    editor.open(uri, text)
    assert editor.problems(uri) == []
    offset = text.index(at.replace("|", "")) + at.index("|")
    (found,) = editor.define(uri, editor.place(text, offset))
    assert found.uri == (editor.folder / "village.redraft").as_uri()
    place = editor.place(VILLAGE, VILLAGE.index(there))
    assert found.range.start == types.Position(*place)


@pytest.mark.parametrize(("at", "there"), [("|oak over", "oak with"), ("|n  power", "n:")])
def test_a_name_of_the_recipe_itself_leads_to_its_declaration(editor, head, uri, at, there):
    text = head + USING
    editor.open(uri, text)
    offset = text.index(at.replace("|", "")) + at.index("|")
    (found,) = editor.define(uri, editor.place(text, offset))
    assert found.uri == uri
    assert found.range.start == types.Position(*editor.place(text, text.index(there)))


def test_a_recipe_that_is_not_there_leads_to_its_line(editor, head, uri):
    text = head + USING.replace("./village", "./missing")
    editor.open(uri, text)
    (found,) = editor.define(uri, editor.place(text, text.index("village.spire")))
    assert found.uri == uri
    assert editor.define(uri, editor.place(text, text.index("spire as"))) == []
    assert editor.define(uri, editor.place(text, text.index("missing"))) == []


def test_every_use_of_a_name_of_another_recipe_is_found(editor, head, uri):
    text = head + USING
    editor.open(uri, text)
    ask = (types.TEXT_DOCUMENT_REFERENCES, types.ReferenceParams, uri)
    place = editor.place(text, text.index("dome over"))
    for declared, count in ((False, 2), (True, 3)):
        context = types.ReferenceContext(include_declaration=declared)
        assert len(editor.at(*ask, place, context=context)) == count
    assert not editor.at(*ask, (0, 0), context=types.ReferenceContext(False))


RENAMED = [("village\n", "village", "town"), ("oak with", "oak", "elm"), ("n:", "n", "size")]


@pytest.mark.parametrize(("at", "old", "new"), RENAMED)
def test_a_new_name_goes_to_every_use_of_it(editor, head, uri, applied, at, old, new):
    text = head + USING
    editor.open(uri, text)
    edit = editor.rename(uri, editor.place(text, text.index(at)), new)
    changed = applied(text, list(edit.changes[uri]))
    path = "./village.redraft"
    assert changed == re.sub(rf"(?<![\w-]){old}(?![\w-])(?!\.redraft)", new, text)
    assert path in changed
    editor.change(uri, 2, types.TextDocumentContentChangeWholeDocument(changed))
    assert editor.problems(uri, 2) == []


REFUSED = [
    ("spire as", "`spire` is declared in `village.redraft`, line 7; change it there, or name"),
    ("dome over", "`dome` is declared in `village.redraft`, line 13; change it there, or name"),
    ("power = 3", "`power` is declared in `village.redraft`, line 5; change it there$"),
]


@pytest.mark.parametrize(("at", "why"), REFUSED)
def test_a_name_of_another_recipe_is_changed_there(editor, head, uri, at, why):
    text = head + USING
    editor.open(uri, text)
    place = editor.place(text, text.index(at))
    with pytest.raises(JsonRpcException, match=why):
        editor.rename(uri, place, "other")
    prepare = (types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams, uri)
    with pytest.raises(JsonRpcException, match=why):
        editor.at(*prepare, place)


def test_where_the_other_recipe_is_not_there_its_name_here_is_reported(editor, head, uri):
    text = head + USING.replace("./village", "./missing")
    editor.open(uri, text)
    why = "`spire` is declared in the recipe that is used as `village`"
    with pytest.raises(JsonRpcException, match=why):
        editor.rename(uri, editor.place(text, text.index("spire as")), "other")


def test_a_name_that_a_rule_has_from_another_recipe_is_taken(editor, head, uri):
    text = head + USING
    editor.open(uri, text)
    with pytest.raises(JsonRpcException, match="there is a rule called `dome` already"):
        editor.rename(uri, editor.place(text, text.index("oak with")), "dome")


SHOWN = [
    ("|spire as", "`spire` of `village` 2.0.0, from `village.redraft`, line 7"),
    ("|spire as", "rank     4"),
    ("|oak with", "rank     4"),
    ("|dome\n", "zero dome at layer9 {"),
    ("|village.spire", "- `spire`: rule at layer6"),
    ("|village\n", "A village"),
    ('"./vil|lage', "`village.redraft`: `village` 2.0.0"),
    ("|rank = n", "How many directions the change has."),
    ("|power = 3", "A parameter of `village.redraft`.\n\n```redraft\nparam power: int = 2 in 1..8"),
    ("|n  power", "```redraft\nparam n: int = 4 in 1..9\n```"),
]


@pytest.mark.parametrize(("at", "said"), SHOWN)
def test_what_comes_from_another_recipe_is_shown(editor, head, uri, at, said):
    text = head + USING
    editor.open(uri, text)
    offset = text.index(at.replace("|", "")) + at.index("|")
    found = editor.hover(uri, editor.place(text, offset))
    assert said in found.contents.value


def test_in_a_recipe_with_errors_a_rule_is_shown_as_it_stands_there(editor, head, uri):
    text = head + USING + "rule b at layer66 { copy z[1] all  context z[2] all }\n"
    editor.open(uri, text)
    found = editor.hover(uri, editor.place(text, text.index("spire as"))).contents.value
    assert "As it stands there:" in found
    assert "rank     2" in found


def test_a_used_recipe_with_errors_is_shown_with_the_first_of_them(editor, head, uri):
    (editor.folder / "village.redraft").write_text(VILLAGE.replace("layer9", "layer99"))
    text = head + USING
    editor.open(uri, text)
    found = editor.hover(uri, editor.place(text, text.index("village\n"))).contents.value
    assert "It has errors: unknown layer `layer99`." in found
    rule = editor.hover(uri, editor.place(text, text.index("spire as"))).contents.value
    assert "rank     power" in rule


def test_what_is_not_a_recipe_is_shown_as_such(editor, head, uri):
    (editor.folder / "village.redraft").write_text("hello\n")
    text = head + USING
    editor.open(uri, text)
    found = editor.hover(uri, editor.place(text, text.index("village\n"))).contents.value
    assert "`village.redraft` cannot be read as a recipe" in found
    shown = editor.hover(uri, editor.place(text, text.index("spire as")))
    assert shown is None or "As it stands" not in shown.contents.value


def test_a_used_recipe_that_has_changed_is_read_again(editor, head, uri):
    editor.open(uri, head + USING)
    assert editor.problems(uri) == []
    (editor.folder / "village.redraft").write_text(VILLAGE.replace("2.0.0", "3.0.0"))
    editor.change(uri, 2, types.TextDocumentContentChangeWholeDocument(head + USING + "\n"))
    assert [problem.code for problem in editor.problems(uri, 2)] == ["RD131"]
