"""What is reported of a document is what a check of its text alone reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

import redraft_dsl
from redraft_dsl.editor.documents import Documents
from redraft_dsl.facts import KnownModels

EXAMPLES = int(os.environ.get("REDRAFT_EXAMPLES", "10"))
HEAD = 'edition 2026\n\nrecipe {name} 1.0.0 "Made"\n\n'
BODY = """\
model faces
latents z { seed 1  count 2000 }
latents more { seed 2  count 50 }

param size: int = 2 in 1..8
param edge: int = 12
param way: word = goal in goal, svd

region eyes = box(x edge..52, y 24..38)
region chin = ellipse(32,48 radius 18,12) minus eyes
region drawn = mask("m.png") plus chin

# a comment
rule glasses at layer6 {
  copy z[116] eyes
  paste more[3] chin  # where
  context z[130] drawn
  context like z[3] eyes top size among 0..9
  rank size
  directions way
}
erase hat at layer6 { context z[5] chin minus polygon(10,20 50,20 30,2)  rank 2 }
zero mouth at layer9 {
  context z[7] mask("m.png")
  rank 1
}
rule old at layer6 {
  copy z[1] box(x 14..51, y 23..38)
  paste z[130] eyes
  context z[130] mask("m.png" bilinear)
  solver projected-adam { compat davidbau  steps 10 }
}
"""
MAIN = (
    HEAD.format(name="main")
    + 'use "./village.redraft" 1.0.0 as village\nuse "./town.redraft" 1.0.0 as town\n'
    + BODY
    + """\
