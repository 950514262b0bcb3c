"""Packs: what belongs in one, that it is always the same, and that it repeats elsewhere."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import redraft
from redraft.edit.artifact import Edit
from redraft.errors import ArtifactError, RedraftError
from redraft.memory.marked import mask_bytes
from redraft.plans import lock
from redraft.plans.loading import CheckFailedError
from redraft.plans.obeying import plan_obeying
from redraft.plans.planner import make_plan
from redraft.runs.locking import make_lock
from redraft.runs.runner import Run, finish, run_plan
from redraft.runs.verify import verify
from redraft.share.pack import writing
from redraft.share.pack.reading import Pack, edit_in, opened, read_pack, recipe_in, run_in, unpack
from redraft.share.pack.writing import PackResult, pack
from redraft.show.report.places import marked

EYES = "box(x 8..40, y 16..32)"
BODY = f"""
rule glasses at layer6 {{
  copy    z[1] mask("masks/eyes.png") within {EYES}
  context z[2] {EYES}
  context like z[2] {EYES} top 3 among 10..30
  rank 2
}}
zero stripe at layer6 {{ context z[8] {EYES}  rank 1  strength 0.4 }}
"""
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def recipe(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A locked recipe with a mask in a folder; the present folder is its own."""
    (workshop.folder / "masks").mkdir()
    (workshop.folder / "eyes.png").rename(workshop.folder / "masks" / "eyes.png")
    monkeypatch.chdir(workshop.folder)
    path: Path = workshop.recipe(BODY, count=60).relative_to(workshop.folder)
    lock.lock_path(path).write_text(make_lock(redraft.load(path), Path()).text)
    return path


def ran(path: Path, out: Path | None = None, *, obey: bool = True) -> Run:
    plan = (plan_obeying if obey else make_plan)(redraft.load(path), path.parent)
    run = run_plan(plan, out=out, device="cpu")
    (run.folder / "before-after.png").write_bytes(b"a picture")
    finish(run)
    return run


def packed(source: Path, out: str = "a.redraftpack") -> PackResult:
    return pack(source, Path(out))


