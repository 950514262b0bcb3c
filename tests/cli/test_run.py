"""``redraft plan``, ``run``, ``verify`` and ``match``, on a model that is small but true."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]
BOX = "box(x 8..40, y 8..40)"
Invoke = Callable[..., Result]


@pytest.fixture
def run_copy(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change, beside its model."""
    shutil.copytree(finished / "run", tmp_path / "run")
    for name in ("tiny.pth", "demo.redraft"):
        shutil.copy(finished / name, tmp_path / name)
        shutil.copy(finished / name, tmp_path / "run" / name)
    return tmp_path / "run"


# ---- plan -----------------------------------------------------------------------------------


def planned(invoke: Invoke, *arguments: str) -> dict[str, Any]:
    """A plan as plain data."""
    shown = invoke("plan", *arguments, "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    plan: dict[str, Any] = json.loads(shown.stdout)
    return plan


def test_a_plan_counts_in_words(invoke: Invoke, recipe: Path) -> None:
    lines = [line for line in recipe.read_text().splitlines() if "like" not in line]
    recipe.write_text("\n".join(lines))
    shown = invoke("plan", "demo.redraft").stdout
    assert "  1 context; 4 problems of 8 unknowns a channel  " in shown
    recipe.write_text("\n".join(lines).replace("exact { loss l2 }", "gradient"))
    shown = invoke("plan", "demo.redraft").stdout
    assert "  1 context; 32 unknowns a channel  " in shown


def test_a_plan_lists_the_rules_that_are_off(invoke: Invoke, recipe: Path) -> None:
    text = recipe.read_text()
    name = text.partition("\nrule ")[2].split()[0]
    second = text[text.index("\nrule ") :].replace(f"rule {name}", "off rule silent", 1)
    recipe.write_text(text + second)
    assert "switched off: silent at layer6" in invoke("plan", "demo.redraft").stdout
    plan = planned(invoke, "demo.redraft")
    assert plan["off"] == ["silent"]
    assert len([step for step in plan["steps"] if step["kind"] == "rule"]) == 1
    recipe.write_text(text.replace(f"\nrule {name}", f"\noff rule {name}"))
    for command in ("plan", "run"):
        refused = invoke(command, "demo.redraft")
        assert refused.exit_code == 1
        assert "error[RD404]: every rule of demo is switched off" in refused.stderr
    assert invoke("check", "demo.redraft").exit_code == 0


def test_a_plan_tells_what_a_match_finds(invoke: Invoke, recipe: Path) -> None:
    plan = planned(invoke, "demo.redraft")
    assert plan["model"]["name"] == "tiny"
    assert plan["run_dir"].startswith("runs/demo-1.0.0-")
    statistics, rule = plan["steps"]
    assert (statistics["kind"], statistics["layer"], statistics["count"]) == (
        "statistics",
        "layer6",
        60,
    )
    assert (rule["kind"], rule["name"], rule["unknowns"]) == ("rule", "dot", 32)
    assert rule["gigaflops"] > 0
    (found,) = rule["matches"]
    assert (found["among"], found["top"]) == ([0, 39], 6)
    assert 0 < len(found["places"]) <= 6
    images = [place["index"] for place in found["places"]]
    assert not {3, 5} & set(images)
    scores = [place["score"] for place in found["places"]]
    assert scores == sorted(scores, reverse=True)
    assert len(images) + sum(found["left_out"].values()) == 40


def test_a_plan_tells_what_the_run_uses(invoke: Invoke, finished: Path) -> None:
    plan = planned(invoke, str(finished / "demo.redraft"))
    record = json.loads((finished / "run" / "run.json").read_text(encoding="utf-8"))
    foreseen = [place["index"] for place in plan["steps"][1]["matches"][0]["places"]]
    used = [place["index"] for place in record["rules"][0]["contexts"] if place["score"]]
    assert foreseen == used


def test_a_plan_as_a_table(invoke: Invoke, two_rules: Path) -> None:
    shown = invoke("plan", "demo.redraft")
    assert shown.exit_code == 0, shown.stderr
    text = shown.stdout
    assert text.startswith("demo 1.0.0: A demonstration\nmodel   tiny (dcgan), sha256 ")
    assert "statistics over 60 latents of z" in text
    assert "with loading and the report (measured on this machine)" in text
    assert "Contexts found for dot\nlike z[5] among 0..39: " in text
    assert "left out: " in text
    assert "box" in text
    # The first rule changes the keys of the second one.
    later = text[text.index("Contexts found for later") :]
    assert "resolved during the run, for an earlier rule changes the keys" in later


def test_a_quick_plan_opens_no_model(invoke: Invoke, two_rules: Path) -> None:
    plan = planned(invoke, "demo.redraft", "--quick")
    rules = [step for step in plan["steps"] if step["kind"] == "rule"]
    assert [rule["matches"] for rule in rules] == [None, None]
    assert rules[1]["reads"] == ["dot"]
    assert "not searched, because of --quick" in invoke("plan", "demo.redraft", "--quick").stdout


def test_a_plan_says_how_long_a_run_takes_on_this_machine(
    invoke: Invoke, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "cache"))
    assert planned(invoke, "demo.redraft", "--quick")["measured"] is False
    plan = planned(invoke, "demo.redraft")
    assert plan["measured"] is True
    assert plan["seconds"] > sum(step["seconds"] for step in plan["steps"]) > 0
    assert planned(invoke, "demo.redraft", "--quick")["measured"] is True, "it is remembered"


