"""The server's text is the editor's, whatever is typed, and its diagnostics are the checker's."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol import types

import redraft_dsl
from redraft.models.listed.catalog import known_models
from redraft_dsl.editor.positions import Text, characters, units
from redraft_dsl.editor.problems import message
from redraft_dsl.source import Span

RECIPE = """\
edition 2026
recipe \U0001f453 1.0.0 "Gla\u0308sser \U0001f453"
model faces
latents z { seed 1  count 2000 }
region eyes = box(x 12..52, y 24..38)  # \U0001f440 eyes
rule glasses at layer6 {
  copy    z[116] ellipse(31,31 radius 20,8) minus eyes
  context z[130] eyes
  rank     4
}
"""
PIECES = (
    *("\n", "\r", "\r\n", "\u2028", "\x0c", "\x85", "\ufeff", "\0", "\U0001f453", "a\u0308"),
    *("rule a at layer6 {\n", "}\n", "rank 4", "layer66", "eyes", '"', "#", "z[1] ", "region x = "),
)
texts = st.lists(st.sampled_from(PIECES), max_size=3).map("".join) | st.text(
    st.characters(exclude_categories=("Cs",)), max_size=5
)
places = st.builds(types.Position, st.integers(0, 14), st.integers(0, 60))
changes = st.builds(
    types.TextDocumentContentChangePartial, st.builds(types.Range, places, places), texts
) | st.builds(types.TextDocumentContentChangeWholeDocument, texts)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(changes, min_size=1, max_size=3), min_size=1, max_size=5))
def test_the_server_follows_any_edits(editor, applied, batches):
    uri = "untitled:followed"
    text = RECIPE
    editor.open(uri, text)
    for version, batch in enumerate(batches, 2):
        for change in batch:
            area = getattr(change, "range", None)
            if area is not None and (area.start.line, area.start.character) > (
                area.end.line,
                area.end.character,
            ):
                change.range = types.Range(area.end, area.start)
            edit = types.TextEdit(change.range, change.text) if area else None
            text = applied(text, [edit]) if edit else change.text
        editor.change(uri, version, *batch)
    found = editor.problems(uri, len(batches) + 1)
    checked = redraft_dsl.loads(text, known_models(), folder=editor.folder, path=uri)
    assert [(each.code, each.message) for each in found] == [
        (each.code, message(each)) for each in checked.diagnostics
    ]
    reference = Text(text)
    assert [each.range for each in found] == [
        reference.range(each.span or Span(0, 0)) for each in checked.diagnostics
    ]
    editor.close(uri)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_units_are_those_of_the_encoding(encoding, text):
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    code = encoding if encoding == "utf-8" else f"{encoding}-le"
    assert units(text, encoding) == len(text.encode(code)) // width
    for count in range(len(text) + 1):
        assert characters(text, units(text[:count], encoding), encoding) == count


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "\n", "\r\n", "\r", "\U0001f453", "\u0308"])).map("".join))
def test_a_place_goes_to_the_editor_and_back(text):
    for raw in (text, "\ufeff" + text):
        whole = Text(raw)
        for offset in range(len(whole.source.text) + 1):
            assert whole.offset(whole.position(offset)) == offset


def test_a_column_counts_utf16_units_and_stops_before_half_a_character():
    text = Text("# \U0001f453a\u0308 x\n")
    assert text.position(3) == types.Position(0, 4)
    assert text.position(6) == types.Position(0, 7)
    assert text.offset(types.Position(0, 3)) == 2
    assert text.offset(types.Position(0, 99)) == 7
    assert text.offset(types.Position(7, 0)) == len(text.raw)


@pytest.mark.parametrize(
    ("offered", "used", "column"),
    [(None, "utf-16", 21), (["utf-8", "utf-16"], "utf-8", 23), (["utf-32"], "utf-32", 20)],
)
def test_the_encoding_is_the_one_agreed_upon(new_editor, offered, used, column):
    editor = new_editor(encodings=offered)
    assert editor.capabilities.position_encoding == used
    uri = "untitled:columns"
    editor.open(uri, 'recipe a 1.0.0 "\U0001f453"  edition 2026\n')
    places = {each.code: each.range.start.character for each in editor.problems(uri)}
    assert places["RD109"] == column
