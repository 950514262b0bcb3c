"""The TextMate grammar of recipes, for VS Code and other editors, made from the language's words.

``python -m redraft_dsl.colours.textmate`` prints it. Its patterns are such as both Oniguruma and
Python's ``re`` understand, and each lies within one line, for no form of the language that needs a
colour goes over several.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from redraft_dsl.colours.patterns import PATTERNS

SCOPES = {
    "comment": "comment.line.number-sign",
    "string": "string.quoted.double",
    "number": "constant.numeric",
    "statement": "keyword.control",
    "keyword": "keyword.other",
    "operator word": "keyword.operator.word",
    "shape": "support.function.shape",
    "axis": "keyword.other.axis",
    "setting": "support.type.property-name",
    "choice": "support.constant",
    "type": "support.type",
    "rule name": "entity.name.function",
    "recipe name": "entity.name.type",
    "defined name": "entity.name.constant",
    "layer": "entity.name.tag",
    "name": "variable.other",
    "operator": "keyword.operator",
    "punctuation": "punctuation",
}


def grammar() -> dict[str, Any]:
    """The whole grammar as plain data."""
    return {
        "information_for_contributors": [
            "Printed by `python -m redraft_dsl.colours.textmate`; do not change it by hand."
        ],
        "name": "redraft",
        "scopeName": "source.redraft",
        "fileTypes": ["redraft"],
        "patterns": list(_patterns()),
    }


def text() -> str:
    """The grammar as the extension's file holds it."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


def _patterns() -> Iterator[dict[str, Any]]:
    for parts, before, after, gap in PATTERNS:
        scopes = [{"name": f"{SCOPES[part.kind]}.redraft"} for part in parts]
        if len(parts) == 1:
            yield scopes[0] | {"match": f"{before}(?:{parts[0].form}){after}"}
        else:
            form = gap.join(f"({part.form})" for part in parts)
            captures = {str(number): scope for number, scope in enumerate(scopes, 1)}
            yield {"match": f"{before}{form}{after}", "captures": captures}


if __name__ == "__main__":
    sys.stdout.write(text())