def test_what_is_in_the_cache_is_said(invoke: Invoke, recipe: Path) -> None:
    # Another count, so that no other test has filled the cache.
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("count 60", "count 61"), "utf-8")
    before = planned(invoke, "demo.redraft", "--quick")["steps"][0]
    assert before["cached"] is False
    assert before["gigaflops"] > 0
    planned(invoke, "demo.redraft")
    after = planned(invoke, "demo.redraft", "--quick")["steps"][0]
    assert (after["cached"], after["gigaflops"]) == (True, 0)
    assert "in the cache" in invoke("plan", "demo.redraft", "--quick").stdout


def test_rules_that_overlap(invoke: Invoke, two_rules: Path) -> None:
    text = two_rules.read_text(encoding="utf-8").replace("layer9", "layer6")
    two_rules.write_text(text, encoding="utf-8")
    plan = planned(invoke, "demo.redraft", "--quick")
    assert plan["overlaps"] == [
        {"first": "dot", "second": "later", "layer": "layer6", "share": pytest.approx(1.0)}
    ]
    shown = invoke("plan", "demo.redraft").stdout
    assert "regions that dot and later mark at layer6 overlap by 100 % of the smaller" in shown
    # Rules at one layer do not change each other's keys, so both are searched.
    assert "resolved during the run" not in shown
    dot, later = text.split("rule later", 1)
    apart = "box(x 40..64, y 40..64)"
    two_rules.write_text(f"{dot}rule later{later.replace('box(x 8..40, y 8..40)', apart)}")
    shown = invoke("plan", "demo.redraft", "--quick").stdout
    assert "regions that dot and later mark at layer6 do not overlap" in shown


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_recipe_with_errors(invoke: Invoke, recipe: Path, command: str) -> None:
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("rank ", "rang "), "utf-8")
    shown = invoke(command, "demo.redraft", "--format", "json")
    assert shown.exit_code == 1
    told = json.loads(shown.stdout)["error"]
    assert told["code"] == "RD400"
    assert told["diagnostics"][0]["file"] == "demo.redraft"
    assert "did you mean `rank`" in shown.stderr
    assert shown.stderr.endswith(
        "error[RD400]: the recipe has 1 error\n  = help: run `redraft check demo.redraft`\n"
    )


def test_a_layer_that_only_the_file_can_tell(invoke: Invoke, recipe: Path) -> None:
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("layer6", "layer7"), "utf-8")
    assert invoke("check", "demo.redraft").exit_code == 0
    shown = invoke("plan", "demo.redraft")
    assert shown.exit_code == 1
    assert "layer7" in shown.stderr
    assert "run `redraft check" not in shown.stderr


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_mask_whose_size_only_the_file_shows_to_be_wrong(
    invoke: Invoke, recipe: Path, command: str
) -> None:
    Image.new("L", (100, 40), 255).save("wide.png")
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace(f"context z[5] {BOX}\n", 'context z[5] mask("wide.png")\n'))
    assert invoke("check", "demo.redraft").exit_code == 0
    shown = invoke(command, "demo.redraft")
    assert shown.exit_code == 1
    assert shown.stderr == (
        "error[RD314]: the mask `wide.png` has another shape than the model's picture\n"
        "  --> demo.redraft:14:21\n"
        "   |\n"
        '14 |   context z[5] mask("wide.png")\n'
        "   |                     ^^^^^^^^^^ 100x40 pixels; the picture is 64x64\n"
        "   |\n"
        "   = help: use the picture's own width and height, or a multiple of both\n"
        "\n"
        "error[RD400]: the recipe has 1 error\n"
        "  = help: change the recipe as shown; only the model's file says this, so `redraft check` "
        "does not see it\n"
    )


