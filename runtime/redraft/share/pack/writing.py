"""Gather what belongs to a recipe or a run, and write it as a pack."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from redraft.disk import files
from redraft.disk.overwriting import refuse_overwriting
from redraft.disk.safetensors_head import BrokenHeadError, read_head
from redraft.errors import ArtifactError, RedraftError
from redraft.memory.marked import mask_bytes
from redraft.models.code.reference import PLACEHOLDER
from redraft.plans import lock
from redraft.plans.loading import load, loads, recipe_of
from redraft.plans.record import ModelRecord, RunRecord
from redraft.plans.run_files import EDIT, LOCK, PICTURE, RECIPE, RECORD, REPORT, RUNS
from redraft.plans.run_folder import FinishedRun, latest, read_run
from redraft.share.pack import CARD, MANIFEST, MAX_BYTES, MAX_ENTRIES, SOURCE, container
from redraft.share.pack.card import card
from redraft.share.pack.manifest import Content, Manifest
from redraft.share.pack.reading import read_pack
from redraft.show.report.places import moved
from redraft_dsl import Checked
from redraft_dsl.flatten import standing_alone
from redraft_dsl.recipe.model import ListedModel, Recipe

PATH = "recipe_path"
EDIT_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class PackResult:
    """A pack that was written.

    Attributes:
        path: its file.
        names: of the files in it, sorted.
        size: in bytes.
        sha256: of the pack.
        run: the run folder whose edit is in it, or None.
        there: whether the very same pack was there already.
        left: the lock beside the recipe, where it fits the recipe and the packed run was made
            without it.

    """

    path: Path
    names: tuple[str, ...]
    size: int
    sha256: str
    run: Path | None
    there: bool = False
    left: Path | None = None


def pack(
    source: Path, out: Path | None = None, *, runs: Path = RUNS, force: bool = False
) -> PackResult:
    """Write a pack of a run folder, of a recipe with its latest finished run, or of an edit.

    Packing the same things again gives the same bytes.

    Args:
        source: a run folder, a recipe file, or the file of a combined edit.
        out: the pack; NAME-VERSION.redraftpack in the current folder if not given.
        runs: where a recipe's run is looked for.
        force: replace whatever file is there, and not only an earlier pack of the same recipe.

    Raises:
        CheckFailedError: the recipe has errors.
        ArtifactError: the run is not whole, a file cannot stand in a pack, or the pack cannot be
            written or would replace another file.

    """
    run: Path | None = source
    record: RunRecord | None
    if source.is_dir():
        recipe, record, contents = _run_contents(source)
    elif source.suffix == EDIT_SUFFIX:
        recipe, record, contents = _edit_contents(source)
    else:
        recipe, record, contents, run = _recipe_contents(source, runs)
    data = _data(recipe, record, contents)
    target = out or Path(f"{recipe.name}-{recipe.version}.redraftpack")
    if not force:
        _refuse_replacing(target, recipe.name, contents)
    same = target.is_file() and target.read_bytes() == data
    if not same:
        files.write_bytes(target, data)
    digest = hashlib.sha256(data).hexdigest()
    left = None if record is None else _lock_left(record, recipe, source)
    return PackResult(target, tuple(sorted(contents)), len(data), digest, run, same, left)


def _lock_left(record: RunRecord, recipe: Recipe, source: Path) -> Path | None:
    """The lock beside a recipe that fits it and that its run did not obey; None without one."""
    path = lock.lock_path(Path(record.recipe_path) if source.is_dir() else source)
    try:
        held = lock.read(path)
    except RedraftError:
        return None
    if held is None or not _is_of(held, recipe) or held.sha256 == record.lock:
        return None
    return path


def _refuse_replacing(path: Path, recipe: str, contents: Mapping[str, bytes]) -> None:
    """Raise ArtifactError where a file is there that this pack may not take the place of."""
    try:
        earlier = read_pack(path).manifest
    except ArtifactError:
        refuse_overwriting([path], force=False)
        return
    if earlier.recipe != recipe:
        refuse_overwriting([path], force=False)
    if EDIT not in contents and EDIT in earlier.files:
        raise ArtifactError(
            "RD681",
            f"{path} holds an edit, and there is no finished run of the recipe as it is now, "
            "so nothing was written",
            "run the recipe first, give another name with `-o`, or overwrite with `--force`",
        )


def pack_of_run(folder: Path) -> bytes:
    """The pack of a run folder, which is written nowhere; raises as :func:`pack` does."""
    return _data(*_run_contents(folder))


def _data(recipe: Recipe, record: RunRecord | None, contents: dict[str, bytes]) -> bytes:
    """The bytes of a pack; adds its card and its manifest to the contents."""
    contents[CARD] = card(recipe, record, sorted({*contents, CARD, MANIFEST})).encode()
    contents[MANIFEST] = _manifest(recipe, record, contents).text().encode()
    return _container(contents)


def _container(contents: Mapping[str, bytes]) -> bytes:
    faults = {name: container.name_fault(name) for name in contents}
    both = container.clash(sorted(contents))
    if both is not None:
        faults[both[1]] = f"it is the same as `{both[0]}` on some systems"
    for name, fault in faults.items():
        if fault is not None:
            raise ArtifactError(
                "RD711", f"`{name}` cannot stand in a pack: {fault}", "give the file another name"
            )
    data = container.write(contents)
    if len(data) > MAX_BYTES or len(contents) > MAX_ENTRIES:
        raise ArtifactError(
            "RD718",
            f"the pack would have {len(data)} bytes in {len(contents)} files, and at most "
            f"{MAX_BYTES} in {MAX_ENTRIES} are read",
            "use smaller masks",
        )
    return data


def _manifest(recipe: Recipe, record: RunRecord | None, contents: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        redraft=version("redraft"),
        recipe=recipe.name,
        version=recipe.version,
        title=recipe.title,
        model=recipe.model.name,
        run=record is not None,
        files={
            name: Content(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
            for name, data in sorted(contents.items())
        },
    )


def _run_contents(folder: Path) -> tuple[Recipe, RunRecord, dict[str, bytes]]:
    """The files of a finished run that verifying it needs, and its picture."""
    run = read_run(folder)
    record, checked = run.record, load(run.recipe)
    recipe = recipe_of(checked)
    edit = _bytes(folder, EDIT)
    if hashlib.sha256(edit).hexdigest() != record.edit_sha256:
        raise _not_whole(folder, f"{EDIT} is not the one that {RECORD} describes")
    if not _ran(checked, record, edit):
        raise _not_whole(folder, f"{RECIPE} is not the one that was run")
    found = {RECIPE: checked.source.text.encode(), EDIT: edit}
    # The path names somebody's folders, and the recipe lies beside the record from now on.
    there = record.model_copy(update={PATH: RECIPE, "model": _nobodys(record.model)})
    found[RECORD] = (there.model_dump_json(indent=1) + "\n").encode()
    held = run.lock(_not_whole(folder, f"{LOCK} is not the lock that the run obeyed"))
    if held is not None:
        found[LOCK] = held.text.encode()
    if (folder / PICTURE).is_file():
        found[PICTURE] = _bytes(folder, PICTURE)
    if (report := _report(folder, recipe)) is not None:
        found[REPORT] = report
    return recipe, record, found | _masks(checked, folder)


def _nobodys(model: ModelRecord) -> ModelRecord:
    """The same model, without the folder of the code that makes it."""
    if model.generator is None:
        return model
    return model.model_copy(update={"generator": Path(model.generator).name})


def _report(folder: Path, recipe: Recipe) -> bytes | None:
    """The report of a run, with nobody's folders in it; None where there is none."""
    if not (folder / REPORT).is_file():
        return None
    model = recipe.model
    name = model.name if isinstance(model, ListedModel) else model.path
    page = _bytes(folder, REPORT).decode(errors="replace")
    found = moved(page, {"run": ".", "model": name, "recipe": RECIPE, "code": PLACEHOLDER})
    return None if found is None else found.encode()


