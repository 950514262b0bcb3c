"""Packs on a model hub: push one as a commit, pull one at a revision.

A repository holds the files of a pack as ``redraft unpack`` writes them. What is pulled is what
the manifest names and nothing else; it is put together to the pack that it came from and checked
as a pack is, before anything is written.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redraft.errors import ArtifactError
from redraft.explain.install import extra
from redraft.share.pack import CARD, MANIFEST, MAX_BYTES, MAX_ENTRIES, container, is_pack
from redraft.share.pack.manifest import Manifest
from redraft.share.pack.reading import (
    MAX_MANIFEST,
    Pack,
    check_target,
    pack_of,
    read_manifest,
    read_pack,
    unpack,
)
from redraft.share.pack.writing import pack_of_run

try:
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationDelete,
        HfApi,
        get_session,
        hf_hub_url,
    )
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        disable_progress_bars,
        logging,
        validate_repo_id,
    )
except ImportError as error:
    raise ArtifactError(
        "RD770",
        "a model hub needs huggingface_hub, which is not installed",
        f"install it with `{extra('hub')}`",
    ) from error

from redraft.share.pack.hub_failures import Place, no_pack, refusal, reporting, unexpected

_SILENCE_S = 60.0
_OK = 200
_NEWEST = "main"
_THEIRS = frozenset({".gitattributes", CARD})
"""What a hub puts into a new repository itself."""


@dataclass(frozen=True)
class PushResult:
    """What was pushed.

    Attributes:
        url: of the repository's page.
        commit: 40 hexadecimal digits.
        pack: whose files are there now.
        changed: False when the very same files were there already.

    """

    url: str
    commit: str
    pack: Pack
    changed: bool


@dataclass(frozen=True)
class PullResult:
    """What was pulled: the page of its repository, its commit, the pack, and its folder."""

    url: str
    commit: str
    pack: Pack
    folder: Path


def push(
    source: Path, repo: str, *, private: bool = False, message: str | None = None
) -> PushResult:
    """Bring the files of a pack to a repository, which is made if it is not there, as one commit.

    Files that an earlier push left there and that the pack does not have are removed; other files
    are left as they are.

    Args:
        source: a pack or a run folder.
        repo: OWNER/NAME.
        private: make a new repository private; one that is public already is refused.
        message: of the commit; the recipe's name and version if not given.

    Raises:
        ArtifactError: the pack is not whole, the hub cannot be reached or refuses, the repository
            holds something else, or it was changed meanwhile.

    """
    pack = _pack_from(source)
    api, place = _hub(repo)
    with reporting(place):
        api.create_repo(repo, private=True if private else None, exist_ok=True)
        info = api.model_info(repo, timeout=_SILENCE_S)
        before, there = info.sha, {each.rfilename for each in info.siblings or ()}
        if private and not info.private:
            raise ArtifactError(
                "RD777",
                f"{repo} is public already, and `--private` does not change that",
                f"make it private at {place.url}/settings, or leave out `--private`",
            )
        old = _earlier(place, there)
        operations: list[CommitOperationAdd | CommitOperationDelete]
        operations = [*_additions(pack), *_removals(pack, old, there)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the hub's advice on the card, as a Python warning
            done = api.create_commit(
                repo,
                operations,
                commit_message=message or f"{pack.manifest.recipe} {pack.manifest.version}",
                parent_commit=before,
            )
    return PushResult(place.url, str(done.oid), pack, changed=done.oid != before)


def pull(
    repo: str, folder: Path, revision: str | None = None, *, force: bool = False
) -> PullResult:
    """Bring a pack from a repository into a folder, all of it or nothing.

    Args:
        repo: OWNER/NAME.
        folder: as :func:`redraft.share.pack.reading.unpack` takes it.
        revision: a branch, a tag or a commit; the newest commit if not given.
        force: replace a folder that an earlier unpacking left.

    Raises:
        ArtifactError: the hub cannot be reached or refuses, the repository has no pack, a file is
            not the one that the manifest describes, or the folder cannot be used.

    """
    _, place = _hub(repo, revision)
    check_target(folder, force=force)
    with reporting(place):
        data, commit = _fetched(place, MANIFEST, revision or _NEWEST, MAX_MANIFEST)
        if data is None:
            raise no_pack(place)
        if commit is None:
            raise unexpected(place, "it does not say which commit it sends")
        files = dict(_named_files(place, commit, read_manifest(data, repo)))
    # The pack as it was, so that all that is demanded of a pack is demanded here too.
    pack = pack_of(Path(repo), container.write({MANIFEST: data, **files}))
    unpack(pack, folder, force=force)
    return PullResult(f"{place.url}/tree/{commit}", commit, pack, folder)


# ---- what is pushed ---------------------------------------------------------------------------


def _pack_from(source: Path) -> Pack:
    if is_pack(source) or not source.is_dir():
        return read_pack(source)
    return pack_of(source, pack_of_run(source))


def _earlier(place: Place, there: set[str]) -> Manifest | None:
    """The manifest of what an earlier push left; None in a new repository."""
    data = None
    if MANIFEST in there:
        data, _ = _fetched(place, MANIFEST, _NEWEST, MAX_MANIFEST)
    try:
        return read_manifest(data, place.repo)
    except ArtifactError as error:
        other = sorted(there - _THEIRS)
        if error.code != "RD725" or not other:
            return None
        raise ArtifactError(
            "RD777",
            f"{place.repo} holds something else than a pack, such as `{other[0]}`",
            "push to a new repository, so that nothing of this one is mixed up or overwritten",
        ) from error


def _additions(pack: Pack) -> Iterator[CommitOperationAdd]:
    for name, data in sorted(pack.files.items()):
        yield CommitOperationAdd(path_in_repo=name, path_or_fileobj=data)


def _removals(pack: Pack, old: Manifest | None, there: set[str]) -> Iterator[CommitOperationDelete]:
    if old is not None:
        for name in sorted((set(old.files) & there) - set(pack.files)):
            yield CommitOperationDelete(path_in_repo=name)


# ---- what is pulled ---------------------------------------------------------------------------


def _named_files(place: Place, commit: str, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """The files that a manifest names, once its names and sizes have been looked at.

    One byte more than the manifest says is asked for, so that a file that is too long is found
    to be another one. A missing file is left out; both are reported when the pack is checked.
    """
    container.check_names(sorted({MANIFEST, *manifest.files}), place.repo)
    total = sum(content.size for content in manifest.files.values())
    if total > MAX_BYTES or len(manifest.files) >= MAX_ENTRIES:
        raise ArtifactError(
            "RD718",
            f"{place.repo} says to hold {total} bytes in {len(manifest.files)} files, and at most "
            f"{MAX_BYTES} in {MAX_ENTRIES} are read",
            "it is not a pack of an edit; those have a few MiB",
        )
    for name, content in sorted(manifest.files.items()):
        data, _ = _fetched(place, name, commit, content.size)
        if data is not None and name != MANIFEST:
            yield name, data


def _fetched(place: Place, name: str, revision: str, limit: int) -> tuple[bytes | None, str | None]:
    """A file and the commit that it is of; None if that has no such file.

    No more than ``limit`` bytes and one are kept, whatever is sent. Where a file lies with another
    server, the token does not go there.
    """
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    url = hf_hub_url(place.repo, name, revision=revision)
    with get_session().stream("GET", url, headers=headers) as response:
        if response.headers.get("X-Error-Code") == "EntryNotFound":
            return None, None
        if response.status_code != _OK:
            raise refusal(response, place)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise unexpected(place, "it sends compressed files without being asked")
        data = bytearray()
        for chunk in response.iter_raw(1 << 16):
            data += chunk[: limit + 1 - len(data)]
            if len(data) > limit:
                break
        return bytes(data), _commit([*response.history, response])


def _commit(answers: list[Any]) -> str | None:
    for answer in answers:
        found: str = answer.headers.get("X-Repo-Commit", "")
        if re.fullmatch("[0-9a-f]{40}", found):
            return found
    return None


# ---- the hub ----------------------------------------------------------------------------------


def _hub(repo: str, revision: str | None = None) -> tuple[HfApi, Place]:
    try:
        validate_repo_id(repo)
        _, _ = repo.split("/")  # a name alone would mean what the hub itself owns
    except ValueError as error:
        raise ArtifactError(
            "RD771",
            f"`{repo}` is not a repository's name",
            "write OWNER/NAME, as in `alice/glasses`: letters, digits, `-`, `_` and `.`",
        ) from error
    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    get_session().timeout = _SILENCE_S  # it would wait for ever
    api = HfApi()
    parts = urlsplit(api.endpoint)
    host = parts.netloc.rpartition("@")[2] or api.endpoint
    return api, Place(host, f"{parts.scheme}://{host}{parts.path}/{repo}", repo, revision)
