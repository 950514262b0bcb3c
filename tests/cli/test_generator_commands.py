"""Commands that are printed for a person's own generator work as they are printed."""

from __future__ import annotations

import html
import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.cli.conftest import Invoke
from tests.cli.test_generator import NAMED, RECIPE, write

import redraft
from redraft.models.code.loading import described
from redraft.models.code.reference import code_at

Terminal = Callable[..., str]
PLACE = "--generator FILE.py:NAME"


def printed(text: str) -> list[str]:
    """The commands of redraft in a text, but those that open a page."""
    words = "sample|apply|pack|plan|run|show|verify|new"
    found = (re.search(rf"redraft (?:{words}) .*", line) for line in text.splitlines())
    return [each[0].rstrip() for each in found if each is not None]


def test_a_recipe_is_begun_for_ones_own_generator(invoke: Invoke, on_a_terminal: Terminal) -> None:
    write(beside="E = 1")
    refused = invoke("new", "spot", "--model", "small.pth")
    assert "error[RD626]" in refused.stderr
    said = on_a_terminal("new", "spot", "--model", "small.pth", *NAMED, width=200)
    text = Path("spot.redraft").read_text(encoding="utf-8")
    assert re.search(r'model small \{\s+arch +module\s+weights "small.pth"\s+\}', text)
    assert f"`redraft sample small.pth {shlex.join(NAMED)} --out sheet.png`" in text
    assert "rule spot at conv {" in text
    assert invoke("check", "spot.redraft", *NAMED).exit_code == 0
    commands = printed(said)
    assert [each.split()[1] for each in commands] == ["sample", "show"]
    for each in commands:
        again = invoke(*shlex.split(each.replace(" --open", ""))[1:])
        assert again.exit_code == 0, again.stderr