def _edit_contents(path: Path) -> tuple[Recipe, None, dict[str, bytes]]:
    """An edit that no run has made, such as a combined one, with the recipe that it holds."""
    data = _bytes(path.parent, path.name)
    try:
        text = read_head(BytesIO(data), len(data)).metadata.get("recipe", "")
    except BrokenHeadError as error:
        raise _not_whole(path, str(error)) from error
    checked = loads(text, path.parent)
    recipe = checked.recipe
    if recipe is None:
        raise ArtifactError(
            "RD710",
            f"{path} cannot be packed: the recipe in it does not stand alone",
            "combine edits whose recipes name the model alike and need no mask files, or pack each "
            "of them",
        )
    found = {RECIPE: text.encode(), EDIT: data}
    return recipe, None, found | _masks(checked, path.parent)


def _ran(checked: Checked, record: RunRecord, edit: bytes) -> bool:
    """Whether this is the recipe of a run, as far as can be known without its model."""
    assert checked.recipe is not None, "only a recipe without errors is packed"
    if checked.recipe.digest() == record.recipe_digest:
        return True
    # A layer's name may be another of its names, and only the model's file says which is first.
    if isinstance(checked.recipe.model, ListedModel):
        return False
    try:
        return read_head(BytesIO(edit), len(edit)).metadata.get("recipe") == checked.source.text
    except BrokenHeadError:
        return False