def test_the_check_that_is_advised_has_the_values_that_were_given(
    invoke: Invoke, recipe: Path
) -> None:
    shown = invoke("plan", "demo.redraft", "--set", "dot.rank=none")
    assert "run `redraft check demo.redraft --set dot.rank=none`" in shown.stderr


def test_a_device_that_is_not_there(invoke: Invoke, recipe: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    shown = invoke("plan", "demo.redraft", "--device", "cuda")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD628]: there is no CUDA device here\n")


# ---- run ------------------------------------------------------------------------------------


def test_a_run_leaves_its_files_and_says_where(finished: Path) -> None:
    text = (finished / "stdout.txt").read_text(encoding="utf-8")
    assert text.startswith("demo 1.0.0: A demonstration\n")
    for title in ("rule", "share", "amplitude", "outside", "left-out gain / side", "loss"):
        assert title in text
    for what, name in (
        ("picture", "before-after.png"),
        ("report ", "report.html"),
        ("edit   ", "edit.safetensors"),
    ):
        path = finished / "run" / name
        assert f"{what} {path}\n" in text
        assert path.stat().st_size > 0
    assert "\x1b" not in text


def test_warnings_of_a_run_are_shown(invoke: Invoke, recipe: Path) -> None:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    alone = [line for line in lines if "context like" not in line]
    recipe.write_text("\n".join(alone) + "\n", encoding="utf-8")
    shown = invoke("run", "demo.redraft", "--out", "out")
    assert shown.exit_code == 0, shown.stderr
    assert shown.stderr.startswith("warning: rule dot: ")
    assert "mark more, or find some with `context like`" in " ".join(shown.stderr.split())


