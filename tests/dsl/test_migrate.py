"""A second edition, known to these tests alone: recipes are moved to it whole, or not at all.

Edition 2027 here has other defaults, says ``hold`` for ``preserve``, and indents by four spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft_dsl.check import Checked
from redraft_dsl.facts import KnownModels
from redraft_dsl.language.language import LANGUAGE, LATEST, Language
from redraft_dsl.language.rows import Scalar
from redraft_dsl.migrate import Migrated, MigrationError, NoSuchEditionError, migrate
from redraft_dsl.reading import loads
from redraft_dsl.recipe import model as r
from redraft_dsl.recipe.as_tree import print_recipe
from redraft_dsl.report.diagnostics import Diagnostic, error
from redraft_dsl.source import Source
from redraft_dsl.syntax import tree as s
from redraft_dsl.syntax.editions import (
    SHIPPED,
    Edition,
    Editions,
    format_text,
    number_of,
)
from redraft_dsl.syntax.format import format_tree
from redraft_dsl.syntax.parse import parse

NEXT = 2027


def renamed(tree: s.Tree, old: str, new: str) -> s.Tree:
    """A tree with the settings of one name under another."""

    def item(node: s.Item) -> s.Item:
        if isinstance(node, s.Setting | s.Override | s.Vary) and node.key.text == old:
            return replace(node, key=replace(node.key, text=new))
        return node

    def statement(node: s.Statement) -> s.Statement:
        block = getattr(node, "block", None)
        if not isinstance(node, s.Operation | s.Include | s.SweepStatement) or block is None:
            return node
        return replace(node, block=replace(block, items=tuple(map(item, block.items))))

    return replace(tree, statements=tuple(map(statement, tree.statements)))


def stale(tree: s.Tree) -> Iterator[Diagnostic]:
    for node in tree.statements:
        block = node.block if isinstance(node, s.Operation | s.Include) else None
        for item in block.items if block else ():
            if item.key.text == "preserve":
                yield error("RD115", "unknown setting `preserve`", item.key.span, "", "say `hold`")


def read_next(tree: s.Tree) -> tuple[s.Tree, tuple[Diagnostic, ...]]:
    return renamed(tree, "hold", "preserve"), tuple(stale(tree))


def wide(tree: s.Tree) -> str:
    return re.sub(r"^(?: {2})+", lambda found: 2 * found[0], format_tree(tree), flags=re.M)


def write_next(tree: s.Tree) -> s.Tree:
    return renamed(tree, "preserve", "hold")


def with_defaults(language: Language, edition: int, defaults: Mapping[str, Scalar]) -> Language:
    """The same language with other defaults from an edition on, by SETTING or OWNER.SETTING."""
    rows = list(language.settings)
    for name, value in defaults.items():
        wanted, _, key = name.rpartition(".")
        at = next(i for i, row in enumerate(rows) if row.name == key)
        but = dict(rows[at].but)
        for owner in (wanted,) if wanted else rows[at].of:
            own = {**rows[at].within(owner).defaults, edition: value}
            but[owner] = {**but.get(owner, {}), "defaults": own}
        rows[at] = replace(rows[at], but=but)
    return replace(language, settings=tuple(rows))


LANGUAGES = with_defaults(
    LANGUAGE,
    NEXT,
    {
        "rank": 2,
        "preserve": 0.5,
        "contrast": 0.5,
        "solver": "gradient",
        "exact.iterations": 50,
        "projected-adam.rate": 0.1,
        "truncation": 0.9,
    },
)
PREVIEW = Editions(
    MappingProxyType(
        {
            2026: Edition(),
            NEXT: Edition(read=read_next, write=write_next, layout=wide),
        }
    ),
    LANGUAGES,
)

OLD = """# glasses for all
edition 2026

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }

# the first
rule a at layer6 {  # opening
  copy    z[116] box(x 12..52, y 24..38)
  context z[130] box(x 12..52, y 24..38)  # trailing
  rank     4
  preserve 0.2

  solver   exact { loss l1 }
  # the end
}

zero b at layer9 {
  context z[1] all
}
"""
NEW = """# glasses for all
edition 2027

recipe demo 1.0.0 "Demo"

model faces
latents z { seed 1  count 2000 }

