"""Notebooks: what recipes, plans, runs and edits show, and ``%%redraft`` in a real shell."""

from __future__ import annotations

import atexit
import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

import redraft
from redraft.notebook.html import plan_bundle
from redraft.notebook.results import (
    edit_bundle,
    edit_html,
    run_bundle,
    run_html,
    verified_bundle,
)
from redraft.runs.runner import run_plan
from redraft_dsl.check.display import checked_bundle, checked_html
from redraft_dsl.report.html import code_html

ROOT = Path(__file__).resolve().parents[2]
EYES = "box(x 8..40, y 16..32)"
RULE = f"""
rule hat at layer6 {{
  copy    z[1] {EYES}
  context z[2] mask("eyes.png")
  context z[3] {EYES}
  context z[4] {EYES}
  rank 2
}}
"""
SECOND = RULE.replace("rule hat at layer6", "rule scarf at layer9")
SCRIPT = "<script>alert('x')</script>"
pytestmark = pytest.mark.usefixtures("one_thread")

Data = dict[str, str]


class Page(HTMLParser):
    """What a browser would see: every element with its attributes, and the text between them."""

    VOID = frozenset(("img", "input", "br", "hr"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.said, self.source = "", text
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.said += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def harmless(shown: str) -> Page:
    """The page, once it is certain that it loads nothing and runs nothing of a recipe."""
    page = Page(shown)
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "form")
        assert not {"id", "name", "for"} & set(attributes)
        assert attributes.get("src", "data:").startswith("data:image/png;base64,") or tag != "img"
        for name, value in attributes.items():
            if name.startswith("on"):
                assert value.startswith("this.closest('.redraft-compare').")
    assert "url(" not in shown
    assert "@import" not in shown
    return page


def picture(attributes: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(attributes["src"].partition(",")[2])))


@pytest.fixture
def ran(workshop: Any) -> redraft.Run:
    """A run of two rules."""
    path = workshop.recipe(RULE + SECOND, count=40)
    return redraft.run(path, workshop.folder / "out", device="cpu")


def test_a_recipe_shows_its_text_in_colours_and_what_it_is(workshop: Any) -> None:
    path = workshop.recipe(RULE, count=40)
    checked = redraft.load(path)
    page = harmless(checked_html(checked))
    for part in ("demo", "1.0.0", "A demonstration", "rule hat at layer6", "no problems"):
        assert part in page.said
    lines = path.read_text().split("\n")[:-1]
    # Also without its style, as in a notebook that is not trusted: each line on a line of its own.
    numbered = "\n".join(f"{n:>4}  {line}" for n, line in enumerate(lines, 1))
    assert numbered in page.said
    assert re.search(r"<pre[^>]*>.*rule.*\n.*copy.*</pre>", checked_html(checked), re.S)
    assert '<span class="redraft-statement">rule</span>' in checked_html(checked)
    assert '<span class="redraft-string">&quot;tiny.pth&quot;</span>' in checked_html(checked)
    assert checked_bundle(checked) == {
        "text/html": checked_html(checked),
        "text/plain": "demo 1.0.0: no problems",
    }


def test_problems_stand_under_their_lines(workshop: Any) -> None:
    checked = redraft.load(workshop.recipe(RULE.replace("rank 2", "rnk 2"), count=40))
    shown = checked_html(checked)
    page = harmless(shown)
    lines = re.split(r"\n|</pre>", shown[shown.index("<pre") :])
    place = next(n for n, line in enumerate(lines) if "rnk" in line)
    assert '<span class="redraft-mark redraft-error">rnk</span>' in lines[place]
    assert "unknown setting <code>rnk</code>" in lines[place + 1]
    assert "help: did you mean <code>rank</code>?" in lines[place + 1]
    assert "1 error in" in page.said
    assert "error[RD" in checked_bundle(checked)["text/plain"]


def test_a_problem_without_a_place_is_shown_too(tmp_path: Path) -> None:
    page = harmless(checked_html(redraft.load(tmp_path / "none.redraft")))
    assert "there is no such file" in page.said
    assert "check the spelling of the path" in page.said


def test_a_problem_at_the_end_of_the_text_is_marked() -> None:
    shown = checked_html(redraft.loads('edition 2026\nrecipe own 1.0.0 "A"\nmodel'))
    assert 'mode</span><span class="redraft-statement redraft-mark redraft-error">l</span>' in shown
    harmless(shown)