def test_a_run_as_json(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("run", "demo.redraft", "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    told = json.loads(shown.stdout)
    folder = Path(told.pop("run_dir"))
    assert folder.parent == Path("runs")
    assert told == json.loads((folder / "run.json").read_text(encoding="utf-8"))


def test_a_run_folder_that_cannot_be_made(invoke: Invoke, recipe: Path) -> None:
    Path("file").write_text("", encoding="utf-8")
    shown = invoke("run", "demo.redraft", "--out", "file/run")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD662]")


def test_a_model_that_is_not_there(program: Run, recipe: Path) -> None:
    Path("tiny.pth").unlink()
    done = program("run", "demo.redraft")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error[RD601]: there is no file tiny.pth\n  = help: ")


# ---- verify ---------------------------------------------------------------------------------


def test_a_run_is_repeated(program: Run, finished: Path) -> None:
    done = program("verify", str(finished / "run"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("promise: same machine and versions: bit-identical changes")
    assert done.stdout.endswith("verified: the promise holds for every rule\n")


def test_a_repeated_run_as_json(program: Run, finished: Path) -> None:
    done = program("verify", str(finished / "run"), "--format", "json")
    told = json.loads(done.stdout)
    assert (told["holds"], told["same_machine"]) == (True, True)
    (rule,) = told["rules"]
    assert (rule["name"], rule["identical"], rule["holds"]) == ("dot", True, True)


def test_what_differs_from_the_recorded_machine_is_told(invoke: Invoke, run_copy: Path) -> None:
    record = json.loads((run_copy / "run.json").read_text())
    record["machine"]["versions"]["torch"] = "1.0"
    (run_copy / "run.json").write_text(json.dumps(record))
    shown = invoke("verify", str(run_copy))
    assert shown.exit_code == 0
    (promise,) = [line for line in shown.stdout.splitlines() if line.startswith("promise: ")]
    assert f"torch 1.0 -> {metadata.version('torch')}" in promise
    assert promise.endswith("within 0.2 %; the shared edit: bit-identical weights")
    told = json.loads(invoke("verify", str(run_copy), "--format", "json").stdout)
    assert not told["same_machine"]
    assert f"torch 1.0 -> {metadata.version('torch')}" in told["differences"]


def test_a_changed_recipe_is_a_mismatch(invoke: Invoke, run_copy: Path) -> None:
    recipe = run_copy / "recipe.redraft"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("rank     2", "rank 1"), "utf-8")
    shown = invoke("verify", str(run_copy))
    assert shown.exit_code == 4
    assert shown.stderr.startswith("error[RD664]")


def test_a_broken_promise_is_a_mismatch(invoke: Invoke, run_copy: Path) -> None:
    record = json.loads((run_copy / "run.json").read_text(encoding="utf-8"))
    record["rules"][0]["weight_after"] = "0" * 64
    (run_copy / "run.json").write_text(json.dumps(record), encoding="utf-8")
    shown = invoke("verify", str(run_copy))
    assert shown.exit_code == 4
    assert "BROKEN" in shown.stdout
    assert shown.stdout.endswith("not verified: the promise is broken for dot\n")
    told = invoke("verify", str(run_copy), "--format", "json")
    assert told.exit_code == 4
    assert json.loads(told.stdout)["rules"][0]["weights_identical"] is False


def test_a_damaged_edit_is_an_error(invoke: Invoke, run_copy: Path) -> None:
    (run_copy / "edit.safetensors").write_bytes(b"damaged")
    shown = invoke("verify", str(run_copy), "--format", "json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["error"]["code"] == "RD663"


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "command",
    [
        "apply tiny.pth run --out new.pth",
        "apply tiny.pth run/edit.safetensors --out new.pth --force",
        "sample tiny.pth --arch dcgan --edit run --out new.png",
        "combine run run --out new.safetensors",
        "export run --lora -o new.safetensors",
        "diff run/edit.safetensors run/edit.safetensors",
    ],
)
def test_an_edit_that_its_run_did_not_leave_is_taken_by_no_command(
    invoke: Invoke, run_copy: Path, command: str
) -> None:
    edit = run_copy / "edit.safetensors"
    before = hashlib.sha256(edit.read_bytes()).hexdigest()
    flip_a_bit(edit)
    shown = invoke(*command.split())
    # 1 says of `diff` that both differ.
    assert shown.exit_code == (2 if command.startswith("diff") else 1)
    assert shown.stderr.startswith("error[RD663]")
    for digest in (before, hashlib.sha256(edit.read_bytes()).hexdigest()):
        assert digest[:16] in shown.stderr
    assert not list(Path().glob("new.*"))


def test_an_edit_whose_record_is_lost_in_part_is_not_taken_for_whole(
    invoke: Invoke, run_copy: Path
) -> None:
    (run_copy / "run.json").write_text("{}")
    shown = invoke("apply", "tiny.pth", "run", "--out", "new.pth")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD661]")
    shutil.copy(run_copy / "edit.safetensors", "alone.safetensors")
    assert invoke("apply", "tiny.pth", "alone.safetensors", "--out", "new.pth").exit_code == 0


def test_a_damaged_file_of_an_unpacked_pack_is_refused(invoke: Invoke, run_copy: Path) -> None:
    assert invoke("pack", "run", "-o", "one.redraftpack").exit_code == 0
    assert invoke("unpack", "one.redraftpack", "-o", "there").exit_code == 0
    shutil.copy("tiny.pth", "there/tiny.pth")
    shown = invoke("verify", "there")
    assert shown.exit_code == 0, shown.stderr
    assert "are those of manifest.json" in shown.stdout
    # A forger who changes the record too is found by the manifest.
    edit, record = Path("there/edit.safetensors"), Path("there/run.json")
    before = hashlib.sha256(edit.read_bytes()).hexdigest()
    flip_a_bit(edit)
    after = hashlib.sha256(edit.read_bytes()).hexdigest()
    record.write_text(record.read_text().replace(before, after))
    shown = invoke("apply", "tiny.pth", "there", "--out", "new.pth")
    assert shown.stderr.startswith("error[RD663]")
    assert "manifest.json" in shown.stderr
    shown = invoke("verify", "there")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD722]")


