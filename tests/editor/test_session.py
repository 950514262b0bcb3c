"""From start to shutdown, through the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

WRONG = "rule glasses at layer66 {\n  copy z[116] eyes\n  context z[130] eyes\n}\n"


def test_a_whole_session(new_editor, tmp_path, head):
    editor = new_editor()
    uri = (tmp_path / "a.redraft").as_uri()
    editor.open(uri, head + WRONG)
    (found,) = editor.problems(uri)
    assert found.code == "RD102"
    assert found.severity == types.DiagnosticSeverity.Error
    assert found.range == types.Range(types.Position(8, 16), types.Position(8, 23))
    assert "did you mean `layer6`?" in found.message
    (fix,) = editor.fixes(uri, found.range)
    (edit,) = fix.edit.changes[uri]
    assert edit.new_text == "layer6"
    editor.change(uri, 2, types.TextDocumentContentChangePartial(edit.range, edit.new_text))
    assert editor.problems(uri, 2) == []
    editor.close(uri)
    assert editor.problems(uri, None) == []
    assert editor.leave() == 0
    assert editor.errors == ""


def test_leaving_without_a_word_is_an_error(new_editor):
    assert new_editor().leave(politely=False) == 1


def test_notes_are_related_places_and_warnings_are_warnings(editor, head):
    uri = "untitled:notes"
    editor.open(uri, head + "region eyes = all\n")
    found = {problem.code: problem for problem in editor.problems(uri)}
    (note,) = found["RD110"].related_information
    assert note.location.uri == uri
    assert note.location.range.start == types.Position(6, 7)
    assert found["RD120"].severity == types.DiagnosticSeverity.Warning
    assert found["RD120"].tags == (types.DiagnosticTag.Unnecessary,)


def test_a_mask_is_looked_for_beside_the_recipe_and_looked_at_again_on_save(editor, head):
    from PIL import Image

    uri = (editor.folder / "masked.redraft").as_uri()
    body = 'rule a at layer6 {\n  copy z[1] mask("m.png")\n  context z[2] eyes\n  rank 2\n}\n'
    editor.open(uri, head + body)
    assert [problem.code for problem in editor.problems(uri)] == ["RD311"]
    Image.new("L", (64, 64), 255).save(editor.folder / "m.png")
    editor.published.clear()
    saved = types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri))
    editor.notify(types.TEXT_DOCUMENT_DID_SAVE, saved)
    assert [problem.code for problem in editor.problems(uri)] == ["RD306"]
    # The same file with other contents: what was cached of it no longer holds.
    Image.new("L", (64, 64), 0).save(editor.folder / "m.png")
    editor.published.clear()
    changed = types.DidChangeWatchedFilesParams([])
    editor.notify(types.WORKSPACE_DID_CHANGE_WATCHED_FILES, changed)
    assert [problem.code for problem in editor.problems(uri)] == ["RD317"]


def test_the_model_file_beside_the_recipe_is_read(editor, head, tiny_dcgan):
    tiny_dcgan(editor.folder / "tiny.safetensors")
    uri = (editor.folder / "own.redraft").as_uri()
    own = (
        head.replace("model faces", 'model mine {\n  arch dcgan\n  weights "tiny.safetensors"\n}')
        + "rule a at layer66 {\n  copy z[1] eyes\n  context z[2] eyes\n}\n"
    )
    editor.open(uri, own)
    assert "RD102" in [problem.code for problem in editor.problems(uri)]
    other = own.replace("tiny.safetensors", "missing.safetensors")
    editor.change(uri, 2, types.TextDocumentContentChangeWholeDocument(other))
    assert "RD102" not in [problem.code for problem in editor.problems(uri, 2)]


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "file:///nowhere/at/all.redraft", "x", ""])
def test_a_document_without_a_file_is_checked_too(editor, head, uri):
    editor.open(uri, head + WRONG)
    assert [problem.code for problem in editor.problems(uri)] == ["RD102"]


def test_a_document_that_is_not_open_has_no_answers(editor):
    uri = "file:///not/open.redraft"
    whole = types.Range(types.Position(0, 0), types.Position(9, 9))
    editor.change(uri, 5, types.TextDocumentContentChangeWholeDocument("edition 2026"))
    assert editor.complete(uri, (0, 0)) is None
    assert editor.hover(uri, (0, 0)) is None
    assert editor.define(uri, (0, 0)) is None
    assert editor.rename(uri, (0, 0), "b") is None
    assert editor.format(uri) is None
    assert editor.fixes(uri, whole) == []
    outline = (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, types.DocumentSymbolParams)
    assert editor.about(*outline, uri) is None
    assert uri not in editor.published


def test_places_outside_the_text_are_moved_into_it(editor, head):
    uri = "untitled:outside"
    editor.open(uri, head)
    far = types.Range(types.Position(900, 0), types.Position(901, 70_000))
    editor.change(uri, 2, types.TextDocumentContentChangePartial(far, WRONG))
    assert [problem.code for problem in editor.problems(uri, 2)] == ["RD102"]
    assert editor.hover(uri, (2**31 - 1, 2**31 - 1)) is None
    assert editor.define(uri, (6, 100_000)) == []
    backwards = types.Range(types.Position(8, 23), types.Position(8, 16))
    editor.change(uri, 3, types.TextDocumentContentChangePartial(backwards, "layer6"))
    assert editor.problems(uri, 3) == []


def test_a_huge_document_is_refused_and_the_server_goes_on(editor, head):
    uri = "untitled:huge"
    editor.open(uri, "# long\n" * 200_000)
    assert [problem.code for problem in editor.problems(uri)] == ["RD004"]
    assert editor.complete(uri, (100_000, 0)) is not None
    editor.change(uri, 2, types.TextDocumentContentChangeWholeDocument(head + WRONG))
    assert [problem.code for problem in editor.problems(uri, 2)] == ["RD102"]


@pytest.mark.parametrize("text", ["", "\0", "\ud83d", "{" * 500, '"', "\u2028", "rule \u0301 at"])
def test_unusual_texts_are_answered(editor, text):
    uri = "untitled:odd"
    editor.open(uri, text)
    assert editor.problems(uri) != []
    editor.complete(uri, (0, len(text)))
    editor.hover(uri, (0, 0))
    editor.fixes(uri, types.Range(types.Position(0, 0), types.Position(0, 9)))
    assert editor.format(uri) is None or text in ("", "\u2028")


def test_without_pygls_the_command_says_how_to_get_it(tmp_path: Path):
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['pygls'] = None\n"
        "from redraft.cli import main\nsys.argv = ['redraft', 'lsp']\nsys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"", capture_output=True, timeout=60, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "RD730" in said
    assert 'pip install "pygls>=2"' in said
    assert "Traceback" not in said


def test_started_by_hand_it_says_what_it_waits_for(tmp_path):
    import os
    import subprocess
    import sys

    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "redraft", "lsp"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    os.close(theirs)
    assert process.stderr.readline() == b"redraft lsp waits for an editor; Ctrl+C ends it\n"
    os.write(ours, b"\x04")  # end of input
    out, errors = process.communicate(timeout=300)
    os.close(ours)
    assert (process.returncode, out, errors) == (1, b"", b"")
