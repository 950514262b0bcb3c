"""Runs, edits and verified runs as HTML for a notebook, and as a few lines of text.

Pictures are in the piece, and the slider's program is in its attributes. Where a viewer takes that
program away, the pictures stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from redraft.edit.artifact import Edit
from redraft.live.samples import Pictures
from redraft.notebook.html import Bundle, bundle, page, plain, table
from redraft.plans.record import RuleRecord
from redraft.runs.runner import Run
from redraft.runs.verify import RuleCheck, Verified
from redraft.show.numbers import NONE
from redraft.show.pictures import Tile
from redraft.show.report.charts import percent
from redraft.show.report.figures import data_url, picture_url
from redraft.show.report.outputs import ReportedRun
from redraft.show.report.sentences import lasting, verdict
from redraft_dsl.report.html import code_html, escaped, sentence
from redraft_dsl.source import Source

# Both find what they change from where they stand, so that no name has to be unique.
_MOVE = "this.closest('.redraft-compare').style.setProperty('--redraft-cut', this.value + '%')"
_LIVE = "this.closest('.redraft-compare').classList.add('redraft-live')"


def run_bundle(run: Run) -> Bundle:
    """Pictures that no rule saw under a slider, the figures of each rule, and where the rest is."""
    return bundle(run_html(run), _run_text(run))


def edit_bundle(edit: Edit) -> Bundle:
    """Where an edit came from, what each rule changes, and its recipe."""
    return bundle(edit_html(edit), _edit_text(edit))


def pictures_bundle(pictures: Pictures) -> Bundle:
    """The pictures on one sheet."""
    sheet, name = pictures.sheet(), repr(pictures).strip("<>")
    return bundle(page(f'<img alt="{name}" src="{picture_url(sheet)}">'), name)


def verified_bundle(verified: Verified) -> Bundle:
    """Which promise was at stake when a run was repeated, and whether it held for each rule."""
    outcome = "verified" if verified.holds else "not verified"
    style = "good" if verified.holds else "error"
    rows = [_repeated(verified, check) for check in verified.rules]
    head = f'<p><strong class="redraft-{style}">{outcome}</strong>: {escaped(verified.promise)}</p>'
    lines = [f"{outcome}: {verified.promise}", *("  " + ", ".join(row) for row in rows)]
    columns = ("rule", "same bits", "angle, rad", "difference", "promise")
    return bundle(page(head, table(columns, rows)), plain(lines))


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
    marked = "".join(f'<p class="redraft-warned">{sentence(warning)}</p>' for warning in warnings)
    return page(
        f"<p>{title}: {escaped(record.title)}</p>",
        _compared(run.pictures if isinstance(run, ReportedRun) else ()),
        table(_FIGURES, map(_figures, record.rules)),
        marked,
        f'<p class="redraft-soft">{"; ".join(facts)}</p>',
    )


def _run_text(run: Run) -> str:
    record = run.record
    lines = [f"{record.recipe} {record.version}: {record.title}"]
    for rule in record.rules:
        rest = verdict(rule).rest.replace("\N{NO-BREAK SPACE}", " ")
        lines.append(f"  {rule.name} at {rule.layer} {rest}")
    lines += [f"  warning: {text}" for rule in record.rules for text in rule.warnings]
    return plain([*lines, f"written to {run.folder}"])


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
    return page(head, table(columns, _changes(edit)), recipe if edit.recipe_text else "")


def _edit_text(edit: Edit) -> str:
    facts = edit.facts
    lines = [f"edit of {facts.recipe} {facts.version} for {facts.model} ({facts.arch})"]
    for name, layer, _, shape, rank, norm in _changes(edit):
        lines.append(f"  {name} at {layer}: {shape}, rank {rank}, norm {norm}")
    return plain(lines)


def _repeated(verified: Verified, check: RuleCheck) -> list[str]:
    bits = "same bits" if check.identical else "other bits"
    promise = "held" if verified.holds_for(check) else "broken"
    return [check.name, bits, f"{check.angle:.2e}", f"{check.difference:.2e}", promise]


def _compared(tiles: Sequence[Tile]) -> str:
    """Each picture's "after" over its "before", and one slider for all of them.

    Its thumb is where the line is: left of it before, right of it after, as in the report.
    """
    if not tiles:
        return ""
    label = "Left of the line before the edit, right of it after"
    slider = (
        '<div class="redraft-slider"><span>after</span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}" oninput="{_MOVE}">'
        "<span>before</span></div>"
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


_FIGURES = ("rule", "layer", "rank", "share", "amplitude", "outside", "left-out gain", "loss")


def _figures(rule: RuleRecord) -> list[str]:
    left = rule.left_out
    return [
        rule.name,
        rule.layer,
        str(rule.rank),
        _share(rule.share, rule.share_interval),
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


def _changes(edit: Edit) -> list[tuple[str, str, str, str, str, str]]:
    rows = []
    for rule, delta in zip(edit.facts.rules, edit.deltas, strict=True):
        out, _, height, width = delta.coefficients.shape
        shape = f"{out} x {delta.directions.shape[1]} x {height} x {width}"
        numbers = (str(rule.rank), f"{delta.norm():.3g}")
        rows.append((rule.name, rule.layer, rule.weight_name, shape, *numbers))
    return rows