def test_a_forged_figure_is_named(invoke: Invoke, run_copy: Path) -> None:
    path = run_copy / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["rules"][0]["outside"] = 0.125
    path.write_text(json.dumps(record), encoding="utf-8")
    shown = invoke("verify", "run")
    assert shown.exit_code == 4
    assert "outside of dot is 0.125, and measured again it is 0." in shown.stdout
    assert shown.stdout.endswith("not verified: the promise is broken for dot\n")
    shown = invoke("verify", "run", "--no-figures")
    assert shown.exit_code == 0
    assert "not looked at: the figures in run.json" in shown.stdout


def test_a_recipe_in_place_of_its_run_is_named_so(invoke: Invoke, run_copy: Path) -> None:
    assert run_copy.is_dir()
    shown = invoke("verify", "demo.redraft")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD660]: demo.redraft is a recipe")
    assert "redraft run demo.redraft" in shown.stderr


def test_a_damaged_record_says_where(invoke: Invoke, run_copy: Path) -> None:
    path = run_copy / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["rules"][0]["rank"] = "many"
    path.write_text(json.dumps(record), encoding="utf-8")
    shown = invoke("verify", "run")
    assert shown.stderr.startswith("error[RD661]")
    assert "rules.0.rank: " in shown.stderr
    assert "RunRecord" not in shown.stderr


def test_what_is_no_run(invoke: Invoke) -> None:
    shown = invoke("verify", ".")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error[RD660]")


# ---- match ----------------------------------------------------------------------------------


def found(invoke: Invoke, *arguments: str) -> list[dict[str, Any]]:
    """What a match finds, as plain data."""
    shown = invoke("match", "demo.redraft", *arguments, "--format", "json")
    assert shown.exit_code == 0, shown.stderr
    matches: list[dict[str, Any]] = json.loads(shown.stdout)["matches"]
    return matches


def test_match_finds_what_the_plan_foresees(invoke: Invoke, recipe: Path) -> None:
    plan = planned(invoke, "demo.redraft")
    assert found(invoke, "dot") == plan["steps"][1]["matches"]


def test_match_of_a_rule_without_like(invoke: Invoke, recipe: Path) -> None:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    alone = [line for line in lines if "context like" not in line]
    recipe.write_text("\n".join(alone) + "\n", encoding="utf-8")
    (one,) = found(invoke, "dot")
    assert (one["like"], one["among"], one["top"]) == (
        {"latents": "z", "index": 5},
        [0, 59],
        24,
    )
    (other,) = found(invoke, "dot", "--top", "2", "--among", "10..30")
    assert other["among"] == [10, 30]
    assert len(other["places"]) <= 2
    assert all(10 <= place["index"] <= 30 for place in other["places"])


def test_match_as_table_and_picture(invoke: Invoke, recipe: Path) -> None:
    shown = invoke("match", "demo.redraft", "dot", "--top", "3", "--out", "m.png")
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("dot at layer6: like z[5] among 0..39\n")
    assert shown.stdout.endswith("picture: m.png\n")
    with Image.open("m.png") as picture:
        assert picture.width >= 2 * 192


def test_match_behind_another_rule_sees_its_work(invoke: Invoke, two_rules: Path) -> None:
    (after,) = found(invoke, "later")
    text = two_rules.read_text(encoding="utf-8")
    alone = text[: text.index("rule dot")] + text[text.index("rule later") :]
    two_rules.write_text(alone, encoding="utf-8")
    (before,) = found(invoke, "later")
    assert after["places"] != before["places"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dott",), "error[RD402]: the recipe has no rule `dott`\n  = help: did you mean `dot`?"),
        (("zz",), "error[RD402]: the recipe has no rule `zz`\n  = help: its rules are dot"),
        (("dot", "--among", "0..60"), "error[RD403]: `z` ends at image 59, and --among at 60"),
    ],
)
def test_what_cannot_be_matched(
    invoke: Invoke, recipe: Path, arguments: tuple[str, ...], said: str
) -> None:
    shown = invoke("match", "demo.redraft", *arguments)
    assert shown.exit_code == 1
    assert shown.stderr.startswith(said)