def _recipe_contents(
    path: Path, runs: Path
) -> tuple[Recipe, RunRecord | None, dict[str, bytes], Path | None]:
    held = lock.read(lock.lock_path(path))
    # A lock that was made with values is the lock of the recipe with these values.
    checked = load(path, () if held is None else held.given)
    recipe = recipe_of(checked)
    run = _latest_run(checked, runs)
    record = None
    if run is not None:
        recipe, record, found = _run_contents(run)
    else:
        found = {
            RECIPE: standing_alone(checked).encode(),
            **_masks(checked, path.parent),
        }
        if held is not None and _is_of(held, recipe):
            found[LOCK] = held.text.encode()
    if not checked.stands_alone:
        written = _as_written(checked, path)
        found |= {f"{SOURCE}/{name}": data for name, data in written.items()}
    return recipe, record, found, run


def _is_of(held: lock.Lock, recipe: Recipe) -> bool:
    """Whether a lock is one of the recipe as it is now."""
    found = held.by_key().get(("recipe",))
    return found is not None and found.fields["digest"] == recipe.digest()


def _latest_run(checked: Checked, runs: Path) -> Path | None:
    """The folder of the latest finished run of a recipe; damaged ones are skipped."""
    assert checked.recipe is not None, "only a recipe without errors is packed"
    digest = checked.recipe.digest()

    def wanted(folder: Path) -> FinishedRun | None:
        try:
            run = read_run(folder)
            kept = load(run.recipe).recipe
        except RedraftError:
            return None
        whole = kept is not None and kept.digest() == digest and run.edit.is_file()
        return run if whole else None

    found = latest(runs, wanted)
    return None if found is None else found.folder


def _as_written(checked: Checked, path: Path) -> dict[str, bytes]:
    """A recipe that uses others, these others, and the masks of all."""
    assert checked.recipe is not None, "only a recipe without errors is packed"
    found = {path.name: checked.source.text.encode()}
    found |= _masks(checked, path.parent)
    for used in checked.imports:
        data = _bytes(path.parent, used.path)
        if hashlib.sha256(data).hexdigest() != used.sha256:
            raise ArtifactError(
                "RD712",
                f"{used.path} has changed since the recipe was checked",
                "leave the recipe's folder alone while it is packed, then pack again",
            )
        found[used.path] = data
    return found


def _masks(checked: Checked, folder: Path) -> dict[str, bytes]:
    """The masks of all rules of a recipe: one that is off may be switched on again."""
    return mask_bytes((*recipe_of(checked).rules, *checked.off), folder, lost_mask)


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _not_whole(folder, f"{name} cannot be read") from error


def lost_mask(name: str, reason: str) -> ArtifactError:
    """The error of a mask that vanished or changed after the check."""
    return ArtifactError(
        "RD712", f"the mask {name} cannot be packed: {reason}", "put it back, then pack again"
    )


def _not_whole(folder: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        "RD710", f"{folder} cannot be packed: {reason}", "restore the file, or run the recipe again"
    )
