"""Plans and checked recipes as HTML for a notebook, and what all results have in common. No torch.

Each piece needs nothing else. It comes with a few lines of text, for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redraft.plans.planner import Plan
from redraft.plans.step_words import step_words
from redraft_dsl.report.html import escaped, wrapped
from redraft_dsl.report.terminal import visible

Bundle = dict[str, str]

STYLE = """
.redraft table.redraft-table { border-collapse: collapse; margin: .4em 0; font-size: 13px; }
.redraft .redraft-table th, .redraft .redraft-table td { text-align: left; font-weight: normal;
 padding: .25em 1.2em .25em 0; border-bottom: 1px solid var(--redraft-edge); background: none; }
.redraft .redraft-table thead th { color: var(--redraft-soft); }
.redraft-slider { display: none; }
.redraft-pairs { display: flex; flex-wrap: wrap; gap: 10px; margin: .4em 0; }
.redraft-pairs figure { margin: 0; }
.redraft-pairs figcaption { color: var(--redraft-soft); font-size: 12px; }
.redraft-both { display: flex; gap: 2px; }
.redraft .redraft-both img { width: 112px; height: auto; margin: 0; display: block; }
.redraft-live .redraft-slider { display: flex; align-items: center; gap: .8em; max-width: 30em; }
.redraft-live .redraft-slider input { flex: 1; accent-color: var(--redraft-accent); }
.redraft-live .redraft-apart { display: none; }
.redraft-live .redraft-both { display: grid; position: relative; }
.redraft-live .redraft-both img { grid-area: 1 / 1; }
.redraft-live .redraft-after { clip-path: inset(0 0 0 var(--redraft-cut, 50%)); }
.redraft-live .redraft-both::after { content: ""; position: absolute; top: 0; bottom: 0;
 left: var(--redraft-cut, 50%); width: 2px; margin-left: -1px; background: #fff;
 box-shadow: 0 0 0 1px #0006; }
.redraft-warned { border-left: 3px solid var(--redraft-warning); padding-left: .8em; }
.redraft details > summary { cursor: pointer; color: var(--redraft-accent); }
"""


def plan_bundle(plan: Plan) -> Bundle:
    """The steps that a run would take."""
    return bundle(_plan_html(plan), _plan_text(plan))


def bundle(shown: str, text: str) -> Bundle:
    """Both forms, by media type."""
    return {"text/html": shown, "text/plain": text}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the first of each row is its heading."""
    head = "".join(f'<th scope="col">{escaped(column)}</th>' for column in columns)
    body = ""
    for first, *rest in rows:
        cells = "".join(f"<td>{escaped(cell)}</td>" for cell in rest)
        body += f'<tr><th scope="row"><code>{escaped(first)}</code></th>{cells}</tr>'
    return (
        f'<table class="redraft-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def page(*parts: str) -> str:
    """One piece of HTML with its style."""
    return wrapped(f"<style>{STYLE}</style>", *parts)


def plain(lines: Iterable[str]) -> str:
    """Lines of text that nothing in them can disturb."""
    return "\n".join(map(visible, lines))


def _plan_html(plan: Plan) -> str:
    """The steps that a run would take."""
    recipe, base = plan.recipe, plan.base
    model = f"<code>{escaped(base.name)}</code> ({escaped(base.facts.arch)})"
    return page(
        f"<p>Plan of <strong>{escaped(recipe.name)}</strong> {escaped(recipe.version)}: "
        f"{escaped(recipe.title)}</p>",
        table(("step", "layer", "reads", "state"), (step_words(plan, step) for step in plan.steps)),
        f'<p class="redraft-soft">model {model}, recipe <code>{recipe.digest()[:12]}</code></p>',
    )


def _plan_text(plan: Plan) -> str:
    recipe = plan.recipe
    lines = [f"plan of {recipe.name} {recipe.version} on {plan.base.name}"]
    for number, step in enumerate(plan.steps, 1):
        words = step_words(plan, step)
        lines.append(f"  {number}. {words.name} at {words.layer}: {words.state}")
    return plain(lines)
