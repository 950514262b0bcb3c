"""A checked recipe as HTML for a notebook, and as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from redraft_dsl.check.checked import Checked
from redraft_dsl.report.html import FIRST_LINES, MOST_LINES, code_html, escaped, wrapped
from redraft_dsl.report.terminal import render, summary, visible


def checked_html(checked: Checked) -> str:
    """What a recipe is, its text in colours, and what is wrong with it where it is wrong."""
    problems = checked.diagnostics
    style = "error" if checked.errors else "warning" if problems else "good"
    head = f'<p><strong class="redraft-{style}">{escaped(summary(problems))}</strong>'
    return wrapped(
        _title(checked),
        f"{head} in <code>{escaped(checked.source.path)}</code></p>",
        code_html(checked.source, problems, FIRST_LINES if problems else MOST_LINES),
    )


def checked_text(checked: Checked) -> str:
    """The same for a terminal: in a line what it is, then its diagnostics."""
    recipe = checked.recipe
    name = checked.source.path if recipe is None else f"{recipe.name} {recipe.version}"
    problems = render(checked.diagnostics, checked.source)
    return f"{visible(name)}: {summary(checked.diagnostics)}\n{problems}".rstrip("\n")


def checked_bundle(checked: Checked) -> dict[str, str]:
    """Both, by media type."""
    return {"text/html": checked_html(checked), "text/plain": checked_text(checked)}


def _title(checked: Checked) -> str:
    recipe = checked.recipe
    if recipe is None:
        return ""
    rules = (f"{rule.kind} {rule.name} at {rule.layer}" for rule in recipe.rules)
    facts = [f"model {recipe.model.name}", *_first(rules, 8)]
    facts += [f"{each.name} = {each.value}" for each in checked.params]
    facts += [f"{each.name} {each.version} from {each.path}" for each in checked.imports]
    name = f"<strong>{escaped(recipe.name)}</strong> {escaped(recipe.version)}"
    listed = ", ".join(f"<code>{escaped(fact)}</code>" for fact in facts)
    return f'<p>{name}: {escaped(recipe.title)}</p><p class="redraft-soft">{listed}</p>'


def _first(items: Iterable[str], most: int) -> list[str]:
    every = list(items)
    rest = len(every) - most
    return every if rest <= 0 else [*every[:most], f"and {rest} rules more"]
