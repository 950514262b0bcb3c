"""The TextMate grammar of recipes, for VS Code and other editors, made from the language's words.

``python -m redraft_dsl.colours.textmate`` prints it; with ``--write`` it goes into the VS Code
extension of a checkout. Its patterns are such as both Oniguruma and Python's ``re`` understand, and
each lies within one line, for no form of the language that needs a colour goes over several.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from redraft_dsl.colours import highlight
from redraft_dsl.colours.highlight import AFTER, BEFORE, LINES, OPERATIONS, STATEMENTS, TITLED
from redraft_dsl.language.words import (
    AXES,
    INNER,
    OPERATORS,
    RESAMPLINGS,
    RESERVED_STATEMENTS,
    SHAPES,
    TYPES,
)

Pattern: TypeAlias = dict[str, Any]

PLACE = Path("vscode") / "syntaxes" / "redraft.tmLanguage.json"
STATEMENT = "keyword.control.redraft"
STRING_SCOPE = "string.quoted.double.redraft"
NUMBER_SCOPE = "constant.numeric.redraft"


def grammar() -> dict[str, Any]:
    """The whole grammar as plain data."""
    return {
        "information_for_contributors": [
            "Written by `python -m redraft_dsl.colours.textmate --write`; do not change it by hand."
        ],
        "name": "redraft",
        "scopeName": "source.redraft",
        "fileTypes": ["redraft"],
        "patterns": list(_patterns()),
    }


def text() -> str:
    """The grammar as the extension's file holds it."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


def _patterns() -> Iterator[Pattern]:
    """In this order: where two match at one place, the first wins."""
    yield {"name": "comment.line.number-sign.redraft", "match": highlight.COMMENT}
    yield from _declared()
    yield from _chosen()
    yield {"name": STRING_SCOPE, "match": highlight.STRING}
    yield from (
        {"name": f"{scope}.redraft", "match": rf"{BEFORE}(?:{_one_of(names)}){AFTER}"}
        for scope, names in (
            ("keyword.control", STATEMENTS),
            ("invalid.deprecated.reserved", tuple(RESERVED_STATEMENTS)),
            ("keyword.other", (*LINES, *INNER)),
            ("keyword.operator.word", OPERATORS),
            ("support.function.shape", SHAPES),
        )
    )
    axis = rf"{BEFORE}(?:{_one_of(AXES)})(?!\w)"
    yield {"name": "keyword.other.axis.redraft", "match": axis}
    settings = rf"{BEFORE}(?:{_one_of(highlight.setting_words())}){AFTER}"
    yield {"name": "support.type.property-name.redraft", "match": settings}
    yield {"name": "variable.other.redraft", "match": highlight.WORD}
    yield {"name": NUMBER_SCOPE, "match": highlight.NUMBER}
    yield {"name": "keyword.operator.redraft", "match": r"\.\.|="}
    yield {"name": "punctuation.redraft", "match": r"[{}\[\](),.:]"}


def _declared() -> Iterator[Pattern]:
    """Statements together with the name, and the version or layer, that follow them."""
    word, version = highlight.WORD, highlight.VERSION
    yield _captured(
        rf"{BEFORE}(recipe)[ \t]+({word})[ \t]+({version})",
        (STATEMENT, "entity.name.type.redraft", NUMBER_SCOPE),
    )
    yield _captured(
        rf"{BEFORE}(use)[ \t]+({highlight.STRING})[ \t]+({version})",
        (STATEMENT, STRING_SCOPE, NUMBER_SCOPE),
    )
    plain = tuple(word for word in STATEMENTS if word not in (*OPERATIONS, *TITLED))
    for statements, kind in ((OPERATIONS, "function"), (TITLED, "type"), (plain, "constant")):
        yield _captured(
            rf"{BEFORE}({_one_of(statements)})[ \t]+({word})",
            (STATEMENT, f"entity.name.{kind}.redraft"),
        )
    yield _captured(
        rf"{BEFORE}(at)[ \t]+({highlight.LAYER})",
        ("keyword.other.redraft", "entity.name.tag.redraft"),
    )


def _chosen() -> Iterator[Pattern]:
    """Settings together with the word that they choose."""
    scopes = ("support.type.property-name.redraft", "support.constant.redraft")
    for name, options in highlight.choices().items():
        yield _captured(rf"{BEFORE}({name})[ \t]+({_one_of(options)}){AFTER}", scopes)
    yield _captured(
        rf"(:)[ \t]*({_one_of(TYPES)}){AFTER}", ("punctuation.redraft", "support.type.redraft")
    )
    resampling = rf"(?<=\")[ \t]+({_one_of(RESAMPLINGS)}){AFTER}"
    yield _captured(resampling, ("support.constant.redraft",))


def _captured(match: str, scopes: Sequence[str]) -> Pattern:
    """A pattern whose groups have scopes of their own, in order."""
    captures = {str(number): {"name": scope} for number, scope in enumerate(scopes, 1)}
    return {"match": match, "captures": captures}


def _one_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the grammar, or write it into the extension of a checkout; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m redraft_dsl.colours.textmate",
        description="The TextMate grammar of recipes.",
    )
    parser.add_argument("--write", action="store_true", help="write it into the VS Code extension")
    if not parser.parse_args(arguments).write:
        sys.stdout.write(text())
        return 0
    target = Path(__file__).resolve().parents[2] / PLACE
    if not target.parent.is_dir():
        sys.stderr.write(
            f"there is no folder {target.parent}: `--write` is for a checkout of redraft; "
            "leave it out to print the grammar\n"
        )
        return 1
    # Beside it first, so that an editor that has it open never reads a half.
    half = target.with_suffix(".part")
    half.write_text(text(), encoding="utf-8")
    half.replace(target)
    sys.stdout.write(f"written: {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