def test_a_pack_of_a_run_repeats_elsewhere_with_an_empty_cache(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the model file, which is not in the pack, is put beside what was unpacked."""
    run = ran(recipe)
    done = packed(run.folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(done.path, elsewhere / "got.redraftpack")
    model = Path("tiny.pth").read_bytes()
    shutil.rmtree(Path().absolute())
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("REDRAFT_CACHE", str(tmp_path / "empty"))
    unpack(read_pack(Path("got.redraftpack")), Path("mine"))
    (elsewhere / "mine" / "tiny.pth").write_bytes(model)
    found = verify(Path("mine"))
    assert found.holds
    assert found.same_machine
    assert all(check.identical and check.weights_identical for check in found.rules)


def test_a_pack_holds_all_that_belongs_to_a_run_and_nothing_of_its_maker(recipe: Path) -> None:
    run = ran(recipe.absolute())
    done = packed(run.folder)
    assert done.run == run.folder
    assert done.names == (
        "README.md",
        "before-after.png",
        "edit.safetensors",
        "manifest.json",
        "masks/eyes.png",
        "recipe.lock",
        "recipe.redraft",
        "run.json",
    )
    found = read_pack(done.path)
    assert found.sha256 == done.sha256
    assert found.files["recipe.redraft"].decode() == recipe.read_text()
    assert found.files["masks/eyes.png"] == Path("masks/eyes.png").read_bytes()
    assert found.files["edit.safetensors"] == (run.folder / "edit.safetensors").read_bytes()
    record = json.loads(found.files["run.json"])
    before = json.loads((run.folder / "run.json").read_text())
    assert record == {**before, "recipe_path": "recipe.redraft"}
    assert str(Path().absolute()).encode() not in done.path.read_bytes()
    manifest = found.manifest
    assert (manifest.recipe, manifest.version, manifest.run) == ("demo", "1.0.0", True)
    assert set(manifest.files) == set(done.names) - {"manifest.json"}


REPORT = (
    "<h1>Demo</h1><code>redraft apply {model} {run}</code> <code>{recipe}</code>"
    "<img alt='a picture'>"
)


def reported(folder: Path, run: str, model: str, recipe: str) -> str:
    """A report in a folder whose commands have these names, and what a page shows of it."""
    names = {"run": run, "model": model, "recipe": recipe}
    spans = {place: marked(cast("Any", place), name) for place, name in names.items()}
    (folder / "report.html").write_text(REPORT.format(**spans))
    return REPORT.format(**spans)


def test_the_report_goes_along_and_names_none_of_its_makers_folders(
    recipe: Path, tmp_path: Path
) -> None:
    run = ran(recipe)
    secret = "/home/ada/it's"
    reported(run.folder, f"{secret}/run", f"{secret}/tiny.pth", f"{secret}/demo.redraft")
    found = read_pack(packed(run.folder).path).files["report.html"].decode()
    assert "ada" not in found
    assert found == reported(tmp_path, ".", "tiny.pth", "recipe.redraft")
    unpack(read_pack(Path("a.redraftpack")), tmp_path / "mine")
    again = packed(tmp_path / "mine", "b.redraftpack")
    assert again.sha256 == packed(run.folder).sha256
    assert "report.html" in read_pack(again.path).files["README.md"].decode()


def test_a_report_that_marks_no_places_stays_at_home(recipe: Path) -> None:
    run = ran(recipe)
    (run.folder / "report.html").write_text("<code>redraft verify /home/ada/run</code>")
    assert "report.html" not in packed(run.folder).names


def test_packing_twice_gives_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    run = ran(recipe)
    one = packed(run.folder)
    shutil.copytree(run.folder, tmp_path / "another name")
    for path in (tmp_path / "another name").rglob("*"):
        path.touch()
    assert packed(tmp_path / "another name", "b.redraftpack").sha256 == one.sha256
    assert packed(recipe, "c.redraftpack").sha256 == one.sha256
    assert Path("c.redraftpack").read_bytes() == one.path.read_bytes()


def test_a_pack_is_packed_again_from_where_it_was_unpacked(recipe: Path, tmp_path: Path) -> None:
    done = packed(ran(recipe).folder)
    unpack(read_pack(done.path), tmp_path / "mine")
    assert packed(tmp_path / "mine", "again.redraftpack").sha256 == done.sha256


def test_a_recipe_without_a_run_is_packed_with_its_lock(recipe: Path) -> None:
    done = packed(recipe)
    assert done.run is None
    names = ("README.md", "manifest.json", "masks/eyes.png", "recipe.lock", "recipe.redraft")
    assert done.names == names
    found = read_pack(done.path)
    assert found.files["recipe.lock"].decode() == Path("demo.lock").read_text()
    assert not found.manifest.run
    assert b"has not been run yet" in found.files["README.md"]
    for use in (edit_in, run_in):
        with pytest.raises(ArtifactError, match="packed before the recipe was run") as caught:
            use(done.path)
        assert caught.value.code == "RD727"
    assert recipe_in(done.path).read_text() == recipe.read_text()


def test_the_latest_run_of_the_very_recipe_is_packed(recipe: Path) -> None:
    first = ran(recipe, Path("runs/first"))
    record = first.record.model_copy(update={"started": "2000-01-01T00:00:00+00:00"})
    (first.folder / "run.json").write_text(record.model_dump_json())
    Path("runs/damaged").mkdir()
    Path("runs/damaged/run.json").write_text("{")
    latest = ran(recipe, Path("runs/a-latest"))
    assert packed(recipe).run == latest.folder
    recipe.write_text("# a comment\n" + recipe.read_text())
    assert packed(recipe).run == latest.folder
    whole = packed(recipe).path
    recipe.write_text(recipe.read_text().replace("rank 2", "rank 1"))
    before = whole.read_bytes()
    with pytest.raises(
        ArtifactError, match="holds an edit, and there is no finished run"
    ) as caught:
        packed(recipe)
    assert caught.value.code == "RD681"
    assert whole.read_bytes() == before
    other = pack(recipe, Path("other.redraftpack"))
    assert other.run is None
    assert "recipe.lock" not in other.names, "it is the lock of another state of the recipe"


@pytest.mark.parametrize("before", [True, False])
def test_a_recipe_that_uses_another_is_packed_as_written_and_alone(
    recipe: Path, before: bool
) -> None:
    whole = Path("whole.redraft")
    whole.write_text(
        "edition 2026\n"
        'recipe whole 1.0.0 "Made of parts"\n'
        'use "./demo.redraft" 1.0.0 as part\n'
        'model tiny { arch dcgan  weights "tiny.pth" }\n'
        "latents z { seed 3  count 60 }\n"
        "include part.glasses\n"
    )
    run = ran(whole) if before else None
    done = packed(whole)
    assert done.run == (None if run is None else run.folder)
    found = read_pack(done.path).files
    assert "use" not in found["recipe.redraft"].decode().split()
    assert found["source/whole.redraft"] == whole.read_bytes()
    assert found["source/demo.redraft"] == recipe.read_bytes()
    assert found["source/masks/eyes.png"] == found["masks/eyes.png"]
    alone = redraft.load(recipe_in(done.path)).recipe
    written = redraft.load(opened(done.path) / "source" / "whole.redraft").recipe
    assert alone is not None
    assert written is not None
    assert alone.digest() == written.digest()


def test_the_edit_of_a_pack_is_the_edit_of_the_run(recipe: Path) -> None:
    run = ran(recipe)
    edit = Edit.load(edit_in(packed(run.folder).path))
    for one, other in zip(edit.deltas, run.edit.deltas, strict=True):
        assert torch.equal(one.directions, other.directions.cpu())
        assert torch.equal(one.coefficients, other.coefficients.cpu())


# ---- the card ---------------------------------------------------------------------------------


def test_the_card_tells_what_the_edit_does(recipe: Path) -> None:
    run = ran(recipe)
    text = read_pack(packed(run.folder).path).files["README.md"].decode()
    _, front, body = text.split("---\n", 2)
    assert "library_name: redraft\n" in front
    assert 'base_model: "tiny"\n' in front
    assert '- "redraft"\n- "gan"\n' in front
    assert '- "dcgan"\n' in front
    assert "license" not in front
    assert body.startswith("\n# A demonstration\n")
    assert "![pictures before and after the edit](before-after.png)" in body
    glasses = run.record.rules[0]
    assert glasses.share is not None
    verdict = glasses.judgement.word
    assert verdict == glasses.verdict
    assert f"| `glasses` | rule | `layer6` | 2 | {verdict} | {glasses.share:.2f} (" in body
    assert "| verdict | share | amplitude |" in body
    assert f"| {glasses.amplitude:.2f} (" in body
    assert "`glasses` is " in body
    assert "what is marked in z[1] appears wherever it looks like 1 marked place" in body
    assert "`stripe` at `layer6`, rank 1: removes what the layer does" in body
    assert "redraft apply MODEL.pth edit.safetensors --out edited.pth" in body
    assert run.record.model.file_sha256 in body
    assert "| masks/eyes.png | a mask that the recipe names |" in body


def test_the_card_of_a_listed_model_carries_its_licence(tmp_path: Path) -> None:
    path = tmp_path / "listed.redraft"
    path.write_text(
        'edition 2026\nrecipe listed 1.0.0 "One <b>bold</b> | `title`"\nmodel faces\n'
        "latents z { seed 1  count 60 }\n"
        "erase e at layer6 { context z[5] all  context z[6] all  context z[7] all  units 3 }\n"
    )
    text = read_pack(pack(path, tmp_path / "a.redraftpack").path).files["README.md"].decode()
    assert "license: mit\n" in text
    assert 'base_model: "faces"\n' in text
    assert "silences 3 units wherever it looks like 3 marked places" in text
    assert r"# One \<b\>bold\</b\> \| \`title\`" in text


# ---- what cannot be packed --------------------------------------------------------------------


def fails(source: Path, code: str, message: str) -> None:
    with pytest.raises(RedraftError) as caught:
        packed(source, "bad.redraftpack")
    assert (caught.value.code, message in caught.value.message) == (code, True), caught.value
    assert not Path("bad.redraftpack").exists()


def test_a_recipe_with_errors_is_not_packed(recipe: Path) -> None:
    recipe.write_text("recipe")
    with pytest.raises(CheckFailedError):
        packed(recipe)
    fails(Path("none.redraft"), "RD400", "the recipe has")


@pytest.mark.parametrize(
    ("name", "change", "code", "message"),
    [
        ("run.json", None, "RD660", "is not a finished run"),
        ("edit.safetensors", None, "RD710", "edit.safetensors cannot be read"),
        ("edit.safetensors", "x", "RD710", "edit.safetensors is not the one"),
        ("recipe.redraft", ("rank 2", "rank 1"), "RD710", "recipe.redraft is not the one"),
        ("recipe.redraft", "recipe", "RD400", "the recipe has"),
        ("recipe.lock", None, "RD710", "recipe.lock is not the lock"),
        ("masks/eyes.png", None, "RD400", "the recipe has 1 error"),
    ],
)
def test_a_run_that_is_not_whole_is_not_packed(
    recipe: Path, name: str, change: str | tuple[str, str] | None, code: str, message: str
) -> None:
    folder = ran(recipe).folder
    if change is None:
        (folder / name).unlink()
    elif isinstance(change, tuple):
        (folder / name).write_text((folder / name).read_text().replace(*change))
    else:
        (folder / name).write_text(change)
    fails(folder, code, message)


def test_names_that_cannot_be_everywhere_are_not_packed(recipe: Path) -> None:
    Path("masks/eyes.png").rename("masks/aux.png")
    recipe.write_text(recipe.read_text().replace("eyes.png", "aux.png"))
    fails(recipe, "RD711", "`masks/aux.png` cannot stand in a pack")


def test_the_masks_of_a_rule_that_is_off_go_along(recipe: Path) -> None:
    lock.lock_path(recipe).unlink()
    recipe.write_text(recipe.read_text().replace("rule glasses", "off rule glasses"))
    ran(recipe, Path("runs/one"), obey=False)
    found = read_pack(packed(recipe).path)
    assert found.manifest.run
    assert found.files["masks/eyes.png"] == Path("masks/eyes.png").read_bytes()
    unpack(found, Path("mine"))
    assert not redraft.load(Path("mine/recipe.redraft")).errors


def test_two_masks_that_are_one_elsewhere_are_not_packed(recipe: Path) -> None:
    shutil.copy("masks/eyes.png", "masks/EYES.png")
    body = recipe.read_text()
    recipe.write_text(body.replace(f"context z[2] {EYES}", 'context z[2] mask("masks/EYES.png")'))
    fails(recipe, "RD711", "it is the same as `masks/EYES.png` on some systems")


def test_what_changes_while_it_is_packed_is_noticed(recipe: Path) -> None:
    checked = redraft.load(recipe)
    assert checked.recipe is not None
    data = Path("masks/eyes.png").read_bytes()
    Path("masks/eyes.png").write_bytes(data + b"\0")
    with pytest.raises(ArtifactError, match="it is another picture now") as caught:
        mask_bytes(checked.recipe.rules, Path(), writing.lost_mask)
    assert caught.value.code == "RD712"
    Path("masks/eyes.png").unlink()
    with pytest.raises(ArtifactError, match="cannot be packed") as caught:
        mask_bytes(checked.recipe.rules, Path(), writing.lost_mask)
    assert caught.value.code == "RD712"


def test_a_pack_that_nobody_could_read_is_not_written(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_BYTES", 1000)
    fails(recipe, "RD718", "the pack would have")


# ---- unpacking --------------------------------------------------------------------------------


@pytest.fixture
def small(recipe: Path) -> Path:
    return packed(recipe, "small.redraftpack").path


@pytest.fixture
def whole_pack(small: Path) -> Pack:
    return read_pack(small)


def test_a_folder_with_something_in_it_is_left_alone(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(ArtifactError) as caught:
            unpack(read_pack(small), folder, force=force)
        assert caught.value.code == "RD726"
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]
    with pytest.raises(ArtifactError, match="is a file") as caught:
        unpack(read_pack(small), folder / "mine.txt", force=True)
    assert caught.value.code == "RD726"


def test_an_empty_folder_is_filled_and_an_unpacked_one_replaced(
    small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "place"
    folder.mkdir(parents=True)
    unpack(read_pack(small), folder)
    assert (folder / "masks" / "eyes.png").is_file()
    (folder / "recipe.redraft").write_text("changed")
    (folder / "more.txt").write_text("more")
    with pytest.raises(ArtifactError, match="is not empty"):
        unpack(read_pack(small), folder)
    unpack(read_pack(small), folder, force=True)
    assert (folder / "recipe.redraft").read_bytes() == read_pack(small).files["recipe.redraft"]
    assert not (folder / "more.txt").exists()
    assert [p.name for p in folder.parent.iterdir()] == ["place"]


def test_a_folder_that_cannot_be_written_is_told(whole_pack: Pack, ordinary_user: Path) -> None:
    (ordinary_user / "closed").mkdir()
    (ordinary_user / "closed").chmod(0o500)
    with pytest.raises(ArtifactError, match="cannot be unpacked to") as caught:
        unpack(whole_pack, ordinary_user / "closed" / "new")
    assert caught.value.code == "RD729"


def test_a_folder_that_cannot_be_looked_into_is_told(whole_pack: Pack, ordinary_user: Path) -> None:
    (ordinary_user / "closed").mkdir()
    (ordinary_user / "closed").chmod(0o000)
    for folder in ("closed", "closed/new"):
        with pytest.raises(ArtifactError, match="looked into: permission denied") as caught:
            unpack(whole_pack, ordinary_user / folder)
        assert caught.value.code == "RD729"


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Every file that grows beyond ``size`` bytes fails, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "an unpacked pack"])
def test_a_full_disk_leaves_everything_as_it_was(
    whole_pack: Pack, tmp_path: Path, there: str
) -> None:
    above = tmp_path / "new"
    folder = above / "place"
    if there != "nothing":
        folder.mkdir(parents=True)
    if there == "an unpacked pack":
        unpack(whole_pack, folder)
        (folder / "more.txt").write_text("more")
    before = sorted(above.rglob("*"))
    size = max(map(len, whole_pack.files.values()))
    with no_file_above(size - 1), pytest.raises(ArtifactError) as caught:
        unpack(whole_pack, folder, force=True)
    assert caught.value.code == "RD729"
    assert "file too large" in caught.value.message
    assert "free some space, or choose another folder with `-o`" in (caught.value.help or "")
    assert sorted(above.rglob("*")) == before
    assert above.exists() == (there != "nothing")
    unpack(whole_pack, folder, force=True)
    assert not (folder / "more.txt").exists()


def test_a_full_disk_leaves_no_half_pack_and_the_old_one(small: Path) -> None:
    before, data = sorted(Path().iterdir()), small.read_bytes()
    recipe = Path("demo.redraft")
    # What is packed must differ, for the very same pack is not written again.
    recipe.write_text(recipe.read_text("utf-8") + "# more\n", "utf-8")
    for out in (small, Path("other.redraftpack")):
        with no_file_above(len(data) - 1), pytest.raises(ArtifactError) as caught:
            pack(Path("demo.redraft"), out)
        assert caught.value.code == "RD634"
        assert sorted(Path().iterdir()) == before
    assert small.read_bytes() == data


def test_a_full_disk_of_the_cache_is_told(small: Path) -> None:
    with no_file_above(10), pytest.raises(ArtifactError) as caught:
        opened(small)
    assert caught.value.code == "RD729"
    assert "or set REDRAFT_CACHE" in (caught.value.help or "")
    assert opened(small).is_dir()


def test_the_cached_copy_of_a_pack_is_made_anew_when_it_was_touched(small: Path) -> None:
    folder = opened(small)
    assert opened(small) == folder
    (folder / "recipe.redraft").write_text("changed")
    assert (opened(small) / "recipe.redraft").read_text() != "changed"
    (folder / "more.txt").write_text("more")
    opened(small)
    assert not (folder / "more.txt").exists()
