"""Quick fixes: each one, applied, removes the problem that it was offered for."""

from __future__ import annotations

import pytest
from lsprotocol import types

import redraft_dsl
from redraft.models.listed.catalog import known_models
from redraft_dsl.report.explain import codes, page

RULE = "rule a at layer6 {\n  copy z[1] eyes\n  context z[2] eyes\n%s}\n"


def rule(*lines: str) -> str:
    return RULE % "".join(f"  {line}\n" for line in lines)


FIXED = [
    # code, wrong, fixed; both come after the head of the tests
    ("RD010", rule("rank = 3"), rule("rank  3")),
    ("RD010", rule("rank 3;"), rule("rank 3")),
    ("RD010", rule("preserve .5"), rule("preserve 0.5")),
    ("RD010", rule("preserve 0,5"), rule("preserve 0.5")),
    ("RD010", rule("side 5 %"), rule("side 5%")),
    ("RD010", rule("context z[3] eyes + eyes"), rule("context z[3] eyes plus eyes")),
    ("RD010", rule("context z[3] bxo(x 1..9, y 1..9)"), rule("context z[3] box(x 1..9, y 1..9)")),
    ("RD010", rule("contxt z[3] eyes"), rule("context z[3] eyes")),
    ("RD010", rule() + rule().replace("rule a", "ruel b"), rule() + rule().replace("le a", "le b")),
    ("RD010", rule("rank: 3"), rule("rank 3")),
    ("RD010", rule("context z[3] ellipse(9,9 radius 3px,3)"), None),
    ("RD010", 'region "x" = all\n' + rule("context z[3] x"), None),
    ("RD011", rule().replace("}\n", "") + rule().replace("rule a", "rule b"), None),
    ("RD013", "// note\n" + rule(), "# note\n" + rule()),
    ("RD014", "recipe b 1.0.0 'B'\n", 'recipe b 1.0.0 "B"\n'),
    ("RD102", rule().replace("layer6", "layer66"), rule()),
    ("RD106", "model faces\n" + rule(), rule()),
    ("RD113", rule("context zz[5] eyes"), rule("context z[5] eyes")),
    ("RD114", rule("context z[5] eyse"), rule("context z[5] eyes")),
    ("RD115", rule("rnk 3"), rule("rank 3")),
    ("RD116", rule("directions contxt"), rule("directions context")),
    ("RD117", rule("solver exakt"), rule("solver exact")),
    ("RD118", rule().replace("rule a", "rule Big"), rule().replace("rule a", "rule big")),
    ("RD119", "region top = all\n" + rule("context z[9] top"), None),
    ("RD120", "region more = all\n" + rule(), rule()),
    ("RD121", "latents q { seed 1 count 2 }\n" + rule(), rule()),
    ("RD201", rule('rank "3"'), rule("rank 3")),
    ("RD201", rule("side 5"), rule("side 5%")),
    ("RD201", rule("preserve 50%"), rule("preserve 0.5")),
    ("RD201", rule("context z[3%] eyes"), None),
    ("RD202", rule("contrast 3"), rule("contrast 1")),
    ("RD203", rule("rank 2.6"), rule("rank 3")),
    ("RD205", rule("rank 2", "rank 2"), rule("rank 2")),
    ("RD206", rule("preserve 1", "side 5%"), rule("preserve 1")),
    ("RD207", "latents q { seed 1 }\n" + rule("context q[0] eyes"), None),
    ("RD208", rule("seed 1"), rule()),
    ("RD209", rule("rank 2 { seed 1 }"), rule("rank 2")),
    ("RD213", rule('context z[3] mask("a\\b.png")'), rule('context z[3] mask("a/b.png")')),
    ("RD214", rule("context like z[3] eyes top 60 among 0..9"), None),
    ("RD215", rule("context like z[3] eyes top 2 among 9..0"), None),
    ("RD215", rule("context like z[3] eyes top 2 among 0..9000"), None),
    ("RD218", rule("rank 300"), rule("rank 256")),
    ("RD219", rule("rank 100"), None),
    ("RD220", rule("directions mean", "rank 2"), rule("directions mean", "rank 1")),
    ("RD223", rule("keep 1", "solver projected-adam { compat davidbau }"), None),
    ("RD301", rule("context z[3] box(x 9..1, y 1..9)"), rule("context z[3] box(x 1..9, y 1..9)")),
]


def actions(editor, uri, code):
    """The fixes that are offered for a code, and the problems of the document."""
    problems = editor.problems(uri)
    whole = types.Range(types.Position(0, 0), types.Position(10_000, 0))
    offered = [each for each in editor.fixes(uri, whole) if each.diagnostics[0].code == code]
    return offered, [problem.code for problem in problems]


