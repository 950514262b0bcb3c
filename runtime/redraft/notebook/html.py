"""Runs, plans and edits as HTML for a notebook, and as a few lines of text for a terminal.

Each piece needs nothing else: pictures are in it, and the slider's program is in its attributes.
Where a viewer takes that program away, the pictures stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from redraft.show.report.charts import percent
from redraft.show.report.figures import data_url
from redraft.show.report.sentences import lasting, verdict
from redraft_dsl.report.html import code_html, escaped, sentence, wrapped
from redraft_dsl.report.terminal import visible
from redraft_dsl.source import Source

if TYPE_CHECKING:
    from redraft.edit.artifact import Edit
    from redraft.plans.planner import Plan, Step
    from redraft.plans.record import RuleRecord
    from redraft.runs.runner import Run
    from redraft.show.pictures import Tile

Bundle = dict[str, str]
NONE = "-"

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
.redraft-live .redraft-after { clip-path: inset(0 calc(100% - var(--redraft-cut, 50%)) 0 0); }
.redraft-live .redraft-both::after { content: ""; position: absolute; top: 0; bottom: 0;
 left: var(--redraft-cut, 50%); width: 2px; margin-left: -1px; background: #fff;
 box-shadow: 0 0 0 1px #0006; }
.redraft-warned { border-left: 3px solid var(--redraft-warning); padding-left: .8em; }
.redraft details > summary { cursor: pointer; color: var(--redraft-accent); }
"""
# Both find what they change from where they stand, so that no name has to be unique.
_MOVE = "this.closest('.redraft-compare').style.setProperty('--redraft-cut', this.value + '%')"
_LIVE = "this.closest('.redraft-compare').classList.add('redraft-live')"


def run_html(run: Run) -> str:
    """Pictures that no rule saw under a slider, the figures of each rule, and where the rest is."""
    record = run.record
    title = f"<strong>{escaped(record.recipe)}</strong> {escaped(record.version)}"
    where = f"written to <code>{escaped(str(run.folder))}</code>"
    facts = [f"model <code>{escaped(record.model.name)}</code>"]
    if record.evaluated_count:
        facts.append(f"measured on {record.evaluated_count:,} {escaped(record.evaluated_on)}")
    facts += [f"{lasting(record.seconds)} on {escaped(record.machine.device)}", where]
    warnings = [*record.warnings, *(f"{r.name}: {w}" for r in record.rules for w in r.warnings)]
    told = "".join(f'<p class="redraft-warned">{sentence(warning)}</p>' for warning in warnings)
    return _page(
        f"<p>{title}: {escaped(record.title)}</p>",
        _compared(run.pictures),
        table(_FIGURES, map(_figures, record.rules)),
        told,
        f'<p class="redraft-soft">{"; ".join(facts)}</p>',
    )


def run_text(run: Run) -> str:
    """The same in a few lines."""
    record = run.record
    lines = [f"{record.recipe} {record.version}: {record.title}"]
    for rule in record.rules:
        rest = verdict(rule).rest.replace("\N{NO-BREAK SPACE}", " ")
        lines.append(f"  {rule.name} at {rule.layer} {rest}")
    lines += [f"  warning: {text}" for rule in record.rules for text in rule.warnings]
    return _plain([*lines, f"written to {run.folder}"])


def plan_html(plan: Plan) -> str:
    """The steps that a run would take."""
    recipe, base = plan.recipe, plan.base
    model = f"<code>{escaped(base.name)}</code> ({escaped(base.facts.arch)})"
    return _page(
        f"<p>Plan of <strong>{escaped(recipe.name)}</strong> {escaped(recipe.version)}: "
        f"{escaped(recipe.title)}</p>",
        table(("step", "layer", "state"), map(_step, plan.steps)),
        f'<p class="redraft-soft">model {model}, recipe <code>{recipe.digest()[:12]}</code></p>',
    )


def plan_text(plan: Plan) -> str:
    """The same in a few lines."""
    recipe = plan.recipe
    lines = [f"plan of {recipe.name} {recipe.version} on {plan.base.name}"]
    for number, step in enumerate(plan.steps, 1):
        name, layer, state = _step(step)
        lines.append(f"  {number}. {name} at {layer}: {state}")
    return _plain(lines)


