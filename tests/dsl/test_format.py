"""The formatter: one layout, no word lost, no meaning changed."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import format_text
from redraft_dsl.syntax.format import format_tree, region
from redraft_dsl.syntax.parse import parse

MESSY = """# header

edition 2026
recipe   glasses  1.0.0    "Every face"   # title
model faces


latents z {seed 1
count 2000}   # images
region bar=(box(x 0%..100%,y 92%..100%)minus(box(x 0..16,y 60..64)))
rule glasses at layer6 {   # the block
 # what to draw
 copy z[116] box(x 12..52,   # columns
    y 24..38)
 paste each context rank 4 directions goal # two on a line


 # blank above
 context like z[130] (bar plus (all minus bar)) top 60 among 0 .. 199 except 17,40
 solver exact{loss l2 iterations 5}
 # the end
} zero banner at main.6 { context z[1] bar solver exact {
  loss l1 # inner
} } model church { arch dcgan weights "a.pth" sha256 "b" }
latents w { }
# last
"""

NEAT = """# header

edition 2026
recipe glasses 1.0.0 "Every face"  # title
model faces

latents z { seed 1  count 2000 }  # images
region bar = box(x 0%..100%, y 92%..100%) minus box(x 0..16, y 60..64)

rule glasses at layer6 {  # the block
  # what to draw
  # columns
  copy    z[116] box(x 12..52, y 24..38)
  paste   each context
  rank     4
  directions goal  # two on a line

  # blank above
  context like z[130] bar plus (all minus bar) top 60 among 0..199 except 17, 40
  solver   exact { loss l2  iterations 5 }
  # the end
}

zero banner at main.6 {
  context z[1] bar
  solver   exact {
    loss     l1  # inner
  }
}

model church {
  arch    dcgan
  weights "a.pth"
  sha256  "b"
}

latents w {}
# last
"""


def formatted(text: str) -> str:
    result = format_text(text)
    assert result.text is not None, result.diagnostics
    return result.text


def tree_of(text: str) -> s.Tree:
    parsed = parse(Source("x", text))
    assert parsed.ok, parsed.diagnostics
    return parsed.tree


def comments_in(text: str) -> list[str]:
    return sorted(comment.text for comment in s.comments_of(tree_of(text)))


def test_the_canonical_layout() -> None:
    assert formatted(MESSY) == NEAT


def test_the_canonical_layout_is_left_alone(full: str) -> None:
    assert formatted(NEAT) == NEAT
    assert formatted(full) == full


def test_the_tree_is_unchanged() -> None:
    assert tree_of(formatted(MESSY)) == tree_of(MESSY)


def test_line_ends_become_lf() -> None:
    assert formatted(MESSY.replace("\n", "\r\n")) == NEAT
    assert formatted("\ufeffedition 2026") == "edition 2026\n"


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "\n# a\n\n\n# b\n"])
def test_a_text_without_statements(text: str) -> None:
    once = formatted(text)
    assert formatted(once) == once
    assert comments_in(once) == comments_in(text)


def test_a_text_with_errors_is_refused() -> None:
    result = format_text("rule a at b { rank = 4 }", path="a.redraft")
    assert result.text is None
    assert [d.code for d in result.diagnostics] == ["RD010"]


def test_a_broken_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="could not be read"):
        format_tree(s.Tree((s.Broken("rule", None),)))


def test_adding_a_line_moves_no_other_line(full: str) -> None:
    before = formatted(full).splitlines()
    after = formatted(full.replace("rank     4", "rank 4 directions goal contrast 0.5"))
    assert [line for line in after.splitlines() if line not in before] == [
        "  directions goal",
        "  contrast 0.5",
    ]


def test_a_solver_block_that_is_too_long_for_a_line_is_opened() -> None:
    text = "rule a at b { solver exact { " + "iterations 1234567890 " * 5 + "} }"
    assert "{\n    iterations 1234567890\n" in formatted(text)


def _gaps(text: str) -> list[int]:
    """Every place between two tokens, where white space or a comment may stand."""
    token = re.compile(
        r'"[^"\n]*"|\.\.|\d+\.\d+\.\d+|-?\d+(?:\.\d+)?%?|[a-z](?:[\w\-]|\.(?=\w))*|[^\s\w]'
    )
    return [0, *(match.end() for match in token.finditer(text))]


@given(st.data())
def test_comments_anywhere_survive(full: str, data: st.DataObject) -> None:
    gaps = _gaps(full)
    chosen = sorted(data.draw(st.sets(st.sampled_from(gaps), min_size=1, max_size=6)))
    text, last = "", 0
    for number, at in enumerate(chosen):
        blank = data.draw(st.sampled_from(["\n", "\n\n", "\n  \n\n"]))
        before = data.draw(st.sampled_from([" ", "\n", "\n\n"]))
        text += full[last:at] + f"{before}# comment {number}{blank}"
        last = at
    text += full[last:]
    once = formatted(text)
    assert tree_of(once) == tree_of(full)
    assert comments_in(once) == [f"# comment {number}" for number in range(len(chosen))]
    assert formatted(once) == once


def test_comments_at_every_single_place_survive(full: str) -> None:
    tree = tree_of(full)
    for at in _gaps(full):
        once = formatted(f"{full[:at]} # here\n{full[at:]}")
        assert tree_of(once) == tree
        assert once.count("# here") == 1
        assert formatted(once) == once


@given(st.lists(st.sampled_from([" ", "\n", "\t", "  ", " \n", "\n\n\n"]), min_size=1, max_size=9))
def test_white_space_does_not_matter(full: str, gaps: list[str]) -> None:
    solid = full.replace("Every face wears glasses", "Glasses")
    spaces = itertools.cycle(gaps)
    text = re.sub(r"[ \n]+", lambda _: next(spaces), solid)
    assert tree_of(text) == tree_of(solid)
    assert tree_of(formatted(text)) == tree_of(solid)


NAMES = st.sampled_from(["a", "bar", "top-bar"])
NUMBERS = st.sampled_from(["0", "12", "-3", "1.5", "92%", "0.25%", "1e3"]).map(
    lambda text: s.Number(text)
)
PAIRS = st.tuples(NUMBERS, NUMBERS)
SHAPES = st.one_of(
    st.builds(s.BoxShape, PAIRS, PAIRS),
    st.builds(s.EllipseShape, PAIRS, PAIRS),
    st.builds(s.PolygonShape, st.lists(PAIRS, min_size=1, max_size=5).map(tuple)),
    st.builds(s.MaskShape, st.just(s.Text("a b/c.png"))),
    st.just(s.Everything()),
    st.builds(s.Named, NAMES.map(lambda name: s.Word(name))),
)
REGIONS = st.recursive(
    SHAPES,
    lambda inner: st.builds(
        s.Joined,
        st.sampled_from(["plus", "minus", "within"]),
        inner,
        inner,
    ),
    max_leaves=12,
)


@given(REGIONS)
def test_parentheses_stand_only_where_the_tree_needs_them(expr: s.RegionExpr) -> None:
    text = region(expr)
    read = tree_of(f"region r = {text}").statements[0]
    assert isinstance(read, s.RegionStatement)
    assert read.region == expr
    for opening in [match.start() for match in re.finditer(r"(?<![a-z])\(", text)]:
        closing = _partner(text, opening)
        bare = text[:opening] + text[opening + 1 : closing] + text[closing + 1 :]
        other = tree_of(f"region r = {bare}").statements[0]
        assert isinstance(other, s.RegionStatement)
        assert other.region != expr


def _partner(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise AssertionError("unbalanced")
