"""Open a pack: everything is checked in memory before anything is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from redraft.disk.cache import cache_root, make_folder
from redraft.disk.files import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, is_full
from redraft.errors import ArtifactError
from redraft.explain.words import first_fault, first_line, reason_of
from redraft.plans.run_files import EDIT, RECIPE, RECORD
from redraft.share.pack import MANIFEST, MAX_BYTES, PACK_FORMAT, container
from redraft.share.pack.manifest import Manifest

MAX_MANIFEST = 2**20


@dataclass(frozen=True)
class Pack:
    """A pack that was read and found whole.

    Attributes:
        path: its file.
        manifest: what it says of itself.
        files: every file in it by name, the manifest too.
        sha256: of the pack.

    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str


def read_pack(path: Path) -> Pack:
    """Read a pack and check all of it: names, sizes, layout, and the hash of every file.

    Raises:
        ArtifactError: it cannot be read, is not a pack, is of a newer format, or anything in it is
            not as it should be.

    """
    return pack_of(path, _bytes(path))


def pack_of(path: Path, data: bytes) -> Pack:
    """The pack that these bytes are, checked as by :func:`read_pack`; messages name ``path``."""
    files = container.read(data, str(path))
    manifest = read_manifest(files.get(MANIFEST), str(path))
    _compare(files, manifest, str(path))
    return Pack(path, manifest, files, hashlib.sha256(data).hexdigest())


def unpack(pack: Pack, folder: Path, *, force: bool = False) -> None:
    """Write the files of a pack into a new folder, all of them or none.

    Args:
        pack: from :func:`read_pack`.
        folder: made if it is not there; an empty one is used.
        force: replace a folder that an earlier unpacking left, with all that is in it.

    Raises:
        ArtifactError: the folder holds something else, or cannot be written.

    """
    _write(pack, folder, check_target(folder, force=force), "choose another folder with `-o`")


