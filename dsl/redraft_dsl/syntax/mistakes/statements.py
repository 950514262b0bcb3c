"""Mistakes in whole statements, and the form that each should have."""

from __future__ import annotations

import re

from redraft_dsl.report.diagnostics import (
    Diagnostic,
    Fix,
    closest,
    error,
    listing,
    replacement,
)
from redraft_dsl.source import Edit
from redraft_dsl.syntax.mistakes.mistake import JOIN, STATEMENT, Mistake, short, tail


def mask_or_title(mistake: Mistake) -> Diagnostic | None:
    """``mask(eyes.png)``, ``recipe a 1.0.0``: a text without quotes, or none."""
    if "STRING" not in mistake.accepts or mistake.statement in _REUSE:
        return None
    if [token.text for token in mistake.before[-2:]] == ["mask", "("] and mistake.found:
        end = re.compile(r"[^\s)]*").match(mistake.place.text, mistake.at)
        name = end[0] if end else "file.png"
        return mistake.general(f'put the file in double quotes: `mask("{short(name)}")`')
    if "NUMBER" in mistake.accepts:
        return None
    form = 'a recipe needs a title, as in `recipe my-edit 1.0.0 "My edit"`'
    last = mistake.last
    if last is not None and not last.text[:1].isdigit():
        # The next statement was read as the version.
        return error(
            "RD010",
            f"expected a version and a title after `{tail(mistake.before[:-1])}`",
            last.span,
            f"found `{short(last.text)}`",
            form.replace("a title", "a version and a title"),
        )
    return mistake.general(form)


def missing_version(mistake: Mistake) -> Diagnostic | None:
    """``use "./village.redraft" as village`` takes the word ``as`` for a version."""
    if mistake.last is None or mistake.last.text != "as" or "AS" not in mistake.accepts:
        return None
    path = tail(mistake.before[:-1]).strip('"')
    return error(
        "RD128",
        f"the recipe `{path}` is used without a version",
        mistake.last.span,
        "expected a version such as `1.0.0`",
        'write the version that its own `recipe` line has: `use "./village.redraft" 2.0.0 as ...`',
    )


def unknown_statement(mistake: Mistake) -> Diagnostic | None:
    """``ruel a at layer6``: a word that begins no statement."""
    if not mistake.word or not mistake.accepts >= STATEMENT or mistake.accepts & JOIN:
        return None
    assert mistake.found is not None  # it has a word
    statements = mistake.language.statements
    near = closest(mistake.word, statements)
    if near is not None:
        return mistake.general(f"did you mean `{near}`?", replacement(mistake.found.span, near))
    return mistake.general(f"a statement starts with {listing(statements, len(statements))}")


def quoted_name(mistake: Mistake) -> Diagnostic | None:
    """``region "eyes" = all``: a name in quotes."""
    found = mistake.found
    if found is None or found.kind != "string" or mistake.accepts & {"STRING", "NUMBER"}:
        return None
    if "WORD" not in mistake.accepts:
        return None
    if mistake.last is not None and mistake.last.text == "model":
        form = f"model mine {{ arch dcgan  weights {short(found.text)} }}"
        return mistake.general(f"a file has its place in a block: `{form}`")
    bare = found.text.strip('"')
    fixes = (Fix("Remove the quotes", (Edit(found.span, bare),)),) if " " not in bare else ()
    return mistake.general("names are written without quotes", *fixes)


_REUSE = {
    "use": 'another recipe is named `use "./village.redraft" 2.0.0 as village`',
    "param": "a parameter is written `param strength: int = 2 in 1..8`",
    "include": "a rule is included by `include village.spire with { rank = 4 }`",
    "expect": "an expectation is written `expect share(glasses) >= 0.60`",
    "sweep": "a sweep is written `sweep ranks { vary rank of glasses over 1, 4, 10 }`",
    "images": "images are named `images plain = z[5, 7, 26..34]`",
}


def reuse_form(mistake: Mistake) -> Diagnostic | None:
    """A short statement's whole form is the best help."""
    if mistake.statement not in _REUSE:
        return None
    brace = mistake.text == "{" and "WITH" in mistake.accepts
    if "OPERATION" in mistake.accepts and not brace:
        return None
    return mistake.general(_REUSE[mistake.statement])


_FORMS = (
    ("LBRACE", "settings stand between braces, as in `latents z { seed 1  count 2000 }`"),
    ("LBRACKET", "an image is written with its number in brackets: `z[116]`"),
    ("IMAGE", "say which image first, as in `z[116] box(x 12..52, y 24..38)`"),
    ("TOP", "a match is written `context like z[130] REGION top 60 among 0..199`"),
    ("AMONG", "a match is written `context like z[130] REGION top 60 among 0..199`"),
    ("AT", "name the layer, as in `rule glasses at layer6 { ... }`"),
    ("VERSION", 'a recipe is written `recipe my-edit 1.0.0 "My edit"`'),
    ("EQUALS", "a region is written `region bar = box(x 0%..100%, y 92%..100%)`"),
    ("PLAIN_BOX", "a region is a shape such as `box(x 12..52, y 24..38)`, or a region's name"),
)


def form(mistake: Mistake) -> Diagnostic | None:
    """What is written there is shown."""
    for terminal, help_text in _FORMS:
        if terminal in mistake.accepts:
            return mistake.general(help_text)
    return None
