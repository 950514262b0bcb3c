"""Names found and changed, layout, outline and folding."""

from __future__ import annotations

import pytest
from lsprotocol import types

from redraft_dsl.source import normalise
from redraft_dsl.syntax.editions import format_text

NAMED = """\
param n: int = 4
region both = eyes plus box(x 0..n, y 0..8)
latents more { seed 2  count 100 }
rule a at layer6 {
  copy    z[1] both
  context more[2] eyes
  context like z[3] eyes top n among 0..9
  rank     n
}
sweep s { vary rank of a over 1, 2 }
"""


def test_a_name_leads_to_where_it_is_defined(editor, head):
    uri = "untitled:names"
    text = head + NAMED
    editor.open(uri, text)
    for used, defined in (
        ("z[1]", "z {"),
        ("more[", "more {"),
        ("both\n", "both ="),
        ("eyes plus", "eyes ="),
        ("n\n}", "n:"),
        ("n, y", "n:"),
        ("a over", "a at"),
    ):
        (found,) = editor.define(uri, editor.place(text, text.index(used)))
        assert found.uri == uri
        line, column = editor.place(text, text.index(defined))
        assert found.range.start == types.Position(line, column), used


def test_a_new_name_goes_everywhere(editor, head, applied):
    uri = "untitled:renamed"
    text = head + NAMED
    editor.open(uri, text)
    for old, at, new in (
        ("eyes", "eyes plus", "spectacles"),
        ("n", "n:", "size"),
        ("z", "z[1]", "q"),
    ):
        edit = editor.rename(uri, editor.place(text, text.index(at)), new)
        changed = applied(text, list(edit.changes[uri]))
        import re

        word = rf"(?<![\w-]){old}(?![\w-])"
        assert changed == re.sub(word, new, text)
    found = editor.at(
        types.TEXT_DOCUMENT_REFERENCES,
        types.ReferenceParams,
        uri,
        editor.place(text, text.index("eyes plus")),
        context=types.ReferenceContext(include_declaration=False),
    )
    assert len(found) == 3


REFUSED = [
    ("eyes =", "Eyes", "cannot be a name"),
    ("eyes =", "box", "reserved word"),
    ("z {", "rank", "reserved word"),
    ("eyes =", "both", "there is a region called `both` already"),
    ("8)", "other", "no name here"),
    ("a at", "9", "cannot be a name"),
]


@pytest.mark.parametrize(("at", "new", "why"), REFUSED)
def test_a_bad_new_name_is_refused_with_a_reason(editor, head, at, new, why):
    from pygls.exceptions import JsonRpcException

    uri = "untitled:refused"
    text = head + NAMED
    editor.open(uri, text)
    with pytest.raises(JsonRpcException, match=why):
        editor.rename(uri, editor.place(text, text.index(at)), new)


def test_nothing_is_renamed_while_a_part_cannot_be_read(editor, head):
    from pygls.exceptions import JsonRpcException

    uri = "untitled:broken"
    editor.open(uri, head + "rule a at layer6 {\n  copy z[1] eyes eyes\n")
    with pytest.raises(JsonRpcException, match="syntax errors first"):
        editor.rename(uri, (6, 8), "other")
    edited = "rule a at layer6 {\n  copy z[1] eyse\n}\n"
    editor.open(uri, head + edited)
    with pytest.raises(JsonRpcException, match="not defined"):
        editor.rename(uri, (9, 13), "other")


def test_the_name_that_would_be_changed_is_shown_first(editor, head):
    uri = "untitled:prepared"
    editor.open(uri, head + NAMED)
    ask = (types.TEXT_DOCUMENT_PREPARE_RENAME, types.PrepareRenameParams, uri)
    assert editor.at(*ask, (6, 8)) == types.Range(types.Position(6, 7), types.Position(6, 11))
    assert editor.at(*ask, (0, 3)) is None


