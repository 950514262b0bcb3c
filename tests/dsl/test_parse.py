"""Reading: what is understood, and how mistakes are reported."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import cast

import pytest

from redraft_dsl.reading import decode
from redraft_dsl.source import Source, normalise
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.nodes import Builder
from redraft_dsl.syntax.parse import MOST_ERRORS, build_parser, make_tables, parse

HEAD = 'edition 2026\nrecipe demo 1.0.0 "Demo"\n'
OPEN = "rule a at layer6 {\n"


def read(text: str) -> s.Tree:
    parsed = parse(Source("demo.redraft", text))
    assert parsed.ok, parsed.diagnostics
    return parsed.tree


def problems(text: str) -> list[tuple[str, str, str | None]]:
    return [(d.code, d.message, d.help) for d in parse(Source("x", text)).diagnostics]


def test_the_grammar_has_no_collisions() -> None:
    pytest.importorskip("interegular")
    build_parser(strict=True)


def test_the_stored_tables_are_those_of_the_grammar(full: str) -> None:
    file = Path(str(files("redraft_dsl.syntax") / "grammar.tables.json"))
    tables = make_tables()
    if os.environ.get("REDRAFT_WRITE_GOLDEN"):
        file.write_text(tables, encoding="utf-8")
    stored, fresh = json.loads(file.read_text(encoding="utf-8")), json.loads(tables)
    assert stored["grammar"] == fresh["grammar"]
    assert {t["name"] for t in stored["memo"].values() if "pattern" in t} == {
        t["name"] for t in fresh["memo"].values() if "pattern" in t
    }


def test_stored_tables_and_grammar_read_the_same(full: str) -> None:
    slow = cast("s.Tree", build_parser(Builder()).parse(full))
    assert read(full).statements == slow.statements


def test_every_construct_is_read(full: str) -> None:
    kinds = {type(statement) for statement in read(full).statements}
    assert kinds == {
        s.EditionLine,
        s.RecipeLine,
        s.ModelStatement,
        s.LatentsStatement,
        s.RegionStatement,
        s.ImagesStatement,
        s.Operation,
        s.UseLine,
        s.ParamLine,
        s.Include,
        s.SweepStatement,
    }


def test_spans_point_at_the_text(full: str) -> None:
    rule = next(n for n in read(full).statements if isinstance(n, s.Operation))
    copy = rule.block.items[0]
    assert isinstance(copy, s.PlaceLine)
    assert copy.place is not None
    assert isinstance(copy.place.images, s.Images)
    for node, text in (
        (rule.name.span, "glasses"),
        (rule.layer.span, "where"),
        (copy.span, "copy    z[face] box(x 12..52, y 24..38)"),
        (copy.place.images.items[0].span, "face"),
        (copy.place.region.span, "box(x 12..52, y 24..38)"),
    ):
        assert full[node.start : node.end] == text
    box = copy.place.region
    assert isinstance(box, s.BoxShape)
    numbers = [*box.x, *box.y]
    assert [full[n.span.start : n.span.end] for n in numbers] == ["12", "52", "24", "38"]


def test_unusual_spacing_means_the_same() -> None:
    usual = read("rule a at layer6 { copy z[116] box(x 12..52, y 24%..38.5%) rank 4 }")
    unusual = read(
        "rule\na\nat\nlayer6{copy z [ 116 ] # one\nbox ( x 12 .. 52 ,\n y 24% .. 38.5% # two\n )"
        "\n\trank\t4}"
    )
    assert usual == unusual


def test_joins_group_from_the_left() -> None:
    tree = read("region r = a plus b minus c within d")
    assert tree == read("region r = ((a plus b) minus c) within d")
    assert tree != read("region r = a plus (b minus (c within d))")


def test_keywords_are_names_where_only_a_name_can_stand() -> None:
    tree = read("rule copy at context { copy rule[1] all  directions context }")
    rule = tree.statements[0]
    assert isinstance(rule, s.Operation)
    assert (rule.name.text, rule.layer.text) == ("copy", "context")


def test_layers_may_have_dots() -> None:
    rule = read("zero a at main.6.conv-1 { }").statements[0]
    assert isinstance(rule, s.Operation)
    assert rule.layer.text == "main.6.conv-1"


def test_a_keyword_ends_where_a_word_ends() -> None:
    assert problems("rulea b at c {}")[0][1] == "expected a new statement, found `rulea`"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_and_byte_order_mark_do_not_matter(full: str, end: str) -> None:
    data = ("\ufeff" + full.replace("\n", end)).encode()
    source, bad = decode("x", data)
    assert not bad
    assert parse(source).tree == read(full)


def test_a_bad_byte_is_found_where_it_is() -> None:
    source, bad = decode("x", b"edition 2026\r\n# caf\xe9\n")
    assert bad[0].code == "RD001"
    assert bad[0].span is not None
    assert source.position(bad[0].span.start) == (2, 6)


def test_a_lone_surrogate_is_reported() -> None:
    assert [code for code, _, _ in problems("# \ud800\n")] == ["RD001"]


BOX_FORM = "a box is written `box(x 12..52, y 24..38)`"


@pytest.mark.parametrize(
    ("text", "code", "message", "help_text"),
    [
        (
            OPEN + "copy z[130] rank 4 }",
            "RD010",
            "expected a region after `z[130]`, found `rank`",
            "a region is",
        ),
        (OPEN + "copy z[130]\npaste z[1] all }", "RD010", "after `z[130]`, found `paste`", None),
        (OPEN + "copy z[130] 4 }", "RD010", "region after `z[130]`, found `4`", "a region"),
        ("region a = box(x 1:2, y 3..4)", "RD010", "expected `..` after `1`", "`1..2`"),
        ("region a = box(x 1-2, y 3..4)", "RD010", "expected `..` after `1`", "`1..2`"),
        ("region a = box(x 1...2, y 3..4)", "RD010", "expected a number after `..`", None),
        ("region a = box(x 1 2, y 3..4)", "RD010", "expected `..` after `1`", "`1..2`"),
        ("region a = box(12..52, 24..38)", "RD010", "expected `x` after `(`", BOX_FORM),
        ("region a = box(x 1..2 y 3..4)", "RD010", "expected `,` after `2`, found `y`", None),
        ("region a = box(y 1..2, x 3..4)", "RD010", "expected `x` after `(`", BOX_FORM),
        ("region a = box(x 1px..2, y 3..4)", "RD010", "expected `..`", "pixels already"),
        ("region a = box(x .5..2, y 3..4)", "RD010", "expected a number", "`0.5`"),
        ("region a = circle(3,4 radius 5,5)", "RD010", "there is no shape `circle`", "`ellipse("),
        ("region a = elipse(3,4 radius 5,5)", "RD010", "there is no shape `elipse`", "`ellipse("),
        ("region a = mask(eyes.png)", "RD010", "expected text in double", '`mask("eyes.png")`'),
        ("region a = mask('eyes.png')", "RD014", "`'` does not quote text", "double quotes"),
        ("region a = mask(“eyes.png”)", "RD014", "`“` does not quote text", "double quotes"),
        ("region a box(x 1..2, y 3..4)", "RD010", "expected `=` after `a`", "a region is written"),
        ("region a = all or all", "RD010", "expected `plus`, `minus`, `within` or a", "`plus`"),
        ("region a = all + all", "RD010", "found `+`", "joined with `plus`"),
        ("region a = all - all", "RD010", "found `-`", "joined with `minus`"),
        ("region a = not all", "RD010", "found `all`", "`all minus ...`"),
        ("region a = box[x 1..2, y 3..4]", "RD010", "expected `(` after `box`", BOX_FORM),
        ("region a = polygon((1,2) (3,4))", "RD010", "expected a number", "a polygon is written"),
        ("region a = ellipse(1,2,3,4)", "RD010", "expected `radius`", "an ellipse is written"),
        ('model "a.pth"', "RD010", 'found `"a.pth"`', "`model mine { arch dcgan  weights"),
        ('rule "a" at b {}', "RD010", "expected a name after `rule`", "without quotes"),
        (OPEN + "contxt z[1] all }", "RD010", "`contxt` takes no image", "`context`"),
        (OPEN + "guard z[1] all }", "RD010", "`guard` takes no image", "images stand after"),
        (OPEN + "keep 0,3 }", "RD010", "found `,`", "`0.3`"),
        (OPEN + "side 5 % }", "RD010", "found `%`", "`5%`"),
        ("region a = (all", "RD011", "this `(` is never closed", "add `)`"),
        (OPEN + "rank 4", "RD011", "this `{` is never closed", "add `}`"),
        (OPEN + "rank 4 }}", "RD010", "this `}` closes nothing", "delete it"),
        (OPEN + "rank = 4 }", "RD010", "unexpected `=` after `rank`", "write `rank 4`"),
        (OPEN + "rank: 4 }", "RD010", "unexpected `:` after `rank`", "write `rank 4`"),
        (OPEN + "copy: z[1] all }", "RD010", "unexpected `:` after `copy`", "without `:`"),
        (OPEN + "rank 4; keep 1 }", "RD010", "unexpected `;`", "delete the `;`"),
        (OPEN + "rank 4, keep 1 }", "RD010", "unexpected `,`", "delete the `,`"),
        (OPEN + "rank keep 1 }", "RD010", "expected a number after `rank`, found `keep`", None),
        (OPEN + "rank\ncontext z[1] all }", "RD010", "expected a number after `rank`", None),
        (OPEN + "rank }", "RD010", "expected a number after `rank`, found `}`", "needs a value"),
        (OPEN + "copy z 116 all }", "RD010", "expected `[` after `z`", "`z[116]`"),
        (OPEN + "copy box(x 1..2, y 1..2) }", "RD010", "expected `[` after `box`", "`z[116]`"),
        (OPEN + "paste each }", "RD010", "expected `context` after `each`", None),
        (OPEN + "context like z[1] all }", "RD010", "expected", "top 60 among"),
        (OPEN + "rank 4 // half\n}", "RD013", "`//` does not start a comment", "with `#`"),
        ("/* hello */ edition 2026", "RD013", "`/*` does not start a comment", "with `#`"),
        ("edition 2026 €", "RD013", "the character `€` has no meaning here", "delete it"),
        ("edition 2026 \x07", "RD013", "the character U+0007 has no meaning here", "delete it"),
        ("edition", "RD010", "expected a value after `edition`, found the end", None),
        ('recipe demo "Demo"', "RD010", "expected a version", "a recipe is written"),
        ("recipe demo 1.0.0", "RD010", "expected text in double quotes", "needs a title"),
        ('recipe demo 1.0.0 "Demo', "RD012", "no closing quote", "close it"),
        ("rule a { }", "RD010", "expected `at` after `a`", "name the layer"),
        ("rul a at layer6 { }", "RD010", "expected a new statement, found `rul`", "`rule`"),
        ("hello", "RD010", "expected a new statement, found `hello`", "a statement starts with"),
        ('use "a.redraft" as a', "RD128", "without a version", "2.0.0"),
        ('use "a.redraft" 1.0.0', "RD010", "expected `as`", "as village"),
        ("use a 1.0.0 as a", "RD010", "expected text in double quotes", "as village"),
        ("param a = 2", "RD010", "expected `:` after `a`", "int = 2"),
        ("param a: int 2", "RD010", "expected `=` after `int`", "int = 2"),
        ("param a: int = 2 in 1", "RD010", "expected `..`", "in 1..8"),
        ("include spire", "RD010", "expected `.` after `spire`", "village.spire"),
        ("include a.b { rank = 3 }", "RD010", "found `{`", "with { rank = 4 }"),
        ("include a.b with { rank 3 }", "RD010", "expected `=` after `rank`", "rank = 4"),
        ("sweep a { rank over 1, 4 }", "RD010", "or `vary` after `{`", "vary rank of"),
        ("sweep a { vary rank 1, 4 }", "RD010", "expected", "over 1, 4, 10"),
        ("latents z seed 1", "RD010", "expected `{` after `z`, found `seed`", "between braces"),
    ],
)
def test_mistakes_are_reported_in_plain_words(
    text: str, code: str, message: str, help_text: str | None
) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0][0] == code
    assert message in found[0][1]
    if help_text is not None:
        assert found[0][2] is not None
        assert help_text in found[0][2]


def test_independent_syntax_errors_are_all_reported_at_their_places() -> None:
    text = HEAD + (
        "latents z ( seed 1 )\n"
        "region a = box(1..2, 3..4)\n"
        "rule b at layer6 {\n  rank = 4\n}\n"
        "rule c at layer6 {\n  rank 4\n"
        "zero d at layer6 { rank 2 }\n"
        "expect e { }\n"
    )
    parsed = parse(Source("x", text))
    lines = [Source("x", text).position(d.span.start).line for d in parsed.diagnostics if d.span]
    assert lines == [3, 4, 6, 8, 11]
    assert [type(n).__name__ for n in parsed.tree.statements] == [
        "EditionLine",
        "RecipeLine",
        *["Broken"] * 4,
        "Operation",
        "Broken",
    ]


def test_what_was_read_beside_an_error_keeps_its_place() -> None:
    text = "region a = box(\nregion b = box(x 1..2, y 3..4)\n"
    read = parse(Source("x", text)).tree.statements[1]
    assert isinstance(read, s.RegionStatement)
    assert text[read.region.span.start : read.region.span.end] == "box(x 1..2, y 3..4)"


def test_an_unclosed_brace_is_reported_at_its_opening_with_the_end_as_a_note() -> None:
    text = "rule a at layer6 {\n  rank 4\nrule b at layer6 {\n  rank 4\n}\n"
    (found,) = parse(Source("x", text)).diagnostics
    assert found.span is not None
    assert text[: found.span.start].count("\n") == 0
    assert found.notes[0].span is not None
    assert text[: found.notes[0].span.start].count("\n") == 1


def test_keywords_in_column_0_of_a_block_do_not_make_up_errors() -> None:
    text = "rule a at layer6 {\ncopy z[1]\nall\nrank = 4\n}\n"
    assert [message for _, message, _ in problems(text)] == ["unexpected `=` after `rank`"]


@pytest.mark.parametrize(
    "text",
    [
        "region a = " + "(" * 3000 + "all" + ")" * 3000,
        "region a = " + "(" * 3000,
        "region a = " + " plus ".join(["all"] * 3000),
        "region a = " + "all plus (" * 3000 + "all" + ")" * 3000,
        "rule a at b " + "{ c d " * 3000 + "}" * 3000,
        "rule a at b { c " + "9" * 100_000 + " }",
        "region a = box(x " + "9" * 10_000 + "..1e999, y 1..2)",
        "#" * 100_000,
        '"' * 1001,
        "\n" * 100_000,
    ],
)
def test_monstrous_texts_are_read_or_refused(text: str) -> None:
    parse(Source("x", text))


def test_the_number_of_errors_reported_is_bounded() -> None:
    parsed = parse(Source("x", "region a =\n" * 200_000))
    assert len(parsed.diagnostics) == MOST_ERRORS
    assert len(parsed.tree.statements) == 200_000


def test_normalise_keeps_a_mark_that_is_not_at_the_start() -> None:
    assert normalise("\ufeffa\ufeff") == "a\ufeff"