def test_other_places_of_a_problem_are_named(workshop: Any) -> None:
    twice = redraft.load(workshop.recipe(RULE + RULE, count=40))
    notes = [note for problem in twice.diagnostics for note in problem.notes]
    assert any(note.span for note in notes)
    page = harmless(checked_html(twice))
    for note in notes:
        assert note.message.replace("`", "") in page.said
    assert re.search(r"note: .* \(\S*demo\.redraft:6:6\)", page.said)


def test_what_a_recipe_takes_from_others_is_listed(workshop: Any) -> None:
    workshop.recipe(RULE, "base", count=40)
    path = workshop.recipe(
        "include base.hat\n", count=40, header='use "./base.redraft" 1.0.0 as base\n'
    )
    page = harmless(checked_html(redraft.load(path)))
    assert "base 1.0.0 from base.redraft" in page.said
    assert "rule hat at layer6" in page.said


def test_nothing_that_a_recipe_holds_is_taken_for_html(workshop: Any) -> None:
    path = workshop.recipe(RULE, count=40)
    text = path.read_text().replace("A demonstration", f"{SCRIPT} &amp; \x1b[31m")
    path.write_text(text + f"# {SCRIPT}\n")
    checked = redraft.load(path)
    run = redraft.run(checked, workshop.folder / f"<b>{'x' * 3}", device="cpu")
    shown = (
        checked_html(checked),
        plan_bundle(run.session.plan)["text/html"],
        run_html(run),
        edit_html(run.edit),
    )
    for each in shown:
        page = harmless(each)
        assert SCRIPT in page.said
        assert "\x1b" not in page.said
        assert not page.all("b")
    wrong = redraft.loads(f'edition 2026\nrecipe own {SCRIPT[:7]} "A"\n')
    assert SCRIPT[:7] in harmless(checked_html(wrong)).said


def test_a_long_recipe_is_cut_but_not_its_problems() -> None:
    lines = ["# remark"] * 3000
    lines[2500] = "model facess # " + "x" * 2000
    shown = checked_html(redraft.loads("edition 2026\n" + "\n".join(lines)))
    assert len(shown) < 20_000
    page = harmless(shown)
    assert "… 2487 lines not shown" in page.said
    assert "2502  model facess # xxx" in page.said
    assert "xxx…error[RD" in page.said
    assert "… 494 lines not shown" in page.said  # the last lines are those of another error
    fine = redraft.loads("edition 2026\n" + "# remark\n" * 3000).source
    assert "… 2601 lines not shown" in harmless(code_html(fine)).said


def test_of_very_many_problems_the_first_are_shown() -> None:
    rule = f"rule r{{}} at layer66 {{{{ copy z[1] {EYES} context z[2] {EYES} }}}}\n"
    head = 'edition 2026\nrecipe own 1.0.0 "A"\nmodel faces\nlatents z { seed 1 count 20 }\n'
    checked = redraft.loads(head + "".join(map(rule.format, range(70))))
    page = harmless(checked_html(checked))
    assert page.said.count("unknown layer layer66") == 50
    assert "and 20 more" in page.said


def test_a_plan_is_a_short_table(workshop: Any) -> None:
    like = f"  context like z[2] {EYES} top 5 among 0..30\n"
    plan = redraft.plan(workshop.recipe(RULE.replace("  rank", like + "  rank") + SECOND, count=40))
    page = harmless(plan_bundle(plan)["text/html"])
    assert len(page.all("tr")) == 1 + len(plan.steps)
    for part in ("statistics over 40 latents of z", "to collect", "rule hat", "layer9"):
        assert part in page.said
    assert "8 contexts at most, 5 of them by match" in page.said
    assert "tiny, hat" in page.said
    assert "3 contexts;" in page.said
    text = plan_bundle(plan)["text/plain"]
    assert text.startswith(
        "plan of demo 1.0.0 on tiny\n  1. statistics over 40 latents of z at layer6"
    )


