"""The lexer for Pygments: found by name, colours what the grammar knows, loses no character."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename, guess_lexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String
from rich.console import Console
from rich.syntax import Syntax

from redraft_dsl.colours.highlight import RedraftLexer
from redraft_dsl.colours.patterns import CHOICES, SETTINGS

Kind = object


def tokens(text: str) -> list[tuple[Kind, str]]:
    lexer = RedraftLexer(stripnl=False, ensurenl=False)
    return [(kind, value) for kind, value in lexer.get_tokens(text) if value.strip()]


def test_pygments_finds_it() -> None:
    assert isinstance(get_lexer_by_name("redraft"), RedraftLexer)
    assert isinstance(get_lexer_for_filename("any/glasses.redraft"), RedraftLexer)


def test_pygments_guesses_it_by_the_edition(recipes: dict[str, str]) -> None:
    assert isinstance(guess_lexer(recipes["recipes/glasses.redraft"]), RedraftLexer)
    assert not isinstance(guess_lexer("The third edition 2026 is out.\n"), RedraftLexer)


def test_recipes_are_lexed_whole_and_without_errors(recipes: dict[str, str]) -> None:
    lexer = RedraftLexer(stripnl=False, ensurenl=False)
    for path, text in recipes.items():
        found = list(lexer.get_tokens(text))
        assert "".join(value for _, value in found) == text, path
        assert [value for kind, value in found if kind is Error] == [], path


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from('abxy z[]{}().,:="#%-1209\n\t$\u00e9') | st.characters()))
def test_no_text_loses_a_character(text: str) -> None:
    found = RedraftLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(text)
    assert "".join(value for _, _, value in found) == text


def test_every_keyword_of_the_grammar_is_one(keywords: tuple[str, ...]) -> None:
    for word in keywords:
        kind, value = tokens(f"{word} ")[0]
        assert value == word
        assert kind in Keyword or kind in Operator.Word, word


def test_every_setting_and_choice_is_coloured() -> None:
    spoken = {"rank", "preserve", "solver", "seed", "weights", "truncation", "iterations", "goal"}
    assert spoken <= set(SETTINGS)
    assert CHOICES["directions"] == ("goal", "context", "svd", "mean", "units")
    assert {"exact", "projected-adam"} <= set(CHOICES["solver"])
    for setting, words in CHOICES.items():
        for word in words:
            assert tokens(f"{setting}  {word}\n") == [
                (Name.Attribute, setting),
                (Keyword.Constant, word),
            ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("topmost", Name),
        ("box-2", Name),
        ("rule_3", Name),
        ("élan", Name),
        ("-12.5%", Number),
        ("1e-3", Number),
        ('"a # b"', String),
        ("# rule", Comment.Single),
        ("$", Error),
    ],
)
def test_one_token(text: str, kind: Kind) -> None:
    assert tokens(text) == [(kind, text)]


def test_names_are_distinguished_from_keywords() -> None:
    assert tokens("rule hat at b.top.at {")[:4] == [
        (Keyword.Declaration, "rule"),
        (Name.Function, "hat"),
        (Keyword, "at"),
        (Name.Label, "b.top.at"),
    ]
    assert tokens("12..x2, y 3..38")[:3] == [(Number, "12"), (Operator, ".."), (Name, "x2")]
    assert (Number, "2.0.0") in tokens('use "./village.redraft" 2.0.0 as village')
    assert (Number, "1.0.0-rc.1") in tokens('recipe own 1.0.0-rc.1 "Mine"')
    assert (Keyword.Type, "word") in tokens("param way: word = goal in goal, svd")
    assert (Keyword.Constant, "bilinear") in tokens('mask("eyes.png" bilinear)')


def test_rich_shows_a_recipe_in_colours(recipes: dict[str, str]) -> None:
    text = recipes["recipes/glasses.redraft"]
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system="truecolor", width=200)
    console.print(Syntax(text, lexer="redraft"))
    plain = io.StringIO()
    Console(file=plain, width=200).print(Syntax(text, lexer="redraft"))
    assert "\x1b[" in shown.getvalue()
    printed = [line.rstrip() for line in plain.getvalue().rstrip().splitlines()]
    assert printed == [line.rstrip() for line in text.rstrip().splitlines()]


def test_checking_a_recipe_does_not_load_pygments(recipes: dict[str, str]) -> None:
    program = (
        "import sys, redraft\n"
        "assert not redraft.loads(sys.stdin.read()).errors\n"
        "print([name for name in sys.modules if name.startswith('pygments')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=recipes["recipes/glasses.redraft"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
