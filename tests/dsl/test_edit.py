"""Changes of a recipe's text: what is asked for changes, and not a character beside it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.edit import (
    Add,
    BadNameError,
    Change,
    Drop,
    Move,
    NoSuchPartError,
    Put,
    Rename,
    Replace,
    Switch,
    edit,
    edits,
)
from redraft_dsl.syntax.editions import format_text
from redraft_dsl.syntax.parse import parse

TEXT = """\
# Everybody is to wear glasses.
edition 2026
recipe demo 1.0.0 "Demo"  # a draft

use "./village.redraft" 1.0.0 as village
model mine { arch dcgan  weights "a.pth" }
latents z { seed 1  count 2000 }
param size: int = 2 in 1..8
region eyes = box(x 12..52, y 24..38)
images plain = z[5, 7, 26..34]

# The first.
rule glasses at layer6 {
    copy z[116] eyes  # of this one
  context z[130] eyes
  context plain eyes   # more of them
  rank     8  # not more
  solver   exact { loss l1  iterations 50 }
}

rule empty at layer9 { }

include village.hat as hat with { rank = 4 }
off erase beard at layer6 { context z[1] eyes }
sweep looks { vary rank of glasses over 1, 2 }
"""

CHANGES: list[tuple[Change, str, str]] = [
    # what is asked for; the lines that go; the lines that come
    (Put("glasses", "rank", "4"), "  rank     8  # not more", "  rank     4  # not more"),
    (
        Put("glasses", "layer", "layer9"),
        "rule glasses at layer6 {",
        "rule glasses at layer9 {",
    ),
    (Put("glasses", "keep", "2"), "", "  keep     2"),
    (
        Put("glasses.solver", "iterations", "9"),
        "  solver   exact { loss l1  iterations 50 }",
        "  solver   exact { loss l1  iterations 9 }",
    ),
    (
        Put("glasses.solver", "goal", "crop"),
        "  solver   exact { loss l1  iterations 50 }",
        "  solver   exact { loss l1  iterations 50  goal crop }",
    ),
    (
        Put("glasses", "solver", "gradient"),
        "  solver   exact { loss l1  iterations 50 }",
        "  solver   gradient",
    ),
    (Put("glasses", "solver", "exact"), "", ""),
    (Put("empty", "rank", "3"), "rule empty at layer9 { }", "rule empty at layer9 { rank 3 }"),
    (
        Put("hat", "rank", "8"),
        "include village.hat as hat with { rank = 4 }",
        "include village.hat as hat with { rank = 8 }",
    ),
    (
        Put("hat", "size", "8"),
        "include village.hat as hat with { rank = 4 }",
        "include village.hat as hat with { rank = 4  size = 8 }",
    ),
    (
        Put("latents.z", "count", "50"),
        "latents z { seed 1  count 2000 }",
        "latents z { seed 1  count 50 }",
    ),
    (
        Put("model", "truncation", "0.5"),
        'model mine { arch dcgan  weights "a.pth" }',
        'model mine { arch dcgan  weights "a.pth"  truncation 0.5 }',
    ),
    (Put("edition", "edition", "2027"), "edition 2026", "edition 2027"),
    (Add("context z[4] eyes", "glasses", after="context"), "", "  context z[4] eyes"),
    (Add("context z[4] eyes", "glasses", after="context[1]"), "", "  context z[4] eyes"),
    (Add("region hat = all", after="region.eyes"), "", "region hat = all"),
    (Drop("glasses.context"), "  context z[130] eyes", ""),
    (Drop("glasses.context[1]"), "  context plain eyes   # more of them", ""),
    (Drop("images.plain"), "images plain = z[5, 7, 26..34]", ""),
    (
        Drop("glasses.solver.loss"),
        "  solver   exact { loss l1  iterations 50 }",
        "  solver   exact { iterations 50 }",
    ),
    (
        Drop("empty"),
        "rule empty at layer9 { }",
        "",
    ),
    (Drop("sweep.looks"), "sweep looks { vary rank of glasses over 1, 2 }", ""),
    (
        Replace("region.eyes", "region eyes = all"),
        "region eyes = box(x 12..52, y 24..38)",
        "region eyes = all",
    ),
    (
        Replace("glasses.copy", "copy z[9] all"),
        "    copy z[116] eyes  # of this one",
        "    copy z[9] all  # of this one",
    ),
    (
        Switch("beard", on=True),
        "off erase beard at layer6 { context z[1] eyes }",
        "erase beard at layer6 { context z[1] eyes }",
    ),
    (Switch("beard", on=False), "", ""),
    (Switch("empty", on=False), "rule empty at layer9 { }", "off rule empty at layer9 { }"),
    (Switch("empty", on=True), "", ""),
    (
        Switch("hat", on=False),
        "include village.hat as hat with { rank = 4 }",
        "off include village.hat as hat with { rank = 4 }",
    ),
    (Switch("hat", on=True), "", ""),
]


def without(text: str, lines: str) -> list[str]:
    """The lines of a text but for some, each taken away once."""
    left = text.split("\n")
    for line in lines.split("\n") if lines else ():
        left.remove(line)
    return left


@pytest.mark.parametrize(("change", "old", "new"), CHANGES)
def test_a_change_is_made_and_everything_else_stays(change: Change, old: str, new: str) -> None:
    changed = edit(TEXT, change)
    assert (changed == TEXT) == (old == new == "")
    assert without(changed, new) == without(TEXT, old)
    assert parse(Source("<text>", changed)).ok


def test_a_rule_goes_with_the_comment_that_stands_right_above_it() -> None:
    start, end = TEXT.index("# The first."), TEXT.index("rule empty")
    assert edit(TEXT, Drop("glasses")) == TEXT[:start] + "\n" + TEXT[end:]
    apart = TEXT.replace("# The first.\n", "# The first.\n\n")
    assert "# The first." in edit(apart, Drop("glasses"))


def test_a_statement_without_a_place_comes_last() -> None:
    assert edit(TEXT, Add("rule more at layer3 { }")) == TEXT + "\nrule more at layer3 { }\n"


def test_a_rule_moves_with_the_comments_above_it() -> None:
    moved = edit(TEXT, Move("glasses"))
    glasses = TEXT[TEXT.index("# The first.") :].partition("\n\n")[0]
    assert moved.endswith(f"over 1, 2 }}\n\n{glasses}\n")
    assert sorted(filter(None, moved.split("\n"))) == sorted(filter(None, TEXT.split("\n")))
    back = edit(moved, Move("glasses", before="empty"))
    assert back == TEXT
    assert edit(TEXT, Move("empty", before="empty")) == TEXT
    assert edit(TEXT, Move("glasses", before="empty")) == TEXT


@pytest.mark.parametrize(
    "change",
    [
        Put("lost", "rank", "2"),
        Put("region.eyes", "rank", "2"),
        Put("glasses.context", "rank", "2"),
        Drop("glasses.context[2]"),
        Drop("glasses.keep"),
        Drop("latents.w"),
        Replace("param.lost", "x"),
        Move("glasses", before="lost"),
        Switch("region.eyes", on=True),
        Switch("z", on=True),
    ],
)
def test_what_is_not_there_cannot_be_changed(change: Change) -> None:
    with pytest.raises(NoSuchPartError):
        edit(TEXT, change)


def test_an_empty_text_takes_statements() -> None:
    text = edit("", Add("edition 2026"))
    assert text == "edition 2026\n"
    assert edit(text, Add("model faces")) == "edition 2026\n\nmodel faces\n"


def test_a_line_goes_into_a_block_of_one_line_and_an_empty_one() -> None:
    one = edit(TEXT, Add("context z[4] eyes", "beard"))
    assert "off erase beard at layer6 { context z[1] eyes  context z[4] eyes }" in one
    assert "rule a at b {\n  rank 2\n}" in edit("rule a at b {\n}\n", Add("rank 2", "a"))
    assert "model m { arch dcgan }" in edit("model m\n", Put("model", "arch", "dcgan"))


RULES = ("glasses", "empty")
_changes = st.one_of(
    st.builds(Put, st.sampled_from(RULES), st.sampled_from(["rank", "keep"]), st.just("5")),
    st.builds(Put, st.sampled_from(RULES), st.just("layer"), st.sampled_from(["layer3", "main.6"])),
    st.builds(Switch, st.sampled_from(RULES), st.booleans()),
    st.builds(Move, st.sampled_from(RULES), st.sampled_from(["", *RULES, "region.eyes"])),
    st.builds(Add, st.just("context z[9] eyes  # new"), st.sampled_from(RULES)),
)


@given(st.lists(_changes, max_size=6))
def test_changes_one_after_another_leave_a_recipe_with_all_its_comments(changes) -> None:
    text, new = TEXT, 0
    for change in changes:
        found = edits(text, change)
        spans = sorted((each.span.start, each.span.end) for each in found)
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
        text = edit(text, change)
        new += isinstance(change, Add)
    parsed = parse(Source("<text>", text))
    assert parsed.ok
    assert text.count("#") == TEXT.count("#") + new
    names = [node.name.text for node in parsed.tree.statements if isinstance(node, s.Operation)]
    assert sorted(names) == ["beard", "empty", "glasses"]
    assert format_text(text).text is not None


def test_a_rule_is_renamed_wherever_it_is_named() -> None:
    text = TEXT + "\nexpect share(glasses) >= 0.1  # of glasses\n"
    found = edit(text, Rename("glasses", "cap"))
    assert found.count("cap") == text.count("cap") + len(edits(text, Rename("glasses", "cap")))
    assert "rule cap at" in found
    assert "expect share(cap) >= 0.1  # of glasses" in found
    assert edit(found, Rename("cap", "glasses")) == text
    with pytest.raises(NoSuchPartError, match="no rule `nobody`"):
        edit(text, Rename("nobody", "cap"))
    for name in ("a b", "", "Hat"):
        with pytest.raises(BadNameError, match="cannot be a name"):
            edit(text, Rename("glasses", name))
