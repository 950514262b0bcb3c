"""``redraft paper``: the rewriting paper's experiments, and the page of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from redraft.bench.paper.experiments import EXPERIMENTS, FULL, QUICK
from redraft.cli.app import format_option, make_command
from redraft.cli.screen import Column, Screen

if TYPE_CHECKING:
    from redraft.bench.paper.page import Drawn
    from redraft.bench.paper.running import Result
    from redraft.show.pictures import Picture

PAGE = Path("docs/experiments.md")
QUALITY = 65
"""Of the pictures, WebP."""
NAMES = [experiment.name for experiment in EXPERIMENTS]


@make_command(name="paper", example="paper --quick")
@click.option("--quick", is_flag=True, help="Fewer pictures, settings and steps: minutes in all.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    metavar="EXPERIMENT",
    help=f"One experiment alone; may be repeated. They are {', '.join(NAMES)}.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=PAGE,
    help=f"The page; {PAGE} is the default. Its pictures lie in `pictures` beside it.",
)
@click.option("--force", is_flag=True, help="Overwrite a page that this command did not write.")
@format_option()
def command(quick: bool, only: tuple[str, ...], out: Path, force: bool, form: str) -> None:
    """Repeat the rewriting paper's experiments against every other method, and write their page.

    Settings are chosen on other pictures than those that methods are judged on, and all are
    compared at equal change elsewhere. Rows are cached, so a run that was stopped goes on.
    """
    from redraft.bench.paper.page import MARK, Made, page
    from redraft.bench.paper.running import run_paper
    from redraft.disk import files
    from redraft.disk.cache import Cache, make_folder
    from redraft.disk.overwriting import refuse_overwriting
    from redraft.models.open import choose_device
    from redraft.runs.recording import machine_record

    screen, budget = Screen.current(), QUICK if quick else FULL
    if not (out.is_file() and out.read_bytes().startswith(MARK.encode())):
        refuse_overwriting([out], force=force)
    chosen = [each for each in EXPERIMENTS if not only or each.name in only]
    make_folder(out.parent / "pictures")
    results, drawn = [], {}
    with screen.going_on(), screen.progress() as reporter:
        for result in run_paper(chosen, _recipes(), budget, Cache(), reporter.step):
            results.append(result)
            drawn[result.experiment.name] = _draw(result, out.parent)
    machine = machine_record(choose_device("cpu"))
    said = " ".join(("redraft paper", *(["--quick"] if quick else []),
                     *(f"--only {name}" for name in only)))  # fmt: skip
    seconds = sum(row.seconds for result in results for row in result.rows)
    threads = f"{machine.threads} thread{'s' if machine.threads > 1 else ''}"
    made = Made(said, budget, f"{machine.platform}, {threads}", machine.versions, seconds)
    files.write_text(out, page(results, made, drawn))
    if form == "json":
        screen.json({"experiments": [_as_json(result) for result in results], "page": str(out)})
        return
    for result in results:
        _print(screen, result)
    screen.file("page", out)


def _recipes() -> Path:
    from redraft.errors import ArtifactError
    from redraft.plans.shipped import shipped_folder

    folder = shipped_folder()
    if folder is None:
        what = "the recipes that come with redraft are not there"
        raise ArtifactError("RD638", what, "install redraft again")
    return folder


def _draw(result: Result, folder: Path) -> Drawn:
    """Write an experiment's drawings into ``pictures`` in a folder."""
    from redraft.bench.paper.curves import curves
    from redraft.bench.paper.page import Drawn
    from redraft.disk import files

    stem = f"pictures/paper-{result.experiment.name}"
    found = Drawn(f"{stem}.webp", f"{stem}.svg")
    ranked = sorted(result.rows, key=lambda row: -row.effect)
    effect = "way to the right answer" if result.beside else "amplitude"
    files.write_bytes(folder / found.pictures, _webp(result.sheet))
    files.write_text(folder / found.curves, curves(ranked, effect))
    return found


def _webp(picture: Picture) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


def _print(screen: Screen, result: Result) -> None:
    screen.heading(f"{result.experiment.title}, in {result.model}")
    heads = (Column("method"), Column("setting"), Column("effect", right=True),
             Column("outside", right=True))  # fmt: skip
    ranked = sorted((row for row in result.rows if row.curve), key=lambda row: -row.effect)
    cells = [
        [row.method, row.setting, f"{row.effect:.3f}", f"{row.curve[len(row.curve) // 2][0]:.4f}"]
        for row in ranked
    ]
    screen.table(heads, cells)


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.experiment.name,
        "model": result.model,
        "layer": result.layer,
        "beside": result.beside,
        "rows": [
            {name: value for name, value in vars(row).items() if name != "pictures"}
            for row in result.rows
        ],
    }