# the first
rule a at layer6 {  # opening
    copy    z[116] box(x 12..52, y 24..38)
    context z[130] box(x 12..52, y 24..38)  # trailing
    rank     4
    hold     0.2

    solver   exact { loss l1  iterations 20 }
    contrast 0.8
    # the end
}

zero b at layer9 {
    context z[1] all
    rank     8
    contrast 0.8
}
"""
PLAIN = """edition 2026
recipe demo 1.0.0 "Demo"
model faces
latents z { seed 1  count 2000 }
rule a at layer6 { copy z[116] all context z[130] all %s }
"""

Move = Callable[..., Migrated]


@pytest.fixture
def move(models: KnownModels, folder: Path) -> Move:
    """Moves a text to the newest of some editions."""

    def run(text: str, editions: Editions = PREVIEW, to: int | None = None) -> Migrated:
        checked = loads(text, models, folder=folder, editions=editions)
        assert checked.recipe is not None, checked.errors
        return migrate(checked, models, folder, to=to, editions=editions)

    return run


def meaning(checked: Checked) -> r.Recipe:
    assert checked.recipe is not None, checked.errors
    return checked.recipe.model_copy(update={"edition": 0})


def test_a_recipe_is_rewritten(move: Move, models: KnownModels) -> None:
    moved = move(OLD)
    assert moved.text == NEW
    assert (moved.before, moved.after) == (2026, NEXT)
    assert moved.written_out == (
        "contrast of a",
        "iterations of solver of a",
        "rank of b",
        "contrast of b",
    )
    new = loads(NEW, models, editions=PREVIEW)
    assert meaning(new) == meaning(loads(OLD, models))
    assert format_text(NEW, editions=PREVIEW).text == NEW


@given(st.data())
def test_no_recipe_changes_its_meaning(
    models: KnownModels, any_recipe: st.SearchStrategy[r.Recipe], data: st.DataObject
) -> None:
    text = print_recipe(data.draw(any_recipe))
    # Leaving settings out makes recipes that rest on defaults.
    for line in re.findall(r"^  (?!copy|paste|from|context).*\n", text, re.M):
        if data.draw(st.booleans()):
            text = text.replace(line, "", 1)
    checked = loads(text, models, editions=PREVIEW)
    if checked.recipe is None:
        return  # without its `rank`, say, a rule may no longer fit
    moved = migrate(checked, models, Path(), editions=PREVIEW)
    assert meaning(loads(moved.text, models, editions=PREVIEW)) == meaning(checked)
    assert format_text(moved.text, editions=PREVIEW).text == moved.text


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("", "solver   exact { iterations 20 }"),
        ("solver exact", "solver   exact { iterations 20 }"),
        ("solver projected-adam", "solver   projected-adam { rate 0.05 }"),
        ("solver projected-adam { rate 0.2 }", "solver   projected-adam { rate 0.2 }"),
        ("preserve 0.3", "hold     0.3"),
        ("", "hold     0.3"),
        ("side 5%", "side     5%"),
    ],
)
def test_only_what_differs_is_written_out(move: Move, settings: str, line: str) -> None:
    text = move(PLAIN % settings).text
    assert f"    {line}\n" in text


@pytest.mark.parametrize(
    ("solver", "line"),
    [
        ("", "solver   exact { iterations 20 }"),
        ("solver exact { loss l1 }", "loss l1  iterations 20"),
    ],
)
def test_a_setting_of_a_silent_solver_is_written_out(move: Move, solver: str, line: str) -> None:
    language = with_defaults(LANGUAGE, NEXT, {"exact.iterations": 50})
    known = {2026: Edition(), NEXT: Edition()}
    moved = move(PLAIN % solver, Editions(MappingProxyType(known), language))
    assert line in moved.text
    assert moved.text.count("solver") == 1


def test_truncation_of_a_model_file_is_written_out(move: Move) -> None:
    text = PLAIN.replace("model faces", 'model mine { arch village weights "a.pt" }') % ""
    assert "    truncation 1\n" in move(text).text


def test_the_words_of_an_edition_hold_in_it_alone(models: KnownModels) -> None:
    new = (PLAIN % "hold 0.2").replace("2026", "2027")
    assert loads(new, models, editions=PREVIEW).recipe is not None
    old = (PLAIN % "preserve 0.2").replace("2026", "2027")
    assert [d.code for d in loads(old, models, editions=PREVIEW).errors] == ["RD115"]
    assert [d.code for d in loads(PLAIN % "hold 0.2", models, editions=PREVIEW).errors] == ["RD115"]
    assert [d.code for d in loads(new, models).errors] == ["RD115", "RD103"][::-1]


def test_defaults_are_those_of_the_edition_that_a_recipe_names(models: KnownModels) -> None:
    old = loads(PLAIN % "", models, editions=PREVIEW).recipe
    new = loads((PLAIN % "").replace("2026", "2027"), models, editions=PREVIEW).recipe
    assert old is not None
    assert new is not None
    assert (old.rules[0].rank, new.rules[0].rank) == (8, 2)


def with_fault(write: Callable[[s.Tree], s.Tree]) -> Editions:
    """A next edition that is wrongly written."""
    known = {2026: Edition(), NEXT: Edition(write=write)}
    return Editions(MappingProxyType(known))


def without_comments(tree: s.Tree) -> s.Tree:
    return parse(Source("x", re.sub(r"#.*", "", format_tree(tree)))).tree


def with_text(old: str, new: str) -> Callable[[s.Tree], s.Tree]:
    return lambda tree: parse(Source("x", format_tree(tree).replace(old, new))).tree


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (with_text("rank     4", "rank     3"), "changed rank of a: 4 -> 3"),
        (with_text("loss l1", "loss l2"), "changed loss of solver of a: l1 -> l2"),
        (with_text("z[130]", "z[131]"), "context of a"),
        (with_text("zero b", "zero c"), "renamed zero b: b -> c"),
        (with_text("rank     4", "rnak     4"), "the new text has errors"),
        (without_comments, "a comment would be lost"),
    ],
)
def test_a_change_of_meaning_is_refused_and_reported(
    move: Move, write: Callable[[s.Tree], s.Tree], reason: str
) -> None:
    with pytest.raises(MigrationError) as caught:
        move(OLD, with_fault(write))
    assert reason in str(caught.value)
    assert (caught.value.checked is not None) == ("errors" in reason)


def test_parameters_and_sweeps_stay_too(move: Move) -> None:
    text = PLAIN % "rank power" + (
        "param power: int = 2 in 1..8\n"
        "sweep many { vary power over 1, 2 vary preserve of a over 0.1, 1 }\n"
    )
    moved = move(text).text
    assert "vary hold of a over 0.1, 1" in moved
    with pytest.raises(MigrationError, match="sweeps or expectations"):
        move(text, with_fault(with_text("over 1, 2", "over 1, 3")))


def test_several_steps_are_taken_one_after_the_other(move: Move) -> None:
    third = Edition(read=read_next, write=write_next)
    known = {
        2026: Edition(),
        NEXT: PREVIEW.known[NEXT],
        2030: third,
    }
    language = with_defaults(LANGUAGES, 2030, {"rank": 16})
    editions = Editions(MappingProxyType(known), language)
    moved = move(OLD, editions)
    assert (moved.before, moved.after) == (2026, 2030)
    assert moved.text.startswith("# glasses for all\nedition 2030\n")
    assert "\n  hold     0.2\n" in moved.text
    assert move(OLD, editions, to=NEXT).text == NEW


def test_the_newest_edition_is_left_alone(move: Move) -> None:
    assert move(OLD, SHIPPED) == Migrated(2026, 2026, OLD)
    assert move(NEW) == Migrated(NEXT, NEXT, NEW)


@pytest.mark.parametrize(
    ("text", "to", "said"),
    [(NEW, 2026, "written in edition 2027, which is newer"), (OLD, 2031, "there is no edition")],
)
def test_there_is_no_way_back_and_no_way_to_what_is_unknown(
    move: Move, text: str, to: int, said: str
) -> None:
    with pytest.raises(NoSuchEditionError, match=said):
        move(text, to=to)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("edition 2026", 2026),
        ("edition 2026.5", None),
        ("edition 5%", None),
        ("edition new", None),
        ("edition 1e999", None),
        ("model faces", None),
    ],
)
def test_the_number_of_an_edition(line: str, number: int | None) -> None:
    assert number_of(parse(Source("x", line)).tree) == number


# ---- recipes of different editions ------------------------------------------------------------

PART = """edition {edition}
recipe part 1.0.0 "Part"
model faces
latents z {{ seed 1  count 2000 }}
param power: int = 3 in 1..8
rule a at layer6 {{ copy z[116] all context z[130] all {settings} }}
rule b at layer6 {{ copy z[116] all context z[130] all rank power }}
"""
WHOLE = """edition {edition}