def test_the_environment_s_generator_is_no_part_of_another_model_s_commands(
    on_a_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(beside="F = 1")
    monkeypatch.setenv("REDRAFT_GENERATOR", "small.py:make")
    said = on_a_terminal("new", "smile", "--model", "faces", width=200)
    assert "redraft sample faces --out sheet.png" in said
    assert "--generator" not in said + Path("smile.redraft").read_text(encoding="utf-8")
    said = on_a_terminal("new", "spot", "--model", "small.pth", width=200)
    assert "redraft sample small.pth --generator small.py:make --out sheet.png" in said


def test_commands_after_a_run_and_in_its_report(invoke: Invoke, on_a_terminal: Terminal) -> None:
    write(beside="G = 1")
    ran = on_a_terminal("run", "own.redraft", *NAMED, "--out", "out", width=200)
    assert [each.split()[1] for each in printed(ran)] == ["sample", "apply", "pack"]
    page = html.unescape(re.sub("<[^>]+>", "", Path("out/report.html").read_text("utf-8")))
    report = [each for each in printed(page) if " out" in each]
    assert [each.split()[1] for each in report] == ["verify", "sample", "apply", "pack"]
    for each in dict.fromkeys([*printed(ran), *report]):
        done = invoke(*shlex.split(each)[1:], *(["--force"] if "--out" in each else []))
        assert done.exit_code == 0, (each, done.stderr)


def test_commands_of_pictures_and_marks(invoke: Invoke, on_a_terminal: Terminal) -> None:
    write(beside="H = 2")
    sampled = on_a_terminal("sample", "small.pth", *NAMED, "--out", "sheet.png", width=200)
    shown = on_a_terminal("show", "own.redraft", *NAMED, width=200)
    commands = [*printed(sampled), *printed(shown)]
    assert [each.split()[1] for each in commands] == ["sample", "new", "plan", "run"]
    for each in commands:
        done = invoke(*shlex.split(each)[1:])
        assert done.exit_code == 0, (each, done.stderr)


def test_a_pack_names_no_code_and_shows_where_to(invoke: Invoke) -> None:
    write(beside="I = 2")
    code = str(Path("small.py").resolve())
    assert (
        invoke("run", "own.redraft", "--generator", f"{code}:make", "--out", "out").exit_code == 0
    )
    assert invoke("pack", "out", "--out", "own.redraftpack").exit_code == 0
    with zipfile.ZipFile("own.redraftpack") as pack:
        held = {name: pack.read(name).decode(errors="replace") for name in pack.namelist()}
    assert not [name for name, text in held.items() if code in text]
    assert json.loads(held["run.json"])["model"]["generator"] == "small.py:make"
    assert f"redraft verify . {PLACE}\n" in held["README.md"]
    assert "not in this pack" in held["README.md"]
    page = re.sub("<[^>]+>", "", held["report.html"])
    assert f"redraft verify . {PLACE}" in page
    assert f"redraft sample small.pth {PLACE} --edit ." in page

    unpacked = invoke("unpack", "own.redraftpack", "-o", "away")
    assert f"to repeat it: redraft verify away {PLACE}" in unpacked.stdout
    assert "no pack holds code" in unpacked.stdout
    (command,) = printed(unpacked.stdout)
    typed = command.replace("FILE.py:NAME", "small.py:make")
    Path("away/small.pth").write_bytes(Path("small.pth").read_bytes())
    assert invoke(*shlex.split(typed)[1:]).exit_code == 0


def test_a_pack_of_a_model_that_needs_no_code_says_nothing_of_it(
    recipe: Path, invoke: Invoke
) -> None:
    assert invoke("pack", str(recipe), "--out", "plain.redraftpack").exit_code == 0
    unpacked = invoke("unpack", "plain.redraftpack", "-o", "away")
    assert "to run it: redraft run" in unpacked.stdout
    assert "code" not in unpacked.stdout
    assert "--generator" not in Path("away/README.md").read_text(encoding="utf-8")


def test_a_lock_is_renewed_with_the_generator(invoke: Invoke) -> None:
    write(beside="J = 1")
    missing = invoke("lock", "own.redraft", "--check", *NAMED)
    assert "make it with `redraft lock own.redraft --generator small.py:make`" in missing.output
    assert invoke("lock", "own.redraft", *NAMED).exit_code == 0
    Path("own.redraft").write_text(RECIPE.replace("rank     2", "rank 1"), encoding="utf-8")
    stale = invoke("run", "own.redraft", *NAMED)
    assert "accept it with `redraft lock own.redraft --generator small.py:make`" in stale.stderr


def test_check_says_which_layers_it_could_not_read(invoke: Invoke) -> None:
    write(beside="K = 1")
    wrong = RECIPE.replace("at conv", "at cnov")
    Path("typo.redraft").write_text(wrong, encoding="utf-8")
    done = invoke("check", "typo.redraft")
    assert done.exit_code == 0
    said = "the layers of `mine` were not checked, since only its code knows them"
    assert f"{said}; add `{PLACE}`" in " ".join(done.stdout.split())
    assert invoke("layers", "small.pth", *NAMED).exit_code == 0
    for name in ("typo.redraft", "-"):
        checked = invoke("check", name, *NAMED, text=wrong)
        assert checked.exit_code == 1
        assert "did you mean `conv`?" in checked.stdout
        assert said not in checked.stdout
    assert invoke("check", "own.redraft", *NAMED).stdout == "own.redraft: no problems\n"


def test_a_run_of_a_module_in_memory_is_verified_by_its_code(invoke: Invoke) -> None:
    write(beside="L = 1")
    made = described(code_at("small.py:make"))
    weights = torch.load("small.pth", weights_only=True)
    made.module.load_state_dict(weights)
    run = redraft.run("own.redraft", "out", generator=made, device="cpu")
    assert run.record.model.generator is None
    page = re.sub("<[^>]+>", "", Path("out/report.html").read_text("utf-8"))
    assert f"redraft sample MODEL {PLACE} --edit out" in page
    assert "MODEL is the model's name or file and FILE.py:NAME is the code" in (html.unescape(page))

    alone = invoke("verify", "out")
    assert "error[RD659]" in alone.stderr
    assert "add `--generator FILE.py:NAME`" in " ".join(alone.stderr.split())
    verified = invoke("verify", "out", *NAMED)
    assert verified.exit_code == 0, verified.output
    assert "the promise holds for every rule" in verified.stdout

    assert invoke("run", "own.redraft", *NAMED, "--out", "coded").exit_code == 0
    assert redraft.verify("coded", generator=made, device="cpu").holds

    weights["colours.bias"] += 1
    torch.save(weights, "small.pth")
    other = invoke("verify", "out", *NAMED)
    assert "error[RD665]: the weights of the model mine are not what the run started from" in (
        " ".join(other.stderr.split())
    )