def _write(pack: Pack, folder: Path, target: Path, remedy: str) -> None:
    fresh = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    above = [path for path in target.parents if not path.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fill(fresh, pack.files)
        _swap(fresh, target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        for path in above:  # the innermost first; one that somebody else uses stays
            with contextlib.suppress(OSError):
                path.rmdir()
        if is_full(error):
            remedy = f"free some space, or {remedy}"
        raise ArtifactError(
            "RD729",
            f"{pack.path} cannot be unpacked to {folder}: {reason_of(error)}",
            f"{remedy}; nothing was left half-written",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def opened(path: Path) -> Path:
    """A folder with the files of a pack, for reading; it lies in the cache and is checked anew.

    Raises:
        ArtifactError: as :func:`read_pack`, or the cache cannot be written.

    """
    pack = read_pack(path)
    folder = cache_root() / "packs" / pack.sha256[:32]
    if not _holds(folder, pack.files):
        make_folder(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)
        _write(pack, folder, folder, "set REDRAFT_CACHE to a folder that you can write to")
    return folder


def edit_in(path: Path) -> Path:
    """The edit file of a pack.

    Raises:
        ArtifactError: as :func:`opened`, or the pack was made before the recipe was run.

    """
    return _run_folder(path, "an edit") / EDIT


def run_in(path: Path) -> Path:
    """The run folder of a pack; raises ArtifactError as :func:`edit_in` does."""
    return _run_folder(path, "a finished run")


def recipe_in(path: Path) -> Path:
    """The recipe file of a pack; raises ArtifactError as :func:`opened` does."""
    return opened(path) / RECIPE


def _run_folder(path: Path, what: str) -> Path:
    folder = opened(path)
    if not (folder / EDIT).is_file():
        raise ArtifactError(
            "RD727",
            f"{path} does not hold {what}: it was packed before the recipe was run",
            f"run it: redraft run {path}",
        )
    return folder


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArtifactError(
            "RD713", f"the pack {path} cannot be read: {reason_of(error)}", "check the path"
        ) from error
    if len(data) > MAX_BYTES:
        raise ArtifactError(
            "RD718",
            f"the pack {path} has {size} bytes, and at most {MAX_BYTES} are read",
            "it is not a pack of an edit; those have a few MiB",
        )
    return data


def read_manifest(data: bytes | None, path: str) -> Manifest:
    """The manifest in these bytes, of the pack ``path``; None stands for a missing one.

    Raises:
        ArtifactError: it is missing, too large, damaged, or of a newer format.

    """
    if data is None or len(data) > MAX_MANIFEST:
        what = "has no" if data is None else "has too large a"
        raise ArtifactError(
            "RD725", f"{path} {what} {MANIFEST}", "it was not made by `redraft pack`"
        )
    try:
        found = json.loads(data.decode("utf-8"))
        form = found["format"]
        if isinstance(form, str) and form.startswith("redraft-pack-") and form != PACK_FORMAT:
            raise ArtifactError(
                "RD715",
                f"{path} has the format {form[:40]}, and this redraft reads {PACK_FORMAT}",
                "install a newer redraft",
            )
        manifest = Manifest.model_validate_json(data, strict=True)
        if manifest.format != PACK_FORMAT:
            raise ValueError("it has no known format")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else first_line(error)
        raise ArtifactError(
            "RD725", f"{MANIFEST} in {path} is damaged: {fault}", "get the pack again"
        ) from error
    return manifest


def _compare(files: Mapping[str, bytes], manifest: Manifest, path: str) -> None:
    for name in sorted(set(files) - set(manifest.files) - {MANIFEST}):
        raise ArtifactError(
            "RD723", f"`{name}` in {path} is not in its {MANIFEST}", "get the pack again"
        )
    required = {*manifest.files, RECIPE, *((EDIT, RECORD) if manifest.run else ())}
    for name in sorted(required - set(files)):
        raise ArtifactError("RD724", f"`{name}` is missing in {path}", "get the pack again")
    for name, said in sorted(manifest.files.items()):
        if name == MANIFEST or (len(files[name]), hashlib.sha256(files[name]).hexdigest()) != (
            said.size, said.sha256,
        ):  # fmt: skip
            raise ArtifactError(
                "RD722",
                f"`{name}` in {path} is not the file that its {MANIFEST} describes",
                "the pack was damaged or changed; get it again",
            )


def check_unpacked(folder: Path) -> tuple[str, ...]:
    """Check the files of an unpacked pack by its manifest; their names, none for another folder.

    Raises:
        ArtifactError: the manifest is damaged, or a file is missing or not what it describes.

    """
    path = folder / MANIFEST
    if not path.is_file():
        return ()
    manifest = read_manifest(path.read_bytes(), str(folder))
    files = {}
    for name in manifest.files:
        if (fault := container.name_fault(name)) is not None:
            raise ArtifactError(
                "RD725", f"{MANIFEST} in {folder} is damaged: {fault}", "get the pack again"
            )
        if (folder / name).is_file():
            files[name] = (folder / name).read_bytes()
    _compare(files, manifest, str(folder))
    return tuple(sorted(files))


def check_target(folder: Path, *, force: bool) -> Path:
    """The true path of a folder that a pack may be unpacked to; raises ArtifactError if not."""
    target = Path(os.path.realpath(folder))
    try:
        if not target.exists():
            return target
        if not target.is_dir():
            raise ArtifactError("RD726", f"{folder} is a file", "name a folder with `-o`")
        names = {path.name for path in target.iterdir()}
    except OSError as error:
        raise ArtifactError(
            "RD729",
            f"the folder {folder} cannot be looked into: {reason_of(error)}",
            "change its permissions, or choose another folder with `-o`",
        ) from error
    if names and not force:
        raise ArtifactError(
            "RD726",
            f"the folder {folder} is not empty",
            "name another one with `-o`; `--force` replaces a pack that was unpacked there",
        )
    if names and not _unpacked(target):
        raise ArtifactError(
            "RD726",
            f"the folder {folder} is not an unpacked pack, so `--force` leaves it alone",
            "name another folder with `-o`, or remove this one yourself",
        )
    return target


def _unpacked(folder: Path) -> bool:
    """Whether a pack was unpacked to this folder."""
    try:
        read_manifest((folder / MANIFEST).read_bytes(), str(folder))
    except (OSError, ArtifactError):
        return False
    return True


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _swap(fresh: Path, target: Path) -> None:
    """Put a new folder in the place of an old one, which is removed last."""
    if not target.exists():
        fresh.rename(target)
        return
    if not any(target.iterdir()):
        _move_into(fresh, target)
        return
    aside = target.parent / f"{fresh.name}.old"
    target.rename(aside)
    try:
        fresh.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _move_into(fresh: Path, target: Path) -> None:
    """Fill an empty folder that is there already: somebody may be standing in it."""
    moved: list[Path] = []
    try:
        for path in sorted(fresh.iterdir()):
            moved.append(path.rename(target / path.name))
    except OSError:
        for path in moved:
            path.rename(fresh / path.name)
        raise


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Whether a folder has these files as they are, and no others."""
    try:
        there = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
        }
        return there == set(files) and all(
            (folder / name).read_bytes() == data for name, data in files.items()
        )
    except OSError:
        return False