def edit_html(edit: Edit) -> str:
    """Where an edit came from, what each rule changes, and its recipe."""
    facts = edit.facts
    whole = len(edit.chosen_from or facts.rules)
    some = "" if whole == len(facts.rules) else f", {len(facts.rules)} of its {whole} rules"
    head = f"<p>Edit of <strong>{escaped(facts.recipe)}</strong> {escaped(facts.version)} for "
    head += f"<code>{escaped(facts.model)}</code> ({escaped(facts.arch)}){some}</p>"
    columns = ("rule", "layer", "weight", "shape", "rank", "norm")
    source = Source("recipe.redraft", edit.recipe_text)
    recipe = f"<details><summary>Its recipe</summary>{code_html(source)}</details>"
    return _page(head, table(columns, _changes(edit)), recipe if edit.recipe_text else "")


def edit_text(edit: Edit) -> str:
    """The same in a few lines."""
    facts = edit.facts
    lines = [f"edit of {facts.recipe} {facts.version} for {facts.model} ({facts.arch})"]
    for name, layer, _, shape, rank, norm in _changes(edit):
        lines.append(f"  {name} at {layer}: {shape}, rank {rank}, norm {norm}")
    return _plain(lines)


def run_bundle(run: Run) -> Bundle:
    """Both forms of a run."""
    return bundle(run_html(run), run_text(run))


def plan_bundle(plan: Plan) -> Bundle:
    """Both forms of a plan."""
    return bundle(plan_html(plan), plan_text(plan))


def edit_bundle(edit: Edit) -> Bundle:
    """Both forms of an edit."""
    return bundle(edit_html(edit), edit_text(edit))


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


def _page(*parts: str) -> str:
    return wrapped(f"<style>{STYLE}</style>", *parts)


def _plain(lines: Iterable[str]) -> str:
    return "\n".join(map(visible, lines))


def _compared(tiles: Sequence[Tile]) -> str:
    """Each picture's "after" over its "before", and one slider for all of them."""
    if not tiles:
        return ""
    label = "How much of each picture is shown after the edit"
    slider = (
        '<div class="redraft-slider"><span>before</span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}" oninput="{_MOVE}">'
        "<span>after</span></div>"
    )
    pairs = "".join(map(_pair, tiles))
    return f'<div class="redraft-compare">{slider}<div class="redraft-pairs">{pairs}</div></div>'


def _pair(tile: Tile) -> str:
    name = escaped(tile.label)
    before = f'<img class="redraft-before" alt="{name} before" src="{data_url(tile.before)}">'
    after = f'<img class="redraft-after" alt="{name} after" src="{data_url(tile.after)}"'
    after += f' onload="{_LIVE}">'
    caption = f'{name}<span class="redraft-apart">: before, after</span>'
    return (
        f'<figure><div class="redraft-both">{before}{after}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


_FIGURES = ("rule", "layer", "rank", "effect", "amplitude", "outside", "left-out gain", "loss")


def _figures(rule: RuleRecord) -> list[str]:
    left = rule.left_out
    return [
        rule.name,
        rule.layer,
        str(rule.rank),
        _share(rule.effect, rule.effect_interval),
        _share(rule.amplitude, rule.amplitude_interval),
        NONE if rule.outside is None else f"{rule.outside:.3f}",
        NONE if left is None else f"{left.gain:.2f}",
        NONE if rule.kind == "zero" else f"{rule.loss_before:.3g} → {rule.loss_after:.3g}",
    ]


def _share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return NONE
    low, high = interval or (value, value)
    return f"{percent(value)} ({percent(low)} to {percent(high)})"


def _step(step: Step) -> tuple[str, str, str]:
    """What a step is, its layer, and what is there for it already."""
    from redraft.plans.planner import StatisticsStep

    if isinstance(step, StatisticsStep):
        state = "in the cache" if step.cached else f"to collect: {step.reason}"
        return f"statistics over {step.latents.count} {step.latents.name}", step.layer, state
    state = f"{step.positions} context{'' if step.positions == 1 else 's'}"
    if step.matches:
        state += f" at most, {step.matches} of them by match"
    if step.reads:
        state += f"; after {', '.join(step.reads)}"
    return f"{step.rule.kind} {step.rule.name}", step.facts.name, state


def _changes(edit: Edit) -> list[tuple[str, str, str, str, str, str]]:
    rows = []
    for rule, delta in zip(edit.facts.rules, edit.deltas, strict=True):
        out, _, height, width = delta.coefficients.shape
        shape = f"{out} x {delta.directions.shape[1]} x {height} x {width}"
        numbers = (str(rule.rank), f"{delta.norm():.3g}")
        rows.append((rule.name, rule.layer, rule.weight_name, shape, *numbers))
    return rows