recipe whole 1.0.0 "Whole"

use "./part.redraft" 1.0.0 as part

model faces
latents z {{ seed 1  count 2000 }}

{body}
"""
WORDS = {2026: "preserve", NEXT: "hold"}
Whole = Callable[..., Checked]


@pytest.fixture
def whole(models: KnownModels, tmp_path: Path) -> Whole:
    """Checks a recipe of one edition that uses one of another."""

    def run(outer: int, inner: int, body: str, settings: str = "") -> Checked:
        part = PART.format(edition=inner, settings=settings)
        (tmp_path / "part.redraft").write_text(part, encoding="utf-8")
        text = WHOLE.format(edition=outer, body=body)
        return loads(text, models, folder=tmp_path, editions=PREVIEW)

    return run


PAIRS = [(2026, NEXT), (NEXT, 2026), (NEXT, NEXT)]


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_an_included_rule_means_what_its_own_edition_says(
    whole: Whole, models: KnownModels, outer: int, inner: int
) -> None:
    checked = whole(outer, inner, "include part.a")
    alone = loads(PART.format(edition=inner, settings=""), models, editions=PREVIEW)
    assert meaning(checked).rules == meaning(alone).rules[:1]
    assert checked.recipe is not None
    assert checked.recipe.edition == outer
    rows = PREVIEW.language.block("rule")
    defaults = [rows[key].default(inner) for key in ("rank", "solver")]
    rule = checked.recipe.rules[0]
    assert isinstance(rule, r.Insert)
    assert [rule.rank, rule.solver.kind] == defaults


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
@pytest.mark.parametrize("said", ["", "{inner} 0.7"])
def test_values_are_given_in_the_words_of_the_recipe_that_includes(
    whole: Whole, outer: int, inner: int, said: str
) -> None:
    settings = said.format(inner=WORDS[inner])
    body = f"include part.a with {{ {WORDS[outer]} = 0.2 }}\ninclude part.b with {{ power = 5 }}"
    rules = meaning(whole(outer, inner, body, settings)).rules
    assert isinstance(rules[0], r.Insert)
    assert rules[0].restraint == r.Preserve(weight=0.2)
    assert isinstance(rules[1], r.Insert)
    assert rules[1].rank == 5
    other = next(word for number, word in WORDS.items() if number != outer)
    wrong = whole(outer, inner, f"include part.a with {{ {other} = 0.2 }}", settings)
    assert wrong.recipe is None


def test_a_model_that_another_edition_means_otherwise_is_another_one(
    models: KnownModels, tmp_path: Path
) -> None:
    """Where both are silent, the truncation of the two editions differs."""
    own = 'model mine { arch village weights "a.pt" %s }'
    part = PART.format(edition=NEXT, settings="").replace("model faces", own % "")
    (tmp_path / "part.redraft").write_text(part, encoding="utf-8")
    for written, errors in (("", ["RD137"]), ("truncation 0.9", [])):
        text = WHOLE.format(edition=2026, body="include part.a")
        text = text.replace("model faces", own % written)
        checked = loads(text, models, folder=tmp_path, editions=PREVIEW)
        assert [each.code for each in checked.errors] == errors


@pytest.mark.parametrize("inner", [2026, NEXT])
def test_a_recipe_that_uses_others_is_moved_and_these_stay(
    whole: Whole, models: KnownModels, tmp_path: Path, inner: int
) -> None:
    body = (
        "include part.a with { preserve = 0.2 }\n"
        "rule own at layer6 { copy z[116] all context z[130] all }"
    )
    checked = whole(2026, inner, body)
    before = (tmp_path / "part.redraft").read_bytes()
    moved = migrate(checked, models, tmp_path, editions=PREVIEW)
    assert "include part.a with { hold = 0.2 }" in moved.text
    assert all(each.endswith(" of own") for each in moved.written_out)
    assert "rank of own" in moved.written_out
    after = loads(moved.text, models, folder=tmp_path, editions=PREVIEW)
    assert meaning(after) == meaning(checked)
    assert (tmp_path / "part.redraft").read_bytes() == before


def test_every_edition_but_the_newest_is_followed_by_one() -> None:
    assert SHIPPED.latest == LATEST
    for number in SHIPPED.known:
        assert (SHIPPED.after(number) is None) == (number == LATEST)