include village.glasses as far with { rank = size  edge = 14 }
include village.hat as near
include town.glasses as third with { size = 3 }
sweep some {
  vary rank of hat over 1, 2
  vary size over 1, 3
  vary size of far over 1, 2
}
"""
)
FILES = {
    "village.redraft": [
        HEAD.format(name="village") + BODY,
        HEAD.format(name="village") + BODY.replace("radius 18,12", "radius 9,9"),
        HEAD.format(name="village") + BODY.replace("layer9", "layer99"),
        HEAD.format(name="village").replace("1.0.0", "2.0.0") + BODY,
    ],
    "town.redraft": [
        HEAD.format(name="town") + 'use "./village.redraft" 1.0.0 as v\n' + BODY.replace(
            "rule glasses", "rule own"
        ) + "include v.glasses with { rank = 4 }\n",
        HEAD.format(name="town") + 'use "./made.redraft" 1.0.0 as v\n' + BODY,
        None,
    ],
}  # fmt: skip
WORDS = [
    *("x", "size", "edge", "eyes", "chin", "z", "more", "layer6", "rule", "region", "{", "}", "\n"),
    *("1", "0", "99", "%", "..", ",", '"', "#", " ", "rank 3\n", "keep 2\n", "side 5%\n", "\n}\n"),
    *(
        "include village.mouth\n",
        "param n: int = 3\n",
        "\nrule b at layer6 {\n",
        "copy z[1] eyes\n",
    ),
]

edits = st.lists(
    st.one_of(
        st.tuples(
            st.just("type"),
            st.integers(0, len(MAIN)),
            st.integers(0, 6),
            st.one_of(st.just(""), st.sampled_from(WORDS)),
        ),
        st.tuples(st.just("undo")),
        st.tuples(st.just("line"), st.integers(0, 60)),
        st.tuples(st.just("file"), st.sampled_from(sorted(FILES)), st.integers(0, 3)),
        st.tuples(st.just("mask"), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    return tmp_path_factory.mktemp("checked")


@pytest.fixture(scope="module")
def models() -> KnownModels:
    from redraft.models.listed.catalog import known_models

    return known_models()


def put(file: Path, data: bytes | None, tick: list[int]) -> None:
    """Write a file, or take it away; its time of change is never that of another state."""
    file.unlink(missing_ok=True)
    if data is not None:
        tick[0] += 1
        file.write_bytes(data)
        os.utime(file, ns=(tick[0], tick[0]))


def mask(kind: int) -> bytes | None:
    from io import BytesIO

    from PIL import Image

    if kind == 0:
        return None
    image = Image.new("L", (64, 64), 0)
    if kind > 1:
        image.paste(255, (20, 20, 20 + 10 * kind, 40))
    stored = BytesIO()
    image.save(stored, format="PNG")
    return stored.getvalue()


def edited(text: str, edit: tuple, folder: Path, tick: list[int]) -> str:
    if edit[0] == "type":
        _, at, length, new = edit
        return text[:at] + new + text[at + length :]
    if edit[0] == "line":
        lines = text.splitlines(keepends=True)
        at = edit[1] % max(len(lines), 1)
        return "".join(lines[:at] + lines[at + 1 :])
    if edit[0] == "file":
        states = FILES[edit[1]]
        state = states[edit[2] % len(states)]
        put(folder / edit[1], None if state is None else state.encode(), tick)
    if edit[0] == "mask":
        put(folder / "m.png", mask(edit[1]), tick)
    return MAIN if edit[0] == "undo" else text


@settings(max_examples=EXAMPLES, deadline=None)
@given(edits)
def test_a_document_is_reported_as_its_text_is_whatever_was_there_before(
    folder, models, changes
) -> None:
    tick = [10**18]
    for name, states in FILES.items():
        put(folder / name, states[0].encode(), tick)
    put(folder / "m.png", mask(2), tick)
    documents = Documents(models, lambda _path, _arch: None)
    uri = (folder / "made.redraft").as_uri()
    text = MAIN
    documents.open(types.TextDocumentItem(uri, "redraft", 0, text))
    for version, change in enumerate([*changes, ("undo",)], 1):
        text = edited(text, change, folder, tick)
        named = types.VersionedTextDocumentIdentifier(version, uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        documents.change(types.DidChangeTextDocumentParams(named, [whole]))
        if change[0] in ("file", "mask"):
            documents.forget_checks()
        document = documents.get(uri)
        assert document is not None
        checked = redraft_dsl.loads(text, models, folder=folder, path=document.source.path)
        assert documents.examine(document).checked == checked


def test_the_recipe_of_this_test_holds(folder, models) -> None:
    tick = [2 * 10**18]
    for name, states in FILES.items():
        put(folder / name, states[0].encode(), tick)
    put(folder / "m.png", mask(2), tick)
    checked = redraft_dsl.loads(MAIN, models, folder=folder, path="made.redraft")
    assert checked.errors == ()
    assert len(checked.recipe.rules) == 7
    assert len(checked.imports) == 2


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(["size", "edge", "way", "hat.rank", "far.edge", "old.side", "glasses.layer"]),
    st.sampled_from(["1", "8", "9", "52", "60", "5%", "goal", "mean", "layer6", "layer7", "0"]),
    st.booleans(),
)
def test_a_swept_value_is_reported_exactly_where_a_recipe_with_it_has_errors(
    folder, models, target, value, joined
) -> None:
    tick = [4 * 10**18]
    for name, states in FILES.items():
        put(folder / name, states[0].encode(), tick)
    put(folder / "m.png", mask(2), tick)
    bare = MAIN[: MAIN.index("sweep")]
    if joined:
        bare = bare.replace("z[116] eyes", "z[116] box(x edge..52, y 24..38)")
    owner, _, key = target.rpartition(".")
    swept = f"sweep one {{ vary {key}{' of ' if owner else ''}{owner} over {value} }}\n"

    def check(text: str, given: tuple = ()) -> redraft_dsl.Checked:
        return redraft_dsl.loads(text, models, folder=folder, path="made.redraft", given=given)

    expected = check(bare, ((target, value),)).errors[:1]
    found = check(bare + swept).errors
    assert [problem.code for problem in found] == ["RD141"] * len(expected)
    assert [problem.message.partition(": ")[2] for problem in found] == [
        problem.message for problem in expected
    ]