LOOSE = (
    'edition   2026\nrecipe a 1.0.0 "\U0001f453 A"\nmodel faces # \U0001f453\n'
    "latents z {seed 1\n\ncount 2}\n"
)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_document_is_formatted_in_one_edit(editor, applied, ends):
    uri = "untitled:loose"
    text = LOOSE.replace("\n", ends)
    editor.open(uri, text)
    (edit,) = editor.format(uri)
    changed = applied(text, [edit])
    assert normalise(changed) == format_text(text).text
    assert edit.range.start == types.Position(0, 8)
    editor.open(uri, format_text(text).text.replace("\n", ends))
    assert editor.format(uri) is None


def test_a_document_with_syntax_errors_is_not_formatted(editor):
    editor.open("untitled:wrong", "edition   2026\nrule a {")
    assert editor.format("untitled:wrong") is None


def test_the_outline_has_every_statement_and_the_lines_of_rules(editor, head):
    uri = "untitled:outline"
    editor.open(uri, head + NAMED + "rule broken at layer6 { copy copy\n")
    ask = (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams, uri)
    found = {symbol.name: symbol for symbol in editor.about(*ask)}
    assert list(found) == [
        *("edition", "glasses", "faces", "z", "eyes", "n", "both", "more", "a", "s", "broken")
    ]
    assert found["a"].detail == "rule at layer6"
    assert [inner.name for inner in found["a"].children] == ["copy", "context", "context", "rank"]
    assert found["a"].children[0].detail == "z[1] both"
    assert found["broken"].detail == "rule (cannot be read)"


def test_blocks_fold_up_to_their_last_line(editor, head):
    uri = "untitled:folded"
    editor.open(uri, head + "rule a at layer6 {\n  solver exact {\n    loss l1\n  }\n}\n")
    ask = (types.TEXT_DOCUMENT_FOLDING_RANGE, types.FoldingRangeParams, uri)
    assert [(fold.start_line, fold.end_line) for fold in editor.about(*ask)] == [(8, 11), (9, 10)]


USED = """\
edition 2026
recipe village 1.0.0 "Village"
model faces
latents z { seed 1  count 2000 }
rule spire at layer6 {
  copy z[1] box(x 12..52, y 24..38)
  context z[2] box(x 12..52, y 24..38)
}
"""
USING = """\
use "./village.redraft" 1.0.0 as village
param n: int = 4
region tent = polygon(10,20 n,20 30,2) plus ellipse(n,20 radius 8,n)
include village.spire as oak with { rank = n }
include village.spire
rule a at layer6 {
  copy z[1] tent
  context z[2] tent plus eyes
}
sweep s { vary n over 1, 2  vary rank of oak over 1, 2 }
"""


def test_names_of_other_recipes_are_followed(editor, head, applied):
    (editor.folder / "village.redraft").write_text(USED)
    uri = (editor.folder / "using.redraft").as_uri()
    text = head + USING
    editor.open(uri, text)
    assert [each.code for each in editor.problems(uri)] == []
    for at, new, count in (("village\n", "town", 3), ("n:", "size", 6), ("oak with", "elm", 2)):
        edit = editor.rename(uri, editor.place(text, text.index(at)), new)
        assert len(edit.changes[uri]) == count, at
    ask = (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams, uri)
    details = {symbol.name: symbol.detail for symbol in editor.about(*ask)}
    assert details["village"] == "use ./village.redraft 1.0.0"
    assert details["oak"] == details["spire"] == "include village.spire"


def test_a_problem_of_another_recipe_points_into_it(editor, head):
    (editor.folder / "bad.redraft").write_text(USED.replace("layer6", "layer66"))
    uri = (editor.folder / "using.redraft").as_uri()
    editor.open(uri, head + 'use "./bad.redraft" 1.0.0 as village\ninclude village.spire\n')
    related = [
        note.location
        for problem in editor.problems(uri)
        for note in problem.related_information or ()
    ]
    other = (editor.folder / "bad.redraft").as_uri()
    assert [place.range.start for place in related if place.uri == other] == [types.Position(4, 14)]


def test_a_statement_that_is_not_known_has_no_place_in_the_outline(editor, head):
    uri = "untitled:odd"
    editor.open(uri, "42\n" + head)
    ask = (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams, uri)
    assert next(symbol.name for symbol in editor.about(*ask)) == "edition"