def test_a_run_shows_pictures_under_a_slider_and_its_figures(ran: redraft.Run) -> None:
    page = harmless(run_html(ran))
    images = page.all("img")
    assert [image["alt"].rpartition(" ")[2] for image in images[:2]] == ["before", "after"]
    assert len(images) == 16
    pairs = [
        (picture(one), picture(two)) for one, two in zip(images[::2], images[1::2], strict=True)
    ]
    assert all(one.size == two.size == (64, 64) for one, two in pairs)
    assert all(one.tobytes() != two.tobytes() for one, two in pairs)
    (slider,) = page.all("input")
    assert slider["type"] == "range"
    assert slider["aria-label"]
    for rule in ran.record.rules:
        assert rule.name in page.said
        assert f"{rule.left_out.gain:.2f}" in page.said
        assert f"{rule.loss_before:.3g} → {rule.loss_after:.3g}" in page.said
    assert str(ran.folder) in page.said
    assert len(page.all("tr")) == 3


def test_a_run_shows_the_pictures_of_its_report(ran: redraft.Run) -> None:
    report = (ran.folder / "report.html").read_text(encoding="utf-8")
    shown = [image["src"] for image in Page(run_html(ran)).all("img")]
    assert all(url in report for url in shown)


def test_a_run_without_a_report_shows_its_figures_alone(workshop: Any) -> None:
    used = "".join(f"  context z[{index}] {EYES}\n" for index in range(5))
    path = workshop.recipe(f"zero hat at layer6 {{\n{used}  rank 1\n}}\n", count=5)
    run = run_plan(redraft.plan(path, device="cpu"), out=workshop.folder / "out", device="cpu")
    page = harmless(run_html(run))
    assert not page.all("img")
    assert not page.all("input")
    # There are always pictures to measure on; but a zero has no goal to miss.
    layer, rank, *measured, gain, loss = re.findall(r"<td>(.*?)</td>", page.source)
    assert (layer, rank, gain, loss) == ("layer6", "1", "-", "-")
    assert len(measured) == 3
    assert "-" not in measured


def test_a_run_in_plain_text(ran: redraft.Run) -> None:
    lines = run_bundle(ran)["text/plain"].split("\n")
    assert lines[0] == "demo 1.0.0: A demonstration"
    assert lines[1].startswith("  hat at layer6 ")
    assert "of 40 new pictures changed as meant" in lines[1]
    assert lines[-1] == f"written to {ran.folder}"
    assert len("\n".join(lines)) < 2000


def test_an_edit_is_a_table_of_its_rules(ran: redraft.Run) -> None:
    edit = redraft.Edit.load(ran.folder / "edit.safetensors")
    page = harmless(edit_html(edit))
    for part in ("hat", "scarf", "layer9", "demo", "dcgan", "12 x 16 x 4 x 4", "Its recipe"):
        assert part in page.said
    assert f"{edit.deltas[0].norm():.3g}" in page.said
    assert "copy    z[1] box(x 8..40, y 16..32)" in page.said
    some = edit.choose(["scarf"])
    assert "1 of its 2 rules" in harmless(edit_html(some)).said
    text = edit_bundle(some)["text/plain"]
    assert text.startswith("edit of demo 1.0.0 for tiny (dcgan)\n  scarf at layer9: ")
    assert "hat" not in text


class Notebook:
    """A real shell, and what its cells displayed, updates among it."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.publisher = CapturingDisplayPublisher()
        shell.display_pub = self.publisher

    def run(self, cell: str) -> Any:
        """Run a cell; gives IPython's own result."""
        self.publisher.outputs.clear()
        return self.shell.run_cell(cell)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return list(self.publisher.outputs)


@pytest.fixture
def notebook(workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A shell in the workshop's folder, with the extension loaded and without colours."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(workshop.folder)
    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=settings)
    try:
        assert shell.run_cell("%load_ext redraft.notebook").success
        yield Notebook(shell)
    finally:
        shell.atexit_operations()
        atexit.unregister(shell.atexit_operations)
        InteractiveShell.clear_instance()


@pytest.fixture
def recipe(workshop: Any) -> str:
    """A recipe of one rule."""
    return workshop.recipe(RULE, count=40).read_text()


def test_a_cell_shows_its_recipe(notebook: Notebook, recipe: str) -> None:
    result = notebook.run(f"%%redraft\n{recipe}")
    assert isinstance(result.result, redraft.Checked)
    assert result.result.recipe.name == "demo"
    data, _ = notebook.shell.display_formatter.format(result.result)
    assert data["text/html"] == checked_html(result.result)
    assert data["text/plain"].endswith("demo 1.0.0: no problems")
    assert notebook.run("checked = _").success
    assert notebook.shell.user_ns["checked"] is result.result


