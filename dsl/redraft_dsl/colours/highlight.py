"""A lexer for Pygments, which finds it by the name ``redraft`` and by the ending ``.redraft``.

Nothing that checks a recipe imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from redraft_dsl.colours.patterns import PATTERNS

TOKENS = {
    "comment": Comment.Single,
    "string": String,
    "number": Number,
    "statement": Keyword.Declaration,
    "keyword": Keyword,
    "operator word": Operator.Word,
    "shape": Keyword.Type,
    "axis": Keyword.Pseudo,
    "setting": Name.Attribute,
    "choice": Keyword.Constant,
    "type": Keyword.Type,
    "rule name": Name.Function,
    "recipe name": Name.Class,
    "defined name": Name.Variable,
    "layer": Name.Label,
    "name": Name,
    "operator": Operator,
    "punctuation": Punctuation,
}


def _rules() -> Iterator[tuple[str, Any]]:
    for parts, before, after, gap in PATTERNS:
        tokens = [TOKENS[part.kind] for part in parts]
        gapped = [token for each in tokens for token in (Whitespace, each)][1:]
        form = f"({gap})".join(f"({part.form})" for part in parts)
        yield f"{before}{form}{after}", bygroups(*gapped)
    yield r"\s+", Whitespace


class RedraftLexer(RegexLexer):  # type: ignore[misc]
    """Recipes of redraft.

    What the grammar calls a keyword is a ``Keyword`` or an ``Operator.Word``; a setting is a
    ``Name.Attribute``. Characters that no recipe can hold are errors.
    """

    name = "redraft"
    url = ""
    aliases: ClassVar = ["redraft"]
    filenames: ClassVar = ["*.redraft"]
    mimetypes: ClassVar = ["text/x-redraft"]
    flags = re.MULTILINE
    tokens: ClassVar = {"root": list(_rules())}

    def analyse_text(text: str) -> float:  # noqa: N805
        """How sure a guess by content is: a recipe begins with its edition."""
        return 0.9 if re.match(r"(?:\s|#[^\n]*\n)*edition[ \t]+\d{4}\b", text) else 0.0
