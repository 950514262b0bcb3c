"""A run's report as one HTML file: no network, no other files, nothing of the user's runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from redraft.models.code.reference import PLACEHOLDER
from redraft.plans.record import PlaceRecord, RuleRecord
from redraft.plans.run_files import PICTURE
from redraft.show import numbers
from redraft.show.pictures import ROLE_COLOURS, ROLE_DASHED, ROLE_NAMES, Tile
from redraft.show.report import charts, sentences, source
from redraft.show.report.data import ReportData, RuleView
from redraft.show.report.figures import Figure, figures
from redraft.show.report.places import MODEL, RUN, marked
from redraft.show.report.sentences import Spoken, WarningText

CONTEXTS_IN_ALL, CONTEXTS_LEAST, CONTEXTS_MOST = 24, 4, 12
"""Contexts shown as pictures, over all rules; and the least and most for one rule."""
OTHERS_SIDE = 64
"""Pixels of the contexts beyond these, which are folded."""
UNSEEN, MATCHES, WHOLE = 12, 8, 24
"""Pictures shown of each sort; more would make the file heavy, not clearer."""

_MEANT = (
    (RUN, "the folder that this report lies in"),
    (MODEL, "the model's name or file"),
    (PLACEHOLDER, "the code that makes the model"),
)
"""What stands in commands where nothing better is known."""


@dataclass(frozen=True)
class RuleSection:
    """One rule as the template needs it."""

    record: RuleRecord
    anchor: str
    verdict: Spoken
    lines: tuple[source.Line, ...]
    bars: tuple[charts.Bar, ...]
    left_out: tuple[charts.Bar, ...]
    spectrum: charts.Spectrum | None
    warnings: tuple[WarningText, ...]
    weakest: PlaceRecord | None
    weakest_figure: Figure | None
    copy: Figure | None
    contexts: tuple[Figure, ...]
    others: tuple[Figure, ...]
    protected: tuple[Figure, ...]
    marked: int
    found: int
    unseen: tuple[Figure, ...]
    least: tuple[Figure, ...]
    matches: tuple[Figure, ...]


def render(data: ReportData) -> str:
    """The report as HTML text. Equal data gives equal text."""
    lines = source.lines_of(data.recipe_text)
    most = min(CONTEXTS_MOST, max(CONTEXTS_LEAST, CONTEXTS_IN_ALL // max(len(data.rules), 1)))
    # A single rule is the whole edit: its unseen pictures are the big ones.
    alone = len(data.rules) == 1
    names = (data.run_folder, data.model, data.code)
    whole = data.whole or (data.rules[0].unseen if alone else ())
    sections = tuple(
        _section(view, f"rule-{number}", lines, most, not alone)
        for number, view in enumerate(data.rules, 1)
    )
    return (
        environment()
        .get_template("report.html")
        .render(
            record=data.record,
            rules=sections,
            whole=figures(whole[:WHOLE]),
            lines=lines,
            run=data.run_folder,
            model=data.model,
            code=data.code,
            meant=[(word, what) for word, what in _MEANT if word in names],
            marked=marked,
            headline="; ".join(_headline(each, alone) for each in sections),
            picture=PICTURE,
            css=Markup(_text("report.css")),
            js=Markup(_text("report.js")),
        )
    )


def page_style() -> str:
    """The style sheet of the report, for pages that look like it."""
    return _text("report.css")


def _section(
    view: RuleView,
    anchor: str,
    lines: tuple[source.Line, ...],
    most: int,
    with_unseen: bool,
) -> RuleSection:
    record = view.record
    weakest = sentences.least_followed(record.contexts)
    named = "" if weakest is None else sentences.place_name(weakest)
    worst = _by_gain(view)
    lowest = [tile for tile in view.contexts if tile.label == named][:1]
    return RuleSection(
        record=record,
        anchor=anchor,
        verdict=sentences.verdict(record),
        lines=source.block_of(lines, record.name),
        bars=charts.measure_bars(record),
        left_out=charts.left_out_bars(record),
        spectrum=charts.spectrum(record.singular_values),
        warnings=tuple(map(sentences.warning_text, record.warnings)),
        weakest=weakest,
        weakest_figure=next(iter(figures(lowest, [weakest] if weakest else [])), None),
        copy=next(iter(figures([view.copy] if view.copy else [])), None),
        contexts=figures(worst[:most], record.contexts),
        others=figures(worst[most:], record.contexts, OTHERS_SIDE),
        protected=figures(view.protected),
        marked=sum(place.score is None for place in record.contexts),
        found=sum(place.score is not None for place in record.contexts),
        unseen=figures(view.unseen[:UNSEEN]) if with_unseen else (),
        least=figures(view.least),
        matches=figures(view.best_matches[:MATCHES], record.contexts),
    )


def _by_gain(view: RuleView) -> list[Tile]:
    """The contexts, those that follow least first; as in the recipe where that is not known."""
    gains = {sentences.place_name(place): place.gain for place in view.record.contexts}
    known = [tile for tile in view.contexts if gains.get(tile.label) is not None]
    if not known:
        return list(view.contexts)
    rest = [tile for tile in view.contexts if gains.get(tile.label) is None]
    return [*sorted(known, key=lambda tile: gains[tile.label] or 0.0), *rest]


def _headline(section: RuleSection, alone: bool) -> str:
    said = numbers.headline(section.record)
    return said[:1].upper() + said[1:] if alone else f"{section.record.name}: {said}"


def templates_of(room: str) -> Environment:
    """What fills in the templates of a room: whatever is put in is text, and nothing may lack."""
    return Environment(
        loader=PackageLoader(room),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def environment() -> Environment:
    """What fills in the templates of this room."""
    environment = templates_of("redraft.show.report")
    environment.filters.update(
        percent=charts.percent,
        when=sentences.when,
        lasting=sentences.lasting,
        machine=sentences.machine_line,
        shared_keys=sentences.shared_keys,
        place_name=sentences.place_name,
        with_code=sentences.with_code,
    )
    environment.globals.update(
        role_colours=ROLE_COLOURS, role_dashed=ROLE_DASHED, role_names=ROLE_NAMES
    )
    return environment


def _text(name: str) -> str:
    return (resources.files("redraft.show.report") / "templates" / name).read_text(encoding="utf-8")