@pytest.mark.parametrize(("code", "wrong", "fixed"), FIXED)
def test_a_fix_removes_its_problem(editor, head, applied, code, wrong, fixed):
    uri = "untitled:fixed"
    editor.open(uri, head + wrong)
    offered, before = actions(editor, uri, code)
    assert offered, f"no fix for {code} in {before}"
    text = applied(head + wrong, list(offered[0].edit.changes[uri]))
    if fixed is not None:
        assert text == head + fixed
    after = [each.code for each in redraft_dsl.loads(text, known_models()).diagnostics]
    assert after.count(code) < before.count(code)
    assert "RD010" not in after or "RD010" in before


def shown_wrong(code: str) -> bool:
    """Whether the page of a code shows a wrong recipe."""
    explained = page(code)
    return explained is not None and explained.wrong is not None


@pytest.mark.parametrize("code", [code for code in codes() if shown_wrong(code)])
def test_no_fix_on_a_page_makes_matters_worse(editor, applied, code):
    explained = page(code)
    assert explained is not None
    assert explained.wrong is not None
    uri = f"untitled:{code}"
    editor.open(uri, explained.wrong)
    offered, before = actions(editor, uri, code)
    for action in offered:
        text = applied(explained.wrong, list(action.edit.changes[uri]))
        after = [each.code for each in redraft_dsl.loads(text, known_models()).diagnostics]
        assert after.count(code) < before.count(code), action.title
        assert action.kind == types.CodeActionKind.QuickFix
    editor.close(uri)


def test_what_is_missing_is_added_in_its_place(editor, applied):
    uri = "untitled:nothing"
    text = "region eyes = box(x 12..52, y 24..38)\n" + rule()
    for code in ("RD101", "RD104", "RD105", "RD107"):
        editor.open(uri, text)
        offered, _ = actions(editor, uri, code)
        text = applied(text, list(offered[0].edit.changes[uri]))
    assert text.split("\n")[:4] == [
        "edition 2026",
        'recipe my-edit 1.0.0 "My edit"',
        f"model {next(iter(known_models().names()))}",
        "latents z { seed 1  count 2000 }",
    ]
    assert not [e for e in redraft_dsl.loads(text, known_models()).errors if e.code < "RD2"]


def test_a_statement_moves_up(editor, applied):
    uri = "untitled:order"
    text = 'recipe a 1.0.0 "A"\n\nedition 2026  \nmodel faces\n'
    editor.open(uri, text)
    (action,) = actions(editor, uri, "RD109")[0]
    moved = applied(text, list(action.edit.changes[uri]))
    assert moved == 'edition 2026\nrecipe a 1.0.0 "A"\n\nmodel faces\n'


def test_only_quick_fixes_are_given_where_something_else_is_asked_for(editor, head):
    uri = "untitled:only"
    editor.open(uri, head + rule("rnk 3"))
    whole = types.Range(types.Position(0, 0), types.Position(99, 0))
    for kind, expected in (("quickfix", True), ("", True), ("source.organizeImports", False)):
        context = types.CodeActionContext([], only=[kind])
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), whole, context)
        assert bool(editor.ask(types.TEXT_DOCUMENT_CODE_ACTION, params)) is expected


HEADS = [
    # the whole text, and what it becomes
    ("RD118", 'edition 2026\nrecipe Big 1.0.0 "A"\n', 'edition 2026\nrecipe big 1.0.0 "A"\n'),
    ("RD211", 'edition 2026\nrecipe a 1.2 "A"\n', 'edition 2026\nrecipe a 1.2.0 "A"\n'),
    (
        "RD109",
        'edition 2026\nmodel faces\nrecipe a 1.0.0 "A"\n',
        'edition 2026\nrecipe a 1.0.0 "A"\nmodel faces\n',
    ),
    ("RD109", 'recipe a 1.0.0 "A"\n# its edition\nedition 2026\n', None),
    ("RD109", 'recipe a 1.0.0 "A" edition 2026\n', 'edition 2026\nrecipe a 1.0.0 "A"\n'),
    (
        "RD212",
        f'model m {{\n  arch dcgan\n  weights "a.pth"\n  sha256 "{"AB" * 32}"\n}}\n',
        f'model m {{\n  arch dcgan\n  weights "a.pth"\n  sha256 "{"ab" * 32}"\n}}\n',
    ),
    (
        "RD222",
        'model m { arch dcgan  weights "a"  truncation 0.5 }\n',
        'model m { arch dcgan  weights "a" }\n',
    ),
    ("RD207", "latents z {\n  seed 1\n}\n", "latents z {\n  count 2000\n  seed 1\n}\n"),
    ("RD207", "latents z {}\n", "latents z { seed 1 }\n"),
]


@pytest.mark.parametrize(("code", "wrong", "fixed"), HEADS)
def test_a_fix_of_the_head(editor, applied, code, wrong, fixed):
    uri = "untitled:head"
    editor.open(uri, wrong)
    offered, before = actions(editor, uri, code)
    assert code in before
    if fixed is None:
        assert offered == []
    else:
        assert applied(wrong, list(offered[0].edit.changes[uri])) == fixed