def test_a_cell_with_errors_is_shown_and_does_not_fail(notebook: Notebook, recipe: str) -> None:
    result = notebook.run(f"%%redraft\n{recipe.replace('rank 2', 'rank two')}")
    assert result.success
    assert result.result.recipe is None
    assert '<span class="redraft-mark redraft-error">two</span>' in checked_html(result.result)


def test_only_checking_says_that_there_is_nothing_to_say(notebook: Notebook, recipe: str) -> None:
    result = notebook.run(f"%%redraft --run run --check\n{recipe}")
    assert result.success
    assert result.result is None
    assert [output["data"]["text/plain"] for output in notebook.outputs] == ["no problems"]
    assert "run" not in notebook.shell.user_ns
    assert not Path("runs").exists()


def test_only_checking_sees_what_the_head_of_the_models_file_says(
    notebook: Notebook, recipe: str
) -> None:
    result = notebook.run(f"%%redraft --check\n{recipe.replace('at layer6', 'at layer7')}")
    assert not result.success
    (shown,) = notebook.outputs
    assert "unknown layer `layer7`" in shown["data"]["text/plain"]


def test_a_wrong_cell_fails_without_a_traceback(
    notebook: Notebook, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = recipe.replace("rank 2", "rank two")
    for options in ("--check", "--run run"):
        result = notebook.run(f"%%redraft {options}\n{wrong}")
        assert not result.success
        assert result.error_in_exec.code == "RD750"
        (shown,) = notebook.outputs
        assert "rank two" in harmless(shown["data"]["text/html"]).said
        assert "error[RD" in shown["data"]["text/plain"]
        assert "\x1b" not in shown["data"]["text/plain"]
        printed = capsys.readouterr().out
        assert printed == (
            "error[RD750]: the recipe in this cell has 1 error\n"
            "  = help: correct what is marked above, and run the cell again\n"
        )
    assert "run" not in notebook.shell.user_ns


def test_problems_are_in_colour_where_the_shell_has_colours(
    notebook: Notebook, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.shell.colors = "linux"
    monkeypatch.delenv("NO_COLOR", raising=False)
    wrong = recipe.replace("rank 2", "rank two")
    notebook.run(f"%%redraft --check\n{wrong}")
    assert "\x1b[1;31merror[RD" in notebook.outputs[0]["data"]["text/plain"]
    monkeypatch.setenv("NO_COLOR", "1")
    notebook.run(f"%%redraft --check\n{wrong}")
    assert "\x1b" not in notebook.outputs[0]["data"]["text/plain"]


def test_a_cell_runs_and_names_its_run(notebook: Notebook, recipe: str) -> None:
    result = notebook.run(f"%%redraft --run hats --device cpu --out 'my run'\n{recipe}")
    assert result.success
    assert result.result is None
    run = notebook.shell.user_ns["hats"]
    assert isinstance(run, redraft.Run)
    assert run.folder == Path("my run")
    assert (run.folder / "run.json").is_file()
    first, *rest = notebook.outputs
    assert first["data"]["text/plain"].startswith("statistics of layer6: ")
    assert not first.get("update")
    assert all(output["update"] for output in rest)
    places = {output["transient"]["display_id"] for output in notebook.outputs}
    assert len(places) == 1
    assert rest[-1]["data"]["text/html"] == run_html(run)
    assert notebook.run("hats.edit").result.facts.recipe == "demo"


MINE = """
import torch
from torch import nn
class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 8 * 4 * 4)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.colours = nn.Conv2d(8, 3, 3, padding=1)
    def forward(self, z):
        x = nn.functional.interpolate(self.first(z).view(-1, 8, 4, 4), scale_factor=4)
        return torch.tanh(self.colours(torch.relu(self.conv(x))))
"""
OWN = """edition 2026
recipe own 1.0.0 "A rule in somebody's own generator"
model mine { arch module  weights "mine.pth" }
latents z { seed 1  count 60 }
rule spot at conv {
  copy    z[3] box(x 4..12, y 4..12)
  context z[5, 8] box(x 4..12, y 4..12)
  rank    2
}
"""


def test_a_cell_runs_on_a_module_of_the_notebook(notebook: Notebook) -> None:
    assert notebook.run(MINE + "net = Mine()\nbefore = net.conv.weight.clone()").success
    result = notebook.run(f"%%redraft --run mine --generator net --device cpu\n{OWN}")
    assert result.success, notebook.outputs
    assert notebook.shell.user_ns["mine"].record.rules[0].name == "spot"
    assert notebook.run("torch.equal(before, net.conv.weight)").result is True
    missing = notebook.run(f"%%redraft --run mine --generator nett\n{OWN}")
    assert "there is no `nett` in this notebook" in str(missing.error_in_exec)
    typo = OWN.replace("at conv", "at cnov")
    assert notebook.run(f"%%redraft --check\n{typo}").success
    said = "the layers of `mine` were not checked, since only its code knows them"
    assert said in notebook.outputs[-1]["data"]["text/plain"]
    assert not notebook.run(f"%%redraft --check --generator net\n{typo}").success
    assert "did you mean `conv`?" in notebook.outputs[-1]["data"]["text/plain"]
    assert notebook.run(f"%%redraft --check --generator net\n{OWN}").success
    assert said not in notebook.outputs[-1]["data"]["text/plain"]
    wrong = notebook.run(f"%%redraft --run mine --generator before\n{OWN}")
    assert "torch.nn.Module is needed" in str(wrong.error_in_exec)


def test_a_cell_runs_on_code_that_is_named(notebook: Notebook) -> None:
    Path("mine.py").write_text(MINE, encoding="utf-8")
    assert notebook.run(MINE + "torch.save(Mine().state_dict(), 'mine.pth')").success
    words = "--generator mine.py:Mine --device cpu"
    first = notebook.run(f"%%redraft --check {words}\n{OWN}")
    assert "redraft layers mine.pth --generator mine.py:Mine" in str(first.error_in_exec)
    result = notebook.run(f"%%redraft --run mine {words}\n{OWN}")
    assert result.success, notebook.outputs
    assert notebook.run(f"%%redraft --check {words}\n{OWN}").success


def test_masks_and_models_come_from_the_folder_that_is_named(
    notebook: Notebook, recipe: str, workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    missing = notebook.run(f"%%redraft --run one\n{recipe}")
    assert not missing.success
    assert "eyes.png" in notebook.outputs[0]["data"]["text/plain"]
    assert notebook.run(f"%%redraft --run one --folder ../work\n{recipe}").success
    run = notebook.shell.user_ns["one"]
    assert run.folder.resolve().parent == elsewhere / "runs"
    assert run.session.plan.base.path.resolve() == workshop.model


def test_a_run_that_fails_says_why_and_keeps_the_name(
    notebook: Notebook, recipe: str, workshop: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.run("hats = 'what it was'")
    capsys.readouterr()
    workshop.model.write_bytes(b"not a model")
    result = notebook.run(f"%%redraft --run hats --device cpu\n{recipe}")
    assert not result.success
    printed = capsys.readouterr().out
    assert re.match(r"error\[RD6\d\d\]: .*tiny\.pth", printed)
    assert "Traceback" not in printed
    assert len(printed.splitlines()) == 2
    assert notebook.shell.user_ns["hats"] == "what it was"


def test_what_shows_only_with_the_model_is_shown_in_place(
    notebook: Notebook, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = recipe.replace("layer6", "layer7")
    result = notebook.run(f"%%redraft --run hats --device cpu\n{unknown}")
    assert not result.success
    assert "layer7" in notebook.outputs[-1]["data"]["text/html"]
    assert capsys.readouterr().out.startswith("error[RD")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--rum x", "unrecognized arguments: --rum x"),
        ("--run 3d", "--run: `3d` cannot be a name in Python"),
        ("--run class", "--run: `class` cannot be a name in Python"),
        ("--run", "argument --run: expected one argument"),
        ("--set rank", "--set: `rank` is not NAME=VALUE, as in `--set strength=3`"),
        ("--folder nowhere", "--folder: there is no folder nowhere"),
        ("--device tpu", "argument --device: invalid choice: 'tpu'"),
        ("--out 'half", "no closing quotation"),
    ],
)
def test_wrong_options_are_told_in_a_line(
    notebook: Notebook, recipe: str, options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = notebook.run(f"%%redraft {options}\n{recipe}")
    assert not result.success
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert said.startswith(f"UsageError: {message}")
    assert len(said.splitlines()) == 1


def test_values_are_given_on_the_line(notebook: Notebook, recipe: str) -> None:
    cell = recipe.replace("\nrule", "\nparam size: int = 2 in 1..8\nrule").replace(
        "rank 2", "rank size"
    )
    result = notebook.run(f"%%redraft --set size=3 --set hat.strength=0.5\n{cell}")
    (rule,) = result.result.recipe.rules
    assert (rule.rank, rule.strength) == (3, 0.5)
    assert "size = 3" in harmless(checked_html(result.result)).said
    assert notebook.run(f"%%redraft --run hats --set size=1 --device cpu\n{cell}").success
    assert notebook.shell.user_ns["hats"].record.rules[0].rank == 1


def test_fetching_a_model_is_told_in_one_place(notebook: Notebook) -> None:
    from redraft.notebook.running import Progress

    told = Progress()
    told.download("download", None, None)
    for done in range(0, 1001, 10):
        told.download("download", done, 1000)
    notebook.publisher.outputs, said = [], notebook.outputs
    assert len(said) == 11
    assert said[-1]["data"]["text/plain"] == "download of the model, bytes: 1000 of 1000"
    assert [output["update"] for output in said] == [False] + 10 * [True]


def test_the_page_on_notebooks_is_followed_cell_by_cell(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "how-to" / "notebooks.md").read_text(encoding="utf-8")
    cells = re.findall(r"^~~~python\n(.*?)^~~~$", page, re.M | re.S)
    assert len(cells) >= 4
    for cell in cells:
        result = notebook.run(cell)
        printed = capsys.readouterr()
        assert result.success, f"{cell}\n{printed.out}{printed.err}"
    assert isinstance(notebook.shell.user_ns["hats"], redraft.Run)


def test_redraft_does_without_ipython(workshop: Any) -> None:
    path = workshop.recipe(RULE, count=40)
    program = (
        "import sys\n"
        "sys.modules['IPython'] = None\n"
        "import redraft, redraft.notebook\n"
        "checked = redraft.load(sys.argv[1])\n"
        "assert not [name for name in sys.modules if name == 'torch']\n"
        "from redraft_dsl.check.display import checked_html\n"
        "assert 'no problems' in checked_html(checked)\n"
        "assert 'torch' not in sys.modules\n"
        "from redraft.notebook.html import plan_bundle\n"
        "assert 'layer6' in plan_bundle(redraft.plan(checked, device='cpu'))['text/html']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_script_that_uses_redraft_does_not_load_ipython() -> None:
    program = "import sys, redraft; redraft.Checked; sys.exit('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_whatever_redraft_returns_shows_itself_once_redraft_is_imported(workshop: Any) -> None:
    path = workshop.recipe(RULE, count=40)
    program = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "def shown(cell):\n"
        "    done = shell.run_cell(cell, store_history=False)\n"
        "    assert done.success, cell\n"
        "    return shell.display_formatter.format(done.result)[0]\n"
        "shown('import redraft')\n"
        "assert not {'redraft.plans.planner', 'redraft.notebook.html'} & set(sys.modules)\n"
        "forms = shown('import sys; checked = redraft.load(sys.argv[1]); checked')\n"
        "assert 'no problems' in forms['text/html']\n"
        "assert 'torch' not in sys.modules\n"
        "for cell, word in (\n"
        "    ('plan = redraft.plan(checked, device=\"cpu\"); plan', 'statistics over'),\n"
        "    ('run = redraft.run(plan, \"out\", device=\"cpu\"); run', 'hat'),\n"
        "    ('run.edit', 'hat'),\n"
        "    ('redraft.verify(\"out\", device=\"cpu\")', 'bit-identical'),\n"
        "):\n"
        "    forms = shown(cell)\n"
        "    assert '<table' in forms['text/html'] and word in forms['text/html'], cell\n"
        "    assert word in forms['text/plain'] and '<' not in forms['text/plain'], cell\n"
        "assert 'type=\"range\"' in shown('run')['text/html']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "IPYTHONDIR": str(workshop.folder / "ipython")},
        cwd=workshop.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_verified_run_says_which_promise_held(ran: redraft.Run) -> None:
    verified = redraft.verify(ran.folder, device="cpu")
    forms = verified_bundle(verified)
    page = harmless(forms["text/html"])
    assert [row["scope"] for row in page.all("th") if row["scope"] == "row"] == ["row", "row"]
    assert "verified: same machine and versions: bit-identical changes" in page.said
    assert forms["text/plain"].startswith("verified: same machine")
    broken = replace(verified, rules=(replace(verified.rules[0], identical=False),))
    assert "not verified" in harmless(verified_bundle(broken)["text/html"]).said
    assert "hat, other bits" in verified_bundle(broken)["text/plain"]
    assert "broken" in verified_bundle(broken)["text/plain"]
